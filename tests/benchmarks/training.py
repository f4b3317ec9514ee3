"""Training in the window beside the same network in a bare torch loop, and how late timers are."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from PySide6.QtCore import QElapsedTimer, QEventLoop, QObject, Qt, QTimer

from ctstudio.ct.volume import Volume
from ctstudio.gui.app import Program
from ctstudio.gui.session import Layer
from ctstudio.gui.settings import Settings

ROUNDS = 4


class Lateness(QObject):
    """How many milliseconds late a 10 ms timer of the GUI thread fires."""

    def __init__(self) -> None:
        super().__init__()
        self.late: list[float] = []
        self._clock = QElapsedTimer()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(10)
        self._timer.timeout.connect(self._tick)

    def start(self) -> None:
        self.late.clear()
        self._clock.start()
        self._timer.start()

    def stop(self) -> str:
        self._timer.stop()
        late = np.array(self.late)
        return f"99th percentile {np.percentile(late, 99):.1f} ms, maximum {late.max():.0f} ms"

    def _tick(self) -> None:
        self.late.append(max(self._clock.nsecsElapsed() / 1e6 - 10, 0.0))
        self._clock.restart()


def wait(done, milliseconds: int | None = None) -> None:
    loop = QEventLoop()
    timer = QTimer()
    timer.timeout.connect(lambda: loop.quit() if done() else None)
    timer.start(50)
    if milliseconds is not None:
        QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def bare_steps_per_second(recipe, threads: int, seconds: float) -> float:
    """The same network, batch, loss and optimiser on fixed data, nothing else."""
    import torch

    from ctstudio.learn.models import MODELS

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = MODELS.make(recipe.phases[-1].model)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    clean = torch.randn(recipe.batch, 1, recipe.patch_px, recipe.patch_px)
    noisy = clean + 0.1 * torch.randn_like(clean)
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        optimiser.zero_grad(set_to_none=True)
        torch.nn.functional.mse_loss(model(noisy), clean).backward()
        optimiser.step()
        steps += 1
    rate = steps / (time.perf_counter() - start)
    torch.set_num_threads(before)
    return rate


def phantom_volume() -> Volume:
    from ctstudio.core.events import finish
    from ctstudio.ct.phantom import phantom

    return finish(phantom(slices=24))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        program = Program(Settings(Path(folder) / "settings.ini"), Path(folder) / "runs")
        window, session = program.window, program.window.session
        window.show()
        window.resize(1440, 900)
        late = Lateness()
        late.start()
        program.load_engine()
        wait(lambda: program.engine is not None)
        print(f"while torch loads: timer late, {late.stop()}")
        volume = phantom_volume()
        layer = session.add_layer(Layer("phantom", "original", volume))
        window.opener.opened.emit(layer)
        wait(lambda: False, 500)
        panel = window.train_panel
        panel.select_source(layer)

        details = []

        def train(seconds: float, previews: bool, share: float = 0.04) -> tuple[float, str]:
            share = share if previews else 0.0
            recipe = panel.form.recipe().with_setting("stopping.seconds", seconds)
            recipe = recipe.with_setting("cadence.preview_time_share", share)
            recipe = recipe.with_setting("validation.time_share", share)
            panel.form.set_recipe(recipe)
            panel.start()
            log = session.run.history
            session.jobs["train"].detailed.connect(details.append)
            wait(lambda: len(log.step) > 5)
            if previews:  # the timer costs the training something, so it runs only here
                late.start()
            wait(lambda: not session.jobs.busy("train"))
            words = late.stop() if previews else ""
            seconds = np.array(log.seconds)
            half = len(seconds) // 10  # leave the start-up out
            return (len(seconds) - 1 - half) / (seconds[-1] - seconds[half]), words

        import torch

        threads = torch.get_num_threads()
        recipe = panel.form.recipe()
        # In turn, so that a machine whose speed drifts slows both alike.
        bare, inside = [], []
        for _ in range(ROUNDS):
            bare.append(bare_steps_per_second(recipe, threads, options.seconds / ROUNDS))
            inside.append(train(options.seconds / ROUNDS, previews=False)[0])
        bare.append(bare_steps_per_second(recipe, threads, options.seconds / ROUNDS))
        ratios = [
            rate / ((before + after) / 2)
            for before, rate, after in zip(bare, inside, bare[1:], strict=False)
        ]
        everything = bare_steps_per_second(recipe, max(threads, _cores()), options.seconds / ROUNDS)
        print(f"bare loop, {threads} thread(s): {' '.join(f'{b:.1f}' for b in bare)} steps/s")
        print(f"in the window, previews off: {' '.join(f'{r:.1f}' for r in inside)} steps/s")
        print(f"ratios {' '.join(f'{r:.3f}' for r in ratios)}, median {np.median(ratios):.3f}")
        print(
            f"bare loop, all cores: {everything:.1f} steps/s; ratio "
            f"{np.median(inside) / everything:.3f}"
        )
        rate, lateness = train(options.seconds, previews=True)
        previews = len(session.run.previews)
        print(
            f"with {previews} previews and validation: {rate:.1f} steps/s; timer late, {lateness}"
        )
        # Looked at closely, a part of the slice is shown more often than the whole.
        window.grid.visible_panes[1].view.zoom_by(4)
        details.clear()
        rate, lateness = train(options.seconds, previews=True, share=0.2)
        pictures = (len(details) + len(session.run.previews)) / options.seconds
        print(
            f"zoomed in, {pictures:.1f} pictures a second: {rate:.1f} steps/s; timer late, "
            f"{lateness}"
        )
        window.close()
        program.collector.stop()


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    main()

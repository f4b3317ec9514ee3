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
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
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

        def train(previews: bool) -> tuple[float, str]:
            recipe = panel.form.recipe().with_setting("stopping.seconds", options.seconds)
            if not previews:
                recipe = recipe.with_setting("cadence.preview_time_share", 0.0)
                recipe = recipe.with_setting("validation.time_share", 0.0)
            panel.form.set_recipe(recipe)
            panel.start()
            log = session.run.history
            wait(lambda: len(log.step) > 5)
            late.start()
            wait(lambda: not session.jobs.busy("train"))
            seconds = np.array(log.seconds)
            half = len(seconds) // 10  # leave the start-up out
            return (len(seconds) - 1 - half) / (seconds[-1] - seconds[half]), late.stop()

        import torch

        threads = torch.get_num_threads()
        recipe = panel.form.recipe()
        before = bare_steps_per_second(recipe, threads, options.seconds / 4)
        rate, lateness = train(previews=False)
        after = bare_steps_per_second(recipe, threads, options.seconds / 4)
        everything = bare_steps_per_second(recipe, max(threads, _cores()), options.seconds / 4)
        bare = (before + after) / 2
        print(f"bare loop, {threads} thread(s): {before:.2f} and {after:.2f} steps/s")
        print(f"in the window, previews off: {rate:.2f} steps/s; ratio {rate / bare:.3f}")
        print(f"bare loop, all cores: {everything:.2f} steps/s; ratio {rate / everything:.3f}")
        print(f"timer during that training: {lateness}")
        rate, lateness = train(previews=True)
        previews = len(session.run.previews)
        print(f"with {previews} previews and validation: {rate:.2f} steps/s; {lateness}")
        window.close()
        program.collector.stop()


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    main()

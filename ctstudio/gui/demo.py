"""``ctstudio demo``: the real window driven through the whole job, and its pictures kept.

The script below reads as a user would work: open, look, train and watch, denoise, compare, take
away. It waits by letting the window run, exactly as it does before a person.
"""

from __future__ import annotations

import json
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QEventLoop, QTimer

from ctstudio import __version__
from ctstudio.core.atomic import atomic_file
from ctstudio.core.errors import StudioError
from ctstudio.core.events import Work
from ctstudio.ct.views import SliceStack
from ctstudio.gui.app import Program
from ctstudio.gui.session import Layer
from ctstudio.gui.settings import Settings
from ctstudio.workflows.denoise import require_free_folder
from ctstudio.workflows.quality import best_total_variation, bias_by_slice, compare

PROTOCOL = "A"
TRAINING_SECONDS = 75.0
SIZE = (1440, 900)
PATIENCE_S = 900.0
FILES = ("window.png", "compare.png", "slices.gif", "training.gif", "curves.png", "metrics.json")


def run_demo(series: Path | None, out: Path, *, training_seconds: float = TRAINING_SECONDS) -> int:
    """Run the journey on ``series`` (default: the built-in phantom) and write `FILES` to ``out``.

    Returns the exit status. Prints each stage with its seconds.

    Raises
    ------
    StudioError
        When ``out`` is not empty, the series cannot be read, or its values are not HU.
    """
    require_free_folder(out)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ctstudio-demo-") as scratch:
        journey = Journey(out, Path(scratch), training_seconds)
        before = signal.signal(signal.SIGINT, journey.interrupt)
        try:
            journey.run(series)
        finally:
            signal.signal(signal.SIGINT, before)
            journey.close()
    return 0


class Journey:
    """One drive through the window, with the time that each stage took."""

    def __init__(self, out: Path, scratch: Path, training_seconds: float) -> None:
        self._out = out
        self._seconds: dict[str, float] = {}
        self._training_seconds = training_seconds
        self._troubles: list[str] = []
        self._interrupted = False
        self._start = time.monotonic()
        self.program = Program(Settings(scratch / "settings.ini"), runs_folder=scratch / "runs")
        self.window = self.program.window
        self.session = self.window.session
        self.session.trouble.connect(self._trouble)

    def run(self, path: Path | None) -> None:
        window = self.window
        window.show()
        window.resize(*SIZE)
        # What is written here may be shown to anybody.
        window.actions_by_name["patient"].setChecked(False)
        self._stage("window")
        self.program.load_engine()
        if path is None:
            truth, noisy = self._open_demo()
        else:
            truth, noisy = self._open_series(path)
        self._wait(lambda: self.program.engine is not None, "the learning engine")
        held = self._held_out(truth)
        middle = held[len(held) // 2]
        window.grid.activate(window.grid.panes[0])
        window.grid.go_to(middle)
        network = self._train(truth)
        self._snapshot(self._out / "window.png")
        self._save(self.window.exporter.save_training_gif, "training.gif")
        self._save(self.window.exporter.save_curves, "curves.png")
        denoised = self._denoise(noisy)
        tv = self._total_variation(truth, noisy, held, middle)
        self._compare(truth, noisy, denoised)
        self._write_metrics(truth, noisy, denoised, tv, held, network, path)

    # -- the stages ------------------------------------------------------------------------------

    def _open_demo(self) -> tuple[Layer, Layer]:
        self._say("Opening the built-in phantom")
        self.window.open_demo()
        self._wait(
            lambda: len(self._originals()) == 2 and all(la.complete for la in self._originals()),
            "the demo",
        )
        truth, noisy = self._originals()
        self.session.hang.emit([noisy, truth])
        self._stage("open")
        return truth, noisy

    def _open_series(self, path: Path) -> tuple[Layer, Layer]:
        self._say(f"Opening {path}")
        self.window.open_paths([path])
        self._wait(lambda: bool(self._originals()) and self._originals()[0].complete, str(path))
        truth = self._originals()[0]
        if truth.stack.unit != "HU":
            raise StudioError(f"The values of {path} are not HU.", hint="Choose a CT series.")
        if len(truth.stack) < 8:
            raise StudioError(
                f"{path} has {len(truth.stack)} slices; the demo needs at least 8.",
                hint="Choose a longer series.",
            )
        self._stage("open")
        self._say("Simulating a quarter of the dose")
        self._wait(lambda: self.program.engine is not None, "the learning engine")
        self.window.simulator.start(truth, self.window.train_panel.form.recipe().noise)
        self._wait(lambda: not self.session.jobs.busy("simulate"), "the simulation")
        noisy = next(la for la in self.session.layers if la.kind == "simulated")
        self._stage("simulate")
        return truth, noisy

    def _train(self, truth: Layer) -> Any:
        panel = self.window.train_panel
        self.window.tabs.setCurrentIndex(1)
        panel.select_source(truth)
        panel.form.set_recipe(
            panel.form.recipe().with_setting("stopping.seconds", self._training_seconds)
        )
        self._say(f"Training for {self._training_seconds:g} s")
        panel.start()
        self._wait(lambda: not self.session.jobs.busy("train"), "the training")
        self._check()
        run = self.session.run
        if run is None or run.model is None:
            raise StudioError("The training gave no network.", hint="See the messages above.")
        self.window.curves.update_now()
        self._stage("train")
        return run

    def _denoise(self, noisy: Layer) -> Layer:
        self._say("Denoising the series with the trained network")
        panel = self.window.denoise_panel
        self.window.tabs.setCurrentIndex(0)
        self.session.hang.emit([noisy])
        panel.choose("network")
        panel.apply()
        self._wait(lambda: not self.session.jobs.busy("denoise"), "the denoising")
        self._check()
        denoised = [la for la in self.session.layers if la.kind == "denoised"][-1]
        self._stage("denoise")
        self._save(self.window.exporter.save_slices_gif, "slices.gif")
        return denoised

    def _total_variation(
        self, truth: Layer, noisy: Layer, held: list[int], middle: int
    ) -> dict[str, Any]:
        """Total variation at its best strength for these slices: a strong rival, not a weak one."""
        self._say("Searching the best strength of total variation")
        tuning = sorted({held[0], middle})
        best, result = self._run(
            "Searching the best strength",
            lambda: best_total_variation(truth.stack, noisy.stack, tuning, held),
        )
        panel = self.window.denoise_panel
        panel.choose("tv", dict(best.params))
        panel.preview.setChecked(True)
        self._wait(lambda: not panel.live.pending, "the preview")
        self._stage("total variation")
        return {"choice": best, "slices": result}

    def _compare(self, truth: Layer, noisy: Layer, denoised: Layer) -> None:
        self._say("Comparing")
        window = self.window
        window.tabs.setCurrentIndex(3)
        window.compare_panel.set_reference(truth)
        tv = next(la for la in self.session.layers if la.name.startswith("Preview: Total"))
        self.session.hang.emit([noisy, tv, denoised, truth])
        self._idle(600)
        self._wait(lambda: not self.session.jobs.busy("metrics"), "the metrics")
        self._idle(100)
        self._stage("compare")
        self._save(window.exporter.save_picture, "compare.png")

    def _write_metrics(
        self,
        truth: Layer,
        noisy: Layer,
        denoised: Layer,
        tv: dict[str, Any],
        held: list[int],
        run: Any,
        path: Path | None,
    ) -> None:
        self._say("Measuring")
        versions = {"before": noisy.stack, "after": denoised.stack}
        rows, whole = self._run(
            "Measuring",
            lambda: _measure(truth.stack, versions, {"rival": tv["slices"]}, held),
        )
        before, after, rival = rows["before"], rows["after"], rows["rival"]
        self._stage("metrics")
        report = {
            "protocol": "A: clip [-160, 240] HU, range 400 HU, mean over held-out slices",
            "series": "built-in thorax phantom, quarter dose"
            if path is None
            else "given series, simulated quarter dose",
            "held_out_slices": [z + 1 for z in held],
            "before": before,
            "after": after,
            "gain_psnr_db": round(after["psnr"] - before["psnr"], 3),
            "total_variation_at_its_best": rival | {"settings": dict(tv["choice"].params)},
            "bias_whole_series_hu": whole,
            "training": {
                "recipe": run.recipe.title,
                "steps": int(run.history.step[-1]),
                "seconds": round(float(run.history.seconds[-1]), 1),
                "previews": len(run.previews),
            },
            "seconds": {k: round(v, 1) for k, v in self._seconds.items()}
            | {"total": round(time.monotonic() - self._start, 1)},
            "versions": _versions(),
        }
        with atomic_file(self._out / "metrics.json") as temporary:
            temporary.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        self._say(
            f"PSNR {before['psnr']:.2f} -> {after['psnr']:.2f} dB (total variation at its best "
            f"{rival['psnr']:.2f} dB), bias {after['bias_hu']:+.2f} HU"
        )
        self._say(f"Wrote {', '.join(FILES)} to {self._out}")

    # -- driving the window ----------------------------------------------------------------------

    def _originals(self) -> list[Layer]:
        return [la for la in self.session.layers if la.kind == "original"]

    def _held_out(self, truth: Layer) -> list[int]:
        """The slices that the training does not see."""
        from ctstudio.learn.sampling import split

        share = self.window.train_panel.form.recipe().validation.share
        return split(len(truth.stack), share)[1]

    def _run(self, title: str, work: Callable[[], Work[Any]]) -> Any:
        """Run ``work`` as a job, so that the window goes on, and return its result."""
        found: list[Any] = []
        self.session.jobs.start(
            "script", title, work, succeeded=found.append, failed=self.session.fail
        )
        self._wait(lambda: not self.session.jobs.busy("script"), title)
        self._check()
        return found[0]

    def _save(self, save: Callable[[Path], object], name: str) -> None:
        self._say(f"Saving {name}")
        save(self._out / name)
        self._wait(lambda: not self.session.jobs.busy("export"), name)
        self._check()
        self._stage(name)

    def _snapshot(self, path: Path) -> None:
        self._idle(400)
        image = self.window.grab().toImage()
        with atomic_file(path) as temporary:
            if not image.save(str(temporary)):
                raise StudioError(f"Cannot write {path}.", hint="Choose another folder.", path=path)
        self._stage("window.png")

    def _wait(self, done: Callable[[], bool], what: str) -> None:
        """Let the window run until ``done``; give up after a long time or on a failed job."""
        loop = QEventLoop()
        timer = QTimer()
        timer.setInterval(20)
        deadline = time.monotonic() + PATIENCE_S
        timer.timeout.connect(lambda: loop.quit() if done() or self._over(deadline) else None)
        timer.start()
        loop.exec()
        timer.stop()
        if self._interrupted:
            raise KeyboardInterrupt
        if not done():
            self._check()
            raise StudioError(
                f"Waited too long for {what}.", hint="Try again on a quieter machine."
            )

    def interrupt(self, *_: object) -> None:
        """Ctrl+C: an exception would be lost in Qt's loop, so it is raised when that has ended."""
        self._interrupted = True

    def _idle(self, milliseconds: int) -> None:
        loop = QEventLoop()
        QTimer.singleShot(milliseconds, loop.quit)
        loop.exec()

    def _failed(self) -> bool:
        return bool(self._troubles) and not self.session.jobs.busy()

    def _over(self, deadline: float) -> bool:
        return self._interrupted or self._failed() or time.monotonic() > deadline

    def _check(self) -> None:
        """A message of the window that nobody reads must not pass in silence."""
        if self._failed():
            raise StudioError(self._troubles[-1])

    def _trouble(self, what: str, hint: str, _details: str) -> None:
        if hint:
            self._troubles.append(f"{what} {hint}".strip())
        else:  # a remark on the series, not a failure
            self._say(what)

    def _stage(self, name: str) -> None:
        spent = time.monotonic() - self._start - sum(self._seconds.values())
        self._seconds[name] = self._seconds.get(name, 0.0) + spent

    def _say(self, text: str) -> None:
        print(f"[{time.monotonic() - self._start:6.1f} s] {text}", file=sys.stderr, flush=True)

    def close(self) -> None:
        self.session.jobs.cancel_all()
        self.session.jobs.wait()
        self.window.close()
        self.window.deleteLater()
        self.program.app.processEvents()
        self.program.collector.stop()


def _measure(
    truth: SliceStack,
    versions: dict[str, SliceStack],
    rivals: dict[str, list[np.ndarray]],
    held: list[int],
) -> Work[tuple[dict[str, Any], dict[str, Any]]]:
    rows = yield from compare(truth, {**versions, **rivals}, held)
    whole = yield from bias_by_slice(truth, versions)
    return rows, whole


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {
        "ctstudio": __version__,
        "python": platform.python_version(),
        "torch": version("torch"),
        "numpy": np.__version__,
        "scikit-image": version("scikit-image"),
        "PySide6": version("PySide6-Essentials"),
    }

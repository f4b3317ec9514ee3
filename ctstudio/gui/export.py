"""What people take away: pictures, GIFs, curves and DICOM of what the window shows.

The GUI thread gathers arrays and words; drawing and writing happen in a job.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, Signal

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Event, Note, Progress, Work
from ctstudio.ct.views import LABEL_UNIT, Blend, SliceStack
from ctstudio.ct.volume import Volume
from ctstudio.ct.window import Window
from ctstudio.figures.panel import Mark, Panel
from ctstudio.gui.export_shots import PaneShot, frozen, save_slices, shoot
from ctstudio.gui.job import Job
from ctstudio.gui.session import KeptPreview, Layer, Run, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.viewer.pane import Pane
from ctstudio.gui.viewer.view_grid import ViewGrid
from ctstudio.workflows.figures.naming import training_title

if TYPE_CHECKING:
    from PIL import Image

GIF_SECONDS = 0.12
TRAINING_GIF_HEIGHT = 256  # four panels in a row
LAST_STANDS = 5  # frames


class Exporter(QObject):
    """Starts exports; one runs at a time. ``saved`` names each file when it is whole."""

    saved = Signal(object)  # Path

    def __init__(self, session: Session, grid: ViewGrid) -> None:
        super().__init__(session)
        self._session = session
        self._grid = grid
        self.captions: Callable[[Layer], str] = lambda layer: ""
        # What is measured upon a slice of a pane, by the slice's number.
        self.marks: Callable[[Pane, PaneShot, int], tuple[Mark, ...]] = lambda pane, shot, at: ()

    def shots(self) -> list[tuple[PaneShot, str]]:
        """The visible panes from left to right, each with its caption."""
        result = []
        for pane, shot in self._shot_panes():
            assert pane.layer is not None
            # Metrics are of the pane's own layer alone.
            own = self.captions(pane.layer) if shot.compared is None else ""
            text = "\n".join(t for t in (shot.describe(), own) if t)
            result.append((replace(shot, marks=self.marks(pane, shot, shot.index)), text))
        return result

    def _shot_panes(self) -> list[tuple[Pane, PaneShot]]:
        found = [(pane, shoot(pane)) for pane in self._grid.visible_panes]
        panes = [(pane, shot) for pane, shot in found if shot is not None]
        if not panes:
            raise StudioError("There is nothing on the screen to export.", hint="Open a series.")
        return panes

    def save_picture(self, path: Path, *, title: str = "") -> Job | None:
        """The visible panes side by side as one PNG."""
        shots = self.shots()
        panels = [shot.drawn(shot.index, text) for shot, text in shots]
        footer = self._place(shots[0][0])
        return self._start("Picture", path, lambda: _picture(panels, path, title, footer))

    def save_slices_gif(self, path: Path, *, seconds_per_frame: float = GIF_SECONDS) -> Job | None:
        """The visible panes as a GIF, MP4 or WebM that runs through the slices of the longest."""
        panes = self._shot_panes()
        shots = [(shot, self._all_marks(pane, shot)) for pane, shot in panes]
        if max(len(shot.stack) for shot, _ in shots) < 2:
            raise StudioError(
                "A film over slices needs a series of at least two slices.",
                hint="Show a series rather than a training preview, then try again.",
            )
        return self._start(
            "Film over slices", path, lambda: save_slices(shots, path, seconds_per_frame)
        )

    def _all_marks(self, pane: Pane, shot: PaneShot) -> dict[int, tuple[Mark, ...]]:
        """What is measured upon the slices of a pane, by their numbers."""
        found = {at: self.marks(pane, shot, at) for at in range(len(shot.stack))}
        return {at: marks for at, marks in found.items() if marks}

    def save_training_gif(self, path: Path, *, seconds_per_frame: float = 0.25) -> Job | None:
        """The previews of the newest training as a GIF."""
        run = self._session.run
        if run is None or run.newest is None or not run.previews:
            raise StudioError("There are no training previews yet.", hint="Start a training first.")
        window, residual = self._training_windows(run)
        # The last picture stands still for a while before the film begins anew.
        kept = [*run.previews, *run.previews[-1:] * LAST_STANDS]
        return self._start(
            "GIF over training",
            path,
            lambda: _training_gif(run, kept, window, residual, path, seconds_per_frame),
        )

    def save_preview(self, path: Path, kept: KeptPreview) -> Job | None:
        """One preview of the newest training as a PNG, all of its panels side by side."""
        run = self._session.run
        if run is None or run.newest is None:
            raise StudioError("There are no training previews yet.", hint="Start a training first.")
        panels = _training_panels(run, kept, *self._training_windows(run))
        return self._start("Preview", path, lambda: _picture(panels, path, "", f"step {kept.step}"))

    def save_curves(self, path: Path) -> Job | None:
        """Curves of the newest training: a PNG, or a CSV by the name's ending."""
        run = self._session.run
        if run is None or not len(run.history.step):
            raise StudioError("There are no curves yet.", hint="Start a training first.")
        history = run.history.history()
        return self._start("Curves", path, lambda: _curves(history, path))

    def save_dicom(self, layer: Layer, folder: Path, *, deidentify: bool = False) -> Job | None:
        """A layer that was made here as a derived DICOM series in a new folder.

        A mask becomes a DICOM segmentation and NIfTI. ``deidentify`` leaves the patient out.
        """
        stack = frozen(layer.stack)
        return self._start(
            "DICOM", folder, lambda: _dicom(stack, layer.name, layer.note, folder, deidentify)
        )

    def _training_windows(self, run: Run) -> tuple[Window, Window]:
        window = run.source.stack.source.window
        residual = Window(0, 200)
        for pane in self._grid.panes:
            layer = pane.layer
            if layer is None or layer.stack.unit == LABEL_UNIT:
                continue
            if layer.name.startswith("Training:"):
                if layer.signed:
                    residual = Window(0, pane.view.window.width_hu)
                else:
                    window = pane.view.window
        return window or Window(40, 400), residual

    def _place(self, shot: PaneShot) -> str:
        geometry = shot.stack.geometry
        words = [f"slice {shot.index + 1} of {len(shot.stack)}"] if len(shot.stack) > 1 else []
        if geometry.spacing_known:
            words.append(f"at {geometry.offsets_mm[shot.index]:.1f} mm")
        return ", ".join(words)

    def _start(self, what: str, path: Path, work: Callable[[], Work[Path]]) -> Job | None:
        if self._session.jobs.busy("export"):
            raise StudioError(
                "An export is running already.", hint="Wait for it, or cancel it, then try again."
            )
        return self._session.jobs.start(
            "export",
            tr("Export: {0}").format(what),
            work,
            stepped=self._stepped,
            succeeded=self._done,
            failed=self._session.fail,
        )

    def _stepped(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Note):
                self._session.message.emit(event.text, 10000)

    def _done(self, path: Any) -> None:
        self._session.message.emit(tr("Saved {0}").format(path), 10000)
        self.saved.emit(path)


def _picture(panels: Sequence[Panel], path: Path, title: str, footer: str) -> Work[Path]:
    from ctstudio.figures.compose import compose, save_png

    yield Progress(0, 2, "Drawing")
    image = compose(panels, title=title, footer=footer)
    yield Progress(1, 2, "Writing")
    save_png(image, path)
    return path


def _training_gif(
    run: Run,
    kept: Sequence[KeptPreview],
    window: Window,
    residual: Window,
    path: Path,
    seconds: float,
) -> Work[Path]:
    from ctstudio.figures.animation import save_gif
    from ctstudio.figures.compose import compose

    def frames() -> Iterator[Image.Image]:
        for preview in kept:
            panels = _training_panels(run, preview, window, residual)
            yield compose(
                panels, columns=4, height_px=TRAINING_GIF_HEIGHT, footer=f"step {preview.step}"
            )

    yield from save_gif(frames(), path, seconds_per_frame=seconds, total=len(kept))
    return path


def _training_panels(
    run: Run, preview: KeptPreview, window: Window, residual: Window
) -> list[Panel]:
    geometry = run.source.stack.geometry
    unit = run.newest.unit if run.newest is not None else "HU"
    panels = []
    for name, image in run.panels(preview).items():
        signed = name == "residual"
        if run.newest is not None and run.newest.labels and name != "noisy":
            highest = max(float(np.max(run.newest.panels["target"])), 1.0)
            window, residual = Window(highest / 2, highest), Window(0, 2 * highest)
            unit = LABEL_UNIT
        text = f"± {residual.width_hu / 2:g} {unit}" if signed else f"{window} {unit}"
        if name == "reconstruction" and "psnr" in preview.metrics:
            text = f"PSNR {preview.metrics['psnr']:.2f} dB (protocol A)\n{text}"
        panels.append(
            Panel(
                image,
                residual if signed else window,
                title=training_title(name, run.newest is not None and run.newest.labels),
                caption=text,
                spacing_mm=geometry.spacing_mm if geometry.spacing_known else None,
                unit=unit,
                colormap="diverging" if signed else "grey",
            )
        )
    return panels


def _curves(history: Any, path: Path) -> Work[Path]:
    from ctstudio.figures.curves import save_curves_csv, save_curves_png

    yield Progress(0, 1, "Drawing")
    if path.suffix.lower() == ".csv":
        save_curves_csv(history, path)
    else:
        save_curves_png(history, path)
    return path


def _dicom(stack: SliceStack, name: str, method: str, folder: Path, deidentify: bool) -> Work[Path]:
    from ctstudio.workflows.deidentify import deidentifier
    from ctstudio.workflows.save import save, save_labels

    cleaner = deidentifier() if deidentify else None
    if isinstance(stack, Volume) and stack.unit == LABEL_UNIT:
        yield from save_labels(
            stack, folder, description=name, algorithm=method, deidentify=cleaner
        )
        return folder

    if isinstance(stack, Blend):
        hu = np.empty(stack.shape, np.float32)
        for index in range(len(stack)):
            hu[index] = stack.slice_hu(index)
            yield Progress(index, len(stack), "Blending")
        if stack.fraction != 1.0:
            method = f"{method or name}; {stack.derivation[-1]}"
        stack = Volume.from_hu(
            hu,
            stack.geometry,
            source=stack.source,
            derivation=stack.derivation,
            unit=stack.unit,
        )
    if not isinstance(stack, Volume):
        raise StudioError("Only denoised or simulated layers can be written as DICOM.")
    # What was there stands first: a reader of the archive looks for the series he knows.
    known = stack.source.description
    title = f"{known}, {name}" if known and not name.startswith(known) else name
    if deidentify:  # what a hospital calls a series may tell of the patient
        title = name.replace(known, "").strip(" ,:") or "Derived series"
    yield from save(
        stack, folder, "dicom", description=title, method=method or title, deidentify=cleaner
    )
    return folder

"""Pictures of a series and what a method makes of it: original, denoised, residual in a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Partial, Progress, Work
from ctstudio.ct.volume import Volume
from ctstudio.ct.window import PRESETS, Window, automatic
from ctstudio.workflows.stages import stage

if TYPE_CHECKING:
    from PIL import Image

    from ctstudio.ct.series import SeriesInfo
    from ctstudio.figures.panel import Panel
    from ctstudio.workflows.denoise import Method

RESIDUAL_LIMITS_HU = (10, 20, 50, 100, 200, 500, 1000)
WIDEST_HU = 1e6
GIF_HEIGHT_PX = 384
GIF_SECONDS_PER_FRAME = 0.2


def parse_window(text: str) -> Window:
    """A preset's name ("lung", "Bone") or width/centre in HU ("400/40").

    Raises
    ------
    StudioError
        For anything else.
    """
    for name, window in PRESETS.items():
        if name.lower() == text.strip().lower():
            return window
    width, slash, centre = text.partition("/")
    try:
        if slash and abs(float(centre)) <= WIDEST_HU and 1e-3 <= float(width) <= WIDEST_HU:
            return Window(float(centre), float(width))
    except ValueError:
        pass
    raise StudioError(
        f"There is no window {text!r}.",
        hint=f"Give {', '.join(PRESETS)}, or width/centre in HU, for example 400/40.",
    )


def residual_limit(residuals: Sequence[NDArray[np.float32]]) -> float:
    """A round number of HU that holds 99.5 % of each residual ``(y, x)``: one scale for all."""
    extent = max((float(np.percentile(np.abs(r), 99.5)) for r in residuals), default=0.0)
    return float(next((k for k in RESIDUAL_LIMITS_HU if k >= extent), RESIDUAL_LIMITS_HU[-1]))


def series_picture(
    series: SeriesInfo, methods: Sequence[Method], *, index: int | None, window: Window | None
) -> Work[Image.Image]:
    """One slice (default the middle) as original | denoised | residual, a row for each method.

    Only the slice that is shown is waited for. ``window`` defaults to the header's, else to the
    0.1 to 99.9 percentile.

    Raises
    ------
    StudioError
        When the series has no slice ``index``, or it cannot be read.
    """
    if index is not None and not 0 <= index < series.slices:
        raise StudioError(
            f"There is no slice {index + 1}.", hint=f"The series has slices 1 to {series.slices}."
        )
    wanted = series.slices // 2 if index is None else index
    volume, index = yield from _read_slice(series, wanted)
    hu = volume.slice_hu(index)
    shown = window or series.source.window or automatic(hu)
    results = []
    for done, method in enumerate(methods):
        yield Progress(done, len(methods), f"Denoising ({method.title})")
        results.append(method.denoise_slice(hu))
    limit = residual_limit([result - hu for result in results])
    sheet = _Sheet(volume, tuple(methods), shown, limit)
    return sheet.draw(hu, results, f"slice {index + 1} / {len(volume)}")


def series_gif(
    series: SeriesInfo, methods: Sequence[Method], path: Path, *, window: Window | None
) -> Work[Path]:
    """A GIF over all slices, each as in `series_picture`; returns ``path``.

    Raises
    ------
    StudioError
        When the series cannot be read or the file cannot be written.
    """
    from ctstudio.figures.animation import save_gif
    from ctstudio.workflows.open import read

    volume = yield from stage(read(series), "Reading")
    stacks: list[Volume] = []
    for method in methods:
        stacks.append((yield from stage(method.denoise(volume), f"Denoising ({method.title})")))
    count = len(volume)
    middle = volume.slice_hu(count // 2)
    shown = window or series.source.window or automatic(middle)
    # One scale for all frames, or the colours would flicker.
    limit = residual_limit([stack.slice_hu(count // 2) - middle for stack in stacks])
    sheet = _Sheet(volume, tuple(methods), shown, limit, GIF_HEIGHT_PX)

    def frames() -> Iterator[Image.Image]:
        for index in range(count):
            results = [stack.slice_hu(index) for stack in stacks]
            yield sheet.draw(volume.slice_hu(index), results, f"slice {index + 1} / {count}")

    saving = save_gif(frames(), path, seconds_per_frame=GIF_SECONDS_PER_FRAME, total=count)
    return (yield from stage(saving, "Drawing"))


def _read_slice(series: SeriesInfo, index: int) -> Work[tuple[Volume, int]]:
    """A volume in which slice ``index`` has arrived; the rest is not waited for."""
    from ctstudio.workflows.open import read

    work = read(series, first=index)
    try:
        while True:
            try:
                event = next(work)
            except StopIteration as stop:
                # Some slices could not be decoded and were taken out.
                volume: Volume = stop.value
                return volume, min(index, len(volume) - 1)
            if isinstance(event, Partial) and isinstance(event.value, Volume):
                return event.value, index
            if isinstance(event, (Progress, Note)):
                yield event
    finally:
        work.close()


@dataclass(frozen=True, eq=False)
class _Sheet:
    """What all pictures of a series share; ``limit`` (HU) ends the scale of the residuals."""

    volume: Volume
    methods: tuple[Method, ...]
    window: Window
    limit: float
    height_px: int | None = None

    def draw(
        self, hu: NDArray[np.float32], results: Sequence[NDArray[np.float32]], caption: str
    ) -> Image.Image:
        """One row for each result; the original alone where there is none."""
        from ctstudio.figures.compose import compose
        from ctstudio.figures.panel import Panel

        geometry = self.volume.geometry
        common: dict[str, Any] = {
            "spacing_mm": geometry.spacing_mm if geometry.spacing_known else None,
            "unit": self.volume.unit,
            "letters": geometry.edge_letters,
        }
        original = Panel(hu, self.window, "Original", f"{caption}, {self.window}", **common)
        signed = Window.from_range(-self.limit, self.limit)
        panels: list[Panel] = []
        for method, result in zip(self.methods, results, strict=True):
            changed = f"{method.title} minus original"
            panels += [
                original,
                Panel(result, self.window, method.title, method.description, **common),
                Panel(result - hu, signed, "Residual", changed, colormap="diverging", **common),
            ]
        return compose(panels or [original], columns=3 if panels else 1, height_px=self.height_px)

"""Pictures of a series and what a method makes of it: original, denoised, residual in a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Partial, Progress, Work
from ctstudio.ct.volume import Geometry, Volume, orientation_letters
from ctstudio.ct.window import PRESETS, Window, automatic
from ctstudio.workflows.stages import stage

if TYPE_CHECKING:
    from PIL import Image

    from ctstudio.dicom.scan import SeriesInfo
    from ctstudio.figures.panel import Panel
    from ctstudio.workflows.denoise import Method

RESIDUAL_LIMITS_HU = (10, 20, 50, 100, 200, 500, 1000)
GIF_HEIGHT_PX = 384
GIF_SECONDS_PER_FRAME = 0.2


def parse_window(text: str) -> Window:
    """A preset's name ("lung", "Bone") or centre/width in HU ("40/400").

    Raises
    ------
    StudioError
        For anything else.
    """
    for name, window in PRESETS.items():
        if name.lower() == text.strip().lower():
            return window
    centre, slash, width = text.partition("/")
    try:
        if slash:
            return Window(float(centre), float(width))
    except ValueError:
        pass
    raise StudioError(
        f"There is no window {text!r}.",
        hint=f"Give {', '.join(PRESETS)}, or centre/width in HU, for example 40/400.",
    )


def residual_limit(residual: NDArray[np.float32]) -> float:
    """A round number of HU that holds 99.5 % of the residual ``(y, x)`` or ``(z, y, x)``."""
    extent = float(np.percentile(np.abs(residual), 99.5))
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
    results = {}
    for done, method in enumerate(methods):
        yield Progress(done, len(methods), f"Denoising ({method.title})")
        results[method.title] = method.denoise_slice(hu)
    limits = {title: residual_limit(result - hu) for title, result in results.items()}
    return _picture(hu, results, volume, shown, limits, f"slice {index + 1} / {len(volume)}")


def series_gif(
    series: SeriesInfo, methods: Sequence[Method], path: Path, *, window: Window | None
) -> Work[Path]:
    """A GIF over all slices, each as in `series_picture`; returns ``path``.

    Raises
    ------
    StudioError
        When the series cannot be read or the file cannot be written.
    """
    from ctstudio.dicom.read import read
    from ctstudio.figures.animation import save_gif

    volume = yield from stage(read(series), "Reading")
    stacks: dict[str, Volume] = {}
    for method in methods:
        stacks[method.title] = yield from stage(
            method.denoise(volume), f"Denoising ({method.title})"
        )
    count = len(volume)
    middle = volume.slice_hu(count // 2)
    shown = window or series.source.window or automatic(middle)
    # One scale for all frames, or the colours would flicker.
    limits = {
        title: residual_limit(stack.slice_hu(count // 2) - middle)
        for title, stack in stacks.items()
    }

    def frames() -> Iterator[Image.Image]:
        for index in range(count):
            results = {title: stack.slice_hu(index) for title, stack in stacks.items()}
            caption = f"slice {index + 1} / {count}"
            hu = volume.slice_hu(index)
            yield _picture(hu, results, volume, shown, limits, caption, GIF_HEIGHT_PX)

    saving = save_gif(frames(), path, seconds_per_frame=GIF_SECONDS_PER_FRAME, total=count)
    return (yield from stage(saving, "Drawing"))


def edge_letters(geometry: Geometry) -> tuple[str, str, str, str]:
    """The patient's sides at the left, right, top and bottom edge of a slice as stored."""
    row, column = geometry.row_direction, geometry.column_direction
    return (
        orientation_letters(-row),
        orientation_letters(row),
        orientation_letters(-column),
        orientation_letters(column),
    )


def _read_slice(series: SeriesInfo, index: int) -> Work[tuple[Volume, int]]:
    """A volume in which slice ``index`` has arrived; the rest is not waited for."""
    from ctstudio.dicom.read import read

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


def _picture(
    hu: NDArray[np.float32],
    results: Mapping[str, NDArray[np.float32]],
    volume: Volume,
    window: Window,
    limits: Mapping[str, float],
    caption: str,
    height_px: int | None = None,
) -> Image.Image:
    from ctstudio.figures.compose import compose
    from ctstudio.figures.panel import Panel

    geometry = volume.geometry
    common: dict[str, Any] = {
        "spacing_mm": geometry.spacing_mm if geometry.spacing_known else None,
        "unit": volume.unit,
        "letters": edge_letters(geometry),
    }
    original = Panel(hu, window, "Original", caption=f"{caption}, {window}", **common)
    panels: list[Panel] = []
    for title, result in results.items():
        limit = Window.from_range(-limits[title], limits[title])
        panels += [
            original,
            Panel(result, window, title, **common),
            Panel(
                result - hu,
                limit,
                "Residual",
                caption=f"{title} minus original",
                colormap="diverging",
                **common,
            ),
        ]
    return compose(
        panels or [original],
        columns=3 if panels else 1,
        height_px=height_px,
    )

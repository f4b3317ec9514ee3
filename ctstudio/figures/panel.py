"""One picture of a figure: an image with its window, and how it becomes pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ctstudio.ct.window import Window
from ctstudio.figures.colours import diverging_index, diverging_table


@dataclass(frozen=True)
class Mark:
    """A line upon an image with words beside it; its points are (row, column) in pixels from 0."""

    points: tuple[tuple[float, float], ...]
    words: tuple[str, ...] = ()
    closed: bool = False
    colour: tuple[int, int, int] = (111, 216, 192)

    def moved(self, down: float, right: float) -> Mark:
        """The same elsewhere, px."""
        return replace(self, points=tuple((y + down, x + right) for y, x in self.points))


@dataclass(frozen=True, eq=False)
class Panel:
    """An image of a figure. It shows what it is given and knows nothing of a patient.

    Parameters
    ----------
    image
        ``(y, x)`` float32 in ``unit``.
    window
        What is black and what is white. A diverging panel uses its bound that is farther from
        zero on both sides, so that zero is always the neutral centre.
    title, caption
        Text above and below. A line break in the caption is kept.
    spacing_mm
        ``(dy, dx)``; None where it is unknown (square pixels, lengths in px).
    letters
        Patient sides at the left, right, top and bottom edge; empty for none.
    table
        The colour ``(256, 3)`` uint8 of each grey; None for the greys themselves.
    marks
        What was measured upon the image.
    legend
        Names and colours of what lies over it.
    overlay
        ``(y, x, 4)`` uint8 of the image's size: red, green, blue and opacity of what lies over it,
        such as a mask; None for nothing.
    """

    image: NDArray[np.float32]
    window: Window
    title: str = ""
    caption: str = ""
    spacing_mm: tuple[float, float] | None = None
    unit: str = "HU"
    colormap: Literal["grey", "diverging"] = "grey"
    letters: tuple[str, str, str, str] = ("", "", "", "")
    table: NDArray[np.uint8] | None = None
    marks: tuple[Mark, ...] = ()
    overlay: NDArray[np.uint8] | None = None
    legend: tuple[tuple[str, tuple[int, int, int]], ...] = ()

    def __post_init__(self) -> None:
        if self.image.ndim != 2 or not self.image.size:
            raise ValueError(f"a panel shows one image (y, x), not shape {self.image.shape}")
        if self.spacing_mm is not None and not min(self.spacing_mm) > 0:
            raise ValueError(f"the spacing must be positive, not {self.spacing_mm}")
        if self.overlay is not None and self.overlay.shape != (*self.image.shape, 4):
            raise ValueError(f"the overlay {self.overlay.shape} is not (y, x, 4) of the image")

    @property
    def bounds(self) -> tuple[float, float]:
        """The values at the two ends of the colour bar."""
        if self.colormap == "diverging":
            limit = max(abs(self.window.lower), abs(self.window.upper))
            return -limit, limit
        return self.window.lower, self.window.upper

    @property
    def scale(self) -> tuple[object, ...]:
        """What a colour bar tells: panels where it is equal may share one."""
        table = None if self.table is None else self.table.tobytes()
        return self.colormap, self.bounds, self.unit, table

    @property
    def natural_size(self) -> tuple[float, float]:
        """(height, width) in px when the finer of the two spacings takes one px a pixel."""
        rows, columns = self.image.shape
        dy, dx = self.spacing_mm or (1.0, 1.0)
        if abs(dy / dx - 1.0) < 1e-3:
            return float(rows), float(columns)
        finer = min(dy, dx)
        return rows * dy / finer, columns * dx / finer

    @property
    def neutral(self) -> bool:
        """Whether nothing of it has a hue."""
        plain = self.table is None and self.overlay is None and not self.marks
        return self.colormap == "grey" and plain

    def mm_per_px(self, width_px: int) -> float:
        """Length of one px of a picture ``width_px`` wide: mm, or image pixels without spacing."""
        spacing = self.spacing_mm[1] if self.spacing_mm else 1.0
        return float(self.image.shape[1] * spacing / width_px)


def render(panel: Panel, size: tuple[int, int], *, dark: bool = True) -> NDArray[np.uint8]:
    """The pixels of a panel, ``(height, width, 3)`` uint8 RGB.

    At a whole multiple of the image's size every grey is exactly ``window.to_uint8`` of its HU;
    at other sizes the HU, clipped to the window, are resampled (bicubic up, Lanczos down) before
    they become grey.
    """
    return np.asarray(picture(panel, size, dark=dark))


def picture(
    panel: Panel, size: tuple[int, int], *, dark: bool = True, mode: str = "RGB"
) -> Image.Image:
    """The same pixels as an image; ``mode`` is "RGB", or "L" for a panel without a hue."""
    values, repeat = resampled(panel, size)
    table = panel.table
    if panel.colormap == "grey":
        shades = panel.window.to_uint8(values)
    else:
        shades, table = diverging_index(values, panel.bounds[1]), diverging_table(dark)
    if repeat != (1, 1):
        shades = shades.repeat(repeat[0], axis=0).repeat(repeat[1], axis=1)
    image = Image.fromarray(np.ascontiguousarray(shades))
    if table is not None:
        image.putpalette(table.tobytes())
    if image.mode != mode:
        image = image.convert(mode)
    if panel.overlay is None:
        return image
    return Image.fromarray(_laid_over(np.asarray(image), panel.overlay))


def _laid_over(pixels: NDArray[np.uint8], overlay: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colours ``(y, x, 3)`` with an overlay of another size on top; its edges stay sharp."""
    height, width = pixels.shape[:2]
    if overlay.shape[:2] != (height, width):
        # Colours are not mixed with those of transparent neighbours.
        nearest = Image.Resampling.NEAREST
        overlay = np.asarray(Image.fromarray(overlay).resize((width, height), nearest))
    opacity = overlay[..., 3:].astype(np.float32) / 255
    mixed: NDArray[np.uint8] = np.rint(pixels * (1 - opacity) + overlay[..., :3] * opacity).astype(
        np.uint8
    )
    return mixed


def resampled(panel: Panel, size: tuple[int, int]) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """The values of a panel for ``(height, width)`` px, and how often each row, column repeats."""
    lower, upper = panel.bounds
    values = np.asarray(panel.image, np.float32)
    if np.isnan(values.min()):
        values = np.nan_to_num(values, nan=lower)
    rows, columns = values.shape
    height, width = size
    if not (height % rows or width % columns):
        return values, (height // rows, width // columns)
    # Resampling what is already clipped keeps bone and metal from ringing into tissue.
    clipped = Image.fromarray(np.clip(values, lower, upper))
    shrinking = height < rows or width < columns
    method = Image.Resampling.LANCZOS if shrinking else Image.Resampling.BICUBIC
    return np.asarray(clipped.resize((width, height), method)), (1, 1)

"""What the panes show, apart from the window that shows it: drawn by jobs, slice by slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PySide6.QtCore import QRectF, QSize

from ctstudio.core.events import Work
from ctstudio.ct.planes import Reformatted, Slab
from ctstudio.ct.views import Blend, Difference, SliceStack
from ctstudio.ct.window import Window
from ctstudio.figures.colours import diverging_table
from ctstudio.figures.panel import Mark, Panel
from ctstudio.gui import theme
from ctstudio.gui.comparing.frozen import Beside, greys
from ctstudio.gui.viewer.pane import Pane
from ctstudio.gui.viewer.places import slice_rect
from ctstudio.workflows.figures.material import without_patient

LONGEST_CAPTION = 72
NO_BREAK = "\N{NO-BREAK SPACE}"
LINE = tuple(int(theme.CROSSHAIR[k : k + 2], 16) for k in (1, 3, 5))


@dataclass(frozen=True)
class PaneShot:
    """What one pane shows, apart from the window that shows it: safe to use in a thread."""

    name: str
    stack: SliceStack
    index: int
    window: Window
    signed: bool
    crop: tuple[slice, slice]
    method: bool = False  # whether a method made it, whose settings a caption states
    table: NDArray[np.uint8] | None = None  # the colours of the greys
    marks: tuple[Mark, ...] = ()  # what is measured upon this slice
    compared: Beside | None = None  # the second layer that the pane shows, too

    def panel(self, image: NDArray[np.float32], caption: str = "") -> Panel:
        """``image`` ``(y, x)``, a slice of this layer alone, as a panel of a figure."""
        geometry = self.stack.geometry
        left, right, top, bottom = geometry.edge_letters
        return Panel(
            np.ascontiguousarray(image[self.crop]),
            self.window,
            title=self.title,
            caption=caption,
            spacing_mm=geometry.spacing_mm if geometry.spacing_known else None,
            unit=self.stack.unit,
            colormap="diverging" if self.signed else "grey",
            table=None if self.signed else self.table,
            marks=self.marks,
            letters=(left[:2], right[:2], top[:2], bottom[:2]),
        )

    def drawn(self, index: int, caption: str = "") -> Panel:
        """Slice ``index`` as the pane shows it, with what it is compared with."""
        hu = self.stack.slice_hu(index)
        panel, other = self.panel(hu, caption), self.compared
        if other is None:
            return panel
        if other.mode == "difference":
            difference = other.difference(self.stack, index, hu)
            if difference is None:
                return panel
            image = np.ascontiguousarray(difference[self.crop])
            window = Window(0, 2 * other.value)
            return replace(panel, image=image, window=window, colormap="diverging", table=None)
        grey = greys(hu, self.window, signed=self.signed)
        table = diverging_table() if self.signed else self.table
        colours = other.colours(self.stack, index, grey, table)
        if colours is None:
            return panel
        colours = colours[self.crop]
        marks = (*panel.marks, *self._line(index))
        if table is None and not np.ptp(colours, axis=2).any():
            # The values whose greys these are: they are resampled as values are.
            part = colours[..., 0].astype(np.float32) / np.float32(255)
            image = np.float32(self.window.lower) + part * np.float32(self.window.width_hu)
            return replace(panel, image=image, marks=marks)
        opaque = np.full((*colours.shape[:2], 4), 255, np.uint8)
        opaque[..., :3] = colours
        return replace(panel, overlay=opaque, marks=marks)

    def _line(self, index: int) -> tuple[Mark, ...]:
        """The line of a swipe, where the second layer begins."""
        other = self.compared
        if other is None or other.mode not in ("swipe", "swipe_down"):
            return ()
        _, rows, columns = self.stack.shape
        rect = slice_rect(self.stack.geometry, self.stack.shape, index)
        at = other.line_px(rect, QSize(columns, rows)) - 0.5
        top, left = (part.start or 0 for part in self.crop)
        ends = ((at, -0.5), (at, columns - 0.5))
        if other.mode == "swipe":
            ends = ((-0.5, at), (rows - 0.5, at))
        return (Mark(ends, colour=LINE).moved(-top, -left),)  # type: ignore[arg-type]

    @property
    def title(self) -> str:
        """The name of what is seen; of two layers that are compared both."""
        other = self.compared
        if other is None:
            return self.name
        second = without_patient(_plain(other.layer.name), other.stack.source)
        if other.mode == "difference":
            return f"{second} \N{MINUS SIGN} {self.name}"
        if other.mode == "blend":
            own, its = (f"{share:.0f}{NO_BREAK}%" for share in (100 - other.value, other.value))
            return f"{self.name} {own} + {second} {its}"
        if other.mode == "flicker":
            return second if other.second_in_turn else self.name
        return f"{self.name} | {second}"

    def describe(self) -> str:
        """Window, and how the values came to be where that is not in the title."""
        made = self.stack.derivation[-2:] if self.method else ()
        # A network's whole recipe would push the metrics out of the caption; its DICOM has it.
        short = (t for t in made if t != self.name and len(t) <= LONGEST_CAPTION)
        return "\n".join((self.describe_window(), *short))

    def describe_window(self) -> str:
        """Which values are black and which are white; of two layers with two windows both."""
        other, unit = self.compared, self.stack.unit
        if other is not None and other.mode == "difference":
            return f"± {other.value:g} {unit}".strip()
        own = _window_words(self.window, self.signed, unit)
        if other is None:
            return own
        second = _window_words(other.window, other.layer.signed, other.stack.unit)
        return own if own == second else f"{own} | {second}"


def _window_words(window: Window, signed: bool, unit: str) -> str:
    return f"± {window.width_hu / 2:g} {unit}".strip() if signed else f"{window} {unit}".strip()


def _plain(name: str) -> str:
    return name.replace("Training: ", "").replace("Preview: ", "")


def shoot(pane: Pane) -> PaneShot | None:
    """What ``pane`` shows now: its slice, window and the part of it that is in view."""
    view, layer = pane.view, pane.layer
    if layer is None or view.hu is None:
        return None
    window = view.window
    if layer.signed:
        window = Window(0, window.width_hu)
    compared: Any = view.comparison.frozen() if view.comparison is not None else None
    return PaneShot(
        # What a hospital calls a series may tell of the patient.
        without_patient(_plain(layer.name), view.stack.source),
        frozen(view.stack),
        view.index,
        window,
        layer.signed,
        _visible_part(pane),
        layer.kind in ("denoised", "simulated", "mended"),
        view.display.table,
        compared=replace(compared, stack=frozen(compared.stack)) if compared is not None else None,
    )


def frozen(stack: SliceStack) -> SliceStack:
    """A stack that later moves of the blend slider do not change."""
    if isinstance(stack, Blend):
        return replace(stack)
    if isinstance(stack, Difference):
        return Difference(stack.base, frozen(stack.other))
    if isinstance(stack, Reformatted | Slab):
        return replace(stack, base=frozen(stack.base))
    return stack


def _visible_part(pane: Pane) -> tuple[slice, slice]:
    """The rows and columns of the slice that lie inside the pane."""
    view = pane.view
    rect = view.image_rect()
    assert view.hu is not None
    rows, columns = view.hu.shape
    if view.fitted:
        return slice(0, rows), slice(0, columns)
    f, size = view.framing, view.viewport().size()
    width, height = size.width() / f.scale, size.height() / f.scale
    seen = QRectF(f.u - width / 2, f.v - height / 2, width, height).intersected(rect)
    if seen.isEmpty():
        return slice(0, rows), slice(0, columns)
    dx, dy = rect.width() / columns, rect.height() / rows
    left = int(np.floor((seen.left() - rect.left()) / dx + 1e-6))
    right = int(np.ceil((seen.right() - rect.left()) / dx - 1e-6))
    top = int(np.floor((seen.top() - rect.top()) / dy + 1e-6))
    bottom = int(np.ceil((seen.bottom() - rect.top()) / dy - 1e-6))
    return slice(max(top, 0), min(bottom, rows)), slice(max(left, 0), min(right, columns))


def save_slices(
    shots: Sequence[tuple[PaneShot, Mapping[int, tuple[Mark, ...]]]], path: Path, seconds: float
) -> Work[Path]:
    """Write a film that runs through the slices of the longest pane; each shot with its marks.

    Of panes that flicker every slice is shown twice, each layer once.
    """
    from ctstudio.figures.compose import compose
    from ctstudio.figures.film import Film, save_film, still

    longest = max((shot for shot, _ in shots), key=lambda shot: len(shot.stack))
    count, points = len(longest.stack), longest.stack.geometry.positions_mm
    flicker = any(shot.compared and shot.compared.mode == "flicker" for shot, _ in shots)
    turns = (False, True) if flicker else (False,)
    size: list[tuple[int, int]] = []  # of the first frame

    def draw(number: int) -> Image.Image:
        index, turn = divmod(number, len(turns))
        panels = []
        for shot, marks in shots:
            at = shot.stack.geometry.nearest_slice(points[index])
            other = shot.compared
            if other is not None:
                other = replace(other, second_in_turn=turns[turn])
            now = replace(shot, marks=marks.get(at, ()), compared=other)
            panels.append(now.drawn(at, now.describe_window()))
        text = f"slice {index + 1} of {count}"
        image = compose(panels, columns=len(panels), footer=text, lean=True)
        size[:] = size or [image.size]
        return _of_size(image, size[0])

    yield from save_film(Film(still(draw), count * len(turns), seconds), path)
    return path


def _of_size(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Words of another length may need another line, but a film has frames of one size."""
    if image.size == size:
        return image
    whole = Image.new(image.mode, size)
    whole.paste(image, (0, 0))
    return whole

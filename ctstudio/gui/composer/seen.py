"""What panes show and what is open, in the words of a figure's description."""

from __future__ import annotations

from collections.abc import Iterable

from ctstudio.ct.common_place import counterpart, misfit
from ctstudio.ct.views import SliceStack
from ctstudio.ct.window import Window
from ctstudio.figures.description import FigureSpec, LayerSpec
from ctstudio.gui.session import Layer
from ctstudio.workflows.figures.origin import content_of


def counted(stack: SliceStack, index: int, leader: SliceStack) -> int:
    """A slice as a figure counts it: by the slices of the original, where they lie alike."""
    here, there = stack.geometry, leader.geometry
    if float(here.normal @ there.normal) <= 0.99:
        return index
    if not misfit(stack, leader):
        found = counterpart(stack, index, leader)
        return index if found is None else found
    return index if len(stack) == len(leader) else there.nearest_slice(here.positions_mm[index])


def window_words(window: Window, *, signed: bool) -> str:
    """As a description has it: width/centre, or the greatest value of a difference."""
    half = window.width_hu / 2
    return f"{half:g}" if signed else f"{window.width_hu:g}/{window.centre_hu:g}"


def part_words(crop: tuple[slice, slice], shape: tuple[int, int, int]) -> str:
    """As a description has it: what is in view of a slice, in per cent; "" for all of it."""
    (down, across), (_, rows, columns) = crop, shape
    if (down, across) == (slice(0, rows), slice(0, columns)):
        return ""
    left, top = 100 * across.start / columns, 100 * down.start / rows
    width = 100 * (across.stop - across.start) / columns
    height = 100 * (down.stop - down.start) / rows
    return " ".join(f"{value:.5g}" for value in (left, top, width, height))


def original_of(spec: FigureSpec, layers: Iterable[Layer | None]) -> Layer | None:
    """Of ``layers`` the series that a description was made of, by its values; None for none."""
    series = (layer for layer in spec.layers if layer.source == "series" and layer.number == 1)
    wanted = next((layer.content for layer in series), "")
    there = (layer for layer in layers if layer is not None and wanted)
    return next((layer for layer in there if content_of(layer.stack) == wanted), None)


def alike(one: LayerSpec, other: LayerSpec) -> bool:
    """Whether two layers are made in the same way."""
    return (one.source, one.method, one.settings) == (other.source, other.method, other.settings)

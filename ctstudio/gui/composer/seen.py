"""What a pane shows, in the words of a figure's description: slice, window, part."""

from __future__ import annotations

from ctstudio.ct.common_place import counterpart, misfit
from ctstudio.ct.views import SliceStack
from ctstudio.ct.window import Window


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

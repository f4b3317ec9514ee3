"""Two layers in one picture, as a pane compares them: swipe, checkerboard, blend."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.errors import StudioError
from ctstudio.ct.window import Window
from ctstudio.figures.description import Together
from ctstudio.figures.ornaments import MARK
from ctstudio.figures.panel import Mark, Panel, render
from ctstudio.workflows.figures.captions import window_words

Shares = NDArray[np.float32]


def together(first: Panel, second: Panel, how: Together, amount: float) -> Panel:
    """The picture of ``first`` with ``second`` in a part of it.

    Parameters
    ----------
    first, second
        Images of the same pixels, each with its window.
    how, amount
        "swipe" and "swipe_down": the second layer begins at ``amount`` per cent of the way.
        "checkerboard": in every other square of ``amount`` mm (or pixels). "blend": the second
        layer has a share of ``amount`` per cent.

    Raises
    ------
    StudioError
        When the images do not have the same size.
    """
    if first.image.shape != second.image.shape:
        own, other = (" x ".join(map(str, p.image.shape)) for p in (first, second))
        raise StudioError(
            f"Pictures of {own} and of {other} pixels do not lie upon each other.",
            hint="Show them side by side.",
        )
    share = _shares(first, how, amount)
    marks = (*first.marks, *_line(first, how, amount))
    if first.colormap == second.colormap == "grey" and first.table is second.table is None:
        # Values, not greys: they are resampled and stand in files of 16 bits as values do.
        image = _mixed(_seen(first, first.window), _seen(second, first.window), share)
        return replace(first, image=image, marks=marks)
    rows, columns = first.image.shape
    one, two = (render(p, (rows, columns)).astype(np.float32) for p in (first, second))
    opaque = np.full((rows, columns, 4), 255, np.uint8)
    opaque[..., :3] = np.rint(_mixed(one, two, share[..., None]))
    return replace(first, overlay=opaque, marks=marks)


def _mixed(one: NDArray[np.float32], other: NDArray[np.float32], share: Shares) -> Shares:
    """Exactly one of both where the share is 0 or 1, whatever the other holds there."""
    between = np.float32(1) - share
    mixed = np.where(share == 1, other, np.where(share == 0, one, one * between + other * share))
    return np.asarray(mixed, np.float32)


def _seen(panel: Panel, window: Window) -> NDArray[np.float32]:
    """Values clipped to the panel's window, as those that have the same greys in ``window``."""
    own = panel.window
    values = np.clip(np.nan_to_num(panel.image, nan=own.lower), own.lower, own.upper)
    if own != window:
        values = window.lower + (values - own.lower) * (window.width_hu / own.width_hu)
    return np.asarray(values, np.float32)


def _shares(panel: Panel, how: Together, amount: float) -> Shares:
    """How much of the second layer is seen, ``(y, x)`` from 0 to 1."""
    rows, columns = panel.image.shape
    share = np.zeros((rows, columns), np.float32)
    if how == "swipe":
        share[:, _line_at(amount, columns) :] = 1
    elif how == "swipe_down":
        share[_line_at(amount, rows) :] = 1
    elif how == "blend":
        share[:] = amount / 100
    else:
        down, across = (amount / mm for mm in panel.spacing_mm or (1.0, 1.0))
        share[:] = (_squares(rows, down)[:, None] + _squares(columns, across)) % 2
    return share


def _line_at(amount: float, count: int) -> int:
    return min(max(round(amount / 100 * count), 0), count)


def _squares(count: int, side: float) -> NDArray[np.int64]:
    """The number of the square that each of ``count`` pixels lies in."""
    edges = [round(k * side) for k in range(1, int(count / side) + 2)]
    return np.asarray(np.searchsorted(edges, np.arange(count), side="right"), np.int64)


def _line(panel: Panel, how: Together, amount: float) -> tuple[Mark, ...]:
    """The line of a swipe, between the pixels of both layers."""
    rows, columns = panel.image.shape
    if how == "swipe":
        at = _line_at(amount, columns) - 0.5
        return (Mark(((-0.5, at), (rows - 0.5, at)), colour=MARK),)
    if how == "swipe_down":
        at = _line_at(amount, rows) - 0.5
        return (Mark(((at, -0.5), (at, columns - 0.5)), colour=MARK),)
    return ()


def both_titles(first: str, second: str, how: Together, amount: float) -> str:
    """What is seen of both, in the order of reading; each by the title that it has alone."""
    if how == "blend":
        own, its = (f"{share:.0f}\N{NO-BREAK SPACE}%" for share in (100 - amount, amount))
        return f"{first} {own} + {second} {its}"
    return f"{first} | {second}"


def windows_told(*panels: Panel) -> str:
    """The windows of pictures that are seen in one, in the order of reading; once where alike."""
    words = (window_words(p.window, p.unit, signed=p.colormap == "diverging") for p in panels)
    return " | ".join(dict.fromkeys(words))

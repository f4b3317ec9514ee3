"""Whether a figure is made again of the very series that it was made of before."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from ctstudio.ct.views import SliceStack
from ctstudio.figures.description import CellSpec, FigureSpec
from ctstudio.workflows.figures.material import Material

DIGITS = 16


def content_of(stack: SliceStack) -> str:
    """The size of a series and a checksum of some of its values: "30x512x512 0f3a...".

    Of the first, middle and last slice, rounded to whole numbers. It tells whether two series are
    the same, and nothing about whom they show.
    """
    count = len(stack)
    digest = hashlib.sha256()
    for index in sorted({0, count // 2, count - 1}):
        digest.update(np.rint(stack.slice_hu(index)).astype("<i4").tobytes())
    size = "x".join(map(str, stack.shape))
    return f"{size} {digest.hexdigest()[:DIGITS]}"


def with_content(spec: FigureSpec, material: Material) -> FigureSpec:
    """The description, with what its series hold now."""
    layers = tuple(
        replace(
            layer,
            content=content_of(material.stacks[layer.name])
            if layer.source == "series" and layer.name in material.stacks
            else "",
        )
        for layer in spec.layers
    )
    return replace(spec, layers=layers)


def without_content(spec: FigureSpec) -> FigureSpec:
    """The description for any series."""
    return replace(spec, layers=tuple(replace(layer, content="") for layer in spec.layers))


def others(spec: FigureSpec, material: Material) -> str:
    """A sentence on the series that are not those which the description was made of, or ""."""
    told = []
    for layer in spec.layers:
        stack = material.stacks.get(layer.name)
        if layer.source != "series" or not layer.content or stack is None:
            continue
        found = content_of(stack)
        if found != layer.content:
            size, wanted = (_words(text) for text in (found, layer.content))
            what = f"{wanted}, here it has {size}" if size != wanted else "other values"
            told.append(f"its {layer.name} had {what}")
    return f"The figure was made of another series: {'; '.join(told)}." if told else ""


def by_parts(spec: FigureSpec) -> FigureSpec:
    """The description for another series than the one that it was made of.

    Slices are named by the part of the way, not by number; those of other planes stay.
    """
    counts = [layer.content.partition("x")[0] for layer in spec.layers if layer.content]
    if not counts or not counts[0].isdigit():
        return spec
    return in_parts(spec, int(counts[0]))


def in_parts(spec: FigureSpec, count: int) -> FigureSpec:
    """The description with slices by the part of the way through ``count``, not by number."""
    last = max(count - 1, 1)

    def moved(cell: CellSpec) -> CellSpec:
        if not cell.slice.isdigit() or cell.plane != "stored":
            return cell
        return replace(cell, slice=f"{100 * min(int(cell.slice) - 1, last) / last:.4g}%")

    return replace(spec, rows=tuple(tuple(map(moved, row)) for row in spec.rows))


def _words(content: str) -> str:
    slices, _, pixels = content.partition(" ")[0].partition("x")
    return f"{slices} slices of {pixels.replace('x', ' x ')}"

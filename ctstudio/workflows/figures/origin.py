"""Whether a figure is made again of the very series and networks that it was made of before."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from ctstudio.ct.views import SliceStack
from ctstudio.figures.description import CellSpec, FigureSpec, LayerSpec
from ctstudio.workflows.figures.material import Material, Treated

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


def weights_of(stack: SliceStack) -> str:
    """A checksum of the weights of the network that a stack is made with; "" where there is none.

    Files of networks are often called alike ("best.pt"), and then make other pictures.
    """
    from ctstudio.workflows.denoise import NetworkMethod

    if not isinstance(stack, Treated) or not isinstance(stack.method, NetworkMethod):
        return ""
    digest = hashlib.sha256()
    for name, values in stack.method.model.module.state_dict().items():
        digest.update(name.encode())
        digest.update(values.detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()[:DIGITS]


def _found(layer: LayerSpec, material: Material) -> str:
    """What a layer holds now; "" where nothing is known of it."""
    stack = material.stacks.get(layer.name)
    if stack is None:
        return ""
    if layer.source == "series":
        return content_of(stack)
    return weights_of(stack) if layer.source == "method" else ""


def with_content(spec: FigureSpec, material: Material) -> FigureSpec:
    """The description, with what its series and networks hold now."""
    layers = (replace(layer, content=_found(layer, material)) for layer in spec.layers)
    return replace(spec, layers=tuple(layers))


def without_content(spec: FigureSpec) -> FigureSpec:
    """The description for any series."""
    return replace(spec, layers=tuple(replace(layer, content="") for layer in spec.layers))


def others(spec: FigureSpec, material: Material) -> str:
    """A sentence on the series and networks that the description was not made of, or ""."""
    told, networks = [], []
    for layer in spec.layers:
        found = _found(layer, material) if layer.content else ""
        if found in ("", layer.content):
            continue
        if layer.source == "method":
            networks.append(material.hide(Path(layer.method).name))
            continue
        size, wanted = (_words(text) for text in (found, layer.content))
        what = f"{wanted}, here it has {size}" if size != wanted else "other values"
        told.append(f"its {layer.name} had {what}")
    parts = [f"The figure was made of another series: {'; '.join(told)}."] if told else []
    if networks:
        named = ", ".join(networks)
        parts.append(f"The figure was made with another network: {named} has other weights.")
    return " ".join(parts)


def by_parts(spec: FigureSpec) -> FigureSpec:
    """The description for another series than the one that it was made of.

    Slices are named by the part of the way, not by number; those of other planes stay.
    """
    known = [layer.content for layer in spec.layers if layer.source == "series" and layer.content]
    counts = [content.partition("x")[0] for content in known]
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

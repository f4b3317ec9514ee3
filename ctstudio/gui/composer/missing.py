"""What a figure shows and nothing that is open can be: in words that people know."""

from __future__ import annotations

from collections.abc import Sequence

from ctstudio.figures.description import FigureSpec, LayerSpec
from ctstudio.gui.translation.catalogue import tr
from ctstudio.workflows.figures.templates import REFERENCE


def what_is_missing(spec: FigureSpec, names: Sequence[str]) -> str:
    """The layers ``names`` of ``spec``, each by what it is: no inner name is said.

    "a second series (reference) and its difference".
    """
    wanted = [layer for layer in spec.layers if layer.name in names]
    series = [layer for layer in wanted if layer.source == "series"]
    told = [_series(layer) for layer in series]
    gone = {layer.name for layer in series}
    for layer in wanted:
        if layer.source != "series":
            words = _made(layer, its=len(series) == 1 and bool(gone & {layer.of, layer.minus}))
            if words not in told:
                told.append(words)
    *others, last = told
    return f"{tr(', ').join(others)}{tr(' and ')}{last}" if others else last


def _series(layer: LayerSpec) -> str:
    if layer.name == REFERENCE:
        return tr("a second series (reference)")
    if layer.number == 1:
        return tr("a series")
    return tr("series number {0}").format(layer.number)


def _made(layer: LayerSpec, *, its: bool) -> str:
    """A layer that is made of others; ``its``: of the series that was named just before."""
    if layer.source == "difference":
        return tr("its difference") if its else tr("a difference")
    if layer.source == "method":
        return tr("a denoised series")
    return tr("a mask") if layer.source == "mask" else tr("a training")

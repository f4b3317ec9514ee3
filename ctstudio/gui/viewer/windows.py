"""The window that a layer is first shown with."""

from __future__ import annotations

import numpy as np

from ctstudio.ct.labels import LABEL_UNIT
from ctstudio.ct.window import Window, automatic, finite_values
from ctstudio.gui.session import Layer
from ctstudio.workflows.figure import residual_limit

RESIDUAL_WINDOW = Window(0, 100)  # while there is nothing to judge by


def default_window(layer: Layer, index: int) -> Window:
    """The header's window; else the 0.1 to 99.9 percentile of the slice; all of the classes."""
    if layer.stack.unit == LABEL_UNIT:
        highest = max(float(np.abs(finite_values(layer.stack.slice_hu(index))).max()), 1.0)
        return Window(0, 2 * highest) if layer.signed else Window(highest / 2, highest)
    if layer.signed:
        if layer.parent is not None and not layer.parent.complete:
            return RESIDUAL_WINDOW  # slices that are still to come differ by all they are
        hu = layer.stack.slice_hu(index)
        return Window(0, 2 * residual_limit([hu])) if hu.any() else RESIDUAL_WINDOW
    if layer.kind == "uncertainty":
        # A few edges are far less sure than all else.
        known = finite_values(layer.stack.slice_hu(index))
        highest = max(float(np.percentile(known, 99.5)), 1.0)
        return Window(highest / 2, highest)
    return layer.stack.source.window or automatic(layer.stack.slice_hu(index))

"""What panes show and a figure of them does not: said, since nobody would look for it."""

from __future__ import annotations

from collections.abc import Sequence

from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.viewer.pane import Pane


def left_out(panes: Sequence[Pane]) -> str:
    """In a sentence; empty where the figure shows all that ``panes`` show."""
    shown = [pane for pane in panes if pane.layer is not None and pane.view.hu is not None]
    views = [pane.view for pane in shown]
    plain = [pane.view for pane in shown if pane.layer is not None and not pane.layer.signed]
    found = []
    if any(not view.fitted for view in views):
        found.append(tr("zoom and part (an inset shows one)"))
    if any(view.display.table is not None for view in plain):
        found.append(tr("colours"))
    if any(view.cut and not isinstance(view.shown_plane, str) for view in views):
        found.append(tr("turned planes"))
    return tr("Not taken from the panes: {0}.").format(tr(", ").join(found)) if found else ""

"""What panes show and a figure of them does not: said, since nobody would look for it."""

from __future__ import annotations

from collections.abc import Sequence

from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.viewer.pane import Pane
from ctstudio.gui.windowing.display import Display


def left_out(panes: Sequence[Pane]) -> str:
    """In a sentence; empty where the figure shows all that ``panes`` show."""
    shown = [pane for pane in panes if pane.layer is not None and pane.view.hu is not None]
    views = [pane.view for pane in shown]
    plain = [pane.view for pane in shown if pane.layer is not None and not pane.layer.signed]
    found = []
    if any(view.display != Display(view.display.colours) for view in plain):
        found.append(tr("gamma and inversion"))
    if any(view.cut and not isinstance(view.shown_plane, str) for view in views):
        found.append(tr("turned planes"))
    return tr("Not taken from the panes: {0}.").format(tr(", ").join(found)) if found else ""

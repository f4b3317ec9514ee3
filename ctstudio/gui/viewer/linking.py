"""What linked panes do together, and how a place is carried from one to another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF

from ctstudio.ct.volume import Geometry
from ctstudio.gui.viewer.slice_view import Framing, SliceView


@dataclass
class Links:
    """What panes do together."""

    scroll: bool = True
    window: bool = True
    framing: bool = True
    crosshair: bool = True


def carried(plane: QPointF, view: SliceView, geometry: Geometry) -> QPointF:
    """The (u, v) of ``geometry`` for the patient point at ``plane`` of ``view``.

    Series of one patient space may be stored with rows and columns running the other way.
    """
    assert view.layer is not None
    own = view.layer.stack.geometry
    rows, columns = geometry.row_direction, geometry.column_direction
    if np.allclose(own.row_direction, rows) and np.allclose(own.column_direction, columns):
        return plane
    point = (
        plane.x() * own.row_direction
        + plane.y() * own.column_direction
        + own.offsets_mm[view.index] * own.normal
    )
    return QPointF(float(point @ rows), float(point @ columns))


def framing_in(geometry: Geometry, view: SliceView, framing: Framing) -> Framing:
    """The same part of the patient at the same zoom, in the plane of ``geometry``."""
    centre = carried(QPointF(framing.u, framing.v), view, geometry)
    return Framing(centre.x(), centre.y(), framing.scale)

"""What linked panes do together, and how a place is carried from one to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF

from ctstudio.ct.views import SliceStack
from ctstudio.ct.volume import Geometry
from ctstudio.gui.session import Layer
from ctstudio.gui.viewer.picture_view import PictureView
from ctstudio.gui.viewer.places import Framing, slice_rect

PARALLEL = 0.999  # cosine of the angle between the normals


@dataclass
class Links:
    """What panes do together."""

    scroll: bool = True
    window: bool = True
    zoom: bool = True
    pan: bool = True
    crosshair: bool = True

    @property
    def words(self) -> str:
        """What is linked, for people: "slices, window, zoom"; empty where nothing is."""
        named = {
            "slices": self.scroll,
            "window": self.window,
            "zoom": self.zoom,
            "pan": self.pan,
            "crosshair": self.crosshair,
        }
        return ", ".join(name for name, on in named.items() if on)


def joined(links: Links, own: Framing, other: Framing) -> Framing:
    """``own``, with the centre and the scale of ``other`` as far as these are linked."""
    centre = other if links.pan else own
    return Framing(centre.u, centre.v, other.scale if links.zoom else own.scale)


def carried(plane: QPointF, view: PictureView, geometry: Geometry) -> QPointF:
    """The (u, v) of ``geometry`` for the patient point at ``plane`` of ``view``.

    Series of one patient space may be stored with rows and columns running the other way.
    """
    assert view.layer is not None
    own = view.stack.geometry
    if own is geometry:
        return plane
    rows, columns = geometry.row_direction, geometry.column_direction
    if np.allclose(own.row_direction, rows) and np.allclose(own.column_direction, columns):
        return plane
    point = patient_point(plane, view)
    return QPointF(float(point @ rows), float(point @ columns))


def patient_point(plane: QPointF, view: PictureView) -> NDArray[np.float64]:
    """The patient point ``(3,)`` in mm at ``plane`` of the slice that ``view`` shows."""
    own = view.stack.geometry
    point: NDArray[np.float64] = (
        plane.x() * own.row_direction
        + plane.y() * own.column_direction
        + own.offsets_mm[view.index] * own.normal
    )
    return point


def one_window_suits(one: Layer, other: Layer) -> bool:
    """Whether values of both layers mean the same: both signed or neither, in one unit."""
    return one.signed == other.signed and one.stack.unit == other.stack.unit


def same_space(a: Layer, b: Layer) -> bool:
    """Whether two layers lie in the same patient space."""
    frame = a.stack.source.frame_of_reference_uid
    return a.root is b.root or (bool(frame) and frame == b.stack.source.frame_of_reference_uid)


def parallel(a: SliceStack, b: SliceStack) -> bool:
    """Whether two stacks' slices lie in the same plane."""
    return abs(float(a.geometry.normal @ b.geometry.normal)) > PARALLEL


def matching_slice(view: PictureView, stack: SliceStack) -> int:
    """The slice of ``stack`` nearest to the one that ``view`` shows."""
    return stack.geometry.nearest_slice(view.stack.geometry.positions_mm[view.index])


def facing(
    picture: NDArray[Any], stack: SliceStack, index: int, view: PictureView
) -> tuple[QRectF, NDArray[Any]]:
    """A picture of slice ``index`` of ``stack`` the way round that ``view`` shows the patient.

    Also its place in the plane of ``view``, mm.
    """
    return turned(picture, stack, index, view.stack.geometry)


def turned(
    picture: NDArray[Any], stack: SliceStack, index: int, there: Geometry
) -> tuple[QRectF, NDArray[Any]]:
    """The same for whoever looks as ``there`` says."""
    own = stack.geometry
    rect = slice_rect(own, stack.shape, index)
    if float(own.row_direction @ there.row_direction) < 0:
        picture = picture[:, ::-1]
        rect.moveLeft(-rect.right())
    if float(own.column_direction @ there.column_direction) < 0:
        picture = picture[::-1]
        rect.moveTop(-rect.bottom())
    return rect, np.ascontiguousarray(picture)


def framing_in(geometry: Geometry, view: PictureView, framing: Framing) -> Framing:
    """The same part of the patient at the same zoom, in the plane of ``geometry``."""
    centre = carried(QPointF(framing.u, framing.v), view, geometry)
    return Framing(centre.x(), centre.y(), framing.scale)

"""The slice of another layer that lies where a view looks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF

from ctstudio.ct.regrid import regrid
from ctstudio.ct.views import SliceStack
from ctstudio.gui.session import Layer
from ctstudio.gui.viewer.linking import carried, facing, matching_slice, parallel, same_space
from ctstudio.gui.viewer.picture_view import PictureView
from ctstudio.gui.viewer.places import Probe, slice_rect

NEAR = 0.6  # of the distance between slices: one further away is of another place
SAME_PX = 1e-3


@dataclass(frozen=True, eq=False)
class Second:
    """A slice beside that of a view, the way round that the view shows the patient."""

    layer: Layer
    stack: SliceStack  # as the view sees it
    index: int
    hu: NDArray[np.float32]  # (y, x)
    rect: QRectF  # its place in the view's plane, mm

    def probe(self, plane: QPointF, view: PictureView) -> Probe | None:
        """The voxel at (u, v) of ``view``, exactly as it is stored; None outside."""
        geometry = self.stack.geometry
        own = carried(plane, view, geometry)
        rect = slice_rect(geometry, self.stack.shape, self.index)
        dy, dx = geometry.spacing_mm
        x, y = math.floor((own.x() - rect.left()) / dx), math.floor((own.y() - rect.top()) / dy)
        _, ny, nx = self.stack.shape
        if not (0 <= x < nx and 0 <= y < ny):
            return None
        right = float(geometry.row_direction @ view.stack.geometry.row_direction) > 0
        down = float(geometry.column_direction @ view.stack.geometry.column_direction) > 0
        value = self.hu[y if down else ny - 1 - y, x if right else nx - 1 - x]
        point = (
            geometry.positions_mm[self.index]
            + x * dx * geometry.row_direction
            + y * dy * geometry.column_direction
        )
        voxel = (x, y, self.index)
        if self.stack.geometry is not self.layer.stack.geometry:
            k, row, column = self.layer.stack.geometry.to_voxel(point)
            voxel = (round(column), round(row), k)
        px, py, pz = (float(c) for c in point)
        return Probe(float(value), self.stack.unit, voxel, (px, py, pz))


def beside(layer: Layer, view: PictureView) -> Second | None:
    """The slice of ``layer`` where ``view`` looks, if it has one there."""
    if view.layer is None or not same_space(layer, view.layer):
        return None
    stack = view.as_seen(layer.stack)
    if not parallel(stack, view.stack):
        return None
    index = matching_slice(view, stack)
    here, there = view.stack.geometry, stack.geometry
    away = abs(float((there.positions_mm[index] - here.positions_mm[view.index]) @ here.normal))
    if away > NEAR * max(here.slice_spacing_mm, there.slice_spacing_mm, 0.1):
        return None
    rect, hu = facing(stack.slice_hu(index), stack, index, view)
    return Second(layer, stack, index, hu, rect)


def on_grid(second: Second, view: PictureView) -> NDArray[np.float32]:
    """``second`` on the pixels of ``view`` ``(y, x)``, NaN where it has none.

    The very values where both have the same pixels, else interpolated linearly between them.
    """
    assert view.hu is not None
    own, other = view.image_rect(), second.rect
    rows, columns = (
        _places(own.top(), own.height(), view.hu.shape[0], other.top(), other.height(),
                second.hu.shape[0]),
        _places(own.left(), own.width(), view.hu.shape[1], other.left(), other.width(),
                second.hu.shape[1]),
    )  # fmt: skip
    if second.hu.shape == view.hu.shape and all(
        np.abs(at - np.arange(len(at))).max() < SAME_PX for at in (rows, columns)
    ):
        return second.hu
    return regrid(second.hu, rows, columns)


def _places(
    start: float, length: float, count: int, other_start: float, other_length: float, others: int
) -> NDArray[np.float64]:
    """The centres of ``count`` pixels, counted in those of another picture."""
    centres = start + (np.arange(count) + 0.5) * (length / count)
    return np.asarray((centres - other_start) / (other_length / others) - 0.5, np.float64)

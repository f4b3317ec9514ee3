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
from ctstudio.gui.viewer.linking import carried, parallel, same_space, turned
from ctstudio.gui.viewer.picture_view import PictureView
from ctstudio.gui.viewer.places import Probe, slice_rect
from ctstudio.gui.viewer.together import TOGETHER

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
    found = slice_beside(stack, view.stack, view.index)
    return Second(layer, stack, *found) if found is not None else None


def slice_beside(
    stack: SliceStack, shown: SliceStack, at: int
) -> tuple[int, NDArray[np.float32], QRectF] | None:
    """The slice of ``stack`` where slice ``at`` of ``shown`` lies, if it has one there.

    Its number, its values ``(y, x)`` the way round that ``shown`` has the patient, and its place.
    """
    if not parallel(stack, shown):
        return None
    here, there = shown.geometry, stack.geometry
    index = there.nearest_slice(here.positions_mm[at])
    away = abs(float((there.positions_mm[index] - here.positions_mm[at]) @ here.normal))
    if away > NEAR * max(here.slice_spacing_mm, there.slice_spacing_mm, 0.1):
        return None
    rect, hu = turned(TOGETHER.slice_hu(stack, index), stack, index, here)
    return index, hu, rect


def on_grid(second: Second, view: PictureView) -> NDArray[np.float32]:
    """``second`` on the pixels of ``view`` ``(y, x)``, NaN where it has none."""
    assert view.hu is not None
    return on_pixels(second.hu, second.rect, view.hu.shape, view.image_rect())


def on_pixels(
    hu: NDArray[np.float32], other: QRectF, shape: tuple[int, ...], own: QRectF
) -> NDArray[np.float32]:
    """A slice that lies at ``other`` on the pixels of one of ``shape`` at ``own``, else NaN.

    The very values where both have the same pixels, else interpolated linearly between them.
    """
    rows, columns = (
        _places(own.top(), own.height(), shape[0], other.top(), other.height(), hu.shape[0]),
        _places(own.left(), own.width(), shape[1], other.left(), other.width(), hu.shape[1]),
    )
    if hu.shape == shape and all(
        np.abs(at - np.arange(len(at))).max() < SAME_PX for at in (rows, columns)
    ):
        return hu
    return regrid(hu, rows, columns)


def _places(
    start: float, length: float, count: int, other_start: float, other_length: float, others: int
) -> NDArray[np.float64]:
    """The centres of ``count`` pixels, counted in those of another picture."""
    centres = start + (np.arange(count) + 0.5) * (length / count)
    return np.asarray((centres - other_start) / (other_length / others) - 0.5, np.float64)

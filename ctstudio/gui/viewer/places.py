"""Where a pane looks, what lies there, and what it is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF

from ctstudio.ct.volume import Geometry
from ctstudio.gui.session import Layer


class Compared(Protocol):
    """What a view is compared with: another picture that is drawn with its own."""

    def redraw(self) -> None:
        """The view shows another slice, or shows it with another window."""

    def probes(self, plane: QPointF) -> list[tuple[Layer, Probe | None]]:
        """The values at (u, v) of what is compared."""
        ...

    @property
    def limit(self) -> float | None:
        """Where a difference is shown: the value at either end of its colours."""
        ...

    def difference_on(self, index: int) -> NDArray[np.float32] | None:
        """Where a difference is shown: its values ``(y, x)`` on the view's slice ``index``."""
        ...

    def frozen(self) -> Any:
        """What is compared, apart from the view (`ctstudio.gui.comparing.frozen`), or None."""
        ...

    def adjust(self, dx: float) -> bool:
        """The left button was dragged by so many px; whether that sets something here."""
        ...


@dataclass(frozen=True)
class Framing:
    """What part of the plane is seen: the centre ``(u, v)`` in mm and screen pixels per mm."""

    u: float
    v: float
    scale: float


@dataclass(frozen=True)
class Probe:
    """The voxel under the cursor of one pane."""

    value: float
    unit: str
    voxel: tuple[int, int, int]  # x, y, z as people count them: column, row, slice; from 0
    point_mm: tuple[float, float, float]


def slice_rect(geometry: Geometry, shape: tuple[int, int, int], index: int) -> QRectF:
    """A slice's place in its plane, mm; edges half a pixel outside the voxel centres."""
    dy, dx = geometry.spacing_mm
    _, ny, nx = shape
    origin = geometry.positions_mm[index]
    u = float(origin @ geometry.row_direction)
    v = float(origin @ geometry.column_direction)
    return QRectF(u - dx / 2, v - dy / 2, nx * dx, ny * dy)

"""Whether two stacks can be compared pixel by pixel, and which slice of one lies at one of another.

The one rule for metrics, differences and pictures upon each other: in figures, reports and panels.
What the window measures unasked must also lie in one frame of reference.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ctstudio.ct.views import SliceStack
from ctstudio.ct.volume import Geometry

PARALLEL = 0.9999
"""Cosine of the angle between rows, and between columns."""
SHIFT_PX = 0.25
"""As far apart pixels of the same number may lie."""


def misfit(one: SliceStack, other: SliceStack) -> str:
    """Why two stacks cannot be compared, as a clause about both; "" where they can.

    They can where they have one unit and slices of one size, pixels of the same number lie in the
    same place, and at least one slice of each does. Two frames of reference count as one place only
    where every slice of the shorter stack lies at one of the other, in what may be one patient. Of
    stacks that do not say where they lie nothing but the size is compared.
    """
    here, there = one.geometry, other.geometry
    if here is there:
        return ""
    if one.shape[1:] != other.shape[1:]:
        own, its = (f"{x} x {y}" for _, y, x in (one.shape, other.shape))
        return f"their slices have {own} and {its} pixels"
    if one.unit != other.unit:
        own, its = (stack.unit or "numbers without a unit" for stack in (one, other))
        return f"their values are {own} and {its}"
    if here.spacing_known and there.spacing_known and _grows(here, there, one.shape):
        own, its = (f"{g.spacing_mm[1]:.4g} x {g.spacing_mm[0]:.4g} mm" for g in (here, there))
        return f"their pixels measure {own} and {its}"
    if not (here.orientation_known and there.orientation_known):
        return "" if len(one) == len(other) else "they have other numbers of slices without a place"
    if _turned(here, there):
        return "their slices lie in other directions"
    return _apart(one, other)


def counterpart(one: SliceStack, index: int, other: SliceStack) -> int | None:
    """The slice of ``other`` that lies where slice ``index`` of ``one`` does; None where none does.

    For stacks that fit (`misfit`).
    """
    here, there = one.geometry, other.geometry
    if here is there or not (here.orientation_known and there.orientation_known):
        return index if index < len(other) else None
    found = there.nearest_slice(here.positions_mm[index])
    return found if lies_at(there, found, here.positions_mm[index], reach_mm(here, there)) else None


def common_slices(one: SliceStack, other: SliceStack) -> list[int]:
    """The slices of ``one`` where ``other`` has one, too."""
    return [k for k in range(len(one)) if counterpart(one, k, other) is not None]


def lies_at(geometry: Geometry, index: int, point_mm: NDArray[np.float64], reach: float) -> bool:
    """Whether the plane of a slice passes within ``reach`` mm of a patient point ``(3,)``."""
    return abs(float(point_mm @ geometry.normal) - float(geometry.offsets_mm[index])) <= reach


def reach_mm(one: Geometry, other: Geometry) -> float:
    """How far apart two slices may lie that are of one place: half of the smaller distance."""
    known = [g.slice_spacing_mm for g in (one, other) if g.slice_spacing_mm > 0]
    return 0.5 * min(known, default=1.0)


def _grows(here: Geometry, there: Geometry, shape: tuple[int, int, int]) -> bool:
    """Whether pixels of the same number drift apart from one edge to the other."""
    extent = np.array(shape[1:])
    own, its = np.array(here.spacing_mm), np.array(there.spacing_mm)
    return bool(np.any(np.abs(own - its) * extent > SHIFT_PX * own))


def _turned(here: Geometry, there: Geometry) -> bool:
    return any(
        float(a @ b) < PARALLEL
        for a, b in (
            (here.row_direction, there.row_direction),
            (here.column_direction, there.column_direction),
        )
    )


def _apart(one: SliceStack, other: SliceStack) -> str:
    """Why they have no place in common, or ""."""
    here, there = one.geometry, other.geometry
    own, its = one.source, other.source
    frames = own.frame_of_reference_uid, its.frame_of_reference_uid
    alone = "" not in frames and frames[0] != frames[1]
    if alone and "" not in (own.patient_id, its.patient_id) and own.patient_id != its.patient_id:
        return "they are of two patients"
    pairs = [(k, counterpart(one, k, other)) for k in range(len(one))]
    common = [(k, n) for k, n in pairs if n is not None]
    if not common or (alone and len(common) < min(len(one), len(other))):
        return "they have no place in the patient in common"
    k, n = common[len(common) // 2]
    step = here.positions_mm[k] - there.positions_mm[n]
    dy, dx = here.spacing_mm
    shift = max(abs(step @ here.row_direction) / dx, abs(step @ here.column_direction) / dy)
    if shift > SHIFT_PX:
        return f"their pixels lie {shift:.3g} pixels apart"
    return ""

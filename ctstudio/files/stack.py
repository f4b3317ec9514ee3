"""The note beside a stack of pictures that says what a picture cannot: values and positions."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ctstudio.ct.volume import Geometry, Volume

NAME = "stack.json"
_VERSION = 1
_LARGEST_BYTES = 16 << 20


@dataclass(frozen=True)
class Stack:
    """``value = stored * slope + intercept`` in ``unit``; ``files`` are names in slice order.

    ``spacing_mm`` is (dy, dx), None where it is not known; ``positions_mm`` are those of the
    first pixel of each slice, in DICOM's patient system, as the two directions are.
    """

    files: tuple[str, ...]
    unit: str
    slope: float
    intercept: float
    spacing_mm: tuple[float, float] | None
    positions_mm: tuple[tuple[float, float, float], ...]
    row_direction: tuple[float, float, float]
    column_direction: tuple[float, float, float]
    orientation_known: bool
    description: str = ""
    derivation: tuple[str, ...] = ()

    @classmethod
    def of(cls, volume: Volume, files: list[str], slope: float, intercept: float) -> Stack:
        """What is to be noted of ``volume``, stored with this slope and intercept."""
        geometry = volume.geometry
        return cls(
            files=tuple(files),
            unit=volume.unit,
            slope=slope,
            intercept=intercept,
            spacing_mm=geometry.spacing_mm if geometry.spacing_known else None,
            positions_mm=tuple(_three(position) for position in geometry.positions_mm),
            row_direction=_three(geometry.row_direction),
            column_direction=_three(geometry.column_direction),
            orientation_known=geometry.orientation_known,
            description=volume.source.description,
            derivation=volume.derivation,
        )

    @property
    def geometry(self) -> Geometry:
        """Where the slices lie."""
        return Geometry(
            np.array(self.positions_mm, float),
            np.array(self.row_direction, float),
            np.array(self.column_direction, float),
            self.spacing_mm or (1.0, 1.0),
            spacing_known=self.spacing_mm is not None,
            orientation_known=self.orientation_known,
        )

    def to_json(self) -> str:
        """As the text of ``stack.json``."""
        return json.dumps({"ctstudio_stack": _VERSION, **asdict(self)}, indent=1) + "\n"


def parse(text: bytes) -> Stack | None:
    """What ``to_json`` wrote, or None where the text is anything else."""
    if len(text) > _LARGEST_BYTES:
        return None
    try:
        data: dict[str, Any] = json.loads(text)
        if data.pop("ctstudio_stack") != _VERSION:
            return None
        spacing = data["spacing_mm"]
        stack = Stack(
            files=tuple(str(name) for name in data["files"]),
            unit="HU" if data["unit"] == "HU" else "",
            slope=float(data["slope"]),
            intercept=float(data["intercept"]),
            spacing_mm=None if spacing is None else (float(spacing[0]), float(spacing[1])),
            positions_mm=tuple(_three(position) for position in data["positions_mm"]),
            row_direction=_three(data["row_direction"]),
            column_direction=_three(data["column_direction"]),
            orientation_known=bool(data["orientation_known"]),
            description=str(data["description"]),
            derivation=tuple(str(step) for step in data["derivation"]),
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        return None
    return stack if _sound(stack) else None


def _sound(stack: Stack) -> bool:
    if len(stack.positions_mm) != len(stack.files):
        return False
    across = np.cross(stack.row_direction, stack.column_direction)
    numbers = [stack.slope, stack.intercept, *(stack.spacing_mm or ())]
    numbers += [value for position in stack.positions_mm for value in position]
    return (
        all(math.isfinite(value) for value in numbers)
        and min(stack.spacing_mm or (1.0,)) > 0
        and stack.slope != 0
        and abs(float(np.linalg.norm(across)) - 1) < 1e-3
    )


def _three(values: Any) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z

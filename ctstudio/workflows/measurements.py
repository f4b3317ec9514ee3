"""What measurements say of layers, and their files: CSV and JSON without patient details."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctstudio import __version__
from ctstudio.core.atomic import atomic_file
from ctstudio.ct.measure import Shape, edge_width, profile, slice_of, statistics, values
from ctstudio.ct.metrics import RoiStatistics
from ctstudio.ct.planes import Plane, in_plane, plane_name
from ctstudio.ct.views import SliceStack
from ctstudio.ct.volume import Source

STATISTICS = ("n", "area", "area_unit", "min", "max", "mean", "sd")
COLUMNS = (
    "name", "kind", "plane", "length", "length_unit", "angle_deg", "layer", "unit", "slice",
    *STATISTICS, "edge_10_90", "points_mm",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Reading:
    """What a measurement says of one layer.

    ``slice_index`` counts from 0 in the plane of the measurement, ``unit`` is that of the values.
    ``samples`` are a region's values ``(n,)``, or a profile's, one at each of its distances;
    empty for lengths and angles. ``edge`` is the width of the edge across a profile, mm or nan.
    """

    layer: str
    unit: str
    slice_index: int
    statistics: RoiStatistics | None
    samples: NDArray[np.float64]
    edge: float = math.nan


@dataclass(frozen=True, eq=False)
class Measured:
    """A measurement with what it says of each layer; ``at_mm`` are a profile's distances."""

    name: str
    shape: Shape
    plane: Plane
    length_unit: str  # "mm", or "px" where the spacing is not known
    readings: tuple[Reading, ...]
    at_mm: NDArray[np.float64]


def read(
    shape: Shape,
    plane: Plane,
    name: str,
    stack: SliceStack,
    at_mm: NDArray[np.float64],
    most: int | None = None,
) -> Reading | None:
    """What ``shape``, drawn in ``plane``, says of ``stack``; None where it has no such slice.

    ``most`` estimates a region from about so many of its pixels.
    """
    seen = in_plane(stack, plane)
    geometry = seen.geometry
    index = slice_of(shape, geometry)
    if index is None:
        return None
    found, samples, edge = None, np.empty(0), math.nan
    if shape.is_region:
        picture = seen.slice_hu(index)
        found = statistics(shape, picture, geometry, index, most)
        samples = values(shape, picture, geometry, index, most)
    elif shape.kind == "profile":
        samples = profile(shape, seen.slice_hu(index), geometry, index, at_mm)
        edge = edge_width(at_mm, samples)
    return Reading(name, stack.unit, index, found, samples, edge)


def public_name(name: str, source: Source, otherwise: str) -> str:
    """The name of a layer for a file: ``otherwise`` where it tells who the patient is."""
    told = [source.patient_id, *source.patient_name.replace("^", " ").split()]
    known = any(len(word) > 1 and word.casefold() in name.casefold() for word in told)
    return otherwise if known else name


def save_measurements(path: Path, measured: Sequence[Measured]) -> Path:
    """Write measurements as CSV, one line a layer, or as JSON by the ending of ``path``.

    Lengths in mm (or px), areas in mm2 (or px), places in patient mm. JSON holds the values of
    profiles too, and null for what is no number.

    Raises
    ------
    StudioError
        When the file cannot be written.
    """
    with atomic_file(path) as temporary:
        if path.suffix.lower() == ".json":
            told = {
                "program": f"CT Studio {__version__}",
                "purpose": "For research use, not for diagnosis.",
                "places": "patient mm (DICOM: left, back, head), voxel centres",
                "measurements": [_as_json(m) for m in measured],
            }
            temporary.write_text(json.dumps(told, indent=1, allow_nan=False) + "\n", "utf-8")
        else:
            with temporary.open("w", encoding="utf-8", newline="") as stream:
                writer = csv.writer(stream)
                writer.writerow(COLUMNS)
                for one in measured:
                    writer.writerows(_rows(one))
    return path


def save_columns(path: Path, columns: Sequence[tuple[str, NDArray[Any]]]) -> Path:
    """Write named columns of equal length, ``(n,)`` each, as CSV; empty where there is no number.

    Raises
    ------
    StudioError
        When the file cannot be written.
    """
    with (
        atomic_file(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as stream,
    ):
        writer = csv.writer(stream)
        writer.writerow([name for name, _ in columns])
        for row in zip(*(column for _, column in columns), strict=True):
            writer.writerow([_number(float(value)) for value in row])
    return path


def _rows(one: Measured) -> list[list[str]]:
    kind = one.shape.kind
    length = one.shape.length if kind in ("distance", "profile") else None
    places = "; ".join(" ".join(f"{c:.3f}" for c in point) for point in one.shape.points_mm)
    head = [
        one.name, kind, plane_name(one.plane), _number(length),
        one.length_unit if length is not None else "",
        _number(one.shape.angle if kind == "angle" else None),
    ]  # fmt: skip
    rows = []
    for reading in one.readings:
        held = asdict(reading.statistics) if reading.statistics is not None else {}
        cells = [v if isinstance(v := held.get(key), str) else _number(v) for key in STATISTICS]
        rows.append([
            *head, reading.layer, reading.unit, str(reading.slice_index + 1), *cells,
            _number(reading.edge), places,
        ])  # fmt: skip
    return rows


def _as_json(one: Measured) -> dict[str, Any]:
    shape = one.shape
    told: dict[str, Any] = {
        "name": one.name,
        "kind": shape.kind,
        "plane": plane_name(one.plane),
        "points_mm": np.round(shape.points_mm, 4).tolist(),
        "normal": np.round(shape.normal, 6).tolist(),
    }
    if shape.kind in ("distance", "profile"):
        told |= {"length": round(shape.length, 6), "length_unit": one.length_unit}
    if shape.kind == "angle":
        told["angle_deg"] = _finite(shape.angle)
    if shape.kind == "profile":
        told["at"] = np.round(one.at_mm, 6).tolist()
    told["layers"] = [_layer_as_json(shape, reading) for reading in one.readings]
    return told


def _layer_as_json(shape: Shape, reading: Reading) -> dict[str, Any]:
    told: dict[str, Any] = {
        "layer": reading.layer,
        "unit": reading.unit,
        "slice": reading.slice_index + 1,
    }
    if reading.statistics is not None:
        told |= asdict(reading.statistics)
    if shape.kind == "profile":
        told["edge_10_90"] = _finite(reading.edge)
        told["values"] = [_finite(float(v)) for v in reading.samples]
    return told


def _finite(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def _number(value: float | None) -> str:
    return f"{value:.10g}" if value is not None and math.isfinite(value) else ""

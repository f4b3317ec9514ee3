"""What a scan found, as a table, as sentences, or as data for programs, without patient data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress, Work
from ctstudio.ct.resample import tilt_degrees
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.workflows.mend import oddities

if TYPE_CHECKING:
    from ctstudio.ct.series import ScanResult, SeriesInfo

JSON_VERSION = 1
"""Of the form of `as_data`: grows when a key goes or changes its meaning, not when one is added."""

_PLANES = ("sagittal", "coronal", "axial")  # by the axis of the patient that they lie across


@dataclass(frozen=True)
class Orientation:
    """How the slices lie: ``plane`` is the nearest of axial, coronal and sagittal.

    ``oblique_degrees`` is the angle between the slices and that plane; ``row``, ``column`` and
    ``normal`` are unit vectors in DICOM's patient coordinates, ``edges`` the patient's sides at the
    left, right, top and bottom of a slice, as letters.
    """

    plane: str
    oblique_degrees: float
    row: tuple[float, ...]
    column: tuple[float, ...]
    normal: tuple[float, ...]
    edges: tuple[str, str, str, str]


@dataclass(frozen=True)
class Extent:
    """Where the slices lie, in mm of the patient: the centres of the first voxels.

    ``size_mm`` is slices x rows x columns, edge to edge; distances are those along the normal.
    """

    first_position_mm: tuple[float, ...]
    last_position_mm: tuple[float, ...]
    size_mm: tuple[float, float, float]
    smallest_distance_mm: float | None
    largest_distance_mm: float | None
    tilt_degrees: float


@dataclass(frozen=True)
class Values:
    """The smallest and the largest value of all voxels, and their unit ("" where unknown)."""

    smallest: float
    largest: float
    unit: str


@dataclass(frozen=True)
class SeriesReport:
    """One series in numbers. Lengths are mm; None where the files do not say.

    ``number`` counts from 1 in the order of the scan and selects the series on the command line.
    ``patient`` is empty unless it was asked for; ``values`` is None where no pixel was read.
    """

    number: int
    description: str
    modality: str
    kernel: str
    slices: int
    rows: int
    columns: int
    pixel_spacing_mm: tuple[float, float] | None
    slice_spacing_mm: float | None
    slice_thickness_mm: float | None
    uniform: bool
    tilted: bool
    transfer_syntax: str
    series_uid: str
    format: str = "DICOM"
    orientation: Orientation | None = None
    geometry: Extent | None = None
    values: Values | None = None
    warnings: tuple[str, ...] = ()
    irregularities: tuple[dict[str, Any], ...] = ()
    """Each with its ``name``, the ``detail`` in a sentence, the ``fixes`` that there are, the safe
    one first, and whether it ``warns``: pictures do not suffer from the others."""
    patient: dict[str, str] = field(default_factory=dict)

    @property
    def size(self) -> str:
        """Slices x rows x columns."""
        return f"{self.slices} x {self.rows} x {self.columns}"

    @property
    def spacing(self) -> str:
        """Slice spacing x row spacing x column spacing, or what is known of it."""
        between = "-" if self.slice_spacing_mm is None else f"{self.slice_spacing_mm:.4g}"
        if self.pixel_spacing_mm is None and self.slice_spacing_mm is None:
            return "not stated"
        if self.pixel_spacing_mm is None:
            return f"{between} mm x 1 x 1 px"
        dy, dx = self.pixel_spacing_mm
        return f"{between} x {dy:.4g} x {dx:.4g} mm"


def report(series: Sequence[SeriesInfo], *, patient: bool = False) -> list[SeriesReport]:
    """Describe each series; with ``patient``, also whose it is and when it was taken."""
    return [report_one(info, number, patient=patient) for number, info in enumerate(series, 1)]


def report_one(
    info: SeriesInfo,
    number: int = 1,
    *,
    patient: bool = False,
    volume: Volume | None = None,
    values: Values | None = None,
) -> SeriesReport:
    """Describe one series, or a ``volume`` of it: what was read, or what was made of that."""
    source = info.source
    geometry = info.geometry if volume is None else volume.geometry
    slices, rows, columns = (
        (info.slices, info.rows, info.columns) if volume is None else volume.shape
    )
    # Pictures that state nothing are laid out as if they were 1 mm apart.
    stated = geometry.spacing_known or geometry.orientation_known
    found = oddities(info, None if volume is None else geometry)
    warnings = info.warnings
    if volume is not None:
        # What was odd on disk may be mended, and what could not be decoded be missing.
        scanned = {odd.sentence for odd in oddities(info)}
        own = tuple(odd.sentence for odd in found if odd.warns)
        warnings = (*(text for text in warnings if text not in scanned), *own)
    identity = {
        "name": source.patient_name,
        "id": source.patient_id,
        "study": source.study_description,
        "date": source.study_date,
    }
    return SeriesReport(
        number=number,
        description=source.description,
        modality=source.modality,
        kernel=source.kernel,
        slices=slices,
        rows=rows,
        columns=columns,
        pixel_spacing_mm=geometry.spacing_mm if geometry.spacing_known else None,
        slice_spacing_mm=round(geometry.slice_spacing_mm, 6) if stated and slices > 1 else None,
        slice_thickness_mm=source.slice_thickness_mm,
        uniform=geometry.uniform,
        tilted=geometry.tilted,
        transfer_syntax=info.transfer_syntax,
        series_uid=source.series_uid,
        format=source.format,
        orientation=_orientation(geometry) if geometry.orientation_known else None,
        geometry=_extent(geometry, (rows, columns), source.slice_thickness_mm) if stated else None,
        values=values,
        warnings=tuple(warnings),
        irregularities=tuple(
            {
                "name": str(odd.kind),
                "detail": odd.sentence,
                "fixes": [str(fix) for fix in odd.fixes],
                "warns": odd.warns,
            }
            for odd in sorted(found, key=lambda odd: odd.rank)
        ),
        patient={key: value for key, value in identity.items() if value} if patient else {},
    )


def measure(volume: Volume) -> Work[Values | None]:
    """The range of all values; None where no voxel holds a number. Yields Progress."""
    low, high = np.inf, -np.inf
    for index in range(len(volume)):
        values = volume.slice_hu(index)
        values = values[np.isfinite(values)]
        if values.size:
            low, high = min(low, float(values.min())), max(high, float(values.max()))
        yield Progress(index + 1, len(volume), "Measuring values")
    return Values(low, high, volume.unit) if low <= high else None


def _orientation(geometry: Geometry) -> Orientation:
    normal = geometry.normal
    axis = int(np.argmax(np.abs(normal)))
    angle = float(np.degrees(np.arccos(min(abs(float(normal[axis])), 1.0))))
    vectors = (geometry.row_direction, geometry.column_direction, normal)
    row, column, across = (tuple(round(float(v), 6) + 0.0 for v in vector) for vector in vectors)
    return Orientation(_PLANES[axis], round(angle, 3), row, column, across, geometry.edge_letters)


def _extent(geometry: Geometry, size: tuple[int, int], thickness: float | None) -> Extent:
    gaps = np.abs(np.diff(geometry.offsets_mm))
    dy, dx = geometry.spacing_mm
    depth = float(np.ptp(geometry.offsets_mm)) + (geometry.slice_spacing_mm or thickness or 0.0)
    first, last = (
        tuple(round(float(v), 4) + 0.0 for v in geometry.positions_mm[k]) for k in (0, -1)
    )
    return Extent(
        first,
        last,
        (round(depth, 4), round(size[0] * dy, 4), round(size[1] * dx, 4)),
        round(float(gaps.min()), 6) if len(gaps) else None,
        round(float(gaps.max()), 6) if len(gaps) else None,
        round(tilt_degrees(geometry), 3) if len(gaps) else 0.0,
    )


def as_data(reports: Sequence[SeriesReport], result: ScanResult) -> dict[str, Any]:
    """Series and the files that were left out as plain data, ready for JSON."""
    return {
        "version": JSON_VERSION,
        "series": [asdict(entry) for entry in reports],
        "left_out": [{"path": str(s.path), "reason": s.reason} for s in result.skipped],
        "segmentations": [str(path) for path in result.segmentations],
    }


def as_text(reports: Sequence[SeriesReport], result: ScanResult) -> str:
    """A table with one line a series, then warnings, and the skipped files by reason."""
    head = ("#", "Series", "Modality", "Kernel", "Slices x rows x columns", "Spacing", "Syntax")
    rows = [
        (
            str(entry.number),
            shorten(entry.description) or "(no description)",
            entry.modality or "-",
            shorten(entry.kernel) or "-",
            entry.size,
            entry.spacing,
            shorten(entry.transfer_syntax),
        )
        for entry in reports
    ]
    widths = [max(len(row[k]) for row in (head, *rows)) for k in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    ]
    for entry in reports:
        if entry.patient:
            words = ", ".join(f"{key} {value}" for key, value in entry.patient.items())
            lines.append(f"#{entry.number} patient: {words}")
        lines += [f"#{entry.number} warning: {warning}" for warning in entry.warnings]
        notes = [odd["detail"] for odd in entry.irregularities]
        lines += [f"#{entry.number} note: {note}" for note in notes if note not in entry.warnings]
    return "\n".join(lines + left_out_lines(result))


def shorten(text: str, width: int = 44) -> str:
    """``text`` cut to ``width`` characters for a column."""
    return text if len(text) <= width else text[: width - 3].rstrip() + "..."


def left_out_lines(result: ScanResult, names_shown: int = 3) -> list[str]:
    """Segmentations, and the files that were left out, by reason; nothing where all were used."""
    labels = [f"segmentation: {path}" for path in result.segmentations]
    if not result.skipped:
        return labels
    by_reason: dict[str, list[str]] = {}
    for skipped in result.skipped:
        by_reason.setdefault(skipped.reason, []).append(str(skipped.path))
    lines = [*labels, f"{len(result.skipped)} file(s) left out:"]
    for reason, names in by_reason.items():
        lines.append(f"  {len(names)}: {reason}")
        lines += [f"      {name}" for name in names[:names_shown]]
        if len(names) > names_shown:
            lines.append(f"      and {len(names) - names_shown} more (all of them: --json)")
    return lines


def choose_series(series: Sequence[SeriesInfo], selector: str | None = None) -> SeriesInfo:
    """The series that ``selector`` names: its number in the list (from 1) or its UID.

    Without a selector there must be one series only.

    Raises
    ------
    StudioError
        When nothing or more than one thing fits; it lists what there is.
    """
    if not series:
        raise StudioError(
            "There are segmentations, and no series that they could be shown on.",
            hint="Give the folder of the series too.",
        )
    listing = "\n".join(
        f"  {number}  {info.title}  {info.source.series_uid}"
        for number, info in enumerate(series, 1)
    )
    if selector is None:
        if len(series) == 1:
            return series[0]
        raise StudioError(
            f"There are {len(series)} series.",
            hint="Choose one with --series and its number or UID.",
            details=listing,
        )
    if selector.isdecimal() and 1 <= int(selector) <= len(series):
        return series[int(selector) - 1]
    named = [info for info in series if selector and info.source.series_uid == selector]
    if len(named) == 1:
        return named[0]
    if named:
        raise StudioError(
            f"{len(named)} series have this UID.",
            hint="Choose one with --series and its number.",
            details=listing,
        )
    raise StudioError(
        f"There is no series {selector!r}.",
        hint=f"Give a number from 1 to {len(series)} or a UID.",
        details=listing,
    )

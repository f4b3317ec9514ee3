"""A series in sentences: what it is, where it lies, what is odd about it and what helps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ctstudio.ct.resample import Fix

if TYPE_CHECKING:
    from ctstudio.workflows.info import SeriesReport

_SIDES = {"R": "right", "L": "left", "A": "front", "P": "back", "S": "head", "I": "feet"}
_OBLIQUE_DEGREES = 0.5


def sentences(report: SeriesReport) -> list[str]:
    """What the series is, for people, a thing a sentence; what is odd stands in `odd_lines`."""
    said = [_what(report), *_how_it_lies(report), *_distances(report)]
    made = []
    if report.kernel:
        made.append(f"reconstructed with the kernel {report.kernel}")
    if report.slice_thickness_mm is not None:
        made.append(f"{_mm(report.slice_thickness_mm)} thick")
    if made:
        said.append(f"Its slices are {' and '.join(made)}.")
    if report.values is not None:
        unit = f" {report.values.unit}" if report.values.unit else ""
        low, high = report.values.smallest, report.values.largest
        said.append(f"The values run from {low:.6g} to {high:.6g}{unit}.")
    return said


def odd_lines(report: SeriesReport) -> list[str]:
    """What is odd, each with what can be done, as lines of text."""
    odd = report.irregularities
    told = {entry["detail"] for entry in odd}
    others = [text for text in report.warnings if text not in told]
    count = len(odd) + len(others)
    if not count:
        return ["Nothing is odd about it."]
    lines = ["One thing is odd about it:" if count == 1 else f"{count} things are odd about it:"]
    for entry in odd:
        lines.append(f"- {entry['name']}: {entry['detail']}")
        fixes = [Fix(name) for name in entry["fixes"]]
        lines += [f"    {fix.label}. {fix.help}" for fix in fixes if fix is not Fix.LEAVE]
    return [*lines, *(f"- {text}" for text in others)]


def details(report: SeriesReport) -> list[tuple[str, str]]:
    """Names and values, for a table; what is not known is left out."""
    rows = [
        ("Description", report.description),
        ("Modality", report.modality),
        ("Format", report.format),
        ("Transfer syntax", report.transfer_syntax),
        ("Kernel", report.kernel),
        ("Slices x rows x columns", report.size),
        ("Slice x row x column spacing", report.spacing),
    ]
    if report.slice_thickness_mm is not None:
        rows.append(("Slice thickness", _mm(report.slice_thickness_mm)))
    if (lies := report.geometry) is not None:
        if lies.smallest_distance_mm is not None and lies.largest_distance_mm is not None:
            low, high = lies.smallest_distance_mm, lies.largest_distance_mm
            apart = f"{low:.6g} mm" if report.uniform else f"{low:.6g} to {high:.6g} mm"
            rows.append(("Distance between slices", apart))
        if report.tilted:
            rows.append(("Gantry tilt", f"{lies.tilt_degrees:.2f} degrees"))
        rows.append(("Extent", f"{_numbers(lies.size_mm)} mm"))
        rows.append(("Position of the first slice", f"{_numbers(lies.first_position_mm)} mm"))
        rows.append(("Position of the last slice", f"{_numbers(lies.last_position_mm)} mm"))
    if (turned := report.orientation) is not None:
        rows.append(("Plane", _plane(report)))
        rows.append(("Direction of rows", _numbers(turned.row)))
        rows.append(("Direction of columns", _numbers(turned.column)))
    if (values := report.values) is not None:
        text = f"{values.smallest:.6g} to {values.largest:.6g} {values.unit}".strip()
        rows.append(("Values", text))
    if report.format == "DICOM":
        rows.append(("Series UID", report.series_uid))
    return [(name, value) for name, value in rows if value]


def as_report(report: SeriesReport, left_out: Sequence[str] = ()) -> str:
    """All of it as one text: sentences, what is odd, details, and the files that were left out."""
    rows = details(report)
    width = max(len(name) for name, _ in rows)
    lines = [
        f"#{report.number}  {report.description or '(no description)'}",
        *sentences(report),
        "",
        *odd_lines(report),
        "",
        *(f"{name.ljust(width)}  {value}" for name, value in rows),
    ]
    lines += [f"{key.capitalize()} (patient): {value}" for key, value in report.patient.items()]
    return "\n".join([*lines, *(["", *left_out] if left_out else [])]) + "\n"


def _what(report: SeriesReport) -> str:
    kind = f"{report.modality} " if report.modality else ""
    noun = "slice" if report.slices == 1 else "slices"
    return (
        f"A {kind}series of {report.slices} {noun} of {report.columns} x {report.rows} pixels, "
        f"read from {report.format} ({report.transfer_syntax})."
    )


def _how_it_lies(report: SeriesReport) -> list[str]:
    if report.orientation is None:
        return ["The files do not say how the slices lie in the patient."]
    left, _, top, _ = report.orientation.edges
    sides = ""
    if left and top:
        sides = f"; the patient's {_SIDES[left[0]]} is on the left, the {_SIDES[top[0]]} at the top"
    return [f"The slices are {_plane(report)}{sides}."]


def _plane(report: SeriesReport) -> str:
    assert report.orientation is not None
    angle = report.orientation.oblique_degrees
    plane = report.orientation.plane
    return plane if angle < _OBLIQUE_DEGREES else f"{plane}, {angle:.1f} degrees oblique"


def _distances(report: SeriesReport) -> list[str]:
    said = []
    if report.pixel_spacing_mm is None:
        said.append("The size of the pixels is not stated.")
    else:
        dy, dx = report.pixel_spacing_mm
        size = _mm(dx) if abs(dy - dx) < 1e-3 * dx else f"{dx:.4g} x {dy:.4g} mm"
        said.append(f"A pixel measures {size}.")
    lies = report.geometry
    if lies is None or lies.smallest_distance_mm is None or lies.largest_distance_mm is None:
        return said
    low, high = lies.smallest_distance_mm, lies.largest_distance_mm
    apart = _mm(low) if report.uniform else f"{low:.4g} to {_mm(high)}"
    depth, height, width = (length / 10 for length in lies.size_mm)
    said.append(
        f"The slices lie {apart} apart and cover {width:.1f} x {height:.1f} x {depth:.1f} cm."
    )
    return said


def _mm(length: float) -> str:
    return f"{length:.4g} mm"


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.6g}" for value in values)

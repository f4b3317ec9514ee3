"""What a scan found, as a table for people or as data for programs, without patient data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from ctstudio.core.errors import StudioError

if TYPE_CHECKING:
    from ctstudio.ct.series import ScanResult, SeriesInfo


@dataclass(frozen=True)
class SeriesReport:
    """One series in numbers. Lengths are mm; None where the files do not say.

    ``number`` counts from 1 in the order of the scan and selects the series on the command line.
    ``patient`` is empty unless it was asked for.
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
    warnings: tuple[str, ...] = ()
    irregularities: tuple[dict[str, Any], ...] = ()
    """Each with its ``kind``, its ``sentence`` and the ``fixes`` that there are, the safe one
    first; those that pictures do not suffer from are not among the warnings."""
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
    return [_report_one(number, info, patient) for number, info in enumerate(series, 1)]


def _report_one(number: int, info: SeriesInfo, patient: bool) -> SeriesReport:
    source, geometry = info.source, info.geometry
    # Pictures that state nothing are laid out as if they were 1 mm apart.
    apart = info.slices > 1 and (geometry.spacing_known or geometry.orientation_known)
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
        slices=info.slices,
        rows=info.rows,
        columns=info.columns,
        pixel_spacing_mm=geometry.spacing_mm if geometry.spacing_known else None,
        slice_spacing_mm=round(geometry.slice_spacing_mm, 6) if apart else None,
        slice_thickness_mm=source.slice_thickness_mm,
        uniform=geometry.uniform,
        tilted=geometry.tilted,
        transfer_syntax=info.transfer_syntax,
        series_uid=source.series_uid,
        warnings=tuple(info.warnings),
        irregularities=tuple(
            {
                "kind": str(odd.kind),
                "sentence": odd.sentence,
                "fixes": [str(fix) for fix in odd.fixes],
            }
            for odd in getattr(info, "irregularities", ())  # of DICOM series
        ),
        patient={key: value for key, value in identity.items() if value} if patient else {},
    )


def as_data(reports: Sequence[SeriesReport], result: ScanResult) -> dict[str, Any]:
    """Series and skipped files as plain data, ready for JSON."""
    return {
        "series": [asdict(entry) for entry in reports],
        "skipped": [{"path": str(s.path), "reason": s.reason} for s in result.skipped],
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
        notes = [odd["sentence"] for odd in entry.irregularities]
        lines += [f"#{entry.number} note: {note}" for note in notes if note not in entry.warnings]
    return "\n".join(lines + _skipped_lines(result))


def shorten(text: str, width: int = 44) -> str:
    """``text`` cut to ``width`` characters for a column."""
    return text if len(text) <= width else text[: width - 3].rstrip() + "..."


def _skipped_lines(result: ScanResult, names_shown: int = 3) -> list[str]:
    if not result.skipped:
        return []
    by_reason: dict[str, list[str]] = {}
    for skipped in result.skipped:
        by_reason.setdefault(skipped.reason, []).append(str(skipped.path))
    lines = [f"{len(result.skipped)} file(s) skipped:"]
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
    for info in series:
        if selector and info.source.series_uid == selector:
            return info
    raise StudioError(
        f"There is no series {selector!r}.",
        hint=f"Give a number from 1 to {len(series)} or a UID.",
        details=listing,
    )

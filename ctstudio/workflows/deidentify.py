"""Series de-identified for giving away: copies, and what is derived of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Work
from ctstudio.workflows.denoise import require_free_folder

if TYPE_CHECKING:
    from ctstudio.ct.series import SeriesInfo
    from ctstudio.dicom.deidentify import Deidentifier


def deidentifier(*, key: str = "", shift_dates: bool = False, patient: str = "") -> Deidentifier:
    """What cleans the DICOM headers of one export; see `ctstudio.dicom.deidentify.Options`."""
    from ctstudio.dicom.deidentify import Deidentifier, Options

    return Deidentifier(Options(key=key, shift_dates=shift_dates, patient=patient))


def deidentify_series(
    series: Sequence[SeriesInfo],
    out: Path,
    cleaner: Deidentifier,
    *,
    segmentations: Sequence[Path] = (),
) -> Work[list[Path]]:
    """Copy DICOM series into ``out``, new or empty, without what tells of the patient.

    Several series, and each of the ``segmentations``, have a folder of their own and keep their
    relations. Pixels stay as they are.

    Yields Progress, and a Note for what a person should look at (text that may be drawn into
    pixels, a head whose face can be made of the slices). Returns the files written.

    Raises
    ------
    StudioError
        When a series is no DICOM, ``out`` is not empty or lies in the folder of a series, or a
        file cannot be copied.
    """
    from ctstudio.dicom.deidentified import copy_deidentified

    require_free_folder(out)
    if not series:
        raise StudioError("There is no series to de-identify.", hint="Give the folder of one.")
    for info in series:
        if info.source.format != "DICOM":
            raise StudioError(
                f"{info.title!r} was read from {info.source.format} files: they have no DICOM "
                "header to de-identify.",
                hint="Leave them out.",
            )
        for folder in {path.parent.resolve() for path in info.source.files}:
            if out.resolve().is_relative_to(folder):
                raise StudioError(
                    f"Cannot write to {out}: it lies in the folder of the series, whose names and "
                    "dates it would then lie beside.",
                    hint="Choose a folder elsewhere.",
                    path=out,
                )
    patients = {info.source.patient_id or info.source.patient_name.casefold() for info in series}
    if cleaner.options.patient and len(patients) > 1:
        yield Note(
            f"The series are of {len(patients)} patients: all of them are now called "
            f"{cleaner.options.patient!r}, and cannot be told apart by that."
        )
    files = [info.source.files for info in series] + [(path,) for path in segmentations]
    return (yield from copy_deidentified(files, out, cleaner))

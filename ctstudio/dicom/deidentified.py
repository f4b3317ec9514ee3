"""Series as they are, but for whose they are: copies under new names, pixels untouched."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from pydicom.dataset import Dataset

from ctstudio.core.atomic import atomic_folder
from ctstudio.core.events import Note, Progress, Work
from ctstudio.dicom.deidentify import Deidentifier
from ctstudio.dicom.sources import UNWRITABLE, broken, read_header


def copy_deidentified(
    series: Sequence[Sequence[Path]], folder: Path, deidentifier: Deidentifier
) -> Work[list[Path]]:
    """Copy the files of one or several series into ``folder``, de-identified.

    Parameters
    ----------
    series
        The files of each series, in slice order. Of several, each has a folder of its own.
    folder
        New or empty; made as a whole at the end. File names say nothing of the old ones.
    deidentifier
        One for all, so that UIDs, dates and patients keep their relations.

    Yields Progress, and a Note for what a person should look at. Pixel data are copied as they are
    coded. Returns the files written.

    Raises
    ------
    StudioError
        When a file cannot be read or its header not be written, the folder is not empty, or the
        disk is full.
    """
    total = sum(len(files) for files in series)
    written: list[Path] = []
    with atomic_folder(folder) as temporary:
        for number, files in enumerate(series, 1):
            place = Path(f"series{number:03d}" if len(series) > 1 else "")
            (temporary / place).mkdir(exist_ok=True)
            digits = max(4, len(str(len(files))))
            for index, path in enumerate(files, 1):
                name = place / f"IM{index:0{digits}d}.dcm"
                _copy(path, temporary / name, deidentifier)
                written.append(folder / name)
                yield Progress(len(written), total, "De-identifying")
    for remark in deidentifier.remarks:
        yield Note(remark)
    return written


def _copy(path: Path, target: Path, deidentifier: Deidentifier) -> None:
    data: Dataset = read_header(path, pixels=True)
    with warnings.catch_warnings():
        # pydicom warns about values of the source that bend the standard; they are kept.
        warnings.simplefilter("ignore")
        try:
            deidentifier.clean(data)
            data.save_as(target, enforce_file_format=True)
        except UNWRITABLE as error:
            raise broken(path, error) from error

"""Series as they are, but for whose they are: copies under new names, pixels untouched."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path

from pydicom.dataset import Dataset

from ctstudio.core.atomic import atomic_folder
from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Progress, Work
from ctstudio.dicom.deidentify import Deidentifier
from ctstudio.dicom.headers import NATIVE
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
    coded; files that cannot be copied are left out with a Note. Returns the files written.

    Raises
    ------
    StudioError
        When no file can be read and its header be written, the folder is not empty, or the disk
        is full.
    """
    total = sum(len(files) for files in series)
    done = 0
    written: list[Path] = []
    failure: StudioError | None = None
    with atomic_folder(folder) as temporary:
        for number, files in enumerate(series, 1):
            place = Path(f"series{number:03d}" if len(series) > 1 else "")
            (temporary / place).mkdir(exist_ok=True)
            digits = max(4, len(str(len(files))))
            for index, path in enumerate(files, 1):
                name = place / f"IM{index:0{digits}d}.dcm"
                done += 1
                try:
                    cut_off = _copy(path, temporary / name, deidentifier)
                    written.append(folder / name)
                    if cut_off:
                        yield Note(f"{path}: its pixels end too early; they were copied as is.")
                except StudioError as error:
                    failure = error
                    (temporary / name).unlink(missing_ok=True)
                    yield Note(f"Left out: {path}. {error}")
                yield Progress(done, total, "De-identifying")
        if failure is not None and not written:
            raise failure
    for remark in deidentifier.remarks:
        yield Note(remark)
    return written


def _copy(path: Path, target: Path, deidentifier: Deidentifier) -> bool:
    """Copy one file; returns whether its pixels are fewer than its header says."""
    data: Dataset = read_header(path, pixels=True)
    with warnings.catch_warnings():
        # pydicom warns about values of the source that bend the standard; they are kept.
        warnings.simplefilter("ignore")
        try:
            cut_off = _cut_off(data)
            deidentifier.clean(data)
            data.save_as(target, enforce_file_format=True)
        except UNWRITABLE as error:
            raise broken(path, error) from error
    return cut_off


def _cut_off(data: Dataset) -> bool:
    if data.file_meta.get("TransferSyntaxUID") not in NATIVE:
        return False
    kind = ("Rows", "Columns", "SamplesPerPixel", "NumberOfFrames", "BitsAllocated")
    bits = math.prod(int(data.get(keyword) or 1) for keyword in kind)
    if str(data.get("PhotometricInterpretation")) == "YBR_FULL_422":
        bits = bits * 2 // 3  # two pixels share their colour
    return len(data.PixelData) < bits // 8

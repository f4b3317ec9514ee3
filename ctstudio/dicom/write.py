"""New DICOM series: derived from the files a volume came from, or made from nothing.

Every series is written as a whole or not at all, into a folder of its own; sources are only read.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from ctstudio.core.atomic import atomic_folder
from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Progress, Work
from ctstudio.ct.volume import Source, Volume
from ctstudio.dicom.datasets import (
    NewSeries,
    create,
    derive,
    derive_from_several,
    place,
    rescale_of,
)
from ctstudio.dicom.deidentify import Deidentifier
from ctstudio.dicom.encoding import Encoding, Range, choose
from ctstudio.dicom.sources import UNWRITABLE, Reference, Sources, broken, has_frames


def write_derived(
    volume: Volume,
    folder: Path,
    *,
    description: str,
    method: str,
    deidentify: Deidentifier | None = None,
) -> Work[list[Path]]:
    """Write ``volume`` as a series derived from the files it was read from.

    Parameters
    ----------
    volume
        Read from DICOM files and worked on: with one file a slice, from one file of several CT
        images, or resampled from such (``volume.source.described_by``). A resampled slice is given
        its own place and size; all else in its header is that of the nearest source slice.
    folder
        New or empty; made as a whole at the end.
    description
        SeriesDescription, at most 64 characters; it should name the method.
    method
        DerivationDescription: what was done, with its settings.
    deidentify
        Cleans the header of every source before anything is made of it; description and method
        are written as they are.

    Yields Progress for each slice, and a Note where values had to be clipped. Values are int16 with
    one rescale for the series, exact to half a stored unit (0.5 HU for CT in steps of 1 HU).
    Returns the files written, in slice order.

    Raises
    ------
    StudioError
        When the volume has no source files, they are not DICOM, one of them cannot be read, the
        folder is not empty, or the disk is full.
    """
    try:
        sources = Sources(volume)
    except StudioError as error:
        raise StudioError(
            f"{folder} was not written. {error.message}", hint=error.hint, path=folder
        ) from error
    first, _ = sources.header(0)
    encoding = yield from _encoding(volume, rescale_of(first)[0])
    known = volume if deidentify is None else _of_nobody(volume, deidentify)
    series = NewSeries.begin(known, encoding, description=description, method=method)

    def header(index: int) -> Dataset:
        source, references = sources.header(index)
        _require_single_or_ct(source, sources.file(index))
        try:
            if deidentify is not None:
                deidentify.clean(source)
                references = [
                    Reference(r.sop_class, deidentify.uid(r.sop_instance)) for r in references
                ]
            if has_frames(source):
                derived = derive_from_several(source, known, index, series, references)
            else:
                derived = derive(source, index, series, references)
            if sources.resampled:
                place(derived, known, index)
            if deidentify is not None:
                deidentify.forget_dates(derived)
            return derived
        except UNWRITABLE as error:
            raise broken(sources.file(index), error) from error

    paths = yield from _write(volume, Path(folder), encoding, header)
    for remark in deidentify.remarks if deidentify is not None else ():
        yield Note(remark)
    return paths


def write_series(
    volume: Volume,
    folder: Path,
    *,
    series_number: int,
    description: str = "",
    tags: Mapping[str, Any] | None = None,
) -> Work[list[Path]]:
    """Write ``volume`` as a CT series that has no source files, such as a phantom.

    Parameters
    ----------
    volume
        Its ``source`` gives patient, study, frame of reference, kernel, slice thickness and
        window; study and frame of reference are made where it names none.
    folder
        New or empty; made as a whole at the end.
    series_number
        SeriesNumber.
    description
        SeriesDescription; default ``volume.source.description``.
    tags
        Further elements by DICOM keyword, the same in every slice; they win.

    Yields and raises as ``write_derived``; returns the files written, in slice order.
    """
    source = replace(
        volume.source,
        study_uid=volume.source.study_uid or generate_uid(prefix=None),
        frame_of_reference_uid=volume.source.frame_of_reference_uid or generate_uid(prefix=None),
    )
    volume = replace(volume, source=source)
    if not volume.geometry.spacing_known:
        yield Note("The pixel spacing is not known: 1 mm was written.")
    encoding = yield from _encoding(volume, 1.0)
    series = NewSeries.begin(volume, encoding, description=description or source.description)

    def header(index: int) -> Dataset:
        return create(volume, index, series, series_number=series_number, tags=tags or {})

    return (yield from _write(volume, Path(folder), encoding, header))


def _require_single_or_ct(source: Dataset, path: Path) -> None:
    kind = source.get("Modality") or "unnamed"
    if has_frames(source) and kind != "CT":
        raise StudioError(
            f"{path} holds several {kind} images: only those of CT can become a DICOM series.",
            hint="Write NIfTI or pictures instead.",
            path=path,
        )


def _of_nobody(volume: Volume, deidentify: Deidentifier) -> Volume:
    """The volume without what its source says of the patient; its UIDs are mapped."""
    source = volume.source
    return replace(
        volume,
        source=Source(
            frame_of_reference_uid=deidentify.uid(source.frame_of_reference_uid),
            study_uid=deidentify.uid(source.study_uid),
            modality=source.modality,
            series_number=source.series_number,
            kernel=source.kernel,
            slice_thickness_mm=source.slice_thickness_mm,
            window=source.window,
        ),
    )


def _encoding(volume: Volume, slope: float) -> Work[Encoding]:
    """Look at every slice and choose one rescale for all."""
    total: Range | None = None
    for index in range(len(volume)):
        part = Range.of(volume.slice_hu(index))
        total = part if total is None else total if part is None else total.joined(part)
        yield Progress(index + 1, len(volume), "Measuring values")
    if total is None:
        raise StudioError(
            "The volume holds no numbers: every voxel is NaN or infinite.",
            hint="Check the step that made it.",
        )
    whole = np.issubdtype(volume.voxels.dtype, np.integer)
    encoding = choose(total, slope, unit=volume.unit, whole=bool(whole))
    unit = f" {volume.unit}" if volume.unit else ""
    if encoding.clips:
        yield Note(
            f"Values from {total.low:.6g} to {total.high:.6g}{unit} are more than 16 bits hold: "
            f"they were clipped to {encoding.low:.6g} to {encoding.high:.6g}{unit}."
        )
    if total.not_numbers:
        yield Note(
            f"{total.not_numbers} voxels hold no number: {encoding.low:.6g}{unit} is written."
        )
    return encoding


def _write(
    volume: Volume, folder: Path, encoding: Encoding, header: Callable[[int], Dataset]
) -> Work[list[Path]]:
    digits = max(4, len(str(len(volume))))
    names = [f"IM{index + 1:0{digits}d}.dcm" for index in range(len(volume))]
    with atomic_folder(folder) as temporary:
        for index, name in enumerate(names):
            stored = encoding.stored(volume.slice_hu(index))
            with warnings.catch_warnings():
                # pydicom warns about values of the source that bend the standard; they are kept.
                warnings.simplefilter("ignore")
                dataset = header(index)
                dataset.add_new("PixelData", "OW", stored.tobytes())
                try:
                    dataset.save_as(
                        temporary / name,
                        implicit_vr=False,
                        little_endian=True,
                        enforce_file_format=True,
                    )
                except UNWRITABLE as error:
                    files = volume.source.files
                    raise broken(files[index] if index < len(files) else folder, error) from error
            yield Progress(index + 1, len(names), "Writing slices")
    return [folder / name for name in names]

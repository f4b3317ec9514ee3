"""What was made of a series, as a folder of files of the kind that is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Work
from ctstudio.ct.labels import LABEL_UNIT
from ctstudio.ct.series import SeriesInfo
from ctstudio.ct.volume import Geometry, Source, Volume

if TYPE_CHECKING:
    from ctstudio.dicom.deidentify import Deidentifier

Kind: TypeAlias = Literal["dicom", "nifti", "tiff", "png"]

_KIND_OF_FORMAT: dict[str, Kind] = {
    "DICOM": "dicom", "NIfTI": "nifti", "JPEG": "png", "PNG": "png",
}  # fmt: skip
_NIFTI = "volume.nii.gz"
_SEGMENTATION = "segmentation.dcm"
_LABEL_FILES = ("labels.nii.gz", "labels.txt")
_OTHERWISE = "Export pictures, or write nifti, tiff or png on the command line (denoise --as)."


def kind_for(series: SeriesInfo, asked: Kind | None = None) -> Kind:
    """What a result is written as: what is asked for, else what its source is.

    JPEG loses detail, so that PNG of 16 bits stands for it; arrays become TIFF.

    Raises
    ------
    StudioError
        When DICOM is asked for and the source does not say where its slices lie.
    """
    if asked == "dicom" and series.source.format != "DICOM":
        _require_place(series.source, series.geometry)
    return asked or _KIND_OF_FORMAT.get(series.source.format, "tiff")


def require_grid(series: SeriesInfo, folder: Path, kind: Kind | None) -> None:
    """Make sure, before anything takes long, that NIfTI can hold a result laid out as ``series``.

    Raises
    ------
    StudioError
        When it is to be written as NIfTI, and its slices do not lie evenly along a line.
    """
    if kind == "nifti":
        from ctstudio.files.write import affine_of

        affine_of(series.geometry, folder / _NIFTI)


def save(
    volume: Volume,
    folder: Path,
    kind: Kind,
    *,
    description: str,
    method: str,
    deidentify: Deidentifier | None = None,
) -> Work[list[Path]]:
    """Write ``volume`` into ``folder``, new or empty; returns the files, in slice order.

    ``description`` and ``method`` enter the header of DICOM files, the latter behind whatever was
    done to ``volume`` before. Where its source is DICOM they are derived from it; else they are a
    new CT series of nobody. A label map becomes one DICOM segmentation, or NIfTI with a table of
    names and colours. ``deidentify`` cleans what DICOM files take over; of other kinds only the
    notes of a stack of pictures hold a text of the source, its description, which is left out then.

    Raises
    ------
    StudioError
        When the folder is not empty, or the volume cannot be written as that kind.
    """
    if volume.unit == LABEL_UNIT and kind in ("dicom", "nifti"):
        return (yield from _write_labels(volume, folder, kind, description, method, deidentify))
    if kind == "dicom":
        from ctstudio.dicom.write import write_derived

        if volume.source.format != "DICOM":
            return (yield from _write_new(volume, folder, description, method))
        before = [step for step in volume.derivation if step not in method]
        steps = "; ".join([*before, method])
        return (
            yield from write_derived(
                volume, folder, description=description, method=steps, deidentify=deidentify
            )
        )
    if kind == "nifti":
        from ctstudio.core.atomic import atomic_folder
        from ctstudio.files.write import write_nifti

        with atomic_folder(folder) as temporary, _named(temporary, folder):
            yield from write_nifti(volume, temporary / _NIFTI)
        return [folder / _NIFTI]
    from ctstudio.files.write import write_stack

    if deidentify is not None:
        volume = replace(volume, source=replace(volume.source, description=""))
    return (yield from write_stack(volume, folder, "png16" if kind == "png" else "tiff"))


@contextmanager
def _named(temporary: Path, folder: Path) -> Iterator[None]:
    """Errors of what is written into ``temporary`` name the place where it was to be."""
    try:
        yield
    except StudioError as error:
        path = Path(error.path) if error.path is not None else None
        if path is not None and path.is_relative_to(temporary):
            path = folder / path.relative_to(temporary)
        raise StudioError(
            error.message.replace(str(temporary), str(folder)),
            hint=error.hint.replace(str(temporary), str(folder)),
            path=path,
            details=error.details.replace(str(temporary), str(folder)),
        ) from error


def save_labels(
    volume: Volume,
    folder: Path,
    *,
    description: str,
    algorithm: str = "",
    deidentify: Deidentifier | None = None,
) -> Work[list[Path]]:
    """Write a label map as a DICOM segmentation and as NIfTI into ``folder``, new or empty.

    What cannot be written (DICOM where the source is none, NIfTI of uneven slices) is left out
    with a Note. Returns the files.

    Raises
    ------
    StudioError
        When neither can be written, or the folder is not empty.
    """
    from ctstudio.core.atomic import atomic_folder

    names: list[str] = []
    with atomic_folder(folder) as temporary, _named(temporary, folder):
        try:
            yield from _segmentation(volume, temporary, description, algorithm, deidentify)
            names.append(_SEGMENTATION)
        except StudioError as error:
            yield Note(error.message.replace(str(temporary), str(folder)))
        try:
            yield from _label_nifti(volume, temporary)
            names += _LABEL_FILES
        except StudioError as error:
            if not names:
                raise
            yield Note(error.message.replace(str(temporary), str(folder)))
    return [folder / name for name in names]


def _write_labels(
    volume: Volume,
    folder: Path,
    kind: Kind,
    description: str,
    algorithm: str,
    deidentify: Deidentifier | None,
) -> Work[list[Path]]:
    """Labels as files of one kind."""
    from ctstudio.core.atomic import atomic_folder

    with atomic_folder(folder) as temporary, _named(temporary, folder):
        if kind == "dicom":
            yield from _segmentation(volume, temporary, description, algorithm, deidentify)
            return [folder / _SEGMENTATION]
        yield from _label_nifti(volume, temporary)
        return [folder / name for name in _LABEL_FILES]


def _segmentation(
    volume: Volume,
    folder: Path,
    description: str,
    algorithm: str,
    deidentify: Deidentifier | None,
) -> Work[Path]:
    from ctstudio.dicom.seg import write_segmentation

    return (
        yield from write_segmentation(
            volume,
            folder / _SEGMENTATION,
            description=description,
            algorithm=algorithm,
            deidentify=deidentify,
        )
    )


def _label_nifti(volume: Volume, folder: Path) -> Work[None]:
    """NIfTI has no place for names and colours: they stand in a table beside it."""
    from ctstudio.files.labels import write_label_table
    from ctstudio.files.write import write_nifti

    image, table = _LABEL_FILES
    yield from write_nifti(volume, folder / image)
    write_label_table(volume.labels, folder / table)


def _write_new(volume: Volume, folder: Path, description: str, method: str) -> Work[list[Path]]:
    """A CT series without a source: what a file of another kind says, and nothing made up."""
    from ctstudio.dicom.write import write_series

    _require_place(volume.source, volume.geometry)
    if volume.unit != "HU":
        raise StudioError(
            f"The values read from {volume.source.format} are not HU: they make no CT series.",
            hint=_OTHERWISE,
        )
    anonymous = replace(volume.source, study_description="")
    return (
        yield from write_series(
            replace(volume, source=anonymous, derivation=(*volume.derivation[:-1], method)),
            folder,
            series_number=1,
            description=description,
            tags={"ImageType": ["DERIVED", "SECONDARY", "AXIAL"], "PatientPosition": ""},
        )
    )


def _require_place(source: Source, geometry: Geometry) -> None:
    if not (geometry.spacing_known and geometry.orientation_known):
        raise StudioError(
            f"{source.description!r} was read from {source.format}, which does not say how large "
            "its pixels are and how its slices lie: DICOM of CT has to.",
            hint=_OTHERWISE,
        )

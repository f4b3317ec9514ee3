"""What was made of a series, as a folder of files of the kind that is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Work
from ctstudio.ct.series import SeriesInfo
from ctstudio.ct.volume import Volume

Kind: TypeAlias = Literal["dicom", "nifti", "tiff", "png"]

_KIND_OF_FORMAT: dict[str, Kind] = {
    "DICOM": "dicom", "NIfTI": "nifti", "JPEG": "png", "PNG": "png",
}  # fmt: skip


def kind_for(series: SeriesInfo, asked: Kind | None = None) -> Kind:
    """What a result is written as: what is asked for, else what its source is.

    JPEG loses detail, so that PNG of 16 bits stands for it; arrays become TIFF.

    Raises
    ------
    StudioError
        When DICOM is asked for and the source is none, so that there is no header to carry over.
    """
    if asked == "dicom" and series.source.format != "DICOM":
        raise StudioError(
            f"{series.title!r} was read from {series.source.format} files, which hold no DICOM "
            "header to carry over.",
            hint="Write nifti, tiff or png.",
        )
    return asked or _KIND_OF_FORMAT.get(series.source.format, "tiff")


def save(
    volume: Volume, folder: Path, kind: Kind, *, description: str, method: str
) -> Work[list[Path]]:
    """Write ``volume`` into ``folder``, new or empty; returns the files, in slice order.

    ``description`` and ``method`` enter the header of DICOM files, whose source ``volume`` names.

    Raises
    ------
    StudioError
        When the folder is not empty, or the volume cannot be written as that kind.
    """
    if kind == "dicom":
        from ctstudio.dicom.write import write_derived

        return (yield from write_derived(volume, folder, description=description, method=method))
    if kind == "nifti":
        from ctstudio.core.atomic import atomic_folder
        from ctstudio.files.write import write_nifti

        name = "volume.nii.gz"
        with atomic_folder(folder) as temporary:
            yield from write_nifti(volume, temporary / name)
        return [folder / name]
    from ctstudio.files.write import write_stack

    return (yield from write_stack(volume, folder, "png16" if kind == "png" else "tiff"))

"""Volumes to stacks of pictures and to NIfTI: whole or not at all."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.atomic import atomic_file, atomic_folder
from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Progress, Work
from ctstudio.ct.labels import LABEL_UNIT
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.files.items import kind_of
from ctstudio.files.nifti import HU_MARK, TO_LPS
from ctstudio.files.stack import NAME as STACK_NAME
from ctstudio.files.stack import Stack

StackFormat = Literal["png16", "tiff"]

_STRAIGHT_MM = 0.01
_SAME_MM = 1e-3
_MOST_GREYS = 65535


def write_stack(volume: Volume, folder: Path, format: StackFormat) -> Work[list[Path]]:
    """Write one picture a slice into ``folder``, which is new or empty.

    "tiff" holds the values themselves: 16-bit integers where all are whole and fit, else float32.
    "png16" holds unsigned 16-bit integers: with slope 1 where all values are whole and span less
    than 65536, else spread over that range. ``stack.json`` beside the pictures tells slope,
    intercept, unit and positions; opened again with it, the stack is the volume it was.

    Yields Progress; returns the pictures' paths in slice order.

    Raises
    ------
    StudioError
        When the folder is not empty, the disk is full, or no value is a number.
    """
    low, high, whole = yield from _extent(volume)
    slope, intercept = 1.0, 0.0
    target: np.dtype[Any] = np.dtype(np.float32)
    if format == "png16":
        target = np.dtype(np.uint16)
        exact = whole and high - low <= _MOST_GREYS
        # Values that fit as they are stay so: pictures of 8 bits keep their numbers.
        intercept = 0.0 if exact and low >= 0 and high <= _MOST_GREYS else low
        slope = 1.0 if exact else (high - low) / _MOST_GREYS
    elif whole and low >= -32768 and high <= 32767:
        target = np.dtype(np.int16)
    digits = max(4, len(str(len(volume))))
    ending = "png" if format == "png16" else "tif"
    names = [f"slice{index + 1:0{digits}d}.{ending}" for index in range(len(volume))]
    with atomic_folder(folder) as temporary:
        for index, name in enumerate(names):
            values = volume.slice_hu(index).astype(np.float64)
            if target.kind != "f":
                values = np.rint((np.nan_to_num(values, nan=low) - intercept) / slope)
                values = np.clip(values, np.iinfo(target).min, np.iinfo(target).max)
            _save(temporary / name, values.astype(target))
            yield Progress(index + 1, len(names), "Writing slices")
        note = Stack.of(volume, names, slope, intercept)
        (temporary / STACK_NAME).write_text(note.to_json(), encoding="utf-8")
    return [folder / name for name in names]


def write_nifti(volume: Volume, path: Path) -> Work[Path]:
    """Write ``volume`` as one NIfTI-1 file, ``.nii`` or ``.nii.gz``; returns ``path``.

    Values are int16 where all are whole and fit, else float32: HU as they are, without rescale.
    Axes are stored as DICOM has them (x to the left, y to the back), and the affine says so. A
    label map is marked as one.

    Raises
    ------
    StudioError
        When the name ends otherwise, the slices are not evenly spaced along a line (an affine
        cannot say so), or the file cannot be written.
    """
    import nibabel

    if kind_of(path.name) not in (".nii", ".nii.gz"):
        raise StudioError(
            f"Cannot write {path}: the name of a NIfTI file ends in .nii or .nii.gz.",
            hint="Choose another name.",
            path=path,
        )
    affine = affine_of(volume.geometry, path)
    if not volume.geometry.spacing_known:
        yield Note("The pixel spacing is not known: 1 mm was written.")
    low, high, whole = yield from _extent(volume)
    small = whole and low >= -32768 and high <= 32767
    z, y, x = volume.shape
    # x runs fastest in the file, as it does in a slice: no copy is made to turn the axes.
    values = np.empty((z, y, x), np.int16 if small else np.float32)
    for index in range(z):
        values[index] = volume.slice_hu(index)
        yield Progress(index + 1, z, "Writing slices")
    image = nibabel.Nifti1Image(values.transpose(2, 1, 0), affine)
    image.header.set_xyzt_units("mm")
    if volume.unit == LABEL_UNIT:
        image.header.set_intent("label")
    image.header["descrip"] = b"CT Studio, " + HU_MARK if volume.unit == "HU" else b"CT Studio"
    # A qform cannot hold the shear of a tilted gantry; the sform holds anything.
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=0 if volume.geometry.tilted else 1)
    with atomic_file(path) as temporary, temporary.open("wb") as plain:
        if kind_of(path.name) == ".nii.gz":
            with gzip.GzipFile(fileobj=plain, mode="wb", filename="", mtime=0) as packed:
                image.to_stream(packed)
        else:
            image.to_stream(plain)
    return path


def affine_of(geometry: Geometry, path: Path) -> NDArray[np.float64]:
    """``(4, 4)`` float64: from (x, y, z) indices to NIfTI's patient system in mm.

    Raises
    ------
    StudioError
        When no affine does: slices that are unevenly spaced, not along a line, or at one place.
    """
    count = len(geometry.positions_mm)
    step = geometry.normal
    if count > 1:
        step = (geometry.positions_mm[-1] - geometry.positions_mm[0]) / (count - 1)
    line = geometry.positions_mm[0] + np.arange(count)[:, None] * step
    if np.max(np.abs(line - geometry.positions_mm)) > _STRAIGHT_MM:
        raise StudioError(
            f"{path} was not written: the slices are not evenly spaced, which NIfTI cannot hold.",
            hint="Write DICOM or a stack of TIFF pictures, or make the distances equal first "
            "(ctstudio mend --fix resample).",
            path=path,
        )
    if abs(float(step @ geometry.normal)) < _SAME_MM:
        raise StudioError(
            f"{path} was not written: all slices lie at one position, which NIfTI cannot hold.",
            hint="Write DICOM or a stack of TIFF pictures, or split them (ctstudio mend --fix "
            "split).",
            path=path,
        )
    dy, dx = geometry.spacing_mm
    lps = np.eye(4)
    lps[:3, 0] = geometry.row_direction * dx
    lps[:3, 1] = geometry.column_direction * dy
    lps[:3, 2] = step
    lps[:3, 3] = geometry.positions_mm[0]
    affine: NDArray[np.float64] = TO_LPS @ lps
    return affine


def _extent(volume: Volume) -> Work[tuple[float, float, bool]]:
    """The lowest and highest finite value, and whether all values are whole numbers."""
    low, high, whole = np.inf, -np.inf, True
    for index in range(len(volume)):
        values = volume.slice_hu(index)
        finite = values[np.isfinite(values)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
        whole = whole and finite.size == values.size and bool(np.all(values == np.rint(values)))
        yield Progress(index + 1, len(volume), "Measuring values")
    if low > high:
        raise StudioError(
            "The volume holds no numbers: every voxel is NaN or infinite.",
            hint="Check the step that made it.",
        )
    return low, high, whole


def _save(path: Path, values: NDArray[Any]) -> None:
    if path.suffix == ".png":
        from PIL import Image

        Image.fromarray(values).save(path)
        return
    import tifffile

    tifffile.imwrite(path, values, compression="zlib", predictor=True, metadata=None)

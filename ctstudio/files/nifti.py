"""NIfTI to slices and patient positions.

NIfTI counts x to the patient's right and y to the front (RAS+), DICOM to the left and to the
back (LPS+); z grows to the head in both. The affine alone says how the voxels are to be turned,
never their order in the file.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from ctstudio.ct.volume import Geometry
from ctstudio.files.items import BrokenError, Item, kind_of, require_plausible

HU_MARK = b"values in HU"
TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_SAMPLE_BYTES = 16 << 20
_MOST_LABELS = 256
_MM = {"mm": 1.0, "unknown": 1.0, "meter": 1000.0, "micron": 0.001}


@dataclass(frozen=True, eq=False)
class Nifti:
    """What the header of a NIfTI file says.

    ``shape`` is (x, y, z) as stored; ``orientation`` brings the axes into DICOM's order, as
    nibabel's orientation arrays do, and ``flip`` tells whether the slices then run downwards.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    slope: float
    intercept: float
    geometry: Geometry
    orientation: NDArray[np.float64] = field(repr=False)
    flip: bool
    is_label: bool
    hounsfield: bool
    warnings: tuple[str, ...]

    @property
    def size(self) -> tuple[int, int, int]:
        """``(z, y, x)`` in DICOM's order."""
        placed = [0, 0, 0]
        for axis, target in enumerate(self.orientation[:, 0].astype(int)):
            placed[target] = self.shape[axis]
        return placed[2], placed[1], placed[0]


def head(stream: BinaryIO, item: Item) -> Nifti:
    """Read the header, and of integers the first 16 MB to see whether they are labels.

    Raises
    ------
    BrokenError
        Where it is no NIfTI file, has more than three dimensions, or values that are no numbers.
    """
    image = open_image(stream, item)
    header = image.header
    shape = tuple(int(n) for n in image.shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) > 3:
        raise BrokenError(f"it has {len(shape)} dimensions {shape}; three can be opened")
    shape = shape + (1,) * (3 - len(shape))
    kind = header.get_data_dtype()
    if kind.kind not in "iuf":
        raise BrokenError(f"its values ({kind}) are not plain numbers")
    if min(shape) < 1:
        raise BrokenError(f"its size {shape} is empty")
    require_plausible(int(np.prod(shape)) * kind.itemsize, item.size)
    # nibabel takes the rescale out of the header and hands it to the proxy of the voxels.
    slope, intercept = float(image.dataobj.slope), float(image.dataobj.inter)

    remarks: list[str] = []
    affine = np.array(image.affine, np.float64)
    unit = str(header.get_xyzt_units()[0])
    affine[:3] *= _MM.get(unit, 1.0)
    geometry, orientation, flip = _place(affine, shape, remarks)
    if not int(header["sform_code"]) and not int(header["qform_code"]):
        remarks.append("The file states no orientation: no side of the patient is named.")
        geometry = replace(geometry, orientation_known=False)
    whole = kind.kind in "iu" and (slope, intercept) == (1.0, 0.0)
    labels = int(header["intent_code"]) == 1002 or (whole and _looks_like_labels(image, shape))
    if labels:
        remarks.append("The values look like labels of regions, not like intensities.")
    return Nifti(
        shape,
        kind,
        slope,
        intercept,
        geometry,
        orientation,
        flip,
        labels,
        HU_MARK in bytes(header["descrip"]),
        tuple(remarks),
    )


def load(stream: BinaryIO, item: Item, known: Nifti) -> NDArray[Any]:
    """The stored values in DICOM's order, ``(z, y, x)``, not rescaled; float64 becomes float32.

    Raises whatever nibabel raises for broken data.
    """
    from nibabel.orientations import apply_orientation

    image = open_image(stream, item)
    if image.shape[:3] != known.shape[: len(image.shape)]:
        raise BrokenError("the file changed after it was scanned")
    stored = np.asarray(image.dataobj.get_unscaled()).reshape(known.shape)
    stored = apply_orientation(stored, known.orientation).transpose(2, 1, 0)
    if known.flip:
        stored = stored[::-1]
    kind = np.dtype(np.float32) if stored.dtype.kind == "f" else stored.dtype.newbyteorder("=")
    return np.array(stored, kind, order="C")


def open_image(stream: BinaryIO, item: Item) -> Any:
    """nibabel's image; its voxels stay in the stream until they are asked for."""
    import nibabel
    from nibabel.imageglobals import logger

    if kind_of(item.name) == ".nii.gz":
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=stream))
    try:
        start = stream.read(4)
    except (OSError, EOFError) as error:
        raise BrokenError("it is not compressed with gzip, or broken") from error
    stream.seek(0)
    size = {int.from_bytes(start, "little"), int.from_bytes(start, "big")}
    if 348 in size:
        kind = nibabel.Nifti1Image
    elif 540 in size:
        kind = nibabel.Nifti2Image
    else:
        raise BrokenError("it is no NIfTI file")
    logger.disabled = True  # it prints what it mends in a header
    try:
        return kind.from_stream(stream)
    finally:
        logger.disabled = False


def _place(
    affine: NDArray[np.float64], shape: tuple[int, ...], remarks: list[str]
) -> tuple[Geometry, NDArray[np.float64], bool]:
    """Where the slices lie, and how the axes are exchanged and turned to get there."""
    from nibabel.orientations import inv_ornt_aff, io_orientation

    lps = TO_LPS @ affine
    if not np.isfinite(lps).all() or abs(np.linalg.det(lps[:3, :3])) < 1e-12:
        raise BrokenError("its affine does not say where the voxels lie")
    orientation = np.asarray(io_orientation(lps), np.float64)
    placed = lps @ inv_ornt_aff(orientation, shape)
    row, column, step = placed[:3, 0], placed[:3, 1], placed[:3, 2]
    spacing = float(np.linalg.norm(column)), float(np.linalg.norm(row))
    row, column = row / spacing[1], column / spacing[0]
    skew = abs(float(row @ column))
    if skew > 1e-3:
        angle = np.degrees(np.arcsin(min(skew, 1.0)))
        remarks.append(
            f"Rows and columns are {angle:.1f} degrees off a right angle: lengths within a slice "
            "are not exact."
        )
    slices = int(shape[int(np.flatnonzero(orientation[:, 0] == 2)[0])])
    positions = placed[:3, 3] + np.arange(slices)[:, None] * step
    flip = bool(np.dot(np.cross(row, column), step) < 0)
    if flip:
        positions = positions[::-1]
    return Geometry(positions, row, column, spacing), orientation, flip


def _looks_like_labels(image: Any, shape: tuple[int, ...]) -> bool:
    """Few whole numbers, none below 0, and nearly every voxel like its neighbour.

    Looks at the first 16 MB alone: intensities are noisy from the first slice on.
    """
    plane = shape[0] * shape[1] * image.header.get_data_dtype().itemsize
    count = max(1, min(shape[2], _SAMPLE_BYTES // plane))
    try:
        sample = _first(image, count)
    except Exception:  # broken voxels are reported when they are read
        return False
    if sample.min() < 0 or len(np.unique(sample)) > _MOST_LABELS:
        return False
    return bool(np.mean(sample[1:] == sample[:-1]) >= 0.9) if len(sample) > 1 else False


def _first(image: Any, count: int) -> NDArray[Any]:
    return np.asarray(image.dataobj[..., :count] if image.ndim == 3 else image.dataobj)

"""The frames of a segmentation: their values, and the slice of a series that each lies on."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ctstudio.ct.volume import Volume
from ctstudio.dicom.codecs import decode
from ctstudio.dicom.headers import NATIVE
from ctstudio.dicom.sources import read_header

_RLE = "1.2.840.10008.1.2.5"
_DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"
_PARALLEL = 0.9999  # cosine; 0.8 degrees
_SPACING_TOLERANCE = 1e-3
_IN_PLANE_PX = 0.1
_MOST_FRAMES = 1_000_000


class MisfitError(Exception):
    """Why a segmentation does not fit a series, in words that follow a colon."""


@dataclass(frozen=True)
class Plane:
    """How a frame lies on a series: on which slice (None: on none), and turned how."""

    slice: int | None
    transposed: bool = False
    flip_rows: bool = False
    flip_columns: bool = False


class Frames:
    """The frames of ``dataset`` as they lie on the slices of ``on``.

    Raises
    ------
    MisfitError
        When the file cannot hold what its header promises, or the frames have another spacing.
    """

    def __init__(self, dataset: Dataset, on: Volume) -> None:
        self._dataset = dataset
        self._on = on
        self.rows, self.columns = on.shape[1:]
        self._groups = dataset.get("PerFrameFunctionalGroupsSequence") or []
        self._shared = (dataset.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
        self.count = int(dataset.get("NumberOfFrames") or 1)
        self._bits = int(dataset.get("BitsAllocated") or 0)
        if self._bits not in (1, 8, 16):
            raise MisfitError(f"its frames have {self._bits} bits a pixel")
        if not 0 < self.count <= _MOST_FRAMES or (self._groups and len(self._groups) < self.count):
            raise MisfitError(
                f"its header asks for {self.count} frames and describes {len(self._groups)}"
            )
        self._syntax = str(dataset.file_meta.get("TransferSyntaxUID", "") or "")
        self._packed: list[bytes] | None = None
        self._data = b""
        self._take_pixels()
        self._slice_of_image: dict[str, int] | None = None

    def segment(self, index: int) -> int:
        """The number of the segment that frame ``index`` belongs to."""
        item = self._macro(index, "SegmentIdentificationSequence")
        if item is None:
            raise MisfitError(f"frame {index + 1} names no segment")
        number = int(item.ReferencedSegmentNumber)
        if not 0 < number <= 65535:
            raise MisfitError(f"frame {index + 1} names segment {number}")
        return number

    def plane(self, index: int) -> Plane:
        """Where frame ``index`` lies.

        Raises
        ------
        MisfitError
            When it lies at an angle to the slices, beside them, or nobody knows where.
        """
        position = self._macro(index, "PlanePositionSequence")
        place = None if position is None else position.get("ImagePositionPatient")
        if place is None or not self._on.geometry.orientation_known:
            return Plane(self._slice_by_reference(index))
        geometry = self._on.geometry
        corner = np.array(place, float)
        orientation = self._macro(index, "PlaneOrientationSequence")
        cosines = None if orientation is None else orientation.get("ImageOrientationPatient")
        axes = (
            np.array(cosines, float)
            if cosines is not None
            else np.r_[geometry.row_direction, geometry.column_direction]
        )
        u, v = axes[:3], axes[3:]
        ours = np.array([geometry.row_direction, geometry.column_direction])
        across = np.array([ours @ u, ours @ v])  # [[u.U, u.V], [v.U, v.V]]
        transposed = bool((np.abs(across[[0, 1], [1, 0]]) > _PARALLEL).all())
        if not transposed and not (np.abs(across[[0, 1], [0, 1]]) > _PARALLEL).all():
            raise MisfitError("its frames lie at an angle to the slices")
        dy, dx = self._spacing(index)
        if not np.isfinite(corner).all():
            raise MisfitError(f"frame {index + 1} lies nowhere")
        self._require_spacing((dx, dy) if transposed else (dy, dx))
        along_u, along_v = (across[0, 1], across[1, 0]) if transposed else np.diag(across)
        if along_u < 0:
            corner = corner + (self.columns - 1) * dx * u
        if along_v < 0:
            corner = corner + (self.rows - 1) * dy * v
        found = self._slice_at(corner)
        flips = (along_u < 0, along_v < 0) if transposed else (along_v < 0, along_u < 0)
        return Plane(found, transposed, bool(flips[0]), bool(flips[1]))

    def values(self, index: int, plane: Plane) -> NDArray[np.uint16]:
        """The values of frame ``index`` as they lie on the slice, ``(y, x)``."""
        values = self._stored(index)
        if plane.transposed:
            values = values.T
        if plane.flip_rows:
            values = values[::-1]
        if plane.flip_columns:
            values = values[:, ::-1]
        return values

    # -- places ----------------------------------------------------------------------------------

    def _macro(self, index: int, keyword: str) -> Dataset | None:
        """The functional group of a frame, else the one of all frames (PS3.3 C.7.6.16)."""
        own = self._groups[index] if index < len(self._groups) else Dataset()
        for group in (own, self._shared):
            items = group.get(keyword)
            if items:
                item: Dataset = items[0]
                return item
        return None

    def _spacing(self, index: int) -> tuple[float, float]:
        measures = self._macro(index, "PixelMeasuresSequence")
        spacing = None if measures is None else measures.get("PixelSpacing")
        if spacing is None:
            return self._on.geometry.spacing_mm
        return float(spacing[0]), float(spacing[1])

    def _require_spacing(self, theirs: tuple[float, float]) -> None:
        ours = self._on.geometry.spacing_mm
        if not np.allclose(theirs, ours, rtol=_SPACING_TOLERANCE, atol=0):
            raise MisfitError(
                f"its pixels are {theirs[0]:.4g} x {theirs[1]:.4g} mm, those of the slices "
                f"{ours[0]:.4g} x {ours[1]:.4g} mm"
            )

    def _slice_at(self, corner: NDArray[np.float64]) -> int | None:
        geometry = self._on.geometry
        found = geometry.nearest_slice(corner)
        away = corner - geometry.positions_mm[found]
        if abs(float(away @ geometry.normal)) > max(0.05, 0.1 * geometry.slice_spacing_mm):
            return None
        dy, dx = geometry.spacing_mm
        shift = (
            float(away @ geometry.row_direction) / dx,
            float(away @ geometry.column_direction) / dy,
        )
        if max(map(abs, shift)) > _IN_PLANE_PX:
            raise MisfitError(
                f"its frames are displaced by {shift[0]:.1f} x {shift[1]:.1f} pixels in the slice"
            )
        return found

    def _slice_by_reference(self, index: int) -> int | None:
        """The slice that a frame names as the image it was drawn on."""
        if self._slice_of_image is None:
            files = self._on.source.files
            if len(files) != len(self._on):
                raise MisfitError("it does not say where its frames lie")
            self._slice_of_image = {
                str(read_header(path, only=["SOPInstanceUID"]).get("SOPInstanceUID", "")): k
                for k, path in enumerate(files)
            }
        derivation = self._macro(index, "DerivationImageSequence")
        for item in (derivation or Dataset()).get("SourceImageSequence") or []:
            found = self._slice_of_image.get(str(item.get("ReferencedSOPInstanceUID", "")))
            if found is not None:
                return found
        return None

    # -- pixels ----------------------------------------------------------------------------------

    def _take_pixels(self) -> None:
        if "PixelData" not in self._dataset:
            raise MisfitError("it has no pixels")
        data: bytes = self._dataset.PixelData
        if self._syntax in NATIVE or not self._syntax:
            needed = (self.count * self.rows * self.columns * self._bits + 7) // 8
            if len(data) < needed:
                raise MisfitError(f"it holds {len(data)} of {needed} bytes of pixels")
            big = self._dataset.original_encoding[1] is False
            wide = self._bits == 16 or self._dataset["PixelData"].VR == "OW"
            if big and wide:
                data = np.frombuffer(data[: len(data) & ~1], ">u2").astype("<u2").tobytes()
            self._data = data
            return
        self._packed = list(pydicom.encaps.generate_frames(data, number_of_frames=self.count))
        if len(self._packed) != self.count:
            raise MisfitError(f"it holds {len(self._packed)} of {self.count} frames")

    def _stored(self, index: int) -> NDArray[Any]:
        """Values of one frame ``(rows, columns)`` as stored."""
        shape, size = (self.rows, self.columns), self.rows * self.columns
        if self._packed is not None:
            return self._unpacked(self._packed[index])
        if self._bits == 1:  # frames follow one another without filling up a byte
            first = index * size
            part = np.frombuffer(self._data, np.uint8)[first // 8 : (first + size + 7) // 8]
            bits = np.unpackbits(part, bitorder="little")[first % 8 : first % 8 + size]
            return bits.reshape(shape)
        width = self._bits // 8
        return np.frombuffer(self._data, f"<u{width}", size, index * size * width).reshape(shape)

    def _unpacked(self, frame: bytes) -> NDArray[Any]:
        shape, size = (self.rows, self.columns), self.rows * self.columns
        if self._syntax not in (_RLE, _DEFLATED_FRAMES):
            return decode(
                frame, self._syntax, rows=self.rows, columns=self.columns, bits_allocated=8
            )
        if self._syntax == _RLE:
            import imagecodecs

            plain = bytes(imagecodecs.dicomrle_decode(frame, f"<u{max(1, self._bits // 8)}"))
        else:
            most = (size * self._bits + 7) // 8 + 1
            plain = zlib.decompressobj(-zlib.MAX_WBITS).decompress(frame, most)
        if self._bits == 1 and len(plain) < size:
            bits = np.unpackbits(np.frombuffer(plain, np.uint8), bitorder="little")
            if len(bits) < size:
                raise MisfitError(f"a frame holds {len(bits)} of {size} pixels")
            return bits[:size].reshape(shape)
        width = max(1, self._bits // 8)
        if len(plain) < size * width:
            raise MisfitError(f"a frame holds {len(plain)} of {size * width} bytes")
        return np.frombuffer(plain, f"<u{width}", size).reshape(shape)

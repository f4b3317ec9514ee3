"""The files that a volume came from: the headers of what is made of it begin with theirs."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ctstudio.core.errors import StudioError
from ctstudio.ct.volume import Volume
from ctstudio.dicom.places import open_binary

# What pydicom and highdicom raise for values that they cannot write.
UNWRITABLE = (
    ArithmeticError, ValueError, TypeError, LookupError, AttributeError, NotImplementedError,
    struct.error,
)  # fmt: skip

_PLACED = ("SOPClassUID", "SOPInstanceUID", "ImagePositionPatient")
_DEEPEST = 100  # sequences in sequences: real files have a handful, and pydicom ends at hundreds
_SAME_MM = 1e-3  # a resampled slice nearer to a source's than this is that slice


@dataclass(frozen=True)
class Reference:
    """One image by its class and instance UID."""

    sop_class: str
    sop_instance: str

    @classmethod
    def of(cls, header: Dataset) -> Reference | None:
        """The image that ``header`` describes; None where its UIDs are missing or no UIDs."""
        meta = header.file_meta
        kind = header.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID")
        instance = header.get("SOPInstanceUID") or meta.get("MediaStorageSOPInstanceUID")
        if not all(pydicom.uid.UID(str(uid or ""), 0).is_valid for uid in (kind, instance)):
            return None
        return cls(str(kind), str(instance))


class Sources:
    """Which source file describes each slice of ``volume``.

    A slice of its own file is described by that; a slice of a file of several images by that file;
    a resampled slice by the one that lies nearest.

    Raises
    ------
    StudioError
        When the volume did not come from DICOM files, or from fewer files than it has slices.
    """

    def __init__(self, volume: Volume) -> None:
        source = volume.source
        if source.format != "DICOM":
            raise StudioError(
                f"The series was read from {source.format} files, which hold no DICOM header to "
                "carry over.",
                hint="Write a new series, or another kind of file.",
            )
        self._volume = volume
        self.several_images = len(source.files) == 1 < len(volume)
        self.resampled = not source.files and bool(source.described_by)
        self.files: Sequence[Path] = source.described_by if self.resampled else source.files
        if not (self.several_images or self.resampled or len(self.files) == len(volume)):
            raise StudioError(
                f"The volume was not read from one DICOM file a slice ({len(self.files)} files, "
                f"{len(volume)} slices).",
                hint="Export it as pictures, or write a new series.",
            )
        self._references: list[Reference | None] = []
        self._offsets: NDArray[np.float64] = np.empty(0)
        if self.resampled:
            self._look_where_they_lie()

    def file(self, index: int) -> Path:
        """The file whose header describes slice ``index``."""
        if self.several_images:
            return self.files[0]
        return self.files[self._near(index)[0] if self.resampled else index]

    def header(self, index: int) -> tuple[Dataset, list[Reference]]:
        """The header for slice ``index``, and the images that it was made of.

        Raises
        ------
        StudioError
            When the file is gone, is no DICOM any more, or now holds images of another size.
        """
        path = self.file(index)
        header = read_header(path)
        if not self.resampled:
            self._require_size(path, header)
            own = Reference.of(header)
            return header, [own] if own is not None else []
        near = [self._references[k] for k in self._near(index)]
        return header, [reference for reference in near if reference is not None]

    def _near(self, index: int) -> list[int]:
        """The source slices that slice ``index`` lies between, the nearest first."""
        away = np.abs(self._offsets - self._volume.geometry.offsets_mm[index])
        order = np.argsort(away, kind="stable")
        return [int(order[0])] if away[order[0]] < _SAME_MM else [int(k) for k in order[:2]]

    def _look_where_they_lie(self) -> None:
        normal = self._volume.geometry.normal
        offsets = []
        for path in self.files:
            header = read_header(path, only=_PLACED)
            self._references.append(Reference.of(header))
            place = header.get("ImagePositionPatient")
            try:
                offsets.append(float(np.dot(np.array(place, float), normal)))
            except (TypeError, ValueError) as error:
                raise broken(path, error) from error
        self._offsets = np.array(offsets)

    def _require_size(self, path: Path, header: Dataset) -> None:
        if (header.get("Rows"), header.get("Columns")) != self._volume.shape[1:]:
            raise StudioError(
                f"{path} no longer holds an image of {self._volume.shape[2]} x "
                f"{self._volume.shape[1]} pixels.",
                hint="Open the series again before exporting.",
                path=path,
            )


def read_header(path: Path, *, pixels: bool = False, only: Sequence[str] | None = None) -> Dataset:
    """A file's header, every element decoded; what cannot be decoded is left out.

    With ``only`` no elements but those of these keywords, which is quicker.

    A header may be written in another byte order than it was read in. With ``pixels`` the pixel
    data come along, as they are coded, and the byte order stays.

    Raises
    ------
    StudioError
        When the file cannot be read, is no DICOM, or holds sequences of absurd depth.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with open_binary(path) as stream:
                dataset = pydicom.dcmread(
                    stream,
                    stop_before_pixels=not pixels,
                    force=True,
                    specific_tags=None if only is None else list(only),
                )
            if pixels and "PixelData" not in dataset:
                raise EOFError("its pixels are missing or end too early")
            _decode_elements(dataset.file_meta, path)
            _decode_elements(dataset, path)
            header = Dataset({element.tag: element for element in dataset})
            header.file_meta = dataset.file_meta
            if pixels:  # they stay in the order of bytes that they have
                header.set_original_encoding(*dataset.original_encoding)
        except StudioError:
            raise
        except OSError as error:
            raise StudioError(
                f"Cannot read {path}: {error.strerror or error}.",
                hint="The export needs the files that the series was opened from.",
                path=path,
            ) from error
        except Exception as error:  # whatever a broken header makes pydicom raise
            raise broken(path, error) from error
    return header


def has_frames(header: Dataset) -> bool:
    """Whether this is the header of a file made to hold several images, even if it holds one."""
    several = str(header.get("NumberOfFrames") or 1).strip() != "1"
    return several or "SharedFunctionalGroupsSequence" in header


def broken(path: Path, error: Exception) -> StudioError:
    """The error for a header that cannot be carried over."""
    return StudioError(
        f"The header of {path} cannot be carried over.",
        hint="Leave out this slice, or write a new series.",
        path=path,
        details=str(error),
    )


def _decode_elements(dataset: Dataset, path: Path, depth: int = 0) -> None:
    """Decode while the source's byte order is still known; drop what is broken."""
    if depth > _DEEPEST:
        raise StudioError(
            f"The header of {path} cannot be carried over: its sequences lie in one another more "
            f"than {_DEEPEST} deep.",
            hint="Leave out this slice, or write NIfTI or pictures.",
            path=path,
        )
    for tag in list(dataset.keys()):
        try:
            element = dataset[tag]
            if element.VR == "SQ":
                for item in element.value:
                    _decode_elements(item, path, depth + 1)
        except StudioError:
            raise
        except Exception:  # a broken value of one element must not prevent the export
            del dataset[tag]

"""A series of files that are not DICOM, as a scan finds it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ctstudio.ct.volume import Geometry, Source
from ctstudio.files.arrays import Array
from ctstudio.files.items import Item
from ctstudio.files.nifti import Nifti
from ctstudio.files.stack import Stack

STUDY = "Image files"
"""What the series stand under, since such files name no study."""


@dataclass(frozen=True)
class Slice:
    """Where one slice lies: a picture, or a page of one."""

    item: Item
    page: int = 0


@dataclass(frozen=True)
class FileSeries:
    """One series: pictures slice by slice, or one file that holds them all.

    ``pictures`` are in slice order; where there are none, ``item`` is read as a whole, by what is
    known of it: ``nifti`` or ``array``. ``stack`` is what this program noted beside pictures that
    it wrote. ``warnings`` are sentences for the user. Of a series of masks, ``mask_of`` names the
    image of each slice, None where that is not there, and ``reader`` says who drew them.
    """

    source: Source
    slices: int
    rows: int
    columns: int
    geometry: Geometry = field(repr=False)
    transfer_syntax: str
    warnings: tuple[str, ...]
    item: Item
    pictures: tuple[Slice, ...] = field(default=(), repr=False)
    nifti: Nifti | None = field(default=None, repr=False)
    array: Array | None = field(default=None, repr=False)
    stack: Stack | None = field(default=None, repr=False)
    mask_of: tuple[Path | None, ...] = field(default=(), repr=False)
    reader: int = 1

    @property
    def title(self) -> str:
        """The folder's or the file's name."""
        return self.source.description

    @property
    def is_label(self) -> bool:
        """Whether the values are labels of regions rather than intensities."""
        return bool(self.mask_of) or (self.nifti is not None and self.nifti.is_label)

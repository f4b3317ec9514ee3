"""A series as a scan finds it, whatever its files are: what is known before a pixel is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ctstudio.ct.volume import Geometry, Source


class SeriesInfo(Protocol):
    """One series as found on disk: everything but its pixels."""

    @property
    def source(self) -> Source:
        """Where it comes from; ``files`` in slice order where there is a file a slice."""

    @property
    def slices(self) -> int:
        """How many slices."""

    @property
    def rows(self) -> int:
        """Rows of a slice, in pixels."""

    @property
    def columns(self) -> int:
        """Columns of a slice, in pixels."""

    @property
    def geometry(self) -> Geometry:
        """Where the slices lie in the patient."""

    @property
    def transfer_syntax(self) -> str:
        """How the files code the pixels, in words."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd about it, in sentences for the user."""

    @property
    def title(self) -> str:
        """A short label."""


@dataclass(frozen=True)
class Skipped:
    """A file or folder that gave no image, and why (words that follow "because")."""

    path: Path
    reason: str


@dataclass(frozen=True)
class ScanResult:
    """The series found, and what was left aside.

    ``segmentations`` are files of labels, which are shown on the series that they were made on.
    """

    series: tuple[SeriesInfo, ...]
    skipped: tuple[Skipped, ...]
    segmentations: tuple[Path, ...] = ()

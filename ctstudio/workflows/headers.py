"""The header of the file behind a slice, whatever kind of file it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ctstudio.core.events import Progress, Work
from ctstudio.ct.header import FileHeader
from ctstudio.ct.series import SeriesInfo
from ctstudio.ct.volume import Geometry


@dataclass(frozen=True)
class Place:
    """Where a slice is stored: which image (from 0) of the ``images`` in a file."""

    path: Path
    image: int = 0
    images: int = 1


def slice_of_series(series: SeriesInfo, geometry: Geometry, index: int) -> int:
    """Which slice of ``series`` lies where slice ``index`` of ``geometry`` does, or next to it.

    They differ where files could not be decoded, and in volumes that were made of the series.
    """
    if len(geometry.positions_mm) == series.slices:
        return index
    return series.geometry.nearest_slice(geometry.positions_mm[index])


def place(series: SeriesInfo, index: int) -> Place:
    """Where slice ``index`` of ``series`` is stored."""
    from ctstudio.files.series import FileSeries

    if isinstance(series, FileSeries):
        if not series.pictures:
            return Place(series.item.where)
        part = series.pictures[index]
        pages = sum(other.item == part.item for other in series.pictures)
        return Place(part.item.where, part.page, max(pages, part.page + 1))
    from ctstudio.dicom.series import SeriesInfo as DicomSeries

    assert isinstance(series, DicomSeries), "a series comes from one of the two scans"
    header = series.headers[index]
    return Place(header.path, header.frame, header.frames)


def read_header(series: SeriesInfo, index: int) -> Work[FileHeader]:
    """The header of the file that slice ``index`` of ``series`` is stored in.

    Yields Progress once.

    Raises
    ------
    StudioError
        When the file cannot be read.
    """
    yield Progress(0, 1, "Reading the header")
    from ctstudio.files.series import FileSeries

    if isinstance(series, FileSeries):
        from ctstudio.files import browse

        return browse.read_header(series, index)
    from ctstudio.dicom import browse as browse_dicom

    header = browse_dicom.read_header(place(series, index).path)
    yield Progress(1, 1, "Reading the header")
    header.prepare()
    return header

"""Opening anything: DICOM, pictures, NIfTI, arrays and zip archives, all as series."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Gaze, Note, Work
from ctstudio.ct.series import ScanResult, SeriesInfo, Skipped
from ctstudio.ct.volume import Volume

_HINT = "Choose a folder with DICOM images of CT, pictures (JPEG, PNG, TIFF), NIfTI or NumPy files."
_BESIDE = "it lies beside a DICOM series; open it by itself"
_UNREACHED = ("permission is denied", "it does not exist")


def scan(paths: Sequence[Path]) -> Work[ScanResult]:
    """Find the series in ``paths`` (folders, searched to any depth, and files).

    DICOM series come first. Pictures that lie in the folder of a DICOM series are left aside
    unless they are given by name: they are previews of it more often than images of their own.
    DICOM segmentations are no series: `read_labels` reads them onto theirs, and a scan that finds
    nothing else is no failure. Yields Progress; pixels are not read.

    Raises
    ------
    StudioError
        When no series is found at all; ``details`` lists what was skipped and why.
    """
    from ctstudio.dicom.headers import SEGMENTATION
    from ctstudio.dicom.scan import NothingFoundError, nothing_found
    from ctstudio.dicom.scan import scan as scan_dicom
    from ctstudio.dicom.scan_cache import default_cache

    series: list[SeriesInfo] = []
    try:
        found = yield from scan_dicom(paths, cache=default_cache())
        series += found.series
        skipped = list(found.skipped)
    except NothingFoundError as error:
        skipped = list(error.skipped)
    segmentations = tuple(entry.path for entry in skipped if entry.reason == SEGMENTATION)
    skipped = [entry for entry in skipped if entry.reason != SEGMENTATION]
    others = yield from _scan_files([Path(p) for p in paths], series, skipped)
    series += others.series
    if not series and not segmentations:
        raise nothing_found(paths, others.skipped, _HINT)
    return ScanResult(tuple(series), others.skipped, segmentations)


def read(series: SeriesInfo, *, first: int | None = None, gaze: Gaze | None = None) -> Work[Volume]:
    """Read the pixels of any series that `scan` found, slice ``first`` (default: middle) first.

    The others follow outward, from ``gaze`` where the reader can.

    Yields ``Partial(volume)`` once a slice is in, then ``SliceReady``, ``Progress`` and ``Note``.

    Raises
    ------
    StudioError
        When no slice can be decoded, or memory does not suffice.
    """
    from ctstudio.files.series import FileSeries

    if isinstance(series, FileSeries):
        from ctstudio.files.read import read as read_files

        return (yield from read_files(series, first=first))
    from ctstudio.dicom.read import read as read_dicom
    from ctstudio.dicom.series import SeriesInfo as DicomSeries

    assert isinstance(series, DicomSeries), "a series comes from one of the two scans"
    return (yield from read_dicom(series, first=first, gaze=gaze))


def get_ready() -> Iterator[None]:
    """Import what opening needs, piece by piece, so that the first time is as quick as the next."""
    import ctstudio.dicom.scan

    yield
    import ctstudio.dicom.read
    import ctstudio.dicom.scan_cache

    yield
    import ctstudio.files.scan  # noqa: F401

    yield
    from ctstudio.dicom.codecs import load_decoders

    yield from load_decoders()


def read_labels(paths: Sequence[Path], on: Volume) -> Work[list[tuple[str, Volume]]]:
    """Read the segmentations in ``paths`` that were made on the series of ``on``.

    Yields Progress, and a Note for each that belongs to the series and yet does not fit. Returns
    the title and the label map of each that fits; those of other series are passed over.
    """
    from ctstudio.dicom.seg_read import peek, read_segmentation

    found: list[tuple[str, Volume]] = []
    for path in paths:
        try:
            segmentation = peek(path)
            if segmentation.belongs_to(on):
                found.append((segmentation.title, (yield from read_segmentation(path, on))))
        except StudioError as error:
            yield Note(error.message)
    return found


def _scan_files(
    given: Sequence[Path], dicom: Sequence[SeriesInfo], skipped: Sequence[Skipped]
) -> Work[ScanResult]:
    """Look at what DICOM had no use for; its reasons stand for what is no image here either."""
    from ctstudio.dicom.scan import ARCHIVE_REFUSED
    from ctstudio.files.items import kind_of
    from ctstudio.files.scan import SUFFIXES
    from ctstudio.files.scan import scan as scan_files
    from ctstudio.files.stack import NAME

    taken = {path.parent for series in dicom for path in series.source.files}
    rest: list[Skipped] = []
    images: list[Path] = []
    notes: list[Skipped] = []
    for entry in skipped:
        path = entry.path
        unreached = entry.reason in _UNREACHED or entry.reason.startswith(ARCHIVE_REFUSED)
        if unreached or not path.is_file():
            rest.append(entry)
        elif path.name == NAME:
            notes.append(entry)
        elif kind_of(path.name) not in SUFFIXES:
            rest.append(entry)
        elif path.parent in taken and path not in given:
            rest.append(Skipped(path, _BESIDE))
        else:
            images.append(path)
    if not images:
        return ScanResult((), (*rest, *notes))
    found = yield from scan_files([*images, *(entry.path for entry in notes)])
    return ScanResult(found.series, (*rest, *found.skipped))

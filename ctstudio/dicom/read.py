"""A series to a volume: the middle slice at once, the rest streaming in around it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Gaze, Note, Partial, Progress, SliceReady, Work
from ctstudio.ct.volume import Volume
from ctstudio.dicom.codecs import CodecError
from ctstudio.dicom.headers import Header
from ctstudio.dicom.pixels import PixelReader, dtype_of, refusal
from ctstudio.dicom.room import make_room
from ctstudio.dicom.series import SeriesInfo, files_of

_MOST_READERS, _MOST_DECODERS = 4, 8
_AHEAD = 2  # batches a worker
_BATCH_BYTES = 4 << 20
_YIELD_SECONDS = 0.05


def read(series: SeriesInfo, *, first: int | None = None, gaze: Gaze | None = None) -> Work[Volume]:
    """Read the pixels of ``series``, beginning with slice ``first`` (default: the middle).

    Yields ``Partial(volume)`` once the first slice is in (the other slices are zero until they
    arrive), then ``SliceReady(i)`` for each slice of that volume, outward from the first or from
    the one that ``gaze`` names meanwhile, with Progress, and a Note for each slice that cannot be
    decoded.

    Returns the volume. Slices that could not be decoded are not in it; their gap stays in
    ``geometry.positions_mm``, and the voxels are then a copy, so indices after the gap differ from
    those of the partial volume.

    Raises
    ------
    StudioError
        When no slice can be decoded, or memory does not suffice.
    """
    headers = series.headers
    reasons = {k: reason for k, header in enumerate(headers) if (reason := refusal(header))}
    for index, reason in reasons.items():
        yield _note(headers[index], reason)
    usable = [k for k in range(len(headers)) if k not in reasons]
    if not usable:
        raise _nothing_decoded(series, reasons)
    middle = len(headers) // 2 if first is None else first
    start = min(range(len(usable)), key=lambda k: abs(usable[k] - middle))
    chosen = [headers[k] for k in usable]
    try:
        voxels = make_room((len(chosen), series.rows, series.columns), _common_dtype(chosen))
    except (MemoryError, ValueError) as error:
        raise _no_memory(series) from error
    volume = _volume(series, usable, voxels)

    shown = False
    failed: dict[int, str] = {}
    reader = PixelReader()
    workers = _workers(chosen)
    # Decoding and reading run without Python's lock.
    pool = ThreadPoolExecutor(workers, thread_name_prefix="dicom-read")
    try:
        pending: deque[tuple[list[int], Future[list[Exception | None]]]] = deque()
        waiting = _batches(start, chosen, gaze or Gaze())
        done = 0
        while True:
            while len(pending) < _AHEAD * workers and (batch := next(waiting, None)) is not None:
                filling = pool.submit(_fill, reader, batch, chosen, voxels)
                pending.append((batch, filling))
            if not pending:
                break
            batch, future = pending[0]
            if not wait([future], timeout=_YIELD_SECONDS).done:
                yield Progress(done, len(chosen), "Reading slices")
                continue
            pending.popleft()
            for index, problem in zip(batch, future.result(), strict=True):
                done += 1
                if isinstance(problem, MemoryError):
                    raise _no_memory(series) from problem
                if problem is not None:
                    failed[index] = _reason(problem)
                    voxels[index] = 0
                    yield _note(chosen[index], failed[index])
                    continue
                if not shown:
                    shown = True
                    yield Partial(volume)
                yield SliceReady(index)
                yield Progress(done, len(chosen), "Reading slices")
    finally:
        pool.shutdown(wait=False, cancel_futures=True)

    if not failed:
        return volume
    kept = [k for k in range(len(chosen)) if k not in failed]
    if not kept:
        raise _nothing_decoded(series, {usable[k]: reason for k, reason in failed.items()})
    try:
        whole = make_room((len(kept), series.rows, series.columns), voxels.dtype)
    except MemoryError as error:
        raise _no_memory(series) from error
    for new, old in enumerate(kept):
        whole[new] = voxels[old]
    return _volume(series, [usable[k] for k in kept], whole)


def _fill(
    reader: PixelReader, batch: Sequence[int], headers: Sequence[Header], voxels: NDArray[Any]
) -> list[Exception | None]:
    """Read the slices of ``batch``; of each, what went wrong."""
    problems: list[Exception | None] = []
    for index in batch:
        try:
            reader.fill(headers[index], voxels[index])
            problems.append(None)
        except Exception as error:  # codecs raise whatever they like for broken data
            problems.append(error)
    return problems


def _workers(headers: Sequence[Header]) -> int:
    """How many threads: one core is left to the window, unless there is work beyond reading."""
    spare = (os.cpu_count() or 1) - 1
    in_archive = not headers[0].path.is_file()
    if not in_archive and all(header.native for header in headers):
        return max(1, min(_MOST_READERS, spare))
    return max(2, min(_MOST_DECODERS, spare))


def _common_dtype(headers: Sequence[Header]) -> np.dtype[Any]:
    """The one dtype that holds every slice; slices that disagree in sign make it int32."""
    kinds = {dtype_of(h) for h in headers}
    if len(kinds) == 1:
        return kinds.pop()
    if all(k.itemsize <= 2 for k in kinds):
        return np.dtype(np.int32)
    return np.dtype(np.int64)


def _volume(series: SeriesInfo, kept: Sequence[int], voxels: NDArray[Any]) -> Volume:
    headers = [series.headers[k] for k in kept]
    return Volume(
        voxels=voxels,
        slope=np.array([h.slope for h in headers]),
        intercept=np.array([h.intercept for h in headers]),
        unit="HU" if all(h.hounsfield for h in headers) else "",
        geometry=replace(series.geometry, positions_mm=series.geometry.positions_mm[list(kept)]),
        source=replace(series.source, files=files_of(headers)),
    )


def _batches(start: int, headers: Sequence[Header], gaze: Gaze) -> Iterator[list[int]]:
    """Slices to be read in one go: the first alone, what must be decoded one by one."""
    order = _outward(start, len(headers), gaze)
    yield [next(order)]
    batch: list[int] = []
    for index in order:
        batch.append(index)
        header = headers[index]
        if not header.native or len(batch) * header.frame_bytes >= _BATCH_BYTES:
            yield batch
            batch = []
    if batch:
        yield batch


def _outward(start: int, count: int, gaze: Gaze) -> Iterator[int]:
    """``start``, then always the nearest to it, or to where somebody looks, that is left."""
    left = set(range(count))
    centre, nearest = start, _around(start, count)
    while left:
        if gaze.slice is not None and gaze.slice != centre:
            centre = gaze.slice
            nearest = _around(centre, count)
        index = next(nearest)
        if index in left:
            left.remove(index)
            yield index


def _around(centre: int, count: int) -> Iterator[int]:
    """``centre``, then its neighbours on either side, further and further out."""
    for step in range(count + abs(centre)):
        for index in dict.fromkeys((centre + step, centre - step)):
            if 0 <= index < count:
                yield index


def _reason(error: Exception) -> str:
    if isinstance(error, PermissionError):
        return "permission is denied"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    text = " ".join(str(error).split())[:200]
    return text if isinstance(error, CodecError) else f"the decoder says: {text}"


def _note(header: Header, reason: str) -> Note:
    frame = f", frame {header.frame + 1}" if header.frames > 1 else ""
    return Note(f"{header.path.name}{frame} ({header.syntax_name}) was left out: {reason}.")


def _nothing_decoded(series: SeriesInfo, reasons: dict[int, str]) -> StudioError:
    lines = [f"{series.headers[k].path}: {reason}" for k, reason in sorted(reasons.items())]
    path = series.headers[min(reasons)].path
    return StudioError(
        f"No slice of {series.title!r} could be decoded; the first is {path}.",
        hint="Copy the files again from where they came, or export them uncompressed.",
        path=path,
        details="\n".join(lines),
    )


def _no_memory(series: SeriesInfo) -> StudioError:
    size = sum(h.frame_bytes for h in series.headers) / 1e9
    return StudioError(
        f"There is not enough memory for {series.title!r} ({size:.1f} GB).",
        hint="Close other volumes or programs and try again.",
        path=series.source.files[0],
    )

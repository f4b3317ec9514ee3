"""A series to a volume: the middle slice at once, the rest streaming in around it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Partial, Progress, SliceReady, Work
from ctstudio.ct.volume import Volume
from ctstudio.dicom.codecs import CodecError, decode, join_fragments, keep_stored_bits
from ctstudio.dicom.headers import Header
from ctstudio.dicom.places import open_binary
from ctstudio.dicom.series import SeriesInfo, files_of

_WORKERS = 2
_AHEAD = 8
_YIELD_SECONDS = 0.05
_LARGE_BYTES = 64 << 20
_COMPRESSION_LIMIT = 1000
_NO_TABLE = b"\xfe\xff\x00\xe0\0\0\0\0"


def read(series: SeriesInfo, *, first: int | None = None) -> Work[Volume]:
    """Read the pixels of ``series``, beginning with slice ``first`` (default: the middle).

    Yields ``Partial(volume)`` once the first slice is in (the other slices are zero until they
    arrive), then ``SliceReady(i)`` for each slice of that volume, outward from the first, with
    Progress, and a Note for each slice that cannot be decoded.

    Returns the volume. Slices that could not be decoded are not in it; their gap stays in
    ``geometry.positions_mm``, and the voxels are then a copy, so indices after the gap differ from
    those of the partial volume.

    Raises
    ------
    StudioError
        When no slice can be decoded, or memory does not suffice.
    """
    headers, reasons = series.headers, _refusals(series.headers)
    for index, reason in reasons.items():
        yield _note(headers[index], reason)
    usable = [k for k in range(len(headers)) if k not in reasons]
    if not usable:
        raise _nothing_decoded(series, reasons)
    middle = len(headers) // 2 if first is None else first
    start = min(range(len(usable)), key=lambda k: abs(usable[k] - middle))
    chosen = [headers[k] for k in usable]
    try:
        voxels = np.zeros((len(chosen), series.rows, series.columns), _common_dtype(chosen))
    except (MemoryError, ValueError) as error:
        raise _no_memory(series) from error
    volume = _volume(series, usable, voxels)

    shown = False
    failed: dict[int, str] = {}
    # Two threads: the decoders release the GIL, and reading overlaps with decoding.
    pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="dicom-read")
    try:
        pending: deque[tuple[int, Future[None]]] = deque()
        waiting = _outward(start, len(chosen))
        done = 0
        while True:
            while len(pending) < _AHEAD and (upcoming := next(waiting, None)) is not None:
                pending.append(
                    (upcoming, pool.submit(fill_slice, chosen[upcoming], voxels[upcoming]))
                )
            if not pending:
                break
            index, future = pending[0]
            if not wait([future], timeout=_YIELD_SECONDS).done:
                yield Progress(done, len(chosen), "Reading slices")
                continue
            try:
                future.result()
            except MemoryError as error:
                raise _no_memory(series) from error
            except Exception as error:  # codecs raise whatever they like for broken data
                pending.popleft()
                done += 1
                failed[index] = _reason(error)
                voxels[index] = 0
                yield _note(chosen[index], failed[index])
                continue
            pending.popleft()
            done += 1
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
        return _volume(series, [usable[k] for k in kept], voxels[kept])
    except MemoryError as error:
        raise _no_memory(series) from error


def fill_slice(header: Header, out: NDArray[Any]) -> None:
    """Put the stored values of one image into ``out`` ``(y, x)``, an integer array that holds them.

    Raises OSError, CodecError, or what the codec raises.
    """
    kind = _dtype(header)
    with open_binary(header.path, 0) as stream:
        stream.seek(0, 2)
        if stream.tell() != header.file_bytes:
            raise CodecError("the file changed after it was scanned")
        stream.seek(header.pixel_offset)
        if header.native:
            direct = out.dtype == kind and out.flags.c_contiguous
            target = out if direct else np.empty(out.shape, kind)
            _read_exactly(stream, target)
            if not header.little_endian:
                target.byteswap(inplace=True)
        elif header.deflated:
            target = _inflated(header)
        else:
            # A frame among others lies behind the one table of offsets that all of them share.
            table = _NO_TABLE if header.packed_bytes else b""
            data = join_fragments(table + stream.read(header.packed_bytes or -1))
            decoded = decode(
                data,
                header.syntax,
                rows=header.rows,
                columns=header.columns,
                bits_allocated=header.bits_allocated,
            )
            # Same width: the bits are kept, the header's sign is put on them.
            target = decoded.astype(f"u{kind.itemsize}", casting="unsafe").view(kind)
    keep_stored_bits(
        target,
        bits_allocated=header.bits_allocated,
        bits_stored=header.bits_stored,
        high_bit=header.high_bit,
    )
    if target is not out:
        out[...] = target


def _read_exactly(stream: Any, target: NDArray[Any]) -> None:
    view = target.data.cast("B")
    got = 0
    while got < len(view):
        count = stream.readinto(view[got:])
        if not count:
            raise CodecError(f"the file ends after {got} of {len(view)} pixel bytes")
        got += count


def _inflated(header: Header) -> NDArray[Any]:
    import pydicom

    with open_binary(header.path) as stream:
        data: bytes = pydicom.dcmread(stream, force=True).PixelData
    data = data[header.frame * header.frame_bytes :]
    if len(data) < header.frame_bytes:
        raise CodecError(f"it holds {len(data)} of {header.frame_bytes} pixel bytes")
    kind = _dtype(header)
    return (
        np.frombuffer(data, kind, header.rows * header.columns)
        .reshape(header.rows, header.columns)
        .copy()
    )


def _dtype(header: Header) -> np.dtype[Any]:
    return np.dtype(f"{'i' if header.signed else 'u'}{header.bits_allocated // 8}")


def _common_dtype(headers: Sequence[Header]) -> np.dtype[Any]:
    """The one dtype that holds every slice; slices that disagree in sign make it int32."""
    kinds = {_dtype(h) for h in headers}
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


def _outward(start: int, count: int) -> Iterator[int]:
    """``start``, then its neighbours on either side, further and further out."""
    yield start
    for step in range(1, count):
        if start + step < count:
            yield start + step
        if start - step >= 0:
            yield start - step


def _refusals(headers: Sequence[Header]) -> dict[int, str]:
    """Slices whose header asks for more than their file can hold: known before any allocation."""
    reasons: dict[int, str] = {}
    for index, header in enumerate(headers):
        needed = header.frame_bytes
        if header.native:
            there = min(header.pixel_bytes or 0, header.file_bytes - header.pixel_offset)
            if there < needed:
                reasons[index] = f"it holds {max(there, 0)} of {needed} pixel bytes"
        elif needed > max(_LARGE_BYTES, _COMPRESSION_LIMIT * header.file_bytes):
            reasons[index] = (
                f"its header asks for {needed >> 20} MB from a file of {header.file_bytes} bytes"
            )
    return reasons


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

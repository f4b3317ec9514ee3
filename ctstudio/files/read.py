"""A series of files to a volume: pictures from the middle outwards, single files at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Partial, Progress, SliceReady, Work
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.files import arrays, nifti, pictures
from ctstudio.files.items import BrokenError, Store, kind_of
from ctstudio.files.scan import reason
from ctstudio.files.series import FileSeries, Slice

AIR_HU = -500
"""Signed values that go down to this are taken as HU: lungs and the air around do."""

_TAKEN_AS_HU = "The values are signed and go down to {low:.6g}: taken as HU."


def read(series: FileSeries, *, first: int | None = None) -> Work[Volume]:
    """Read the pixels of ``series``, beginning with slice ``first`` (default: the middle).

    Yields ``Partial(volume)`` once the first slice is in and the unit is known, then
    ``SliceReady(i)`` for each slice that has arrived, with Progress, and a Note for each file that
    cannot be decoded. Values are HU where the file says so, or where they are signed and reach
    -500; a Note tells of the latter.

    Returns the volume; pictures that could not be decoded are not in it.

    Raises
    ------
    StudioError
        When nothing can be decoded, or memory does not suffice.
    """
    middle = series.slices // 2 if first is None else first
    order = sorted(range(series.slices), key=lambda index: (abs(index - middle), index))
    try:
        if series.pictures:
            return (yield from _read_pictures(series, order))
        return (yield from _read_whole(series, order))
    except MemoryError as error:
        raise StudioError(
            f"There is not enough memory for {series.title!r}.",
            hint="Close other volumes or programs and try again.",
            path=series.item.path,
        ) from error


def _read_whole(series: FileSeries, order: Sequence[int]) -> Work[Volume]:
    yield Progress(0, series.slices, "Reading slices")
    slope, intercept, unit, signed = 1.0, 0.0, "", True
    try:
        with Store() as store, store.stream(series.item) as stream:
            if series.nifti is not None:
                voxels = nifti.load(stream, series.item, series.nifti)
                slope, intercept = series.nifti.slope, series.nifti.intercept
                unit = "HU" if series.nifti.hounsfield else ""
                signed = not series.is_label
            else:
                assert series.array is not None
                voxels = arrays.load(stream, series.item, series.array)
    except MemoryError:
        raise
    except Exception as error:  # decoders raise whatever they like for broken data
        raise _nothing_decoded(series, [f"{series.item.where}: {reason(error)}"]) from error
    if not unit and signed and voxels.dtype.kind in "if":
        # fmin passes over NaN; the slope's sign decides which stored values are the low ones.
        low = float((np.fmin if slope > 0 else np.fmax).reduce(voxels, None)) * slope + intercept
        if low <= AIR_HU:
            unit = "HU"
            yield Note(_TAKEN_AS_HU.format(low=low))
    volume = _volume(series, voxels, slope, intercept, unit, series.geometry)
    yield Partial(volume)
    for index in order:
        yield SliceReady(index)
    yield Progress(series.slices, series.slices, "Reading slices")
    return volume


def _read_pictures(series: FileSeries, order: Sequence[int]) -> Work[Volume]:
    """Slice by slice; the volume is shown as soon as it is known whether its values are HU."""
    stack = series.stack
    unit = stack.unit if stack is not None else ""
    slope, intercept = (stack.slope, stack.intercept) if stack is not None else (1.0, 0.0)
    voxels: NDArray[Any] | None = None
    volume: Volume | None = None
    arrived: list[int] = []
    failed: dict[int, str] = {}
    with Store() as store:
        for done, index in enumerate(order, 1):
            part = series.pictures[index]
            try:
                values = _decode(store, part, (series.rows, series.columns))
            except MemoryError:
                raise
            except Exception as error:  # decoders raise whatever they like for broken data
                failed[index] = reason(error)
                yield Note(f"{_name(part)} was left out: {failed[index]}.")
                continue
            if voxels is None:
                voxels = np.zeros((series.slices, *values.shape), values.dtype)
            voxels[index] = values
            known = stack is not None or values.dtype.kind == "u" or unit == "HU"
            if not known and (low := float(np.fmin.reduce(values, None))) <= AIR_HU:
                known, unit = True, "HU"
                yield Note(_TAKEN_AS_HU.format(low=low))
            arrived.append(index)
            if volume is None and (known or done == len(order)):
                volume = _volume(series, voxels, slope, intercept, unit, series.geometry)
                yield Partial(volume)
                for ready in arrived:
                    yield SliceReady(ready)
            elif volume is not None:
                yield SliceReady(index)
            yield Progress(done, len(order), "Reading slices")
    if voxels is None:
        lines = [f"{series.pictures[k].item.where}: {text}" for k, text in sorted(failed.items())]
        raise _nothing_decoded(series, lines)
    if not failed and volume is not None:
        return volume
    kept = [index for index in range(series.slices) if index not in failed]
    geometry = replace(series.geometry, positions_mm=series.geometry.positions_mm[kept])
    whole = _volume(series, voxels[kept], slope, intercept, unit, geometry)
    files = series.source.files
    if len(files) == series.slices:
        files = tuple(files[index] for index in kept)
    whole = replace(whole, source=replace(series.source, files=files))
    if volume is None:
        yield Partial(whole)
    return whole


def _decode(store: Store, part: Slice, size: tuple[int, int]) -> NDArray[Any]:
    name = pictures.FORMATS[kind_of(part.item.name)]
    with store.stream(part.item) as stream:
        values = pictures.decode(stream, name, part.page)
    if values.shape != size:
        raise BrokenError("the file changed after it was scanned")
    return values


def _name(part: Slice) -> str:
    return f"{part.item.name} (page {part.page + 1})" if part.page else part.item.name


def _volume(
    series: FileSeries,
    voxels: NDArray[Any],
    slope: float,
    intercept: float,
    unit: str,
    geometry: Geometry,
) -> Volume:
    count = len(voxels)
    return Volume(
        voxels=voxels,
        slope=np.full(count, slope),
        intercept=np.full(count, intercept),
        unit=unit,
        geometry=geometry,
        source=series.source,
        derivation=series.stack.derivation if series.stack is not None else (),
    )


def _nothing_decoded(series: FileSeries, lines: Sequence[str]) -> StudioError:
    return StudioError(
        f"Nothing of {series.title!r} could be read. {lines[0]}.",
        hint="Copy the files again from where they came.",
        path=series.item.path,
        details="\n".join(lines),
    )

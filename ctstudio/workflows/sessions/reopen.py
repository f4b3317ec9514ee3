"""From a session file back to series and layers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Partial, Progress, Work
from ctstudio.ct.series import SeriesInfo
from ctstudio.ct.views import Blend, Difference, SliceStack
from ctstudio.ct.volume import Volume
from ctstudio.workflows.sessions.document import Document, KeptLayer, KeptVolume, SeriesKey
from ctstudio.workflows.sessions.voxels import load_voxels, volume_of


@dataclass(frozen=True)
class Reopened:
    """A layer that is there again; ``series`` where it is a scan as acquired."""

    kept: KeptLayer
    stack: SliceStack
    series: SeriesInfo | None = None
    likely: Volume | None = None


def key_of(series: SeriesInfo) -> SeriesKey:
    """What is written about a series to find it again."""
    source = series.source
    first = source.files[0] if source.files else None
    return SeriesKey(
        source.series_uid, source.study_uid, series.slices, series.rows, series.columns,
        first.name if first is not None else "", str(first.parent) if first is not None else "",
    )  # fmt: skip


def places_of(series: SeriesInfo, opened: Iterable[Path]) -> tuple[Path, ...]:
    """Where to look for a series again: archives and files as they were given, else its folders.

    ``opened`` are the paths that have been opened.
    """
    files = series.source.files
    for path in opened:
        if path.is_file() and any(file == path or path in file.parents for file in files):
            return (path,)
    folders = dict.fromkeys(file.parent if file.suffix != ".zip" else file for file in files)
    return tuple(folders)


def relocated(document: Document, old: Path, new: Path) -> Document:
    """The same session with a source elsewhere."""
    sources = tuple(new if source == old else source for source in document.sources)

    def moved(layer: KeptLayer) -> KeptLayer:
        series = layer.series
        if series is None or not Path(series.folder).is_relative_to(old):
            return layer
        folder = new / Path(series.folder).relative_to(old)
        return replace(layer, series=replace(series, folder=str(folder)))

    return replace(document, sources=sources, layers=tuple(map(moved, document.layers)))


def reopen(document: Document, store: Path) -> Work[tuple[str, ...]]:
    """Read the series and the layers of a session.

    Yields ``Partial(Reopened)`` for each layer that is there, parents first, then what is said
    while that goes on. Returns sentences on what could not be restored.
    """
    from ctstudio.workflows.open import read, scan

    lost: list[str] = []
    found: list[SeriesInfo] = []
    for path in document.sources:
        try:
            result = yield from scan([path])
        except StudioError as error:
            lost.append(str(error))
        else:
            found += result.series
    there: dict[str, Reopened] = {}
    for layer in document.layers:
        if layer.parent and layer.parent not in there:
            lost.append(f"{layer.name}: what it was made from is missing.")
            continue
        try:
            if layer.series is not None:
                taken = [one.series for one in there.values() if one.series is not None]
                info = _match(layer.series, found, taken)
                if info is None:
                    lost.append(f"{layer.name}: the series was not found any more.")
                    continue
                yield Progress(0, 0, f"Reading {info.title}")
                volume = yield from _whole(read(info))
                restored = Reopened(layer, volume, info)
            else:
                restored = yield from _made(layer, there, store)
                if layer.likely is not None:
                    try:
                        likely = yield from _volume(layer.likely, layer, there, store)
                        restored = replace(restored, likely=likely)
                    except StudioError as error:
                        lost.append(f"{layer.name}, probability: {error.message}")
        except StudioError as error:
            how = f" It had been made so: {layer.note}" if layer.note else ""
            lost.append(f"{layer.name}: {error.message}{how}")
            continue
        there[layer.key] = restored
        yield Partial(restored)
    return tuple(lost)


def _whole(reading: Work[Volume]) -> Work[Volume]:
    """What reading a series returns; of its events those that are no picture of a part."""
    try:
        while True:
            event = next(reading)
            if isinstance(event, (Progress, Note)):
                yield event
    except StopIteration as stop:
        volume: Volume = stop.value
        return volume
    finally:
        reading.close()


def _match(key: SeriesKey, found: list[SeriesInfo], taken: list[SeriesInfo]) -> SeriesInfo | None:
    """The series of ``found`` that ``key`` describes, the same files first.

    Copies of one series, which differ by their folders at most, stand for one layer each: one that
    is ``taken`` is no longer there for another.
    """

    def plain(one: SeriesKey) -> SeriesKey:
        return replace(one, first_file="", folder="")

    fitting = [s for s in found if plain(key_of(s)) == plain(key)]
    named = [s for s in fitting if key_of(s).first_file == key.first_file]
    here = [s for s in named if key_of(s).folder == key.folder]
    # Without a UID the name of the file is all there is.
    order = [*here, *named, *(fitting if key.series_uid else ())]
    free = [s for s in order if not any(s is other for other in taken)]
    return next(iter(here or free or order), None)


def _made(layer: KeptLayer, there: dict[str, Reopened], store: Path) -> Work[Reopened]:
    """A layer that was made here, from its parent and the pixels that were kept."""
    parent = there[layer.parent]
    if layer.kind == "residual":
        grand = there.get(parent.kept.parent)
        if grand is None:
            raise StudioError("what it is the residual of is missing.")
        return Reopened(layer, Difference(grand.stack, parent.stack))
    if layer.volume is None:
        raise StudioError("its pixels were not kept.")
    volume = yield from _volume(layer.volume, layer, there, store)
    if layer.fraction is None:
        return Reopened(layer, volume)
    return Reopened(layer, Blend(parent.stack, volume, layer.fraction))


def _volume(
    about: KeptVolume, layer: KeptLayer, there: dict[str, Reopened], store: Path
) -> Work[Volume]:
    """Pixels that were kept for ``layer``, which was made from a layer that is ``there``."""
    parent = there[layer.parent]
    voxels = yield from load_voxels(store / about.file, about.shape)
    root = parent
    while root.kept.parent:
        root = there[root.kept.parent]
    return volume_of(about, voxels, parent.stack.geometry, root.stack.source)

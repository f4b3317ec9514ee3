"""The session file (`.ctsession`): JSON that says what is open and how it is seen.

It names files and series, never a patient. The pixels of layers that were made here lie beside
it, or in the user's cache, as `.npy` files (see `ctstudio.workflows.sessions.voxels`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from ctstudio import __version__
from ctstudio.core.atomic import atomic_file, explain_os_error
from ctstudio.core.errors import StudioError
from ctstudio.workflows.sessions.fields import DamagedError, Fields

FORMAT = "CT Studio session"
VERSION = 1
SUFFIX = ".ctsession"
LONGEST = 64 * 2**20  # bytes: nothing that was saved here comes near

Kind = Literal["original", "mended", "simulated", "denoised", "residual", "mask", "uncertainty"]
"""The kinds of layers that are kept."""


@dataclass(frozen=True)
class SeriesKey:
    """What tells a series from others: UIDs, size, its first file's name.

    ``folder``, where that file was, tells copies of one series apart; none need be there.
    """

    series_uid: str
    study_uid: str
    slices: int
    rows: int
    columns: int
    first_file: str = ""
    folder: str = ""


@dataclass(frozen=True)
class KeptVolume:
    """Where the pixels of a layer lie and what they mean; the pixels are read on their own.

    Parameters
    ----------
    file
        The name of the `.npy` file in the session's store.
    shape
        ``(z, y, x)``.
    slope, intercept
        ``(z,)``: value = stored x slope + intercept.
    geometry
        Positions ``(z, 3)``, directions and spacing as JSON; None where they are the parent's.
    files, described_by
        Which of the files of the series its slices come from, by their numbers.
    labels
        Number, name and colour of each label of a mask.
    """

    file: str
    shape: tuple[int, int, int]
    slope: tuple[float, ...]
    intercept: tuple[float, ...]
    unit: str
    geometry: Mapping[str, Any] | None = None
    derivation: tuple[str, ...] = ()
    description: str = ""
    files: tuple[int, ...] = ()
    described_by: tuple[int, ...] = ()
    labels: tuple[tuple[int, str, tuple[int, int, int]], ...] = ()


@dataclass(frozen=True)
class KeptLayer:
    """A layer: a series to be read again, pixels that were kept, or what follows from others.

    ``fraction`` is how much of a result is blended over its parent; None of what is no blend.
    ``likely`` is, of a mask that a network made, how likely voxels are of any label.
    """

    key: str
    name: str
    kind: Kind
    parent: str = ""
    series: SeriesKey | None = None
    volume: KeptVolume | None = None
    fraction: float | None = None
    note: str = ""
    noise_free: bool = False
    likely: KeptVolume | None = None


@dataclass(frozen=True)
class Document:
    """A session as it is written.

    Parameters
    ----------
    sources
        The folders and files in which the series were found.
    layers
        Parents before what was made from them.
    state
        How all that is seen, by the part of the window that knows; each part checks its own.
    runs
        Folders of the trainings that were shown.
    store
        The folder of the pixels, as written: absolute, or beside the file.
    """

    sources: tuple[Path, ...] = ()
    layers: tuple[KeptLayer, ...] = ()
    state: Mapping[str, Any] = field(default_factory=dict)
    runs: tuple[Path, ...] = ()
    store: str = ""


def save(document: Document, path: Path) -> None:
    """Write ``document`` to ``path``, whole or not at all.

    Raises
    ------
    StudioError
        When the file cannot be written.
    """
    data = {
        "format": FORMAT,
        "version": VERSION,
        "program": __version__,
        "store": document.store,
        "sources": [str(source) for source in document.sources],
        "layers": [_layer_to_json(layer) for layer in document.layers],
        "runs": [str(run) for run in document.runs],
        "state": dict(document.state),
    }
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(data, indent=1, allow_nan=False), encoding="utf-8")


def load(path: Path) -> Document:
    """Read a session file.

    Raises
    ------
    StudioError
        When it cannot be read, is no session, is damaged, or a later version wrote it.
    """
    try:
        if path.stat().st_size > LONGEST:
            raise _no_session(path)
        text = path.read_bytes()
    except OSError as error:
        raise explain_os_error(error, path, "read") from error
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        whole = text.lstrip()[:1] == b"{" and FORMAT.encode() in text
        raise (_damaged(path, "it ends early") if whole else _no_session(path)) from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise _no_session(path)
    try:
        fields = Fields(data, "")
        version = fields.whole("version")
        if version > VERSION:
            raise StudioError(
                f"{path} was written by a newer CT Studio ({data.get('program', 'unknown')}).",
                hint="Update CT Studio to open it; the images themselves open here as ever.",
                path=path,
            )
        return _document(fields)
    except DamagedError as error:
        raise _damaged(path, str(error)) from error


def missing_sources(document: Document) -> tuple[Path, ...]:
    """The sources that are no longer where they were."""
    return tuple(source for source in document.sources if not _exists(source))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _no_session(path: Path) -> StudioError:
    return StudioError(
        f"{path} is not a session of CT Studio.",
        hint=f"Choose a file that ends in {SUFFIX}; images are opened with Open folder.",
        path=path,
    )


def _damaged(path: Path, what: str) -> StudioError:
    return StudioError(
        f"The session file {path} is damaged: {what}.",
        hint="The images themselves are not touched by this; open their folder instead.",
        path=path,
    )


# -- from JSON -----------------------------------------------------------------------------------


def _document(fields: Fields) -> Document:
    layers: list[KeptLayer] = []
    known: set[str] = set()
    for item in fields.objects("layers"):
        layer = _layer(item)
        if layer.key in known:
            raise DamagedError(f"{item.place('key')} is there twice")
        if layer.parent and layer.parent not in known:
            raise DamagedError(f"{item.place('parent')} names no layer before it")
        known.add(layer.key)
        layers.append(layer)
    return Document(
        tuple(Path(text) for text in fields.texts("sources")),
        tuple(layers),
        fields.mapping("state"),
        tuple(Path(text) for text in fields.texts("runs")),
        fields.text("store", ""),
    )


def _layer(fields: Fields) -> KeptLayer:
    kind = fields.text("kind")
    if kind not in get_args(Kind):
        raise DamagedError(f"{fields.place('kind')} is no kind of layer")
    series = _series(fields.inner("series")) if "series" in fields else None
    parent = fields.text("parent", "")
    if kind == "original" and series is None:
        raise DamagedError(f"{fields.place('series')} is missing")
    if kind != "original" and not parent:
        raise DamagedError(f"{fields.place('parent')} is missing")
    return KeptLayer(
        key=fields.text("key"),
        name=fields.text("name"),
        kind=kind,  # type: ignore[arg-type]  # it is one of them
        parent=parent,
        series=series,
        volume=_volume(fields.inner("volume")) if "volume" in fields else None,
        fraction=fields.number("fraction") if "fraction" in fields else None,
        note=fields.text("note", ""),
        noise_free=fields.flag("noise_free", False),
        likely=_volume(fields.inner("likely")) if "likely" in fields else None,
    )


def _series(fields: Fields) -> SeriesKey:
    return SeriesKey(
        fields.text("series_uid"),
        fields.text("study_uid", ""),
        fields.whole("slices"),
        fields.whole("rows"),
        fields.whole("columns"),
        fields.text("first_file", ""),
        fields.text("folder", ""),
    )


def _volume(fields: Fields) -> KeptVolume:
    file = fields.text("file")
    if Path(file).name != file or not file.endswith(".npy"):
        raise DamagedError(f"{fields.place('file')} is no name of a file")
    shape = fields.wholes("shape")
    if len(shape) != 3 or 0 in shape:
        raise DamagedError(f"{fields.place('shape')} is no size of a volume")
    if "geometry" in fields:
        inner = fields.inner("geometry")
        for key, count in (("positions", 3 * shape[0]), ("row", 3), ("column", 3), ("spacing", 2)):
            inner.numbers(key, count)
    labels = []
    for item in fields.objects("labels"):
        red, green, blue = (int(part) for part in item.numbers("colour", 3))
        labels.append((item.whole("number"), item.text("name"), (red, green, blue)))
    return KeptVolume(
        file=file,
        shape=(shape[0], shape[1], shape[2]),
        slope=fields.numbers("slope", shape[0]),
        intercept=fields.numbers("intercept", shape[0]),
        unit=fields.text("unit"),
        geometry=fields.mapping("geometry") if "geometry" in fields else None,
        derivation=fields.texts("derivation"),
        description=fields.text("description", ""),
        files=fields.wholes("files"),
        described_by=fields.wholes("described_by"),
        labels=tuple(labels),
    )


# -- to JSON -------------------------------------------------------------------------------------


def _layer_to_json(layer: KeptLayer) -> dict[str, Any]:
    data: dict[str, Any] = {"key": layer.key, "name": layer.name, "kind": layer.kind}
    if layer.parent:
        data["parent"] = layer.parent
    if layer.series is not None:
        data["series"] = vars(layer.series)
    for name, volume in (("volume", layer.volume), ("likely", layer.likely)):
        if volume is not None:
            labels = [{"number": n, "name": text, "colour": c} for n, text, c in volume.labels]
            data[name] = {**vars(volume), "labels": labels}
    if layer.fraction is not None:
        data["fraction"] = layer.fraction
    if layer.note:
        data["note"] = layer.note
    if layer.noise_free:
        data["noise_free"] = True
    return data

"""What is open, as a document to be written."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import get_args
from weakref import WeakKeyDictionary

from PySide6.QtCore import QObject

from ctstudio.ct.views import Blend, Difference
from ctstudio.ct.volume import Volume
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.sessions.parts import Part, state_of
from ctstudio.workflows.sessions.document import Document, KeptLayer, KeptVolume, Kind
from ctstudio.workflows.sessions.reopen import key_of, places_of
from ctstudio.workflows.sessions.voxels import kept

KEPT: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}


class Capture(QObject):
    """Gives layers keys that last, and notes which of them have changed since they were kept."""

    def __init__(self, session: Session, parts: Mapping[str, Part]) -> None:
        super().__init__(session)
        self._session, self._parts = session, parts
        self._keys: WeakKeyDictionary[Layer, str] = WeakKeyDictionary()
        self._files: WeakKeyDictionary[Layer, str] = WeakKeyDictionary()
        self._likely: WeakKeyDictionary[Layer, str] = WeakKeyDictionary()
        self.opened: dict[Path, None] = {}  # as it was asked for, in order
        session.layer_changed.connect(self._changed)

    def note_opened(self, paths: list[Path]) -> None:
        """Remember paths that held series."""
        self.opened.update(dict.fromkeys(path.absolute() for path in paths))

    def name(self, layer: Layer, kept: KeptLayer) -> None:
        """Give ``layer`` the key, and its pixels the file, that they had in a session file."""
        self._keys[layer] = kept.key
        for files, volume in ((self._files, kept.volume), (self._likely, kept.likely)):
            if volume is not None:
                files[layer] = volume.file

    def key(self, layer: Layer | None) -> str:
        """The key of a layer; "" of one that is not kept."""
        if layer is None or layer not in self._session.layers or not _is_kept(layer):
            return ""
        return self._keys.setdefault(layer, uuid.uuid4().hex[:12])

    def document(self, runs: list[Path]) -> tuple[Document, dict[str, Volume]]:
        """The session now, and by file name the volumes whose pixels belong to it."""
        layers: list[KeptLayer] = []
        volumes: dict[str, Volume] = {}
        sources: dict[Path, None] = {}
        for layer in _parents_first(self._session.layers):
            key = self.key(layer)
            if not key:
                continue
            parent = self.key(layer.parent)
            about: list[KeptVolume | None] = []
            likely = layer.likely if isinstance(layer.likely, Volume) else None
            for volume, files in ((_own_pixels(layer), self._files), (likely, self._likely)):
                if volume is None or layer.parent is None:
                    about.append(None)
                    continue
                file = files.setdefault(layer, f"{key}-{uuid.uuid4().hex[:8]}.npy")
                root = layer.root.stack.source.files
                about.append(kept(volume, file, layer.parent.stack.geometry, root))
                volumes[file] = volume
            series = layer.series if layer.kind == "original" else None
            if series is not None:
                sources.update(dict.fromkeys(places_of(series, self.opened)))
            layers.append(
                KeptLayer(
                    key=key,
                    name=layer.name,
                    kind=KEPT[layer.kind],
                    parent=parent,
                    series=key_of(series) if series is not None else None,
                    volume=about[0],
                    fraction=layer.stack.fraction if isinstance(layer.stack, Blend) else None,
                    note=layer.note,
                    noise_free=layer.noise_free,
                    likely=about[1],
                )
            )
        state = state_of(self._parts, self.key)
        return Document(tuple(sources), tuple(layers), state, tuple(runs)), volumes

    def _changed(self, layer: Layer, _index: int) -> None:
        # The labels of a mask are painted in place; other pixels are never changed once there.
        if layer.kind == "mask":
            self._files.pop(layer, None)


def _is_kept(layer: Layer) -> bool:
    """Whether a layer and all that it was made from are whole, and of a kind that is kept."""
    if layer.kind not in KEPT or not layer.complete:
        return False
    if layer.kind == "original":
        return layer.series is not None
    if layer.parent is None or not _is_kept(layer.parent):
        return False
    if layer.kind == "residual":
        return isinstance(layer.stack, Difference)
    return _own_pixels(layer) is not None


def _own_pixels(layer: Layer) -> Volume | None:
    """The volume that has to be kept to have the layer again."""
    if layer.kind in ("original", "residual"):
        return None
    stack = layer.stack.other if isinstance(layer.stack, Blend) else layer.stack
    return stack if isinstance(stack, Volume) else None


def _parents_first(layers: list[Layer]) -> list[Layer]:
    done: dict[Layer, None] = {}

    def take(layer: Layer) -> None:
        if layer.parent is not None and layer.parent in layers:
            take(layer.parent)
        done.setdefault(layer)

    for layer in layers:
        take(layer)
    return list(done)

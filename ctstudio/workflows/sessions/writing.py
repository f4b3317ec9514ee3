"""A session written: the pixels that are new, then the file, then what nobody needs goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ctstudio.core.events import Work
from ctstudio.ct.volume import Volume
from ctstudio.workflows.sessions.document import Document, save
from ctstudio.workflows.sessions.voxels import link, save_voxels, sweep


def store_of(document: Document, path: Path) -> Path:
    """The folder of the pixels of the session in ``path``."""
    return path.parent / document.store  # an absolute one replaces the folder before it


def write(
    document: Document,
    path: Path,
    volumes: Mapping[str, Volume],
    store: Path,
    others: Path | None = None,
) -> Work[Document]:
    """Write ``document`` to ``path`` and the pixels of ``volumes``, by file name, to ``store``.

    What ``store`` has already is not written again; what ``others``, another store, has is
    linked. Yields Progress; returns the document as written.

    Raises
    ------
    StudioError
        When something cannot be written; the session that was there before stays whole.
    """
    for file, volume in volumes.items():
        if (store / file).exists() or (others is not None and link(others / file, store / file)):
            continue
        yield from save_voxels(store, file, volume.voxels)
    inside = store.is_relative_to(path.parent)
    where = store.relative_to(path.parent).as_posix() if inside else str(store)
    written = replace(document, store=where)
    save(written, path)
    sweep(store, volumes)
    return written

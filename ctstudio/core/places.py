"""Where CT Studio keeps what it can make again."""

from __future__ import annotations

import os
from pathlib import Path

SWITCH = "CTSTUDIO_CACHE"

_chosen: list[Path] = []


def use_cache_folder(folder: Path | None) -> None:
    """Let ``folder`` be the cache from now on; None: the user's own again."""
    _chosen[:] = [folder] if folder is not None else []


def cache_folder() -> Path:
    """The cache: as the environment says in ``CTSTUDIO_CACHE``, as chosen, else the user's own."""
    import platformdirs

    if named := os.environ.get(SWITCH, ""):
        return Path(named)
    if _chosen:
        return _chosen[0]
    return Path(platformdirs.user_cache_dir("ctstudio", appauthor=False))

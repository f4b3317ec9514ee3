"""Where CT Studio keeps what it can make again."""

from __future__ import annotations

import os
from pathlib import Path

SWITCH = "CTSTUDIO_CACHE"


def cache_folder() -> Path:
    """The cache: the folder that the environment names in ``CTSTUDIO_CACHE``, else the user's."""
    import platformdirs

    chosen = os.environ.get(SWITCH, "")
    return Path(chosen or platformdirs.user_cache_dir("ctstudio", appauthor=False))

"""What the window remembers: its places, recent folders, preferences. Never blocks a start."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import platformdirs
from PySide6.QtCore import QByteArray, QSettings

from ctstudio.core.places import cache_folder

RECENT_LIMIT = 10


class Settings:
    """A thin front to QSettings with defaults; a damaged or unwritable file gives the defaults."""

    def __init__(self, path: Path | None = None) -> None:
        override = os.environ.get("CTSTUDIO_SETTINGS", "")
        target = path or (Path(override) if override else None)
        self._folder = target.absolute().parent if target is not None else None
        if target is None:
            self._store = QSettings(
                QSettings.Format.IniFormat, QSettings.Scope.UserScope, "ctstudio", "ctstudio"
            )
        else:
            self._store = QSettings(str(target), QSettings.Format.IniFormat)

    def get(self, key: str, default: Any) -> Any:
        """The stored value converted to the type of ``default``; the default if that fails."""
        value: Any = self._store.value(key, default)
        try:
            if isinstance(default, bool):
                return value if isinstance(value, bool) else str(value).lower() == "true"
            if isinstance(default, (int, float)):
                return type(default)(value)
            if isinstance(default, str):
                return value if isinstance(value, str) else default
        except (TypeError, ValueError):
            return default
        return value

    def set(self, key: str, value: Any) -> None:
        self._store.setValue(key, value)

    def remove(self, key: str) -> None:
        self._store.remove(key)

    def everything(self) -> dict[str, Any]:
        """All that is stored, by key."""
        return {key: self._store.value(key) for key in self._store.allKeys()}

    def bytes(self, key: str) -> QByteArray:
        value = self._store.value(key)
        return value if isinstance(value, QByteArray) else QByteArray()

    def sync(self) -> None:
        self._store.sync()

    @property
    def data_folder(self) -> Path:
        """Where what cannot be made again is kept: beside settings that have their own place."""
        return self._folder or Path(platformdirs.user_data_dir("ctstudio", False))

    @property
    def cache_folder(self) -> Path:
        """Where what can be made again is kept."""
        return self._folder / "cache" if self._folder is not None else cache_folder()

    @property
    def recent(self) -> list[Path]:
        """Recently opened folders and files that still exist, the newest first."""
        return self._paths("recent")

    def add_recent(self, path: Path) -> None:
        self._add("recent", path)

    @property
    def recent_sessions(self) -> list[Path]:
        """Sessions opened or saved lately that still exist, the newest first."""
        return self._paths("recent_sessions")

    def add_recent_session(self, path: Path) -> None:
        self._add("recent_sessions", path.absolute())

    def _paths(self, key: str) -> list[Path]:
        value: Any = self._store.value(key, [])
        items = value if isinstance(value, list) else [value]
        return [Path(item) for item in items if isinstance(item, str) and item and _exists(item)]

    def _add(self, key: str, path: Path) -> None:
        items = [path, *(p for p in self._paths(key) if p != path)][:RECENT_LIMIT]
        self._store.setValue(key, [str(item) for item in items])

    def clear_recent(self) -> None:
        self._store.remove("recent")


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # a folder above it may not be looked into
        return False

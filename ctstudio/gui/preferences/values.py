"""The preferences: their keys and defaults, and what each of them does."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from ctstudio.core import places
from ctstudio.gui import theme, units
from ctstudio.gui.settings import Settings
from ctstudio.gui.translation import catalogue

THEME, LANGUAGE, TEXT, UNITS = "theme", "language", "text_px", "units"
THREADS, MEMORY, AUTOSAVE, PATIENT = "threads", "memory_gb", "autosave", "patient_at_start"
ENCODER = "film_encoder"
CACHE, CACHE_LIMIT, RUNS = "cache/folder", "cache/limit_gb", "runs/folder"
SYSTEM = "system"
DEFAULTS: dict[str, str | int | bool] = {
    THEME: "dark",
    LANGUAGE: catalogue.SYSTEM,
    TEXT: theme.TEXT_PX,
    UNITS: units.MILLIMETRES,
    THREADS: 0,
    MEMORY: 0,
    AUTOSAVE: True,
    ENCODER: "",
    PATIENT: True,
    CACHE: "",
    CACHE_LIMIT: 20,
    RUNS: "",
}
"""0 threads or GB: as many as there are to be had; no folder: the system's own place."""


class Preferences:
    """Typed access; whoever changes one calls what it does here."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def text(self, key: str) -> str:
        return str(self._settings.get(key, DEFAULTS[key]))

    def number(self, key: str) -> int:
        return int(self._settings.get(key, DEFAULTS[key]))

    def flag(self, key: str) -> bool:
        return bool(self._settings.get(key, DEFAULTS[key]))

    def set(self, key: str, value: str | int | bool) -> None:
        """Remember a value; a default is not written down."""
        if value == DEFAULTS[key]:
            self._settings.remove(key)
        else:
            self._settings.set(key, value)

    @property
    def runs_folder(self) -> Path | None:
        """Where trainings are kept, if that was chosen."""
        chosen = self.text(RUNS)
        return Path(chosen) if chosen else None

    # -- what they do ----------------------------------------------------------------------------

    def prepare(self, app: QApplication) -> None:
        """Before the window is made: what cannot be changed later."""
        catalogue.choose(app, self.text(LANGUAGE))
        theme.set_text_size(self.number(TEXT))
        units.choose(self.text(UNITS))
        chosen = self.text(CACHE)
        places.use_cache_folder(Path(chosen) if chosen else None)
        threads = self.number(THREADS)
        if threads and "torch" not in sys.modules:
            # Numerical libraries read it when they are loaded; who set it means it.
            os.environ.setdefault("OMP_NUM_THREADS", str(threads))
        self.limit_memory()
        self.use_encoder()

    def theme(self, app: QApplication) -> theme.Theme:
        """The theme in force: the one chosen, or the system's."""
        chosen = self.text(THEME)
        if chosen == SYSTEM:
            light = app.styleHints().colorScheme() == Qt.ColorScheme.Light
            return theme.LIGHT if light else theme.DARK
        return theme.THEMES.get(chosen, theme.DARK)

    def limit_memory(self) -> None:
        """Let series take so much memory; what is larger lies in a file."""
        from ctstudio.dicom import room

        gigabytes = self.number(MEMORY)
        room.limit_memory(gigabytes * 2**30 if gigabytes else None)

    def use_encoder(self) -> None:
        """Write films with the encoder that was chosen."""
        chosen = self.text(ENCODER)
        if chosen or "ctstudio.figures.video" in sys.modules:  # else the start need not wait for it
            from ctstudio.figures import video

            video.prefer(chosen)

    def use_threads(self) -> None:
        """Let networks use so many threads from now on, where they are loaded already."""
        if "torch" in sys.modules:
            from ctstudio.learn import device

            device.use_threads(self.number(THREADS))

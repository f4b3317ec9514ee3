"""Texts in the language of the user: `tr` gives them, a catalogue in JSON holds them.

A catalogue maps the English text, as it stands in the code, to its translation; parts in braces
are filled in afterwards: ``tr("{0} of {1}").format(3, 40)``. What a catalogue lacks stays English.
The language is chosen before the window is made, and stays until the program ends.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from PySide6.QtCore import QLibraryInfo, QLocale, Qt, QTranslator
from PySide6.QtWidgets import QApplication

from ctstudio.resources import resource

LATIN_ZERO = "0"
SYSTEM, ENGLISH = "system", "en"
LANGUAGES: Mapping[str, str] = MappingProxyType({ENGLISH: "English", "zh_CN": "简体中文"})
"""Each language by its own name."""

_texts: dict[str, str] = {}
_language = [ENGLISH]
_qt: list[QTranslator] = []


def tr(text: str) -> str:
    """``text`` in the language that was chosen."""
    return _texts.get(text, text)


def is_english() -> bool:
    """Whether the texts stay as they stand in the code."""
    return not _texts


def language() -> str:
    """Which of `LANGUAGES` is spoken."""
    return _language[0]


@lru_cache(maxsize=4)
def catalogue(language: str) -> Mapping[str, str]:
    """The translations of a language by the English text; none for English."""
    if language == ENGLISH:
        return MappingProxyType({})
    data = json.loads(resource("translations", f"{language}.json").read_text(encoding="utf-8"))
    return MappingProxyType({str(text): str(other) for text, other in data.items()})


def resolve(wish: str) -> str:
    """The language for a wish: one of `LANGUAGES`, else the system's where there is one."""
    if wish in LANGUAGES:
        return wish
    system = QLocale.system()
    chinese = system.language() == QLocale.Language.Chinese
    return (
        "zh_CN"
        if chinese and system.script() != QLocale.Script.TraditionalChineseScript
        else ENGLISH
    )


def choose(app: QApplication, wish: str) -> str:
    """Speak a language from now on, Qt's own buttons and dialogs too; returns which it is."""
    language = _language[0] = resolve(wish)
    _texts.clear()
    _texts.update(catalogue(language))
    while _qt:
        app.removeTranslator(_qt.pop())
    if language != ENGLISH:
        folder = QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)
        translator = QTranslator(app)
        if translator.load(f"qtbase_{language}", folder):
            app.installTranslator(translator)
            _qt.append(translator)
    app.setLayoutDirection(direction(language))
    if QLocale().zeroDigit() != LATIN_ZERO:
        # Numbers in texts and pictures have Latin digits; those in boxes are to be the same.
        QLocale.setDefault(QLocale.c())
    return language


def direction(language: str) -> Qt.LayoutDirection:
    """How a language is written."""
    return QLocale(language).textDirection()

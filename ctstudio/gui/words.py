"""Numbers as people say them, and foreign words as they are."""

from __future__ import annotations

import html

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel

from ctstudio.core.events import Progress
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import said


def seconds_in_words(seconds: float) -> str:
    """``75`` -> "1:15 min", ``4000`` -> "1 h 7 min", ``8`` -> "8 s"; "-" for what is no time."""
    if not abs(seconds) < 1e10:
        return "-"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def numbers(text: str) -> str:
    """``text`` such that a minus stays before its number where one writes from right to left."""
    return f"\N{LEFT-TO-RIGHT MARK}{text}" if text and QGuiApplication.isRightToLeft() else text


def in_words(progress: Progress) -> str:
    """How far something is: "Reading slices 3 of 32 ..."."""
    words = said(progress.text) or tr("Preparing")
    if not progress.total:
        return f"{words} ..."
    return tr("{0} {1} of {2} ...").format(words, progress.done, progress.total)


def plain_label(text: str = "") -> QLabel:
    """A label that shows names from files as they are: Qt would take "<b>" for bold."""
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label


def heading(text: str) -> QLabel:
    """A label that stands above a part of a panel."""
    label = QLabel(text)
    label.setProperty("role", "heading")
    return label


def plain_tip(text: str) -> str:
    """``text`` such that a tooltip, which has no format to set, shows it as it is."""
    if "<" not in text:  # then Qt does not either
        return text
    return f"<qt>{html.escape(text)}</qt>".replace("\n", "<br>")


def plain_title(text: str) -> str:
    """``text`` such that a button or a menu makes no shortcut of an ampersand in it."""
    return text.replace("&", "&&")

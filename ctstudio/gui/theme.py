"""Colours, palette and the little style sheet. Dark by default, black behind images."""

from __future__ import annotations

import atexit
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file
from typing import Any

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontDatabase,
    QIcon,
    QIconEngine,
    QPainter,
    QPalette,
    QPixmap,
)
from PySide6.QtWidgets import QApplication

from ctstudio.resources import resource

TEXT_PX = 13
_text_px = [TEXT_PX]
GRID = 8  # px: every margin and gap is a multiple of it, or half of it


@dataclass(frozen=True)
class Theme:
    """One colour scheme; names say the use, not the colour."""

    name: str
    window: str
    base: str
    raised: str
    line: str
    text: str
    muted: str
    accent: str
    on_accent: str
    warning: str
    error: str


DARK = Theme(
    "dark", "#1e2124", "#16181a", "#2a2e33", "#3a3f45", "#e6e8ea", "#9aa3ad", "#4aa8e0", "#06131c",
    "#e0b04a", "#ef7a6d",
)  # fmt: skip
LIGHT = Theme(
    "light", "#f3f4f6", "#ffffff", "#ffffff", "#c9ced4", "#1b1f23", "#5b6570", "#0b6fb0", "#ffffff",
    "#8a5a00", "#b3261e",
)  # fmt: skip
THEMES = {theme.name: theme for theme in (DARK, LIGHT)}

# What is drawn upon images is the same in both themes: the image stays on black.
ON_IMAGE = "#d8dde2"
ON_IMAGE_MUTED = "#98a2ac"
CROSSHAIR = "#f2c14e"


def _between(one: str, other: str) -> QColor:
    """A colour between two, a little nearer to the second: what cannot be used is still read."""
    a, b = QColor(one), QColor(other)
    parts = zip((a.red(), a.green(), a.blue()), (b.red(), b.green(), b.blue()), strict=True)
    return QColor(*(round(0.45 * x + 0.55 * y) for x, y in parts))


def apply(app: QApplication, theme: Theme) -> None:
    """Set style, palette, font and style sheet on the application."""
    app.setStyle("Fusion")
    palette = QPalette()
    roles = QPalette.ColorRole
    for role, colour in {
        roles.Window: theme.window,
        roles.WindowText: theme.text,
        roles.Base: theme.base,
        roles.AlternateBase: theme.window,
        roles.ToolTipBase: theme.raised,
        roles.ToolTipText: theme.text,
        roles.PlaceholderText: theme.muted,
        roles.Text: theme.text,
        roles.Button: theme.raised,
        roles.ButtonText: theme.text,
        roles.BrightText: theme.error,
        roles.Link: theme.accent,
        roles.Highlight: theme.accent,
        roles.HighlightedText: theme.on_accent,
        roles.Light: theme.line,
        roles.Midlight: theme.line,
        roles.Mid: theme.line,
        roles.Dark: theme.base,
        roles.Shadow: "#000000",
    }.items():
        palette.setColor(role, QColor(colour))
    for role in (roles.Text, roles.ButtonText, roles.WindowText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, _between(theme.text, theme.window))
    app.setPalette(palette)
    font = app.font()
    font.setPixelSize(_text_px[0])
    app.setFont(font)
    app.setStyleSheet(_style_sheet(theme))
    app.setProperty("ctstudioTheme", theme.name)


def set_text_size(pixels: int) -> None:
    """The size of texts, in force when a theme is applied next."""
    _text_px[0] = min(max(pixels, 10), 24)


def current() -> Theme:
    """The theme in force."""
    app = QApplication.instance()
    name = app.property("ctstudioTheme") if app is not None else None
    return THEMES.get(name, DARK) if isinstance(name, str) else DARK


class _ThemeIcon(QIconEngine):
    """Paints a glyph in the colour that the theme in force gives to ``role``."""

    def __init__(self, name: str, role: str) -> None:
        super().__init__()
        self._name = name
        self._role = role

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        if not rect.isEmpty():
            self._now().paint(painter, rect, Qt.AlignmentFlag.AlignCenter, mode, state)

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        # A button may have no room for a moment, until its layout is done anew.
        return QPixmap() if size.isEmpty() else self._now().pixmap(size, mode, state)

    def clone(self) -> QIconEngine:
        return _ThemeIcon(self._name, self._role)

    def _now(self) -> QIcon:
        theme = current()
        return _glyph(self._name, getattr(theme, self._role), theme.line)


@lru_cache(maxsize=256)
def _glyph(name: str, colour: str, disabled: str) -> QIcon:
    import qtawesome

    made: Any = qtawesome.icon(name, color=colour, color_disabled=disabled)
    return made if isinstance(made, QIcon) else QIcon()


@lru_cache(maxsize=128)
def icon(name: str, role: str = "text") -> QIcon:
    """A Material Design icon by its qtawesome name, in the colour of a `Theme`'s ``role``.

    It follows when the theme changes.
    """
    return QIcon(_ThemeIcon(name, role))


@lru_cache(maxsize=1)
def image_font_family() -> str:
    """The bundled font for text on images, the same as in exported figures."""
    for item in sorted(resource("fonts").iterdir(), key=lambda f: f.name):
        if item.name.endswith((".ttf", ".otf")):
            QFontDatabase.addApplicationFontFromData(item.read_bytes())
    families = [f for f in QFontDatabase.families() if f in ("Inter", "IBM Plex Sans", "Open Sans")]
    return families[0] if families else QFont().family()


def image_font(pixel_size: int = 12) -> QFont:
    font = QFont(image_font_family())
    font.setPixelSize(pixel_size)
    return font


@lru_cache(maxsize=1)
def _check_mark() -> str:
    """The tick of a check box as a path, which is all that a style sheet takes."""
    stack = ExitStack()
    path = stack.enter_context(as_file(resource("icons", "check.png")))
    atexit.register(stack.close)
    return path.as_posix()


def _style_sheet(t: Theme) -> str:
    return f"""
    QToolTip {{ color: {t.text}; background: {t.raised}; border: 1px solid {t.line};
                padding: 4px; }}
    QDockWidget::title {{ padding: 6px 8px; background: {t.window}; }}
    QMainWindow::separator {{ background: {t.base}; width: 4px; height: 4px; }}
    QMainWindow::separator:hover {{ background: {t.accent}; }}
    QToolBar {{ border: 0; border-bottom: 1px solid {t.base}; spacing: 4px; padding: 4px; }}
    QToolBar QToolButton {{ padding: 4px; border-radius: 4px; border: 1px solid transparent; }}
    QToolBar QToolButton#qt_toolbar_ext_button {{ padding: 0; border: 0; }}
    QToolBar QToolButton:hover {{ background: {t.raised}; }}
    QToolBar QToolButton:checked {{ background: {t.raised}; border-color: {t.accent}; }}
    QDialogButtonBox {{ dialogbuttonbox-buttons-have-icons: 0; }}
    QStatusBar {{ border-top: 1px solid {t.base}; }}
    QStatusBar::item {{ border: 0; }}
    QTabWidget::pane {{ border: 0; }}
    QTabBar::tab {{ padding: 7px 12px; border: 0; color: {t.muted}; background: transparent; }}
    QTabBar::tab:selected {{ color: {t.text}; border-bottom: 2px solid {t.accent}; }}
    QTabBar::tab:hover {{ color: {t.text}; }}
    QTreeView, QListView, QTableView {{ border: 1px solid {t.line}; border-radius: 4px; }}
    QScrollArea {{ border: 0; }}
    QToolButton[role="section"] {{ border: 0; padding: 2px 0; background: transparent; }}
    QToolButton[role="section"]:hover {{ color: {t.accent}; }}
    QToolButton::menu-indicator {{ image: none; }}
    QLabel[role="muted"] {{ color: {t.muted}; }}
    QLabel[role="heading"] {{ font-weight: 600; }}
    QLabel[role="title"] {{ font-size: 22px; font-weight: 600; }}
    QLabel[role="number"] {{ font-weight: 600; }}
    QLabel[role="badge"] {{ border: 1px solid {t.line}; border-radius: 4px; padding: 1px 6px;
                            color: {t.muted}; }}
    QFrame#palette {{ background: {t.window}; border: 1px solid {t.line}; border-radius: 6px; }}
    QWidget#banner {{ background: {t.raised}; border-left: 4px solid {t.warning}; }}
    QFrame#drop {{ border: 3px solid {t.accent}; background: #30{t.accent[1:]}; }}
    QFrame[role="line"] {{ background: {t.line}; border: 0; max-height: 1px; }}
    QPushButton {{ padding: 6px 12px; border: 1px solid {t.line}; border-radius: 4px;
                   background: {t.raised}; }}
    QPushButton:hover {{ border-color: {t.accent}; }}
    QPushButton:pressed {{ background: {t.base}; }}
    QPushButton:checked {{ border-color: {t.accent}; color: {t.accent}; background: {t.base}; }}
    QPushButton:disabled {{ color: {t.muted}; background: {t.window}; }}
    QPushButton[role="primary"] {{ background: {t.accent}; color: {t.on_accent};
                                   border-color: {t.accent}; font-weight: 600; }}
    QPushButton[role="primary"]:disabled {{ background: {t.line}; color: {t.muted};
                                            border-color: {t.line}; }}
    QCheckBox::indicator, QListView::indicator, QTreeView::indicator {{
        width: 14px; height: 14px; border: 1px solid {t.muted}; border-radius: 3px;
        background: {t.base}; }}
    QCheckBox::indicator:hover, QListView::indicator:hover, QTreeView::indicator:hover {{
        border-color: {t.accent}; }}
    QCheckBox::indicator:checked, QListView::indicator:checked, QTreeView::indicator:checked {{
        background: {t.accent}; border-color: {t.accent}; image: url("{_check_mark()}"); }}
    QCheckBox::indicator:disabled {{ border-color: {t.line}; }}
    QProgressBar {{ border: 1px solid {t.line}; border-radius: 4px; text-align: center;
                    background: {t.base}; max-height: 16px; }}
    QProgressBar::chunk {{ background: {t.accent}; border-radius: 3px; }}
    """

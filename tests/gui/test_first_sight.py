"""The window as it is first seen on screens of several sizes."""

from __future__ import annotations

from typing import Any

import pytest
import shiboken6
from PySide6.QtCore import QRect, Qt
from PySide6.QtWidgets import QMenu, QToolButton, QWidget

from ctstudio.gui.app import show_where_there_is_room


class Screen:
    def __init__(self, width: int, height: int) -> None:
        self.room = QRect(0, 0, width, height)

    def availableGeometry(self) -> QRect:
        return self.room


@pytest.mark.parametrize(
    ("screen", "whole"),
    [((1440, 900), True), ((1366, 740), True), ((1920, 1040), False), ((2560, 1400), False)],
)
def test_the_window_does_not_hang_over_the_screen(
    qapp: Any, monkeypatch: Any, screen: tuple[int, int], whole: bool
) -> None:
    window = QWidget()
    window.resize(1440, 900)
    monkeypatch.setattr(window, "screen", lambda: Screen(*screen))
    show_where_there_is_room(window)  # type: ignore[arg-type]
    assert bool(window.windowState() & Qt.WindowState.WindowMaximized) == whole
    window.close()
    shiboken6.delete(window)


def test_no_menu_is_higher_than_a_small_screen(hands: Any, thin: Any) -> None:
    hands.open(thin)
    menus = hands.window.menuBar().findChildren(QMenu)
    assert {menu.title() for menu in menus} >= {"&View", "Planes and slabs"}
    for menu in menus:
        menu.aboutToShow.emit()
        assert sum(menu.actionGeometry(action).height() for action in menu.actions()) < 700, (
            menu.title()
        )


def test_a_narrow_window_shows_that_there_are_more_buttons(hands: Any) -> None:
    window = hands.window
    window.resize(1180, 720)
    hands.pause(30)
    more = window.toolbar.findChild(QToolButton, "qt_toolbar_ext_button")
    assert more.isVisible()
    picture = hands.picture(more)
    shades = {
        picture.pixelColor(x, y).lightness()
        for x in range(picture.width())
        for y in range(picture.height())
    }
    assert max(shades) - min(shades) > 80, "an arrow"
    assert more.toolTip() == more.accessibleName() != ""

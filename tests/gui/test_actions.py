"""Every action can be found, reached and told apart."""

from __future__ import annotations

from collections import Counter
from typing import Any

from PySide6.QtWidgets import QMenu

from ctstudio.gui.actions import SPECS


def test_every_action_has_a_key_of_its_own_a_tip_and_a_place_in_the_menu(hands: Any) -> None:
    window = hands.window
    keys = Counter(spec.shortcut for spec in SPECS)
    assert [key for key, times in keys.items() if times > 1] == []
    assert "" not in keys
    listed = {
        action.objectName() for menu in window.menuBar().findChildren(QMenu)
        for action in menu.actions()
    }  # fmt: skip
    for spec in SPECS:
        assert window.actions_by_name[spec.name].toolTip(), spec.name
        assert spec.name in listed, spec.name

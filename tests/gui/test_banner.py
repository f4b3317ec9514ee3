"""The banner above the panes: nothing that it says is gone before it can be read."""

from __future__ import annotations

from typing import Any

import pytest

from ctstudio.gui import status


@pytest.fixture
def banner(qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = status.Banner()
    qtbot.addWidget(made)
    made.clock = 100.0
    monkeypatch.setattr(status.time, "monotonic", lambda: made.clock)
    return made


def test_what_follows_at_once_is_put_below(banner: Any, qtbot: Any) -> None:
    banner.show_trouble("1 file was left out.", "", "a.png: it is damaged")
    banner.clock += 0.1
    banner.show_trouble("No pixel spacing.", "Check it.", "more")
    assert banner.text.text() == "1 file was left out.\nNo pixel spacing. Check it."
    with qtbot.waitSignal(banner.details_requested) as asked:
        banner._more.click()
    assert asked.args[1] == "a.png: it is damaged\n\nmore"
    banner.show_trouble("No pixel spacing.", "Check it.")
    assert banner.text.text() == "No pixel spacing. Check it.", "what is said twice stands alone"
    for number in range(9):
        banner.show_trouble(f"Trouble {number}.", "")
    assert banner.text.text().splitlines() == ["Trouble 6.", "Trouble 7.", "Trouble 8."]


def test_what_has_been_read_or_dismissed_gives_place(banner: Any) -> None:
    banner.show_trouble("One.", "", "details")
    banner.clock += 60
    banner.show_trouble("Two.", "")
    assert banner.text.text() == "Two."
    assert banner._more.isHidden()
    banner.hide()
    banner.show_trouble("Three.", "")
    assert banner.text.text() == "Three."

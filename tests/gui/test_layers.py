"""The list of layers, the demo's two series, and what the window says of them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QInputDialog, QListWidget

from ctstudio.core.events import Partial, Progress
from ctstudio.gui import opening
from ctstudio.gui.panels.thumbnails import THUMBNAIL
from ctstudio.workflows.demo_series import DemoSeries


def context_menu(hands: Any, row: int, choice: str) -> list[str]:
    """Right-click a row of the layer list and choose."""
    layers: QListWidget = hands.window.series_panel.list
    at: QPoint = layers.visualItemRect(layers.item(row)).center()
    offered = hands.pick(choice)
    layers.customContextMenuRequested.emit(at)
    return offered


def names(hands: Any) -> list[str]:
    layers = hands.window.series_panel.list
    return [layers.item(k).text() for k in range(layers.count())]


def test_show_rename_and_close(
    hands: Any, thin: Any, thick: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = hands.open(thin, thick)
    offered = context_menu(hands, 0, "Show in the active pane")
    assert offered == ["Show in the active pane", "Rename ...", "Close layer"]
    assert hands.view.layer is one
    monkeypatch.setattr(QInputDialog, "getText", lambda *a, **k: ("  Better name ", True))
    context_menu(hands, 0, "Rename ...")
    assert names(hands) == ["Better name", two.name]
    assert hands.grid.panes[0].button.text() == "Better name"
    monkeypatch.setattr(QInputDialog, "getText", lambda *a, **k: ("Worse name", False))
    context_menu(hands, 0, "Rename ...")
    assert names(hands)[0] == "Better name"
    context_menu(hands, 0, "Close layer")
    assert names(hands) == [two.name]
    assert hands.view.layer is None
    offered = context_menu(hands, 0, "")
    assert names(hands) == [two.name], "a dismissed menu does nothing"


def test_closing_a_layer_closes_what_was_made_from_it(hands: Any, thin: Any, thick: Any) -> None:
    hands.open(thick, thin)
    panel = hands.window.denoise_panel
    panel.choose("bilateral")
    hands.press(panel.apply_button)
    hands.idle("denoise")
    assert len(hands.session.layers) == 4
    context_menu(hands, 1, "Close layer")
    assert names(hands) == ["Thick slab"]
    assert all(pane.layer is None for pane in hands.grid.panes)
    assert "Open a series first" in panel._of.text()


def test_thumbnails_arrive(hands: Any, thin: Any) -> None:
    hands.open(thin)
    tree = hands.window.series_panel.tree
    icon = tree.topLevelItem(0).child(0).icon(0)
    image = icon.pixmap(48, 48).toImage()
    greys = {image.pixelColor(x, y).red() for x in range(4, 44, 4) for y in range(4, 40, 4)}
    assert len(greys) > 3, "a picture, not an empty square"


def test_the_demo_opens_truth_then_twin(
    hands: Any, thin: Any, thick: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def demo() -> Any:
        yield Progress(0, 2, "Drawing")
        yield Partial(DemoSeries(thin.folder))
        yield Progress(1, 2, "Simulating")
        return DemoSeries(thin.folder, thick.folder)

    monkeypatch.setattr(opening, "ensure_demo", demo)
    opened: list[str] = []
    hands.window.opener.opened.connect(lambda layer: opened.append(layer.name))
    hands.press(hands.window.empty.demo_button)
    hands.wait(lambda: len(hands.session.layers) == 2)
    hands.idle()
    assert opened[0] == "Thin slab", "the truth is on the screen first"
    panes = hands.grid.visible_panes
    assert [pane.layer.name for pane in panes] == ["Thick slab", "Thin slab"]
    truth = panes[1].layer
    assert truth.noise_free
    assert not panes[0].layer.noise_free
    hands.window.actions_by_name["open_demo"].trigger()
    hands.pause(20)
    hands.idle()
    assert len(hands.session.layers) == 2, "a second time shows what is open"


@pytest.mark.parametrize("early", [True, False])
def test_a_layout_chosen_while_the_demo_opens_stays(
    early: bool, hands: Any, thin: Any, thick: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first picture is there, or before the second."""
    shown = []

    def demo() -> Any:
        if not early:
            yield Partial(DemoSeries(thin.folder))
        while len(hands.grid.visible_panes) < 4:
            time.sleep(0.005)
            yield Progress(1, 2, "Simulating")
        return DemoSeries(thin.folder, thick.folder)

    monkeypatch.setattr(opening, "ensure_demo", demo)
    hands.window.opener.demo_opened.connect(lambda *_: shown.append(hands.grid.layout_name))
    hands.press(hands.window.empty.demo_button)
    if not early:
        hands.wait(lambda: hands.session.layers)
    hands.key(Qt.Key.Key_4, Qt.KeyboardModifier.AltModifier)
    hands.wait(lambda: shown)
    hands.idle()
    panes = hands.grid.visible_panes
    assert len(panes) == 4
    assert {pane.layer.name for pane in panes if pane.layer} == {"Thin slab", "Thick slab"}


def test_a_demo_that_is_there_already_opens_both_series(
    hands: Any, thin: Any, thick: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def demo() -> Any:
        yield Partial(DemoSeries(thin.folder, thick.folder))
        return DemoSeries(thin.folder, thick.folder)

    plain = opening._read

    def slow(info: Any, gaze: Any) -> Any:
        for _ in range(30):
            time.sleep(0.01)
            yield Progress(0, 0)
        return (yield from plain(info, gaze))

    monkeypatch.setattr(opening, "ensure_demo", demo)
    monkeypatch.setattr(opening, "_read", slow)
    hands.press(hands.window.empty.demo_button)
    hands.wait(lambda: len(hands.session.layers) == 2)
    hands.idle()
    assert [pane.layer.name for pane in hands.grid.visible_panes] == ["Thick slab", "Thin slab"]
    assert hands.window.train_panel.source.currentText() == "Thin slab"
    assert hands.window.compare_panel.reference.currentText() == "Thin slab"


def test_a_demo_that_cannot_be_written_is_told(
    hands: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ctstudio.core.atomic import explain_os_error

    def demo() -> Any:
        yield Progress(0, 2, "Drawing")
        raise explain_os_error(OSError(28, "No space left on device"), tmp_path / "demo")

    monkeypatch.setattr(opening, "ensure_demo", demo)
    hands.press(hands.window.empty.demo_button)
    hands.wait(hands.banner)
    assert hands.banner().startswith(f"Cannot write {tmp_path / 'demo'}: the disk is full.")
    assert hands.window.empty.isVisible()


def test_pictures_in_the_list_are_of_one_size_and_of_one_look(hands: Any, thin: Any) -> None:
    """A narrow series moves no words, and a selected one is not tinted."""
    hands.open(thin)
    tree = hands.window.series_panel.tree
    icon = tree.topLevelItem(0).child(0).icon(0)
    size = icon.availableSizes()[0]
    assert (size.width(), size.height()) == (THUMBNAIL, THUMBNAIL)
    plain, selected = (
        icon.pixmap(size, mode).toImage() for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected)
    )
    assert plain == selected
    middle = THUMBNAIL // 2
    across = [x for x in range(THUMBNAIL) if plain.pixelColor(x, middle).alpha()]
    down = [y for y in range(THUMBNAIL) if plain.pixelColor(middle, y).alpha()]
    assert len(across) == THUMBNAIL  # 88 mm by 76.8 mm
    assert len(down) == pytest.approx(THUMBNAIL * 76.8 / 88, abs=1)
    assert down[0] == pytest.approx(THUMBNAIL - 1 - down[-1], abs=1)

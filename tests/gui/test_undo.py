"""What a user does by mistake is taken back by Ctrl+Z, and done again by Ctrl+Y."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QInputDialog

from ctstudio.ct.boxes import Box
from ctstudio.ct.labels import LABEL_UNIT, Label
from ctstudio.ct.views import Difference
from ctstudio.ct.volume import Volume
from ctstudio.gui.session import Layer
from ctstudio.gui.undo import stack
from ctstudio.gui.viewer.oblique_bar import ObliqueBar

Key = Qt.Key
Ctrl, Alt = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.AltModifier


def undo(hands: Any) -> None:
    hands.view.setFocus()
    hands.key(Key.Key_Z, Ctrl)


def redo(hands: Any) -> None:
    hands.view.setFocus()
    hands.key(Key.Key_Y, Ctrl)


def seen(hands: Any) -> tuple[Any, ...]:
    """How the panes lie and what they show."""
    grid = hands.grid
    shown = [(p.layer and p.layer.name, p.view.shown_plane) for p in grid.visible_panes]
    return grid.layout_name, grid.arrangement, shown, grid.panes.index(grid.active_pane)


def family(hands: Any, thin: Any) -> tuple[Layer, Layer, Layer, Layer]:
    """A scan, a filtered one, what was filtered away, and a mask of two labels."""
    (scan,) = hands.open(thin)
    volume = scan.volume
    assert volume is not None
    filtered = volume.derived(volume.hu() - 5, "filtered")
    result = hands.session.add_layer(Layer("Filtered", "denoised", filtered, scan))
    residual = hands.session.add_layer(
        Layer("Residual: Filtered", "residual", Difference(volume, filtered), result)
    )
    marks = np.zeros(volume.shape, np.uint8)
    marks[3:6, 30:50, 30:50] = 1
    ones, zeros = np.ones(len(marks)), np.zeros(len(marks))
    labels = (Label(1, "one", (255, 0, 0)), Label(2, "two", (0, 255, 0)))
    mask = Volume(marks, ones, zeros, LABEL_UNIT, volume.geometry, volume.source, labels=labels)
    return scan, result, residual, hands.session.add_layer(Layer("Mask", "mask", mask, scan))


def test_a_closed_pane_comes_back(hands: Any, thin: Any, thick: Any) -> None:
    hands.open(thin, thick)
    hands.view.setFocus()
    hands.key(Key.Key_2, Alt)
    hands.key(Key.Key_D, Alt)  # a third, beside the first
    before = seen(hands)
    hands.key(Key.Key_W, Alt)
    assert len(hands.grid.visible_panes) == 2
    assert hands.window.actions_by_name["undo"].text() == "Undo close the pane"
    after = seen(hands)
    undo(hands)
    assert seen(hands) == before
    redo(hands)
    assert seen(hands) == after
    undo(hands)
    undo(hands)  # the split, too
    assert hands.grid.layout_name == "1x2"
    undo(hands)
    assert hands.grid.layout_name == "1"
    assert not hands.session.undo.canUndo()


def test_three_planes_by_mistake(hands: Any, thin: Any, thick: Any) -> None:
    """They take the place of what the panes showed, which comes back where it was."""
    hands.open(thin, thick)
    hands.view.setFocus()
    hands.key(Key.Key_2, Alt)
    hands.grid.panes[1].view.zoom_by(2.0)
    before, framing = seen(hands), hands.grid.panes[1].view.framing
    hands.key(Key.Key_5, Alt)
    assert [p.view.shown_plane for p in hands.grid.visible_panes] == [
        "axial", "coronal", "sagittal"
    ]  # fmt: skip
    undo(hands)
    assert seen(hands) == before
    assert hands.grid.panes[1].view.framing.scale == pytest.approx(framing.scale)
    assert hands.grid.panes[1].view.framing.u == pytest.approx(framing.u)


def test_a_tilted_plane_that_was_left_comes_back(hands: Any, thin: Any) -> None:
    hands.open(thin)
    hands.view.setFocus()
    hands.key(Key.Key_Up, Alt)
    tilted = hands.view.shown_plane
    hands.key(Key.Key_C, Alt)
    assert hands.view.shown_plane == "coronal"
    undo(hands)
    assert hands.view.shown_plane == tilted
    redo(hands)
    assert hands.view.shown_plane == "coronal"


def test_the_bar_of_a_tilted_plane(hands: Any, thin: Any, thick: Any) -> None:
    """It goes with its layer, and comes back with it; its cross can be taken back, too."""
    hands.open(thin, thick)
    hands.view.setFocus()
    hands.key(Key.Key_Up, Alt)
    tilted = hands.view.shown_plane
    (bar,) = hands.grid.findChildren(ObliqueBar)
    assert bar.isVisible()
    hands.press(bar.back)
    assert not bar.isVisible()
    undo(hands)
    assert bar.isVisible()
    assert hands.view.shown_plane == tilted
    hands.view.setFocus()
    hands.key(Key.Key_W, Ctrl)
    assert not bar.isVisible()
    undo(hands)
    assert bar.isVisible()
    assert hands.view.shown_plane == tilted


def test_undo_leaves_where_one_looks(hands: Any, thin: Any, thick: Any) -> None:
    """Only the layout is taken back: nobody is thrown to another slice or window."""
    hands.open(thin)
    hands.view.setFocus()
    hands.key(Key.Key_5, Alt)
    hands.key(Key.Key_W, Alt)
    hands.view.setFocus()
    plane, at = hands.view.shown_plane, hands.view.index
    hands.key(Key.Key_Up)
    hands.key(Key.Key_Up)
    undo(hands)
    pane = next(p for p in hands.grid.visible_panes if p.view.shown_plane == plane)
    assert pane.view.index == at + 2


def test_a_pane_that_was_hidden_has_followed(hands: Any, thin: Any, thick: Any) -> None:
    """Panes scroll together also over a time in which one of them was not to be seen."""
    hands.open(thin, thick)
    hands.view.setFocus()
    hands.key(Key.Key_2, Alt)
    hands.key(Key.Key_Home)
    hands.double_click(hands.view)
    assert len(hands.grid.visible_panes) == 1
    hands.key(Key.Key_End)
    hands.double_click(hands.view)
    places = [p.view.stack.geometry.offsets_mm[p.view.index] for p in hands.grid.visible_panes]
    assert abs(places[0] - places[1]) <= 3.0


def test_the_end_of_a_comparison(hands: Any, thin: Any, thick: Any) -> None:
    hands.open(thin, thick)
    hands.view.setFocus()
    hands.key(Key.Key_Y)
    comparing = hands.window.view_control.comparing
    second = comparing.active.layer
    for end in (Key.Key_Backspace, Key.Key_Y):
        hands.key(end)
        assert comparing.active is None
        assert hands.window.actions_by_name["undo"].text() == "Undo end the comparison"
        undo(hands)
        assert (comparing.active.mode, comparing.active.layer) == ("difference", second)
        assert hands.window.actions_by_name["compare_difference"].isChecked()


def test_a_comparison_is_begun_changed_and_swapped(
    hands: Any, thin: Any, thick: Any, mirrored: Any
) -> None:
    """Each key is a step of its own, back to the pane that compared nothing."""
    hands.open(thin, thick, mirrored)
    comparing, names = hands.window.view_control.comparing, hands.window.actions_by_name

    def compared() -> tuple[Any, ...]:
        active = comparing.active
        shown = hands.grid.active_pane.layer.name
        return (shown, active.mode, active.layer.name) if active is not None else (shown,)

    steps = (
        (Key.Key_K, Qt.KeyboardModifier.NoModifier, "compare two layers"),
        (Key.Key_W, Qt.KeyboardModifier.NoModifier, "compare in another way"),
        (Key.Key_N, Qt.KeyboardModifier.NoModifier, "compare with another layer"),
        (Key.Key_N, Qt.KeyboardModifier.ShiftModifier, "swap both layers"),
    )
    seen_so_far = [compared()]
    for key, held, text in steps:
        hands.view.setFocus()
        hands.key(key, held)
        assert names["undo"].text() == f"Undo {text}"
        seen_so_far.append(compared())
    assert len(set(seen_so_far)) == 5
    for before in reversed(seen_so_far[:-1]):
        undo(hands)
        assert compared() == before
    assert not hands.session.undo.canUndo()
    for after in seen_so_far[1:]:
        redo(hands)
        assert compared() == after


def test_a_closed_layer_comes_back_with_all_that_hung_on_it(hands: Any, thin: Any) -> None:
    scan, result, residual, mask = family(hands, thin)
    window, session = hands.window, hands.session
    hands.grid.hang([scan, result, residual])
    hands.grid.go_to(4)
    window.actions_by_name["measure_distance"].setChecked(True)
    hands.drag(hands.view, Qt.MouseButton.LeftButton, QPointF(100, 120), QPointF(60, 40))
    window.actions_by_name["measure_distance"].setChecked(False)
    window.masks.set_label_visible(mask, 2, False)
    window.masks.roles.choose_prediction(mask)
    box = Box.on_slice("A", scan.stack.geometry, 4, (20.0, 20.0, 40.0, 50.0))
    window.view_control.boxes._read([box], scan)
    window.compare_panel.set_reference(scan)
    window.train_panel.select_source(scan)
    names = [layer.name for layer in session.layers]
    before = seen(hands)
    (entry,) = window.measuring.measurements.entries

    hands.grid.activate(hands.grid.panes[0])
    hands.view.setFocus()
    hands.key(Key.Key_W, Ctrl)
    assert session.layers == []
    assert not hands.grid.isVisible()
    assert window.actions_by_name["undo"].text() == "Undo close Thin slab"
    for _ in range(2):
        window.actions_by_name["undo"].trigger()
        assert [layer.name for layer in session.layers] == names
        assert session.layers[0] is scan
        assert hands.grid.isVisible()
        assert seen(hands)[:3] == before[:3]
        assert hands.grid.panes[1].view.index == 4
        assert window.measuring.measurements.entries == [entry]
        assert window.masks.style(mask).hidden == {2}
        assert window.masks.roles.prediction(scan) is mask
        assert window.view_control.boxes.visible(hands.grid.panes[0].view) == [box]
        assert window.compare_panel.reference.currentData() is scan
        assert window.train_panel.data.layer is scan
        window.actions_by_name["redo"].trigger()
        assert session.layers == []
    # What was made meanwhile goes with the rest, and comes back with it.
    window.actions_by_name["undo"].trigger()
    later = session.add_layer(Layer("Later", "denoised", result.stack, scan))
    window.actions_by_name["redo"].trigger()
    assert session.layers == []
    window.actions_by_name["undo"].trigger()
    assert later in session.layers


def test_a_mask_closed_from_the_list_comes_back(hands: Any, thin: Any) -> None:
    _scan, result, _, mask = family(hands, thin)
    window, panel = hands.window, hands.window.series_panel
    window.masks.compare(mask, mask)
    row = hands.session.layers.index(mask)
    hands.pick("Close layer")
    panel._menu(panel.list.visualItemRect(panel.list.item(row)).center())
    assert mask not in hands.session.layers
    assert window.masks.compared is None
    undo(hands)
    assert hands.session.layers.index(mask) == row
    assert window.masks.compared == (mask, mask)
    assert result in hands.session.layers


def test_a_series_that_is_still_read_is_closed_for_good(hands: Any, thin: Any) -> None:
    (scan,) = hands.open(thin)
    scan.complete = False
    hands.session.close_layer(scan)
    assert not hands.session.undo.canUndo()


def test_closed_layers_do_not_fill_the_memory(
    hands: Any, thin: Any, thick: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest are given up first, and that is said when somebody wants them back."""
    from ctstudio.dicom import room

    first, second = hands.open(thin, thick)
    size = second.volume.voxels.nbytes
    monkeypatch.setattr(room, "free_memory", lambda: round(1.5 * size / stack.SHARE))
    hands.session.close_layer(first)  # twice as large: by itself too much
    hands.session.close_layer(second)
    hands.window.actions_by_name["undo"].trigger()
    assert hands.session.layers == [second]
    hands.window.actions_by_name["undo"].trigger()
    assert hands.session.layers == [second]
    assert "let go" in hands.window.message_label.text()
    assert not hands.session.undo.canUndo()


def test_opening_a_session_begins_anew(hands: Any, thin: Any, tmp_path: Path) -> None:
    (scan,) = hands.open(thin)
    hands.session.close_layer(scan)
    assert hands.session.undo.canUndo()
    path = tmp_path / "s.ctsession"
    hands.open(thin)
    hands.window.services.sessions._save(path)
    hands.idle()
    hands.window.open_paths([path])
    hands.idle()
    assert len(hands.session.layers) == 1
    assert not hands.session.undo.canUndo()


def test_a_name_is_taken_back(hands: Any, thin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (scan,) = hands.open(thin)
    panel = hands.window.series_panel
    monkeypatch.setattr(QInputDialog, "getText", lambda *_, **__: (" Another ", True))
    panel.list.itemDoubleClicked.emit(panel.list.item(0))
    assert (scan.name, panel.list.item(0).text()) == ("Another", "Another")
    assert "Another" in hands.grid.active_pane.button.text()
    undo(hands)
    assert (scan.name, panel.list.item(0).text()) == ("Thin slab", "Thin slab")
    assert "Thin slab" in hands.grid.active_pane.button.text()

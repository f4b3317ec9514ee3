"""Windows and colours by mouse and keys: presets, colour maps, gamma, a window from a region."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QMenu

from ctstudio.ct.window import PRESETS, Window
from ctstudio.figures.colour_maps import MAPS, sequential_table
from ctstudio.gui.settings import Settings
from ctstudio.gui.windowing.colour_bar import bar_of
from ctstudio.gui.windowing.display import GAMMAS, PLAIN, Display
from ctstudio.gui.windowing.preset_dialog import PresetDialog
from ctstudio.gui.windowing.presets import BUILT_IN, KEY, Preset, WindowPresets
from ctstudio.gui.windowing.region_tool import window_of

Ctrl, Shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
Left = Qt.MouseButton.LeftButton
DY, DX = 0.8, 1.1


def place_of(view: Any, y: float, x: float) -> QPointF:
    rect = view.image_rect()
    return view.to_viewport(QPointF(rect.left() + (x + 0.5) * DX, rect.top() + (y + 0.5) * DY))


def drag(hands: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    a, b = place_of(hands.view, *start), place_of(hands.view, *end)
    hands.drag(hands.view, Left, a, b - a)


@pytest.fixture
def studio(hands: Any, thin: Any) -> Any:
    hands.open(thin)
    hands.grid.go_to(7)
    hands.view.setFocus()
    return hands


# -- what greys are shown as ---------------------------------------------------------------------


def test_a_table_goes_through_the_map_once() -> None:
    assert PLAIN.table is None
    grey = Display(gamma=2.0).table
    assert grey is not None
    want = np.rint(255 * np.sqrt(np.arange(256) / 255))
    assert np.array_equal(grey[:, 0], want), "gamma 2 is a square root"
    assert (grey[0] == 0).all()
    assert (grey[-1] == 255).all()
    turned = Display("ember", inverted=True).table
    assert np.array_equal(turned, sequential_table("ember")[::-1])
    assert PLAIN.brighter(100).gamma == GAMMAS[-1]
    assert PLAIN.brighter(1).brighter(-1) == PLAIN
    names = [PLAIN]
    for _ in MAPS:
        names.append(names[-1].next_colours())
    assert {d.colours for d in names} == set(MAPS)
    assert names[-1] == PLAIN
    assert str(Display("viola", True, 1.4)) == "Viola, inverted, gamma 1.4"


def test_colours_change_the_picture_and_never_the_values(studio: Any) -> None:
    view = studio.view
    grey, hu = view.grey.copy(), view.hu.copy()
    at = place_of(view, 50, 40)
    before = view.probe(view.to_plane(at))
    for key in (Qt.Key.Key_F, Qt.Key.Key_J, Qt.Key.Key_BracketRight):
        studio.key(key)
    assert view.display == Display("ember", True, GAMMAS[GAMMAS.index(1.0) + 1])
    assert np.array_equal(view.hu, hu)
    assert np.array_equal(view.grey, grey)
    assert view.probe(view.to_plane(at)) == before
    shown = studio.picture(view).pixelColor(at.toPoint())
    y, x = before.voxel[1], before.voxel[0]
    near = view.display.table[grey[y - 2 : y + 3, x - 2 : x + 3]].reshape(-1, 3)
    told = np.array([shown.red(), shown.green(), shown.blue()])
    assert (told >= near.min(0) - 2).all()
    assert (told <= near.max(0) + 2).all()
    studio.key(Qt.Key.Key_P, Shift)
    assert view.display == PLAIN


def test_a_bar_says_which_colour_is_which_value(studio: Any) -> None:
    view = studio.view
    assert bar_of(view) is None, "greys need none"
    plain = studio.picture(view)
    studio.key(Qt.Key.Key_F)
    table, lower, upper = bar_of(view)
    assert (lower, upper) == (view.window.lower, view.window.upper)
    assert np.array_equal(table, sequential_table("ember"))

    def colours() -> int:
        image = studio.picture(view).convertToFormat(plain.format())
        data = np.frombuffer(image.constBits(), np.uint8)
        data = data.reshape(image.height(), image.width(), 4)[:, -40:-30, 2::-1]
        seen = {tuple(c) for c in data.reshape(-1, 3).tolist()}
        return len(seen & {tuple(c) for c in table.tolist()})

    assert colours() > 200
    studio.key(Qt.Key.Key_B)
    assert colours() < 20
    studio.key(Qt.Key.Key_B)
    assert colours() > 200


def test_colours_of_one_pane_or_of_all_that_are_linked(
    hands: Any, thin: Any, mirrored: Any
) -> None:
    layers = hands.open(thin, mirrored)
    hands.session.hang.emit(layers)
    one, two = hands.grid.visible_panes
    hands.grid.activate(one)
    one.view.setFocus()
    hands.key(Qt.Key.Key_F)
    assert one.view.display == two.view.display == Display("ember")
    hands.window.actions_by_name["link_window"].setChecked(False)
    hands.key(Qt.Key.Key_J)
    assert one.view.display == Display("ember", True)
    assert two.view.display == Display("ember")
    hands.grid.activate(two)
    menu = hands.window.menuBar().findChild(QMenu, "colours")
    checked = [a.data() for a in menu.actions() if a.data() in MAPS and a.isChecked()]
    assert checked == ["ember"]
    viola = next(a for a in menu.actions() if a.data() == "viola")
    viola.trigger()
    assert two.view.display == Display("viola")
    assert one.view.display == Display("ember", True)
    kept = hands.window.windowing.state()
    hands.window.actions_by_name["plain_display"].trigger()
    hands.window.windowing.restore(kept)
    assert two.view.display == Display("viola")
    hands.window.windowing.restore({"panes": [["no such map", False, 1.0], ["ember", 3, "x"], 7]})
    assert two.view.display == Display("viola")


# -- a window from a region ----------------------------------------------------------------------


def test_a_box_sets_the_window_and_the_button_is_free_again(studio: Any) -> None:
    view = studio.view
    studio.key(Qt.Key.Key_A, Shift)
    action: QAction = studio.window.actions_by_name["window_region"]
    assert action.isChecked()
    drag(studio, (52.5, 20.5), (66.5, 60.5))
    part = view.hu[53:67, 21:61]
    low, high = np.percentile(part, (1, 99))
    assert view.window.centre_hu == pytest.approx((low + high) / 2)
    assert view.window.width_hu == pytest.approx(1.1 * (high - low))
    assert not action.isChecked()
    assert view.tool is None
    before = view.window
    drag(studio, (30, 40), (60, 60))
    assert view.window != before, "the left button has the window again"


def test_a_selected_region_is_taken_at_once(studio: Any) -> None:
    view = studio.view
    studio.key(Qt.Key.Key_R)
    drag(studio, (30.5, 16.5), (44.5, 27.5))
    studio.key(Qt.Key.Key_A, Shift)
    assert view.window == window_of(view.hu[31:45, 17:28])
    assert not studio.window.actions_by_name["window_region"].isChecked()


def test_the_box_is_given_up(studio: Any) -> None:
    view, action = studio.view, studio.window.actions_by_name["window_region"]
    window = view.window
    for give_up in (
        lambda: studio.key(Qt.Key.Key_Escape),
        lambda: studio.key(Qt.Key.Key_A, Shift),
        lambda: studio.key(Qt.Key.Key_D),
    ):
        studio.window.measuring.end()
        studio.key(Qt.Key.Key_A, Shift)
        studio.mouse(view, QEvent.Type.MouseButtonPress, place_of(view, 30, 30), Left, Left)
        studio.mouse(view, QEvent.Type.MouseMove, place_of(view, 50, 50), held=Left)
        give_up()
        studio.mouse(view, QEvent.Type.MouseButtonRelease, place_of(view, 50, 50), Left)
        assert not action.isChecked()
        assert view.window == window
    assert studio.window.measuring.tool.kind == "distance"
    assert studio.troubles == []


def test_windows_of_odd_regions() -> None:
    assert window_of(np.full(9, np.nan)) is None
    flat = window_of(np.full((3, 3), 40.0))
    assert (flat.centre_hu, flat.width_hu) == (40.0, 10.0)


def test_the_speed_of_dragging_follows_the_width(studio: Any) -> None:
    view = studio.view
    grown = []
    for width in (100.0, 1000.0):
        studio.grid.set_window(Window(40, width))
        studio.drag(view, Left, QPointF(200, 200), QPointF(30, 0))
        grown.append(view.window.width_hu - width)
    assert grown[1] / grown[0] == pytest.approx(10, rel=0.02)


# -- presets -------------------------------------------------------------------------------------


def test_number_keys_take_the_presets_in_their_order(studio: Any) -> None:
    for number, preset in enumerate(BUILT_IN[:-1], start=1):
        studio.key(getattr(Qt.Key, f"Key_{number}"))
        assert studio.view.window == preset.window
        assert studio.window.preset.currentData() == preset.name
    studio.key(Qt.Key.Key_8)
    assert studio.view.window.lower == studio.view.hu.min()
    assert studio.view.window.upper == studio.view.hu.max()


def test_the_dialog_adds_renames_orders_and_removes(
    studio: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.grid.set_window(Window(55, 222))

    def use(dialog: PresetDialog) -> int:
        dialog.list.setCurrentRow(0)
        before = dialog.presets
        dialog.add()
        assert dialog.presets == [*before, Preset("My window 1", Window(55, 222))], "keys stay"
        dialog.name.setText("")
        dialog.name.textEdited.emit("")
        ok = dialog.buttons.button(QDialogButtonBox.StandardButton.Ok)
        assert not ok.isEnabled()
        dialog.name.setText("Lung")
        dialog.name.textEdited.emit("Lung")
        assert "same name" in dialog.problem.text()
        dialog.name.setText("Nodule")
        dialog.name.textEdited.emit("Nodule")
        dialog.width_box.setValue(300)
        for _ in before:
            dialog.move_by(-1)
        assert ok.isEnabled()
        dialog.list.setCurrentRow(2)
        dialog.remove()
        assert "Mediastinum" not in [p.name for p in dialog.presets]
        return int(QDialog.DialogCode.Accepted.value)

    monkeypatch.setattr(PresetDialog, "exec", use)
    studio.window.actions_by_name["window_presets"].trigger()
    names = [preset.name for preset in studio.window.preset.presets.all]
    assert names[:3] == ["Nodule", "Lung", "Abdomen"]
    studio.view.setFocus()
    studio.key(Qt.Key.Key_1)
    assert studio.view.window == Window(55, 300)
    assert studio.window.preset.itemText(0) == "1  Nodule  300 / 55"
    menu = studio.window.menuBar().findChild(QMenu, "window presets")
    assert menu.actions()[0].text() == "Nodule"
    again = WindowPresets(studio.window.settings)
    assert [p.name for p in again.all] == names


def test_presets_survive_damage(tmp_path: Any) -> None:
    settings = Settings(tmp_path / "s.ini")
    presets = WindowPresets(settings)
    assert presets.all == BUILT_IN
    presets.replace([Preset("One", Window(0, 10)), Preset("All", None)])
    assert WindowPresets(settings).all == presets.all
    for text in ("{", "[1]", '[["", [1, 2]]]', '[["x", [1, -2]]]', '[["x", ["a", 2]]]', "[]"):
        settings.set(KEY, text)
        assert WindowPresets(settings).all == BUILT_IN
    presets.replace(BUILT_IN)
    assert settings.get(KEY, "gone") == ""
    assert presets.name_of(PRESETS["Bone"]) == "Bone"


def test_a_window_of_one_s_own_is_as_plain_to_read_as_a_preset(hands: Any, thin: Any) -> None:
    hands.open(thin)
    box = hands.window.preset

    def brightest() -> int:
        image = hands.picture(box)
        inside = image.rect().adjusted(8, 6, -24, -6)
        return max(
            image.pixelColor(x, y).lightness()
            for x in range(inside.left(), inside.right())
            for y in range(inside.top(), inside.bottom())
        )

    hands.grid.set_window(Window(40, 400))
    assert box.currentIndex() >= 0
    preset = brightest()
    hands.grid.set_window(Window(37, 411))
    assert box.currentIndex() < 0
    assert abs(brightest() - preset) < 20

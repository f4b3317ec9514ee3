"""The window "Figure" opened again: it shows what is on the screen by then, and no old trouble."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import shiboken6
from PySide6.QtCore import QEvent, QRect, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QFileDialog,
    QStyle,
    QStyleOptionComboBox,
    QWidget,
)

from ctstudio.ct.window import Window
from ctstudio.figures.description import CellSpec, FigureSpec, LayerSpec
from ctstudio.figures.panel import render
from ctstudio.figures.stills import read_description
from ctstudio.gui.composer.missing import what_is_missing
from ctstudio.gui.composer.window import FigureWindow
from ctstudio.gui.job import Jobs
from ctstudio.gui.windowing.display import Display
from tests.gui.test_compare_pictures import compare
from tests.gui.test_composer import drawn, save_as
from tests.gui.test_composer_comparing import composed, panels


def again(hands: Any) -> Any:
    """Open it a second time, as the menu does."""
    hands.window.actions_by_name["figure"].trigger()
    window = hands.window.services.composer.window
    drawn(hands, window)
    return window


def shown(window: Any) -> list[str]:
    return [cell.layer for cell in window.spec.cells]


def denoise(hands: Any) -> None:
    panel = hands.window.denoise_panel
    panel.choose("tv")
    hands.press(panel.apply_button)
    hands.wait(lambda: any(la.kind == "residual" for la in hands.session.layers))
    hands.idle()


def test_opened_again_it_shows_the_panes_of_now(hands: Any, thin: Any) -> None:
    hands.open(thin)
    window = composed(hands)
    assert shown(window) == ["original"]
    assert window.spec.style.width_mm == 85  # a column of a page, as the template of one picture
    window.close()
    denoise(hands)
    window = again(hands)
    assert shown(window) == ["original", "denoised 1", "residual 1"]
    assert window.spec.style.width_mm == 180
    assert len(panels(window)) == 3
    assert window.templates.currentText() == "As on the screen"


def test_a_figure_that_was_changed_by_hand_stays(hands: Any, thin: Any) -> None:
    hands.open(thin)
    window = composed(hands)
    title = window.figure.editors["title"]
    title.setFocus()
    QTest.keyClicks(title, "Mine")
    QTest.keyClick(title, Qt.Key.Key_Return)
    drawn(hands, window)
    window.close()
    denoise(hands)
    window = again(hands)
    assert (window.spec.title, shown(window)) == ("Mine", ["original"])
    window.templates.activated.emit(0)  # chosen again from the list
    drawn(hands, window)
    assert (window.spec.title, len(shown(window))) == ("", 3)


def test_coming_back_to_it_shows_another_way_to_compare(pair: Any) -> None:
    compare(pair, "difference")
    window = composed(pair)
    assert not window.spec.cells[0].beside
    pair.window.activateWindow()
    pair.window.view_control.comparing.set_mode(pair.grid.panes[0], "swipe")
    window.activateWindow()
    if not window.isActiveWindow():
        QApplication.sendEvent(window, QEvent(QEvent.Type.WindowActivate))
    drawn(pair, window)
    assert (window.spec.cells[0].beside, window.spec.cells[0].together) == ("reference", "swipe")


def test_zoom_and_colours_of_the_panes_are_those_of_the_figure(hands: Any, thin: Any) -> None:
    """Beside what the picture of the panes shows, px by px."""
    (layer,) = hands.open(thin)
    view = hands.grid.panes[0].view
    view.zoom_by(2.0)
    view.set_display(Display("ember"))
    ((shot, _),) = hands.window.exporter.shots()
    wanted = shot.drawn(shot.index)
    window = composed(hands)
    (panel,) = panels(window)
    assert panel.image.shape == wanted.image.shape
    _, rows, columns = layer.stack.shape
    assert panel.image.size < rows * columns / 2
    size = panel.image.shape
    assert np.array_equal(render(panel, size), render(wanted, size))
    assert np.ptp(render(panel, size), axis=2).max() > 100  # they are colours
    assert window.left_out.isHidden()
    # They can be changed by hand, and travel with a file.
    again = FigureSpec.parse(window.spec.without_spares().to_json())
    assert again.cells == window.spec.cells
    window.cell.editors["part"].setText("")
    window.cell.editors["part"].editingFinished.emit()
    colours = window.cell.editors["colours"]
    colours.setCurrentIndex(colours.findData("grey"))
    drawn(hands, window)
    (panel,) = panels(window)
    assert panel.image.shape == (rows, columns)
    assert panel.neutral


@pytest.mark.parametrize("name", ["single", "residual", "methods"])
def test_a_template_begins_where_one_looks(hands: Any, thin: Any, name: str) -> None:
    (layer,) = hands.open(thin)
    if name != "single":
        denoise(hands)
    hands.grid.go_to(3)
    hands.grid.set_window(Window(-600, 1500))
    window = composed(hands)
    window.templates.activated.emit(window.templates.findData(name))
    drawn(hands, window)
    assert {cell.slice for cell in window.spec.cells} == {"4"}
    panel = panels(window)[0]
    assert panel.window == Window(-600, 1500)
    assert np.array_equal(panel.image, layer.stack.slice_hu(3))
    assert f"Slice 4 of {len(layer.stack)}" in " ".join(window.view.scene.texts)
    # As usual where one looks at the middle, in the series' own window.
    hands.grid.go_to(len(layer.stack) // 2)
    hands.grid.set_window(layer.stack.source.window)
    window.templates.activated.emit(window.templates.findData(name))
    drawn(hands, window)
    assert {cell.slice for cell in window.spec.cells} == {"middle"}
    assert window.spec.window == ""


def test_each_series_is_shown_at_the_same_part_of_the_way(
    hands: Any, thin: Any, thick: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slice 13 of 14 in a series of seven would be none."""
    one, two = hands.open(thin, thick)
    hands.grid.show_in(hands.grid.active_pane, one)
    hands.grid.go_to(12)
    window = composed(hands)
    assert [cell.slice for cell in window.spec.cells] == ["13"]
    save_as(monkeypatch, tmp_path / "all.png")
    hands.press(window.buttons["each"])
    hands.wait(lambda: len(list(tmp_path.glob("all*.png"))) == 2)
    hands.idle()
    found = [read_description(path) for path in sorted(tmp_path.glob("all*.png"))]
    assert [spec.cells[0].slice for spec in found] == ["92.31%"] * 2
    assert {len(one.stack), len(two.stack)} == {14, 7}


def test_what_is_not_taken_from_the_panes_is_said(hands: Any, thin: Any) -> None:
    hands.open(thin)
    window = composed(hands)
    assert window.left_out.isHidden()
    window.close()
    hands.grid.panes[0].view.set_display(Display(gamma=1.4))
    window = again(hands)
    assert "gamma" in window.left_out.text()
    assert not window.left_out.isHidden()
    one = FigureSpec((LayerSpec("original"),), ((CellSpec("original"),),))
    hands.window.services.composer.store.save("Mine", one)
    window.close()
    window = again(hands)
    window.templates.activated.emit(window.templates.findText("Mine"))  # nothing of the panes
    drawn(hands, window)
    assert window.left_out.isHidden()


@pytest.fixture
def alone(hands: Any, thin: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """One series, and a file that shows two; the file dialog names it."""
    hands.open(thin)
    layers = (
        LayerSpec("original"),
        LayerSpec("reference", number=2),
        LayerSpec("error", "difference", of="original", minus="reference"),
    )
    cells = (CellSpec("original"), CellSpec("reference"), CellSpec("error"))
    path = tmp_path / "two.toml"
    path.write_text(FigureSpec(layers, (cells,)).to_toml(), encoding="utf-8")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    return composed(hands)


def test_what_went_wrong_is_over_when_it_is_opened_again(hands: Any, alone: Any) -> None:
    hands.press(alone.buttons["open"])
    assert "a second series (reference) and its difference" in alone.banner.text.text()
    assert "error" not in alone.banner.text.text()
    assert alone.templates.currentText() == "As on the screen"
    assert not alone.banner.isHidden()
    alone.close()
    assert again(hands).banner.isHidden()


def test_the_list_names_the_file_that_the_figure_is_of(
    hands: Any, alone: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = FigureSpec((LayerSpec("original"),), ((CellSpec("original", title="Kept"),),))
    path = tmp_path / "one.toml"
    path.write_text(one.to_toml(), encoding="utf-8")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    hands.press(alone.buttons["open"])
    drawn(hands, alone)
    assert alone.templates.currentText() == "From the file one.toml"
    alone.close()
    window = again(hands)
    assert window.spec.cells[0].title == "Kept"  # it is not what is on the screen
    assert window.templates.currentText() == "From the file one.toml"
    window.templates.activated.emit(0)
    assert window.spec.cells[0].title == ""
    window.templates.activated.emit(1)
    assert window.spec.cells[0].title == "Kept"


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (LayerSpec("base"), "a series"),
        (LayerSpec("base", number=3), "series number 3"),
        (LayerSpec("base", "method", method="tv", of="original"), "a denoised series"),
        (LayerSpec("base", "mask"), "a mask"),
        (LayerSpec("base", "run"), "a training"),
        (LayerSpec("base", "difference", of="original", minus="original"), "a difference"),
    ],
)
def test_what_is_missing_is_said_without_inner_names(layer: LayerSpec, words: str) -> None:
    spec = FigureSpec((LayerSpec("original"), layer), ((CellSpec("base"),),))
    assert what_is_missing(spec, ["base"]) == words


@pytest.mark.parametrize("encoder", ["libsvtav1", "libopenh264"])
def test_a_film_that_is_av1_says_so(
    hands: Any, thin: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, encoder: str
) -> None:
    hands.open(thin)
    window = composed(hands)
    spec = window.spec
    window.set_spec(replace(spec, film=replace(spec.film, first=1, last=2)))
    path = tmp_path / "film.mp4"
    save_as(monkeypatch, path, "MP4 (*.mp4)")
    monkeypatch.setattr("ctstudio.gui.composer.exports.mp4_codec", lambda: encoder)
    hands.press(window.buttons["film"])
    hands.idle()
    assert path.exists()
    if encoder == "libopenh264":
        assert window.banner.isHidden()
    else:
        assert "AV1" in window.banner.text.text()
        assert "WebM" in window.banner.text.text()


class Screen:
    """One that is smaller than most."""

    def availableGeometry(self) -> QRect:
        return QRect(0, 0, 1440, 900)


class Main(QWidget):
    def screen(self) -> Any:
        return Screen()


@pytest.mark.parametrize("at", [(0, 0), (0, 28), (300, 200)])
def test_its_frame_is_on_the_screen(qapp: QApplication, at: tuple[int, int]) -> None:
    """Also over a main window that fills the screen."""
    main = Main()
    main.setGeometry(QRect(*at, 1440, 900))
    window = FigureWindow(Jobs(), main)
    window.open_over(main)
    qapp.processEvents()
    assert Screen().availableGeometry().contains(window.frameGeometry())
    assert window.pos().y() + window.height() + 30 <= 900  # there is room for a title
    window.close()
    shiboken6.delete(main)


def test_a_figure_from_a_file_takes_the_series_that_it_was_made_of(
    hands: Any, thin: Any, thick: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of those that are open is looked at."""
    one, two = hands.open(thin, thick)
    hands.grid.show_in(hands.grid.active_pane, one)
    window = composed(hands)
    window.templates.activated.emit(window.templates.findData("single"))
    drawn(hands, window)
    save_as(monkeypatch, tmp_path / "one.png")
    hands.press(window.buttons["save"])
    saved = panels(window)[0].image
    hands.wait((tmp_path / "one.png").exists)
    hands.idle()
    window.close()
    hands.grid.show_in(hands.grid.active_pane, two)
    hands.session.set_active(two)
    window = again(hands)
    assert window.cell.editors["layer"].currentText() == two.name
    chosen = (str(tmp_path / "one.png"), "")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: chosen)
    hands.press(window.buttons["open"])
    drawn(hands, window)
    assert window.banner.isHidden()
    assert window.cell.editors["layer"].currentText() == one.name
    assert np.array_equal(panels(window)[0].image, saved)
    # Another template is again of what one looks at.
    window.templates.activated.emit(window.templates.findData("single"))
    drawn(hands, window)
    assert window.cell.editors["layer"].currentText() == two.name


def test_a_long_name_ends_in_dots_and_the_window_keeps_its_width(hands: Any, thin: Any) -> None:
    """The same px as of a box whose entry is the shortened name."""
    hands.open(thin)
    window = composed(hands)
    box, wide = window.cell.editors["layer"], window.minimumSizeHint().width()
    short = box.grab().toImage()
    long = "Thorax routine, thin slices, sharp kernel, quarter dose, second attempt, " * 2
    window.set_layers({"original": long[:116]}, set(), {}, {})
    assert box.currentText() == long[:116]
    assert window.minimumSizeHint().width() == wide
    shown = box.grab().toImage()
    assert shown != short
    option, style = QStyleOptionComboBox(), box.style()
    box.initStyleOption(option)
    field = style.subControlRect(
        QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, box
    )
    twin = QComboBox(box.parentWidget())
    twin.setAccessibleName("Twin")
    twin.resize(box.size())
    middle = Qt.TextElideMode.ElideMiddle
    twin.addItem(box.fontMetrics().elidedText(long[:116], middle, field.width() - 4))
    assert "\u2026" in twin.currentText()
    assert twin.grab().toImage() == shown
    twin.deleteLater()

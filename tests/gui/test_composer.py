"""The window "Figure": composed with the mouse, saved, read back."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QFileDialog,
    QInputDialog,
    QLabel,
    QLineEdit,
    QTabWidget,
    QWidget,
)

from ctstudio.figures.stills import read_description
from ctstudio.gui.translation import catalogue
from ctstudio.workflows.denoise import method_from
from ctstudio.workflows.figures.origin import without_content
from tests.gui.conftest import PATIENT, wait_until, write
from tests.gui.conftest import body as thin_body


@pytest.fixture
def composer(hands, thin):
    """The window open upon the slab and what total variation makes of it."""
    (layer,) = hands.open(thin)
    panel = hands.window.denoise_panel
    panel.choose("tv")
    hands.press(panel.apply_button)
    hands.wait(lambda: any(la.kind == "residual" for la in hands.session.layers))
    hands.idle()
    assert layer.complete
    hands.window.actions_by_name["figure"].trigger()
    window = hands.window.services.composer.window
    wait_until(lambda: window.view.scene is not None, "for the figure")
    hands.idle()
    return window


def drawn(hands, window):
    """Wait for the picture of the newest description."""
    wait_until(lambda: not window.settle.isActive(), "for the picture to begin")
    hands.idle()
    return window.view.scene


def place(window, row, column):
    return next(p for p in window.view.scene.places if (p.row, p.column) == (row, column))


def click(window, row, column):
    at = window.view.rect_of(place(window, row, column)).center().toPoint()
    QTest.mouseClick(window.view, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)


def drag(window, row, column, start, end):
    rect = window.view.rect_of(place(window, row, column))

    def at(part):
        return QPointF(
            rect.left() + part[0] * rect.width(), rect.top() + part[1] * rect.height()
        ).toPoint()

    none = Qt.KeyboardModifier.NoModifier
    QTest.mousePress(window.view, Qt.MouseButton.LeftButton, none, at(start))
    QTest.mouseMove(window.view, at(end))
    QTest.mouseRelease(window.view, Qt.MouseButton.LeftButton, none, at(end))


def save_as(monkeypatch, path, kind="PNG (*.png)"):
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), kind))


def test_it_opens_with_what_is_on_the_screen(hands, composer):
    spec = composer.spec
    assert [cell.layer for cell in spec.cells] == ["original", "denoised 1", "residual 1"]
    denoised = spec.layer("denoised 1")
    assert denoised.method == "tv"
    assert denoised.settings == method_from("tv").choice.params
    shown = {text for text in composer.view.scene.texts}
    assert {"Original", "Total variation", "Total variation \N{MINUS SIGN} original"} <= shown
    index = hands.grid.panes[0].view.index
    assert all(cell.slice == str(index + 1) for cell in spec.cells)


def test_a_cell_is_changed_by_mouse_and_keys(hands, composer):
    click(composer, 0, 1)
    title = composer.cell.editors["title"]
    assert isinstance(title, QLineEdit)
    title.setFocus()
    QTest.keyClicks(title, "Smoothed")
    QTest.keyClick(title, Qt.Key.Key_Return)
    layer = composer.cell.editors["layer"]
    assert isinstance(layer, QComboBox)
    assert "Smoothed" in drawn(hands, composer).texts
    assert composer.spec.rows[0][1].title == "Smoothed"
    click(composer, 0, 0)
    window = composer.cell.editors["window"]
    window.setCurrentText("Lung")
    assert "W 1500 / C \N{MINUS SIGN}600 HU" in drawn(hands, composer).texts
    assert composer.isVisible()  # Return chose no button


def test_insets_and_arrows_follow_all_pictures(hands, composer):
    QTest.mouseClick(composer.tools["inset"], Qt.MouseButton.LeftButton)
    drag(composer, 0, 0, (0.25, 0.25), (0.5, 0.75))
    drawn(hands, composer)
    (inset,) = composer.spec.insets
    assert inset.box == pytest.approx((0.25, 0.25, 0.25, 0.5), abs=0.02)
    QTest.mouseClick(composer.tools["arrow"], Qt.MouseButton.LeftButton)
    click(composer, 0, 2)
    scene = drawn(hands, composer)
    assert composer.spec.arrows[0].at == pytest.approx((0.5, 0.5), abs=0.02)
    pictures = [item for item in scene.items if hasattr(item, "panel")]
    assert len(pictures) == 6  # an inset in each of three
    hands.press(composer.buttons["clear"])
    drawn(hands, composer)
    assert composer.spec.insets == composer.spec.arrows == ()


def test_places_are_added_and_removed(hands, composer):
    hands.press(composer.buttons["add_column"])
    hands.press(composer.buttons["add_row"])
    drawn(hands, composer)
    assert [len(row) for row in composer.spec.rows] == [4, 1]
    hands.press(composer.buttons["remove"])
    drawn(hands, composer)
    assert [len(row) for row in composer.spec.rows] == [4]


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".gif"])
def test_it_is_saved_and_says_how_it_was_made(hands, composer, tmp_path, monkeypatch, suffix):
    composer.style_form.editors["dpi"].setValue(60)  # a small film is made quickly
    path = tmp_path / f"figure{suffix}"
    save_as(monkeypatch, path)
    hands.press(composer.buttons["film" if suffix == ".gif" else "save"])
    hands.idle()
    assert hands.troubles == []
    found = without_content(read_description(path))
    assert found == composer.spec.without_spares()
    if suffix == ".gif":
        with Image.open(path) as image:
            assert image.n_frames == len(hands.layer("Thin slab").stack)


def test_greys_in_the_file_are_those_on_the_screen(hands, composer, tmp_path, monkeypatch):
    composer.style_form.editors["pixel_exact"].setChecked(True)
    composer.style_form.editors["orientation"].setChecked(False)
    composer.style_form.editors["scale_bar"].setChecked(False)
    scene = drawn(hands, composer)
    path = tmp_path / "figure.png"
    save_as(monkeypatch, path)
    hands.press(composer.buttons["save"])
    hands.idle()
    first = scene.places[0]
    pixels = np.asarray(Image.open(path).convert("RGB"))
    assert pixels.shape[1] == scene.width
    shown = pixels[first.top : first.top + first.height, first.left : first.left + first.width, 0]
    view = hands.grid.panes[0].view
    repeat = first.width // view.hu.shape[1]
    grey = view.window.to_uint8(view.hu)
    if first.height == repeat * view.hu.shape[0]:
        assert np.array_equal(shown, grey.repeat(repeat, 0).repeat(repeat, 1))
    else:  # pixels that are no squares are resampled along one side alone
        assert shown.shape[1] == grey.shape[1] * repeat


def test_a_template_is_kept_and_used_on_another_series(hands, composer, elsewhere, monkeypatch):
    composer.style_form.editors["font_pt"].setValue(11)
    drawn(hands, composer)
    monkeypatch.setattr(QInputDialog, "getText", lambda *_: ("Mine", True))
    hands.press(composer.buttons["keep"])
    assert composer.templates.currentText() == "Mine"
    for layer in list(hands.session.layers):
        hands.session.remove_layer(layer)
    hands.open(elsewhere)
    hands.window.actions_by_name["figure"].trigger()
    row = composer.templates.findText("Mine")
    composer.templates.setCurrentIndex(row)
    composer.templates.activated.emit(row)
    scene = drawn(hands, composer)
    assert composer.spec.style.font_pt == 11
    # Denoised here, too: what the template shows is made of the series that is open.
    assert {"Original", "Total variation"} <= set(scene.texts)
    assert "Total variation \N{MINUS SIGN} original" in " ".join(scene.texts)  # of two lines
    assert "Slice 3 of 5 \N{MIDDLE DOT}" in " ".join(scene.texts).replace("  ", " ")
    assert composer.spec.layers[0].name == "original"


def test_it_is_copied(hands, composer):
    hands.press(composer.buttons["copy"])
    hands.idle()
    data = QGuiApplication.clipboard().mimeData()
    assert data.hasImage()
    assert b"<svg" in bytes(data.data("image/svg+xml").data())


def test_each_series_has_its_figure(hands, composer, thick, tmp_path, monkeypatch):
    hands.open(thick)
    composer.buttons["each"].setEnabled(True)
    row = composer.templates.findData("residual")
    composer.templates.setCurrentIndex(row)
    composer.templates.activated.emit(row)
    drawn(hands, composer)
    save_as(monkeypatch, tmp_path / "all.png")
    hands.press(composer.buttons["each"])
    hands.idle()
    assert composer.banner.isHidden(), composer.banner.text.text()
    assert sorted(p.name for p in tmp_path.glob("all*")) == ["all-1.png", "all-2.png"]
    # Nothing is overwritten unasked: the question is answered with no here.
    before = (tmp_path / "all-1.png").stat().st_mtime_ns
    hands.press(composer.buttons["each"])
    hands.idle()
    assert "message" in hands.asked
    assert (tmp_path / "all-1.png").stat().st_mtime_ns == before


def test_what_is_wrong_is_said_in_place_of_the_figure(hands, composer):
    slices = composer.cell.editors["slice"]
    slices.setText("400")
    slices.editingFinished.emit()
    drawn(hands, composer)
    assert composer.view.scene is None
    assert "400" in composer.view.words
    assert hands.troubles == []


def test_a_report_is_written(hands, composer, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    save_as(monkeypatch, path, "HTML (*.html)")
    hands.press(composer.buttons["report"])
    hands.idle()
    text = path.read_text(encoding="utf-8")
    assert "Total variation (strength" in text
    assert "Noise SD" in text
    assert without_content(read_description(path)) == composer.spec.without_spares()


def test_the_size_is_estimated(hands, composer):
    hands.press(composer.buttons["estimate"])
    hands.idle()
    assert "MB" in composer.estimate.text()


def test_pictures_of_the_panes_do_not_name_the_patient(hands, tmp_path):
    body = thin_body()
    named = f"Chest of {PATIENT['name'].split('^')[0].upper()}, {PATIENT['id']}"
    folder = write(tmp_path / "named", body, description=named, number=9)
    hands.window.open_paths([folder])
    hands.wait(lambda: any(la.complete for la in hands.session.layers))
    hands.idle()
    assert hands.session.layers[0].name == named
    (shot, _), *_ = hands.window.exporter.shots()
    assert PATIENT["id"] not in shot.name
    assert PATIENT["name"].split("^")[0].lower() not in shot.name.lower()
    assert shot.name.startswith("Chest of ")
    hands.window.actions_by_name["figure"].trigger()
    window = hands.window.services.composer.window
    wait_until(lambda: window.view.scene is not None, "for the figure")
    hands.idle()
    told = " ".join([*window.view.scene.texts, window.spec.to_json()])
    assert PATIENT["id"] not in told
    assert "chest" not in told.lower()


def test_the_composer_speaks_chinese(hands, thin, qapp):
    """Every label, choice and tool tip; names of measures and units stay as they are."""
    catalogue.choose(qapp, "zh_CN")
    try:
        hands.open(thin)
        hands.window.actions_by_name["figure"].trigger()
        window = hands.window.services.composer.window
        wait_until(lambda: window.view.scene is not None, "for the figure")
        hands.idle()
        assert set(window.buttons) >= {"keep", "clear", "estimate", "report", "save", "each"}
        texts = [window.windowTitle()]
        for widget in window.findChildren(QWidget):
            texts += [widget.toolTip(), widget.accessibleName()]
            if isinstance(widget, QLabel | QAbstractButton):
                texts.append(widget.text())
            elif isinstance(widget, QComboBox) and widget is not window.cell.editors["layer"]:
                texts += [widget.itemText(row) for row in range(widget.count())]
            elif isinstance(widget, QTabWidget):
                texts += [widget.tabText(tab) for tab in range(widget.count())]
        names = {"Thin slab", "full", "a, b, c", "A, B, C", "(a), (b), (c)", "px"}
        foreign = {
            text
            for text in texts
            if re.search("[A-Za-z]{2}", text) and not re.search("[\u4e00-\u9fff]", text)
        }
        assert foreign <= names
    finally:
        catalogue.choose(qapp, catalogue.ENGLISH)

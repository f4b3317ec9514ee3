"""The window "Figure" with masks, differences, arrows, trainings, and files that it made before."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog, QInputDialog

from ctstudio.ct.labels import Label, label_map
from ctstudio.figures.description import CellSpec, FigureSpec, LayerSpec
from ctstudio.figures.scene import Picture
from ctstudio.figures.stills import read_description
from ctstudio.gui.session import Layer
from ctstudio.workflows.figures.templates import TEMPLATES
from tests.gui.test_composer import click, composer, drag, drawn, save_as  # noqa: F401


def shown_panels(scene):
    return [item.panel for item in scene.items if isinstance(item, Picture)]


def choose(window, form, name, data):
    box = getattr(window, form).editors[name]
    row = box.findData(data)
    assert row >= 0, data
    box.setCurrentIndex(row)


def edit(hands, composer):  # noqa: F811
    """A figure that the user has edited no longer follows the panes."""
    composer.style_form.editors["font_pt"].setValue(9)
    drawn(hands, composer)


@pytest.fixture
def masked(hands, composer):  # noqa: F811
    """A mask over the slab, as if it had been painted."""
    edit(hands, composer)
    layer = next(la for la in hands.session.layers if la.kind == "original")
    numbers = np.zeros(layer.stack.shape, np.int32)
    numbers[:, 30:60, 20:50] = 1
    mask = label_map(
        numbers, layer.stack.geometry, layer.stack.source, (Label(1, "Heart", (213, 94, 0)),)
    )
    hands.session.add_layer(Layer("Painted", "mask", mask, layer))
    drawn(hands, composer)
    return composer


def test_a_mask_is_laid_over_a_picture(hands, masked):
    choose(masked, "cell", "mask", "mask 1")
    scene = drawn(hands, masked)
    assert scene is not None, masked.view.words
    first, second, *_ = shown_panels(scene)
    assert first.overlay[45, 35].tolist() == [213, 94, 0, round(255 * 0.4)]
    assert not first.overlay[5, 5, 3]
    assert second.overlay is None
    assert "Heart" in scene.texts
    choose(masked, "cell", "mask_as", "contour")
    first, *_ = shown_panels(drawn(hands, masked))
    assert first.overlay[30, 35, 3] == 255
    assert not first.overlay[45, 35, 3]


def test_what_is_on_the_screen_brings_its_masks(hands, masked):
    hands.window.masks.set_contour(True)
    masked.templates.setCurrentIndex(0)
    masked.templates.activated.emit(0)
    drawn(hands, masked)
    assert [cell.mask for cell in masked.spec.cells] == ["mask 1", "mask 1", ""]
    assert masked.spec.cells[0].mask_as == "contour"
    hands.window.masks.set_shown(False)
    masked.templates.activated.emit(0)
    drawn(hands, masked)
    assert not any(cell.mask for cell in masked.spec.cells)


def test_a_row_of_differences_is_switched_on_and_off(hands, composer):  # noqa: F811
    before = len(shown_panels(drawn(hands, composer)))
    choose(composer, "figure", "differences", "original")
    assert len(shown_panels(drawn(hands, composer))) == before  # it is shown already
    choose(composer, "figure", "differences", "denoised 1")
    panels = shown_panels(drawn(hands, composer))
    assert len(panels) == before + 1  # of the original alone
    assert panels[-1].colormap == "diverging"
    assert np.array_equal(panels[-1].image, -panels[-2].image)
    # A click upon it chooses the picture that it is of.
    click(composer, 0, 1)
    assert composer.cell.value.layer == "denoised 1"
    at = composer.view.rect_of(composer.view.scene.places[-1]).center().toPoint()
    QTest.mouseClick(composer.view, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
    assert composer.view.selected == (0, 0)
    assert composer.cell.value.layer == "original"
    choose(composer, "figure", "differences", "")
    assert len(shown_panels(drawn(hands, composer))) == before


def test_an_arrow_has_the_direction_of_the_drag(hands, composer):  # noqa: F811
    QTest.mouseClick(composer.tools["arrow"], Qt.MouseButton.LeftButton)
    drag(composer, 0, 0, (0.4, 0.6), (0.4, 0.2))
    drawn(hands, composer)
    (arrow,) = composer.spec.arrows
    assert arrow.at == pytest.approx((0.4, 0.6), abs=0.02)
    assert arrow.angle == pytest.approx(90, abs=2)
    assert composer.marks.angle.value() == round(arrow.angle)
    composer.marks.angle.setValue(180)
    drawn(hands, composer)
    assert composer.spec.arrows[0].angle == 180
    click(composer, 0, 1)  # without a drag it is the direction that stands there
    drawn(hands, composer)
    assert [a.angle for a in composer.spec.arrows] == [180, 180]


def test_a_figure_is_made_as_in_a_file(hands, composer, elsewhere, tmp_path, monkeypatch):  # noqa: F811
    composer.style_form.editors["font_pt"].setValue(11)
    drawn(hands, composer)
    path = tmp_path / "figure.png"
    save_as(monkeypatch, path)
    hands.press(composer.buttons["save"])
    hands.idle()
    composer.style_form.editors["font_pt"].setValue(7)
    drawn(hands, composer)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    hands.press(composer.buttons["open"])
    drawn(hands, composer)
    assert composer.spec.style.font_pt == 11
    assert composer.banner.isHidden()  # it is the series that it was made of
    for layer in list(hands.session.layers):
        hands.session.remove_layer(layer)
    hands.open(elsewhere)
    drawn(hands, composer)
    hands.press(composer.buttons["open"])
    assert "another series" in composer.banner.text.text()
    assert "14 slices" in composer.banner.text.text()
    assert "Total variation" in drawn(hands, composer).texts  # it goes on all the same
    broken = tmp_path / "broken.png"
    broken.write_bytes(path.read_bytes()[:300])
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(broken), ""))
    hands.press(composer.buttons["open"])
    assert "broken.png" in composer.banner.text.text()


def test_greys_are_those_of_the_window_in_every_still(hands, composer, tmp_path, monkeypatch):  # noqa: F811
    """By window and level arithmetic, in PNG and TIFF with 8 and 16 bits."""
    choose(composer, "cell", "plane", "stored")
    for name in ("orientation", "scale_bar"):
        composer.style_form.editors[name].setChecked(False)
    composer.style_form.editors["pixel_exact"].setChecked(True)
    drawn(hands, composer)
    for kind in (".png", ".tif"):
        for deep in (False, True):
            composer.deep.setChecked(deep)
            path = tmp_path / f"figure-{deep}{kind}"
            save_as(monkeypatch, path)
            hands.press(composer.buttons["save"])
            hands.idle()
            pixels = tifffile.imread(path) if kind == ".tif" else read_png(path)
            assert pixels.dtype == (np.uint16 if deep else np.uint8)
            scene = drawn(hands, composer)
            place = scene.places[0]
            panel = shown_panels(scene)[0]
            shown = pixels[place.top : place.top + place.height,
                           place.left : place.left + place.width, 0]  # fmt: skip
            # Pixels of 0.8 x 1.1 mm are resampled along the columns; what is drawn is the same.
            from ctstudio.figures.panel import resampled

            values, (down, across) = resampled(panel, (place.height, place.width))
            lower, width = panel.window.lower, panel.window.width_hu
            part = np.clip((values.astype(np.float64) - lower) / width, 0, 1)
            top = 65535 if deep else 255
            wanted = np.floor(part * top + 0.5).repeat(down, 0).repeat(across, 1)
            assert np.array_equal(shown, wanted)


def read_png(path):
    """By libav, since Pillow makes 8 bits of 16."""
    import av

    with av.open(str(path)) as container:
        (frame,) = container.decode(video=0)
        deep = "16" in frame.format.name or "48" in frame.format.name
        return frame.to_ndarray(format="rgb48le" if deep else "rgb24")


@pytest.fixture
def runs(make_run):
    """Two trainings of a few steps, as folders."""
    make_run("one", side_px=32)
    return make_run("two", side_px=32).parent


def test_a_training_is_chosen_and_all_of_them_are_drawn(hands, composer, runs, monkeypatch):  # noqa: F811
    row = composer.templates.findData("progress")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: "")
    composer.templates.setCurrentIndex(row)
    composer.templates.activated.emit(row)
    assert composer.templates.currentData() == "screen"  # cancelled: it stays as it is
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(runs / "one"))
    composer.templates.setCurrentIndex(row)
    composer.templates.activated.emit(row)
    scene = drawn(hands, composer)
    assert {"Step 0", "Step 40", "Loss"} <= set(scene.texts)
    assert composer.templates.currentData() == "progress"
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(runs))
    save_as(monkeypatch, runs.parent / "all.png")
    hands.press(composer.buttons["runs"])
    hands.idle()
    hands.idle()
    made = sorted(path.name for path in runs.parent.glob("all*"))
    assert made == ["all-1.png", "all-2.png"]
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(runs / "one" / "x"))
    hands.press(composer.buttons["runs"])
    hands.idle()
    assert "training" in composer.banner.text.text()


def test_a_layer_that_goes_is_named_in_place_of_the_figure(hands, masked):
    choose(masked, "cell", "mask", "mask 1")
    drawn(hands, masked)
    hands.session.remove_layer(next(la for la in hands.session.layers if la.kind == "mask"))
    drawn(hands, masked)
    assert masked.view.scene is None
    assert "mask 1" in masked.view.words
    denoised = next(la for la in hands.session.layers if la.kind == "denoised")
    choose(masked, "cell", "layer", "denoised 1")
    masked.set_spec(replace(masked.spec, rows=(masked.spec.rows[0][1:2],)))
    hands.session.remove_layer(denoised)
    drawn(hands, masked)
    assert hands.troubles == []
    for button in ("save", "copy", "report", "estimate"):
        assert masked.buttons[button].isEnabled()


def test_a_cancelled_export_leaves_no_file(hands, composer, tmp_path, monkeypatch):  # noqa: F811
    (tmp_path / "films").mkdir()
    path = tmp_path / "films" / "film.gif"
    save_as(monkeypatch, path, "GIF (*.gif)")
    composer.style_form.editors["dpi"].setValue(300)
    drawn(hands, composer)
    hands.press(composer.buttons["film"])
    job = hands.session.jobs._jobs["export"]
    assert composer.strip.isVisibleTo(composer)
    job.cancel()
    hands.idle()
    assert list(path.parent.iterdir()) == []
    assert composer.banner.isHidden()


def test_what_cannot_be_written_is_said_here(hands, composer, tmp_path, monkeypatch):  # noqa: F811
    for path, words in (
        (tmp_path / "nowhere" / "a.png", "folder does not exist"),
        (Path(str(tmp_path / ("x" * 300 + ".png"))), "too long"),
    ):
        save_as(monkeypatch, path)
        hands.press(composer.buttons["save"])
        hands.idle()
        assert words in composer.banner.text.text()
    kept = tmp_path / "Lunge \u80ba \N{SNOWMAN}.svg"
    save_as(monkeypatch, kept)
    hands.press(composer.buttons["save"])
    hands.idle()
    assert read_description(kept).cells == composer.spec.cells


def test_the_clipboard_tells_nothing_of_the_patient(hands, composer):  # noqa: F811
    from tests.gui.conftest import PATIENT

    hands.press(composer.buttons["copy"])
    hands.idle()
    data = QGuiApplication.clipboard().mimeData()
    texts = [bytes(data.data(kind).data()).decode("latin-1") for kind in data.formats()]
    texts += [data.imageData().text(key) for key in data.imageData().textKeys()]
    told = " ".join(texts).lower()
    assert "ctstudio_figure" in told
    secrets = {part.lower() for value in PATIENT.values() for part in re.split(r"[\^]", value)}
    assert [secret for secret in secrets - {"name"} if secret in told] == []


def test_the_screen_shows_the_very_pixels_of_the_file(hands, composer, tmp_path, monkeypatch):  # noqa: F811
    """Fonts and colours, too: the live picture is the file's, at the same resolution."""
    composer.style_form.editors["dpi"].setValue(110)
    drawn(hands, composer)
    path = tmp_path / "figure.png"
    save_as(monkeypatch, path)
    hands.press(composer.buttons["save"])
    hands.idle()
    with Image.open(path) as image:
        saved = np.asarray(image.convert("RGB"))
    shown = composer.view._image
    assert (shown.height(), shown.width()) == saved.shape[:2]
    for y, x in np.random.default_rng(4).integers(0, saved.shape[:2], (4000, 2)).tolist():
        colour = shown.pixelColor(x, y)
        assert (colour.red(), colour.green(), colour.blue()) == tuple(saved[y, x])


def test_what_goes_wrong_is_said_where_one_looks(hands, thin, tmp_path, monkeypatch):
    """From the first click on, without an export before: in this window, not in the one behind."""
    hands.window.actions_by_name["figure"].trigger()
    window = hands.window.services.composer.window
    said = window.banner

    def press(button):
        """By the mouse, as somebody does it; what the window then says."""
        said.hide()
        hands.window.banner.hide()
        hands.press(window.buttons[button])
        hands.idle()
        assert hands.window.banner.isHidden(), button
        return said.text.text() if said.isVisible() else ""

    assert "no figure yet" in press("save")  # nothing is open
    assert "no figure yet" in press("report")
    hands.open(thin)
    drawn(hands, window)
    plain = tmp_path / "plain.png"
    Image.new("L", (8, 8)).save(plain)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(plain), ""))
    assert "plain.png" in press("open")
    two = FigureSpec(
        (LayerSpec("original"), LayerSpec("reference", number=2)),
        ((CellSpec("original"), CellSpec("reference")),),
    )
    described = tmp_path / "two.toml"
    described.write_text(two.to_toml(), encoding="utf-8")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(described), ""))
    assert "a second series (reference)" in press("open")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    assert "no training" in press("runs")
    monkeypatch.setattr(QInputDialog, "getText", lambda *_: ("...", True))
    assert "needs a name" in press("keep")
    save_as(monkeypatch, tmp_path / "nowhere" / "a.png")
    for button in ("save", "each"):
        assert "folder" in press(button), button
    assert "kind of report" in press("report")  # the dialog gave the ending of a picture
    window.film.editors["over"].setCurrentIndex(window.film.editors["over"].findData("swipe"))
    assert "two pictures" in press("estimate")
    save_as(monkeypatch, tmp_path / "a.gif")
    assert "two pictures" in press("film")
    layer = hands.session.layers[0]
    hands.session.remove_layer(layer)
    drawn(hands, window)
    for button in ("save", "copy"):
        assert "original" in press(button), button


def test_what_nobody_expected_is_said_here_with_its_details(hands, composer, monkeypatch):  # noqa: F811
    def broken(*_):
        raise RuntimeError("never seen before")

    told = []
    composer.banner.details_requested.connect(lambda *details: told.append(details))
    monkeypatch.setattr("ctstudio.workflows.figures.make.still", broken)
    composer.style_form.editors["font_pt"].setValue(9)
    drawn(hands, composer)
    assert "RuntimeError" in composer.banner.text.text()
    assert composer.banner.isVisible()
    hands.press(composer.banner._more)
    assert "never seen before" in told[0][1]
    assert "dialog" in hands.asked


def test_what_fails_among_many_is_not_lost(hands, composer, thick, tmp_path, monkeypatch):  # noqa: F811
    edit(hands, composer)
    hands.open(thick)
    composer.buttons["each"].setEnabled(True)
    drawn(hands, composer)
    save_as(monkeypatch, tmp_path / "all.png")
    (tmp_path / "kept").mkdir()
    files = hands.session.series[1].source.files
    for file in files:
        file.rename(tmp_path / "kept" / file.name)
    try:
        hands.press(composer.buttons["each"])
        hands.idle()
    finally:
        for file in files:
            (tmp_path / "kept" / file.name).rename(file)
    assert "all-2.png" in composer.banner.text.text()
    assert [p.name for p in tmp_path.glob("all*")] == ["all-1.png"]


def test_templates_that_lack_something_say_so(hands, thin, thick):
    hands.open(thin)
    hands.window.actions_by_name["figure"].trigger()
    window = hands.window.services.composer.window
    drawn(hands, window)

    def offered():
        box = window.templates
        rows = range(box.count())
        return {box.itemData(k): (box.itemText(k), box.model().item(k).isEnabled()) for k in rows}

    assert set(offered()) == {"screen", *TEMPLATES}
    text, enabled = offered()["five"]
    assert not enabled
    assert text == "Five panels (needs a second series and a denoised series)"
    assert offered()["single"] == ("One picture", True)
    assert offered()["progress"][1]  # a training can be chosen from the disk
    # What cannot be made is passed over.
    box = window.templates
    QTest.keyClick(box, Qt.Key.Key_Down)
    assert box.currentData() == "single"
    QTest.keyClick(box, Qt.Key.Key_Down)
    assert hands.asked == ["folder"]  # of a training; cancelled here
    assert box.currentData() == "single"
    hands.open(thick)
    assert "second series" not in offered()["five"][0]
    panel = hands.window.denoise_panel
    panel.choose("bilateral")
    hands.press(panel.apply_button)
    hands.wait(lambda: any(la.kind == "denoised" and la.complete for la in hands.session.layers))
    hands.idle()
    assert all(enabled for _, enabled in offered().values())
    # Neither a long name nor a long message makes the window wider.
    width = window.width()
    hands.session.message.emit(f"Saved /{'long/' * 16}figure.png", 6000)
    QTest.keyClick(box, Qt.Key.Key_End)
    drawn(hands, window)
    assert window.message.text().endswith("figure.png")
    assert window.minimumSizeHint().width() <= width == window.width()

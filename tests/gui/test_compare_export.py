"""Metrics beside an independent computation, and everything one may take away."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageDraw
from PySide6.QtWidgets import QFileDialog

from ctstudio.core.registry import Choice
from ctstudio.ct.metrics import PROTOCOLS, bias, evaluate, uniform_regions
from ctstudio.gui.panels import compare

SECRETS = ("Secret", "ID-4711", "19480229", "ACC0815Z", "20210317")


def twin(hands: Any, sample: Any) -> list[Any]:
    """A series, a noisy twin of it, and the twin denoised; side by side."""
    source = hands.open(sample)[0]
    hands.window.simulator.start(source, Choice("gaussian", {"sd": 25.0}))
    hands.idle("simulate")
    noisy = hands.session.layers[-1]
    hands.session.hang.emit([noisy])
    panel = hands.window.denoise_panel
    panel.choose("bilateral", {"strength": 120.0})
    panel.apply()
    hands.idle("denoise")
    result = hands.layer("Bilateral filter")
    hands.window.compare_panel.set_reference(source)
    hands.session.hang.emit([source, noisy, result])
    return [source, noisy, result]


@pytest.fixture
def comparing(hands: Any, thin: Any) -> Any:
    hands.panel = hands.window.compare_panel
    hands.layers = twin(hands, thin)
    hands.window.tabs.setCurrentIndex(3)
    measured(hands)
    return hands


def measured(hands: Any) -> None:
    panel = hands.window.compare_panel
    hands.pause(10)
    hands.wait(lambda: not panel._settle.isActive() and not hands.session.jobs.busy("metrics"))


def table(hands: Any) -> list[list[str]]:
    t = hands.panel.table
    return [[t.item(r, c).text() for c in range(t.columnCount())] for r in range(t.rowCount())]


def answer(monkeypatch: pytest.MonkeyPatch, path: Path, kind: str = "") -> None:
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: (str(path), kind))


def saved(hands: Any) -> None:
    hands.idle("export")
    assert hands.banner() == ""
    assert hands.window.message_label.text().startswith(("Saved", "..."))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every word that is drawn into a figure."""
    words: list[str] = []
    for name in ("text", "multiline_text"):
        plain = getattr(ImageDraw.ImageDraw, name)

        def draw(self: Any, xy: Any, text: Any, *a: Any, plain: Any = plain, **k: Any) -> Any:
            words.append(str(text))
            return plain(self, xy, text, *a, **k)

        monkeypatch.setattr(ImageDraw.ImageDraw, name, draw)
    return words


def no_secrets(path: Path, words: list[str]) -> None:
    content = path.read_bytes()
    for secret in SECRETS:
        assert secret.encode() not in content
        assert secret.encode("utf-16-le") not in content
        assert not any(secret in word for word in words)
    assert str(path.parent.parent).encode() not in content, "no path either"


# -- metrics -------------------------------------------------------------------------------------


def test_table_equals_the_metrics(comparing: Any, thin: Any) -> None:
    _, noisy, result = comparing.layers
    panel = comparing.panel
    for protocol in PROTOCOLS:
        panel.protocol.setCurrentIndex(panel.protocol.findData(protocol))
        for index in (7, 3):
            comparing.grid.go_to(index)
            measured(comparing)
            truth = thin.hu[index].astype(np.float32)
            rows = table(comparing)
            assert [row[0] for row in rows] == [noisy.name, result.name]
            for row, layer in zip(rows, (noisy, result), strict=True):
                hu = layer.stack.slice_hu(index)
                expected = evaluate(hu, truth, protocol)
                offset = bias(hu, truth, uniform_regions(truth))
                assert row[1:4] == [
                    f"{expected['psnr']:.2f}", f"{expected['ssim']:.3f}", f"{expected['rmse']:.2f}",
                ]  # fmt: skip
                assert row[4] == ("-" if np.isnan(offset) else f"{offset:+.2f}")
    assert float(rows[1][1]) > float(rows[0][1]), "denoised is nearer to the truth"


def test_blend_moves_the_metrics(comparing: Any) -> None:
    before = table(comparing)
    comparing.grid.activate(comparing.grid.panes[2])
    comparing.window.denoise_panel.blend.setValue(0)
    measured(comparing)
    after = table(comparing)
    assert after[0] == before[0]
    assert after[1][1:] == after[0][1:], "0 % is the noisy series itself"


def test_another_reference(comparing: Any) -> None:
    source, noisy, _ = comparing.layers
    assert [
        comparing.panel.reference.itemText(k) for k in range(comparing.panel.reference.count())
    ] == [source.name, noisy.name]
    comparing.panel.reference.setCurrentIndex(1)
    measured(comparing)
    assert [row[0] for row in table(comparing)] == [source.name, "Bilateral filter"]
    comparing.session.remove_layer(source)
    measured(comparing)
    assert table(comparing) == []
    assert comparing.banner() == ""


def test_the_same_series_twice_is_equal(hands: Any, thin: Any, elsewhere: Any) -> None:
    source, other = hands.open(thin, elsewhere)
    hands.panel = hands.window.compare_panel
    hands.window.simulator.start(source, Choice("gaussian", {"sd": 0.1}))
    hands.idle("simulate")
    hands.window.compare_panel.set_reference(source)
    hands.session.hang.emit([source, other, hands.session.layers[-1]])
    hands.window.tabs.setCurrentIndex(3)
    measured(hands)
    names = [row[0] for row in table(hands)]
    assert names == [hands.session.layers[-1].name], "no metrics across frames of reference"


# -- pictures ------------------------------------------------------------------------------------


def test_picture_of_the_panes(
    comparing: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drawn: list[str]
) -> None:
    answer(monkeypatch, tmp_path / "compare")
    comparing.press(comparing.panel.buttons["picture"])
    saved(comparing)
    path = tmp_path / "compare.png"
    with Image.open(path) as image:
        image.load()
        assert image.width > image.height > 200
        assert not {"Author", "Title", "Description"} & set(image.info)
    rows = table(comparing)
    text = "\n".join(drawn)
    for word in ("Thin slab", "Bilateral filter", "W 400 / C 40 HU", rows[0][1], "protocol A"):
        assert word in text, word
    no_secrets(path, drawn)
    assert [p.name for p in tmp_path.glob(".tmp*")] == []


def test_picture_shows_the_part_that_is_on_the_screen(
    hands: Any, thin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ctstudio.gui.export_shots import shoot
    from ctstudio.gui.viewer.picture_view import Framing

    hands.open(thin)
    view = hands.view
    whole = shoot(hands.grid.active_pane)
    assert whole.crop == (slice(0, 96), slice(0, 80))
    rect, size = view.image_rect(), view.viewport().size()
    scale = size.width() / (20 * 1.1)  # 20 columns fill the width
    centre_u, centre_v = rect.left() + 40 * 1.1, rect.top() + 48 * 0.8
    view.set_framing(Framing(centre_u, centre_v, scale))
    part = shoot(hands.grid.active_pane)
    assert part.crop[1] == slice(30, 50)
    rows = size.height() / scale / 0.8
    assert part.crop[0].start == int(np.floor(48 - rows / 2))
    image = part.panel(part.stack.slice_hu(view.index)).image
    assert np.array_equal(image, thin.hu[view.index][part.crop])


def test_slices_gif(
    comparing: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drawn: list[str]
) -> None:
    answer(monkeypatch, tmp_path / "slices.gif")
    comparing.window.actions_by_name["slices_gif"].trigger()
    saved(comparing)
    with Image.open(tmp_path / "slices.gif") as image:
        assert image.n_frames == 14
    assert any("slice 14 of 14" in word for word in drawn)
    no_secrets(tmp_path / "slices.gif", drawn)


def test_training_gif_and_curves(
    hands: Any, thin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drawn: list[str]
) -> None:
    from ctstudio.learn.recipe import default_recipe

    hands.program.load_engine()
    hands.open(thin)
    hands.wait(lambda: hands.program.engine is not None)
    hands.panel = hands.window.compare_panel
    for key in ("training", "curves"):
        assert not hands.panel.buttons[key].isEnabled()
    recipe = default_recipe()
    for name, value in (("noise", "gaussian"), ("stopping.seconds", 0), ("phases.0.steps", 60),
                        ("batch", 2), ("phases.0.model.features", 4)):  # fmt: skip
        recipe = recipe.with_setting(name, value)
    hands.window.train_panel.form.set_recipe(recipe)
    hands.window.train_panel.start()
    hands.idle("train")
    run = hands.session.run
    hands.window.tabs.setCurrentIndex(3)
    answer(monkeypatch, tmp_path / "training.gif")
    hands.press(hands.panel.buttons["training"])
    saved(hands)
    with Image.open(tmp_path / "training.gif") as image:
        assert image.n_frames >= 2
    for word in (
        "Noisy",
        "Reconstruction",
        "Target",
        "Reconstruction \N{MINUS SIGN} noisy",
        "step 60",
    ):
        assert any(word in text for text in drawn), word
    assert any("dB (protocol A)" in text for text in drawn), "a metric names its protocol"
    for name, kind in (("curves", "PNG (*.png)"), ("table", "CSV (*.csv)")):
        answer(monkeypatch, tmp_path / name, kind)
        hands.press(hands.panel.buttons["curves"])
        saved(hands)
    with Image.open(tmp_path / "curves.png") as image:
        assert image.width > 400
    lines = (tmp_path / "table.csv").read_text().splitlines()
    text = "\n".join(lines)
    assert f"{run.history.step[-1]}" in text
    assert sum(line[:1].isdigit() for line in lines) >= 60
    for name in ("training.gif", "curves.png", "table.csv"):
        no_secrets(tmp_path / name, drawn)


def test_training_pictures_alone_make_no_film(
    hands: Any, thin: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hands.open(thin)
    answer(monkeypatch, tmp_path / "x.gif")
    hands.window.compare_panel.ask_training_gif()
    assert "There are no training previews yet" in hands.banner()
    hands.window.compare_panel.ask_curves()
    assert "There are no curves yet" in hands.banner()
    hands.session.remove_layer(hands.session.layers[0])
    hands.window.compare_panel.ask_picture()
    assert "nothing on the screen" in hands.banner()
    assert list(tmp_path.glob("*.gif")) == []


# -- DICOM ---------------------------------------------------------------------------------------


def test_dicom_series(
    comparing: Any, thin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = comparing.layers[2]
    parent = tmp_path / "exports"
    (parent / "Bilateral filter").mkdir(parents=True)
    (parent / "Bilateral filter" / "mine.txt").write_text("keep me")
    typed = [parent / "Bilateral filter", parent / "new" / "Bilateral filter 2"]
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *a, **k: (str(typed.pop(0)), "New folder (*)")
    )
    comparing.grid.activate(comparing.grid.panes[0])
    assert not comparing.panel.buttons["dicom"].isEnabled(), "an original is not exported"
    comparing.panel.ask_dicom()
    assert "Activate the pane" in comparing.window.message_label.text()
    comparing.grid.activate(comparing.grid.panes[2])
    comparing.press(comparing.panel.buttons["dicom"])
    assert "not empty" in comparing.banner()
    assert [p.name for p in (parent / "Bilateral filter").iterdir()] == ["mine.txt"]
    comparing.window.banner.hide()
    comparing.press(comparing.panel.buttons["dicom"])
    saved(comparing)
    files = sorted((parent / "new" / "Bilateral filter 2").iterdir())
    assert len(files) == 14
    sources = {
        pydicom.dcmread(path).SOPInstanceUID: pydicom.dcmread(path)
        for path in thin.folder.iterdir()
    }
    for index, path in enumerate(files):
        data = pydicom.dcmread(path)
        hu = data.pixel_array * float(data.RescaleSlope) + float(data.RescaleIntercept)
        assert np.abs(hu - result.stack.slice_hu(index)).max() <= 0.5 + 1e-3
        source = next(s for s in sources.values() if s.InstanceNumber == data.InstanceNumber)
        assert data.SOPInstanceUID not in sources
        assert data.SeriesInstanceUID != source.SeriesInstanceUID
        assert data.StudyInstanceUID == source.StudyInstanceUID
        assert "Bilateral filter" in data.SeriesDescription
        assert data.PatientName == source.PatientName, "a DICOM series keeps its patient"
        assert "120" in data.DerivationDescription


def test_blended_dicom_says_so(
    comparing: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = comparing.layers[2]
    comparing.grid.activate(comparing.grid.panes[2])
    comparing.window.denoise_panel.blend.setValue(30)
    expected = result.stack.slice_hu(4).copy()
    comparing.window.exporter.save_dicom(result, tmp_path / "blend")
    comparing.window.denoise_panel.blend.setValue(90)  # must not reach the export
    saved(comparing)
    data = pydicom.dcmread(sorted((tmp_path / "blend").iterdir())[4])
    hu = data.pixel_array * float(data.RescaleSlope) + float(data.RescaleIntercept)
    assert np.abs(hu - expected).max() <= 0.5 + 1e-3
    assert "30%" in data.DerivationDescription


# -- when it cannot be written -------------------------------------------------------------------


def test_full_disk(comparing: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "full"
    folder.mkdir()
    monkeypatch.setattr(
        os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left"))
    )
    for name, button in (("a.png", "picture"), ("a.gif", "slices")):
        comparing.troubles.clear()
        answer(monkeypatch, folder / name)
        comparing.press(comparing.panel.buttons[button])
        comparing.idle("export")
        assert (
            comparing.banner()
            .splitlines()[-1]
            .startswith(f"Cannot write {folder / name}: the disk is full.")
        )
        assert "Free some space" in comparing.banner()
        assert list(folder.iterdir()) == [], "neither a file nor a half of one"
    monkeypatch.undo()
    comparing.window.exporter.save_picture(folder / "a.png")
    comparing.idle("export")
    assert (folder / "a.png").exists(), "it works again afterwards"


def test_full_disk_in_the_midst_of_a_dicom_series(
    comparing: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, count = pydicom.Dataset.save_as, [0]

    def save_as(self: Any, *args: Any, **kwargs: Any) -> Any:
        count[0] += 1
        if count[0] > 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        return plain(self, *args, **kwargs)

    monkeypatch.setattr(pydicom.Dataset, "save_as", save_as)
    folder = tmp_path / "out" / "series"
    comparing.window.exporter.save_dicom(comparing.layers[2], folder)
    comparing.idle("export")
    assert "the disk is full" in comparing.banner()
    assert str(folder) in comparing.banner()
    assert not folder.exists()
    assert list(folder.parent.iterdir()) == []


def test_folder_that_is_gone(
    comparing: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, tmp_path / "gone" / "a.png")
    comparing.press(comparing.panel.buttons["picture"])
    comparing.idle("export")
    assert "the folder does not exist" in comparing.banner()


def test_a_name_without_its_ending_overwrites_nothing(
    hands: Any, thin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Qt asks before it overwrites "a.v2", but the file would be "a.v2.png"."""
    hands.open(thin)
    kept = tmp_path / "a.v2.png"
    kept.write_text("precious")
    answer(monkeypatch, tmp_path / "a.v2")
    hands.window.compare_panel.ask_picture()
    hands.idle("export")
    assert kept.read_text() == "precious"
    assert hands.banner().startswith(f"{kept} exists already.")
    # Named in full, Qt has asked.
    answer(monkeypatch, kept)
    hands.window.compare_panel.ask_picture()
    hands.idle("export")
    with Image.open(kept) as image:
        assert image.format == "PNG"


def test_one_export_at_a_time(
    comparing: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, tmp_path / "one.gif")
    comparing.panel.ask_slices_gif()
    answer(monkeypatch, tmp_path / "two.png")
    comparing.panel.ask_picture()
    assert "An export is running already" in comparing.banner()
    comparing.press(comparing.window.job_strip.cancel)
    comparing.idle("export")
    assert list(tmp_path.glob("*.gif")) == []
    assert list(tmp_path.glob(".tmp*")) == []
    comparing.window.banner.hide()
    comparing.panel.ask_picture()
    saved(comparing)
    assert (tmp_path / "two.png").exists()


def test_metrics_follow_while_they_are_computed(
    comparing: Any, monkeypatch: pytest.MonkeyPatch, thin: Any
) -> None:
    import time

    plain = compare._metrics

    def slow(*arguments: Any) -> Any:
        time.sleep(0.1)
        return (yield from plain(*arguments))

    monkeypatch.setattr(compare, "_metrics", slow)
    for index in (3, 9, 11):
        comparing.grid.go_to(index)
        comparing.pause(compare.SETTLE_MS + 60)
    measured(comparing)
    noisy = comparing.layers[1].stack.slice_hu(11)
    expected = evaluate(noisy, thin.hu[11].astype(np.float32), "A")
    assert table(comparing)[0][1] == f"{expected['psnr']:.2f}"

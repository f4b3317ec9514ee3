"""Tools > Reproduce: the dialog, the job, the gallery in the end."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtGui import QDesktopServices
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog

from ctstudio.ct.labels import label_map
from ctstudio.gui import reproducing
from ctstudio.gui.reproducing import DEMO, ReproduceDialog
from ctstudio.gui.session import Layer
from ctstudio.workflows.reproduce.experiments import by_article, known
from ctstudio.workflows.reproduce.segment_data import MaskData


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would have been opened in the browser."""
    opened: list[str] = []
    monkeypatch.setattr(
        QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()) or True
    )
    return opened


def fill(dialog: ReproduceDialog, title: str, folder: Path) -> None:
    (item,) = dialog.list.findItems(title, Qt.MatchFlag.MatchStartsWith)
    item.setCheckState(Qt.CheckState.Checked)
    dialog.epochs.setValue(1)
    dialog.slices.setValue(2)
    dialog.minutes.setValue(0.01)
    dialog.folder.setText(str(folder))


def test_an_experiment_from_the_menu(
    hands: Any, thin: Any, tmp_path: Path, shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hands.open(thin)
    out = tmp_path / "reports"
    series: list[str] = []

    def answer(dialog: ReproduceDialog) -> int:
        series.extend(dialog.series.itemText(row) for row in range(dialog.series.count()))
        assert not dialog.go.isEnabled()  # nothing is chosen yet
        fill(dialog, "Residual 2a", out)
        assert dialog.go.isEnabled()
        return 1

    monkeypatch.setattr(ReproduceDialog, "exec", answer)
    hands.window.actions_by_name["reproduce"].trigger()
    assert series == [DEMO, "Thin slab"]
    job = hands.session.jobs["reproduce"]
    hands.wait(lambda: "Residual 2a" in job.title, "for its name in the status bar")
    deadline = time.monotonic() + 120  # the figures take their time on a busy machine
    while not shown and time.monotonic() < deadline:
        hands.pause(50)
    assert shown == [str(out / "index.html")]
    told = json.loads((out / "residual-2a" / "report.json").read_text())
    assert told["series"] == "a CT series, 14 slices of 80 x 96 px"
    assert told["forms"]["faithful"]["slices"] == 2
    assert not hands.troubles
    hands.idle()

    hands.window.actions_by_name["reproduce"].trigger()  # it is finished already
    hands.wait(lambda: len(shown) == 2, "for the gallery again")


def test_masks_are_learnt_from_where_there_are_some(
    hands: Any, thin: Any, tmp_path: Path, shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hands.open(thin)
    (layer,) = hands.session.layers
    numbers = (layer.volume.hu() > 0).astype(np.uint8)
    mask = label_map(numbers, layer.volume.geometry, layer.volume.source)
    hands.session.add_layer(Layer("Dense", "mask", mask, parent=layer))
    out = tmp_path / "reports"

    def answer(dialog: ReproduceDialog) -> int:
        fill(dialog, "U-Net", out)
        return 1

    monkeypatch.setattr(ReproduceDialog, "exec", answer)
    hands.window.actions_by_name["reproduce"].trigger()
    deadline = time.monotonic() + 120
    while not shown and time.monotonic() < deadline:
        hands.pause(50)
    told = json.loads((out / "unet-masks" / "report.json").read_text())
    assert told["series"] == "a series of 14 slices of 80 x 96 px with 1 label"
    assert (told["learnt"], told["held_out"]) == (7, 5)
    assert not hands.troubles
    hands.idle()


def test_pictures_stand_alone_and_the_first_reader_is_learnt_from(
    hands: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "retina"
    folder.mkdir()
    draw = np.random.default_rng(2)
    names = ("01L", "01R", "02L", "02R", "03L", "03R")
    for name in names:
        values = draw.integers(0, 255, (40, 48)).astype(np.uint8)
        for end, picture in (("", values), ("_1stHO", 255 * (values > 99)), ("_2ndHO", 0 * values)):
            Image.fromarray(picture.astype(np.uint8)).save(folder / f"{name}{end}.png")
    hands.drop(folder)
    hands.wait(lambda: len(hands.window.masks.layers) == 2, "for the masks")
    hands.idle()
    found: list[MaskData] = []

    def reproduce_all(_all: Any, _series: Any, out: Path, _wish: Any, masks: Any) -> Any:
        found.append((yield from masks()))
        return out

    monkeypatch.setattr("ctstudio.workflows.reproduce.run.reproduce_all", reproduce_all)
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda _url: True)
    monkeypatch.setattr(
        ReproduceDialog, "exec", lambda dialog: fill(dialog, "U-Net", tmp_path) or 1
    )
    hands.window.actions_by_name["reproduce"].trigger()
    hands.wait(lambda: bool(found))
    (data,) = found
    assert data.words == "6 pictures of 48 x 40 px with masks"
    learnt, held = data.split
    eyes = [data.images[number].source.description for number, _ in held]
    assert eyes == ["03L.png", "03R.png"], "both eyes of one person"
    assert len(learnt) == 4
    for where in learnt:
        assert np.array_equal(data.truth(where) > 0, data.image(where) > 99)
    hands.idle()


def test_it_can_be_stopped_and_failures_are_told(
    hands: Any, tmp_path: Path, shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    messages: list[str] = []
    hands.session.message.connect(lambda text, _ms: messages.append(text))
    places = iter([tmp_path / "out", blocked / "below"])

    def answer(dialog: ReproduceDialog) -> int:
        fill(dialog, "Residual with addition", next(places))
        return 1

    monkeypatch.setattr(ReproduceDialog, "exec", answer)
    hands.window.actions_by_name["reproduce"].trigger()
    job = hands.session.jobs["reproduce"]
    hands.wait(lambda: job.progress.total, "for its progress")
    hands.window.actions_by_name["reproduce"].trigger()  # one at a time
    assert "running already" in messages[-1]
    job.cancel()
    hands.wait(lambda: any("goes on from here" in text for text in messages), "for the end")
    hands.window.actions_by_name["reproduce"].trigger()
    hands.wait(lambda: hands.troubles, "for the failure")
    assert "Cannot write" in hands.troubles[0][0]
    assert not shown


def test_the_dialog_by_hand(qapp: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path / "chosen"))
    dialog = ReproduceDialog(None, [], tmp_path)
    buttons = {b.text(): b for b in dialog.findChildren(reproducing.QPushButton)}
    buttons["All"].click()
    assert sorted(e.name for e in dialog.experiments()) == sorted(known())
    # Below a heading for each article, which cannot be chosen.
    rows = [dialog.list.item(row) for row in range(dialog.list.count())]
    heads = [item.text() for item in rows if item.flags() == Qt.ItemFlag.NoItemFlags]
    assert heads == [article[0].upper() + article[1:] for article in by_article()]
    assert len(rows) == len(heads) + len(known())
    first = rows.index(dialog.list.findItems("Residual 1a", Qt.MatchFlag.MatchStartsWith)[0])
    assert rows[first - 1].text() == "Part 3, convolutional residual networks"
    buttons["All"].click()
    assert dialog.experiments() == []
    buttons["Browse ..."].click()
    assert dialog.folder.text() == str(tmp_path / "chosen")
    wish = dialog.wish()
    assert (wish.epochs, wish.slices, wish.minutes) == (None, None, 15)
    assert wish.forms == ("faithful", "repaired")
    QTest.keyClicks(dialog.form, "Repaired")
    assert dialog.wish().forms == ("repaired",)
    dialog.deleteLater()

"""The report of a series follows the active pane and offers what mends it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from PySide6.QtGui import QGuiApplication

UNEVEN = (0.0, 4.0, 8.0, 15.0, 22.0)


@pytest.fixture
def report(hands: Any, irregular_phantom: Any) -> Any:
    folder = irregular_phantom("leaning", UNEVEN, tilt=15.0)
    (folder / "notes.txt").write_text("no image")
    hands.window.open_paths([folder])
    hands.wait(lambda: hands.layer("leaning", complete=True))
    hands.idle()
    hands.window.actions_by_name["report"].trigger()
    window = hands.window.inspector.report
    hands.wait(lambda: window.report is not None and window.report.values is not None)
    return window


def rows(window: Any) -> dict[str, str]:
    items = (window.table.topLevelItem(k) for k in range(window.table.topLevelItemCount()))
    return {item.text(0): item.text(1) for item in items}


def test_it_says_what_the_series_is_and_what_is_odd(hands: Any, report: Any) -> None:
    assert report.title.text() == "leaning"
    text = report.sentences.text()
    assert "5 slices of 96 x 84 pixels" in text
    assert "axial, 15.0 degrees oblique" in text
    highest = hands.layer("leaning").volume.hu().max()
    assert f"-1000 to {highest:.6g} HU" in text
    assert report.odd_heading.text() == "What is odd about it"
    assert [button.text() for button in report.buttons] == [
        "Resample to equal distances",
        "Split into regular stacks",
        "Shear the tilt away",
    ]
    table = rows(report)
    assert table["Kernel"] == "B30f"
    assert table["1 file was left out"]
    assert "Secret" not in text + str(table)


def test_its_buttons_mend_and_it_follows(hands: Any, report: Any) -> None:
    hands.press(report.buttons[2])
    hands.idle("mend", "report")
    assert report.title.text() == "leaning, upright"
    assert "Made here: gantry tilt of 15.0 degrees sheared away" in report.sentences.text()
    assert [button.text() for button in report.buttons] == [
        "Resample to equal distances",
        "Split into regular stacks",
    ]
    hands.press(report.buttons[0])
    hands.idle("mend", "report")
    assert report.title.text() == "leaning, upright, equal distances"
    assert report.buttons == []
    assert report.odd_heading.text() == "Nothing is odd about it."
    for layer in list(hands.session.layers):
        if layer in hands.session.layers:
            hands.session.remove_layer(layer)
    hands.wait(lambda: report.title.text() == "")
    assert not report.copy_text.isEnabled()


def test_it_can_be_copied_as_the_command_line_prints_it(
    hands: Any, report: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    from ctstudio.cli import main

    folder = str(hands.session.series[0].source.files[0].parent)
    hands.press(report.copy_text)
    assert main.run(["info", "--full", "--values", folder]) == 0
    assert QGuiApplication.clipboard().text().split() == capsys.readouterr().out.split()
    hands.window.open_paths([hands.session.series[0].source.files[0].parent])
    hands.idle()
    hands.press(report.copy_json)
    assert main.run(["info", "--json", "--values", folder]) == 0
    assert json.loads(QGuiApplication.clipboard().text()) == json.loads(capsys.readouterr().out)
    hands.window.actions_by_name["patient"].trigger()
    hands.press(report.copy_json)
    left = json.loads(QGuiApplication.clipboard().text())["left_out"]
    assert [entry["path"] for entry in left] == ["notes.txt"], "the folder may bear a name"


def test_it_waits_for_a_series(hands: Any, thin: Any) -> None:
    hands.window.inspector.show_report()
    window = hands.window.inspector.report
    assert "Open a series" in window.sentences.text()
    hands.open(thin)
    hands.idle()
    assert window.title.text() == "Thin slab"
    assert [button.text() for button in window.buttons] == ["Resample to square pixels"]

"""The log, reports of problems, About."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog

from ctstudio.gui.support.about import AboutDialog
from ctstudio.gui.support.report_dialog import ReportDialog
from tests.gui.conftest import PATIENT

Control, Shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def texts(hands: Any) -> list[str]:
    shown = hands.window.services.support.panel.shown
    return [shown.index(row, 3).data() for row in range(shown.rowCount())]


def test_the_log_shows_what_python_and_the_window_tell(hands: Any) -> None:
    hands.view.setFocus()
    hands.key(Qt.Key.Key_L, Control | Shift)
    support = hands.window.services.support
    assert support.dock.isVisible()
    hands.session.message.emit("Something was done", 10)
    hands.session.trouble.emit("It broke.", "Mend it.", "line 1\nline 2")
    logging.getLogger("ctstudio.somewhere").error("a %s of %d", "count", 3)
    logging.getLogger("ctstudio.somewhere").debug("small")
    thread = threading.Thread(target=lambda: logging.getLogger("ctstudio.x").warning("from afar"))
    thread.start()
    thread.join()
    hands.wait(lambda: "from afar" in texts(hands), "for the other thread's entry")
    assert texts(hands)[-4:] == [
        "Something was done", "It broke. Mend it. ...", "a count of 3", "from afar",
    ]  # fmt: skip
    panel = support.panel
    panel.level.setCurrentIndex(3)
    assert texts(hands) == ["a count of 3"]
    panel.level.setCurrentIndex(0)
    assert "small" in texts(hands)
    panel.search.setText("LINE 2")
    assert texts(hands) == ["It broke. Mend it. ..."]
    QTest.mouseClick(panel.copy_button, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text().endswith("It broke. Mend it.\nline 1\nline 2")
    QTest.mouseClick(panel.clear_button, Qt.MouseButton.LeftButton)
    assert support.panel.model.rowCount() == 0


def test_a_report_names_no_patient_file_or_folder(
    hands: Any, thin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (layer,) = hands.open(thin)
    session = hands.session
    name, number, home = PATIENT["name"], PATIENT["id"], Path("/", "home", "somebody")
    session.trouble.emit(
        f"{thin.folder}/IM 0001.dcm: the pixels of {layer.name} of {name} ({number}) are short.",
        "Copy it again.",
        f'Traceback:\n  File "{home}/ctstudio/gui/job.py", line 12, in run\n'
        f"ValueError: born {PATIENT['birth']}, {PATIENT['accession']}, {PATIENT['date']}, "
        f"C:\\Users\\Jane Roe\\scans\\x.dcm, Müller-Lüdenscheidt, {layer.stack.source.series_uid}",
    )
    session.message.emit("Opened \\\\server\\ward7\\DOE_JOHN and ~/private/Doe^Jane.zip", 10)
    hands.window.settings.add_recent(thin.folder)
    hands.window.settings.set("theme", "light")
    path = tmp_path / "report.zip"
    hands.window.services.support.write(path, "It stopped.")
    with zipfile.ZipFile(path) as archive:
        parts = {item: archive.read(item).decode() for item in archive.namelist()}
    everything = "\n".join(parts.values()).casefold()
    secrets = [
        "secret", "secret^name", "id-4711-x", "4711", PATIENT["birth"], "acc0815z", "0815",
        PATIENT["date"], "chest of a slab", str(thin.folder), thin.folder.name + "/", "jane",
        "roe", "müller", "lüdenscheidt", "doe", "john", "ward7", "server", "somebody", "private",
        "im 0001", layer.stack.source.series_uid, str(tmp_path),
    ]  # fmt: skip
    assert [word for word in secrets if word.casefold() in everything] == []
    # And yet it says what happened, and where.
    assert "the pixels" in parts["log.txt"]
    assert "are short. Copy it again." in parts["log.txt"]
    assert 'gui/job.py", line 12, in run' in parts["log.txt"]
    assert "job started: read" in parts["log.txt"]
    assert json.loads(parts["settings.json"]) == {"theme": "light"}
    versions = json.loads(parts["versions.json"])
    assert versions["CT Studio"]
    assert versions["numpy"][0].isdigit()
    assert versions["layers"] == "original 14 x 96 x 80"
    assert parts["description.txt"] == "It stopped."


def test_a_crash_tells_where_it_was(tmp_path: Path) -> None:
    code = (
        "import sys, faulthandler; from pathlib import Path\n"
        "from ctstudio.gui.support.crashes import watched\n"
        "def deep():\n    faulthandler._sigsegv()\n"
        "with watched(Path(sys.argv[1]) / 'new'):\n    deep()\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True)
    assert ended.returncode != 0
    told = (tmp_path / "new" / "crash.txt").read_text()
    assert "Segmentation fault" in told or "access violation" in told
    assert "in deep" in told


def test_one_sees_what_goes_into_it_and_saves_it(
    hands: Any, thin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands.open(thin)
    support = hands.window.services.support
    path = tmp_path / "report.zip"
    opened: list[str] = []
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    dialog = ReportDialog(hands.window, hands.session, "1.0 s INFO: done", support.write)
    dialog.show()
    assert "done" in dialog.log.toPlainText()
    QTest.keyClicks(dialog.words, "It broke")
    QTest.mouseClick(dialog.save, Qt.MouseButton.LeftButton)
    with zipfile.ZipFile(path) as archive:
        assert archive.read("description.txt") == b"It broke"
    assert opened == [str(tmp_path)]
    dialog.deleteLater()


def test_about_lists_every_package_with_its_licence(hands: Any) -> None:
    dialog = AboutDialog(hands.window)
    dialog.show()
    dialog.tabs.setCurrentIndex(1)
    names = {item.name.casefold(): item for item in dialog.items}
    for name in ("numpy", "torch", "pydicom", "pyside6_essentials", "shiboken6", "inter"):
        assert name in names
        assert names[name].licence, name
    assert "ctstudio" not in names
    assert "pytest" not in names, "it is for development alone"
    assert not [item.name for item in dialog.items if not item.licence]
    row = next(k for k, item in enumerate(dialog.items) if item.name == "numpy")
    dialog.list.setFocus()
    dialog.list.setCurrentRow(row)
    text = dialog.text.toPlainText()
    assert text.startswith("numpy ")
    assert "Redistribution and use in source and binary forms" in text
    dialog.deleteLater()

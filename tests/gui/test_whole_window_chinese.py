"""No English is left in the window when it speaks Chinese, whatever has been opened in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QApplication, QDialog, QFileDialog, QMenu, QMessageBox, QWidget

from ctstudio.gui.app import Program
from ctstudio.gui.session import Layer
from ctstudio.gui.translation import catalogue
from ctstudio.gui.translation.widgets import translate
from tests.gui.conftest import PATIENT, PickedMenu, wait_until
from tests.gui.shown_texts import shown_texts

HAN = re.compile(r"[\u4e00-\u9fff]")
TAGS = re.compile(r"<[^>]*>|&\w+;")
WORD = re.compile(r"[A-Za-z]{3,}")
SENTENCE = re.compile(r"[A-Za-z]+(?:[ ,;]+[a-z]+){3,}")  # four English words in a row
KEYS = re.compile(r"\b(Ctrl|Shift|Alt|Esc|Del|Tab|Home|End|PgUp|PgDown)\b")
NAMES = {
    # what is called so in Chinese, too
    "adam", "adamw", "auc", "beta", "cnr", "cpu", "csv", "dice", "dicom", "dncnn", "dpi", "ema",
    "english", "gif", "html", "hausdorff", "iou", "jpeg", "json", "lung", "minip", "mip", "mtf",
    "nifti", "numpy", "open", "pascal", "pdf", "png", "psnr", "rmse", "rms", "seg", "sgd", "ssim",
    "studio", "svg", "tiff", "toml", "uid", "unet", "voc", "webm", "xml", "zip", "onnx", "net",
    "tensorboard", "bm3d", "nlm", "red", "cnn", "inter", "sil", "mit", "torch", "python",
    # the series and the files of the test
    "thin", "slab", "chest", "secret", "name", "explicit", "little", "endian",
    # values of settings, as they stand in recipes and files
    "libsvtav", "libvpx", "openh", "libopenh", "hevc", "mpeg", "full",
}  # fmt: skip
PATHS = re.compile(r"(/[\w. …-]+){2,}|\*\.\w+|\b\d[\d.]*\w*|\{\w+\}|[\w-]+\.(py|dcm|ini|toml)\b")


# Names of DICOM's elements, components with their licences, the log for whoever mends something.
OTHERS = re.compile(r"TagsWindow/QTreeView.item|about: .*item|LogPanel|log/.*item")


def english(text: str) -> list[str]:
    """The words of a text that are English and no names."""
    plain = KEYS.sub("", PATHS.sub("", TAGS.sub(" ", text)))
    left = [word for word in WORD.findall(plain) if word.lower() not in NAMES]
    if HAN.search(plain):
        long = [found[0] for found in SENTENCE.finditer(plain)]
        return [run for run in long if set(WORD.findall(run.lower())) - NAMES]
    return left


def test_english_is_recognised() -> None:
    assert english("Choose a network first") == ["Choose", "network", "first"]
    assert english("去噪 Choose a network first") == ["Choose a network first"]
    assert english("PSNR (dB)") == english("<b>DICOM</b> 序列 (Ctrl+Shift+E)") == []
    assert english("/tmp/a folder/run 3.toml") == []


@pytest.fixture
def chinese(make_program: Callable[[], Program], qapp: QApplication) -> Iterator[Program]:
    program = make_program()
    program.window.settings.set("language", "zh_CN")
    program = make_program()
    program.window.resize(1440, 900)
    program.window.show()
    yield program
    catalogue.choose(qapp, catalogue.ENGLISH)


class Ear:
    """Notes whatever is shown, painted, asked and said."""

    def __init__(self, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        self.window = program.window
        self.heard: dict[str, str] = {}
        self.now = "start"
        session = self.window.session
        session.message.connect(lambda *_: self._hear("message", self.window.message_label.text()))
        session.trouble.connect(lambda *_: self._hear("trouble", self.window.banner.text.text()))
        session.jobs.started.connect(lambda job: self._hear("job", job.title))
        for kind in (QDialog, QMessageBox):
            monkeypatch.setattr(kind, "exec", lambda dialog, *_: self._look_at(dialog))
        for name, answer in (
            ("getExistingDirectory", ""), ("getOpenFileName", ("", "")),
            ("getOpenFileNames", ([], "")), ("getSaveFileName", ("", "")),
        ):  # fmt: skip
            monkeypatch.setattr(QFileDialog, name, self._asked(answer))
        draw = QPainter.drawText

        def drawn(painter: QPainter, *args: Any) -> Any:
            for arg in args:
                if isinstance(arg, str):
                    self._hear("painted", arg)
            return draw(painter, *args)

        monkeypatch.setattr(QPainter, "drawText", drawn)

    def _hear(self, where: str, text: str) -> None:
        self.heard.setdefault(text, f"{self.now}: {where}")

    def _asked(self, answer: Any) -> Callable[..., Any]:
        def ask(*args: Any, **_: Any) -> Any:
            for arg in args:
                if isinstance(arg, str):
                    self._hear("file dialog", arg)
            return answer

        return ask

    def _look_at(self, dialog: QDialog) -> int:
        dialog.show()
        QApplication.processEvents()
        translate(dialog)  # offscreen no window gets the focus
        self.look(dialog)
        dialog.close()
        return 0

    def look(self, top: QWidget) -> None:
        for where, text in shown_texts(top):
            self._hear(where, text)

    def do(self, name: str) -> None:
        """Trigger an action, and look at the window and at what has come up."""
        self.now = name
        action = self.window.actions_by_name[name]
        if not action.isEnabled():
            return
        before = set(QApplication.topLevelWidgets())
        action.trigger()
        wait_until(lambda: not self.window.session.jobs.busy(), f"for {name}")
        for top in set(QApplication.topLevelWidgets()) - before:
            if top.isVisible() and not isinstance(top, QMenu):
                translate(top)
                self.look(top)
        for dialog in self.window.findChildren(QDialog):
            if dialog.isVisible():
                self.look(dialog)
                dialog.close()
        self.window.grab()

    def faults(self) -> dict[str, str]:
        told = {text: where for text, where in self.heard.items() if english(text)}
        return {text: where for text, where in told.items() if not OTHERS.search(where)}


def test_nothing_in_the_window_is_english(
    chinese: Program, thin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = chinese.window
    ear = Ear(chinese, monkeypatch)
    monkeypatch.setattr(PickedMenu, "pick", None)
    ear.look(window)
    window.open_paths([thin.folder])
    wait_until(lambda: window.session.layers and window.session.layers[0].complete)
    (scan,) = window.session.layers
    assert scan.volume is not None
    other = scan.volume.derived(scan.volume.hu() - 5, "total variation, weight 20")
    window.session.add_layer(Layer("Residual: Total variation", "denoised", other, scan))
    window.painter.new_mask(scan)
    for name in (
        "layout_2x2", "metrics", "grid", "colour_bar", "paint", "paint", "show_difference",
        "compare_difference", "compare_swipe", "compare_flicker", "compare_end", "invert",
        "next_colours", "plain_display", "oblique", "tilt_up", "axial", "info", "info",
    ):  # fmt: skip
        ear.do(name)
    for name in window.actions_by_name:
        if name not in ("quit", "full_screen", "open_demo", "theme", "close_layer", "undo", "redo"):
            ear.do(name)
    ear.now = "window"
    ear.look(window)
    assert PATIENT["id"] not in " ".join(ear.faults())
    assert ear.faults() == {}


def test_menus_of_layers_and_panes_are_chinese(chinese: Program, thin: Any, tmp_path: Path) -> None:
    window = chinese.window
    window.open_paths([thin.folder])
    wait_until(lambda: window.session.layers and window.session.layers[0].complete)
    pane = window.grid.active_pane
    window.grid.menu_requested.emit(pane, pane.rect().center())
    offered = list(PickedMenu.offered)
    panel = window.series_panel
    panel._menu(panel.list.visualItemRect(panel.list.item(0)).center())
    offered += PickedMenu.offered
    assert len(offered) > 6
    assert [text for text in offered if english(text)] == []

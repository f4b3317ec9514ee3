"""The window in another language: nothing is missing, nothing is broken, both directions."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
import shiboken6
from PySide6.QtCore import QLibraryInfo, Qt
from PySide6.QtGui import QAction, QFont, QFontDatabase, QFontMetrics
from PySide6.QtWidgets import QApplication, QDialogButtonBox, QLabel, QPushButton, QWidget

import ctstudio.gui
from ctstudio.core.errors import StudioError
from ctstudio.gui.actions import SPECS
from ctstudio.gui.app import Program
from ctstudio.gui.chrome import MENUS, SUBMENUS
from ctstudio.gui.dialogs import MOUSE
from ctstudio.gui.palette.palette import commands, plain
from ctstudio.gui.session import Layer
from ctstudio.gui.translation import catalogue, sentences
from ctstudio.gui.translation.widgets import translate
from tests.gui.conftest import wait_until

CHINESE = "zh_CN"
LATIN = re.compile(r"[A-Za-z]{2,}")
SHORT = ("PSNR", "SSIM", "RMSE", "Dice")  # called so in Chinese, too
HAN = re.compile(r"[\u4e00-\u9fff]")
pytestmark = pytest.mark.usefixtures("english_afterwards")


@pytest.fixture
def chinese(make_program: Callable[[], Program], tmp_path: Path) -> Program:
    """The program as it starts after Chinese was chosen."""
    program = make_program()
    program.window.settings.set("language", CHINESE)
    program = make_program()
    program.window.resize(1440, 900)
    program.window.show()
    return program


def texts_in_code() -> dict[str, str]:
    """Every text that goes through the catalogue, and the file that it stands in."""
    found: dict[str, str] = {}
    package = Path(str(ctstudio.gui.__path__[0]))
    for path in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "tr"
                and node.args
                and isinstance(node.args[0], ast.Constant)
            ):
                found.setdefault(str(node.args[0].value), path.name)
    for spec in SPECS:
        found |= {spec.text: "actions.py", spec.tip: "actions.py"}
    found |= dict.fromkeys((*MENUS, *SUBMENUS), "chrome.py")
    found |= dict.fromkeys([part for pair in MOUSE for part in pair], "dialogs.py")
    return found


@pytest.mark.parametrize("language", [la for la in catalogue.LANGUAGES if la != "en"])
def test_no_text_is_missing(language: str) -> None:
    known = catalogue.catalogue(language)
    missing = {text: file for text, file in texts_in_code().items() if text not in known}
    assert missing == {}, f"resources/translations/{language}.json lacks these"


@pytest.mark.parametrize("language", [la for la in catalogue.LANGUAGES if la != "en"])
def test_translations_fill_in_the_same_parts(language: str) -> None:
    for text, other in catalogue.catalogue(language).items():
        assert other.strip(), text
        if "{" not in text:
            continue
        parts = [
            sorted((name, spec) for _, name, spec, _ in Formatter().parse(t) if name is not None)
            for t in (text, other)
        ]
        assert parts[0] == parts[1], text


def test_menus_keep_a_letter_of_their_own() -> None:
    known = catalogue.catalogue(CHINESE)
    letters = [known[title].partition("&")[2][0] for title in (*MENUS, "&File", "&Masks")]
    assert len(set(letters)) == len(letters)


def test_the_language_is_the_system_s_unless_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    from PySide6.QtCore import QLocale

    for name, wanted in (("zh_CN", CHINESE), ("zh_TW", "en"), ("de_DE", "en"), ("en_GB", "en")):
        monkeypatch.setattr(catalogue.QLocale, "system", lambda name=name: QLocale(name))
        assert catalogue.resolve("system") == wanted, name
        assert catalogue.resolve(CHINESE) == CHINESE
        assert catalogue.resolve("xx") == wanted


def test_the_window_speaks_chinese(chinese: Program) -> None:
    window = chinese.window
    actions = window.actions_by_name
    assert actions["open_folder"].text() == "打开文件夹……"
    assert "Ctrl+O" in actions["open_folder"].toolTip()
    # Of the menus nothing but names is left in Latin letters.
    latin = [a.text() for a in window.findChildren(QAction) if only_latin(a.text())]
    assert set(latin) <= {"MIP", "MinIP", *SHORT}, latin
    assert window.tabs.tabText(0) == "去噪"
    assert window.series_dock.windowTitle() == "序列与图层"
    assert window.empty.folder_button.text() == "打开文件夹……"
    # Words that numbers are put into, too.
    window.session.message.emit(catalogue.tr("Saved {0}").format("x.png"), 0)
    assert window.message_label.text() == "已保存 x.png"


# -- what the layers below the window say --------------------------------------------------------


def test_names_of_what_was_made_are_translated_those_of_series_are_not(
    chinese: Program, thin: Any
) -> None:
    window = chinese.window
    window.open_paths([thin.folder])
    wait_until(lambda: window.session.layers and window.session.layers[0].complete)
    (scan,) = window.session.layers
    scan.name = "Residual: noisy"
    window.session.layer_changed.emit(scan, -1)
    made = window.session.add_layer(
        Layer("Residual: Total variation", "residual", scan.stack, scan)
    )
    window.grid.hang([scan, made])
    shown = [pane.button.text() for pane in window.grid.visible_panes]
    assert shown == ["Residual: noisy", "残差：全变分"]
    rows = [window.series_panel.list.item(row).text() for row in range(2)]
    assert rows == shown
    assert sentences.called(made, short=True) == "残差：全变分"


def test_an_error_from_below_is_shown_in_chinese(chinese: Program, tmp_path: Path) -> None:
    window = chinese.window
    window.session.report(StudioError(f"{tmp_path} is empty.", hint="Check the path."))
    assert window.banner.text.text() == f"{tmp_path} 为空。 请检查路径。"
    window.session.message.emit("Series of 4 patients are open.", 0)
    assert window.message_label.text() == "Series of 4 patients are open."
    window.session.message.emit("There are no curves yet.", 0)
    assert window.message_label.text() == "还没有曲线。"


def only_latin(text: str) -> bool:
    return bool(LATIN.search(text.replace("Ctrl", ""))) and not HAN.search(text)


def test_what_is_on_screen_is_hardly_english(chinese: Program) -> None:
    window = chinese.window
    texts = [
        w.text()
        for w in window.findChildren(QWidget)
        if isinstance(w, (QLabel, QPushButton)) and w.isVisible() and LATIN.search(w.text())
    ]
    english = [text for text in texts if only_latin(text)]
    assert len(english) <= 4, english  # the device, units


def test_qt_s_own_buttons_follow(chinese: Program) -> None:
    folder = Path(QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath))
    if not (folder / "qtbase_zh_CN.qm").is_file():
        pytest.skip("this Qt came without translations")
    box = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
    assert box.buttons()[0].text() == "取消"
    box.deleteLater()


def test_commands_are_found_in_either_language(chinese: Program) -> None:
    window = chinese.window
    found = commands(window.menuBar())
    fit = {c.title: c.fit("两个窗格") for c in found if c.fit("两个窗格") is not None}
    assert max(fit, key=lambda title: fit[title] or 0) == "两个窗格"
    fit = {c.title: c.fit("two panes") for c in found if c.fit("two panes") is not None}
    assert max(fit, key=lambda title: fit[title] or 0) == "两个窗格"
    assert plain("文件(&F)") == "文件"


def test_a_dialog_made_of_tables_is_translated_when_it_comes_up(chinese: Program) -> None:
    dialog = QWidget(chinese.window, Qt.WindowType.Window)
    label, name = QLabel("Opacity", dialog), QLabel("Smith Opacity", dialog)
    dialog.setToolTip("Reset view")
    translate(dialog)
    assert label.text() == "不透明度"
    assert name.text() == "Smith Opacity", "what is no text of the program stays as it is"
    assert dialog.toolTip() == "重置视图"
    dialog.deleteLater()


def test_english_is_left_as_it_is(program: Program) -> None:
    label = QLabel("Opacity")
    translate(label)
    assert label.text() == "Opacity"
    assert catalogue.is_english()
    label.deleteLater()


def test_written_from_right_to_left_the_patient_stays_as_he_lies(
    hands: Any, thin: Any, qapp: QApplication
) -> None:
    assert catalogue.direction("ar") == Qt.LayoutDirection.RightToLeft
    assert catalogue.direction(CHINESE) == Qt.LayoutDirection.LeftToRight
    hands.open(thin)
    window, view = hands.window, hands.view
    before = hands.picture(view)
    qapp.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
    try:
        QApplication.processEvents()
        assert view.size() == before.size()
        after = hands.picture(view)
        middle = before.rect().adjusted(80, 80, -80, -80)  # but for what stands at the edges
        assert after.copy(middle) == before.copy(middle)
        palette = window.services.palette
        palette.open_over(window)
        assert window.rect().contains(palette.geometry())
        assert palette.grab().toImage().width() == palette.width()
        palette.hide()
        dialog = window.services.preferences.make_dialog()
        dialog.show()
        field, page = dialog.theme, dialog.theme.parentWidget()
        form = page.layout()
        assert form.labelForField(field).geometry().left() > field.geometry().right()
        assert page.rect().contains(field.geometry())
        dialog.close()
        dialog.deleteLater()
    finally:
        qapp.setLayoutDirection(Qt.LayoutDirection.LeftToRight)


def test_chinese_can_be_drawn() -> None:
    if not QFontDatabase.families(QFontDatabase.WritingSystem.SimplifiedChinese):
        pytest.skip("there is no font with Chinese letters")
    assert QFontMetrics(QFont()).horizontalAdvance("序列与图层") > 0
    assert shiboken6.isValid(QApplication.instance())


def test_written_from_right_to_left_the_docks_change_sides(
    make_program: Callable[[], Program], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each direction has places of its own: what was moved in one stays out of the other."""

    def sides(program: Program) -> tuple[int, int, int, int]:
        window = program.window
        window.resize(1440, 900)
        window.show()
        QApplication.processEvents()
        bar = window.toolbar
        first = bar.widgetForAction(window.actions_by_name["open_folder"])
        last = bar.widgetForAction(window.actions_by_name["screenshot"])
        docks = (window.series_dock, window.panel_dock)
        return *(dock.geometry().center().x() for dock in docks), first.x(), last.x()

    series, panels, first, last = sides(make_program())
    assert series < 720 < panels
    assert first < last
    with monkeypatch.context() as patch:
        patch.setattr(catalogue, "direction", lambda _: Qt.LayoutDirection.RightToLeft)
        for _ in range(2):  # the second time as it was left
            series, panels, first, last = sides(make_program())
            assert panels < 720 < series
            assert last < first
    series, panels, first, last = sides(make_program())
    assert series < 720 < panels
    assert first < last

"""The window "History of trainings", with runs that were written without training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from PySide6.QtCore import QItemSelectionModel, Qt
from PySide6.QtWidgets import QMessageBox

from ctstudio.gui.history import reader, window
from ctstudio.gui.history.model import COLUMNS, DIFFERENCE, RUN_ROLE, SMALL_ROLE, count_text

Make = Callable[..., Path]
TITLES = [column.title for column in COLUMNS]


def open_history(hands: Any) -> window.HistoryWindow:
    hands.window.actions_by_name["history"].trigger()
    shown = hands.window.history.window
    settle(hands)
    return shown


def settle(hands: Any) -> None:
    """Until nothing of the history is read or about to be."""
    kinds = ("pictures", "details", "preview", "network", "bin")
    roles = ("history", *(f"history {kind}" for kind in kinds))
    shown = hands.window.history.window

    def quiet() -> bool:
        return not hands.session.jobs.busy(*roles) and not shown.reader._settle.isActive()

    hands.wait(quiet, "for the history")
    hands.pause(reader.SETTLE_MS)
    hands.wait(quiet, "for the history")


def pick(hands: Any, shown: window.HistoryWindow, *names: str) -> None:
    shown.table.pick([run.folder for run in shown.model.runs if run.name in names])
    settle(hands)


def column(
    shown: window.HistoryWindow, title: str, role: int = Qt.ItemDataRole.DisplayRole
) -> list:
    rows, number = shown.rows, TITLES.index(title)
    return [rows.index(row, number).data(role) for row in range(rows.rowCount())]


def log_step(folder: Path, step: int) -> None:
    """Let the run's file grow by a step."""
    file = folder / "metrics.csv"
    columns = file.read_text().splitlines()[0].split(",")
    told = {"step": step, "seconds": step / 4, "lr": 1e-3, "loss": 0.02, "mse": 0.02}
    with file.open("a") as stream:
        stream.write(",".join(str(told.get(name, "")) for name in columns) + "\n")


def names(shown: window.HistoryWindow) -> list[str]:
    return [shown.rows.index(row, 0).data(RUN_ROLE).name for row in range(shown.rows.rowCount())]


@pytest.fixture
def three(make_run: Make) -> Path:
    """The newest is "c"; "b" has another learning rate, "c" another noise and more steps."""
    make_run("a", {"phases.0.steps": 40}, age_s=30)
    make_run("b", {"phases.0.steps": 40, "phases.0.optimiser.lr": 3e-4}, age_s=20, steps=20)
    return make_run("c", {"noise": "gaussian", "title": "Ä <b>"}, age_s=10, steps=60).parent


def test_without_runs_it_says_what_to_do(hands: Any) -> None:
    shown = open_history(hands)
    assert shown.train_button.isVisible()
    assert not shown.table.isVisible()
    hands.press(shown.train_button)
    assert hands.window.tabs.currentIndex() == 1


def test_the_table_tells_of_every_run(hands: Any, three: Path) -> None:
    shown = open_history(hands)
    assert names(shown) == ["c", "b", "a"]
    assert column(shown, "Training") == ["Ä <b>", "Made up", "Made up"]
    assert column(shown, "Training", SMALL_ROLE) == ["c", "b", "a"]
    assert column(shown, "State") == ["Stopped", "Stopped", "Finished"]
    assert column(shown, "Steps") == ["60", "20", "40"]
    assert column(shown, "Time") == ["15 s", "5 s", "10 s"]
    assert column(shown, "PSNR dB") == ["90.00", "50.00", "70.00"]
    assert column(shown, "RMSE HU") == ["8.00", "8.00", "8.00"]
    assert column(shown, "RMSE HU", SMALL_ROLE) == ["-4.00"] * 3  # from 12 HU
    assert column(shown, "SSIM", SMALL_ROLE) == ["+0.100"] * 3
    tip = column(shown, "PSNR dB", Qt.ItemDataRole.ToolTipRole)[2]
    assert "step 40, protocol A" in tip
    assert "noisy input 29.00 dB" in tip
    assert "protocol A" in shown._note.text()
    assert "<b>" not in column(shown, "Training", Qt.ItemDataRole.ToolTipRole)[0]
    assert [count_text(n) for n in (999, 1000, 1234, 20_000, 123_456, 3_000_000)] == [
        "999", "1k", "1234", "20k", "123.5k", "3M",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("title", "down", "order"),
    [
        ("Begun", False, ["a", "b", "c"]),
        ("PSNR dB", True, ["c", "a", "b", "z"]),
        ("PSNR dB", False, ["b", "a", "c", "z"]),
        ("Time", False, ["z", "b", "a", "c"]),
    ],
)
def test_any_column_sorts(
    hands: Any, three: Path, make_run: Make, title: str, down: bool, order: list[str]
) -> None:
    if "z" in order:
        make_run("z", steps=2)  # it was never judged
    shown = open_history(hands)
    direction = Qt.SortOrder.DescendingOrder if down else Qt.SortOrder.AscendingOrder
    shown.table.sortByColumn(TITLES.index(title), direction)
    assert names(shown) == order


def test_the_filter_looks_at_names_states_and_settings(hands: Any, three: Path) -> None:
    shown = open_history(hands)
    for text, left in (
        ("gaussian", ["c"]),
        ("STOPPED made", ["b"]),
        ("lr 0.0003", ["b"]),
        ("nothing of the sort", []),
        ("", ["c", "b", "a"]),
    ):
        shown.filter.setText(text)
        assert names(shown) == left, text
        assert shown._count.text() == (f"{len(left)} of 3 trainings" if text else "3 trainings")


def test_in_what_a_run_differs_from_most_or_from_the_selected(hands: Any, three: Path) -> None:
    shown = open_history(hands)
    head = Qt.Orientation.Horizontal
    assert shown.model.headerData(DIFFERENCE, head) == "Differs from most"
    assert column(shown, "Differs")[1:] == ["lr 0.0003", ""]
    assert "noise gaussian" in column(shown, "Differs")[0].splitlines()
    pick(hands, shown, "b")
    assert shown.model.headerData(DIFFERENCE, head) == "Differs from Made up"
    assert column(shown, "Differs")[1:] == ["Reference", "lr 0.002"]


def test_two_runs_side_by_side(hands: Any, three: Path) -> None:
    shown = open_history(hands)
    assert not shown.comparison.isVisible()
    pick(hands, shown, "a", "b")
    comparison = shown.comparison
    assert comparison.isVisible()
    for number, steps in ((0, 20), (1, 40)):  # b stands above a
        x, y = comparison.plots.curves["loss", number].getOriginalDataset()
        assert x[-1] == steps
        x, y = comparison.plots.curves["rmse", number].getOriginalDataset()
        np.testing.assert_array_equal(x, np.arange(10, steps + 1, 10))
        np.testing.assert_allclose(y, 8 + 4 * (1 - x / steps))
    table = comparison.table
    told = [[table.item(r, c).text() for c in range(3)] for r in range(table.rowCount())]
    assert told == [["lr", "0.0003", "0.002"]]
    heads = [table.horizontalHeaderItem(c).text() for c in range(3)]
    assert heads == ["Setting", "b", "a"]
    # 20 and 40 HU in one window of 400 around 40: -160 is black, 240 white.
    grey = [picture.image.pixelColor(5, 5).red() for picture in comparison.pictures]
    assert grey == [round(255 * (hu + 160) / 400) for hu in (20, 40)]
    comparison.window_box.setCurrentIndex(comparison.window_box.findData("Brain"))
    grey = [picture.image.pixelColor(5, 5).red() for picture in comparison.pictures]
    assert grey == pytest.approx([255 * 20 / 80, 255 * 40 / 80], abs=1)
    comparison.panel.setCurrentIndex(comparison.panel.findData("residual"))
    colours = [picture.image.pixelColor(5, 5) for picture in comparison.pictures]
    assert all(colour.red() > colour.blue() for colour in colours)  # both are above the noisy
    assert not comparison.window_box.isEnabled()


def test_gradients_stand_beside_the_curves_of_runs_that_read_them(hands: Any, three: Path) -> None:
    (three / "a" / "gradients.csv").write_text("step,epoch,in,out\n1,0,1e-6,1\n9,1,0,2\n")
    shown = open_history(hands)
    plots = shown.comparison.plots
    pick(hands, shown, "b")
    assert not plots.plots["gradients"].isVisible()
    pick(hands, shown, "a", "b")
    assert plots.plots["gradients"].isVisible()
    told = [item.getOriginalDataset() for item in plots.layers]
    assert [x.tolist() for x, _ in told] == [[1, 9], [1, 9]]
    assert [y[0] for _, y in told] == [1e-6, 1]
    assert np.isnan(told[0][1][1])  # zero has no place on a logarithmic axis
    pick(hands, shown, "b")
    assert plots.layers == []


def test_the_slider_shows_both_at_an_earlier_step(hands: Any, three: Path) -> None:
    shown = open_history(hands)
    pick(hands, shown, "a", "b")
    comparison = shown.comparison
    assert comparison.slider.maximum() == 2  # steps 0, 20 (of b) and 40 (of a)
    comparison.slider.setValue(1)
    settle(hands)
    grey = [picture.image.pixelColor(5, 5).red() for picture in comparison.pictures]
    assert grey == [round(255 * (hu + 160) / 400) for hu in (20, 0)]
    log_step(three / "a", 41)
    shown.refresh()
    settle(hands)
    assert comparison.slider.value() == 1  # what is looked at stays
    assert "step 0" in comparison.captions[1].text()
    comparison.slider.setValue(2)
    assert "step 40" in comparison.captions[1].text()


def test_one_run_alone_and_three(hands: Any, three: Path) -> None:
    shown = open_history(hands)
    pick(hands, shown, "c")
    comparison = shown.comparison
    assert comparison.pictures[0].isVisible()
    assert not comparison.pictures[1].isVisible()
    assert not len(comparison.plots.curves["loss", 1].getOriginalDataset()[0] or ())
    pick(hands, shown, "a", "b", "c")
    assert not comparison.isVisible()
    assert not shown.open_button.isEnabled()
    assert shown.trash_button.isEnabled()


def test_small_pictures_are_read_for_rows_that_are_seen(hands: Any, make_run: Make) -> None:
    for number in range(40):
        make_run(f"run {number:02}", steps=1, age_s=number, side_px=64)
    shown = open_history(hands)
    read = {folder.name for folder in shown.model._pictures}
    assert "run 00" in read
    assert "run 39" not in read
    assert len(read) < 25
    shown.table.scrollToBottom()
    settle(hands)
    read = {folder.name for folder in shown.model._pictures}
    assert "run 39" in read
    image = shown.rows.index(39, 0).data(Qt.ItemDataRole.DecorationRole)
    assert image.pixelColor(9, 9).red() == round(255 * 161 / 400)


def test_a_damaged_run_stands_in_the_list(hands: Any, three: Path) -> None:
    (three / "b" / "recipe.toml").write_text("title = ")
    (three / "b" / "metrics.csv").write_text("nothing")
    (three / "b" / "previews" / "still.npz").write_bytes(b"PK\3\4")
    for name in ("best.pt", "last.pt"):
        (three / "b" / name).unlink()
    shown = open_history(hands)
    states = dict(zip(names(shown), column(shown, "State"), strict=True))
    assert states == {"a": "Finished", "b": "Damaged", "c": "Stopped"}
    pick(hands, shown, "b")
    assert "not valid TOML" in shown.comparison.problem.text()
    for button in (shown.open_button, shown.continue_button, shown.branch_button):
        assert not button.isEnabled()
    assert shown.trash_button.isEnabled()


def test_a_segmentation_is_shown_as_classes(hands: Any, three: Path, make_run: Make) -> None:
    make_run("classes", labels=True)
    shown = open_history(hands)
    assert "Dice" in [
        COLUMNS[k].title for k in range(len(COLUMNS)) if not shown.table.isColumnHidden(k)
    ]
    assert column(shown, "Dice") == ["0.750", "-", "-", "-"]
    assert column(shown, "PSNR dB")[0] == "-"
    assert shown._note.text().endswith("Dice: pooled over slices.")
    tip = column(shown, "Dice", Qt.ItemDataRole.ToolTipRole)[0]
    assert tip == "Dice 0.750 at step 10, pooled over slices, held-out slices"
    image = shown.rows.index(0, 0).data(Qt.ItemDataRole.DecorationRole)
    assert image.pixelColor(9, 9).red() == pytest.approx(128, abs=1)  # 2 of 4
    pick(hands, shown, "classes")
    comparison = shown.comparison
    assert comparison.plots.plots["dice"].isVisible()
    assert not comparison.plots.plots["psnr"].isVisible()
    picture = comparison.pictures[0].image
    assert (picture.pixelColor(5, 0).red(), picture.pixelColor(5, 5).red()) == (255, 128)
    assert "Dice 0.700" in comparison.captions[0].text()
    pick(hands, shown, "classes", "a")
    seen = {key for key, plot in comparison.plots.plots.items() if plot.isVisible()}
    assert seen == {"loss", "psnr", "ssim", "rmse", "dice"}
    titles = {key: plot.plotItem.titleLabel.text for key, plot in comparison.plots.plots.items()}
    assert (titles["psnr"], titles["dice"]) == ("PSNR (dB), protocol A", "Dice")
    assert comparison.plots.plots["dice"].toolTip() == "pooled over slices"
    (three / "classes" / "metrics.csv").unlink()
    shown.refresh()
    settle(hands)
    assert shown.table.isColumnHidden([c.title for c in COLUMNS].index("Dice"))


def test_a_run_without_clean_images_shows_its_held_out_loss(
    hands: Any, three: Path, make_run: Make
) -> None:
    make_run("blind", blind=True)
    shown = open_history(hands)
    assert column(shown, "Held-out loss") == ["0.1", "-", "-", "-"]
    assert not shown.table.isColumnHidden(TITLES.index("Held-out loss"))
    assert shown.table.isColumnHidden(TITLES.index("Dice"))
    pick(hands, shown, "a")  # whose axes must not stay
    pick(hands, shown, "blind")
    plots = shown.comparison.plots
    assert {key for key, plot in plots.plots.items() if plot.isVisible()} == {"loss"}
    x, y = plots.held_out[0].getOriginalDataset()
    assert x.tolist() == [10, 20, 30, 40]
    assert y == pytest.approx([4 / 10, 4 / 20, 4 / 30, 4 / 40], rel=1e-4)


def answer(monkeypatch: pytest.MonkeyPatch, button: QMessageBox.StandardButton) -> list[str]:
    asked: list[str] = []

    def reply(box: QMessageBox) -> int:
        asked.append(box.text())
        return button.value

    monkeypatch.setattr(QMessageBox, "exec", reply)
    return asked


def test_delete_asks_first_and_moves_to_the_bin(
    hands: Any, three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import send2trash

    def to_the_bin(folder: Path) -> None:
        folder.rename(three.parent / f"bin {folder.name}")

    monkeypatch.setattr(send2trash, "send2trash", to_the_bin)
    shown = open_history(hands)
    pick(hands, shown, "a")
    asked = answer(monkeypatch, QMessageBox.StandardButton.Cancel)
    hands.press(shown.trash_button)
    settle(hands)
    assert asked == ["Move Made up (a) to the bin?"]
    assert names(shown) == ["c", "b", "a"]
    asked = answer(monkeypatch, QMessageBox.StandardButton.Yes)
    pick(hands, shown, "a", "c")
    shown.table.setFocus()
    hands.key(Qt.Key.Key_Delete)
    settle(hands)
    assert asked == ["Move 2 trainings to the bin?"]
    assert names(shown) == ["b"]
    assert sorted(path.name for path in three.parent.glob("bin *")) == ["bin a", "bin c"]


def test_what_cannot_be_deleted_is_said(
    hands: Any, three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, QMessageBox.StandardButton.Yes)
    shown = open_history(hands)
    pick(hands, shown, "a")
    with FileLock(three / "a" / ".lock"):  # it was continued elsewhere in the meantime
        hands.press(shown.trash_button)
        settle(hands)
        assert "running" in shown.banner.text.text()
        assert shown.banner.isVisible()
        assert column(shown, "State")[2] == "Running"
        assert not shown.trash_button.isEnabled()
    assert (three / "a").is_dir()


def test_a_growing_run_is_read_again_and_stays_selected(
    hands: Any, three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = open_history(hands)
    shown._follow.setInterval(1)
    pick(hands, shown, "b")
    log_step(three / "b", 21)
    shown._run_changed(None)
    hands.wait(lambda: column(shown, "Steps") == ["60", "21", "40"], "for the new step")
    settle(hands)
    assert [run.name for run in shown.table.picked_runs()] == ["b"]
    x, _ = shown.comparison.plots.curves["loss", 0].getOriginalDataset()
    assert x[-1] == 21


def test_the_theme_is_followed(hands: Any, three: Path) -> None:
    shown = open_history(hands)
    pick(hands, shown, "a", "b")
    dark = hands.picture(shown).pixelColor(4, 4).lightness()
    plot = shown.comparison.plots.plots["psnr"]
    hands.window.actions_by_name["theme"].setChecked(True)
    assert hands.picture(shown).pixelColor(4, 4).lightness() > dark + 100
    assert hands.picture(plot).pixelColor(4, 4).lightness() > 200
    hands.window.actions_by_name["theme"].setChecked(False)
    assert hands.picture(plot).pixelColor(4, 4).lightness() < 60


def test_a_click_with_ctrl_adds_a_second_run(hands: Any, three: Path) -> None:
    shown = open_history(hands)
    table = shown.table
    hands.click_item(table, table.visualRect(shown.rows.index(0, 0)).center())
    flags = QItemSelectionModel.SelectionFlag
    index = shown.rows.index(2, 3)
    table.selectionModel().select(index, flags.Select | flags.Rows)
    settle(hands)
    assert [run.name for run in table.picked_runs()] == ["c", "a"]
    assert shown.comparison.table.horizontalHeaderItem(2).text() == "a"

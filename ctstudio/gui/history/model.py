"""The trainings as rows of a table, with what a cell shows, sorts by and is filtered by."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from PySide6.QtGui import QImage

from ctstudio.ct.metrics import PROTOCOLS
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import said
from ctstudio.gui.words import plain_tip, seconds_in_words
from ctstudio.workflows.run_settings import brief, differences, in_words, usual
from ctstudio.workflows.runs import RunSummary

Index = QModelIndex | QPersistentModelIndex
Role = Qt.ItemDataRole
SMALL_ROLE, SORT_ROLE, RUN_ROLE = (int(Role.UserRole) + k for k in (1, 2, 3))
DIFFERS = "Differs"
METRICS = {
    "psnr": (2, "dB"), "ssim": (3, ""), "rmse": (2, "HU"), "dice": (3, ""), "loss": (4, ""),
}  # fmt: skip
"""Digits and unit."""
RARE = ("dice", "loss")
"""What only trainings on masks, or without clean images, are judged by."""


@dataclass(frozen=True)
class Column:
    """A column: its heading, both lines of a cell, and what it sorts by."""

    title: str
    large: Callable[[RunSummary], str]
    small: Callable[[RunSummary], str]
    sort: Callable[[RunSummary], Any]
    number: bool = False
    metric: str = ""


def label(name: str) -> str:
    """A metric's name as people write it."""
    return {"dice": "Dice", "loss": tr("Held-out loss")}.get(name, name.upper())


def protocol_text(name: str) -> str:
    """ "A" -> "protocol A"; what says itself how it was measured stays as it is."""
    return tr("protocol {0}").format(name) if name in PROTOCOLS else said(name)


def metric_text(values: Mapping[str, float], name: str) -> str:
    """A metric with the digits that mean something; "-" where there is none."""
    value = values.get(name, math.nan)
    if math.isnan(value):
        return "-"
    if name == "loss":
        return f"{value:.4g}"
    return tr("equal") if math.isinf(value) else f"{value:.{METRICS[name][0]}f}"


def size_text(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.1f} MB"


def count_text(count: int) -> str:
    """``100000`` -> "100k": what a narrow column has room for."""
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        if count >= 10 * size or (count >= size and count % size == 0):
            return f"{count / size:.4g}{unit}"
    return str(count)


def _metric(name: str) -> Column:
    def change(run: RunSummary) -> str:
        by = run.best.get(name, math.nan) - run.baseline.get(name, math.nan)
        return f"{by:+.{METRICS[name][0]}f}" if math.isfinite(by) else ""

    return Column(
        f"{label(name)} {METRICS[name][1]}".strip(),
        lambda run: metric_text(run.best, name),
        change,
        lambda run: run.best.get(name, math.nan),
        number=True,
        metric=name,
    )


def _day(run: RunSummary) -> str:
    if not run.begun:
        return "-"
    begun = time.localtime(run.begun)
    this_year = begun.tm_year == time.localtime().tm_year
    return time.strftime(tr("%d %b" if this_year else "%b %Y"), begun)


def _hour(run: RunSummary) -> str:
    return time.strftime("%H:%M", time.localtime(run.begun)) if run.begun else ""


COLUMNS: tuple[Column, ...] = (
    Column(
        "Training", lambda run: said(run.title) or run.name,
        lambda run: run.name if run.title else "",
        lambda run: (run.title or run.name).casefold(),
    ),
    Column(
        "State", lambda run: tr(run.state.capitalize()), lambda run: size_text(run.size_bytes),
        lambda run: run.state,
    ),
    Column("Begun", _day, _hour, lambda run: run.begun),
    Column(
        "Steps", lambda run: count_text(run.steps),
        lambda run: tr("of {0}").format(count_text(run.total_steps)) if run.total_steps else "",
        lambda run: run.steps, number=True,
    ),
    Column(
        "Time", lambda run: seconds_in_words(run.seconds), lambda run: "",
        lambda run: run.seconds, number=True,
    ),
    *(_metric(name) for name in METRICS),
    Column(DIFFERS, lambda run: run.reason, lambda run: "", lambda run: ""),
)  # fmt: skip
DIFFERENCE = len(COLUMNS) - 1
SELDOM = {name: [c.metric for c in COLUMNS].index(name) for name in RARE}
"""The columns of `RARE`, which are hidden where no training fills them."""


class RunsModel(QAbstractTableModel):
    """All runs of a folder. It asks for a small picture when a cell with one is first painted."""

    picture_wanted = Signal(object)  # RunSummary

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.runs: list[RunSummary] = []
        self._pictures: dict[Path, tuple[int, QImage | None]] = {}
        self._asked: dict[Path, int] = {}
        self._reference: RunSummary | None = None
        self._usual: dict[str, object] = {}
        self._differs: list[list[tuple[str, str]]] = []
        self._words: list[str] = []

    def set_runs(self, runs: list[RunSummary]) -> None:
        """Show these; where they are the same folders, selection and place stay as they are."""
        same = [run.folder for run in runs] == [run.folder for run in self.runs]
        if not same:
            self.beginResetModel()
        self.runs = runs
        self._usual = usual([run.settings for run in runs if run.settings])
        folders = {run.folder: run for run in runs}
        self._reference = folders.get(self._reference.folder) if self._reference else None
        self._words = [_words(run) for run in runs]
        self._compare()
        if not same:
            self.endResetModel()
        elif runs:
            self.dataChanged.emit(self.index(0, 0), self.index(len(runs) - 1, DIFFERENCE))

    def set_reference(self, run: RunSummary | None) -> None:
        """Tell in what the runs differ from ``run``; from what most of them have where None."""
        if run is not None and not run.settings:
            run = None  # its recipe cannot be read
        if run is self._reference:
            return
        self._reference = run
        self._compare()
        self.headerDataChanged.emit(Qt.Orientation.Horizontal, DIFFERENCE, DIFFERENCE)
        if self.runs:
            last = self.index(len(self.runs) - 1, DIFFERENCE)
            self.dataChanged.emit(self.index(0, DIFFERENCE), last, [int(Role.DisplayRole)])

    def _compare(self) -> None:
        other = self.other_settings(self._reference)
        self._differs = [
            brief(differences(r.settings, other)) if r.settings else [] for r in self.runs
        ]

    def other_settings(self, run: RunSummary | None) -> Mapping[str, object]:
        """The settings of ``run``, or those that most runs have."""
        return run.settings if run is not None else self._usual

    def set_pictures(self, pictures: list[tuple[RunSummary, QImage | None]]) -> None:
        """Small pictures have been read."""
        for run, image in pictures:
            self._pictures[run.folder] = (run.steps, image)
        folders = {run.folder for run, _ in pictures}
        for row, run in enumerate(self.runs):
            if run.folder in folders:
                index = self.index(row, 0)
                self.dataChanged.emit(index, index, [int(Role.DecorationRole)])

    def words(self, row: int) -> str:
        """All that a row says, in lower case, to be searched."""
        return self._words[row]

    # -- what Qt asks ----------------------------------------------------------------------------

    def rowCount(self, parent: Index = QModelIndex()) -> int:
        return 0 if parent.isValid() else len(self.runs)

    def columnCount(self, parent: Index = QModelIndex()) -> int:
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Role.DisplayRole
    ) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return None
        column = COLUMNS[section]
        if role == Role.DisplayRole:
            if section != DIFFERENCE:
                return tr(column.title)
            of = self._reference
            if of is None:
                return tr("Differs from most")
            return tr("Differs from {0}").format(said(of.title) or of.name)
        if role == Role.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if column.number else Qt.AlignmentFlag.AlignLeft
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        if role == Role.ToolTipRole and column.metric == "loss":
            return tr("The loss on held-out patches of the best network: no clean image was known")
        if role == Role.ToolTipRole and column.metric:
            return tr(
                "The best network on held-out slices; below it the change from the noisy input"
            )
        return None

    def data(self, index: Index, role: int = Role.DisplayRole) -> Any:
        run, column = self.runs[index.row()], COLUMNS[index.column()]
        if role == RUN_ROLE:
            return run
        if role == SORT_ROLE:
            return column.sort(run) if column.title != DIFFERS else self._told(index.row(), ", ")
        if role in (Role.DisplayRole, Role.AccessibleTextRole):
            if column.title != DIFFERS or run.reason:
                return column.large(run)
            if run is self._reference:
                return tr("Reference")
            return self._told(index.row(), "\n")
        if role == SMALL_ROLE:
            return column.small(run)
        if role == Role.DecorationRole and index.column() == 0:
            return self._picture(run)
        if role == Role.ToolTipRole:
            return self._tip(index.row(), column)
        return None

    def _told(self, row: int, between: str) -> str:
        return between.join(f"{key} {value}" for key, value in self._differs[row])

    def _picture(self, run: RunSummary) -> QImage | None:
        if self._asked.get(run.folder) != run.steps:
            self._asked[run.folder] = run.steps
            self.picture_wanted.emit(run)
        return self._pictures.get(run.folder, (0, None))[1]

    def _tip(self, row: int, column: Column) -> str:
        run = self.runs[row]
        if column.title == DIFFERS:
            return plain_tip(f"{said(run.reason)}\n{self._told(row, chr(10))}".strip())
        if column.title == "Steps":
            return tr("{0} of {1} steps").format(run.steps, run.total_steps)
        if column.title == "Begun":
            return time.strftime(tr("%d %B %Y, %H:%M"), time.localtime(run.begun))
        if column.title == "Training":
            return plain_tip(f"{said(run.title)}\n{run.folder}".strip())
        if column.title == "State":
            state = f"{tr(run.state.capitalize())}, {size_text(run.size_bytes)}"
            return plain_tip(said(run.reason) or state)
        name = column.metric
        if name == "loss" and name in run.best:
            return tr("Loss on held-out patches {0} at step {1}").format(
                f"{run.best[name]:.4g}", run.best_step
            )
        if name in run.best:
            unit = f" {METRICS[name][1]}".rstrip()
            noisy = metric_text(run.baseline, name)
            before = (
                tr(" (noisy input {0})").format(f"{noisy}{unit}") if name in run.baseline else ""
            )
            what = f"{label(name)} {metric_text(run.best, name)}{unit}"
            return tr("{0} at step {1}, {2}, held-out slices{3}").format(
                what, run.best_step, protocol_text(run.protocol), before
            )
        return ""


def note_on(runs: list[RunSummary]) -> str:
    """How the metrics of a table of ``runs`` were measured, in words."""

    def protocols(name: str) -> str:
        return tr(" and ").join(sorted({protocol_text(r.protocol) for r in runs if name in r.best}))

    parts = []
    if by := protocols("rmse"):
        parts.append(
            tr(
                "PSNR, SSIM and RMSE: the best network on the held-out slices, {0}; "
                "below them the change from the noisy input."
            ).format(by)
        )
    if by := protocols("dice"):
        parts.append(f"Dice: {by}.")
    if protocols("loss"):
        parts.append(tr("Held-out loss: no clean image was known."))
    return " ".join(parts)


def _words(run: RunSummary) -> str:
    settings = " ".join(f"{key} {in_words(value)}" for key, value in run.settings.items())
    return f"{run.title} {run.name} {run.state} {run.reason} {settings}".casefold()


class RunsFilter(QSortFilterProxyModel):
    """Sorts and filters; what has no value stands last in either order."""

    def __init__(self, model: RunsModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._wanted: list[str] = []
        self.setSourceModel(model)
        self.setSortRole(SORT_ROLE)

    def set_text(self, text: str) -> None:
        """Keep the rows that hold every word of ``text``."""
        self._wanted = text.casefold().split()
        self.invalidate()

    def filterAcceptsRow(self, row: int, parent: Index) -> bool:
        return all(word in self._model.words(row) for word in self._wanted)

    def lessThan(self, left: Index, right: Index) -> bool:
        a, b = (index.data(SORT_ROLE) for index in (left, right))
        if _nothing(a) or _nothing(b):
            down = self.sortOrder() == Qt.SortOrder.DescendingOrder
            first, second = (b, a) if down else (a, b)
            return _nothing(second) and not _nothing(first)
        return bool(a < b)


def _nothing(value: object) -> bool:
    return value == "" or (isinstance(value, float) and math.isnan(value))

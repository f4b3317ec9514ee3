"""The metrics.csv of a run folder: its rows, and which of its lines are none. Loads no torch."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ctstudio.core.atomic import explain_os_error
from ctstudio.core.errors import StudioError

FILE = "metrics.csv"
METRICS = ("psnr", "ssim", "rmse", "dice")
LABEL_METRICS = {
    "iou": "IoU",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "weighted_accuracy": "Weighted accuracy",
    "auc": "AUC",
    "hd95_mm": "HD95 mm",
    "surface_mm": "Surface distance mm",
}
"""Beside Dice, where classes are learnt, with the words for each."""
NEEDED = {"step", "epoch", "seconds", "lr", "protocol"}
MOST_S = 1e10  # three centuries: no training takes longer
LONGEST = 100_000  # characters of a line; no row of ours comes near
STEP = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True)
class Lines:
    """A metrics.csv taken apart: the names of its columns, and the lines below them.

    ``lines`` have their number in the file; ``cut_off`` is what stands after the last line break.
    Without a head there are no columns.
    """

    columns: Sequence[str]
    lines: Sequence[tuple[int, str]]
    cut_off: str

    @classmethod
    def read(cls, path: Path) -> Lines:
        """Read the file.

        Raises
        ------
        StudioError
            When it cannot be read.
        """
        try:
            text = path.read_bytes().decode("utf-8", "replace")
        except OSError as error:
            raise explain_os_error(error, path, "read") from error
        *lines, cut_off = text.replace("\r\n", "\n").split("\n")
        told = [(count, line) for count, line in enumerate(lines, 1) if line.strip()]
        if not told and cut_off.strip():
            told, cut_off = [(len(lines) + 1, cut_off.strip())], ""
        columns = _cells(told[0][1]) if told else []
        # The loss "dice" and the figure "dice" have a column each: the last one counts.
        repeated = set(columns) - {"dice"}
        if not set(columns) >= NEEDED or len(repeated) < sum(c != "dice" for c in columns):
            return cls([], told, cut_off)
        return cls(columns, told[1:], cut_off)

    @property
    def damaged(self) -> bool:
        """Whether it is another file, and not merely empty."""
        return not self.columns and bool(self.lines)

    def row(self, line: str) -> dict[str, str] | None:
        """The cells of a line by their column; None where it is not what a training writes."""
        cells = _cells(line)
        if not self.columns or len(cells) != len(self.columns) or "\ufffd" in line:
            return None
        row = dict(zip(self.columns, cells, strict=True))
        sound = STEP.fullmatch(row["step"]) and 0 <= number(row["seconds"] or "0") <= MOST_S
        return row if sound and math.isfinite(number(row["epoch"] or "0")) else None


def _cells(line: str) -> list[str]:
    """Line by line, or a quotation mark that is never closed would swallow all that follow."""
    try:
        return next(csv.reader([line]), []) if len(line) <= LONGEST else []
    except csv.Error:
        return []


def number(text: str) -> float:
    """A cell as a number; NaN where it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def read_rows(path: Path) -> tuple[list[dict[str, str]], list[int]]:
    """The rows of a metrics.csv, and the numbers of the lines that are damaged.

    A last row that was cut off while it was written is left out. A file without its head has no
    rows, and its first line is damaged.

    Raises
    ------
    StudioError
        When it cannot be read.
    """
    file = Lines.read(path)
    if file.damaged:
        return [], [1]
    rows, damaged = [], []
    for count, line in file.lines:
        row = file.row(line)
        if row is None:
            damaged.append(count)
        else:
            rows.append(row)
    last = file.row(file.cut_off) if file.cut_off else None
    return [*rows, last] if last else rows, damaged


def complain(path: Path, line: int) -> StudioError:
    """That a metrics.csv is damaged."""
    return StudioError(
        f"{path} is damaged (line {line}).",
        hint="Mend that line, or give the file another name: a training goes on without it.",
        path=path,
    )


def read_metrics(folder: Path) -> list[dict[str, str]]:
    """The rows of a run folder's metrics.csv; what a row does not tell is an empty text.

    Lines that are no rows are left out.

    Raises
    ------
    StudioError
        When it cannot be read, or has not the columns of a training's.
    """
    path = Path(folder) / FILE
    rows, damaged = read_rows(path)
    if damaged == [1]:
        raise complain(path, 1)
    return rows

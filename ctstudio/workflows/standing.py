"""How a training stands, by the rows of its metrics.csv. Loads no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ctstudio.learn.metrics_log import METRICS, Lines, number
from ctstudio.learn.recipe import Recipe

NOISY = "noisy_"  # begins the columns of the noisy input's metrics
TIME_SLACK_S = 1.0  # a training that time ends has logged its last row that much before, at most


@dataclass(frozen=True)
class Standing:
    """The rows that tell: the validations and the last. ``damaged`` lines are left out."""

    validations: list[dict[str, str]]
    last: dict[str, str]
    damaged: int = 0  # the first damaged line, from 1

    @classmethod
    def read(cls, path: Path) -> Standing:
        """Read a metrics.csv.

        Raises
        ------
        StudioError
            When it cannot be read.
        """
        if not path.exists():
            return cls([], {})  # it was cut off before the first step
        file = Lines.read(path)
        if not file.columns:
            return cls([], {}, 1 if file.damaged else 0)
        # A step's row ends with empty metrics: of the many only the last are taken apart, and of
        # these the very last may have been cut off while it was written.
        empty = "," * (len(file.columns) - file.columns.index("protocol"))
        told = [pair for pair in file.lines[:-2] if not pair[1].endswith(empty)] + [
            *file.lines[-2:]
        ]
        parsed = [(count, file.row(line)) for count, line in told]
        parsed += [(0, file.row(file.cut_off))]
        rows = [row for _, row in parsed if row]
        last = max(rows, key=lambda row: (int(row["step"]), number(row["seconds"])), default={})
        marked = {row["step"]: row for row in rows if row["protocol"]}
        damaged = next((count for count, row in parsed if row is None and count), 0)
        return cls(list(marked.values()), last, damaged)

    def until(self, step: int) -> Standing:
        """As if it had not been judged after that step."""
        judged = [row for row in self.validations if int(row["step"]) <= step]
        return replace(self, validations=judged)

    @property
    def scores(self) -> list[float]:
        """What a training goes by, less is better: RMSE, what Dice lacks, or else the loss."""
        return [_score(row) for row in self.validations]

    def known(self) -> dict[str, Any]:
        """What a summary says of it."""
        known: dict[str, Any] = {}
        if self.last:
            known["steps"] = int(self.last["step"])
            known["seconds"] = max(number(self.last["seconds"]), 0.0)
        scores = self.scores
        finite = [k for k, score in enumerate(scores) if math.isfinite(score)]
        if finite:
            row = self.validations[min(finite, key=lambda k: scores[k])]
            known |= {"protocol": row["protocol"], "best_step": int(row["step"])}
            told = {n: number(row[n]) for n in metrics_of(row)}
            known["best"] = {n: v for n, v in told.items() if not n.startswith(NOISY)}
            noisy = {n.removeprefix(NOISY): v for n, v in told.items() if n.startswith(NOISY)}
            known["baseline"] = noisy
        return known

    def ended(self, recipe: Recipe) -> bool:
        """Whether the recipe's steps, time or patience were used up."""
        if not self.last:
            return False
        stopping = recipe.stopping
        if int(self.last["step"]) >= recipe.total_steps:
            return True
        seconds = number(self.last["seconds"])
        if stopping.seconds and seconds >= stopping.seconds - TIME_SLACK_S:
            return True
        best, since = math.inf, 0
        for score in self.scores:
            since = 0 if score < best - stopping.least_gain else since + 1
            best = min(best, score)
        return 0 < stopping.patience <= since


def metrics_of(row: Mapping[str, str]) -> list[str]:
    """Which metrics a validation's row tells, whichever the version that wrote it had.

    One that has its name from a loss, as Dice has, stands among the losses; where no truth is
    known the loss on held-out patches is all there is.
    """
    names = list(row)
    behind = names.index("protocol") + 1
    named = [n for n in names if row[n] and (n in METRICS or n in names[behind:])]
    return named or ["loss"] * bool(row.get("loss"))


def _score(row: Mapping[str, str]) -> float:
    if row.get("rmse"):
        return number(row["rmse"])
    return 1 - number(row["dice"]) if row.get("dice") else number(row.get("loss", ""))

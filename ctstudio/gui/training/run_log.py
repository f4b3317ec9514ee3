"""What a training has told so far, growing; the figures take a frozen copy."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.atomic import explain_os_error
from ctstudio.core.errors import StudioError
from ctstudio.core.events import GradientNorms, Progress, Step, Validation, Work
from ctstudio.figures.curves import History
from ctstudio.learn.gradient_log import read_gradients

ROWS_AT_ONCE = 5000  # between two looks at whether the reading is to end
NAN = float("nan")
SMALL_NEWS = Step | GradientNorms
"""What is told so often that only curves take notice."""


class Row:
    """A row ``(n,)`` of numbers that grows at its end; ``values`` copies nothing.

    What was taken as ``values`` stays as it is when the row grows.
    """

    def __init__(self, dtype: type = float) -> None:
        self._store: NDArray[Any] = np.empty(64, dtype)
        self._length = 0

    def append(self, value: float) -> None:
        if self._length == len(self._store):
            self._store = np.concatenate([self._store, np.empty_like(self._store)])
        self._store[self._length] = value
        self._length += 1

    @property
    def values(self) -> NDArray[Any]:
        return self._store[: self._length]

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, at: Any) -> Any:
        return self.values[at]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.values, dtype, copy=copy)


def _whole() -> Row:
    return Row(np.int64)


@dataclass(eq=False)
class RunLog:
    """Rows that only grow, of eight bytes a number; curves are drawn from them as they are.

    ``losses`` are as long as ``step`` and ``metrics`` as ``validation_step``: what was not told is
    not a number, and so are ``gradients``, by layer, as ``gradient_step``. ``name`` and ``folder``
    say whose they are, ``network`` names the kind of network, where it is known.
    """

    name: str = ""
    folder: Path | None = None
    step: Row = field(default_factory=_whole)
    lr: Row = field(default_factory=Row)
    seconds: Row = field(default_factory=Row)
    total_loss: Row = field(default_factory=Row)
    losses: dict[str, Row] = field(default_factory=dict)
    validation_step: Row = field(default_factory=_whole)
    metrics: dict[str, Row] = field(default_factory=dict)
    baseline: dict[str, float] = field(default_factory=dict)
    protocol: str = "A"
    gradient_step: Row = field(default_factory=_whole)
    gradients: dict[str, Row] = field(default_factory=dict)
    network: str = ""

    def add(self, event: Step | Validation | GradientNorms) -> None:
        """Take what a training tells."""
        if isinstance(event, Step):
            self.add_step(event)
        elif isinstance(event, Validation):
            self.add_validation(event)
        else:
            self.add_gradients(event)

    def add_step(self, event: Step) -> None:
        self.step.append(event.step)
        self.lr.append(event.lr)
        self.seconds.append(event.seconds)
        total = event.losses.get("loss", sum(event.losses.values()))
        self.total_loss.append(float(total))
        _grow(self.losses, event.losses, len(self.step))

    def add_validation(self, event: Validation) -> None:
        self.protocol = event.protocol
        self.validation_step.append(event.step)
        _grow(self.metrics, event.metrics, len(self.validation_step))
        self.baseline.update({name: float(value) for name, value in event.baseline.items()})

    def add_gradients(self, event: GradientNorms) -> None:
        self.gradient_step.append(event.step)
        _grow(self.gradients, event.norms, len(self.gradient_step))

    @property
    def terms(self) -> list[str]:
        """The loss's parts by name, where it has several."""
        names = [name for name in self.losses if name != "loss"]
        return names if len(names) > 1 else []

    def history(self) -> History:
        """A copy as arrays: the total loss, and its terms where there are several."""
        shown = {"loss": self.total_loss} | {name: self.losses[name] for name in self.terms}
        return History(
            step=np.array(self.step),
            losses={name: np.array(values) for name, values in shown.items()},
            lr=np.array(self.lr),
            validation_step=np.array(self.validation_step),
            validation={name: np.array(values) for name, values in self.metrics.items()},
            baseline=dict(self.baseline),
            protocol=self.protocol,
            gradient_step=np.array(self.gradient_step),
            gradients={name: np.array(values) for name, values in self.gradients.items()},
        )


def _grow(rows: dict[str, Row], told: Mapping[str, float], length: int) -> None:
    """Make each row ``length`` long; what was not told, of late or ever before, is NaN."""
    for name in told:
        if name not in rows:
            rows[name] = Row()
            for _ in range(length - 1):
                rows[name].append(NAN)
    for name, row in rows.items():
        row.append(float(told.get(name, NAN)))


def event_of(row: Mapping[str, str]) -> Step | Validation:
    """What a row of a metrics.csv tells.

    Raises
    ------
    KeyError, ValueError
        When a column is missing or no number.
    """
    names, step = list(row), int(row["step"])
    at = names.index("protocol")
    # The losses stand between the learning rate and the protocol, metrics behind it.
    losses = {n: float(row[n]) for n in names[names.index("lr") + 1 : at] if row[n]}
    if not row["protocol"]:
        return Step(step, float(row["epoch"]), losses, float(row["lr"]), float(row["seconds"]))
    told = {n: float(row[n]) for n in names[at + 1 :] if row[n]}
    noisy = {n.removeprefix("noisy_"): v for n, v in told.items() if n.startswith("noisy_")}
    metrics = {n: v for n, v in told.items() if not n.startswith("noisy_")}
    # Where no clean image is known the loss on held-out patches is what a row tells.
    return Validation(step, row["protocol"], losses | metrics, noisy)


def read_log(folder: Path) -> Work[RunLog]:
    """A run folder's log, named by the recipe's title and the folder; yields as it reads.

    A last row that was cut off while it was written is left out.

    Raises
    ------
    StudioError
        When there is no log, or it cannot be read or is damaged.
    """
    folder = Path(folder)
    path = folder / "metrics.csv"
    if not path.exists():
        raise StudioError(
            f"{folder} is not the folder of a training.",
            hint="Choose a folder with a metrics.csv in it.",
            path=folder,
        )
    name, network = _about(folder)
    log = RunLog(name, folder, network=network)
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            for number, row in enumerate(csv.DictReader(stream)):
                if number % ROWS_AT_ONCE == 0:
                    yield Progress(number, 0, "Reading curves")
                if None not in row.values():
                    log.add(event_of(row))
    except OSError as error:
        raise explain_os_error(error, path, "read") from error
    except (KeyError, ValueError, csv.Error) as error:
        raise StudioError(f"{path} is damaged.", path=path, details=repr(error)) from error
    for number, event in enumerate(read_gradients(folder)):
        if number % ROWS_AT_ONCE == 0:
            yield Progress(number, 0, "Reading gradients")
        log.add_gradients(event)
    return log


def _about(folder: Path) -> tuple[str, str]:
    """A run's name, and the name of its kind of network."""
    title = network = ""
    with suppress(OSError, ValueError, LookupError, TypeError, AttributeError):
        # The curves are what was asked for, whatever the recipe is like.
        recipe = tomllib.loads((folder / "recipe.toml").read_text(encoding="utf-8"))
        title = str(recipe.get("title", ""))
        network = str(recipe["phases"][-1]["model"]["name"])
    return f"{title} ({folder.name})" if title else folder.name, network

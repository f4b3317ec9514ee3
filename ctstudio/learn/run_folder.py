"""The folder of a training: recipe.toml, metrics.csv, previews/, last.pt, best.pt.

Where the recipe asks for it there is a gradients.csv, too.

It holds no patient's name and no path; the previews hold pixels alone.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import BaseFileLock, FileLock, Timeout
from numpy.typing import NDArray

from ctstudio.core.atomic import atomic_file, explain_os_error
from ctstudio.core.errors import StudioError
from ctstudio.core.events import GradientNorms, Note, Preview, Saved, Step, Validation
from ctstudio.learn.gradient_log import GradientLog
from ctstudio.learn.levels import to_levels, whole
from ctstudio.learn.metrics_log import LABEL_METRICS, METRICS, read_metrics, read_rows
from ctstudio.learn.recipe import Recipe
from ctstudio.learn.run_pictures import (
    STILL,
    file_of,
    make_preview,
    newest_reconstruction,
    preview_steps,
    read_exactly,
    read_previews,
    residual,
    save_arrays,
)
from ctstudio.learn.tasks import TASKS

if TYPE_CHECKING:
    from ctstudio.learn.board import Board
    from ctstudio.learn.checkpoint import TrainedModel

__all__ = [
    "NotSaved",
    "RunFolder",
    "is_held",
    "make_preview",
    "newest_reconstruction",
    "preview_steps",
    "read_exactly",
    "read_metrics",
    "read_previews",
    "residual",
]

RUN_CHECKPOINTS = ("best.pt", "last.pt")
"""What stands for a run folder, the first that exists."""
FLUSH_S = 1.0
LOCK = ".lock"


class NotSaved(StudioError):
    """A training's network could not be written in the end; ``model`` holds it."""

    def __init__(self, why: str, model: TrainedModel, path: Path) -> None:
        super().__init__(
            f"The trained network could not be saved. {why}",
            hint="Save it somewhere else before you close the program.",
            path=path,
        )
        self.model = model


class RunFolder:
    """Writes what a training leaves behind; one process at a time may hold a folder.

    Once it is begun, a full disk or a folder that goes away does not end the training: rows wait,
    earlier checkpoints stay, and `complaints` tells.

    Parameters
    ----------
    path
        A new or empty folder, or that of the run to go on with.
    recipe, losses
        The recipe, and the names of the losses, which are columns of ``metrics.csv``.
    resume_at
        The step of the checkpoint to go on from: rows and previews of later steps are dropped,
        since they are about to be made again. None for a new run.

    Raises
    ------
    StudioError
        When a new run's folder is not empty (nothing is ever overwritten), when another process
        is training in it, or when it cannot be written to.
    """

    def __init__(
        self, path: Path, recipe: Recipe, losses: list[str], *, resume_at: int | None = None
    ) -> None:
        self.path = Path(path)
        self._columns = ["step", "epoch", "seconds", "lr", *losses, "protocol"]
        labels = LABEL_METRICS if "labels" in TASKS[recipe.task.name].tags else ()
        self._columns += [*METRICS, *labels, *(f"noisy_{name}" for name in METRICS)]
        self._rows: list[dict[str, Any]] = []
        self._flushed_s = 0.0
        self._preview_s = 0.0
        self._thins = recipe.cadence.preview_every_steps == 0
        self.trouble = ""  # what could not be written of late
        self._told = ""
        self._board: Board | None = None
        self._gradients = GradientLog(self.path)
        self._resume_at, self._recipe = resume_at, recipe
        self._made = not self.path.exists()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if resume_at is None and any(self.path.iterdir()):
                raise StudioError(
                    f"Cannot train into {path}: the folder is not empty.",
                    hint="Choose a new folder; nothing is overwritten.",
                    path=path,
                )
            self._lock = _hold(self.path)
            (self.path / "previews").mkdir(exist_ok=True)
        except OSError as error:
            raise explain_os_error(error, self.path) from error
        try:
            if resume_at is None:
                recipe.save(self.path / "recipe.toml")
                self._write_rows(header=True)
        except BaseException:
            self.close()
            raise

    def begin(self) -> Iterator[Note]:
        """The training begins, and a resumed one forgets what it is about to make again."""
        if self._resume_at is not None:
            self._gradients.forget_after(self._resume_at)  # or refuses to go on
            yield from map(Note, self._forget_after(self._resume_at))
        if self._recipe.cadence.tensorboard:
            from ctstudio.learn.board import Board

            self._board = Board(self.path / "tensorboard", self._resume_at)

    def close(self) -> None:
        """Let other processes have the folder."""
        if self._board:
            self._board.close()
        self._lock.release()

    def make_again(self) -> bool:
        """Make a folder that has gone away anew, with what is still known of it; did that work?"""
        if self.path.exists():
            return False
        try:
            (self.path / "previews").mkdir(parents=True)
            self._recipe.save(self.path / "recipe.toml")
            self._write_rows(header=True)
        except (OSError, StudioError):
            return False
        return True

    def discard(self) -> None:
        """Let go of a new folder, and remove what a training that never began left in it."""
        self.close()
        for name in ("previews", "tensorboard"):
            shutil.rmtree(self.path / name, ignore_errors=True)
        for name in ("recipe.toml", "metrics.csv", *RUN_CHECKPOINTS, LOCK):
            with suppress(OSError):
                (self.path / name).unlink()
        if self._made:
            with suppress(OSError):  # somebody else may have put a file there
                self.path.rmdir()

    def complaints(self) -> Iterator[Note]:
        """What could not be written since the last call; the same is said once."""
        if self.trouble and self.trouble != self._told:
            self._told = self.trouble
            yield Note(f"{self.trouble} The training goes on and tries again.")
        self.trouble = ""

    def _miss(self, error: StudioError) -> None:
        self.trouble = f"{error.message} {error.hint}".strip()

    def save(
        self, model: TrainedModel, name: str, training: Mapping[str, Any] | None = None
    ) -> Saved | None:
        """Write a checkpoint; None where that fails, and then the one before stays as it is."""
        from ctstudio.learn import checkpoint  # loads torch, which who reads a run can do without

        try:
            checkpoint.save(model, self.path / name, training=training)
        except StudioError as error:
            self._miss(error)
            return None
        self._told = ""
        return Saved(model.step, self.path / name)

    def _forget_after(self, step: int) -> list[str]:
        remarks: list[str] = []
        rows: list[dict[str, str]] = []
        file = self.path / "metrics.csv"
        if file.exists():  # or it was cut off before the first step
            told, damaged = read_rows(file)
            rows = [row for row in told if int(row["step"]) <= step]
            if damaged:
                remarks.append(_set_aside(file, damaged[0]))
        with (
            atomic_file(file) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as stream,
        ):
            writer = csv.DictWriter(stream, self._columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
        for made in preview_steps(self.path):
            if made > step:
                file_of(self.path, made).unlink(missing_ok=True)
        for left in (*self.path.glob(".tmp-*"), *(self.path / "previews").glob(".tmp-*")):
            if left.is_file():
                left.unlink()  # what a killed process was writing
        return remarks

    def add_step(self, event: Step) -> None:
        """Keep a row; rows are written about once a second."""
        row = {"step": event.step, "epoch": f"{event.epoch:.5g}", "lr": f"{event.lr:.6g}"}
        row |= {"seconds": f"{event.seconds:.3f}"}
        self._rows.append(row | {name: f"{v:.7g}" for name, v in event.losses.items()})
        if self._board:
            self._board.add_step(event)
        if event.seconds - self._flushed_s >= FLUSH_S:
            self._flushed_s = event.seconds
            self.flush()

    def add_validation(self, event: Validation, seconds: float) -> None:
        """Write a row of its own for a validation."""
        row: dict[str, Any] = {"step": event.step, "seconds": f"{seconds:.3f}"}
        row |= {"protocol": event.protocol}
        row |= {name: f"{value:.6g}" for name, value in event.metrics.items()}
        row |= {f"noisy_{name}": f"{value:.6g}" for name, value in event.baseline.items()}
        self._rows.append(row)
        if self._board:
            self._board.add_validation(event)
        self.flush()

    def add_gradients(self, events: Iterable[GradientNorms]) -> None:
        """Keep rows of gradients.csv; they are written together with the others."""
        self._gradients.add(events)

    def add_preview(
        self, event: Preview, seconds: float, exact: NDArray[np.float64] | None = None
    ) -> None:
        """Write the reconstruction, in whole HU where that suits it; the still panels once.

        Files get rarer as the training gets longer (each at least 2 % later than the one
        before), so that a night's training leaves hundreds and not thousands; but for recipes
        that count the steps between previews, of which all are kept. ``exact`` is the
        reconstruction with more digits, where it has them.
        """
        panels, folder = event.panels, self.path / "previews"
        if event.step and self._thins and seconds < 1.02 * self._preview_s:
            return
        self._preview_s = seconds
        about = {"step": event.step, "slice": event.slice, "metrics": dict(event.metrics)}
        about |= {"labels": True} if event.labels else {}
        picked = panels["reconstruction"] if exact is None else exact
        stored, levels = to_levels(picked, event.labels)
        about |= levels
        picture = {"reconstruction": stored, "about": np.array(json.dumps(about))}
        if event.inside is not None:
            picture["inside"] = np.rint(255 * event.inside).astype(np.uint8)
        try:
            if event.step == 0 or not (folder / STILL).exists():
                still = {n: whole(panels[n]) for n in ("noisy", "target") if n in panels}
                save_arrays(folder / STILL, still)
            save_arrays(file_of(self.path, event.step), picture)
        except StudioError as error:
            self._miss(error)

    def flush(self) -> None:
        """Write the rows that wait; where that fails they go on waiting."""
        try:
            self._write_rows()
            self._gradients.write()
        except StudioError as error:
            self._miss(error)

    def _write_rows(self, *, header: bool = False) -> None:
        file = self.path / "metrics.csv"
        size = file.stat().st_size if file.exists() else 0
        try:
            with file.open("a", newline="", encoding="utf-8") as stream:
                writer = csv.DictWriter(stream, self._columns, extrasaction="ignore")
                if header:
                    writer.writeheader()
                writer.writerows(self._rows)
        except OSError as error:
            with suppress(OSError):
                os.truncate(file, size)  # half a row must not stay before the next
            raise explain_os_error(error, file) from error
        self._rows.clear()


def _set_aside(file: Path, line: int) -> str:
    """Keep a copy of a damaged metrics.csv, whose sound rows alone are about to be kept."""
    number, copy = 1, file.with_name("metrics-damaged.csv")
    while copy.exists():
        number += 1
        copy = file.with_name(f"metrics-damaged-{number}.csv")
    try:
        shutil.copyfile(file, copy)
    except OSError as error:
        raise explain_os_error(error, copy) from error
    return (
        f"{file} is damaged (line {line}): the rows that can be read are kept, and the file as it "
        f"was is now {copy.name}."
    )


def _hold(path: Path) -> BaseFileLock:
    """Lock a run folder; the system lets go of it when the process ends, however it ends."""
    # A generator may be closed by another thread than that which began it.
    lock = FileLock(path / LOCK, timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise StudioError(
            f"Cannot train into {path}: another training is running there.",
            hint="Stop it first, or choose another folder.",
            path=path,
        ) from error
    return lock


def is_held(path: Path) -> bool:
    """Whether a training is running in a run folder, in this process or another."""
    file = Path(path) / LOCK
    if not file.exists():
        return False
    try:
        with FileLock(file, timeout=0, thread_local=False):
            return False
    except Timeout:
        return True
    except OSError:  # a folder that may not be written to: nothing can train there
        return False

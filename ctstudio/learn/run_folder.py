"""The folder of a training: recipe.toml, metrics.csv, previews/, last.pt, best.pt.

Where the recipe asks for it there is a gradients.csv, too.

It holds no patient's name and no path; the previews hold pixels alone.
"""

from __future__ import annotations

import csv
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from filelock import BaseFileLock, FileLock, Timeout
from numpy.typing import NDArray

from ctstudio.core.atomic import atomic_file, explain_os_error
from ctstudio.core.errors import StudioError
from ctstudio.core.events import GradientNorms, Note, Preview, Saved, Step, Validation
from ctstudio.learn.gradient_log import GradientLog
from ctstudio.learn.levels import from_levels, to_levels, whole
from ctstudio.learn.recipe import Recipe

if TYPE_CHECKING:
    from ctstudio.learn.board import Board
    from ctstudio.learn.checkpoint import TrainedModel

METRICS = ("psnr", "ssim", "rmse", "dice")
RUN_CHECKPOINTS = ("best.pt", "last.pt")
"""What stands for a run folder, the first that exists."""
FLUSH_S = 1.0


class NotSaved(StudioError):
    """A training's network could not be written in the end; ``model`` holds it."""

    def __init__(self, why: str, model: TrainedModel) -> None:
        super().__init__(
            f"The trained network could not be saved. {why}",
            hint="Save it somewhere else before you close the program.",
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
        self._columns += [*METRICS, *(f"noisy_{name}" for name in METRICS)]
        self._rows: list[dict[str, Any]] = []
        self._flushed_s = 0.0
        self._preview_s = 0.0
        self._thins = recipe.cadence.preview_every_steps == 0
        self.trouble = ""  # what could not be written of late
        self._told = ""
        self._board: Board | None = None
        self._gradients = GradientLog(self.path)
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
            else:
                self._forget_after(resume_at)
                self._gradients.forget_after(resume_at)
            if recipe.cadence.tensorboard:
                from ctstudio.learn.board import Board

                self._board = Board(self.path / "tensorboard", resume_at)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let other processes have the folder."""
        if self._board:
            self._board.close()
        self._lock.release()

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

    def _forget_after(self, step: int) -> None:
        rows = []
        if (self.path / "metrics.csv").exists():  # or it was cut off before the first step
            rows = [row for row in read_metrics(self.path) if int(row["step"]) <= step]
        with (
            atomic_file(self.path / "metrics.csv") as temporary,
            temporary.open("w", newline="", encoding="utf-8") as stream,
        ):
            writer = csv.DictWriter(stream, self._columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
        for file in (self.path / "previews").glob("step-*.npz"):
            if int(file.stem.removeprefix("step-")) > step:
                file.unlink()
        for left in (*self.path.glob(".tmp-*"), *(self.path / "previews").glob(".tmp-*")):
            left.unlink()  # what a killed process was writing

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
        try:
            if event.step == 0:
                still = {n: whole(panels[n]) for n in ("noisy", "target") if n in panels}
                _save_arrays(folder / "still.npz", still)
            _save_arrays(folder / f"step-{event.step:08d}.npz", picture)
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


def _hold(path: Path) -> BaseFileLock:
    """Lock a run folder; the system lets go of it when the process ends, however it ends."""
    # A generator may be closed by another thread than that which began it.
    lock = FileLock(path / ".lock", timeout=0, thread_local=False)
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
    file = Path(path) / ".lock"
    if not file.exists():
        return False
    try:
        with FileLock(file, timeout=0, thread_local=False):
            return False
    except Timeout:
        return True
    except OSError:  # a folder that may not be written to: nothing can train there
        return False


def preview_steps(path: Path) -> list[int]:
    """The steps of which a run folder holds a preview, in order."""
    files = (Path(path) / "previews").glob("step-*.npz")
    return sorted(int(file.stem.removeprefix("step-")) for file in files)


def read_previews(path: Path, *, step: int | None = None) -> Iterator[Preview]:
    """The previews of a run folder, in order, for a film of the training; or one step's alone."""
    folder = Path(path) / "previews"
    still = _load_arrays(folder / "still.npz")
    noisy = _single(still["noisy"], {})
    target = _single(still["target"], {}) if "target" in still else None
    for number in preview_steps(path) if step is None else [step]:
        arrays = _load_arrays(folder / f"step-{number:08d}.npz")
        about = json.loads(str(arrays["about"]))
        yield make_preview(
            about["step"], about["slice"], noisy, _single(arrays["reconstruction"], about), target,
            about["metrics"], labels=about.get("labels", False),
        )  # fmt: skip


def read_exactly(path: Path, step: int) -> NDArray[np.float64]:
    """The reconstruction of one preview ``(y, x)`` in HU, with all the digits that were kept."""
    arrays = _load_arrays(Path(path) / "previews" / f"step-{step:08d}.npz")
    return from_levels(arrays["reconstruction"], json.loads(str(arrays["about"])))


def newest_reconstruction(path: Path) -> tuple[NDArray[np.float32], bool] | None:
    """That of the last preview alone, ``(y, x)``, and whether it holds classes and not HU.

    None where there is no preview.
    """
    steps = preview_steps(path)
    if not steps:
        return None
    file = Path(path) / "previews" / f"step-{steps[-1]:08d}.npz"
    arrays = _load_arrays(file)
    about = json.loads(str(arrays["about"]))
    return _single(arrays["reconstruction"], about), about.get("labels", False)


def make_preview(
    step: int,
    index: int,
    noisy: NDArray[np.float32],
    reconstruction: NDArray[np.float32],
    target: NDArray[np.float32] | None,
    metrics: Mapping[str, float],
    *,
    labels: bool = False,
) -> Preview:
    """A preview from ``(y, x)`` HU; the residual is the reconstruction minus the noisy input.

    With ``labels`` reconstruction and target are class numbers, and the residual is what the one
    has more than the other.

    Without a known ``target`` that panel is left out.
    """
    panels = {"noisy": noisy, "reconstruction": reconstruction}
    if target is not None:
        panels["target"] = target
    panels["residual"] = residual(panels, labels)
    for panel in panels.values():
        panel.setflags(write=False)
    return Preview(step, index, panels, "HU", metrics, labels)


def residual(panels: Mapping[str, NDArray[np.float32]], labels: bool) -> NDArray[np.float32]:
    """The reconstruction minus the noisy image; of classes, minus the target where it is known."""
    if not labels:
        return panels["reconstruction"] - panels["noisy"]
    target = panels.get("target")
    if target is None:
        return np.zeros_like(panels["reconstruction"])
    return np.where(target < 0, 0, panels["reconstruction"] - target).astype(np.float32)


def read_metrics(path: Path) -> list[dict[str, str]]:
    """The rows of a run folder's metrics.csv; what a row does not tell is an empty text.

    A last row that was cut off while it was written is left out.
    """
    file = Path(path) / "metrics.csv"
    try:
        with file.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            return [row for row in reader if None not in row.values() and row["step"].isdigit()]
    except OSError as error:
        raise explain_os_error(error, file, "read") from error


def _single(stored: NDArray[np.int16], about: Mapping[str, Any]) -> NDArray[np.float32]:
    return from_levels(stored, about).astype(np.float32)


def _save_arrays(path: Path, arrays: dict[str, Any]) -> None:
    with atomic_file(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


def _load_arrays(path: Path) -> dict[str, Any]:
    try:
        # NumPy leaves a damaged file open that it has opened itself.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except OSError as error:
        raise explain_os_error(error, path, "read") from error
    except (ValueError, EOFError, BadZipFile, zlib.error) as error:
        raise StudioError(f"{path} is damaged.", hint="Delete it.", path=path) from error

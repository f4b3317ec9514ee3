"""The history of trainings: what each run folder holds. Loads no torch."""

from __future__ import annotations

import math
import os
import tomllib
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.atomic import explain_os_error
from ctstudio.core.errors import StudioError
from ctstudio.core.events import Preview, Progress, Work
from ctstudio.figures.curves import History
from ctstudio.learn.gradient_log import read_gradients
from ctstudio.learn.metrics_log import number, read_metrics
from ctstudio.learn.recipe import Recipe
from ctstudio.learn.run_folder import (
    RUN_CHECKPOINTS,
    is_held,
    newest_reconstruction,
    preview_steps,
    read_previews,
)
from ctstudio.learn.saved_step import saved_step
from ctstudio.workflows.run_settings import flatten
from ctstudio.workflows.standing import NOISY, Standing, metrics_of

State = Literal["running", "finished", "stopped", "failed", "damaged"]
MARKS = ("recipe.toml", "metrics.csv", *RUN_CHECKPOINTS)
"""A folder with any of these is that of a training."""


@dataclass(frozen=True)
class RunSummary:
    """One training at a glance.

    ``settings`` are those of its recipe by their path ("phases.0.optimiser.lr"); ``begun`` is a
    POSIX time. ``best`` and ``baseline`` are "psnr" (dB), "ssim", "rmse" (HU) or "dice" under
    ``protocol``, of the network at ``best_step`` and of its noisy input; where no truth was known
    ``best`` has the "loss" on held-out patches alone. ``reason`` says what is wrong with a run
    that failed or is damaged, or that not all of it was saved.
    """

    folder: Path
    state: State
    reason: str = ""
    title: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)
    begun: float = 0.0
    steps: int = 0
    total_steps: int = 0
    seconds: float = 0.0
    protocol: str = ""
    best: Mapping[str, float] = field(default_factory=dict)
    best_step: int = 0
    baseline: Mapping[str, float] = field(default_factory=dict)
    size_bytes: int = 0
    network: Path | None = None
    can_continue: bool = False
    stamp: tuple[tuple[int, int], ...] = ()  # of its files, to tell whether it has changed

    @property
    def name(self) -> str:
        return self.folder.name


def default_folder() -> Path:
    """Where the window keeps its trainings."""
    import platformdirs

    return Path(platformdirs.user_data_dir("ctstudio", False)) / "runs"


def scan_runs(folder: Path, known: Iterable[RunSummary] = ()) -> Work[list[RunSummary]]:
    """The trainings in a folder (or the one that it is itself), the newest first.

    Yields ``Progress``. A damaged run is in the list, with what is wrong with it; a folder that
    does not exist has no runs. Of those in ``known`` (an earlier scan's) that have not changed
    nothing is read again.

    Raises
    ------
    StudioError
        When the folder cannot be read.
    """
    folder = Path(folder)
    try:
        found = [folder] if _is_run(folder) else sorted(filter(_is_run, folder.iterdir()))
    except FileNotFoundError:
        found = []
    except OSError as error:
        raise explain_os_error(error, folder, "read") from error
    before = {run.folder: run for run in known}
    runs: list[RunSummary] = []
    for path in found:
        yield Progress(len(runs), len(found), "Reading trainings")
        try:
            old = before.get(path)
            same = old and old.stamp == _stamp(path) and is_held(path) == (old.state == "running")
            runs.append(old if old and same else summarise(path))
        except Exception as error:  # whatever a foreign file holds, the others are listed
            why = f"It cannot be read ({type(error).__name__}: {error})."
            runs.append(RunSummary(path, "damaged", why, begun=_begun(path)))
    return sorted(runs, key=lambda run: (run.begun, run.name), reverse=True)


def _is_run(folder: Path) -> bool:
    return folder.is_dir() and any((folder / name).exists() for name in MARKS)


def summarise(folder: Path) -> RunSummary:
    """What one run folder holds; whatever is wrong with it stands in ``reason``."""
    known: dict[str, Any] = {"begun": _begun(folder), "stamp": _stamp(folder)}
    known["size_bytes"] = _size(folder)
    problems: list[str] = []
    recipe: Recipe | None = None
    try:
        known["settings"] = raw = _raw_settings(folder / "recipe.toml")
        known["title"] = str(raw.get("title", ""))
        recipe = Recipe.load(folder / "recipe.toml")
        known |= {"settings": flatten(recipe.to_dict()), "total_steps": recipe.total_steps}
    except StudioError as error:
        problems.append(error.message)
    standing = Standing([], {})
    try:
        standing = Standing.read(folder / "metrics.csv")
        if standing.damaged:
            problems.append(f"metrics.csv is damaged (line {standing.damaged}).")
    except StudioError as error:
        problems.append(error.message)
    networks = [folder / name for name in RUN_CHECKPOINTS if (folder / name).exists()]
    bad = [path for path in networks if not zipfile.is_zipfile(path)]
    problems += [f"{path} is not a network: it is damaged." for path in bad]
    known["network"] = next((path for path in networks if path not in bad), None)
    # A full disk may have taken rows of figures for longer than it took networks.
    best, last = (saved_step(folder / name) for name in RUN_CHECKPOINTS)
    known |= (standing if best is None else standing.until(best)).known()
    unsaved = last is not None and last < known.get("steps", 0)
    ended = recipe is not None and standing.ended(recipe) and not unsaved
    state: State = "finished" if ended else "stopped"
    if is_held(folder):
        state = "running"
    elif problems:
        state = "damaged"
    elif not networks:
        state, problems = "failed", ["It ended before its network was saved for the first time."]
    elif unsaved:
        problems = [f"The steps after {last:,} were not saved."]
    known["can_continue"] = state == "stopped" and folder / "last.pt" in networks
    # Whoever reads the reason knows which folder it is.
    reason = " ".join(problems).replace(f"{folder}{os.sep}", "")
    return RunSummary(folder, state, reason, **known)


def _raw_settings(path: Path) -> dict[str, object]:
    """A recipe's settings as they stand in its file, even if this version knows them not."""
    try:
        return flatten(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise explain_os_error(error, path, "read") from error
    except ValueError:  # no TOML, or no text: who reads the recipe says it better
        return {}


def _stamp(folder: Path) -> tuple[tuple[int, int], ...]:
    stamps = []
    for name in MARKS:
        try:
            about = (folder / name).stat()
        except OSError:
            stamps.append((0, 0))
        else:
            stamps.append((about.st_mtime_ns, about.st_size))
    return tuple(stamps)


def _begun(folder: Path) -> float:
    """The recipe is written when a run begins, and never again."""
    for path in (folder / "recipe.toml", folder):
        with suppress(OSError):
            return path.stat().st_mtime
    return 0.0


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # a running training replaces its files
            total += path.stat().st_size
    return total


# -- one run -------------------------------------------------------------------------------------


def load_history(folder: Path) -> History:
    """A run's curves; the total loss, and its terms where there are several.

    Raises
    ------
    StudioError
        When metrics.csv cannot be read or is damaged.
    """
    path = Path(folder) / "metrics.csv"
    try:
        rows = read_metrics(folder)
        names = list(rows[0]) if rows else ["lr", "protocol"]
        losses = names[names.index("lr") + 1 : names.index("protocol")]
        steps = [row for row in rows if not row["protocol"]]
        judged = [row for row in rows if row["protocol"]]
        shown = losses if len(losses) > 2 else losses[:1]
        told = dict.fromkeys(name for row in judged for name in metrics_of(row))
        metrics = [name for name in told if not name.startswith(NOISY)]
        noisy = {n: number(judged[-1].get(f"{NOISY}{n}", "")) for n in metrics}
        return History(
            step=np.array([int(row["step"]) for row in steps]),
            losses={n: np.array([number(row[n]) for row in steps]) for n in shown},
            lr=np.array([number(row["lr"]) for row in steps]),
            validation_step=np.array([int(row["step"]) for row in judged]),
            validation={n: np.array([number(row[n]) for row in judged]) for n in metrics},
            baseline={n: value for n, value in noisy.items() if math.isfinite(value)},
            protocol=judged[-1]["protocol"] if judged else "A",
            **_gradients(folder),
        )
    except (KeyError, ValueError) as error:
        raise StudioError(f"{path} is damaged.", path=path) from error


def _gradients(folder: Path) -> dict[str, Any]:
    told = list(read_gradients(folder))
    layers = list(told[0].norms) if told else []
    return {
        "gradient_step": np.array([event.step for event in told]),
        "gradients": {name: np.array([event.norms[name] for event in told]) for name in layers},
    }


def preview_at(folder: Path, step: int | None = None) -> Preview | None:
    """The last picture that a run left behind up to ``step``, or of all; None without any.

    Raises
    ------
    StudioError
        When it cannot be read.
    """
    try:
        steps = preview_steps(folder)
        before = [made for made in steps if step is None or made <= step] or steps[:1]
        return next(read_previews(folder, step=before[-1]), None) if before else None
    except (KeyError, TypeError, ValueError) as error:
        raise StudioError(f"The previews in {folder} are damaged.", path=folder) from error


def thumbnail(folder: Path, side_px: int = 64) -> tuple[NDArray[np.float32], bool] | None:
    """The newest reconstruction ``(y, x)``, averaged over squares of pixels; is it of classes?

    Its values are HU, or class numbers. Its longer side has ``side_px`` to twice as many pixels;
    None where there is no picture.
    """
    try:
        found = newest_reconstruction(folder)
    except (StudioError, KeyError, ValueError):
        return None
    if found is None:
        return None
    hu, labels = found
    by = max(max(hu.shape) // side_px, 1)
    rows, columns = hu.shape[0] // by, hu.shape[1] // by
    squares = hu[: rows * by, : columns * by].reshape(rows, by, columns, by)
    small: NDArray[np.float32] = squares.mean((1, 3), dtype=np.float32)
    return small, labels


def trash(folder: Path) -> None:
    """Move a run to the system's bin.

    Raises
    ------
    StudioError
        When a training is running in it, it is no run, or there is no bin for it.
    """
    folder = Path(folder)
    if not _is_run(folder):
        raise StudioError(f"{folder} is not the folder of a training.", path=folder)
    if is_held(folder):
        raise StudioError(
            f"{folder} cannot be deleted: its training is running.",
            hint="Stop it first.",
            path=folder,
        )
    from send2trash import send2trash

    try:
        send2trash(folder)
    except OSError as error:
        raise StudioError(
            f"{folder} cannot be moved to the bin.",
            hint="Delete the folder yourself if you no longer need it.",
            path=folder,
            details=str(error),
        ) from error

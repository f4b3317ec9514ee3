"""Going on with a training: what a checkpoint holds beyond the weights, and how it is taken up."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ctstudio.core.errors import StudioError
from ctstudio.ct.volume import Volume
from ctstudio.learn import checkpoint
from ctstudio.learn import device as devices
from ctstudio.learn.checkpoint import TrainedModel
from ctstudio.learn.draws import DRAWS_APART
from ctstudio.learn.judge import Judge
from ctstudio.learn.metrics_log import read_rows
from ctstudio.learn.outline import misfit
from ctstudio.learn.recipe import Recipe
from ctstudio.learn.tasks import Task
from ctstudio.learn.trainee import Trainee
from ctstudio.learn.watch import Watch

MOST = 10**12  # of whatever a training counts, or its seconds
MOST_SHRUNK = 64


@dataclass
class Place:
    """Where in its recipe a training is; ``seconds`` is its time when it was last saved."""

    phase: int = 0
    first_step: int = 0
    first_s: float = 0.0
    epoch: float = 0.0
    seconds: float = 0.0
    batches: int = 0  # so many were learnt from
    shrunk: int = 0  # how often a step's memory was halved
    preview_slice: int | None = None

    @classmethod
    def read(cls, state: Mapping[str, Any], recipe: Recipe, step: int) -> Place:
        """The place that a checkpoint of that ``step`` tells of; ValueError where none is like it.

        A wrong one would train for ever, or not at all.
        """
        place = cls(**state)
        if missing := {"phase", "first_step", "batches"} - set(state):
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
        phase = recipe.phases[_whole("phase", place.phase, 0, len(recipe.phases) - 1)]
        before = sum(earlier.steps for earlier in recipe.phases[: place.phase])
        _whole("first_step", place.first_step, 0, before)
        _whole("step", step, place.first_step, place.first_step + phase.steps)
        for name in ("first_s", "epoch", "seconds"):
            _real(name, getattr(place, name))
        _whole("batches", place.batches, 0, DRAWS_APART - 1)
        _whole("shrunk", place.shrunk, 0, MOST_SHRUNK)
        if place.preview_slice is not None:
            _whole("preview_slice", place.preview_slice, 0, MOST)
        return place

    def enter(self, phase: int, step: int, seconds: float) -> None:
        """A phase begins."""
        self.phase, self.first_step, self.first_s = phase, step, seconds


@dataclass(frozen=True)
class Start:
    """What a training begins from: nothing, another training's weights, or its own checkpoint."""

    model: TrainedModel | None = None
    state: Mapping[str, Any] = field(default_factory=dict)
    resumes: bool = False
    place: Place = field(default_factory=Place)
    path: Path = Path()
    remarks: Sequence[str] = ()  # what to say of it

    @property
    def step(self) -> int:
        """The step to go on from; -1 where there is none."""
        return self.model.step if self.resumes and self.model else -1

    def preview_slice(self, wish: int | None) -> int | None:
        """The slice to show: a resumed run goes on with the one that it showed before."""
        return wish if self.step < 0 else self.place.preview_slice

    def require_data(self, data: str) -> None:
        """Raise StudioError where a resumed run learnt from other series."""
        if self.resumes and self.state.get("data", data) != data:
            raise StudioError(
                "These are not the series that the run was trained on.",
                hint="Open the same series in the same order, or start a new run from its weights.",
            )

    def begin(
        self,
        trainee: Trainee,
        judge: Judge,
        watch: Watch,
        task: Task,
    ) -> Place:
        """Bring a training's parts to where this says; returns the place in the recipe.

        Raises
        ------
        StudioError
            When the state of a resumed training is damaged.
        """
        if self.model is None:
            return Place()
        if not self.resumes:
            trainee.take_weights(self.model, self.state)
            return Place()
        trainee.begin(trainee.recipe.phases[self.place.phase])
        with _damaged_unless_it_works(self.path):
            _check(self.model, self.state)
            trainee.restore(self.model, self.state)
            if not trainee.is_sound():
                raise ValueError("not all of it is numbers")
            judge.restore(self.state["judge"])
            watch.restore(self.state["watch"])
            if not all(task.shrink() for _ in range(self.place.shrunk)):
                raise ValueError(f"shrunk is {self.place.shrunk}")
        return self.place


def collect(
    trainee: Trainee,
    judge: Judge,
    watch: Watch,
    place: Place,
    data: str,
) -> dict[str, Any]:
    """What `Start.begin` needs; numbers, texts and tensors alone."""
    return trainee.state() | {
        "place": asdict(place),
        "judge": judge.state(),
        "watch": watch.state(),
        "data": data,
    }


def starting_point(
    recipe: Recipe, run_folder: Path | None, resume: bool, branch_from: Path | None
) -> Start:
    """Read what a training begins from.

    Raises
    ------
    StudioError
        When there is nothing to go on with, the checkpoint cannot be read or is of another recipe,
        or, for a branch, of another network.
    """
    if resume:
        return _resumed(recipe, run_folder)
    if branch_from is None:
        return Start()
    return _branched(recipe, Path(branch_from))


def _branched(recipe: Recipe, given: Path) -> Start:
    path = given / "last.pt" if given.is_dir() else given
    best = given / "best.pt"
    remarks: list[str] = []
    try:
        model, state = checkpoint.load_training(path if path.exists() else given)
    except StudioError as error:
        if not path.is_file() or not best.is_file():
            raise
        remarks.append(f"{error.message} The training begins with {best} instead.")
        path = best
        model, state = checkpoint.load_training(path)
    if model.recipe.phases[-1].model != recipe.phases[0].model:
        raise StudioError(
            f"{path} holds another network than the recipe asks for.",
            hint="Keep the network of the run that you branch from.",
            path=path,
        )
    weights = state.get("weights")
    if weights and (why := misfit(weights, model.module.state_dict())):
        remarks.append(f"The last weights in {path} are damaged ({why}): their mean is taken.")
        state = {}
    return Start(model, state, remarks=remarks)


def _resumed(recipe: Recipe, run_folder: Path | None) -> Start:
    if run_folder is None or not (run_folder / "recipe.toml").is_file():
        raise StudioError(
            f"There is no run to resume in {run_folder}.", hint="Choose the folder of a training."
        )
    path = run_folder / "last.pt"
    if not path.exists():
        _refuse_what_is_lost(run_folder)
        return Start(resumes=True)  # it was cut off before its first step
    model, state = checkpoint.load_training(path)
    if not state:
        raise StudioError(
            f"{path} holds a network but not the state of its training.",
            hint="Start a new run from its weights instead.",
            path=path,
        )
    if model.recipe != recipe:
        raise StudioError(
            f"The run in {run_folder} was made with another recipe.",
            hint="Resume it with its own recipe, or start a new run from its weights.",
            path=path,
        )
    with _damaged_unless_it_works(path):
        place = Place.read(state["place"], recipe, model.step)
    return Start(model, state, resumes=True, place=place, path=path)


def _refuse_what_is_lost(run_folder: Path) -> None:
    """A run that begins anew must have nothing to lose: the first step follows a checkpoint."""
    best, file = run_folder / "best.pt", run_folder / "metrics.csv"
    if not best.exists() and not (file.exists() and any(read_rows(file))):
        return
    way_out = "Begin a new run with its best network (--branch)."
    raise StudioError(
        f"The run in {run_folder} cannot go on: its last.pt is gone.",
        hint=way_out if best.exists() else "Begin a new run; this one stays as it is.",
        path=run_folder,
    )


@contextmanager
def _damaged_unless_it_works(path: Path) -> Iterator[None]:
    """Whatever fails while a state is taken up means the same to the user."""
    try:
        yield
    except (StudioError, MemoryError):
        raise
    except Exception as error:
        if devices.is_out_of_memory(error):
            raise
        raise StudioError(
            f"{path} is damaged: the training cannot go on from it.",
            hint="Begin a new run with its weights (--branch).",
            path=path,
            details=f"{type(error).__name__}: {error}",
        ) from error


def _check(model: TrainedModel, state: Mapping[str, Any]) -> None:
    """Raise ValueError where a training's state would fail only later, or never end."""
    wanted, judge, watch = model.module.state_dict(), state["judge"], state["watch"]
    for weights in (state["weights"], judge["best_weights"] or wanted):
        if why := misfit(weights, wanted):
            raise ValueError(why)
    if not 0 < _real("rate_factor", state["rate_factor"]) <= 1:
        raise ValueError("rate_factor is not above 0")
    torch.Generator().set_state(state["draws"])
    _whole("judged_step", judge["judged_step"], -1, model.step)
    _whole("best_step", judge["best_step"], 0, model.step)
    _whole("since_best", judge["since_best"], 0, MOST)
    for name in ("metrics", "best_metrics", "baseline"):
        for key, value in judge[name].items():
            _real(f"{name}.{key}", value, finite=False)
    if math.isnan(_real("best_score", judge["best_score"], finite=False)):
        raise ValueError("best_score is no number")
    for name in ("roll_backs", "count"):
        _whole(name, watch[name], 0, MOST)
    if math.isnan(_real("mean", watch["mean"], finite=False)):
        raise ValueError("mean is no number")


def _whole(name: str, value: Any, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name} is {str(value)[:40]}")
    return value


def _real(name: str, value: Any, *, finite: bool = True) -> float:
    if type(value) not in (int, float) or (finite and not 0 <= value <= MOST):
        raise ValueError(f"{name} is {str(value)[:40]}")
    return float(value)


def fingerprint(volumes: Sequence[Volume]) -> str:
    """A short text that tells series apart by their voxels and their scale."""
    digest = hashlib.blake2b(digest_size=16)
    for volume in volumes:
        digest.update(repr((volume.shape, str(volume.voxels.dtype))).encode())
        for array in (volume.slope, volume.intercept):
            digest.update(np.ascontiguousarray(array, np.float64).tobytes())
        for plane in volume.voxels:
            digest.update(np.ascontiguousarray(plane).tobytes())
    return digest.hexdigest()

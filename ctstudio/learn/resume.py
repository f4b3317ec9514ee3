"""Going on with a training: what a checkpoint holds beyond the weights, and how it is taken up."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ctstudio.core.errors import StudioError
from ctstudio.ct.volume import Volume
from ctstudio.learn import checkpoint
from ctstudio.learn.checkpoint import TrainedModel
from ctstudio.learn.judge import Judge
from ctstudio.learn.recipe import Recipe
from ctstudio.learn.tasks import Task
from ctstudio.learn.trainee import Trainee
from ctstudio.learn.watch import Watch


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

    def enter(self, phase: int, step: int, seconds: float) -> None:
        """A phase begins."""
        self.phase, self.first_step, self.first_s = phase, step, seconds


@dataclass(frozen=True)
class Start:
    """What a training begins from: nothing, another training's weights, or its own checkpoint."""

    model: TrainedModel | None = None
    state: Mapping[str, Any] = field(default_factory=dict)
    resumes: bool = False

    @property
    def step(self) -> int:
        """The step to go on from; -1 where there is none."""
        return self.model.step if self.resumes and self.model else -1

    def preview_slice(self, wish: int | None) -> int | None:
        """The slice to show: a resumed run goes on with the one that it showed before."""
        if self.step < 0:
            return wish
        before: int | None = self.state["place"]["preview_slice"]
        return before

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
        """Bring a training's parts to where this says; returns the place in the recipe."""
        if self.model is None:
            return Place()
        if not self.resumes:
            trainee.take_weights(self.model, self.state)
            return Place()
        place = Place(**self.state["place"])
        trainee.begin(trainee.recipe.phases[place.phase])
        trainee.restore(self.model, self.state)
        judge.restore(self.state["judge"])
        watch.restore(self.state["watch"])
        for _ in range(place.shrunk):
            task.shrink()
        return place


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
    path = Path(branch_from)
    if path.is_dir():
        path = path / "last.pt"
    model, state = checkpoint.load_training(path)
    if model.recipe.phases[-1].model != recipe.phases[0].model:
        raise StudioError(
            f"{path} holds another network than the recipe asks for.",
            hint="Keep the network of the run that you branch from.",
            path=path,
        )
    return Start(model, state)


def _resumed(recipe: Recipe, run_folder: Path | None) -> Start:
    if run_folder is None or not (run_folder / "recipe.toml").is_file():
        raise StudioError(
            f"There is no run to resume in {run_folder}.", hint="Choose the folder of a training."
        )
    path = run_folder / "last.pt"
    if not path.exists():
        return Start(resumes=True)  # it was cut off before its first checkpoint
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
    return Start(model, state, resumes=True)


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

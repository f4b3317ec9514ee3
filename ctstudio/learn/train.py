"""The one training loop.

``for event in train(recipe, volumes): ...`` is the whole interface. To cancel is to close the
generator, to pause is not to ask for the next event.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Saved, Step, Validation, Work
from ctstudio.ct.volume import Volume
from ctstudio.learn import checkpoint
from ctstudio.learn import device as devices
from ctstudio.learn.checkpoint import TrainedModel
from ctstudio.learn.judge import Judge, Stage
from ctstudio.learn.pace import Budget, Clock
from ctstudio.learn.recipe import MAIN, Recipe
from ctstudio.learn.run_folder import RunFolder
from ctstudio.learn.tasks import TASKS, Task
from ctstudio.learn.trainee import Trainee, loss_names

REMEMBER_EVERY = 50
MOST_ROLL_BACKS = 3


def train(
    recipe: Recipe,
    volumes: Sequence[Volume],
    *,
    run_folder: Path | None = None,
    preview_slice: int | None = None,
) -> Work[TrainedModel]:
    """Train the network of a recipe.

    Parameters
    ----------
    recipe
        What to do.
    volumes
        The series to learn from, in HU. A block of slices of each is held out.
    run_folder
        A new or empty folder for the recipe, the losses, the previews and the checkpoints; None
        to leave nothing behind.
    preview_slice
        Index of the slice of the first series that is shown; by default a held-out one.

    Returns
    -------
    TrainedModel
        The averaged weights that did best on the held-out slices (RMSE, protocol A).

    Raises
    ------
    StudioError
        On a mistake in the recipe, nothing to learn from, or a folder that cannot be used.

    Notes
    -----
    Yields `Progress` while the data is prepared; then `Step`, `Preview` (panels "noisy",
    "reconstruction", "target" and "residual" = reconstruction - noisy, HU), `Validation`,
    `Saved` and `Note`. Closing the generator saves ``last.pt``. On the CPU, and with a limit on
    steps alone, two runs agree bit for bit.
    """
    recipe = recipe.checked()
    _refuse_what_cannot_be_trained(recipe)
    clock = Clock()
    return (yield from clock.drive(_train(recipe, volumes, run_folder, preview_slice, clock)))


def _train(
    recipe: Recipe,
    volumes: Sequence[Volume],
    run_folder: Path | None,
    preview_slice: int | None,
    clock: Clock,
) -> Work[TrainedModel]:
    devices.cap_threads()
    device = devices.choose(recipe.device)
    yield Note(f"Training on {device}.")
    names = ["loss", *dict.fromkeys(n for p in recipe.phases for n in loss_names(p.losses))]
    folder = RunFolder(run_folder, recipe, names) if run_folder is not None else None
    task: Task = TASKS.make(recipe.task)
    yield from task.prepare(recipe, volumes, preview_slice, device.torch)

    generator = torch.Generator().manual_seed(recipe.seed)
    trainee = Trainee(recipe, device.torch)
    judge = Judge(task)
    stage = Stage(task.preview)
    previews = Budget(recipe.cadence.preview_time_share)
    validations = Budget(recipe.validation.time_share)
    read_every = 1 if device.torch.type == "cpu" else recipe.cadence.losses_every
    budget_s, total = recipe.stopping.seconds, recipe.total_steps
    roll_backs, saved_step, saved_s, stop = 0, -1, 0.0, False

    picture = stage.show(trainee)
    if folder:
        folder.add_preview(picture, 0.0)
    yield picture
    clock.start()
    try:
        for phase in recipe.phases:
            trainee.begin(phase)
            first_step, first_s = trainee.step, clock.seconds
            phase_s = budget_s * phase.steps / total if budget_s else math.inf
            while not stop:
                # Steps or seconds, whichever is nearer its end, drive the learning rate.
                share = (trainee.step - first_step) / phase.steps
                share = max(share, (clock.seconds - first_s) / phase_s)
                if share >= 1:
                    break
                rate = trainee.set_rate(share)
                losses = trainee.learn(task.batch(generator, trainee.answer))

                if trainee.step % read_every == 0:
                    values = {name: float(value) for name, value in losses.items()}
                    if not all(map(math.isfinite, values.values())):
                        roll_backs += 1
                        stop = roll_backs > MOST_ROLL_BACKS
                        trainee.roll_back()
                        yield Note(_what_failed(trainee, roll_backs, stop))
                        continue
                    if trainee.step % REMEMBER_EVERY == 0:
                        trainee.remember()
                    epoch = trainee.step * recipe.batch * task.patch**2 / task.pixels
                    step = Step(trainee.step, epoch, values, rate, clock.seconds)
                    if folder:
                        folder.add_step(step)
                    yield step

                now = clock.seconds
                if previews.due(now):
                    picture = stage.show(trainee)
                    if folder:
                        folder.add_preview(picture, now)
                    previews.spent(now, clock.seconds)
                    yield picture
                    now = clock.seconds
                if judge.due(recipe, trainee.step, validations, now):
                    result = yield from judge.judge(trainee)
                    validations.spent(now, clock.seconds)
                    yield from _report(result, judge, trainee, recipe, folder, clock)
                    stop = stop or judge.lost_patience(recipe.stopping.patience)
                if folder and clock.seconds - saved_s >= recipe.cadence.save_every_s:
                    _save_last(folder, trainee, judge, generator, clock)
                    saved_step, saved_s = trainee.step, clock.seconds
                    yield Saved(trainee.step, folder.path / "last.pt")

        if judge.judged_step != trainee.step:
            result = yield from judge.judge(trainee)
            yield from _report(result, judge, trainee, recipe, folder, clock)
        picture = stage.show(trainee)
        if folder:
            folder.add_preview(picture, math.inf)
            _save_last(folder, trainee, judge, generator, clock)
            saved_step = trainee.step
            yield Saved(trainee.step, folder.path / "last.pt")
        yield picture
        return judge.best_model(trainee)
    finally:
        if folder and saved_step != trainee.step:
            _save_last(folder, trainee, judge, generator, clock)


def _report(
    result: Validation,
    judge: Judge,
    trainee: Trainee,
    recipe: Recipe,
    folder: RunFolder | None,
    clock: Clock,
) -> Work[None]:
    """Hand out a validation, and write the weights where they are the best so far."""
    if folder:
        folder.add_validation(result, clock.seconds)
    yield result
    if folder and judge.best_step == trainee.step:
        checkpoint.save(judge.best_model(trainee), folder.path / "best.pt")
        yield Saved(trainee.step, folder.path / "best.pt")


def _save_last(
    folder: RunFolder, trainee: Trainee, judge: Judge, generator: torch.Generator, clock: Clock
) -> None:
    metrics = judge.labelled() if judge.judged_step >= 0 else {}
    model = TrainedModel(trainee.recipe, trainee.average, trainee.step, metrics)
    state = trainee.training_state(generator, clock.seconds)
    checkpoint.save(model, folder.path / "last.pt", training=state)
    folder.flush()


def _what_failed(trainee: Trainee, roll_backs: int, stop: bool) -> str:
    where = f"The loss was not a number at step {trainee.step}"
    if stop:
        return f"{where}, for the {roll_backs}th time: the training stops at its last sound state."
    return f"{where}: going back to the last sound state, at half the learning rate."


def _refuse_what_cannot_be_trained(recipe: Recipe) -> None:
    first = recipe.phases[0].model
    for number, phase in enumerate(recipe.phases):
        if set(phase.models) != {MAIN} or set(phase.optimisers) != {MAIN}:
            raise StudioError(
                f"phases.{number} has networks beside the {MAIN}, which cannot be trained yet.",
                hint=f"Keep the {MAIN} alone.",
            )
        if phase.model != first:
            raise StudioError(
                f"phases.{number} has another model than phases.0.",
                hint="Phases go on with the network of the first; give them the same model.",
            )

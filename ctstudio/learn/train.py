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
from ctstudio.core.events import Note, Saved, Step, Work
from ctstudio.ct.volume import Volume
from ctstudio.learn import checkpoint
from ctstudio.learn import device as devices
from ctstudio.learn.checkpoint import TrainedModel
from ctstudio.learn.judge import Judge, Stage
from ctstudio.learn.pace import Budget, Clock
from ctstudio.learn.recipe import MAIN, Recipe
from ctstudio.learn.resume import Start, collect, fingerprint, starting_point
from ctstudio.learn.run_folder import RunFolder
from ctstudio.learn.tasks import TASKS, Task
from ctstudio.learn.trainee import Trainee, loss_names
from ctstudio.learn.watch import Watch

REMEMBER_EVERY = 50


def train(
    recipe: Recipe,
    volumes: Sequence[Volume],
    *,
    targets: Sequence[Volume] = (),
    run_folder: Path | None = None,
    preview_slice: int | None = None,
    resume: bool = False,
    branch_from: Path | None = None,
) -> Work[TrainedModel]:
    """Train the network of a recipe.

    Parameters
    ----------
    recipe
        What to do.
    volumes
        The series to learn from, in HU. A block of slices of each is held out.
    targets
        As many series, aligned with them, for tasks that learn from or are judged by pairs.
    run_folder
        A new or empty folder for the recipe, the losses, the previews and the checkpoints; None
        to leave nothing behind.
    preview_slice
        Index of the slice of the first series that is shown; by default a held-out one.
    resume
        Go on with the run in ``run_folder`` from its last checkpoint, with its own recipe.
    branch_from
        A checkpoint, or a run folder, whose weights the training begins with.

    Returns
    -------
    TrainedModel
        The averaged weights that did best on the held-out slices (RMSE, protocol A, or where no
        clean slice is known the loss).

    Raises
    ------
    StudioError
        On a mistake in the recipe, nothing to learn from, a folder that cannot be used, or series
        other than those that a resumed run learnt from.

    Notes
    -----
    Yields `Progress` while the data is prepared; then `Step`, `Preview` (panels "noisy",
    "reconstruction", "target" where it is known, and "residual" = reconstruction - noisy, HU),
    `Validation`, `Saved` and `Note`. Closing the generator saves ``last.pt``. On the CPU, and
    with limits on steps alone, two runs agree bit for bit, whether or not they were interrupted.
    """
    recipe = recipe.checked()
    _refuse_what_cannot_be_trained(recipe)
    start = starting_point(recipe, run_folder, resume, branch_from)
    clock = Clock()
    work = _train(recipe, volumes, targets, run_folder, preview_slice, start, clock)
    return (yield from clock.drive(work))


def _train(
    recipe: Recipe,
    volumes: Sequence[Volume],
    targets: Sequence[Volume],
    run_folder: Path | None,
    preview_slice: int | None,
    start: Start,
    clock: Clock,
) -> Work[TrainedModel]:
    devices.cap_threads()
    device = devices.choose(recipe.device)
    yield Note(f"Training on {device}.")
    data = fingerprint([*volumes, *targets])
    start.require_data(data)
    names = ["loss", *dict.fromkeys(n for p in recipe.phases for n in loss_names(p.losses))]
    folder = None
    if run_folder is not None:
        at = start.step if start.resumes else None
        folder = RunFolder(run_folder, recipe, names, resume_at=at)
    try:
        return (
            yield from _learn(
                recipe, volumes, targets, folder, preview_slice, start, data, device, clock
            )
        )
    finally:
        if folder:
            folder.close()


def _learn(
    recipe: Recipe,
    volumes: Sequence[Volume],
    targets: Sequence[Volume],
    folder: RunFolder | None,
    preview_slice: int | None,
    start: Start,
    data: str,
    device: devices.Device,
    clock: Clock,
) -> Work[TrainedModel]:
    task: Task = TASKS.make(recipe.task)
    shown = start.preview_slice(preview_slice)
    yield from task.prepare(recipe, volumes, shown, device.torch, targets=targets)
    generator = torch.Generator().manual_seed(recipe.seed)
    trainee = Trainee(recipe, device.torch)
    judge, watch = Judge(task), Watch()
    stage = Stage(task.preview)
    previews = Budget(recipe.cadence.preview_time_share)
    validations = Budget(recipe.validation.time_share)
    read_every = 1 if device.torch.type == "cpu" else recipe.cadence.losses_every
    budget_s, total = recipe.stopping.seconds, recipe.total_steps
    saved_step, saved_s, stop = -1, 0.0, False
    progress = start.begin(trainee, judge, watch, generator, task)
    progress.preview_slice = stage.index

    def save() -> Saved | None:
        nonlocal saved_step, saved_s
        if folder is None:
            return None
        metrics = judge.labelled() if judge.judged_step >= 0 else {}
        model = TrainedModel(recipe, trainee.average, trainee.step, metrics)
        progress.seconds = clock.seconds
        state = collect(trainee, judge, watch, generator, progress, data)
        folder.flush()
        checkpoint.save(model, folder.path / "last.pt", training=state)
        saved_step, saved_s = trainee.step, clock.seconds
        return Saved(trainee.step, folder.path / "last.pt")

    def assess() -> Work[None]:
        result = yield from judge.judge(trainee)
        trainee.judged(judge.score)
        if folder:
            folder.add_validation(result, clock.seconds)
            if judge.best_step == trainee.step:
                # Before anybody hears of it: whoever stops here keeps the best.
                checkpoint.save(judge.best_model(trainee), folder.path / "best.pt")
        yield result
        if folder and judge.best_step == trainee.step:
            yield Saved(trainee.step, folder.path / "best.pt")

    picture = stage.show(trainee)
    if folder:
        folder.add_preview(picture, progress.seconds)
    yield picture
    clock.start(progress.seconds)
    saved_s = progress.seconds
    try:
        every = recipe.validation.every_steps
        if every and start.step > judge.judged_step and start.step % every == 0:
            yield from assess()  # the training was stopped just before it
        for number in range(progress.phase, len(recipe.phases)):
            phase = recipe.phases[number]
            if start.step < 0 or number != progress.phase:
                trainee.begin(phase)
                progress.enter(number, trainee.step, clock.seconds)
            phase_s = budget_s * phase.steps / total if budget_s else math.inf
            while not stop:
                # Steps or seconds, whichever is nearer its end, drive the learning rate.
                share = (trainee.step - progress.first_step) / phase.steps
                share = max(share, (clock.seconds - progress.first_s) / phase_s)
                if share >= 1:
                    break
                rate = trainee.set_rate(share)
                try:
                    losses = trainee.learn(task.batch(generator, trainee.answer))
                except (MemoryError, RuntimeError) as error:
                    yield _need_less_memory(error, task, trainee)
                    progress.shrunk += 1
                    continue
                progress.epoch += task.batch_size * task.patch**2 / task.pixels

                if trainee.step % read_every == 0:
                    values = {name: float(value) for name, value in losses.items()}
                    if what := watch.complaint(values):
                        stop = watch.went_back()
                        trainee.roll_back()
                        yield Note(_what_failed(what, trainee, watch.roll_backs, stop))
                        continue
                    if trainee.step % REMEMBER_EVERY == 0:
                        trainee.remember()
                    step = Step(trainee.step, progress.epoch, values, rate, clock.seconds)
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
                    yield from assess()
                    validations.spent(now, clock.seconds)
                    stop = stop or judge.lost_patience(recipe.stopping.patience)
                if clock.seconds - saved_s >= recipe.cadence.save_every_s and (saved := save()):
                    yield saved

        if judge.judged_step != trainee.step:
            yield from assess()
        picture = stage.show(trainee)
        if folder:
            folder.add_preview(picture, math.inf)
        if saved := save():
            yield saved
        yield picture
        return judge.best_model(trainee)
    finally:
        if saved_step != trainee.step:
            save()


def _need_less_memory(error: Exception, task: Task, trainee: Trainee) -> Note:
    """Halve what a step takes, after it did not fit; raises what is another kind of error."""
    if not devices.is_out_of_memory(error):
        raise error
    halved = task.shrink()
    if not halved:
        raise StudioError(
            "There is not enough memory to train this network, not even on the smallest patches.",
            hint="Choose a smaller network, or close other programs.",
        ) from error
    # A half-made step must not stay behind.
    trainee.roll_back(rate_factor=1.0)
    devices.release_memory()
    return Note(f"There was not enough memory at step {trainee.step}: halving {halved}.")


def _what_failed(what: str, trainee: Trainee, roll_backs: int, stop: bool) -> str:
    where = f"{what} at step {trainee.step}"
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

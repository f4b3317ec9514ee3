"""The one training loop.

``for event in train(recipe, volumes): ...`` is the whole interface. To cancel is to close the
generator, to pause is not to ask for the next event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Look, Note, Work, finish
from ctstudio.ct.volume import Volume
from ctstudio.learn import device as devices
from ctstudio.learn.checkpoint import TrainedModel
from ctstudio.learn.context import context_of
from ctstudio.learn.outline import require_memory
from ctstudio.learn.pace import Clock
from ctstudio.learn.processes import is_a_lost_process, join
from ctstudio.learn.recipe import Recipe
from ctstudio.learn.recipe_check import refuse_what_cannot_be_trained
from ctstudio.learn.resume import Start, fingerprint, starting_point
from ctstudio.learn.run_folder import RunFolder
from ctstudio.learn.tasks import TASKS, Task
from ctstudio.learn.torchrun import is_follower
from ctstudio.learn.trainee import Trainee, loss_names
from ctstudio.learn.training import Training


def train(
    recipe: Recipe,
    volumes: Sequence[Volume],
    *,
    targets: Sequence[Volume] = (),
    run_folder: Path | None = None,
    preview_slice: int | None = None,
    resume: bool = False,
    branch_from: Path | None = None,
    look: Look | None = None,
    show_held_out: bool = False,
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
    look
        What is watched closely; its region is shown up to ten times a second as `Detail`.
    show_held_out
        Show a held-out slice even where the first series has none, as of many single slices.

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
    NotSaved
        When the network could not be written in the end; the error holds it.

    Notes
    -----
    Yields `Progress` while the data is prepared; then `Step`, `Preview` (panels "noisy",
    "reconstruction", "target" where it is known, and "residual" = reconstruction - noisy, HU),
    `Validation`, `GradientNorms` where the recipe asks for them, `Saved` and `Note`. Closing the
    generator saves ``last.pt``. On the CPU, and with limits on steps alone, two runs agree bit for
    bit, whether or not they were interrupted.

    Started by ``torchrun``, several processes share the work: each learns from ``recipe.batch``
    patches a step, the first one yields the events, the others none.
    """
    recipe = recipe.checked()
    refuse_what_cannot_be_trained(recipe)
    start = starting_point(recipe, run_folder, resume, branch_from)
    clock = Clock()
    look = look or Look()
    work = _train(
        recipe, volumes, targets, run_folder, preview_slice, look, start, clock, show_held_out
    )
    if is_follower():
        return finish(work)
    return (yield from clock.drive(work))


def _train(
    recipe: Recipe,
    volumes: Sequence[Volume],
    targets: Sequence[Volume],
    run_folder: Path | None,
    preview_slice: int | None,
    look: Look,
    start: Start,
    clock: Clock,
    show_held_out: bool,
) -> Work[TrainedModel]:
    device = devices.choose(recipe.device)
    processes = join(device.torch)
    devices.cap_threads()
    yield Note(f"Training on {device}.")
    data = fingerprint([*volumes, *targets])
    start.require_data(data)
    names = ["loss", *dict.fromkeys(n for p in recipe.phases for n in loss_names(p))]
    folder = None
    if run_folder is not None and processes.leads:
        at = start.step if start.resumes else None
        folder = RunFolder(run_folder, recipe, names, resume_at=at)
    training: Training | None = None
    try:
        yield from map(Note, start.remarks)
        task: Task = TASKS.make(recipe.task)
        whole = replace(recipe, batch=recipe.batch * processes.count)
        shown = start.preview_slice(preview_slice)
        require_memory(recipe, device.torch)
        trainee = Trainee(recipe, device.torch, processes)
        task.context = context_of(trainee.average)
        task.shows_held_out = show_held_out
        yield from task.prepare(whole, volumes, shown, device.torch, targets=targets)
        if recipe.compile:
            yield Note(trainee.compile((recipe.batch, task.patch, task.patch)))
        training = Training(recipe, task, trainee, folder, start, data, processes, clock)
        if folder:
            yield from folder.begin()
        return (yield from training.run(look))
    except (ConnectionError, MemoryError, RuntimeError) as error:
        if devices.is_out_of_memory(error):
            raise StudioError(
                "There is not enough memory to train this network.",
                hint="Choose a smaller network, or close other programs.",
                details=str(error),
            ) from error
        if processes.count > 1 and is_a_lost_process(error):
            raise StudioError(
                "Another process of this training has ended, so it cannot go on.",
                hint="Start it again with --resume: it goes on from its last checkpoint.",
                details=str(error),
            ) from error
        raise
    finally:
        if folder and not start.resumes and not (training and training.began):
            folder.discard()
        elif folder:
            folder.close()

"""The one training loop.

``for event in train(recipe, volumes): ...`` is the whole interface. To cancel is to close the
generator, to pause is not to ask for the next event.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Look, Note, Saved, Step, Work, finish
from ctstudio.ct.volume import Volume
from ctstudio.learn import device as devices
from ctstudio.learn.checkpoint import TrainedModel
from ctstudio.learn.context import context_of
from ctstudio.learn.judge import Judge, Stage
from ctstudio.learn.pace import Budget, Clock
from ctstudio.learn.processes import Order, Processes, is_a_lost_process, is_follower, join
from ctstudio.learn.recipe import Phase, Recipe
from ctstudio.learn.recipe_check import learns_classes, refuse_what_cannot_be_trained
from ctstudio.learn.resume import Start, collect, fingerprint, starting_point
from ctstudio.learn.run_folder import NotSaved, RunFolder
from ctstudio.learn.tasks import TASKS, Batch, Task
from ctstudio.learn.trainee import Trainee, loss_names
from ctstudio.learn.watch import Watch

REMEMBER_EVERY = 100
MOST_DRAWN = 16  # batches at once
DRAWN_PIXELS = 2**20
DRAWS_APART = 2**31  # so many draws of a training have seeds that no other seed's training has


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
    work = _train(recipe, volumes, targets, run_folder, preview_slice, look, start, clock)
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
    try:
        for text in folder.remarks if folder else ():
            yield Note(text)
        task: Task = TASKS.make(recipe.task)
        whole = replace(recipe, batch=recipe.batch * processes.count)
        shown = start.preview_slice(preview_slice)
        trainee = Trainee(recipe, device.torch, processes)
        task.context = context_of(trainee.average)
        yield from task.prepare(whole, volumes, shown, device.torch, targets=targets)
        if recipe.compile:
            yield Note(trainee.compile((recipe.batch, task.patch, task.patch)))
        training = Training(recipe, task, trainee, folder, start, data, processes, clock)
        return (yield from training.run(look))
    except (ConnectionError, RuntimeError) as error:
        if processes.count > 1 and is_a_lost_process(error):
            raise StudioError(
                "Another process of this training has ended, so it cannot go on.",
                hint="Start it again with --resume: it goes on from its last checkpoint.",
                details=str(error),
            ) from error
        raise
    finally:
        if folder:
            folder.close()


class Training:
    """One training under way: the loop, and what it does beside learning."""

    def __init__(
        self,
        recipe: Recipe,
        task: Task,
        trainee: Trainee,
        folder: RunFolder | None,
        start: Start,
        data: str,
        processes: Processes,
        clock: Clock,
    ) -> None:
        self.recipe, self.task, self.trainee = recipe, task, trainee
        self.folder, self.start, self.data = folder, start, data
        self.processes, self.clock = processes, clock
        self.generator = torch.Generator()
        patches = recipe.batch * recipe.patch_px**2 * processes.count
        self._ahead = min(max(DRAWN_PIXELS // patches, 1), MOST_DRAWN)
        self._drawn: list[Batch] = []
        labels = learns_classes(recipe)
        self.judge, self.watch = Judge(task, labels), Watch()
        self.stage = Stage(task.preview, labels)
        self.previews = Budget(recipe.cadence.preview_time_share)
        self.details = Budget(recipe.cadence.preview_time_share, least_s=0.1)
        self.validations = Budget(recipe.validation.time_share)
        self.place = start.begin(trainee, self.judge, self.watch, task)
        self.place.preview_slice = self.stage.index
        self.stop = False
        self._saved_step, self._saved_s = -1, self.place.seconds
        self._heard_step = self.judge.judged_step

    def run(self, look: Look) -> Work[TrainedModel]:
        """Learn until the recipe's end; see `train`."""
        recipe, trainee, place, clock = self.recipe, self.trainee, self.place, self.clock
        leads = self.processes.leads
        # A GPU works ahead: to read its losses is to wait for it.
        read_every = 1 if trainee.device.type == "cpu" else recipe.cadence.losses_every
        if caution := self.stage.caution(trainee):
            yield Note(caution)
        yield from self.show(place.seconds)
        clock.start(place.seconds)
        ended = False
        try:
            every = recipe.validation.every_steps
            judged = self.judge.judged_step
            if leads and every and self.start.step > judged and self.start.step % every == 0:
                yield from self.assess()  # the training was stopped just before it
            for number in range(place.phase, len(recipe.phases)):
                phase = recipe.phases[number]
                if self.start.step < 0 or number != place.phase:
                    trainee.begin(phase)
                    place.enter(number, trainee.step, clock.seconds)
                while not self.stop:
                    share = self.agree(self.share(phase))
                    if share >= 1:
                        break
                    rate = trainee.set_rate(share)
                    try:
                        losses = trainee.learn(self.draw(), place.epoch)
                    except (MemoryError, RuntimeError) as error:
                        yield self.need_less_memory(error)
                        continue
                    place.epoch += self.task.batch_size * self.task.patch**2 / self.task.pixels
                    if trainee.step % read_every == 0:
                        yield from self.read(losses, rate)
                    if leads:
                        yield from self.beside(look)
            ended = True
            yield from self.tell_gradients()
            if leads and self.judge.judged_step != trainee.step:
                yield from self.assess()
            if leads:
                yield from self.show(math.inf)
            if saved := self.save():
                yield saved
            return self.judge.best_model(trainee)
        except GeneratorExit:
            if not ended:
                self.processes.leave()
            raise
        finally:
            if self._saved_step != trainee.step:
                self.save(last=True)

    def draw(self) -> Batch:
        """What the next step learns from.

        Some steps' batches are drawn at once. The number of the draw decides it, so that a
        resumed training needs to know no more than how many batches were taken.
        """
        place = self.place
        if not self._drawn:
            draw, taken = divmod(place.batches, self._ahead)
            self.generator.manual_seed(self.recipe.seed * DRAWS_APART + draw)
            self._drawn = self.task.draw(self.generator, self._ahead)[taken:]
        place.batches += 1
        batch = self.processes.part(self._drawn.pop(0))
        return self.task.complete(batch, self.trainee.answer)

    def share(self, phase: Phase) -> float:
        """How much of a phase is over: of its steps or its time, whichever is nearer the end."""
        share = (self.trainee.step - self.place.first_step) / phase.steps
        if budget_s := self.recipe.stopping.seconds:
            phase_s = budget_s * phase.steps / self.recipe.total_steps
            share = max(share, (self.clock.seconds - self.place.first_s) / phase_s)
        return share

    def agree(self, share: float) -> float:
        """The share that all processes go by; 1 where the training is to end."""
        judge = self.judge
        order = Order(share, self.stop, judge.judged_step, judge.score)
        order = self.processes.agree(order)
        if not self.processes.leads and order.judged_step > self._heard_step:
            self._heard_step = order.judged_step
            self.trainee.judged(order.score)
        self.stop = self.stop or order.over
        return 1.0 if self.stop else order.share

    def read(self, losses: Mapping[str, Tensor], rate: float) -> Work[None]:
        """Read a step's losses and tell of them; go back where they are not sound."""
        trainee = self.trainee
        yield from self.tell_gradients()
        values = self.processes.mean(losses)
        if what := self.watch.complaint(values):
            self.stop = self.watch.went_back()
            trainee.roll_back()
            yield Note(_what_failed(what, trainee, self.watch.roll_backs, self.stop))
            return
        if trainee.step % REMEMBER_EVERY == 0:
            trainee.remember()
        step = Step(trainee.step, self.place.epoch, values, rate, self.clock.seconds)
        if self.folder:
            self.folder.add_step(step)
        yield step

    def tell_gradients(self) -> Work[None]:
        """Tell of the layers' gradients that were taken since the last time."""
        told = self.trainee.gradient_norms.read()
        if self.folder:
            self.folder.add_gradients(told)
        yield from told

    def beside(self, look: Look) -> Work[None]:
        """Show, judge and save where it is time to."""
        clock, now = self.clock, self.clock.seconds
        if look.region is not None and self.details.due(now):
            detail = self.stage.detail(self.trainee, look.region)
            self.details.spent(now, clock.seconds)
            yield detail
            now = clock.seconds
        if self.due_to_show(now):
            yield from self.show(now)
            self.previews.spent(now, clock.seconds)
            now = clock.seconds
        if self.judge.due(self.recipe, self.trainee.step, self.validations, now):
            yield from self.assess()
            self.validations.spent(now, clock.seconds)
            self.stop = self.stop or self.judge.lost_patience(self.recipe.stopping.patience)
        if look.save or clock.seconds - self._saved_s >= self.recipe.cadence.save_every_s:
            look.save = False
            yield from self.tell_gradients()
            if saved := self.save():
                yield saved
        if self.folder:
            yield from self.folder.complaints()

    def due_to_show(self, now: float) -> bool:
        """Whether the live picture is due: by the steps where the recipe counts these."""
        every = self.recipe.cadence.preview_every_steps
        return self.trainee.step % every == 0 if every else self.previews.due(now)

    def show(self, now: float) -> Work[None]:
        """Make the live picture."""
        picture = self.stage.show(self.trainee)
        if self.folder:
            self.folder.add_preview(picture, now, self.stage.exact)
        yield picture

    def assess(self) -> Work[None]:
        """Judge the network on what was held out, and keep it where it did best."""
        judge, trainee = self.judge, self.trainee
        result = yield from judge.judge(trainee)
        trainee.judged(judge.score)
        saved = None
        if self.folder:
            self.folder.add_validation(result, self.clock.seconds)
            if judge.best_step == trainee.step:
                # Before anybody hears of it: whoever stops here keeps the best.
                saved = self.folder.save(judge.best_model(trainee), "best.pt")
        yield result
        if saved:
            yield saved

    def save(self, *, last: bool = False) -> Saved | None:
        """Write the checkpoint to go on from; where that fails, the one before stays.

        Raises NotSaved, with the network, where it is the ``last`` chance.
        """
        if self.folder is None:
            return None
        trainee, judge = self.trainee, self.judge
        metrics = judge.labelled() if judge.judged_step >= 0 else {}
        model = TrainedModel(self.recipe, trainee.average, trainee.step, metrics)
        finish(self.tell_gradients())  # of a training that was stopped
        self.place.seconds = self.clock.seconds
        state = collect(trainee, judge, self.watch, self.place, self.data)
        self.folder.flush()
        saved = self.folder.save(model, "last.pt", state)
        self._saved_s = self.clock.seconds
        if saved:
            self._saved_step = trainee.step
        elif last:
            raise NotSaved(self.folder.trouble, judge.best_model(trainee))
        return saved

    def need_less_memory(self, error: Exception) -> Note:
        """Halve what a step takes, after it did not fit; raises what is another kind of error."""
        if not devices.is_out_of_memory(error):
            raise error
        halved = self.task.shrink() if self.processes.count == 1 else ""
        if not halved:
            raise StudioError(
                "There is not enough memory to train this network, not even on the smallest "
                "patches.",
                hint="Choose a smaller network, or close other programs.",
            ) from error
        self.place.shrunk += 1
        self._drawn.clear()
        # A half-made step must not stay behind.
        self.trainee.roll_back(rate_factor=1.0)
        devices.release_memory()
        where = f"There was not enough memory at step {self.trainee.step}"
        return Note(f"{where}: halving {halved}.")


def _what_failed(what: str, trainee: Trainee, roll_backs: int, stop: bool) -> str:
    where = f"{what} at step {trainee.step}"
    if stop:
        return f"{where}, for the {roll_backs}th time: the training stops at its last sound state."
    return f"{where}: going back to the last sound state, at half the learning rate."

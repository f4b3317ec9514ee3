"""One training under way: the loop, and what it does beside learning."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping

from torch import Tensor

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Look, Note, Saved, Step, Work, finish
from ctstudio.learn import device as devices
from ctstudio.learn.checkpoint import TrainedModel
from ctstudio.learn.draws import Draws
from ctstudio.learn.judge import Judge, Stage
from ctstudio.learn.pace import Budget, Clock
from ctstudio.learn.processes import Order, Processes
from ctstudio.learn.recipe import Phase, Recipe
from ctstudio.learn.recipe_check import learns_classes
from ctstudio.learn.resume import Start, collect
from ctstudio.learn.run_folder import NotSaved, RunFolder
from ctstudio.learn.tasks import Batch, Task
from ctstudio.learn.trainee import Trainee
from ctstudio.learn.watch import Watch

REMEMBER_EVERY = 100


class Training:
    """Learns until the recipe's end, tells of it, and keeps what there is to keep.

    ``began`` says whether there is anything to keep.
    """

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
        self.draws = Draws(recipe, task, processes.count, trainee.device)
        labels = learns_classes(recipe)
        self.judge, self.watch = Judge(task, labels), Watch()
        self.stage = Stage(task.preview, labels)
        self.previews = Budget(recipe.cadence.preview_time_share)
        self.details = Budget(recipe.cadence.preview_time_share, least_s=0.1)
        self.validations = Budget(recipe.validation.time_share)
        self.place = start.begin(trainee, self.judge, self.watch, task)
        self.place.preview_slice = self.stage.index
        self.stop = self.best_waits = False
        self.began = start.step >= 0  # whether there is anything to keep
        self._saved_step, self._saved_s = -1, self.place.seconds
        self._heard_step = self.judge.judged_step

    def run(self, look: Look) -> Work[TrainedModel]:
        """Learn until the recipe's end; see `ctstudio.learn.train.train`."""
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
            since = self.start.step > max(judged, 0)
            if leads and every and since and self.start.step % every == 0:
                yield from self.assess()  # the training was stopped just before it
            for number in range(place.phase, len(recipe.phases)):
                phase = recipe.phases[number]
                if self.start.step < 0 or number != place.phase:
                    trainee.begin(phase)
                    place.enter(number, trainee.step, clock.seconds)
                    if leads and not self.began:
                        self.save()  # so that a run without a checkpoint has lost it
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
                    self.began = True
                    place.epoch += self.task.batch_size * self.task.patch**2 / self.task.pixels
                    if trainee.step % read_every == 0:
                        yield from self.read(losses, rate)
                    if leads:
                        yield from self.beside(look)
            ended = True
            yield from self.tell_gradients()
            if not trainee.is_sound():
                trainee.roll_back()
                yield Note(_what_failed("The weights were no numbers", trainee, 1, stop=False))
            # Whoever goes on from here does so as if it had not been judged in between.
            if look.end and (saved := self.save()):
                yield saved
            if leads and self.judge.judged_step != trainee.step:
                yield from self.assess()
            if leads:
                yield from self.show(math.inf)
            if not look.end and (saved := self.save()):
                yield saved
            return self.judge.best_model(trainee)
        except GeneratorExit:
            self.began = True
            if not ended:
                self.processes.leave()
            raise
        finally:
            self.draws.close()
            if self.began and self._saved_step != trainee.step:
                self.save_at_last(sys.exc_info()[1])

    def draw(self) -> Batch:
        """What the next step learns from."""
        drawn = self.draws.batch(self.place.batches)
        self.place.batches += 1
        return self.task.complete(self.processes.part(drawn), self.trainee.answer)

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
        if trainee.step % REMEMBER_EVERY == 0 and trainee.is_sound():
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
        self.stop = self.stop or look.end
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
                saved = self.save_best()
        yield result
        if saved:
            yield saved

    def save_best(self) -> Saved | None:
        """Write the best network; where that fails it waits for the next checkpoint."""
        assert self.folder is not None
        saved = self.folder.save(self.judge.best_model(self.trainee), "best.pt")
        self.best_waits = saved is None
        return saved

    def save(self, *, last: bool = False) -> Saved | None:
        """Write the checkpoint to go on from; where that fails, the one before stays.

        Raises NotSaved, with the network, where it is the ``last`` chance.
        """
        if self.folder is None:
            return None
        trainee, judge = self.trainee, self.judge
        if not trainee.is_sound():
            if not last:
                return None  # the next loss will tell
            trainee.roll_back()
        metrics = judge.labelled() if judge.judged_step >= 0 else {}
        model = TrainedModel(self.recipe, trainee.average, trainee.step, metrics)
        finish(self.tell_gradients())  # of a training that was stopped
        self.place.seconds = self.clock.seconds
        state = collect(trainee, judge, self.watch, self.place, self.data)
        self.folder.flush()
        saved = self.folder.save(model, "last.pt", state)
        if last and not saved and self.folder.make_again():
            self.best_waits = bool(judge.best_weights)
            saved = self.folder.save(model, "last.pt", state)
        if saved and self.best_waits:
            self.save_best()
        self._saved_s = self.clock.seconds
        if saved:
            self._saved_step = trainee.step
        elif last:
            raise NotSaved(self.folder.trouble, judge.best_model(trainee), self.folder.path)
        return saved

    def save_at_last(self, error: BaseException | None) -> None:
        """Save what there is when the training ends, after an ``error`` too."""
        try:
            self.save(last=True)
        except NotSaved:
            raise
        except Exception:
            # Of an error that ends the training people are to hear, not of what follows from it.
            if error is None or isinstance(error, GeneratorExit):
                raise

    def need_less_memory(self, error: Exception) -> Note:
        """Halve what a step takes, after it did not fit; raises what is another kind of error."""
        if not devices.is_out_of_memory(error):
            raise error
        self.draws.forget()
        halved = self.task.shrink() if self.processes.count == 1 else ""
        if not halved:
            raise StudioError(
                "There is not enough memory to train this network, not even on the smallest "
                "patches.",
                hint="Choose a smaller network, or close other programs.",
            ) from error
        self.place.shrunk += 1
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

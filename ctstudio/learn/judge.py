"""How a training is judged and shown: on held-out slices, and on one whole slice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ctstudio.core.events import Detail, Preview, Progress, Validation, Work, finish
from ctstudio.ct.metrics import PROTOCOLS, evaluate
from ctstudio.ct.overlap import annotated, auc, dice, overlap
from ctstudio.ct.surfaces import by_slice
from ctstudio.learn import checkpoint
from ctstudio.learn.apply import run as apply_to_slice
from ctstudio.learn.apply import run_exactly
from ctstudio.learn.checkpoint import TrainedModel
from ctstudio.learn.context import context_of
from ctstudio.learn.pace import Budget
from ctstudio.learn.receptive_field import ReceptiveField, measure
from ctstudio.learn.recipe import Recipe
from ctstudio.learn.run_folder import make_preview
from ctstudio.learn.segment import Told, classify, grid, live_every, telling
from ctstudio.learn.tasks import Pair, Task
from ctstudio.learn.tiling import UNKNOWN
from ctstudio.learn.trainee import Trainee

PROTOCOL = "A"
POOLED = "pooled over slices, mean of the classes"
EVERYTHING = ReceptiveField(2**16, 1)
"""Of networks that look further than can be measured, such as those with fully connected layers."""


class Stage:
    """Shows what the network makes of one whole slice."""

    def __init__(self, pair: Pair, labels: bool = False) -> None:
        self.labels = labels
        self._field: ReceptiveField | None = None
        self.exact: NDArray[np.float64] | None = None  # the newest picture with all its digits
        self.index = pair.index
        self.noisy = pair.noisy.numpy().copy()
        self.shown = self.noisy if pair.around is None else pair.around.numpy().copy()
        self.region = None if pair.region is None else pair.region.numpy().copy()
        self.target = None if pair.target is None else pair.target.numpy().copy()

    def caution(self, trainee: Trainee) -> str:
        """What to know about the picture beforehand, or ""."""
        every = live_every(trainee.average, self.shown, self.region, trainee.device)
        if every == 1:
            return ""
        return (
            f"The live picture asks for the class of one voxel in {every} x {every}, since each "
            "takes so long; held-out slices are judged by what the recipe says."
        )

    def show(self, trainee: Trainee) -> Preview:
        inside: NDArray[np.float32] | None = None
        if self.labels:
            every = live_every(trainee.average, self.shown, self.region, trainee.device)
            told = finish(
                telling(
                    trainee.average, self.shown, trainee.device, region=self.region, every=every
                )
            )
            reconstruction, inside = told.classes, told.inside
        else:
            self.exact = run_exactly(trainee.average, self.shown, trainee.device)
            reconstruction = self.exact.astype(np.float32)
        metrics: Mapping[str, float] = {}
        if self.target is not None and self.labels:
            metrics = {"dice": dice([reconstruction], [self.target])}
        elif self.target is not None:
            metrics = evaluate(reconstruction, self.target, PROTOCOLS[PROTOCOL])
        return make_preview(
            trainee.step, self.index, self.noisy, reconstruction, self.target, metrics,
            labels=self.labels, inside=inside,
        )  # fmt: skip

    def detail(self, trainee: Trainee, region: tuple[int, int, int, int]) -> Detail:
        """A region (top, left, height, width) as in the whole slice, cut at the slice's edges.

        Networks that normalise over the whole image, as those of classes do, see it a little
        differently; nothing is measured of them, since that takes seconds.
        """
        if self._field is None:
            side = context_of(trainee.average).patch_px
            if side > 1:
                self._field = ReceptiveField(side, 1)
            else:
                self._field = UNKNOWN if self.labels else measure(trainee.average) or EVERYTHING
        margin, period = self._field.margin_px, self._field.period_px
        rows, columns = self.noisy.shape
        top, left, height, width = region
        top, left = min(max(top, 0), rows - 1), min(max(left, 0), columns - 1)
        bottom, right = min(top + max(height, 1), rows), min(left + max(width, 1), columns)
        y, x = (max(at - margin, 0) // period * period for at in (top, left))
        # Cells, too, are looked at as a whole.
        y_end, x_end = (-(-at // period) * period + margin for at in (bottom, right))
        piece = self.shown[..., y:y_end, x:x_end]
        if self.labels:
            wanted = np.zeros(self.noisy.shape, bool)
            wanted[top:bottom, left:right] = True
            wanted &= True if self.region is None else self.region
            wanted = wanted[y:y_end, x:x_end]
            every = live_every(trainee.average, piece, wanted, trainee.device)
            seen = classify(trainee.average, piece, trainee.device, region=wanted, every=every)
        else:
            seen = apply_to_slice(trainee.average, piece, trainee.device)
        reconstruction = seen[top - y : bottom - y, left - x : right - x].copy()
        reconstruction.setflags(write=False)
        return Detail(trainee.step, top, left, reconstruction)


class Judge:
    """Measures the network on what was held out and keeps the best weights.

    Where clean slices are known the RMSE decides (protocol A), of classes the Dice coefficient and,
    between equal ones (0 as long as a network tells nothing), the AUC, else the loss on held-out
    patches.
    """

    def __init__(self, task: Task, labels: bool = False) -> None:
        self.task = task
        self.labels = labels
        self.judged_step = -1
        self.metrics: dict[str, float] = {}
        self.score = math.inf
        self.best_score = math.inf
        self.best_step = 0
        self.best_weights: dict[str, Tensor] = {}
        self.best_metrics: dict[str, float] = {}
        self._since_best = 0
        self._baseline: dict[str, float] = {}

    def due(self, recipe: Recipe, step: int, budget: Budget, seconds: float) -> bool:
        every = recipe.validation.every_steps
        return step % every == 0 if every else budget.due(seconds)

    def judge(self, trainee: Trainee) -> Work[Validation]:
        """Denoise the held-out slices; yields between them, so that a cancel is quick."""
        known = [pair for pair in self.task.validation if pair.target is not None]
        if not known:
            self.metrics = yield from self._lose(trainee)
            score = self.metrics["loss"]
        elif self.labels:
            self.metrics = yield from self._overlap(known, trainee)
            score = 1 - self.metrics["dice"]
        else:
            self.metrics = yield from self._compare(known, trainee)
            score = self.metrics["rmse"]
        self.score = score
        self.judged_step = trainee.step
        self._since_best += 1
        least_gain = trainee.recipe.stopping.least_gain
        # The weights behind equal scores are told apart by how well they order the pixels.
        ordered = 0.0
        if score == self.best_score:
            ordered = self.metrics.get("auc", 0) - self.best_metrics.get("auc", 0)
        if score < self.best_score - least_gain or ordered > least_gain:
            self._since_best = 0
        if score < self.best_score or ordered > 0:
            self.best_score, self.best_step = score, trainee.step
            self.best_weights = trainee.weights()
            self.best_metrics = self.labelled()
        protocol = POOLED if self.labels else PROTOCOL
        return Validation(trainee.step, protocol, self.metrics, self._baseline)

    def _overlap(self, pairs: Sequence[Pair], trainee: Trainee) -> Work[dict[str, float]]:
        told: list[Told] = []
        for done, pair in enumerate(pairs):
            work = telling(
                trainee.average,
                pair.shown.numpy(),
                trainee.device,
                region=None if pair.region is None else pair.region.numpy(),
                every=pair.judged_every,
            )
            told.append((yield from work))
            yield Progress(done + 1, len(pairs), "Judging held-out slices")
        return agreement(pairs, told)

    def _compare(self, pairs: Sequence[Pair], trainee: Trainee) -> Work[dict[str, float]]:
        protocol = PROTOCOLS[PROTOCOL]
        scores: list[Mapping[str, float]] = []
        noisy: list[Mapping[str, float]] = []
        for done, pair in enumerate(pairs):
            assert pair.target is not None
            target = pair.target.numpy()
            output = apply_to_slice(trainee.average, pair.shown.numpy(), trainee.device)
            scores.append(evaluate(output, target, protocol))
            if not self._baseline:
                noisy.append(evaluate(pair.noisy.numpy(), target, protocol))
            yield Progress(done + 1, len(pairs), "Judging held-out slices")
        self._baseline = self._baseline or _mean(noisy)
        return _mean(scores)

    def _lose(self, trainee: Trainee) -> Work[dict[str, float]]:
        """The mean loss on held-out patches: all that can be measured without a clean image."""
        losses: list[float] = []
        for done, batch in enumerate(self.task.held_out):
            with torch.no_grad():
                values: dict[str, Tensor] = {}
                batch = self.task.complete(batch, trainee.average)
                trainee.objective(trainee.average(batch.inputs), batch, values)
                losses.append(float(values["loss"]))
            yield Progress(done + 1, len(self.task.held_out), "Judging held-out patches")
        return {"loss": float(np.mean(losses)) if losses else math.inf}

    def labelled(self) -> dict[str, float]:
        """The latest metrics, the noisy input's under "noisy_...", the slices as "held_out"."""
        known = sum(pair.target is not None for pair in self.task.validation)
        counted = {"held_out": float(known)} if known else {}
        return self.metrics | {f"noisy_{k}": v for k, v in self._baseline.items()} | counted

    def lost_patience(self, patience: int) -> bool:
        return 0 < patience <= self._since_best

    def best_model(self, trainee: Trainee) -> TrainedModel:
        module = checkpoint.build(trainee.recipe)
        module.load_state_dict(self.best_weights or trainee.weights())
        return TrainedModel(trainee.recipe, module.eval(), self.best_step, self.best_metrics)

    def state(self) -> dict[str, Any]:
        """What a checkpoint needs to go on judging."""
        return {
            "judged_step": self.judged_step,
            "metrics": self.metrics,
            "best_score": self.best_score,
            "best_step": self.best_step,
            "best_weights": self.best_weights,
            "best_metrics": self.best_metrics,
            "since_best": self._since_best,
            "baseline": self._baseline,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.judged_step = int(state["judged_step"])
        self.metrics = dict(state["metrics"])
        self.best_score = float(state["best_score"])
        self.best_step = int(state["best_step"])
        self.best_weights = dict(state["best_weights"])
        self.best_metrics = dict(state["best_metrics"])
        self._since_best = int(state["since_best"])
        self._baseline = dict(state["baseline"])


def _mean(scores: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([s[name] for s in scores])) for name in scores[0]}


def agreement(pairs: Sequence[Pair], told: Sequence[Told]) -> dict[str, float]:
    """What `overlap` tells of held-out slices, "auc" (any class against none), and the distances
    of `ctstudio.ct.surfaces.by_slice` where the pixels' size is known and all are told.

    What has no meaning, such as the distance of a surface that is not there, is left out.
    """
    true = [
        _on_grid(pair.target.numpy(), pair.judged_every)
        for pair in pairs
        if pair.target is not None
    ]
    found = [each.classes for each in told]
    metrics = overlap(found, true)
    likely, known = annotated([each.inside for each in told], true)
    metrics["auc"] = auc(likely, known > 0)
    spacings = [pair.spacing_mm for pair in pairs if pair.spacing_mm and pair.judged_every == 1]
    if len(spacings) == len(pairs):
        metrics |= by_slice(found, true, spacings)
    return {name: value for name, value in metrics.items() if not math.isnan(value)}


def _on_grid(classes: NDArray[np.float32], every: int) -> NDArray[np.float32]:
    """Classes ``(y, x)``, not annotated but where the network is asked."""
    rows, columns = (grid(length, every) for length in classes.shape)
    kept = np.full_like(classes, -1)
    kept[np.ix_(rows, columns)] = classes[np.ix_(rows, columns)]
    return kept

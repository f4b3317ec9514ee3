"""The network while it learns: weights, averaged weights, optimiser, and the way back."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from ctstudio.core.errors import StudioError
from ctstudio.core.registry import Choice
from ctstudio.learn import adversary, checkpoint
from ctstudio.learn.checkpoint import TrainedModel
from ctstudio.learn.compiling import compile_in_place
from ctstudio.learn.gradients import GRADIENTS, Gradient
from ctstudio.learn.gradients.norms import NormReader
from ctstudio.learn.losses import LOSSES, LossFunction
from ctstudio.learn.outline import is_finite
from ctstudio.learn.processes import Processes
from ctstudio.learn.recipe import ADVERSARY, Phase, Recipe
from ctstudio.learn.steering import Steering
from ctstudio.learn.tasks import Batch

PRECISIONS = {"bfloat16": torch.bfloat16, "float16": torch.float16}

Comparison: TypeAlias = Callable[[Tensor, Batch], Tensor]
"""From a prediction and the batch that it is for to a scalar."""

SQUARES = {"exp_avg_sq", "square"}
"""What PyTorch's Adam and the articles' call the mean of the squared gradient."""


class Trainee:
    """Learns batch by batch.

    ``module`` is what the gradient changes; ``average`` is the slowly moving mean of its weights,
    which is what gets judged, shown and kept. Where a phase has an ``adversary``, that learns in
    the same steps.
    """

    def __init__(
        self, recipe: Recipe, device: torch.device, processes: Processes | None = None
    ) -> None:
        self.recipe = recipe
        self.device = device
        processes = processes or Processes()
        _refuse_what_is_not_shared(recipe, processes)
        self.step = 0
        self.rate_factor = 1.0
        # Convolutions on a CPU are a third faster with the channels last, weights included.
        self.module = checkpoint.build(recipe).to(device)
        for parameter in self.module.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.to(memory_format=torch.channels_last)
        self.average: nn.Module = copy.deepcopy(self.module).eval().requires_grad_(False)
        self._shared = processes.share(self.module)
        self._means, self._currents, self._copied = _matching(self.module, self.average)
        self._gradient: Gradient = GRADIENTS.make(recipe.gradient)
        self.gradient_norms = NormReader(self.module, recipe.cadence.gradient_norms_every)
        self._precision = PRECISIONS.get(recipe.precision, torch.float32)
        self._scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "float16")
        if device.type == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = recipe.precision == "tf32"
            torch.backends.cudnn.allow_tf32 = recipe.precision == "tf32"
        # Whatever draws at random inside the network has a sequence of its own, so that nothing
        # else in the program disturbs it and a checkpoint can carry it.
        self._draws = torch.Generator().manual_seed(recipe.seed + processes.rank).get_state()
        self._terms: list[tuple[str, float, Comparison]] = []
        self._steering: Steering
        self.adversary: adversary.Adversary | None = None
        self._good: dict[str, Any] = {}

    def compile(self, size: tuple[int, int, int]) -> str:
        """Compile the network for batches of ``size`` ``(b, p, p)``; says how that went."""
        why_not = compile_in_place(self.module, size, self.device)
        return f"The network could not be compiled: {why_not}" if why_not else "Network compiled."

    def begin(self, phase: Phase) -> None:
        """Take up a phase's losses and its optimiser; the weights stay."""
        self.module.train()
        self._steering = Steering(self.module, phase.optimiser)
        self.adversary = adversary.take_up(self.adversary, phase, self.recipe.seed, self.device)
        self._terms = [
            (name, term.weight, self._comparison(term.choice))
            for name, term in zip(loss_names(phase), phase.losses, strict=False)
        ]
        self.remember()

    def set_rate(self, share: float) -> float:
        """Set and return the learning rate for the ``share`` of the phase that is over."""
        if self.adversary is not None:
            self.adversary.steering.set_rate(share, self.rate_factor)
        return self._steering.set_rate(share, self.rate_factor)

    def judged(self, score: float) -> None:
        """Tell the schedules how the held-out images fared; lower is better."""
        self._steering.judged(score)
        if self.adversary is not None:
            self.adversary.steering.judged(score)

    def _comparison(self, choice: Choice) -> Comparison:
        """What a loss makes of a prediction: most compare it with the target."""
        if adversary.is_game(choice):
            assert self.adversary is not None  # the recipe has been checked
            resistance = self.adversary.resistance
            return lambda prediction, batch: resistance(prediction)
        loss: LossFunction = LOSSES.make(choice)
        tags = LOSSES[choice.name].tags
        if "network" in tags:
            return lambda prediction, batch: loss(self.module, batch.inputs)  # type: ignore[arg-type]
        if "inputs" in tags:
            return lambda prediction, batch: loss(prediction, batch.inputs)
        return lambda prediction, batch: loss(prediction, batch.targets)

    def objective(self, prediction: Tensor, batch: Batch, values: dict[str, Tensor]) -> Tensor:
        """The sum of losses; each, and "loss", is left in ``values`` on the device."""
        share: Tensor | None = None
        if batch.mask is not None:
            # As if it were right outside the mask: no loss there, and no gradient.
            prediction = torch.where(batch.mask, prediction, batch.targets)
            # Losses are means over all pixels; what counts is the mean over those of the mask.
            share = batch.mask.float().mean().clamp(min=1 / batch.mask.numel())
        total: Tensor | None = None
        for name, weight, compare in self._terms:
            value = compare(prediction, batch)
            value = value if share is None else value / share
            values[name] = value.detach()
            weighted = value if weight == 1 else weight * value
            total = weighted if total is None else total + weighted
        assert total is not None  # a recipe has at least one loss
        values["loss"] = total.detach()
        return total

    def answer(self, inputs: Tensor) -> Tensor:
        """What the network makes of HU ``(b, 1, y, x)`` at present, without gradient."""
        with torch.no_grad():
            output: Tensor = self.module(inputs)
        return output

    def learn(self, batch: Batch, epoch: float = 0.0) -> dict[str, Tensor]:
        """One step, ``epoch`` times through the data; returns each loss, and their sum under
        "loss", on the device."""
        inputs = batch.inputs
        values: dict[str, Tensor] = {}

        def objective(prediction: Tensor) -> Tensor:
            return self.objective(prediction, batch, values)

        optimiser = self._steering.optimiser
        optimiser.zero_grad(set_to_none=True)
        with self._own_draws():
            if self._precision is torch.float32:
                made = self._gradient(self._shared, inputs, objective, epoch)
            else:
                with torch.autocast(self.device.type, dtype=self._precision):
                    made = self._gradient(
                        self._shared,
                        inputs,
                        lambda output: self._scaler.scale(objective(output)),
                        epoch,
                    )
            self._scaler.unscale_(optimiser)
            self.gradient_norms.take(self.step + 1, epoch)
            if self.recipe.clip_norm > 0:
                nn.utils.clip_grad_norm_(self.module.parameters(), self.recipe.clip_norm)
            if self.recipe.gradient_noise > 0:
                self._disturb(epoch)
        self._scaler.step(optimiser)
        self._scaler.update()
        if self.adversary is not None:
            limit = self.recipe.clip_norm
            values[adversary.NAME] = self.adversary.learn(made, batch.targets, limit)
        self.step += 1
        self._follow()
        return values

    @contextmanager
    def _own_draws(self) -> Iterator[None]:
        outer = torch.get_rng_state()
        torch.set_rng_state(self._draws)
        try:
            yield
        finally:
            self._draws = torch.get_rng_state()
            torch.set_rng_state(outer)

    def _disturb(self, epoch: float) -> None:
        # Neelakantan et al. 2015, "Adding gradient noise improves learning for very deep
        # networks" (arXiv 1511.06807): the variance falls with the step t as eta / (1 + t)^0.55.
        recipe = self.recipe
        t = self.step if recipe.gradient_noise_time == "steps" else math.floor(epoch)
        sd = (recipe.gradient_noise / (1 + t) ** recipe.gradient_noise_fall) ** 0.5
        for parameter in self.module.parameters():
            if parameter.grad is not None:
                parameter.grad.add_(torch.randn(parameter.shape).to(parameter.device), alpha=sd)

    @torch.no_grad()
    def _follow(self) -> None:
        # A short memory at first, or the random start would weigh on the average for long.
        memory = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        # All at once: one by one they would take a twentieth of the time of a small network.
        torch._foreach_lerp_(self._means, self._currents, 1 - memory)
        for current, copy_ in self._copied:
            copy_.copy_(current)

    def remember(self) -> None:
        """Keep the present state as one to come back to."""
        self._good = copy.deepcopy(self._state())

    def is_sound(self) -> bool:
        """Whether all that it has learnt is numbers.

        Adam's mean of the squared gradient may be infinite, as in the articles' cases 3 and 4: a
        gradient is longer there than the root of what single precision holds, and its weights stand
        still.
        """
        return is_finite(self._state(), endless=SQUARES)

    def roll_back(self, rate_factor: float = 0.5) -> None:
        """Return to the state last remembered, and learn at ``rate_factor`` the rate from there."""
        state = copy.deepcopy(self._good)
        self.module.load_state_dict(state["weights"])
        self.average.load_state_dict(state["average"])
        self._restore_steering(state)
        self.rate_factor *= rate_factor

    def weights(self) -> dict[str, Tensor]:
        """A copy of the averaged weights."""
        return {name: value.clone() for name, value in self.average.state_dict().items()}

    def _state(self) -> dict[str, Any]:
        return {
            "weights": self.module.state_dict(),
            "average": self.average.state_dict(),
            "adversary": self.adversary.state() if self.adversary is not None else {},
            **self._steering.state(),
        }

    def _restore_steering(self, state: Mapping[str, Any]) -> None:
        self._steering.restore(state)
        if self.adversary is not None:
            self.adversary.restore(state["adversary"])

    def state(self) -> dict[str, Any]:
        """What a checkpoint needs beyond the averaged weights to go on from here."""
        # Coming back to the moment of a checkpoint is the same before and after a restart.
        self.remember()
        state = self._state()
        del state["average"]
        return state | {
            "rate_factor": self.rate_factor,
            "scaler": self._scaler.state_dict(),
            "draws": self._draws,
        }

    def restore(self, model: TrainedModel, state: Mapping[str, Any]) -> None:
        """Go on from what a checkpoint holds; the phase has begun."""
        self.take_weights(model, state)
        self._restore_steering(state)
        self._scaler.load_state_dict(state["scaler"])
        self.step = model.step
        self.rate_factor = float(state["rate_factor"])
        self._draws = state["draws"]
        self.remember()

    def take_weights(self, model: TrainedModel, state: Mapping[str, Any]) -> None:
        """Begin with the weights of another training of the same network."""
        self.average.load_state_dict(model.module.state_dict())
        self.module.load_state_dict(state.get("weights") or model.module.state_dict())


def loss_names(phase: Phase) -> list[str]:
    """What a phase's losses are called, in their order; last, where it has one, the adversary's.

    A loss that is one side of a game is the "generator"; of one kind, the second has a number.
    """
    names: list[str] = []
    for term in phase.losses:
        name = "generator" if adversary.is_game(term.choice) else term.choice.name
        taken = sum(other.split(" ")[0] == name for other in names)
        names.append(f"{name} {taken + 1}" if taken else name)
    return [*names, adversary.NAME] if ADVERSARY in phase.models else names


def _refuse_what_is_not_shared(recipe: Recipe, processes: Processes) -> None:
    if processes.count > 1 and recipe.gradient.name != "automatic":
        raise StudioError(
            f"The gradient {recipe.gradient.name!r} cannot be shared between processes.",
            hint="Train in one process, or choose the automatic gradient.",
        )
    if processes.count > 1 and any(ADVERSARY in phase.models for phase in recipe.phases):
        raise StudioError(
            "A training with an adversary cannot be shared between processes.",
            hint="Train in one process, or leave the adversary out.",
        )


def _matching(
    module: nn.Module, average: nn.Module
) -> tuple[list[Tensor], list[Tensor], list[tuple[Tensor, Tensor]]]:
    """The means and what they follow, and apart from them whole numbers that are copied."""
    current: Mapping[str, Tensor] = module.state_dict()
    mean: Mapping[str, Tensor] = average.state_dict()
    moving = [name for name in current if mean[name].is_floating_point()]
    copied = [(current[n], mean[n]) for n in current if n not in moving]
    return [mean[n] for n in moving], [current[n] for n in moving], copied

"""The other side of an adversarial training: a critic that learns while the network does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ctstudio.core.registry import Choice
from ctstudio.learn.critics import CRITICS
from ctstudio.learn.losses import LOSSES
from ctstudio.learn.losses.games import Game
from ctstudio.learn.recipe import ADVERSARY, Phase
from ctstudio.learn.steering import Steering

NAME = "adversary"
"""What its loss is called among a training's losses; the network's part is "generator"."""


def is_game(choice: Choice) -> bool:
    """Whether a loss is one side of a game, and not a comparison with the target."""
    return "game" in LOSSES[choice.name].tags


class Adversary:
    """A critic, and the game that it plays against the network.

    In one step the network learns first, with the critic as it is; then the critic learns from the
    same targets and from what the network had made. It does so in single precision, since its
    margins are small.

    Parameters
    ----------
    choice
        The critic.
    seed
        Decides its first weights.
    device
        Where it computes.
    """

    def __init__(self, choice: Choice, seed: int, device: torch.device) -> None:
        self.choice = choice
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.module: nn.Module = CRITICS.make(choice).to(device)
        self.game: Game
        self.steering: Steering

    def begin(self, phase: Phase) -> None:
        """Take up a phase's game and optimiser; the weights stay."""
        self.module.train().requires_grad_(True)
        self.steering = Steering(self.module, phase.optimisers[ADVERSARY])
        (self.game,) = (LOSSES.make(t.choice) for t in phase.losses if is_game(t.choice))

    def resistance(self, predictions: Tensor) -> Tensor:
        """The network's loss in the game, for HU ``(b, 1, y, x)`` that it made: a scalar.

        The gradient goes through the critic to the predictions, and stops there.
        """
        self.module.requires_grad_(False)
        return self.game.generator(self.module(predictions))

    def learn(self, predictions: Tensor, targets: Tensor, clip_norm: float = 0.0) -> Tensor:
        """One step against predictions that are cut off from the graph; returns the loss."""
        self.module.requires_grad_(True)
        self.steering.optimiser.zero_grad(set_to_none=True)
        loss = self.game.critic(self.module(targets), self.module(predictions.to(targets.dtype)))
        loss.backward()  # type: ignore[no-untyped-call]
        if clip_norm > 0:
            nn.utils.clip_grad_norm_(self.module.parameters(), clip_norm)
        self.steering.optimiser.step()
        return loss.detach()

    def state(self) -> dict[str, Any]:
        """What a checkpoint needs to go on from here."""
        return {
            "weights": self.module.state_dict(),
            "game": self.game.state(),
            **self.steering.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave; the phase has begun."""
        self.module.load_state_dict(state["weights"])
        self.game.restore(state["game"])
        self.steering.restore(state)


def take_up(
    before: Adversary | None, phase: Phase, seed: int, device: torch.device
) -> Adversary | None:
    """A phase's adversary, ready to begin: that of the phase ``before`` where it goes on."""
    choice = phase.models.get(ADVERSARY)
    if choice is None:
        return None
    kept = before if before is not None and before.choice == choice else None
    adversary = kept or Adversary(choice, seed + 1, device)
    adversary.begin(phase)
    return adversary

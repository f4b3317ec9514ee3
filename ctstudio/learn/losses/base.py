"""The registry of losses, and what all of them share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from ctstudio.core.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

    from ctstudio.learn.losses.games import Game

UNIT_HU = 100.0
"""Differences of images are reckoned in units of so many HU, so that losses of different kinds
have comparable sizes and an optimiser's usual learning rates fit."""

IGNORED = -1
"""The label of a pixel that nobody has annotated: it counts for nothing."""

LossFunction: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"
"""(prediction, target) to a scalar tensor.

For images both are HU ``(b, 1, y, x)`` float32. For labels the prediction is logits
``(b, c, y, x)`` float32 and the target int64 ``(b, 1, y, x)`` or ``(b, y, x)``: a pixel's class,
or `IGNORED`.
"""

LOSSES: Registry[Callable[..., LossFunction | Game]] = Registry("loss")
"""Every loss by name. An entry is called with its settings and makes a `LossFunction`.

Tags: "labels" where it compares logits with a label map; the others compare images. "inputs" where
it is called with the network's input in place of the target, "network" where with the network
itself and its input. "game" where an entry makes no
`LossFunction` but a `ctstudio.learn.losses.games.Game` between the network and an adversary, and
"energy" where the game needs a critic that gives energies.
"""

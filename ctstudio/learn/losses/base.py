"""The registry of losses, and what all of them share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from ctstudio.core.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

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

LOSSES: Registry[Callable[..., LossFunction]] = Registry("loss")
"""Every loss by name. An entry is called with its settings and makes a `LossFunction`.

Tag: "labels" where it compares logits with a label map; the others compare images.
"""

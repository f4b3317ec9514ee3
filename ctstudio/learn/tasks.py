"""Tasks: where the pairs of input and target come from. Reading the settings loads no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Protocol

from ctstudio.core.registry import Param, Registry

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ctstudio.core.events import Work
    from ctstudio.ct.volume import Volume
    from ctstudio.learn.recipe import Recipe
    from ctstudio.learn.synthetic import SyntheticNoise


@dataclass(frozen=True)
class Pair:
    """A whole slice: ``(y, x)`` float32 HU on the CPU, noisy and as it should be."""

    index: int
    noisy: Tensor
    target: Tensor


class Task(Protocol):
    """What an entry of `TASKS` makes: one training's data.

    ``pixels`` is the number of pixels to learn from and ``patch`` the side of a patch: epochs are
    counted by them.
    """

    pixels: int
    patch: int
    validation: Sequence[Pair]
    preview: Pair

    def prepare(
        self,
        recipe: Recipe,
        volumes: Sequence[Volume],
        preview_slice: int | None,
        device: torch.device,
    ) -> Work[None]:
        """Read the volumes, hold slices out, make the noise ready."""
        ...

    def batch(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Inputs and targets of one step, ``(b, 1, p, p)`` float32 HU on the device."""
        ...


TASKS: Registry[Callable[..., Task]] = Registry("task")
"""Every task by name. An entry is called with its settings and makes a `Task`."""


@TASKS.add("synthetic", title="Add noise to clean images")
def synthetic(
    *,
    body_share: Annotated[
        float, Param("Least share of a patch that must lie inside the body", 0, 1)
    ] = 0.25,
    augment: Annotated[bool, Param("Flip and turn the patches at random")] = True,
) -> SyntheticNoise:
    """The series is the target; the input is the series with new noise at every step."""
    from ctstudio.learn.synthetic import SyntheticNoise

    return SyntheticNoise(body_share=body_share, augment=augment)

"""Tasks: where the pairs of input and target come from. Reading the settings loads no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Annotated, Literal, Protocol, Self, TypeAlias

from ctstudio.core.registry import Param, Registry

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ctstudio.core.events import Work
    from ctstudio.ct.volume import Volume
    from ctstudio.learn.context import Context
    from ctstudio.learn.masks import Masks
    from ctstudio.learn.pairs import Pairs
    from ctstudio.learn.recipe import Recipe
    from ctstudio.learn.self_supervised.neighbor2neighbor import Neighbor2Neighbor
    from ctstudio.learn.self_supervised.neighbouring_slices import NeighbouringSlices
    from ctstudio.learn.self_supervised.noise2void import Noise2Void
    from ctstudio.learn.self_supervised.recorrupted import Recorrupted
    from ctstudio.learn.synthetic import SyntheticNoise
    from ctstudio.learn.voxels import Voxels


@dataclass(frozen=True)
class Pair:
    """A whole slice: ``(y, x)`` float32 HU on the CPU, noisy and, where it is known, as it should
    be.

    ``around`` ``(n, y, x)`` holds the slice among its neighbours where the network wants to see
    them. Where ``region`` (bool, ``(y, x)``) is given, only its pixels are asked for, and of these,
    where the network is judged, only every so many along either axis (``judged_every``).
    ``spacing_mm`` is (dy, dx), None where it is not known.
    """

    index: int
    noisy: Tensor
    target: Tensor | None
    around: Tensor | None = None
    region: Tensor | None = None
    judged_every: int = 1
    spacing_mm: tuple[float, float] | None = None

    @property
    def shown(self) -> Tensor:
        """What the network is shown: the slice, among its neighbours where it wants them."""
        return self.noisy if self.around is None else self.around


@dataclass(frozen=True)
class Batch:
    """What one step learns from, on the device.

    ``inputs`` and ``targets`` are ``(b, 1, p, p)`` float32 HU (targets that are classes int64);
    a network that wants neighbouring slices has them as further channels of ``inputs``.
    Where ``mask`` (bool, of their shape) is False nothing is learnt; None learns everywhere.
    """

    inputs: Tensor
    targets: Tensor
    mask: Tensor | None = None

    def map(self, change: Callable[[Tensor], Tensor]) -> Self:
        """The batch with every tensor changed in the same way."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        # No instance check against Tensor: it would load torch.
        changed = {k: change(v) for k, v in parts.items() if v is not None}
        return replace(self, **changed)


Network: TypeAlias = "Callable[[Tensor], Tensor]"


class Task(Protocol):
    """What an entry of `TASKS` makes: one training's data.

    ``pixels`` is the number of pixels to learn from, ``batch_size`` and ``patch`` what a step
    takes of them: epochs are counted by these. Where the targets of the ``validation`` are not
    known, the training is judged by its loss on ``held_out``. ``context``, which is set before
    `prepare`, says what the network must be shown, and ``shows_held_out`` whether the slice that is
    shown is a held-out one even where the first series has none.
    """

    context: Context
    shows_held_out: bool
    pixels: int
    batch_size: int
    patch: int
    held_out: Sequence[Batch]
    validation: Sequence[Pair]
    preview: Pair

    def prepare(
        self,
        recipe: Recipe,
        volumes: Sequence[Volume],
        preview_slice: int | None,
        device: torch.device,
        *,
        targets: Sequence[Volume] = (),
    ) -> Work[None]:
        """Read the volumes, hold slices out, make the noise ready.

        ``targets``, where given, are as many as ``volumes`` and aligned with them: what a task
        learns to return, or what it is judged by.
        """
        ...

    def draw(self, generator: torch.Generator, count: int) -> list[Batch]:
        """What the next ``count`` steps learn from; the generator alone decides the draw."""
        ...

    def complete(self, batch: Batch, network: Network) -> Batch:
        """A batch at the moment when it is learnt from.

        ``network`` gives the present network's output for HU ``(b, 1, y, x)``, without gradient;
        most tasks have no use for it and return ``batch``.
        """
        ...

    def shrink(self) -> str:
        """Need about half the memory from now on; says what was halved, or "" at the least."""
        ...


TASKS: Registry[Callable[..., Task]] = Registry("task")
"""Every task by name. An entry is called with its settings and makes a `Task`.

Tags: "noise" where the recipe's noise is used, "targets" where aligned series are needed,
"reference" where they may be given to judge by, "labels" where classes are learnt, and "voxels"
where these are classes of single voxels, told from what is around them.
"""


BodyShare = Annotated[float, Param("Least share of a patch that must lie inside the body", 0, 1)]
Augment = Annotated[bool, Param("Flip and turn the patches at random")]


@TASKS.add("synthetic", title="Add noise to clean images", tags=["noise"])
def synthetic(
    *,
    quiet_hu: Annotated[
        float,
        Param(
            "Series with more noise in soft tissue are averaged first, pixels 2 x 2 and then "
            "slices, so that a network does not learn to keep their noise; 0: learn from all as "
            "they are",
            0,
            200,
            unit="HU",
            label="Average noisier series",
        ),
    ] = 0.0,
    body_share: BodyShare = 0.25,
    augment: Augment = True,
) -> SyntheticNoise:
    """The series is the target; the input is the series with new noise at every step."""
    from ctstudio.learn.synthetic import SyntheticNoise

    return SyntheticNoise(quiet_hu=quiet_hu, body_share=body_share, augment=augment)


@TASKS.add("pairs", title="Pairs of series", tags=["targets"])
def pairs(*, body_share: BodyShare = 0.25, augment: Augment = True) -> Pairs:
    """The series is the input and its target an aligned one, such as a scan at a higher dose."""
    from ctstudio.learn.pairs import Pairs

    return Pairs(body_share=body_share, augment=augment)


@TASKS.add("recorrupted", title="Recorrupted-to-Recorrupted", tags=["noise", "reference"])
def recorrupted(
    *,
    strength: Annotated[float, Param("Share of the noise that is added to the input", 0.05, 2)] = (
        0.5
    ),
    match: Annotated[bool, Param("Scale the noise to what is measured in the series")] = True,
    body_share: BodyShare = 0.25,
    augment: Augment = True,
) -> Recorrupted:
    """From noisy series alone: the input gets more of the series' own noise, the target less."""
    from ctstudio.learn.self_supervised.recorrupted import Recorrupted

    return Recorrupted(strength=strength, match=match, body_share=body_share, augment=augment)


@TASKS.add("noise2void", title="Noise2Void", tags=["reference"])
def noise2void(
    *,
    hidden: Annotated[float, Param("Share of the pixels that are asked for", 0.001, 0.2)] = 0.05,
    direction: Annotated[
        Literal["none", "horizontal", "vertical", "cross", "square"],
        Param("Which neighbours share a pixel's noise, and are hidden with it"),
    ] = "cross",
    arm_px: Annotated[int, Param("How far they lie", 1, 16, "px", label="Reach")] = 1,
    body_share: BodyShare = 0.25,
    augment: Augment = True,
) -> Noise2Void:
    """From noisy series alone: hidden pixels are told from their surroundings."""
    from ctstudio.learn.self_supervised.noise2void import Noise2Void

    return Noise2Void(
        hidden=hidden, direction=direction, arm_px=arm_px, body_share=body_share, augment=augment
    )


@TASKS.add("neighbor2neighbor", title="Neighbor2Neighbor", tags=["reference"])
def neighbor2neighbor(
    *,
    gamma: Annotated[float, Param("Weight of the term against too much smoothing", 0, 100)] = 2.0,
    body_share: BodyShare = 0.25,
    augment: Augment = True,
) -> Neighbor2Neighbor:
    """From noisy series alone: neighbouring pixels are each other's target."""
    from ctstudio.learn.self_supervised.neighbor2neighbor import Neighbor2Neighbor

    return Neighbor2Neighbor(gamma=gamma, body_share=body_share, augment=augment)


@TASKS.add("neighbouring_slices", title="Neighbouring slices", tags=["reference"])
def neighbouring_slices(
    *,
    tolerance: Annotated[
        float, Param("Where neighbours differ by more, nothing is learnt", 1, 1000, "HU")
    ] = 30.0,
    body_share: BodyShare = 0.25,
    augment: Augment = True,
) -> NeighbouringSlices:
    """From noisy series alone: the target of a slice is the one beside it."""
    from ctstudio.learn.self_supervised.neighbouring_slices import NeighbouringSlices

    return NeighbouringSlices(tolerance=tolerance, body_share=body_share, augment=augment)


@TASKS.add("masks", title="Images and masks", tags=["targets", "labels"])
def masks(
    *,
    foreground: Annotated[
        float, Param("Share of the patches that are drawn around a pixel of a class", 0, 1)
    ] = 0.5,
    body_share: BodyShare = 0.25,
    augment: Augment = True,
) -> Masks:
    """The series is the input, and for each pixel a mask says which class it belongs to."""
    from ctstudio.learn.masks import Masks

    return Masks(foreground=foreground, body_share=body_share, augment=augment)


@TASKS.add("voxels", title="Voxels and masks", tags=["targets", "labels", "voxels"])
def voxels(
    *,
    region: Annotated[
        Literal["body", "everywhere"],
        Param("Where voxels are classified; all others are background"),
    ] = "body",
    balance: Annotated[
        float,
        Param("0 draws voxels as often as their class occurs, 1 every class equally often", 0, 1),
    ] = 1.0,
    judged_every: Annotated[
        int, Param("Held-out voxels that are judged: every so many along rows and columns", 1, 16,
                   label="Judged every")
    ] = 1,
    augment: Augment = True,
) -> Voxels:  # fmt: skip
    """Single voxels: the input is the block of voxels around each, the target its class."""
    from ctstudio.learn.voxels import Voxels

    return Voxels(region=region, balance=balance, judged_every=judged_every, augment=augment)

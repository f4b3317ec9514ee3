"""The noise of low-dose scans of many kinds, for networks that are to work on any of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Work
from ctstudio.core.registry import Param
from ctstudio.learn.kernels import KERNELS
from ctstudio.learn.noise.base import NOISES, seeded, sent
from ctstudio.learn.noise.low_dose import LowDose

if TYPE_CHECKING:
    import torch
    from torch import Tensor

CUTOFFS = (1.0, 0.6)
"""Where the kernels end, over the Nyquist frequency: sharp reconstructions, and smooth ones."""


@NOISES.add("low_doses", title="Low doses of many kinds, from the projections")
class LowDoses:
    """Noise of scans at many doses and with every reconstruction kernel.

    A slice has the noise of one kind, as `LowDose` makes it. Kinds are spread evenly in the
    logarithm of the noise variance between those of the two doses, and go through the kernels and
    two cut-off frequencies. Beside that each patch has an amplitude of its own, so that noise of
    every kernel is seen weak and strong.
    """

    def __init__(
        self,
        *,
        least: Annotated[
            float, Param("Least dose", 0.01, 0.9, unit="of full dose", log=True)
        ] = 0.05,
        most: Annotated[
            float, Param("Highest dose", 0.02, 0.95, unit="of full dose", log=True)
        ] = 0.7,
        already_noisy: Annotated[
            bool, Param("The series carries the noise of full dose: add only what is missing")
        ] = True,
        photons: Annotated[
            float,
            Param("Photons of a ray in air, full dose", 1e3, 1e8, unit="per ray", log=True),
        ] = 2e5,
        fields: Annotated[
            int, Param("Noise fields kept a slice for training", 2, 16, unit="a slice")
        ] = 3,
        weakest: Annotated[
            float,
            Param("For training: least amplitude of a patch's noise, of that of its dose",
                  0.05, 1, log=True),
        ] = 0.67,
        strongest: Annotated[
            float,
            Param("For training: highest amplitude of a patch's noise, of that of its dose",
                  1, 4, log=True),
        ] = 1.5,
    ) -> None:  # fmt: skip
        if least >= most:
            raise StudioError(
                f"The least dose, {least:g}, is not below the highest, {most:g}.",
                hint="Set a smaller least dose.",
            )
        kinds = [(kernel, cutoff) for cutoff in CUTOFFS for kernel in KERNELS]
        # Neighbours among the doses are not neighbours among the kernels.
        order = [(3 * k) % len(kinds) for k in range(len(kinds))]
        strengths = [
            (1 / most - 1) * ((1 / least - 1) / (1 / most - 1)) ** (k / (len(kinds) - 1))
            for k in order
        ]
        self._kinds = [
            LowDose(
                dose=1 / (1 + strength),
                already_noisy=already_noisy,
                kernel=kernel,
                cutoff=cutoff,
                photons=photons,
                fields=fields,
            )
            for strength, (kernel, cutoff) in zip(strengths, kinds, strict=True)
        ]
        self._weakest, self._range = weakest, strongest / weakest
        self._kind_of: dict[int, int] = {}

    def prepare(
        self, hu: Tensor, spacing_mm: tuple[float, float], *, slices: Sequence[int], seed: int
    ) -> Work[None]:
        """See `Noise.prepare` and `LowDose.prepare`; every slice gets a kind at random."""
        import torch

        wanted = sorted({int(z) for z in slices})
        drawn = torch.randint(len(self._kinds), (len(wanted),), generator=seeded(seed))
        self._kind_of = dict(zip(wanted, drawn.tolist(), strict=True))
        for number, kind in enumerate(self._kinds):
            mine = [z for z in wanted if self._kind_of[z] == number]
            if mine:
                yield from kind.prepare(hu, spacing_mm, slices=mine, seed=seed + number)

    def patches(self, clean: Tensor, where: Tensor, generator: torch.Generator) -> Tensor:
        """See `Noise.patches`."""
        import torch

        noisy = torch.empty_like(clean)
        kinds = torch.tensor([self._kind_of[z] for z in where[:, 0].tolist()])
        for number in sorted(set(kinds.tolist())):
            mine = (kinds == number).nonzero()[:, 0]
            there = sent(mine, clean.device)
            noisy[there] = self._kinds[number].patches(clean[there], where[mine], generator)
        drawn = torch.rand(len(clean), generator=generator, device=generator.device)
        factor = sent(self._weakest * self._range**drawn, clean.device).view(-1, 1, 1, 1)
        return torch.lerp(clean, noisy, factor)

    def slice(self, clean: Tensor, spacing_mm: tuple[float, float], *, seed: int) -> Tensor:
        """See `Noise.slice`; the seed decides the kind."""
        return self.of_one_kind(seed).slice(clean, spacing_mm, seed=seed)

    def of_one_kind(self, seed: int) -> LowDose:
        """See `Noise.of_one_kind`."""
        return self._kinds[seed % len(self._kinds)]

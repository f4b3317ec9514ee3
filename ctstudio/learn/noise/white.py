"""White Gaussian noise: independent from pixel to pixel, of one standard deviation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from ctstudio.core.events import Progress, Work
from ctstudio.core.registry import Param
from ctstudio.learn.noise.base import NOISES, Pointwise, normal_like, seeded, sent

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Black = Annotated[
    float,
    Param("Value that counts as zero: -1000 for HU, 0 for pictures", -4096, 4096),
]


@NOISES.add("gaussian", title="Gaussian, white")
class Gaussian(Pointwise):
    """White Gaussian noise of one standard deviation, independent from pixel to pixel."""

    def __init__(
        self,
        *,
        sd: Annotated[
            float, Param("Standard deviation", 0.1, 1000, unit="HU", label="SD", log=True)
        ] = 25.0,
    ) -> None:
        self.sd = sd

    def noisy(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        return clean + self.sd * normal_like(clean, generator)


@NOISES.add("article_gaussian", title="Gaussian, a share of the maximum")
class ArticleGaussian:
    """White Gaussian noise with a standard deviation of 0.3 times the slice's maximum.

    The recipe of the articles on networks written in NumPy: ``x + 0.3 * max(x) * N(0, 1)`` for
    images whose black is 0. The maximum is that of the whole slice and is counted from ``black``:
    for HU from air at -1000, so that water alone would give an SD of 300 HU; for pictures set 0.
    """

    def __init__(
        self,
        *,
        share: Annotated[
            float, Param("Standard deviation over the maximum", 0.001, 2, unit="of the maximum")
        ] = 0.3,
        black: Black = -1000.0,
    ) -> None:
        self.share = share
        self.black = black
        self._sd: dict[int, float] = {}

    def _sd_of(self, images: Tensor) -> Tensor:
        """Of each image ``(..., y, x)``, as ``(..., 1, 1)``."""
        highest = images.amax((-2, -1), keepdim=True)
        return self.share * (highest - self.black).clamp(min=0)

    def prepare(
        self, hu: Tensor, spacing_mm: tuple[float, float], *, slices: Sequence[int], seed: int
    ) -> Work[None]:
        self._sd = {}
        for done, index in enumerate(slices, 1):
            self._sd[int(index)] = float(self._sd_of(hu[index]))
            yield Progress(done, len(slices), "Finding each slice's maximum")

    def patches(self, clean: Tensor, where: Tensor, generator: torch.Generator) -> Tensor:
        import torch

        sd = torch.tensor([self._sd[z] for z in where[:, 0].tolist()])
        return clean + sent(sd, clean.device).view(-1, 1, 1, 1) * normal_like(clean, generator)

    def slice(self, clean: Tensor, spacing_mm: tuple[float, float], *, seed: int) -> Tensor:
        return clean + self._sd_of(clean) * normal_like(clean, seeded(seed))

    def of_one_kind(self, seed: int) -> ArticleGaussian:
        return self

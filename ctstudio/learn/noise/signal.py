"""Noise that grows with the signal, independent from pixel to pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ctstudio.core.errors import StudioError
from ctstudio.core.registry import Param
from ctstudio.ct.padding import AIR_HU
from ctstudio.learn.noise.base import NOISES, Pointwise, normal_like, poisson, uniform_like
from ctstudio.learn.noise.hounsfield import keep_padding
from ctstudio.learn.noise.white import Black

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@NOISES.add("multiplicative", title="Multiplicative, uniform")
class Multiplicative(Pointwise):
    """Every pixel is multiplied with a uniform number of its own: x + x U(low, high).

    The value x is counted from ``black``. The last of the articles on lung CT takes
    ``x * 0.5 * U(0, 5)``, which is ``x + x * U(-1, 1.5)``: on average a quarter too bright, with
    an SD of 0.72 x. Limits that are opposite keep the mean.
    """

    def __init__(
        self,
        *,
        low: Annotated[
            float, Param("Least share of the value that is added", -2, 10, unit="of the value")
        ] = -1.0,
        high: Annotated[
            float, Param("Greatest share of the value that is added", -2, 10, unit="of the value")
        ] = 1.5,
        black: Black = -1000.0,
    ) -> None:
        if low > high:
            raise StudioError(
                f"multiplicative.low = {low:g} lies above high = {high:g}.",
                hint="Give the smaller share first.",
            )
        self.low = low
        self.high = high
        self.black = black

    def noisy(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        share = self.low + (self.high - self.low) * uniform_like(clean, generator)
        return clean + (clean - self.black) * share


@NOISES.add("poisson_gaussian", title="Poisson and Gaussian, signal-dependent")
class PoissonGaussian(Pointwise):
    """White noise whose variance grows with the value above air, and electronic noise.

    A value counts as a signal of 0 in air (-1000 HU) and 1 in water (0 HU). It is a Poisson count
    of ``photons`` times the signal, over ``photons``, with Gaussian noise added::

        var(x) = (1000 / photons) (x + 1000) + electronic^2    in HU^2, for x above air

    so that water has an SD of ``1000 / sqrt(photons)`` HU besides the electronic noise; the mean
    is kept. This is the model of counting detectors (Foi et al. 2008, doi
    10.1109/TIP.2008.2001399) laid on the picture itself, as photographs have it. A scanner's noise
    is that of ``low_dose``. Padding stays as it is.
    """

    def __init__(
        self,
        *,
        photons: Annotated[
            float,
            Param(
                "Counts that stand for the step from air to water: the more, the less noise",
                1, 1e7, unit="per 1000 HU", log=True,
            ),
        ] = 1600.0,
        electronic: Annotated[
            float, Param("SD of the electronic noise", 0, 1000, unit="HU", label="Electronic SD")
        ] = 5.0,
    ) -> None:  # fmt: skip
        self.photons = photons
        self.electronic = electronic

    def noisy(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        signal = (clean - AIR_HU).clamp(min=0) / -AIR_HU
        counts = poisson(self.photons * signal, generator)
        quantum = (counts / self.photons - signal) * -AIR_HU
        noisy = clean + quantum + self.electronic * normal_like(clean, generator)
        return keep_padding(clean, noisy)

"""Noise to train on and to show: white noise, and the noise of a low-dose CT scan.

A noise is prepared once for the series that it will be added to, then draws a new realisation at
every call. Everything it draws is decided by the seed or the generator that it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Protocol

import torch
from torch import Tensor

from ctstudio.core.events import Progress, Work
from ctstudio.core.registry import Param, Registry


class Noise(Protocol):
    """What an entry of `NOISES` makes."""

    def prepare(
        self, hu: Tensor, spacing_mm: tuple[float, float], *, slices: Sequence[int], seed: int
    ) -> Work[None]:
        """Make ready to draw patches of some slices of a series.

        Parameters
        ----------
        hu
            ``(z, y, x)`` float32, the series in HU. Only the slices named are read.
        spacing_mm
            ``(dy, dx)``.
        slices
            The indices along z that patches will be drawn from.
        seed
            Decides whatever is drawn here.
        """
        ...

    def patches(self, clean: Tensor, where: Tensor, generator: torch.Generator) -> Tensor:
        """Add a new draw of noise to patches of the prepared series.

        Parameters
        ----------
        clean
            ``(b, 1, p, p)`` float32, HU, cut from the series given to `prepare`.
        where
            ``(b, 3)`` int64: slice, row, column of each patch's first pixel.
        generator
            On any device; it alone decides the draw.

        Returns
        -------
        Tensor
            ``(b, 1, p, p)`` float32, noisy HU, on the device of ``clean``.
        """
        ...

    def slice(self, clean: Tensor, spacing_mm: tuple[float, float], *, seed: int) -> Tensor:
        """Add a fresh realisation to one whole slice ``(y, x)``, float32 HU; needs no `prepare`."""
        ...


NOISES: Registry[type[Noise]] = Registry("noise")
"""Every noise by name. An entry is called with its settings and makes a `Noise`."""


def normal_like(image: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal numbers of the shape and device of ``image``, float32."""
    draw = torch.randn(image.shape, generator=generator, device=generator.device)
    return draw.to(image.device)


@NOISES.add("gaussian", title="Gaussian, white")
class Gaussian:
    """White Gaussian noise of one standard deviation, independent from pixel to pixel."""

    def __init__(
        self,
        *,
        sd: Annotated[
            float, Param("Standard deviation", 0.1, 1000, unit="HU", label="SD", log=True)
        ] = 25.0,
    ) -> None:
        self.sd = sd

    def prepare(
        self, hu: Tensor, spacing_mm: tuple[float, float], *, slices: Sequence[int], seed: int
    ) -> Work[None]:
        yield Progress(len(slices), len(slices), "White noise needs no preparation")

    def patches(self, clean: Tensor, where: Tensor, generator: torch.Generator) -> Tensor:
        return clean + self.sd * normal_like(clean, generator)

    def slice(self, clean: Tensor, spacing_mm: tuple[float, float], *, seed: int) -> Tensor:
        return clean + self.sd * normal_like(clean, torch.Generator().manual_seed(seed))


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
        share: Annotated[float, Param("Standard deviation over the maximum", 0.001, 2)] = 0.3,
        black: Annotated[
            float,
            Param("Value that counts as zero: -1000 for HU, 0 for pictures", -4096, 4096),
        ] = -1000.0,
    ) -> None:
        self.share = share
        self.black = black
        self._sd: dict[int, float] = {}

    def _sd_of(self, image: Tensor) -> float:
        return self.share * max(float(image.max()) - self.black, 0.0)

    def prepare(
        self, hu: Tensor, spacing_mm: tuple[float, float], *, slices: Sequence[int], seed: int
    ) -> Work[None]:
        self._sd = {}
        for done, index in enumerate(slices, 1):
            self._sd[int(index)] = self._sd_of(hu[index])
            yield Progress(done, len(slices), "Finding each slice's maximum")

    def patches(self, clean: Tensor, where: Tensor, generator: torch.Generator) -> Tensor:
        sd = torch.tensor([self._sd[z] for z in where[:, 0].tolist()], device=clean.device)
        return clean + sd.view(-1, 1, 1, 1) * normal_like(clean, generator)

    def slice(self, clean: Tensor, spacing_mm: tuple[float, float], *, seed: int) -> Tensor:
        return clean + self._sd_of(clean) * normal_like(clean, torch.Generator().manual_seed(seed))

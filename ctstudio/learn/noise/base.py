"""What a noise is, and the numbers that every noise is drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from ctstudio.core.events import Progress, Work
from ctstudio.core.registry import Registry

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Noise(Protocol):
    """What an entry of `NOISES` makes."""

    def prepare(
        self, hu: Tensor, spacing_mm: tuple[float, float], *, slices: Sequence[int], seed: int
    ) -> Work[None]:
        """Make ready to draw patches of some slices of a series.

        Parameters
        ----------
        hu
            ``(z, y, x)`` int16 or float32, the series in HU, on any device. Only the slices named
            are read, a few at a time.
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

        Nothing here waits for the device.

        Parameters
        ----------
        clean
            ``(b, n, p, p)`` float32, HU, cut from the series given to `prepare`, on its device:
            one slice, or neighbouring ones, each of which gets a draw of its own.
        where
            ``(b, 3)`` int64, on the CPU: slice, row, column of each patch's first pixel. Neighbours
            have the kind of noise of the slice that is named, as in one scan.
        generator
            On any device; it alone decides the draw.

        Returns
        -------
        Tensor
            ``(b, n, p, p)`` float32, noisy HU, on the device of ``clean``.
        """
        ...

    def slice(self, clean: Tensor, spacing_mm: tuple[float, float], *, seed: int) -> Tensor:
        """Add a fresh realisation to one whole slice ``(y, x)``, float32 HU; needs no `prepare`.

        Several slices ``(n, y, x)`` get a realisation each, all of one kind.
        """
        ...

    def of_one_kind(self, seed: int) -> Noise:
        """The noise as one scan has it: of several kinds the one that ``seed`` decides."""
        ...


class Pointwise:
    """A noise that each pixel gets from its own value alone: it needs no preparation."""

    def noisy(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        """``clean`` float32 HU of any shape with a new draw."""
        raise NotImplementedError

    def prepare(
        self, hu: Tensor, spacing_mm: tuple[float, float], *, slices: Sequence[int], seed: int
    ) -> Work[None]:
        yield Progress(len(slices), len(slices), "This noise needs no preparation")

    def patches(self, clean: Tensor, where: Tensor, generator: torch.Generator) -> Tensor:
        return self.noisy(clean, generator)

    def slice(self, clean: Tensor, spacing_mm: tuple[float, float], *, seed: int) -> Tensor:
        return self.noisy(clean, seeded(seed))

    def of_one_kind(self, seed: int) -> Noise:
        return self


NOISES: Registry[type[Noise]] = Registry("noise")
"""Every noise by name. An entry is called with its settings and makes a `Noise`."""


def normal_like(image: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal numbers of the shape and device of ``image``, float32."""
    import torch

    draw = torch.randn(image.shape, generator=generator, device=generator.device)
    return sent(draw, image.device)


def uniform_like(image: Tensor, generator: torch.Generator) -> Tensor:
    """Numbers uniform in [0, 1) of the shape and device of ``image``, float32."""
    import torch

    draw = torch.rand(image.shape, generator=generator, device=generator.device)
    return sent(draw, image.device)


def poisson(expected: Tensor, generator: torch.Generator) -> Tensor:
    """Poisson counts of the expectations, their shape, dtype and device."""
    import torch

    if expected.device.type == "cuda" and generator.device != expected.device:
        # Counts depend on what lies on the device: a generator there saves waiting for it.
        number = int(torch.randint(2**62, (), generator=generator, device=generator.device))
        generator = torch.Generator(expected.device).manual_seed(number)
    counts = torch.poisson(expected.to(generator.device), generator=generator)
    return sent(counts, expected.device)


def sent(draw: Tensor, device: torch.device) -> Tensor:
    """``draw`` on ``device``; a copy from the CPU to a CUDA device runs while the CPU goes on."""
    if draw.device.type == "cpu" and device.type == "cuda":
        draw = draw.pin_memory()  # from other memory the driver would wait for the device
    return draw.to(device, non_blocking=True)


def seeded(seed: int) -> torch.Generator:
    """A generator on the CPU whose draws ``seed`` decides."""
    import torch

    return torch.Generator().manual_seed(seed)

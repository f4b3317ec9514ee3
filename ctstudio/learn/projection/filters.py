"""The filter of filtered back-projection: the band-limited ramp under a kernel's apodisation."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from ctstudio.learn.kernels import KERNELS, Kernel


def apodisation(kernel: Kernel, frequency: Tensor, cutoff: float = 1.0) -> Tensor:
    """What multiplies the ramp at ``frequency``, given as a fraction of the Nyquist frequency.

    "ram-lak" is 1, "shepp-logan" sinc(u/2), "cosine" cos(pi u/2), "hann" (1 + cos(pi u))/2, with
    ``u = frequency / cutoff``; all are 0 beyond ``u = 1``.
    """
    u = frequency.abs() / cutoff
    if kernel == "ram-lak":
        window = torch.ones_like(u)
    elif kernel == "shepp-logan":
        window = torch.sinc(u / 2)
    elif kernel == "cosine":
        window = torch.cos(math.pi * u / 2)
    elif kernel == "hann":
        window = (1 + torch.cos(math.pi * u)) / 2
    else:
        raise ValueError(f"kernel must be one of {', '.join(KERNELS)}, not {kernel!r}")
    return torch.where(u <= 1, window, torch.zeros_like(u))


@lru_cache(maxsize=16)
def filter_response(detectors: int, kernel: Kernel, cutoff: float) -> Tensor:
    """Frequency response of the apodised ramp for a pitch of 1, ``(n // 2 + 1,)`` float32."""
    n = 2 * fast_length(detectors)  # At least twice as long, so that a view does not wrap around.
    lag = torch.arange(n, dtype=torch.float64)
    lag = torch.minimum(lag, n - lag)
    ramp = torch.where(lag % 2 == 1, -1 / (math.pi * lag.clamp(min=1)) ** 2, 0.0)
    ramp[0] = 0.25
    frequency = torch.arange(n // 2 + 1, dtype=torch.float64) / (n / 2)
    response: Tensor = torch.fft.rfft(ramp).real * apodisation(kernel, frequency, cutoff)
    return response.float()


def fast_length(at_least: int, *, odd: bool = False) -> int:
    """The smallest product of 2, 3, 5 and 7 (odd: without 2) that is no smaller than this."""
    n = at_least
    while True:
        rest = n
        for prime in (3, 5, 7) if odd else (2, 3, 5, 7):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return n
        n += 1

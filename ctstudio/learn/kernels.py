"""Names of the reconstruction kernels and of the beams, readable without torch."""

from typing import Literal, get_args

Kernel = Literal["ram-lak", "shepp-logan", "cosine", "hann"]
KERNELS: tuple[Kernel, ...] = get_args(Kernel)
"""Reconstruction kernels, from the sharpest to the smoothest."""

Beam = Literal["parallel", "fan"]
"""How the rays of one view run."""

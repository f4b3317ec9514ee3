"""Fan-beam projection and reconstruction of full turns, by rebinning to parallel beams.

A ray at the angle gamma of a fan whose source stands at beta is the parallel ray of direction
``theta = beta + gamma`` at ``t = D sin(gamma)`` from the centre of rotation, D being the source's
distance (Kak & Slaney, Principles of Computerized Tomographic Imaging, 1988, section 3.4.3).
Scanners reconstruct this way too (Stierstorfer et al. 2004, doi 10.1088/0031-9155/49/11/007).

Along beta every detector's readings are a periodic function, which a phase shift of its Fourier
series turns by gamma. Across the fan the readings are moved to equal steps of t by a sum of sinc
functions, each weighted with the width of t that its reading stands for. Both keep white noise
white below the parallel detector's Nyquist frequency: no interpolation smooths it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ctstudio.learn.kernels import Kernel
from ctstudio.learn.projection.parallel import ParallelBeam

WIDEST = 0.9
"""How far the picture may reach towards the source's orbit; a fan opens wide beyond that."""


@dataclass(frozen=True)
class FanBeam:
    """A picture and the fans of rays through it, from a source on a circle around it.

    Parameters
    ----------
    rows, columns
        Size of the picture; it need not be square.
    spacing_mm
        ``(dy, dx)``. Neighbouring rays are the larger of the two apart where they pass the centre.
    views
        Number of fans, even, equally spaced over 360 degrees. In fan ``v``, with
        ``beta = 2 pi v / views``, the source is at ``D (-sin(beta), cos(beta))``, x to the right
        and y down, and the ray at ``gamma`` measures direction ``beta + gamma``.
    source_mm
        D, from the source to the centre of rotation.

    Raises
    ------
    ValueError
        When ``views`` is odd or the picture's diagonal reaches too near to the source's orbit.
    """

    rows: int
    columns: int
    spacing_mm: tuple[float, float]
    views: int = 1440
    source_mm: float = 570.0

    def __post_init__(self) -> None:
        if self.views % 2:
            raise ValueError("a full turn needs an even number of views")
        if self.parallel.positions_mm[-1] > WIDEST * self.source_mm:
            raise ValueError("the picture reaches too near to the source")

    @property
    def parallel(self) -> ParallelBeam:
        """The parallel beams that the fans are sorted into: half as many, over 180 degrees."""
        return ParallelBeam(self.rows, self.columns, self.spacing_mm, self.views // 2)

    @property
    def step_rad(self) -> float:
        """Angle between neighbouring rays of a fan."""
        return self.parallel.pitch_mm / self.source_mm

    @property
    def detectors(self) -> int:
        """Readings a fan, an odd number; the middle one passes through the centre of rotation."""
        edge = math.asin(self.parallel.positions_mm[-1] / self.source_mm)
        return 2 * math.ceil(edge / self.step_rad - 1e-6) + 1

    @property
    def angles_rad(self) -> NDArray[np.float64]:
        """``(detectors,)``: gamma of each reading."""
        return np.float64(self.step_rad) * (np.arange(self.detectors) - self.detectors // 2)

    def project(self, images: Tensor) -> Tensor:
        """Line integrals of images.

        Parameters
        ----------
        images
            ``(b, y, x)`` float32, in units per mm. Two images cost as much as one.

        Returns
        -------
        Tensor
            ``(b, views, detectors)`` float32, without unit.
        """
        to_fan, _, phase = self._tables(images.device)
        lines = self.parallel.project(images)
        # The other half turn sees the same rays from the other end.
        turn = torch.cat([lines, lines.flip(-1)], dim=1) @ to_fan
        return _turned(turn, phase)

    def rebin(self, sinograms: Tensor) -> Tensor:
        """Fans ``(b, views, detectors)`` float32 to ``(b, views / 2, parallel detectors)``.

        A ray measured from both ends becomes the mean of the two readings.
        """
        if sinograms.ndim != 3 or tuple(sinograms.shape[1:]) != (self.views, self.detectors):
            raise ValueError(
                f"sinograms must be (b, views, detectors) = (b, {self.views}, {self.detectors})"
            )
        _, to_parallel, phase = self._tables(sinograms.device)
        turn = _turned(sinograms, phase.conj())
        half = self.views // 2
        parallel: Tensor = (turn[:, :half] + turn[:, half:].flip(-1)) / 2 @ to_parallel
        return parallel

    def reconstruct(
        self, sinograms: Tensor, kernel: Kernel = "hann", cutoff: float = 1.0
    ) -> Tensor:
        """Rebinning, then filtered back-projection; see `ParallelBeam.reconstruct`."""
        return self.parallel.reconstruct(self.rebin(sinograms), kernel, cutoff)

    def _tables(self, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        pitch = self.parallel.pitch_mm
        tables = _rebinning(self.views, self.parallel.detectors, self.detectors,
                            round(self.source_mm / pitch, 6))  # fmt: skip
        to_fan, to_parallel, phase = (table.to(device) for table in tables)
        return to_fan, to_parallel, phase


def _turned(fans: Tensor, phase: Tensor) -> Tensor:
    """Readings ``(b, views, detectors)``, each ray's moved along the views by its angle."""
    turned: Tensor = torch.fft.irfft(torch.fft.rfft(fans, dim=1) * phase, n=fans.shape[1], dim=1)
    return turned


@lru_cache(maxsize=2)
def _rebinning(views: int, parallel: int, fan: int, source: float) -> tuple[Tensor, Tensor, Tensor]:
    """What turns parallel into fan readings and back; ``source`` is its distance in pitches.

    Returns ``(parallel, fan)`` float32, ``(fan, parallel)`` float32, and the phases
    ``(views / 2 + 1, fan)`` complex64 that turn a Fourier series along the views by a ray's angle.
    """
    gamma = (np.arange(fan) - fan // 2) / source
    apart = np.sinc((np.arange(parallel) - parallel // 2)[:, None] - source * np.sin(gamma))
    phase = np.exp(1j * np.outer(np.arange(views // 2 + 1), gamma))
    return (
        torch.from_numpy(apart.astype(np.float32)),
        torch.from_numpy((np.cos(gamma) * apart).T.astype(np.float32)),
        torch.from_numpy(phase.astype(np.complex64)),
    )

"""Parallel-beam projection and reconstruction by the Fourier slice theorem.

The Fourier transform of a parallel projection is a central line of the image's two-dimensional
Fourier transform (Bracewell 1956). Both directions therefore need only fast Fourier transforms and
one interpolation between a Cartesian and a polar grid; its transpose back-projects.

An image ``(y, x)`` is taken as samples of a function without frequencies above the Nyquist
frequency. It turns about the pixel ``(rows // 2, columns // 2)``, and the detector, of the pixel's
pitch, covers the whole diagonal: nothing inside the picture is ever truncated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ctstudio.learn.kernels import Kernel
from ctstudio.learn.projection.filters import filter_response
from ctstudio.learn.projection.polar import PolarGrid, polar_grid


@dataclass(frozen=True)
class ParallelBeam:
    """A picture and the parallel beams through it.

    Parameters
    ----------
    rows, columns
        Size of the picture; it need not be square.
    spacing_mm
        ``(dy, dx)``. The detector's pitch is the larger of the two.
    views
        Number of directions, equally spaced over 180 degrees. View ``v`` measures
        ``t = x cos(pi v / views) + y sin(pi v / views)`` with x to the right and y down.
    """

    rows: int
    columns: int
    spacing_mm: tuple[float, float]
    views: int = 720

    @property
    def pitch_mm(self) -> float:
        """Distance between neighbouring detector readings."""
        return max(self.spacing_mm)

    @property
    def detectors(self) -> int:
        """Readings a view, an odd number; the middle one passes through the centre of rotation."""
        dy, dx = self.spacing_mm
        diagonal = math.hypot((self.rows + 1) * dy, (self.columns + 1) * dx)
        return 2 * math.ceil(diagonal / self.pitch_mm / 2) + 1

    @property
    def positions_mm(self) -> NDArray[np.float64]:
        """``(detectors,)``: where each reading's ray passes the centre of rotation."""
        return np.float64(self.pitch_mm) * (np.arange(self.detectors) - self.detectors // 2)

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
        self._check(images, (self.rows, self.columns), "images", "y, x")
        grid = self._grid()
        packed = _pack(images)
        correction = grid.correction.to(images.device)
        spectrum = torch.fft.fft2(grid.spread(packed * correction))
        samples = grid.interpolate(spectrum.flatten(1)).view(len(packed), self.views, -1)
        area = self.spacing_mm[0] * self.spacing_mm[1]
        lines = torch.fft.ifft(samples) * (area / self.pitch_mm)
        return _unpack(_centred(lines, self.detectors), len(images))

    def backproject(self, sinograms: Tensor) -> Tensor:
        """Mean over the views, times pi, of each view smeared back over the picture.

        Readings between detectors are interpolated without a loss of bandwidth. ``sinograms`` is
        ``(b, views, detectors)`` float32; the result ``(b, y, x)`` float32.
        """
        self._check(sinograms, (self.views, self.detectors), "sinograms", "views, detectors")
        grid = self._grid()
        packed = _pack(sinograms)
        samples = torch.fft.fft(_wrapped(packed, grid.samples))
        # The transpose of the interpolation spreads the polar samples over the Cartesian grid.
        cells = grid.interpolate_transposed(samples.flatten(1))
        image = torch.fft.ifft2(cells.view(len(packed), grid.size, grid.size))
        scale = math.pi / (self.views * grid.samples) * grid.size**2
        correction = grid.correction.to(sinograms.device)
        return _unpack(grid.gather(image) * (correction * scale), len(sinograms))

    def filter(self, sinograms: Tensor, kernel: Kernel = "hann", cutoff: float = 1.0) -> Tensor:
        """Ramp-filter each view under a kernel's apodisation; shape and dtype are kept.

        The ramp is the band-limited one sampled in space (Kak & Slaney, Principles of Computerized
        Tomographic Imaging, 1988, eq. 61 of chapter 3), so that the mean comes out right. Result
        in units per mm.
        """
        self._check(sinograms, (self.views, self.detectors), "sinograms", "views, detectors")
        response = filter_response(self.detectors, kernel, cutoff) / self.pitch_mm
        response = response.to(sinograms.device)
        spectrum = torch.fft.rfft(sinograms, n=2 * (len(response) - 1)) * response
        filtered: Tensor = torch.fft.irfft(spectrum, n=2 * (len(response) - 1))
        return filtered[..., : self.detectors]

    def reconstruct(
        self, sinograms: Tensor, kernel: Kernel = "hann", cutoff: float = 1.0
    ) -> Tensor:
        """Filtered back-projection.

        Parameters
        ----------
        sinograms
            ``(b, views, detectors)`` float32 line integrals. Two cost as much as one.
        kernel, cutoff
            Apodisation of the ramp, and where it ends as a fraction of the Nyquist frequency.

        Returns
        -------
        Tensor
            ``(b, y, x)`` float32, in units per mm.
        """
        return self.backproject(self.filter(sinograms, kernel, cutoff))

    def _grid(self) -> PolarGrid:
        # The grid depends on the shape of a pixel and not on its size, so most series share one.
        dy, dx = (step / self.pitch_mm for step in self.spacing_mm)
        return polar_grid(
            self.rows, self.columns, round(dy, 6), round(dx, 6), self.views, self.detectors
        )

    @staticmethod
    def _check(given: Tensor, shape: tuple[int, int], name: str, axes: str) -> None:
        if given.ndim != 3 or tuple(given.shape[1:]) != shape:
            raise ValueError(f"{name} must be (b, {axes}) = (b, {shape[0]}, {shape[1]})")


def _pack(stack: Tensor) -> Tensor:
    """Pairs of real ``(b, ...)`` as real and imaginary part: ``(ceil(b / 2), ...)`` complex64."""
    stack = stack.float()
    if len(stack) % 2:
        stack = torch.cat([stack, torch.zeros_like(stack[:1])])
    return torch.complex(stack[0::2], stack[1::2])


def _unpack(packed: Tensor, count: int) -> Tensor:
    pairs = torch.stack([packed.real, packed.imag], dim=1)
    return pairs.flatten(0, 1)[:count].contiguous()


def _wrapped(lines: Tensor, length: int) -> Tensor:
    """Lines with their middle sample moved to index 0, zero-padded to ``length``."""
    middle = lines.shape[-1] // 2
    out = lines.new_zeros((*lines.shape[:-1], length))
    out[..., : lines.shape[-1] - middle] = lines[..., middle:]
    out[..., length - middle :] = lines[..., :middle]
    return out


def _centred(lines: Tensor, length: int) -> Tensor:
    """The opposite of `_wrapped`."""
    middle = length // 2
    return torch.cat([lines[..., -middle:], lines[..., : length - middle]], dim=-1)

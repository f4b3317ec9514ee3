"""Parallel-beam projection and reconstruction by the Fourier slice theorem.

The Fourier transform of a parallel projection is a central line of the image's two-dimensional
Fourier transform (Bracewell 1956). Both directions therefore need only fast Fourier transforms and
one interpolation between a Cartesian and a polar grid. That interpolation is a sparse matrix with a
Kaiser-Bessel kernel on an oversampled grid (Jackson et al. 1991, doi 10.1109/42.97598; kernel
widths after Beatty et al. 2005, doi 10.1109/TMI.2005.848376); its transpose back-projects.

An image ``(y, x)`` is taken as samples of a function without frequencies above the Nyquist
frequency. It turns about the pixel ``(rows // 2, columns // 2)``, and the detector, of the pixel's
pitch, covers the whole diagonal: nothing inside the picture is ever truncated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ctstudio.learn.kernels import KERNELS, Kernel

_TAPS = 4  # Kernel width in grid cells: with twofold oversampling errors stay near 1e-3 of an edge.
_OVERSAMPLING = 2.0


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
        spectrum = torch.fft.fft2(grid.spread(packed * grid.correction))
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
        return _unpack(grid.gather(image) * (grid.correction * scale), len(sinograms))

    def filter(self, sinograms: Tensor, kernel: Kernel = "hann", cutoff: float = 1.0) -> Tensor:
        """Ramp-filter each view under a kernel's apodisation; shape and dtype are kept.

        The ramp is the band-limited one sampled in space (Kak & Slaney, Principles of Computerized
        Tomographic Imaging, 1988, eq. 61 of chapter 3), so that the mean comes out right. Result
        in units per mm.
        """
        self._check(sinograms, (self.views, self.detectors), "sinograms", "views, detectors")
        response = _filter_response(self.detectors, kernel, cutoff) / self.pitch_mm
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

    def _grid(self) -> _PolarGrid:
        # The grid depends on the shape of a pixel and not on its size, so most series share one.
        dy, dx = (step / self.pitch_mm for step in self.spacing_mm)
        return _polar_grid(
            self.rows, self.columns, round(dy, 6), round(dx, 6), self.views, self.detectors
        )

    @staticmethod
    def _check(given: Tensor, shape: tuple[int, int], name: str, axes: str) -> None:
        if given.ndim != 3 or tuple(given.shape[1:]) != shape:
            raise ValueError(f"{name} must be (b, {axes}) = (b, {shape[0]}, {shape[1]})")


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
def _filter_response(detectors: int, kernel: Kernel, cutoff: float) -> Tensor:
    """Frequency response of the apodised ramp for a pitch of 1, ``(n // 2 + 1,)`` float32."""
    n = 2 * _fast_length(detectors)  # At least twice as long, so that a view does not wrap around.
    lag = torch.arange(n, dtype=torch.float64)
    lag = torch.minimum(lag, n - lag)
    ramp = torch.where(lag % 2 == 1, -1 / (math.pi * lag.clamp(min=1)) ** 2, 0.0)
    ramp[0] = 0.25
    frequency = torch.arange(n // 2 + 1, dtype=torch.float64) / (n / 2)
    response: Tensor = torch.fft.rfft(ramp).real * apodisation(kernel, frequency, cutoff)
    return response.float()


@dataclass(frozen=True, eq=False)
class _PolarGrid:
    """The interpolation between a Cartesian Fourier grid and the polar samples."""

    rows: int
    columns: int
    size: int  # of the square Cartesian grid
    samples: int  # a view, an odd number: none lies on the Nyquist frequency
    matrix: Any  # scipy CSR (views * samples, size * size) float32
    correction: Tensor  # (rows, columns): undoes the kernel's own Fourier transform

    def spread(self, images: Tensor) -> Tensor:
        """Images ``(b, y, x)`` on a zero grid, the centre of rotation at ``[0, 0]``."""
        out = torch.zeros((len(images), self.size, self.size), dtype=images.dtype)
        for to_y, from_y in self._halves(self.rows):
            for to_x, from_x in self._halves(self.columns):
                out[:, to_y, to_x] = images[:, from_y, from_x]
        return out

    def gather(self, grid: Tensor) -> Tensor:
        """The opposite of `spread`."""
        out = torch.empty((len(grid), self.rows, self.columns), dtype=grid.dtype)
        for from_y, to_y in self._halves(self.rows):
            for from_x, to_x in self._halves(self.columns):
                out[:, to_y, to_x] = grid[:, from_y, from_x]
        return out

    def _halves(self, length: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        middle = length // 2
        return (
            (slice(0, length - middle), slice(middle, length)),
            (slice(self.size - middle, self.size), slice(0, middle)),
        )

    def interpolate(self, spectrum: Tensor) -> Tensor:
        """Cartesian cells ``(b, size * size)`` complex64 to polar samples, same layout."""
        return _apply(self.matrix, spectrum)

    def interpolate_transposed(self, samples: Tensor) -> Tensor:
        """The transpose of `interpolate`."""
        return _apply(self.matrix.T, samples)


def _apply(matrix: Any, vectors: Tensor) -> Tensor:
    # A real matrix on complex vectors: one product with real and imaginary parts side by side.
    columns = torch.view_as_real(vectors.T.contiguous()).flatten(1)
    product = torch.from_numpy(matrix @ columns.numpy())
    return torch.view_as_complex(product.view(len(product), -1, 2)).T.contiguous()


@lru_cache(maxsize=2)
def _polar_grid(
    rows: int, columns: int, dy: float, dx: float, views: int, detectors: int
) -> _PolarGrid:
    from scipy.sparse import csr_matrix
    from scipy.special import i0e

    size = _fast_length(math.ceil(_OVERSAMPLING * max(rows, columns)))
    samples = _fast_length(detectors, odd=True)
    ratio = size / max(rows, columns)
    beta = math.pi * math.sqrt((_TAPS / ratio * (ratio - 0.5)) ** 2 - 0.8)

    radius = np.fft.fftfreq(samples) * size  # In cells of the Cartesian grid, for a pitch of 1.
    angle = np.pi * np.arange(views) / views

    def taps(position: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
        first = np.ceil(position - _TAPS / 2).astype(np.int32)
        cells = first[:, None] + np.arange(_TAPS, dtype=np.int32)
        u = 2 / _TAPS * (cells - position[:, None])
        root = np.sqrt(np.maximum(1 - u * u, 0))
        # i0e(x) = exp(-x) i0(x): scaled here so that the kernel is 1 at its centre.
        weights = i0e(beta * root) * np.exp(beta * (root - 1)) / i0e(beta)
        # A sample right on a cell has both ends of the kernel in reach but taps for only one: it
        # gets neither, so that opposite frequencies stay conjugate and packed images apart.
        weights[np.abs(u) > 1 - 1e-6] = 0
        return cells % size, weights.astype(np.float32)

    cell_y, weight_y = taps(np.outer(np.sin(angle) * dy, radius).ravel())
    cell_x, weight_x = taps(np.outer(np.cos(angle) * dx, radius).ravel())
    cells = (cell_y[:, :, None] * np.int32(size) + cell_x[:, None, :]).reshape(-1)
    weights = (weight_y[:, :, None] * weight_x[:, None, :]).reshape(-1)
    rows_start = np.arange(0, len(cells) + 1, _TAPS**2, dtype=np.int32)
    matrix = csr_matrix((weights, cells, rows_start), shape=(views * samples, size * size))

    def correction(length: int) -> NDArray[np.float64]:
        offset = (np.arange(length) - length // 2) / size
        root = np.sqrt(beta**2 - (np.pi * _TAPS * offset) ** 2)
        # The kernel's Fourier transform: taps * sinh(root) / root / i0(beta).
        result: NDArray[np.float64] = root / (
            _TAPS * np.exp(root - beta) * (1 - np.exp(-2 * root)) / 2 / i0e(beta)
        )
        return result

    both = np.outer(correction(rows), correction(columns)).astype(np.float32)
    return _PolarGrid(rows, columns, size, samples, matrix, torch.from_numpy(both))


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
    out = torch.zeros((*lines.shape[:-1], length), dtype=lines.dtype)
    out[..., : lines.shape[-1] - middle] = lines[..., middle:]
    out[..., length - middle :] = lines[..., :middle]
    return out


def _centred(lines: Tensor, length: int) -> Tensor:
    """The opposite of `_wrapped`."""
    middle = length // 2
    return torch.cat([lines[..., -middle:], lines[..., : length - middle]], dim=-1)


def _fast_length(at_least: int, *, odd: bool = False) -> int:
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

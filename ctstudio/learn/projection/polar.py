"""The interpolation between a Cartesian Fourier grid and polar samples, as a sparse matrix.

Its kernel is a Kaiser-Bessel function on an oversampled grid (Jackson et al. 1991, doi
10.1109/42.97598; kernel widths after Beatty et al. 2005, doi 10.1109/TMI.2005.848376).
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ctstudio.learn.projection.filters import fast_length

_TAPS = 4  # Kernel width in grid cells: with twofold oversampling errors stay near 1e-3 of an edge.
_OVERSAMPLING = 2.0


@dataclass(frozen=True, eq=False)
class PolarGrid:
    """The interpolation and its transpose for one shape of picture."""

    rows: int
    columns: int
    size: int  # of the square Cartesian grid
    samples: int  # a view, an odd number: none lies on the Nyquist frequency
    matrix: Any  # scipy CSR (views * samples, size * size) float32
    correction: Tensor  # (rows, columns): undoes the kernel's own Fourier transform
    _on_device: dict[tuple[torch.device, bool], Tensor] = field(default_factory=dict)

    def spread(self, images: Tensor) -> Tensor:
        """Images ``(b, y, x)`` on a zero grid, the centre of rotation at ``[0, 0]``."""
        out = images.new_zeros((len(images), self.size, self.size))
        for to_y, from_y in self._halves(self.rows):
            for to_x, from_x in self._halves(self.columns):
                out[:, to_y, to_x] = images[:, from_y, from_x]
        return out

    def gather(self, grid: Tensor) -> Tensor:
        """The opposite of `spread`."""
        out = grid.new_empty((len(grid), self.rows, self.columns))
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
        return self._apply(spectrum, transposed=False)

    def interpolate_transposed(self, samples: Tensor) -> Tensor:
        """The transpose of `interpolate`."""
        return self._apply(samples, transposed=True)

    def _apply(self, vectors: Tensor, *, transposed: bool) -> Tensor:
        # A real matrix on complex vectors: one product, real and imaginary parts side by side.
        columns = torch.view_as_real(vectors.T.contiguous()).flatten(1)
        if vectors.device.type == "cpu":
            matrix = self.matrix.T if transposed else self.matrix
            product = torch.from_numpy(matrix @ columns.numpy())
        else:
            product = self.on(vectors.device, transposed=transposed) @ columns
        return torch.view_as_complex(product.reshape(len(product), -1, 2)).T.contiguous()

    def on(self, device: torch.device, *, transposed: bool) -> Tensor:
        """The matrix or its transpose as a sparse tensor ``(m, n)`` float32 on ``device``."""
        key = (device, transposed)
        if key not in self._on_device:
            matrix = self.matrix.T.tocsr() if transposed else self.matrix
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch calls its sparse rows a beta feature
                self._on_device[key] = torch.sparse_csr_tensor(
                    torch.from_numpy(matrix.indptr).to(device),
                    torch.from_numpy(matrix.indices).to(device),
                    torch.from_numpy(matrix.data).to(device),
                    matrix.shape,
                )
        return self._on_device[key]


@lru_cache(maxsize=2)
def polar_grid(
    rows: int, columns: int, dy: float, dx: float, views: int, detectors: int
) -> PolarGrid:
    """The grid for a picture of ``rows`` x ``columns`` pixels of ``dy`` x ``dx`` pitches."""
    from scipy.sparse import csr_matrix
    from scipy.special import i0e

    size = fast_length(math.ceil(_OVERSAMPLING * max(rows, columns)))
    samples = fast_length(detectors, odd=True)
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
    return PolarGrid(rows, columns, size, samples, matrix, torch.from_numpy(both))

"""The vanilla autoencoder in NumPy alone, with its own way back.

J. D. Seo 2018, "Only Numpy Medical: Denoising Lung CT Scans using Auto Encoders, Part 1". Every
stage has ``initialise``, ``feed_forward`` and ``back_propagate``; so have the encoder and the
decoder that are made of them. Images are ``(n, y, x)``, float32 or float64 as the weights are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.floating[Any]]

ENCODER_KERNELS = (7, 5, 3)
DECODER_KERNELS = (3, 5, 7)

BLOCK_PX = 8


class Activation(NamedTuple):
    """A function of ``z``, and its derivative from ``z`` and the value ``a`` there."""

    value: Callable[[Array], Array]
    slope: Callable[[Array, Array], Array]


def sigmoid(z: Array) -> Array:
    """``1 / (1 + exp(-z))`` without overflow, and exact far down where it is almost 0."""
    small = np.exp(-np.abs(z))
    value: Array = np.where(z >= 0, 1, small) / (1 + small)
    return value


ACTIVATIONS = {
    "relu": Activation(lambda z: np.maximum(z, 0), lambda z, a: (z > 0).astype(z.dtype)),
    "tanh": Activation(np.tanh, lambda z, a: 1 - a * a),
    "arctan": Activation(np.arctan, lambda z, a: 1 / (1 + z * z)),
    "sigmoid": Activation(sigmoid, lambda z, a: a * (1 - a)),
}
"""Every activation of the article by name."""


class Convolution:
    """One kernel on one channel, "same" size, zeros beyond the rim, no bias.

    ``out[y, x] = sum over u, v of weights[u, v] image[y + u - r, x + v - r]`` with ``r`` the
    kernel's radius. The image is dealt into blocks of output pixels: each depends on the pixels
    of a somewhat larger window, so that one product of all windows with one matrix, in which
    the kernel stands over and over, gives all blocks. That copies a seventeenth of what a window
    for each pixel would with a kernel of 7 x 7.

    With ``faults`` the gradient that is passed on is turned by 180 degrees, as the article's is;
    that of the weights is right.
    """

    def __init__(self, side: int, *, faults: bool) -> None:
        self.side = side
        self.faults = faults
        self.weights: Array = np.zeros((side, side))
        self.gradient: Array = self.weights
        self._windows: Array
        self._block = 0

    def initialise(self, draw: np.random.Generator, sd: float) -> None:
        """Draw the weights from a normal distribution around 0."""
        self.weights = draw.normal(0, sd, self.weights.shape)

    def feed_forward(self, image: Array) -> Array:
        """The convolution of images ``(n, y, x)``, same shape."""
        self._block = int(np.gcd.reduce([BLOCK_PX, *image.shape[1:]]))
        self._windows = windows(image, self.side, self._block)
        return self._product(self._windows, self.weights, image.shape)

    def back_propagate(self, slope: Array, *, onwards: bool = True) -> Array | None:
        """Set ``gradient`` for the ``slope`` at the output; returns that at the input.

        None where it is not to go ``onwards``.
        """
        rows, columns = pattern(self.side, self._block)
        blocks = to_blocks(slope, self._block)
        each = (self._windows.T @ blocks)[rows, columns]
        self.gradient = each.sum(axis=0).reshape(self.side, self.side)
        if not onwards:
            return None
        turned = self.weights[::-1, ::-1]
        back = self._product(windows(slope, self.side, self._block), turned, slope.shape)
        return back[:, ::-1, ::-1] if self.faults else back

    def _product(self, pieces: Array, kernel: Array, shape: tuple[int, ...]) -> Array:
        rows, columns = pattern(self.side, self._block)
        matrix = np.zeros((pieces.shape[1], self._block**2), kernel.dtype)
        matrix[rows, columns] = kernel.reshape(-1)
        return from_blocks(pieces @ matrix, shape, self._block)


@cache
def pattern(side: int, block: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where a kernel's weights stand in the matrix from windows to blocks.

    Row and column, each ``(block^2, side^2)``: pixel ``i, j`` of a block takes pixel
    ``i + u, j + v`` of its window times weight ``u, v``.
    """
    i, j, u, v = np.indices((block, block, side, side)).reshape(4, block**2, side**2)
    return (i + u) * (block + side - 1) + j + v, i * block + j


def windows(image: Array, side: int, block: int) -> Array:
    """For each block of ``(n, y, x)`` the pixels that a kernel reaches from it, a row each."""
    radius, reach = side // 2, block + side - 1
    padded = np.pad(image, ((0, 0), (radius, radius), (radius, radius)))
    seen = np.lib.stride_tricks.sliding_window_view(padded, (reach, reach), axis=(1, 2))
    return seen[:, ::block, ::block].reshape(-1, reach**2)


def to_blocks(image: Array, block: int) -> Array:
    """``(n, y, x)`` as one row of ``block^2`` pixels for each block."""
    n, height, width = image.shape
    cut = image.reshape(n, height // block, block, width // block, block)
    return cut.transpose(0, 1, 3, 2, 4).reshape(-1, block**2)


def from_blocks(blocks: Array, shape: tuple[int, ...], block: int) -> Array:
    """The images of ``shape`` whose `to_blocks` these are."""
    n, height, width = shape
    cut = blocks.reshape(n, height // block, width // block, block, block)
    return cut.transpose(0, 1, 3, 2, 4).reshape(n, height, width)


class Halving(Convolution):
    """Convolution, mean of 2 x 2 pixels, activation: a stage of the encoder.

    With ``faults`` the way back through the mean repeats the gradient without the 1/4, too.
    """

    def __init__(self, side: int, activation: str, *, faults: bool) -> None:
        super().__init__(side, faults=faults)
        self.activation = ACTIVATIONS[activation]
        self._z: Array
        self._a: Array

    def feed_forward(self, image: Array) -> Array:
        """``(n, y, x)`` to ``(n, y / 2, x / 2)``."""
        self._z = summed(super().feed_forward(image)) / 4
        self._a = self.activation.value(self._z)
        return self._a

    def back_propagate(self, slope: Array, *, onwards: bool = True) -> Array | None:
        slope = slope * self.activation.slope(self._z, self._a)
        return super().back_propagate(
            repeated(slope if self.faults else slope / 4), onwards=onwards
        )


class Doubling(Convolution):
    """Every pixel repeated to 2 x 2, convolution, activation: a stage of the decoder.

    With ``faults`` the way back through the repetition takes every second element, too, where the
    four that came from a pixel have to be summed.
    """

    def __init__(self, side: int, activation: str, *, faults: bool) -> None:
        super().__init__(side, faults=faults)
        self.activation = ACTIVATIONS[activation]
        self._z: Array
        self._a: Array

    def feed_forward(self, image: Array) -> Array:
        """``(n, y, x)`` to ``(n, 2 y, 2 x)``."""
        self._z = super().feed_forward(repeated(image))
        self._a = self.activation.value(self._z)
        return self._a

    def back_propagate(self, slope: Array, *, onwards: bool = True) -> Array | None:
        slope = slope * self.activation.slope(self._z, self._a)
        back = super().back_propagate(slope, onwards=onwards)
        if back is None:
            return None
        return back[:, ::2, ::2] if self.faults else summed(back)


def repeated(image: Array) -> Array:
    """Every pixel of ``(n, y, x)`` repeated to 2 x 2."""
    return image.repeat(2, axis=1).repeat(2, axis=2)


def summed(image: Array) -> Array:
    """The sums of the 2 x 2 pixels of ``(n, y, x)``."""
    rows = image[:, ::2] + image[:, 1::2]
    sums: Array = rows[..., ::2] + rows[..., 1::2]
    return sums


class FullyConnected:
    """Every value from every value, without bias, then an activation.

    ``inputs`` and ``outputs`` are the shapes of one image's values.
    """

    def __init__(self, inputs: tuple[int, ...], outputs: tuple[int, ...], activation: str) -> None:
        self.inputs, self.outputs = inputs, outputs
        self.activation = ACTIVATIONS[activation]
        self.weights: Array = np.zeros((math.prod(inputs), math.prod(outputs)), np.float32)
        self.gradient: Array = self.weights
        self._input: Array
        self._z: Array
        self._a: Array

    def initialise(self, draw: np.random.Generator, sd: float) -> None:
        """Draw the weights from a normal distribution around 0."""
        self.weights = draw.normal(0, sd, self.weights.shape)

    def feed_forward(self, values: Array) -> Array:
        """``(n, *inputs)`` to ``(n, *outputs)``."""
        self._input = values.reshape(len(values), -1)
        self._z = self._input @ self.weights
        self._a = self.activation.value(self._z)
        return self._a.reshape(-1, *self.outputs)

    def back_propagate(self, slope: Array, *, onwards: bool = True) -> Array | None:
        """Set ``gradient`` for the ``slope`` at the output; returns that at the input."""
        slope = slope.reshape(self._z.shape) * self.activation.slope(self._z, self._a)
        # Of one image it is an outer product, which the library of matrix products is slow at.
        one = len(slope) == 1
        self.gradient = self._input.T * slope if one else self._input.T @ slope
        return (slope @ self.weights.T).reshape(-1, *self.inputs) if onwards else None


Stage: TypeAlias = Halving | Doubling | FullyConnected


class Half:
    """Stages one after the other, by name."""

    stages: dict[str, Stage]

    def initialise(self, draw: np.random.Generator, conv_sd: float, full_sd: float) -> None:
        """Draw all weights, with the standard deviations of the two kinds of stages."""
        for stage in self.stages.values():
            stage.initialise(draw, full_sd if isinstance(stage, FullyConnected) else conv_sd)

    def feed_forward(self, values: Array) -> Array:
        """Through all stages."""
        for stage in self.stages.values():
            values = stage.feed_forward(values)
        return values

    def back_propagate(self, slope: Array, *, onwards: bool = True) -> Array | None:
        """Set every stage's ``gradient`` for the ``slope`` at the output; as a stage does."""
        first, *others = self.stages.values()
        for stage in reversed(others):
            back = stage.back_propagate(slope)
            assert back is not None
            slope = back
        return first.back_propagate(slope, onwards=onwards)


class Encoder(Half):
    """Three halvings, then a fully connected layer: images ``(n, y, x)`` to ``(n, latent)``."""

    def __init__(
        self, side_px: int, latent: int, activations: Sequence[str], *, faults: bool
    ) -> None:
        *halvings, last = activations
        small = side_px // 2 ** len(halvings)
        self.stages = {
            f"conv{number}": Halving(side, name, faults=faults)
            for number, (side, name) in enumerate(zip(ENCODER_KERNELS, halvings, strict=True), 1)
        }
        self.stages["full"] = FullyConnected((small, small), (latent,), last)


class Decoder(Half):
    """A fully connected layer, then three doublings: ``(n, latent)`` to images ``(n, y, x)``."""

    def __init__(
        self, side_px: int, latent: int, activations: Sequence[str], *, faults: bool
    ) -> None:
        first, *doublings = activations
        small = side_px // 2 ** len(doublings)
        self.stages = {"full": FullyConnected((latent,), (small, small), first)}
        self.stages |= {
            f"conv{number}": Doubling(side, name, faults=faults)
            for number, (side, name) in enumerate(zip(DECODER_KERNELS, doublings, strict=True), 1)
        }

"""The vanilla autoencoder as torch modules: in torch, and around the stages written in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_weight

from ctstudio.learn.gradients.base import Trace
from ctstudio.learn.models import autoencoder_numpy as by_hand
from ctstudio.learn.models.autoencoder_numpy import DECODER_KERNELS, ENCODER_KERNELS

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "arctan": torch.atan,
    "sigmoid": torch.sigmoid,
}

SLOPES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "relu": lambda z, a: (z > 0).to(z.dtype),
    "tanh": lambda z, a: 1 - a * a,
    "arctan": lambda z, a: 1 / (1 + z * z),
    "sigmoid": lambda z, a: a * (1 - a),
}
"""The derivatives, from what went into the activation and what came out."""


Back: TypeAlias = Callable[[Tensor, bool], tuple[Tensor, Tensor]]
"""From the slope at a stage's output, and whether to go onwards, to the gradient of the stage's
weights and the slope at its input (empty where it is not to go onwards)."""


class Step(NamedTuple):
    """The way back through the stage whose weights are the parameter ``name``."""

    name: str
    back: Back


class Autoencoder(nn.Module):
    """What both forms share: weights, units, and images of other sizes.

    The fully connected layers take images of one size. A larger image is dealt into squares of
    that size, each seen alone; what is missing at its right and lower edge is filled with black.

    Parameters
    ----------
    size_px
        Side of the images, a multiple of 8.
    latent
        How many values stand between encoder and decoder.
    encoder, decoder
        Four activations each: of three convolutions and a fully connected layer, and of a fully
        connected layer and three convolutions.
    black, width
        HU that the network takes for 0, and HU between its 0 and its 1.
    conv_sd, full_sd
        Standard deviations of the first weights, of convolutions and fully connected layers.
    conv_mean
        Their mean for convolutions, times the kernel's pixels: what a kernel does to a plain area.
    last_factor
        What that is multiplied with for the last kernel.
    faults
        Whether gradients have the faults of the article's program. The prediction has none.
    """

    def __init__(
        self,
        *,
        size_px: int,
        latent: int,
        encoder: Sequence[str],
        decoder: Sequence[str],
        black: float,
        width: float,
        conv_sd: float,
        full_sd: float,
        conv_mean: float,
        last_factor: float,
        faults: bool,
    ) -> None:
        super().__init__()
        self.size_px, self.black, self.width, self.faults = size_px, black, width, faults
        self.encode_with, self.decode_with = tuple(encoder), tuple(decoder)
        outline = torch.get_default_device().type == "meta"  # the shapes alone are asked for
        # One generator for both forms, so that a seed gives both the same first weights.
        draw = np.random.default_rng(0 if outline else int(torch.randint(2**62, ())))
        halves = (
            by_hand.Encoder(size_px, latent, encoder, faults=faults),
            by_hand.Decoder(size_px, latent, decoder, faults=faults),
        )
        *_, last = halves[1].stages.values()
        self.encoder, self.decoder = nn.ParameterDict(), nn.ParameterDict()
        for half, part in zip(halves, (self.encoder, self.decoder), strict=True):
            if not outline:
                half.initialise(draw, conv_sd, full_sd)
            for name, stage in half.stages.items():
                if outline:
                    part[name] = nn.Parameter(torch.empty(stage.weights.shape))
                    continue
                weights = stage.weights.astype(np.float32)
                if isinstance(stage, by_hand.Convolution):
                    mean = conv_mean * (last_factor if stage is last else 1)
                    weights += np.float32(mean / weights.size)
                part[name] = nn.Parameter(torch.from_numpy(weights))

    @property
    def parameter_count(self) -> int:
        """Number of trained numbers."""
        return sum(p.numel() for p in self.parameters())

    def forward(self, hu: Tensor) -> Tensor:
        """Denoised HU ``(b, 1, y, x)`` of noisy HU of the same shape, any size."""
        return self._hu(self.network(self._images(hu)), hu.shape)

    def network(self, images: Tensor) -> Tensor:
        """``(n, 1, size_px, size_px)`` in the network's own units, and so returned."""
        raise NotImplementedError

    def steps(self, images: Tensor) -> tuple[Tensor, list[Step]]:
        """`network` outside of torch's graph, and its stages, the first one first."""
        raise NotImplementedError

    def exact(self) -> TorchAutoencoder:
        """The same network, weights and all, with the gradient that is its derivative."""
        with torch.device("meta"):  # its own weights are never drawn
            twin = TorchAutoencoder(
                size_px=self.size_px,
                latent=self.encoder["full"].shape[1],
                encoder=self.encode_with,
                decoder=self.decode_with,
                black=self.black,
                width=self.width,
                conv_sd=0.0,
                full_sd=0.0,
                conv_mean=0.0,
                last_factor=1.0,
                faults=False,
            )
        twin.encoder, twin.decoder = self.encoder, self.decoder
        return twin

    def trace(self, inputs: Tensor) -> Trace:
        """The prediction for HU ``(b, 1, y, x)``, and the ways back that are written out here."""
        output, steps = self.steps(self._images(inputs))
        last = len(steps) - 1
        layers = [partial(self._back, step, number == last) for number, step in enumerate(steps)]
        return Trace(self._hu(output, inputs.shape), self.width, layers)

    def _back(self, step: Step, last: bool, gradient: Tensor, pass_on: bool = True) -> Tensor:
        with torch.no_grad():
            found, passed = step.back(self._squares(gradient) if last else gradient, pass_on)
        parameter = self.get_parameter(step.name)
        parameter.grad = found if parameter.grad is None else parameter.grad + found
        return passed

    def _images(self, hu: Tensor) -> Tensor:
        return self._squares((hu - self.black) / self.width)

    def _squares(self, image: Tensor) -> Tensor:
        """``(b, 1, y, x)`` as squares ``(n, 1, size_px, size_px)``, with 0 where it ends."""
        side = self.size_px
        rows, columns = (-image.shape[-2] % side, -image.shape[-1] % side)
        image = F.pad(image, (0, columns, 0, rows))
        down, across = image.shape[-2] // side, image.shape[-1] // side
        squares = image.reshape(-1, down, side, across, side).transpose(2, 3)
        return squares.reshape(-1, 1, side, side)

    def _hu(self, squares: Tensor, shape: torch.Size) -> Tensor:
        """The HU of `_squares` of an image of ``shape``."""
        side = self.size_px
        down, across = (-(-length // side) for length in shape[-2:])
        image = squares.reshape(-1, down, across, side, side).transpose(2, 3)
        image = image.reshape(-1, 1, down * side, across * side)
        return self.black + self.width * image[..., : shape[-2], : shape[-1]]


class TorchAutoencoder(Autoencoder):
    """The autoencoder in torch, with its gradient by torch or written out."""

    def network(self, images: Tensor) -> Tensor:
        *stages, last = self.encode_with
        for number, (side, name) in enumerate(zip(ENCODER_KERNELS, stages, strict=True), 1):
            images = self._convolved(images, self.encoder[f"conv{number}"], side)
            images = F.avg_pool2d(images, 2)
            if self.faults:
                images = altered(images, _without_quarter)
            images = ACTIVATIONS[name](images)
        small_px = images.shape[-1]
        latent = ACTIVATIONS[last](images.flatten(1) @ self.encoder["full"])
        first, *stages = self.decode_with
        images = ACTIVATIONS[first](latent @ self.decoder["full"])
        images = images.reshape(-1, 1, small_px, small_px)
        for number, (side, name) in enumerate(zip(DECODER_KERNELS, stages, strict=True), 1):
            images = F.interpolate(images, scale_factor=2.0)
            if self.faults:
                images = altered(images, _every_second)
            images = self._convolved(images, self.decoder[f"conv{number}"], side)
            images = ACTIVATIONS[name](images)
        return images

    def _convolved(self, images: Tensor, kernel: Tensor, side: int) -> Tensor:
        if self.faults:
            images = altered(images, _turned)
        return F.conv2d(images, kernel[None, None], padding=side // 2)

    def steps(self, images: Tensor) -> tuple[Tensor, list[Step]]:
        steps: list[Step] = []
        *stages, last = self.encode_with
        for number, name in enumerate(stages, 1):
            where = f"encoder.conv{number}"
            images, back = self._halved(images, self.get_parameter(where), name)
            steps.append(Step(where, back))
        small = images.shape
        values, back = self._connected(images.flatten(1), self.encoder["full"], last, small)
        steps.append(Step("encoder.full", back))
        first, *stages = self.decode_with
        values, back = self._connected(values, self.decoder["full"], first, values.shape)
        steps.append(Step("decoder.full", back))
        images = values.reshape(small)
        for number, name in enumerate(stages, 1):
            where = f"decoder.conv{number}"
            images, back = self._doubled(images, self.get_parameter(where), name)
            steps.append(Step(where, back))
        return images, steps

    def _halved(self, images: Tensor, kernel: Tensor, name: str) -> tuple[Tensor, Back]:
        z = F.avg_pool2d(F.conv2d(images, kernel[None, None], padding=len(kernel) // 2), 2)
        a = ACTIVATIONS[name](z)

        def back(slope: Tensor, onwards: bool) -> tuple[Tensor, Tensor]:
            slope = slope * SLOPES[name](z, a)
            # Each of the four pixels has a quarter of the mean.
            slope = F.interpolate(slope if self.faults else slope / 4, scale_factor=2.0)
            return self._convolved_back(images, kernel, slope, onwards)

        return a, back

    def _doubled(self, images: Tensor, kernel: Tensor, name: str) -> tuple[Tensor, Back]:
        images = F.interpolate(images, scale_factor=2.0)
        z = F.conv2d(images, kernel[None, None], padding=len(kernel) // 2)
        a = ACTIVATIONS[name](z)

        def back(slope: Tensor, onwards: bool) -> tuple[Tensor, Tensor]:
            slope = slope * SLOPES[name](z, a)
            found, slope = self._convolved_back(images, kernel, slope, True)
            # The four pixels that came from one are summed: 4 times their mean.
            return found, slope[..., ::2, ::2] if self.faults else 4 * F.avg_pool2d(slope, 2)

        return a, back

    def _connected(
        self, values: Tensor, weights: Tensor, name: str, shape: torch.Size
    ) -> tuple[Tensor, Back]:
        """``shape`` is that of the input before it was made flat."""
        z = values @ weights
        a = ACTIVATIONS[name](z)

        def back(slope: Tensor, onwards: bool) -> tuple[Tensor, Tensor]:
            slope = slope.flatten(1) * SLOPES[name](z, a)
            return values.T @ slope, (slope @ weights.T).reshape(shape)

        return a, back

    def _convolved_back(
        self, images: Tensor, kernel: Tensor, slope: Tensor, onwards: bool
    ) -> tuple[Tensor, Tensor]:
        padding = len(kernel) // 2
        shape = (1, 1, *kernel.shape)
        weights: Tensor = conv2d_weight(images, shape, slope, padding=padding)  # type: ignore[no-untyped-call]
        found = weights[0, 0]
        if not onwards:
            return found, torch.empty(0)
        slope = F.conv2d(slope, kernel.flip(0, 1)[None, None], padding=padding)
        return found, _turned(slope) if self.faults else slope


class NumpyAutoencoder(Autoencoder):
    """The autoencoder whose forward and backward pass are NumPy alone.

    The stages' arrays are the parameters' own memory, so that an optimiser of torch changes them.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        latent, faults = self.encoder["full"].shape[1], self.faults
        self.encoding = by_hand.Encoder(self.size_px, latent, self.encode_with, faults=faults)
        self.decoding = by_hand.Decoder(self.size_px, latent, self.decode_with, faults=faults)
        self._passes = 0

    def network(self, images: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return self.steps(images)[0]
        result: Tensor = _ByHand.apply(self, images, *self.parameters())  # type: ignore[no-untyped-call]
        return result

    def steps(self, images: Tensor) -> tuple[Tensor, list[Step]]:
        stages = {f"encoder.{name}": stage for name, stage in self.encoding.stages.items()}
        stages |= {f"decoder.{name}": stage for name, stage in self.decoding.stages.items()}
        for name, stage in stages.items():
            stage.weights = _array(self.get_parameter(name))
        self._passes += 1
        latent = self.encoding.feed_forward(_array(images))
        output = _tensor(self.decoding.feed_forward(latent), images)
        return output, [
            Step(name, partial(self._stage_back, stage, self._passes))
            for name, stage in stages.items()
        ]

    def _stage_back(
        self, stage: by_hand.Stage, number: int, slope: Tensor, onwards: bool
    ) -> tuple[Tensor, Tensor]:
        if number != self._passes:
            raise RuntimeError("The stages remember their last forward pass, and this is another.")
        back = stage.back_propagate(_array(slope), onwards=onwards)
        passed = torch.empty(0) if back is None else _tensor(back, slope)
        return _tensor(stage.gradient, slope), passed


class _ByHand(torch.autograd.Function):
    """Joins the stages in NumPy to torch's graph, with the gradient that they reckon."""

    @staticmethod
    def forward(ctx: Any, module: NumpyAutoencoder, images: Tensor, *weights: Tensor) -> Tensor:
        output, ctx.steps = module.steps(images)
        ctx.names = [name for name, _ in module.named_parameters()]
        return output

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        wanted = ctx.needs_input_grad[1]
        found: dict[str, Tensor] = {}
        for number, step in reversed(list(enumerate(ctx.steps))):
            found[step.name], slope = step.back(slope, number > 0 or wanted)
        return None, slope if wanted else None, *(found[name] for name in ctx.names)


def _array(tensor: Tensor) -> by_hand.Array:
    """The memory of a tensor on the CPU, else a copy there; images without their channel."""
    array: by_hand.Array = tensor.detach().cpu().numpy()
    return array[:, 0] if array.ndim == 4 else array


def _tensor(array: by_hand.Array, like: Tensor) -> Tensor:
    """A tensor of the array's memory where it can be; images with their channel."""
    # NumPy takes an axis of length 1 for contiguous even where it goes backwards; torch does not.
    array = array.copy() if min(array.strides) < 0 else np.ascontiguousarray(array)
    tensor = torch.from_numpy(array).to(like)
    return tensor[:, None] if tensor.dim() == 3 else tensor


class _Altered(torch.autograd.Function):
    """The same image, but what comes back through it is altered."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, alter: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.alter = alter
        return image.view_as(image)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None]:
        return ctx.alter(slope), None


def altered(image: Tensor, alter: Callable[[Tensor], Tensor]) -> Tensor:
    """``image``, whose gradient in torch's graph goes through ``alter``."""
    result: Tensor = _Altered.apply(image, alter)  # type: ignore[no-untyped-call]
    return result


def _turned(slope: Tensor) -> Tensor:
    """By 180 degrees: what the article's convolution passes on."""
    return slope.flip(-2, -1)


def _without_quarter(slope: Tensor) -> Tensor:
    """What the article's mean over 2 x 2 pixels passes on is four times too large."""
    return 4 * slope


def _every_second(slope: Tensor) -> Tensor:
    """Of the four pixels that came from one, the article's way back keeps the first."""
    kept = torch.zeros_like(slope)
    kept[..., ::2, ::2] = slope[..., ::2, ::2]
    return kept

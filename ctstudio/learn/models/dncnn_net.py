"""The torch module of DnCNN, with HU in and HU out."""

from __future__ import annotations

from torch import Tensor, nn

from ctstudio.learn.models.noise_predictor import NoisePredictor, conv, silent


class DnCNN(NoisePredictor):
    """A chain of 3 x 3 convolutions that predicts the noise of an image.

    It follows Zhang et al., "Beyond a Gaussian denoiser" (IEEE TIP 26, 2017). Without biases the
    chain is homogeneous (a k times larger input gives k times larger noise: Mohan et al., ICLR
    2020).

    Parameters
    ----------
    depth, features
        Number of convolutions, and channels between them.
    norm
        "none", or "batch" for batch normalisation as in the paper.
    bias
        Whether the convolutions add a constant.
    unshuffle, high_pass_px, slices
        See `NoisePredictor`.
    """

    def __init__(
        self,
        *,
        depth: int = 6,
        features: int = 32,
        unshuffle: int = 2,
        norm: str = "none",
        bias: bool = False,
        high_pass_px: int = 32,
        slices: int = 1,
    ) -> None:
        super().__init__(slices=slices, unshuffle=unshuffle, rim=depth, high_pass_px=high_pass_px)
        self.depth = depth
        layers: list[nn.Module] = []
        for index in range(depth):
            inputs = slices * self.channels if index == 0 else features
            outputs = self.channels if index == depth - 1 else features
            layers.append(conv(inputs, outputs, bias=bias))
            if index < depth - 1:
                if norm == "batch" and index > 0:
                    layers.append(nn.BatchNorm2d(features))
                layers.append(nn.ReLU(inplace=True))
        last = layers[-1]
        assert isinstance(last, nn.Conv2d)
        silent(last)
        self.body = nn.Sequential(*layers)

    @property
    def receptive_field_px(self) -> int:
        """Side of the square of input pixels that the noise of one pixel is predicted from,
        before it is freed of its local mean."""
        return (2 * self.depth + 1) * self.unshuffle

    def predict(self, image: Tensor) -> Tensor:
        noise: Tensor = self.body(image)
        return noise

"""The autoencoder of the article "Only Numpy Medical, Part 1", in torch and in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from ctstudio.core.errors import StudioError
from ctstudio.core.registry import Param
from ctstudio.learn.models.registry import MODELS

if TYPE_CHECKING:
    from ctstudio.learn.models.autoencoder_net import NumpyAutoencoder, TorchAutoencoder

Activation = Literal["relu", "tanh", "arctan", "sigmoid"]

Size = Annotated[int, Param("Side of the images, a multiple of 8; set the patch to it", 8, 1024,
                            "px", label="Image")]  # fmt: skip
Latent = Annotated[int, Param("Values between encoder and decoder", 1, 8192)]
E1 = Annotated[Activation, Param("Encoder: after the convolution 7 x 7")]
E2 = Annotated[Activation, Param("Encoder: after the convolution 5 x 5")]
E3 = Annotated[Activation, Param("Encoder: after the convolution 3 x 3")]
E4 = Annotated[Activation, Param("Encoder: after the fully connected layer")]
D1 = Annotated[Activation, Param("Decoder: after the fully connected layer")]
D2 = Annotated[Activation, Param("Decoder: after the convolution 3 x 3")]
D3 = Annotated[Activation, Param("Decoder: after the convolution 5 x 5")]
D4 = Annotated[Activation, Param("Decoder: after the convolution 7 x 7, the last")]
Black = Annotated[float, Param("HU that the network takes for 0", -2000, 2000, "HU")]
Width = Annotated[
    float, Param("HU between its 0 and its 1; the article has 1: values as stored", 1, 8000, "HU",
                 log=True)
]  # fmt: skip
ConvSd = Annotated[
    float, Param("SD of the convolutions' first weights", 0, 1, label="Convolutions, SD")
]
FullSd = Annotated[
    float, Param("SD of the fully connected layers' first weights", 0, 1, label="Connected, SD")
]
ConvMean = Annotated[
    float,
    Param("Mean of a kernel's first weights times their number; the article has 0", 0, 2,
          label="Convolutions, mean"),
]  # fmt: skip
LastFactor = Annotated[
    float,
    Param("Factor of that mean for the last kernel: below 0 where a ReLU stands before it, which "
          "gives a sum of one sign, and a sigmoid of it is otherwise never below a half", -3, 3,
          label="Last mean, factor"),
]  # fmt: skip
Gradients = Annotated[
    Literal["exact", "article"],
    Param("Whether gradients have the faults of the article's program"),
]


@MODELS.add("autoencoder", title="Autoencoder of the article", tags=["whole", "chain"])
def autoencoder(
    *,
    size_px: Size = 512,
    latent: Latent = 1000,
    e1: E1 = "tanh",
    e2: E2 = "arctan",
    e3: E3 = "tanh",
    e4: E4 = "arctan",
    d1: D1 = "arctan",
    d2: D2 = "arctan",
    d3: D3 = "arctan",
    d4: D4 = "sigmoid",
    black: Black = -1000.0,
    width: Width = 2000.0,
    conv_sd: ConvSd = 0.01,
    full_sd: FullSd = 0.03,
    conv_mean: ConvMean = 1.0,
    last_factor: LastFactor = 1.0,
    gradients: Gradients = "exact",
) -> TorchAutoencoder:
    """Vanilla autoencoder of whole slices after J. D. Seo 2018, in torch."""
    from ctstudio.learn.models.autoencoder_net import TorchAutoencoder

    return TorchAutoencoder(**_settings(locals()))


@MODELS.add(
    "autoencoder_numpy", title="Autoencoder of the article, in NumPy", tags=["whole", "chain"]
)
def autoencoder_numpy(
    *,
    size_px: Size = 512,
    latent: Latent = 1000,
    e1: E1 = "tanh",
    e2: E2 = "arctan",
    e3: E3 = "tanh",
    e4: E4 = "arctan",
    d1: D1 = "arctan",
    d2: D2 = "arctan",
    d3: D3 = "arctan",
    d4: D4 = "sigmoid",
    black: Black = -1000.0,
    width: Width = 2000.0,
    conv_sd: ConvSd = 0.01,
    full_sd: FullSd = 0.03,
    conv_mean: ConvMean = 1.0,
    last_factor: LastFactor = 1.0,
    gradients: Gradients = "exact",
) -> NumpyAutoencoder:
    """The same network written in NumPy alone, on the CPU, with its own way back."""
    from ctstudio.learn.models.autoencoder_net import NumpyAutoencoder

    return NumpyAutoencoder(**_settings(locals()))


def _settings(chosen: dict[str, Any]) -> dict[str, Any]:
    """What a form or a recipe chose, as the networks take it."""
    if chosen["size_px"] % 8:
        raise StudioError(
            f"size_px = {chosen['size_px']} cannot be halved three times.",
            hint="Give a multiple of 8, such as 512.",
        )
    same = (
        "size_px", "latent", "black", "width", "conv_sd", "full_sd", "conv_mean", "last_factor"
    )  # fmt: skip
    return {name: chosen[name] for name in same} | {
        "encoder": [chosen[f"e{stage}"] for stage in (1, 2, 3, 4)],
        "decoder": [chosen[f"d{stage}"] for stage in (1, 2, 3, 4)],
        "faults": chosen["gradients"] == "article",
    }

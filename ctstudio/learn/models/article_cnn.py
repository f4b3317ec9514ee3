"""The plain convolutional network of the articles' second part."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

from ctstudio.core.registry import Param
from ctstudio.learn.models.registry import MODELS
from ctstudio.learn.models.residual import read_blocks

if TYPE_CHECKING:
    from ctstudio.learn.models.residual_net import ResidualNetwork

read_layers = partial(read_blocks, where="article_cnn.layers")


@MODELS.add("article_cnn", title="Convolutional network of the articles", tags=["chain"])
def article_cnn(
    *,
    layers: Annotated[
        str,
        Param("Kernel, channels, activation of each, such as 3x3 8 relu, 5x5 1 linear",
              check=read_layers),
    ] = "3x3 1 relu, 3x3 1 relu, 3x3 1 linear",
    first_sd: Annotated[
        float,
        Param("SD of the first weights and constants, 0.001 in the article; 0 goes by a layer's "
              "number of inputs, with constants of 0", 0, 10),
    ] = 0.0,
    first_mean: Annotated[
        float,
        Param("Mean of a kernel's first weights times their number, 0 in the article; 1 begins "
              "near a plain mean", 0, 2),
    ] = 1.0,
    black: Annotated[
        float, Param("Value that counts as 0: -1000 for HU, 0 for pictures", -4096, 4096)
    ] = -1000.0,
    unit: Annotated[
        float,
        Param("Values that count as 1: 2048 makes HU about 0 to 1, 8 the articles' 0 to 255",
              0.001, 1e5, log=True),
    ] = 2048.0,
) -> ResidualNetwork:  # fmt: skip
    """Convolutions one after the other, with constants (J. D. Seo 2018, part 2).

    The articles' form of Chen et al. 2017 (ISBI, doi 10.1109/ISBI.2017.7950488), whose own is
    "9x9 64 relu, 3x3 32 relu, 5x5 1 linear".
    """
    from ctstudio.learn.models.residual_net import ResidualNetwork

    return ResidualNetwork(
        read_layers(layers),
        function="none",
        first_sd=first_sd,
        first_mean=first_mean,
        black=black,
        unit=unit,
        bias=True,
        bias_sd=first_sd,
    )

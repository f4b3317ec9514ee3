"""The residual network of the articles' fourth part: blocks with a shortcut of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from ctstudio.core.registry import Param
from ctstudio.learn.models.registry import MODELS

if TYPE_CHECKING:
    from ctstudio.learn.models.article_resnet_net import ArticleResNet


@MODELS.add(
    "article_resnet", title="Residual blocks with shortcuts, of the articles", tags=["chain"]
)
def article_resnet(
    *,
    blocks: Annotated[int, Param("Number of residual blocks", 1, 32)] = 3,
    features: Annotated[int, Param("Channels of all blocks but the last", 1, 512)] = 8,
    last: Annotated[
        Literal["relu", "linear"],
        Param("Activation of the last block; ReLU, as in the article, cannot answer below black"),
    ] = "linear",
    first_sd: Annotated[
        float,
        Param("SD of the first weights, 0.05 in the article; 0 goes by the number of inputs",
              0, 10),
    ] = 0.0,
    black: Annotated[
        float, Param("Value that counts as 0: -1000 for HU, 0 for pictures", -4096, 4096)
    ] = -1000.0,
    unit: Annotated[
        float, Param("Values that count as 1: 2048 makes HU about 0 to 1", 0.001, 1e5, log=True)
    ] = 2048.0,
) -> ArticleResNet:  # fmt: skip
    """Two 3 x 3 convolutions and a 1 x 1 shortcut a block, summed (J. D. Seo 2018, part 4)."""
    from ctstudio.learn.models.article_resnet_net import ArticleResNet

    return ArticleResNet(
        blocks=blocks, features=features, last=last, first_sd=first_sd, black=black, unit=unit
    )

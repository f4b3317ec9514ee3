"""The residual network of the articles: every block meets the noisy image again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from ctstudio.core.errors import StudioError
from ctstudio.core.registry import Param
from ctstudio.learn.models.registry import MODELS

if TYPE_CHECKING:
    from ctstudio.learn.models.residual_net import ResidualNetwork

Activation = Literal["sigmoid", "tanh", "arctan", "relu", "linear", "sine", "swish", "gaussian"]
Function = Literal["multiplication", "multiplication_addition", "addition", "shortcut", "none"]


@dataclass(frozen=True)
class Block:
    """One convolution: side of its kernel in px, channels that it makes, what follows it."""

    kernel: int
    channels: int
    activation: str


def read_blocks(text: str, where: str = "residual.blocks") -> list[Block]:
    """The blocks that a text such as "13x13 5 sigmoid, 1x1 1 relu" names.

    Raises
    ------
    StudioError
        Naming the block that cannot be read; on an even kernel, and where the last block does not
        make one channel.
    """
    parts = enumerate(text.split(","), 1)
    blocks = [_read_block(f"{where}: block {number}", part) for number, part in parts]
    if blocks[-1].channels != 1:
        raise StudioError(
            f"{where}: the last block makes {blocks[-1].channels} channels.",
            hint="It makes the picture, which has 1 channel.",
        )
    return blocks


def _read_block(where: str, text: str) -> Block:
    known = get_args(Activation)
    words = text.split()
    if len(words) == 3:
        rows, _, columns = words[0].partition("x")
        counts = (rows, columns, words[1])
        if all(c.isdecimal() for c in counts) and rows == columns and words[2] in known:
            kernel, channels = int(rows), int(words[1])
            if kernel % 2 == 1 and kernel <= 63 and 1 <= channels <= 512:
                return Block(kernel, channels, words[2])
    raise StudioError(
        f"{where}, {text.strip()!r}, cannot be read.",
        hint="Give each as kernel, channels, activation, for example 3x3 8 tanh. Kernels have odd "
        f"sides up to 63, channels are 1 to 512, activations {', '.join(known)}.",
    )


@MODELS.add("residual", title="Residual network of the articles", tags=["chain"])
def residual(
    *,
    blocks: Annotated[
        str,
        Param("Kernel, channels, activation of each, such as 3x3 8 tanh, 1x1 1 linear",
              check=read_blocks),
    ] = "3x3 8 relu, 3x3 8 relu, 3x3 8 relu, 3x3 8 relu, 3x3 8 relu, 1x1 1 linear",
    function: Annotated[
        Function,
        Param("How a block's activation a meets the noisy image x: a x, a x + x, a + x; or, a "
              "shortcut, the block's own input; or nothing"),
    ] = "addition",
    first_sd: Annotated[
        float,
        Param("SD of the first weights, 1 in the article; 0 goes by a block's number of inputs",
              0, 10),
    ] = 0.0,
    black: Annotated[
        float, Param("Value that counts as 0: -1000 for HU, 0 for pictures", -4096, 4096)
    ] = -1000.0,
    unit: Annotated[
        float,
        Param("Values that count as 1: 2048 makes HU about 0 to 1, 8 the articles' 0 to 255",
              0.001, 1e5, log=True),
    ] = 2048.0,
    bias: Annotated[bool, Param("Let the convolutions add a constant")] = False,
) -> ResidualNetwork:  # fmt: skip
    """Blocks at full size whose activations are multiplied with the noisy image, or added to it."""
    from ctstudio.learn.models.residual_net import ResidualNetwork

    return ResidualNetwork(
        read_blocks(blocks),
        function=function,
        first_sd=first_sd,
        black=black,
        unit=unit,
        bias=bias,
    )

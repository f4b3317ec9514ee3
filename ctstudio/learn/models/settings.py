"""Settings that several networks have in common."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from ctstudio.core.registry import Param

Unshuffle: TypeAlias = Annotated[
    Literal[1, 2, 4],
    Param("Work on 1, 2 x 2 or 4 x 4 interleaved images: cheaper, and sees further"),
]

HighPass: TypeAlias = Annotated[
    int, Param("Keep the mean HU over this neighbourhood; 0 leaves the mean free", 0, 255, "px")
]

Slices: TypeAlias = Annotated[
    Literal[1, 3, 5, 7], Param("Neighbouring slices that it is shown, the slice itself included")
]

"""Frames as codecs take them: brightness at every pixel, colour at every other."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from av import VideoFrame

RED, GREEN, BLUE = 0.2126, 0.7152, 0.0722
"""Of brightness. Source: Recommendation ITU-R BT.709-6, 2015, item 3.2; ranges item 4.6."""
BRIGHTNESS = tuple(219 / 255 * part for part in (RED, GREEN, BLUE))
_U, _V = 112 / 255 / (1 - BLUE), 112 / 255 / (1 - RED)
BLUENESS = (-RED * _U, -GREEN * _U, 112 / 255)
REDNESS = (112 / 255, -GREEN * _V, -BLUE * _V)
DARKEST, NEUTRAL = 16, 128


@dataclass(frozen=True, eq=False)
class Planes:
    """A frame that waits for its encoder: uint8 ``(y, x)``, colours at half the resolution.

    Its memory comes from the system and goes back with it. Waiting frames outlive many small
    drawings; out of the common heap each would leave a hole that nothing else fits in, and the
    longer a film, the more memory it would take.
    """

    brightness: NDArray[np.uint8]
    blueness: NDArray[np.uint8]
    redness: NDArray[np.uint8]

    @classmethod
    def empty(cls, width: int, height: int) -> Planes:
        """Planes of even sides, yet to be filled."""
        area = width * height
        whole = np.frombuffer(mmap.mmap(-1, area * 3 // 2), np.uint8)
        small = (height // 2, width // 2)
        brightness, blueness, redness = np.split(whole, (area, area * 5 // 4))
        return cls(brightness.reshape(height, width), blueness.reshape(small),
                   redness.reshape(small))  # fmt: skip

    def frame(self) -> VideoFrame:
        """The same as a codec takes it."""
        from av import VideoFrame

        height, width = self.brightness.shape
        result = VideoFrame(width, height, "yuv420p")
        for plane, values in zip(
            result.planes, (self.brightness, self.blueness, self.redness), strict=True
        ):
            _view(plane)[:] = values
        return result


def to_yuv(frame: Image.Image) -> Planes:
    """``frame`` (RGB or L) in BT.709 within 16 to 235, colours at half the resolution.

    An odd last row or column is doubled. The planes are those of the equations, rounded once; a
    colour is the mean of the pixels that share it.
    """
    result = Planes.empty(frame.width + frame.width % 2, frame.height + frame.height % 2)
    if frame.mode == "L":
        _fill(result.brightness, np.asarray(frame.point(_grey_steps())))
        result.blueness[:], result.redness[:] = NEUTRAL, NEUTRAL
        return result
    _fill(result.brightness, np.asarray(frame.convert("L", (*BRIGHTNESS, DARKEST))))
    small = frame.reduce(2)
    _fill(result.blueness, np.asarray(small.convert("L", (*BLUENESS, NEUTRAL))))
    _fill(result.redness, np.asarray(small.convert("L", (*REDNESS, NEUTRAL))))
    return result


@lru_cache(maxsize=1)
def _grey_steps() -> list[int]:
    return [int(DARKEST + 219 / 255 * grey + 0.5) for grey in range(256)]


def _view(plane: object) -> NDArray[np.uint8]:
    """A plane of a frame to write into, ``(y, x)``; without the room at the end of its lines."""
    height, stride, width = (getattr(plane, name) for name in ("height", "line_size", "width"))
    whole: NDArray[np.uint8] = np.frombuffer(plane, np.uint8)  # type: ignore[call-overload]
    return whole[: height * stride].reshape(height, stride)[:, :width]


def _fill(plane: NDArray[np.uint8], values: NDArray[np.uint8]) -> None:
    height, width = values.shape
    plane[:height, :width] = values
    plane[height:] = plane[height - 1]
    plane[:, width:] = plane[:, width - 1 : width]

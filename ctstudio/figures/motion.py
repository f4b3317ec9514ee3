"""What moves in a film of two pictures: flicker between them, a curtain that sweeps across."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw

Draw = Callable[[int, float], Image.Image]
"""Frame ``index`` at ``scale``; see `ctstudio.figures.film.Film`."""


def usual_seconds(motion: str) -> float:
    """How long a frame stands where nobody says it: two pictures in turn take time to look at."""
    return 0.5 if motion == "flicker" else 0.12


def cine_order(first: int, last: int, *, step: int = 1, back: bool = False) -> list[int]:
    """Slice numbers from ``first`` to ``last`` (inclusive, either way round), and ``back`` again.

    Neither end stands twice, so that the film turns smoothly.
    """
    way = 1 if last >= first else -1
    there = list(range(first, last + way, way * max(step, 1)))
    return there + there[-2:0:-1] if back else there


def flicker(pictures: Sequence[Draw]) -> tuple[Draw, int]:
    """The pictures one after the other; how to draw a frame, and how many frames there are."""
    return (lambda index, scale: pictures[index % len(pictures)](0, scale)), len(pictures)


def swipe(
    before: Draw,
    after: Draw,
    frames: int,
    *,
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0),
) -> tuple[Draw, int]:
    """A curtain that sweeps from ``before`` to ``after`` and back within ``frames`` frames.

    ``before`` stands to the left of it, ``after`` to the right, as in a swipe that stands still.

    Parameters
    ----------
    box
        Where it sweeps: left, top, right, bottom as parts of the frame, such as the image alone.
    """
    count = max(frames, 2)

    def draw(index: int, scale: float) -> Image.Image:
        one, other = before(0, scale), after(0, scale)
        left, right = (round(part * one.width) for part in (box[0], box[2]))
        top, bottom = (round(part * one.height) for part in (box[1], box[3]))
        # Even speed, and no two frames alike but there and back.
        sweep = 1.0 - abs(2.0 * index / count - 1.0)
        at = right - round(sweep * (right - left))
        result = one.copy()
        result.paste(other.crop((at, top, right, bottom)), (at, top))
        if left < at < right:
            width = max(round(one.width / 500), 1)
            first, last = at - width // 2, at - width // 2 + width - 1
            # White between black: seen in lung, in soft tissue and in bone.
            edges = (max(first - width, left), top, min(last + width, right - 1), bottom - 1)
            canvas = ImageDraw.Draw(result)
            canvas.rectangle(edges, fill=(0, 0, 0))
            canvas.rectangle((first, top, last, bottom - 1), fill=(255, 255, 255))
        return result

    return draw, count


def blend(before: Draw, after: Draw, frames: int) -> tuple[Draw, int]:
    """One picture fades into the other and back within ``frames`` frames."""
    count = max(frames, 2)

    def draw(index: int, scale: float) -> Image.Image:
        amount = 0.5 - 0.5 * float(np.cos(2 * np.pi * index / count))
        return Image.blend(before(0, scale), after(0, scale), amount)

    return draw, count

"""Films whose frames are drawn when they are needed: their size estimated, and kept to a limit."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Progress, Work, finish
from ctstudio.figures.animation import Encoder, Oversize, pixels, save_gif
from ctstudio.figures.palette import Dither
from ctstudio.figures.video import ENCODERS, save_video

SUFFIXES = (".gif", *ENCODERS)
SMALLEST = 0.12
"""No film is made smaller than this part of its width to keep a limit."""
MOST_TRIES = 12
SAMPLES = 5
WELL_USED = 0.85
"""Of a limit, the part from which on a larger film is not tried."""


@dataclass(frozen=True)
class Film:
    """A film.

    Parameters
    ----------
    draw
        ``draw(index, scale)``: frame ``index`` at ``scale`` (0 to 1) of its size, RGB, or L where
        nothing has a hue. All frames of one scale have one size.
    count
        How many frames.
    seconds_per_frame
        How long each stands.
    comment
        Text that travels in the file.
    """

    draw: Callable[[int, float], Image.Image]
    count: int
    seconds_per_frame: float = 0.12
    comment: str = ""

    def frames(self, scale: float = 1.0) -> Iterator[Image.Image]:
        """All frames, one at a time."""
        for index in range(self.count):
            yield self.draw(index, scale)


@dataclass(frozen=True)
class Quality:
    """How a film is written; ``greys`` and ``dither`` are of GIFs alone.

    With ``limit_bytes`` it is made smaller in width and height until it keeps to that.
    """

    greys: int = 256
    dither: Dither = "none"
    limit_bytes: int | None = None

    def __post_init__(self) -> None:
        if not 2 <= self.greys <= 256:
            raise ValueError(f"a GIF has 2 to 256 greys, not {self.greys}")


def still(draw: Callable[[int], Image.Image]) -> Callable[[int, float], Image.Image]:
    """Frames that know no scale, resampled to it."""

    def scaled(index: int, scale: float) -> Image.Image:
        frame = draw(index)
        return frame if scale == 1.0 else shrink(frame, scale)

    return scaled


def shrink(frame: Image.Image, scale: float) -> Image.Image:
    """``frame`` at ``scale`` of its width and height, at least 1 px each."""
    size = (max(round(frame.width * scale), 1), max(round(frame.height * scale), 1))
    return frame.resize(size, Image.Resampling.LANCZOS)


def estimate_gif(film: Film, quality: Quality = Quality(), scale: float = 1.0) -> int:
    """Roughly how many bytes a GIF takes, from a few pairs of neighbouring frames."""
    return finish(_estimated(film, quality, scale, Progress(0, 0)))


def _estimated(film: Film, quality: Quality, scale: float, told: Progress) -> Work[int]:
    """That size; ``told`` is yielded before each pair, where it may be stopped."""
    if film.count < 1:
        return 0
    places = np.unique(np.linspace(0, max(film.count - 2, 0), SAMPLES).astype(int)).tolist()
    first, others = 0, []
    for place in places:
        yield told
        encoder = Encoder(10, greys=quality.greys, dither=quality.dither)
        size = len(encoder.add(pixels(film.draw(place, scale))))
        first = first or size
        if place + 1 < film.count:
            others.append(len(encoder.add(pixels(film.draw(place + 1, scale)))))
    each = float(np.mean(others)) if others else 0.0
    return round(first + each * (film.count - 1)) + len(film.comment.encode())


def save_film(film: Film, path: str | os.PathLike[str], quality: Quality = Quality()) -> Work[Path]:
    """Write a film to GIF, MP4 or WebM, by the ending of ``path``.

    Yields Progress for every frame, and a Note where it was made smaller to keep the limit.

    Raises
    ------
    StudioError
        For another ending, no frame, a limit that cannot be kept, a full disk.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in SUFFIXES:
        raise StudioError(
            f"{target.name} does not say what kind of film it is.",
            hint=f"Give a name that ends in {', '.join(SUFFIXES)}.",
            path=target,
        )
    limit = quality.limit_bytes
    scale = 1.0
    if limit is not None and suffix == ".gif":
        scale = yield from _fitting_scale(film, quality, limit)
    for _ in range(MOST_TRIES):
        try:
            yield from _write(film, target, quality, scale)
        except Oversize as error:
            assert limit is not None
            # As if every frame took as much, and a little less than that.
            part = error.done / film.count
            scale *= min(math.sqrt(part) * 0.97, 0.9)
            if scale < SMALLEST:
                break
        else:
            if scale < 1.0:
                yield Note(f"The film was made {scale:.0%} of its size to keep the limit.")
            return target
    raise StudioError(
        f"The film cannot be made small enough for {_size(limit or 0)}.",
        hint="Allow a larger file, or leave out some frames.",
        path=target,
    )


def _write(film: Film, target: Path, quality: Quality, scale: float) -> Work[Path]:
    common = {
        "seconds_per_frame": film.seconds_per_frame,
        "total": film.count,
        "comment": film.comment,
        "limit_bytes": quality.limit_bytes,
    }
    if target.suffix.lower() == ".gif":
        more = {"greys": quality.greys, "dither": quality.dither}
        return save_gif(film.frames(scale), target, **common, **more)  # type: ignore[arg-type]
    return save_video(film.frames(scale), target, **common)  # type: ignore[arg-type]


def _fitting_scale(film: Film, quality: Quality, limit: int) -> Work[float]:
    """The largest scale at which the estimate keeps the limit."""
    scale = 1.0
    above: tuple[float, int] | None = None  # a scale that is too large, and its size
    for done in range(MOST_TRIES):
        told = Progress(done, MOST_TRIES, "Estimating the size")
        size = yield from _estimated(film, quality, scale, told)
        if size <= 0.97 * limit:
            if above is None or size > WELL_USED * limit:
                return scale
            # Noise takes more room the larger it is drawn: the step down was too long.
            slope = math.log(above[1] / size) / math.log(above[0] / scale)
            better = scale * (0.93 * limit / size) ** (1 / max(slope, 1.0))
            size = yield from _estimated(film, quality, better, told)
            return better if size <= 0.97 * limit and better < above[0] else scale
        above = scale, size
        scale *= min(math.sqrt(0.95 * limit / size), 0.97)
        if scale < SMALLEST:
            return SMALLEST  # whether that is enough is found out by writing
    return scale


def _size(count: int) -> str:
    return f"{count / 1e6:.3g} MB" if count >= 1e5 else f"{count / 1e3:.3g} kB"

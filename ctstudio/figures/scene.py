"""A figure as a list of things to draw, for every kind of file alike.

Places and sizes are px of the figure's own resolution, from its upper left corner. Whoever draws
it (pixels of 8 or 16 bits, SVG, PDF) draws the things in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ctstudio.figures.fonts import font
from ctstudio.figures.panel import Panel, picture, resampled
from ctstudio.figures.text import ink

Colour = tuple[int, int, int]
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


@dataclass(frozen=True, eq=False)
class Picture:
    """An image with its window, ``width`` x ``height`` px.

    ``enlarged``: a part shown larger, smooth in every kind of file as it is on the screen.
    """

    panel: Panel
    left: int
    top: int
    width: int
    height: int
    enlarged: bool = False


@dataclass(frozen=True, eq=False)
class Strip:
    """Colours side by side or one above the other, ``(y, x, 3)`` uint8, stretched over a box."""

    pixels: NDArray[np.uint8]
    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class Text:
    """One line; ``y`` is its baseline, ``edge`` the width of a dark edge around the letters."""

    x: float
    y: float
    text: str
    size: int
    colour: Colour
    bold: bool = False
    align: Literal["left", "middle", "right"] = "left"
    edge: int = 0

    @property
    def length(self) -> float:
        """How wide it is drawn."""
        return text_length(self.text, self.size, self.bold)

    @property
    def start(self) -> float:
        """Where it begins."""
        return self.x - {"left": 0.0, "middle": 0.5, "right": 1.0}[self.align] * self.length


@lru_cache(maxsize=4096)
def text_length(text: str, size: int, bold: bool) -> float:
    """How wide a line is in the bundled typeface; those of a film are the same in every frame."""
    found: float = font(size, bold=bold).getlength(text)
    return found


@dataclass(frozen=True)
class Box:
    """A rectangle, filled or drawn as a frame ``line`` px wide within it."""

    left: float
    top: float
    width: float
    height: float
    fill: Colour | None = None
    stroke: Colour | None = None
    line: int = 1


@dataclass(frozen=True)
class Path:
    """Straight lines through points; ``filled`` closes them into an area."""

    points: tuple[tuple[float, float], ...]
    colour: Colour
    line: float = 1.0
    filled: bool = False


Item = Picture | Strip | Text | Box | Path


@dataclass(frozen=True)
class Place:
    """Where the contents of a cell lie: its row and column, from 0, and its box in px."""

    row: int
    column: int
    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class Scene:
    """All of a figure; ``dpi`` says how large a px is on paper."""

    width: int
    height: int
    dpi: float
    background: Colour
    items: tuple[Item, ...]
    places: tuple[Place, ...] = ()

    @property
    def dark(self) -> bool:
        """Whether differences are drawn for a dark ground."""
        return sum(self.background) < 384

    @property
    def texts(self) -> list[str]:
        """Every line of text, in the order of drawing."""
        return [item.text for item in self.items if isinstance(item, Text)]


def draw(scene: Scene, *, lean: bool = False) -> Image.Image:
    """The figure in RGB, 8 bits a channel; of mode "L" where ``lean`` and nothing has a hue."""
    mode = "L" if lean and _neutral(scene) else "RGB"
    image = Image.new(mode, (scene.width, scene.height), ink(mode, scene.background))
    draw_items(image, scene.items, scene.dark)
    return image


def _neutral(scene: Scene) -> bool:
    """Whether nothing of a figure has a hue."""
    for item in scene.items:
        if isinstance(item, Picture):
            coloured = not item.panel.neutral
        elif isinstance(item, Strip):
            coloured = bool(np.any(item.pixels != item.pixels[..., :1]))
        else:
            inks = (item.fill, item.stroke) if isinstance(item, Box) else (item.colour,)
            coloured = any(len(set(colour)) > 1 for colour in inks if colour is not None)
        if coloured:
            return False
    return len(set(scene.background)) == 1


def draw16(scene: Scene) -> NDArray[np.uint16]:
    """The figure in RGB, ``(height, width, 3)`` uint16: greys have all their steps.

    Text and lines lie over the pictures as they do with 8 bits.
    """
    canvas = np.empty((scene.height, scene.width, 3), np.uint16)
    canvas[:] = np.array(scene.background, np.uint16) * 257
    waiting: list[Item] = []
    for item in scene.items:
        plain = isinstance(item, Picture) and item.panel.overlay is item.panel.table is None
        if plain and isinstance(item, Picture) and item.panel.colormap == "grey":
            _lay_over(canvas, waiting, scene)
            waiting = []
            size = (item.height, item.width)
            rows, columns = slice(item.top, None), slice(item.left, None)
            target = canvas[rows, columns][: item.height, : item.width]
            target[:] = render16(item.panel, size)[: target.shape[0], : target.shape[1], None]
        else:
            waiting.append(item)
    _lay_over(canvas, waiting, scene)
    return canvas


def render16(panel: Panel, size: tuple[int, int]) -> NDArray[np.uint16]:
    """The greys of a panel, ``(height, width)`` uint16: 0 is black, 65535 white.

    They are those of `ctstudio.figures.panel.render`, in steps 257 times as fine.
    """
    values, repeat = resampled(panel, size)
    lower = panel.bounds[0]
    part = (values.astype(np.float64) - lower) / panel.window.width_hu
    grey = (np.clip(np.nan_to_num(part), 0.0, 1.0) * 65535.0 + 0.5).astype(np.uint16)
    return grey.repeat(repeat[0], axis=0).repeat(repeat[1], axis=1)


def _lay_over(canvas: NDArray[np.uint16], items: Sequence[Item], scene: Scene) -> None:
    """Draw ``items`` upon 16-bit pixels: what they cover is what black and white grounds tell."""
    if not items:
        return
    grounds = []
    for ground in (BLACK, WHITE):
        image = Image.new("RGB", (scene.width, scene.height), ground)
        draw_items(image, items, scene.dark)
        grounds.append(np.asarray(image))
    on_black, on_white = grounds
    touched = np.any((on_black != 0) | (on_white != 255), axis=2)
    rows, columns = np.flatnonzero(touched.any(axis=1)), np.flatnonzero(touched.any(axis=0))
    if not len(rows):
        return
    where = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    black, white = (part[where].astype(np.float32) for part in (on_black, on_white))
    seen = np.clip((white - black) / 255.0, 0.0, 1.0)
    mixed = black * 257.0 + canvas[where] * seen
    # Where nothing is drawn, not even rounding may touch the greys.
    result = np.clip(np.rint(mixed), 0, 65535).astype(np.uint16)
    canvas[where] = np.where(touched[where][..., None], result, canvas[where])


def draw_items(image: Image.Image, items: Sequence[Item], dark: bool) -> None:
    """Draw them in order upon ``image``, RGB; ``dark`` says for which ground differences are.

    ``image`` may be of mode "L" where nothing has a hue.
    """
    canvas, mode = ImageDraw.Draw(image), image.mode
    for item in items:
        if isinstance(item, Picture):
            own = "L" if item.panel.neutral else "RGB"
            pixels = picture(item.panel, (item.height, item.width), dark=dark, mode=own)
            image.paste(pixels, (item.left, item.top))
        elif isinstance(item, Strip):
            strip = Image.fromarray(item.pixels).convert(mode)
            size = (item.width, item.height)
            image.paste(strip.resize(size, Image.Resampling.NEAREST), (item.left, item.top))
        elif isinstance(item, Text):
            anchor = {"left": "ls", "middle": "ms", "right": "rs"}[item.align]
            canvas.text(
                (item.x, item.y), item.text, fill=ink(mode, item.colour), anchor=anchor,
                font=font(item.size, bold=item.bold), stroke_width=item.edge,
                stroke_fill=ink(mode, BLACK),
            )  # fmt: skip
        elif isinstance(item, Box):
            left, top = round(item.left), round(item.top)
            right, bottom = round(item.left + item.width) - 1, round(item.top + item.height) - 1
            box = (left, top, max(right, left), max(bottom, top))
            fill, line = (ink(mode, c) if c is not None else None for c in (item.fill, item.stroke))
            canvas.rectangle(box, fill=fill, outline=line, width=item.line)
        else:
            _draw_path(image, item)


def _draw_path(image: Image.Image, item: Path) -> None:
    """Lines at four times the resolution, since Pillow's own have steps."""
    xs, ys = [p[0] for p in item.points], [p[1] for p in item.points]
    room = item.line + 2
    left, top = max(int(min(xs) - room), 0), max(int(min(ys) - room), 0)
    right = min(int(max(xs) + room) + 1, image.width)
    bottom = min(int(max(ys) + room) + 1, image.height)
    if right <= left or bottom <= top:
        return
    fine = 4
    mask = Image.new("L", ((right - left) * fine, (bottom - top) * fine))
    points = [((x - left) * fine, (y - top) * fine) for x, y in item.points]
    canvas = ImageDraw.Draw(mask)
    if item.filled:
        canvas.polygon(points, fill=255)
    else:
        canvas.line(points, fill=255, width=max(round(item.line * fine), 1), joint="curve")
    small = mask.resize((right - left, bottom - top), Image.Resampling.BOX)
    colour = Image.new(image.mode, small.size, ink(image.mode, item.colour))
    image.paste(colour, (left, top), small)

"""What stands on and beside a picture: scale bar, orientation letters, colour bar."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from ctstudio.figures.colours import Theme, diverging_table
from ctstudio.figures.fonts import font
from ctstudio.figures.panel import Panel
from ctstudio.figures.text import ink, outlined


def number(value: float) -> str:
    """A number for an axis, with a true minus sign."""
    return f"{value:.6g}".replace("-", "\N{MINUS SIGN}")


def nice_length(longest: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that is at most ``longest``."""
    power = 10.0 ** math.floor(math.log10(longest))
    return max(step * power for step in (1, 2, 5) if step * power <= longest * (1 + 1e-9))


def bar_ticks(lower: float, upper: float, room: int) -> list[float]:
    """Values to label on a colour bar: both ends, and round values with room between them.

    ``room`` is how many labels fit, one above the other.
    """
    span = upper - lower
    wanted = max(min(room, 6), 2)
    step = nice_length(span / (wanted - 1) * 2)
    while span / step < wanted - 1:
        finer = {1: 2, 2: 2, 5: 2.5}[round(step / 10 ** math.floor(math.log10(step) + 1e-9))]
        if span / (step / finer) > wanted + 1:
            break
        step /= finer
    clearance = span / max(room, 2)
    first = math.ceil(lower / step - 1e-9)
    inner = [k * step for k in range(first, math.floor(upper / step + 1e-9) + 1)]
    inner = [v for v in inner if v - lower >= clearance and upper - v >= clearance]
    if room >= 3 and lower < 0 < upper and -lower >= clearance and upper >= clearance:
        inner = [v for v in inner if v == 0 or abs(v) >= clearance]
    return [lower, *inner, upper]


@dataclass(frozen=True)
class ColourBar:
    """A vertical bar ``height`` px tall with its ticks; ``width`` includes the labels."""

    panel: Panel
    height: int
    em: int

    @property
    def ticks(self) -> list[float]:
        return bar_ticks(*self.panel.bounds, room=int(self.height / (1.7 * self.em * 0.8)))

    @property
    def bar_px(self) -> int:
        return round(0.75 * self.em)

    @property
    def width(self) -> int:
        labels: list[float] = [font(round(0.8 * self.em)).getlength(number(v)) for v in self.ticks]
        unit: float = font(round(0.8 * self.em)).getlength(self.panel.unit)
        return math.ceil(max(self.bar_px + 0.6 * self.em + max(labels), unit))

    def draw(self, image: Image.Image, x: int, y: int, theme: Theme) -> None:
        """Draw with the bar's top left corner at ``x, y``, the unit above it."""
        lower, upper = self.panel.bounds
        ramp = np.linspace(1.0, 0.0, self.height)
        if self.panel.colormap == "grey":
            greys, own = np.rint(ramp * 255).astype(np.uint8), self.panel.table
            colours = np.repeat(greys[:, None], 3, axis=1) if own is None else own[greys]
        else:
            table = diverging_table(theme.name == "dark")
            colours = table[np.rint(ramp * (len(table) - 1)).astype(np.intp)]
        strip = Image.fromarray(np.repeat(colours[:, None, :], self.bar_px, axis=1))
        image.paste(strip.convert(image.mode), (x, y))
        faint, muted = ink(image.mode, theme.faint), ink(image.mode, theme.muted)
        canvas = ImageDraw.Draw(image)
        box = (x, y, x + self.bar_px - 1, y + self.height - 1)
        canvas.rectangle(box, outline=faint, width=1)
        small = font(round(0.8 * self.em))
        canvas.text(
            (x, y - round(0.6 * self.em)),
            self.panel.unit,
            font=small,
            fill=muted,
            anchor="ls",
        )
        right = x + self.bar_px
        cap = -small.getbbox("0", anchor="ls")[1]
        for value in self.ticks:
            at = y + round((upper - value) / (upper - lower) * (self.height - 1))
            line = max(round(self.em / 16), 1)
            tick = round(0.25 * self.em)
            top = min(max(at - line // 2, y), y + self.height - line)
            canvas.rectangle((right, top, right + tick - 1, top + line - 1), fill=muted)
            place = (right + round(0.55 * self.em), round(at + cap / 2))
            canvas.text(place, number(value), font=small, fill=muted, anchor="ls")


def draw_letters(image: Image.Image, letters: tuple[str, str, str, str], em: int) -> None:
    """Patient sides at the middle of the left, right, top and bottom edges of ``image``."""
    width, height = image.size
    edge = round(0.5 * em)
    places = (
        ((edge, height / 2), "lm"),
        ((width - edge, height / 2), "rm"),
        ((width / 2, edge), "mt"),
        ((width / 2, height - edge), "mb"),
    )
    for letter, (place, anchor) in zip(letters, places, strict=True):
        if letter:
            outlined(image, place, letter, font(em, bold=True), anchor)


def draw_scale_bar(image: Image.Image, panel: Panel, em: int) -> None:
    """A bar of a round length, three tenths of the width at most, at the lower left corner."""
    width, height = image.size
    per_px = panel.mm_per_px(width)
    length = nice_length(width * 0.3 * per_px)
    pixels = max(round(length / per_px), 1)
    margin, thickness = round(0.75 * em), max(round(em / 6), 2)
    label = f"{length:g} {'mm' if panel.spacing_mm else 'px'}"
    small = font(round(0.85 * em))
    left, bottom = margin, height - margin
    canvas = ImageDraw.Draw(image)
    edge, black = max(em // 14, 1), ink(image.mode, (0, 0, 0))
    bar = (left, bottom - thickness, left + pixels - 1, bottom - 1)
    canvas.rectangle((bar[0] - edge, bar[1] - edge, bar[2] + edge, bar[3] + edge), fill=black)
    canvas.rectangle(bar, fill=ink(image.mode, (255, 255, 255)))
    outlined(image, (left, bottom - thickness - round(0.4 * em)), label, small, "ls", edge=0.2)

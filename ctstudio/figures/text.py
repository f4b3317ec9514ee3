"""Text that fits: wrapped by words, and elided where even that is not enough."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from ctstudio.figures.fonts import font

ELLIPSIS = "…"
FIXED = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
SMALLEST = 0.8
"""Text is made so much smaller at most, in narrow columns."""
Colour = tuple[int, int, int]


def ink(mode: str, colour: Colour) -> int | Colour:
    """``colour`` for a picture of ``mode``, "RGB" or "L"; in one of greys it has no hue itself."""
    return colour[0] if mode == "L" else colour


def elide(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    """``text``, shortened with an ellipsis at its end until it is at most ``width`` px wide."""
    if font.getlength(text) <= width:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if font.getlength(text[:middle].rstrip() + ELLIPSIS) <= width:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + ELLIPSIS


def wrap(text: str, font: ImageFont.FreeTypeFont, width: float, lines: int) -> list[str]:
    """At most ``lines`` lines of at most ``width`` px; line breaks in ``text`` are kept.

    No line ends at a no-break space, which becomes a plain one, nor at the sign between the terms
    of a difference. A word wider than a line is broken at such a space after all, after one of
    ``-_./``, or else where it must be. What is left over at the last line is elided. Empty text
    gives no line, a no-break space alone an empty one.
    """
    result: list[str] = []
    for paragraph in text.strip(" \t\r\n").splitlines():
        words, line = _words(paragraph), ""
        while words:
            candidate = f"{line} {words[0]}" if line else words[0]
            if font.getlength(candidate) <= width:
                line = candidate
                words.pop(0)
            elif line:
                result.append(line)
                line = ""
            else:
                cut = 1
                while cut < len(words[0]) and font.getlength(words[0][: cut + 1]) <= width:
                    cut += 1
                own = words[0][: cut + 1].rfind(FIXED)
                breaks = [m.end() for m in re.finditer(r"[-_./]", words[0][:cut])]
                cut = breaks[-1] if breaks and breaks[-1] > cut // 2 else cut
                cut = own if own > 0 else cut
                result.append(words[0][:cut])
                words[0] = words[0][cut:].lstrip(FIXED)
                if not words[0]:
                    words.pop(0)
        result.append(line)
    result = [line for line in result if line]
    if len(result) > lines:
        rest = " ".join(result[lines - 1 :])
        result = [*result[: lines - 1], elide(rest, font, width)]
    return [line.replace(FIXED, " ") for line in result]


def _words(paragraph: str) -> list[str]:
    """What no line is broken within."""
    kept = paragraph.replace("\t", " ").replace(f" {MINUS} ", f" {MINUS}{FIXED}")
    return [word for word in kept.split(" ") if word]


def steady(text: str) -> str:
    """``text`` as wide as with other numbers of that kind: what one measures for a whole film.

    Every digit is a 4, the widest; numbers from 1 on have at least two before their decimals.
    """
    return re.sub(r"\d", "4", re.sub(r"(?<![\d.])[1-9](?=\.\d)", "44", text))


def shrunk_to_words(
    texts: Iterable[str], size: int, width: float, *, bold: bool = False
) -> ImageFont.FreeTypeFont:
    """A font of ``size`` px, or a little smaller so that no word of ``texts`` is broken.

    Words that are too long even so are broken.
    """
    face = font(size, bold=bold)
    longest = [
        face.getlength(steady(word))
        for text in texts
        for paragraph in text.splitlines()
        for word in _words(paragraph)
    ]
    wide = [length for length in longest if width < length <= width / SMALLEST]
    return font(math.floor(size * width / max(wide)), bold=bold) if wide else face


def values_of(paragraph: str) -> list[str]:
    """The parts of a list of values, each with its name; of other words these alone."""
    values = paragraph.split(", ")
    # Within brackets stands what they are, not what they are worth.
    named = all(FIXED in value and not value.startswith("(") for value in values)
    return values if named else [paragraph]


@dataclass(frozen=True)
class Block:
    """Lines of text in one font, with the height that they take."""

    lines: tuple[str, ...]
    font: ImageFont.FreeTypeFont
    leading: float = 1.3

    @classmethod
    def fit(cls, text: str, font: ImageFont.FreeTypeFont, width: float, lines: int) -> Block:
        """``text`` wrapped into ``width`` px and at most ``lines`` lines."""
        return cls(tuple(wrap(text, font, width, lines)), font)

    @property
    def line_height(self) -> int:
        size: float = self.font.size
        return round(size * self.leading)

    @property
    def height(self) -> int:
        return len(self.lines) * self.line_height

    @property
    def width(self) -> float:
        return max((self.font.getlength(line) for line in self.lines), default=0.0)

    def draw(self, canvas: ImageDraw.ImageDraw, x: float, y: float, colour: Colour) -> None:
        """Draw with the top left corner of the block at ``x, y``."""
        # The baseline sits so that ascenders and descenders share the line's spare room.
        ascent, descent = self.font.getmetrics()
        baseline = (self.line_height + ascent - descent) / 2
        for index, line in enumerate(self.lines):
            place = (x, round(y + index * self.line_height + baseline))
            canvas.text(place, line, font=self.font, fill=ink(canvas.mode, colour), anchor="ls")


def outlined(
    image: Image.Image,
    place: tuple[float, float],
    text: str,
    font: ImageFont.FreeTypeFont,
    anchor: str,
    edge: float = 0.11,
) -> None:
    """Draw white text with a dark edge, readable over black lung and white bone alike.

    ``edge`` is its width in em.
    """
    ImageDraw.Draw(image).text(
        place,
        text,
        font=font,
        fill=ink(image.mode, (255, 255, 255)),
        anchor=anchor,
        stroke_width=max(round(font.size * edge), 1),
        stroke_fill=ink(image.mode, (0, 0, 0)),
    )

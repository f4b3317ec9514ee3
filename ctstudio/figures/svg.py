"""A scene as SVG: text stays text, lines stay lines, pictures are embedded PNGs."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ctstudio import __version__
from ctstudio.figures.glyphs import subset
from ctstudio.figures.panel import Panel, render
from ctstudio.figures.scene import Box, Colour, Item, Path, Picture, Scene, Strip, Text

MM_PER_INCH = 25.4
METADATA_ID = "ctstudio-figure"
ANCHORS = {"left": "start", "middle": "middle", "right": "end"}


def own_pixels(item: Picture, dark: bool) -> NDArray[np.uint8]:
    """A picture's pixels, ``(y, x, 3)`` uint8: one for each of the image's where they are square.

    Their greys are then exactly those of the window; whoever shows the file enlarges them. An
    enlarged part has the pixels of the figure: it is as smooth as on the screen.
    """
    rows, columns = item.panel.image.shape
    own = is_square(item.panel) and not item.enlarged
    return render(item.panel, (rows, columns) if own else (item.height, item.width), dark=dark)


def is_square(panel: Panel) -> bool:
    """Whether the pixels of an image are squares."""
    own = panel.natural_size
    return all(abs(a - b) < 1e-6 for a, b in zip(own, panel.image.shape, strict=True))


def to_svg(scene: Scene, description: str = "") -> str:
    """The file's text; ``description`` travels in its metadata."""
    width, height = (side / scene.dpi * MM_PER_INCH for side in (scene.width, scene.height))
    faces = []
    for bold in (False, True):
        text = "".join(t.text for t in scene.items if isinstance(t, Text) and t.bold == bold)
        if text:
            data = b64encode(subset(text, bold)[0]).decode("ascii")
            faces.append(
                f"@font-face{{font-family:Inter;font-weight:{600 if bold else 400};"
                f"src:url(data:font/otf;base64,{data})}}"
            )
    style = "".join(faces) + "text{font-family:Inter,Helvetica,Arial,sans-serif;white-space:pre}"
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{width:.3f}mm" height="{height:.3f}mm" '
        f'viewBox="0 0 {scene.width} {scene.height}">',
        f"<!-- CT Studio {__version__} -->",
    ]
    if description:
        parts.append(f'<metadata id="{METADATA_ID}">{escape(description, quote=False)}</metadata>')
    parts.append(f"<style>{style}</style>")
    ground = Box(0, 0, scene.width, scene.height, fill=scene.background)
    parts += [_element(item, scene.dark) for item in (ground, *scene.items)]
    return "\n".join([*parts, "</svg>", ""])


def _element(item: Item, dark: bool) -> str:
    if isinstance(item, Picture):
        return _image(own_pixels(item, dark), item)
    if isinstance(item, Strip):
        return _image(item.pixels, item)
    if isinstance(item, Text):
        return _text(item)
    if isinstance(item, Box):
        inset = item.line / 2 if item.stroke else 0.0
        fill = _hex(item.fill) if item.fill else "none"
        line = f' stroke="{_hex(item.stroke)}" stroke-width="{item.line}"' if item.stroke else ""
        return (
            f'<rect x="{item.left + inset:g}" y="{item.top + inset:g}" '
            f'width="{max(item.width - 2 * inset, 0):g}" '
            f'height="{max(item.height - 2 * inset, 0):g}" fill="{fill}"{line}/>'
        )
    return _path(item)


def _text(item: Text) -> str:
    weight = ' font-weight="600"' if item.bold else ""
    # Programs without the typeface keep to the room that it takes.
    place = (
        f'x="{item.x:g}" y="{item.y:g}" font-size="{item.size}"{weight} '
        f'text-anchor="{ANCHORS[item.align]}" textLength="{item.length:.2f}" '
        'lengthAdjust="spacingAndGlyphs"'
    )
    words = escape(item.text)
    letters = f'<text {place} fill="{_hex(item.colour)}">{words}</text>'
    if not item.edge:
        return letters
    # The edge apart and below: not every program knows an order of painting.
    line = f'stroke="#000000" stroke-width="{2 * item.edge}" stroke-linejoin="round"'
    return f'<text {place} fill="#000000" {line} aria-hidden="true">{words}</text>{letters}'


def _path(item: Path) -> str:
    points = " ".join(f"{x:.2f},{y:.2f}" for x, y in item.points)
    if item.filled:
        return f'<polygon points="{points}" fill="{_hex(item.colour)}"/>'
    return (
        f'<polyline points="{points}" fill="none" stroke="{_hex(item.colour)}" '
        f'stroke-width="{item.line:g}" stroke-linejoin="round"/>'
    )


def _image(pixels: NDArray[np.uint8], place: Picture | Strip) -> str:
    stream = BytesIO()
    grey = bool(np.all(pixels == pixels[..., :1]))
    Image.fromarray(pixels[..., 0] if grey else pixels).save(stream, "PNG", optimize=True)
    data = b64encode(stream.getvalue()).decode("ascii")
    return (
        f'<image x="{place.left}" y="{place.top}" width="{place.width}" height="{place.height}" '
        f'preserveAspectRatio="none" style="image-rendering:pixelated" '
        f'xlink:href="data:image/png;base64,{data}"/>'
    )


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)

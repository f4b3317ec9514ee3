"""A scene as PDF: text that can be searched, lines as lines, pictures pixel by pixel.

Source: ISO 32000-1:2008, Document management, Portable document format, PDF 1.7.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctstudio import __version__
from ctstudio.figures.glyphs import subset
from ctstudio.figures.scene import Box, Item, Path, Picture, Scene, Strip, Text
from ctstudio.figures.svg import own_pixels

POINTS_PER_INCH = 72.0
DESCRIPTION_KEY = "CTStudioFigure"
FONTS = {False: "F1", True: "F2"}


def to_pdf(scenes: Scene | Sequence[Scene], description: str = "") -> bytes:
    """The file: a page for each scene. ``description`` (ASCII) travels in its information."""
    pages = [scenes] if isinstance(scenes, Scene) else list(scenes)
    out = _Writer()
    catalogue, tree = out.reserve(), out.reserve()
    faces = {bold: _letters(pages, bold) for bold in FONTS}
    made = {bold: _font(out, text, bold) for bold, text in faces.items() if text}
    fonts = " ".join(f"/{FONTS[bold]} {number} 0 R" for bold, number in made.items())
    numbers = [_page(out, scene, tree, fonts, faces) for scene in pages]
    kids = " ".join(f"{n} 0 R" for n in numbers)
    out.fill(tree, f"<< /Type /Pages /Kids [{kids}] /Count {len(numbers)} >>".encode())
    out.fill(catalogue, f"<< /Type /Catalog /Pages {tree} 0 R >>".encode())
    info = f"<< /Producer {_string(f'CT Studio {__version__}')}"
    if description:
        info += f" /{DESCRIPTION_KEY} {_string(description)}"
    return out.finish(catalogue, out.add(f"{info} >>".encode("latin-1")))


class _Writer:
    """Numbered objects, and where each begins."""

    def __init__(self) -> None:
        self._objects: list[bytes] = []

    def reserve(self) -> int:
        self._objects.append(b"")
        return len(self._objects)

    def fill(self, number: int, body: bytes) -> None:
        self._objects[number - 1] = body

    def add(self, body: bytes) -> int:
        number = self.reserve()
        self.fill(number, body)
        return number

    def stream(self, entries: str, data: bytes) -> int:
        packed = zlib.compress(data, 9)
        head = f"<< {entries} /Filter /FlateDecode /Length {len(packed)} >>\nstream\n"
        return self.add(head.encode() + packed + b"\nendstream")

    def finish(self, root: int, info: int) -> bytes:
        result = bytearray(b"%PDF-1.6\n%\xe2\xe3\xcf\xd3\n")
        places = []
        for number, body in enumerate(self._objects, start=1):
            places.append(len(result))
            result += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
        start = len(result)
        result += f"xref\n0 {len(places) + 1}\n0000000000 65535 f \n".encode()
        for place in places:
            result += f"{place:010d} 00000 n \n".encode()
        trailer = f"trailer\n<< /Size {len(places) + 1} /Root {root} 0 R /Info {info} 0 R >>\n"
        result += f"{trailer}startxref\n{start}\n%%EOF\n".encode()
        return bytes(result)


def _string(text: str) -> str:
    """A literal string of PDF, from ASCII."""
    plain = text.encode("ascii", "replace").decode("ascii")
    return "(" + plain.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)") + ")"


def _letters(pages: Sequence[Scene], bold: bool) -> str:
    """Those that are written in a face, each once."""
    texts = [t for scene in pages for t in scene.items if isinstance(t, Text) and t.bold == bold]
    return "".join(sorted(set("".join(t.text for t in texts))))


def _font(out: _Writer, text: str, bold: bool) -> int:
    """A composite font of the letters in use, embedded."""
    data, face = subset(text, bold)
    name = "CTSTUD+Inter-SemiBold" if bold else "CTSTUD+Inter-Regular"
    per_em = face["head"].unitsPerEm
    order = face.getGlyphOrder()
    widths = [round(face["hmtx"][glyph][0] * 1000 / per_em) for glyph in order]
    ascent, descent = (
        round(face["hhea"].__dict__[k] * 1000 / per_em) for k in ("ascent", "descent")
    )
    file = out.stream("/Subtype /OpenType", data)
    descriptor = out.add(
        f"<< /Type /FontDescriptor /FontName /{name} /Flags 4 /FontBBox [-1000 -300 3000 1200] "
        f"/ItalicAngle 0 /Ascent {ascent} /Descent {descent} /CapHeight 730 "
        f"/StemV {120 if bold else 80} /FontFile3 {file} 0 R >>".encode()
    )
    listed = " ".join(map(str, widths))
    descendant = out.add(
        f"<< /Type /Font /Subtype /CIDFontType0 /BaseFont /{name} /CIDSystemInfo "
        f"<< /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> /FontDescriptor "
        f"{descriptor} 0 R /DW 500 /W [0 [{listed}]] >>".encode()
    )
    unicode_map = out.stream("", _to_unicode(face))
    return out.add(
        f"<< /Type /Font /Subtype /Type0 /BaseFont /{name} /Encoding /Identity-H "
        f"/DescendantFonts [{descendant} 0 R] /ToUnicode {unicode_map} 0 R >>".encode()
    )


def _to_unicode(face: Any) -> bytes:
    """Which letter a glyph is, so that text can be searched and copied."""
    numbers = {glyph: index for index, glyph in enumerate(face.getGlyphOrder())}
    pairs = sorted((numbers[glyph], code) for code, glyph in face.getBestCmap().items())
    lines = [f"<{glyph:04x}> <{chr(code).encode('utf-16-be').hex()}>" for glyph, code in pairs]
    blocks = [lines[k : k + 100] for k in range(0, len(lines), 100)]
    body = "\n".join(f"{len(b)} beginbfchar\n" + "\n".join(b) + "\nendbfchar" for b in blocks)
    return (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CIDSystemInfo "
        "<< /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def /CMapName /Own def "
        "/CMapType 2 def 1 begincodespacerange <0000> <ffff> endcodespacerange\n"
        f"{body}\nendcmap CMapName currentdict /CMap defineresource pop end end"
    ).encode()


def _page(out: _Writer, scene: Scene, tree: int, fonts: str, faces: dict[bool, str]) -> int:
    scale = POINTS_PER_INCH / scene.dpi
    width, height = scene.width * scale, scene.height * scale
    # Places count from the upper left corner in px, as in the scene.
    commands = [f"{scale:.6f} 0 0 {-scale:.6f} 0 {height:.4f} cm"]
    images: list[int] = []
    ground = Box(0, 0, scene.width, scene.height, fill=scene.background)
    for item in (ground, *scene.items):
        if isinstance(item, Picture | Strip):
            pixels = item.pixels if isinstance(item, Strip) else own_pixels(item, scene.dark)
            images.append(_image(out, pixels))
            place = f"{item.width} 0 0 {-item.height} {item.left} {item.top + item.height}"
            commands.append(f"q {place} cm /I{len(images)} Do Q")
        elif isinstance(item, Text):
            if item.text:
                commands.append(_text(item, faces[item.bold]))
        else:
            commands.append(_shape(item))
    content = out.stream("", "\n".join(commands).encode())
    pictures = " ".join(f"/I{k} {n} 0 R" for k, n in enumerate(images, start=1))
    return out.add(
        f"<< /Type /Page /Parent {tree} 0 R /MediaBox [0 0 {width:.4f} {height:.4f}] "
        f"/Resources << /Font << {fonts} >> /XObject << {pictures} >> >> "
        f"/Contents {content} 0 R >>".encode()
    )


def _image(out: _Writer, pixels: NDArray[np.uint8]) -> int:
    grey = bool(np.all(pixels == pixels[..., :1]))
    data = np.ascontiguousarray(pixels[..., 0] if grey else pixels)
    space = "/DeviceGray" if grey else "/DeviceRGB"
    return out.stream(
        f"/Type /XObject /Subtype /Image /Width {data.shape[1]} /Height {data.shape[0]} "
        f"/ColorSpace {space} /BitsPerComponent 8 /Interpolate false",
        data.tobytes(),
    )


def _text(item: Text, letters: str) -> str:
    """One line in the glyphs of the face that has ``letters``."""
    face = subset(letters, item.bold)[1]
    numbers = {glyph: index for index, glyph in enumerate(face.getGlyphOrder())}
    cmap = face.getBestCmap()
    codes = "".join(f"{numbers.get(cmap.get(ord(c), '.notdef'), 0):04x}" for c in item.text)
    advance = sum(face["hmtx"][cmap.get(ord(c), ".notdef")][0] for c in item.text)
    natural = advance * item.size / face["head"].unitsPerEm
    # Letters stand apart as they do on the screen, where pairs are kerned.
    stretch = 100 * item.length / natural if natural else 100.0
    show = f"/{FONTS[item.bold]} {item.size} Tf {stretch:.3f} Tz 1 0 0 -1 {item.start:.3f} "
    show += f"{item.y:.3f} Tm <{codes}> Tj"
    edge = ""
    if item.edge:
        edge = f"BT 0 0 0 RG {2 * item.edge} w 1 j 1 Tr {show} ET "
    return f"q {edge}BT 0 Tr {_colour(item.colour)} rg {show} ET Q"


def _shape(item: Item) -> str:
    if isinstance(item, Box):
        parts = []
        if item.fill:
            parts.append(
                f"{_colour(item.fill)} rg {item.left:.3f} {item.top:.3f} {item.width:.3f} "
                f"{item.height:.3f} re f"
            )
        if item.stroke:
            half = item.line / 2
            parts.append(
                f"{_colour(item.stroke)} RG {item.line} w {item.left + half:.3f} "
                f"{item.top + half:.3f} {item.width - item.line:.3f} "
                f"{item.height - item.line:.3f} re S"
            )
        return " ".join(parts)
    assert isinstance(item, Path)
    first, *others = item.points
    way = f"{first[0]:.3f} {first[1]:.3f} m " + " ".join(f"{x:.3f} {y:.3f} l" for x, y in others)
    if item.filled:
        return f"{_colour(item.colour)} rg {way} f"
    return f"{_colour(item.colour)} RG {item.line:.3f} w 1 j {way} S"


def _colour(colour: Sequence[int]) -> str:
    return " ".join(f"{part / 255:.4f}" for part in colour)

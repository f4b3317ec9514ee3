"""The header of an image file as a tree of elements, whatever kind of file it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

HIDDEN = "(hidden)"
MOST_CHARACTERS = 1 << 16
"""Of a value; what goes on is not kept."""

_SEARCHED = 4096  # characters of a value


@dataclass(frozen=True)
class Element:
    """One entry of a header.

    ``tag`` is its number as people write it, "(0018,0050)"; headers that have none leave it
    empty, and so do the items of a sequence. ``keyword`` is its name for programs and ``vr`` the
    kind of its value. ``value`` is the value as text, of at most `MOST_CHARACTERS`, and ``size``
    says how much there is where that is more ("524,288 bytes"). ``personal`` marks what may tell
    whose the image is.
    """

    tag: str
    name: str
    vr: str = ""
    value: str = ""
    keyword: str = ""
    size: str = ""
    private: bool = False
    personal: bool = False
    children: tuple[Element, ...] = ()

    @cached_property
    def words(self) -> str:
        """What a search looks at, in small letters; the number also without its brackets."""
        bare = self.tag.strip("()")
        texts = (self.tag, bare.replace(",", ""), self.name, self.keyword, self.vr)
        return "\n".join((*texts, self.value[:_SEARCHED])).casefold()

    @cached_property
    def inside(self) -> str:
        """The words of all that is inside it: what is not in there need not be looked for."""
        return "\n".join(f"{child.words}\n{child.inside}" for child in self.children)

    @cached_property
    def words_without_value(self) -> str:
        """The same of an element whose value is hidden."""
        return Element(self.tag, self.name, self.vr, "", self.keyword).words

    def shown(self, *, hide_personal: bool = False) -> str:
        """The whole value with its size, or that it is hidden."""
        if hide_personal and self.personal:
            return HIDDEN if self.value else ""
        return f"{self.value} ... ({self.size})" if self.size else self.value

    def line(self, depth: int = 0, *, hide_personal: bool = False) -> str:
        """The element as one line of text, indented by ``depth``."""
        value = " ".join(self.shown(hide_personal=hide_personal).splitlines())
        words = (self.tag, self.vr, self.name)
        head = "  " * depth + " ".join(word for word in words if word)
        return f"{head}: {value}" if value else head


@dataclass(frozen=True)
class FileHeader:
    """All elements of one file; ``kind`` is what it is ("DICOM")."""

    path: Path
    kind: str
    elements: tuple[Element, ...]

    @cached_property
    def count(self) -> int:
        """How many elements there are, those inside others counted too."""
        return sum(1 for _ in walk(self.elements))

    def prepare(self) -> None:
        """Put together what a search looks at, which else its first letter would wait for."""
        for element in self.elements:
            _ = element.words, element.inside
        _ = self.count

    def as_text(self, *, hide_personal: bool = False) -> str:
        """All elements, one a line."""
        name = self.path.name if hide_personal else str(self.path)
        lines = [f"{name} ({self.kind})"]
        lines += [
            element.line(depth, hide_personal=hide_personal)
            for depth, element in walk(self.elements)
        ]
        return "\n".join(lines) + "\n"


def walk(elements: Sequence[Element], depth: int = 0) -> Iterator[tuple[int, Element]]:
    """Each element with its depth, parents before their children."""
    for element in elements:
        yield depth, element
        if element.children:
            yield from walk(element.children, depth + 1)


def shortened(text: str) -> tuple[str, str]:
    """``text`` as an element keeps it, and the size to state beside it where it was cut."""
    if len(text) <= MOST_CHARACTERS:
        return text, ""
    return text[:MOST_CHARACTERS], f"{len(text):,} characters"


def bytes_as_text(data: bytes, shown: int = 64) -> tuple[str, str]:
    """Bytes as people can look at them: their text where they are one, else hexadecimal.

    The second text is the size to state where not all of them are shown.
    """
    text = _plain_text(data)
    if text is not None:
        return shortened(text)
    size = f"{len(data):,} bytes" if len(data) > shown else ""
    return data[:shown].hex(" "), size


def _plain_text(data: bytes) -> str | None:
    """The text that ``data`` is, padding left out; None where it is none."""
    stripped = data.rstrip(b"\0 ")
    try:
        text = stripped.decode("ascii")
    except UnicodeDecodeError:
        return None
    plain = all(c.isprintable() or c in "\r\n\t" for c in text)
    return text if plain else None

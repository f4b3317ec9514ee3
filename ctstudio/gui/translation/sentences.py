"""Sentences of the layers below the window, which know no language: translated where shown.

Those layers say what they have to say in English, with values in it: "There is no recipe x.". A
second catalogue holds the patterns of these sentences, "There is no recipe {0}.", and `said`
finds the one that a sentence was made from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from ctstudio.gui.translation.catalogue import ENGLISH, language, tr
from ctstudio.resources import resource

if TYPE_CHECKING:
    from ctstudio.gui.session import Layer

HOLE = re.compile(r"\{(\d)\}")
END = re.compile(r"(?<=[.!?]) +")  # of a sentence
DEEPEST = 3  # sentences in values of sentences


@dataclass(frozen=True)
class Pattern:
    """A sentence with holes: the words between them, and its translation with the same holes."""

    words: tuple[str, ...]
    holes: tuple[str, ...]
    other: str

    @property
    def known(self) -> int:
        """How many letters of a sentence it knows."""
        return sum(map(len, self.words))

    def filled(self, values: Mapping[str, str]) -> str:
        """The translation with ``values`` in the holes."""
        return HOLE.sub(lambda match: values[match[1]], self.other)

    def values(self, text: str) -> dict[str, str] | None:
        """What ``text`` has in the holes; None where it was made from another pattern."""
        first, *between = self.words
        if not text.startswith(first) or (not between and len(text) != len(first)):
            return None
        place = len(first)
        found: dict[str, str] = {}
        for number, (hole, word) in enumerate(zip(self.holes, between, strict=True), start=1):
            if number == len(between):  # the last word is the end
                end = len(text) - len(word) if text.endswith(word) else -1
            else:
                end = text.find(word, place + 1)
            if end <= place:
                return None
            if found.setdefault(hole, text[place:end]) != text[place:end]:
                return None
            place = end + len(word)
        return found


@lru_cache(maxsize=4)
def sentences(name: str) -> Mapping[str, str]:
    """The translations of a language by the English sentence, with holes for its values."""
    path = resource("translations", f"{name}.sentences.json")
    return MappingProxyType(json.loads(path.read_text(encoding="utf-8")))


@lru_cache(maxsize=4)
def _patterns(name: str) -> tuple[Pattern, ...]:
    """The patterns of a language, those that know most of their sentences first."""
    made = []
    for text, other in sentences(name).items():
        parts = HOLE.split(text)
        made.append(Pattern(tuple(parts[::2]), tuple(parts[1::2]), other))
    return tuple(sorted(made, key=lambda pattern: -pattern.known))


def said(text: str) -> str:
    """A sentence from below in the language that was chosen, as far as it is known."""
    if language() == ENGLISH or not text.strip():
        return text
    return _said(text, language())


def called(layer: Layer, *, short: bool = False) -> str:
    """The name of a layer to be shown; that of a series is its own, whatever it says.

    ``short`` leaves out that it belongs to a training or a preview.
    """
    name = layer.name
    if short:
        name = name.replace("Training: ", "").replace("Preview: ", "")
    own = layer.kind == "original" and layer.stack.source.description
    return name if own else said(name)


@lru_cache(maxsize=512)  # names of layers are asked for at every move of the mouse
def _said(text: str, _language: str) -> str:
    parts = END.split(text)
    told = [_whole(part, 0) for part in parts]
    if all(told):
        return "".join(told)
    whole = _whole(text, 0)
    if whole or not any(told):
        return whole or text
    return " ".join(new or old for new, old in zip(told, parts, strict=True))


def _whole(text: str, depth: int) -> str:
    """``text``, where the whole of it is known; else empty."""
    exact = tr(text)
    if exact != text:
        return exact
    for pattern in _patterns(language()):
        found = pattern.values(text)
        if found is not None:
            return pattern.filled({hole: _value(v, depth + 1) for hole, v in found.items()})
    return ""


def _value(text: str, depth: int) -> str:
    return text if depth > DEEPEST else (_whole(text, depth) or text)

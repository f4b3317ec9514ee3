"""The values of elements, decoded from their raw bytes; no broken value raises."""

from __future__ import annotations

import math
from typing import Literal


class RawValues:
    """Values by name; None where the file does not state one."""

    def __init__(self, values: dict[str, bytes | None], little_endian: bool) -> None:
        self._values = values
        self._order: Literal["little", "big"] = "little" if little_endian else "big"

    def raw(self, name: str) -> bytes | None:
        return self._values[name]

    def text(self, name: str) -> str:
        return text_of(self._values[name] or b"")

    def integer(self, name: str, default: int = 0) -> int:
        """A binary 16-bit value (US)."""
        value = self._values[name]
        return int.from_bytes(value[:2], self._order) if value else default

    def number(self, name: str) -> float | None:
        return number_of(self._values[name])


def text_of(raw: bytes) -> str:
    return raw.decode("latin-1").strip(" \0\r\n\t")


def numbers_of(raw: bytes | None, count: int) -> tuple[float, ...] | None:
    values = _floats(raw)
    return None if values is None or len(values) < count else values[:count]


def number_of(raw: bytes | None) -> float | None:
    values = _floats(raw)
    return values[0] if values else None


def whole_number_of(raw: bytes | None) -> int | None:
    value = number_of(raw)
    return None if value is None else int(value)


def _floats(raw: bytes | None) -> tuple[float, ...] | None:
    if not raw:
        return None
    try:
        values = tuple([float(v) for v in text_of(raw).split("\\")])
    except ValueError:
        return None
    return values if all(map(math.isfinite, values)) else None

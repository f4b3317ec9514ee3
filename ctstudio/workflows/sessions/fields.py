"""Values of a JSON object, each of the type that is asked for, or a word on where it is wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeVar

T = TypeVar("T")


class DamagedError(ValueError):
    """Something in the object is missing or is not what it should be; the text says where."""


class Fields:
    """One object of a JSON text; ``where`` is its place in it, for whoever reads what is wrong.

    Keys that nobody asks for are left alone: a later version may have written them.

    Raises
    ------
    DamagedError
        From every method, when the value is missing or is of another type.
    """

    def __init__(self, data: object, where: str) -> None:
        if not isinstance(data, dict):
            raise DamagedError(f"{where} is not an object")
        self._data: dict[str, Any] = data
        self._where = where

    def __contains__(self, key: str) -> bool:
        return self._data.get(key) is not None

    def text(self, key: str, default: str | None = None) -> str:
        """A text."""
        value: str | None = self._data.get(key, default)
        return self._checked(key, value, isinstance(value, str), "a text")

    def whole(self, key: str, default: int | None = None) -> int:
        """A whole number from 0 on."""
        value: int | None = self._data.get(key, default)
        right = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31
        return self._checked(key, value, right, "a whole number")

    def number(self, key: str, default: float | None = None) -> float:
        """A finite number."""
        value: float | None = self._data.get(key, default)
        return float(self._checked(key, value, _is_number(value), "a number"))

    def flag(self, key: str, default: bool | None = None) -> bool:
        """True or false."""
        value: bool | None = self._data.get(key, default)
        return self._checked(key, value, isinstance(value, bool), "true or false")

    def mapping(self, key: str) -> dict[str, Any]:
        """An object as it is; an empty one where there is none."""
        value: dict[str, Any] | None = self._data.get(key, {})
        return self._checked(key, value, isinstance(value, dict), "an object")

    def everything(self) -> dict[str, Any]:
        """The object as it is."""
        return dict(self._data)

    def inner(self, key: str) -> Fields:
        """An object within this one."""
        return Fields(self._data.get(key), self.place(key))

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; an empty one where there is none."""
        value = self._list(key)
        right = all(isinstance(item, str) for item in value)
        return tuple(self._checked(key, value, right, "a list of texts"))

    def wholes(self, key: str) -> tuple[int, ...]:
        """A list of whole numbers from 0 on; an empty one where there is none."""
        value = self._list(key)
        right = all(isinstance(item, int) and item >= 0 for item in value)
        return tuple(self._checked(key, value, right, "a list of whole numbers"))

    def numbers(self, key: str, count: int | None = None) -> tuple[float, ...]:
        """A list of finite numbers, of ``count`` where that is given."""
        value = self._list(key)
        right = all(_is_number(item) for item in value) and count in (None, len(value))
        return tuple(float(n) for n in self._checked(key, value, right, "a list of numbers"))

    def objects(self, key: str) -> Iterator[Fields]:
        """The objects of a list, one after another."""
        for number, item in enumerate(self._list(key)):
            yield Fields(item, f"{self.place(key)}[{number}]")

    def place(self, key: str) -> str:
        """Where the value of ``key`` stands."""
        return f"{self._where}.{key}" if self._where else key

    def _list(self, key: str) -> list[Any]:
        value: list[Any] | None = self._data.get(key, [])
        return self._checked(key, value, isinstance(value, list), "a list")

    def _checked(self, key: str, value: T | None, right: bool, kind: str) -> T:
        if not right:
            what = "is missing" if key not in self._data else f"is not {kind}"
            raise DamagedError(f"{self.place(key)} {what}")
        assert value is not None
        return value


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)

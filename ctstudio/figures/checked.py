"""Tables of a file checked against dataclasses, entry by entry; errors name the entry."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from ctstudio.core.errors import StudioError

T = TypeVar("T")


def make_table(cls: type[T], data: Any, where: str, given: tuple[str, ...] = ()) -> T:
    """A dataclass from a table, entry by entry."""
    if not isinstance(data, Mapping):
        raise wrong(where, "a table")
    hints = get_type_hints(cls)
    names = [f.name for f in fields(cls)]  # type: ignore[arg-type]
    for name in data:
        if name not in names:
            raise StudioError(
                f"{where[0].upper()}{where[1:]} has no entry {name!r}.",
                hint=f"It has {', '.join(names)}.",
            )
    made = {
        name: value if name in given else _value(hints[name], value, f"{where}: {name}")
        for name, value in data.items()
    }
    try:
        return cls(**made)
    except TypeError as error:
        missing = [
            f.name
            for f in fields(cls)  # type: ignore[arg-type]
            if f.default is MISSING and f.default_factory is MISSING and f.name not in made
        ]
        raise wrong(where, f"a table with {', '.join(missing)}") from error


def _value(kind: Any, value: Any, where: str) -> Any:
    """One entry, of the type that its annotation says."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        if value not in arguments or isinstance(value, bool):
            raise wrong(f"{where} = {value!r}", f"one of {', '.join(map(repr, arguments))}")
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise wrong(where, "a list")
        kinds = arguments
        if arguments[-1] is Ellipsis:
            kinds = arguments[:1] * len(value)
        elif len(value) != len(arguments):
            raise wrong(where, f"a list of {len(arguments)}")
        return tuple(
            _value(k, v, f"{where} {n}")
            for n, (k, v) in enumerate(zip(kinds, value, strict=True), 1)
        )
    if origin is dict:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise wrong(where, "a table")
        return dict(value)
    if is_dataclass(kind):
        table: type[Any] = kind  # type: ignore[assignment]
        return make_table(table, value, where)
    return _scalar(kind, value, where)


def _scalar(kind: type, value: Any, where: str) -> Any:
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise wrong(where, "a number")
        return float(value)
    if kind is str and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    names = {float: "a number", int: "a whole number", str: "a text", bool: "true or false"}
    raise wrong(f"{where} = {value!r}", names[kind])


def wrong(what: str, wanted: str) -> StudioError:
    return StudioError(
        f"The description of the figure is wrong: {what}.", hint=f"It must be {wanted}."
    )

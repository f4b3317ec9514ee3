"""One class for every family of interchangeable parts: models, losses, noises, denoisers ...

An entry is a callable. Its annotated keyword defaults are its settings::

    @DENOISERS.add("tv", title="Total variation")
    def tv(image, *, weight: Annotated[float, Param("Strength", 1, 200, unit="HU")] = 20.0): ...

The same signature checks a recipe, fills a form in the window and prints the command line's help,
so a setting is written down once.
"""

from __future__ import annotations

import difflib
import inspect
import typing
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Generic, Literal, TypeVar

from ctstudio.core.errors import StudioError


@dataclass(frozen=True)
class Param:
    """What a setting means: help, range (inclusive), unit, label, and whether its scale is log.

    ``check``, where a text has a grammar of its own, raises StudioError for one that has mistakes.
    ``file`` has the suffixes of the files that a text may name, where it names one. ``when`` is
    another setting and the value without which this one means nothing.
    """

    help: str = ""
    low: float | None = None
    high: float | None = None
    unit: str = ""
    label: str = ""
    log: bool = False
    check: Callable[[str], object] | None = None
    file: tuple[str, ...] = ()
    when: tuple[str, Any] | None = None


@dataclass(frozen=True)
class Field:
    """One setting of an entry, as read from its signature."""

    name: str
    type: type
    default: Any
    param: Param
    choices: tuple[Any, ...] = ()

    @property
    def label(self) -> str:
        return self.param.label or self.name.replace("_", " ").capitalize()


@dataclass(frozen=True)
class Choice:
    """An entry's name with the settings chosen for it."""

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, **self.params}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Choice:
        params = dict(data)
        name = params.pop("name", None)
        if not isinstance(name, str):
            raise StudioError('A choice needs a name, for example {name = "dncnn"}.')
        return cls(name, params)


F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Entry:
    """A registered callable with its title, help and settings.

    ``tags`` say what else applies to it; which there are, its registry says.
    """

    name: str
    call: Callable[..., Any]
    title: str
    help: str
    fields: tuple[Field, ...]
    tags: frozenset[str] = frozenset()


class Registry(Generic[F]):
    """A named family of callables.

    Parameters
    ----------
    kind
        What an entry is, in the singular ("model"). Messages use it, and packages of one's own
        add entries through the entry-point group ``ctstudio.<kind>``.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, Entry] = {}
        self._plugins_loaded = False

    def add(
        self, name: str, *, title: str = "", help: str = "", tags: Iterable[str] = ()
    ) -> Callable[[F], F]:
        """Decorate a callable to make it an entry; its keyword-only parameters are its settings."""

        def register(call: F) -> F:
            if name in self._entries:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            text = help or (inspect.getdoc(call) or "").split("\n\n")[0].replace("\n", " ")
            heading = title or name.replace("_", " ")
            fields = read_fields(call)
            self._entries[name] = Entry(name, call, heading, text, fields, frozenset(tags))
            return call

        return register

    def _load_plugins(self) -> None:
        if not self._plugins_loaded:
            self._plugins_loaded = True
            for point in metadata.entry_points(group=f"ctstudio.{self.kind}"):
                try:
                    point.load()
                # Another's package may fail in any way; what is built in must still be there.
                except Exception as error:
                    warnings.warn(
                        f"The {self.kind} {point.name!r} of {point.value!r} cannot be used: "
                        f"{type(error).__name__}: {error}",
                        RuntimeWarning,
                        stacklevel=2,
                    )

    def __iter__(self) -> Iterator[Entry]:
        self._load_plugins()
        return iter(self._entries.values())

    def __contains__(self, name: object) -> bool:
        self._load_plugins()
        return name in self._entries

    def __len__(self) -> int:
        self._load_plugins()
        return len(self._entries)

    def __getitem__(self, name: str) -> Entry:
        self._load_plugins()
        try:
            return self._entries[name]
        except KeyError:
            raise self._unknown(f"There is no {self.kind}", name, list(self._entries)) from None

    def resolve(self, choice: Choice) -> Choice:
        """Check ``choice`` and fill in the defaults.

        Raises
        ------
        StudioError
            Naming the key, the value and what is allowed.
        """
        entry = self[choice.name]
        known = {f.name: f for f in entry.fields}
        values = {f.name: f.default for f in entry.fields}
        for key, value in choice.params.items():
            if key not in known:
                raise self._unknown(f"{entry.name} has no setting", key, list(known))
            values[key] = check_value(known[key], value, f"{entry.name}.{key}")
        return Choice(choice.name, values)

    def read(self, name: str, settings: Mapping[str, Any]) -> Choice:
        """As `resolve`, for settings some of which are texts, as a command line has them."""
        entry = self[name]
        fields = {field.name: field for field in entry.fields}
        values = {
            key: parse_value(fields[key], value, f"{entry.name}.{key}")
            if isinstance(value, str) and key in fields
            else value
            for key, value in settings.items()
        }
        return self.resolve(Choice(name, values))

    def make(self, choice: Choice, *args: Any, **extra: Any) -> Any:
        """Call the entry with ``args``, the checked settings and ``extra`` keyword arguments."""
        resolved = self.resolve(choice)
        return self._entries[resolved.name].call(*args, **resolved.params, **extra)

    def _unknown(self, start: str, name: str, allowed: list[str]) -> StudioError:
        near = difflib.get_close_matches(str(name), allowed, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        listing = ", ".join(sorted(allowed)) or "none"
        return StudioError(f"{start} {name!r}.", hint=f"{hint}Allowed: {listing}.")


GREATEST = 1e15
"""No setting is larger; whole numbers up to it are exact."""


def shortened(value: object) -> str:
    """A value as it was written, but no longer than a sentence can bear."""
    # Python writes no whole number of more digits than this.
    huge = isinstance(value, int) and abs(value) > 10**100
    text = "a number of more than 100 digits" if huge else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def check_value(field: Field, value: Any, key: str) -> Any:
    """Return ``value`` converted to the field's type, or raise naming key, value and range."""
    if field.choices:
        if value not in field.choices:
            allowed = ", ".join(map(repr, field.choices))
            raise StudioError(
                f"{key} = {shortened(value)} is not allowed.", hint=f"Allowed: {allowed}."
            )
        return value
    if field.type is bool:
        if not isinstance(value, bool):
            raise StudioError(
                f"{key} = {shortened(value)} is not allowed.", hint="Allowed: true or false."
            )
        return value
    if field.type in (int, float):
        number_ok = isinstance(value, (int, float)) and not isinstance(value, bool)
        # A whole number may be too long for a float, and NaN is never a whole one.
        number_ok = number_ok and not abs(value) > GREATEST
        if not number_ok or (field.type is int and (value != value or value != int(value))):
            kind = "a whole number" if field.type is int else "a number"
            raise StudioError(f"{key} = {shortened(value)} is not allowed.", hint=f"Give {kind}.")
        value = field.type(value)
        low, high = field.param.low, field.param.high
        below = low is not None and not value >= low
        above = high is not None and not value <= high
        if below or above or value != value:
            bounds = f"from {low:g}" if low is not None else ""
            bounds += f" to {high:g}" if high is not None else ""
            unit = f" {field.param.unit}" if field.param.unit else ""
            raise StudioError(
                f"{key} = {shortened(value)} is out of range.",
                hint=f"Allowed: {bounds.strip()}{unit}.",
            )
        return value
    if field.type is str and not isinstance(value, str):
        raise StudioError(f"{key} = {shortened(value)} is not allowed.", hint="Give a text.")
    if field.param.check is not None:
        field.param.check(value)
    return value


def parse_value(field: Field, text: str, key: str) -> Any:
    """Read a setting from the command line's ``key=value`` text."""
    if field.type is bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        return check_value(field, words.get(text.lower(), text), key)
    if field.type in (int, float) and not field.choices:
        try:
            return check_value(field, float(text), key)
        except ValueError:
            return check_value(field, text, key)
    for option in field.choices:
        if str(option) == text:
            return option
    return check_value(field, text, key)


def read_fields(call: Callable[..., Any]) -> tuple[Field, ...]:
    """The settings of a callable or a keyword-only dataclass, from its signature.

    Only the annotations of the settings are evaluated: what else the signature mentions may come
    from a library that is imported for type checking alone.
    """
    target = call.__init__ if inspect.isclass(call) else call
    parameters = [
        p
        for p in inspect.signature(target).parameters.values()
        if p.kind is inspect.Parameter.KEYWORD_ONLY and p.default is not inspect.Parameter.empty
    ]
    holder = type("Settings", (), {"__annotations__": {p.name: p.annotation for p in parameters}})
    names = getattr(inspect.unwrap(target), "__globals__", {})
    hints = typing.get_type_hints(holder, globalns=names, include_extras=True)
    fields = []
    for parameter in parameters:
        name = parameter.name
        hint, param = hints[name], Param()
        if typing.get_origin(hint) is typing.Annotated:
            hint, *extras = typing.get_args(hint)
            param = next((e for e in extras if isinstance(e, Param)), param)
        choices: tuple[Any, ...] = ()
        if typing.get_origin(hint) is Literal:
            choices = typing.get_args(hint)
            hint = type(choices[0])
        fields.append(Field(name, hint, parameter.default, param, choices))
    return tuple(fields)

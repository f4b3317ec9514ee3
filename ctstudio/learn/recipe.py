"""A recipe: everything that decides a training but the images. TOML in, TOML out.

A window's form needs only this module: `SETTINGS` and `SECTIONS` list the plain settings,
`registries` what can be chosen from. None of it loads torch.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from ctstudio.core.atomic import atomic_file, explain_os_error
from ctstudio.core.errors import StudioError
from ctstudio.core.registry import Choice, Field, Param, check_value, read_fields
from ctstudio.learn.recipe_parts import (
    ADVERSARY,
    DEFAULT_PHASE,
    MAIN,
    SECTIONS,
    Cadence,
    Loss,
    Optimiser,
    Phase,
    Stopping,
    ValidationPlan,
    as_list,
    as_text,
    phase_to_dict,
    read_choice,
    read_phase,
    read_section,
    refuse_unknown,
    registries,
)

__all__ = [
    "ADVERSARY",
    "DEFAULT",
    "MAIN",
    "SECTIONS",
    "SETTINGS",
    "Cadence",
    "Loss",
    "Optimiser",
    "Phase",
    "Recipe",
    "Stopping",
    "ValidationPlan",
    "bundled",
    "default_recipe",
    "registries",
]

DEFAULT = "dncnn-low-dose"
"""Name of the bundled recipe that a new training starts from."""

TEXTS = ("title", "description")
"""What a recipe says of itself, and no setting."""

SYNTHETIC, LOW_DOSE, AUTOMATIC = Choice("synthetic"), Choice("low_dose"), Choice("automatic")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides a training but the images.

    ``task``, ``noise`` and ``gradient`` and the parts of ``phases`` are choices from registries;
    see `registries`. A recipe that was read, or has been through `checked`, names every setting.
    ``description`` says in a sentence or two what it is for, or what to look for.
    """

    title: str = ""
    description: str = ""
    task: Choice = SYNTHETIC
    noise: Choice = LOW_DOSE
    gradient: Choice = AUTOMATIC
    phases: tuple[Phase, ...] = (DEFAULT_PHASE,)
    batch: Annotated[int, Param("Patches a step", 1, 4096)] = 8
    patch_px: Annotated[int, Param("Side of a patch", 8, 4096, "px", label="Patch")] = 64
    seed: Annotated[int, Param("Decides everything random", 0, 2**31 - 1)] = 1
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], Param("Where to compute")] = "auto"
    precision: Annotated[
        Literal["float32", "tf32", "bfloat16", "float16"],
        Param("Number format of the convolutions; tf32 is a GPU's shorter float32"),
    ] = "float32"
    compile: Annotated[bool, Param("Compile the network first: faster on a GPU, slow to begin")] = (
        False
    )
    clip_norm: Annotated[float, Param("Longest gradient; 0 for no limit", 0, 10**9)] = 0.0
    gradient_noise: Annotated[
        float, Param("Variance of noise on the gradient at the first step; 0 for none", 0, 10)
    ] = 0.0
    gradient_noise_fall: Annotated[
        float,
        Param("How fast that variance falls: it is divided by 1 + t to this power", 0, 10),
    ] = 0.55
    gradient_noise_time: Annotated[
        Literal["steps", "epochs"], Param("What t counts from 0: steps, or times through the data")
    ] = "steps"
    ema: Annotated[
        float, Param("Memory of the averaged weights; 0 for none", 0, 0.99999, label="EMA")
    ] = 0.99
    validation: ValidationPlan = field(default_factory=ValidationPlan)
    stopping: Stopping = field(default_factory=Stopping)
    cadence: Cadence = field(default_factory=Cadence)

    @property
    def total_steps(self) -> int:
        return sum(phase.steps for phase in self.phases)

    def checked(self) -> Recipe:
        """The same recipe with every default filled in; raises StudioError on a mistake."""
        return self.from_dict(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Nested plain dicts and lists, the shape of the TOML file."""
        data: dict[str, Any] = {name: getattr(self, name) for name in TEXTS}
        data |= {f.name: getattr(self, f.name) for f in SETTINGS}
        data |= {name: getattr(self, name).to_dict() for name in ("task", "noise", "gradient")}
        for name, section in SECTIONS.items():
            part = getattr(self, name)
            data[name] = {f.name: getattr(part, f.name) for f in fields(section)}
        data["phases"] = [phase_to_dict(phase) for phase in self.phases]
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Recipe:
        """Read what `to_dict` wrote; whatever is left out takes its default.

        Raises
        ------
        StudioError
            Naming the key, the value and what is allowed.
        """
        values = dict(data)
        plain = {f.name: f for f in SETTINGS}
        allowed = [*TEXTS, *plain, "task", "noise", "gradient", *SECTIONS, "phases"]
        refuse_unknown(values, allowed, "The recipe")
        result = cls()
        parts: dict[str, Any] = {
            key: check_value(plain[key], value, key)
            for key, value in values.items()
            if key in plain
        }
        parts |= {name: as_text(values.get(name, ""), name) for name in TEXTS}
        for name in ("task", "noise", "gradient"):
            parts[name] = read_choice(values.get(name, getattr(result, name)), name, name)
        for name, section in SECTIONS.items():
            parts[name] = read_section(section, values.get(name, {}), name)
        if "phases" in values:
            parts["phases"] = values["phases"]
        else:
            parts["phases"] = [phase_to_dict(phase) for phase in result.phases]
        phases = as_list(parts["phases"], "phases")
        if not phases:
            raise StudioError("phases is empty.", hint="Give at least one phase.")
        parts["phases"] = tuple(read_phase(p, f"phases.{i}") for i, p in enumerate(phases))
        return replace(result, **parts)

    def to_toml(self) -> str:
        """The recipe as TOML text."""
        import tomli_w

        return tomli_w.dumps(self.to_dict())

    @classmethod
    def from_toml(cls, text: str) -> Recipe:
        """Read TOML text; raises StudioError naming the line, or key, value and what is allowed."""
        try:
            data = tomllib.loads(text.removeprefix("\ufeff"))
        except (ValueError, RecursionError) as error:  # of TOML, of a number, of the depth
            why = str(error).split(";")[0]
            raise StudioError(
                f"The recipe is not valid TOML: {why}.",
                hint='Each line reads key = value, texts in "quotes".',
            ) from error
        return cls.from_dict(data)

    def save(self, path: Path) -> None:
        """Write the recipe as a TOML file, atomically."""
        text = self.to_toml()
        with atomic_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Recipe:
        """Read a TOML file; raises StudioError naming the file and what is wrong."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError as error:
            raise explain_os_error(error, Path(path), "read") from error
        except UnicodeDecodeError as error:
            raise StudioError(
                f"{path} is not a recipe: it is not a text file.",
                hint="Choose a .toml file.",
                path=path,
            ) from error
        try:
            return cls.from_toml(text)
        except StudioError as error:
            raise StudioError(f"{path}: {error.message}", hint=error.hint, path=path) from error

    def with_setting(self, path: str, value: object) -> Recipe:
        """A copy in which one setting differs, for example ``phases.0.optimiser.lr``.

        A text is read as a TOML value where it is one ("1e-3", "true"). A path that ends at a
        choice ("noise", "phases.0.model") takes an entry's name and fills in its defaults.

        Raises
        ------
        StudioError
            When there is no such setting or its value is not allowed.
        """
        data = self.checked().to_dict()
        *parents, last = path.split(".")
        if last == "name" and parents:
            # Another entry has other settings, so naming one replaces the whole choice.
            *parents, last = parents
        place: Any = data
        try:
            for depth, key in enumerate(parents):
                place = _descend(place, key, ".".join(parents[:depth]))
            old = _descend(place, last, ".".join(parents))
        except StudioError as error:
            meant = [p for p in _paths(data) if p.rpartition(".")[2] == last]
            if not meant:
                raise
            raise StudioError(error.message, hint=f"Did you mean {' or '.join(meant)}?") from None
        new = _literal(value)
        if isinstance(old, str) and isinstance(value, str) and not isinstance(new, str):
            new = value  # a setting that is a text may look like a number: "1000"
        if isinstance(old, dict) and "name" in old and isinstance(new, str):
            kept = {k: old[k] for k in ("weight", "schedule", "rates") if k in old}
            new = {"name": new, **kept}
        place[int(last) if isinstance(place, list) else last] = new
        return self.from_dict(data)


def _paths(place: object, start: str = "") -> list[str]:
    """The dotted path of every setting in nested dicts and lists."""
    if isinstance(place, Mapping):
        items = [(str(key), value) for key, value in place.items()]
    elif isinstance(place, list):
        items = [(str(number), value) for number, value in enumerate(place)]
    else:
        return [start]
    return [path for key, value in items for path in _paths(value, f"{start}.{key}".strip("."))]


SETTINGS: tuple[Field, ...] = tuple(
    f for f in read_fields(Recipe) if f.type in (int, float, str, bool) and f.name not in TEXTS
)
"""The plain settings of a recipe (batch, patch ...), for forms."""


def bundled() -> dict[str, Recipe]:
    """The recipes that come with the program: the default one first, the articles' last."""
    return dict(_bundled())


@cache
def _bundled() -> dict[str, Recipe]:
    # Read once: the window asks for them while it must not be held up.
    from ctstudio.resources import resource

    texts = {
        item.name.removesuffix(".toml"): item.read_text(encoding="utf-8")
        for item in resource("recipes").iterdir()
        if item.name.endswith(".toml")
    }
    found = {name: Recipe.from_toml(text) for name, text in texts.items()}
    order = sorted(found, key=lambda n: (n != DEFAULT, found[n].title.startswith("Article"), n))
    return {name: found[name] for name in order}


def default_recipe() -> Recipe:
    """The recipe that a new training starts from."""
    return bundled()[DEFAULT]


def _literal(value: object) -> object:
    """A text as the TOML value it spells, or itself."""
    if isinstance(value, str):
        try:
            data = tomllib.loads(f"value = {value}")
        except (ValueError, RecursionError):
            return value
        return data["value"] if len(data) == 1 else value
    return value


def _descend(place: object, key: str, where: str) -> Any:
    if isinstance(place, list):
        if key.isascii() and key.isdigit() and len(key) < 5 and int(key) < len(place):
            return place[int(key)]
        raise StudioError(f"{where} has no entry {key!r}.", hint=f"It has {len(place)}, from 0.")
    if isinstance(place, dict):
        if where.endswith(".rates"):
            return place.get(key, 1.0)  # a factor for parameters that had none
        refuse_unknown({key: None}, list(place), where or "The recipe")
        return place[key]
    raise StudioError(f"{where} has no settings of its own.", hint=f"Its value is {place!r}.")

from typing import Annotated, Literal

import pytest

from ctstudio.core.errors import StudioError
from ctstudio.core.registry import Choice, Param, Registry


@pytest.fixture
def registry():
    entries = Registry("thing")

    @entries.add("scale", title="Scale it")
    def scale(
        value,
        *,
        factor: Annotated[float, Param("How much", 0.5, 10, unit="HU")] = 2.0,
        times: Annotated[int, Param("How often", 1)] = 1,
        kind: Literal["up", "down"] = "up",
        on: bool = True,
        name: str = "x",
        required_extra,
    ):
        """Scale a value.

        More words.
        """
        return value * factor**times if kind == "up" and on else value / factor

    @entries.add("thing_class")
    class Thing:
        """A thing with a constructor."""

        def __init__(self, *, size: int = 3) -> None:
            self.size = size

    return entries


def test_fields_come_from_the_signature(registry):
    entry = registry["scale"]
    assert (entry.title, entry.help) == ("Scale it", "Scale a value.")
    assert [f.name for f in entry.fields] == ["factor", "times", "kind", "on", "name"]
    factor, times, kind, on, _ = entry.fields
    assert (factor.type, factor.default, factor.param.unit) == (float, 2.0, "HU")
    assert (times.type, times.param.low, times.param.high) == (int, 1, None)
    assert (kind.type, kind.choices) == (str, ("up", "down"))
    assert on.type is bool
    assert factor.label == "Factor"
    assert registry["thing_class"].fields[0].name == "size"
    assert registry["thing_class"].title == "thing class"


def test_make_checks_fills_in_and_calls(registry):
    result = registry.make(Choice("scale", {"factor": 3}), 2.0, required_extra=None)
    assert result == 6.0
    assert registry.make(Choice("thing_class", {"size": 5})).size == 5
    resolved = registry.resolve(Choice("scale", {"factor": 3, "times": 2.0}))
    assert resolved.params == {"factor": 3.0, "times": 2, "kind": "up", "on": True, "name": "x"}
    assert isinstance(resolved.params["factor"], float)
    assert isinstance(resolved.params["times"], int)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"factor": 20}, r"scale.factor = 20.* out of range.*0.5 to 10 HU"),
        ({"factor": float("nan")}, "out of range"),
        ({"factor": "much"}, "Give a number"),
        ({"factor": True}, "Give a number"),
        ({"times": 1.5}, "whole number"),
        ({"times": 0}, "from 1"),
        ({"kind": "sideways"}, "Allowed: 'up', 'down'"),
        ({"on": 1}, "true or false"),
        ({"name": 3}, "scale.name"),
        ({"facto": 2}, "Did you mean 'factor'"),
    ],
)
def test_wrong_settings_say_what_is_allowed(registry, params, words):
    with pytest.raises(StudioError, match=words):
        registry.resolve(Choice("scale", params))


def test_unknown_names_are_answered_with_the_nearest(registry):
    with pytest.raises(StudioError, match=r"There is no thing 'scal'.*Did you mean 'scale'"):
        registry["scal"]
    assert "scale" in registry
    assert "scal" not in registry
    assert len(registry) == 2
    assert [entry.name for entry in registry] == ["scale", "thing_class"]


def test_a_name_is_taken_once(registry):
    with pytest.raises(ValueError, match="registered twice"):
        registry.add("scale")(lambda: None)


def test_choices_travel_as_dictionaries():
    choice = Choice("scale", {"factor": 3.0})
    assert choice.to_dict() == {"name": "scale", "factor": 3.0}
    assert Choice.from_dict(choice.to_dict()) == choice
    with pytest.raises(StudioError, match="needs a name"):
        Choice.from_dict({"factor": 3.0})

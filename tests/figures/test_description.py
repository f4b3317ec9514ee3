"""Descriptions: there and back through JSON and TOML, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from ctstudio.resources import resource

from ctstudio.core.errors import StudioError
from ctstudio.figures.description import (
    KEY,
    ArrowSpec,
    CellSpec,
    FigureSpec,
    FilmSpec,
    InsetSpec,
    LayerSpec,
    StyleSpec,
    place,
)


def full():
    return FigureSpec(
        (
            LayerSpec("original"),
            LayerSpec("tv", "method", method="tv", settings={"strength": 20.0}, of="original"),
            LayerSpec("what went", "difference", of="tv", minus="original"),
            LayerSpec("net", "run", picture="target"),
        ),
        (
            (CellSpec("original", slice="25%", window="Lung"), CellSpec()),
            (CellSpec("tv", against="original", caption="µ {metrics}"),
             CellSpec("net", curve="loss")),
        ),
        title="Größe",
        insets=(InsetSpec((0.1, 0.2, 0.3, 0.4), "below", 0.5),),
        arrows=(ArrowSpec((0.2, 0.3), 10.0),),
        style=StyleSpec(width_mm=85, dpi=600, letters="(a)"),
        film=FilmSpec("swipe", limit_mb=2.5),
    )  # fmt: skip


def test_there_and_back():
    spec = full()
    assert FigureSpec.parse(spec.to_json()) == spec
    assert FigureSpec.parse(spec.to_toml()) == spec
    assert spec.to_json().isascii()
    assert "\n" not in spec.to_json()
    assert json.loads(spec.to_json())[KEY] == 1


def test_what_is_as_usual_is_left_out():
    short = FigureSpec((LayerSpec("a"),), ((CellSpec("a"),),)).to_dict()
    assert short == {KEY: 1, "layers": [{"name": "a"}], "rows": [{"cells": [{"layer": "a"}]}]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({KEY: 2}, "version 2"),
        ({KEY: None}, "version"),
        ({"rows": []}, "at least one row"),
        ({"rows": [{"cells": 3}]}, "row 1"),
        ({"rows": [{"cells": [{"layer": "b"}]}]}, "one of a"),
        ({"rows": [{"cells": [{"layer": "a", "slices": "3"}]}]}, "Row 1, cell 1 has no entry"),
        ({"rows": [{"cells": [{"layer": "a", "slice": "half"}]}]}, "middle"),
        ({"rows": [{"cells": [{"layer": "a", "curve": "loss"}]}]}, "training"),
        ({"layers": [{"name": "a"}, {"name": "a"}]}, "a name of its own"),
        ({"layers": [{"source": "series"}]}, "with name"),
        ({"layers": [{"name": "a", "source": "difference", "of": "a", "minus": "a"}]}, "before it"),
        ({"layers": [{"name": "a"}, {"name": "m", "source": "method", "of": "a"}]}, "method"),
        ({"layers": [{"name": "a", "source": "web"}]}, "'series', 'method'"),
        ({"style": {"dpi": 30.5}}, "whole number"),
        ({"style": {"dpi": 7}}, "between 30 and 2400"),
        ({"style": {"scale_bar": 1}}, "true or false"),
        ({"style": []}, "a table"),
        ({"insets": [{"box": [0.9, 0, 0.2, 0.1]}]}, "within it"),
        ({"insets": [{"box": [0.9, 0, 0.2]}]}, "list of 4"),
        ({"arrows": [{"at": [2, 0]}]}, "within the picture"),
        ({"film": {"seconds": float("nan")}}, "a number"),
        ({"colour": "red"}, "has no entry 'colour'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(change, words):
    data = {KEY: 1, "layers": [{"name": "a"}], "rows": [{"cells": [{"layer": "a"}]}]}
    assert FigureSpec.from_dict(data).cells[0].layer == "a"
    with pytest.raises(StudioError) as error:
        FigureSpec.from_dict({**data, **change})
    assert words in str(error.value)


@pytest.mark.parametrize("text", ["", "]", "{", "a = ", "[1, 2]", "ctstudio = 3"])
def test_other_texts_are_no_descriptions(text):
    with pytest.raises(StudioError, match="description"):
        FigureSpec.parse(text)


def test_places():
    assert [place(t, 9) for t in ("1", "9", "first", "middle", "last", "0%", "50%", "100%")] == [
        0, 8, 0, 4, 8, 0, 4, 8,
    ]  # fmt: skip
    for text in ("0", "-1", "10", "101%", "x", ""):
        with pytest.raises(StudioError):
            place(text, 9)


def test_a_copy_that_was_changed_differs():
    assert replace(full(), title="Other") != full()


def test_layers_that_nothing_shows_are_left_out():
    layers = (
        LayerSpec("original"),
        LayerSpec("reference", number=2),
        LayerSpec("denoised", "method", method="tv", of="original"),
        LayerSpec("other", "method", method="nlm", of="original"),
        LayerSpec("residual", "difference", of="denoised", minus="original"),
        LayerSpec("mask 1", "mask"),
    )
    spec = FigureSpec(layers, ((CellSpec("residual"),),))
    names = [layer.name for layer in spec.without_spares().layers]
    assert names == ["original", "denoised", "residual"]
    masked = FigureSpec(layers, ((CellSpec("reference", mask="all"),),), differences="original")
    names = [layer.name for layer in masked.without_spares().layers]
    assert names == ["original", "reference", "mask 1"]
    assert FigureSpec.parse(masked.without_spares().to_json()) == masked.without_spares()


def test_the_description_in_the_guide_is_one():
    spec = FigureSpec.parse(resource("guide", "figures-methods.toml").read_text(encoding="utf-8"))
    assert [cell.layer for cell in spec.cells][:2] == ["reference", "original"]
    assert spec.without_spares() == spec

"""The figure's window takes as a reference only a series that lies where the original does."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from ctstudio.ct.phantom import thorax
from ctstudio.ct.volume import Volume
from ctstudio.gui.composer.sources import Sources
from ctstudio.gui.session import Layer
from ctstudio.workflows.figures.templates import TEMPLATES


def scan(description: str, step: float = 0.0) -> Layer:
    whole = thorax(4, 32)
    positions = whole.geometry.positions_mm + np.array([0, 0, step])
    geometry = replace(whole.geometry, positions_mm=positions)
    source = replace(whole.source, description=description)
    return Layer(description, "original", replace(whole, geometry=geometry, source=source))


def sources(*layers: Layer) -> Sources:
    session = SimpleNamespace(layers=list(layers), active=layers[0], run=None, models=[])
    return Sources(cast(Any, session), cast(Any, None), cast(Any, None))


def names(made: Sources) -> dict[str, str]:
    return {offer.spec.name: offer.label for offer in made.offers}


def test_a_series_of_another_place_is_no_reference() -> None:
    made = sources(scan("chest"), scan("phantom", 5000.0))
    assert names(made) == {"original": "chest", "series 2": "phantom"}
    assert made.given.series == 1
    assert "a second series" in TEMPLATES["five"].lacks(made.given)
    spec = replace(TEMPLATES["single"].make(made.given), layers=made.specs)
    material = made.material(spec)
    assert material.titles["series 2"] == "Series 2"
    assert isinstance(material.stacks["series 2"], Volume)


def test_the_one_that_fits_is_taken_wherever_it_stands() -> None:
    made = sources(scan("chest"), scan("phantom", 5000.0), scan("smooth chest"))
    assert names(made) == {"original": "chest", "reference": "smooth chest", "series 3": "phantom"}
    assert made.given.series == 2

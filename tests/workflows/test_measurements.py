"""Measurements of layers and their files."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ctstudio.core.errors import StudioError
from ctstudio.ct.measure import Shape, distances
from ctstudio.ct.volume import Geometry, Source, Volume
from ctstudio.workflows.measurements import (
    Measured,
    public_name,
    read,
    save_columns,
    save_measurements,
)

RNG = np.random.default_rng(2)
Z = np.array([0, 0, 1.0])


def volume(slices: int = 8) -> Volume:
    hu = RNG.integers(-200, 200, (slices, 20, 30)).astype(np.float32)
    return Volume.from_hu(hu, Geometry.axial(slices, (2.0, 0.5, 0.8)))


def measured(name: str, kind: str, points: list[tuple[float, float, float]]) -> Measured:
    shape = Shape(kind, np.array(points), Z)  # type: ignore[arg-type]
    places = distances(shape, 0.5) if kind == "profile" else np.empty(0)
    found = [read(shape, "axial", f"layer {k}", v, places) for k, v in enumerate(VOLUMES)]
    return Measured(name, shape, "axial", "mm", tuple(r for r in found if r is not None), places)


VOLUMES = (volume(), volume(), volume(2))
LINE = [(0.8, 1.0, 6.0), (8.8, 7.0, 6.0)]
BOX = [(1.6, 2.0, 6.0), (8.0, 2.0, 6.0), (8.0, 6.0, 6.0), (1.6, 6.0, 6.0)]


def test_layers_side_by_side_in_both_files(tmp_path: Path) -> None:
    told = [
        measured("a, b", "distance", LINE),
        measured("bent", "angle", [(5, 0, 6), (0, 0, 6), (0, 5, 6)]),
        measured("box", "rectangle", BOX),
        measured("line", "profile", LINE),
        measured("beside", "rectangle", [(x + 500, y, z) for x, y, z in BOX]),
    ]
    table = save_measurements(tmp_path / "m.csv", told)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [(r["name"], r["layer"]) for r in rows] == [
        (m.name, f"layer {k}") for m in told for k in range(2)
    ], "the short volume has no such slice"
    assert [r["length"] for r in rows] == ["10"] * 2 + [""] * 4 + ["10"] * 2 + [""] * 2
    assert [r["angle_deg"] for r in rows][2:4] == ["90", "90"]
    for k, row in enumerate(rows[4:6]):
        inside = VOLUMES[k].hu()[3, 4:13, 2:11].astype(float)
        assert (int(row["n"]), float(row["area"]), row["area_unit"], row["slice"]) == (
            81, pytest.approx(81 * 0.4), "mm2", "4",
        )  # fmt: skip
        assert (float(row["mean"]), float(row["sd"])) == pytest.approx(
            (inside.mean(), inside.std(ddof=1))
        )
    assert rows[-1]["n"] == "", "no pixel"

    found = json.loads(save_measurements(tmp_path / "m.json", told).read_text())["measurements"]
    assert found[2]["layers"][1]["mean"] == pytest.approx(float(rows[5]["mean"]))
    assert found[2]["points_mm"] == [list(p) for p in BOX]
    assert found[3]["at"][-1] == pytest.approx(10.0)
    assert len(found[3]["layers"][0]["values"]) == len(found[3]["at"])
    assert "mean" not in found[4]["layers"][0]


def test_what_is_no_number_is_null_and_empty(tmp_path: Path) -> None:
    out = measured("out", "profile", [(-3.0, 1.0, 6.0), (3.0, 1.0, 6.0)])
    told = json.loads(save_measurements(tmp_path / "m.json", [out]).read_text())
    values = told["measurements"][0]["layers"][0]["values"]
    assert values[0] is None
    assert values[-1] is not None
    path = save_columns(tmp_path / "c.csv", [("a", np.array([1.5, np.nan])), ("b", np.arange(2.0))])
    assert path.read_text().splitlines() == ["a,b", "1.5,0", ",1"]


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text("kept")
    broken = measured("x", "distance", LINE)
    broken = replace(broken, name=object())  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        save_measurements(path, [broken])
    assert path.read_text() == "kept"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(StudioError, match="does not exist"):
        save_measurements(tmp_path / "no" / "m.csv", [])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Chest 1.0 B30f", "Chest 1.0 B30f"),
        ("doe jane chest", "original"),
        ("Scan 4711-X", "original"),
        ("RED-CNN, 200 steps", "RED-CNN, 200 steps"),
    ],
)
def test_names_that_tell_who_it_is_stay_here(name: str, said: str) -> None:
    source = Source(patient_name="Doe^Jane", patient_id="4711-X")
    assert public_name(name, source, "original") == said
    assert public_name(name, Source(), "original") == name

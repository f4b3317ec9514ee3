"""What is told of a series, in sentences and as data whose keys programs rely on."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ctstudio.cli import main
from ctstudio.core.events import finish
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.workflows.info import measure, report_one
from ctstudio.workflows.open import read, scan
from ctstudio.workflows.series_report import as_report, details, odd_lines, sentences

UNEVEN = (0.0, 4.0, 8.0, 15.0, 22.0)
KEYS = {
    "number", "description", "modality", "kernel", "slices", "rows", "columns",
    "pixel_spacing_mm", "slice_spacing_mm", "slice_thickness_mm", "uniform", "tilted",
    "transfer_syntax", "series_uid", "format", "orientation", "geometry", "values", "warnings",
    "irregularities", "patient",
}  # fmt: skip


def test_a_leaning_scan_in_sentences(irregular_phantom):
    (series,) = finish(scan([irregular_phantom("leaning", UNEVEN, tilt=15.0)])).series
    volume = finish(read(series))
    report = report_one(series, values=finish(measure(volume)))
    assert sentences(report) == [
        "A CT series of 5 slices of 96 x 84 pixels, read from DICOM (Explicit VR Little Endian).",
        "The slices are axial, 15.0 degrees oblique; the patient's right is on the left, the front "
        "at the top.",
        "A pixel measures 4 mm.",
        "The slices lie 3.864 to 6.761 mm apart and cover 38.4 x 33.6 x 2.7 cm.",
        "Its slices are reconstructed with the kernel B30f and 2.5 mm thick.",
        f"The values run from -1000 to {volume.hu().max():.6g} HU.",
    ]
    odd = odd_lines(report)
    assert odd[0] == "2 things are odd about it:"
    assert odd[1].startswith("- variable spacing: The distance between slices varies from 3.864")
    assert any(line.startswith("    Shear the tilt away. Each slice") for line in odd)
    table = dict(details(report))
    assert table["Gantry tilt"] == "15.00 degrees"
    assert table["Extent"].endswith("336, 384 mm")
    whole = as_report(report)
    assert "Secret" not in whole
    assert all(line in whole for line in [*sentences(report), *odd])


def test_a_mended_volume_is_reported_as_it_is_now(irregular_phantom):
    from ctstudio.ct.resample import Fix
    from ctstudio.workflows.mend import mend

    (series,) = finish(scan([irregular_phantom("leaning", UNEVEN, tilt=15.0)])).series
    (volume,) = finish(mend(finish(read(series)), [Fix.SHEAR, Fix.UNIFORM]))
    report = report_one(series, volume=volume)
    assert (report.slices, report.rows, report.columns) == volume.shape
    assert report.irregularities == ()
    assert odd_lines(report) == ["Nothing is odd about it."], "what was odd is mended"


@pytest.mark.parametrize(
    ("row", "column", "plane", "degrees"),
    [
        ((1, 0, 0), (0, 1, 0), "axial", 0.0),
        ((1, 0, 0), (0, 0, -1), "coronal", 0.0),
        ((0, 1, 0), (0, 0, -1), "sagittal", 0.0),
        ((1, 0, 0), (0, np.cos(0.5), np.sin(0.5)), "axial", np.degrees(0.5)),
        ((-1, 0, 0), (0, -1, 0), "axial", 0.0),
    ],
)
def test_planes(row, column, plane, degrees, irregular_phantom):
    (series,) = finish(scan([irregular_phantom("one", (0, 4))])).series
    g = series.geometry
    turned = Geometry(g.positions_mm, np.array(row, float), np.array(column, float), g.spacing_mm)
    volume = Volume.from_hu(np.zeros((2, 84, 96), np.float32), turned)
    orientation = report_one(series, volume=volume).orientation
    assert orientation is not None
    assert orientation.plane == plane
    assert orientation.oblique_degrees == pytest.approx(degrees, abs=1e-3)


def test_values_pass_over_what_is_no_number():
    hu = np.array([[[np.nan, -5.0], [7.0, np.inf]]], np.float32)
    values = finish(measure(Volume.from_hu(hu, Geometry.axial(1))))
    assert (values.smallest, values.largest, values.unit) == (-5.0, 7.0, "HU")
    empty = Volume.from_hu(np.full((1, 2, 2), np.nan, np.float32), Geometry.axial(1))
    assert finish(measure(empty)) is None


def test_keys_of_the_data_and_the_long_report(irregular_phantom, capsys):
    folder = irregular_phantom("leaning", UNEVEN, tilt=15.0)
    (folder / "notes.txt").write_text("no image")
    assert main.run(["info", "--json", "--values", str(folder)]) == 0
    text = capsys.readouterr().out
    assert "SECRET7" not in text
    data = json.loads(text)
    assert data["version"] == 1
    (series,) = data["series"]
    assert set(series) == KEYS
    assert series["values"]["unit"] == "HU"
    assert series["geometry"]["tilt_degrees"] == pytest.approx(15.0)
    assert series["geometry"]["smallest_distance_mm"] == pytest.approx(4 * np.cos(np.radians(15)))
    assert series["geometry"]["size_mm"][1:] == [336.0, 384.0]
    assert series["orientation"]["edges"][:2] == ["R", "L"]
    assert [odd["name"] for odd in series["irregularities"]] == ["variable spacing", "gantry tilt"]
    assert set(series["irregularities"][0]) == {"name", "detail", "fixes", "warns"}
    assert data["left_out"][0]["path"].endswith("notes.txt")
    assert data["left_out"][0]["reason"]

    assert main.run(["info", "--json", str(folder)]) == 0
    assert json.loads(capsys.readouterr().out)["series"][0]["values"] is None
    assert main.run(["info", "--full", str(folder)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("#1  leaning\nA CT series of 5 slices")
    assert "1 file(s) left out:" in text


def test_the_readme_describes_every_key_and_name(irregular_phantom, capsys):
    from pathlib import Path

    from ctstudio.dicom.irregularities import Kind

    readme = (Path(__file__).parents[2] / "README.md").read_text()
    page = readme.split("### What `ctstudio info --json` prints")[1].split("\n## ")[0]
    assert main.run(["info", "--json", "--values", str(irregular_phantom("a", (0, 4)))]) == 0
    data = json.loads(capsys.readouterr().out)
    (series,) = data["series"]
    inner = [*series["orientation"], *series["geometry"], *series["values"]]
    for key in [*KEYS, *inner, "name", "detail", "fixes", "warns", *data, "path", "reason"]:
        assert (
            f"`{key}`" in page
            or f"`.{key}`" in page
            or f"`.{key}[]`" in page
            or (f"`{key}[]`" in page)
        ), key
    for kind in Kind:
        assert f"`{kind}`" in page

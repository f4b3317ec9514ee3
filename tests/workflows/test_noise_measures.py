"""What the noise tools say of layers side by side, and the files they write."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.special import erf

from ctstudio.core.events import finish
from ctstudio.ct.measure import Shape, box
from ctstudio.ct.volume import Geometry, Source, Volume
from ctstudio.workflows.noise_files import caption, save_findings, save_plots
from ctstudio.workflows.noise_measures import Finding, Place, Settings, Subject, look

PIXEL = 0.7


def layer(hu: np.ndarray) -> Volume:
    geometry = Geometry.axial(len(hu), (3.0, PIXEL, PIXEL))
    n = len(hu)
    return Volume(hu.astype(np.float32), np.ones(n), np.zeros(n), "HU", geometry, Source())


def region(volume: Volume, top: float, left: float, bottom: float, right: float, z: int) -> Place:
    geometry = volume.geometry
    start, end = geometry.to_patient(z, top, left), geometry.to_patient(z, bottom, right)
    corners = box(start, end, geometry.row_direction, geometry.column_direction)
    return Place("axial", Shape("rectangle", corners, geometry.normal))


@pytest.fixture(scope="module")
def subjects() -> list[Subject]:
    """White noise of 20 HU around a sharp disc of 200 HU, and the same smoothed."""
    random = np.random.default_rng(2)
    y, x = np.mgrid[:160, :160] * PIXEL
    disc = 200 * 0.5 * (1 - erf((np.hypot(y - 30, x - 30) - 9) / 0.5 / math.sqrt(2)))
    noisy = 40 + disc + random.normal(0, 20, (5, 160, 160))
    smooth = np.stack([gaussian_filter(slice_, 1.2) for slice_ in noisy])
    return [Subject("Noisy", layer(noisy)), Subject("Smoothed", layer(smooth))]


def found(tool: Any, subjects: list[Subject], *args: Any) -> list[Finding]:
    return finish(look(tool, subjects, *args))


def test_spectra_of_all_layers(subjects: list[Subject]) -> None:
    place = region(subjects[0].stack, 80.0, 20.0, 150.0, 150.0, 2)
    one, two = found("spectrum", subjects, place, Settings())
    assert one.numbers["noise_sd"] == pytest.approx(20, rel=0.05)
    assert two.numbers["noise_sd"] < 0.3 * one.numbers["noise_sd"]
    assert two.numbers["mean_frequency"] < 0.6 * one.numbers["mean_frequency"]
    assert one.numbers["squares"] >= 9
    power = one.curves["spectrum"][1]
    assert power[3:] == pytest.approx(400 * PIXEL**2, rel=0.5)
    more = found("spectrum", subjects, place, Settings(slices=3, side_px=32))[0]
    single = found("spectrum", subjects, place, Settings(side_px=32))[0]
    assert more.numbers["squares"] == 3 * single.numbers["squares"]
    assert more.numbers["square_px"] == 32
    small = region(subjects[0].stack, 80.0, 20.0, 84.0, 30.0, 2)
    assert "no square" in found("spectrum", subjects, small, Settings())[0].note


def test_edges_of_all_layers(subjects: list[Subject]) -> None:
    place = region(subjects[0].stack, 20.0, 20.0, 66.0, 66.0, 2)
    one, two = found("edge", subjects, place, Settings(slices=5))
    # A Gaussian of 0.5 mm, and behind another of 1.2 px: sigma is the root of the sum of squares.
    for finding, sigma in ((one, 0.5), (two, math.hypot(0.5, 1.2 * PIXEL))):
        want = math.sqrt(math.log(2) / 2) / (math.pi * sigma)
        error = max(3 * finding.numbers["mtf_50_error"], 0.02 * want)
        assert finding.numbers["mtf_50"] == pytest.approx(want, abs=error)
        assert finding.numbers["rise_10_90"] == pytest.approx(2.563 * sigma, rel=0.15)
        assert finding.numbers["radius"] == pytest.approx(9, abs=0.1)
        told = "round edge, sampled 8 times a pixel: told beyond the Nyquist frequency"
        assert finding.note == told
        assert finding.numbers["nyquist"] == pytest.approx(1 / (2 * PIXEL))
        assert finding.curves["mtf"][0][-1] > finding.numbers["nyquist"]
    assert one.numbers["mtf_10"] > two.numbers["mtf_10"]
    flat = region(subjects[0].stack, 80.0, 80.0, 150.0, 150.0, 2)
    assert found("edge", subjects, flat, Settings())[0].numbers == {}


def test_what_is_told_of_an_edge_ends_at_the_nyquist_frequency(subjects: list[Subject]) -> None:
    y, x = np.mgrid[:60, :60] * PIXEL
    random = np.random.default_rng(4)
    for slant, noise, told in (
        (0.01, 5, "straight edge, sampled no finer than the pixels: told to their Nyquist"),
        (0.1, 45, "straight edge, too noisy beyond the Nyquist frequency of the pixels"),
    ):
        edge = 200 * 0.5 * (1 + erf((x - 21.2 + slant * (y - 21)) / 0.5 / math.sqrt(2)))
        subject = Subject("Edge", layer((edge + random.normal(0, noise, edge.shape))[None]))
        place = region(subject.stack, 20.0, 15.0, 40.0, 45.0, 0)
        (one,) = found("edge", [subject], place, Settings(kind="straight"))
        assert one.note.startswith(told)
        end = one.curves["mtf"][0][-1]
        assert end == pytest.approx(1 / (2 * PIXEL), rel=0.02)
        assert not one.numbers["mtf_10"] > end


def test_the_map_and_the_region_it_is_read_in(subjects: list[Subject]) -> None:
    stack = subjects[0].stack
    whole = Place("axial", point_mm=stack.geometry.positions_mm[1])
    one, two = found("map", subjects, whole, Settings())
    assert (one.slice_index, one.picture.shape) == (1, (160, 160))
    assert one.numbers["median"] == pytest.approx(20, rel=0.03)
    assert two.numbers["median"] < 0.4 * one.numbers["median"]
    part = found("map", subjects, region(stack, 80.0, 20.0, 150.0, 150.0, 1), Settings())[0]
    inner = one.picture[80:151, 20:151]
    assert part.numbers["median"] == pytest.approx(float(np.median(inner)), rel=1e-6)


def test_two_regions_stand_apart(subjects: list[Subject]) -> None:
    stack = subjects[0].stack
    disc, around = (region(stack, *c, 2) for c in ((38, 38, 48, 48), (90, 30, 140, 120)))
    one, two = found("contrast", subjects, disc, Settings(), around)
    assert one.numbers["contrast"] == pytest.approx(200, abs=6)
    assert one.numbers["cnr"] == pytest.approx(10, rel=0.1)
    assert two.numbers["cnr"] > 3 * one.numbers["cnr"]
    hu = stack.slice_hu(2)
    assert one.numbers["mean_2"] == pytest.approx(float(hu[90:141, 30:121].mean()), rel=1e-6)
    averaged = found("contrast", subjects, disc, Settings(slices=5), around)[0]
    everything = np.stack([stack.slice_hu(k)[90:141, 30:121] for k in range(5)])
    assert averaged.numbers["sd_2"] == pytest.approx(float(everything.std(ddof=1)), rel=1e-5)
    assert "second" in found("contrast", subjects, disc, Settings(), None)[0].note


def test_a_layer_without_the_slice_is_left_out(subjects: list[Subject]) -> None:
    place = region(subjects[0].stack, 80.0, 20.0, 150.0, 150.0, 4)
    short = Subject("Short", layer(np.zeros((2, 160, 160))))
    assert [f.layer for f in found("spectrum", [*subjects, short], place, Settings())] == [
        "Noisy", "Smoothed",
    ]  # fmt: skip


@pytest.mark.parametrize("tool", ["spectrum", "edge", "map", "contrast"])
def test_files(tool: Any, subjects: list[Subject], tmp_path: Path) -> None:
    stack = subjects[0].stack
    disc, around = (region(stack, *c, 2) for c in ((20, 20, 66, 66), (90, 30, 140, 120)))
    place = around if tool == "spectrum" else disc
    findings = found(tool, subjects, place, Settings(), around)
    about = {"region": "Rectangle 1", "slices": 1}
    save_findings(tmp_path / "f.csv", tool, findings, about)
    save_findings(tmp_path / "f.json", tool, findings, about)
    save_plots(tmp_path / "f.png", tool, findings, "Rectangle 1")
    blocks = (tmp_path / "f.csv").read_text().split("\n\n")
    rows = list(csv.DictReader(blocks[0].splitlines()))
    assert [r["layer"] for r in rows] == ["Noisy", "Smoothed"]
    told = json.loads((tmp_path / "f.json").read_text())
    assert (told["tool"], told["region"]) == (tool, "Rectangle 1")
    for row, as_json, finding in zip(rows, told["layers"], findings, strict=True):
        for name, value in finding.numbers.items():
            if math.isnan(value):  # of a straight edge its radius, say
                assert (row[name], as_json[name]) == ("", None)
                continue
            assert float(row[name]) == pytest.approx(value, rel=1e-6)
            assert as_json[name] == pytest.approx(value, rel=1e-6)
        assert set(as_json["curves"]) == set(finding.curves)
        assert caption(tool, finding)
    assert len(blocks) == 1 + len(findings[0].curves)
    if tool == "edge":
        curve = list(csv.DictReader(blocks[1].splitlines()))
        assert float(curve[0]["Noisy: MTF"]) == pytest.approx(1.0)
        assert told["layers"][0]["curves"]["mtf"]["x_unit"] == "1/mm"
    with Image.open(tmp_path / "f.png") as image:
        assert image.width > 700

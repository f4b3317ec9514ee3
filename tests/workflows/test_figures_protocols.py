"""Under which protocol a figure and a report measure, and what they say about it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from ctstudio.core.events import finish
from ctstudio.ct.metrics import PROTOCOLS
from ctstudio.ct.phantom import thorax
from ctstudio.ct.volume import Volume
from ctstudio.figures.description import CellSpec, FigureSpec, LayerSpec, StyleSpec
from ctstudio.workflows.figures.make import still
from ctstudio.workflows.figures.material import Material
from ctstudio.workflows.figures.report import NOT_HU, report

LAYERS = (LayerSpec("original"), LayerSpec("reference", number=2))
STYLE = StyleSpec(width_mm=150, dpi=60, font_pt=5)
CELL = CellSpec("original", caption="{metrics}", against="reference")


@pytest.fixture(scope="module")
def scan() -> Volume:
    return thorax(4, 64)


def pair(scan: Volume, other: Volume | None = None) -> Material:
    noise = np.random.default_rng(3).normal(0, 30, scan.shape)
    noisy = scan.derived(scan.hu() + noise, "noise of 30 HU")
    truth = replace(scan, geometry=scan.geometry) if other is None else other
    titles = {"original": "Original", "reference": "Reference"}
    return Material({"original": noisy, "reference": truth}, titles=titles)


def told(spec: FigureSpec, what: Material) -> str:
    return " ".join(" ".join(still(spec, what).texts).replace("\N{NO-BREAK SPACE}", " ").split())


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_each_is_explained_in_the_figure(scan: Volume, protocol: str) -> None:
    cell = replace(CELL, protocol=protocol)
    texts = told(FigureSpec(LAYERS, ((cell,),), window="400/40", style=STYLE), pair(scan))
    assert texts.count(f"Protocol {protocol}: of the whole slice") == 1
    assert texts.count(": of the whole slice") == 1


@pytest.mark.parametrize(
    ("window", "protocol", "words"),
    [
        ("400/40", "A", ""),
        ("400/60", "A", ""),  # a twentieth of it above
        ("lung", "A", "below \N{MINUS SIGN}160 HU"),
        ("1800/400", "A", "below \N{MINUS SIGN}160 and above 240 HU"),
        ("lung", "B chest", ""),
        ("lung", "full", ""),
        ("400/40", "B head", "below 0 and above 80 HU"),
    ],
)
def test_what_is_seen_and_does_not_count_is_said(
    scan: Volume, window: str, protocol: str, words: str
) -> None:
    cell = replace(CELL, protocol=protocol)
    texts = told(FigureSpec(LAYERS, ((cell,),), window=window, style=STYLE), pair(scan))
    assert ("does not count" in texts) == bool(words)
    assert f"What differs {words}" in texts or not words


def test_equal_pictures_have_an_infinite_psnr(scan: Volume) -> None:
    what = pair(scan)
    truth = what.stacks["reference"]
    same = replace(what, stacks={"original": truth, "reference": truth})
    texts = told(FigureSpec(LAYERS, ((CELL,),), style=STYLE), same)
    assert "PSNR \N{INFINITY} dB" in texts
    assert "RMSE 0.0 HU" in texts
    words = " ".join(finish(report(FigureSpec(LAYERS, ((CELL,),), style=STYLE), same)).texts)
    assert "\N{INFINITY} 1.000 0.0 HU" in words
    assert "inf dB" not in words


def test_a_report_measures_under_the_protocols_of_its_figure(scan: Volume) -> None:
    """Against scikit-image; slices of few are all judged."""
    what = pair(scan)
    cells = (replace(CELL, protocol="full"), replace(CELL, protocol="B chest"))
    spec = FigureSpec(LAYERS, (cells,), style=STYLE)
    texts = " ".join(finish(report(spec, what)).texts)
    assert "PSNR (full)" in texts
    assert "PSNR (B chest)" in texts
    assert "protocols full: no clip, range 4096 HU; B chest" in texts
    for low, high in ((-np.inf, np.inf), (-1350, 150)):
        each = []
        for z in range(4):
            images = [
                np.clip(what.stacks[n].slice_hu(z), low, high) for n in ("reference", "original")
            ]
            each.append(peak_signal_noise_ratio(*images, data_range=min(high - low, 4096)))
        assert f"{np.mean(each):.2f} dB" in texts
    one = FigureSpec(LAYERS, ((replace(CELL, protocol="full"),),), style=STYLE)
    texts = " ".join(finish(report(one, what)).texts)
    assert "protocol full: no clip" in texts
    assert "PSNR (full)" not in texts


def test_a_report_of_two_series_is_called_a_comparison(scan: Volume) -> None:
    texts = " ".join(finish(report(FigureSpec(LAYERS, ((CELL,),), style=STYLE), pair(scan))).texts)
    assert "Comparison: Original; Reference" in texts
    assert "against the reference" in texts
    assert "Bias" in texts


def test_a_report_of_one_series_has_no_empty_columns(scan: Volume) -> None:
    spec = FigureSpec((LayerSpec("original"),), ((CellSpec("original"),),), style=STYLE)
    what = Material({"original": scan}, titles={"original": "Original"})
    texts = " ".join(finish(report(spec, what)).texts)
    assert "Noise SD" in texts
    assert "Bias" not in texts
    assert "Mean over the slices" in texts
    single = replace(
        scan, voxels=scan.voxels[:1], slope=scan.slope[:1],
        intercept=scan.intercept[:1], geometry=scan.geometry.select(slice(0, 1)),
    )  # fmt: skip
    texts = " ".join(finish(report(spec, replace(what, stacks={"original": single}))).texts)
    assert "Of slice 1 of 1." in texts
    dy, dx = scan.geometry.spacing_mm
    assert f" {dy:.4g} \N{MULTIPLICATION SIGN} {dx:.4g} mm" in texts
    assert " 0 \N{MULTIPLICATION SIGN}" not in texts


def test_a_report_says_why_it_has_no_numbers(scan: Volume) -> None:
    plain = replace(scan, unit="")
    what = pair(plain)
    texts = " ".join(finish(report(FigureSpec(LAYERS, ((CELL,),), style=STYLE), what)).texts)
    assert NOT_HU in texts
    assert "Noise SD" not in texts

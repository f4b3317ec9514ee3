"""The disc phantom: scans drawn here with known discs, and the published ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ctstudio.cli import main
from ctstudio.core.errors import StudioError
from ctstudio.core.events import finish
from ctstudio.core.registry import Choice
from ctstudio.workflows.denoise import method_from_choice
from ctstudio.workflows.evaluation.contest import NOISY
from ctstudio.workflows.evaluation.disc_phantom import DISCS, detect_in, read

HEADER = """ObjectType = Image
NDims = 3
DimSize = 160 160 {count}
ElementType = MET_SHORT
ElementByteOrderMSB = False
ElementDataFile = {name}_%03d.raw 1 {count} 1
"""
SPACING = 1.4


def write(folder: Path, sd: float, count: int = 5) -> Path:
    folder.mkdir()
    draw = np.random.default_rng(4)
    y, x = np.mgrid[:160, :160] - 80.0
    for name in ("signal_present", "signal_absent"):
        (folder / f"{name}.mhd").write_text(HEADER.format(name=name, count=count))
        hu = np.where(np.hypot(y, x) * SPACING < 100, 0.0, -1000.0)
        if name == "signal_present":
            for contrast, diameter, degrees in DISCS:
                away = 40 / SPACING * np.exp(1j * np.radians(degrees))
                near = np.hypot(y - away.imag, x - away.real) * SPACING < diameter / 2
                hu[near] += contrast
        for k in range(count):
            image = hu + draw.normal(0, sd, hu.shape) + 1000
            np.round(image).astype("<i2").tofile(folder / f"{name}_{k + 1:03d}.raw")
    return folder


def test_little_noise_shows_every_disc_and_much_hides_them(tmp_path: Path) -> None:
    seen = {}
    for sd in (1.0, 60.0):
        phantom = read(write(tmp_path / f"sd{sd:.0f}", sd))
        assert phantom.spacing_mm == pytest.approx(SPACING, rel=0.01)
        assert phantom.middle == pytest.approx((80, 80), abs=0.1)
        got = finish(detect_in(phantom, {NOISY: None}))
        assert [(one.contrast_hu, one.diameter_mm) for one in got] == [d[:2] for d in DISCS]
        assert {one.method for one in got} == {NOISY}
        seen[sd] = [one.found.d_prime for one in got]
    assert min(seen[1.0]) > 6
    assert max(map(abs, seen[60.0])) < 2.5


def test_the_truth_is_what_the_scans_show_without_noise(tmp_path: Path) -> None:
    case = read(write(tmp_path / "still", 0.0)).case()
    assert len(case.slices) == 5
    for one in case.slices:
        far = np.abs(one.input - one.truth)
        assert np.median(far) == 0
        assert np.quantile(far[40:120, 40:120], 0.999) < 11  # rims of discs alone


def test_methods_beside_one_another_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "dose_010", 20.0)
    out = tmp_path / "out"
    assert main.run([
        "evaluate", "--disc-phantom", str(folder), "--method", "wavelet", "--as-set",
        "--protocol", "A", "--out", str(out),
    ]) == 0  # fmt: skip
    shown = capsys.readouterr().out
    assert "## Discs of low contrast: Disc phantom, dose_010" in shown
    assert "| Method | +14 HU, 3 mm | +7 HU, 5 mm | +5 HU, 7 mm | +3 HU, 10 mm |" in shown
    assert (out / "evaluation.csv").read_text().count("Disc phantom, dose_010") == 10


def test_what_is_no_disc_phantom_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(StudioError, match=r"holds no signal_present\.mhd"):
        read(tmp_path / "empty")
    square = write(tmp_path / "square", 0.0)
    for path in square.glob("*.raw"):
        values = np.full((160, 160), 1000, "<i2")
        values[:, :80] = 0
        values.tofile(path)
    with pytest.raises(StudioError, match="no round phantom"):
        read(square)


def test_the_published_scans(test_data: Path) -> None:
    """At full dose the discs that are expected to stand out do, in places where nothing was."""
    phantom = read(test_data / "lcd_ct_cc0" / "fbp" / "dose_100")
    assert len(phantom.present) == len(phantom.absent) == 5
    assert phantom.spacing_mm == pytest.approx(0.86, abs=0.01)
    noisy = [one.found for one in finish(detect_in(phantom, {NOISY: None}))]
    assert sum(one.d_prime for one in noisy) > 2.5 * sum(one.error**2 for one in noisy) ** 0.5
    smooth = method_from_choice(Choice("tv", {"strength": 15.0}))
    filtered = [one.found for one in finish(detect_in(phantom, {"smooth": smooth}))]
    # A matched filter sums over the disc itself: noise finer than that is no hindrance to it, and
    # taking it away no help.
    pairs = zip(noisy, filtered, strict=True)
    assert all(abs(after.d_prime - before.d_prime) < 0.5 for before, after in pairs)

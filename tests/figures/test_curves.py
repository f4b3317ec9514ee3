"""Training curves: the picture reopened, the table read back."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ctstudio.core.errors import StudioError
from ctstudio.figures.colours import sequence
from ctstudio.figures.curves import History, save_curves_csv, save_curves_png, smoothed


def history(n=200):
    step = np.arange(1, n + 1)
    rng = np.random.default_rng(10)
    loss = np.exp(-step / 60) + 0.01 * rng.random(n)
    check = step[::50]
    return History(
        step,
        {"total": loss, "l1": loss / 2},
        1e-3 * 0.5 * (1 + np.cos(np.pi * step / n)),
        check,
        {"psnr": 30 + check / 100, "ssim": 0.8 + check / 1000, "rmse": 12 - check / 100},
        {"psnr": 29.25, "ssim": 0.876, "rmse": 14.24},
        "A",
    )


def test_smoothing_is_the_mean_of_the_neighbours():
    values = np.array([1.0, 2.0, 4.0, np.nan, 8.0])
    assert smoothed(values, 3).tolist() == [1.5, 7 / 3, 3.0, 6.0, 8.0]
    assert smoothed(values, 1)[:3].tolist() == [1.0, 2.0, 4.0]
    assert np.isnan(smoothed(values, 1)[3])
    assert smoothed(np.empty(0), 5).size == 0


def colours_in(path):
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
        assert image.info["Software"].startswith("CT Studio")
    packed = pixels.reshape(-1, 3).astype(int) @ np.array([65536, 256, 1])
    return pixels.shape, set(np.unique(packed).tolist())


def test_the_picture_shows_every_curve(tmp_path):
    save_curves_png(history(), tmp_path / "curves.png", title="Run")
    shape, colours = colours_in(tmp_path / "curves.png")
    assert shape[1] > 1500
    assert {0x0072B2, 0xD55E00, 0x606060} <= colours
    assert [p.name for p in tmp_path.iterdir()] == ["curves.png"]


@pytest.mark.parametrize(
    "one",
    [
        History(),
        History(np.array([1]), {"total": np.array([0.5])}, np.array([1e-3])),
        History(np.arange(5), {"total": np.array([0.0, -1, np.nan, np.inf, 2])}, np.full(5, 1e-4)),
        History(np.arange(3), {"total": np.zeros(3)}, np.zeros(3)),
        History(np.arange(3), {"t": np.ones(3)}, np.array([1e-3, 1e-4, 1e-5])),
        History(
            validation_step=np.array([1, 2]),
            validation={"psnr": np.array([np.inf, np.nan])},
            baseline={"psnr": np.inf},
        ),
    ],
)
def test_short_empty_and_odd_runs_are_drawn(tmp_path, one):
    save_curves_png(one, tmp_path / "curves.png")
    save_curves_csv(one, tmp_path / "curves.csv")
    assert colours_in(tmp_path / "curves.png")[0][0] > 200


def test_pyplot_is_not_imported():
    import subprocess
    import sys

    code = (
        "import sys, tempfile, pathlib; from ctstudio.figures.curves import *;"
        "save_curves_png(History(), pathlib.Path(tempfile.mkdtemp()) / 'a.png');"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_table_holds_every_number(tmp_path):
    one = history()
    save_curves_csv(one, tmp_path / "curves.csv")
    with (tmp_path / "curves.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    heading, rows = rows[0], rows[1:]
    assert heading == [
        "step",
        "learning rate",
        "loss total",
        "loss l1",
        "validation PSNR (dB), protocol A",
        "validation SSIM, protocol A",
        "validation RMSE (HU), protocol A",
        "noisy input PSNR (dB), protocol A",
        "noisy input SSIM, protocol A",
        "noisy input RMSE (HU), protocol A",
    ]
    assert {len(row) for row in rows} == {10}
    assert [int(row[0]) for row in rows] == list(range(1, 201))
    assert [float(row[2]) for row in rows] == one.losses["total"].tolist()
    assert [float(row[1]) for row in rows] == one.lr.tolist()
    checked = [row for row in rows if row[4]]
    assert [float(row[4]) for row in checked] == one.validation["psnr"].tolist()
    assert {row[9] for row in checked} == {"14.24"}


def test_validation_between_logged_steps_has_its_own_row(tmp_path):
    one = History(
        np.array([10, 20]),
        {"total": np.array([1.0, 0.5])},
        np.array([1e-3, 1e-3]),
        np.array([0, 15]),
        {"psnr": np.array([30.0, 31.0])},
    )
    save_curves_csv(one, tmp_path / "curves.csv")
    lines = (tmp_path / "curves.csv").read_text().splitlines()
    assert lines[1:] == ["0,,,30.0", "10,0.001,1.0,", "15,,,31.0", "20,0.001,0.5,"]


def test_a_missing_folder_is_explained(tmp_path):
    for save, name in ((save_curves_png, "a.png"), (save_curves_csv, "a.csv")):
        with pytest.raises(StudioError, match="does not exist"):
            save(history(), tmp_path / "no" / name)


def test_gradients_stand_beside_the_steps_they_were_read_at(tmp_path):
    one = replace(
        history(3),
        validation_step=np.array([2]),
        validation={"psnr": np.array([30.0])},
        baseline={},
        gradient_step=np.array([1, 4]),
        gradients={"first": np.array([1e-9, 0.0]), "last": np.array([0.25, np.inf])},
    )
    save_curves_csv(one, tmp_path / "curves.csv")
    with (tmp_path / "curves.csv").open(newline="", encoding="utf-8") as stream:
        heading, *rows = csv.reader(stream)
    assert heading[-3:] == ["validation PSNR (dB), protocol A", "gradient first", "gradient last"]
    assert [row[-3:] for row in rows] == [
        ["", "1e-09", "0.25"], ["30.0", "", ""], ["", "", ""], ["", "0.0", "inf"],
    ]  # fmt: skip
    save_curves_png(one, tmp_path / "with.png")
    save_curves_png(replace(one, gradients={}), tmp_path / "without.png")
    # Where no layer's gradient has a length there is no line to name, and nothing to warn of.
    save_curves_png(replace(one, gradients={"first": np.zeros(2)}), tmp_path / "silent.png")
    wanted = int(sequence(2, dark=False)[0][1:], 16)
    assert wanted in colours_in(tmp_path / "with.png")[1]
    assert wanted not in colours_in(tmp_path / "without.png")[1]


def test_a_sequence_is_told_apart_by_lightness_alone():
    for dark in (False, True):
        for count in (1, 2, 6, 20):
            colours = sequence(count, dark)
            rgb = [[int(c[k : k + 2], 16) / 255 for k in (1, 3, 5)] for c in colours]
            # Luminance by the sRGB standard (IEC 61966-2-1).
            light = [
                [v / 12.92 if v < 0.04 else ((v + 0.055) / 1.055) ** 2.4 for v in c] for c in rgb
            ]
            grey = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in light]
            assert len(colours) == count
            assert grey == sorted(set(grey))
            # Enough contrast to the ground, of 3 to 1 or nearly (WCAG 1.4.11).
            if dark:
                assert (grey[0] + 0.05) / (0.008 + 0.05) > 2
            else:
                assert 1.05 / (grey[-1] + 0.05) > 2

"""Commands as a user types them: what they print, where, and how they end."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np
import pytest

from ctstudio.cli import main
from ctstudio.core.errors import StudioError


@pytest.mark.parametrize("command", ["", *main.COMMANDS])
def test_help_of_every_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([*command.split(), "--help"]) == 0
    out = capsys.readouterr().out
    assert "Usage: ctstudio" in out
    if command in ("", "info", "denoise", "train", "figure"):
        assert "Examples:" in out


def test_short_helps_agree_with_the_commands() -> None:
    for name in main.COMMANDS:
        command = main.cli.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None
        assert command.name == name


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    heavy = "{'numpy', 'torch', 'PySide6', 'pydicom', 'scipy', 'skimage', 'matplotlib', 'PIL'}"
    code = (
        "import sys; from ctstudio.cli.main import run; code = run(['--help']);"
        f"loaded = {heavy} & set(sys.modules); sys.exit(f'loaded {{loaded}}' if loaded else code)"
    )
    fastest = 1e9
    for _ in range(3):
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        fastest = min(fastest, time.perf_counter() - start)
        assert done.returncode == 0, done.stderr
    assert fastest < 0.6


def test_a_mistyped_command_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["trian"]) == 2
    assert "Did you mean 'train'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "paths", "demo"),
    [([], 0, False), (["--demo"], 0, True), (["."], 1, False), (["gui", "."], 1, False)],
)
def test_what_is_no_command_opens_the_window(
    arguments: list[str], paths: int, demo: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[list[Path], bool]] = []
    app = type(sys)("app")
    app.run = lambda paths, demo: seen.append((paths, demo)) or 0  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ctstudio.gui.app", app)
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    assert main.run(arguments) == 0
    assert seen == [([Path(".")] * paths, demo)]


def test_without_a_screen_the_window_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert main.run([]) == 1
    assert "There is no screen" in capsys.readouterr().err


def test_errors_are_sentences(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main.run(["info", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert err.startswith("Error: ")
    assert str(tmp_path) in err
    assert "Traceback" not in err
    monkeypatch.setenv("CTSTUDIO_DEBUG", "1")
    with pytest.raises(StudioError):
        main.run(["info", str(tmp_path)])


def test_info_shows_no_patient_unless_asked(
    series_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["info", str(series_folder)]) == 0
    table = capsys.readouterr().out
    assert "6 x 48 x 48" in table
    assert "2.5 x 0.8 x 0.8 mm" in table
    assert main.run(["info", "--json", str(series_folder)]) == 0
    text = capsys.readouterr().out
    for secret in ("Secret", "SECRET", "1970", "2020"):
        assert secret not in table + text
    entry = json.loads(text)["series"][0]
    assert (entry["slices"], entry["rows"], entry["columns"]) == (6, 48, 48)
    assert entry["description"] == "noisy disc"

    assert main.run(["info", "--patient", str(series_folder)]) == 0
    assert "SECRET7" in capsys.readouterr().out


def test_denoise_writes_a_derived_series(
    series_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], read_hu
) -> None:
    out = tmp_path / "denoised"
    arguments = ["denoise", str(series_folder), "--method", "tv", "--set", "strength=40"]
    assert main.run([*arguments, "--out", str(out)]) == 0
    assert "6 files" in capsys.readouterr().out
    before, after = read_hu(series_folder), read_hu(out)
    assert before.shape == after.shape
    inside = np.s_[:, 18:30, 18:30]
    assert after[inside].std() < 0.5 * before[inside].std()
    assert abs(after[inside].mean() - before[inside].mean()) < 3

    # Nothing is overwritten, and that is known before the work.
    assert main.run([*arguments, "--out", str(out)]) == 1
    assert "not empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--method", "tvv"], 1, "Did you mean 'tv'?"),
        (["--method", "tv", "--set", "strength"], 2, "KEY=VALUE"),
        (["--method", "tv", "--set", "strength=much"], 1, "Give a number"),
        (["--method", "tv", "--set", "colour=red"], 1, "Allowed"),
        (["--method", "missing.pt"], 1, "no checkpoint"),
        (["--method", "tv", "--series", "9"], 1, "There is no series '9'"),
        ([], 2, "--method"),
    ],
)
def test_denoise_refuses(
    options: list[str],
    code: int,
    words: str,
    series_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    assert main.run(["denoise", str(series_folder), *options, "--out", str(out)]) == code
    assert words in capsys.readouterr().err
    assert not out.exists()


def test_several_series_need_a_choice(
    make_series, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_series("first disc")
    make_series("second disc")
    arguments = ["figure", str(tmp_path), "--out", str(tmp_path / "a.png")]
    assert main.run(arguments) == 1
    err = capsys.readouterr().err
    assert "--series" in err
    assert "second disc" in err
    assert main.run([*arguments, "--series", "2"]) == 0
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_figure_as_png_and_gif(series_folder: Path, tmp_path: Path) -> None:
    from PIL import Image

    for name, extra in (("a.png", ["--slice", "2"]), ("b.gif", [])):
        out = tmp_path / name
        arguments = ["figure", str(series_folder), "--method", "bilateral", "--window", "400/40"]
        assert main.run([*arguments, *extra, "--out", str(out)]) == 0
        with Image.open(out) as image:
            assert image.width > 2.5 * image.height  # three panels in a row
            assert getattr(image, "n_frames", 1) == (6 if name.endswith("gif") else 1)


def test_figure_with_a_mask_and_differences(
    series_folder: Path, make_series, tmp_path: Path
) -> None:
    import numpy as np
    from PIL import Image

    from ctstudio.core.events import finish
    from ctstudio.figures.stills import read_description
    from ctstudio.workflows.open import read, scan

    shown = {}
    arguments = ["figure", str(series_folder), "--method", "tv", "--dpi", "90"]
    pair = [*arguments, "--reference", str(make_series("other disc"))]
    for name, more in (("a", []), ("b", ["--differences", "reference"])):
        for suffix in (".svg", ".png"):
            out = tmp_path / f"{name}{suffix}"
            assert main.run([*pair, *more, "--overwrite", "--out", str(out)]) == 0
        page = (tmp_path / f"{name}.svg").read_text(encoding="utf-8")
        lines = re.findall(r"<text[^>]*>([^<]*)<", page)
        shown[name] = " ".join(lines).count("\N{MINUS SIGN} reference")
    assert shown["a"] == 0
    assert shown["b"] == 2  # of the original, and of what the method made of it
    again = ["figure", "--from", str(tmp_path / "b.png"), *pair[1:2], *pair[-2:]]
    assert main.run([*again, "--out", str(tmp_path / "c.png")]) == 0
    assert (tmp_path / "c.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert image.info["dpi"][0] == pytest.approx(90, abs=1)
    shape = finish(read(finish(scan([series_folder])).series[0])).shape
    np.save(tmp_path / "mask.npy", np.ones(shape, np.uint8))
    mask = ["--mask", str(tmp_path / "mask.npy"), "--mask-as", "contour"]
    assert main.run([*arguments, *mask, "--out", str(tmp_path / "d.svg")]) == 0
    cells = read_description(tmp_path / "d.svg").cells
    assert [(cell.mask, cell.mask_as) for cell in cells[:2]] == [("all", "contour")] * 2
    assert not cells[2].mask


def test_methods_and_recipes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["methods"]) == 0
    assert "strength=" in capsys.readouterr().out
    assert main.run(["recipes"]) == 0
    assert "steps" in capsys.readouterr().out


def test_a_reader_that_goes_away_is_no_error(series_folder: Path) -> None:
    words = [sys.executable, "-m", "ctstudio", "info", "--json", str(series_folder)]
    command = f"{shlex.join(words)} | head -n 1"
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, env=environment
    )
    assert "Traceback" not in done.stderr
    assert done.stdout == "{\n"


def test_a_long_list_does_not_push_the_sentence_off_the_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for index in range(100):
        (tmp_path / f"{index}.txt").write_text("no image")
    assert main.run(["info", str(tmp_path)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Error: No image was found")
    assert lines[-1] == "... and 81 more."
    assert len(lines) < 25


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full device is Linux's")
def test_output_that_cannot_be_written_is_told() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "ctstudio", "methods"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: Cannot write the output: no space left")
    assert "Traceback" not in done.stderr


def test_an_interrupt_while_a_class_is_made_is_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python 3.11 wraps what `__set_name__` raises; an import is full of these."""

    class Stops:
        def __set_name__(self, owner: type, name: str) -> None:
            raise KeyboardInterrupt

    def callback() -> None:
        type("Any", (), {"part": Stops()})

    monkeypatch.setitem(main.cli.commands, "methods", click.Command("methods", callback=callback))
    monkeypatch.setattr(main.cli, "get_command", lambda _, name: main.cli.commands[name])
    assert main.run(["methods"]) == 130
    assert capsys.readouterr().err == "Interrupted.\n"


def test_the_phantom_is_written_as_others_read_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import SimpleITK as sitk  # noqa: N813

    from ctstudio.core.events import finish
    from ctstudio.ct.phantom import phantom

    out = tmp_path / "thick"
    line = ["phantom", "--out", str(out), "--slices", "3", "--size", "64", "--field", "400"]
    assert main.run([*line, "--thickness", "5"]) == 0
    assert f"3 files written to {out}" in capsys.readouterr().out
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(out)))
    image = reader.Execute()
    expected = finish(phantom(3, 64, field_mm=400, thickness_mm=5))
    assert np.array_equal(sitk.GetArrayFromImage(image), expected.voxels)
    assert image.GetSpacing()[:2] == (6.25, 6.25)
    assert main.run(line) == 1
    assert "thick" in capsys.readouterr().err
    other = tmp_path / "other"
    small = ["--slices", "1", "--size", "32", "--body", "7"]
    assert main.run(["phantom", "--out", str(other), *small]) == 0
    (file,) = other.iterdir()
    assert sitk.ReadImage(str(file)).GetMetaData("0008|103e").strip() == "Thorax phantom, body 7"

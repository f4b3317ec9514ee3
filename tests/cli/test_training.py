"""A short training from the command line, and its network as a method."""

from __future__ import annotations

import errno
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest

from ctstudio.cli import main

SHORT = ["steps=3", "stopping.seconds=0", "batch=2", "patch_px=16", "device=cpu"]


def test_train_then_denoise(
    series_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], read_hu
) -> None:
    run = tmp_path / "run"
    settings = [word for text in SHORT for word in ("--set", text)]
    arguments = ["train", "dncnn-gaussian", str(series_folder), "--run", str(run), *settings]
    assert main.run(arguments) == 0
    told = capsys.readouterr()
    assert str(run) in told.out
    assert "protocol A: PSNR" in told.err
    recipe = tomllib.loads((run / "recipe.toml").read_text())
    assert recipe["phases"][0]["steps"] == 3
    assert recipe["patch_px"] == 16

    out = tmp_path / "denoised"
    assert main.run(["denoise", str(series_folder), "--method", str(run), "--out", str(out)]) == 0
    before, after = read_hu(series_folder), read_hu(out)
    assert before.shape == after.shape
    assert not np.array_equal(before, after)

    assert main.run(arguments) == 1
    assert "not empty" in capsys.readouterr().err
    network = ["--method", str(run / "last.pt"), "--set", "strength=1"]
    assert main.run(["denoise", str(series_folder), *network, "--out", str(tmp_path / "b")]) == 1
    assert "no settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("recipe", "setting", "words"),
    [
        ("dncnn-gausian", "steps=1", "Did you mean 'dncnn-gaussian'?"),
        ("missing.toml", "steps=1", "missing.toml"),
        ("dncnn-gaussian", "stepz=1", "'stepz'"),
        ("dncnn-gaussian", "patch_px=many", "patch_px"),
    ],
)
def test_train_refuses(
    recipe: str,
    setting: str,
    words: str,
    series_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    arguments = ["train", recipe, str(series_folder), "--run", str(run), "--set", setting]
    assert main.run(arguments) == 1
    assert words in capsys.readouterr().err
    assert not run.exists()


def test_resume_and_branch(
    series_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, branch = tmp_path / "run", tmp_path / "branch"
    settings = [word for text in SHORT for word in ("--set", text)]
    arguments = ["train", "dncnn-gaussian", str(series_folder), "--run", str(run), *settings]
    assert main.run(arguments) == 0
    before = (run / "metrics.csv").read_text()
    assert main.run(["train", "--resume", str(run), str(series_folder)]) == 0  # it had finished
    assert (run / "metrics.csv").read_text() == before
    slower = ["--run", str(branch), "--set", "lr=1e-5"]
    assert main.run(["train", "--branch", str(run), str(series_folder), *slower]) == 0
    recipe = tomllib.loads((branch / "recipe.toml").read_text())
    assert recipe["phases"][0]["optimiser"]["lr"] == 1e-5
    assert recipe["phases"][0]["steps"] == 3
    capsys.readouterr()
    for words, said in (
        (["--resume", str(run), str(series_folder), "--set", "lr=1"], "use --branch"),
        (["--resume", str(run)], "PATH..."),
        (["--resume", str(series_folder), str(series_folder)], "not the folder of a training"),
        (["dncnn-gaussian", str(series_folder)], "--run"),
    ):
        assert main.run(["train", *words]) != 0
        assert said in capsys.readouterr().err


def test_a_network_that_cannot_be_saved_is_saved_elsewhere(
    series_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from ctstudio.core import atomic
    from ctstudio.learn import checkpoint

    run, home = tmp_path / "run", tmp_path / "home"
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_: str(home / "ctstudio"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    mkstemp = atomic.tempfile.mkstemp
    full = {run}

    def refuse(*what: object, dir: Path, suffix: str, **how: object) -> tuple[int, str]:
        if Path(dir) in full and suffix == ".pt":
            raise OSError(errno.ENOSPC, "No space left on device")
        return mkstemp(*what, dir=dir, suffix=suffix, **how)

    monkeypatch.setattr(atomic.tempfile, "mkstemp", refuse)
    settings = [word for text in SHORT for word in ("--set", text)]
    arguments = ["train", "dncnn-gaussian", str(series_folder), "--run", str(run), *settings]
    for place in (home / "ctstudio" / "rescued", tmp_path):
        assert main.run(arguments) == 1
        said = capsys.readouterr().err
        assert "disk is full" in said
        (saved,) = place.glob("run-*.pt")
        assert str(saved) in said
        assert checkpoint.load(saved).step <= 3
        full.add(place)
        shutil.rmtree(run)
    assert main.run(arguments) == 1
    assert "somewhere else" in capsys.readouterr().err


def test_a_printed_recipe_is_a_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from ctstudio.learn.recipe import Recipe, bundled

    assert main.run(["recipes", "dncnn-gaussian"]) == 0
    assert Recipe.from_toml(capsys.readouterr().out) == bundled()["dncnn-gaussian"]


@pytest.mark.parametrize(("name", "value"), [("RANK", "x"), ("WORLD_SIZE", "x"), ("RANK", "")])
def test_an_environment_that_is_not_torchruns(
    name: str,
    value: str,
    series_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(name, value)
    settings = [word for text in SHORT for word in ("--set", text)]
    arguments = ["train", "dncnn-gaussian", str(series_folder), "--run", str(tmp_path / "run")]
    code = main.run([*arguments, *settings])
    told = capsys.readouterr()
    assert code == (1 if value else 0)
    assert (f"{name} is 'x'" in told.err) == bool(value)
    assert ("the run is in" in told.out) != bool(value)

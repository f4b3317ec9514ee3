"""``ctstudio models``: a training put on board, listed, and used by its name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
import torch

from ctstudio.cli import main
from ctstudio.learn import checkpoint, on_board
from ctstudio.learn.checkpoint import TrainedModel
from ctstudio.learn.recipe import bundled
from ctstudio.workflows import on_board as on_board_work


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with a network for any dose that learnt from series as they are."""
    return _run(tmp_path, quiet_hu=0)


def _run(tmp_path: Path, quiet_hu: float, **changed: float) -> Path:
    recipe = bundled()["drunet-any-dose"].with_setting("device", "cpu")
    recipe = recipe.with_setting("task.quiet_hu", quiet_hu)
    for key, value in changed.items():
        recipe = recipe.with_setting(key.replace("__", "."), value)
    module = checkpoint.build(recipe)
    torch.manual_seed(1)
    torch.nn.init.normal_(module.last.weight, std=0.01)
    folder = tmp_path / "run"
    folder.mkdir(parents=True)
    checkpoint.save(TrainedModel(recipe, module.eval(), 50), folder / "best.pt")
    return folder


def test_from_a_run_to_a_denoised_series(
    run: Path,
    series_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(on_board.SWITCH, str(tmp_path / "own"))
    words = ["models", "--from", str(run), "--name", "mine", str(series_folder)]
    assert main.run([*words, "--data", "Discs", "--licence", "CC BY 4.0"]) == 0
    assert {p.name for p in (tmp_path / "own").iterdir()} == {
        "mine.safetensors", "mine.md", "mine.json",
    }  # fmt: skip
    card = json.loads((tmp_path / "own" / "mine.json").read_text())
    told = card["series"][0]
    assert (told["slices"], told["spacing_mm"], told["thickness_mm"]) == (6, 0.8, 2.5)
    assert card["doses"] == {"low": 0.05, "high": 0.7}
    # The discs have noise of 30 HU, and more is added to what the network learns from.
    assert card["noise_hu"]["low"] >= 27
    assert "Secret" not in (tmp_path / "own" / "mine.json").read_text()
    assert main.run(words) == 1, "nothing is replaced unasked"
    capsys.readouterr()
    assert main.run(["models"]) == 0
    listed = capsys.readouterr().out
    assert "mine: DRUNet, any low dose" in listed
    assert "CC BY 4.0" in listed
    out = str(tmp_path / "out")
    assert main.run(["denoise", str(series_folder), "--method", "mine", "--out", out]) == 0
    files = list(Path(out).glob("*.dcm"))
    assert len(files) == 6
    told = pydicom.dcmread(files[0])
    assert "mine" in told.SeriesDescription
    assert "mine (DRUNet trained for 50 steps on low-dose noise" in told.DerivationDescription
    capsys.readouterr()
    command = ["denoise", str(series_folder), "--out", str(tmp_path / "more"), "--method"]
    assert main.run([*command, "mine", "--set", "strength=2"]) == 1
    assert "has no setting 'strength'" in capsys.readouterr().err
    assert main.run([*command, "mnie"]) == 1
    assert "Did you mean 'mine'? There are " in capsys.readouterr().err
    (tmp_path / "own" / "mine.json").write_text("{}")
    assert main.run([*command, "mine"]) == 1
    assert "mine.json is no card of a network" in capsys.readouterr().err


def test_the_card_tells_of_series_as_the_network_was_shown_them(
    tmp_path: Path, series_folder: Path
) -> None:
    """The discs have noise of 30 HU: they are averaged, 2 x 2 pixels at first."""
    run, own = _run(tmp_path, quiet_hu=14), tmp_path / "own"
    words = ["models", "--from", str(run), "--name", "quiet", "--folder", str(own)]
    assert main.run([*words, str(series_folder)]) == 0
    told = json.loads((own / "quiet.json").read_text())["series"][0]
    assert (told["slices"], told["spacing_mm"]) == (6, 1.6)


def test_a_run_that_began_with_another(
    run: Path, tmp_path: Path, series_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The steps of both count, and the card tells how both are trained."""
    further = _run(tmp_path / "further", quiet_hu=0, noise__weakest=0.1, stopping__seconds=30)
    kept = checkpoint.load(run / "best.pt")
    checkpoint.save(replace(kept, step=70), run / "last.pt")  # what a branch begins with
    own = tmp_path / "own"
    words = ["models", "--name", "longer", "--folder", str(own), "--began-with", str(run)]
    assert main.run([*words, "--from", str(further), str(series_folder)]) == 0
    card = json.loads((own / "longer.json").read_text())
    assert card["steps"] == 120
    assert card["train_again"].splitlines() == [
        "ctstudio train drunet-any-dose SERIES... --run FOLDER --set device=cpu "
        "--set task.quiet_hu=0",
        "ctstudio train --branch FOLDER SERIES... --run FURTHER --set noise.weakest=0.1 "
        "--set stopping.seconds=30",
        "ctstudio models --from FURTHER --name longer --began-with FOLDER SERIES...",
    ]
    last = _run(tmp_path / "last", quiet_hu=0, noise__weakest=0.1, seed=5)
    thrice = ["--began-with", str(further), "--from", str(last), "--force", str(series_folder)]
    assert main.run([*words, *thrice]) == 0
    card = json.loads((own / "longer.json").read_text())
    assert card["steps"] == 170
    assert card["train_again"].splitlines()[2:] == [
        "ctstudio train --branch FURTHER SERIES... --run FURTHER-2 --set seed=5 "
        "--set stopping.seconds=0",
        "ctstudio models --from FURTHER-2 --name longer --began-with FOLDER --began-with FURTHER "
        "SERIES...",
    ]
    assert main.run(words) == 2, "of no training"
    other = bundled()["drunet-any-dose"].with_setting("phases.0.model.size", "base")
    place = tmp_path / "other.pt"
    checkpoint.save(TrainedModel(other, checkpoint.build(other), 5), place)
    words = ["models", "--name", "x", "--folder", str(own), "--began-with", str(place)]
    capsys.readouterr()
    assert main.run([*words, "--from", str(further)]) == 1
    assert "holds another network" in capsys.readouterr().err
    words = ["models", "--name", "x", "--folder", str(own), "--began-with", str(run)]
    assert main.run([*words, "--from", str(run)]) == 1
    assert "cannot have begun with itself" in capsys.readouterr().err


def test_the_card_tells_of_the_weakest_and_the_strongest_noise(
    tmp_path: Path, series_folder: Path
) -> None:
    """The discs have noise of 30 HU, and what is added varies from patch to patch."""
    told = []
    for number, (weakest, strongest) in enumerate([(0.05, 1.0), (1.0, 3.0)]):
        run = _run(tmp_path / str(number), 0, noise__weakest=weakest, noise__strongest=strongest)
        words = ["models", "--from", str(run), "--name", "n", "--folder", str(run / "own")]
        assert main.run([*words, str(series_folder)]) == 0
        told.append(json.loads((run / "own" / "n.json").read_text())["noise_hu"])
    assert told[0]["low"] == pytest.approx(30, abs=4)
    assert told[1]["low"] > told[0]["low"]
    assert told[1]["high"] > 2 * told[0]["high"]


def test_a_card_without_paths(tmp_path: Path, series_folder: Path) -> None:
    recipe = bundled()["drunet-any-dose"].with_setting("stopping.seconds", 0.123456789)
    recipe = replace(recipe, cadence=replace(recipe.cadence, save_every_s=7))
    assert on_board_work._train_again([recipe], "n").splitlines()[0] == (
        "ctstudio train drunet-any-dose SERIES... --run FOLDER --set stopping.seconds=0.123456789"
    )
    other = bundled()["dncnn-pairs"]
    mine = replace(other, title=recipe.title)  # parts that no option brings in
    assert on_board_work._train_again([mine], "n").startswith("ctstudio train n.toml SERIES")


def test_what_cannot_be_put_on_board(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["models", "--from", str(run)]) == 2
    folder = ["--folder", str(tmp_path / "there")]
    assert main.run(["models", "--from", str(run), "--name", "a/b", *folder]) == 1
    assert "cannot be a network's name" in capsys.readouterr().err
    for name in ("..", " ", "a\nb", "-x", ""):
        assert main.run(["models", "--from", str(run), f"--name={name}", *folder]) != 0
        assert " name" in capsys.readouterr().err
    for name in ("tv", "scan-alone", "chest-any-dose", "scan-alone-15", "chest-any-dose-5"):
        assert main.run(["models", "--from", str(run), "--name", name, *folder]) == 1
        assert "comes with the program" in capsys.readouterr().err
    recipe = bundled()["unet-masks"]
    checkpoint.save(TrainedModel(recipe, checkpoint.build(recipe), 5), tmp_path / "masks.pt")
    words = ["models", "--from", str(tmp_path / "masks.pt"), "--name", "m", *folder]
    assert main.run(words) == 1
    assert "tells classes" in capsys.readouterr().err
    words = ["models", "--from", str(run), "--name", "m", *folder]
    assert main.run([*words, "--began-with", str(run), "--began-with", str(run)]) == 1
    assert "named twice" in capsys.readouterr().err
    assert not (tmp_path / "there").exists()
    (tmp_path / "file").write_text("kept")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        assert main.run(["models", "--from", str(run), "--name", "m", "--folder", str(place)]) == 1
        told = capsys.readouterr().err
        assert str(place) in told
        assert "inside CT Studio" not in told
    assert (tmp_path / "file").read_text() == "kept"


def test_a_note_stands_in_both_cards(run: Path, tmp_path: Path) -> None:
    words = ["models", "--from", str(run), "--name", "m", "--folder", str(tmp_path / "there")]
    assert main.run([*words, "--note", "Its targets were made by another network."]) == 0
    assert "| Note | Its targets were" in (tmp_path / "there" / "m.md").read_text()
    card = json.loads((tmp_path / "there" / "m.json").read_text())
    assert card["note"] == "Its targets were made by another network."

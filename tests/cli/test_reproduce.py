"""``ctstudio reproduce`` from end to end, on a tiny series."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ctstudio.cli import main
from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress, finish
from ctstudio.learn import checkpoint
from ctstudio.learn.recipe import Recipe, bundled
from ctstudio.workflows.reproduce import experiments as table
from ctstudio.workflows.reproduce.data import load
from ctstudio.workflows.reproduce.gallery import write_gallery
from ctstudio.workflows.reproduce.plan import Wish
from ctstudio.workflows.reproduce.run import finished_forms, reproduce_all

CHOSEN = ("autoencoder-sgd", "residual-2a")
ADDITION = table.find("residual-addition")
ON_MASKS = (table.find("dilated-fcn-paper"), table.find("unet-masks"))
SHORT = ["--epochs", "1", "--slices", "3", "--minutes", "0.01", "--device", "cpu"]


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of two experiments: drawing all of them takes minutes."""
    chosen = tuple(e for e in table.EXPERIMENTS if e.name in CHOSEN)
    monkeypatch.setattr(table, "EXPERIMENTS", chosen)


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
    return -10 * math.log10(np.mean((image - truth) ** 2))


def recomputed(run: Path, hu: np.ndarray, judged: list[int], network: str) -> tuple[float, float]:
    """PSNR in [0, 1] of the noisy slices and of the network's answer, from the run's files."""
    model = checkpoint.load(run / network)
    before, after = [], []
    for z in judged:
        clean = hu[z].astype(np.float32)
        draw = torch.randn(clean.shape, generator=torch.Generator().manual_seed(20_000 + z))
        noisy = torch.from_numpy(clean) + 0.3 * (clean.max() + 1000) * draw
        with torch.no_grad():
            answer = model.module(noisy[None, None].float())[0, 0].double().numpy()
        span = float(clean.max()) + 1000
        truth = (clean.astype(float) + 1000) / span
        before.append(psnr((noisy.double().numpy() + 1000) / span, truth))
        after.append(psnr((answer + 1000) / span, truth))
    return float(np.mean(before)), float(np.mean(after))


def test_all_are_reproduced_then_skipped(
    two: None,
    series_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    read_hu,
) -> None:
    out = tmp_path / "out"
    arguments = ["reproduce", "--all", str(series_folder), *SHORT, "--out", str(out)]
    assert main.run(arguments) == 0
    told = capsys.readouterr()
    assert str(out / "index.html") in told.out
    assert "1 to go, about" in told.err
    hu = read_hu(series_folder)
    for name in CHOSEN:
        folder = out / name
        numbers = json.loads((folder / "report.json").read_text())
        report = (folder / "report.md").read_text()
        assert numbers["judged"] == [3]
        for form, network in (("faithful", "last.pt"), ("repaired", "best.pt")):
            before, after = recomputed(folder / form, hu, [2], network)
            mine = numbers["forms"][form]
            assert mine["noisy"]["psnr_unit"] == pytest.approx(before, abs=1e-3)
            assert mine["numbers"]["psnr_unit"] == pytest.approx(after, abs=1e-3)
            shown = f"{after:.4g}".replace("-", "\N{MINUS SIGN}")
            assert shown in report
            with Image.open(folder / f"figure-{form}.png") as picture:
                # Two by two: 48 px ten times.
                assert picture.mode == "RGB"
                assert picture.width > 2 * 480
                assert picture.height > 2 * 480
            with Image.open(folder / f"epochs-{form}.gif") as film:
                assert film.width > 2 * 256
            with Image.open(folder / f"curves-{form}.png") as curves:
                curves.load()
        with Image.open(folder / "slices.gif") as film:
            assert film.n_frames == 6
        assert numbers["forms"]["faithful"]["epochs"] == 1
        assert numbers["forms"]["faithful"]["slices"] == 3
        # Nobody is to take this for the article's hundred epochs.
        assert re.search(r"It ran for 1 of the article's 10\d epochs, on 3 slices where", report)
        gain = numbers["forms"]["repaired"]["numbers"]["psnr_unit"] - before
        words = "more" if gain > 0 else "less"
        assert f"{abs(gain):.1f} dB {words} than the noisy input" in report
        require_links(folder / "report.md")
    require_links(out / "index.md")
    assert re.search(r"\| \d of 3, after 1 of 100 epochs \|", (out / "index.md").read_text())
    page = (out / "index.html").read_text()
    for link in re.findall(r'(?:src|href)="([^"#]+)"', page):
        assert (out / link).is_file()
    for path in out.rglob("*"):
        if path.suffix in (".md", ".json", ".html", ".toml", ".csv", ".png", ".gif"):
            content = path.read_bytes()
            assert b"Secret" not in content
            assert b"SECRET" not in content
            assert str(series_folder).encode() not in content

    before = {path: path.stat().st_mtime_ns for path in out.glob("*/**/*")}
    assert main.run(arguments) == 0
    told = capsys.readouterr().err
    assert f"skipped: {', '.join(CHOSEN)}" in told
    assert "other settings" not in told
    assert before == {path: path.stat().st_mtime_ns for path in out.glob("*/**/*")}

    # Other settings leave what is finished, and are told; another series has no place here.
    assert main.run([*arguments, "--epochs", "2"]) == 0
    told = capsys.readouterr().err
    assert re.search(r"other settings.*residual-2a \(as in the article: steps 1, now 2\)", told)
    phantom = ["reproduce", "residual-2a", *SHORT, "--out", str(out)]
    monkeypatch.setattr("ctstudio.workflows.reproduce.data.DEMO_SLICES", 3)
    assert main.run(phantom) == 1
    assert f"{out} holds reports of another series: residual-2a." in capsys.readouterr().err
    assert before == {path: path.stat().st_mtime_ns for path in out.glob("*/**/*")}
    # Whoever lost what a finished run was told keeps its report, and the others are compared.
    recipes = sorted(out.glob("residual-2a/*/recipe.toml"))
    assert len(recipes) == 2
    for path, content in zip(recipes, ("", "steps = = 3"), strict=True):
        path.write_text(content)
    assert main.run([*arguments, "--epochs", "2"]) == 0
    told = capsys.readouterr().err
    assert re.search(r"other settings.*autoencoder-sgd", told)
    assert "residual-2a (" not in told


def require_links(file: Path) -> None:
    links = re.findall(r"\]\(([^)]+)\)", file.read_text())
    assert links
    for link in links:
        assert (file.parent / link).is_file(), link


def test_what_was_interrupted_goes_on(two: None, series_folder: Path, tmp_path: Path) -> None:
    wish = Wish(epochs=8, slices=3, minutes=0.005, device="cpu")
    chosen = [table.known()["residual-2a"]]
    out, whole = tmp_path / "out", tmp_path / "whole"
    work = reproduce_all(chosen, lambda: load(series_folder), out, wish)
    for event in work:
        if isinstance(event, Progress) and (event.done, event.total) == (3, 8):
            break
    work.close()
    cut = checkpoint.load(out / "residual-2a" / "faithful" / "last.pt")
    assert 3 <= cut.step < 8
    assert not (out / "residual-2a" / "report.md").exists()
    assert not (out / "index.html").exists()

    finish(reproduce_all(chosen, lambda: load(series_folder), out, wish))
    finish(reproduce_all(chosen, lambda: load(series_folder), whole, wish))
    first, second = (
        checkpoint.load(folder / "residual-2a" / "faithful" / "last.pt") for folder in (out, whole)
    )
    assert first.step == second.step == 8
    for name, weights in first.module.state_dict().items():
        assert torch.equal(weights, second.module.state_dict()[name])
    told = [json.loads((f / "residual-2a" / "report.json").read_text()) for f in (out, whole)]
    same = [t["forms"]["faithful"]["numbers"] for t in told]
    assert same[0] == same[1]
    previews = out / "residual-2a" / "faithful" / "previews"
    assert len(list(previews.glob("step-*.npz"))) == 9  # each epoch, and before the first
    with Image.open(out / "residual-2a" / "epochs-faithful.gif") as film:
        assert film.n_frames == 4  # the first four epochs beside the last four


def with_other_words(experiment: table.Experiment) -> dict[str, Recipe]:
    """The recipes as a later version of the program may have them: a new title, another log."""
    names = experiment.recipe_names
    changes = {"title": "Another title", "cadence.gradient_norms_every": 7}
    recipes = {form: bundled()[name] for form, name in names}
    for key, value in changes.items():
        recipes = {form: made.with_setting(key, value) for form, made in recipes.items()}
    return recipes


def test_one_form_follows_the_other(
    two: None,
    series_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = ["reproduce", "residual-2a", str(series_folder), *SHORT, "--out", str(tmp_path)]
    folder = tmp_path / "residual-2a"
    assert main.run([*arguments, "--form", "repaired"]) == 0
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == ["repaired"]
    first = json.loads((folder / "report.json").read_text())
    assert list(first["forms"]) == ["repaired"]
    require_links(folder / "report.md")
    weights = (folder / "repaired" / "best.pt").read_bytes()
    monkeypatch.setattr(table.Experiment, "forms", with_other_words)
    assert main.run([*arguments, "--form", "faithful"]) == 0
    both = json.loads((folder / "report.json").read_text())
    assert list(both["forms"]) == ["faithful", "repaired"]
    # Of the first form nothing was trained again, although its recipe has another title now.
    assert (folder / "repaired" / "best.pt").read_bytes() == weights
    assert both["forms"]["repaired"]["numbers"] == first["forms"]["repaired"]["numbers"]
    assert both["judged"] == first["judged"]
    require_links(folder / "report.md")
    capsys.readouterr()
    assert main.run(arguments) == 0
    assert "skipped: residual-2a" in capsys.readouterr().err


def test_a_form_that_there_is_not(
    series_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(series_folder), *SHORT, "--out", str(tmp_path), "--form", "faithful"]
    assert main.run(["reproduce", "residual-addition", *arguments]) == 1
    assert "no such form of residual-addition" in capsys.readouterr().err


def test_other_settings_do_not_go_on_with_a_run(
    two: None, series_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wish = Wish(epochs=6, slices=3, minutes=0.005, device="cpu")
    chosen = [table.known()["residual-2a"]]
    work = reproduce_all(chosen, lambda: load(series_folder), tmp_path, wish)
    for event in work:
        begun = isinstance(event, Progress) and "as in the article" in event.text
        if begun and (event.done, event.total) == (2, 6):
            break
    work.close()
    arguments = ["residual-2a", str(series_folder), *SHORT, "--out", str(tmp_path)]
    assert main.run(["reproduce", *arguments]) == 1
    assert "other settings: steps 6, now 1." in capsys.readouterr().err
    run = tmp_path / "residual-2a" / "faithful"
    (run / "last.pt").write_bytes((run / "last.pt").read_bytes()[:500])
    with pytest.raises(StudioError, match=r"last\.pt") as caught:
        finish(reproduce_all(chosen, lambda: load(series_folder), tmp_path, wish))
    assert caught.value.hint == f"Delete {run} to train this form anew."
    (run / "recipe.toml").write_text("")
    assert main.run(["reproduce", *arguments]) == 1
    assert "its recipe.toml is empty" in capsys.readouterr().err


def test_another_form_of_other_settings_is_refused_before_the_training(
    two: None, series_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["reproduce", "residual-2a", str(series_folder), "--out", str(tmp_path)]
    assert main.run([*arguments, *SHORT, "--form", "repaired"]) == 0
    longer = [*SHORT, "--minutes", "7"]
    assert main.run([*arguments, *longer, "--form", "faithful"]) == 1
    assert "other settings: stopping.seconds" in capsys.readouterr().err
    assert not (tmp_path / "residual-2a" / "faithful").exists()


def test_one_failure_does_not_end_the_others(
    two: None,
    series_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "autoencoder-sgd").write_text("in the way")
    monkeypatch.setattr(table, "EXPERIMENTS", (*table.EXPERIMENTS[:1], ADDITION, *ON_MASKS))
    arguments = ["reproduce", "--all", str(series_folder), *SHORT, "--out", str(tmp_path)]
    assert main.run(arguments) == 1
    told = capsys.readouterr().err
    assert "3 of 4 experiments could not be reproduced." in told
    # One reason is told once, with all that it holds for.
    assert f"{ON_MASKS[0].title}, {ON_MASKS[1].title}: There are no masks in" in told
    assert "Autoencoder, plain SGD: Cannot write" in told
    assert (tmp_path / "residual-addition" / "report.md").is_file()
    assert "residual-addition/report.md" in (tmp_path / "index.md").read_text()


def test_list_and_wrong_usage(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main.run(["reproduce", "--list"]) == 0
    listed = capsys.readouterr().out
    lines = [line for line in listed.splitlines() if line]
    named = [line.split()[0] for line in lines if line.startswith("  ")]
    assert sorted(named) == sorted(table.known())
    # Each article has one heading, in their order, and its runs below it.
    heads = [line for line in lines if not line.startswith("  ")]
    assert [head[:6] for head in heads[:4]] == ["Part 1", "Part 2", "Part 3", "Part 4"]
    assert len(set(heads)) == len(heads)
    assert lines.index(heads[2]) < lines.index(heads[3])
    assert named.index("adversarial-vanilla") < named.index("article4-automatic")
    assert "Pitch black." in listed
    assert main.run(["reproduce", "--out", str(tmp_path)]) == 2
    assert main.run(["reproduce", "residual-1a"]) == 2
    assert main.run(["reproduce", "--all", "one", "two", "--out", str(tmp_path)]) == 2
    assert main.run(["reproduce", "residual-9", "--out", str(tmp_path)]) == 1
    assert "Did you mean" in capsys.readouterr().err
    assert main.run(["reproduce", "teaching-depth-3x8", "--out", str(tmp_path)]) == 1
    assert "ctstudio train teaching-depth-3x8" in capsys.readouterr().err


@pytest.mark.parametrize(
    "damage",
    [
        None,
        "",
        "[]",
        "7",
        '{"name": "residual-1a"}',
        "{} {}",
        '{"name": "residual-1a", "forms": {"faithful": 1}}',
    ],
)
def test_a_damaged_report_ends_nothing(damage: str | None, tmp_path: Path) -> None:
    """A gallery is made of the others, and the experiment counts as unfinished."""
    folder = tmp_path / "residual-1a"
    folder.mkdir()
    (folder / "report.md").write_text("# Residual 1a")
    if damage is not None:
        (folder / "report.json").write_text(damage)
    assert finished_forms(tmp_path, table.find("residual-1a")) == set()
    assert "residual-1a" not in write_gallery(tmp_path).read_text()


@pytest.mark.parametrize("minutes", ["nan", "inf", "0", "-1"])
def test_minutes_that_are_none_are_refused_at_once(
    minutes: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["reproduce", "residual-1a", "--minutes", minutes, "--out", str(out)]
    assert main.run(arguments) == 2
    assert "--minutes" in capsys.readouterr().err
    assert not out.exists()

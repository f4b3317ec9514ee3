"""The history of trainings: what a folder of runs tells."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress, Work, finish
from ctstudio.learn.saved_step import saved_step
from ctstudio.workflows import runs
from ctstudio.workflows.run_settings import brief, differences, flatten, in_words, short_key, usual

Make = Callable[..., Path]


def scan(folder: Path) -> dict[str, runs.RunSummary]:
    return {run.name: run for run in finish(runs.scan_runs(folder))}


def log_row(folder: Path, **values: object) -> None:
    file = folder / "metrics.csv"
    columns = file.read_text().splitlines()[0].split(",")
    with file.open("a") as stream:
        stream.write(",".join(str(values.get(name, "")) for name in columns) + "\n")


def test_a_run_at_a_glance(make_run: Make) -> None:
    folder = make_run("one", {"phases.0.steps": 40})
    (folder.parent / "notes").mkdir()
    (folder.parent / "notes.txt").write_text("no run")
    (run,) = scan(folder.parent).values()
    assert (run.name, run.title, run.state, run.reason) == ("one", "Made up", "finished", "")
    assert (run.steps, run.total_steps, run.seconds) == (40, 40, 10.0)
    assert (run.protocol, run.best_step) == ("A", 40)
    assert run.best == {"psnr": 70.0, "ssim": 0.9, "rmse": 8.0}
    assert run.baseline == {"psnr": 29.0, "ssim": 0.8, "rmse": 12.0}
    assert run.network == folder / "best.pt"
    assert not run.can_continue
    assert run.begun == 1_700_000_000
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= run.size_bytes
    assert run.settings["phases.0.steps"] == 40
    assert scan(folder) == {"one": run}  # a run is a folder of one


def test_the_best_is_that_of_the_lowest_rmse(make_run: Make) -> None:
    folder = make_run("one")
    noisy = {"noisy_psnr": 29, "noisy_ssim": 0.8, "noisy_rmse": 12, "protocol": "A"}
    log_row(folder, step=40, seconds=12, psnr=33, ssim=0.91, rmse=7.5, **noisy)
    log_row(folder, step=41, seconds=13, psnr=31, ssim=0.90, rmse=9.5, **noisy)
    run = scan(folder)["one"]
    assert run.best == {"psnr": 33.0, "ssim": 0.91, "rmse": 7.5}
    assert (run.best_step, run.steps) == (40, 41)


def test_runs_that_were_judged_otherwise(make_run: Make) -> None:
    """An older version had no Dice coefficient; a task without truth has its loss alone."""
    head = "step,epoch,seconds,lr,loss,protocol,psnr,ssim,rmse,noisy_psnr,noisy_ssim,noisy_rmse\n"
    older, blind, classes = (make_run(name) for name in ("older", "blind", "classes"))
    (older / "metrics.csv").write_text(head + "1,0,1,0.1,5,,,,,,,\n1,,1,,,A,30,0.9,9,29,0.8,10\n")
    (blind / "metrics.csv").write_text(head + "1,,1,,4,A,,,,,,\n2,,2,,3,A,,,,,,\n3,,3,,6,A,,,,,,\n")
    head = "step,epoch,seconds,lr,loss,protocol,psnr,dice,noisy_psnr,noisy_dice\n"
    (classes / "metrics.csv").write_text(head + "1,,1,,,pooled,,0.5,,\n2,,2,,,pooled,,0.4,,\n")
    found = scan(older.parent)
    assert found["older"].best == {"psnr": 30.0, "ssim": 0.9, "rmse": 9.0}
    assert found["older"].baseline == {"psnr": 29.0, "ssim": 0.8, "rmse": 10.0}
    assert (found["blind"].best, found["blind"].best_step) == ({"loss": 3.0}, 2)
    np.testing.assert_array_equal(runs.load_history(blind).validation["loss"], [4, 3, 6])
    assert (found["classes"].best, found["classes"].best_step) == ({"dice": 0.5}, 1)
    assert found["classes"].protocol == "pooled"
    assert {run.reason for run in found.values()} == {""}
    assert list(runs.load_history(older).validation) == ["psnr", "ssim", "rmse"]
    np.testing.assert_array_equal(runs.load_history(classes).validation["dice"], [0.5, 0.4])


def test_noise_that_no_task_makes_is_no_difference(make_run: Make) -> None:
    for name, task, photons in (("a", "synthetic", 1e5), ("b", "synthetic", 2e5),
                                ("c", "pairs", 3e5), ("d", "noise2void", 4e5)):  # fmt: skip
        folder = make_run(name, {"task": task, "noise": "low_dose", "noise.photons": photons})
    found = scan(folder.parent)
    told = {
        pair: set(differences(found[pair[0]].settings, found[pair[1]].settings))
        for pair in ("ab", "ac", "cd")
    }
    assert told["ab"] == {"noise.photons"}
    for pair in ("ac", "cd"):
        assert "task.name" in told[pair]
        assert not [key for key in told[pair] if key.startswith("noise")]


def test_dice_is_told_where_a_loss_has_the_same_name(make_run: Make) -> None:
    folder = make_run("classes", labels=True)
    head = (folder / "metrics.csv").read_text().splitlines()[0].split(",")
    assert head.count("dice") == 2
    assert scan(folder.parent)["classes"].best == {"dice": 0.75}
    history = runs.load_history(folder)
    assert history.validation.keys() == {"dice"}
    np.testing.assert_array_equal(history.validation["dice"], [0.75] * 4)
    np.testing.assert_allclose(history.losses["dice"], 1 / np.arange(1, 41), rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "state"),
    [
        ({"phases.0.steps": 41}, "stopped"),
        ({"phases.0.steps": 40}, "finished"),
        ({"stopping.seconds": 10.4}, "finished"),
        ({"stopping.seconds": 60}, "stopped"),
        ({"stopping.patience": 3, "stopping.least_gain": 2}, "finished"),  # 11, 10, 9, 8 HU
        ({"stopping.patience": 4, "stopping.least_gain": 2}, "stopped"),
    ],
)
def test_finished_or_stopped(make_run: Make, settings: dict[str, object], state: str) -> None:
    run = scan(make_run("one", settings))["one"]
    assert run.state == state
    assert run.can_continue == (state == "stopped")


def test_a_running_training_is_told_and_not_disturbed(make_run: Make) -> None:
    folder = make_run("one")
    with FileLock(folder / ".lock"):
        assert scan(folder)["one"].state == "running"
        with pytest.raises(StudioError, match="running"):
            runs.trash(folder)
    assert scan(folder)["one"].state == "stopped"
    with FileLock(folder / ".lock", timeout=0):  # looking let go of it
        assert folder.is_dir()


def test_runs_come_newest_first_with_progress(make_run: Make) -> None:
    for name, age in (("b", 20), ("c", 10), ("a", 30)):
        folder = make_run(name, age_s=age)

    def heard() -> Work[list[runs.RunSummary]]:
        result = yield from runs.scan_runs(folder.parent)
        assert [run.name for run in result] == ["c", "b", "a"]
        return result

    events = list(heard())
    assert events == [Progress(done, 3, "Reading trainings") for done in range(3)]


def test_what_has_not_changed_is_not_read_again(make_run: Make) -> None:
    make_run("same")
    folder = make_run("grown")
    before = scan(folder.parent)
    log_row(folder, step=41, seconds=11, lr=0.001, loss=0.02, mse=0.02)
    after = {r.name: r for r in finish(runs.scan_runs(folder.parent, before.values()))}
    assert after["same"] is before["same"]
    assert (before["grown"].steps, after["grown"].steps) == (40, 41)
    with FileLock(folder / ".lock"):
        held = {r.name: r for r in finish(runs.scan_runs(folder.parent, after.values()))}
    assert (held["grown"].state, held["same"]) == ("running", before["same"])


def _cut_off(folder: Path) -> None:
    text = (folder / "metrics.csv").read_text()
    (folder / "metrics.csv").write_text(text[: text.rindex("\n", 0, -1) + 4])


def _another_version(folder: Path) -> None:
    text = (folder / "recipe.toml").read_text()
    (folder / "recipe.toml").write_text('from_the_future = "yes"\n' + text)


@pytest.mark.parametrize(
    ("harm", "state", "words"),
    [
        (lambda f: (f / "recipe.toml").write_text("title = "), "damaged", "not valid TOML"),
        (lambda f: (f / "recipe.toml").write_bytes(b"\xff\xfe"), "damaged", "not a text file"),
        (lambda f: (f / "recipe.toml").unlink(), "damaged", "does not exist"),
        (_another_version, "damaged", "from_the_future"),
        (lambda f: (f / "metrics.csv").write_bytes(b"\x89PNG\r\n\xff"), "damaged", "metrics.csv"),
        (lambda f: (f / "metrics.csv").write_text("a,b\n1,2\n"), "damaged", "metrics.csv"),
        (lambda f: (f / "best.pt").write_bytes(b"PK\3\4 half"), "damaged", "best.pt"),
        (lambda f: [(f / n).unlink() for n in ("best.pt", "last.pt")], "failed", "saved"),
        (
            lambda f: log_row(f, step=41, seconds="inf"),
            "damaged",
            "metrics.csv is damaged (line 46)",
        ),
        (lambda f: log_row(f, step=41, seconds=1e300), "damaged", "metrics.csv"),
        (lambda f: log_row(f, step=41, epoch="1e400", seconds=11), "damaged", "metrics.csv"),
        (lambda f: log_row(f, step="nan", seconds=11), "damaged", "metrics.csv"),
        (lambda f: log_row(f, step="9" * 5000, seconds=11), "damaged", "metrics.csv"),
        (lambda f: log_row(f, step="\u00b2", seconds=11), "damaged", "metrics.csv"),
        (lambda f: log_row(f, step=41, loss="9" * 200_000), "damaged", "metrics.csv"),
        (lambda f: (f / "metrics.csv").unlink(), "stopped", ""),
        (_cut_off, "stopped", ""),
    ],
)
def test_a_damaged_run_is_listed_with_its_reason(
    make_run: Make, harm: Callable[[Path], object], state: str, words: str
) -> None:
    whole, broken = make_run("whole"), make_run("broken")
    harm(broken)
    found = scan(whole.parent)
    assert found["whole"].state == "stopped"
    assert found["broken"].state == state
    assert words in found["broken"].reason
    assert bool(words) == bool(found["broken"].reason)
    assert str(broken) not in found["broken"].reason


def test_a_list_with_damaged_figures_is_printed(
    make_run: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    from ctstudio.cli import main

    folder = make_run("whole").parent
    log_row(make_run("far"), step=10**14, seconds=1e300)
    log_row(make_run("odd"), step=41, seconds="nan", protocol="A", rmse="inf")
    assert main.run(["runs", str(folder)]) == 0
    told = capsys.readouterr().out
    assert [word in told for word in ("whole", "far", "odd")] == [True] * 3
    assert told.count("metrics.csv is damaged") == 2


def test_a_network_that_could_not_be_saved_is_not_the_best(make_run: Make) -> None:
    """A full disk takes rows for longer than networks."""
    import torch

    folder = make_run("one", {"phases.0.steps": 40})
    for name, step in (("best.pt", 20), ("last.pt", 30)):
        torch.save({"format": "x", "recipe": "steps = 9", "step": step}, folder / name)
        assert saved_step(folder / name) == step
    run = scan(folder)["one"]
    assert (run.state, run.can_continue, run.best_step) == ("stopped", True, 20)
    assert run.best["rmse"] == 10  # HU, as at step 20
    assert "after 30 were not saved" in run.reason
    torch.save({"step": 40}, folder / "last.pt")
    assert scan(folder)["one"].state == "finished"
    (folder / "last.pt").write_bytes(b"half")
    assert saved_step(folder / "last.pt") is None


def test_what_nobody_foresaw_does_not_end_the_list(
    make_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run("b")
    folder = make_run("a").parent
    summarise = runs.summarise

    def fail(path: Path) -> runs.RunSummary:
        if path.name == "a":
            raise RecursionError("too deep")
        return summarise(path)

    monkeypatch.setattr(runs, "summarise", fail)
    found = scan(folder)
    assert (found["a"].state, found["b"].state) == ("damaged", "stopped")
    assert "too deep" in found["a"].reason


def test_no_folder_has_no_runs(tmp_path: Path) -> None:
    assert scan(tmp_path / "nowhere") == {}
    (tmp_path / "file").write_text("")
    with pytest.raises(StudioError, match="Cannot read"):
        scan(tmp_path / "file")


def test_in_what_recipes_differ(make_run: Make) -> None:
    make_run("a", age_s=3)
    make_run("b", {"phases.0.optimiser.lr": 3e-4, "batch": 4}, age_s=2)
    folder = make_run("c", {"noise": "gaussian", "title": "Other"}, age_s=1)
    found = scan(folder.parent)
    most = usual([run.settings for run in found.values()])
    assert differences(found["a"].settings, most) == {}
    rate = found["a"].settings["phases.0.optimiser.lr"]
    assert differences(found["b"].settings, most) == {
        "batch": (4, found["a"].settings["batch"]),
        "phases.0.optimiser.lr": (3e-4, rate),
    }
    assert brief(differences(found["b"].settings, most)) == [("batch", "4"), ("lr", "0.0003")]
    # Another noise has other settings; its name is enough in a line, not in a table.
    changed = differences(found["c"].settings, found["a"].settings)
    assert changed["noise.name"] == ("gaussian", "low_dose")
    assert changed["noise.dose"] == (None, found["a"].settings["noise.dose"])
    assert brief(changed) == [("noise", "gaussian")]


def test_short_names_of_settings() -> None:
    short = {
        "phases.0.optimiser.lr": "lr",
        "phases.0.optimiser.name": "optimiser",
        "phases.0.optimiser.schedule.name": "schedule",
        "phases.0.optimiser.schedule.warm_up": "schedule.warm_up",
        "phases.0.losses.0.name": "loss",
        "phases.0.model.name": "model",
        "phases.0.losses.1.weight": "losses.1.weight",
        "phases.0.steps": "steps",
        "phases.1.steps": "phases.1.steps",
        "noise.dose": "noise.dose",
    }
    assert {key: short_key(key) for key in short} == short


def test_settings_by_path() -> None:
    nested = {"a": 1, "b": {"c": [True, {"d": 0.5}]}, "empty": []}
    assert flatten(nested) == {"a": 1, "b.c.0": True, "b.c.1.d": 0.5}
    assert [in_words(v) for v in (True, 1e-4, "x", 3, None)] == ["true", "0.0001", "x", "3", "-"]


def test_curves_and_pictures_of_a_run(make_run: Make) -> None:
    folder = make_run("one", steps=20, side_px=150)
    history = runs.load_history(folder)
    np.testing.assert_array_equal(history.step, np.arange(1, 21))
    np.testing.assert_allclose(history.losses["loss"], 1 / np.arange(1, 21), rtol=1e-6)
    assert list(history.losses) == ["loss"]  # its only term is the same
    np.testing.assert_array_equal(history.validation_step, [10, 20])
    np.testing.assert_allclose(history.validation["rmse"], [10, 8])
    assert history.baseline == {"psnr": 29.0, "ssim": 0.8, "rmse": 12.0}
    preview = runs.preview_at(folder)
    assert preview is not None
    assert (preview.step, preview.slice) == (20, 3)
    assert (preview.panels["reconstruction"] == 20).all()
    for step, made in ((0, 0), (19, 0), (20, 20), (99, 20), (-1, 0)):
        earlier = runs.preview_at(folder, step)
        assert earlier is not None
        assert earlier.step == made
    found = runs.thumbnail(folder)
    assert found is not None
    small, labels = found
    assert not labels
    assert small.shape == (75, 75)
    assert (small == 20).all()


def test_a_run_without_pictures(make_run: Make) -> None:
    folder = make_run("one")
    for file in (folder / "previews").iterdir():
        file.unlink()
    assert runs.preview_at(folder) is None
    assert runs.thumbnail(folder) is None
    (folder / "previews" / "step-00000001.npz").write_bytes(b"PK\3\4 half")
    assert runs.thumbnail(folder) is None
    assert runs.preview_at(folder) is None
    (folder / "previews" / "still.npz").write_bytes(b"PK\3\4 half")
    with pytest.raises(StudioError, match="damaged"):
        runs.preview_at(folder)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="looks into the free desktop's bin")
def test_trash_moves_the_run_to_the_bin(make_run: Make, tmp_path: Path) -> None:
    folder = make_run("old one")
    environment = os.environ | {"XDG_DATA_HOME": str(tmp_path / "share")}
    code = "import sys; from ctstudio.workflows.runs import trash; trash(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, str(folder)], env=environment, check=True)
    assert not folder.exists()
    kept = tmp_path / "share" / "Trash" / "files" / "old one"
    assert (kept / "recipe.toml").is_file()
    with pytest.raises(StudioError, match="not the folder of a training"):
        runs.trash(tmp_path)


def test_where_there_is_no_bin(make_run: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    import send2trash

    def refuse(path: object) -> None:
        raise PermissionError(13, "no bin on this disk")

    monkeypatch.setattr(send2trash, "send2trash", refuse)
    folder = make_run("one")
    with pytest.raises(StudioError, match="bin") as caught:
        runs.trash(folder)
    assert "no bin on this disk" in caught.value.details
    assert folder.is_dir()


def test_to_list_runs_needs_no_torch(make_run: Make) -> None:
    folder = make_run("one")
    code = (
        "import sys; from pathlib import Path; from ctstudio.core.events import finish\n"
        "from ctstudio.workflows import runs\n"
        "(run,) = finish(runs.scan_runs(Path(sys.argv[1])))\n"
        "runs.load_history(run.folder); runs.preview_at(run.folder)\n"
        "assert not {'torch', 'PySide6'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(folder.parent)], check=True)

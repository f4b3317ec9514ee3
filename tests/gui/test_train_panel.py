"""Training in the window: live pictures and curves, pause, stop, and a network to use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFileDialog

from ctstudio.core.registry import Choice
from ctstudio.ct.metrics import evaluate
from ctstudio.ct.volume import Volume
from ctstudio.gui import app
from ctstudio.gui.forms.text_dialog import TextDialog
from tests.gui.tiny_recipe import tiny

LIVE = [
    "Training: noisy",
    "Training: reconstruction",
    "Training: target",
    "Training: reconstruction \N{MINUS SIGN} noisy",
]


@pytest.fixture
def trainer(hands: Any, thin: Any) -> Any:
    """The window with the engine loaded, the thin series open and the Train panel in front."""
    hands.program.load_engine()
    hands.open(thin)
    hands.wait(lambda: hands.program.engine is not None, "for the engine")
    hands.idle()
    hands.window.tabs.setCurrentIndex(1)
    hands.panel = hands.window.train_panel
    hands.panel.form.set_recipe(tiny())
    return hands


def steps(hands: Any) -> int:
    run = hands.session.run
    return run.history.step[-1] if run is not None and run.history.step else 0


def shown(hands: Any) -> list[str]:
    return [pane.layer.name if pane.layer else "" for pane in hands.grid.visible_panes]


def stop(hands: Any) -> None:
    hands.press(hands.panel.controls.stop)
    hands.idle("train")


def test_engine_fills_the_form(trainer: Any) -> None:
    window, panel = trainer.window, trainer.panel
    assert window.device_badge.text().startswith(f"{trainer.program.engine.device}   ")
    assert panel.controls.start.isEnabled()
    assert panel.source.currentText() == "Thin slab"
    assert panel.form.recipe_box.count() >= 3
    assert panel.form.recipe() == tiny(), "the form gives back what was put in"


def test_engine_that_cannot_load_is_told(hands: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Any:
        raise ImportError("no such library")
        yield

    monkeypatch.setattr(app, "warm_up", fail)
    hands.program.load_engine()
    hands.idle()
    assert "ImportError" in hands.banner()
    assert hands.window.device_badge.device == "no engine"
    assert not hands.window.train_panel.controls.start.isEnabled()


def test_watch_pause_stop_and_use(trainer: Any, thin: Any) -> None:
    window, panel = trainer.window, trainer.panel
    trainer.grid.go_to(5)
    assert not window.curves_dock.isVisible()
    trainer.press(panel.controls.start)
    assert not panel.controls.start.isEnabled()
    assert not panel.form.sections["training"].isEnabled()
    trainer.wait(lambda: steps(trainer) > 10, "for the first steps")
    assert shown(trainer) == LIVE
    assert trainer.grid.layout_name == "2x2"
    assert window.curves_dock.isVisible()
    run = trainer.session.run
    assert run.slice_index == 5
    noisy, reconstruction, target, residual = (p.view.hu for p in trainer.grid.visible_panes)
    assert np.array_equal(target, thin.hu[5])
    assert np.array_equal(residual, reconstruction - noisy)
    assert 15 < (noisy - target).std() < 35

    trainer.press(panel.controls.pause)
    assert panel.controls.pause.text() == "Resume"
    trainer.pause(150)
    count = steps(trainer)
    trainer.pause(150)
    assert steps(trainer) == count
    assert "Paused" in window.job_strip._text.text()
    trainer.press(panel.controls.pause)
    trainer.wait(lambda: steps(trainer) > count + 20)
    trainer.wait(lambda: len(run.previews) > 1 and run.history.validation_step)
    trainer.wait(lambda: panel.numbers.labels["step"].text() not in ("-", ""))
    assert float(panel.numbers.labels["loss"].text()) > 0

    stop(trainer)
    assert run.state == "stopped"
    assert (run.folder / "last.pt").exists()
    window.curves.update_now()
    live = window.curves.runs[0]
    loss = window.curves.plots["loss"].items_by_line
    x, y = loss[live, "each step"].getOriginalDataset()
    assert np.array_equal(x, run.history.step)
    assert np.array_equal(y, run.history.total_loss)
    psnr = window.curves.plots["psnr"].items_by_line
    assert len(psnr[live, "network"].getOriginalDataset()[0]) > 0
    assert panel.controls.start.isEnabled()
    last, kept = steps(trainer), run.model.step
    best = f", best after {kept}" if kept < last else ""
    assert f"({last} steps{best})" in panel._status.text()

    trainer.press(panel.controls.use)
    denoise = window.denoise_panel
    assert window.tabs.currentIndex() == 0
    assert denoise.method.currentText().startswith("Network: ")
    assert not denoise.form.isVisible()
    trainer.session.hang.emit([trainer.layer("Thin slab")])
    trainer.press(denoise.preview)
    trainer.wait(lambda: not trainer.session.jobs.busy("preview") and len(shown(trainer)) == 3)
    from ctstudio.learn.apply import denoise_slice

    view = trainer.grid.visible_panes[1].view
    expected = denoise_slice(thin.hu[view.index].astype(np.float32), run.model)
    assert np.allclose(view.hu, expected, atol=1e-3)
    trainer.press(denoise.apply_button)
    trainer.idle("denoise")
    layer = next(la for la in trainer.session.layers if la.kind == "denoised")
    assert layer.complete
    assert np.allclose(layer.stack.slice_hu(view.index), expected, atol=1e-2)
    assert trainer.banner() == ""


def test_runs_to_its_end_and_again(trainer: Any) -> None:
    panel = trainer.panel
    trained: list[Any] = []
    panel.trained.connect(trained.append)
    panel.form.set_recipe(tiny(phases__0__steps=25))
    for number in (1, 2):
        trainer.press(panel.controls.start)
        trainer.idle("train")
        run = trainer.session.run
        assert run.state == "finished"
        assert list(run.history.step) == list(range(1, 26))
        assert len(trained) == number
        assert run.model is trained[-1]
        assert panel.numbers.labels["step"].text() == "25 of 25"
        assert panel.numbers.labels["left"].text() == "-"
        metrics = run.history.metrics
        assert panel.numbers.labels["psnr"].text() == f"{metrics['psnr'][-1]:.2f} dB"
        assert panel.numbers.protocol.text() == "protocol A, held-out slices"
        assert (run.folder / "best.pt").exists()
    names = [layer.name for layer in trainer.session.layers]
    assert names == ["Thin slab", *LIVE], "the second run's pictures replace the first's"
    methods = trainer.window.denoise_panel.method
    networks = [k for k in range(methods.count()) if methods.itemText(k).startswith("Network")]
    assert len(networks) == 2
    folders = sorted((trainer.program.window.train_panel._runs_folder).iterdir())
    assert len(folders) == 2


def test_timeline_shows_earlier_pictures(trainer: Any) -> None:
    window, panel = trainer.window, trainer.panel
    trainer.press(panel.controls.start)
    trainer.wait(lambda: trainer.session.run.previews and len(trainer.session.run.previews) > 2)
    stop(trainer)
    run, timeline = trainer.session.run, window.timeline
    assert timeline.slider.maximum() == len(run.previews) - 1
    assert timeline.following
    reconstruction, residual = (trainer.grid.visible_panes[k].view for k in (1, 3))
    newest = reconstruction.hu.copy()
    timeline.slider.setValue(0)
    assert not timeline.following
    assert np.array_equal(reconstruction.hu, run.previews[0].reconstruction)
    noisy = trainer.grid.visible_panes[0].view.hu
    assert np.array_equal(residual.hu, reconstruction.hu - noisy)
    assert "Step 0" in timeline._label.text()
    assert not np.array_equal(reconstruction.hu, newest)
    timeline.slider.setValue(timeline.slider.maximum())
    assert np.abs(reconstruction.hu - newest).max() <= 0.5, "kept in whole HU"
    trainer.press(timeline._play)
    trainer.wait(lambda: timeline.slider.value() == timeline.slider.maximum())


def test_the_comparison_names_the_step_that_is_shown(trainer: Any) -> None:
    window, panel = trainer.window, trainer.panel
    trainer.press(panel.controls.start)
    trainer.wait(lambda: trainer.session.run.previews and len(trainer.session.run.previews) > 2)
    stop(trainer)
    compare, run = window.compare_panel, trainer.session.run
    window.tabs.setCurrentIndex(3)

    def rows() -> dict[str, str]:
        trainer.pause(10)
        trainer.wait(
            lambda: not compare._settle.isActive() and not trainer.session.jobs.busy("metrics")
        )
        table = compare.table
        cells = [[table.item(k, c).text() for c in (0, 1)] for k in range(table.rowCount())]
        return dict(cells)

    newest = f"Reconstruction\nstep {run.newest.step:,}"
    assert set(rows()) == {"Noisy", newest, "Target"}
    window.timeline.slider.setValue(0)
    first = rows()
    assert set(first) == {"Noisy", "Reconstruction\nstep 0", "Target"}
    layer = next(la for la in trainer.session.layers if la.name == "Training: reconstruction")
    assert compare.caption(layer).endswith(", step 0)")
    expected = evaluate(
        run.previews[0].reconstruction.astype(np.float32), run.newest.panels["target"],
        compare.protocol.currentData(),
    )  # fmt: skip
    assert first["Reconstruction\nstep 0"] == f"{expected['psnr']:.2f}"
    window.timeline.follow()
    assert newest in rows()


def test_a_second_start_is_refused(trainer: Any) -> None:
    panel = trainer.panel
    trainer.press(panel.controls.start)
    trainer.wait(lambda: steps(trainer) > 0)
    run = trainer.session.run
    assert not panel.controls.start.isEnabled()
    assert "running" in panel.controls.start.toolTip()
    assert panel.start() is None
    assert trainer.session.run is run
    assert "running already" in trainer.window.message_label.text()
    stop(trainer)


def test_stop_before_the_first_step(trainer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = trainer.panel
    trainer.press(panel.controls.start)
    trainer.press(panel.controls.stop)
    trainer.idle("train")
    assert trainer.session.run.state == "stopped"
    assert panel.controls.start.isEnabled()
    if not trainer.session.run.history.step:
        assert "no network" in panel._status.text()
        assert trainer.session.models == []
    assert trainer.banner() == ""


def test_a_recipe_that_fails_is_told(trainer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = trainer.panel
    # A value that the form would not let through.
    box = panel.form.sections["training"].form.editor("batch").box
    box.setRange(-10, 10)
    box.setValue(-3)
    trainer.press(panel.controls.start)
    assert not trainer.session.jobs.busy("train")
    assert "batch = -3 is out of range" in trainer.banner()
    # One that only the training finds out about.
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    panel.form.set_recipe(tiny(phases__0__steps=2, device="cuda"))
    trainer.press(panel.controls.start)
    trainer.idle("train")
    assert trainer.session.run.state == "failed"
    assert "'cuda' is not available" in trainer.banner()
    assert panel._status.text() == "The training failed."
    assert panel.controls.start.isEnabled()


def test_a_runs_folder_that_cannot_be_made_is_told(trainer: Any) -> None:
    panel = trainer.panel
    panel.form.set_recipe(tiny(phases__0__steps=2))
    folder = panel._runs_folder
    folder.write_text("a file where the folder should be")
    trainer.press(panel.controls.start)
    trainer.idle("train")
    assert trainer.session.run.state == "failed"
    assert str(folder) in trainer.banner()
    folder.unlink()
    trainer.press(panel.controls.start)
    trainer.idle("train")
    assert trainer.session.run.state == "finished"


def test_recipe_as_text(trainer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    form = trainer.panel.form
    problems: list[str] = []

    def edit(dialog: TextDialog) -> int:
        ok = dialog.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Ok)
        text = dialog.editor.toPlainText()
        for wrong in (text + "\n= 3", text.replace("batch = 2", "batch = -7"),
                      text.replace("batch = 2", "bacth = 2")):  # fmt: skip
            dialog.editor.setPlainText(wrong)
            ok.click()
            assert dialog.result() == 0, "it stays open"
            problems.append(dialog.problem.text())
        dialog.editor.setPlainText(text.replace("batch = 2", "batch = 3"))
        ok.click()
        return dialog.result()

    monkeypatch.setattr(TextDialog, "exec", edit, raising=False)
    trainer.press(form.edit_button)
    assert form.recipe() == tiny(batch=3)
    assert "TOML" in problems[0]
    assert "-7" in problems[1]
    assert "Did you mean 'batch'?" in problems[2]
    monkeypatch.setattr(TextDialog, "exec", lambda dialog: 0, raising=False)
    trainer.press(form.edit_button)
    assert form.recipe() == tiny(batch=3), "Cancel changes nothing"


def test_recipe_to_a_file_and_back(
    trainer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = trainer.panel.form
    path = tmp_path / "mine.toml"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: (str(path), ""))
    trainer.press(form.save_button)
    assert path.exists()
    form.set_recipe(tiny(batch=5, title="Other"))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *a, **k: (str(path), ""))
    box = form.recipe_box
    box.setCurrentIndex(box.count() - 1)
    box.activated.emit(box.count() - 1)
    assert form.recipe() == tiny()
    assert box.currentText() == "Tiny"
    path.write_text("batch = 'many'")
    box.setCurrentIndex(box.count() - 1)
    box.activated.emit(box.count() - 1)
    assert str(path) in trainer.banner()
    assert form.recipe() == tiny()


def test_closing_the_window_during_training_saves(trainer: Any) -> None:
    window = trainer.window
    trainer.press(trainer.panel.controls.start)
    trainer.wait(lambda: steps(trainer) > 5)
    run = trainer.session.run
    window.close()
    assert window.isVisible(), "it waits for the network to be saved"
    window.close()
    trainer.wait(lambda: not window.isVisible())
    assert not trainer.session.jobs.busy()
    assert run.state == "stopped"
    from ctstudio.learn.checkpoint import load

    assert load(run.folder / "last.pt").step >= 5


def test_closing_the_series_during_training(trainer: Any) -> None:
    trainer.press(trainer.panel.controls.start)
    trainer.wait(lambda: steps(trainer) > 5)
    trainer.session.remove_layer(trainer.layer("Thin slab"))
    assert trainer.window.empty.isVisible()
    count = steps(trainer)
    trainer.wait(lambda: steps(trainer) > count + 50)
    stop(trainer)
    assert trainer.session.run.model is not None
    assert trainer.banner() == ""
    assert not trainer.panel.controls.start.isEnabled()


def test_one_may_work_on_during_training(trainer: Any, thick: Any) -> None:
    trainer.press(trainer.panel.controls.start)
    trainer.wait(lambda: steps(trainer) > 5)
    trainer.open(thick)
    assert np.array_equal(trainer.view.hu, thick.hu[trainer.view.index])
    denoise = trainer.window.denoise_panel
    denoise.choose("bilateral")
    trainer.press(denoise.apply_button)
    trainer.idle("denoise")
    assert trainer.layer("Bilateral filter").root.name == "Thick slab"
    assert trainer.panel.source.count() == 2
    stop(trainer)
    assert trainer.session.run.model is not None
    assert trainer.session.run.source.name == "Thin slab"


def test_a_run_folder_knows_no_patient(trainer: Any) -> None:
    trainer.panel.form.set_recipe(tiny(phases__0__steps=5))
    trainer.press(trainer.panel.controls.start)
    trainer.idle("train")
    files = [p for p in trainer.session.run.folder.rglob("*") if p.is_file()]
    assert {"recipe.toml", "metrics.csv", "last.pt"} <= {p.name for p in files}
    for path in files:
        content = path.read_bytes()
        for secret in (b"Secret", b"ID-4711", b"19480229", b"ACC0815Z", b"20210317"):
            assert secret not in content, path


def test_simulated_twin(trainer: Any, thin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer.window.actions_by_name["simulate"].trigger()
    assert trainer.asked[-1] == "dialog"
    assert not trainer.session.jobs.busy(), "rejected"
    source = trainer.layer("Thin slab")
    trainer.window.simulator.start(source, Choice("gaussian", {"sd": 20.0}))
    trainer.idle("simulate")
    twin = trainer.session.layers[-1]
    assert twin.kind == "simulated"
    assert twin.complete
    assert twin.parent is source
    assert isinstance(twin.stack, Volume)
    assert 18 < (twin.stack.hu() - thin.hu).std() < 22
    assert shown(trainer) == ["Thin slab", twin.name]
    assert trainer.panel.source.count() == 2
    monkeypatch.setattr(QDialog, "exec", lambda *_: 1)
    trainer.window.actions_by_name["simulate"].trigger()
    trainer.idle("simulate")
    assert "25% dose" in trainer.session.layers[-1].name


def test_start_needs_a_series(make_program: Callable[[], Any]) -> None:
    program = make_program()
    program.window.show()
    panel = program.window.train_panel
    assert not panel.controls.start.isEnabled()
    assert "Open a series first" in panel.controls.start.toolTip()
    assert panel.start() is None
    assert panel.source.currentText() == "Open a series first"
    assert program.window.cursor().shape() == Qt.CursorShape.ArrowCursor


def test_the_network_is_saved(
    trainer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ctstudio.learn.checkpoint import load

    trainer.press(trainer.panel.controls.start)
    trainer.wait(lambda: steps(trainer) > 3, "for the first steps")
    stop(trainer)
    path = tmp_path / "kept.pt"
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_, **__: (str(path), "Networks (*.pt)")
    )
    trainer.press(trainer.panel.controls.save)
    assert load(path).step == trainer.session.run.model.step
    assert "kept.pt" in trainer.window.message_label.text()


def test_the_network_is_published_with_a_card(
    trainer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ctstudio.gui.training.publish_dialog import PublishDialog
    from ctstudio.learn.checkpoint import load

    trainer.press(trainer.panel.controls.start)
    trainer.wait(lambda: steps(trainer) > 3, "for the first steps")
    stop(trainer)
    path = tmp_path / "chest.safetensors"
    kind = "Networks for others, with a card (*.safetensors)"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(path), kind))

    def fill(dialog: Any) -> int:
        assert isinstance(dialog, PublishDialog)
        dialog.lines["data"].setText("A thin slab")
        dialog.lines["licence"].setText("CC BY 4.0")
        return 1

    monkeypatch.setattr(QDialog, "exec", lambda *_: 0)
    trainer.press(trainer.panel.controls.save)
    assert not path.exists(), "cancelled"
    monkeypatch.setattr(PublishDialog, "exec", fill)
    trainer.press(trainer.panel.controls.save)
    assert load(path).step == trainer.session.run.model.step
    card = path.with_suffix(".md").read_text(encoding="utf-8")
    for expected in ("A thin slab", "CC BY 4.0", "not for diagnosis"):
        assert expected in card
    assert "Secret" not in card
    assert str(tmp_path) not in card


def test_stop_judges_and_shows_the_network_once_more(trainer: Any) -> None:
    trainer.press(trainer.panel.controls.start)
    trainer.wait(lambda: steps(trainer) > 20)
    stop(trainer)
    trainer.idle("train")
    run = trainer.session.run
    assert run.state == "stopped"
    assert trainer.panel.controls.stop.text() == "Stop"
    last = run.history.step[-1]
    assert run.newest.step == last
    assert run.history.validation_step[-1] == last
    assert run.model.step <= last


def test_stop_a_second_time_does_not_wait(trainer: Any) -> None:
    trainer.press(trainer.panel.controls.start)
    trainer.wait(lambda: steps(trainer) > 5)
    trainer.panel.stop()
    assert trainer.panel.controls.stop.text() == "Stop now"
    trainer.panel.stop()
    trainer.idle("train")
    assert trainer.session.run.state == "stopped"
    assert trainer.session.run.model is not None


def test_what_the_network_costs_is_said_before_it_trains(trainer: Any) -> None:
    cost = trainer.panel.form.cost
    trainer.panel.form.sections["model"]._head.click()
    cost.button.click()
    trainer.wait(lambda: "weights" in cost.answer.text(), "for the cost")
    assert cost.answer.text().startswith("432 weights, sees ")
    trainer.panel.form.sections["model"].form.set_params({"depth": 4, "features": 4})
    trainer.panel.form.sections["model"].changed.emit()
    assert not cost.answer.isVisible()

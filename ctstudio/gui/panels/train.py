"""Train: pick or make a recipe, start, watch, pause, stop; the network goes to Denoise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QComboBox, QScrollArea, QVBoxLayout, QWidget

from ctstudio.core.events import Detail, Event, Note, Preview, Progress, Validation
from ctstudio.gui.job import Job
from ctstudio.gui.session import KeptPreview, Layer, Run, Session
from ctstudio.gui.training.data import MASK, TrainingData
from ctstudio.gui.training.publish_dialog import save_network
from ctstudio.gui.training.recipe_form import RecipeForm
from ctstudio.gui.training.run_controls import RunControls
from ctstudio.gui.training.run_layers import RunLayers
from ctstudio.gui.training.run_log import SMALL_NEWS
from ctstudio.gui.training.run_numbers import RunNumbers, estimate
from ctstudio.gui.training.run_work import RunWork, free_folder
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import said
from ctstudio.gui.words import heading, in_words, plain_label

if TYPE_CHECKING:
    from ctstudio.learn.checkpoint import TrainedModel
    from ctstudio.learn.recipe import Recipe


class TrainPanel(QWidget):
    """The panel. It fills its forms once the learning engine is loaded (`engine_ready`)."""

    trained = Signal(object)  # TrainedModel
    use_requested = Signal(object)  # TrainedModel: show it in Denoise

    def __init__(self, session: Session, runs_folder: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._runs_folder = runs_folder
        self._layers = RunLayers(session)
        self._engine = False
        self._parent: Path | None = None  # the run whose weights the next one begins with
        self._work: RunWork
        self._build()
        self._clock = QTimer(self)
        self._clock.setInterval(500)
        self._clock.timeout.connect(self._show_numbers)
        self._enable()

    # -- the form --------------------------------------------------------------------------------

    def _build(self) -> None:
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        body = QWidget()
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setWidget(body)
        outer.addWidget(self._scroll, 1)
        layout = QVBoxLayout(body)
        layout.setContentsMargins(12, 12, 12, 12)
        layout.setSpacing(8)
        layout.addWidget(heading(tr("Series to learn from")))
        self.data = TrainingData(self._session)
        layout.addWidget(self.data)
        self.form = RecipeForm(self._session)
        self.form.offered.connect(self._suit_noise)
        self.form.task_changed.connect(self._suit_task)
        layout.addWidget(self.form)
        layout.addStretch(1)
        outer.addWidget(self._footer())

    def _footer(self) -> QWidget:
        footer = QWidget()
        layout = QVBoxLayout(footer)
        layout.setContentsMargins(12, 8, 12, 12)
        layout.setSpacing(8)
        self.numbers = RunNumbers()
        layout.addWidget(self.numbers)
        self._status = plain_label(" ")
        self._status.setProperty("role", "muted")
        self._status.setWordWrap(True)
        layout.addWidget(self._status)
        self.controls = controls = RunControls(self._runs_folder)
        layout.addWidget(controls)
        for button, slot in (
            (controls.start, self.start),
            (controls.pause, self._pause),
            (controls.stop, self.stop),
            (controls.use, self._use),
            (controls.save, self._ask_save),
            (controls.go_on, self._continue),
        ):
            button.clicked.connect(slot)
        self.data.changed.connect(self._data_changed)
        controls.continue_picked.connect(self.continue_run)
        controls.branch_picked.connect(self.branch_run)
        controls.branch_dropped.connect(self._drop_branch)
        return footer

    def engine_ready(self) -> None:
        """The learning engine is loaded: fill the form."""
        self._engine = True
        self.form.fill()
        self._enable()

    # -- the series ------------------------------------------------------------------------------

    @property
    def source(self) -> QComboBox:
        """The box with the first series."""
        return self.data.rows[0].source

    def select_source(self, layer: Layer) -> None:
        """Learn from ``layer``, and go on doing so when another pane becomes active."""
        self.data.select(layer)

    def learn_from_mask(self, mask: Layer) -> None:
        """Put a mask and its series into the form, and a recipe that learns its labels."""
        if not self._engine:
            self._session.message.emit(tr("The learning engine is still loading."), 6000)
            return
        if mask.volume is not None:
            self.form.learn_labels(max((la.number for la in mask.volume.labels), default=1))
        self.data.learn_mask(mask)

    def _suit_noise(self) -> None:
        if self.data.layer is not None:
            self.form.suit(self.data.layer.noise_free)

    def _suit_task(self) -> None:
        tags = self.form.task.tags
        needed = tr(MASK if "labels" in tags else "Target")
        label = needed if "targets" in tags else tr("Judge by") if "reference" in tags else ""
        self.data.ask_for_targets(label, needed="targets" in tags)

    def _data_changed(self) -> None:
        self._suit_noise()
        self._enable()

    def _enable(self) -> None:
        running = self._session.jobs["train"] is not None
        why = self.data.missing()
        ready = not why
        if running:
            why = tr("A training is running; stop it first")
        self.controls.start.setToolTip(why or tr("Start with the settings above"))
        self.controls.set_running(running, can_start=self._engine and ready)
        self.data.setEnabled(not running)
        self.form.set_editable(not running)

    # -- the training ----------------------------------------------------------------------------

    def start(self) -> Job | None:
        """Start a training with the form's recipe on the chosen series."""
        try:
            recipe = self.form.recipe() if self._engine else None
        except Exception as error:
            self._session.report(error)
            return None
        return self._launch(recipe, free_folder(self._runs_folder), branch_from=self._parent)

    def continue_run(self, folder: Path) -> Job | None:
        """Go on with a training from its last checkpoint, on the chosen series."""
        from ctstudio.workflows.training import recipe_of_run

        try:
            recipe = recipe_of_run(folder)
        except Exception as error:
            self._session.report(error)
            return None
        self.form.set_recipe(recipe)
        return self._launch(recipe, folder, resume=True)

    def branch_run(self, folder: Path) -> None:
        """Put a run's recipe into the form; the next training begins with its weights."""
        from ctstudio.workflows.training import recipe_of_run

        try:
            self.form.set_recipe(recipe_of_run(folder))
        except Exception as error:
            self._session.report(error)
            return
        self._parent = folder
        self.controls.show_parent(folder.name)

    def _drop_branch(self) -> None:
        self._parent = None
        self.controls.show_parent("")

    def _launch(self, recipe: Recipe | None, folder: Path, **how: Any) -> Job | None:
        layer = self.data.layer
        if self._session.jobs.busy("train"):
            self._session.message.emit(tr("A training is running already; stop it first."), 6000)
            return None
        if why := self.data.missing():
            self._session.message.emit(f"{why}.", 6000)
        if recipe is None or layer is None or why:
            return None
        index = self._session.visible_slice(layer)
        run = Run(recipe, layer, index, folder)
        self._session.run = run
        series, targets = self.data.series(), self.data.targets()
        self._work = RunWork(recipe, series, targets, folder, index, **how)
        run.look = self._work.look
        self.controls.show_result(None)
        self.numbers.clear()
        self._status.setText(tr("Preparing the noise ..."))
        job = self._session.jobs.start(
            "train",
            tr("Training: {0}").format(recipe.title or "network"),
            self._work,
            stepped=self._stepped,
            previewed=self._previewed,
            detailed=self._detailed,
            succeeded=self._succeeded,
            cancelled=self._stopped,
            failed=self._failed,
        )
        job.estimate = lambda: estimate(run)
        self._clock.start()
        self._enable()
        self._session.run_changed.emit(run)
        return job

    def _continue(self) -> None:
        if self._session.run is not None:
            self.continue_run(self._session.run.folder)

    def stop(self) -> None:
        """Stop and keep the network, judged once more; asked again, without that, at once."""
        job, run = self._session.jobs["train"], self._session.run
        if job is None or run is None:
            return
        again = run.state == "stopping" or not run.history.step
        run.state = "stopping"
        self.controls.pause.setEnabled(False)
        if again:
            self._status.setText(tr("Stopping ..."))
            self.controls.stop.setEnabled(False)
            job.cancel()
            return
        self._status.setText(tr("Stopping: the network is judged once more ..."))
        self.controls.stop.setText(tr("Stop now"))
        self._work.look.end = True
        if job.paused:
            job.resume()

    def _pause(self) -> None:
        job, run = self._session.jobs["train"], self._session.run
        if job is None or run is None:
            return
        if job.paused:
            job.resume()
            run.state = "running"
            self.numbers.forget_rate()
            self.controls.pause.setText(tr("Pause"))
            self._status.setText(" ")
        else:
            job.pause()
            run.state = "paused"
            self.controls.pause.setText(tr("Resume"))
            self._status.setText(tr("Paused."))
        self._session.run_changed.emit(run)

    def _stepped(self, events: list[Event]) -> None:
        run = self._session.run
        if run is None:
            return
        news = not run.history.step  # more than further steps
        while self._work.earlier and not run.history.step:
            run.keep(self._work.earlier.pop(0))
        for event in events:
            if isinstance(event, SMALL_NEWS):
                run.history.add(event)
                continue
            news = True
            if isinstance(event, Validation):
                run.history.add_validation(event)
                self.numbers.show_validation(event)
            elif isinstance(event, Note):
                run.notes.append(event.text)
                self._status.setText(said(event.text))
            elif isinstance(event, Progress) and not run.history.step:
                self._status.setText(in_words(event))
        prepares = self._status.text().endswith(("...", "\N{HORIZONTAL ELLIPSIS}"))
        if run.history.step and run.state == "running" and prepares:
            self._status.setText(" ")  # the preparation is over
        self._session.run_grew.emit(run)
        if news:
            self._session.run_changed.emit(run)

    def _show_numbers(self) -> None:
        run = self._session.run
        if run is not None:
            self.numbers.refresh(run, self._session.jobs.busy("train"))
            self._work.look.region = self._layers.in_view()

    def _previewed(self, preview: Preview) -> None:
        run = self._session.run
        if run is None:
            return
        first = run.newest is None
        run.keep(preview)
        if first:
            self._layers.make(run, preview)
        self._session.run_changed.emit(run)

    def _detailed(self, detail: Detail) -> None:
        if self._session.run is not None:
            self._layers.show_detail(self._session.run, detail)

    def show_panels(self, kept: KeptPreview | None) -> None:
        """Show an earlier preview in the training's layers, or the newest (None)."""
        if self._session.run is not None:
            self._layers.show(self._session.run, kept)

    def _succeeded(self, model: TrainedModel) -> None:
        run = self._session.run
        if run is not None:
            run.state = "stopped" if run.state == "stopping" else "finished"
            self._finish(run, model)

    def _stopped(self) -> None:
        """The loop has saved the network on its way out: take it from there."""
        run = self._session.run
        if run is None:
            return
        run.state = "stopped"
        from ctstudio.learn.checkpoint import load

        path = run.folder / "last.pt"
        try:
            model = load(path) if path.exists() and run.history.step else None
        except Exception as error:
            self._session.report(error)
            model = None
        self._finish(run, model)

    def _finish(self, run: Run, model: TrainedModel | None) -> None:
        self._clock.stop()
        self.controls.stop.setText(tr("Stop"))
        self._show_numbers()
        self.controls.pause.setText(tr("Pause"))
        run.model = model
        if model is None:
            self._status.setText(tr("Stopped before the first step; there is no network."))
        else:
            steps = int(run.history.step[-1]) if run.history.step else 0
            best = tr(", best after {0}").format(model.step) if model.step < steps else ""
            trained = tr("The network ({0} steps{1})").format(steps, best)
            self._status.setText(tr("{0} is now a method in Denoise.").format(trained))
            self._status.setToolTip(tr("The training is kept in {0}").format(run.folder))
            if run.newest is not None and run.newest.labels:
                self._status.setText(tr("{0} is now in Segment.").format(trained))
                self.controls.show_result(run.state, denoises=False)
            else:
                self._session.models.append(model)
                self._session.methods_changed.emit()
                self.controls.show_result(run.state)
            self.trained.emit(model)
        self._enable()
        self._session.run_changed.emit(run)

    def _failed(self, error: Exception) -> None:
        run = self._session.run
        model = getattr(error, "model", None)
        if run is not None and model is not None:  # learnt, but it could not be saved
            run.state = "stopped"
            self._finish(run, model)
            self._session.report(error)
            return
        self._clock.stop()
        self.controls.pause.setText(tr("Pause"))
        self.controls.stop.setText(tr("Stop"))
        self._status.setText(tr("The training failed."))
        if run is not None:
            run.state = "failed"
            self._session.run_changed.emit(run)
        self._enable()
        self._session.report(error)

    def _ask_save(self) -> None:
        run = self._session.run
        if run is not None and run.model is not None:
            save_network(self, self._session, run.model)

    def _use(self) -> None:
        run = self._session.run
        if run is not None and run.model is not None:
            self.use_requested.emit(run.model)

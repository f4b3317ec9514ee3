"""Train: pick or make a recipe, start, watch, pause, stop; the network goes to Denoise."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from ctstudio.core.events import Event, Note, Preview, Progress, Step, Validation
from ctstudio.ct.volume import Volume
from ctstudio.gui.dialogs import ask_where_to_save
from ctstudio.gui.job import Job
from ctstudio.gui.recipe_form import RecipeForm
from ctstudio.gui.run_layers import RunLayers
from ctstudio.gui.run_numbers import RunNumbers, estimate
from ctstudio.gui.session import KeptPreview, Layer, Run, Session
from ctstudio.gui.words import plain_label

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
        self._picked_by_hand = False
        self._engine = False
        self._build()
        for signal in (session.layer_added, session.layer_removed):
            signal.connect(self._fill_sources)
        session.layer_changed.connect(self._layer_changed)
        session.active_changed.connect(self._active_changed)
        self._clock = QTimer(self)
        self._clock.setInterval(500)
        self._clock.timeout.connect(self._show_numbers)
        self._fill_sources()

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
        layout.addWidget(_heading("Series to learn from"))
        self.source = QComboBox()
        self.source.setAccessibleName("Series to learn from")
        self.source.setToolTip("The clean target; noise is added to it anew in every step")
        self.source.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.source.activated.connect(self._source_picked)
        self.source.currentIndexChanged.connect(self._suit_noise)
        layout.addWidget(self.source)
        self.form = RecipeForm(self._session)
        self.form.offered.connect(self._suit_noise)
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
        row_ = QHBoxLayout()
        row_.setSpacing(8)
        self.start_button = QPushButton("Start training")
        self.start_button.setProperty("role", "primary")
        self.start_button.clicked.connect(self.start)
        self.pause_button = QPushButton("Pause")
        self.pause_button.clicked.connect(self._pause)
        self.pause_button.setToolTip("Wait; nothing is lost")
        self.stop_button = QPushButton("Stop")
        self.stop_button.clicked.connect(self.stop)
        self.stop_button.setToolTip("Stop and keep the network as it is")
        row_.addWidget(self.start_button, 2)
        row_.addWidget(self.pause_button, 1)
        row_.addWidget(self.stop_button, 1)
        layout.addLayout(row_)
        self.use_button = QPushButton("Use in Denoise")
        self.use_button.setVisible(False)
        self.use_button.clicked.connect(self._use)
        self.save_button = QPushButton("Save network ...")
        self.save_button.setToolTip("Keep the network as a file that Denoise can open again")
        self.save_button.setVisible(False)
        self.save_button.clicked.connect(self._ask_save)
        after = QHBoxLayout()
        after.setSpacing(8)
        after.addWidget(self.use_button, 3)
        after.addWidget(self.save_button, 2)
        layout.addLayout(after)
        return footer

    def engine_ready(self) -> None:
        """The learning engine is loaded: fill the form."""
        self._engine = True
        self.form.fill()
        self._enable()

    # -- the series ------------------------------------------------------------------------------

    def _fill_sources(self, _layer: Layer | None = None) -> None:
        current = self.source.currentData()
        self.source.clear()
        for layer in self._session.layers:
            if layer.kind in ("original", "simulated"):
                self.source.addItem(layer.name, layer)
        if not self.source.count():
            self.source.addItem("Open a series first", None)
        self._point_at(current)
        self._enable()

    def select_source(self, layer: Layer) -> None:
        """Learn from ``layer``, and go on doing so when another pane becomes active."""
        self._picked_by_hand = True
        self._point_at(layer)
        self._enable()

    def _point_at(self, layer: Layer | None) -> None:
        for row in range(self.source.count()):
            if layer is not None and self.source.itemData(row) is layer:
                self.source.setCurrentIndex(row)

    def _suit_noise(self) -> None:
        layer = self.source.currentData()
        if isinstance(layer, Layer):
            self.form.suit(layer.noise_free)

    def _source_picked(self) -> None:
        self._picked_by_hand = True
        self._enable()

    def _active_changed(self, layer: Layer | None) -> None:
        if layer is not None and not self._picked_by_hand:
            self._point_at(layer.root)
        self._enable()

    def _layer_changed(self, _layer: Layer, index: int) -> None:
        if index < 0:
            self._enable()

    def _enable(self) -> None:
        running = self._session.jobs["train"] is not None
        layer = self.source.currentData()
        ready = isinstance(layer, Layer) and layer.complete and isinstance(layer.stack, Volume)
        self.start_button.setEnabled(self._engine and ready and not running)
        why = (
            "A training is running; stop it first"
            if running
            else "Start with the settings above"
            if ready
            else "Open a series first, and let it load to the end"
        )
        self.start_button.setToolTip(why)
        self.pause_button.setEnabled(running)
        self.stop_button.setEnabled(running)
        self.source.setEnabled(not running)
        self.form.set_editable(not running)

    # -- the training ----------------------------------------------------------------------------

    def start(self) -> Job | None:
        """Start a training with the form's recipe on the chosen series."""
        layer = self.source.currentData()
        if self._session.jobs.busy("train"):
            self._session.message.emit("A training is running already; stop it first.", 6000)
            return None
        if not (self._engine and isinstance(layer, Layer) and isinstance(layer.stack, Volume)):
            return None
        volume = layer.stack
        try:
            recipe = self.form.recipe()
        except Exception as error:
            self._session.report(error)
            return None
        index = self._session.visible_slice(layer)
        folder = self._free_folder()
        run = Run(recipe, layer, index, folder)
        self._session.run = run
        self.use_button.setVisible(False)
        self.save_button.setVisible(False)
        self.numbers.clear()
        self._status.setText("Preparing the noise ...")
        job = self._session.jobs.start(
            "train",
            f"Training: {recipe.title or 'network'}",
            lambda: _train(recipe, volume, folder, index),
            stepped=self._stepped,
            previewed=self._previewed,
            succeeded=self._succeeded,
            cancelled=self._stopped,
            failed=self._failed,
        )
        job.estimate = lambda: estimate(run)
        self._clock.start()
        self._enable()
        self._session.run_changed.emit(run)
        return job

    def stop(self) -> None:
        """Stop and keep the network; answers at once."""
        job, run = self._session.jobs["train"], self._session.run
        if job is not None and run is not None:
            run.state = "stopping"
            self._status.setText("Stopping ...")
            self.stop_button.setEnabled(False)
            self.pause_button.setEnabled(False)
            job.cancel()

    def _pause(self) -> None:
        job, run = self._session.jobs["train"], self._session.run
        if job is None or run is None:
            return
        if job.paused:
            job.resume()
            run.state = "running"
            self.numbers.forget_rate()
            self.pause_button.setText("Pause")
            self._status.setText(" ")
        else:
            job.pause()
            run.state = "paused"
            self.pause_button.setText("Resume")
            self._status.setText("Paused.")
        self._session.run_changed.emit(run)

    def _free_folder(self) -> Path:
        stamp = time.strftime("%Y-%m-%d_%H%M%S")
        folder = self._runs_folder / stamp
        number = 2
        while folder.exists():
            folder = self._runs_folder / f"{stamp}-{number}"
            number += 1
        return folder

    def _stepped(self, events: list[Event]) -> None:
        run = self._session.run
        if run is None:
            return
        news = not run.history.step  # more than further steps
        for event in events:
            if isinstance(event, Step):
                run.history.add_step(event)
                continue
            news = True
            if isinstance(event, Validation):
                run.history.add_validation(event)
                self.numbers.show_validation(event)
            elif isinstance(event, Note):
                run.notes.append(event.text)
                self._status.setText(event.text)
            elif isinstance(event, Progress) and not run.history.step:
                of = f" {event.done} of {event.total}" if event.total else ""
                self._status.setText(f"{event.text or 'Preparing'}{of} ...")
        if run.history.step and run.state == "running" and self._status.text().endswith("..."):
            self._status.setText(" ")  # the preparation is over
        self._session.run_grew.emit(run)
        if news:
            self._session.run_changed.emit(run)

    def _show_numbers(self) -> None:
        run = self._session.run
        if run is not None:
            self.numbers.refresh(run, self._session.jobs.busy("train"))

    def _previewed(self, preview: Preview) -> None:
        run = self._session.run
        if run is None:
            return
        first = run.newest is None
        run.keep(preview)
        if first:
            self._layers.make(run, preview)
        self._session.run_changed.emit(run)

    def show_panels(self, kept: KeptPreview | None) -> None:
        """Show an earlier preview in the training's layers, or the newest (None)."""
        if self._session.run is not None:
            self._layers.show(self._session.run, kept)

    def _succeeded(self, model: TrainedModel) -> None:
        run = self._session.run
        if run is not None:
            run.state = "finished"
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
        self._show_numbers()
        self.pause_button.setText("Pause")
        run.model = model
        if model is None:
            self._status.setText("Stopped before the first step; there is no network.")
        else:
            steps = int(run.history.step[-1]) if run.history.step else 0
            self._status.setText(f"The network ({steps} steps) is now a method in Denoise.")
            self._status.setToolTip(f"The training is kept in {run.folder}")
            self._session.models.append(model)
            self._session.methods_changed.emit()
            self.use_button.setVisible(True)
            self.save_button.setVisible(True)
            self.trained.emit(model)
        self._enable()
        self._session.run_changed.emit(run)

    def _failed(self, error: Exception) -> None:
        run = self._session.run
        self._clock.stop()
        self.pause_button.setText("Pause")
        self._status.setText("The training failed.")
        if run is not None:
            run.state = "failed"
            self._session.run_changed.emit(run)
        self._enable()
        self._session.report(error)

    def _ask_save(self) -> None:
        run = self._session.run
        if run is None or run.model is None:
            return
        from ctstudio.learn.checkpoint import save

        try:
            path = ask_where_to_save(
                self, self._session, "Save the network", "network.pt", "Networks (*.pt)"
            )
            if path is not None:
                save(run.model, path)
                self._session.message.emit(f"Saved {path}", 8000)
        except Exception as error:
            self._session.report(error)

    def _use(self) -> None:
        run = self._session.run
        if run is not None and run.model is not None:
            self.use_requested.emit(run.model)


def _train(recipe: Recipe, volume: Volume, folder: Path, index: int) -> Any:
    from ctstudio.learn.train import train

    return (yield from train(recipe, [volume], run_folder=folder, preview_slice=index))


def _heading(text: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("role", "heading")
    return label

"""Denoise: choose a method, see it on the visible slice, blend, apply it to the series."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from ctstudio.core.events import Event, Note, Partial, Progress, SliceReady, Work
from ctstudio.core.registry import Choice
from ctstudio.ct.views import Blend, Difference, LiveSlices
from ctstudio.ct.volume import Volume
from ctstudio.gui import theme
from ctstudio.gui.choice_form import ChoiceForm
from ctstudio.gui.job import Job
from ctstudio.gui.session import Layer, Session
from ctstudio.workflows.denoise import Method, method_from_choice, method_from_model

SETTLE_MS = 60  # a slider that is being dragged asks for one preview, not for fifty


@dataclass(frozen=True)
class PreviewResult:
    """One slice as the method made it."""

    source: Layer
    index: int
    revision: int
    hu: NDArray[np.float32]
    title: str
    seconds: float


class DenoisePanel(QWidget):
    """The panel. Previews: the newest setting wins, older requests are dropped."""

    applied = Signal(object)  # Layer: a series has been denoised

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._revision = 0  # grows with every change of method or setting
        self._fresh: set[int] = set()  # slices of the live layer that are up to date
        self._source: Layer | None = None
        self._live: Layer | None = None
        self._live_residual: Layer | None = None
        self._target: Layer | None = None  # what the blend slider acts on
        self._growing: Layer | None = None  # being applied
        self._method_of_job: Method | None = None
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self._start_preview)
        self._build()
        self._fill_methods()
        session.methods_changed.connect(self._fill_methods)
        session.active_changed.connect(self._active_changed)
        session.layer_removed.connect(self._layer_removed)
        session.layer_changed.connect(self._layer_changed)
        self._active_changed(session.active)

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 12, 12, 12)
        layout.setSpacing(8)
        self._of = QLabel()
        self._of.setWordWrap(True)
        layout.addWidget(self._of)
        self.method = QComboBox()
        self.method.setAccessibleName("Method")
        self.method.setToolTip("How to denoise: a classical filter or a trained network")
        self.method.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.method.currentIndexChanged.connect(self._method_changed)
        layout.addWidget(_heading("Method"))
        layout.addWidget(self.method)
        self._help = QLabel()
        self._help.setProperty("role", "muted")
        self._help.setWordWrap(True)
        layout.addWidget(self._help)
        self.form = ChoiceForm()
        self.form.changed.connect(self._settings_changed)
        layout.addWidget(self.form)
        self.preview = QPushButton("Preview on the visible slice")
        self.preview.setIcon(theme.icon("mdi6.eye-outline"))
        self.preview.setCheckable(True)
        self.preview.setToolTip("Show original | denoised | residual, live while you change things")
        self.preview.toggled.connect(self._preview_toggled)
        layout.addWidget(self.preview)
        self._status = QLabel(" ")
        self._status.setProperty("role", "muted")
        self._status.setWordWrap(True)
        self._status.setMinimumHeight(2 * self._status.fontMetrics().lineSpacing())
        self._status.setAlignment(Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self._status)
        line = QFrame()
        line.setFrameShape(QFrame.Shape.HLine)
        layout.addWidget(line)
        row = QHBoxLayout()
        row.addWidget(_heading("Blend"))
        row.addStretch(1)
        self._blend_label = QLabel("100 % denoised")
        row.addWidget(self._blend_label)
        layout.addLayout(row)
        self.blend = QSlider(Qt.Orientation.Horizontal)
        self.blend.setRange(0, 100)
        self.blend.setValue(100)
        self.blend.setAccessibleName("Blend")
        self.blend.setToolTip("0 %: the original; 100 %: fully denoised")
        self.blend.valueChanged.connect(self._blend_changed)
        layout.addWidget(self.blend)
        self.apply_button = QPushButton("Apply to the series")
        self.apply_button.setProperty("role", "primary")
        self.apply_button.setIcon(theme.icon("mdi6.creation", theme.current().on_accent))
        self.apply_button.setIconSize(QSize(16, 16))
        self.apply_button.setToolTip("Denoise every slice in the background; the result is a layer")
        self.apply_button.clicked.connect(self.apply)
        layout.addSpacing(8)
        layout.addWidget(self.apply_button)
        layout.addStretch(1)

    # -- method and settings ---------------------------------------------------------------------

    def _fill_methods(self) -> None:
        from ctstudio.classical.denoisers import DENOISERS

        newest = self._session.models[-1] if self._session.models else None
        current = self.method.currentData()
        self.method.blockSignals(True)
        self.method.clear()
        for model in reversed(self._session.models):
            self.method.addItem(theme.icon("mdi6.graph-outline"), f"Network: {model.title}", model)
        for entry in DENOISERS:
            self.method.addItem(theme.icon("mdi6.function-variant"), entry.title, entry.name)
        known = [self.method.itemData(k) for k in range(self.method.count())]
        if current is None:
            current = "tv"
        row = next((k for k, d in enumerate(known) if d is current or d == current), 0)
        if newest is not None and newest is not getattr(self, "_newest", None):
            row, self._newest = 0, newest
        self.method.setCurrentIndex(row)
        self.method.blockSignals(False)
        self._method_changed()

    def choose(self, name: str, params: dict[str, object] | None = None) -> None:
        """Select a classical method by name, or the newest network with ``"network"``."""
        for row in range(self.method.count()):
            data = self.method.itemData(row)
            if data == name or (name == "network" and not isinstance(data, str)):
                self.method.setCurrentIndex(row)
                break
        if params:
            self.form.set_params(params)
            self._settings_changed()

    def _method_changed(self) -> None:
        from ctstudio.classical.denoisers import DENOISERS

        data = self.method.currentData()
        if isinstance(data, str):
            entry = DENOISERS[data]
            self.form.set_entry(entry)
            self._help.setText(entry.help)
        elif data is not None:
            self.form.set_entry(None)
            self._help.setText(f"Trained for {data.step} steps in CT Studio.")
        self.form.setVisible(isinstance(data, str))
        self._settings_changed()

    def current_method(self) -> Method:
        """The method with the settings in the form.

        Raises
        ------
        StudioError
            When a setting is out of its range.
        """
        data = self.method.currentData()
        if isinstance(data, str):
            return method_from_choice(Choice(data, dict(self.form.choice.params)))
        return method_from_model(data)

    def _settings_changed(self) -> None:
        self._revision += 1
        self._fresh.clear()
        if self.preview.isChecked():
            self._settle.start()

    # -- what is denoised ------------------------------------------------------------------------

    def _active_changed(self, layer: Layer | None) -> None:
        source = _source_of(layer)
        if source is not self._source:
            self._source = source
            if self._live is not None and self._live.parent is not source:
                self.preview.setChecked(False)
        if layer is not None and isinstance(layer.stack, Blend) and layer.kind != "residual":
            self._target = layer
            self.blend.blockSignals(True)
            self.blend.setValue(round(layer.stack.fraction * 100))
            self.blend.blockSignals(False)
            self._describe_blend()
        if source is None:
            self._of.setText("Open a series first.")
        else:
            self._of.setText(f"Denoises <b>{_escape(source.name)}</b>")
        self._enable()

    def _enable(self) -> None:
        ready = self._source is not None and self._source.complete
        self.preview.setEnabled(self._source is not None)
        busy = self._session.jobs.busy("denoise")
        self.apply_button.setEnabled(ready and not busy)
        self.apply_button.setText("Applying ..." if busy else "Apply to the series")
        self.blend.setEnabled(self._target is not None)

    def slice_shown(self, _layer: Layer, _index: int) -> None:
        """Another slice is on screen: preview that one."""
        if self.preview.isChecked() and self._live is not None:
            index = self._session.visible_slice(self._live)
            if index not in self._fresh:
                self._settle.start()

    # -- live preview ----------------------------------------------------------------------------

    def _preview_toggled(self, on: bool) -> None:
        if on:
            self._start_preview()
        else:
            self._settle.stop()
            job = self._session.jobs["preview"]
            if job is not None:
                job.cancel()
            self._drop_live()
            if self._source is not None:
                self._session.hang.emit([self._source])
            self._status.setText(" ")

    def _start_preview(self) -> None:
        source = self._source
        if source is None or not self.preview.isChecked() or self._session.jobs.busy("preview"):
            return  # a running preview starts the next one when it ends
        if self._live is None:
            self._make_live(source)
        live = self._live
        assert live is not None
        index = self._session.visible_slice(live)
        if index in self._fresh:
            return
        try:
            method = self.current_method()
        except Exception as error:
            self._session.report(error)
            return
        revision = self._revision
        hu = source.stack.slice_hu(index)
        self._status.setText(f"{method.title}: computing slice {index + 1} ...")
        self._session.jobs.start(
            "preview",
            f"Preview: {method.title}",
            lambda: _preview(source, index, revision, hu, method),
            succeeded=self._preview_done,
            cancelled=self._start_preview,
            failed=self._preview_failed,
        )

    def _make_live(self, source: Layer) -> None:
        blend = Blend(source.stack, LiveSlices(source.stack), self.blend.value() / 100)
        self._live = self._session.add_layer(Layer("Preview: denoised", "live", blend, source))
        self._live_residual = self._session.add_layer(
            Layer("Preview: residual", "residual", Difference(source.stack, blend), self._live)
        )
        self._fresh.clear()
        self._target = self._live
        self._session.hang.emit([source, self._live, self._live_residual])
        self._enable()

    def _drop_live(self) -> None:
        live, self._live, self._live_residual = self._live, None, None
        self._fresh.clear()
        if live is not None:
            self._session.remove_layer(live)

    def _preview_done(self, result: PreviewResult) -> None:
        live = self._live
        if live is not None and live.parent is result.source:
            blend = live.stack
            assert isinstance(blend, Blend)
            assert isinstance(blend.other, LiveSlices)
            if result.revision == self._revision:
                self._fresh.add(result.index)
                # Slices made with other settings must not stand beside this one.
                blend.other.results = {
                    k: v for k, v in blend.other.results.items() if k in self._fresh
                }
            blend.other.results[result.index] = result.hu
            live.name = f"Preview: {result.title}"
            self._session.layer_changed.emit(live, -1)
            removed = result.hu - result.source.stack.slice_hu(result.index)
            self._status.setText(
                f"Slice {result.index + 1} in {result.seconds:.2f} s. Taken away: SD "
                f"{float(removed.std()):.1f} {live.stack.unit}, mean {float(removed.mean()):+.2f}."
            )
        self._start_preview()  # of what has been asked for meanwhile, if anything

    def _preview_failed(self, error: Exception) -> None:
        self.preview.setChecked(False)
        self._session.report(error)

    # -- blend -----------------------------------------------------------------------------------

    def _blend_changed(self, percent: int) -> None:
        self._describe_blend()
        target = self._target
        if target is not None and isinstance(target.stack, Blend):
            target.stack.fraction = percent / 100
            self._session.layer_changed.emit(target, -1)

    def _describe_blend(self) -> None:
        self._blend_label.setText(f"{self.blend.value()} % denoised")

    # -- apply to the series ---------------------------------------------------------------------

    def apply(self) -> Job | None:
        """Denoise the whole series in the background; the result grows as a new layer."""
        source = self._source
        if source is None or self._session.jobs.busy("denoise"):
            return None
        volume = _as_volume(source)
        if volume is None:
            return None
        try:
            method = self.current_method()
        except Exception as error:
            self._session.report(error)
            return None
        self._method_of_job = method
        self._applying_to = source
        self._growing = None
        if self.preview.isChecked():
            self.preview.setChecked(False)
        job = self._session.jobs.start(
            "denoise",
            f"Denoising: {method.title}",
            lambda: method.denoise(volume),
            stepped=self._apply_stepped,
            succeeded=self._apply_done,
            cancelled=self._apply_stopped,
            failed=self._apply_failed,
        )
        self._enable()
        return job

    def _apply_stepped(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Partial) and isinstance(event.value, Volume):
                self._start_layer(event.value)
            elif isinstance(event, SliceReady) and self._growing is not None:
                self._session.layer_changed.emit(self._growing, event.index)
            elif isinstance(event, Note):
                self._session.message.emit(event.text, 8000)
            elif isinstance(event, Progress):
                self._status.setText(f"Slice {event.done} of {event.total}")

    def _start_layer(self, volume: Volume) -> None:
        source, method = self._applying_to, self._method_of_job
        assert method is not None
        blend = Blend(source.stack, volume, 1.0)
        name = f"{method.title}"
        layer = Layer(name, "denoised", blend, source, complete=False, note=method.description)
        self._growing = self._session.add_layer(layer)
        residual = Layer(
            f"Residual: {layer.name}", "residual", Difference(source.stack, blend), layer
        )
        self._session.add_layer(residual)
        self._target = layer
        self.blend.setValue(100)
        self._session.hang.emit([source, layer, residual])

    def _apply_done(self, volume: Volume) -> None:
        if self._growing is None:
            self._start_layer(volume)
        layer = self._growing
        assert layer is not None
        assert isinstance(layer.stack, Blend)
        layer.stack.other = volume
        layer.complete = True
        self._growing = None
        self._session.layer_changed.emit(layer, -1)
        self._status.setText(f"{layer.name}: all {len(volume)} slices are done.")
        self._enable()
        self.applied.emit(layer)

    def _apply_stopped(self) -> None:
        if self._growing is not None:
            layer, self._growing = self._growing, None
            source = layer.parent
            self._session.remove_layer(layer)
            if source in self._session.layers:
                self._session.hang.emit([source])
        self._status.setText("Cancelled; nothing was changed.")
        self._enable()

    def _apply_failed(self, error: Exception) -> None:
        self._apply_stopped()
        self._status.setText(" ")
        self._session.report(error)

    def _layer_changed(self, layer: Layer, index: int) -> None:
        if index < 0 and layer is self._source:
            self._enable()

    def _layer_removed(self, layer: Layer) -> None:
        if layer is self._live:
            self._live = None
            self.preview.setChecked(False)
        job = self._session.jobs["denoise"]
        if job is not None and layer is self._growing:
            job.cancel()
        if layer is self._target:
            self._target = None
        if layer is self._source:
            self._source = None
            self._active_changed(None)
        self._enable()


def _preview(
    source: Layer,
    index: int,
    revision: int,
    hu: NDArray[np.float32],
    method: Method,
) -> Work[PreviewResult]:
    yield Progress(0, 1, "preview")
    start = time.perf_counter()
    result = method.denoise_slice(hu)
    seconds = time.perf_counter() - start
    return PreviewResult(source, index, revision, result, method.title, seconds)


def _source_of(layer: Layer | None) -> Layer | None:
    """The original or simulated layer that a layer was made from (itself, if it is one)."""
    while layer is not None and layer.kind not in ("original", "simulated"):
        layer = layer.parent
    return layer


def _as_volume(layer: Layer) -> Volume | None:
    return layer.stack if isinstance(layer.stack, Volume) else None


def _heading(text: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("role", "heading")
    return label


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")

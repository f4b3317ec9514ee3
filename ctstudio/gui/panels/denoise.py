"""Denoise: choose a method, see it on the visible slice, blend, apply it to the series."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ctstudio.core.events import Progress, Work
from ctstudio.core.registry import Choice
from ctstudio.ct.views import Blend
from ctstudio.gui import theme
from ctstudio.gui.applying import Applier
from ctstudio.gui.choice_form import ChoiceForm
from ctstudio.gui.job import Job
from ctstudio.gui.live_preview import LivePreview
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.words import plain_label, plain_tip
from ctstudio.workflows.denoise import Method, method_from_choice, method_from_model

if TYPE_CHECKING:
    from ctstudio.learn.checkpoint import TrainedModel


class DenoisePanel(QWidget):
    """The panel. Previews: the newest setting wins, older requests are dropped."""

    applied = Signal(object)  # Layer: a series has been denoised

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._source: Layer | None = None
        self._target: Layer | None = None  # what the blend slider acts on
        self.live = LivePreview(session, self.current_method)
        self.live.setParent(self)
        self.applier = Applier(session)
        self.applier.setParent(self)
        self._build()
        self._fill_methods()
        for teller in (self.live, self.applier):
            teller.said.connect(self._status.setText)
        self.live.failed.connect(lambda: self.preview.setChecked(False))
        self.applier.started.connect(self._apply_started)
        self.applier.finished.connect(self.applied)
        self.applier.ended.connect(self._enable)
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
        # A name of many letters without a space would push the panel out of the window.
        self._of.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._of.setWordWrap(True)
        layout.addWidget(self._of)
        self.method = QComboBox()
        self.method.setAccessibleName(tr("Method"))
        self.method.setToolTip(tr("How to denoise: a classical filter or a trained network"))
        self.method.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.method.currentIndexChanged.connect(self._method_changed)
        self.load_button = QToolButton()
        self.load_button.setIcon(theme.icon("mdi6.folder-open-outline"))
        self.load_button.setAutoRaise(True)
        self.load_button.setToolTip(tr("Open a trained network (.pt) from an earlier training"))
        self.load_button.setAccessibleName(tr("Open a trained network"))
        self.load_button.clicked.connect(self._ask_network)
        choice = QHBoxLayout()
        choice.setSpacing(4)
        choice.addWidget(self.method, 1)
        choice.addWidget(self.load_button)
        layout.addWidget(_heading(tr("Method")))
        layout.addLayout(choice)
        self._help = QLabel()
        self._help.setProperty("role", "muted")
        self._help.setWordWrap(True)
        layout.addWidget(self._help)
        self.form = ChoiceForm()
        self.form.changed.connect(self._settings_changed)
        layout.addWidget(self.form)
        self.preview = QPushButton(tr("Preview on the visible slice"))
        self.preview.setIcon(theme.icon("mdi6.eye-outline"))
        self.preview.setCheckable(True)
        self.preview.setToolTip(
            tr("Show original | denoised | residual, live while you change things")
        )
        self.preview.toggled.connect(self._preview_toggled)
        layout.addWidget(self.preview)
        self._status = plain_label(" ")
        self._status.setProperty("role", "muted")
        self._status.setWordWrap(True)
        self._status.setMinimumHeight(2 * self._status.fontMetrics().lineSpacing())
        self._status.setAlignment(Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self._status)
        line = QFrame()
        line.setProperty("role", "line")
        line.setFixedHeight(1)
        layout.addWidget(line)
        row = QHBoxLayout()
        row.addWidget(_heading(tr("Blend")))
        row.addStretch(1)
        self._blend_label = QLabel(tr("100 % denoised"))
        row.addWidget(self._blend_label)
        layout.addLayout(row)
        self.blend = QSlider(Qt.Orientation.Horizontal)
        self.blend.setRange(0, 100)
        self.blend.setValue(100)
        self.blend.setAccessibleName(tr("Blend"))
        self.blend.setToolTip(tr("0 %: the original; 100 %: fully denoised"))
        self.blend.valueChanged.connect(self._blend_changed)
        layout.addWidget(self.blend)
        self.apply_button = QPushButton(tr("Apply to the series"))
        self.apply_button.setProperty("role", "primary")
        self.apply_button.setIcon(theme.icon("mdi6.creation", "on_accent"))
        self.apply_button.setIconSize(QSize(16, 16))
        self.apply_button.setToolTip(
            tr("Denoise every slice in the background; the result is a layer")
        )
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
            self.method.addItem(
                theme.icon("mdi6.graph-outline"), tr("Network: {0}").format(model.title), model
            )
        for entry in DENOISERS:
            self.method.addItem(theme.icon("mdi6.function-variant"), tr(entry.title), entry.name)
        known = [self.method.itemData(k) for k in range(self.method.count())]
        if current is None:
            current = "tv"
        row = next((k for k, d in enumerate(known) if d is current or d == current), 0)
        if newest is not None and newest is not getattr(self, "_newest", None):
            row, self._newest = 0, newest
        self.method.setCurrentIndex(row)
        self.method.blockSignals(False)
        self._method_changed()

    def _ask_network(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, tr("Open a trained network"), "", "Trained networks (*.safetensors *.pt)"
        )
        if path and not self._session.jobs.busy("network"):
            target = Path(path)
            self._session.jobs.start(
                "network",
                tr("Opening a network"),
                lambda: _load(target),
                succeeded=self._network_loaded,
                failed=self._session.fail,
            )

    def _network_loaded(self, model: TrainedModel) -> None:
        self._session.models.append(model)
        self._session.methods_changed.emit()

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
            self._help.setText(tr(entry.help))
        elif data is not None:
            self.form.set_entry(None)
            self._help.setText(tr("Trained for {0} steps in CT Studio.").format(data.step))
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
        self.live.settings_changed()

    # -- what is denoised ------------------------------------------------------------------------

    def _active_changed(self, layer: Layer | None) -> None:
        source = _source_of(layer)
        if source is not self._source:
            self._source = source
            if self.live.layer is not None and self.live.layer.parent is not source:
                self.preview.setChecked(False)
        if layer is not None and isinstance(layer.stack, Blend) and layer.kind != "residual":
            self._blend_of(layer, layer.stack)
        if source is None:
            self._of.setText(tr("Open a series first."))
        else:
            self._of.setText(tr("Denoises <b>{0}</b>").format(_escape(source.name)))
            self._of.setToolTip(plain_tip(source.name))
        self._enable()

    def _enable(self) -> None:
        ready = self._source is not None and self._source.complete
        self.preview.setEnabled(self._source is not None)
        busy = self._session.jobs.busy("denoise")
        self.apply_button.setEnabled(ready and not busy)
        self.apply_button.setText(tr("Applying ...") if busy else tr("Apply to the series"))
        self.blend.setEnabled(self._target is not None)

    def slice_shown(self, _layer: Layer, _index: int) -> None:
        """Another slice is on screen: preview that one."""
        self.live.slice_changed()

    def _preview_toggled(self, on: bool) -> None:
        if on and self._source is not None:
            self._target = self.live.show(self._source, self.blend.value() / 100)
        elif not on:
            self.live.hide()
            if self._source is not None:
                self._session.hang.emit([self._source])
            self._status.setText(" ")
        self._enable()

    # -- blend -----------------------------------------------------------------------------------

    def _blend_of(self, layer: Layer, stack: Blend) -> None:
        """Let the slider act on ``layer`` and show where that stands."""
        self._target = layer
        with QSignalBlocker(self.blend):
            self.blend.setValue(round(stack.fraction * 100))
        self._describe_blend()

    def _blend_changed(self, percent: int) -> None:
        self._describe_blend()
        target = self._target
        if target is not None and isinstance(target.stack, Blend):
            target.stack.fraction = percent / 100
            self._session.layer_changed.emit(target, -1)

    def _describe_blend(self) -> None:
        self._blend_label.setText(tr("{0} % denoised").format(self.blend.value()))

    # -- apply to the series ---------------------------------------------------------------------

    def apply(self) -> Job | None:
        """Denoise the whole series in the background; the result grows as a new layer."""
        source = self._source
        if source is None or self._session.jobs.busy("denoise"):
            return None
        volume = source.volume
        if volume is None:
            return None
        try:
            method = self.current_method()
        except Exception as error:
            self._session.report(error)
            return None
        self.preview.setChecked(False)
        job = self.applier.start(source, volume, method, self.blend.value() / 100)
        self._enable()
        return job

    def _apply_started(self, layer: Layer) -> None:
        if isinstance(layer.stack, Blend):
            self._blend_of(layer, layer.stack)

    def _layer_changed(self, layer: Layer, index: int) -> None:
        if index < 0 and layer is self._source:
            self._enable()

    def _layer_removed(self, layer: Layer) -> None:
        if layer is self.live.layer:
            self.live.layer = None
            self.preview.setChecked(False)
        if layer is self._target:
            self._target = None
        if layer is self._source:
            self._source = None
            self._active_changed(None)
        self._enable()


def _load(path: Path) -> Work[TrainedModel]:
    yield Progress(0, 0, "Opening a network")
    # Torch may have to be loaded first, so this is a job and not a call.
    from ctstudio.learn.checkpoint import load

    return load(path)


def _source_of(layer: Layer | None) -> Layer | None:
    """The scan (acquired, mended or simulated) that a layer was made from; itself, if it is one."""
    while layer is not None and not layer.is_scan:
        layer = layer.parent
    return layer


def _heading(text: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("role", "heading")
    return label


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")

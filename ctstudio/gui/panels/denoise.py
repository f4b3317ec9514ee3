"""Denoise: choose a method, see it on the visible slice, blend, apply it to the series."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from ctstudio.ct.views import Blend
from ctstudio.gui import theme
from ctstudio.gui.applying import Applier
from ctstudio.gui.denoising.checks import UNCERTAINTY, Guards, Uncertainty
from ctstudio.gui.denoising.findings import FindingsList
from ctstudio.gui.denoising.method_box import MethodBox
from ctstudio.gui.denoising.noise_line import NoiseLine
from ctstudio.gui.denoising.where_box import WhereBox
from ctstudio.gui.forms.section import Section
from ctstudio.gui.job import Job
from ctstudio.gui.live_preview import LivePreview
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.words import heading, plain_label, plain_tip
from ctstudio.learn.cards import Card
from ctstudio.workflows.denoise import ClassicalMethod, Method
from ctstudio.workflows.scan_alone import ScanAlone
from ctstudio.workflows.sparing import Sparing


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
        self.guards = Guards(session)
        self.guards.setParent(self)
        self.uncertainty = Uncertainty(session)
        self.uncertainty.setParent(self)
        self._card: Card | None = None  # of the network that is being applied
        self._learnt = False  # whether that is a network, and one that knows other scans
        self._build()
        for teller in (self.live, self.applier):
            teller.said.connect(self._status.setText)
        self.live.failed.connect(lambda: self.preview.setChecked(False))
        self.applier.started.connect(self._apply_started)
        self.applier.finished.connect(self._applied)
        self.applier.ended.connect(self._enable)
        self.uncertainty.ended.connect(self._enable)
        self.guards.changed.connect(self._show_findings)
        self.methods.changed.connect(self._settings_changed)
        self.where.changed.connect(lambda: self.live.set_shares(self.where.shares))
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
        self.noise = NoiseLine(self._session, self)
        layout.addWidget(self.noise)
        self.methods = MethodBox(self._session)
        self.method, self.form = self.methods.combo, self.methods.form
        self.load_button = self.methods.load_button
        layout.addWidget(heading(tr("Method")))
        layout.addWidget(self.methods)
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
        row.addWidget(heading(tr("Blend")))
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
        self.where = WhereBox(self._session)
        places = Section(tr("Where it acts"), opened=False)
        places.add(self.where)
        layout.addWidget(places)
        self.apply_button = QPushButton(tr("Apply to the series"))
        self.apply_button.setProperty("role", "primary")
        self.apply_button.setIcon(theme.icon("mdi6.creation", "on_accent"))
        self.apply_button.setIconSize(QSize(16, 16))
        self.apply_button.setToolTip(
            tr("Denoise every slice in the background; the result is a layer")
        )
        self.apply_button.clicked.connect(self.apply)
        layout.addWidget(self.apply_button)
        self.unsure_button = QPushButton(tr("Show the uncertainty"))
        self.unsure_button.setIcon(theme.icon("mdi6.help-rhombus-outline"))
        self.unsure_button.setToolTip(
            tr("Ask the method eight times, the slice flipped and turned: the SD of its answers,\n"
               "in HU, becomes a layer. The slice on the screen comes first.")
        )  # fmt: skip
        self.unsure_button.clicked.connect(self.show_uncertainty)
        layout.addWidget(self.unsure_button)
        self.findings = FindingsList()
        layout.addSpacing(8)
        layout.addWidget(self.findings)
        layout.addStretch(1)

    # -- method and settings ---------------------------------------------------------------------

    def choose(self, name: str, params: dict[str, object] | None = None) -> None:
        """Select a method by its name, or the newest network with ``"network"``."""
        self.methods.choose(name, params)

    def current_method(self) -> Method:
        """The method with the settings in the form.

        Raises
        ------
        StudioError
            When a setting is out of its range.
        """
        return self.methods.method()

    def _settings_changed(self) -> None:
        if self.methods.learns and self.preview.isChecked():
            self.preview.setChecked(False)  # there is no network yet that could be asked
        self.live.settings_changed()
        self._enable()

    # -- what is denoised ------------------------------------------------------------------------

    def _active_changed(self, layer: Layer | None) -> None:
        source = _source_of(layer)
        if source is not self._source:
            self._source = source
            self.noise.set_source(source)
            self.where.set_source(source)
            if self.live.layer is not None and self.live.layer.parent is not source:
                self.preview.setChecked(False)
        if layer is not None and isinstance(layer.stack, Blend) and layer.kind != "residual":
            self._blend_of(layer, layer.stack)
        if source is None:
            self._of.setText(tr("Open a series first."))
        else:
            self._of.setText(tr("Denoises <b>{0}</b>").format(_escape(source.name)))
            self._of.setToolTip(plain_tip(source.name))
        self._show_findings()
        self._enable()

    def _enable(self) -> None:
        ready = self._source is not None and self._source.complete
        learns = self.methods.learns
        self.preview.setEnabled(self._source is not None and not learns)
        busy = self._session.jobs.busy("denoise")
        self.apply_button.setEnabled(ready and not busy)
        idle = tr("Learn, then denoise the series") if learns else tr("Apply to the series")
        self.apply_button.setText(tr("Applying ...") if busy else idle)
        asking = self._session.jobs.busy(UNCERTAINTY)
        able = self._method_to_ask() is not None
        self.unsure_button.setEnabled(ready and able and not busy and not asking)
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
        # What learns from this scan has seen scans of its kind.
        self._card = None if isinstance(method, ScanAlone) else self.methods.card
        self._learnt = not isinstance(method, ClassicalMethod | ScanAlone)
        if not (shares := self.where.shares).everywhere:
            method = Sparing(method, shares)
        job = self.applier.start(source, volume, method, self.blend.value() / 100)
        self._enable()
        return job

    def _apply_started(self, layer: Layer) -> None:
        if isinstance(layer.stack, Blend):
            self._blend_of(layer, layer.stack)

    def _applied(self, layer: Layer) -> None:
        self.guards.examine(layer, self._card, learnt=self._learnt)
        self.applied.emit(layer)

    # -- what is known of the result -------------------------------------------------------------

    def _result(self) -> Layer | None:
        """The denoised layer that is looked at: the active one, or what that is made from.

        Beside its source, it is the one that was made last.
        """
        layer = self._session.active
        while layer is not None and layer.kind != "denoised":
            layer = layer.parent
        target = self._target
        if layer is None and target is not None and target.kind == "denoised":
            return target if target.parent is self._source else None
        return layer

    def _show_findings(self, _layer: Layer | None = None) -> None:
        result = self._result()
        found = self.guards.of(result)
        self.findings.show_findings(result.name if result is not None and found else "", found)
        if result is not None and found:
            percent = round(100 * self.guards.share(result))
            self.findings.show_state(percent, current=self.guards.current(result))

    def _method_to_ask(self) -> Method | None:
        """Whose uncertainty would be shown: that of the result, else that in the form."""
        result = self._result()
        made_by = self.applier.method_of(result) if result is not None else None
        if made_by is not None:
            return made_by
        if self.methods.learns:
            return None
        try:
            return self.current_method()
        except Exception:  # a setting out of its range is told of when it is applied
            return None

    def show_uncertainty(self) -> None:
        """Ask the method how sure it is, the slice on the screen first."""
        source, method = self._source, self._method_to_ask()
        volume = source.volume if source is not None else None
        if source is None or volume is None or method is None or not source.complete:
            self._session.message.emit(tr("Open a series and choose a method first."), 6000)
        elif not self._session.jobs.busy(UNCERTAINTY):
            first = self._session.visible_slice(source)
            self.uncertainty.start(self._result() or source, volume, method, first)
            self._enable()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.noise.look()

    def _layer_changed(self, layer: Layer, index: int) -> None:
        if index < 0 and layer is self._source:
            self.noise.look()
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
        self._show_findings()
        self._enable()


def _source_of(layer: Layer | None) -> Layer | None:
    """The scan (acquired, mended or simulated) that a layer was made from; itself, if it is one."""
    while layer is not None and not layer.is_scan:
        layer = layer.parent
    return layer


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")

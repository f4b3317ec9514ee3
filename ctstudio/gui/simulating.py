"""Tools > Simulate low dose: a dialog with the noise's settings, then a job."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Event, Partial, Progress, SliceReady
from ctstudio.core.registry import Choice
from ctstudio.ct.volume import Volume
from ctstudio.gui.forms.section import Section
from ctstudio.gui.job import Job
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import said
from ctstudio.gui.words import plain_label
from ctstudio.workflows.demo_series import NOISE
from ctstudio.workflows.matched_noise import MEASURED, matched_noise
from ctstudio.workflows.matched_noise import NOISE as MATCHED
from ctstudio.workflows.simulate import simulate

FOR_A_SCAN = Choice("low_dose")
ROLE = "match_noise"


class SimulateDialog(QDialog):
    """Asks which noise to simulate, and can measure what the scan's own is like."""

    def __init__(self, session: Session, source: Layer, parent: QWidget | None = None) -> None:
        # The noises load torch; the dialog opens after the learning engine has been warmed up.
        from ctstudio.learn.noise import NOISES

        super().__init__(parent)
        self._session = session
        self._source = source
        self._job: Job | None = None
        self.setWindowTitle(tr("Simulate low dose"))
        self.resize(460, 560)
        text = plain_label(
            tr("Adds noise to every slice of {0}. The series stays as it is.").format(source.name)
        )
        text.setWordWrap(True)
        self.section = Section(tr("Noise"))
        self.section.set_choice(NOISES, NOISES.resolve(NOISE if source.noise_free else FOR_A_SCAN))
        self.section.changed.connect(self._changed)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        form = QWidget()
        rows = QVBoxLayout(form)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.addWidget(self.section)
        rows.addStretch(1)  # in a taller window the settings stay together
        area.setWidget(form)
        self.match = QPushButton(tr("Kernel and photons of this scan"))
        self.match.clicked.connect(self._measure)
        self.told = plain_label("")
        self.told.setWordWrap(True)
        self.told.setProperty("role", "muted")
        self.told.hide()
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        self.simulate = buttons.button(QDialogButtonBox.StandardButton.Ok)
        self.simulate.setText(tr("Simulate"))
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(text)
        layout.addWidget(area, 1)
        layout.addWidget(self.match)
        layout.addWidget(self.told)
        layout.addWidget(buttons)
        session.jobs.stopped.connect(self._update)
        session.layer_changed.connect(self._update)
        self._update()

    def done(self, result: int) -> None:
        """End the measuring with the dialog."""
        if self._job is not None:
            self._job.cancel()
        super().done(result)

    def _changed(self) -> None:
        """What was told belongs to other settings now."""
        self.told.hide()
        self._update()

    def _update(self, *_: object) -> None:
        measuring = self._job is not None
        why = ""
        if self._source.noise_free:
            why = tr("This series has no noise that could be measured")
        elif self.section.choice.name != MATCHED:
            why = tr("Only noise made in the projections is matched to a scan")
        elif not isinstance(self._source.stack, Volume):
            why = tr("Only values in HU have a dose")
        elif not self._source.complete:
            why = tr("Not all slices are there yet")
        busy = measuring or self._session.jobs.busy(ROLE)
        self.match.setEnabled(not why and not busy)
        self.section.setEnabled(not measuring)
        self.simulate.setEnabled(not measuring)
        self.match.setToolTip(
            why
            or tr(
                "Measures the noise of the scan, so that a quarter of the dose is a quarter of "
                "the dose that it was made with"
            )
        )

    def _measure(self) -> None:
        volume, noise = self._source.stack, self.section.choice
        assert isinstance(volume, Volume), "the button is enabled for these alone"
        self._tell(tr("Measuring the noise of the scan"))
        self._job = self._session.jobs.start(
            ROLE,
            tr("Measuring the noise of the scan"),
            lambda: matched_noise(volume, noise),
            stepped=self._stepped,
            succeeded=self._found,
            cancelled=self._cancelled,
            failed=self._failed,
        )
        self._update()

    def _stepped(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Progress) and event.total:
                self._tell(f"{said(event.text)}: {event.done / event.total:.0%}")

    def _found(self, noise: Choice) -> None:
        self._job = None
        self.section.form.set_params({key: noise.params[key] for key in MEASURED})
        self._update()
        self._tell(
            tr("Like the noise of this scan: kernel {0}, cut-off {1}, {2} photons per ray.").format(
                noise.params["kernel"],
                f"{noise.params['cutoff']:g}",
                f"{noise.params['photons']:,.0f}",
            )
        )

    def _cancelled(self) -> None:
        self._job = None
        self._changed()

    def _failed(self, error: Exception) -> None:
        self._cancelled()
        if isinstance(error, StudioError):
            self._tell(f"{said(error.message)} {said(error.hint)}")
        else:
            self._session.report(error)

    def _tell(self, text: str) -> None:
        self.told.setText(text)
        self.told.show()


class Simulator(QObject):
    """Makes noisy twins of a series as layers."""

    simulated = Signal(object)  # Layer

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._source: Layer | None = None
        self._layer: Layer | None = None
        self._name = ""
        session.layer_removed.connect(self._layer_removed)

    def _layer_removed(self, layer: Layer) -> None:
        """The twin that grows, or its source, was closed: the work is no longer wanted."""
        job = self._session.jobs["simulate"]
        if job is not None and layer in (self._layer, self._source):
            job.cancel()

    def ask(self, parent: QWidget, source: Layer) -> None:
        """Ask for the settings, then start."""
        dialog = SimulateDialog(self._session, source, parent)
        accepted = dialog.exec()
        choice = dialog.section.choice
        dialog.deleteLater()
        if accepted:
            self.start(source, choice)

    def start(self, source: Layer, choice: Choice) -> Job | None:
        """Simulate in the background; the twin grows as a layer beside its source."""
        volume = source.stack
        if self._session.jobs.busy("simulate") or not isinstance(volume, Volume):
            self._session.message.emit(tr("A simulation is running already; wait for it."), 6000)
            return None
        self._source, self._layer = source, None
        dose = choice.params.get("dose")
        self._name = f"{source.name}, {dose:.0%} dose" if dose else f"{source.name}, noisy"
        return self._session.jobs.start(
            "simulate",
            tr("Simulating noise"),
            lambda: simulate(volume, choice),
            stepped=self._stepped,
            succeeded=self._done,
            cancelled=self._stopped,
            failed=self._failed,
        )

    def _stepped(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Partial) and isinstance(event.value, Volume):
                if self._source not in self._session.layers:
                    continue
                self._layer = self._session.add_layer(
                    Layer(self._name, "simulated", event.value, self._source, complete=False)
                )
                self._session.hang.emit([self._source, self._layer])
            elif isinstance(event, SliceReady) and self._layer is not None:
                self._session.layer_changed.emit(self._layer, event.index)

    def _done(self, _volume: Volume) -> None:
        if self._layer in self._session.layers:
            self._layer.complete = True
            self._session.layer_changed.emit(self._layer, -1)
            self.simulated.emit(self._layer)

    def _stopped(self) -> None:
        if self._layer is not None:
            self._session.remove_layer(self._layer)

    def _failed(self, error: Exception) -> None:
        self._stopped()
        self._session.report(error)

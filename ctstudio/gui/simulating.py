"""Tools > Simulate low dose: a dialog with the noise's settings, then a job."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QVBoxLayout, QWidget

from ctstudio.core.events import Event, Partial, SliceReady
from ctstudio.core.registry import Choice
from ctstudio.ct.volume import Volume
from ctstudio.gui.forms.section import Section
from ctstudio.gui.job import Job
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.words import plain_label
from ctstudio.workflows.demo_series import NOISE
from ctstudio.workflows.simulate import simulate

FOR_A_SCAN = Choice("low_dose")


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
        # The noises load torch; the dialog opens after the learning engine has been warmed up.
        from ctstudio.learn.noise import NOISES

        dialog = QDialog(parent)
        dialog.setWindowTitle(tr("Simulate low dose"))
        dialog.resize(420, 360)
        text = plain_label(
            tr("Adds noise to every slice of {0}. The series stays as it is.").format(source.name)
        )
        text.setWordWrap(True)
        section = Section(tr("Noise"))
        section.set_choice(NOISES, NOISES.resolve(NOISE if source.noise_free else FOR_A_SCAN))
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        buttons.button(QDialogButtonBox.StandardButton.Ok).setText(tr("Simulate"))
        buttons.accepted.connect(dialog.accept)
        buttons.rejected.connect(dialog.reject)
        layout = QVBoxLayout(dialog)
        layout.addWidget(text)
        layout.addWidget(section, 1)
        layout.addWidget(buttons)
        accepted = dialog.exec()
        choice = section.choice
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

"""Which method denoises: networks, the scan alone, classical filters; and its settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ctstudio.core.events import Progress, Work
from ctstudio.core.registry import Choice
from ctstudio.gui import theme
from ctstudio.gui.forms.choice_form import ChoiceForm
from ctstudio.gui.session import Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.learn import on_board
from ctstudio.learn.cards import Card
from ctstudio.learn.on_board import OnBoard
from ctstudio.workflows import scan_alone
from ctstudio.workflows.denoise import (
    Method,
    OnBoardMethod,
    method_from_choice,
    method_from_model,
)
from ctstudio.workflows.scan_alone import BUDGETS_MIN, ScanAlone

if TYPE_CHECKING:
    from ctstudio.learn.checkpoint import TrainedModel

CLASSICAL = "tv"  # what is offered first where no network is on board


class MethodBox(QWidget):
    """A list of methods, and below it the settings of the chosen one.

    An item's data are a `TrainedModel`, an `OnBoard`, or a name: of a classical filter, or
    `scan_alone.NAME`.
    """

    changed = Signal()  # the method or a setting

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._newest: TrainedModel | None = None
        self._on_board, self.troubles = on_board.look()
        self.combo = QComboBox()
        self.combo.setAccessibleName(tr("Method"))
        self.combo.setToolTip(tr("How to denoise: a classical filter or a trained network"))
        self.combo.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.combo.currentIndexChanged.connect(self._chosen)
        self.load_button = QToolButton()
        self.load_button.setIcon(theme.icon("mdi6.folder-open-outline"))
        self.load_button.setAutoRaise(True)
        self.load_button.setToolTip(tr("Open a trained network (.pt) from an earlier training"))
        self.load_button.setAccessibleName(tr("Open a trained network"))
        self.load_button.clicked.connect(self._ask_network)
        self._help = QLabel()
        self._help.setProperty("role", "muted")
        self._help.setWordWrap(True)
        self.budget = _minutes(tr("Time"))
        self.budget.setToolTip(tr("For learning and denoising together; the longer, the better"))
        self.budget.setCurrentIndex(self.budget.findData(ScanAlone.minutes))
        self.further = _minutes(tr("Learns from this scan first"))
        self.further.insertItem(0, tr("no, at once"), 0.0)
        self.further.setCurrentIndex(0)
        self.further.setToolTip(
            tr("The network learns the scan's own noise and tissue, and comes nearer to the truth")
        )
        for box in (self.budget, self.further):
            box.currentIndexChanged.connect(lambda _: self.changed.emit())
        self._time = _row(tr("Time"), self.budget)
        self._first = _row(tr("Learns from this scan first"), self.further)
        self.form = ChoiceForm()
        self.form.changed.connect(self.changed)
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.combo, 1)
        row.addWidget(self.load_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addLayout(row)
        for widget in (self._help, self._time, self._first, self.form):
            layout.addWidget(widget)
        self.fill()
        session.methods_changed.connect(self.fill)

    @property
    def learns(self) -> bool:
        """Whether the method has to learn from the series first."""
        return self.combo.currentData() == scan_alone.NAME or self._adapts

    @property
    def _adapts(self) -> bool:
        return self._can_adapt and self.further.currentData() > 0

    @property
    def _can_adapt(self) -> bool:
        data = self.combo.currentData()
        return isinstance(data, OnBoard) and data.card.neighbours == 1

    @property
    def card(self) -> Card | None:
        """What is known of the chosen network, where it is on board."""
        data = self.combo.currentData()
        return data.card if isinstance(data, OnBoard) else None

    def fill(self) -> None:
        """Offer all methods; a network that has just come is chosen."""
        from ctstudio.classical.denoisers import DENOISERS

        newest = self._session.models[-1] if self._session.models else None
        current = self.combo.currentData()
        with QSignalBlocker(self.combo):
            self.combo.clear()
            network, function = "mdi6.graph-outline", "mdi6.function-variant"
            for model in reversed(self._session.models):
                text = tr("Network: {0}").format(model.title)
                self.combo.addItem(theme.icon(network), text, model)
            for each in self._on_board:
                text = tr("On board: {0}").format(each.name)
                self.combo.addItem(theme.icon(network), text, each)
                title, weights = tr(each.card.title), f"{each.card.parameters:,}"
                about = tr("{0}: {1} weights").format(title, weights)
                last = self.combo.count() - 1
                self.combo.setItemData(last, about, Qt.ItemDataRole.ToolTipRole)
            text = tr("This scan alone, no other data")
            self.combo.addItem(theme.icon("mdi6.school-outline"), text, scan_alone.NAME)
            for entry in DENOISERS:
                self.combo.addItem(theme.icon(function), tr(entry.title), entry.name)
            known = [self.combo.itemData(k) for k in range(self.combo.count())]
            if current is None:
                current = self._on_board[0] if self._on_board else CLASSICAL
            chosen = next((k for k, d in enumerate(known) if d is current or d == current), 0)
            if newest is not None and newest is not self._newest:
                chosen, self._newest = 0, newest
            self.combo.setCurrentIndex(chosen)
        self._chosen()

    def choose(self, name: str, params: dict[str, object] | None = None) -> None:
        """Select a method by its name, or the newest network with ``"network"``."""
        for row in range(self.combo.count()):
            data = self.combo.itemData(row)
            named = data.name if isinstance(data, OnBoard) else data
            newest = name == "network" and not isinstance(data, str | OnBoard)
            if named == name or newest:
                self.combo.setCurrentIndex(row)
                break
        if params:
            self.form.set_params(params)
            self.changed.emit()

    def method(self) -> Method:
        """The method with its settings. Raises StudioError for one that is out of range."""
        data = self.combo.currentData()
        if data == scan_alone.NAME:
            return ScanAlone(float(self.budget.currentData()))
        if isinstance(data, str):
            return method_from_choice(Choice(data, dict(self.form.choice.params)))
        if self._adapts:
            return ScanAlone(float(self.further.currentData()), data)
        return OnBoardMethod(data) if isinstance(data, OnBoard) else method_from_model(data)

    def _chosen(self) -> None:
        from ctstudio.classical.denoisers import DENOISERS

        data = self.combo.currentData()
        classical = isinstance(data, str) and data in DENOISERS
        entry = DENOISERS[data] if classical else None
        self.form.set_entry(entry)
        if entry is not None:
            self._help.setText(tr(entry.help))
        elif data == scan_alone.NAME:
            self._help.setText(
                tr("A network learns from this scan while you watch. Nothing else is needed.")
            )
        elif isinstance(data, OnBoard):
            self._help.setText(_about(data.card))
        elif data is not None:
            self._help.setText(tr("Trained for {0} steps in CT Studio.").format(data.step))
        self.form.setVisible(classical)
        self._time.setVisible(data == scan_alone.NAME)
        self._first.setVisible(self._can_adapt)
        self.changed.emit()

    # -- networks from files -----------------------------------------------------------------------

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


def _minutes(name: str) -> QComboBox:
    """A choice of times to learn for."""
    box = QComboBox()
    box.setAccessibleName(name)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(6)
    for minutes in BUDGETS_MIN:
        text = tr("1 minute") if minutes == 1 else tr("{0} minutes").format(f"{minutes:g}")
        box.addItem(text, minutes)
    return box


def _row(label: str, box: QComboBox) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(QLabel(label))
    layout.addWidget(box, 1)
    return row


def _about(card: Card) -> str:
    text = tr("{0}, {1} weights. It measures the noise itself.") if card.conditioned else (
        tr("{0}, {1} weights.")
    )  # fmt: skip
    lines = text.format(card.network, f"{card.parameters:,}")
    if card.noise_hu is not None:
        lines += " " + tr("For noise of {0} HU in soft tissue.").format(str(card.noise_hu))
    return lines


def _load(path: Path) -> Work[TrainedModel]:
    yield Progress(0, 0, "Opening a network")
    # Torch may have to be loaded first, so this is a job and not a call.
    from ctstudio.learn.checkpoint import load

    return load(path)

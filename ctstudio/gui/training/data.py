"""What a training learns from: one series or several, and their targets where a task has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ctstudio.ct.volume import Volume
from ctstudio.gui import theme
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import called

if TYPE_CHECKING:
    from ctstudio.ct.series import SeriesInfo

Data: TypeAlias = "Volume | SeriesInfo"
"""Images that are open, or a series that the training has yet to read."""

NO_SERIES, NO_TARGET = "Open a series first", "No target"
MASK = "Mask"
"""What the target is called where classes are learnt."""


class Row(QWidget):
    """A series, and its target under it."""

    changed = Signal()
    picked = Signal()  # by the user
    removed = Signal(object)  # Row

    def __init__(self, first: bool) -> None:
        super().__init__()
        self.source = _combo(tr("Series to learn from"), tr("What the network learns from"))
        self.target = _combo(tr("Target"), tr("An aligned series: what the network is to return"))
        self.source.activated.connect(self.picked)
        for combo in (self.source, self.target):
            combo.currentIndexChanged.connect(self.changed)
        remove = QToolButton()
        remove.setIcon(theme.icon("mdi6.close"))
        remove.setAutoRaise(True)
        remove.setToolTip(tr("Do not learn from this series"))
        remove.setAccessibleName(tr("Remove the series"))
        remove.setVisible(not first)
        remove.clicked.connect(lambda: self.removed.emit(self))
        above = QHBoxLayout()
        above.setSpacing(4)
        above.addWidget(self.source, 1)
        above.addWidget(remove)
        self._below = QWidget()
        below = QHBoxLayout(self._below)
        below.setContentsMargins(20, 0, 0, 0)
        below.setSpacing(8)
        self.label = QLabel(tr("Target"))
        below.addWidget(self.label)
        below.addWidget(self.target, 1)
        self._below.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(above)
        layout.addWidget(self._below)

    def show_target(self, label: str) -> None:
        """Ask for a target under this name; "" for none."""
        self.label.setText(label)
        self._below.setVisible(bool(label))


class TrainingData(QWidget):
    """Rows of series; the first is an open one, the one that is shown while it is learnt from."""

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._picked_by_hand = False
        self._target_label = ""
        self._needs_targets = False
        self.rows: list[Row] = []
        self._column = QVBoxLayout()
        self._column.setSpacing(8)
        self.add_button = QPushButton(tr("Learn from a further series"))
        self.add_button.setToolTip(tr("A network that has seen several scans serves others better"))
        self.add_button.clicked.connect(self.add_row)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addLayout(self._column)
        layout.addWidget(self.add_button)
        self.add_row()
        for signal in (session.layer_added, session.layer_removed, session.series_changed):
            signal.connect(self._fill)
        session.layer_changed.connect(self._layer_changed)
        session.active_changed.connect(self._active_changed)
        self._fill()

    # -- what is chosen --------------------------------------------------------------------------

    @property
    def layer(self) -> Layer | None:
        """The first row's layer."""
        found = self.rows[0].source.currentData()
        return found if isinstance(found, Layer) else None

    def series(self) -> list[Data]:
        """What to learn from, row by row."""
        return [_data(row.source) for row in self.rows]

    def targets(self) -> list[Data]:
        """The targets, row by row; none where the task needs none and not all are given."""
        if not self._target_label:
            return []
        chosen = [row.target.currentData() for row in self.rows]
        if any(target is None for target in chosen):
            return []
        return [_data(row.target) for row in self.rows]

    def missing(self) -> str:
        """Why a training cannot begin yet; "" where it can."""
        layer = self.layer
        if layer is None or not layer.complete or not isinstance(layer.stack, Volume):
            return tr("Open a series first, and let it load to the end")
        if self._needs_targets and not self.targets():
            return tr("Choose a target for every series")
        return ""

    # -- choosing --------------------------------------------------------------------------------

    def select(self, layer: Layer) -> None:
        """Learn from ``layer``, and go on doing so when another pane becomes active."""
        self._picked_by_hand = True
        _point_at(self.rows[0].source, layer)

    def ask_for_targets(self, label: str, *, needed: bool) -> None:
        """Show a target's box of this name in every row, or none ("")."""
        self._target_label, self._needs_targets = label, needed
        for row in self.rows:
            row.show_target(label)
            self._fill_row(row)
        self.changed.emit()

    def learn_mask(self, mask: Layer) -> None:
        """Learn ``mask`` from the scan that it was drawn on."""
        self.select(mask.scan)
        self._fill_row(self.rows[0])
        _point_at(self.rows[0].target, mask)

    def add_row(self) -> None:
        """Offer a further series."""
        row = Row(first=not self.rows)
        row.changed.connect(self.changed)
        row.picked.connect(self._picked)
        row.removed.connect(self._drop)
        row.show_target(self._target_label)
        self.rows.append(row)
        self._column.addWidget(row)
        self._fill_row(row)
        taken = [r.source.currentData() for r in self.rows[:-1]]
        free = [k for k in range(row.source.count()) if row.source.itemData(k) not in taken]
        row.source.setCurrentIndex(free[0] if free else 0)
        self.changed.emit()

    def _drop(self, row: Row) -> None:
        self.rows.remove(row)
        self._column.removeWidget(row)
        row.hide()
        row.deleteLater()
        self.changed.emit()

    def _picked(self) -> None:
        self._picked_by_hand = True

    def _fill(self, _what: object = None) -> None:
        for row in list(self.rows):
            self._fill_row(row)
        self.add_button.setVisible(len(self._layers()) + len(self._unopened()) > 1)
        self.changed.emit()

    def _fill_row(self, row: Row) -> None:
        first = row is self.rows[0]
        layers, unopened = self._layers(), self._unopened()
        sources = [(called(la), la) for la in layers]
        others = [(info.title, info) for info in unopened]
        nothing = [] if layers or (others and not first) else [(tr(NO_SERIES), None)]
        _refill(row.source, [*nothing, *sources, *([] if first else others)])
        masks = self._masks() if self._target_label == MASK else []
        _refill(row.target, [(tr(NO_TARGET), None), *masks, *sources, *others])

    def _layers(self) -> list[Layer]:
        return [la for la in self._session.layers if la.is_scan]

    def _masks(self) -> list[tuple[str, Layer]]:
        """Masks of whole series, by name; those of a running training are one slice."""
        layers = [la for la in self._session.layers if la.kind == "mask" and la.volume is not None]
        return [(called(la), la) for la in layers]

    def _unopened(self) -> list[SeriesInfo]:
        return [s for s in self._session.series if self._session.layer_of(s) is None]

    def _active_changed(self, layer: Layer | None) -> None:
        if layer is not None and not self._picked_by_hand:
            _point_at(self.rows[0].source, layer.scan)
        self.changed.emit()

    def _layer_changed(self, _layer: Layer, index: int) -> None:
        if index < 0:
            self.changed.emit()


def _combo(name: str, tip: str) -> QComboBox:
    combo = QComboBox()
    combo.setAccessibleName(name)
    combo.setToolTip(tip)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    return combo


def _refill(combo: QComboBox, items: Sequence[tuple[str, object]]) -> None:
    current = combo.currentData()
    combo.blockSignals(True)
    combo.clear()
    for title, item in items:
        combo.addItem(title, item)
    _point_at(combo, current)
    combo.blockSignals(False)


def _point_at(combo: QComboBox, item: object) -> None:
    for index in range(combo.count()):
        if item is not None and combo.itemData(index) is item:
            combo.setCurrentIndex(index)


def _data(combo: QComboBox) -> Data:
    chosen = combo.currentData()
    if isinstance(chosen, Layer):
        volume = chosen.volume
        assert volume is not None
        return volume
    data: Data = chosen
    return data

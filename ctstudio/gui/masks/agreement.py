"""How well the prediction agrees with the truth: in the bar, and label by label in a window."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import (
    QDialog,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ctstudio.core.events import Event, Partial, Work
from ctstudio.ct.labels import Label
from ctstudio.ct.views import SliceStack
from ctstudio.gui.masks.overlay import Masks, is_mask
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import called, said
from ctstudio.workflows.mask_scores import Scores, score

SETTLE_MS = 400
NAMES = {
    "dice": "Dice",
    "iou": "IoU",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "hd95_mm": "HD95 (mm)",
    "surface_mm": "Surface (mm)",
}
TIP = (
    "Dice and the Hausdorff distance (95th percentile) of the prediction against the truth; "
    "click for each label"
)


@dataclass(frozen=True)
class Agreement:
    """Scores of the slice that is looked at, and of the whole series where that is more."""

    truth: Layer
    prediction: Layer
    slice: int
    here: Scores
    whole: Scores | None


class Agreements(QObject):
    """Measures in the background whenever masks or the slice change; the newest wins."""

    changed = Signal()

    def __init__(self, session: Session, masks: Masks) -> None:
        super().__init__(session)
        self._session, self._masks = session, masks
        self.newest: Agreement | None = None
        self._whole: tuple[Layer, Layer, Scores] | None = None
        self._again = False
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self._measure)
        masks.changed.connect(self.look)
        masks.roles.changed.connect(self.look)
        session.layer_changed.connect(self._layer_changed)
        session.layer_removed.connect(self._removed)
        session.active_changed.connect(self.look)

    def look(self, *_: object) -> None:
        """Something else may be on the screen."""
        pair = self._pair()
        if pair is None:
            if self.newest is not None:
                self.newest = None
                self.changed.emit()
            return
        self._settle.start()

    def _pair(self) -> tuple[Layer, Layer] | None:
        active = self._session.active
        return self._masks.roles.pair(active) if active is not None else None

    def _layer_changed(self, layer: Layer, _index: int) -> None:
        if not is_mask(layer):
            return  # a slice of a series that is being read: there are hundreds
        if self._whole is not None and layer in self._whole[:2]:
            self._whole = None
        pair = self._pair()
        if pair is not None and layer in pair:
            self._settle.start()

    def _removed(self, layer: Layer) -> None:
        if self._whole is not None and layer in self._whole[:2]:
            self._whole = None
        self.look()

    def _measure(self) -> None:
        running = self._session.jobs["agreement"]
        if running is not None or self._session.closing:
            self._again = True
            if running is not None:
                running.cancel()  # what it measures is out of date
            return
        self._again = False
        pair = self._pair()
        if pair is None:
            return
        truth, prediction = pair
        index = self._session.visible_slice(truth)
        one, other = truth.stack, prediction.stack
        known = self._whole[2] if self._whole is not None and self._whole[:2] == pair else None
        self._session.jobs.start(
            "agreement",
            tr("Comparing masks"),
            lambda: _scores(other, one, index, known),
            stepped=lambda events: self._stepped(truth, prediction, index, events),
            succeeded=lambda found: self._done(truth, prediction, index, *found),
            cancelled=self._ended,
            failed=self._session.fail,
        )

    def _done(
        self, truth: Layer, prediction: Layer, index: int, here: Scores, whole: Scores | None
    ) -> None:
        if not self._again and truth in self._session.layers and prediction in self._session.layers:
            self.newest = Agreement(truth, prediction, index, here, whole)
            self._whole = (truth, prediction, whole) if whole is not None else None
            self.changed.emit()
        self._ended()

    def _stepped(self, truth: Layer, prediction: Layer, index: int, events: list[Event]) -> None:
        """The slice is measured at once, the series takes its time."""
        for event in events:
            if isinstance(event, Partial) and isinstance(event.value, Scores):
                same = self._whole is not None and self._whole[:2] == (truth, prediction)
                whole = self._whole[2] if same and self._whole is not None else None
                self.newest = Agreement(truth, prediction, index, event.value, whole)
                self.changed.emit()

    def _ended(self) -> None:
        if self._again:
            self._settle.start()

    def text(self) -> str:
        """The newest numbers in a few words, or ""."""
        found = self.newest
        if found is None:
            return ""
        shown = found.whole or found.here
        series = len(found.truth.stack) > 1
        words = [f"Dice {number(shown.mean('dice'))}"]
        if series and found.whole is None:
            words[0] += tr(" in this slice")
        if found.whole is not None:
            words[0] += tr(" (slice {0})").format(number(found.here.mean("dice")))
        if not math.isnan(shown.mean("hd95_mm")):
            words.append(f"HD95 {number(shown.mean('hd95_mm'), 1)} mm")
        return "   ".join(words) if shown.by_label else tr("Neither mask has a label here")


def number(value: float, digits: int = 3) -> str:
    """A score as people read it."""
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


class AgreementWindow(QDialog):
    """A row for each label, and the mean over them."""

    def __init__(self, agreements: Agreements, masks: Masks, parent: QWidget) -> None:
        super().__init__(parent)
        self._agreements, self._masks = agreements, masks
        self.setWindowTitle(tr("Masks compared"))
        self.about = QLabel()
        self.about.setWordWrap(True)
        self.table = QTableWidget(0, 1 + len(NAMES))
        self.table.setAccessibleName(tr("Scores of each label"))
        self.table.setHorizontalHeaderLabels([tr("Label"), *map(tr, NAMES.values())])
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.verticalHeader().hide()
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        note = QLabel(
            tr(
                "Of the voxels that the truth annotates. HD95: 95th percentile of the "
                "surfaces' distances, the larger of both directions; Surface: their mean."
            )
        )
        note.setWordWrap(True)
        note.setProperty("role", "muted")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(8)
        for widget in (self.about, self.table, note):
            layout.addWidget(widget)
        self.resize(720, 320)
        agreements.changed.connect(self.fill)
        self.fill()

    def fill(self) -> None:
        """Show the newest numbers."""
        found = self._agreements.newest
        self.table.setRowCount(0)
        if found is None:
            self.about.setText(tr("There is no prediction beside a truth."))
            return
        shown = found.whole or found.here
        slice_ = tr("slice {0}").format(found.slice + 1)
        where = tr("the whole series") if found.whole is not None else slice_
        self.about.setText(
            tr("{0} against {1}: {2}").format(called(found.prediction), called(found.truth), where)
        )
        names = {la.number: la for la in self._masks.labels(found.truth)}
        for label, row in shown.by_label.items():
            named = names.get(label, Label(label, f"Label {label}", (0, 0, 0)))
            self._add(said(named.name), row)
        if len(shown.by_label) > 1:
            self._add(tr("Mean"), {name: shown.mean(name) for name in NAMES})

    def _add(self, name: str, row: dict[str, float]) -> None:
        at = self.table.rowCount()
        self.table.insertRow(at)
        self.table.setItem(at, 0, QTableWidgetItem(name))
        for column, key in enumerate(NAMES, start=1):
            text = number(row[key], 2 if key.endswith("_mm") else 3)
            self.table.setItem(at, column, QTableWidgetItem(text))


def _scores(
    prediction: SliceStack, truth: SliceStack, index: int, known: Scores | None
) -> Work[tuple[Scores, Scores | None]]:
    here = yield from score(prediction, truth, [index])
    yield Partial(here)
    whole = known
    if whole is None and len(truth) > 1:
        whole = yield from score(prediction, truth)
    return here, whole

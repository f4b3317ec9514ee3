"""Tools > Reproduce: a dialog with the articles' experiments, then a job."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from ctstudio.core.events import Event, Note, Progress
from ctstudio.ct.volume import Volume
from ctstudio.files.series import FileSeries
from ctstudio.gui.job import Job
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import said
from ctstudio.gui.words import plain_label
from ctstudio.workflows.reproduce.experiments import FORMS, Experiment, by_article, known
from ctstudio.workflows.reproduce.plan import MINUTES, Wish

if TYPE_CHECKING:
    from ctstudio.core.events import Work
    from ctstudio.workflows.reproduce.data import Data
    from ctstudio.workflows.reproduce.segment_data import MaskData

ROLE = "reproduce"
DEMO = "The built-in phantom"


class ReproduceDialog(QDialog):
    """What to reproduce, on what, for how long, and where to."""

    def __init__(self, parent: QWidget | None, layers: list[Layer], folder: Path) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Reproduce"))
        self.resize(620, 620)
        about = plain_label(
            tr(
                "Experiments of J. D. Seo's articles on denoising lung CT and on segmentation, "
                "each trained as its author did and then repaired. Figures, films and a report "
                "with numbers are written. What is finished in the folder is skipped, and what "
                "was interrupted goes on. Those on masks (from Dilated network on) learn from the "
                "mask of the series, or from the phantom's lungs where it has none."
            )
        )
        about.setWordWrap(True)
        self.list = QListWidget()
        self.list.setAccessibleName(tr("Experiments"))
        for article, experiments in by_article().items():
            self.list.addItem(_heading(said(article)))
            for experiment in experiments:
                self.list.addItem(_item(experiment))
        self.list.itemChanged.connect(self._update)
        everything = QPushButton(tr("All"))
        everything.setToolTip(tr("Choose all, or none"))
        everything.clicked.connect(self._choose_all)
        self.series = QComboBox()
        self.series.setAccessibleName(tr("Series"))
        self.series.addItem(tr(DEMO))
        for layer in layers:
            self.series.addItem(layer.name)
        self.series.setCurrentIndex(1 if layers else 0)
        self.form = QComboBox()
        self.form.setAccessibleName(tr("Forms"))
        self.form.setToolTip(tr("What to train; the other form can follow later"))
        self.form.addItem(tr("Both"), tuple(FORMS))
        for name, words in FORMS.items():
            self.form.addItem(tr(words), (name,))
        self.epochs = _count(tr("Epochs as in the article"), tr("As in the article"))
        self.slices = _count(tr("Slices to learn from"), tr("All"))
        self.minutes = QDoubleSpinBox()
        self.minutes.setRange(0.01, 10_000)
        self.minutes.setDecimals(2)
        self.minutes.setValue(MINUTES)
        self.minutes.setSuffix(tr(" min"))
        self.minutes.setAccessibleName(tr("Time for the repaired form"))
        self.folder = QLineEdit(str(folder))
        self.folder.setAccessibleName(tr("Folder"))
        browse = QPushButton(tr("Browse ..."))
        browse.clicked.connect(self._browse)
        place = QHBoxLayout()
        place.addWidget(self.folder, 1)
        place.addWidget(browse)
        form = QFormLayout()
        form.setHorizontalSpacing(12)
        form.setVerticalSpacing(8)
        form.addRow(tr("Series"), self.series)
        form.addRow(tr("Forms"), self.form)
        form.addRow(tr("Epochs as in the article"), self.epochs)
        form.addRow(tr("Slices to learn from"), self.slices)
        form.addRow(tr("Time for the repaired form"), self.minutes)
        form.addRow(tr("Folder"), place)
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        self.go = buttons.button(QDialogButtonBox.StandardButton.Ok)
        self.go.setText(tr("Start"))
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        buttons.addButton(everything, QDialogButtonBox.ButtonRole.ActionRole)
        self.folder.textChanged.connect(self._update)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(16)
        layout.addWidget(about)
        layout.addWidget(self.list, 1)
        layout.addLayout(form)
        layout.addWidget(buttons)
        self._update()

    def experiments(self) -> list[Experiment]:
        """Those that are ticked."""
        there = known()
        ticked = [item for item in self._items() if item.checkState() == Qt.CheckState.Checked]
        return [there[item.data(Qt.ItemDataRole.UserRole)] for item in ticked]

    def wish(self) -> Wish:
        """The numbers that were entered."""
        return Wish(
            epochs=self.epochs.value() or None,
            slices=self.slices.value() or None,
            minutes=self.minutes.value(),
            forms=tuple(self.form.currentData()),
        )

    def _update(self) -> None:
        self.go.setEnabled(bool(self.experiments()) and bool(self.folder.text().strip()))

    def _choose_all(self) -> None:
        items = self._items()
        every = len(self.experiments()) == len(items)
        state = Qt.CheckState.Unchecked if every else Qt.CheckState.Checked
        for item in items:
            item.setCheckState(state)

    def _items(self) -> list[QListWidgetItem]:
        """The rows of experiments, without the headings."""
        items = [self.list.item(row) for row in range(self.list.count())]
        return [item for item in items if item.data(Qt.ItemDataRole.UserRole)]

    def _browse(self) -> None:
        path = QFileDialog.getExistingDirectory(
            self, tr("A folder for the reports"), self.folder.text()
        )
        if path:
            self.folder.setText(path)


def _heading(article: str) -> QListWidgetItem:
    item = QListWidgetItem(article[:1].upper() + article[1:])
    item.setFlags(Qt.ItemFlag.NoItemFlags)
    font = item.font()
    font.setBold(True)
    item.setFont(font)
    return item


def _item(experiment: Experiment) -> QListWidgetItem:
    item = QListWidgetItem(said(experiment.title))
    item.setData(Qt.ItemDataRole.UserRole, experiment.name)
    item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
    item.setCheckState(Qt.CheckState.Unchecked)
    item.setToolTip(
        tr("{0}. The author saw: {1}").format(said(experiment.article), said(experiment.seen))
    )
    return item


def _count(name: str, zero: str) -> QSpinBox:
    box = QSpinBox()
    box.setRange(0, 100_000)
    box.setSpecialValueText(zero)
    box.setAccessibleName(name)
    return box


class Reproducer(QObject):
    """Reproduces experiments in the background, and shows their gallery in the end.

    ``truth`` tells which mask counts as the true one of a layer.
    """

    def __init__(self, session: Session, truth: Callable[[Layer], Layer | None]) -> None:
        super().__init__(session)
        self._session, self._truth = session, truth
        self._job: Job | None = None
        self._stage = ("", 0)
        self._stage_began = 0.0

    def handlers(self, parent: QWidget) -> dict[str, Callable[[], object]]:
        """What the window's actions do here."""
        return {"reproduce": partial(self.ask, parent)}

    def ask(self, parent: QWidget) -> None:
        """Ask what to reproduce, then start."""
        session = self._session
        if session.jobs.busy(ROLE):
            session.message.emit(tr("A reproduction is running already; wait for it."), 6000)
            return
        layers = [la for la in session.layers if la.is_scan and la.complete and la.volume]
        if session.active in layers:
            layers.remove(session.active)
            layers.insert(0, session.active)
        dialog = ReproduceDialog(parent, layers, session.export_folder / "reproductions")
        accepted = dialog.exec()
        if accepted:
            row = dialog.series.currentIndex()
            volume = layers[row - 1].volume if row else None
            mask = self._truth(layers[row - 1]) if row else None
            if mask is not None and volume is not None and mask.stack.shape != volume.shape:
                mask = None  # a training's, of one slice
            wish, folder = dialog.wish(), Path(dialog.folder.text().strip()).expanduser()
            self.start(dialog.experiments(), volume, folder, wish, mask)
        dialog.deleteLater()

    def start(
        self,
        experiments: list[Experiment],
        volume: Volume | None,
        folder: Path,
        wish: Wish,
        mask: Layer | None = None,
    ) -> Job:
        """Reproduce in the background, on a series or (None) on the phantom.

        Experiments on masks learn from the series' ``mask``, or else the phantom's lungs; where it
        was found by the names of pictures, each picture stands alone.
        """
        self._stage = ("", 0)
        truth = mask.volume if mask is not None and mask.complete else None
        info = mask.series if mask is not None else None
        stacked = isinstance(info, FileSeries) and bool(info.mask_of)  # pictures, paired by names
        self._job = self._session.jobs.start(
            ROLE,
            tr("Reproducing"),
            lambda: _reproduce(experiments, volume, folder, wish, truth, stacked),
            stepped=self._stepped,
            succeeded=self._done,
            cancelled=self._stopped,
            failed=self._failed,
        )
        self._job.estimate = self._estimate
        return self._job

    def _stepped(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Note):
                self._session.message.emit(event.text, 0)
            elif isinstance(event, Progress) and (event.text, event.total) != self._stage:
                self._stage = (event.text, event.total)
                self._stage_began = time.monotonic()
                if self._job is not None:
                    self._job.title = event.text

    def _estimate(self) -> tuple[float, float] | None:
        """How much of the present stage is done, and the seconds that it still takes."""
        progress = self._job.progress if self._job is not None else Progress(0, 0)
        if not progress.total or not progress.done:
            return None
        share = min(progress.done / progress.total, 1.0)
        return share, (time.monotonic() - self._stage_began) * (1 / share - 1)

    def _done(self, page: Path) -> None:
        self._job = None
        self._session.message.emit(tr("The reports are gathered in {0}").format(page), 0)
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(page)))

    def _stopped(self) -> None:
        self._job = None
        self._session.message.emit(tr("Stopped; the same reproduction goes on from here."), 10_000)

    def _failed(self, error: Exception) -> None:
        self._job = None
        self._session.report(error)


def _reproduce(
    experiments: list[Experiment],
    volume: Volume | None,
    folder: Path,
    wish: Wish,
    mask: Volume | None,
    stacked: bool,
) -> Work[Path]:
    from ctstudio.workflows.reproduce.data import from_volume, load
    from ctstudio.workflows.reproduce.run import reproduce_all
    from ctstudio.workflows.reproduce.segment_data import from_series, from_stacked, load_masks

    def series() -> Work[Data]:
        if volume is None:
            return (yield from load(None))
        return from_volume(volume)

    def masks() -> Work[MaskData]:
        if volume is None or mask is None:
            return (yield from load_masks(None))
        return (from_stacked if stacked else from_series)(volume, mask)

    return (yield from reproduce_all(experiments, series, folder, wish, masks))

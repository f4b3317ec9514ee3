"""Compare and take away: metrics of the layers on screen, and the exports."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ctstudio.core.events import Progress, Work
from ctstudio.ct.common_place import lies_at, misfit, reach_mm
from ctstudio.ct.labels import LABEL_UNIT
from ctstudio.ct.metrics import PROTOCOLS, bias, evaluate, uniform_regions
from ctstudio.gui import theme
from ctstudio.gui.dialogs import ask_new_folder, ask_where_to_save
from ctstudio.gui.export import Exporter
from ctstudio.gui.session import KeptPreview, Layer, Run, Session
from ctstudio.gui.training.run_layers import LABEL_NAMES, RESIDUAL
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import called
from ctstudio.gui.viewer.linking import same_space
from ctstudio.gui.viewer.view_grid import ViewGrid
from ctstudio.gui.words import heading, numbers, plain_tip
from ctstudio.workflows.denoise import require_free_folder

SETTLE_MS = 250
TRAINING = "Training: "
MADE = ("reconstruction", "prediction", RESIDUAL, LABEL_NAMES["residual"])
"""What a training's layers are called that change from step to step."""
Measured = tuple[Layer, NDArray[np.float32], NDArray[np.float32], int | None]
"""Two slices to compare, and the training's step."""
COLUMNS = ("Layer", "PSNR\ndB", "SSIM", "RMSE\nHU", "Bias\nHU")


@dataclass(frozen=True)
class Row:
    """Metrics of one layer's visible slice against the reference's."""

    layer: Layer
    reference: str
    protocol: str
    metrics: dict[str, float]
    bias_hu: float
    step: int | None = None  # of the training, where it is a picture of one


class ComparePanel(QWidget):
    """Metrics against a reference under a named protocol, and buttons for every export."""

    def __init__(
        self, session: Session, grid: ViewGrid, exporter: Exporter, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._grid = grid
        self._exporter = exporter
        self._rows: list[Row] = []
        self._again = False
        self._wanted = False  # also while the panel is not seen
        self._picked: tuple[Run | None, KeptPreview | None] = (None, None)
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self._measure)
        self._build()
        exporter.captions = session.metrics_of = self.caption
        session.metrics_wanted.connect(self._want)
        session.layer_added.connect(self._fill_references)
        session.layer_removed.connect(self._fill_references)
        session.layer_changed.connect(self._later)
        session.hang.connect(self._later)
        session.run_changed.connect(self._enable)
        grid.slice_changed.connect(self._later)
        self._fill_references()
        self._enable()

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 12, 12, 12)
        layout.setSpacing(8)
        layout.addWidget(heading(tr("Compare with")))
        self.reference = QComboBox()
        self.reference.setAccessibleName(tr("Reference layer"))
        self.reference.setToolTip(tr("The layer that counts as the truth"))
        self.protocol = QComboBox()
        self.protocol.setAccessibleName(tr("Protocol"))
        self.protocol.setToolTip(tr("How PSNR, SSIM and RMSE are computed"))
        for box in (self.reference, self.protocol):
            box.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
        for name, protocol in PROTOCOLS.items():
            self.protocol.addItem(protocol.title, name)
        self.reference.currentIndexChanged.connect(self._later)
        self.protocol.currentIndexChanged.connect(self._later)
        layout.addWidget(self.reference)
        layout.addWidget(self.protocol)
        self.table = QTableWidget(0, len(COLUMNS))
        self.table.setAccessibleName(tr("Metrics of the visible slice"))
        self.table.setHorizontalHeaderLabels(COLUMNS)
        self.table.verticalHeader().hide()
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(40)
        self.table.setMinimumHeight(150)
        layout.addWidget(self.table)
        self._note = QLabel(
            tr("Of the visible slice. Bias: mean difference in uniform soft tissue.")
        )
        self._note.setProperty("role", "muted")
        self._note.setWordWrap(True)
        layout.addWidget(self._note)
        layout.addSpacing(8)
        layout.addWidget(heading(tr("Take away")))
        self.buttons: dict[str, QPushButton] = {}
        for key, text, icon, tip, slot in (
            ("picture", "Picture of the panes ...", "mdi6.image-outline",
             "PNG of what is on screen, with captions, colour bar and scale bar", self.ask_picture),
            ("slices", "Film over slices ...", "mdi6.filmstrip",
             "The panes on screen, slice after slice", self.ask_slices_gif),
            ("training", "GIF over training ...", "mdi6.school-outline",
             "The previews of the training, one after another", self.ask_training_gif),
            ("curves", "Curves (PNG or CSV) ...", "mdi6.chart-line",
             "Loss, metrics and learning rate of the training", self.ask_curves),
            ("dicom", "DICOM series ...", "mdi6.folder-outline",
             "The denoised layer as a derived series; click its pane first", self.ask_dicom),
        ):  # fmt: skip
            button = QPushButton(text)
            button.setIcon(theme.icon(icon))
            button.setToolTip(tip)
            button.setStyleSheet("text-align: left")
            button.clicked.connect(slot)
            layout.addWidget(button)
            self.buttons[key] = button
        self.deidentify = QCheckBox(tr("De-identify DICOM"))
        self.deidentify.setToolTip(
            tr("Leave names, numbers and dates of the patient out (DICOM PS3.15, basic profile)")
        )
        layout.addWidget(self.deidentify)
        private = QLabel(
            tr(
                "Pictures, GIFs and curves carry no patient data. A DICOM series keeps "
                "that of its source, unless it is de-identified."
            )
        )
        private.setProperty("role", "muted")
        private.setWordWrap(True)
        layout.addWidget(private)
        layout.addStretch(1)
        self._session.active_changed.connect(self._enable)

    # -- metrics ---------------------------------------------------------------------------------

    def _fill_references(self, _layer: Layer | None = None) -> None:
        current = self.reference.currentData()
        self.reference.blockSignals(True)
        self.reference.clear()
        for layer in self._session.layers:
            if layer.is_scan:
                self.reference.addItem(called(layer), layer)
        for row in range(self.reference.count()):
            if self.reference.itemData(row) is current:
                self.reference.setCurrentIndex(row)
        self.reference.blockSignals(False)
        self._later()
        self._enable()

    def set_reference(self, layer: Layer) -> None:
        """Compare with ``layer``."""
        for row in range(self.reference.count()):
            if self.reference.itemData(row) is layer:
                self.reference.setCurrentIndex(row)

    def show_step(self, kept: KeptPreview | None) -> None:
        """An earlier preview of the training is on screen, or the newest (None)."""
        self._picked = (self._session.run, kept)
        self._later()

    def _step_of(self, layer: Layer) -> int | None:
        """The step at which a training made what a layer shows; None where none did."""
        run = self._session.run
        if run is None or run.newest is None or not layer.name.startswith(TRAINING):
            return None
        if layer.name.removeprefix(TRAINING) not in MADE:
            return None
        whose, kept = self._picked
        return kept.step if kept is not None and whose is run else run.newest.step

    def _want(self, on: bool) -> None:
        """The metrics stand upon the images, too, or no more."""
        self._wanted = on
        if on and not isinstance(self.reference.currentData(), Layer):
            self._session.message.emit(
                tr("Choose a reference under Compare: metrics are told against it."), 8000
            )
        self._later()

    def _later(self, *_: object) -> None:
        if self.isVisible() or self._wanted:
            self._settle.start()

    def showEvent(self, event: object) -> None:
        super().showEvent(event)  # type: ignore[arg-type]
        self._settle.start()

    def _measure(self) -> None:
        """Compute the table in the background; the newest request wins."""
        if self._session.jobs.busy("metrics"):
            self._again = True
            return
        self._again = False
        reference = self.reference.currentData()
        if not isinstance(reference, Layer):
            self.table.setRowCount(0)
            return
        truth = reference.stack
        pairs: list[Measured] = []
        for pane in self._grid.visible_panes:
            layer, hu = pane.layer, pane.view.hu
            if layer is None or hu is None or layer.signed or layer is reference:
                continue
            if layer.kind == "mask" or layer.stack.unit == LABEL_UNIT:
                continue
            # Unasked, nothing is measured across frames of reference, wherever these claim to lie.
            if not same_space(layer, reference):
                continue
            if layer.root is not reference.root and misfit(layer.stack, truth):
                continue
            point = pane.view.stack.geometry.positions_mm[pane.view.index]
            seen = pane.view.as_seen(truth)
            at, own = seen.geometry.nearest_slice(point), pane.view.stack.geometry
            if not lies_at(seen.geometry, at, point, reach_mm(own, seen.geometry)):
                continue  # the reference ends before
            other = seen.slice_hu(at)
            if other.shape == hu.shape and not (np.isnan(hu).any() or np.isnan(other).any()):
                pairs.append((layer, hu, other, self._step_of(layer)))
        name = self.protocol.currentData()
        self._session.jobs.start(
            "metrics",
            tr("Metrics"),
            lambda: _metrics(pairs, reference.name, name),
            succeeded=self._measured,
            failed=self._session.fail,
        )

    def _measured(self, rows: list[Row]) -> None:
        self._rows = rows
        self._session.metrics_changed.emit()
        self.table.setRowCount(len(rows))
        for k, row in enumerate(rows):
            values = (
                _title(row),
                _number(row.metrics["psnr"], 2),
                _number(row.metrics["ssim"], 3),
                _number(row.metrics["rmse"], 2),
                _number(row.bias_hu, 2, sign=True),
            )
            for column, text in enumerate(values):
                item = QTableWidgetItem(numbers(text) if column else text)
                item.setToolTip(plain_tip(text if column else called(row.layer)))
                if column:
                    item.setTextAlignment(
                        Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    )
                self.table.setItem(k, column, item)
        self.table.resizeRowsToContents()
        if self._again:
            self._measure()

    def caption(self, layer: Layer) -> str:
        """The metrics under a picture, with their protocol and reference."""
        for row in self._rows:
            if row.layer is layer and layer in self._session.layers:
                m = row.metrics
                step = "" if row.step is None else f", step {row.step:,}"
                return (
                    f"PSNR {_number(m['psnr'], 2)} dB, SSIM {_number(m['ssim'], 3)}, "
                    f"RMSE {_number(m['rmse'], 1)} HU (protocol {row.protocol}, "
                    f"against {row.reference}{step})"
                )
        return ""

    # -- exports ---------------------------------------------------------------------------------

    def _enable(self, *_: object) -> None:
        run = self._session.run
        active = self._session.active
        something = bool(self._session.layers)
        self.buttons["picture"].setEnabled(something)
        self.buttons["slices"].setEnabled(something)
        self.buttons["training"].setEnabled(run is not None and bool(run.previews))
        self.buttons["curves"].setEnabled(run is not None and len(run.history.step) > 0)
        self.buttons["dicom"].setEnabled(active is not None and active.exportable)

    def ask_picture(self) -> None:
        self._ask("Save the picture", "compare.png", "PNG (*.png)", self._exporter.save_picture)

    def ask_slices_gif(self) -> None:
        kinds = "GIF (*.gif);;MP4 (*.mp4);;WebM (*.webm)"
        self._ask("Save the film", "slices.gif", kinds, self._exporter.save_slices_gif)

    def ask_training_gif(self) -> None:
        self._ask("Save the GIF", "training.gif", "GIF (*.gif)", self._exporter.save_training_gif)

    def ask_curves(self) -> None:
        self._ask(
            "Save the curves", "curves.png", "PNG (*.png);;CSV (*.csv)", self._exporter.save_curves
        )

    def ask_dicom(self) -> None:
        layer = self._session.active
        if layer is None or not layer.exportable:
            self._session.message.emit(
                tr("Activate the pane with the denoised series first."), 6000
            )
            return
        self.save_layer(layer)

    def save_layer(self, layer: Layer) -> None:
        """Ask for a folder, then write a layer there: a series, or of a mask SEG and NIfTI."""
        title = tr("Name of the new folder for the series")
        if layer.kind == "mask":
            title = tr("Name of the new folder for the mask (DICOM SEG and NIfTI)")
        safe = "".join(c if c.isalnum() or c in " -_." else "-" for c in layer.name).strip()
        folder = ask_new_folder(self, self._session, title, safe or "denoised")
        if folder is None:
            return
        try:
            require_free_folder(folder, layer.stack.source)
            self._exporter.save_dicom(layer, folder, deidentify=self.deidentify.isChecked())
        except Exception as error:
            self._session.report(error)

    def _ask(self, title: str, name: str, kinds: str, save: object) -> None:
        try:
            path = ask_where_to_save(self, self._session, title, name, kinds)
            if path is not None:
                save(path)  # type: ignore[operator]
        except Exception as error:
            self._session.report(error)


def _metrics(
    pairs: list[Measured],
    reference: str,
    protocol: str,
) -> Work[list[Row]]:
    rows: list[Row] = []
    for layer, hu, truth, step in pairs:
        yield Progress(len(rows), len(pairs), "metrics")
        regions = uniform_regions(truth)
        offset = bias(hu, truth, regions) if regions.any() else math.nan
        figures = evaluate(hu, truth, protocol)
        rows.append(Row(layer, reference, protocol, figures, offset, step))
    return rows


def _title(row: Row) -> str:
    """A layer's name; of a training's what it shows, and when it was made."""
    name = row.layer.name.removeprefix(TRAINING)
    name = tr(name.capitalize()) if name != row.layer.name else called(row.layer)
    step = "" if row.step is None else tr("step {0:,}").format(row.step)
    return f"{name}\n{step}" if step else name


def _number(value: float, digits: int, *, sign: bool = False) -> str:
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "equal"
    return f"{value:{'+' if sign else ''}.{digits}f}"

"""Segment: choose a network that tells classes, where and how sure, and apply it to the series."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ctstudio.core.events import Progress, Work
from ctstudio.core.registry import read_fields
from ctstudio.gui import theme
from ctstudio.gui.masks.roles import is_mask
from ctstudio.gui.masks.segmenter import Segmenter
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import called, said
from ctstudio.gui.words import heading, plain_label, plain_tip

if TYPE_CHECKING:
    from ctstudio.learn.blobs import Blobs
    from ctstudio.learn.checkpoint import TrainedModel

REGIONS = (("Where it learnt", None), ("Inside the body", "body"), ("Everywhere", "everywhere"))
NONE_YET = "No network yet"
HALF = 0.5
KINDS = "(*.safetensors *.pt)"


class SegmentPanel(QWidget):
    """The form. Networks that were trained in the window come by themselves."""

    segmented = Signal(object)  # Layer

    def __init__(self, session: Session, runs_folder: Path) -> None:
        super().__init__()
        self._session, self._runs_folder = session, runs_folder
        self._source: Layer | None = None
        self.models: list[TrainedModel] = []
        self.segmenter = Segmenter(session)
        self.segmenter.said.connect(self._say)
        self.segmenter.ended.connect(self._enable)
        self.segmenter.finished.connect(self.segmented)
        self._build()
        session.active_changed.connect(self._active_changed)
        session.layer_removed.connect(lambda _layer: self._active_changed(session.active))
        session.layer_changed.connect(self._layer_changed)
        self._active_changed(session.active)
        self._model_changed()

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 12, 12, 12)
        layout.setSpacing(8)
        self._of = plain_label()
        self._of.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._of.setWordWrap(True)
        layout.addWidget(self._of)
        layout.addWidget(heading(tr("Network")))
        self.model = QComboBox()
        self.model.setAccessibleName(tr("Network that segments"))
        self.model.setToolTip(tr("A network that was trained on masks"))
        self.model.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.model.currentIndexChanged.connect(self._model_changed)
        self.load_button = QToolButton()
        self.load_button.setIcon(theme.icon("mdi6.folder-open-outline"))
        self.load_button.setAutoRaise(True)
        self.load_button.setToolTip(tr("Open a trained network, or the folder of a training"))
        self.load_button.setAccessibleName(tr("Open a network that segments"))
        self.load_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self.load_button)
        menu.addAction(tr("Trained network ...")).triggered.connect(self._ask_file)
        menu.addAction(tr("Folder of a training ...")).triggered.connect(self._ask_folder)
        self.load_button.setMenu(menu)
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.model, 1)
        row.addWidget(self.load_button)
        layout.addLayout(row)
        self._about = plain_label()
        self._about.setProperty("role", "muted")
        self._about.setWordWrap(True)
        layout.addWidget(self._about)
        layout.addWidget(heading(tr("How")))
        layout.addLayout(self._settings())
        self.apply_button = QPushButton(tr("Segment the series"))
        self.apply_button.setProperty("role", "primary")
        self.apply_button.clicked.connect(self.apply)
        self.cancel_button = QPushButton(tr("Cancel"))
        self.cancel_button.setToolTip(tr("Stop; nothing is changed"))
        self.cancel_button.clicked.connect(self.segmenter.cancel)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.apply_button, 2)
        buttons.addWidget(self.cancel_button, 1)
        layout.addSpacing(8)
        layout.addLayout(buttons)
        self.status = plain_label(" ")
        self.status.setProperty("role", "muted")
        self.status.setWordWrap(True)
        layout.addWidget(self.status)
        layout.addStretch(1)

    def _settings(self) -> QFormLayout:
        from ctstudio.learn.blobs import Blobs

        form = QFormLayout()
        form.setSpacing(8)
        self.region = QComboBox()
        self.region.setAccessibleName(tr("Region"))
        self.region.setToolTip(tr("Where the network is asked; elsewhere is background"))
        for title, name in REGIONS:
            self.region.addItem(title, name)
        form.addRow(tr("Region"), self.region)
        self.threshold = QDoubleSpinBox()
        self.threshold.setRange(0.01, 0.99)
        self.threshold.setSingleStep(0.05)
        self.threshold.setValue(HALF)
        self.threshold.setAccessibleName(tr("Threshold"))
        self.threshold.setToolTip(
            tr(
                "A voxel is inside where the network is more sure than this. Afterwards "
                "the colour bar of the probability moves it."
            )
        )
        form.addRow(tr("Threshold"), self.threshold)
        about = {field.name: field.param for field in read_fields(Blobs)}
        self.least = QDoubleSpinBox()
        self.least.setDecimals(0)
        self.least.setRange(0, 1e9)
        self.least.setAccessibleName(tr("Smallest piece"))
        self.least.setToolTip(
            tr("{0}; smaller ones are left out").format(tr(about["least_mm3"].help))
        )
        form.addRow(tr("Smallest piece"), self.least)
        self.largest = QSpinBox()
        self.largest.setRange(0, 999)
        self.largest.setSpecialValueText(tr("All"))
        self.largest.setAccessibleName(tr("Largest pieces"))
        self.largest.setToolTip(tr(about["largest"].help))
        form.addRow(tr("Largest pieces"), self.largest)
        self.every = QSpinBox()
        self.every.setRange(1, 8)
        self.every.setPrefix(tr("1 in "))
        self.every.setAccessibleName(tr("Voxels that are asked for"))
        self.every.setToolTip(
            tr(
                "A network of single voxels takes long: one voxel in so many, along rows "
                "and columns, stands for those around it"
            )
        )
        self._every_label = QLabel(tr("Voxels"))
        form.addRow(self._every_label, self.every)
        return form

    # -- networks --------------------------------------------------------------------------------

    def add_model(self, model: TrainedModel) -> None:
        """Offer a network that tells classes, and choose it."""
        if model in self.models:
            self.models.remove(model)
        self.models.insert(0, model)
        with QSignalBlocker(self.model):
            self.model.clear()
            for known in self.models:
                self.model.addItem(theme.icon("mdi6.graph-outline"), known.title, known)
            self.model.setCurrentIndex(0)
        self._model_changed()

    def _ask_file(self) -> None:
        kinds = f"{tr('Trained networks')} {KINDS}"
        path, _ = QFileDialog.getOpenFileName(self, tr("Open a trained network"), "", kinds)
        if path:
            self.load(Path(path))

    def _ask_folder(self) -> None:
        start = str(self._runs_folder)
        path = QFileDialog.getExistingDirectory(self, tr("Open the folder of a training"), start)
        if path:
            self.load(Path(path))

    def load(self, path: Path) -> None:
        """Open a network from a file or a run folder in the background."""
        if not self._session.jobs.busy("network"):
            self._session.jobs.start(
                "network",
                tr("Opening a network"),
                lambda: _load(path),
                succeeded=self.add_model,
                failed=self._session.fail,
            )

    def _model_changed(self) -> None:
        model: TrainedModel | None = self.model.currentData()
        if model is None:
            with QSignalBlocker(self.model):
                self.model.clear()
                self.model.addItem(tr(NONE_YET), None)
            self._about.setText(
                tr(
                    "Train one on masks (Train, recipe U-Net masks), or open one with the "
                    "button above."
                )
            )
        else:
            words = [f"{said(model.recipe.title) or tr('Trained in CT Studio')}."]
            if "dice" in model.metrics:
                held = int(model.metrics.get("held_out", 0))
                dice = f"{model.metrics['dice']:.3f}"
                on = tr("Dice {0} on {1} held-out slices.").format(dice, held)
                words.append(on if held else f"Dice {dice}.")
            self._about.setText(" ".join(words))
            self.threshold.setValue(_usual_threshold(model))
        single = model is not None and hasattr(model.module, "operations")
        self.every.setVisible(single)
        self._every_label.setVisible(single)
        self._enable()

    # -- the series ------------------------------------------------------------------------------

    def _active_changed(self, layer: Layer | None) -> None:
        base = layer
        while base is not None and (is_mask(base) or base.kind in ("residual", "live")):
            base = base.parent
        self._source = base if base is not None and base in self._session.layers else None
        name = called(self._source) if self._source is not None else ""
        self._of.setText(tr("Segments {0}").format(name) if name else tr("Open a series first."))
        known = self._source is None or self._source.stack.geometry.spacing_known
        self.least.setSuffix(" mm³" if known else tr(" voxels"))  # each counts as 1 mm³ then
        self._enable()

    def _layer_changed(self, layer: Layer, index: int) -> None:
        if index < 0 and layer is self._source:
            self._enable()

    def _enable(self) -> None:
        source, busy = self._source, self._session.jobs.busy("segment")
        why = ""
        if source is None or source.volume is None or not source.complete:
            why = tr("Open a series first, and let it load to the end")
        elif self.model.currentData() is None:
            why = tr("Choose a network first")
        elif busy:
            why = tr("A series is being segmented")
        self.apply_button.setEnabled(not why)
        self.apply_button.setToolTip(
            plain_tip(why or tr("Tell every voxel's class in the background; the result is a mask"))
        )
        self.cancel_button.setVisible(busy)

    @property
    def blobs(self) -> Blobs:
        """Which pieces are kept."""
        from ctstudio.learn.blobs import Blobs

        return Blobs(largest=self.largest.value(), least_mm3=self.least.value())

    def apply(self) -> None:
        """Segment the series that is looked at."""
        model, source = self.model.currentData(), self._source
        if model is None or source is None or source.volume is None or not source.complete:
            return
        chosen = self.threshold.value()
        # What the network decides by itself is not the same to the last voxel.
        threshold = None if chosen == _usual_threshold(model) else chosen
        every = self.every.value() if self.every.isVisible() else 1
        region = self.region.currentData()
        self.segmenter.start(source, source.volume, model, self.blobs, threshold, region, every)
        self._say(tr("Beginning ..."))
        self._enable()

    def _say(self, text: str) -> None:
        self.status.setText(text)


def _usual_threshold(model: TrainedModel) -> float:
    """The probability from which a network tells a class by itself."""
    return round(float(getattr(model.module, "threshold", 0.0)) or HALF, 2)


def _load(path: Path) -> Work[TrainedModel]:
    from ctstudio.workflows.segment import network_of_classes

    yield Progress(0, 1, "Opening a network")
    return network_of_classes(path)

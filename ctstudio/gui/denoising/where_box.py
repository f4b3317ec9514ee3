"""Where the method acts: regions that are kept, organs that are changed less."""

from __future__ import annotations

from collections.abc import Callable
from weakref import ref

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from ctstudio.ct.labels import LABEL_UNIT
from ctstudio.ct.measure import Shape
from ctstudio.ct.shares import FEATHER_MM, Shares
from ctstudio.ct.volume import Volume
from ctstudio.gui import theme
from ctstudio.gui.chrome import scrolling
from ctstudio.gui.forms.manners import guard_wheel
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import called
from ctstudio.gui.words import plain_label, plain_tip

MOST_LIST_PX = 240  # of whole bodies there are a hundred labels: their list is scrolled
MOST_NAME_PX = 120


class WhereBox(QWidget):
    """Makes `Shares`; ``region_drawn`` is set by the window and gives the region drawn last."""

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._source: Layer | None = None
        self._regions: list[Shape] = []
        self._mask: ref[Layer] | None = None
        self._shares: dict[int, float] = {}
        self.region_drawn: Callable[[Layer], Shape | None] = lambda layer: None
        self._told = QLabel()
        self._told.setWordWrap(True)
        self._told.setProperty("role", "muted")
        self.keep_button = QPushButton(tr("Keep the region"))
        self.keep_button.setIcon(theme.icon("mdi6.shield-outline"))
        self.keep_button.setToolTip(
            tr("The original stays inside the rectangle, ellipse or outline that is selected or "
               "was drawn last")
        )  # fmt: skip
        self.keep_button.clicked.connect(self.keep)
        self.clear_button = QPushButton(tr("Clear"))
        self.clear_button.setToolTip(tr("Denoise the kept regions, too"))
        self.clear_button.clicked.connect(self.clear)
        self.own_slice = QCheckBox(tr("On its own slice alone"))
        self.own_slice.setToolTip(tr("Else a region is kept on every slice of the series"))
        self.own_slice.toggled.connect(self._change)
        self.masks = QComboBox()
        self.masks.setAccessibleName(tr("Strength by the labels of a mask"))
        self.masks.setToolTip(tr("A mask of this series, whose labels get a strength each"))
        self.masks.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.masks.currentIndexChanged.connect(self._mask_chosen)
        self.feather = QDoubleSpinBox()
        self.feather.setRange(0, 30)
        self.feather.setDecimals(0)
        self.feather.setValue(FEATHER_MM)
        self.feather.setSuffix(tr(" mm"))
        self.feather.setAccessibleName(tr("Soft edge"))
        self.feather.setToolTip(tr("How far the change from kept to denoised reaches"))
        self.feather.valueChanged.connect(self._change)
        self.feather.valueChanged.connect(self._tell_borders)
        self.sliders: dict[int, QSlider] = {}
        self._labels = QWidget()
        self._grid = QGridLayout(self._labels)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(8)
        self._grid.setColumnStretch(1, 1)
        self._list = scrolling(self._labels)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.keep_button, 1)
        buttons.addWidget(self.clear_button)
        edge = QHBoxLayout()
        edge.addWidget(QLabel(tr("Soft edge")))
        edge.addStretch(1)
        edge.addWidget(self.feather)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self._told)
        layout.addLayout(buttons)
        layout.addWidget(self.own_slice)
        layout.addWidget(QLabel(tr("Strength by the labels of a mask")))
        layout.addWidget(self.masks)
        layout.addWidget(self._list)
        layout.addLayout(edge)
        session.layer_added.connect(self._layers_changed)
        session.layer_removed.connect(self._layers_changed)
        self._show()
        self._fill()

    @property
    def shares(self) -> Shares:
        """What is asked for now."""
        mask = self._mask() if self._mask is not None else None
        return Shares(
            tuple(self._regions),
            self.own_slice.isChecked(),
            mask.stack if mask is not None else None,
            dict(self._shares) if mask is not None else {},
            self.feather.value(),
        )

    def set_source(self, source: Layer | None) -> None:
        """Another series is to be denoised: what was asked for of the last one is forgotten."""
        if source is not self._source:
            self._source = source
            self._regions.clear()
            self._mask = None
            self._shares = {}
            self._fill()
            self._change()

    # -- regions ---------------------------------------------------------------------------------

    def keep(self) -> None:
        """Keep the region that was drawn last."""
        shape = self.region_drawn(self._source) if self._source is not None else None
        if shape is None:
            self._session.message.emit(
                tr("Draw a region upon the slice first: Measure > Rectangle, Ellipse or Outline."),
                8000,
            )
            return
        self._regions.append(shape)
        self._change()

    def clear(self) -> None:
        """Keep no region any more."""
        self._regions.clear()
        self._change()

    # -- masks -----------------------------------------------------------------------------------

    def _layers_changed(self, layer: Layer) -> None:
        if layer.stack.unit == LABEL_UNIT:
            self._fill()

    def _fill(self) -> None:
        chosen = self._mask() if self._mask is not None else None
        source = self._source
        found = [
            la
            for la in self._session.layers
            if source is not None
            and la.stack.unit == LABEL_UNIT
            and not la.signed
            and la.root is source.root
            and la.stack.shape == source.stack.shape
        ]
        with QSignalBlocker(self.masks):
            self.masks.clear()
            self.masks.addItem(tr("No mask"), None)
            for layer in found:
                self.masks.addItem(called(layer), ref(layer))
            row = found.index(chosen) + 1 if chosen in found else 0
            self.masks.setCurrentIndex(row)
        self.masks.setEnabled(bool(found))
        if chosen is not None and row == 0:
            self._mask_chosen()

    def _mask_chosen(self) -> None:
        self._mask = self.masks.currentData()
        self._shares = {}
        self._make_sliders()
        self._change()

    def _make_sliders(self) -> None:
        while (item := self._grid.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.deleteLater()
        self.sliders = {}
        mask = self._mask() if self._mask is not None else None
        labels = mask.stack.labels if mask is not None and isinstance(mask.stack, Volume) else ()
        for row, label in enumerate(each for each in labels if each.number > 0):
            name = plain_label()
            short = name.fontMetrics().elidedText(
                label.name, Qt.TextElideMode.ElideMiddle, MOST_NAME_PX
            )
            name.setText(short)
            name.setToolTip(plain_tip(label.name))
            value = QLabel("100 %")
            slider = QSlider(Qt.Orientation.Horizontal)
            slider.setRange(0, 100)
            slider.setValue(100)
            slider.setAccessibleName(tr("Strength in {0}").format(label.name))
            guard_wheel(slider)  # the wheel scrolls the list
            slider.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            slider.valueChanged.connect(
                lambda percent, number=label.number, told=value: self._moved(number, percent, told)
            )
            self.sliders[label.number] = slider
            for column, widget in enumerate((name, slider, value)):
                self._grid.addWidget(widget, row, column)
        self._tell_borders()
        self._labels.adjustSize()
        height = self._labels.sizeHint().height()
        self._list.setFixedHeight(min(height, MOST_LIST_PX))
        # Beside a scroll bar the percentages need room.
        self._grid.setContentsMargins(0, 0, 8 if height > MOST_LIST_PX else 0, 0)
        self._list.setVisible(bool(self.sliders))

    def _tell_borders(self) -> None:
        """Say why a label at 0 % is not wholly as it was scanned."""
        tip = tr("0 %: the original; 100 %: fully denoised")
        if self.feather.value() > 0:
            tip += "\n" + tr(
                "The border is soft, over about {0:.0f} mm to either side:\n"
                "near it, and in narrow organs, some of the change is left even at 0 %."
            ).format(self.feather.value())
        for slider in self.sliders.values():
            slider.setToolTip(tip)

    def _moved(self, number: int, percent: int, told: QLabel) -> None:
        told.setText(f"{percent} %")
        self._shares[number] = percent / 100
        self._change()

    def _change(self) -> None:
        self._show()
        self.changed.emit()

    def _show(self) -> None:
        count = len(self._regions)
        if count == 0:
            text = tr("Draw a region with a tool of the Measure menu, then keep it as it is.")
        elif count == 1:
            text = tr("1 region is kept as it was scanned.")
        else:
            text = tr("{0} regions are kept as they were scanned.").format(count)
        self._told.setText(text)
        self.clear_button.setEnabled(count > 0)
        self.keep_button.setEnabled(self._source is not None)
        self._list.setVisible(bool(self.sliders))

"""The row above the curves: how they are drawn, and which runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QCheckBox,
    QDockWidget,
    QHBoxLayout,
    QLabel,
    QMenu,
    QSizePolicy,
    QSlider,
    QTabBar,
    QToolButton,
    QWidget,
)

from ctstudio.gui import theme
from ctstudio.gui.curves.lines import PLOTS
from ctstudio.gui.curves.plot import Shown
from ctstudio.gui.history.comparison import ElidedLabel
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import said
from ctstudio.gui.words import plain_tip

SMOOTHINGS = (1, 5, 11, 25, 51, 101, 251, 501, 1001, 2501)
BUTTON_PX = 22
CHIP_PX = 220


class RunChip(QWidget):
    """One run in the legend: a box in its colour, its name, and a cross to take it away."""

    toggled = Signal(object, bool)  # Shown
    removed = Signal(object)  # Shown

    def __init__(self, run: Shown) -> None:
        super().__init__()
        self.run = run
        name = said(run.name)
        self.box = QCheckBox()
        self.box.setChecked(run.visible)
        self.box.setAccessibleName(tr("Show {0}").format(name))
        self.box.setToolTip(plain_tip(tr("Show or hide {0}").format(name)))
        self.box.toggled.connect(lambda on: self.toggled.emit(self.run, on))
        self.name = ElidedLabel()
        self.name.show_text(name)
        self.name.setToolTip(plain_tip(f"{name}\n{run.log.folder or ''}".strip()))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(4, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.box)
        layout.addWidget(self.name, 1)
        self.cross = small_button("mdi6.close", tr("Take {0} away").format(name))
        self.cross.setIconSize(self.cross.iconSize() * 0.75)
        self.cross.setFixedWidth(16)
        self.cross.clicked.connect(lambda: self.removed.emit(self.run))
        self.cross.setVisible(not run.live)  # the newest training goes when the next comes
        layout.addWidget(self.cross)
        width = self.name.fontMetrics().horizontalAdvance(name) + 60
        self.setMaximumWidth(min(width, CHIP_PX))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.retheme()

    def retheme(self) -> None:
        """Colour the box as the curve."""
        colour = self.run.colour
        self.box.setStyleSheet(
            f"QCheckBox::indicator {{ border-color: {colour}; }}"
            f"QCheckBox::indicator:checked {{ background: {colour}; border-color: {colour}; }}"
        )


class CurvesBar(QWidget):
    """Small buttons in one row; it serves as the title bar of the curves' dock."""

    changed = Signal()  # smoothing, terms or the axis below
    log_changed = Signal(str, bool)  # key of a plot
    plot_toggled = Signal(str, bool)  # key of a plot
    fit_requested = Signal()
    add_requested = Signal()
    toggled = Signal(object, bool)  # Shown
    removed = Signal(object)  # Shown
    page_changed = Signal(int)  # 0: the curves, 1: the gradients

    def __init__(self) -> None:
        super().__init__()
        self.chips: list[RunChip] = []
        self._many = False  # runs
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(8, 2, 4, 2)
        self._row.setSpacing(2)
        self._title = QLabel(tr("Training curves"))
        self._row.addWidget(self._title)
        self.tabs = QTabBar()
        self.tabs.setDrawBase(False)
        self.tabs.setExpanding(False)
        self.tabs.setAccessibleName(tr("Which curves"))
        for text, tip in (
            ("Training curves", "Loss, metrics and learning rate"),
            ("Gradients", "How long the gradient of each layer's weights is"),
        ):
            self.tabs.setTabToolTip(self.tabs.addTab(tr(text)), tr(tip))
        self.tabs.hide()
        self.tabs.currentChanged.connect(self._page_changed)
        self._row.addWidget(self.tabs)
        self._row.addSpacing(8)
        self._build_buttons()
        self._chips = QHBoxLayout()
        self._chips.setSpacing(8)
        self._row.addSpacing(6)
        self._row.addLayout(self._chips, 1)
        self._row.addStretch(0)
        self.add = small_button("mdi6.plus", "Lay another run over these ...")
        self.add.setText(tr("Add a run ..."))
        self.add.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.add.setMaximumWidth(140)
        self.add.clicked.connect(self.add_requested)
        self._row.addWidget(self.add)
        self._row.addSpacing(8)
        for icon, tip, slot in (
            ("mdi6.dock-window", "Take the curves out of the window, or back", self._float),
            ("mdi6.close", "Hide the curves (View > Training curves)", self._close),
        ):
            button = small_button(icon, tip)
            button.clicked.connect(slot)
            self._row.addWidget(button)

    def _build_buttons(self) -> None:
        self.smoothing = QSlider(Qt.Orientation.Horizontal)
        self.smoothing.setRange(0, len(SMOOTHINGS) - 1)
        self.smoothing.setValue(SMOOTHINGS.index(25))
        self.smoothing.setPageStep(1)
        self.smoothing.setFixedWidth(80)
        self.smoothing.setAccessibleName(tr("Smoothing of the loss"))
        self._count = QLabel()
        self._count.setProperty("role", "muted")
        self._count.setFixedWidth(self._count.fontMetrics().horizontalAdvance("2501 ") + 4)
        self.smoothing.valueChanged.connect(self._smoothing_changed)
        self.log, self.log_actions = self._menu(
            "mdi6.math-log", "Logarithmic axes", [spec.key for spec in PLOTS if spec.log],
            self.log_changed.emit,
        )  # fmt: skip
        self.plots, self.plot_actions = self._menu(
            "mdi6.eye-outline", "Which curves are shown", [spec.key for spec in PLOTS],
            self.plot_toggled.emit,
        )  # fmt: skip
        self.time = small_button("mdi6.clock-outline", "Over time instead of steps")
        self.terms = small_button("mdi6.sigma", "The parts of the loss beside their sum")
        for button in (self.time, self.terms):
            button.setCheckable(True)
            button.toggled.connect(lambda: self.changed.emit())
        self.terms.setChecked(True)
        self.fit = small_button(
            "mdi6.fit-to-page-outline", "Show all of every curve (of one: double click it)"
        )
        self.fit.clicked.connect(self.fit_requested)
        self._for_curves = (
            self.smoothing, self._count, self.time, self.log, self.terms, self.plots, self.fit
        )  # fmt: skip
        for widget in self._for_curves:
            self._row.addWidget(widget)
        self._smoothing_changed()

    def _menu(
        self, icon: str, tip: str, on: Sequence[str], say: Callable[[str, bool], object]
    ) -> tuple[QToolButton, dict[str, QAction]]:
        button = small_button(icon, tip)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(button)
        actions = {}
        for spec in PLOTS:
            action = actions[spec.key] = menu.addAction(spec.name)
            action.setCheckable(True)
            action.setChecked(spec.key in on)
            action.toggled.connect(lambda checked, key=spec.key: say(key, checked))
        button.setMenu(menu)
        return button, actions

    def _float(self) -> None:
        dock = self.parentWidget()
        if isinstance(dock, QDockWidget):
            dock.setFloating(not dock.isFloating())

    def _close(self) -> None:
        dock = self.parentWidget()
        if isinstance(dock, QDockWidget):
            dock.close()

    def _smoothing_changed(self) -> None:
        window = self.window_length
        self._count.setText(str(window) if window > 1 else tr("off"))
        self.smoothing.setToolTip(
            tr("The loss is averaged over {0} steps").format(window)
            if window > 1
            else tr("Every step's loss")
        )
        self.changed.emit()

    @property
    def window_length(self) -> int:
        """How many steps a smoothed value is the mean of."""
        return SMOOTHINGS[self.smoothing.value()]

    def show_runs(self, runs: Sequence[Shown]) -> None:
        """List ``runs``."""
        for chip in self.chips:
            self._chips.removeWidget(chip)
            chip.hide()
            chip.deleteLater()
        self.chips = [RunChip(run) for run in runs]
        for chip in self.chips:
            chip.toggled.connect(self.toggled)
            chip.removed.connect(self.removed)
            self._chips.addWidget(chip, 1)
        self._many = len(runs) > 2
        self._title.setVisible(not self._many and self.tabs.isHidden())  # the names need the room

    def offer_gradients(self, some: bool) -> None:
        """Whether there is a second page to turn to."""
        if some == self.tabs.isHidden():
            self.tabs.setVisible(some)
            self._title.setVisible(not some and not self._many)
            if not some:
                self.tabs.setCurrentIndex(0)

    def _page_changed(self, page: int) -> None:
        for widget in (self.smoothing, self._count, self.log, self.plots):
            widget.setVisible(page == 0)  # they are about the first page alone
        self.page_changed.emit(page)

    def set_useful(self, some: bool) -> None:
        """Whether there is any curve that the buttons could change."""
        for widget in self._for_curves:
            widget.setEnabled(some)

    def retheme(self) -> None:
        """Take the colours of the theme in force."""
        for chip in self.chips:
            chip.retheme()


def small_button(icon: str, tip: str) -> QToolButton:
    """A flat button of 22 px with a tooltip."""
    button = QToolButton()
    button.setIcon(theme.icon(icon))
    button.setAutoRaise(True)
    button.setToolTip(plain_tip(tip))
    button.setAccessibleName(tip)
    button.setFixedHeight(BUTTON_PX)
    button.setMinimumWidth(BUTTON_PX)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return button

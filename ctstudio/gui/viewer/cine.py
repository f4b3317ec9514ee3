"""Running through the slices by itself: how fast, how it turns round, and who runs along."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from PySide6.QtCore import QObject, QSignalBlocker, Qt, QTimer
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QSpinBox, QWidget

from ctstudio.gui import theme
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.viewer.view_grid import ViewGrid

Way = Literal["loop", "bounce", "once"]
WAYS: dict[Way, str] = {
    "loop": "Loop: from the last slice to the first",
    "bounce": "Bounce: forth and back",
    "once": "Once: to the last slice",
}
SLOWEST, FIRST, FASTEST = 1, 12, 60  # slices a second
FASTER = 1.25


class Cine(QObject):
    """Steps the active pane; panes linked with it follow by patient position.

    With ``everywhere`` the others run along too, each through its own slices in the same time.
    """

    def __init__(self, grid: ViewGrid, actions: dict[str, QAction]) -> None:
        super().__init__(grid)
        self._grid, self._actions = grid, actions
        self.rate = FIRST
        self.way: Way = "loop"
        self.everywhere = False
        self._forth = True
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._step)
        self.strip = CineStrip(self)
        self.strip.follow()
        self.strip.hide()

    def handlers(self) -> dict[str, Callable[..., Any]]:
        """What each action does, by the action's name."""
        return {
            "cine": self._toggle,
            "cine_faster": lambda: self.set_rate(round(max(self.rate * FASTER, self.rate + 1))),
            "cine_slower": lambda: self.set_rate(round(min(self.rate / FASTER, self.rate - 1))),
            "cine_way": self._next_way,
            "cine_everywhere": self.set_everywhere,
        }

    @property
    def running(self) -> bool:
        return self._timer.isActive()

    def set_rate(self, rate: int) -> None:
        """So many slices a second."""
        self.rate = min(max(rate, SLOWEST), FASTEST)
        self._timer.setInterval(round(1000 / self.rate))
        self.strip.follow()

    def set_way(self, way: Way) -> None:
        """What happens at the last slice."""
        self.way, self._forth = way, True
        self.strip.follow()

    def set_everywhere(self, on: bool) -> None:
        """Whether panes that are not linked with the active one run along."""
        self.everywhere = on
        self._actions["cine_everywhere"].setChecked(on)
        self.strip.follow()

    def stop(self) -> None:
        """Stand still."""
        self._timer.stop()

    def _toggle(self, on: bool) -> None:
        self._actions["cine"].setIcon(theme.icon("mdi6.pause" if on else "mdi6.play-outline"))
        self._forth = True
        self.strip.setVisible(on)
        if on:
            self._timer.start(round(1000 / self.rate))
        else:
            self._timer.stop()

    def _next_way(self) -> None:
        ways = list(WAYS)
        self.set_way(ways[(ways.index(self.way) + 1) % len(ways)])

    def _step(self) -> None:
        pane = self._grid.active_pane
        view = pane.view
        if view.layer is None or len(view.stack) < 2:
            self._actions["cine"].setChecked(False)
            return
        last = len(view.stack) - 1
        index = self._after(view.index, last)
        if index is None:
            self._actions["cine"].setChecked(False)
            return
        self._grid.go_to(index)
        if self.everywhere:
            followed = self._grid.linked(pane) if self._grid.links.scroll else []
            for other in self._grid.visible_panes:
                if other is pane or other in followed or other.layer is None:
                    continue
                place = round(index / last * (len(other.view.stack) - 1))
                if place != other.view.index:
                    other.view.show_slice(place)

    def _after(self, index: int, last: int) -> int | None:
        """The slice after ``index``; None where it ends."""
        if self.way == "bounce":
            if index >= last:
                self._forth = False
            elif index <= 0:
                self._forth = True
            return index + (1 if self._forth else -1)
        if index < last:
            return index + 1
        return 0 if self.way == "loop" else None


class CineStrip(QWidget):
    """Speed, turning and company of the cine, beside the slice slider while it runs."""

    def __init__(self, cine: Cine) -> None:
        super().__init__()
        self._cine = cine
        self.rate = QSpinBox()
        self.rate.setRange(SLOWEST, FASTEST)
        self.rate.setSuffix(" / s")
        self.rate.setAccessibleName(tr("Slices a second"))
        self.rate.setToolTip(tr("Slices a second (Alt+, slower, Alt+. faster)"))
        self.rate.valueChanged.connect(cine.set_rate)
        self.way = QComboBox()
        self.way.setAccessibleName(tr("At the last slice"))
        self.way.setToolTip(tr("What happens at the last slice (Alt+L)"))
        for way, words in WAYS.items():
            self.way.addItem(tr(words.split(":")[0]), way)
            self.way.setItemData(self.way.count() - 1, tr(words), Qt.ItemDataRole.ToolTipRole)
        self.way.activated.connect(lambda row: cine.set_way(self.way.itemData(row)))
        self.everywhere = QCheckBox(tr("All panes"))
        self.everywhere.setToolTip(tr("Panes that are not linked run along too (Alt+N)"))
        self.everywhere.toggled.connect(cine.set_everywhere)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        for widget in (self.rate, self.way, self.everywhere):
            layout.addWidget(widget)

    def follow(self) -> None:
        """Show what is set."""
        cine = self._cine
        with (
            QSignalBlocker(self.rate),
            QSignalBlocker(self.way),
            QSignalBlocker(self.everywhere),
        ):
            self.rate.setValue(cine.rate)
            self.way.setCurrentIndex(self.way.findData(cine.way))
            self.everywhere.setChecked(cine.everywhere)

"""Joins what tells of a series (its header, its report, its oddities) with the window."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from ctstudio.gui.inspection.mending import Mender
from ctstudio.gui.inspection.oddity_bar import OddityBar
from ctstudio.gui.inspection.report_window import ReportWindow
from ctstudio.gui.inspection.tags_window import TagsWindow
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.viewer.view_grid import ViewGrid


class Inspector(QObject):
    """Makes each window when it is first asked for, and tells it what is on the screen."""

    def __init__(self, session: Session, grid: ViewGrid, parent: QWidget) -> None:
        super().__init__(parent)
        self._session, self._grid, self._parent = session, grid, parent
        self._at: tuple[Layer, int] | None = None
        self.tags: TagsWindow | None = None
        self.report: ReportWindow | None = None
        self.mender = Mender(session)
        self.mender.mended.connect(self._look_at)
        self.bar = OddityBar(session, self.mender)
        self.bar.details_requested.connect(self.show_report)

    def handlers(self) -> dict[str, Callable[[], object]]:
        """What each action does, by the action's name."""
        return {"tags": self.show_tags, "report": self.show_report}

    def slice_shown(self, layer: Layer, index: int) -> None:
        """Another slice is on the screen."""
        self._at = (layer, index)
        if self.tags is not None:
            self.tags.slice_shown(layer, index)

    def _look_at(self, layers: list[Layer]) -> None:
        """What was mended stands beside its source: go on with it."""
        for pane in self._grid.visible_panes:
            if pane.layer is layers[0]:
                self._grid.activate(pane)

    def show_tags(self) -> None:
        """Show the header of the file behind the slice on the screen."""
        if self.tags is None:
            self.tags = TagsWindow(self._session, self._parent)
            if self._at is not None and self._at[0] in self._session.layers:
                self.tags.slice_shown(*self._at)
        _front(self.tags)
        self.tags.search.setFocus()

    def show_report(self) -> None:
        """Show what the series of the active pane is, and what is odd about it."""
        if self.report is None:
            self.report = ReportWindow(self._session, self.mender, self._parent)
        _front(self.report)


def _front(window: QWidget) -> None:
    window.show()
    window.activateWindow()

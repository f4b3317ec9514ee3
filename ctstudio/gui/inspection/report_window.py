"""The window "Series report": what a series is, what is odd about it, and buttons that mend it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from weakref import WeakKeyDictionary

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QShowEvent
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ctstudio.ct.resample import Fix
from ctstudio.ct.series import ScanResult, Skipped
from ctstudio.ct.volume import Volume
from ctstudio.gui.inspection.mending import Mender
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import said
from ctstudio.gui.words import numbers, plain_label, plain_tip
from ctstudio.workflows.info import SeriesReport, Values

NOTHING_OPEN = "Open a series: what it is and what is odd about it stands here then."
MOST_LISTED = 2000  # files that were left out
OWN_WORDS = ("Description", "Kernel")  # of the file, which are shown as they are


class ReportWindow(QDialog):
    """Follows the active pane; made by the same functions as ``ctstudio info``."""

    def __init__(self, session: Session, mender: Mender, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Series report"))
        self.setWindowFlags(Qt.WindowType.Window)
        self.resize(760, 760)
        self._session, self._mender = session, mender
        self._layer: Layer | None = None
        self._measuring: Layer | None = None
        self._values: WeakKeyDictionary[Layer, Values | None] = WeakKeyDictionary()
        self.report: SeriesReport | None = None
        self._build()
        session.active_changed.connect(self._follow)
        session.layer_changed.connect(self._layer_changed)
        mender.changed.connect(self._enable)

    def _build(self) -> None:
        self.title = plain_label()
        self.title.setProperty("role", "title")
        self.title.setWordWrap(True)
        self.sentences = plain_label(tr(NOTHING_OPEN))
        self.sentences.setWordWrap(True)
        self.sentences.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.odd_heading = plain_label()
        self.odd_heading.setProperty("role", "heading")
        self._odd = QVBoxLayout()
        self._odd.setSpacing(8)
        self.buttons: list[QPushButton] = []  # each mends one thing
        self.table = QTreeWidget()
        self.table.setColumnCount(2)
        self.table.setHeaderHidden(True)
        self.table.setAlternatingRowColors(True)
        self.table.setUniformRowHeights(True)
        self.table.setAccessibleName(tr("Details of the series"))
        self.table.header().setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        self.copy_text = self._button(tr("Copy as text"), self._copy_text)
        self.copy_json = self._button(tr("Copy as JSON"), self._copy_json)
        self.copy_json.setToolTip(tr("The same data as `ctstudio info --json`"))
        close = self._button(tr("Close"), self.hide)
        bottom = QHBoxLayout()
        bottom.setSpacing(8)
        bottom.addWidget(self.copy_text)
        bottom.addWidget(self.copy_json)
        bottom.addStretch(1)
        bottom.addWidget(close)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 12)
        layout.setSpacing(8)
        layout.addWidget(self.title)
        layout.addWidget(self.sentences)
        layout.addSpacing(8)
        layout.addWidget(self.odd_heading)
        layout.addLayout(self._odd)
        layout.addSpacing(8)
        layout.addWidget(self.table, 1)
        layout.addLayout(bottom)

    def _button(self, text: str, slot: Callable[[], object]) -> QPushButton:
        button = QPushButton(text)
        button.setAutoDefault(False)
        button.clicked.connect(lambda _=False: slot())
        return button

    # -- what is shown ---------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._follow(self._session.active)

    def _layer_changed(self, layer: Layer, index: int) -> None:
        if index < 0 and layer is self._layer:
            self._values.pop(layer, None)
            self._follow(self._session.active)

    def _follow(self, layer: Layer | None) -> None:
        """Tell of the scan that the active pane shows, or of the one that was made of."""
        if not self.isVisible():
            return
        if layer is not None and not layer.is_scan:
            layer = layer.scan
        self._layer = layer
        self._fill()
        if layer is not None and layer.complete and layer not in self._values:
            self._measure()

    def _fill(self) -> None:
        from ctstudio.workflows.info import report_one
        from ctstudio.workflows.series_report import details, sentences

        layer = self._layer
        series = layer.root.series if layer is not None else None
        self._clear()
        if layer is None or series is None:
            self.report = None
            self.title.setText("")
            self.sentences.setText(tr(NOTHING_OPEN))
            self._enable()
            return
        number = next((k for k, s in enumerate(self._session.series, 1) if s is series), 1)
        volume = layer.volume if layer.complete else None
        self.report = report_one(
            series, number, volume=volume, values=self._values.get(layer, None)
        )
        self.title.setText(layer.name)
        told = [said(text) for text in sentences(self.report)]
        if layer.complete and layer not in self._values:
            told.append(tr("The values are being measured ..."))
        self.sentences.setText("\n".join([*told, *_history(layer)]))
        self._fill_odd(self.report)
        for name, value in details(self.report):
            own = name in OWN_WORDS
            text = value if own else numbers(said(value))
            item = QTreeWidgetItem([tr(name), text])
            item.setToolTip(1, plain_tip(text))
            self.table.addTopLevelItem(item)
        self._fill_left_out()
        self._enable()

    def _fill_odd(self, report: SeriesReport) -> None:
        odd = report.irregularities
        told = {entry["detail"] for entry in odd}
        others = [text for text in report.warnings if text not in told]
        some = bool(odd) or bool(others)
        self.odd_heading.setText(
            tr("What is odd about it") if some else tr("Nothing is odd about it.")
        )
        for entry in odd:
            name = said(entry["name"])
            name = name[:1].upper() + name[1:]
            self._add(tr("{0}: {1}").format(name, said(entry["detail"])))
            row = QHBoxLayout()
            row.setSpacing(8)
            row.setContentsMargins(16, 0, 0, 0)
            for fix in (Fix(name) for name in entry["fixes"]):
                if fix is not Fix.LEAVE:
                    button = self._button(said(fix.label), lambda fix=fix: self._mend(fix))  # type: ignore[misc]
                    button.setToolTip(said(fix.help))
                    self.buttons.append(button)
                    row.addWidget(button)
            row.addStretch(1)
            if row.count() > 1:
                self._odd.addLayout(row)
        for text in others:
            self._add(said(text))

    def _add(self, text: str) -> None:
        label = plain_label(text)
        label.setWordWrap(True)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._odd.addWidget(label)

    def _fill_left_out(self) -> None:
        files = self._session.left_out
        self.table.setRootIsDecorated(bool(files))
        if not files:
            return
        count = len(files)
        what = tr("1 file was left out") if count == 1 else tr("{0} files were left out")
        top = QTreeWidgetItem([what.format(count), tr("in all that was opened so far")])
        for entry in files[:MOST_LISTED]:
            name = str(entry.path) if self._session.show_patient else entry.path.name
            item = QTreeWidgetItem([entry.path.name, said(entry.reason)])
            item.setToolTip(0, plain_tip(name))
            top.addChild(item)
        self.table.addTopLevelItem(top)

    def _clear(self) -> None:
        self.table.clear()
        self.buttons.clear()
        self.odd_heading.clear()
        _empty(self._odd)

    def _enable(self) -> None:
        for button in (self.copy_text, self.copy_json):
            button.setEnabled(self.report is not None)
        ready = self._layer is not None and self._layer.complete and not self._mender.busy
        for button in self.buttons:
            button.setEnabled(ready)

    # -- what is done ----------------------------------------------------------------------------

    def _mend(self, fix: Fix) -> None:
        if self._layer is not None:
            self._mender.start(self._layer, [fix])

    def _measure(self) -> None:
        from ctstudio.workflows.info import measure

        layer = self._layer
        volume = layer.volume if layer is not None else None
        if not isinstance(volume, Volume) or self._session.closing:
            return
        if self._session.jobs.busy("report"):
            return  # the job that runs asks again when it ends
        self._measuring = layer
        self._session.jobs.start(
            "report",
            tr("Measuring values"),
            lambda: measure(volume),
            succeeded=self._measured,
            failed=self._session.fail,
        )

    def _measured(self, values: Values | None) -> None:
        if self._measuring is not None:
            self._values[self._measuring] = values
        self._measuring = None
        self._follow(self._session.active)

    def _left_out(self) -> ScanResult:
        """The files that were left out; where patient details are hidden, without their folders."""
        files = self._session.left_out
        if not self._session.show_patient:
            files = [Skipped(Path(entry.path.name), entry.reason) for entry in files]
        return ScanResult((), tuple(files))

    def _copy_text(self) -> None:
        from ctstudio.workflows.info import left_out_lines
        from ctstudio.workflows.series_report import as_report

        if self.report is not None:
            lines = left_out_lines(self._left_out())
            QGuiApplication.clipboard().setText(as_report(self.report, lines))

    def _copy_json(self) -> None:
        from ctstudio.workflows.info import as_data

        if self.report is not None:
            text = json.dumps(as_data([self.report], self._left_out()), indent=2)
            QGuiApplication.clipboard().setText(text)


def _history(layer: Layer) -> list[str]:
    steps = layer.stack.derivation
    return [tr("Made here: {0}.").format("; ".join(map(said, steps)))] if steps else []


def _empty(layout: QVBoxLayout | QHBoxLayout) -> None:
    while (item := layout.takeAt(0)) is not None:
        widget, inner = item.widget(), item.layout()
        if widget is not None:
            widget.hide()
            widget.deleteLater()
        elif isinstance(inner, (QVBoxLayout, QHBoxLayout)):
            _empty(inner)

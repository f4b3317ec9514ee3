"""One plot: the curves of several runs, each one item that grows, and what lies at the cursor."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QFont, QMouseEvent, QPen
from PySide6.QtWidgets import QLabel, QSizePolicy

from ctstudio.figures.colours import sequence
from ctstudio.gui import theme
from ctstudio.gui.curves.axes import RunAxis, ValueAxis, clock
from ctstudio.gui.curves.legend import Legend
from ctstudio.gui.curves.lines import Line, Manner, PlotSpec, extent, lines, nearest, seconds_at
from ctstudio.gui.training.run_log import RunLog
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import said

# After Okabe and Ito, whose colours people with colour blindness tell apart; lighter on dark, and
# without yellow on white.
COLOURS = {
    "dark": ("#56b4e9", "#e69f00", "#1fb88a", "#e08fc0", "#f0e442", "#e8703a"),
    "light": ("#0072b2", "#c25400", "#00855f", "#b0488a", "#333a44", "#3fa0d8"),
}
MOST_RUNS = len(COLOURS["dark"])
STYLES = (
    Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine, Qt.PenStyle.DashDotLine,
)  # fmt: skip
"""Of the layers of several runs, whose colours are those of the layers."""
FEW = 30  # so few values are marked: one alone is no line
TITLE_PX, AXIS_PX, LEFT_PX, LINE_PX = 18, 20, 46, 14
MIN_COLUMNS, PARTS_OF_PX, SETTLE_MS = 50, 2, 30
FALLING = ("loss", "rmse", "lr")  # these curves leave the upper corner free
NAME_LETTERS = 18
WIDE_PX = 300  # then there is room for the runs' names at the cursor


@dataclass(eq=False)
class Shown:
    """A run that is laid over the others, in a colour of its own."""

    log: RunLog
    number: int
    visible: bool = True
    live: bool = False

    @property
    def name(self) -> str:
        return self.log.name or tr("This training")

    @property
    def colour(self) -> str:
        return COLOURS[theme.current().name][self.number]


def mixed(colour: str, share: float) -> str:
    """``colour`` thinned with that of the plot's ground; an opaque one is painted faster."""
    front, back = QColor(colour), QColor(theme.current().base)
    parts = zip(_rgb(front), _rgb(back), strict=True)
    return QColor(*(round(share * a + (1 - share) * b) for a, b in parts)).name()


def _rgb(colour: QColor) -> tuple[int, int, int]:
    return colour.red(), colour.green(), colour.blue()


def line_colour(run: Shown, line: Line, alone: bool) -> str:
    """The colour of a line: that of its run, or of its own where there is no other run."""
    if line.kind == "layer":
        return sequence(line.count, theme.current() is theme.DARK)[line.number]
    if line.kind == "raw":
        return mixed(run.colour, 0.45)
    if line.kind == "noisy":
        return mixed(run.colour, 0.75)
    colours = COLOURS[theme.current().name]
    if alone and line.kind == "validation":
        return colours[(run.number + 1) % MOST_RUNS]
    if line.kind == "term":
        if alone:
            return colours[(run.number + 2 + line.number) % MOST_RUNS]
        return mixed(run.colour, max(0.7 - 0.15 * line.number, 0.3))
    return run.colour


class CurvePlot(pg.PlotWidget):
    """A plot of one kind of value. Wheel: zoom; drag: move; double click: everything again.

    The curves are given as many points as the plot has pixels: pyqtgraph's own down-sampling goes
    through all of them at every repaint, which for 100,000 takes ten times as long.
    """

    hovered = Signal(object, object)  # this plot, and the place along the axis below or None

    def __init__(self, spec: PlotSpec) -> None:
        self._below = RunAxis()
        super().__init__(
            axisItems={"left": ValueAxis("left"), "bottom": self._below}, enableMenu=False
        )
        self.spec = spec
        self.log = spec.log
        self.items_by_line: dict[tuple[Shown, str], pg.PlotDataItem] = {}
        self._lines: dict[tuple[Shown, str], Line] = {}
        self._drawn: dict[Shown, object] = {}
        self._runs: list[Shown] = []
        self._manner = Manner()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(64)
        item = self.plotItem
        item.hideButtons()
        item.showGrid(x=True, y=True, alpha=0.15)
        item.setContentsMargins(0, 0, 6, 0)
        item.layout.setRowFixedHeight(0, TITLE_PX)
        item.titleLabel.setMaximumHeight(TITLE_PX)
        item.getAxis("left").setWidth(LEFT_PX)
        self._below.setHeight(AXIS_PX)
        small = QFont(self.font())
        small.setPixelSize(11)
        for side in ("left", "bottom"):
            item.getAxis(side).enableAutoSIPrefix(False)
            item.getAxis(side).setTickFont(small)
            item.getAxis(side).setStyle(maxTickLevel=0)  # lines between the labels cost time
        item.setLogMode(y=self.log)
        self._cursor = pg.InfiniteLine(angle=90, movable=False)
        self._cursor.setVisible(False)
        item.addItem(self._cursor, ignoreBounds=True)
        self.readout = QLabel(self)
        self.readout.setTextFormat(Qt.TextFormat.RichText)
        self.readout.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.readout.hide()
        self.legend = Legend(self)
        self.scene().sigMouseMoved.connect(self._moved)
        self._view: tuple[object, int, int] = (None, 0, 0)
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self._follow_view)
        for changed in (item.vb.sigXRangeChanged, item.vb.sigResized):
            changed.connect(self._view_changed)
        self.retheme()

    # -- looks -----------------------------------------------------------------------------------

    def retheme(self) -> None:
        """Take the colours of the theme in force."""
        t = theme.current()
        self.setBackground(t.base)
        for side in ("left", "bottom"):
            axis = self.plotItem.getAxis(side)
            axis.setTextPen(QColor(t.muted))
            axis.setPen(QColor(t.line))
        self._cursor.setPen(pg.mkPen(t.muted, width=1))
        ground = f"rgba{(*_rgb(QColor(t.raised)), 215)}"
        self.readout.setStyleSheet(
            f"background: {ground}; color: {t.text}; border: 0;"
            "border-radius: 3px; padding: 1px 4px; font-size: 11px;"
        )
        self.legend.retheme()
        self._name()
        self._drawn.clear()

    def _name(self) -> None:
        protocols = sorted({run.log.protocol for run in self._runs if run.log.validation_step})
        title = self.spec.title(" and ".join(protocols))
        self.setAccessibleName(tr("Curves of {0}").format(title))
        log = " (log)" if self.log else ""
        self.plotItem.setTitle(title + log, color=theme.current().text, size="9pt")

    def set_log(self, on: bool) -> None:
        """Make the axis of values logarithmic; what is not above zero then has no place."""
        if on != self.log:
            self.log = on
            self.plotItem.setLogMode(y=on)
            self._drawn.clear()
            self._name()
            self.show_all()

    def show_all(self) -> None:
        """Follow everything again."""
        self.plotItem.enableAutoRange()

    # -- curves ----------------------------------------------------------------------------------

    def draw(self, runs: Sequence[Shown], manner: Manner, *, coarse: bool = False) -> None:
        """Bring the curves up to date; what has not changed is left alone.

        With ``coarse`` so is what has grown by less than can be seen.
        """
        if [run.log.protocol for run in runs] != [run.log.protocol for run in self._runs]:
            self._runs = list(runs)
            self._name()
        self._runs = list(runs)
        if manner.time != self._manner.time:
            self._below.show_time(manner.time)
            self.show_all()
        self._manner = manner
        for run in [run for run in self._drawn if run not in runs]:
            self._forget(run)
        for run in runs:
            steps, judged = extent(run.log, self.spec.key)
            # A step that is less than a part of a pixel can wait for others.
            grain = max(steps // (PARTS_OF_PX * self._columns), 1)
            state = (steps // grain if coarse else steps, grain, judged, manner, run.colour)
            if self._drawn.get(run) != state:
                self._drawn[run] = state
                self._draw(run)
        self._explain()

    def _explain(self) -> None:
        """What the lines are, in a corner, unless the cursor tells."""
        told = [
            (line_colour(run, line, self._manner.alone), line)
            for (run, _), line in self._lines.items()
            if len(line.x)
        ]
        self.legend.explain(told, alone=self._manner.alone)
        self.legend.settle(self.plotItem.vb.sceneBoundingRect(), high=self.spec.key in FALLING)
        if not self.readout.isHidden():
            self.legend.hide()

    @property
    def _columns(self) -> int:
        return max(int(self.plotItem.vb.width()), MIN_COLUMNS)

    def _follow_view(self) -> None:
        """The part in view, or the plot's width, is another: draw as many points as it takes."""
        if not self.isHidden():
            for run in self._drawn:
                self._draw(run)
            self._explain()

    def _view_changed(self) -> None:
        box = self.plotItem.vb
        view = None if box.autoRangeEnabled()[0] else tuple(box.viewRange()[0])
        now = (view, self._columns, int(box.height()))  # the legend follows the height too
        if now != self._view:
            self._view = now
            self._settle.start()

    def _draw(self, run: Shown) -> None:
        box = self.plotItem.vb
        view = (-np.inf, np.inf) if box.autoRangeEnabled()[0] else box.viewRange()[0]
        told = {line.name: line for line in lines(run.log, self.spec.key, self._manner)}
        for key in [key for key in self.items_by_line if key[0] is run and key[1] not in told]:
            self._remove(key)
        for depth, (name, line) in enumerate(told.items()):
            self._lines[run, name] = line
            item = self.items_by_line.get((run, name))
            if item is None:
                item = self._make(depth)
                self.items_by_line[run, name] = item
            x, y = line.drawn(view[0], view[1], self._columns)
            y = np.where(y > 0, y, np.nan) if self.log else y
            marked = len(y) <= FEW and line.kind != "raw" and line.kind != "noisy"
            pen = self._pen(run, line)
            item.setData(
                x, y, pen=pen, symbol="o" if marked else None, symbolSize=4,
                symbolPen=None, symbolBrush=pen.color(),
            )  # fmt: skip

    def _make(self, depth: int) -> pg.PlotDataItem:
        item = pg.PlotDataItem(connect="finite")
        item.setZValue(depth)
        self.plotItem.addItem(item)
        return item

    def _pen(self, run: Shown, line: Line) -> QPen:
        dashed = line.kind == "noisy" or (line.kind == "validation" and not self._manner.alone)
        style = Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine
        if line.kind == "layer" and not self._manner.alone:
            style = STYLES[run.number % len(STYLES)]
        return pg.mkPen(line_colour(run, line, self._manner.alone), width=1, style=style)

    def _remove(self, key: tuple[Shown, str]) -> None:
        self.plotItem.removeItem(self.items_by_line.pop(key))
        self._lines.pop(key, None)

    def _forget(self, run: Shown) -> None:
        self._drawn.pop(run, None)
        for key in [key for key in self.items_by_line if key[0] is run]:
            self._remove(key)

    # -- the cursor ------------------------------------------------------------------------------

    def _moved(self, at: QPointF) -> None:
        box = self.plotItem.vb
        inside = box.sceneBoundingRect().contains(at)
        self.hovered.emit(self, float(box.mapSceneToView(at).x()) if inside else None)

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.hovered.emit(self, None)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.show_all()
        event.accept()

    def show_cursor(self, x: float | None, where: bool) -> None:
        """Draw the cursor at ``x`` and tell the value of every curve there; None takes it away.

        With ``where`` the step or the time stands above them.
        """
        rows = self._rows(x) if x is not None else []
        if x is not None and rows and where:
            rows.insert(0, f"<b>{self._place(x)}</b>")
        self._cursor.setVisible(bool(rows))
        self.readout.setVisible(bool(rows))
        self._explain()
        if x is None or not rows:
            return
        self._cursor.setPos(x)
        box = self.plotItem.vb.sceneBoundingRect()
        room = max(int(box.height() - 10) // LINE_PX, 2)
        if len(rows) > room:
            rows = [*rows[: room - 1], "..."]
        self.readout.setText("<br>".join(rows))
        self.readout.adjustSize()
        left, right = self.plotItem.vb.viewRange()[0]
        beside = x < (left + right) / 2
        place = box.right() - self.readout.width() - 3 if beside else box.left() + 3
        self.readout.move(round(max(place, box.left() + 3)), round(box.top() + 3))

    def _rows(self, x: float) -> list[str]:
        """What the curves are at ``x``: of one run a row each, of several a row a run."""
        rows = []
        for run in self._runs:
            told = [
                (line, line.at(x))
                for (owner, _), line in self._lines.items()
                if owner is run and len(line.x)
            ]
            if self._manner.alone:
                rows += [
                    _row(line_colour(run, line, True), tr(line.name), f"{value:.4g}")
                    for line, value in told
                ]
            elif told and told[0][0].kind == "layer":
                ends = ", ".join(f"{line.name} {v:.3g}" for line, v in (told[0], told[-1]))
                rows.append(_row(run.colour, shortened(said(run.name)), "", ends))
            elif told:
                main = [f"{value:.4g}" for line, value in told if line.kind == "value"]
                rest = [
                    f"{tr(line.name.removesuffix(' input'))} {value:.4g}"
                    for line, value in told
                    if line.kind != "value"
                ]
                name = shortened(said(run.name)) if self.width() > WIDE_PX else ""
                more = f"({', '.join(rest)})" if rest else ""
                rows.append(_row(run.colour, name, "".join(main), more))
        return rows

    def _place(self, x: float) -> str:
        logs = [run.log for run in self._runs if run.log.step]
        if not self._manner.time:
            step = round(x)
            if self._manner.alone and logs:
                steps = logs[0].step.values
                seconds = float(seconds_at(logs[0], np.array([x]))[0])
                at = f"{steps[nearest(steps, x)]:.0f}"
                return tr("step {0}, {1}").format(at, clock(seconds))
            return tr("step {0}").format(step)
        if self._manner.alone and logs:
            seconds_row = logs[0].seconds.values
            at = logs[0].step[nearest(seconds_row, x)]
            return tr("{0}, step {1}").format(clock(x), at)
        return clock(x)


def _row(colour: str, name: str, value: str, more: str = "") -> str:
    words = [html.escape(name), f"<b>{value}</b>", html.escape(more)]
    mark = f'<span style="color:{colour}">&#9632;</span>'
    # What is on one line stays there.
    return (
        " ".join([mark, *(word for word in words if word)])
        .replace(" ", "&nbsp;")
        .replace("<span&nbsp;", "<span ")
    )


def shortened(name: str) -> str:
    """A name with its middle left out where it is long."""
    if len(name) <= NAME_LETTERS:
        return name
    half = (NAME_LETTERS - 1) // 2
    return f"{name[:half]}\N{HORIZONTAL ELLIPSIS}{name[-half:]}"

"""Three gradients of one network side by side: what dilation does to each layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QColor, QFont
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Progress, Work
from ctstudio.core.registry import Choice, Entry
from ctstudio.figures.gradients import LEAST, Effect
from ctstudio.gui import theme
from ctstudio.gui.curves.axes import ValueAxis
from ctstudio.gui.curves.plot import COLOURS
from ctstudio.gui.dialogs import ask_where_to_save
from ctstudio.gui.forms.choice_form import ChoiceForm
from ctstudio.gui.session import Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import said
from ctstudio.gui.words import plain_label

ROLE = "gradients"
SETTLE_MS = 400
LABELS_PX = 38  # two lines


class BarPlot(pg.PlotWidget):
    """Groups of bars on a logarithmic axis, a group a layer."""

    def __init__(self, title: str) -> None:
        super().__init__(axisItems={"left": ValueAxis("left")}, enableMenu=False)
        self._title = title
        self.bars: dict[str, pg.BarGraphItem] = {}
        self._told: tuple[Sequence[str], Mapping[str, Sequence[float]]] = ((), {})
        self.setMouseEnabled(x=False, y=False)
        self.hideButtons()
        self.setMinimumHeight(150)
        item = self.plotItem
        item.showGrid(y=True, alpha=0.15)
        item.setLogMode(y=True)  # the axis; bars are given as powers of ten
        item.getAxis("left").setWidth(56)
        item.getAxis("left").enableAutoSIPrefix(False)
        item.getAxis("bottom").setHeight(LABELS_PX)
        small = QFont(self.font())
        small.setPixelSize(11)
        for side in ("left", "bottom"):
            item.getAxis(side).setTickFont(small)
        self.retheme()

    def retheme(self) -> None:
        """Take the colours of the theme in force."""
        t = theme.current()
        self.setBackground(t.base)
        for side in ("left", "bottom"):
            self.plotItem.getAxis(side).setTextPen(QColor(t.muted))
            self.plotItem.getAxis(side).setPen(QColor(t.line))
        self.setTitle(self._title, color=t.text, size="9pt")
        self.show_groups(*self._told)

    def show_groups(self, layers: Sequence[str], told: Mapping[str, Sequence[float]]) -> None:
        """Draw the numbers of ``told``, each a row as long as ``layers``.

        Zero and what is no number has no bar.
        """
        self._told = (layers, told)
        for item in self.bars.values():
            self.removeItem(item)
        self.bars = {}
        powers = {name: np.array([_power(value) for value in row]) for name, row in told.items()}
        every = np.concatenate([*powers.values(), np.empty(0)])
        every = every[np.isfinite(every)]
        low, high = (every.min() - 0.4, every.max() + 0.3) if len(every) else (0.0, 1.0)
        width = 0.8 / max(len(told), 1)
        colours = COLOURS[theme.current().name]
        for number, (name, row) in enumerate(powers.items()):
            good = np.isfinite(row)
            places = np.arange(len(row)) + (number - (len(told) - 1) / 2) * width
            bars = pg.BarGraphItem(
                x=places[good], y0=np.full(good.sum(), low), height=row[good] - low,
                width=0.9 * width, brush=colours[number], pen=None,
            )  # fmt: skip
            self.addItem(bars)
            self.bars[name] = bars
        self.plotItem.getAxis("bottom").setTicks([list(enumerate(layers))])
        self.setXRange(-0.6, max(len(layers), 1) - 0.4, padding=0)
        self.setYRange(low, high, padding=0)


class EffectDialog(QDialog):
    """Compares in a job, again whenever a setting of the dilated gradient changes.

    Parameters
    ----------
    folder
        Of the run.
    name
        What it is called.
    ask_to_save
        Asks a training that is running for a checkpoint; None where it is not.
    """

    def __init__(
        self,
        session: Session,
        folder: Path,
        name: str,
        ask_to_save: Callable[[], object] | None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._folder, self._ask_to_save = session, folder, ask_to_save
        self._again = False
        self.effect: Effect | None = None
        self.setWindowTitle(tr("Effect of dilation: {0}").format(name))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(760, 620)
        self.about = plain_label(tr("Comparing ..."))
        self.about.setWordWrap(True)
        self.legends = (QLabel(), QLabel())
        self.weights = BarPlot(tr("Length of the gradient of each layer's weights"))
        self.received = BarPlot(tr("Length of the gradient that each layer receives"))
        self.form = ChoiceForm(sliders=False)
        self.form.set_entry(_entry(), _params(folder))
        self.form.changed.connect(self._settle)
        self.compare_button = QPushButton(tr("Compare again"))
        self.compare_button.setToolTip(tr("With the network as it is now"))
        self.compare_button.clicked.connect(self.compare)
        self.save_button = QPushButton(tr("Save ..."))
        self.save_button.setToolTip(tr("As PNG or CSV"))
        self.save_button.clicked.connect(self._ask_save)
        self.save_button.setEnabled(False)
        for button in (self.compare_button, self.save_button):
            button.setAutoDefault(False)
        below = QHBoxLayout()
        below.setSpacing(8)
        below.addWidget(self.form, 1)
        column = QVBoxLayout()
        column.addWidget(self.compare_button)
        column.addWidget(self.save_button)
        column.addStretch(1)
        below.addLayout(column)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 12, 12, 12)
        layout.setSpacing(8)
        layout.addWidget(self.about)
        for legend, plot in zip(self.legends, (self.weights, self.received), strict=True):
            layout.addWidget(legend)
            layout.addWidget(plot, 1)
        layout.addLayout(below)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SETTLE_MS)
        self._timer.timeout.connect(self.compare)

    def _settle(self) -> None:
        self._timer.start()

    def compare(self) -> None:
        """Compare with the settings as they are; once more later where that is under way."""
        jobs = self._session.jobs
        self._again = jobs.busy(ROLE)
        if self._again or self._session.closing:
            return
        from ctstudio.workflows.gradients import effect_in_run

        folder, dilated, ask = self._folder, self.form.choice, self._ask_to_save
        jobs.start(
            ROLE, tr("Comparing gradients"),
            lambda: effect_in_run(folder, dilated=dilated, ask_to_save=ask),
            succeeded=self._compared, failed=self._failed,
        )  # fmt: skip

    def _compared(self, effect: Effect) -> None:
        self.effect = effect
        self.about.setText(f"{said(effect.title)}. {said(effect.note)}")
        layers = list(effect.layers)
        dilated = effect.cosines.get("dilated")
        if dilated is not None:
            words = [f"cos {v:.2f}" if math.isfinite(v) else "" for v in dilated]
            layers = [f"{layer}\n{word}" for layer, word in zip(layers, words, strict=True)]
        self.weights.show_groups(layers, effect.norms)
        self.received.show_groups(effect.layers, effect.received)
        for legend, told in zip(self.legends, (effect.norms, effect.received), strict=True):
            legend.setText(_legend(list(told)))
        self.save_button.setEnabled(True)
        if self._again:
            self.compare()

    def _failed(self, error: Exception) -> None:
        self.about.setText(said(str(error)))
        self._session.report(error)

    def _ask_save(self) -> None:
        from ctstudio.workflows.gradients import save_effect

        if (effect := self.effect) is not None:
            save_in_job(
                self,
                self._session,
                tr("Save"),
                "dilation.png",
                lambda path: save_effect(effect, path),
            )


def save_in_job(
    parent: QWidget,
    session: Session,
    title: str,
    name: str,
    save: Callable[[Path], object],
) -> None:
    """Ask for a PNG or CSV file and write it in a job; whatever goes wrong is reported."""
    try:
        path = ask_where_to_save(parent, session, title, name, "PNG (*.png);;CSV (*.csv)")
        if path is None:
            return
        if session.jobs.busy("export"):
            raise StudioError("An export is running already.", hint="Wait for it, then try again.")

        def work() -> Work[None]:
            yield Progress(0, 1, "Drawing")
            save(path)
            yield Note(f"Saved {path}")

        session.jobs.start("export", tr("Export: {0}").format(name), work,
                           stepped=session.tell, failed=session.fail)  # fmt: skip
    except Exception as error:
        session.report(error)


def _entry() -> Entry:
    from ctstudio.learn.gradients import GRADIENTS

    return GRADIENTS["dilated"]


def _params(folder: Path) -> dict[str, object]:
    """The recipe's own settings of dilation, where it has them."""
    from ctstudio.learn.recipe import Recipe

    try:
        gradient: Choice = Recipe.load(folder / "recipe.toml").gradient
    except StudioError:
        return {}
    return dict(gradient.params) if gradient.name == "dilated" else {}


def _power(value: float) -> float:
    return math.log10(value) if math.isfinite(value) and value > LEAST else math.nan


def _legend(names: Sequence[str]) -> str:
    colours = COLOURS[theme.current().name]
    return " &nbsp; ".join(
        f'<span style="color:{colour}">&#9632;</span> {tr(name)}'
        for name, colour in zip(names, colours, strict=False)
    )

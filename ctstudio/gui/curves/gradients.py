"""The page of the gradients: how long each layer's was, and which layer is which."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from ctstudio.figures.colours import sequence
from ctstudio.figures.curves import History
from ctstudio.gui import theme
from ctstudio.gui.curves.lines import GRADIENTS, Manner, has
from ctstudio.gui.curves.plot import STYLES, CurvePlot, Shown, shortened
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.words import plain_label, plain_tip

LEGEND_PX = 184
STROKES = dict(zip(STYLES, ("———", "– – –", "· · · ·", "– · –"), strict=True))


class GradientsPage(QWidget):
    """One plot for the layers of all runs, beside it a legend in which layers can be hidden.

    The colours go from the first layer to the last; several runs differ by their strokes.
    """

    changed = Signal()  # which layers are shown
    effect_wanted = Signal(object)  # Shown: compare its gradients
    save_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.plot = CurvePlot(GRADIENTS)
        self.boxes: dict[str, QCheckBox] = {}
        self._runs: list[Shown] = []
        self._told: object = None  # what the legend shows
        self._strokes: list[QLabel] = []
        self._layers = QWidget()
        self._column = QVBoxLayout(self._layers)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(self._layers)
        self.effect = QPushButton(tr("Dilation ..."))
        self.effect.setToolTip(
            tr("Automatic, manual and dilated gradient of the network as it is now, layer by layer")
        )
        self.effect.clicked.connect(self._ask_effect)
        self.save = QPushButton(tr("Save ..."))
        self.save.setToolTip(tr("The gradients of all runs shown, as PNG or CSV"))
        self.save.clicked.connect(self.save_wanted)
        side = QWidget()
        side.setFixedWidth(LEGEND_PX)
        column = QVBoxLayout(side)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(area, 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        buttons.addWidget(self.save)
        buttons.addWidget(self.effect, 1)
        column.addLayout(buttons)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self.plot, 1)
        layout.addWidget(side)

    @property
    def hidden(self) -> frozenset[str]:
        """The layers whose boxes are not ticked."""
        return frozenset(name for name, box in self.boxes.items() if not box.isChecked())

    def histories(self) -> dict[str, History]:
        """The runs that are drawn, by name, as figures take them."""
        return {run.name: run.log.history() for run in self._runs}

    def draw(self, runs: Sequence[Shown], manner: Manner, *, coarse: bool) -> None:
        """Bring plot and legend up to date with those of ``runs`` that have gradients."""
        self._runs = [run for run in runs if has(run.log, GRADIENTS.key)]
        layers = tuple(dict.fromkeys(name for run in self._runs for name in run.log.gradients))
        told = (layers, [(run.name, run.number) for run in self._runs], theme.current().name)
        if told != self._told:
            self._told = told
            self._list(layers)
        self.effect.setVisible(any(map(is_chain, self._runs)))
        self.plot.draw(self._runs, manner, coarse=coarse)

    def _list(self, layers: Sequence[str]) -> None:
        hidden = self.hidden
        for widget in (*self.boxes.values(), *self._strokes):
            widget.hide()
            widget.deleteLater()
        while self._column.takeAt(0) is not None:
            pass
        self.boxes, self._strokes = {}, []
        if len(self._runs) > 1:
            for run in self._runs:
                stroke = STROKES[STYLES[run.number % len(STYLES)]]
                label = plain_label(f"{stroke} {shortened(run.name)}")
                label.setToolTip(plain_tip(run.name))
                self._strokes.append(label)
                self._column.addWidget(label)
        colours = sequence(len(layers), theme.current() is theme.DARK)
        for name, colour in zip(layers, colours, strict=True):
            box = self.boxes[name] = QCheckBox(name.replace("&", "&&"))
            box.setChecked(name not in hidden)
            box.setToolTip(plain_tip(tr("Show or hide {0}").format(name)))
            box.setStyleSheet(
                f"QCheckBox::indicator {{ border-color: {colour}; }}"
                f"QCheckBox::indicator:checked {{ background: {colour}; border-color: {colour}; }}"
            )
            box.toggled.connect(lambda: self.changed.emit())
            self._column.addWidget(box)
        self._column.addStretch(1)

    def _ask_effect(self) -> None:
        run = next((run for run in self._runs if is_chain(run)), None)
        if run is not None:
            self.effect_wanted.emit(run)


def is_chain(run: Shown) -> bool:
    """Whether a run's network has a gradient that is written out by hand, to compare with."""
    from ctstudio.learn.models import MODELS

    return run.log.network in MODELS and "chain" in MODELS[run.log.network].tags

"""What the lines of a plot are: a few words in one of its right corners."""

from __future__ import annotations

import html
from collections.abc import Sequence

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QLabel, QWidget

from ctstudio.gui import theme
from ctstudio.gui.curves.lines import Line
from ctstudio.gui.translation.catalogue import tr

SOLID, DASHED = "\N{BOX DRAWINGS HEAVY HORIZONTAL}" * 2, "\N{BOX DRAWINGS HEAVY HORIZONTAL} " * 2
WORDS = {"validation": "held out"}
MARGIN_PX, SHARE = 3, 0.75  # of the plot that it may take


class Legend(QLabel):
    """Rows such as "== network" and "- - noisy input"; there is none where one line says it all."""

    def __init__(self, plot: QWidget) -> None:
        super().__init__(plot)
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def retheme(self) -> None:
        """Take the colours of the theme in force."""
        t = theme.current()
        ground = QColor(t.base)
        self.setStyleSheet(
            f"background: rgba({ground.red()}, {ground.green()}, {ground.blue()}, 170);"
            f"color: {t.muted}; border: 0; padding: 0 3px; font-size: 11px;"
        )

    def explain(self, lines: Sequence[tuple[str, Line]], *, alone: bool) -> None:
        """Name these lines, each with its colour; of several runs only what is not their own."""
        shown = [(colour, line) for colour, line in lines if line.kind not in ("raw", "layer")]
        if alone:
            told = [_row(colour, line) for colour, line in shown]
            rows = told if len(told) > 1 else []
        else:
            muted = theme.current().muted
            rows = [_row(muted, line, dashed=True) for _, line in shown
                    if line.kind in ("noisy", "validation")]  # fmt: skip
            rows = list(dict.fromkeys(rows))
        self.setText("<br>".join(rows))
        self.adjustSize()

    def settle(self, box: QRectF, *, high: bool) -> None:
        """Stand in the upper or lower right corner of ``box``, where it has the room."""
        fits = self.height() < SHARE * box.height() and self.width() < SHARE * box.width()
        self.setVisible(bool(self.text()) and fits)
        top = box.top() + MARGIN_PX if high else box.bottom() - self.height() - MARGIN_PX
        self.move(round(box.right() - self.width() - MARGIN_PX), round(top))


def _row(colour: str, line: Line, *, dashed: bool = False) -> str:
    mark = DASHED if dashed or line.kind == "noisy" else SOLID
    words = html.escape(tr(WORDS.get(line.name, line.name))).replace(" ", "&nbsp;")
    return f'<span style="color:{colour}">{mark.strip().replace(" ", "&nbsp;")}</span>&nbsp;{words}'

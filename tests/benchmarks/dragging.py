"""Dragging a large region that is measured in three linked panes: a move until all is painted."""

from __future__ import annotations

import argparse
import os

from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtWidgets import QApplication
from viewing import Studio, mouse, timed

LEFT = Qt.MouseButton.LeftButton


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moves", type=int, default=200)
    options = parser.parse_args()
    print("load average {:.1f} {:.1f} {:.1f}".format(*os.getloadavg()))
    with Studio(8) as studio:
        view = studio.grid.active_pane.view
        for layout, numbers in (("three panes", (0, 1, 2)), ("one pane", (0,))):
            studio.hang(*numbers)
            for name in ("measure_ellipse", "measure_rectangle"):
                studio.actions[name].setChecked(True)
                rect = view.image_rect()
                first, last = view.to_viewport(rect.topLeft()), view.to_viewport(rect.bottomRight())
                start, by = first + (last - first) * 0.04, (last - first) * 0.9
                mouse(view, QEvent.Type.MouseButtonPress, start, LEFT)
                for k in range(1, 11):
                    mouse(view, QEvent.Type.MouseMove, start + by * (k / 10), LEFT)

                def move(step: int, end: QPointF = start + by) -> None:
                    aside = QPointF(step % 16 - 8, (step // 2) % 12 - 6)
                    mouse(view, QEvent.Type.MouseMove, end + aside, LEFT)

                times = timed(move, options.moves)
                mouse(view, QEvent.Type.MouseButtonRelease, start + by, LEFT)
                QApplication.processEvents()
                studio.actions[name].setChecked(False)
                print(f"{layout}, {name.removeprefix('measure_'):8}{times}")
                assert studio.window.measuring.measurements.entries, "it was measured"


if __name__ == "__main__":
    main()

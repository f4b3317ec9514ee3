"""From the key that asks for another plane until it is painted: 512 x 512 x 300."""

from __future__ import annotations

import argparse
import os
import time

import numpy as np
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from viewing import Studio

PLANES = ("coronal", "sagittal", "axial")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    print("load average {:.1f} {:.1f} {:.1f}".format(*os.getloadavg()))
    with Studio(options.slices) as studio:
        for numbers, panes in (((0,), "one pane"), ((0, 1, 2), "each of three panes")):
            studio.hang(*numbers)
            for plane in PLANES:
                key = studio.actions[plane].shortcut()[0]
                times = []
                for _ in range(options.rounds):
                    for pane in studio.grid.visible_panes:
                        before = PLANES[PLANES.index(plane) - 1]
                        studio.grid.cutting.set_plane(pane, before)  # type: ignore[arg-type]
                        view = pane.view
                        view.left_at.clear()
                        studio.grid.activate(pane)
                        view.setFocus()
                        studio.rest(0.05)
                        start = time.perf_counter()
                        QTest.keyClick(view, key.key(), key.keyboardModifiers())
                        QApplication.processEvents()
                        times.append(1000 * (time.perf_counter() - start))
                        assert view.shown_plane == plane, "the key has done it"
                print(
                    f"{panes}, to {plane:9}: median {np.median(times):5.1f} ms, "
                    f"maximum {max(times):5.1f} ms"
                )


if __name__ == "__main__":
    main()

"""Scrolling by the wheel in three linked panes of the real window, plain and while comparing.

One frame is one wheel event and the painting of all panes that it changes. Beside it stands the
least that Qt needs for such a frame: three plain widgets of the same size that draw grey images.
With ``--loading`` another series of 512 x 512 slices is read from files meanwhile, by the program's
own jobs.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from PySide6.QtCore import QRectF
from PySide6.QtGui import QImage, QPainter
from PySide6.QtWidgets import QApplication, QHBoxLayout, QWidget
from viewing import Studio, Times, timed

COMPARING = ("swipe", "checkerboard", "blend", "difference")
WAYS = ("plain", "three planes", "oblique", "three oblique", *COMPARING)


def bare(size: tuple[int, int], count: int) -> Times:
    """The same in bare Qt: three images scaled smoothly to panes of ``size``."""
    grey = np.random.default_rng(1).integers(0, 255, (16, 512, 512)).astype(np.uint8)

    class Bare(QWidget):
        at = 0

        def paintEvent(self, event: object) -> None:
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            picture = QImage(grey[self.at].data, 512, 512, 512, QImage.Format.Format_Grayscale8)
            painter.drawImage(QRectF(0, 0, size[0], size[0]), picture)
            painter.end()

    whole = QWidget()
    layout = QHBoxLayout(whole)
    panes = [Bare() for _ in range(3)]
    for pane in panes:
        pane.setFixedSize(*size)
        layout.addWidget(pane)
    whole.show()

    def scroll(step: int) -> None:
        for pane in panes:
            pane.at = step % 16
            pane.update()

    times = timed(scroll, count)
    whole.close()
    return times


def arrange(studio: Studio, way: str) -> None:
    """Put the panes into the state that ``way`` names."""
    comparing, grid = studio.window.view_control.comparing, studio.grid
    for pane in grid.visible_panes:
        comparing.set_mode(pane, None)
    studio.hang(0)
    grid.cutting.set_plane(grid.active_pane, "axial")
    if way == "three planes":
        studio.actions["planes"].trigger()
    elif "oblique" in way:
        grid.cutting.set_oblique(grid.active_pane)
        for name in ("tilt_up", "turn_left"):
            studio.actions[name].trigger()
        if way == "three oblique":
            studio.hang()
    else:
        studio.hang()
    grid.go_to(len(grid.active_pane.view.stack) // 4)
    if way in COMPARING:
        one, two, _ = studio.layers
        for pane, other in zip(grid.visible_panes, (two, one, two), strict=True):
            comparing.set_mode(pane, way, other)  # type: ignore[arg-type]
    studio.rest()


def while_loading(studio: Studio, folder: Path, count: int) -> Times:
    """At least ``count`` frames, all while files are looked through and read."""
    opener, session = studio.window.opener, studio.session
    opener.opened.disconnect()  # what is read is not shown: the three panes go on
    wall: list[float] = []
    rounds, cpu = 0, time.process_time()
    while len(wall) < count:
        known = len(session.layers)
        if rounds:
            opener.open_series(session.series[-1])
        else:
            opener.open_paths([folder])
        while session.jobs.busy("scan", "read"):
            start = time.perf_counter()
            studio.to_and_fro(len(wall))
            QApplication.processEvents()
            wall.append(time.perf_counter() - start)
        studio.rest(0.2)
        assert len(session.layers) == known + 1, "the series has been read"
        session.remove_layer(session.layers[-1])
        rounds += 1
    print(f"the series was read {rounds} times")
    return Times(np.array(wall), (time.process_time() - cpu) / len(wall))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=WAYS)
    parser.add_argument("--loading", type=int, metavar="SLICES", help="read so many meanwhile")
    options = parser.parse_args()
    print("load average {:.1f} {:.1f} {:.1f}".format(*os.getloadavg()))
    with Studio(options.slices) as studio:
        size = studio.grid.panes[0].view.viewport().size()
        floor = bare((size.width(), size.height()), options.frames)
        print(f"three panes of {size.width()} x {size.height()} px")
        print(f"{'bare Qt':14}{floor}")
        for way in options.ways:
            arrange(studio, way)
            times = timed(studio.to_and_fro, options.frames)
            print(f"{way:14}{times}, {floor.rate / times.rate:.1f} x bare Qt", flush=True)
        if options.loading:
            from reading import write_volume

            os.environ["CTSTUDIO_SCAN_CACHE"] = "off"
            with tempfile.TemporaryDirectory() as scratch:
                folder = Path(scratch) / "series"
                write_volume(folder, options.loading)
                arrange(studio, "plain")
                print(f"{'loading':14}{while_loading(studio, folder, options.frames)}")
    print("load average {:.1f} {:.1f} {:.1f}".format(*os.getloadavg()))


if __name__ == "__main__":
    main()

"""Scrolling by the wheel in three linked panes of the real window, plain and while comparing.

One frame is one wheel event and the painting of all panes that it changes. Beside it stands the
least that Qt needs for such a frame: three plain widgets of the same size that draw grey images.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np

WAYS = (
    "plain", "three planes", "oblique", "swipe", "checkerboard", "blend", "difference",
)  # fmt: skip


def volume(slices: int) -> object:
    """A chest of 512 x 512 pixels: the phantom's middle with noise, slice by slice another."""
    from ctstudio.ct.phantom import thorax
    from ctstudio.ct.volume import Geometry, Volume

    middle = thorax(3, 512).slice_hu(1).astype(np.int16)
    noise = np.random.default_rng(0).normal(0, 30, (slices + 64, 64, 64)).astype(np.int16)
    voxels = np.empty((slices, 512, 512), np.int16)
    for k in range(slices):
        voxels[k] = middle + np.tile(noise[k], (8, 8))
    geometry = Geometry.axial(slices, (1.0, 0.7, 0.7))
    return Volume(voxels, np.ones(slices), np.zeros(slices), "HU", geometry)


def frames(scroll: Callable[[int], None], app: object, count: int) -> list[float]:
    """Seconds from each wheel event until all is painted."""
    times = []
    for k in range(count + 10):
        start = time.perf_counter()
        scroll(1 if (k // 100) % 2 == 0 else -1)
        app.processEvents()  # type: ignore[attr-defined]
        times.append(time.perf_counter() - start)
    return times[10:]


def bare(size: tuple[int, int], app: object, count: int) -> list[float]:
    """The same in bare Qt: three images scaled smoothly to panes of ``size``."""
    from PySide6.QtCore import QRectF
    from PySide6.QtGui import QImage, QPainter
    from PySide6.QtWidgets import QHBoxLayout, QWidget

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
            pane.at = (pane.at + step) % 16
            pane.update()

    times = frames(scroll, app, count)
    whole.close()
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=WAYS)
    options = parser.parse_args()
    from PySide6.QtCore import QPoint, QPointF, Qt
    from PySide6.QtGui import QWheelEvent
    from PySide6.QtWidgets import QApplication

    from ctstudio.ct.views import Difference
    from ctstudio.gui.app import Program
    from ctstudio.gui.session import Layer
    from ctstudio.gui.settings import Settings

    with tempfile.TemporaryDirectory() as scratch:
        program = Program(Settings(Path(scratch) / "settings.ini"), Path(scratch) / "runs")
        window, app = program.window, program.app
        window.resize(1440, 900)
        window.show()
        session, grid, actions = window.session, window.grid, window.actions_by_name
        one = session.add_layer(Layer("Scan", "original", volume(options.slices)))  # type: ignore[arg-type]
        smooth = one.stack.derived(one.stack.hu() * np.float32(0.9), "denoised")  # type: ignore[attr-defined]
        two = session.add_layer(Layer("Denoised", "denoised", smooth, parent=one))
        three = session.add_layer(
            Layer("Residual", "residual", Difference(one.stack, smooth), parent=one)
        )
        window._stack.setCurrentWidget(grid)

        def settle() -> None:
            until = time.perf_counter() + 0.5
            while time.perf_counter() < until:
                app.processEvents()

        def wheel(step: int) -> None:
            view = grid.active_pane.view
            port = view.viewport()
            at = QPointF(port.rect().center())
            none = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier
            event = QWheelEvent(
                at, QPointF(port.mapToGlobal(at.toPoint())), QPoint(), QPoint(0, 120 * step), *none,
                Qt.ScrollPhase.NoScrollPhase, False,
            )  # fmt: skip
            QApplication.sendEvent(port, event)

        session.hang.emit([one, two, three])
        settle()
        size = grid.panes[0].view.viewport().size()
        floor = float(np.mean(bare((size.width(), size.height()), app, options.frames)))
        print(
            f"three panes of {size.width()} x {size.height()} px; bare Qt {1 / floor:.0f} frames/s"
        )
        comparing = window.view_control.comparing
        for way in options.ways:
            for pane in grid.visible_panes:
                comparing.set_mode(pane, None)
            if way == "three planes":
                session.hang.emit([one])
                actions["planes"].trigger()
            elif way == "oblique":
                session.hang.emit([one])
                grid.cutting.set_oblique(grid.active_pane)
                actions["tilt_up"].trigger()
            else:
                session.hang.emit([one])
                for plane in ("axial",):
                    grid.cutting.set_plane(grid.active_pane, plane)
                session.hang.emit([one, two, three])
            grid.go_to(options.slices // 4)
            if way in ("swipe", "checkerboard", "blend", "difference"):
                for pane, other in zip(grid.visible_panes, (two, one, two), strict=True):
                    comparing.set_mode(pane, way, other)  # type: ignore[arg-type]
            settle()
            times = 1000 * np.array(frames(wheel, app, options.frames))
            print(
                f"{way:13} {1000 / times.mean():6.1f} frames/s, 99th percentile "
                f"{np.percentile(times, 99):5.1f} ms, {times.mean() / 1000 / floor:.1f} x bare Qt"
            )
        window.close()


if __name__ == "__main__":
    main()

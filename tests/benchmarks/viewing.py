"""What the benchmarks of the viewer share: a series, the real window with it, events, clocks."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication

from ctstudio.ct.views import Difference
from ctstudio.ct.volume import Geometry, Source, Volume
from ctstudio.gui.app import Program
from ctstudio.gui.session import Layer
from ctstudio.gui.settings import Settings
from ctstudio.gui.viewer.slice_view import SliceView

NONE = Qt.KeyboardModifier.NoModifier


def chest(slices: int) -> NDArray[np.int16]:
    """A chest of 512 x 512 pixels: the phantom's middle with noise, slice by slice another."""
    from ctstudio.ct.phantom import thorax

    middle = thorax(3, 512).slice_hu(1).astype(np.int16)
    noise = np.random.default_rng(0).normal(0, 30, (slices, 64, 64)).astype(np.int16)
    voxels = np.empty((slices, 512, 512), np.int16)
    for k in range(slices):
        voxels[k] = middle + np.tile(noise[k], (8, 8))
    return voxels


def volume(slices: int) -> Volume:
    """`chest` as it is read from files."""
    geometry = Geometry.axial(slices, (1.0, 0.7, 0.7))
    scale = np.ones(slices), np.zeros(slices)
    return Volume(chest(slices), *scale, "HU", geometry, Source(description="Chest"))


@dataclass(frozen=True)
class Times:
    """How long frames took, seconds."""

    wall: NDArray[np.float64]
    cpu: float  # of all threads of the process, a frame

    @property
    def rate(self) -> float:
        """Frames a second."""
        return float(1 / self.wall.mean())

    def __str__(self) -> str:
        p99, worst = 1000 * np.percentile(self.wall, 99), 1000 * self.wall.max()
        return (
            f"{self.rate:6.1f} frames/s, 99th percentile {p99:5.1f} ms, maximum {worst:5.1f} ms, "
            f"CPU {1000 * self.cpu:4.1f} ms a frame"
        )


def timed(step: Callable[[int], None], count: int, warm: int = 10) -> Times:
    """Each from an event until all is painted; ``step`` is told its number."""
    for k in range(warm):
        step(k)
        QApplication.processEvents()
    wall, cpu = [], time.process_time()
    for k in range(count):
        start = time.perf_counter()
        step(k)
        QApplication.processEvents()
        wall.append(time.perf_counter() - start)
    return Times(np.array(wall), (time.process_time() - cpu) / count)


class Studio:
    """The window at 1440 x 900 with a series, one denoised and their difference in three panes."""

    def __init__(self, slices: int) -> None:
        self._scratch = tempfile.TemporaryDirectory()
        folder = Path(self._scratch.name)
        self.program = Program(Settings(folder / "settings.ini"), folder / "runs")
        self.window = self.program.window
        self.window.resize(1440, 900)
        self.window.show()
        self.session, self.grid = self.window.session, self.window.grid
        self.actions = self.window.actions_by_name
        scan = volume(slices)
        smooth = scan.derived(scan.hu() * np.float32(0.9), "denoised")
        first = self.session.add_layer(Layer("Scan", "original", scan))
        self.layers = [
            first,
            self.session.add_layer(Layer("Denoised", "denoised", smooth, parent=first)),
            self.session.add_layer(
                Layer("Residual", "residual", Difference(scan, smooth), parent=first)
            ),
        ]
        self.window._stack.setCurrentWidget(self.grid)
        self.hang()

    def __enter__(self) -> Studio:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.session.jobs.cancel_all()
        while self.session.jobs.busy():
            QApplication.processEvents()
        self.window.close()
        self._scratch.cleanup()

    def hang(self, *numbers: int) -> None:
        """Show all layers, or those with these numbers, and wait until the window rests."""
        self.session.hang.emit([self.layers[n] for n in numbers or range(len(self.layers))])
        self.rest()

    def rest(self, seconds: float = 0.5) -> None:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            QApplication.processEvents()

    def wheel(self, notches: int) -> None:
        """Turn the wheel over the active pane."""
        port = self.grid.active_pane.view.viewport()
        at = QPointF(port.rect().center())
        event = QWheelEvent(
            at, QPointF(port.mapToGlobal(at.toPoint())), QPoint(), QPoint(0, 120 * notches),
            Qt.MouseButton.NoButton, NONE, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(port, event)

    def to_and_fro(self, step: int) -> None:
        """Scroll: a hundred slices this way, a hundred back."""
        self.wheel(1 if (step // 100) % 2 == 0 else -1)


def mouse(view: SliceView, kind: QEvent.Type, at: QPointF, held: Qt.MouseButton) -> None:
    """A mouse event at ``at`` px of a pane with a button held."""
    button = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseMove else held
    port = view.viewport()
    everywhere = QPointF(port.mapToGlobal(at.toPoint()))
    QApplication.sendEvent(port, QMouseEvent(kind, at, everywhere, button, held, NONE))

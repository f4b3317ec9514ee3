"""How strong the noise of the scan is, in a line above the methods."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QLabel, QWidget

from ctstudio.core.events import Progress, Work
from ctstudio.ct.tissue_noise import TissueNoise, noise_of_tissues
from ctstudio.ct.views import SliceStack
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.workflows.guards import spread

ROLE = "noise_level"
SETTLE_MS = 300
MOST_PX = 1024  # side of what is measured: much more would hold a cancel and a closing window up


class NoiseLine(QLabel):
    """Measures a scan once all of it is there and the line can be seen; remembers what it found."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._source: Layer | None = None
        self._asked: Layer | None = None
        self._known: WeakKeyDictionary[Layer, list[TissueNoise]] = WeakKeyDictionary()
        self.setWordWrap(True)
        self.setProperty("role", "muted")
        self.setAccessibleName(tr("Noise of the scan"))
        self.setToolTip(
            tr("SD of the noise in each tissue, in level places of a few slices.\n"
               "Fine texture, in lungs above all, counts as noise here.")
        )  # fmt: skip
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self._measure)
        self.hide()

    def set_source(self, source: Layer | None) -> None:
        """Tell of ``source``, a scan, as soon as it is whole."""
        self._source = source
        self._show()
        self._settle.start()

    def look(self) -> None:
        """Measure in a moment what has not been measured yet."""
        self._settle.start()

    def _measure(self) -> None:
        source = self._source
        window = self.parentWidget()
        if (
            source is None
            or source in self._known
            or not source.complete
            or source.stack.unit != "HU"
            or self._session.closing
            or self._session.jobs.busy(ROLE)
            or window is None
            or not window.isVisible()
        ):
            return
        self._asked = source
        stack = source.stack
        self._session.jobs.start(
            ROLE,
            tr("Noise of the scan"),
            lambda: _noise(stack),
            succeeded=self._found,
            cancelled=self._forget,
            failed=self._failed,
        )

    def _found(self, noise: list[TissueNoise]) -> None:
        if self._asked is not None:
            self._known[self._asked] = noise
        self._forget()
        self._show()
        self._settle.start()  # another scan may have come meanwhile

    def _forget(self) -> None:
        self._asked = None

    def _failed(self, error: Exception) -> None:
        # A line that is missing stops nobody from denoising, but it must not be tried for ever.
        self._found([])
        self._session.report(error)

    def _show(self) -> None:
        noise = self._known.get(self._source, []) if self._source is not None else []
        parts = [f"{tr(each.tissue)} {each.sd_hu:.0f}" for each in noise]
        self.setText(tr("Noise (SD, HU): {0}").format(" · ".join(parts)))
        self.setVisible(bool(parts))


def _noise(stack: SliceStack) -> Work[list[TissueNoise]]:
    slices = []
    chosen = spread(len(stack))
    for done, z in enumerate(chosen):
        slices.append(_middle(stack.slice_hu(z)))
        yield Progress(done, len(chosen), "Noise of the scan")
    return noise_of_tissues(slices, stack.geometry.spacing_mm)


def _middle(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """The middle of a slice ``(y, x)`` that is very large, else all of it."""
    top, left = (max((side - MOST_PX) // 2, 0) for side in picture.shape)
    return picture[top : top + MOST_PX, left : left + MOST_PX]

"""One slice denoised while the user turns the knobs: the newest setting wins."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QTimer, Signal

from ctstudio.core.events import Progress, Work
from ctstudio.ct.shares import Shared, Shares
from ctstudio.ct.views import Blend, Difference, LiveSlices, SliceStack
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.workflows.denoise import Method, around
from ctstudio.workflows.figures.naming import difference_title, series_title

SETTLE_MS = 60  # a slider that is being dragged asks for one preview, not for fifty


@dataclass(frozen=True)
class PreviewResult:
    """One slice as the method made it."""

    source: Layer
    index: int
    revision: int
    hu: NDArray[np.float32]
    title: str
    seconds: float


class LivePreview(QObject):
    """The layers "Preview: ..." and the job that fills them, slice by visible slice.

    One preview runs at a time. What is asked for meanwhile is started when it ends, and only the
    newest of it: older requests are dropped.
    """

    said = Signal(str)  # what goes on, in words
    failed = Signal()

    def __init__(self, session: Session, method: Callable[[], Method]) -> None:
        super().__init__()
        self._session = session
        self._method = method
        self._revision = 0  # grows with every change of method or setting
        self._fresh: set[int] = set()  # slices of the layer that are up to date
        self._source: Layer | None = None
        self.layer: Layer | None = None
        self._residual: Layer | None = None
        self._slices: LiveSlices | None = None  # what the layer shows, before it is shared out
        self._shares = Shares()
        self._on = False
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self._start)

    @property
    def pending(self) -> bool:
        """Whether a preview is being computed, or will be in a moment."""
        return self._settle.isActive() or self._session.jobs.busy("preview")

    def show(self, source: Layer, fraction: float) -> Layer:
        """Hang original | denoised | residual and compute the visible slice."""
        self._on = True
        self._source = source
        if self.layer is None:
            self._make_layers(source, fraction)
        self._start()
        assert self.layer is not None
        return self.layer

    def hide(self) -> None:
        """Take the preview's layers away."""
        self._on = False
        self._settle.stop()
        job = self._session.jobs["preview"]
        if job is not None:
            job.cancel()
        layer, self.layer, self._residual = self.layer, None, None
        self._fresh.clear()
        if layer is not None:
            self._session.remove_layer(layer)

    def settings_changed(self) -> None:
        """What is shown is out of date."""
        self._revision += 1
        self._fresh.clear()
        if self._on:
            self._settle.start()

    def set_shares(self, shares: Shares) -> None:
        """Let the result count as ``shares`` say; nothing is computed again."""
        self._shares = shares
        layer, slices = self.layer, self._slices
        if layer is not None and slices is not None and isinstance(layer.stack, Blend):
            layer.stack.other = self._shared(slices)
            self._session.layer_changed.emit(layer, -1)

    def _shared(self, slices: LiveSlices) -> SliceStack:
        if self._shares.everywhere:
            return slices
        return Shared(slices.base, slices, self._shares)

    def slice_changed(self) -> None:
        """Another slice may be on screen: compute that one."""
        layer = self.layer
        if self._on and layer is not None and self._session.visible_slice(layer) not in self._fresh:
            self._settle.start()

    def _make_layers(self, source: Layer, fraction: float) -> None:
        self._slices = LiveSlices(source.stack)
        blend = Blend(source.stack, self._shared(self._slices), fraction)
        self.layer = self._session.add_layer(Layer("Preview: denoised", "live", blend, source))
        self._residual = residual = self._session.add_layer(
            Layer(_minus("denoised", source), "residual", Difference(source.stack, blend),
                  self.layer)
        )  # fmt: skip
        self._fresh.clear()
        self._session.hang.emit([source, self.layer, residual])

    def _start(self) -> None:
        source, layer = self._source, self.layer
        if not self._on or source is None or layer is None or self._session.jobs.busy("preview"):
            return  # a running preview starts the next one when it ends
        index = self._session.visible_slice(layer)
        if index in self._fresh or self._session.closing:
            return
        try:
            method = self._method()
        except Exception as error:
            self._session.report(error)
            return
        revision = self._revision
        hu = around(method, source.stack, index)
        self.said.emit(tr("{0}: computing slice {1} ...").format(method.title, index + 1))
        self._session.jobs.start(
            "preview",
            tr("Preview: {0}").format(method.title),
            lambda: _preview(source, index, revision, hu, method),
            succeeded=self._done,
            cancelled=self._start,
            failed=self._failed,
        )

    def _done(self, result: PreviewResult) -> None:
        layer = self.layer
        if layer is not None and layer.parent is result.source:
            self._put(layer, result)
        self._start()  # of what has been asked for meanwhile, if anything

    def _put(self, layer: Layer, result: PreviewResult) -> None:
        slices = self._slices
        assert slices is not None
        if result.revision == self._revision:
            self._fresh.add(result.index)
            # Slices made with other settings must not stand beside this one.
            kept = {k: v for k, v in slices.results.items() if k in self._fresh}
            slices.results = kept
        slices.results[result.index] = result.hu
        layer.name = f"Preview: {result.title}"
        if self._residual is not None:
            self._residual.name = _minus(result.title, result.source)
        self._session.layer_changed.emit(layer, -1)
        change = result.hu - result.source.stack.slice_hu(result.index)
        sd, mean, unit = float(change.std()), float(change.mean()), layer.stack.unit
        self.said.emit(
            tr(
                "Slice {0} in {1:.2f} s. Denoised \N{MINUS SIGN} original: SD {2:.1f} {3}, "
                "mean {4:+.2f} {5}."
            ).format(result.index + 1, result.seconds, sd, unit, round(mean, 2) + 0.0, unit)
        )

    def _failed(self, error: Exception) -> None:
        self.failed.emit()
        self._session.report(error)


def _minus(title: str, source: Layer) -> str:
    """What the difference of a preview is called."""
    return f"Preview: {difference_title(title, series_title(source.stack, 1))}"


def _preview(
    source: Layer, index: int, revision: int, hu: NDArray[np.float32], method: Method
) -> Work[PreviewResult]:
    yield Progress(0, 1, "preview")
    start = time.perf_counter()
    result = method.denoise_slice(hu)
    seconds = time.perf_counter() - start
    return PreviewResult(source, index, revision, result, method.title, seconds)

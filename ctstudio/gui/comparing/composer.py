"""The pictures of two layers in one pane, composed."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QRegion

from ctstudio.ct.views import Difference
from ctstudio.ct.window import Window
from ctstudio.figures.colours import diverging_index, diverging_table
from ctstudio.gui.comparing.frozen import Beside, squares
from ctstudio.gui.comparing.modes import Mode, Values
from ctstudio.gui.comparing.second import Second, beside, on_grid, on_pixels, slice_beside
from ctstudio.gui.session import Layer
from ctstudio.gui.viewer.picture import Picture
from ctstudio.gui.viewer.picture_view import PictureView
from ctstudio.gui.viewer.places import Probe, slice_rect
from ctstudio.gui.viewer.together import TOGETHER
from ctstudio.gui.viewer.windows import default_window
from ctstudio.workflows.figure import residual_limit

SCALE_SPEED = 1 / 150  # of the scale of differences, for one px of a drag


class Composer:
    """Draws a second layer with that of a view, as long as it is compared there."""

    def __init__(self, view: PictureView, layer: Layer, mode: Mode, values: Values) -> None:
        self.view, self.layer, self.mode, self.values = view, layer, mode, values
        self.second: Second | None = None
        self.difference: NDArray[np.float32] | None = None  # second minus first, (y, x)
        self.second_in_turn = False  # of a flicker: whether the second is seen now
        self._window: Window | None = None
        self._item = Picture()
        self._item.clip = self._clip
        view.add_picture(self._item)
        view.comparison = self
        view.refresh()

    def remove(self) -> None:
        """Show the view's own layer alone again."""
        self.view.comparison = None
        self.view.remove_picture(self._item)
        self.view.show_own(True)
        self.view.viewport().update()

    @property
    def fits(self) -> bool:
        """Whether there are two different layers to compare."""
        return self.view.layer is not None and self.layer is not self.view.layer

    # -- pictures --------------------------------------------------------------------------------

    def redraw(self) -> None:
        """Fetch the second slice and draw it the way that the mode says."""
        view = self.view
        fetched = self.second
        self.second = beside(self.layer, view) if self.fits and view.hu is not None else None
        self.difference = None
        if self.second is None:
            if fetched is not None or self._item.image is not None:
                self._item.clear()
            view.show_own(True)
            return
        if self.mode == "difference":
            assert view.hu is not None
            self.difference = on_grid(self.second, view) - view.hu
            if not self.values.scale_chosen:
                known = self.difference[np.isfinite(self.difference)]
                if known.any():
                    self.values.of["difference"] = residual_limit([known])
                    self.values.scale_chosen = True
        self.recolour()

    def recolour(self) -> None:
        """Draw what was fetched with the window and values in force."""
        view, second = self.view, self.second
        if second is None or view.layer is None:
            return
        rect, table = second.rect, None
        if self.difference is not None:
            grey = diverging_index(self.difference, self.values.get("difference"))
            rect, table = view.image_rect(), diverging_table()
        else:
            window, table = self._look
            grey = TOGETHER.greys(second.hu, window, signed=second.layer.signed)
        self._item.show_greys(grey, table, rect)
        self.retouch()

    @property
    def _look(self) -> tuple[Window, NDArray[np.uint8] | None]:
        """The window and the colours of the second layer."""
        view, second = self.view, self.second
        assert view.layer is not None
        assert second is not None
        if second.layer.signed:
            return self._own_window, diverging_table()
        # The same window for both, or a difference of windows would pass for one of values.
        same = second.stack.unit == view.stack.unit and not view.layer.signed
        return view.window if same else self._own_window, view.display.table

    @property
    def _own_window(self) -> Window:
        """The second layer's window, where that of the view does not fit; found once."""
        if self._window is None:
            self._window = default_window(self.layer, len(self.layer.stack) // 2)
        return self._window

    def retouch(self) -> None:
        """Show the parts that the values in force say; the pictures stay."""
        if self.second is None:
            return
        shown, own = True, True
        if self.mode == "flicker":
            shown, own = self.second_in_turn, not self.second_in_turn
        elif self.mode == "difference":
            own = False
        blend = self.values.get("blend") / 100 if self.mode == "blend" else 1.0
        self._item.opacity = blend
        self._item.visible = shown
        self.view.show_own(own)
        self.view.viewport().update()

    @property
    def line_px(self) -> float:
        """Where the line of a swipe stands in the viewport, px from the left or the top."""
        size = self.view.viewport().size()
        whole = size.width() if self.mode == "swipe" else size.height()
        return whole * self.values.get("swipe") / 100

    def _clip(self) -> QRegion | None:
        size = self.view.viewport().size()
        if self.mode == "swipe":
            x = round(self.line_px)
            return QRegion(x, 0, max(size.width() - x, 0), size.height())
        if self.mode == "swipe_down":
            y = round(self.line_px)
            return QRegion(0, y, size.width(), max(size.height() - y, 0))
        if self.mode == "checkerboard":
            return self._squares()
        return None

    def _squares(self) -> QRegion:
        """The squares of the second layer; they stay upon the patient when one pans."""
        view, cell = self.view, self.values.get("checkerboard")
        rect = view.image_rect()
        slice_px = QRectF(view.to_viewport(rect.topLeft()), view.to_viewport(rect.bottomRight()))
        side = cell * view.framing.scale
        return squares(slice_px, (side, side), view.viewport().size())

    def frozen(self) -> Beside | None:
        """What is compared, apart from the pane: safe to use in a thread; None where nothing is."""
        view, second = self.view, self.second
        if second is None or view.layer is None:
            return None
        window, table = self._look
        at = view.to_plane(QPointF(round(self.line_px), round(self.line_px)))
        return Beside(
            layer=self.layer,
            stack=second.stack,
            mode=self.mode,
            value=self.values.get(self.mode),
            window=window,
            table=table,
            line_mm=at.x() if self.mode == "swipe" else at.y(),
            second_in_turn=self.second_in_turn,
        )

    def difference_on(self, index: int) -> NDArray[np.float32] | None:
        """Where a difference is shown: its values ``(y, x)`` on the view's slice ``index``."""
        if self.difference is None or self.second is None or index == self.view.index:
            return self.difference
        shown = self.view.stack
        found = slice_beside(self.second.stack, shown, index)
        if found is None:
            return None
        _, hu, rect = found
        own = slice_rect(shown.geometry, shown.shape, index)
        return on_pixels(hu, rect, shown.shape[1:], own) - shown.slice_hu(index)

    # -- values ----------------------------------------------------------------------------------

    def probes(self, plane: QPointF) -> list[tuple[Layer, Probe | None]]:
        """The second layer's voxel at (u, v), and the difference where that is shown."""
        if self.second is None or self.view.layer is None:
            return []
        found: list[tuple[Layer, Probe | None]] = [
            (self.layer, self.second.probe(plane, self.view))
        ]
        own = self.view.probe(plane)
        if self.difference is not None and own is not None:
            rect, (ny, nx) = self.view.image_rect(), self.difference.shape
            x = math.floor((plane.x() - rect.left()) / rect.width() * nx)
            y = math.floor((plane.y() - rect.top()) / rect.height() * ny)
            value = float(self.difference[min(y, ny - 1), min(x, nx - 1)])
            stacks = (self.view.layer.stack, self.layer.stack)
            named = Layer("Difference", "residual", Difference(*stacks), self.view.layer)
            if math.isfinite(value):
                found.append((named, Probe(value, own.unit, own.voxel, own.point_mm)))
        return found

    @property
    def limit(self) -> float | None:
        """Where a difference is shown: the value at either end of its colours."""
        return self.values.get("difference") if self.difference is not None else None

    def adjust(self, dx: float) -> bool:
        """A drag with the left button sets the scale of a difference, not the window."""
        if self.difference is None:
            return False
        scale = self.values.get("difference")
        self.values.set("difference", scale * math.exp(dx * SCALE_SPEED))
        self.recolour()
        return True

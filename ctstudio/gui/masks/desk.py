"""Joins all that has to do with masks, and gives it its places in the window."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject

from ctstudio.gui import chrome
from ctstudio.gui.forms.manners import leave_keys_to_the_images
from ctstudio.gui.masks.agreement import Agreements, AgreementWindow
from ctstudio.gui.masks.figure import FigureOfMasks
from ctstudio.gui.masks.found_masks import FoundMasks
from ctstudio.gui.masks.menu import MaskMenu
from ctstudio.gui.masks.overlay_bar import OverlayBar
from ctstudio.gui.masks.paint_bar import PaintBar
from ctstudio.gui.masks.roles import is_mask
from ctstudio.gui.masks.segment_panel import SegmentPanel
from ctstudio.gui.session import Layer
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import called

if TYPE_CHECKING:
    from ctstudio.gui.main_window import MainWindow

TAB = 2
HINT = "Masks > Train on this mask learns from them."


class MaskDesk(QObject):
    """Menu, bars above the images, the panel that segments, and the numbers."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window, self._masks = window, window.masks
        session, actions = window.session, window.actions_by_name
        self.menu = MaskMenu(session, self._masks, window.painter, actions, window)
        self.agreements = Agreements(session, self._masks)
        self.bar = OverlayBar(session, self._masks, self.agreements, actions, self.menu)
        leave_keys_to_the_images(self.bar)
        window.grid.bars.addWidget(self.bar)
        window.grid.slice_changed.connect(self.agreements.look)
        self.panel = SegmentPanel(session, window.runs_folder)
        window.tabs.insertTab(TAB, chrome.scrolling(self.panel), "Segment")
        self.panel.segmented.connect(self._show_segmented)
        self.bar.scale.settled.connect(self._cut)
        window.train_panel.trained.connect(self.take)
        for paint_bar in window.findChildren(PaintBar):
            paint_bar.train_requested.connect(self._train)
            paint_bar.save_requested.connect(self._save)
        self._found = FoundMasks(session, window.opener)
        self._found.truth_found.connect(self._masks.roles.choose_truth)
        self._found.understood.connect(
            lambda text, details: session.trouble.emit(text, tr(HINT), details)
        )
        self._figure = FigureOfMasks(session, self._masks, window.grid, window)
        self._scores: AgreementWindow | None = None

    def handlers(self) -> dict[str, Callable[..., Any]]:
        """What each action does, by the action's name."""
        return {
            **self.menu.handlers(),
            "show_truth": lambda on: self._show(True, on),
            "show_prediction": lambda on: self._show(False, on),
            "show_difference": self._difference,
            "show_probability": self._masks.set_probability,
            "mask_outlines": self._masks.set_contour,
            "mask_scores": self._show_scores,
            "mask_figure": self._figure.ask,
            "segment": self.show_panel,
            "train_on_mask": self._train_on_active,
            "save_mask": self._save,
        }

    def show_panel(self) -> None:
        """Bring the panel that segments to the front."""
        self._window.panel_dock.show()
        self._window.tabs.setCurrentIndex(TAB)

    def take(self, model: Any) -> bool:
        """Offer a trained network here, if it tells classes; whether it does."""
        from ctstudio.learn.recipe_check import learns_classes

        if not learns_classes(model.recipe):
            return False
        self.panel.add_model(model)
        return True

    def use(self, model: Any) -> bool:
        """Offer a network and show the panel, if it tells classes; whether it does."""
        if self.take(model):
            self.show_panel()
            return True
        return False

    # -- what is shown ---------------------------------------------------------------------------

    def _show(self, first: bool, on: bool) -> None:
        base, masks = self._window.session.active, self._masks
        if base is None:
            return
        layer = masks.roles.truth(base) if first else masks.roles.prediction(base)
        if layer is None and not first and (other := masks.roles.other(base)) is not None:
            masks.roles.choose_prediction(other)
            layer, on = other, True
        if layer is None:
            return
        with self._window.session.undo.step(tr("Show or hide a mask")):
            if masks.compared is not None:
                masks.compare(None)
                on = True  # it was hidden by the difference
            if not first and masks.probability:
                masks.set_probability(False)
                on = True
            masks.set_visible(layer, on)

    def _difference(self, on: bool) -> None:
        base = self._window.session.active
        pair = self._masks.roles.pair(base) if base is not None else None
        self._masks.compare(*pair) if on and pair is not None else self._masks.compare(None)

    def _show_scores(self) -> None:
        if self._scores is None:
            self._scores = AgreementWindow(self.agreements, self._masks, self._window)
        self._scores.show()
        self._scores.activateWindow()

    # -- segmenting ------------------------------------------------------------------------------

    def _show_segmented(self, layer: Layer) -> None:
        made = self.panel.segmenter.threshold_of(layer)
        self._masks.threshold = self.panel.threshold.value() if made is None else made
        self._masks.roles.choose_prediction(layer)
        if self._masks.compared is not None:
            self._difference(True)
        self._window.session.message.emit(
            tr("{0}: shown over the images").format(called(layer)), 6000
        )

    def _cut(self, threshold: float) -> None:
        base = self._window.session.active
        layer = self._masks.likely(base) if base is not None else None
        if layer is not None:
            self.panel.segmenter.cut(layer, threshold)

    # -- saving ----------------------------------------------------------------------------------

    def _save(self) -> None:
        """Save the mask that is painted, looked at, or laid over the active series."""
        window, active = self._window, self._window.session.active
        mask = window.painter.mask if window.painter.on else None
        if mask is None and active is not None:
            roles = self._masks.roles
            mask = active if is_mask(active) else roles.prediction(active) or roles.truth(active)
        if mask is None or not mask.exportable:
            window.session.message.emit(tr("Paint a mask first, or open one."), 6000)
            return
        window.compare_panel.save_layer(mask)

    # -- training on what was painted ------------------------------------------------------------

    def _train_on_active(self) -> None:
        """Learn from the mask that is painted, else from the truth of the active series."""
        window, base = self._window, self._window.session.active
        painted = window.painter.mask if window.painter.on else None
        mask = painted or (self._masks.roles.truth(base) if base is not None else None)
        if mask is None:
            window.session.message.emit(tr("Paint a mask first, or open one."), 6000)
            return
        self._train(mask)

    def _train(self, mask: Layer) -> None:
        window = self._window
        window.tabs.setCurrentIndex(1)
        window.train_panel.learn_from_mask(mask)

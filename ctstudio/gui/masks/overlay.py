"""Masks over the images: which are shown, how, and where two of them differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QRectF, Signal

from ctstudio.core.events import Note
from ctstudio.ct.label_pictures import DIFFERENCE_LABELS, difference, paint, paint_probability
from ctstudio.ct.labels import Label, default_colour
from ctstudio.ct.planes import in_plane
from ctstudio.ct.views import SliceStack
from ctstudio.ct.volume import Volume
from ctstudio.gui.masks.roles import LIVE_PREDICTION, LIVE_TRUTH, Roles, is_live
from ctstudio.gui.masks.roles import is_mask as is_mask
from ctstudio.gui.masks.threshold_bar import probability_table
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import said
from ctstudio.gui.viewer.linking import facing, parallel, same_space
from ctstudio.gui.viewer.picture_view import PictureView

LEAST_OPACITY = 0.5  # of what says something by its colour: difference and probability
NEAR = 0.6  # of the distance between slices: a mask further away is of another slice


@dataclass
class Style:
    """How one mask is shown."""

    visible: bool = True
    hidden: set[int] = field(default_factory=set)  # labels that are not


class Masks(QObject):
    """What is laid over the images, for every pane alike."""

    changed = Signal()

    def __init__(self, session: Session, views: Sequence[PictureView]) -> None:
        super().__init__(session)
        self._session = session
        self._views = views
        self.shown = True
        self.contour = False
        self.opacity = 0.4
        self.compared: tuple[Layer, Layer] | None = None  # truth, prediction
        self.probability = False  # whether probabilities stand in place of the prediction
        self.threshold = 0.5
        self.roles = Roles(session)
        self._styles: dict[int, Style] = {}
        for view in views:
            view.masks = self.pictures
        session.layer_added.connect(self._added)
        session.layer_removed.connect(self._removed)
        session.layer_changed.connect(self._layer_changed)
        self.changed.connect(self._draw)

    # -- what there is ---------------------------------------------------------------------------

    @property
    def layers(self) -> list[Layer]:
        """The layers of labels."""
        return [layer for layer in self._session.layers if is_mask(layer)]

    def style(self, layer: Layer) -> Style:
        """How a mask is shown; to be followed by `changed` when it is altered."""
        return self._styles.setdefault(id(layer), Style())

    def labels(self, layer: Layer) -> tuple[Label, ...]:
        """What the numbers of a mask stand for."""
        stack = layer.stack
        if isinstance(stack, Volume) and stack.labels:
            return stack.labels
        numbers = np.unique(stack.slice_hu(0)) if len(stack) == 1 else np.zeros(0)
        return tuple(
            Label(int(n), f"Label {n:.0f}", default_colour(int(n))) for n in numbers if n > 0
        )

    def read(self, paths: list[Path], layer: Layer) -> None:
        """Read masks for ``layer`` in the background and lay them over it."""
        volume = layer.volume
        if volume is None:
            return
        from ctstudio.workflows.masks import read_masks

        notes: list[str] = []
        self._session.jobs.start(
            "masks",
            tr("Reading a mask"),
            lambda: read_masks(paths, volume),
            stepped=lambda events: notes.extend(e.text for e in events if isinstance(e, Note)),
            succeeded=lambda found: self._read(found, layer, notes),
            failed=self._session.fail,
        )

    def _read(self, found: list[tuple[str, Volume]], layer: Layer, notes: list[str]) -> None:
        for name, mask in found:
            if layer in self._session.layers:
                self._session.add_layer(Layer(name, "mask", mask, layer))
        count = len(found)
        one = tr("Mask shown over the images")
        told = one if count == 1 else tr("{0} masks shown").format(count)
        self._session.message.emit(told, 6000)
        if notes:  # how a mask was understood: it stays until it was read
            self._session.trouble.emit("\n".join(map(said, notes)), "", "")

    # -- changes ---------------------------------------------------------------------------------

    def set_shown(self, on: bool) -> None:
        self.shown = on
        self.changed.emit()

    def set_contour(self, on: bool) -> None:
        self.contour = on
        self.changed.emit()

    def set_opacity(self, opacity: float) -> None:
        self.opacity = opacity
        self.changed.emit()

    def set_visible(self, layer: Layer, on: bool) -> None:
        self.style(layer).visible = on
        self.changed.emit()

    def set_label_visible(self, layer: Layer, number: int, on: bool) -> None:
        hidden = self.style(layer).hidden
        hidden.discard(number) if on else hidden.add(number)
        self.changed.emit()

    def compare(self, truth: Layer | None, prediction: Layer | None = None) -> None:
        """Show where a prediction differs from the truth instead of both; None: no more."""
        self.compared = (
            (truth, prediction) if truth is not None and prediction is not None else None
        )
        self.probability &= self.compared is None
        self.changed.emit()

    def set_probability(self, on: bool) -> None:
        """Show how likely voxels are of a label, in place of the prediction."""
        self.probability = on
        if on:
            self.compared = None
        self.changed.emit()

    def set_threshold(self, threshold: float) -> None:
        """Outline what is more likely than ``threshold``."""
        self.threshold = threshold
        self._draw()

    def _added(self, layer: Layer) -> None:
        if not is_mask(layer):
            return
        named = {la.name: la for la in self.layers}
        if LIVE_TRUTH in named and LIVE_PREDICTION in named:
            # A training that learns masks shows at once where it is wrong.
            self.compared = (named[LIVE_TRUTH], named[LIVE_PREDICTION])
            self.roles.choose_prediction(named[LIVE_PREDICTION])
        self.changed.emit()

    def _removed(self, layer: Layer) -> None:
        self._styles.pop(id(layer), None)
        if self.compared is not None and layer in self.compared:
            self.compared = None
        if is_mask(layer):
            self.changed.emit()

    def _layer_changed(self, layer: Layer, _index: int) -> None:
        if is_mask(layer):
            self._draw()

    def _draw(self) -> None:
        for view in self._views:
            view.draw_masks()

    # -- pictures --------------------------------------------------------------------------------

    def pictures(self, view: PictureView) -> list[tuple[QRectF, NDArray[np.uint8]]]:
        """What lies over the slice of ``view``: its place in the plane in mm, and RGBA."""
        base = view.layer
        if not self.shown or base is None or is_mask(base) or base.signed:
            return []
        found = []
        if self.compared is not None and same_space(self.compared[0], base):
            differing = self._difference(view, *self.compared)
            if differing:  # alone: over another mask "missed" would look like "agreed"
                return differing
        likely = self.likely(base) if self.probability else None
        instead = () if likely is None else (likely,)
        truth, prediction = self.roles.truth(base), self.roles.prediction(base)
        both = truth is not None and self.style(truth).visible
        for layer in self.layers:
            style = self.style(layer)
            if is_live(layer) and layer not in (truth, prediction):
                continue  # of a training that is not looked at any more
            if layer not in instead and style.visible and same_space(layer, base):
                at = _slice_beside(layer.stack, view)
                if at is not None:
                    stack, index = at
                    picture = paint(
                        _numbers(stack, index),
                        self.labels(layer),
                        opacity=self.opacity,
                        # Above the truth, which may have the same colours.
                        contour=self.contour or (both and layer is prediction),
                        hidden=style.hidden,
                    )
                    found.append(facing(picture, stack, index, view))
        if likely is not None and likely.likely is not None:
            found += self._probability(view, likely.likely)
        return found

    def likely(self, base: Layer) -> Layer | None:
        """The prediction beside ``base``, where it is known how likely it is."""
        prediction = self.roles.prediction(base)
        return prediction if prediction is not None and prediction.likely is not None else None

    def _probability(
        self, view: PictureView, stack: SliceStack
    ) -> list[tuple[QRectF, NDArray[np.uint8]]]:
        at = _slice_beside(stack, view)
        if at is None:
            return []
        values = at[0].slice_hu(at[1])
        opacity = max(self.opacity, LEAST_OPACITY)
        picture = paint_probability(
            values, probability_table(), opacity=opacity, threshold=self.threshold
        )
        return [facing(picture, *at, view)]

    def _difference(
        self, view: PictureView, truth: Layer, prediction: Layer
    ) -> list[tuple[QRectF, NDArray[np.uint8]]]:
        one, other = (_slice_beside(layer.stack, view) for layer in (truth, prediction))
        if one is None or other is None:
            return []
        true, predicted = one[0].slice_hu(one[1]), other[0].slice_hu(other[1])
        if true.shape != predicted.shape:
            return []
        codes = difference(true, predicted)
        opacity = max(self.opacity, LEAST_OPACITY)
        picture = paint(codes, DIFFERENCE_LABELS, opacity=opacity, contour=self.contour)
        return [facing(picture, *one, view)]


def _numbers(stack: SliceStack, index: int) -> NDArray[Any]:
    """The labels of a slice; without a detour by floating point where they are stored so."""
    return stack.voxels[index] if isinstance(stack, Volume) else stack.slice_hu(index)


def _slice_beside(stack: SliceStack, view: PictureView) -> tuple[SliceStack, int] | None:
    """The slice of ``stack`` where ``view`` looks, if it has one there."""
    seen = in_plane(stack, view.shown_plane)
    if not parallel(seen, view.stack):
        return None
    here = view.stack.geometry
    point = here.positions_mm[view.index]
    index = seen.geometry.nearest_slice(point)
    away = abs(float((seen.geometry.positions_mm[index] - point) @ here.normal))
    spacing = max(here.slice_spacing_mm, seen.geometry.slice_spacing_mm, 0.1)
    return (seen, index) if away <= NEAR * spacing else None

"""Which mask of a series counts as the truth, and which as a network's prediction."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from ctstudio.ct.labels import LABEL_UNIT
from ctstudio.gui.session import Layer, Session

LIVE_TRUTH, LIVE_PREDICTION = "Training: mask", "Training: prediction"


def is_mask(layer: Layer) -> bool:
    """Whether a layer holds labels."""
    return layer.stack.unit == LABEL_UNIT and not layer.signed


def is_live(layer: Layer) -> bool:
    """Whether a mask belongs to a training that runs, or ran last."""
    return layer.name.startswith("Training: ")


def is_made(layer: Layer) -> bool:
    """Whether a network made a mask: its note says which."""
    return layer.name.startswith(LIVE_PREDICTION) or bool(layer.note)


class Roles(QObject):
    """The newest mask that a network made is the prediction, the newest other one the truth.

    Unless somebody chose otherwise. Masks of a training go together, and those of whole series.
    """

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._truths: dict[int, Layer] = {}  # chosen, by the identity of the series
        self._predictions: dict[int, Layer] = {}
        session.layer_removed.connect(self._removed)

    def masks(self, base: Layer) -> list[Layer]:
        """The masks of the series that ``base`` belongs to."""
        return [la for la in self._session.layers if is_mask(la) and la.root is base.root]

    def prediction(self, base: Layer) -> Layer | None:
        """What counts as the prediction beside ``base``."""
        masks = self.masks(base)
        chosen = self._predictions.get(id(base.root))
        if chosen in masks:
            return chosen
        found = [la for la in masks if is_made(la) and la is not self._truths.get(id(base.root))]
        return found[-1] if found else None

    def truth(self, base: Layer) -> Layer | None:
        """What counts as the truth beside ``base``: one of the prediction's size, if there is."""
        prediction = self.prediction(base)
        found = [la for la in self.masks(base) if la is not prediction and not is_made(la)]
        chosen = self._truths.get(id(base.root))
        if chosen is not None:
            found = [*(la for la in found if la is not chosen), chosen]
        if prediction is not None:
            # A training shows one slice: its mask is no truth of a whole series.
            shape = prediction.stack.shape
            found.sort(key=lambda la: la.stack.shape == shape)
        elif not all(is_live(la) for la in found):
            found.sort(key=lambda la: not is_live(la))
        return found[-1] if found else None

    def other(self, base: Layer) -> Layer | None:
        """The newest mask that is not the truth: what could count as a prediction."""
        truth = self.truth(base)
        return next((la for la in reversed(self.masks(base)) if la is not truth), None)

    def pair(self, base: Layer) -> tuple[Layer, Layer] | None:
        """Truth and prediction, where there are both and they are of one size."""
        truth, prediction = self.truth(base), self.prediction(base)
        if truth is None or prediction is None or truth is prediction:
            return None
        same = truth.stack.shape == prediction.stack.shape
        return (truth, prediction) if same else None

    def choose_truth(self, mask: Layer) -> None:
        """Let ``mask`` count as the truth."""
        self._truths[id(mask.root)] = mask
        if self._predictions.get(id(mask.root)) is mask:
            del self._predictions[id(mask.root)]
        self.changed.emit()

    def choose_prediction(self, mask: Layer) -> None:
        """Let ``mask`` count as a prediction."""
        self._predictions[id(mask.root)] = mask
        if self._truths.get(id(mask.root)) is mask:
            del self._truths[id(mask.root)]
        self.changed.emit()

    def _removed(self, layer: Layer) -> None:
        for chosen in (self._truths, self._predictions):
            for key in [key for key, mask in chosen.items() if mask is layer]:
                del chosen[key]
            chosen.pop(id(layer), None)

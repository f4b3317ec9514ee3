"""The layers of a running training: noisy | reconstruction | target (where known) | residual."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ctstudio.core.events import Detail, Preview
from ctstudio.ct.labels import PROBABILITY_UNIT
from ctstudio.ct.views import LABEL_UNIT, SinglePicture
from ctstudio.gui.session import KeptPreview, Layer, LayerKind, Run, Session

LABEL_NAMES = {
    "noisy": "image",
    "reconstruction": "prediction",
    "target": "mask",
    "residual": "prediction \N{MINUS SIGN} mask",
}
"""What the panels are called where classes are learnt."""
RESIDUAL = "reconstruction \N{MINUS SIGN} noisy"


class RunLayers:
    """Makes them with a run's first preview, and changes their pictures from then on."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._layers: dict[str, Layer] = {}
        self._live = True  # the newest is shown, not an earlier one

    def in_view(self) -> tuple[int, int, int, int] | None:
        """The part of the reconstruction that somebody looks at closely."""
        layer = self._layers.get("reconstruction")
        return self._session.region_in_view(layer) if layer and self._live else None

    def make(self, run: Run, preview: Preview) -> None:
        """Replace the layers of the run before and hang the new ones."""
        for layer in self._layers.values():
            self._session.remove_layer(layer)
        self._layers = {}
        geometry = run.source.stack.geometry.select(slice(preview.slice, preview.slice + 1))
        for name in preview.panels:
            classes = preview.labels and name != "noisy"
            picture = SinglePicture(
                geometry,
                run.source.stack.source,
                LABEL_UNIT if classes else preview.unit,
                preview.panels[name],
                number=(preview.slice + 1, len(run.source.stack)),
            )
            kind: LayerKind = "residual" if name == "residual" else "live"
            shown = RESIDUAL if name == "residual" else name
            if preview.labels:
                shown = LABEL_NAMES.get(name, name)
            layer = Layer(f"Training: {shown}", kind, picture, run.source)
            if name == "reconstruction":
                layer.likely = _likely(picture, preview)
            self._layers[name] = self._session.add_layer(layer)
        self._session.hang.emit(list(self._layers.values()))

    def show(self, run: Run, kept: KeptPreview | None) -> None:
        """Show an earlier preview, or the newest (None)."""
        if run.newest is None:
            return
        self._live = kept is None
        panels = run.newest.panels if kept is None else run.panels(kept)
        for name, layer in self._layers.items():
            if isinstance(layer.stack, SinglePicture):
                layer.stack.picture = panels[name]
                if name == "reconstruction":
                    layer.likely = _likely(layer.stack, run.newest if kept is None else kept)
                self._session.layer_changed.emit(layer, -1)

    def show_detail(self, run: Run, detail: Detail) -> None:
        """Put a part that is newer than the rest into the live pictures."""
        if run.newest is None or not self._live:
            return
        height, width = detail.reconstruction.shape
        rows = slice(detail.top, detail.top + height)
        columns = slice(detail.left, detail.left + width)
        around = {name: panel[rows, columns] for name, panel in run.newest.panels.items()}
        parts = {"reconstruction": detail.reconstruction}
        parts["residual"] = run.residual({**around, **parts})
        for name, part in parts.items():
            layer = self._layers.get(name)
            if layer is not None and isinstance(layer.stack, SinglePicture):
                picture = layer.stack.picture.copy()
                picture[rows, columns] = part
                picture.setflags(write=False)
                layer.stack.picture = picture
                self._session.layer_changed.emit(layer, -1)


def _likely(picture: SinglePicture, preview: Preview | KeptPreview) -> SinglePicture | None:
    """Where ``picture`` lies, how likely its pixels are of any class, as far as that is known."""
    if preview.inside is None:
        return None
    inside = preview.inside.astype(np.float32)
    if isinstance(preview, KeptPreview):
        inside /= np.float32(255)
    return replace(picture, unit=PROBABILITY_UNIT, picture=inside)

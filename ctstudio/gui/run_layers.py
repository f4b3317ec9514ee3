"""The layers of a running training: noisy | reconstruction | target (where known) | residual."""

from __future__ import annotations

from ctstudio.core.events import Preview
from ctstudio.ct.views import SinglePicture
from ctstudio.gui.session import KeptPreview, Layer, LayerKind, Run, Session


class RunLayers:
    """Makes them with a run's first preview, and changes their pictures from then on."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._layers: dict[str, Layer] = {}

    def make(self, run: Run, preview: Preview) -> None:
        """Replace the layers of the run before and hang the new ones."""
        for layer in self._layers.values():
            self._session.remove_layer(layer)
        self._layers = {}
        geometry = run.source.stack.geometry.select(slice(preview.slice, preview.slice + 1))
        for name in preview.panels:
            picture = SinglePicture(
                geometry,
                run.source.stack.source,
                preview.unit,
                preview.panels[name],
                number=(preview.slice + 1, len(run.source.stack)),
            )
            kind: LayerKind = "residual" if name == "residual" else "live"
            layer = Layer(f"Training: {name}", kind, picture, run.source)
            self._layers[name] = self._session.add_layer(layer)
        self._session.hang.emit(list(self._layers.values()))

    def show(self, run: Run, kept: KeptPreview | None) -> None:
        """Show an earlier preview, or the newest (None)."""
        if run.newest is None:
            return
        panels = run.newest.panels if kept is None else run.panels(kept)
        for name, layer in self._layers.items():
            if isinstance(layer.stack, SinglePicture):
                layer.stack.picture = panels[name]
                self._session.layer_changed.emit(layer, -1)

"""The five panels of the masks on the screen, taken away as a picture or a film."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QMainWindow

from ctstudio.core.errors import StudioError
from ctstudio.ct.labels import Label
from ctstudio.ct.window import Window
from ctstudio.gui.dialogs import ask_where_to_save
from ctstudio.gui.masks.overlay import Masks
from ctstudio.gui.masks.roles import is_live
from ctstudio.gui.session import Layer, Run, Session
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.viewer.view_grid import ViewGrid
from ctstudio.gui.viewer.windows import default_window
from ctstudio.workflows.mask_figures import KINDS, MasksShown, over_slices, save_five_panels


class FigureOfMasks(QObject):
    """Asks for a name, and writes original, masks and both over the original side by side."""

    def __init__(self, session: Session, masks: Masks, grid: ViewGrid, window: QMainWindow) -> None:
        super().__init__(session)
        self._session, self._masks, self._grid, self._window = session, masks, grid, window

    def ask(self) -> None:
        """Export the slice that is looked at; a film shows all of them."""
        try:
            shown, at = self.shown()
            path = ask_where_to_save(
                self._window, self._session, tr("Save the five panels"), "masks.png", KINDS
            )
            if path is None:
                return
            if self._session.jobs.busy("export"):
                raise StudioError(
                    "An export is running already.",
                    hint="Wait for it, or cancel it, then try again.",
                )
            self._session.jobs.start(
                "export",
                tr("Export: five panels"),
                lambda: save_five_panels(shown, path, at),
                succeeded=lambda saved: self._session.message.emit(
                    tr("Saved {0}").format(saved), 10000
                ),
                failed=self._session.fail,
            )
        except Exception as error:
            self._session.report(error)

    def shown(self) -> tuple[MasksShown, int]:
        """What is to be drawn, and which of it is on the screen.

        Raises
        ------
        StudioError
            When there is no prediction beside a truth.
        """
        base = self._session.active
        pair = self._masks.roles.pair(base) if base is not None else None
        if pair is None:
            raise StudioError(
                "The five panels need a true mask and a prediction of one size.",
                hint="Open or paint the one and segment for the other; the bar above the images "
                "says which mask counts as which.",
            )
        truth, prediction = pair
        run = self._session.run
        if is_live(prediction) and run is not None and len(run.previews) > 1:
            return _over_steps(run, self._window_of(run.source), self._masks.labels(truth))
        image = truth.scan
        labels = self._masks.labels(truth)
        shown = over_slices(
            image.stack,
            truth.stack,
            prediction.stack,
            prediction.likely,
            self._window_of(image),
            labels,
        )
        return shown, self._session.visible_slice(truth)

    def _window_of(self, image: Layer) -> Window:
        for pane in self._grid.visible_panes:
            layer = pane.layer
            if layer is not None and layer.root is image.root and layer.stack.unit == "HU":
                return pane.view.window
        return default_window(image, self._session.visible_slice(image))


def _over_steps(run: Run, window: Window, labels: Sequence[Label]) -> tuple[MasksShown, int]:
    """The previews of a training, in their order; the newest is on the screen."""
    from ctstudio.figures.five_panels import Segmented

    previews = list(run.previews)
    geometry = run.source.stack.geometry

    def fetch(number: int) -> Segmented:
        panels = run.panels(previews[number])
        return Segmented(panels["noisy"], panels["target"], panels["reconstruction"])

    shown = MasksShown(
        len(previews),
        fetch,
        lambda number: f"step {previews[number].step:,}",
        geometry.select(slice(run.slice_index, run.slice_index + 1)),
        window,
        run.source.stack.unit,
        labels,
    )
    return shown, len(previews) - 1

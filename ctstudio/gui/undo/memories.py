"""What the parts of the window were like, for steps that can be taken back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ctstudio.ct.planes import Plane, Projection
from ctstudio.ct.window import Window
from ctstudio.gui.comparing.comparing import Comparing
from ctstudio.gui.comparing.modes import Mode
from ctstudio.gui.masks.overlay import Masks
from ctstudio.gui.panels.compare import ComparePanel
from ctstudio.gui.panels.train import TrainPanel
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.undo.stack import Layers
from ctstudio.gui.viewer.pane import Pane
from ctstudio.gui.viewer.picture_view import Framing
from ctstudio.gui.viewer.view_grid import ViewGrid
from ctstudio.gui.windowing.display import Display


class LayerMemory:
    """Which layers are open, in which order."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def state(self) -> Layers:
        return Layers(self._session.layers)

    def change(self, old: Layers, new: Layers) -> None:
        session = self._session
        for layer in old.all:
            if layer not in new.all:
                session.remove_layer(layer)
        for place, layer in enumerate(new.all):
            # What was still being made when it was closed will never be whole.
            lost = not layer.complete or layer.kind == "live"
            orphan = layer.parent is not None and layer.parent not in session.layers
            if layer not in old.all and layer not in session.layers and not lost and not orphan:
                session.add_layer(layer, place)


@dataclass(frozen=True)
class PaneState:
    """What a pane shows; where in it one looks is kept, but is no step of its own."""

    layer: Layer | None
    plane: Plane | None = None
    slab: tuple[Projection, float] | None = None
    index: int = field(default=0, compare=False)
    window: Window | None = field(default=None, compare=False)
    framing: Framing | None = field(default=None, compare=False)


@dataclass(frozen=True)
class GridState:
    """How the panes lie and what they show."""

    arrangement: Any
    panes: tuple[PaneState, ...]
    active: int = field(compare=False)


class PaneMemory:
    """Layout and content of the panes."""

    def __init__(self, session: Session, grid: ViewGrid) -> None:
        self._session, self._grid = session, grid

    def state(self) -> GridState:
        grid = self._grid
        panes = tuple(self._pane(pane) for pane in grid.panes)
        return GridState(grid.arrangement, panes, grid.panes.index(grid.active_pane))

    def _pane(self, pane: Pane) -> PaneState:
        view = pane.view
        if pane.layer is None:
            return PaneState(None)
        framing = None if view.fitted else view.framing
        return PaneState(pane.layer, view.plane, view.slab, view.index, view.window, framing)

    def change(self, old: GridState, new: GridState) -> None:
        grid = self._grid
        if old.arrangement != new.arrangement:
            grid.set_arrangement(new.arrangement)
            grid.arrange_now()
        changed = [
            (pane, becomes)
            for pane, was, becomes in zip(grid.panes, old.panes, new.panes, strict=True)
            if was != becomes
        ]
        for pane, becomes in changed:
            self._show(pane, becomes)
        pane = grid.panes[new.active]
        grid.activate(pane if pane in grid.visible_panes else grid.visible_panes[0])
        for pane, _ in changed:
            grid.moved.emit(pane)  # its line in other planes is another

    def _show(self, pane: Pane, state: PaneState) -> None:
        view = pane.view
        pane.set_layer(None)
        if state.layer not in self._session.layers:
            return
        view.plane, view.slab = state.plane, state.slab
        if state.window is not None:
            view.window = state.window
        pane.set_layer(state.layer, state.index)
        view.fit()
        if state.framing is not None:
            view.set_framing(state.framing)


class DisplayMemory:
    """What the greys of each pane are shown as: colours, inversion, gamma."""

    def __init__(self, grid: ViewGrid) -> None:
        self._grid = grid

    def state(self) -> tuple[Display, ...]:
        return tuple(pane.view.display for pane in self._grid.panes)

    def change(self, old: Any, new: Any) -> None:
        for pane, was, becomes in zip(self._grid.panes, old, new, strict=True):
            if was != becomes:
                pane.view.set_display(becomes)
        self._grid.activate(self._grid.active_pane)  # the menus show what is in force


class ComparisonMemory:
    """Which panes compare which layers, and how."""

    def __init__(self, session: Session, grid: ViewGrid, comparing: Comparing) -> None:
        self._session, self._grid, self._comparing = session, grid, comparing

    def state(self) -> tuple[tuple[Mode, Layer] | None, ...]:
        composers = [self._comparing.composer(pane.view) for pane in self._grid.panes]
        return tuple((c.mode, c.layer) if c is not None else None for c in composers)

    def change(self, old: Any, new: Any) -> None:
        for pane, was, becomes in zip(self._grid.panes, old, new, strict=True):
            if was == becomes:
                continue
            mode, layer = becomes if becomes is not None else (None, None)
            there = pane.layer is not None and layer in self._session.layers
            self._comparing.set_mode(pane, mode if there else None, layer)


@dataclass(frozen=True)
class MaskState:
    """How masks are shown, and what they count as."""

    styles: tuple[tuple[Layer, bool, frozenset[int]], ...]
    compared: tuple[Layer, Layer] | None
    roles: tuple[tuple[Layer | None, Layer | None], ...]


class MaskMemory:
    """Which masks are seen, which labels of them, and which two are compared."""

    def __init__(self, masks: Masks) -> None:
        self._masks = masks

    def state(self) -> MaskState:
        masks = self._masks
        styles = tuple(
            (layer, masks.style(layer).visible, frozenset(masks.style(layer).hidden))
            for layer in masks.layers
        )
        roots = list(dict.fromkeys(layer.root for layer in masks.layers))
        roles = tuple((masks.roles.truth(base), masks.roles.prediction(base)) for base in roots)
        return MaskState(styles, masks.compared, roles)

    def change(self, old: MaskState, new: MaskState) -> None:
        masks = self._masks
        for layer, visible, hidden in new.styles:
            if layer in masks.layers:
                masks.style(layer).visible = visible
                masks.style(layer).hidden = set(hidden)
        for truth, prediction in new.roles:
            if truth in masks.layers and masks.roles.truth(truth) is not truth:
                masks.roles.choose_truth(truth)
            if prediction in masks.layers and masks.roles.prediction(prediction) is not prediction:
                masks.roles.choose_prediction(prediction)
        both = new.compared is not None and all(la in masks.layers for la in new.compared)
        if old.compared != new.compared and (both or new.compared is None):
            masks.compare(*(new.compared or (None,)))
        masks.changed.emit()


class PanelMemory:
    """What is learnt from, and what is compared with."""

    def __init__(self, session: Session, train: TrainPanel, compare: ComparePanel) -> None:
        self._session, self._train, self._compare = session, train, compare

    def state(self) -> tuple[Layer | None, Layer | None]:
        reference = self._compare.reference.currentData()
        return self._train.data.layer, reference if isinstance(reference, Layer) else None

    def change(self, old: Any, new: Any) -> None:
        for was, becomes, put in zip(
            old, new, (self._train.select_source, self._compare.set_reference), strict=True
        ):
            if was is not becomes and becomes in self._session.layers:
                put(becomes)

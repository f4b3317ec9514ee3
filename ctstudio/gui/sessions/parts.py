"""What each part of the window tells a session file about how things are seen, and takes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol, get_args

import numpy as np
from PySide6.QtGui import QAction

from ctstudio.ct.boxes import Box
from ctstudio.ct.measure import Kind, Shape
from ctstudio.ct.planes import Projection, plane_data, plane_from_data
from ctstudio.ct.window import Window
from ctstudio.gui.comparing.comparing import Comparing
from ctstudio.gui.comparing.modes import MODES, Mode
from ctstudio.gui.masks.overlay import Masks
from ctstudio.gui.measuring.entries import Measurements
from ctstudio.gui.panels.compare import ComparePanel
from ctstudio.gui.panels.train import TrainPanel
from ctstudio.gui.session import Layer
from ctstudio.gui.viewer.boxes import Boxes
from ctstudio.gui.viewer.overlays import Overlays
from ctstudio.gui.viewer.pane import Pane
from ctstudio.gui.viewer.picture_view import Framing
from ctstudio.gui.viewer.view_grid import LAYOUTS, ViewGrid
from ctstudio.workflows.sessions.fields import DamagedError, Fields

KeyOf = Callable[[Layer | None], str]
LayerOf = Callable[[str], Layer | None]


class Part(Protocol):
    """A part of the window whose state is kept."""

    def state(self, key_of: KeyOf) -> dict[str, Any]:
        """The state as JSON; layers by their keys, "" for one that is not kept."""

    def restore(self, state: Fields, layer_of: LayerOf) -> None:
        """Take a state back; keys that are not known are left alone.

        Raises
        ------
        DamagedError
            When a value is of another type than it should be.
        """


class Plain(Protocol):
    """An object that keeps a state in which no layer is named."""

    def state(self) -> Mapping[str, Any]: ...

    def restore(self, state: Mapping[str, Any]) -> None: ...


class PlainPart:
    """A `Plain` object as a part."""

    def __init__(self, inner: Plain) -> None:
        self._inner = inner

    def state(self, _key_of: KeyOf) -> dict[str, Any]:
        return dict(self._inner.state())

    def restore(self, state: Fields, _layer_of: LayerOf) -> None:
        self._inner.restore(state.everything())


class ViewPart:
    """Layout, panes, windows, planes, slices, zoom."""

    def __init__(self, grid: ViewGrid) -> None:
        self._grid = grid

    def state(self, key_of: KeyOf) -> dict[str, Any]:
        grid = self._grid
        return {
            "layout": grid.layout_name,
            "arrangement": grid.arrangement,
            "maximised": grid.maximised is not None,
            "active": grid.panes.index(grid.active_pane),
            "panes": [self._pane(pane, key_of) for pane in grid.panes],
        }

    def _pane(self, pane: Pane, key_of: KeyOf) -> dict[str, Any]:
        view, key = pane.view, key_of(pane.layer)
        if not key:
            return {}
        data: dict[str, Any] = {
            "layer": key,
            "slice": view.index,
            "window": [view.window.centre_hu, view.window.width_hu],
        }
        if view.plane is not None:
            data["plane"] = plane_data(view.plane)
        if view.slab is not None:
            data["slab"] = {"how": view.slab[0], "mm": view.slab[1]}
        if not view.fitted:
            data["framing"] = [view.framing.u, view.framing.v, view.framing.scale]
        return data

    def restore(self, state: Fields, layer_of: LayerOf) -> None:
        grid = self._grid
        layout = state.text("layout", "1")
        if not grid.set_arrangement(state.everything().get("arrangement")) and layout in LAYOUTS:
            grid.set_layout(layout)
        grid.arrange_now()
        panes = list(zip(grid.panes, state.objects("panes"), strict=False))
        for pane, data in panes:
            layer = layer_of(data.text("layer", ""))
            if layer is not None:
                self._show(pane, layer, data)
            elif pane.layer is not None:
                pane.set_layer(None)
        active = state.whole("active", 0)
        pane = grid.panes[active] if active < len(grid.panes) else grid.panes[0]
        grid.activate(pane if pane in grid.visible_panes else grid.visible_panes[0])
        if state.flag("maximised", False):
            grid.toggle_maximised(grid.active_pane)

    def _show(self, pane: Pane, layer: Layer, data: Fields) -> None:
        view = pane.view
        pane.set_layer(None)
        view.plane = plane_from_data(data.everything().get("plane"))
        view.slab = None
        if "slab" in data:
            slab = data.inner("slab")
            how = next((h for h in get_args(Projection) if h == slab.text("how")), None)
            view.slab = (how, slab.number("mm")) if how is not None else None
        if "window" in data:
            centre, width = data.numbers("window", 2)
            view.window = Window(centre, max(width, 1e-3))
        pane.set_layer(layer, data.whole("slice", 0))
        view.fit()
        if "framing" in data:
            u, v, scale = data.numbers("framing", 3)
            view.set_framing(Framing(u, v, min(max(scale, 0.02), 400.0)))


class ComparingPart:
    """Which panes compare two layers in one place, how, and with what."""

    def __init__(self, grid: ViewGrid, comparing: Comparing) -> None:
        self._grid, self._comparing = grid, comparing

    def state(self, key_of: KeyOf) -> dict[str, Any]:
        panes = []
        for pane in self._grid.panes:
            composer = self._comparing.composer(pane.view)
            key = key_of(composer.layer) if composer is not None else ""
            panes.append({"mode": composer.mode, "with": key} if composer and key else {})
        return {"panes": panes, "values": dict(self._comparing.values.of)}

    def restore(self, state: Fields, layer_of: LayerOf) -> None:
        values = Fields(state.mapping("values"), state.place("values"))
        for mode, kind in MODES.items():
            if not kind.shared and mode in values:
                self._comparing.set_value(mode, values.number(mode))
        for pane, data in zip(self._grid.panes, state.objects("panes"), strict=False):
            named = data.text("mode", "")
            found: Mode | None = next((known for known in MODES if known == named), None)
            layer = layer_of(data.text("with", ""))
            if layer is None or pane.layer is None:
                found = None
            self._comparing.set_mode(pane, found, layer)


class SwitchPart:
    """What is switched on: overlays, links; also what is off only while all is hidden."""

    def __init__(
        self, actions: Mapping[str, QAction], names: tuple[str, ...], overlays: Overlays
    ) -> None:
        self._actions = {name: actions[name] for name in names}
        self._hide, self._overlays = actions["hide_all"], overlays

    def state(self, _key_of: KeyOf) -> dict[str, Any]:
        hidden = self._overlays.hidden
        on = {name: a.isChecked() or a in hidden for name, a in self._actions.items()}
        return {**on, "hide_all": self._hide.isChecked()}

    def restore(self, state: Fields, _layer_of: LayerOf) -> None:
        self._hide.setChecked(False)
        for name, action in self._actions.items():
            if name in state:
                action.setChecked(state.flag(name))
        self._hide.setChecked(state.flag("hide_all", False))


class MaskPart:
    """How masks are shown."""

    def __init__(self, masks: Masks) -> None:
        self._masks = masks

    def state(self, key_of: KeyOf) -> dict[str, Any]:
        masks = self._masks
        styles = {}
        for layer in masks.layers:
            style = masks.style(layer)
            styles[key_of(layer)] = {"visible": style.visible, "hidden": sorted(style.hidden)}
        compared = [key_of(layer) for layer in masks.compared or ()]
        return {
            "outlines": masks.contour,
            "opacity": masks.opacity,
            "styles": {key: style for key, style in styles.items() if key},
            "compared": compared if all(compared) else [],
        }

    def restore(self, state: Fields, layer_of: LayerOf) -> None:
        masks = self._masks
        masks.set_contour(state.flag("outlines", False))
        masks.set_opacity(min(max(state.number("opacity", 0.4), 0.05), 1.0))
        styles = Fields(state.mapping("styles"), state.place("styles"))
        for key in state.mapping("styles"):
            layer, data = layer_of(key), styles.inner(key)
            if layer is not None:
                masks.style(layer).visible = data.flag("visible", True)
                masks.style(layer).hidden = set(data.wholes("hidden"))
        compared = [layer_of(key) for key in state.texts("compared")]
        if len(compared) == 2 and compared[0] is not None and compared[1] is not None:
            masks.compare(compared[0], compared[1])
        masks.changed.emit()


class MeasurePart:
    """The measurements."""

    def __init__(self, measurements: Measurements) -> None:
        self._measurements = measurements

    def state(self, key_of: KeyOf) -> dict[str, Any]:
        items = []
        for entry in self._measurements.entries:
            on = next((key for la in self._measurements.layers(entry) if (key := key_of(la))), "")
            if on:
                items.append(
                    {
                        "name": entry.name,
                        "kind": entry.shape.kind,
                        "points": entry.shape.points_mm.ravel().tolist(),
                        "normal": entry.shape.normal.tolist(),
                        "plane": plane_data(entry.plane),
                        "on": on,
                    }
                )
        return {"items": items}

    def restore(self, state: Fields, layer_of: LayerOf) -> None:
        for item in state.objects("items"):
            layer = layer_of(item.text("on"))
            kind = next((k for k in get_args(Kind) if k == item.text("kind")), None)
            plane = plane_from_data(item.everything().get("plane", "axial"))
            if layer is None or kind is None or plane is None:
                continue
            points = np.array(item.numbers("points"))
            normal = np.array(item.numbers("normal", 3))
            if len(points) % 3 or not normal.any():
                raise DamagedError(f"{item.place('points')} are no places")
            try:
                shape = Shape(kind, points.reshape(-1, 3), normal / np.linalg.norm(normal))
            except ValueError as error:
                raise DamagedError(f"{item.place('points')}: {error}") from error
            self._measurements.add(shape, plane, layer)
            entry = self._measurements.selection
            if entry is not None:
                self._measurements.rename(entry, item.text("name", entry.name))
        self._measurements.select(None)


class BoxPart:
    """Tumour boxes: places in the patient, on the series that they were drawn on."""

    def __init__(self, boxes: Boxes) -> None:
        self._boxes = boxes

    def state(self, key_of: KeyOf) -> dict[str, Any]:
        items = [
            {"name": box.name, "corners": box.corners_mm.ravel().tolist(), "on": key_of(layer)}
            for layer, boxes in self._boxes.state()
            for box in boxes
        ]
        return {"items": [item for item in items if item["on"]]}

    def restore(self, state: Fields, layer_of: LayerOf) -> None:
        found: dict[Layer, list[Box]] = {}
        for item in state.objects("items"):
            layer = layer_of(item.text("on"))
            corners = np.array(item.numbers("corners", 12)).reshape(4, 3)
            if layer is not None:
                found.setdefault(layer, []).append(Box(item.text("name"), corners))
        for layer, boxes in found.items():
            self._boxes.put(layer, boxes)


class PanelPart:
    """What is learnt from, and what is compared with."""

    def __init__(self, train: TrainPanel, compare: ComparePanel) -> None:
        self._train, self._compare = train, compare

    def state(self, key_of: KeyOf) -> dict[str, Any]:
        reference = self._compare.reference.currentData()
        return {
            "learn_from": key_of(self._train.data.layer),
            "reference": key_of(reference if isinstance(reference, Layer) else None),
        }

    def restore(self, state: Fields, layer_of: LayerOf) -> None:
        source = layer_of(state.text("learn_from", ""))
        if source is not None and source.is_scan:
            self._train.select_source(source)
        reference = layer_of(state.text("reference", ""))
        if reference is not None:
            self._compare.set_reference(reference)


def restore_all(
    parts: Mapping[str, Part], state: Mapping[str, Any], layer_of: LayerOf
) -> list[str]:
    """Let each part take its state back; the sentences of those that could not."""
    troubles = []
    for name, part in parts.items():
        if state.get(name) is not None:
            try:
                part.restore(Fields(state[name], name), layer_of)
            except DamagedError as error:
                troubles.append(f"The session's {name} could not be restored: {error}.")
    return troubles


def state_of(parts: Mapping[str, Part], key_of: KeyOf) -> dict[str, Any]:
    """The state of every part."""
    states = {}
    for name, part in parts.items():
        with suppress(KeyError):  # a layer that is on its way out
            states[name] = part.state(key_of)
    return states

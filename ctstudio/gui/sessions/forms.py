"""What stands in the forms: methods, settings, recipes, the choices of the noise tools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QSpinBox, QTabWidget

from ctstudio.core.errors import StudioError
from ctstudio.gui.masks.segment_panel import SegmentPanel
from ctstudio.gui.measuring.noise_tools import NoiseTools
from ctstudio.gui.panels.denoise import DenoisePanel
from ctstudio.gui.panels.train import TrainPanel
from ctstudio.gui.sessions.parts import KeyOf, LayerOf
from ctstudio.workflows.sessions.fields import DamagedError, Fields

Box = QComboBox | QSpinBox | QDoubleSpinBox


class Boxes:
    """Boxes to choose from and numbers, by name; a choice is kept by what it stands for."""

    def __init__(self, boxes: Mapping[str, Box]) -> None:
        self._boxes = boxes

    def state(self) -> dict[str, Any]:
        """The values now."""
        return {name: _value(box) for name, box in self._boxes.items()}

    def restore(self, state: Fields) -> None:
        """Take values back; a choice that there is no more is left alone."""
        for name, box in self._boxes.items():
            if name not in state:
                continue
            if isinstance(box, QComboBox):
                wanted = state.everything()[name]
                row = next((k for k in range(box.count()) if _data(box, k) == wanted), -1)
                if row >= 0:
                    box.setCurrentIndex(row)
            elif isinstance(box, QDoubleSpinBox):
                box.setValue(state.number(name))
            else:
                box.setValue(round(state.number(name)))


def _value(box: Box) -> Any:
    return _data(box, box.currentIndex()) if isinstance(box, QComboBox) else box.value()


def _data(box: QComboBox, row: int) -> Any:
    """What a row stands for, as far as a file can hold that."""
    data = box.itemData(row)
    plain = data is not None and isinstance(data, (str, int, float))
    return data if plain else box.itemText(row)


class DenoisePart:
    """Method and settings of the form Denoise; a network that is not there is left alone."""

    def __init__(self, panel: DenoisePanel) -> None:
        self._panel = panel
        self._boxes = Boxes(
            {"minutes": panel.methods.budget, "first_minutes": panel.methods.further}
        )

    def state(self, _key_of: KeyOf) -> dict[str, Any]:
        from ctstudio.classical.denoisers import DENOISERS

        data = self._panel.method.currentData()
        name = data if isinstance(data, str) else getattr(data, "name", "")
        state: dict[str, Any] = {"method": name, **self._boxes.state()}
        if name in DENOISERS:
            state["settings"] = dict(self._panel.form.choice.params)
        return state

    def restore(self, state: Fields, _layer_of: LayerOf) -> None:
        name, settings = state.text("method", ""), state.mapping("settings")
        self._panel.methods.further.setCurrentIndex(0)  # of a session from before there was one
        self._boxes.restore(state)
        if name:
            with refused(state.place("settings")):
                self._panel.choose(name, settings)


class TrainPart:
    """The recipe in the form Train, once there is a form: the learning engine loads later."""

    def __init__(self, panel: TrainPanel) -> None:
        self._form = panel.form
        self._waiting: dict[str, Any] = {}
        panel.form.offered.connect(self._offered)

    def state(self, _key_of: KeyOf) -> dict[str, Any]:
        if not self._form.filled:
            return {"recipe": self._waiting} if self._waiting else {}
        with suppress(StudioError):  # a value that is not allowed
            return {"recipe": self._form.recipe().to_dict()}
        return {}

    def restore(self, state: Fields, _layer_of: LayerOf) -> None:
        recipe = state.mapping("recipe")
        if not recipe:
            return
        if self._form.filled:
            self._show(recipe)
        else:
            self._waiting = recipe

    def _offered(self) -> None:
        if self._waiting and self._form.filled:
            recipe, self._waiting = self._waiting, {}
            with suppress(DamagedError):
                self._show(recipe)

    def _show(self, data: dict[str, Any]) -> None:
        from ctstudio.learn.recipe import Recipe

        with refused("train.recipe"):
            self._form.set_recipe(Recipe.from_dict(data))


class SegmentPart:
    """The settings of the form Segment."""

    def __init__(self, panel: SegmentPanel) -> None:
        self._boxes = Boxes(
            {
                "region": panel.region, "threshold": panel.threshold, "least": panel.least,
                "largest": panel.largest, "every": panel.every,
            }
        )  # fmt: skip

    def state(self, _key_of: KeyOf) -> dict[str, Any]:
        return self._boxes.state()

    def restore(self, state: Fields, _layer_of: LayerOf) -> None:
        self._boxes.restore(state)


class NoisePart:
    """What the noise tools look at, and how."""

    def __init__(self, tools: NoiseTools) -> None:
        page = tools.page
        self._dock = tools.dock
        self._boxes = Boxes(
            {
                "tool": page.tool_box, "slices": page.slices, "side": page.side,
                "edge": page.kind, "view": page.view_box,
            }
        )  # fmt: skip
        # Regions are numbered anew: they are known by their names.
        self._regions = {"region": page.region, "beside": page.other}

    def state(self, _key_of: KeyOf) -> dict[str, Any]:
        names = {name: box.currentText() for name, box in self._regions.items()}
        return {**self._boxes.state(), **names, "shown": not self._dock.isHidden()}

    def restore(self, state: Fields, _layer_of: LayerOf) -> None:
        self._boxes.restore(state)
        for name, box in self._regions.items():
            row = box.findText(state.text(name, ""))
            if row >= 0:
                box.setCurrentIndex(row)
        self._dock.setVisible(state.flag("shown", False))


class TabPart:
    """Which form is in front."""

    def __init__(self, tabs: QTabWidget) -> None:
        self._tabs = tabs

    def state(self, _key_of: KeyOf) -> dict[str, Any]:
        return {"tab": self._tabs.currentIndex()}

    def restore(self, state: Fields, _layer_of: LayerOf) -> None:
        self._tabs.setCurrentIndex(min(state.whole("tab", 0), self._tabs.count() - 1))


@contextmanager
def refused(where: str) -> Iterator[None]:
    """Let what a form does not take be told as damage of the session."""
    try:
        yield
    except (StudioError, KeyError, TypeError, ValueError) as error:
        raise DamagedError(f"{where}: {error}") from error

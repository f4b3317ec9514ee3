"""What measurements say of all layers, kept until a layer or the measurement changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject

from ctstudio.ct.measure import Shape, distances, inside, slice_of
from ctstudio.ct.planes import in_plane
from ctstudio.ct.views import SliceStack
from ctstudio.gui.masks.overlay import is_mask
from ctstudio.gui.measuring.entries import Entry, Measurements
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.sentences import called
from ctstudio.workflows.measurements import Measured, Reading, public_name, read

Size = tuple[int, int, float]  # the slice from 0, pixels inside, their area in mm2
Held = tuple[Shape, SliceStack, int, bool, Reading | None]
ROUGH_PIXELS = 4_000  # of a region that is being dragged


class Numbers(QObject):
    """Reads layers in the patient space of a measurement; masks are none."""

    def __init__(self, session: Session, measurements: Measurements) -> None:
        super().__init__(measurements)
        self._measurements = measurements
        self._held: dict[tuple[int, int], Held] = {}
        self._sizes: dict[int, tuple[Shape, SliceStack, Size]] = {}
        session.layer_changed.connect(self._forget)
        session.layer_removed.connect(self._removed)
        measurements.changed.connect(self._tidy)

    def read(self, entry: Entry) -> list[tuple[Layer, Reading]]:
        """What ``entry`` says of each layer that has its slice, in the session's order.

        An estimate for as long as it is dragged.
        """
        layers = [layer for layer in self._measurements.layers(entry) if not is_mask(layer)]
        at_mm = self.places(entry, layers)
        rough = entry.number == self._measurements.dragging
        most = ROUGH_PIXELS if rough else None
        found = []
        for layer in layers:
            key = (entry.number, id(layer))
            held = self._held.get(key)
            same = held is not None and held[0] is entry.shape and held[1] is layer.stack
            if held is None or not same or held[2:4] != (len(at_mm), rough):
                reading = read(entry.shape, entry.plane, called(layer), layer.stack, at_mm, most)
                held = self._held[key] = (entry.shape, layer.stack, len(at_mm), rough, reading)
            if held[4] is not None:
                found.append((layer, held[4]))
        return found

    def places(self, entry: Entry, layers: list[Layer] | None = None) -> NDArray[np.float64]:
        """Where a profile is read, the same in every layer: as finely as the finest has pixels."""
        if entry.shape.kind != "profile":
            return np.empty(0)
        if layers is None:
            layers = [layer for layer in self._measurements.layers(entry) if not is_mask(layer)]
        geometries = [in_plane(layer.stack, entry.plane).geometry for layer in layers]
        fit = [min(g.spacing_mm) for g in geometries if slice_of(entry.shape, g) is not None]
        return distances(entry.shape, min(fit, default=1.0))

    def size(self, entry: Entry) -> Size | None:
        """Slice, pixels and area in the first layer that has the slice.

        No pixel is read, but for an estimate while it is dragged.
        """
        if entry.number == self._measurements.dragging and entry.shape.is_region:
            for _, reading in self.read(entry):
                if (held := reading.statistics) is not None:
                    return reading.slice_index, held.n, held.area
        known = self._sizes.get(entry.number)
        layers = self._measurements.layers(entry)
        if (
            known is not None
            and known[0] is entry.shape
            and known[1] in [la.stack for la in layers]
        ):
            return known[2]
        for layer in layers:
            seen = in_plane(layer.stack, entry.plane)
            index = slice_of(entry.shape, seen.geometry)
            if index is not None:
                region = entry.shape.is_region
                shape, geometry = entry.shape, seen.geometry
                mask = inside(shape, geometry, index, seen.shape[1:]) if region else np.zeros(0)
                dy, dx = geometry.spacing_mm
                count = int(mask.sum())
                self._sizes[entry.number] = (shape, layer.stack, (index, count, count * dy * dx))
                return self._sizes[entry.number][2]
        return None

    def measured(self, entry: Entry) -> Measured:
        """``entry`` for a file: no name in it tells who the patient is."""
        readings = []
        for layer, r in self.read(entry):
            name = public_name(r.layer, layer.stack.source, layer.kind)
            readings.append(replace(r, layer=name))
        return Measured(
            entry.name, entry.shape, entry.plane, entry.length_unit, tuple(readings),
            self.places(entry),
        )  # fmt: skip

    def _forget(self, layer: Layer, *_: object) -> None:
        for key in [key for key in self._held if key[1] == id(layer)]:
            del self._held[key]

    def _removed(self, layer: Layer) -> None:
        self._forget(layer)
        self._sizes.clear()

    def _tidy(self) -> None:
        """Forget what was deleted."""
        there = {entry.number for entry in self._measurements.entries}
        for key in [key for key in self._held if key[0] not in there]:
            del self._held[key]
        for number in [number for number in self._sizes if number not in there]:
            del self._sizes[number]

"""Planes of real scans, oblique ones too, against headers and pixels read with other libraries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from scipy.ndimage import map_coordinates

from ctstudio.core.events import finish
from ctstudio.ct.oblique import SCREEN, Oblique
from ctstudio.ct.planes import PLANES, in_plane, stored_plane
from ctstudio.ct.volume import Volume
from ctstudio.workflows.open import read, scan

SIDES = (("R", "L"), ("A", "P"), ("I", "S"))


class Headers:
    """A folder of single slices as pydicom reads it: HU at patient points, by their headers."""

    def __init__(self, folder: Path) -> None:
        found = [pydicom.dcmread(path) for path in sorted(folder.glob("*.dcm"))]
        orientation = np.array(found[0].ImageOrientationPatient, float)
        self.right, self.down = orientation[:3], orientation[3:]
        self.normal = np.cross(self.right, self.down)
        found.sort(key=lambda d: float(np.array(d.ImagePositionPatient, float) @ self.normal))
        self.origins = np.array([d.ImagePositionPatient for d in found], float)
        self.spacing = [float(v) for v in found[0].PixelSpacing]
        self.hu = [
            d.pixel_array.astype(float) * float(d.RescaleSlope) + float(d.RescaleIntercept)
            for d in found
        ]

    def at(self, points: np.ndarray) -> np.ndarray:
        """HU at patient points ``(n, 3)``: linear in the slices before and behind, and between."""
        depths = self.origins @ self.normal
        made = np.full(len(points), np.nan)
        for n, point in enumerate(points):
            depth = float(point @ self.normal)
            above = int(np.searchsorted(depths, depth))
            pair = [k for k in (above - 1, above) if 0 <= k < len(depths)]
            if len(pair) < 2:
                continue
            values = []
            for k in pair:
                away = point - self.origins[k]
                row, column = (
                    away @ self.down / self.spacing[0],
                    away @ self.right / self.spacing[1],
                )
                picture = self.hu[k]
                inside = 0 <= row <= picture.shape[0] - 1 and 0 <= column <= picture.shape[1] - 1
                value = map_coordinates(picture, [[row], [column]], order=1)[0]
                values.append(value if inside else np.nan)
            part = (depth - depths[pair[0]]) / (depths[pair[1]] - depths[pair[0]])
            made[n] = values[0] + part * (values[1] - values[0])
        return made


def opened(folder: Path) -> Volume:
    (series,) = finish(scan([folder])).series
    return finish(read(series))


def letter(direction: Any) -> str:
    """The side of the patient that a direction points to most."""
    axis = int(np.argmax(np.abs(direction)))
    return SIDES[axis][int(direction[axis] > 0)]


@pytest.mark.parametrize(
    "name", ["ibsi_orientation_cc-by-4.0", "ge_head_gantry_tilt_variable_spacing"]
)
def test_every_plane_shows_what_the_headers_say(test_data: Path, name: str) -> None:
    folder = test_data / "awkward" / name
    volume, headers = opened(folder), Headers(folder)
    middle = volume.geometry.to_patient(*(n / 2 for n in volume.shape))
    draw = np.random.default_rng(4)
    own = stored_plane(volume.geometry)
    for base in PLANES:
        for angles in (None, (0.0, 0.0, 0.0), (25.0, -15.0, 0.0), (-40.0, 10.0, 30.0)):
            plane = base if angles is None else Oblique.of(base, middle, angles)
            stack = in_plane(volume, plane)
            geometry = stack.geometry
            if angles in (None, (0.0, 0.0, 0.0)) and not (angles is None and base == own):
                right, down = (np.array(v, float) for v in SCREEN[base])
                told = geometry.edge_letters
                assert [t[0] for t in told] == [letter(v) for v in (-right, right, -down, down)]
            index = geometry.nearest_slice(middle)
            hu = stack.slice_hu(index)
            rows, columns = (draw.integers(0, n, 250) for n in hu.shape)
            dy, dx = geometry.spacing_mm
            points = (
                geometry.positions_mm[index]
                + rows[:, None] * dy * geometry.column_direction
                + columns[:, None] * dx * geometry.row_direction
            )
            got, want = hu[rows, columns], headers.at(points)
            both = np.isfinite(got) & np.isfinite(want)
            assert both.sum() > 60
            assert np.allclose(got[both], want[both], atol=0.6)

"""The built-in demo: a thorax drawn from formulas, with nodules and inserts of known size and HU.

No person was scanned. Every structure is a formula in patient coordinates, so the picture is free
of noise and artefacts, and its truth is known at every point. The HU are those of a chest CT with
contrast medium.
"""

from __future__ import annotations

import uuid
from dataclasses import replace

import numpy as np

from ctstudio.core.events import Partial, Progress, SliceReady, Work, finish
from ctstudio.ct.phantom_drawing import FIELD_OF_VIEW_MM, THICKNESS_MM, draw_slice
from ctstudio.ct.phantom_targets import INSERTS, LIVER_HU, NODULES, Insert, Nodule
from ctstudio.ct.volume import Geometry, Source, Volume
from ctstudio.ct.window import PRESETS

__all__ = [
    "FIELD_OF_VIEW_MM",
    "INSERTS",
    "LIVER_HU",
    "NODULES",
    "THICKNESS_MM",
    "Insert",
    "Nodule",
    "draw_slice",
    "phantom",
    "thorax",
]

VERSION = 2
"""Grows whenever the drawing changes, so that stored copies are known to be old."""

EXTENT_MM = 200.0
"""The length of chest that the slices divide up."""


def phantom(
    slices: int = 40,
    size: int = 512,
    *,
    field_mm: float = FIELD_OF_VIEW_MM,
    thickness_mm: float = THICKNESS_MM,
    body: int = 0,
) -> Work[Volume]:
    """Draw the thorax, middle slice first.

    Parameters
    ----------
    slices
        How many share the 200 mm of chest, from the liver's dome (slice 0) to the shoulders.
    size
        Rows and columns of the field of view.
    field_mm
        Width of the field of view; the body is 352 mm wide.
    thickness_mm
        Of a slice.
    body
        0 for the phantom itself, a number from 1 on for one of the other bodies (`Body`).

    Yields
    ------
    Event
        Partial with the volume once its middle slice stands, SliceReady for each, Progress.

    Returns
    -------
    Volume
        ``(slices, size, size)`` int16; the stored values are whole HU.
    """
    spacing, pixel = EXTENT_MM / slices, field_mm / size
    levels = (np.arange(slices) - (slices - 1) / 2) * spacing
    positions = np.zeros((slices, 3))
    positions[:, :2] = -(size // 2) * pixel
    positions[:, 2] = levels
    geometry = replace(Geometry.axial(slices, (spacing, pixel, pixel)), positions_mm=positions)
    voxels = np.full((slices, size, size), -1000, np.int16)
    source = _source(slices, size, field_mm, thickness_mm, body)
    volume = Volume(voxels, np.ones(slices), np.zeros(slices), "HU", geometry, source)
    order = sorted(range(slices), key=lambda index: abs(index - slices // 2))
    for done, index in enumerate(order, 1):
        voxels[index] = draw_slice(
            float(levels[index]),
            size=size,
            field_mm=field_mm,
            thickness_mm=thickness_mm,
            body=body,
        )
        if done == 1:
            yield Partial(volume)
        yield SliceReady(index)
        yield Progress(done, slices, "Drawing the thorax phantom")
    return volume


def thorax(slices: int = 40, size: int = 512) -> Volume:
    """The whole phantom at once; see `phantom`."""
    return finish(phantom(slices, size))


def _uid(name: str) -> str:
    # UUID-derived UIDs (PS3.5 B.2); the same for everyone, since the phantom is.
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_URL, f'ctstudio thorax phantom {VERSION} {name}').int}"


def _source(slices: int, size: int, field_mm: float, thickness_mm: float, body: int) -> Source:
    name = f"series {slices} {size}"
    if (field_mm, thickness_mm) != (FIELD_OF_VIEW_MM, THICKNESS_MM):
        name += f" {field_mm:g} {thickness_mm:g}"
    other = f" {body}" if body else ""
    return Source(
        description=f"Thorax phantom{other and ', body'}{other}",
        series_uid=_uid(name + other.replace(" ", " body ")),
        study_uid=_uid("study" + other),
        frame_of_reference_uid=_uid("frame" + other),
        modality="CT",
        series_number=1,
        slice_thickness_mm=thickness_mm,
        patient_name=f"Nobody^Drawn{other}",
        patient_id="CTSTUDIO-DEMO" + other.replace(" ", "-"),
        study_description="Built-in demo",
        window=PRESETS["Mediastinum"],
    )

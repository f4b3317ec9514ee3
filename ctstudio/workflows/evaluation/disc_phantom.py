"""Low-contrast detectability on simulated scans of the MITA disc phantom (CCT189).

The scans: B. Nelson and R. Zeng, "CT simulations of MITA low contrast detectability phantom for
model observer assessments", 2023 (doi 10.5281/zenodo.7991067), folders with ``signal_present.mhd``
and ``signal_absent.mhd``. The phantom: The Phantom Laboratory, CCT189: a cylinder of 200 mm of
water, four rods 40 mm from its middle.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress, Work
from ctstudio.ct.detectability import matched
from ctstudio.ct.padding import AIR_HU
from ctstudio.files.metaimage import slices_of as read_slices
from ctstudio.workflows.denoise import Method
from ctstudio.workflows.evaluation.cases import Case, Slice
from ctstudio.workflows.evaluation.detect import SIDE_OVER_DISC, Seen

CYLINDER_MM = 200.0
RADIUS_MM = 40.0
# HU over water, diameter in mm, and where: degrees from the columns' direction to the rows'. The
# simulation's y axis points against its index and its files hold x line by line; of the eight ways
# in which the images may lie this one is also the likeliest for what is seen at full dose.
DISCS = ((14.0, 3.0, 135.0), (7.0, 5.0, 225.0), (5.0, 7.0, 315.0), (3.0, 10.0, 45.0))
OFFSET = 1000.0  # of the stored values over HU
NOISE_PLACES = 24  # around the middle, as far from it as the discs are


@dataclass(frozen=True, eq=False)
class DiscPhantom:
    """Realisations ``(n, y, x)`` HU with the discs and ``(m, y, x)`` without, where the middle
    lies (row, column) and the pixels' size, which the header does not tell."""

    name: str
    present: NDArray[np.float32] = field(repr=False)
    absent: NDArray[np.float32] = field(repr=False)
    middle: tuple[float, float]
    spacing_mm: float

    def place(self, degrees: float) -> tuple[float, float]:
        """Row and column at the discs' distance from the middle."""
        away = RADIUS_MM / self.spacing_mm
        turn = math.radians(degrees)
        return self.middle[0] + away * math.sin(turn), self.middle[1] + away * math.cos(turn)

    def truth(self) -> NDArray[np.float32]:
        """What the realisations with discs show, ``(y, x)`` HU: water, discs, and air around."""
        y, x = np.indices(self.present.shape[1:], dtype=np.float64)
        hu = np.zeros(y.shape)
        for contrast, diameter, degrees in DISCS:
            row, column = self.place(degrees)
            far = np.hypot(y - row, x - column)
            hu += contrast * np.clip(diameter / 2 / self.spacing_mm - far + 0.5, 0, 1)
        far = np.hypot(y - self.middle[0], x - self.middle[1])
        inside = np.clip(CYLINDER_MM / 2 / self.spacing_mm - far + 0.5, 0, 1)
        drawn: NDArray[np.float32] = (AIR_HU + inside * (hu - AIR_HU)).astype(np.float32)
        return drawn

    def case(self) -> Case:
        """The realisations with discs as slices to judge by what was drawn.

        They are no neighbours of one another: a network of several slices is shown each alone.
        """
        truth = self.truth()
        slices = tuple(Slice(k, image[None], truth) for k, image in enumerate(self.present))
        return Case(self.name, "as simulated by its makers", (self.spacing_mm,) * 2, slices)


def read(folder: Path, name: str = "") -> DiscPhantom:
    """One dose of the collection; it goes by ``name``, by default that of the folder.

    Raises
    ------
    StudioError
        Where the folder does not hold the two headers, or no cylinder is to be seen.
    """
    images = []
    for file in ("signal_present.mhd", "signal_absent.mhd"):
        if not (folder / file).is_file():
            raise StudioError(
                f"{folder.name} holds no {file}.",
                hint="Give the folder of one dose, such as fbp/dose_010.",
            )
        images.append(read_slices(folder / file) - np.float32(OFFSET))
    present, absent = images
    if present.shape[1:] != absent.shape[1:]:
        raise StudioError(
            f"The images of {folder.name} with discs and without have different sizes.",
            hint="Give a folder as it was published.",
        )
    water = absent.mean(axis=0) > AIR_HU / 2
    rows, columns = np.nonzero(water)
    diameter = 2 * math.sqrt(len(rows) / math.pi)
    half = np.hypot(rows - rows.mean(), columns - columns.mean()).max(initial=0)
    if diameter < 100 or half > 0.52 * diameter:
        raise StudioError(
            f"{folder.name} shows no round phantom.", hint="Give a folder as it was published."
        )
    middle = float(rows.mean()), float(columns.mean())
    title = f"Disc phantom, {name or folder.resolve().name}"
    return DiscPhantom(title, present, absent, middle, CYLINDER_MM / diameter)


def detect_in(phantom: DiscPhantom, methods: Mapping[str, Method | None]) -> Work[list[Seen]]:
    """Ask a matched filter about every disc, for every method by its title; None is the noisy
    images."""
    total = len(methods) * (len(phantom.present) + len(phantom.absent))
    found, done = [], 0
    for title, method in methods.items():
        made: list[NDArray[np.float32]] = []
        for image in (*phantom.present, *phantom.absent):
            made.append(image if method is None else method.denoise_slice(image))
            done += 1
            yield Progress(done, total, f"{phantom.name}: asking about discs")
        present, absent = made[: len(phantom.present)], made[len(phantom.present) :]
        for contrast, diameter, degrees in DISCS:
            here = [_region(image, phantom, degrees, diameter) for image in present]
            away = [_region(image, phantom, degrees, diameter) for image in absent]
            turns = np.arange(NOISE_PLACES) * 360 / NOISE_PLACES
            noise = [_region(i, phantom, turn, diameter) for i in absent for turn in turns]
            answer = matched(
                np.stack(here), np.stack(away), np.stack(noise), diameter / phantom.spacing_mm
            )
            found.append(Seen(phantom.name, title, contrast, diameter, answer))
    return found


def _region(
    image: NDArray[np.float32], phantom: DiscPhantom, degrees: float, diameter_mm: float
) -> NDArray[np.float32]:
    """A square around a place, its middle in that of the nearest pixel."""
    row, column = (round(at) for at in phantom.place(degrees))
    half = max(4, round(SIDE_OVER_DISC * diameter_mm / phantom.spacing_mm / 2))
    return image[row - half : row + half + 1, column - half : column + half + 1]

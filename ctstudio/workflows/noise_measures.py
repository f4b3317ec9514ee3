"""What the noise tools say of layers side by side.

Lengths are in mm and frequencies in 1/mm, or in px and 1/px where the spacing is not known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.events import Progress, Work
from ctstudio.ct.measure import Shape, inside, slice_of, values
from ctstudio.ct.metrics import RoiStatistics
from ctstudio.ct.mtf import EdgeKind, EdgeResponse, edge_response
from ctstudio.ct.noise import contrast_to_noise, local_noise
from ctstudio.ct.nps import fitting_side, noise_power_spectrum, places
from ctstudio.ct.planes import Plane, in_plane
from ctstudio.ct.views import SliceStack
from ctstudio.ct.volume import Geometry

Tool = Literal["spectrum", "edge", "map", "contrast"]
Curves = Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]]

TITLES: dict[Tool, str] = {
    "spectrum": "Noise power spectrum",
    "edge": "Edge and MTF",
    "map": "Local noise",
    "contrast": "Contrast to noise",
}
KINDS: dict[EdgeKind, str] = {"straight": "straight edge", "circular": "round edge"}
SMALL = "The region holds no square of 8 px."
COARSE = "the lowest frequencies stand out: is the region uniform?"
NO_EDGE = "The region holds no edge that stands out from the noise."

CURVE_NAMES: dict[str, tuple[str, str]] = {
    "spectrum": ("frequency", "noise power"),
    "mtf": ("frequency", "MTF"),
    "response": ("distance", "value"),
}
"""What stands below and beside each curve."""


@dataclass(frozen=True)
class Subject:
    """A layer that is looked at; its name must not tell who the patient is."""

    name: str
    stack: SliceStack


@dataclass(frozen=True, eq=False)
class Place:
    """Where to look: a region upon a slice, or a slice alone (by a point on it, patient mm)."""

    plane: Plane
    shape: Shape | None = None
    point_mm: NDArray[np.float64] | None = None

    def index(self, geometry: Geometry) -> int | None:
        """The slice of ``geometry``; None where it has none."""
        if self.shape is not None:
            return slice_of(self.shape, geometry)
        return geometry.nearest_slice(self.point_mm) if self.point_mm is not None else None


@dataclass(frozen=True)
class Settings:
    """How to look.

    Parameters
    ----------
    slices
        How many neighbouring slices are taken together, an odd number.
    side_px
        Of the spectrum's squares; 0 for the largest of which nine fit.
    kind
        Of the edge; None for whichever fits better.
    """

    slices: int = 1
    side_px: int = 0
    kind: EdgeKind | None = None


@dataclass(frozen=True, eq=False)
class Finding:
    """What a tool says of one layer.

    ``numbers`` by name, ``curves`` by name with x and y ``(n,)``, a ``picture`` ``(y, x)`` with
    its pixels' ``spacing`` (mm, or 1/mm of a spectrum). ``note`` says why there is nothing, or
    what to beware of.
    """

    layer: str
    unit: str
    slice_index: int
    length_unit: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    curves: Curves = field(default_factory=dict)
    picture: NDArray[np.float32] | None = None
    spacing: tuple[float, float] = (1.0, 1.0)
    note: str = ""


def look(
    tool: Tool,
    subjects: Sequence[Subject],
    where: Place,
    settings: Settings,
    other: Place | None = None,
) -> Work[list[Finding]]:
    """Use ``tool`` on every layer that has the slice; yields Progress after each.

    ``other`` is the second region of "contrast".
    """
    found: list[Finding] = []
    for done, subject in enumerate(subjects, 1):
        one = _find(tool, subject, where, settings, other)
        if one is not None:
            found.append(one)
        yield Progress(done, len(subjects), TITLES[tool])
    return found


def _find(
    tool: Tool, subject: Subject, where: Place, settings: Settings, other: Place | None
) -> Finding | None:
    seen = in_plane(subject.stack, where.plane)
    index = where.index(seen.geometry)
    if index is None:
        return None
    unit = "mm" if seen.geometry.spacing_known else "px"
    base = Finding(subject.name, seen.unit, index, unit)
    if tool == "map":
        return _map(base, seen, where)
    if where.shape is None:
        return None
    if tool == "contrast":
        return _contrast(base, subject, where, other, settings)
    mask = inside(where.shape, seen.geometry, index, seen.shape[1:])
    pictures = [seen.slice_hu(k) for k in _around(seen, index, settings.slices)]
    work = _spectrum if tool == "spectrum" else _edge
    return work(base, pictures, mask, seen.geometry.spacing_mm, settings)


def _around(stack: SliceStack, index: int, count: int) -> range:
    """So many slices about ``index``, as far as there are any."""
    return range(max(index - count // 2, 0), min(index + count // 2 + 1, len(stack)))


def _with(base: Finding, **more: Any) -> Finding:
    return Finding(base.layer, base.unit, base.slice_index, base.length_unit, **more)


def _spectrum(
    base: Finding,
    pictures: Sequence[NDArray[np.float32]],
    mask: NDArray[np.bool_],
    spacing_mm: tuple[float, float],
    settings: Settings,
) -> Finding:
    side = settings.side_px or fitting_side(mask)
    corners = places(mask, side) if side else []
    cut = (p[y : y + side, x : x + side] for p in pictures for y, x in corners)
    squares = [square for square in cut if np.isfinite(square).all()]
    if not squares:
        note = SMALL if side <= 8 else f"The region holds no square of {side} px."
        return _with(base, note=note)
    found = noise_power_spectrum(squares, spacing_mm)
    dy, dx = spacing_mm
    return _with(
        base,
        numbers={
            "noise_sd": found.sd,
            "mean_frequency": found.mean_frequency,
            "peak_frequency": found.peak,
            "squares": float(found.squares),
            "square_px": float(found.side_px),
        },
        curves={"spectrum": found.radial},
        picture=found.power.astype(np.float32),
        spacing=(1 / (side * dy), 1 / (side * dx)),
        note=COARSE if found.peak == found.radial[0][0] else "",
    )


def _edge(
    base: Finding,
    pictures: Sequence[NDArray[np.float32]],
    mask: NDArray[np.bool_],
    spacing_mm: tuple[float, float],
    settings: Settings,
) -> Finding:
    mean: NDArray[np.float64] = np.stack(pictures).mean(axis=0, dtype=np.float64)
    found = edge_response(mean, mask, spacing_mm, settings.kind)
    if found is None:
        return _with(base, note=NO_EDGE)
    trusted = found.frequencies <= found.trusted * (1 + 1e-9)
    levels = {"mtf_50": 0.5, "mtf_10": 0.1}
    at = {name: found.frequency_at(level) for name, level in levels.items()}
    known = {name: value for name, value in at.items() if value <= found.trusted}
    return _with(
        base,
        numbers={
            "mtf_50": known.get("mtf_50", math.nan),
            "mtf_50_error": found.error_at(0.5) if "mtf_50" in known else math.nan,
            "mtf_10": known.get("mtf_10", math.nan),
            "mtf_10_error": found.error_at(0.1) if "mtf_10" in known else math.nan,
            "nyquist": found.nyquist,
            "rise_10_90": _rise(found.at_mm, found.response),
            "step": found.step,
            "radius": found.radius_mm,
        },
        curves={
            "mtf": (found.frequencies[trusted], found.mtf[trusted]),
            "response": (found.at_mm, found.response),
        },
        note=_sampled(found),
    )


def _sampled(found: EdgeResponse) -> str:
    """What kind of edge it is, how finely it was sampled, and how far the MTF goes for that."""
    kind = KINDS[found.kind]
    if found.coarse:
        return (
            f"{kind}, sampled no finer than the pixels: told to their Nyquist frequency; tilt the "
            "edge, or take a round one"
        )
    if found.trusted <= found.nyquist * 1.01:
        return f"{kind}, too noisy beyond the Nyquist frequency of the pixels"
    return f"{kind}, sampled {found.samples:.0f} times a pixel: told beyond the Nyquist frequency"


def _rise(at_mm: NDArray[np.float64], response: NDArray[np.float64]) -> float:
    """From 10 to 90 % of the step between both ends, at the crossings nearest to the edge."""
    few = max(len(response) // 8, 1)
    low, high = float(np.median(response[:few])), float(np.median(response[-few:]))
    if low == high:
        return math.nan
    share = (response - low) / (high - low)
    half = int(np.argmin(np.abs(share - 0.5)))
    before, after = np.flatnonzero(share[:half] <= 0.1), np.flatnonzero(share[half:] >= 0.9)
    if not (len(before) and len(after)):
        return math.nan
    a, b = int(before[-1]), half + int(after[0])
    begin = np.interp(0.1, share[a : a + 2], at_mm[a : a + 2])
    end = np.interp(0.9, share[b - 1 : b + 1], at_mm[b - 1 : b + 1])
    return float(end - begin)


def _map(base: Finding, seen: SliceStack, where: Place) -> Finding:
    picture = local_noise(seen.slice_hu(base.slice_index), seen.geometry.spacing_mm)
    held = picture[np.isfinite(picture)].astype(np.float64)
    if where.shape is not None and where.shape.is_region:
        held = values(where.shape, picture, seen.geometry, base.slice_index)
    numbers = {}
    if held.size:
        low, middle, high = np.percentile(held, (5, 50, 95))
        numbers = {"median": float(middle), "p5": float(low), "p95": float(high)}
    return _with(base, numbers=numbers, picture=picture, spacing=seen.geometry.spacing_mm)


def _contrast(
    base: Finding, subject: Subject, where: Place, other: Place | None, settings: Settings
) -> Finding:
    held = [_region(subject, place, settings.slices) for place in (where, other)]
    one, two = held
    if one is None or two is None:
        return _with(base, note="Two regions are compared: draw a second one.")
    return _with(
        base,
        numbers={
            "mean_1": one.mean,
            "sd_1": one.sd,
            "mean_2": two.mean,
            "sd_2": two.sd,
            "contrast": one.mean - two.mean,
            "cnr": contrast_to_noise(one, two),
        },
    )


def _region(subject: Subject, place: Place | None, slices: int) -> RoiStatistics | None:
    """All values of a region, in several slices together."""
    if place is None or place.shape is None:
        return None
    seen = in_plane(subject.stack, place.plane)
    index = place.index(seen.geometry)
    if index is None:
        return None
    shape, geometry = place.shape, seen.geometry
    parts = []
    for k in _around(seen, index, slices):
        moved = shape.points_mm + (geometry.positions_mm[k] - geometry.positions_mm[index])
        there = Shape(shape.kind, moved, shape.normal)
        parts.append(values(there, seen.slice_hu(k), geometry, k))
    held = np.concatenate(parts)
    if not held.size:
        return None
    sd = float(held.std(ddof=1)) if held.size > 1 else 0.0
    low, high, mean = float(held.min()), float(held.max()), float(held.mean())
    return RoiStatistics(held.size, float(held.size), "px", low, high, mean, sd)


def axis_units(name: str, finding: Finding) -> tuple[str, str]:
    """The units of a curve's x and y."""
    length, unit = finding.length_unit, finding.unit or "1"
    area = "mm²" if length == "mm" else "px²"
    return {
        "spectrum": (f"1/{length}", f"{unit}² {area}"),
        "mtf": (f"1/{length}", ""),
        "response": (length, unit),
    }[name]

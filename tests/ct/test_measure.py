"""Measuring: against SimpleITK, scikit-image, SciPy and closed forms."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ctstudio.ct.measure import (
    Shape,
    box,
    distances,
    edge_width,
    histogram,
    inside,
    profile,
    slice_of,
    statistics,
    to_pixels,
    values,
)
from ctstudio.ct.planes import in_plane
from ctstudio.ct.volume import Geometry, Volume

RNG = np.random.default_rng(5)


def oblique(slices: int = 6) -> Geometry:
    """Slices of a turned patient, pixels that are not square."""
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    turn[2] = np.cross(turn[0], turn[1])
    positions = np.array([12.0, -80.0, 30.0]) + np.arange(slices)[:, None] * 2.5 * turn[2]
    return Geometry(positions, turn[0], turn[1], (0.8, 1.1))


def image(geometry: Geometry, picture: np.ndarray) -> Any:
    """The volume's geometry as SimpleITK has it."""
    sitk = pytest.importorskip("SimpleITK")
    made = sitk.GetImageFromArray(np.stack([picture] * len(geometry.positions_mm)))
    dy, dx = geometry.spacing_mm
    made.SetSpacing((dx, dy, geometry.slice_spacing_mm))
    made.SetOrigin(tuple(geometry.positions_mm[0]))
    columns = (geometry.row_direction, geometry.column_direction, geometry.normal)
    made.SetDirection(np.stack(columns, axis=1).ravel().tolist())
    return made


def at(geometry: Geometry, index: int, *places: tuple[float, float]) -> np.ndarray:
    """Patient points of fractional pixels (y, x)."""
    return np.stack([geometry.to_patient(index, y, x) for y, x in places])


def boxed(kind: Any, geometry: Geometry, index: int, a: Any, b: Any) -> Shape:
    start, end = at(geometry, index, a, b)
    corners = box(start, end, geometry.row_direction, geometry.column_direction)
    return Shape(kind, corners, geometry.normal)


def test_a_length_is_that_between_simpleitk_s_points() -> None:
    geometry = oblique()
    whole = image(geometry, np.zeros((40, 50), np.float32))
    ends = [(10.0, 4.0), (31.0, 40.0)]
    want = math.dist(*(whole.TransformContinuousIndexToPhysicalPoint((x, y, 2)) for y, x in ends))
    line = Shape("distance", at(geometry, 2, *ends), geometry.normal)
    assert line.length == pytest.approx(want, rel=1e-12)
    assert to_pixels(line.points_mm, geometry, 2) == pytest.approx(np.array(ends))


@pytest.mark.parametrize("degrees", [0.0, 1e-6, 30.0, 90.0, 135.0, 179.999999, 180.0])
def test_angles(degrees: float) -> None:
    geometry, r = oblique(), math.radians(degrees)
    u, v = geometry.row_direction, geometry.column_direction
    vertex = np.array([5.0, 6.0, 7.0])
    points = [vertex + 30 * u, vertex, vertex + 4 * (math.cos(r) * u + math.sin(r) * v)]
    assert Shape("angle", np.stack(points), geometry.normal).angle == pytest.approx(
        degrees, abs=1e-9
    )
    assert math.isnan(Shape("angle", np.stack([vertex] * 3), geometry.normal).angle)


@pytest.mark.parametrize("kind", ["rectangle", "ellipse", "freehand"])
def test_statistics_of_a_region_are_simpleitk_s(kind: Any) -> None:
    sitk = pytest.importorskip("SimpleITK")
    measure = pytest.importorskip("skimage.measure")
    geometry = oblique()
    picture = RNG.normal(40, 12, (60, 70)).astype(np.float32)
    y, x = np.mgrid[:60, :70].astype(float)
    if kind == "freehand":
        # No corner lies in line with pixel centres, where an edge is a matter of convention.
        corners = [(10.3, 8.4), (40.6, 12.7), (52.2, 50.1), (30.9, 30.3), (12.5, 61.8)]
        shape = Shape("freehand", at(geometry, 3, *corners), geometry.normal)
        want = measure.points_in_poly(np.stack([y.ravel(), x.ravel()], 1), corners)
        want = want.reshape(y.shape)
    else:
        shape = boxed(kind, geometry, 3, (12.4, 9.3), (47.8, 55.9))
        s, t = (y - 30.1) / 17.7, (x - 32.6) / 23.3
        want = s**2 + t**2 <= 1 if kind == "ellipse" else (abs(s) <= 1) & (abs(t) <= 1)
    assert np.array_equal(inside(shape, geometry, 3, picture.shape), want)
    filter_ = sitk.LabelStatisticsImageFilter()
    filter_.Execute(sitk.GetImageFromArray(picture), sitk.GetImageFromArray(want.astype(np.uint8)))
    got = statistics(shape, picture, geometry, 3)
    assert got is not None
    assert got.n == filter_.GetCount(1)
    assert (got.area, got.area_unit) == (pytest.approx(got.n * 0.88), "mm2")
    for own, theirs in (
        (got.mean, filter_.GetMean(1)), (got.sd, filter_.GetSigma(1)),
        (got.min, filter_.GetMinimum(1)), (got.max, filter_.GetMaximum(1)),
    ):  # fmt: skip
        assert own == pytest.approx(theirs, rel=1e-5)
    assert values(shape, picture, geometry, 3) == pytest.approx(picture[want])


def test_outlines_that_cross_themselves_are_scikit_image_s() -> None:
    measure = pytest.importorskip("skimage.measure")
    geometry = oblique()
    y, x = np.mgrid[:40, :50]
    for count in (3, 17, 200):
        corners = RNG.uniform((-6, -6), (46, 56), (count, 2))  # some lie outside the slice
        shape = Shape("freehand", at(geometry, 3, *corners), geometry.normal)
        want = measure.points_in_poly(np.stack([y.ravel(), x.ravel()], 1), corners)
        assert np.array_equal(inside(shape, geometry, 3, (40, 50)), want.reshape(40, 50))


def test_areas_come_near_the_closed_forms() -> None:
    geometry = replace(Geometry.axial(1), spacing_mm=(0.1, 0.1))
    picture = np.zeros((400, 500), np.float32)
    ellipse = boxed("ellipse", geometry, 0, (50, 60), (350, 460))
    rectangle = boxed("rectangle", geometry, 0, (50.5, 60.5), (350.5, 460.5))
    assert statistics(ellipse, picture, geometry, 0).area == pytest.approx(
        math.pi * 15 * 20, rel=2e-3
    )
    assert statistics(rectangle, picture, geometry, 0).area == pytest.approx(30 * 40)


def test_the_same_region_in_a_layer_that_is_stored_the_other_way_round() -> None:
    geometry = oblique()
    hu = RNG.normal(0, 100, (6, 40, 50)).astype(np.float32)
    far = np.array([geometry.to_patient(z, 39, 49) for z in range(6)])
    turned = Geometry(
        far[::-1], -geometry.column_direction, -geometry.row_direction, geometry.spacing_mm[::-1]
    )
    shape = boxed("ellipse", geometry, 4, (8.2, 10.1), (30.3, 41.7))
    own = statistics(shape, hu[4], geometry, 4)
    index = slice_of(shape, turned)
    assert index == 1
    other = statistics(shape, hu[4, ::-1, ::-1].T, turned, index)
    assert own is not None
    assert other is not None
    assert (other.n, other.min, other.max, other.area) == (own.n, own.min, own.max, own.area)
    assert (other.mean, other.sd) == pytest.approx((own.mean, own.sd), rel=1e-12)


def test_the_slice_that_it_lies_in() -> None:
    geometry = oblique()
    shape = boxed("rectangle", geometry, 4, (8, 10), (30, 41))
    assert slice_of(shape, geometry) == 4
    near = replace(shape, points_mm=shape.points_mm + 1.2 * geometry.normal)
    assert slice_of(near, geometry) == 4
    assert slice_of(near, geometry.select(slice(4, 5))) is None, "one slice, and not this"
    beyond = replace(shape, points_mm=shape.points_mm + 20 * geometry.normal)
    assert slice_of(beyond, geometry) is None
    other = Geometry(
        geometry.positions_mm, geometry.column_direction, geometry.normal, geometry.spacing_mm
    )
    assert slice_of(shape, other) is None, "another plane"


def test_a_region_in_another_plane() -> None:
    hu = RNG.normal(0, 100, (20, 30, 40)).astype(np.float32)
    volume = Volume.from_hu(hu, Geometry.axial(20, (2.0, 0.5, 0.5)))
    seen = in_plane(volume, "coronal")
    points = np.array([[2.1, 7.5, 5.0], [12.2, 7.5, 5.0], [12.2, 7.5, 31.0], [2.1, 7.5, 31.0]])
    shape = Shape("rectangle", points, seen.geometry.normal)
    index = slice_of(shape, seen.geometry)
    assert index is not None
    got = statistics(shape, seen.slice_hu(index), seen.geometry, index)
    want = hu[3:16, 15, 5:25]  # z 6..30 mm, y 7.5 mm, x 2.5..12 mm
    assert got is not None
    assert (got.n, got.min, got.max) == (want.size, want.min(), want.max())
    assert got.mean == pytest.approx(want.mean(), rel=1e-5)
    assert got.area == pytest.approx(want.size)


def test_what_has_no_pixels_or_no_spacing() -> None:
    geometry = replace(Geometry.axial(1), spacing_known=False)
    picture = np.arange(100, dtype=np.float32).reshape(10, 10)
    assert (
        statistics(boxed("ellipse", geometry, 0, (2.2, 2.2), (2.8, 2.8)), picture, geometry, 0)
        is None
    )
    for flat in (((2, 2), (2, 7)), ((2, 2), (2, 2)), ((20, 20), (30, 30))):
        assert statistics(boxed("rectangle", geometry, 0, *flat), picture, geometry, 0) is None
    picture[3, 3] = np.nan
    got = statistics(boxed("rectangle", geometry, 0, (2, 2), (4, 4)), picture, geometry, 0)
    assert got is not None
    assert (got.n, got.area, got.area_unit) == (8, 8.0, "px")


def test_a_profile_is_scipy_s_and_scikit_image_s() -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    measure = pytest.importorskip("skimage.measure")
    geometry = oblique()
    picture = RNG.normal(0, 100, (40, 50))
    a, b = (3.3, 4.7), (36.2, 45.1)
    line = Shape("profile", at(geometry, 1, a, b), geometry.normal)
    where = distances(line, 0.8)
    assert where[0] == 0.0
    assert where[-1] == pytest.approx(line.length)
    assert np.diff(where).max() <= 0.8 + 1e-9
    along = np.linspace(0, 1, len(where))
    y, x = (p + along * (q - p) for p, q in zip(a, b, strict=True))
    got = profile(line, picture, geometry, 1, where)
    assert got == pytest.approx(ndimage.map_coordinates(picture, [y, x], order=1), abs=1e-9)
    # Along a row, a pixel a step, scikit-image reads the very same places.
    row = Shape("profile", at(geometry, 1, (7, 2), (7, 30)), geometry.normal)
    steps = distances(row, 1.1)
    assert profile(row, picture, geometry, 1, steps) == pytest.approx(
        measure.profile_line(picture, (7, 2), (7, 30), order=1)
    )
    out = Shape("profile", at(geometry, 1, (7, -3), (7, 3)), geometry.normal)
    assert np.isnan(profile(out, picture, geometry, 1, distances(out, 1.1))).tolist() == [
        *[True] * 3, *[False] * 4,
    ]  # fmt: skip


def test_the_width_of_an_edge_is_the_closed_form() -> None:
    special = pytest.importorskip("scipy.special")
    where = np.linspace(0, 30, 121)
    for sigma, step in ((1.2, 900.0), (2.0, -300.0)):
        edge = -800 + step * special.ndtr((where - 14.3) / sigma)
        want = 2 * special.ndtri(0.9) * sigma
        assert edge_width(where, edge) == pytest.approx(want, rel=5e-3)
        assert edge_width(where, edge + RNG.normal(0, 5, 121)) == pytest.approx(want, rel=0.1)
    ramp = np.clip(where - 10, 0, 8)
    assert edge_width(where, ramp) == pytest.approx(6.4)
    gap = np.where(where < 3, np.nan, ramp)
    across = np.where((where > 10) & (where < 20), 900.0, where)  # in, and out again
    for none in (np.full(121, 5.0), gap, where[:2], across):
        assert math.isnan(edge_width(where[: len(none)], none))


def test_short_and_long_profiles() -> None:
    geometry = Geometry.axial(1)
    dot = Shape("profile", np.zeros((2, 3)), geometry.normal)
    assert profile(dot, np.full((1, 1), 7.0), geometry, 0, distances(dot, 1.0)).tolist() == [7, 7]
    long = Shape("profile", np.array([[0, 0, 0], [1e6, 0, 0.0]]), geometry.normal)
    assert len(distances(long, 0.1)) == 4096


def test_histograms_share_their_bins() -> None:
    one, other = RNG.normal(0, 30, 500), RNG.normal(50, 10, 300)
    edges, (a, b) = histogram([one, other])
    assert (a.sum(), b.sum()) == (500, 300)
    assert np.array_equal(a, np.histogram(one, edges)[0])
    assert edges[0] <= min(one.min(), other.min())
    assert edges[-1] >= max(one.max(), other.max())
    whole = np.repeat(np.arange(-70.0, 71.0), 2)
    edges, (counts, none) = histogram([whole, np.empty(0)])
    assert np.diff(edges) == pytest.approx(3.0)
    assert set(counts[:-1]) == {6}, "no comb"
    assert not none.any()
    edges, (empty,) = histogram([np.empty(0)])
    assert len(edges) == len(empty) + 1
    edges, (same,) = histogram([np.full(4, 0.25)])
    assert same.sum() == 4
    assert np.all(np.diff(edges) > 0)


def test_moving_points() -> None:
    geometry = oblique()
    u, v, n = geometry.row_direction, geometry.column_direction, geometry.normal
    rectangle = boxed("rectangle", geometry, 2, (5, 5), (15, 25))
    before = to_pixels(rectangle.points_mm, geometry, 2)
    moved = rectangle.with_point(2, rectangle.points_mm[2] + 3.3 * u + 1.6 * v + 9 * n)
    want = before + np.array([[0, 0], [0, 3], [2, 3], [2, 0]])
    assert to_pixels(moved.points_mm, geometry, 2) == pytest.approx(want)
    assert slice_of(moved, geometry) == 2, "it stays in its slice"
    # Past the opposite corner, and from a corner that has no breadth.
    turned = rectangle.with_point(0, at(geometry, 2, (20, 30))[0])
    assert to_pixels(turned.points_mm, geometry, 2)[[0, 2]] == pytest.approx(
        np.array([[20, 30], [15, 25]])
    )
    flat = rectangle.with_point(0, at(geometry, 2, (15, 5))[0])
    again = flat.with_point(0, at(geometry, 2, (5, 5))[0])
    assert to_pixels(again.points_mm, geometry, 2) == pytest.approx(before)
    line = Shape("distance", at(geometry, 2, (5, 5), (9, 9)), n)
    assert to_pixels(line.with_point(1, at(geometry, 2, (1, 2))[0]).points_mm, geometry, 2)[
        1
    ] == pytest.approx([1, 2])
    assert to_pixels(line.moved(1.1 * u + 5 * n).points_mm, geometry, 2) == pytest.approx(
        np.array([[5, 6], [9, 10]])
    )


def test_what_is_no_shape() -> None:
    n = np.array([0, 0, 1.0])
    for kind, points in (
        ("distance", np.zeros((3, 3))), ("freehand", np.zeros((2, 3))),
        ("angle", np.full((3, 3), np.nan)), ("rectangle", np.zeros((4, 2))),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="points"):
            Shape(kind, points, n)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["rectangle", "ellipse", "freehand"])
def test_an_estimate_while_something_is_dragged(kind: Any) -> None:
    """It reads few pixels, and says nearly what all of them say."""
    geometry = oblique()
    picture = RNG.normal(40, 12, (600, 700)).astype(np.float32)
    if kind == "freehand":
        turn = np.linspace(0, 2 * math.pi, 400, endpoint=False)
        corners = [(300 + 250 * math.sin(t), 350 + 300 * math.cos(t)) for t in turn]
        shape = Shape("freehand", at(geometry, 1, *corners), geometry.normal)
    else:
        shape = boxed(kind, geometry, 1, (50.2, 50.3), (550.1, 650.4))
    exact = statistics(shape, picture, geometry, 1)
    rough = statistics(shape, picture, geometry, 1, 4000)
    assert exact is not None
    assert rough is not None
    assert len(values(shape, picture, geometry, 1, 4000)) <= 4000
    assert len(values(shape, picture, geometry, 1)) == exact.n
    assert (rough.n, rough.area) == pytest.approx((exact.n, exact.area), rel=0.02)
    assert (rough.mean, rough.sd) == pytest.approx((exact.mean, exact.sd), rel=0.05)
    small = boxed("rectangle", geometry, 1, (5.2, 5.3), (25.1, 35.4))
    assert statistics(small, picture, geometry, 1, 4000) == statistics(small, picture, geometry, 1)

"""Oblique planes: closed forms, another library, and the planes along the axes as a limit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray

from ctstudio.ct.labels import Label, label_map
from ctstudio.ct.oblique import SCREEN, Oblique, ObliqueStack
from ctstudio.ct.planes import PLANES, Slab, in_plane, plane_data, plane_from_data, plane_name
from ctstudio.ct.views import Blend, Difference, LiveSlices
from ctstudio.ct.volume import Geometry, Source, Volume

SHAPE = (9, 11, 13)
GRADIENT = np.array([3.0, -2.0, 5.0])
RIGHT, BACK, UP = np.eye(3)
TURNED = np.array([np.cos(0.3), 0, -np.sin(0.3)])


def geometry(rows: Any, columns: Any, offsets: Any, tilt: float = 0.0) -> Geometry:
    offsets = np.asarray(offsets, float)
    positions = np.array([3.0, -20.0, 7.0]) + np.outer(offsets, np.cross(rows, columns))
    positions += np.outer(offsets * np.tan(tilt), columns)
    return Geometry(positions, np.asarray(rows), np.asarray(columns), (0.7, 0.9))


def centres(place: Geometry, index: int, shape: tuple[int, int]) -> NDArray[np.float64]:
    dy, dx = place.spacing_mm
    y, x = np.mgrid[: shape[0], : shape[1]][..., None]
    return (
        place.positions_mm[index] + y * dy * place.column_direction + x * dx * place.row_direction
    )


def linear(place: Geometry) -> Volume:
    count = len(place.positions_mm)
    hu = np.stack([centres(place, z, SHAPE[1:]) @ GRADIENT for z in range(count)])
    return Volume.from_hu(hu.astype(np.float32), place)


def middle(scan: Volume) -> NDArray[np.float64]:
    z, y, x = (n // 2 for n in scan.shape)
    return scan.geometry.to_patient(z, y, x)


def central(made: ObliqueStack) -> int:
    """The slice that goes through the centre of its plane."""
    return made.geometry.nearest_slice(np.array(made.plane.centre_mm))


EVEN, UNEVEN = np.arange(9) * 2.0, np.array([0, 1, 2.5, 3, 7, 8, 12, 13, 14.0])


@pytest.mark.parametrize("offsets", [EVEN, UNEVEN], ids=["even", "uneven"])
@pytest.mark.parametrize("tilt", [0.0, 0.32])
@pytest.mark.parametrize("rows", [(RIGHT, BACK), (-RIGHT, -BACK), (TURNED, BACK), (BACK, -UP)])
def test_what_is_linear_in_the_patient_is_met_exactly(offsets: Any, tilt: float, rows: Any) -> None:
    scan = linear(geometry(*rows, offsets, tilt))
    for base, angles in (
        ("axial", (20, 0, 0)),
        ("coronal", (10, -35, 0)),
        ("sagittal", (5, 8, 40)),
    ):
        made = ObliqueStack(scan, Oblique.of(base, middle(scan), angles))
        seen = 0
        for index in range(len(made)):
            got = made.slice_hu(index)
            want = centres(made.geometry, index, got.shape) @ GRADIENT
            known = ~np.isnan(got)
            assert np.allclose(got[known], want[known], atol=2e-3)
            seen += int(known.sum())
        voxels = seen * made.geometry.spacing_mm[0] ** 2 * made.geometry.slice_spacing_mm
        whole = np.ptp(offsets) * (SHAPE[1] - 1) * 0.7 * (SHAPE[2] - 1) * 0.9
        assert 0.4 < voxels / whole < 1.2, "all of the scan is seen, and nothing beyond it"


def test_the_plane_goes_through_its_centre_and_there_is_a_pixel() -> None:
    scan = linear(geometry(RIGHT, BACK, EVEN))
    for point in (middle(scan), middle(scan) + np.array([0.31, -0.77, 1.13])):
        made = ObliqueStack(scan, Oblique.of("axial", point, (33, -12, 5)))
        place = made.geometry
        z, y, x = place.to_voxel(point)
        assert z == central(made)
        assert abs(float((place.positions_mm[z] - point) @ place.normal)) < 1e-9
        assert (y, x) == (pytest.approx(round(y), abs=1e-9), pytest.approx(round(x), abs=1e-9))
        value = made.slice_hu(z)[round(y), round(x)]
        assert value == pytest.approx(point @ GRADIENT, abs=1e-3)


def test_it_is_what_another_library_resamples() -> None:
    draw = np.random.default_rng(3)
    stored = draw.integers(-1000, 2000, (12, 20, 24)).astype(np.int16)
    positions = np.array([10.0, -5, 3]) + np.outer(np.arange(12) * 1.7, UP)
    place = Geometry(positions, RIGHT, BACK, (0.8, 1.1))
    scan = Volume(stored, np.full(12, 2.0), np.full(12, -7.0), "HU", place)
    made = ObliqueStack(
        scan, Oblique.of("coronal", scan.geometry.to_patient(5, 9, 13), (25, 15, 0))
    )
    image = SimpleITK.GetImageFromArray(scan.hu())
    image.SetOrigin(positions[0].tolist())
    image.SetSpacing((1.1, 0.8, 1.7))
    checked = 0
    for index in range(0, len(made), 3):
        hu, grid = made.slice_hu(index), made.geometry
        reference = SimpleITK.Image([hu.shape[1], hu.shape[0], 1], SimpleITK.sitkFloat32)
        reference.SetOrigin(grid.positions_mm[index].tolist())
        reference.SetSpacing((*grid.spacing_mm[::-1], 1.0))
        axes = np.stack([grid.row_direction, grid.column_direction, grid.normal], axis=1)
        reference.SetDirection(axes.ravel().tolist())
        peer = SimpleITK.Resample(
            image, reference, SimpleITK.Transform(), SimpleITK.sitkLinear, -9999.0
        )
        want = SimpleITK.GetArrayFromImage(peer)[0]
        both = ~np.isnan(hu) & (want != -9999)
        assert np.allclose(hu[both], want[both], atol=0.05)
        checked += int(both.sum())
    assert checked > 2000


@pytest.mark.parametrize("base", PLANES)
def test_not_turned_it_is_the_plane_along_the_axes(base: Any) -> None:
    draw = np.random.default_rng(5)
    stored = draw.integers(-1000, 2000, SHAPE).astype(np.int16)
    place = geometry(RIGHT, BACK, np.arange(9) * 0.7)
    scan = Volume(stored, np.ones(9), np.zeros(9), "HU", place)
    point = place.to_patient(4, 5, 6)
    straight, made = in_plane(scan, base), in_plane(scan, Oblique.of(base, point))
    here, there = straight.geometry.nearest_slice(point), made.geometry.nearest_slice(point)
    want, got = straight.slice_hu(here), made.slice_hu(there)
    _, y, x = made.geometry.to_voxel(straight.geometry.positions_mm[here])
    for row, column in ((1, 2), (4, 5), (7, 3)):
        dy, dx = straight.geometry.spacing_mm
        pixel = made.geometry.spacing_mm[0]
        at = y + row * dy / pixel, x + column * dx / pixel
        if abs(at[1] - round(at[1])) < 1e-6 and abs(at[0] - round(at[0])) < 1e-6:
            assert got[round(at[0]), round(at[1])] == want[row, column]
    assert got[round(point_row(made, point)), round(point_column(made, point))] == stored[4, 5, 6]


def point_row(made: Any, point: NDArray[np.float64]) -> float:
    return float(made.geometry.to_voxel(point)[1])


def point_column(made: Any, point: NDArray[np.float64]) -> float:
    return float(made.geometry.to_voxel(point)[2])


def test_angles_come_back_and_turns_are_right_handed() -> None:
    draw = np.random.default_rng(8)
    for base in PLANES:
        for _ in range(20):
            angles = (draw.uniform(-179, 179), draw.uniform(-89, 89), draw.uniform(-179, 179))
            plane = Oblique.of(base, np.zeros(3), angles)
            assert plane.angles == pytest.approx(angles, abs=1e-6)
            assert np.dot(plane.row, plane.column) == pytest.approx(0, abs=1e-12)
    plane = Oblique.of("axial", np.zeros(3), (0, 90, 0))
    again = Oblique.of("axial", np.zeros(3), plane.angles)
    assert np.allclose([*again.row, *again.column], [*plane.row, *plane.column], atol=1e-9)
    turned = Oblique.of("axial", np.zeros(3)).turned(UP, 30)
    assert turned.row == pytest.approx((math.cos(math.pi / 6), 0.5, 0))
    for _ in range(12):
        turned = turned.turned(np.array([0.6, 0, 0.8]), 30)
    assert turned.row == pytest.approx((math.cos(math.pi / 6), 0.5, 0)), "twelve times 30 degrees"


def test_letters_follow_the_plane() -> None:
    scan = linear(geometry(RIGHT, BACK, EVEN))
    for base in PLANES:
        right, down = (np.array(v) for v in SCREEN[base])
        letters = in_plane(scan, Oblique.of(base, middle(scan))).geometry.edge_letters
        straight = {"axial": "RLAP", "coronal": "RLSI", "sagittal": "APSI"}[base]
        assert "".join(letters) == straight
        assert np.allclose(np.cross(right, down) @ right, 0)
    tilted = in_plane(scan, Oblique.of("axial", middle(scan), (30, 0, 0))).geometry
    assert tilted.edge_letters == ("R", "L", "AI", "PS")


def test_derived_stacks_are_interpolated_like_their_slices() -> None:
    draw = np.random.default_rng(2)
    place = geometry(RIGHT, BACK, EVEN)
    one, two = (Volume.from_hu(draw.normal(size=SHAPE).astype(np.float32), place) for _ in "ab")
    plane = Oblique.of("axial", middle(one), (20, 30, 10))
    live = LiveSlices(one, "x", {3: two.slice_hu(3), 5: two.slice_hu(5)})
    for stack in (Difference(one, two), Blend(one, two, 0.3), Blend(one, two), live):
        whole = np.stack([stack.slice_hu(z) for z in range(9)])
        want = ObliqueStack(Volume.from_hu(whole, place), plane)
        got = ObliqueStack(stack, plane)
        for index in (2, central(got)):
            assert np.allclose(got.slice_hu(index), want.slice_hu(index), atol=1e-5, equal_nan=True)


def test_labels_stay_labels() -> None:
    numbers = np.zeros(SHAPE, np.uint8)
    numbers[2:7, 3:8, 3:9] = 7
    place = geometry(RIGHT, BACK, EVEN)
    mask = label_map(numbers, place, Source(), (Label(7, "Seven", (1, 2, 3)),))
    for tilt in (0.0, 0.2):
        mask = label_map(numbers, geometry(RIGHT, BACK, EVEN, tilt), Source(), mask.labels)
        made = ObliqueStack(mask, Oblique.of("axial", middle(mask), (40, 20, 0)))
        seen = np.stack([made.slice_hu(k) for k in range(len(made))])
        assert set(np.unique(seen)) == {0.0, 7.0}
        volume = (seen == 7).sum() * made.geometry.spacing_mm[0] ** 2
        volume *= made.geometry.slice_spacing_mm
        assert volume == pytest.approx((numbers == 7).sum() * 2.0 * 0.7 * 0.9, rel=0.1)


def test_a_slab_of_an_oblique_plane() -> None:
    scan = linear(geometry(RIGHT, BACK, EVEN))
    made = ObliqueStack(scan, Oblique.of("axial", middle(scan), (20, 0, 0)))
    slab = Slab(made, "maximum", 4.0)
    members = slab.members(central(made))
    want = np.fmax.reduce([made.slice_hu(k) for k in members])
    assert np.array_equal(slab.slice_hu(central(made)), want, equal_nan=True)


def test_planes_are_written_and_read() -> None:
    plane = Oblique.of("coronal", np.array([1.0, 2, 3]), (10, 20, 30))
    assert plane_from_data(plane_data(plane)) == plane
    assert plane_name(plane) == "oblique"
    assert [plane_from_data(plane_data(p)) for p in PLANES] == list(PLANES)
    good: Any = plane_data(plane)
    for bad in (
        "elsewhere", 3, None, {}, good | {"row": [1, 1, 0]}, good | {"base": "north"},
        good | {"column": good["row"]}, good | {"centre_mm": [1, math.nan, 2]},
        good | {"row": "abc"}, good | {"row": [1, 0]},
    ):  # fmt: skip
        assert plane_from_data(bad) is None

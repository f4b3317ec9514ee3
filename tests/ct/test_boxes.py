"""Boxes about findings: on their slice, and cut by slices of other planes."""

from __future__ import annotations

import numpy as np
import pytest

from ctstudio.ct.boxes import Box
from ctstudio.ct.volume import Geometry

AXIAL = Geometry(
    np.array([-40.0, -30.0, 100.0]) + np.arange(9)[:, None] * np.array([0.0, 0.0, 3.0]),
    np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]), (0.8, 1.1),
)  # fmt: skip
EDGES = (10.0, 20.0, 30.0, 50.0)  # left, top, right, bottom in px
LEFT, RIGHT = -40 + (10 - 0.5) * 1.1, -40 + (30 - 0.5) * 1.1
TOP, BOTTOM = -30 + (20 - 0.5) * 0.8, -30 + (50 - 0.5) * 0.8


def stack(normal: np.ndarray, through: np.ndarray) -> Geometry:
    """One slice across ``normal`` through a point."""
    normal = normal / np.linalg.norm(normal)
    aside = np.cross(normal, [0.3, 0.2, 0.93])
    row = aside / np.linalg.norm(aside)
    return Geometry(through[None].astype(float), row, np.cross(normal, row), (1.0, 1.0))


@pytest.fixture
def box() -> Box:
    return Box.on_slice("A", AXIAL, 4, EDGES)


def test_a_coronal_slice_cuts_a_line_across(box: Box) -> None:
    for y in (TOP + 0.1, -10.0, BOTTOM - 0.1):
        ends = box.cut(stack(np.array([0, 1, 0]), np.array([0, y, 0])), 0)
        assert ends is not None
        np.testing.assert_allclose(sorted(ends[:, 0]), (LEFT, RIGHT))
        np.testing.assert_allclose(ends[:, 1:], [[y, 112.0]] * 2)


def test_a_sagittal_slice_cuts_a_line_down(box: Box) -> None:
    ends = box.cut(stack(np.array([1, 0, 0]), np.array([-20.0, 0, 0])), 0)
    assert ends is not None
    np.testing.assert_allclose(sorted(ends[:, 1]), (TOP, BOTTOM))
    np.testing.assert_allclose(ends[:, [0, 2]], [[-20.0, 112.0]] * 2)


def test_slices_beside_it_or_parallel_to_it_cut_nothing(box: Box) -> None:
    for y in (TOP - 0.1, BOTTOM + 0.1):
        assert box.cut(stack(np.array([0, 1, 0]), np.array([0, y, 0])), 0) is None
    for index in range(9):
        assert box.cut(AXIAL, index) is None
        assert box.lies_on(AXIAL, index) == (index == 4)


def test_an_oblique_slice_cuts_where_both_planes_meet(box: Box) -> None:
    """Both ends lie in the slice, in the box's plane and upon its edge."""
    normal, through = np.array([1.0, 0.7, 0.4]), np.array([-18.0, -8.0, 112.0])
    geometry = stack(normal, through)
    ends = box.cut(geometry, 0)
    assert ends is not None
    np.testing.assert_allclose((ends - through) @ normal, 0, atol=1e-9)
    np.testing.assert_allclose(ends[:, 2], 112.0)
    for x, y, _ in ends:
        on_side = min(abs(x - LEFT), abs(x - RIGHT)) < 1e-9 and TOP <= y <= BOTTOM
        on_top = min(abs(y - TOP), abs(y - BOTTOM)) < 1e-9 and LEFT <= x <= RIGHT
        assert on_side or on_top
    assert np.linalg.norm(ends[0] - ends[1]) > 1

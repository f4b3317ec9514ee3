"""The thorax phantom holds what it says it holds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from ctstudio.core.events import Partial, SliceReady
from ctstudio.ct import phantom
from ctstudio.ct.phantom import INSERTS, LIVER_HU, NODULES, draw_slice, thorax
from ctstudio.ct.phantom_bodies import Body
from ctstudio.ct.volume import Volume, orientation_letters

PIXEL = phantom.FIELD_OF_VIEW_MM / 512


@pytest.fixture(scope="module")
def small() -> Volume:
    return thorax(slices=10, size=128)


def at(image: np.ndarray, x_mm: float, y_mm: float) -> float:
    return float(image[round(y_mm / PIXEL) + 256, round(x_mm / PIXEL) + 256])


def test_geometry_and_storage(small: Volume) -> None:
    assert small.shape == (10, 128, 128)
    assert small.voxels.dtype == np.int16
    assert small.unit == "HU"
    geometry = small.geometry
    assert geometry.uniform
    assert not geometry.tilted
    assert geometry.slice_spacing_mm == pytest.approx(20.0)
    assert geometry.spacing_mm == (3.0, 3.0)
    assert orientation_letters(geometry.row_direction) == "L"
    assert orientation_letters(geometry.column_direction) == "P"
    assert orientation_letters(geometry.normal) == "S"
    assert np.allclose(geometry.to_patient(4.5, 64, 64), 0)
    assert np.array_equal(small.slice_hu(3), small.voxels[3])
    assert small.voxels.min() >= -1024
    assert small.voxels.max() <= 3071
    assert small.source.patient_name == "Nobody^Drawn"
    assert small.source.modality == "CT"
    assert all(
        uid.startswith("2.25.") and len(uid) <= 64
        for uid in (
            small.source.series_uid,
            small.source.study_uid,
            small.source.frame_of_reference_uid,
        )
    )


def test_streams_the_middle_first() -> None:
    work = phantom.phantom(slices=6, size=64)
    first = next(work)
    assert isinstance(first, Partial)
    assert isinstance(first.value, Volume)
    assert first.value.slice_hu(3).max() > 200
    rest = [first, *work]
    ready = [event.index for event in rest if isinstance(event, SliceReady)]
    assert ready[0] == 3
    assert sorted(ready) == list(range(6))


def test_it_is_always_the_same_and_never_twice_alike(small: Volume) -> None:
    again = thorax(slices=10, size=128)
    assert np.array_equal(small.voxels, again.voxels)
    assert small.source.series_uid == again.source.series_uid
    for index in range(9):
        differs = small.slice_hu(index) != small.slice_hu(index + 1)
        assert differs.mean() > 0.1


@pytest.mark.parametrize("nodule", NODULES, ids=lambda n: f"{n.kind} {n.diameter_mm:g} mm")
def test_nodule_size_and_hu(nodule: phantom.Nodule) -> None:
    x, y, z = nodule.centre_mm
    image = draw_slice(z).astype(float)
    axis = (np.arange(512) - 256) * PIXEL
    r = np.hypot(axis[None, :] - x, axis[:, None] - y)
    radius = nodule.diameter_mm / 2
    inner = image[r < radius - 1.1]
    if nodule.kind == "part-solid":
        assert image[r < radius / 2 - 1.1] == pytest.approx(40)
        inner = image[(r < radius - 1.1) & (r > radius / 2 + 1.1)]
    assert inner == pytest.approx(nodule.hu)
    # All around it is lung, vessels apart.
    shell = image[(r > radius + 1) & (r < radius + 4)]
    assert np.median(shell) < -750
    if nodule.kind in ("solid", "calcified"):
        background = float(np.median(shell))
        share = np.clip((image - background) / (nodule.hu - background), 0, 1)
        area = share[r < radius + 0.6].sum() * PIXEL**2
        assert area == pytest.approx(np.pi * radius**2, rel=0.1)


@pytest.mark.parametrize("insert", INSERTS, ids=lambda i: f"{i.contrast_hu:+g} HU")
def test_insert_contrast(insert: phantom.Insert) -> None:
    x, y, z = insert.centre_mm
    axis = (np.arange(512) - 256) * PIXEL
    r = np.hypot(axis[None, :] - x, axis[:, None] - y)
    for level in (z, z + insert.length_mm / 2 - 2, z - insert.length_mm / 2 + 2):
        image = draw_slice(level)
        inside = image[r < insert.diameter_mm / 2 - PIXEL]
        assert (inside == LIVER_HU + insert.contrast_hu).all()
    around = draw_slice(z)[(r > insert.diameter_mm / 2 + 1) & (r < insert.diameter_mm / 2 + 3)]
    assert (around == LIVER_HU).mean() > 0.9


def test_anatomy_lies_on_the_right_side() -> None:
    low, middle, high = draw_slice(-90.0), draw_slice(-42.5), draw_slice(62.5)
    assert at(low, -70, 10) == LIVER_HU  # liver to the patient's right
    assert at(low, 60, -10) < 60  # stomach to the left
    assert at(middle, 50, -40) > 80  # the heart points to the left
    assert at(middle, -60, -40) < -500
    assert at(high, 22, 28) == pytest.approx(165, abs=1)  # aortic arch, left of the windpipe
    assert at(high, -2, 15) < -950  # windpipe
    for image in (low, middle, high):
        assert at(image, 0, 79) == pytest.approx(42, abs=2)  # spinal cord, behind
        assert at(image, 0, -150) == -1000  # air in front
    lung = np.median(middle[200:300, 90:140])
    assert -900 < lung < -800


def test_edges_are_a_pixel_wide() -> None:
    image = draw_slice(0.0)
    row = image[256, :130].astype(float)
    rise = np.flatnonzero((row > -990) & (row < 0))
    # From air into the skin, on the left of the picture: no jump, no blur.
    assert 1 <= len(rise[rise < rise[0] + 3]) <= 2


def test_size_only_changes_the_sampling() -> None:
    fine, coarse = draw_slice(10.0, size=512), draw_slice(10.0, size=256)
    averaged = fine.reshape(256, 2, 256, 2).mean(axis=(1, 3))
    # Pixel centres differ by half a fine pixel, so only broad structure can agree.
    wide = [
        a.astype(float)[:256].reshape(16, 16, 16, 16).mean(axis=(1, 3)) for a in (averaged, coarse)
    ]
    assert np.abs(wide[0] - wide[1]).mean() < 15


def test_another_field_of_view_shows_the_same_body() -> None:
    wide = draw_slice(0.0, field_mm=448.0)
    usual = draw_slice(0.0)
    step = PIXEL / 0.875
    middle = np.arange(100, 412)
    there = 256 + (middle - 256) * step
    resampled = ndimage.map_coordinates(
        wide.astype(np.float64), np.meshgrid(there, there, indexing="ij"), order=1
    )
    off = np.abs(resampled - usual[100:412, 100:412])
    assert np.median(off) < 2
    assert np.mean(off > 100) < 0.03  # edges alone
    # The body covers as many square millimetres.
    area = np.count_nonzero(usual > -500) * PIXEL**2
    assert np.count_nonzero(wide > -500) * 0.875**2 == pytest.approx(area, rel=0.005)


def drawn(body: int, z_mm: float = -60.0, size: int = 160) -> np.ndarray:
    return draw_slice(z_mm, size=size, field_mm=400, body=body).astype(np.float32)


@pytest.fixture(scope="module")
def bodies() -> list[np.ndarray]:
    return [drawn(body) for body in range(7)]


def test_other_bodies_are_others_and_always_the_same(bodies: list[np.ndarray]) -> None:
    assert np.array_equal(drawn(3), bodies[3])
    for k, one in enumerate(bodies):
        inside = one > -900
        for other in bodies[:k]:
            assert (np.abs(one - other)[inside] > 20).mean() > 0.2


def test_other_bodies_lie_on_the_table_and_within_the_picture(bodies: list[np.ndarray]) -> None:
    def skin(image: np.ndarray) -> tuple[int, int, int, int]:
        names, _ = ndimage.label(image > -300)
        rows, columns = np.nonzero(names == np.bincount(names[names > 0]).argmax())
        return int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())

    top, bottom, left, right = skin(bodies[0])
    for image in bodies[1:]:
        high, low, first, last = skin(image)
        assert abs(low - bottom) <= 2
        assert high >= top - 8
        assert first > 2
        assert last < 157
        assert 0.75 < (last - first) / (right - left) < 1.15
        assert np.all(image[:2] == -1000)


def test_some_bodies_are_mirrored(bodies: list[np.ndarray]) -> None:
    """The liver is the largest piece of its HU; the phantom's lies on the left of the picture."""
    right = []
    for body, image in enumerate(bodies):
        hu = LIVER_HU if body == 0 else float(Body(body).tissues(np.float32(LIVER_HU)))
        smooth = ndimage.median_filter(image, 5)
        # The heart's muscle has nearly the same HU, the liver is larger.
        names, _ = ndimage.label(np.abs(smooth - hu) < 15)
        liver = names == np.bincount(names[names > 0]).argmax()
        right.append(bool(np.nonzero(liver)[1].mean() > 80))
    assert not right[0]
    assert 0 < sum(right) < len(right)


def test_a_body_does_not_depend_on_the_sampling() -> None:
    """What is drawn is the body, without noise: four fine pixels are a coarse one."""
    fine = drawn(5, size=320).reshape(160, 2, 160, 2).mean(axis=(1, 3))
    # The centres of the fine pixels lie a quarter of a coarse pixel beside those of the coarse.
    apart = np.abs(fine - drawn(5))
    flat = ndimage.generic_gradient_magnitude(fine, ndimage.sobel) < 60
    inside = flat & (fine > -900)
    assert inside.sum() > 1200
    assert np.median(apart[inside]) < 2


def test_tissues_keep_their_order_in_every_body() -> None:
    hu = np.arange(-1024, 3072)
    for number in range(1, 60):
        mapped = Body(number).tissues(hu)
        assert np.all(np.diff(mapped[hu >= -1000]) > 0)
        assert mapped[hu == -1000] == -1000


def test_a_body_has_identifiers_of_its_own() -> None:
    first, second = (next(phantom.phantom(1, 64, body=body)).value.source for body in (0, 2))
    assert second.description == "Thorax phantom, body 2"
    for name in ("series_uid", "study_uid", "frame_of_reference_uid", "patient_id"):
        assert getattr(first, name) != getattr(second, name)
    with pytest.raises(ValueError, match="numbered from 1"):
        Body(0)

"""Masks laid onto a series by their place, against SimpleITK's resampling; and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, finish
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.workflows.masks import onto, read_masks
from ctstudio.workflows.open import read, scan

SHAPE = (6, 20, 24)


def series() -> Volume:
    hu = np.zeros(SHAPE, np.float32)
    return Volume.from_hu(hu, Geometry.axial(6, (3.0, 0.8, 0.7)))


def labels(shape: tuple[int, int, int], geometry: Geometry) -> Volume:
    numbers = np.random.default_rng(0).integers(0, 4, shape).astype(np.uint8)
    n = shape[0]
    return Volume(numbers, np.ones(n), np.zeros(n), "", geometry)


def test_a_mask_stored_in_another_order_lies_where_simpleitk_puts_it() -> None:
    import SimpleITK as sitk  # noqa: N813

    on = series()
    # Sagittal slices from right to left, rows from head to feet, half a voxel off and coarser.
    rows, columns = np.array([0, 1.0, 0]), np.array([0, 0, -1.0])
    normal = np.cross(rows, columns)
    origin = np.array([17.0, -1.3, 16.1])
    positions = origin + np.outer(np.arange(15) * 1.3, normal)
    geometry = Geometry(positions, rows, columns, (2.9, 1.1))
    mask = labels((15, 7, 16), geometry)
    got = finish(onto(mask, on))

    peer = sitk.GetImageFromArray(np.asarray(mask.voxels))
    peer.SetSpacing((1.1, 2.9, 1.3))
    peer.SetOrigin([float(v) for v in origin])
    peer.SetDirection([float(v) for v in np.stack([rows, columns, normal], axis=1).ravel()])
    like = sitk.Image(SHAPE[2], SHAPE[1], SHAPE[0], sitk.sitkUInt8)
    like.SetSpacing((0.7, 0.8, 3.0))
    want = sitk.Resample(peer, like, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    assert np.array_equal(got.voxels, sitk.GetArrayFromImage(want))
    assert got.voxels.any()
    assert got.geometry is on.geometry


def test_what_a_mask_leaves_out_is_told() -> None:
    on = series()
    half = replace(on.geometry, positions_mm=on.geometry.positions_mm[: SHAPE[0] // 2])
    mask = labels((SHAPE[0] // 2, *SHAPE[1:]), half)
    notes = [event.text for event in onto(mask, on, "liver.nii.gz") if isinstance(event, Note)]
    share = f"{SHAPE[0] // 2 / SHAPE[0]:.0%}"
    assert notes == [f"liver.nii.gz covers {share} of the series; the rest counts as background."]
    whole = labels(SHAPE, on.geometry)
    assert not [event for event in onto(whole, on) if isinstance(event, Note)]


@pytest.mark.parametrize(
    ("count", "share"), [(3, "less than 1%"), (SHAPE[1] * SHAPE[2], "17%"), (None, "more than 99%")]
)
def test_voxels_without_a_value_are_told_and_not_annotated(count: int | None, share: str) -> None:
    on = series()
    values = np.ones(SHAPE, np.float32)
    values.reshape(-1)[: count if count is not None else values.size - 1] = np.nan
    mask = Volume.from_hu(values, on.geometry)
    notes = [event.text for event in onto(mask, on, "a.nii") if isinstance(event, Note)]
    assert notes == [
        f"a.nii: {share} of the voxels have no value (NaN); they are taken as not annotated."
    ]
    assert np.array_equal(finish(onto(mask, on)).voxels, np.where(np.isnan(values), -1, 1))


def test_mask_of_the_same_grid_is_the_same(test_data: Path) -> None:
    folder = test_data / "totalseg_nifti"
    ct, truth = (
        finish(read(finish(scan([folder / name])).series[0]))
        for name in ("example_ct_sm.nii.gz", "example_seg.nii.gz")
    )
    ((_, got),) = finish(read_masks([folder / "example_seg.nii.gz"], ct))
    assert np.array_equal(got.hu(), truth.hu())
    assert len(got.labels) == len(np.unique(truth.voxels)) - 1


def test_segmentations_of_dicom_are_read_onto_their_series(test_data: Path) -> None:
    folder = test_data / "awkward" / "dcmqi"
    ct = finish(read(finish(scan([folder / "ct-3slice"])).series[0]))
    ((title, got),) = finish(read_masks([folder / "ct-3slice_seg"], ct))
    assert "iver" in title + " ".join(label.name for label in got.labels)
    assert got.shape == ct.shape
    other = replace(series(), source=replace(series().source, series_uid="1.2.3"))
    with pytest.raises(StudioError, match="another series"):
        finish(read_masks([folder / "ct-3slice_seg"], other))


def test_black_and_white_pictures_have_one_label(test_data: Path) -> None:
    images, masks = (
        next(s for s in finish(scan([test_data / "lung_masks_2d"])).series if part in s.title)
        for part in ("images", "masks")
    )
    on = finish(read(images))
    got = finish(onto(finish(read(masks)), on))
    assert np.unique(got.voxels).tolist() == [0, 1]
    assert [label.number for label in got.labels] == [1]


def test_what_does_not_fit_is_refused() -> None:
    on = series()
    far = Geometry.axial(6, (3.0, 0.8, 0.7))
    far = replace(far, positions_mm=far.positions_mm + 500)
    with pytest.raises(StudioError, match="does not lie where the series does"):
        finish(onto(labels(SHAPE, far), on, "far.nii"))
    unplaced = replace(far, orientation_known=False)
    finish(onto(labels(SHAPE, unplaced), on))
    with pytest.raises(
        StudioError, match=r"mine\.png has 24 x 20 x 5 voxels, the series 24 x 20 x 6"
    ):
        finish(onto(labels((5, 20, 24), unplaced.select(slice(5))), on, "mine.png"))
    wrong = Volume.from_hu(np.full(SHAPE, 0.5, np.float32), on.geometry)
    with pytest.raises(StudioError, match="not whole numbers"):
        finish(onto(wrong, on))
    with pytest.raises(StudioError, match="value of 3000"):
        finish(onto(Volume.from_hu(np.full(SHAPE, 3000, np.float32), on.geometry), on))

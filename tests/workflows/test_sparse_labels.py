"""Masks that are annotated in part: written, read, and learnt from."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest

from ctstudio.core.errors import StudioError
from ctstudio.core.events import finish
from ctstudio.ct.labels import Label, is_sparse, label_map
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.dicom.write import write_series
from ctstudio.workflows.masks import read_masks
from ctstudio.workflows.open import read, read_labels, scan
from ctstudio.workflows.save import save

LUNG = Label(1, "Lung", (20, 200, 40))


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    hu = np.random.default_rng(4).integers(-1000, 500, (4, 8, 9)).astype(np.float32)
    drawn = Volume.from_hu(hu, Geometry.axial(4, (2.0, 0.5, 0.5)))
    finish(write_series(drawn, tmp_path / "scan", series_number=1, description="scan"))
    (series,) = finish(scan([tmp_path / "scan"])).series
    return finish(read(series))


@pytest.fixture
def sparse(volume: Volume) -> Volume:
    """Nothing is annotated but a piece of lung and a piece of background in one slice."""
    numbers = np.full(volume.shape, -1)
    numbers[1, 2:5, 3:7], numbers[1, 6:8, 1:4] = 1, 0
    return label_map(numbers, volume.geometry, volume.source, (LUNG,))


def test_what_is_not_annotated_is_part_of_the_map(volume, sparse):
    assert is_sparse(sparse)
    assert [(la.number, la.name) for la in sparse.labels] == [(-1, "Not annotated"), (1, "Lung")]
    assert sparse.slice_hu(0).max() == -1
    assert not is_sparse(label_map(np.zeros(volume.shape), volume.geometry, volume.source, (LUNG,)))
    with pytest.raises(ValueError, match="outside of -1 to 32767"):
        label_map(np.full(volume.shape, -2), volume.geometry, volume.source, sparse.labels)


def test_a_dicom_segmentation_says_what_is_not_annotated(volume, sparse, tmp_path):
    (path,) = finish(save(sparse, tmp_path / "seg", "dicom", description="Part", method=""))
    data = pydicom.dcmread(path)
    names = [item.SegmentLabel for item in data.SegmentSequence]
    assert names == ["Lung", "Not annotated"], "others read the labels as they always do"
    bits = np.unpackbits(np.frombuffer(data.PixelData, np.uint8), bitorder="little")
    frames = bits[: data.NumberOfFrames * 72].reshape(-1, 8, 9)
    segments = [
        int(f.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        for f in data.PerFrameFunctionalGroupsSequence
    ]
    voxels = np.asarray(sparse.voxels)
    assert frames[[s == 1 for s in segments]].sum() == (voxels == 1).sum()
    assert frames[[s == 2 for s in segments]].sum() == (voxels == -1).sum()
    ((_, back),) = finish(read_labels([path], volume))
    np.testing.assert_array_equal(back.voxels, voxels)
    assert is_sparse(back)


def test_nifti_says_it_with_minus_one(volume, sparse, tmp_path):
    files = finish(save(sparse, tmp_path / "out", "nifti", description="Part", method=""))
    stored = np.asarray(nibabel.load(files[0]).dataobj)
    assert (stored == -1).sum() == (np.asarray(sparse.voxels) == -1).sum()
    assert "-1" not in files[1].read_text(), "ITK-SNAP counts labels from 0"
    ((_, back),) = finish(read_masks([files[0]], volume))
    np.testing.assert_array_equal(back.voxels, sparse.voxels)
    assert is_sparse(back)


def test_beyond_a_sparse_mask_nothing_is_annotated(volume, sparse, tmp_path):
    part = Volume(
        sparse.voxels[1:3], np.ones(2), np.zeros(2), "class",
        sparse.geometry.select(slice(1, 3)), sparse.source, (), sparse.labels,
    )  # fmt: skip
    files = finish(save(part, tmp_path / "out", "nifti", description="Part", method=""))
    ((_, back),) = finish(read_masks([files[0]], volume))
    np.testing.assert_array_equal(back.voxels, sparse.voxels)


def test_a_map_without_any_label_is_no_segmentation(volume, tmp_path):
    nothing = label_map(np.full(volume.shape, -1), volume.geometry, volume.source)
    with pytest.raises(StudioError, match="no voxel has a label"):
        finish(save(nothing, tmp_path / "seg", "dicom", description="None", method=""))


def test_a_network_learns_from_what_is_annotated(volume, sparse):
    """Of slices 1 and 3, which alone are annotated, one is held out, wherever the others lie."""
    from ctstudio.learn.recipe import bundled
    from ctstudio.learn.train import train

    numbers = np.array(sparse.voxels)
    numbers[3, 2:4, 2:5] = 1
    mask = label_map(numbers, volume.geometry, volume.source, (LUNG,))
    recipe = bundled()["unet-masks"]
    for key, value in {
        "phases.0.steps": 2, "phases.0.model.depth": 1, "phases.0.model.features": 4,
        "patch_px": 8, "ema": 0.0,
    }.items():  # fmt: skip
        recipe = recipe.with_setting(key, value)
    model = finish(train(recipe, [volume], targets=[mask]))
    assert model.step >= 1
    assert model.metrics["held_out"] == 1

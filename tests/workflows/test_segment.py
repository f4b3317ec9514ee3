"""From a trained network of classes to a segmentation on disk, from the command line."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from ctstudio.cli import main
from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress, finish
from ctstudio.ct.labels import LABEL_UNIT
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.learn import checkpoint
from ctstudio.learn.blobs import Blobs
from ctstudio.learn.checkpoint import TrainedModel
from ctstudio.learn.recipe import bundled
from ctstudio.learn.segment import segment


def model_of(name: str = "unet-masks", **settings: object) -> TrainedModel:
    """A network that tells class 1 where the value of a voxel is above 0 HU, and nothing else."""
    recipe = bundled()[name]
    for path, value in settings.items():
        recipe = recipe.with_setting(f"phases.0.model.{path}", value)
    module = checkpoint.build(recipe)
    return TrainedModel(recipe, module.eval(), 7)


def above_zero() -> TrainedModel:
    model = model_of(
        "lai-tri-planar", size_px=8, kernel=1, maps="1", hidden="1", activation="arctan"
    )
    weights = {name: torch.zeros_like(value) for name, value in model.module.state_dict().items()}
    weights["paths.0.0.weight"] += 1.0
    weights["joint.weight"].view(3, 8, 8)[0, 4, 4] = 1.0  # the voxel itself, in its slice
    weights["head.weight"][1] = 1.0
    model.module.load_state_dict(weights)
    return model


def series() -> Volume:
    hu = np.full((5, 20, 24), -1000.0, np.float32)
    hu[:, 2:18, 2:22] = -100
    hu[1:4, 4:9, 4:9] = 60
    hu[2, 14, 18] = 50
    hu[0, 0, 0] = 70  # alone in the air
    return Volume.from_hu(hu, Geometry.axial(5, (2.0, 0.5, 0.5)))


def test_a_series_becomes_a_label_map() -> None:
    volume = series()
    events = []
    work = segment(volume, above_zero())
    while True:
        try:
            events.append(next(work))
        except StopIteration as stop:
            labels: Volume = stop.value
            break
    inside = volume.hu() > 0
    assert labels.unit == LABEL_UNIT
    assert labels.geometry is volume.geometry
    assert np.array_equal(labels.voxels, inside)
    assert [label.number for label in labels.labels] == [1]
    assert "Patch network (Lai) trained for 7 steps" in labels.derivation[-1]
    assert [e.done for e in events if isinstance(e, Progress)][-1] == 5
    kept = finish(segment(volume, above_zero(), blobs=Blobs(largest=1)))
    inside[2, 14, 18] = inside[0, 0, 0] = False
    assert np.array_equal(kept.voxels, inside)
    assert kept.derivation[-1] == "kept the largest piece of each class"
    large = finish(segment(volume, above_zero(), blobs=Blobs(least_mm3=0.6)))
    assert np.array_equal(large.voxels, inside)
    assert large.derivation[-1] == "kept pieces of 0.6 mm3 or more"
    nowhere = replace(volume, geometry=replace(volume.geometry, spacing_known=False))
    large = finish(segment(nowhere, above_zero(), blobs=Blobs(least_mm3=2)))
    assert np.array_equal(large.voxels, inside), "of one voxel each, however large"
    assert large.derivation[-1] == "kept pieces of 2 voxels or more"


def test_a_network_of_whole_images_segments_too() -> None:
    model = model_of(features=4, depth=1)
    labels = finish(segment(series(), model))
    with torch.inference_mode():
        told = model.module(torch.from_numpy(series().hu()[:, None])).argmax(1)
    assert np.array_equal(labels.voxels, told.numpy())


def test_a_denoiser_segments_nothing() -> None:
    with pytest.raises(StudioError, match="tells no classes"):
        finish(segment(series(), model_of("dncnn-gaussian")))


@pytest.mark.parametrize("kind", ["nifti", None])
def test_segment_on_the_command_line(kind: str | None, tmp_path: Path) -> None:
    volume = series()
    image = nibabel.Nifti1Image(volume.hu().T.copy(), np.diag([-0.5, -0.5, 2.0, 1.0]))
    nibabel.save(image, tmp_path / "ct.nii.gz")
    checkpoint.save(above_zero(), tmp_path / "net.pt")
    arguments = ["segment", str(tmp_path / "net.pt"), str(tmp_path / "ct.nii.gz")]
    arguments += ["-o", str(tmp_path / "out"), "--largest", "1"]
    arguments += ["--as", kind] if kind else []
    assert main.run(arguments) == 0
    written = nibabel.load(tmp_path / "out" / "labels.nii.gz")
    told = np.asarray(written.dataobj)
    assert int(told.sum()) == 3 * 5 * 5
    at = np.argwhere(told).mean(0) @ written.affine[:3, :3].T + written.affine[:3, 3]
    assert np.allclose(at, image.affine[:3, :3] @ (6, 6, 2))
    assert (tmp_path / "out" / "labels.txt").is_file()
    # Nothing is overwritten.
    assert main.run(arguments) == 1


def test_dicom_without_a_header_is_refused_before_anything_takes_long(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = nibabel.Nifti1Image(series().hu().T.copy(), np.diag([-0.5, -0.5, 2.0, 1.0]))
    nibabel.save(image, tmp_path / "ct.nii.gz")
    checkpoint.save(above_zero(), tmp_path / "net.pt")
    arguments = ["segment", str(tmp_path / "net.pt"), str(tmp_path / "ct.nii.gz")]
    assert main.run([*arguments, "-o", str(tmp_path / "out"), "--as", "dicom"]) == 1
    told = capsys.readouterr().err
    assert "is made of NIfTI files, which hold no DICOM header" in told
    assert "--as nifti" in told
    assert "Segmenting" not in told
    assert not (tmp_path / "out").exists()


def test_a_denoiser_is_refused_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint.save(model_of("dncnn-gaussian"), tmp_path / "net.pt")
    arguments = ["segment", str(tmp_path / "net.pt"), str(tmp_path), "-o", str(tmp_path / "out")]
    assert main.run(arguments) == 1
    assert "denoises; it tells no classes" in capsys.readouterr().err


def test_a_segmentation_is_compared_with_the_truth(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import SimpleITK as sitk  # noqa: N813

    volume, affine = series(), np.diag([-0.5, -0.5, 2.0, 1.0])
    true = np.zeros(volume.shape, np.uint8)
    true[1:4, 5:11, 4:9] = 1
    nibabel.save(nibabel.Nifti1Image(volume.hu().T.copy(), affine), tmp_path / "ct.nii.gz")
    # Stored from the other side: only its affine says where it lies.
    turned = np.diag([0.5, 0.5, 2.0, 1.0])
    turned[:2, 3] = -0.5 * 23, -0.5 * 19
    stored = nibabel.Nifti1Image(true[:, ::-1, ::-1].T.copy(), turned)
    nibabel.save(stored, tmp_path / "truth.nii.gz")
    checkpoint.save(above_zero(), tmp_path / "net.pt")
    arguments = ["segment", str(tmp_path / "net.pt"), str(tmp_path / "ct.nii.gz"), "--as", "nifti"]
    arguments += ["-o", str(tmp_path / "out"), "--truth", str(tmp_path / "truth.nii.gz")]
    assert main.run(arguments) == 0
    with (tmp_path / "out" / "agreement.csv").open() as stream:
        rows = {row["label"]: row for row in csv.DictReader(stream)}
    found = (volume.hu() > 0).astype(np.uint8)
    peer = sitk.LabelOverlapMeasuresImageFilter()
    peer.Execute(sitk.GetImageFromArray(found), sitk.GetImageFromArray(true))
    mean = {name: float(value) for name, value in rows["mean"].items() if name != "label"}
    assert len(rows) == 2
    assert mean["dice"] == pytest.approx(peer.GetDiceCoefficient(1), rel=1e-5)
    assert mean["iou"] == pytest.approx(peer.GetJaccardCoefficient(1), rel=1e-5)
    assert mean["sensitivity"] == pytest.approx(1 - peer.GetFalseNegativeError(1), rel=1e-5)
    both = (1 - peer.GetFalseNegativeError(1) + 1 - peer.GetFalsePositiveError(1)) / 2
    assert mean["weighted_accuracy"] == pytest.approx(both, rel=1e-5)
    assert 0.5 < mean["auc"] < 1
    assert mean["hd95_mm"] > 0
    assert "dice" in capsys.readouterr().out

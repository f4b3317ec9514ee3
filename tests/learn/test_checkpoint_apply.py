"""Checkpoints that are refused, and networks applied to series."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Partial, SliceReady, finish
from ctstudio.ct.padding import PADDING_HU, measured
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.learn import apply, checkpoint
from ctstudio.learn.checkpoint import TrainedModel
from ctstudio.learn.recipe import bundled


@pytest.fixture
def model() -> TrainedModel:
    """A network with weights that are not the untrained ones."""
    recipe = bundled()["dncnn-gaussian"].with_setting("device", "cpu")
    module = checkpoint.build(recipe)
    torch.manual_seed(1)
    torch.nn.init.normal_(module.body[-1].weight, std=0.05)
    return TrainedModel(recipe, module.eval(), 123, {"psnr": 30.5})


def series(shape: tuple[int, int, int] = (4, 33, 50)) -> Volume:
    hu = np.random.default_rng(1).normal(40, 30, shape).astype(np.float32)
    return Volume.from_hu(hu, Geometry.axial(shape[0]))


def test_round_trip(model: TrainedModel, tmp_path: Path) -> None:
    checkpoint.save(model, tmp_path / "m.pt", training={"seconds": 3.0})
    back, training = checkpoint.load_training(tmp_path / "m.pt")
    assert (back.recipe, back.step, back.metrics) == (model.recipe, 123, {"psnr": 30.5})
    assert training == {"seconds": 3.0}
    hu = series().slice_hu(0)
    np.testing.assert_array_equal(apply.denoise_slice(hu, back), apply.denoise_slice(hu, model))
    assert back.title == "DnCNN, 123 steps"
    assert "DnCNN trained for 123 steps on Gaussian noise (SD 25 HU)" in back.method


def test_only_plain_data_is_written(model: TrainedModel, tmp_path: Path) -> None:
    checkpoint.save(model, tmp_path / "m.pt")
    data = torch.load(tmp_path / "m.pt", weights_only=True)
    assert set(data) == {"format", "version", "recipe", "step", "metrics", "weights", "training"}


class Bomb:
    """Runs a command where a pickle is read without care."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.marker),))


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path) -> None:
    marker, file = tmp_path / "ran", tmp_path / "evil.pt"
    torch.save({"format": checkpoint.FORMAT, "weights": Bomb(marker)}, file)
    with pytest.raises(StudioError, match=r"evil\.pt is not a model of CT Studio"):
        checkpoint.load(file)
    file.write_bytes(pickle.dumps(Bomb(marker)))
    with pytest.raises(StudioError, match="not a model"):
        checkpoint.load(file)
    assert not marker.exists()


def test_files_that_are_no_models(model: TrainedModel, tmp_path: Path) -> None:
    text = tmp_path / "notes.pt"
    text.write_text("dear diary")
    other = tmp_path / "other.pt"
    torch.save({"state_dict": model.module.state_dict()}, other)
    tensor = tmp_path / "tensor.pt"
    torch.save(torch.ones(3), tensor)
    archive = tmp_path / "archive.pt"
    with zipfile.ZipFile(archive, "w") as stream:
        stream.writestr("a.txt", "b")
    empty = tmp_path / "empty.pt"
    empty.write_bytes(b"")
    whole = tmp_path / "whole.pt"
    checkpoint.save(model, whole)
    short = tmp_path / "short.pt"
    short.write_bytes(whole.read_bytes()[:5000])
    for file in (text, other, tensor, archive, empty, short):
        with pytest.raises(StudioError, match="not a model of CT Studio") as caught:
            checkpoint.load(file)
        assert str(file) in caught.value.message
        assert caught.value.hint
    with pytest.raises(StudioError, match="does not exist"):
        checkpoint.load(tmp_path / "none.pt")


def test_a_flipped_bit_in_the_weights_is_noticed(model: TrainedModel, tmp_path: Path) -> None:
    file = tmp_path / "m.pt"
    checkpoint.save(model, file)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(StudioError, match=str(file)):
        checkpoint.load(file)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full device is Linux's")
def test_a_full_disk_is_told_and_the_old_model_stays(
    model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "m.pt"
    checkpoint.save(model, file)
    before = file.read_bytes()
    opened = Path.open

    def full(path: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        return opened(Path("/dev/full") if "w" in mode else path, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(StudioError, match="the disk is full"):
        checkpoint.save(model, file)
    monkeypatch.undo()
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_weights_that_are_no_numbers_are_refused(model: TrainedModel, tmp_path: Path) -> None:
    file = tmp_path / "m.pt"
    checkpoint.save(model, file)
    data = torch.load(file, weights_only=True)
    next(iter(data["weights"].values())).fill_(float("nan"))
    torch.save(data, file)
    with pytest.raises(StudioError, match="damaged"):
        checkpoint.load(file)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("version", 99, "another version"),
        ("recipe", "batch = 0", "batch = 0"),
        ("recipe", 3, "damaged"),
        ("weights", {}, "damaged"),
        ("step", "many", "damaged"),
    ],
)
def test_damaged_models(
    model: TrainedModel, tmp_path: Path, key: str, value: object, words: str
) -> None:
    file = tmp_path / "m.pt"
    checkpoint.save(model, file)
    data = torch.load(file, weights_only=True)
    data[key] = value
    torch.save(data, file)
    with pytest.raises(StudioError, match=words):
        checkpoint.load(file)


def test_denoise_streams_its_slices(model: TrainedModel) -> None:
    volume = series()
    events = list(apply.denoise(volume, model, first=2))
    assert isinstance(events[0], Partial)
    partial = events[0].value
    assert isinstance(partial, Volume)
    assert [e.index for e in events if isinstance(e, SliceReady)] == [2, 1, 3, 0]
    result = finish(apply.denoise(volume, model))
    np.testing.assert_array_equal(partial.voxels, result.voxels)
    assert result.derivation == (model.method,)
    assert result.geometry is volume.geometry
    assert result.voxels.dtype == np.float32
    assert not result.voxels.flags.writeable
    for z in range(4):
        want = apply.denoise_slice(volume.slice_hu(z), model)
        np.testing.assert_array_equal(result.slice_hu(z), want)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (7, 5), (63, 65), (129, 64)])
def test_odd_sizes(model: TrainedModel, shape: tuple[int, int]) -> None:
    hu = np.full(shape, 40, np.float32)
    out = apply.denoise_slice(hu, model)
    assert out.shape == shape
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, hu, atol=0.05)


def test_strong_noise_is_not_taken_for_padding(model: TrainedModel) -> None:
    """Noise in air gets below any limit, but padding is an area of one value."""
    hu = np.random.default_rng(2).normal(-1000, 600, (40, 48)).astype(np.float32)
    hu[:, :10] = -2000
    hu[30:, 20] = -3024  # one pixel wide
    hu[5, 30], hu[6, 31] = np.nan, np.inf
    expected = np.ones(hu.shape, bool)
    expected[:, :10] = expected[30:, 20] = expected[5, 30] = expected[6, 31] = False
    assert (hu[expected] < PADDING_HU).mean() > 0.1
    assert np.array_equal(measured(hu), expected)
    denoised = apply.denoise_slice(hu, model)
    assert np.array_equal(denoised[~expected], hu[~expected], equal_nan=True)
    assert (denoised[expected] != hu[expected]).mean() > 0.99


def test_padding_survives_and_does_not_leak(model: TrainedModel) -> None:
    hu = series().slice_hu(0).copy()
    plain = hu.copy()
    plain[:, :10] = -1024
    hu[:, :10] = -3024
    hu[0, 0] = np.nan
    before = hu.copy()
    out = apply.denoise_slice(hu, model)
    np.testing.assert_array_equal(hu, before)
    np.testing.assert_array_equal(out[:, :10], before[:, :10])
    np.testing.assert_array_equal(out[:, 10:], apply.denoise_slice(plain, model)[:, 10:])
    assert np.isfinite(out[:, 10:]).all()


def test_gradients_stay_off_and_the_input_may_be_read_only(model: TrainedModel) -> None:
    hu = series().slice_hu(0)
    hu.setflags(write=False)
    apply.denoise_slice(hu, model)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()

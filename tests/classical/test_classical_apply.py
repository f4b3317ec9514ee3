"""Classical denoisers on volumes: streaming, order, history, cancel; and the best strength."""

import numpy as np
import pytest

from ctstudio.classical import apply
from ctstudio.classical.apply import best_setting, denoise, describe, outward
from ctstudio.classical.denoisers import DENOISERS
from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Partial, Progress, SliceReady, finish
from ctstudio.core.registry import Choice
from ctstudio.ct.metrics import evaluate
from ctstudio.ct.volume import Geometry, Source, Volume


def noisy_volume(n=5, size=48, unit="HU"):
    stored = np.random.default_rng(5).normal(1064, 25, (n, size, size)).astype(np.int16)
    return Volume(
        stored,
        np.ones(n),
        np.full(n, -1024.0),
        unit,
        Geometry.axial(n, (3, 0.7, 0.7)),
        Source("chest"),
        ("read",),
    )


def test_every_slice_is_the_denoisers_own_and_arrives_outward_from_the_first():
    volume = noisy_volume()
    work, events = denoise(volume, Choice("tv", {"strength": 30}), first=1), []
    while True:
        try:
            events.append(next(work))
        except StopIteration as stop:
            result = stop.value
            break
    for index in range(5):
        expected = DENOISERS.make(Choice("tv", {"strength": 30}), volume.slice_hu(index))
        assert np.array_equal(result.slice_hu(index), expected)
    assert [e.index for e in events if isinstance(e, SliceReady)] == [1, 0, 2, 3, 4]
    partial = next(i for i, e in enumerate(events) if isinstance(e, Partial))
    assert partial < next(i for i, e in enumerate(events) if isinstance(e, SliceReady))
    assert events[partial].value is result
    assert [e for e in events if isinstance(e, Progress)][-1].done == 5
    assert result.geometry is volume.geometry
    assert result.source is volume.source
    assert result.derivation == ("read", "Total variation (strength 30 HU, iterations 100)")
    assert result.unit == "HU"
    assert result.voxels.dtype == np.float32


def test_slices_still_to_come_show_the_original():
    volume = noisy_volume()
    work = denoise(volume, Choice("wavelet"))
    partial = next(event.value for event in work if isinstance(event, Partial))
    assert np.array_equal(partial.slice_hu(0), volume.slice_hu(0))
    assert not np.array_equal(partial.slice_hu(2), volume.slice_hu(2))
    with pytest.raises(ValueError, match="read-only"):
        partial.voxels[0, 0, 0] = 0
    work.close()
    assert np.array_equal(partial.slice_hu(4), volume.slice_hu(4))


@pytest.mark.parametrize(("name", "tolerance"), [("nlm", 1e-3), ("bilateral", 1e-4)])
def test_blocks_of_rows_give_the_whole_slice(monkeypatch, name, tolerance):
    volume = noisy_volume(1, 96)
    stored = np.array(volume.voxels)
    stored[0, :30, :50] = -2000
    stored[0, 40, 40] = 3000
    volume = Volume(stored, volume.slope, volume.intercept, "HU", volume.geometry)
    whole = DENOISERS.make(Choice(name), volume.slice_hu(0))
    monkeypatch.setattr(apply, "BLOCK_PX", 96 * 25)
    steps = [e for e in denoise(volume, Choice(name)) if isinstance(e, Progress)]
    assert len(steps) == 1 + 4 + 1
    blocks = finish(denoise(volume, Choice(name))).slice_hu(0)
    assert np.abs(blocks - whole).max() < tolerance
    assert (blocks[:30, :50] == -3024).all()


def test_values_that_are_not_hu_are_noted():
    events = list(denoise(noisy_volume(1, 16, unit=""), Choice("tv")))
    assert any(isinstance(event, Note) and "not in HU" in event.text for event in events)


def test_wrong_settings_are_refused_before_any_work():
    with pytest.raises(StudioError, match=r"tv.strength = 1000000"):
        next(denoise(noisy_volume(), Choice("tv", {"strength": 1e6})))
    with pytest.raises(StudioError, match="no denoiser 'bm3d'"):
        next(denoise(noisy_volume(), Choice("bm3d")))


def test_describe_names_settings_with_units():
    text = describe(Choice("nlm", {"strength": 33.5}))
    assert text == "Non-local means (strength 33.5 HU, patch 5 px, search 5 px)"
    assert describe(Choice("wavelet")) == (
        "Wavelet shrinkage (strength 9 HU, method VisuShrink, shifts 8)"
    )


def test_outward():
    assert outward(5, 2) == [2, 1, 3, 0, 4]
    assert outward(1, 0) == [0]


@pytest.mark.parametrize("name", ["tv", "nlm", "wavelet", "bilateral"])
def test_best_setting_beats_a_dense_scan(name):
    rng = np.random.default_rng(6)
    clean = np.full((2, 48, 48), 40.0, np.float32)
    clean[:, 12:30, 12:30] = 110
    noisy = clean + rng.normal(0, 25, clean.shape).astype(np.float32)
    work, events = best_setting(noisy, clean, name), 0
    while True:
        try:
            events += isinstance(next(work), Progress)
        except StopIteration as stop:
            choice = stop.value
            break
    assert events == 12 * 2 + 1

    def psnr(strength):
        params = {**choice.params, "strength": strength}
        result = np.stack([DENOISERS.make(Choice(name, params), image) for image in noisy])
        return evaluate(result, clean)["psnr"]

    low, high = (3, 40) if name == "wavelet" else (5, 150)
    scan = max(psnr(float(s)) for s in np.geomspace(low, high, 30))
    assert psnr(choice.params["strength"]) > scan - 0.1


def test_best_setting_keeps_the_other_settings_and_takes_one_slice():
    noisy = np.random.default_rng(7).normal(40, 20, (24, 24)).astype(np.float32)
    given = Choice("wavelet", {"method": "BayesShrink", "shifts": 2})
    choice = finish(best_setting(noisy, np.full_like(noisy, 40), given, "full", evaluations=7))
    assert choice.params["method"] == "BayesShrink"
    assert choice.params["shifts"] == 2
    assert choice.params["strength"] > 10


def test_best_setting_can_be_cancelled():
    noisy = np.zeros((16, 16), np.float32)
    work = best_setting(noisy, noisy, "tv")
    next(work)
    work.close()

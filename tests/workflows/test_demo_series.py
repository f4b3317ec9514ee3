"""The demo on disk: two series of one study, written whole, found again at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Partial, Progress, finish
from ctstudio.dicom.read import read
from ctstudio.dicom.scan import scan
from ctstudio.workflows import demo_series
from ctstudio.workflows.demo_series import DemoSeries, ensure_demo


@pytest.fixture(autouse=True)
def few_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_series, "_SLICES", 3)


def test_demo_is_two_series_of_one_study(tmp_path: Path) -> None:
    events = []
    work = ensure_demo(tmp_path)
    demo = None
    try:
        while True:
            event = next(work)
            if isinstance(event, Partial):
                assert isinstance(event.value, DemoSeries)
                assert event.value.quarter_dose is None
                assert event.value.folders == (event.value.truth,)
                assert len(list(event.value.truth.glob("*.dcm"))) == 3
            events.append(event)
    except StopIteration as stop:
        demo = stop.value
    assert isinstance(demo, DemoSeries)
    assert demo.quarter_dose is not None
    assert sum(isinstance(event, Partial) for event in events) == 1
    assert all(event.text for event in events if isinstance(event, Progress))

    found = finish(scan([tmp_path]))
    assert not found.skipped
    by_name = {series.source.description: series for series in found.series}
    truth_series = by_name["Thorax phantom, noise-free"]
    noisy_series = by_name["Thorax phantom, quarter dose"]
    assert truth_series.source.study_uid == noisy_series.source.study_uid
    assert truth_series.source.frame_of_reference_uid == noisy_series.source.frame_of_reference_uid
    assert truth_series.source.series_uid != noisy_series.source.series_uid
    assert not truth_series.warnings
    assert not noisy_series.warnings
    truth, noisy = finish(read(truth_series)), finish(read(noisy_series))
    assert truth.shape == noisy.shape == (3, 512, 512)
    assert np.allclose(truth.geometry.positions_mm, noisy.geometry.positions_mm)

    noise = noisy.hu() - truth.hu()
    heart = (truth.slice_hu(1) > 140) & (truth.slice_hu(1) < 170)
    assert heart.sum() > 1000
    assert 20 < noise[1][heart].std() < 40
    assert abs(noise.mean()) < 0.5

    again = ensure_demo(tmp_path)
    with pytest.raises(StopIteration) as stop_at_once:
        next(again)
    assert stop_at_once.value.value == demo


def test_cut_off_leaves_nothing_half(tmp_path: Path) -> None:
    reference = finish(ensure_demo(tmp_path / "whole"))
    total = 0
    for _ in ensure_demo(tmp_path / "count"):
        total += 1
    cache = tmp_path / "cut"
    for after in range(0, total, 4):
        work = ensure_demo(cache)
        for _, _ in zip(range(after), work, strict=False):
            pass
        work.close()
        for folder in cache.glob("*/*"):
            assert not folder.name.startswith(".")
            assert len(list(folder.glob("*.dcm"))) == 3
    demo = finish(ensure_demo(cache))
    assert demo.quarter_dose is not None
    assert reference.quarter_dose is not None
    first, second = (
        finish(read(finish(scan([folder])).series[0]))
        for folder in (demo.quarter_dose, reference.quarter_dose)
    )
    assert np.array_equal(first.hu(), second.hu())  # the same noise for everyone


def test_emptied_folder_is_written_again(tmp_path: Path) -> None:
    demo = finish(ensure_demo(tmp_path))
    next(iter(demo.truth.glob("*.dcm"))).unlink()
    again = finish(ensure_demo(tmp_path))
    assert len(list(again.truth.glob("*.dcm"))) == 3


def test_unusable_cache_is_explained(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")
    with pytest.raises(StudioError, match="file"):
        finish(ensure_demo(in_the_way))


def test_a_closed_cache_does_not_stop_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import platformdirs

    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda *_, **__: str(blocked / "cache"))
    monkeypatch.setattr(demo_series.tempfile, "gettempdir", lambda: str(tmp_path))
    demo = finish(ensure_demo())
    assert demo.quarter_dose is not None
    assert tmp_path in demo.truth.parents
    assert blocked.read_text() == "no folder"

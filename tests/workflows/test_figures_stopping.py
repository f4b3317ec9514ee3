"""Figures, films and reports are stopped within a step, and leave nothing half done."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress, finish
from ctstudio.ct.phantom import thorax
from ctstudio.ct.series import SeriesInfo
from ctstudio.ct.volume import Volume
from ctstudio.figures.description import CellSpec, FigureSpec, LayerSpec, StyleSpec
from ctstudio.figures.film import Film, Quality, save_film, still
from ctstudio.workflows.denoise import method_from
from ctstudio.workflows.figures import batch
from ctstudio.workflows.figures.make import make
from ctstudio.workflows.figures.material import Material, Treated
from ctstudio.workflows.figures.report import report
from ctstudio.workflows.figures.templates import Given, template

ALONE = FigureSpec((LayerSpec("a"),), ((CellSpec("a"),),))
STYLE = StyleSpec(width_mm=100, dpi=60, font_pt=5)


class Counted(Treated):
    """A method's result that counts how often the method works."""

    worked = 0

    def slice_hu(self, index: int) -> NDArray[np.float32]:
        before = len(self.kept)
        found = super().slice_hu(index)
        type(self).worked += len(self.kept) - before
        return found


@pytest.fixture
def treated(monkeypatch: pytest.MonkeyPatch) -> tuple[FigureSpec, Material]:
    """Two methods of a noisy phantom, compared with the truth; not yet applied."""
    monkeypatch.setattr(Counted, "worked", 0)
    truth: Volume = thorax(3, 48)
    noise = np.random.default_rng(1).normal(0, 25, truth.shape)
    noisy = truth.derived(truth.hu() + noise, "noise of 25 HU")
    spec = template("methods").make(Given(("bilateral", "nlm"), 2))
    stacks = {
        "original": noisy,
        "reference": truth,
        "denoised 1": Counted(noisy, method_from("bilateral")),
        "denoised 2": Counted(noisy, method_from("nlm")),
    }
    titles = {"denoised 1": "Bilateral filter", "denoised 2": "Non-local means"}
    return replace(spec, style=STYLE), Material(stacks, titles=titles)


def test_methods_work_one_after_the_other_before_a_figure_is_drawn(treated, tmp_path: Path) -> None:
    spec, what = treated
    seen = []
    for event in make(spec, what, tmp_path / "a.png"):
        if isinstance(event, Progress):
            seen.append((event.text, Counted.worked))
    assert seen == [
        ("Denoising with Bilateral filter", 0),
        ("Denoising with Non-local means", 1),
        ("Drawing", 2),
        ("Writing", 2),
    ]


def test_a_report_may_be_stopped_between_methods(treated) -> None:
    spec, what = treated
    work = report(spec, what)
    assert next(work).text == "Denoising with Bilateral filter"
    assert next(work).text == "Denoising with Non-local means"
    work.close()
    assert Counted.worked == 1


def test_the_estimate_of_a_size_may_be_stopped_between_frames(tmp_path: Path) -> None:
    drawn: list[int] = []

    def frame(index: int) -> Image.Image:
        drawn.append(index)
        noise = np.random.default_rng(index).integers(0, 255, (40, 40), np.uint8)
        return Image.fromarray(noise)

    work = save_film(Film(still(frame), 30), tmp_path / "a.gif", Quality(limit_bytes=20_000))
    most, before = 0, 0
    for _ in work:
        most, before = max(most, len(drawn) - before), len(drawn)
    assert most <= 3  # a pair, and the first frame that is written
    assert (tmp_path / "a.gif").stat().st_size <= 20_000


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> list[SeriesInfo]:
    def gathered(*_args, **_named):
        yield Progress(0, 3, "Reading")
        yield Progress(1, 3, "Reading")
        return Material({})

    monkeypatch.setattr(batch, "gather", gathered)
    return [cast(SeriesInfo, object())] * 3  # nobody looks at them


def test_a_batch_may_be_stopped_within_a_file(three, tmp_path: Path) -> None:
    def write(_spec, _material, path: Path):
        yield Progress(0, 9)
        path.write_text("whole")
        return path

    told = list(batch.make_each(ALONE, three, [], tmp_path / "a.png", write=write))
    assert [(event.done, event.total) for event in told] == [
        (number, 3) for number in range(3) for _ in range(3)
    ]
    work = batch.make_each(ALONE, three, [], tmp_path / "b.png", write=write)
    for _ in range(5):
        next(work)
    work.close()
    assert sorted(path.name for path in tmp_path.glob("b*")) == ["b-1.png"]


def test_a_batch_ends_where_the_disk_is_full(three, tmp_path: Path) -> None:
    tried: list[str] = []

    def write(_spec, _material, path: Path):
        tried.append(path.name)
        yield Progress(0, 1)
        if path.name == "a-2.png":
            raise StudioError("The disk is full.") from OSError(errno.ENOSPC, "full")
        return path

    with pytest.raises(StudioError, match=r"The disk is full\. 1 of 3 files were written\."):
        finish(batch.make_each(ALONE, three, [], tmp_path / "a.png", write=write))
    assert tried == ["a-1.png", "a-2.png"]


@pytest.mark.parametrize(("font_pt", "told"), [(8.0, False), (30.0, True)])
def test_text_without_room_is_told(treated, tmp_path: Path, font_pt: float, told: bool) -> None:
    _, what = treated
    style = StyleSpec(width_mm=40, dpi=100, font_pt=font_pt)
    spec = FigureSpec((LayerSpec("original"),), ((CellSpec("original"),),), style=style)
    events = list(make(spec, what, tmp_path / "a.png"))
    notes = [event.text for event in events if not isinstance(event, Progress)]
    assert any("instead of 30: there is no room" in note for note in notes) == told

"""Films of figures: what they go between, and that nothing jumps which should stand still."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ctstudio.core.events import finish
from ctstudio.ct.phantom import thorax
from ctstudio.figures import scene as scenes
from ctstudio.figures.description import FilmSpec, StyleSpec
from ctstudio.workflows.denoise import method_from
from ctstudio.workflows.figures.make import FLICKER_SECONDS, film, make, still
from ctstudio.workflows.figures.material import Material, Training, Treated
from ctstudio.workflows.figures.report import report
from ctstudio.workflows.figures.templates import TEMPLATES, Given

SMALL = StyleSpec(width_mm=80, dpi=110, font_pt=5)


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What stands in each scene that is drawn from now on."""
    drawn: list[list[str]] = []
    whole = scenes.Scene.__init__

    def watched(scene, *args, **kwargs):
        whole(scene, *args, **kwargs)
        drawn.append(scene.texts)

    monkeypatch.setattr(scenes.Scene, "__init__", watched)
    return drawn


def methods_of_the_phantom(**changes):
    truth = thorax(4, 64)
    noise = np.random.default_rng(2).normal(0, 25, truth.shape)
    noisy = truth.derived(truth.hu() + noise, "noise of 25 HU")
    spec = TEMPLATES["methods"].make(Given(("bilateral",), 2, window="400/40"))
    spec = replace(spec, style=SMALL, film=FilmSpec("flicker", 0.5), **changes)
    stacks = {"original": noisy, "reference": truth}
    stacks["denoised 1"] = Treated(noisy, method_from("bilateral"))
    return spec, Material(stacks, {}, {"original": "Original", "reference": "Reference"})


def test_an_enlarged_part_stands_still_below_captions_of_another_length() -> None:
    """The reference has no metrics, so its caption is shorter than the others'."""
    spec, what = methods_of_the_phantom()
    made = film(spec, what)
    assert made.count == 3
    marks = []
    for k in range(3):
        pixels = np.asarray(made.draw(k, 1.0).convert("RGB")).astype(int)
        yellow = (pixels[..., 0] > 200) & (pixels[..., 2] < 60)
        assert yellow.sum() > 100
        marks.append(yellow)
    assert np.array_equal(marks[0], marks[1])
    assert np.array_equal(marks[0], marks[2])


@pytest.mark.parametrize("suffix", [".gif", ".mp4", ".webm"])
def test_a_flicker_that_does_not_begin_again_by_itself_takes_turns(
    tmp_path: Path, suffix: str
) -> None:
    import av

    spec, what = methods_of_the_phantom()
    path = finish(make(spec, what, tmp_path / f"a{suffix}"))
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    if suffix == ".gif":
        assert len(frames) == 3
        return
    assert len(frames) * 0.5 >= FLICKER_SECONDS
    assert len(frames) % 3 == 0
    apart = np.abs(frames[1].astype(int) - frames[0]).mean()
    assert np.abs(frames[3].astype(int) - frames[0]).mean() < 0.2 * apart


def test_a_film_over_a_training_shows_each_thing_once(make_run, texts) -> None:
    run = make_run("a", steps=40)
    spec = TEMPLATES["progress"].make(Given(training=True))
    spec = replace(spec.without_spares(), style=SMALL)
    what = Material({}, {layer.name: Training(run) for layer in spec.layers})
    made = film(spec, what)
    sizes = {made.draw(k, 1.0).size for k in range(made.count)}
    assert len(sizes) == 1
    for step, shown in zip((0, 40), texts[-2:], strict=True):
        assert shown.count(f"Step {step}") == 1
        for title in ("Noisy", "Reconstruction \N{MINUS SIGN} noisy", "Target", "Loss"):
            assert title in " ".join(shown)


def test_a_training_that_learns_masks_has_its_own_curve(make_run) -> None:
    """The template's PSNR would be empty; one that is logged stays."""
    spec = replace(TEMPLATES["progress"].make(Given(training=True)), style=SMALL)
    for labels, title, other in ((True, "Dice", "PSNR"), (False, "PSNR", "Dice")):
        training = Training(make_run(f"labels {labels}", labels=labels))
        what = Material({}, {layer.name: training for layer in spec.layers})
        shown = " ".join(still(spec, what).texts)
        assert title in shown
        assert "nothing logged" not in shown
        assert f"{other}, " not in shown
        told = " ".join(finish(report(spec, what)).texts)
        assert f"{title} " in told


@pytest.mark.parametrize(("motion", "between"), [("swipe", "|"), ("blend", "\N{LEFT RIGHT ARROW}")])
def test_a_film_between_two_names_them_as_they_are_seen(
    texts: list[list[str]], motion: str, between: str
) -> None:
    """A swipe has them side by side, a fade one after the other."""
    spec, what = methods_of_the_phantom()
    made = film(replace(spec, film=FilmSpec(motion, frames=4)), what)  # type: ignore[arg-type]
    made.draw(1, 1.0)
    assert any(f"Reference {between} Original" in shown for shown in texts)
    # The first stands to the left, and alone in the first frame.
    first, half = (np.asarray(made.draw(k, 1.0).convert("L")).astype(int) for k in (0, 1))
    quarter = first.shape[1] // 4
    moved = np.abs(first - half)
    left, right = moved[:, :quarter].mean(), moved[:, 2 * quarter : 3 * quarter].mean()
    assert right > 0
    assert (left == 0) == (motion == "swipe")

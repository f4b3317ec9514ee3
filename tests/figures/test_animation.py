"""GIFs, reopened with Pillow frame by frame."""

import errno
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress, finish
from ctstudio.ct.window import Window
from ctstudio.figures import animation
from ctstudio.figures.animation import Oversize, save_gif
from ctstudio.figures.compose import compose
from ctstudio.figures.palette import Palette
from ctstudio.figures.panel import Panel


def ramp_frame(shift=0, size=(96, 256)):
    """All 256 greys, moved sideways."""
    grey = np.roll(np.tile(np.arange(size[1], dtype=np.uint8), (size[0], 1)), shift, axis=1)
    return Image.fromarray(grey).convert("RGB")


def read(path):
    frames = []
    with Image.open(path) as image:
        info = dict(image.info)
        for index in range(image.n_frames):
            image.seek(index)
            frames.append(np.asarray(image.convert("RGB")))
            assert image.info["duration"] == info["duration"]
    return frames, info


def test_frames_durations_and_loop(tmp_path):
    path = tmp_path / "a.gif"
    originals = [ramp_frame(20 * k) for k in range(5)]
    events = list(save_gif(iter(originals), path, seconds_per_frame=0.25, total=5))
    assert events == [Progress(k, 5, "GIF") for k in range(1, 6)]
    frames, info = read(path)
    assert len(frames) == 5
    assert info["duration"] == 250
    assert info["loop"] == 0
    for frame, original in zip(frames, originals, strict=True):
        assert np.array_equal(frame, np.asarray(original))


@pytest.mark.parametrize(("seconds", "expected"), [(0.001, 20), (1 / 30, 30), (2.0, 2000)])
def test_delays_are_rounded_to_what_the_format_holds(tmp_path, seconds, expected):
    path = finish(
        save_gif(
            [ramp_frame(), ramp_frame(1)], tmp_path / "a.gif", seconds_per_frame=seconds, total=2
        )
    )
    assert read(path)[1]["duration"] == expected


def test_a_few_accents_keep_over_200_greys_and_are_exact(tmp_path):
    rgb = np.asarray(ramp_frame()).copy()
    accents = [(255, 0, 0), (0, 120, 255), (255, 200, 0)]
    for k, accent in enumerate(accents):
        rgb[10:20, 10 + 20 * k : 20 + 20 * k] = accent
    path = finish(
        save_gif([Image.fromarray(rgb)], tmp_path / "a.gif", seconds_per_frame=1, total=1)
    )
    (frame,), _ = read(path)
    error = np.abs(frame.astype(int) - rgb)
    assert error.max() <= 1
    tinted = np.ptp(rgb, axis=-1) > 0
    assert error[tinted].max() == 0
    assert len(np.unique(frame[~tinted])) >= 200


def residual_figures(count=6):
    rng = np.random.default_rng(8)
    hu = rng.normal(40, 80, (48, 48)).astype(np.float32)
    for k in range(count):
        difference = rng.normal(0, 10 + 10 * k, (48, 48)).astype(np.float32)
        yield compose(
            [
                Panel(hu + difference, Window(40, 400), "Reconstruction", f"step {k}"),
                Panel(difference, Window(0, 160), "Residual", colormap="diverging"),
            ],
            height_px=96,
        )


def test_residual_maps_keep_greys_within_one_level_and_colours_close(tmp_path):
    path = finish(save_gif(residual_figures(), tmp_path / "a.gif", seconds_per_frame=0.2, total=6))
    frames, _ = read(path)
    for frame, original in zip(frames, residual_figures(), strict=True):
        exact = np.asarray(original)
        error = np.abs(frame.astype(int) - exact)
        grey = np.ptp(exact, axis=-1) == 0
        assert error[grey].max() <= 1
        assert error[~grey].mean() < 2.5
        assert error[~grey].max() <= animation.TOLERANCE


def test_colours_that_come_later_get_their_own_palette(tmp_path):
    red = Image.new("RGB", (256, 96), (200, 30, 30))
    frames = [ramp_frame(), red, ramp_frame(5), ramp_frame(5)]
    path = finish(save_gif(frames, tmp_path / "a.gif", seconds_per_frame=0.1, total=4))
    result, _ = read(path)
    assert len(result) == 4
    for one, other in zip(result, frames, strict=True):
        assert np.array_equal(one, np.asarray(other))


def test_palettes():
    assert len(Palette.of(np.asarray(ramp_frame())).table) == 256
    noise = np.random.default_rng(9).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    many = Palette.of(noise)
    assert len(many.table) <= 256
    assert len(many.greys) >= 86


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (33, 2)])
def test_tiny_frames(tmp_path, size):
    frames = [Image.new("RGB", size, (k * 50,) * 3) for k in range(3)]
    path = finish(save_gif(frames, tmp_path / "a.gif", seconds_per_frame=0.1, total=3))
    assert [frame[0, 0, 0] for frame in read(path)[0]] == [0, 50, 100]


def test_memory_does_not_grow_with_the_frames(tmp_path):
    def peak(count):
        tracemalloc.start()
        frames = (ramp_frame(k, (200, 256)) for k in range(count))
        finish(save_gif(frames, tmp_path / "a.gif", seconds_per_frame=0.1, total=count))
        result = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return result

    peak(2)
    assert peak(60) < 1.2 * peak(5) + 100_000


def test_a_cancel_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.gif"
    path.write_bytes(b"old")
    work = save_gif(residual_figures(), path, seconds_per_frame=0.1, total=6)
    next(work)
    next(work)
    work.close()
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.gif"]


def test_a_failing_frame_leaves_nothing(tmp_path):
    def frames():
        yield ramp_frame()
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        finish(save_gif(frames(), tmp_path / "a.gif", seconds_per_frame=0.1, total=2))
    assert not list(tmp_path.iterdir())


def test_errors_name_what_is_wrong(tmp_path, monkeypatch):
    path = tmp_path / "a.gif"
    with pytest.raises(StudioError, match="no frame"):
        finish(save_gif([], path, seconds_per_frame=0.1, total=0))
    other = [ramp_frame(), ramp_frame(size=(10, 256))]
    with pytest.raises(ValueError, match="frame 1 is 256 x 10"):
        finish(save_gif(other, path, seconds_per_frame=0.1, total=2))

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(animation, "_frame", full)
    with pytest.raises(StudioError, match="disk is full"):
        finish(save_gif([ramp_frame()], path, seconds_per_frame=0.1, total=1))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dither", ["none", "ordered", "diffusion"])
def test_few_greys_are_drawn_from_those_alone(tmp_path, dither):
    work = save_gif(
        [ramp_frame()], tmp_path / "a.gif", seconds_per_frame=1, total=1, greys=16, dither=dither
    )
    (frame,), _ = read(finish(work))
    assert set(np.unique(frame)) <= {17 * k for k in range(16)}
    error = frame[..., 0].astype(float) - np.asarray(ramp_frame())[..., 0]
    if dither == "none":
        assert np.abs(error).max() <= 9
        assert len(np.unique(frame, axis=1)[0]) == 16
    else:
        # On average over 16 x 16 pixels nothing is lost: that is what dithering is for.
        means = error[:, 16:240].reshape(6, 16, 14, 16).mean(axis=(1, 3))
        assert np.abs(means).max() < 1.5


def test_ordered_dither_stands_still(tmp_path):
    frames = [ramp_frame(), ramp_frame()]
    path = tmp_path / "a.gif"
    finish(save_gif(frames, path, seconds_per_frame=1, total=2, greys=8, dither="ordered"))
    one, other = read(path)[0]
    assert np.array_equal(one, other)


def test_pixels_that_stay_cost_next_to_nothing(tmp_path):
    rng = np.random.default_rng(3)
    still = rng.integers(0, 200, (128, 128), dtype=np.uint8)

    def frames(move):
        for k in range(12):
            grey = still.copy()
            if move:
                grey[0, 0] = grey[-1, -1] = k  # the rectangle that changes is all of it
            colour = np.repeat(grey[..., None], 3, axis=2)
            colour[5, 5] = (255, 0, 0)
            yield Image.fromarray(colour)

    sizes = []
    for move in (False, True):
        path = finish(save_gif(frames(move), tmp_path / "a.gif", seconds_per_frame=0.1, total=12))
        sizes.append(path.stat().st_size)
        for one, other in zip(read(path)[0], frames(move), strict=True):
            assert np.abs(one.astype(int) - np.asarray(other)).max() <= 1
    assert sizes[1] < 1.15 * sizes[0]


def test_a_comment_travels_in_the_file(tmp_path):
    text = "µ" * 400
    work = save_gif([ramp_frame()], tmp_path / "a.gif", seconds_per_frame=1, total=1, comment=text)
    with Image.open(finish(work)) as image:
        assert image.info["comment"].decode("utf-8") == text


def test_a_limit_is_not_passed(tmp_path):
    path = tmp_path / "a.gif"
    rng = np.random.default_rng(1)

    def frames():
        for _ in range(9):
            yield Image.fromarray(rng.integers(0, 256, (40, 40), dtype=np.uint8))

    with pytest.raises(Oversize) as error:
        finish(save_gif(frames(), path, seconds_per_frame=0.1, total=9, limit_bytes=8000))
    assert 2 < error.value.done < 6
    assert 8000 < error.value.size < 11_000
    assert not list(tmp_path.iterdir())

"""Films: what is written is read back with Pillow and PyAV; limits, order, motion."""

from __future__ import annotations

import tracemalloc

import av
import numpy as np
import pytest
from PIL import Image

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Progress, finish
from ctstudio.figures import video
from ctstudio.figures.film import Film, Quality, estimate_gif, save_film, still
from ctstudio.figures.motion import blend, cine_order, flicker, swipe


def picture(index, size=(96, 160)):
    """A smooth body that moves a little from frame to frame, under fine noise."""
    y, x = np.mgrid[: size[0], : size[1]]
    grey = 128 + 80 * np.sin((x + 3 * index) / 25) * np.cos((y - index) / 19)
    grey = grey + np.random.default_rng(index).normal(0, 5, size)
    return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).convert("RGB")


def film(count=12, **kwargs):
    return Film(still(picture), count, **kwargs)


def read_video(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        told = {
            "codec": stream.codec_context.name,
            "rate": stream.average_rate,
            "metadata": dict(container.metadata),
        }
        return [f.to_ndarray(format="rgb24") for f in container.decode(stream)], told


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_a_video_shows_the_frames(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    events = list(save_film(film(seconds_per_frame=0.1, comment='{"a": "µ"}'), path))
    assert [e for e in events if isinstance(e, Progress)] == [
        Progress(k, 12, suffix[1:].upper()) for k in range(1, 13)
    ]
    frames, told = read_video(path)
    assert len(frames) == 12
    assert told["rate"] == 10
    assert told["codec"] not in ("libx264", "libx265", "h264", "hevc")
    metadata = {key.lower(): value for key, value in told["metadata"].items()}
    assert metadata["comment"] == '{"a": "µ"}'
    for index, frame in enumerate(frames):
        wanted = np.asarray(picture(index)).astype(float)
        assert np.abs(frame - wanted).mean() < 6
        # Neither washed out nor darkened: the range of the greys is marked as it is.
        assert abs(frame.mean() - wanted.mean()) < 1.5


def test_odd_sizes_are_evened(tmp_path):
    small = Film(still(lambda k: picture(k, (67, 91))), 3)
    frames, _ = read_video(finish(save_film(small, tmp_path / "a.webm")))
    assert frames[0].shape == (68, 92, 3)


def test_no_gpl_codec_is_ever_chosen(monkeypatch):
    chosen = {name for names in video.ENCODERS.values() for name in names}
    assert not chosen & {"libx264", "libx264rgb", "libx265", "libxvid"}
    monkeypatch.setitem(video.ENCODERS, ".mp4", ("no such encoder",))
    with pytest.raises(StudioError, match="no encoder"):
        video.encoder_for(".mp4")


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
@pytest.mark.parametrize("part", [0.7, 0.4])
def test_a_limit_is_kept_by_making_it_smaller(tmp_path, suffix, part):
    path = tmp_path / f"a{suffix}"
    whole = finish(save_film(film(), path)).stat().st_size
    limit = int(part * whole)
    events = list(save_film(film(), path, Quality(limit_bytes=limit)))
    assert path.stat().st_size <= limit
    assert path.stat().st_size > 0.3 * limit  # no smaller than it must be
    assert any(isinstance(e, Note) and "of its size" in e.text for e in events)


@pytest.mark.parametrize("part", [0.3, 0.15])
def test_a_limit_is_made_use_of(tmp_path, part):
    """Noise takes less room than its share of the pixels once it is made smaller."""

    def noise(index):
        grey = 128 + np.random.default_rng(index).normal(0, 40, (200, 240))
        return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))

    path, noisy = tmp_path / "a.gif", Film(still(noise), 8)
    limit = int(part * finish(save_film(noisy, path)).stat().st_size)
    size = finish(save_film(noisy, path, Quality(limit_bytes=limit))).stat().st_size
    assert 0.88 * limit < size <= limit


def test_a_limit_that_is_large_enough_changes_nothing(tmp_path):
    one = finish(save_film(film(), tmp_path / "a.gif")).read_bytes()
    events = list(save_film(film(), tmp_path / "b.gif", Quality(limit_bytes=10**7)))
    assert (tmp_path / "b.gif").read_bytes() == one
    assert not [e for e in events if isinstance(e, Note)]


def test_an_impossible_limit_is_refused(tmp_path):
    with pytest.raises(StudioError, match=r"small enough for 0\.4 kB"):
        finish(save_film(film(), tmp_path / "a.gif", Quality(limit_bytes=400)))
    assert not list(tmp_path.iterdir())


def test_the_estimate_is_near_the_truth(tmp_path):
    for quality in (Quality(), Quality(greys=32, dither="ordered")):
        size = finish(save_film(film(40), tmp_path / "a.gif", quality)).stat().st_size
        assert estimate_gif(film(40), quality) == pytest.approx(size, rel=0.1)
    half = estimate_gif(film(40), Quality(), 0.5)
    assert half < 0.4 * estimate_gif(film(40))


def test_fewer_greys_make_smaller_files(tmp_path):
    sizes = [estimate_gif(film(), Quality(greys=greys)) for greys in (256, 64, 16)]
    assert sizes[0] > 1.2 * sizes[1] > 1.4 * sizes[2]


def test_memory_does_not_grow_with_the_frames(tmp_path):
    def peak(count, suffix):
        tracemalloc.start()
        finish(save_film(film(count), tmp_path / f"a{suffix}"))
        result = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return result

    for suffix in (".gif", ".webm"):
        peak(2, suffix)
        assert peak(50, suffix) < 1.2 * peak(5, suffix) + 100_000


@pytest.mark.parametrize("suffix", [".gif", ".webm", ".mp4"])
def test_a_cancel_leaves_the_old_file(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"old")
    work = save_film(film(), path)
    next(work)
    next(work)
    work.close()
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_other_endings_and_no_frames_are_refused(tmp_path):
    with pytest.raises(StudioError, match="what kind of film"):
        finish(save_film(film(), tmp_path / "a.avi"))
    for suffix in (".gif", ".webm"):
        with pytest.raises(StudioError, match="no frame"):
            finish(save_film(film(0), tmp_path / f"a{suffix}"))
    with pytest.raises(ValueError, match="2 to 256"):
        Quality(greys=1)


def test_cine_order():
    assert cine_order(2, 5) == [2, 3, 4, 5]
    assert cine_order(5, 2) == [5, 4, 3, 2]
    assert cine_order(0, 3, back=True) == [0, 1, 2, 3, 2, 1]
    assert cine_order(0, 6, step=3) == [0, 3, 6]
    assert cine_order(4, 4, back=True) == [4]


def flat(value):
    return still(lambda index: Image.new("RGB", (100, 20), (value,) * 3))


def test_flicker_shows_one_after_the_other():
    draw, count = flicker([flat(10), flat(200)])
    assert count == 2
    assert [draw(k, 1.0).getpixel((3, 3))[0] for k in range(3)] == [10, 200, 10]


def test_a_swipe_moves_the_curtain_there_and_back():
    draw, count = swipe(flat(10), flat(200), 10)
    assert count == 10
    shares = [(np.asarray(draw(k, 1.0))[..., 0] == 200).mean() for k in range(10)]
    assert shares[0] == 0
    assert shares[5] == 1
    assert shares[1:5] == pytest.approx(shares[:5:-1], abs=0.011)
    assert np.diff(shares[:6]) == pytest.approx([0.2] * 5, abs=0.03)
    # The second picture stands to the right, as its title does.
    assert [draw(2, 1.0).getpixel((x, 3))[0] for x in (5, 95)] == [10, 200]
    # The line between them is seen upon any grey.
    for grey in (0, 255):
        draw, _ = swipe(flat(grey), flat(grey), 10)
        line = np.asarray(draw(2, 1.0))[..., 0]
        assert {int(line.min()), int(line.max())} == {0, 255}
    draw, _ = swipe(flat(10), flat(200), 10, box=(0.5, 0.25, 0.7, 0.75))
    widest = np.asarray(draw(5, 1.0))[..., 0] == 200
    assert widest[5:15, 50:70].all()
    assert widest.sum() == 10 * 20


def test_a_blend_fades():
    draw, count = blend(flat(0), flat(100), 8)
    values = [draw(k, 1.0).getpixel((0, 0))[0] for k in range(count)]
    assert values[0] == 0
    assert values[4] == 100
    assert values[1:4] == values[:4:-1]

"""Encoders that take turns, and the planes that they get; read back with PyAV."""

import threading
import time

import av
import numpy as np
import pytest
from PIL import Image

from ctstudio.core.events import finish
from ctstudio.figures import turns, video
from ctstudio.figures.planes import to_yuv
from ctstudio.figures.turns import Turns
from ctstudio.figures.video import save_video


def picture(index, size=(72, 130)):
    y, x = np.mgrid[: size[0], : size[1]]
    grey = 128 + 80 * np.sin((x + 9 * index) / 25) * np.cos((y - 5 * index) / 19)
    return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))


@pytest.fixture
def short_runs(monkeypatch):
    monkeypatch.setattr(turns, "LONGEST_RUN", 4)
    monkeypatch.setattr(video.os, "cpu_count", lambda: 3)


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("film")]


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_the_film_of_several_encoders_is_one_film(tmp_path, suffix, short_runs):
    path = tmp_path / f"a{suffix}"
    frames = (picture(k) for k in range(30))
    events = list(save_video(frames, path, seconds_per_frame=0.1, total=30))
    assert [event.done for event in events] == list(range(1, 31))
    keys, shown, times = [], [], []
    with av.open(str(path)) as container:
        for frame in container.decode(container.streams.video[0]):
            keys.append(bool(frame.key_frame))
            times.append(frame.time)
            shown.append(frame.to_ndarray(format="gray").astype(float))
    assert len(shown) == 30
    assert [k for k, key in enumerate(keys) if key] == list(range(0, 30, 4))
    assert np.diff(times) == pytest.approx([0.1] * 29, abs=0.002)
    for index, frame in enumerate(shown):
        errors = [np.abs(frame - np.asarray(picture(k))).mean() for k in range(30)]
        assert int(np.argmin(errors)) == index
        assert errors[index] < 3
    assert not threads()


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_a_frame_that_fails_or_a_cancel_leaves_neither_file_nor_thread(
    tmp_path, suffix, short_runs
):
    def frames():
        for index in range(11):
            yield picture(index)
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        finish(save_video(frames(), tmp_path / f"a{suffix}", seconds_per_frame=0.1, total=20))
    work = save_video(map(picture, range(100)), tmp_path / f"a{suffix}",
                      seconds_per_frame=0.1, total=100)  # fmt: skip
    for _ in range(5):
        next(work)
    assert threads()
    work.close()
    assert not threads()
    assert not list(tmp_path.iterdir())


class Slow:
    """An encoder that takes its time, and may fail."""

    def __init__(self, fails_at=-1):
        self.fails_at, self.frames, self.busy = fails_at, [], False
        self.is_open = True

    def encode(self, frame):
        assert not self.busy
        self.busy = True
        time.sleep(0.001)
        self.busy = False
        if frame is None:
            self.is_open = False
            return []
        if frame.pts == self.fails_at:
            raise OSError("broken")
        self.frames.append((frame.pts, frame.pict_type))
        return [frame.pts]


@pytest.mark.parametrize("waiting", [turns.WAITING_BYTES, turns.WAITING_BYTES // 2])
def test_few_frames_wait_and_packets_come_in_order(waiting):
    contexts = [Slow(), Slow()]
    film = Turns(contexts, waiting // 10, 60, waiting)  # room for runs of five
    got, most = [], 0
    for index in range(60):
        got += [p for packets in film.add(to_yuv(picture(0, (8, 8)))) for p in packets]
        most = max(most, index + 1 - len(got))
    got += [p for packets in film.rest() for p in packets]
    film.close()
    assert got == list(range(60))
    assert 2 <= most <= 10
    key = av.video.frame.PictureType.I
    for number, context in enumerate(contexts):
        own = [k for k in range(60) if k // 5 % 2 == number]
        assert [pts for pts, _ in context.frames] == own
        assert [pts for pts, kind in context.frames if kind == key] == own[::5]


@pytest.mark.parametrize(
    ("total", "run"), [(60, 30), (96, 48), (100, 25), (7, 4), (1, 4), (0, 4), (300, 38)]
)
def test_runs_are_such_that_all_encoders_end_together(total, run):
    contexts = [Slow(), Slow()]
    film = Turns(contexts, 1, total)
    for _ in range(total):
        list(film.add(to_yuv(picture(0, (8, 8)))))
    list(film.rest())
    film.close()
    key = av.video.frame.PictureType.I
    begun = sorted(pts for one in contexts for pts, kind in one.frames if kind == key)
    assert begun == list(range(0, total, run))


def test_an_encoder_s_error_is_raised():
    contexts = [Slow(), Slow(fails_at=7)]
    film = Turns(contexts, turns.WAITING_BYTES // 10, 40)

    def write():
        for _ in range(40):
            list(film.add(to_yuv(picture(0, (8, 8)))))

    with pytest.raises(OSError, match="broken"):
        write()
    film.close()
    assert not threads()
    assert not any(context.is_open for context in contexts), "told of the end"


@pytest.mark.parametrize("size", [(40, 60), (33, 47)])
def test_planes_are_those_of_ffmpeg(size):
    rng = np.random.default_rng(1)
    smooth = Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8))
    frame = smooth.resize((size[1], size[0]), Image.Resampling.BICUBIC)
    own = to_yuv(frame).frame()
    even = np.pad(np.asarray(frame), ((0, size[0] % 2), (0, size[1] % 2), (0, 0)), "edge")
    theirs = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24").reformat(
        format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
    )
    assert (own.width, own.height) == (theirs.width, theirs.height)
    rows = own.height
    difference = np.abs(own.to_ndarray().astype(int) - theirs.to_ndarray())
    assert difference[:rows].max() <= 1
    assert difference[rows:].mean() < 1
    assert difference[rows:].max() <= 6


def test_planes_of_greys_are_the_equation_rounded():
    ramp = np.arange(256, dtype=np.uint8)[None].repeat(2, axis=0)
    wanted = np.floor(16 + ramp[0] * (219.0 / 255) + 0.5)
    for frame in (Image.fromarray(ramp), Image.fromarray(ramp).convert("RGB")):
        planes = to_yuv(frame).frame().to_ndarray()
        assert np.array_equal(planes[0], wanted)
        assert set(planes[2:].ravel().tolist()) == {128}

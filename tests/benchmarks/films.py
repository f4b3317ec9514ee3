"""A 300-frame GIF of three 512 x 512 panels against Pillow and ffmpeg, and the speed of films.

    python tests/benchmarks/films.py [FRAMES]

Prints seconds, bytes and PSNR of this program's GIF, of Pillow's defaults and of ffmpeg's
palettegen and paletteuse (where ffmpeg is installed) for the same frames. At equal PSNR: the file
with the fewest greys whose PSNR is still at least the rival's.
"""

from __future__ import annotations

import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from ctstudio.core.events import finish
from ctstudio.ct.phantom import thorax
from ctstudio.ct.window import Window
from ctstudio.figures.animation import save_gif
from ctstudio.figures.compose import compose
from ctstudio.figures.panel import Panel
from ctstudio.figures.video import save_video

os.environ["SVT_LOG"] = "1"
FRAMES = int(sys.argv[1]) if len(sys.argv) > 1 else 300
SECONDS = 0.1


class Panels:
    """Original, denoised and a third in a row, greys alone or with a coloured residual."""

    def __init__(self, coloured: bool) -> None:
        from scipy import ndimage

        self.coloured = coloured
        self.clean = thorax(12, 512).hu()
        rng = np.random.default_rng(5)
        noise = ndimage.gaussian_filter(rng.normal(0, 1, (600, 600)), 0.8)
        self.noise = (noise / noise.std() * 25).astype(np.float32)

    def __getitem__(self, index: int) -> Image.Image:
        clean = np.roll(self.clean[index % 12], index // 12, axis=1)
        y, x = (index * 7) % 80, (index * 13) % 80
        noise = self.noise[y : y + 512, x : x + 512]
        window = Window(40, 400)
        panels = [
            Panel(clean + noise, window, "Quarter dose", f"slice {index + 1}"),
            Panel(clean + 0.3 * noise, window, "Denoised", str(window)),
            Panel(-0.7 * noise, Window(0, 160), "Residual", colormap="diverging")
            if self.coloured
            else Panel(clean, window, "Full dose", str(window)),
        ]
        return compose(panels, columns=3, height_px=512)

    def __iter__(self) -> Iterator[Image.Image]:
        return (self[k] for k in range(FRAMES))


def read_gif(path: Path) -> Iterator[np.ndarray]:
    with Image.open(path) as image:
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            yield np.asarray(image.convert("RGB"))


def psnr(path: Path, source: Panels) -> float:
    errors = [
        float(np.mean((np.asarray(one, np.float32) - np.asarray(other)) ** 2))
        for one, other in zip(read_gif(path), source, strict=True)
    ]
    mean = float(np.mean(errors))
    return math.inf if mean == 0 else 10 * math.log10(255**2 / mean)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ours(source: Panels, path: Path, greys: int = 256) -> tuple[float, float]:
    begun, busy = time.perf_counter(), time.process_time()
    finish(save_gif(iter(source), path, seconds_per_frame=SECONDS, total=FRAMES, greys=greys))
    return time.perf_counter() - begun, time.process_time() - busy


def with_pillow(source: Panels, path: Path) -> float:
    begun = time.perf_counter()
    first, *others = list(source)
    first.save(path, save_all=True, append_images=others, duration=round(SECONDS * 1000), loop=0)
    return time.perf_counter() - begun


def with_ffmpeg(source: Panels, path: Path) -> float:
    """Frames go in as raw RGB; the time is that of its two passes."""
    raw = path.with_suffix(".rgb")
    with raw.open("wb") as stream:
        for frame in source:
            stream.write(frame.tobytes())
            size = frame.size
    begun = time.perf_counter()
    reading = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}"]
    reading += ["-r", str(round(1 / SECONDS)), "-i", str(raw)]
    filters = "split[a][b];[a]palettegen[p];[b][p]paletteuse"
    command = ["ffmpeg", "-v", "error", "-y", *reading, "-filter_complex", filters, str(path)]
    subprocess.run(command, check=True)
    raw.unlink()
    return time.perf_counter() - begun


def compare(coloured: bool, folder: Path) -> None:
    print(f"--- {FRAMES} frames, {'two grey, one coloured' if coloured else 'three grey'} panels")
    source = Panels(coloured)
    begun = time.perf_counter()
    for _ in source:
        pass
    print(f"drawing alone    {time.perf_counter() - begun:6.1f} s, {source[0].size} px")
    for greys in (256, 160, 96):
        path = folder / f"ours-{greys}.gif"
        seconds, busy = ours(source, path, greys)
        mb, quality = path.stat().st_size / 1e6, psnr(path, source)
        print(
            f"ours {greys:3d} greys   {seconds:6.1f} s ({busy:.1f} s of processor) "
            f"{mb:8.2f} MB {quality:6.2f} dB",
            flush=True,
        )
    print(f"peak memory so far {peak_mb():.0f} MB")
    for suffix in (".mp4", ".webm"):
        # A second of frames at a time, drawn beforehand: what counts is the writing.
        path, frames = folder / f"film{suffix}", [source[k] for k in range(min(FRAMES, 60))]
        begun, busy = time.perf_counter(), time.process_time()
        finish(save_video(frames, path, seconds_per_frame=SECONDS, total=len(frames)))
        seconds, busy = time.perf_counter() - begun, time.process_time() - busy
        print(
            f"{suffix:5s} {len(frames) / seconds:6.1f} frames/s "
            f"({1000 * busy / len(frames):.0f} ms of processor a frame) "
            f"{path.stat().st_size / 1e6:8.2f} MB",
            flush=True,
        )
        del frames
    for name, write in (("Pillow", with_pillow), ("ffmpeg", with_ffmpeg)):
        path = folder / f"{name}.gif"
        try:
            seconds = write(source, path)
        except FileNotFoundError:
            continue
        mb, quality = path.stat().st_size / 1e6, psnr(path, source)
        print(f"{name:15s}  {seconds:6.1f} s {mb:8.2f} MB {quality:6.2f} dB", flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        for coloured in (False, True):
            compare(coloured, Path(scratch))

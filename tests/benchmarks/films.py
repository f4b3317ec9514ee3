"""A 300-frame GIF of three 512 x 512 panels against Pillow and ffmpeg, and the speed of films.

    python tests/benchmarks/films.py [FRAMES]

Prints seconds, bytes and PSNR of this program's GIF, of Pillow's defaults and of ffmpeg's
palettegen and paletteuse (where ffmpeg is installed) for the same frames. At equal PSNR: the file
with the fewest greys whose PSNR is still at least the rival's.

Of MP4 and WebM: frames a second with and without the drawing, bytes, PSNR of what has no hue. The
most memory that a process takes for 60 frames and for all of them. With CTSTUDIO_TEST_DATA set
also films of a real CT.
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
from typing import Protocol

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
SECONDS = 0.1


class Frames(Protocol):
    """Frames by their number."""

    def __getitem__(self, index: int) -> Image.Image: ...


class Panels:
    """Original, denoised and a third in a row, greys alone or with a coloured residual."""

    def __init__(self, coloured: bool, count: int) -> None:
        self.count = count
        from scipy import ndimage

        self.coloured = coloured
        self.clean = thorax(12, 512).hu()
        rng = np.random.default_rng(5)
        noise = ndimage.gaussian_filter(rng.normal(0, 1, (600, 600)), 0.8)
        self.noise = (noise / noise.std() * 25).astype(np.float32)

    def values(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """HU of the clean picture, and of the noise."""
        clean = np.roll(self.clean[index % 12], index // 12, axis=1)
        y, x = (index * 7) % 80, (index * 13) % 80
        return clean, self.noise[y : y + 512, x : x + 512]

    def __getitem__(self, index: int) -> Image.Image:
        clean, noise = self.values(index)
        window = Window(40, 400)
        panels = [
            Panel(clean + noise, window, "Quarter dose", f"slice {index + 1}"),
            Panel(clean + 0.3 * noise, window, "Denoised", str(window)),
            Panel(-0.7 * noise, Window(0, 160), "Residual", colormap="diverging")
            if self.coloured
            else Panel(clean, window, "Full dose", str(window)),
        ]
        return compose(panels, columns=3, height_px=512, lean=True)

    def __iter__(self) -> Iterator[Image.Image]:
        return (self[k] for k in range(self.count))


class Bare:
    """The pictures of three grey panels alone, 1536 x 512 px: what frame and words add is seen."""

    def __init__(self, count: int) -> None:
        self._panels = Panels(False, count)

    def __getitem__(self, index: int) -> Image.Image:
        clean, noise = self._panels.values(index)
        window = Window(40, 400)
        shown = (clean + noise, clean + 0.3 * noise, clean)
        return Image.fromarray(np.hstack([window.to_uint8(hu) for hu in shown]))


class Real:
    """A real CT as two kernels made it, the sharp one in two windows."""

    def __init__(self, data: Path) -> None:
        from ctstudio.dicom.scan import scan
        from ctstudio.workflows.open import read

        names = ("lungdx_A0002_B70f_sharp", "lungdx_A0002_B40f_smooth")
        self.sharp, self.smooth = (finish(read(finish(scan([data / n])).series[0])) for n in names)

    def __getitem__(self, index: int) -> Image.Image:
        number, lung, soft = index % len(self.sharp), Window(-600, 1500), Window(50, 350)
        sharp, smooth = (stack.slice_hu(number) for stack in (self.sharp, self.smooth))
        panels = [
            Panel(sharp, lung, "Sharp", f"slice {number + 1}"),
            Panel(sharp, soft, "Sharp", str(soft)),
            Panel(smooth, soft, "Smooth", str(soft)),
        ]
        return compose(panels, columns=3, height_px=512, lean=True)


def read_gif(path: Path) -> Iterator[np.ndarray]:
    with Image.open(path) as image:
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            yield np.asarray(image.convert("RGB"))


def psnr(path: Path, source: Panels) -> float:
    errors = [
        float(np.mean((np.asarray(one, np.float32) - np.asarray(other.convert("RGB"))) ** 2))
        for one, other in zip(read_gif(path), source, strict=True)
    ]
    mean = float(np.mean(errors))
    return math.inf if mean == 0 else 10 * math.log10(255**2 / mean)


def film_psnr(path: Path, frames: list[Image.Image]) -> float:
    """PSNR of the brightness of what has no hue, as a player decodes it."""
    import av

    errors = []
    with av.open(str(path)) as container:
        for one, other in zip(container.decode(video=0), frames, strict=True):
            wanted = np.asarray(other.convert("RGB")).astype(np.float32)
            rows, columns = wanted.shape[:2]
            shown = one.to_ndarray(format="rgb24")[:rows, :columns]
            error = np.mean((shown - wanted) ** 2, axis=2)
            errors.append(float(error[np.ptp(wanted, axis=2) == 0].mean()))
    return 10 * math.log10(255**2 / float(np.mean(errors)))


def peak(suffix: str, coloured: bool, count: int) -> None:
    """Print the most memory this process took for one film."""
    source = Panels(coloured, count)
    path = Path(tempfile.gettempdir()) / f"peak-{os.getpid()}{suffix}"
    write = save_gif if suffix == ".gif" else save_video
    finish(write(iter(source), path, seconds_per_frame=SECONDS, total=count))
    path.unlink()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def peaks(count: int) -> None:
    """Each film in a process of its own."""
    for suffix in (".gif", ".mp4", ".webm"):
        for coloured in (False, True):
            took = []
            for number in (60, count):
                words = [sys.executable, __file__, "peak", suffix, str(int(coloured)), str(number)]
                took.append(float(subprocess.run(words, capture_output=True, check=True).stdout))
            print(
                f"peak memory {suffix:5s} {'coloured' if coloured else 'grey':8s} "
                f"60 frames {took[0]:4.0f} MB, {count} frames {took[1]:4.0f} MB",
                flush=True,
            )


def films(source: Frames, count: int, folder: Path) -> None:
    """Speed and truth of MP4 and WebM, drawn beforehand and drawn as they are written."""
    drawn = [source[k] for k in range(count)]
    for suffix in (".mp4", ".webm"):
        path, told = folder / f"film{suffix}", []
        for frames in (drawn, (source[k] for k in range(count))):
            begun, busy = time.perf_counter(), time.process_time()
            finish(save_video(frames, path, seconds_per_frame=SECONDS, total=count))
            seconds, busy = time.perf_counter() - begun, time.process_time() - busy
            told.append(f"{count / seconds:5.1f} frames/s ({1000 * busy / count:.0f} ms busy)")
        print(
            f"{suffix:5s} {told[0]}, with the drawing {told[1]} "
            f"{path.stat().st_size / 1e6:8.2f} MB {film_psnr(path, drawn):6.2f} dB",
            flush=True,
        )


def ours(source: Panels, path: Path, greys: int = 256) -> tuple[float, float]:
    begun, busy = time.perf_counter(), time.process_time()
    finish(save_gif(iter(source), path, seconds_per_frame=SECONDS, total=source.count, greys=greys))
    return time.perf_counter() - begun, time.process_time() - busy


def with_pillow(source: Panels, path: Path) -> float:
    begun = time.perf_counter()
    first, *others = [frame.convert("RGB") for frame in source]
    first.save(path, save_all=True, append_images=others, duration=round(SECONDS * 1000), loop=0)
    return time.perf_counter() - begun


def with_ffmpeg(source: Panels, path: Path) -> float:
    """Frames go in as raw RGB; the time is that of its two passes."""
    raw = path.with_suffix(".rgb")
    with raw.open("wb") as stream:
        for frame in source:
            stream.write(frame.convert("RGB").tobytes())
            size = frame.size
    begun = time.perf_counter()
    reading = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}"]
    reading += ["-r", str(round(1 / SECONDS)), "-i", str(raw)]
    filters = "split[a][b];[a]palettegen[p];[b][p]paletteuse"
    command = ["ffmpeg", "-v", "error", "-y", *reading, "-filter_complex", filters, str(path)]
    subprocess.run(command, check=True)
    raw.unlink()
    return time.perf_counter() - begun


def compare(coloured: bool, count: int, folder: Path) -> None:
    print(f"--- {count} frames, {'two grey, one coloured' if coloured else 'three grey'} panels")
    source = Panels(coloured, count)
    size = source[0].size
    begun = time.perf_counter()
    for _ in source:
        pass
    each = 1000 * (time.perf_counter() - begun) / count
    print(f"drawing alone    {each:6.1f} ms a frame, {size} px")
    for greys in (256, 160, 96):
        path = folder / f"ours-{greys}.gif"
        seconds, busy = ours(source, path, greys)
        mb, quality = path.stat().st_size / 1e6, psnr(path, source)
        print(
            f"ours {greys:3d} greys   {seconds:6.1f} s ({busy:.1f} s of processor) "
            f"{mb:8.2f} MB {quality:6.2f} dB",
            flush=True,
        )
    films(source, min(count, 120), folder)
    for name, write in (("Pillow", with_pillow), ("ffmpeg", with_ffmpeg)):
        path = folder / f"{name}.gif"
        try:
            seconds = write(source, path)
        except FileNotFoundError:
            continue
        mb, quality = path.stat().st_size / 1e6, psnr(path, source)
        print(f"{name:15s}  {seconds:6.1f} s {mb:8.2f} MB {quality:6.2f} dB", flush=True)


def main() -> None:
    if sys.argv[1:2] == ["peak"]:
        peak(sys.argv[2], sys.argv[3] == "1", int(sys.argv[4]))
        return
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    print(f"load average {os.getloadavg()[0]:.1f} at the start")
    peaks(count)
    with tempfile.TemporaryDirectory() as scratch:
        for coloured in (False, True):
            compare(coloured, count, Path(scratch))
        print("--- three grey pictures without titles and margins")
        films(Bare(120), min(count, 120), Path(scratch))
        if data := os.environ.get("CTSTUDIO_TEST_DATA"):
            print("--- a real CT, sharp and smooth kernel")
            films(Real(Path(data)), 60, Path(scratch))
    print(f"load average {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()

"""Frames to MP4 and WebM through PyAV, with codecs that are free to use.

PyAV's wheels may carry x264 and x265 (GPL): neither is ever chosen. Frames go to the encoder one
by one, so memory does not grow with their number.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ctstudio import __version__
from ctstudio.core.atomic import atomic_file
from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress, Work
from ctstudio.figures.animation import Oversize

ENCODERS: dict[str, tuple[str, ...]] = {
    ".mp4": ("libopenh264", "libsvtav1", "libaom-av1", "libvpx-vp9"),
    ".webm": ("libvpx-vp9", "libsvtav1", "libaom-av1"),
}
"""By the file's ending, the best first."""

OPTIONS: dict[str, dict[str, str]] = {
    "libopenh264": {"rc_mode": "quality", "allow_skip_frames": "0"},
    # Of low delay: twice as true to fine noise as the other presets that are as fast.
    "libsvtav1": {"preset": "13", "crf": "24", "svtav1-params": "rtc=1:pred-struct=1:scd=0"},
    "libaom-av1": {"crf": "22", "cpu-used": "8", "usage": "realtime", "row-mt": "1"},
    "libvpx-vp9": {
        "crf": "22", "b": "0", "deadline": "realtime", "cpu-used": "8", "row-mt": "1",
        "tile-columns": "2",
    },
}  # fmt: skip
BITS_PER_PIXEL = 0.25  # of the encoders that know no constant quality


_preferred: list[str] = []


def prefer(encoder: str) -> None:
    """Write films with ``encoder`` from now on where it suits the ending; "" for the best."""
    _preferred[:] = [encoder] if encoder else []


def encoders() -> tuple[str, ...]:
    """The encoders that are there, of all endings."""
    from av import codecs_available

    names = dict.fromkeys(name for suited in ENCODERS.values() for name in suited)
    return tuple(name for name in names if name in codecs_available)


def encoder_for(suffix: str) -> str:
    """The encoder that writes files of this ending here.

    Raises
    ------
    StudioError
        Where the installed PyAV has none of those that are free.
    """
    from av.codec import Codec
    from av.codec.codec import UnknownCodecError

    suited = ENCODERS[suffix]
    for name in (*(name for name in _preferred if name in suited), *suited):
        try:
            Codec(name, "w")
        except UnknownCodecError:
            continue
        return name
    raise StudioError(
        f"There is no encoder for {suffix} files here.",
        hint="Save a GIF, or install PyAV from the package index.",
        details=f"Looked for {', '.join(ENCODERS[suffix])}.",
    )


def save_video(
    frames: Iterable[Image.Image],
    path: str | os.PathLike[str],
    *,
    seconds_per_frame: float,
    total: int,
    comment: str = "",
    limit_bytes: int | None = None,
) -> Work[Path]:
    """Write ``frames`` (RGB, one size) to MP4 or WebM; yield Progress for each.

    An odd last row or column is doubled, since the codecs halve the resolution of colour. The
    parameters, the result and the errors are those of `ctstudio.figures.animation.save_gif`.

    Raises
    ------
    StudioError
        Also where the installed PyAV has no free encoder for the file's kind.
    """
    os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder tells all of its settings otherwise
    import av

    target = Path(path)
    suffix = target.suffix.lower()
    codec = encoder_for(suffix)
    rate = Fraction(1 / max(seconds_per_frame, 0.01)).limit_denominator(100)
    container: Any = None
    stream: Any = None
    size = (0, 0)
    with atomic_file(target) as temporary:
        try:
            for done, frame in enumerate(frames, start=1):
                rgb = np.asarray(frame.convert("RGB"))
                if container is None:
                    size = frame.size
                    container = av.open(str(temporary), "w", format=suffix[1:])
                    container.metadata["encoder"] = f"CT Studio {__version__}"
                    if comment:
                        container.metadata["comment"] = comment
                    stream = container.add_stream(codec, rate=rate, options=OPTIONS[codec])
                    _describe(stream, size, codec, rate)
                elif frame.size != size:
                    raise ValueError(
                        f"frame {done - 1} is {frame.size[0]} x {frame.size[1]} px, the first is "
                        f"{size[0]} x {size[1]}"
                    )
                odd = ((0, rgb.shape[0] % 2), (0, rgb.shape[1] % 2), (0, 0))
                even = np.pad(rgb, odd, "edge") if frame.width % 2 or frame.height % 2 else rgb
                picture = av.VideoFrame.from_ndarray(even, format="rgb24")
                picture = picture.reformat(
                    format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
                )
                for packet in stream.encode(picture):
                    container.mux(packet)
                _check(temporary, limit_bytes, done)
                yield Progress(done, total, suffix[1:].upper())
            if container is None:
                raise StudioError(
                    f"Cannot write {target}: there is no frame.",
                    hint="Choose at least one slice or preview.",
                    path=target,
                )
            for packet in stream.encode(None):
                container.mux(packet)
        finally:
            if container is not None:
                container.close()
        _check(temporary, limit_bytes, done)
    return target


def _check(file: Path, limit_bytes: int | None, done: int) -> None:
    if limit_bytes is not None and (size := file.stat().st_size) > limit_bytes:
        raise Oversize(done, size)


def _describe(stream: Any, size: tuple[int, int], codec: str, rate: Fraction) -> None:
    stream.width, stream.height = (length + length % 2 for length in size)
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.thread_count = min(os.cpu_count() or 1, 8)
    # BT.709 within 16 to 235: what every player takes a film for that says nothing.
    context.color_range, context.colorspace = 1, 1
    context.color_primaries, context.color_trc = 1, 1
    if "crf" not in OPTIONS[codec]:
        stream.bit_rate = int(BITS_PER_PIXEL * stream.width * stream.height * float(rate))

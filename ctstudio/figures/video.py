"""Frames to MP4 and WebM through PyAV, with codecs that are free to use.

PyAV's wheels may carry x264 and x265 (GPL): neither is ever chosen. A few frames wait for the
encoders at most, so memory does not grow with their number.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image

from ctstudio import __version__
from ctstudio.core.atomic import atomic_file
from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress, Work
from ctstudio.figures.animation import Oversize
from ctstudio.figures.planes import to_yuv
from ctstudio.figures.turns import WAITING_BYTES, Turns

ENCODERS: dict[str, tuple[str, ...]] = {
    ".mp4": ("libopenh264", "libsvtav1", "libaom-av1", "libvpx-vp9"),
    ".webm": ("libvpx-vp9", "libsvtav1", "libaom-av1"),
}
"""By the file's ending, the best first."""

OPTIONS: dict[str, dict[str, str]] = {
    "libopenh264": {"rc_mode": "quality", "allow_skip_frames": "0"},
    # Of low delay: twice as true to fine noise as the other presets that are as fast. One thread
    # each: an encoder that answers every frame at once gains little by more. Its filters against
    # blocks cost a tenth of the time and find none at this quality: 0.1 dB on scans.
    "libsvtav1": {
        "preset": "13", "crf": "26", "g": "9999",
        "svtav1-params": "rtc=1:pred-struct=1:scd=0:lp=1:enable-dlf=0:enable-cdef=0:"
        "enable-restoration=0",
    },
    "libaom-av1": {"crf": "22", "cpu-used": "8", "usage": "realtime", "row-mt": "1"},
    "libvpx-vp9": {
        "crf": "24", "b": "0", "deadline": "realtime", "cpu-used": "8", "g": "9999",
        "lag-in-frames": "0", "auto-alt-ref": "0",
    },
}  # fmt: skip
AT_ONCE = ("libsvtav1", "libvpx-vp9")
"""With these options they answer every frame with its packet, so that several can take turns."""
WAITING = {"libvpx-vp9": 64_000_000}
"""Bytes of frames that may wait, where it is fewer: this encoder is slow, and they pile up."""
MOST_ENCODERS = 3
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
    """Write ``frames`` (RGB or L, one size) to MP4 or WebM; yield Progress for each.

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
    encoders: Turns | None = None
    size, written = (0, 0), 0
    with atomic_file(target) as temporary:
        try:
            for number, frame in enumerate(frames):
                if encoders is None:
                    size = frame.size
                    container = av.open(str(temporary), "w", format=suffix[1:])
                    container.metadata["encoder"] = f"CT Studio {__version__}"
                    if comment:
                        container.metadata["comment"] = comment
                    stream = container.add_stream(codec, rate=rate, options=OPTIONS[codec])
                    alike = _alike(stream.codec_context, size, codec, rate)
                    waiting = WAITING.get(codec, WAITING_BYTES)
                    encoders = Turns(alike, _bytes(size), total, waiting)
                elif frame.size != size:
                    raise ValueError(
                        f"frame {number} is {frame.size[0]} x {frame.size[1]} px, the first is "
                        f"{size[0]} x {size[1]}"
                    )
                plain = frame if frame.mode in ("L", "RGB") else frame.convert("RGB")
                for packets in encoders.add(to_yuv(plain)):
                    _mux(container, stream, packets)
                    written += 1
                    _check(temporary, limit_bytes, written)
                    yield Progress(written, total, suffix[1:].upper())
            if encoders is None:
                raise StudioError(
                    f"Cannot write {target}: there is no frame.",
                    hint="Choose at least one slice or preview.",
                    path=target,
                )
            for packets in encoders.rest():
                _mux(container, stream, packets)
                if written < encoders.given:
                    written += 1
                    _check(temporary, limit_bytes, written)
                    yield Progress(written, total, suffix[1:].upper())
        finally:
            if encoders is not None:
                encoders.close()
            if container is not None:
                container.close()
        _check(temporary, limit_bytes, written)
    return target


def _mux(container: Any, stream: Any, packets: list[Any]) -> None:
    for packet in packets:
        packet.stream = stream
        container.mux(packet)


def _check(file: Path, limit_bytes: int | None, done: int) -> None:
    if limit_bytes is not None and (size := file.stat().st_size) > limit_bytes:
        raise Oversize(done, size)


def _bytes(size: tuple[int, int]) -> int:
    """What a frame takes with its colours at half the resolution."""
    return size[0] * size[1] * 3 // 2


def _alike(first: Any, size: tuple[int, int], codec: str, rate: Fraction) -> list[Any]:
    """The encoder ``first``, and as many like it as there are cores for."""
    from av import CodecContext

    count = min(os.cpu_count() or 1, MOST_ENCODERS) if codec in AT_ONCE else 1
    contexts = [first]
    for _ in range(count - 1):
        other = CodecContext.create(codec, "w")
        other.options, other.flags = OPTIONS[codec], first.flags
        contexts.append(other)
    for context in contexts:
        context.width, context.height = (length + length % 2 for length in size)
        context.pix_fmt = "yuv420p"
        context.framerate, context.time_base = rate, 1 / rate
        context.thread_count = 1 if codec in AT_ONCE else min(os.cpu_count() or 1, 8)
        # BT.709 within 16 to 235: what every player takes a film for that says nothing.
        context.color_range, context.colorspace = 1, 1
        context.color_primaries, context.color_trc = 1, 1
        if "crf" not in OPTIONS[codec]:
            context.bit_rate = int(BITS_PER_PIXEL * context.width * context.height * float(rate))
    return contexts

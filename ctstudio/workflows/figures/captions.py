"""The numbers that stand below pictures, in words: metrics with their protocol, windows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ctstudio.ct.metrics import PROTOCOLS, SSIM_WINDOW_PX, Protocol
from ctstudio.ct.window import Window
from ctstudio.figures.panel import Panel
from ctstudio.figures.plot import Plot

FIXED = "\N{NO-BREAK SPACE}"
"""Between a number, its name and its unit: no line ends there."""
MINUS, TIMES = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"
INFINITE = "\N{INFINITY}"
UNSEEN = 0.1
"""Of a window, the part on either side that a protocol may leave out and nothing is said."""


def metric_words(found: Mapping[str, float], protocol: str, against: str) -> str:
    """ "PSNR 33.1 dB, SSIM 0.91, RMSE 9.4 HU", and below it "(protocol A, against reference)"."""
    parts = []
    for key, name, digits, unit in (
        ("psnr", "PSNR", 2, " dB"), ("ssim", "SSIM", 3, ""), ("rmse", "RMSE", 1, " HU"),
    ):  # fmt: skip
        value = found.get(key, math.nan)
        if math.isfinite(value):
            parts.append(f"{name}{FIXED}{value:.{digits}f}{unit.replace(' ', FIXED)}")
        elif math.isinf(value):  # equal within what the protocol looks at
            parts.append(f"{name}{FIXED}{INFINITE}{unit.replace(' ', FIXED)}")
    if not parts:
        return ""
    # On a line of its own, so that the lines of neighbours stand side by side.
    return f"{', '.join(parts)}\n(protocol{FIXED}{protocol}{against})"


def protocol_notes(contents: Sequence[Panel | Plot]) -> list[str]:
    """What the protocols are that stand below pictures, and above curves."""
    notes = []
    for name in PROTOCOLS:
        words = f"protocol {name}"
        told = [c for c in contents if words in (c.caption + c.title).replace(FIXED, " ")]
        windows = [c.window for c in told if isinstance(c, Panel) and c.unit == "HU"]
        notes += [footnote(name, windows)] * bool(told)
    return notes


def footnote(protocol: str, windows: Sequence[Window] = ()) -> str:
    """What a protocol is, for whoever reads the figure without this program.

    ``windows`` are those of the pictures that were measured: where they show much that the protocol
    clips, such as the lungs under A, that is said.
    """
    rule = PROTOCOLS[protocol]
    clip = "HU not clipped"
    if rule.clip_hu is not None:
        low, high = (f"{bound:g}".replace("-", MINUS) for bound in rule.clip_hu)
        clip = f"HU clipped to [{low}, {high}]"
    return (
        f"Protocol{FIXED}{protocol}: of the whole slice, {clip}, data range "
        f"{rule.data_range_hu:g}{FIXED}HU; SSIM in Gaussian windows of {SSIM_WINDOW_PX}{FIXED}"
        f"{TIMES}{FIXED}{SSIM_WINDOW_PX}{FIXED}pixels.{_unseen(rule, windows)}"
    )


def _unseen(rule: Protocol, windows: Sequence[Window]) -> str:
    """A sentence on what pictures show and their numbers do not count, or ""."""
    if rule.clip_hu is None:
        return ""
    low, high = rule.clip_hu
    below = any(low - w.lower > UNSEEN * w.width_hu for w in windows)
    above = any(w.upper - high > UNSEEN * w.width_hu for w in windows)
    parts = [f"below {low:g}"] * below + [f"above {high:g}"] * above
    if not parts:
        return ""
    words = " and ".join(parts).replace("-", MINUS)
    return f" What differs {words}{FIXED}HU is seen here, but does not count."


def window_words(window: Window, unit: str, *, signed: bool) -> str:
    """Width and centre, or what is shown on either side of zero."""
    if signed:
        return f"±{FIXED}{window.width_hu / 2:g}{FIXED}{unit}".strip()
    # Broken between width and centre alone.
    width, centre = (words.replace(" ", FIXED) for words in str(window).split(" / "))
    return f"{width}{FIXED}/ {centre}{FIXED}{unit}".strip().replace("-", MINUS)

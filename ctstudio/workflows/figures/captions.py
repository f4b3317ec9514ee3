"""The numbers that stand below pictures, in words: metrics with their protocol, windows."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ctstudio.ct.metrics import PROTOCOLS, SSIM_WINDOW_PX
from ctstudio.ct.window import Window

FIXED = "\N{NO-BREAK SPACE}"
"""Between a number, its name and its unit: no line ends there."""
MINUS, TIMES = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"


def metric_words(found: Mapping[str, float], protocol: str, against: str) -> str:
    """ "PSNR 33.1 dB, SSIM 0.91, RMSE 9.4 HU", and below it "(protocol A, against reference)"."""
    parts = []
    for key, name, digits, unit in (
        ("psnr", "PSNR", 2, " dB"), ("ssim", "SSIM", 3, ""), ("rmse", "RMSE", 1, " HU"),
    ):  # fmt: skip
        value = found.get(key, math.nan)
        if math.isfinite(value):
            parts.append(f"{name}{FIXED}{value:.{digits}f}{unit.replace(' ', FIXED)}")
    if not parts:
        return "equal to it" if math.isinf(found.get("psnr", 0.0)) else ""
    # On a line of its own, so that the lines of neighbours stand side by side.
    return f"{', '.join(parts)}\n(protocol{FIXED}{protocol}{against})"


def footnote(protocol: str) -> str:
    """What a protocol is, for whoever reads the figure without this program."""
    rule = PROTOCOLS[protocol]
    clip = "HU not clipped"
    if rule.clip_hu is not None:
        low, high = (f"{bound:g}".replace("-", MINUS) for bound in rule.clip_hu)
        clip = f"HU clipped to [{low}, {high}]"
    return (
        f"Protocol{FIXED}{protocol}: of the whole slice, {clip}, data range "
        f"{rule.data_range_hu:g}{FIXED}HU; SSIM in Gaussian windows of {SSIM_WINDOW_PX}{FIXED}"
        f"{TIMES}{FIXED}{SSIM_WINDOW_PX}{FIXED}pixels."
    )


def window_words(window: Window, unit: str, *, signed: bool) -> str:
    """Width and centre, or what is shown on either side of zero."""
    if signed:
        return f"±{FIXED}{window.width_hu / 2:g}{FIXED}{unit}".strip()
    # Broken between width and centre alone.
    width, centre = (words.replace(" ", FIXED) for words in str(window).split(" / "))
    return f"{width}{FIXED}/ {centre}{FIXED}{unit}".strip().replace("-", MINUS)

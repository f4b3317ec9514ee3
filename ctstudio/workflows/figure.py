"""How a picture of a series is scaled: windows by name, one scale for all residuals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.errors import StudioError
from ctstudio.ct.window import PRESETS, Window, finite_values

RESIDUAL_LIMITS_HU = (10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000)
WIDEST_HU = 1e6


def parse_window(text: str) -> Window:
    """A preset's name ("lung", "Bone") or width/centre in HU ("400/40").

    Raises
    ------
    StudioError
        For anything else.
    """
    for name, window in PRESETS.items():
        if name.lower() == text.strip().lower():
            return window
    width, slash, centre = text.partition("/")
    try:
        if slash and abs(float(centre)) <= WIDEST_HU and 1e-3 <= float(width) <= WIDEST_HU:
            return Window(float(centre), float(width))
    except ValueError:
        pass
    raise StudioError(
        f"There is no window {text!r}.",
        hint=f"Give {', '.join(PRESETS)}, or width/centre in HU, for example 400/40.",
    )


def residual_limit(residuals: Sequence[NDArray[np.float32]]) -> float:
    """A round number of HU that holds 99.5 % of each residual ``(y, x)``: one scale for all."""
    known = (np.abs(finite_values(residual)) for residual in residuals)
    extent = max((float(np.percentile(each, 99.5)) for each in known), default=0.0)
    return float(next((k for k in RESIDUAL_LIMITS_HU if k >= extent), RESIDUAL_LIMITS_HU[-1]))

"""An evaluation as a picture: one slice, and what every method made of it."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from ctstudio.ct.window import PRESETS, Window
from ctstudio.figures.compose import compose
from ctstudio.figures.panel import Panel
from ctstudio.workflows.evaluation.cases import Case
from ctstudio.workflows.evaluation.contest import Entry
from ctstudio.workflows.evaluation.measure import mean
from ctstudio.workflows.evaluation.table import number
from ctstudio.workflows.figure import residual_limit

MOST_PANELS = 6  # in a row
LUNG = PRESETS["Lung"]


def draw(case: Case, entries: Sequence[Entry], window: Window | None = None) -> Image.Image:
    """The middle one of the slices: above the truth and the versions of it, below what each of
    them is off by.

    ``entries`` are those of the case. Blended ones are not shown, nor more than `MOST_PANELS` - 1.
    """
    window = window or PRESETS["Abdomen"]
    middle = len(case.slices) // 2
    one = case.slices[middle]
    shown = [entry for entry in entries if entry.share == 1][: MOST_PANELS - 1]
    first = next(iter(shown[0].rows[0]))
    kind, _, protocol = first.partition(" ")
    panels = [
        Panel(one.truth, window, "Truth", f"slice {one.index + 1}", spacing_mm=case.spacing_mm)
    ]
    residuals = [entry.images[middle] - one.truth for entry in shown]
    limit = residual_limit(residuals)
    for entry in shown:
        got = mean([row[first] for row in entry.rows])
        caption = f"{kind.upper()} {number(first, entry.rows[middle][first])} dB ({protocol})"
        caption += f"\nall {len(case.slices)} slices: {number(first, got.value)} dB"
        panels.append(
            Panel(entry.images[middle], window, entry.method, caption, spacing_mm=case.spacing_mm)
        )
    scale = Window(0.0, 2 * limit)
    panels.append(Panel(one.truth, LUNG, "Truth, lung window", spacing_mm=case.spacing_mm))
    for entry, residual in zip(shown, residuals, strict=True):
        panels.append(
            Panel(
                residual,
                scale,
                f"{entry.method} - truth",
                spacing_mm=case.spacing_mm,
                colormap="diverging",
            )
        )
    return compose(panels, columns=len(shown) + 1, title=case.name, footer=f"Noise: {case.noise}")

"""The articles' figure of a segmentation: five panels, always in the same order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctstudio.ct.label_pictures import paint
from ctstudio.ct.labels import Label
from ctstudio.ct.window import Window
from ctstudio.figures.panel import Panel

TITLES = ("Original", "True mask", "Generated mask", "True, over original",
          "Generated, over original")  # fmt: skip
"""Their order: J. D. Seo 2018, "Medical Image Segmentation, Part 2"."""

OPACITY = 0.45


@dataclass(frozen=True, eq=False)
class Segmented:
    """One image ``(y, x)``, its true labels and those that were found, -1 where not annotated.

    ``inside`` from 0 to 1 is how likely each pixel is of any label; where it is given, and there is
    one label alone, it is shown as the generated mask.
    """

    image: NDArray[np.float32]
    truth: NDArray[Any]
    found: NDArray[Any]
    inside: NDArray[np.float32] | None = None


def five_panels(
    shown: Segmented,
    window: Window,
    *,
    labels: Sequence[Label] = (),
    caption: str = "",
    score: str = "",
    unit: str = "HU",
    spacing_mm: tuple[float, float] | None = None,
    letters: tuple[str, str, str, str] = ("", "", "", ""),
) -> list[Panel]:
    """Original, true mask, generated mask, and the two masks over the original.

    Parameters
    ----------
    labels
        Names and colours. A mask of one label is white on black by itself, one of several has
        their colours.
    caption, score
        What stands below the original, and below the generated mask.
    """
    several = max(int(np.max(shown.truth)), int(np.max(shown.found))) > 1
    black_and_white = Window(0.5, 1.0)

    def mask(numbers: NDArray[Any], likely: NDArray[np.float32] | None) -> dict[str, Any]:
        if several:
            flat = np.zeros(shown.image.shape, np.float32)
            return {"image": flat, "overlay": paint(numbers, labels, opacity=1.0)}
        grey = np.asarray(numbers > 0, np.float32) if likely is None else likely
        return {"image": grey}

    def over(numbers: NDArray[Any]) -> dict[str, Any]:
        return {"image": shown.image, "overlay": paint(numbers, labels, opacity=OPACITY)}

    contents = (
        ({"image": shown.image}, window, caption, unit),
        (mask(shown.truth, None), black_and_white, "", ""),
        (mask(shown.found, shown.inside), black_and_white, score, ""),
        (over(shown.truth), window, "", unit),
        (over(shown.found), window, "", unit),
    )
    return [
        Panel(
            window=scale,
            title=title,
            caption=words,
            unit=of,
            spacing_mm=spacing_mm,
            letters=letters,
            **what,
        )
        for title, (what, scale, words, of) in zip(TITLES, contents, strict=True)
    ]

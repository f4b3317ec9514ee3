"""The articles' five panels of masks: a picture of one slice, or a film over slices or steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ctstudio.core.events import Progress, Work
from ctstudio.ct.labels import Label
from ctstudio.ct.overlap import dice
from ctstudio.ct.views import SliceStack
from ctstudio.ct.volume import Geometry
from ctstudio.ct.window import Window

if TYPE_CHECKING:
    from PIL import Image

    from ctstudio.figures.five_panels import Segmented
    from ctstudio.figures.panel import Panel

FILM_PX = 240
SECONDS = 0.25
KINDS = "PNG (*.png);;GIF (*.gif);;MP4 (*.mp4)"
"""What can be written; the film runs over all that is given."""


@dataclass(frozen=True, eq=False)
class MasksShown:
    """What the panels show: slices to be fetched when they are drawn, in the order of a film."""

    count: int
    fetch: Callable[[int], Segmented]
    describe: Callable[[int], str]  # "slice 3 / 30"
    geometry: Geometry
    window: Window
    unit: str
    labels: Sequence[Label] = ()


def over_slices(
    image: SliceStack,
    truth: SliceStack,
    found: SliceStack,
    likely: SliceStack | None,
    window: Window,
    labels: Sequence[Label] = (),
) -> MasksShown:
    """The slices of two masks of one place, with the image's nearest to each."""
    from ctstudio.figures.five_panels import Segmented

    places = truth.geometry.positions_mm

    def fetch(z: int) -> Segmented:
        near = image.geometry.nearest_slice(places[z])
        inside = None if likely is None else likely.slice_hu(z)
        return Segmented(image.slice_hu(near), truth.slice_hu(z), found.slice_hu(z), inside)

    def describe(z: int) -> str:
        near = image.geometry.nearest_slice(places[z])
        return f"slice {near + 1} / {len(image)}"

    return MasksShown(
        len(truth), fetch, describe, truth.geometry, window, image.unit, tuple(labels)
    )  # fmt: skip


def save_five_panels(shown: MasksShown, path: Path, at: int) -> Work[Path]:
    """Write a PNG of number ``at``, or by the name's ending a GIF or MP4 over all.

    Raises
    ------
    StudioError
        When the file cannot be written, or there is no encoder for it.
    """
    from ctstudio.figures.compose import compose, save_png

    suffix = path.suffix.lower()
    if suffix not in (".gif", ".mp4"):
        yield Progress(0, 2, "Drawing")
        picture = compose(_panels(shown, at), columns=5, colour_bar=False)
        yield Progress(1, 2, "Writing")
        save_png(picture, path)
        return path

    def frames() -> Iterator[Image.Image]:
        for number in range(shown.count):
            yield compose(
                _panels(shown, number), columns=5, height_px=FILM_PX, colour_bar=False,
                scale_bar=False,
            )  # fmt: skip

    if suffix == ".gif":
        from ctstudio.figures.animation import save_gif

        yield from save_gif(frames(), path, seconds_per_frame=SECONDS, total=shown.count)
    else:
        from ctstudio.figures.video import save_video

        yield from save_video(frames(), path, seconds_per_frame=SECONDS, total=shown.count)
    return path


def _panels(shown: MasksShown, number: int) -> list[Panel]:
    from ctstudio.figures.five_panels import five_panels

    what, geometry = shown.fetch(number), shown.geometry
    return five_panels(
        what,
        shown.window,
        labels=shown.labels,
        caption=shown.describe(number),
        score=f"Dice {dice([what.found], [what.truth]):.3f}",
        unit=shown.unit,
        spacing_mm=geometry.spacing_mm if geometry.spacing_known else None,
        letters=geometry.edge_letters,
    )

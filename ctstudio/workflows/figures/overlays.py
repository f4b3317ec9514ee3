"""Masks over the pictures of a figure: which slice of them, in which colours, under which names."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.errors import StudioError
from ctstudio.ct.label_pictures import colour_table, paint
from ctstudio.ct.labels import Label, complete
from ctstudio.ct.planes import in_plane
from ctstudio.ct.views import SliceStack
from ctstudio.ct.volume import Volume
from ctstudio.figures.description import Plane

NEAR = 0.6
"""Of the distance between slices: a mask further away is of another slice."""

Legend = tuple[tuple[str, tuple[int, int, int]], ...]


@dataclass(frozen=True, eq=False)
class Overlay:
    """A mask: its slices of whole numbers, what these stand for, which of them are not shown.

    ``all_named``: the legend names all labels, not only those in the slice, so that it stays the
    same from frame to frame of a film.
    """

    name: str
    stack: SliceStack
    labels: Sequence[Label] = ()
    hidden: Collection[int] = ()
    all_named: bool = False

    @classmethod
    def of(
        cls, name: str, stack: SliceStack, hidden: Collection[int] = (), *, file: str = ""
    ) -> Overlay:
        """With the labels that the slices bring along.

        ``file`` is what the mask is called by its file or folder, which may tell of a patient: a
        label of that name is called ``name``.
        """
        own = stack.labels if isinstance(stack, Volume) else ()
        labels = tuple(replace(la, name=name) if la.name == file else la for la in own)
        return cls(name, stack, labels, frozenset(hidden))

    def numbers(self, image: SliceStack, index: int, plane: Plane) -> NDArray[np.float32] | None:
        """The labels ``(y, x)`` where slice ``index`` of ``image`` lies; None: not there."""
        seen = self.stack if plane == "stored" else in_plane(self.stack, plane)
        here, there = image.geometry, seen.geometry
        if abs(float(here.normal @ there.normal)) < 0.99:
            return None
        point = here.positions_mm[index]
        at = there.nearest_slice(point)
        away = abs(float((there.positions_mm[at] - point) @ here.normal))
        if away > NEAR * max(here.slice_spacing_mm, there.slice_spacing_mm, 0.1):
            return None
        numbers = seen.slice_hu(at)
        if numbers.shape != image.shape[1:]:
            size, wanted = (" x ".join(map(str, s)) for s in (numbers.shape, image.shape[1:]))
            raise StudioError(
                f"The mask {self.name} has {size} pixels a slice, the picture below it {wanted}.",
                hint="Lay it over the series that it was made for.",
            )
        return numbers


def laid_over(
    overlays: Sequence[Overlay],
    image: SliceStack,
    index: int,
    plane: Plane,
    *,
    contour: bool,
    opacity: float,
) -> tuple[NDArray[np.uint8] | None, Legend]:
    """What lies over a slice, ``(y, x, 4)`` uint8, and the names of its colours; None: nothing.

    Raises
    ------
    StudioError
        When a mask does not have the size of the slice.
    """
    whole: NDArray[np.uint8] | None = None
    legend: dict[str, tuple[int, int, int]] = {}
    for overlay in overlays:
        numbers = overlay.numbers(image, index, plane)
        if numbers is None:
            continue
        picture = paint(
            numbers, overlay.labels, opacity=opacity, contour=contour, hidden=overlay.hidden
        )
        whole = picture if whole is None else _over(whole, picture)
        known = {int(n) for n in np.unique(np.rint(numbers[np.isfinite(numbers)]))}
        if overlay.all_named:
            known |= {label.number for label in overlay.labels}
        present = sorted(n for n in known if n > 0 and n not in overlay.hidden)
        table = colour_table(overlay.labels, max(present, default=0))
        names = {label.number: label.name for label in complete(overlay.labels, present)}
        for number in present:
            # A mask of one nameless label is called as the whole.
            nameless = len(names) == 1 and names[number] == f"Label {number}"
            name = overlay.name if nameless else names[number]
            legend.setdefault(name, tuple(int(part) for part in table[number, :3]))  # type: ignore[arg-type]
    return whole, tuple(legend.items())


def _over(below: NDArray[np.uint8], above: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One picture with opacity over another: T. Porter and T. Duff 1984, "over"."""
    top, bottom = above[..., 3:].astype(np.float32) / 255, below[..., 3:].astype(np.float32) / 255
    alpha = top + bottom * (1 - top)
    colour = above[..., :3] * top + below[..., :3] * bottom * (1 - top)
    safe = np.where(alpha > 0, alpha, 1)
    result = np.concatenate([colour / safe, 255 * alpha], axis=2)
    mixed: NDArray[np.uint8] = np.rint(result).astype(np.uint8)
    return mixed

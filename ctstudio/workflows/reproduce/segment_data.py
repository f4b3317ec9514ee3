"""What an experiment on masks learns from and is judged by."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress, Work
from ctstudio.ct.labels import Label, default_colour, label_map
from ctstudio.ct.volume import Volume
from ctstudio.workflows.stages import stage

HELD_OUT = 1 / 3
LARGEST_PX = 400
"""Larger pictures that are no CT are reduced by a whole number, so that minutes are enough: those
of DRIVE and the nerves, of 565 x 584 and 580 x 420 px, by two."""

DEMO_SLICES, DEMO_PX = 24, 192
LUNG_HU = -500.0


@dataclass(frozen=True, eq=False)
class MaskData:
    """Images and their masks, pair by pair: one series, or many pictures of one slice.

    Parameters
    ----------
    hu
        Whether the values are HU; else greys.
    words
        What it is, without a name of a person, a file or a series.
    share
        Of each series, or of the pictures, held out at the end of the list.
    """

    images: tuple[Volume, ...]
    masks: tuple[Volume, ...]
    hu: bool
    words: str
    share: float

    @property
    def unit(self) -> str:
        return "HU" if self.hu else "grey"

    @property
    def fingerprint(self) -> str:
        """Tells images and masks from others."""
        from ctstudio.learn.resume import fingerprint

        return fingerprint([*self.images, *self.masks])

    @property
    def labels(self) -> tuple[Label, ...]:
        """All labels but the mark of what is not annotated."""
        known = {label.number: label for mask in self.masks for label in mask.labels}
        return tuple(known[number] for number in sorted(known) if number > 0)

    @property
    def split(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Picture and slice of what is learnt from and of what is held out, as trainings do it."""
        from ctstudio.learn import sampling

        if len(self.images) == 1:
            learn, held = sampling.split(len(self.images[0]), self.share)
            return [(0, z) for z in learn], [(0, z) for z in held]
        count = len(self.images)
        last = max(1, min(round(self.share * count), count - 1))
        every = [(number, 0) for number in range(count)]
        return every[:-last], every[-last:]

    def limited(self, count: int) -> MaskData:
        """With so many pictures to learn from, spread over all; a series stays whole."""
        from ctstudio.learn.sampling import spread

        learn, held = self.split
        if len(self.images) == 1 or count >= len(learn):
            return self
        some = spread([number for number, _ in learn], count)
        kept = [*some, *(number for number, _ in held)]
        return replace(
            self,
            images=tuple(self.images[k] for k in kept),
            masks=tuple(self.masks[k] for k in kept),
            share=len(held) / len(kept),
        )

    def image(self, where: tuple[int, int]) -> NDArray[np.float32]:
        """A slice ``(y, x)`` in `unit`."""
        return self.images[where[0]].slice_hu(where[1])

    def truth(self, where: tuple[int, int]) -> NDArray[np.float32]:
        """Its labels ``(y, x)``, -1 where not annotated."""
        return self.masks[where[0]].slice_hu(where[1])


def load_masks(
    path: Path | None, masks: Sequence[Path] = (), selector: str | None = None
) -> Work[MaskData]:
    """Images and masks: pictures paired by their names, or a series and a label map.

    Parameters
    ----------
    path
        A folder, an archive or files; None for the built-in thorax and its lungs.
    masks
        Where the masks are, if not in ``path``.

    Raises
    ------
    StudioError
        When there are no masks, several that would fit, or one that does not fit its image.
    """
    if path is None:
        return (yield from _demo())
    from ctstudio.files.series import FileSeries
    from ctstudio.workflows.info import choose_series
    from ctstudio.workflows.mask_sets import mask_sets, read_mask_set
    from ctstudio.workflows.masks import read_masks
    from ctstudio.workflows.open import read, scan

    found = yield from stage(scan([path, *masks]), "Looking for images and masks")
    images: list[Volume] = []
    truths: list[Volume] = []
    for pairs in mask_sets(found.series):
        pictures, maps = yield from read_mask_set(pairs)
        images, truths = [*images, *pictures], [*truths, *maps]
    if images:
        return from_pictures(images, truths)
    scans = [info for info in found.series if info.source.modality != "SEG"]
    info = choose_series(found.series if selector else scans, selector)
    volume = yield from stage(read(info), "Reading the series")
    labels = [info for info in found.series if isinstance(info, FileSeries) and info.is_label]
    beside = [*found.segmentations, *(label.item.path for label in labels)]
    named = yield from stage(read_masks(masks or _require(beside, path), volume), "Reading masks")
    if len(named) != 1:
        names = ", ".join(name for name, _ in named)
        raise StudioError(
            f"There are {len(named)} masks of the series: {names}." if named
            else f"There is no mask of the series in {path}.",
            hint="Name the one to learn from with --masks.",
            path=path,
        )  # fmt: skip
    return from_series(volume, named[0][1])


def from_pictures(images: Sequence[Volume], masks: Sequence[Volume]) -> MaskData:
    """Pictures that stand alone, of which the last third is held out.

    What belongs together by its name, as both eyes of a person do, is not divided.
    """
    images, masks = _reduced(images, masks)
    held = max(1, round(HELD_OUT * len(images)))
    names = [re.sub(r"[-_ ]?[lr]$", "", Path(v.source.description).stem.casefold()) for v in images]
    while held < len(images) - 1 and names[-held] == names[-held - 1]:
        held += 1
    sizes = sorted({volume.shape[1:] for volume in images})
    size = " and ".join(f"{columns} x {rows}" for rows, columns in sizes[:2])
    hu = images[0].unit == "HU"
    words = f"{len(images)} {'CT slices' if hu else 'pictures'} of {size} px with masks"
    return MaskData(tuple(images), tuple(masks), hu, words, held / len(images))


def from_stacked(volume: Volume, mask: Volume) -> MaskData:
    """Pictures in a stack and the masks that were found for them, each standing alone again.

    Those without a mask, which is not annotated throughout, are left out.
    """
    from ctstudio.workflows.mask_sets import apart

    found = [z for z in range(len(volume)) if (mask.voxels[z] >= 0).any()]
    images = [apart(volume, z, volume.source.files[z]) for z in found]
    masks = [apart(mask, z, volume.source.files[z]) for z in found]
    return from_pictures(images, masks)


def from_series(volume: Volume, mask: Volume) -> MaskData:
    """A series and its label map; a third of the slices, in the middle, is held out."""
    slices, rows, columns = volume.shape
    count = len([label for label in mask.labels if label.number > 0])
    words = (
        f"a series of {slices} slices of {columns} x {rows} px with {count} "
        f"label{'' if count == 1 else 's'}"
    )
    return MaskData((volume,), (mask,), volume.unit == "HU", words, HELD_OUT)


def _require(paths: Sequence[Path], path: Path) -> Sequence[Path]:
    if not paths:
        raise StudioError(
            f"There are no masks in {path}.",
            hint="Experiments on masks need images with masks: pictures with names such as 1.tif "
            "and 1_mask.tif, folders images and masks, or a series with --masks.",
            path=path,
        )
    return paths


def _demo() -> Work[MaskData]:
    """The thorax phantom; its lungs are what is dark inside the body."""
    from scipy import ndimage

    from ctstudio.ct.phantom import phantom
    from ctstudio.learn.sampling import body_mask

    volume = yield from stage(phantom(DEMO_SLICES, DEMO_PX), "Drawing the thorax phantom")
    numbers = np.zeros(volume.shape, np.uint8)
    for z in range(len(volume)):
        yield Progress(z, len(volume), "Finding the phantom's lungs")
        hu = volume.slice_hu(z)
        dark, count = ndimage.label((hu < LUNG_HU) & body_mask(hu))
        sizes = np.bincount(dark.ravel(), minlength=count + 1)[1:]
        # The windpipe and the gut's gas are small.
        large = 1 + np.flatnonzero(sizes > 0.01 * hu.size)
        numbers[z] = ndimage.binary_closing(np.isin(dark, large), iterations=2)
    label = Label(1, "Lung", default_colour(1))
    mask = label_map(numbers, volume.geometry, volume.source, (label,))
    data = from_series(volume, mask)
    return replace(data, words=f"the built-in thorax phantom and its lungs, {data.words}")


def _reduced(
    images: Sequence[Volume], masks: Sequence[Volume]
) -> tuple[list[Volume], list[Volume]]:
    """Pictures of at most `LARGEST_PX`: means of squares of pixels, and the label of most."""
    small: list[Volume] = []
    fewer: list[Volume] = []
    for image, mask in zip(images, masks, strict=True):
        by = -(-max(image.shape[1:]) // LARGEST_PX)
        if by == 1 or image.unit == "HU":
            small.append(image)
            fewer.append(mask)
            continue
        means = _squares(image.slice_hu(0), by).mean(-1)
        numbers = _squares(mask.slice_hu(0), by)
        middle = np.sort(numbers, axis=-1)[..., by * by // 2]
        small.append(
            Volume.from_hu(means[None], image.geometry, source=image.source, unit=image.unit)
        )
        fewer.append(label_map(middle[None], image.geometry, image.source, mask.labels))
    return small, fewer


def _squares(values: NDArray[np.float32], by: int) -> NDArray[np.float32]:
    """The values of each square of ``by`` x ``by`` pixels along a last axis; a rim is cut off."""
    rows, columns = (length // by for length in values.shape)
    cut = values[: rows * by, : columns * by].reshape(rows, by, columns, by)
    return cut.transpose(0, 2, 1, 3).reshape(rows, columns, by * by)

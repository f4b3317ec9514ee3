"""Folders of images and masks: pairs by their names, each picture an image of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Work
from ctstudio.ct.labels import Label, default_colour, label_map
from ctstudio.ct.volume import Volume
from ctstudio.workflows.masks import numbers_of
from ctstudio.workflows.stages import stage

if TYPE_CHECKING:
    from ctstudio.ct.series import SeriesInfo
    from ctstudio.files.series import FileSeries, Slice

FIRST_READER = 1


@dataclass(frozen=True, eq=False)
class MaskSet:
    """Images and their masks, picture by picture; ``alone`` images have none and are left out."""

    images: FileSeries
    masks: FileSeries
    alone: tuple[Path, ...] = ()


def mask_sets(series: Sequence[SeriesInfo], reader: int = FIRST_READER) -> list[MaskSet]:
    """The images among ``series`` for which there are masks of a reader.

    Raises
    ------
    StudioError
        When a mask has another size than its image; it names both.
    """
    from ctstudio.files.series import FileSeries

    files = [info for info in series if isinstance(info, FileSeries)]
    drawn: dict[tuple[Path, int], tuple[FileSeries, Slice]] = {}
    for info in files:
        if info.mask_of and info.reader == reader:
            for part, image in zip(info.pictures, info.mask_of, strict=True):
                if image is not None:
                    drawn[image, part.page] = info, part
    sets = []
    for info in files:
        if info.is_label:
            continue
        pairs = [(part, drawn.get((part.item.where, part.page))) for part in info.pictures]
        found = [(part, mask) for part, mask in pairs if mask is not None]
        if found:
            alone = tuple(part.item.where for part, mask in pairs if mask is None)
            sets.append(_paired(info, found, alone))
    return sets


def _paired(
    info: FileSeries,
    found: Sequence[tuple[Slice, tuple[FileSeries, Slice]]],
    alone: tuple[Path, ...],
) -> MaskSet:
    for image, (masks, part) in found:
        if (masks.rows, masks.columns) != (info.rows, info.columns):
            raise StudioError(
                f"{part.item.name} has {masks.columns} x {masks.rows} px, its image "
                f"{image.item.name} {info.columns} x {info.rows} px.",
                hint="A mask must have the size of its image; take this pair out of the folder.",
                path=part.item.path,
            )
    first = found[0][1][0]
    return MaskSet(
        _only(info, [image for image, _ in found]),
        _only(first, [part for _, (_, part) in found]),
        alone,
    )


def _only(info: FileSeries, pictures: Sequence[Slice]) -> FileSeries:
    """A series of these pictures alone, in this order."""
    files = tuple(dict.fromkeys(part.item.where for part in pictures))
    count = len(pictures)
    return replace(
        info,
        source=replace(info.source, files=files),
        slices=count,
        geometry=info.geometry.select(slice(count)),
        item=pictures[0].item,
        pictures=tuple(pictures),
        mask_of=(),
    )


def read_mask_set(pairs: MaskSet) -> Work[tuple[list[Volume], list[Volume]]]:
    """The images and label maps of a set, each a volume of one slice.

    Pictures say nothing about lying beside one another: none is the other's neighbour. In masks
    with one value above 0, whatever it is, that is label 1.

    Raises
    ------
    StudioError
        When a picture cannot be read, or a mask is none; it says which and why.
    """
    from ctstudio.files.read import read

    if pairs.alone:
        count = len(pairs.alone)
        names = ", ".join(path.name for path in pairs.alone[:3]) + (", ..." if count > 3 else "")
        yield Note(f"{count} of the images have no mask and are left out: {names}.")
    images = yield from stage(read(pairs.images), "Reading images")
    masks = yield from stage(read(pairs.masks), "Reading masks")
    for info, volume in ((pairs.images, images), (pairs.masks, masks)):
        if len(volume) != info.slices:
            raise StudioError(
                f"{info.slices - len(volume)} of the pictures in {info.title!r} cannot be read, "
                "so images and masks do not make pairs any more.",
                hint="Take what is broken out of the folder; the notes above name it.",
                path=info.item.path,
            )
    numbers = np.stack([
        numbers_of(masks.slice_hu(z), part.item.name)
        for z, part in enumerate(pairs.masks.pictures)
    ])  # fmt: skip
    above = np.unique(numbers[numbers > 0])
    labels: tuple[Label, ...] = ()
    if len(above) == 1:
        numbers = (numbers > 0).astype(np.int32)
        labels = (Label(1, pairs.masks.title, default_colour(1)),)
    pictures = [apart(images, z, part.item.where) for z, part in enumerate(pairs.images.pictures)]
    maps = [
        label_map(numbers[z : z + 1], image.geometry, image.source, labels)
        for z, image in enumerate(pictures)
    ]
    return pictures, maps


def apart(volume: Volume, z: int, path: Path) -> Volume:
    """One picture of a stack, as a volume of its own."""
    return replace(
        volume,
        voxels=volume.voxels[z : z + 1],
        slope=volume.slope[z : z + 1],
        intercept=volume.intercept[z : z + 1],
        geometry=volume.geometry.select(slice(z, z + 1)),
        source=replace(volume.source, description=path.name, files=(path,)),
    )

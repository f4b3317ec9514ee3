"""Masks that were found with a series of files: laid onto it, with a word on what fits what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ctstudio.core.events import Progress, Work
from ctstudio.ct.labels import UNKNOWN, Label, default_colour, label_map
from ctstudio.ct.volume import Volume
from ctstudio.workflows.mask_sets import mask_sets
from ctstudio.workflows.masks import numbers_of, onto
from ctstudio.workflows.stages import stage

if TYPE_CHECKING:
    from ctstudio.ct.series import SeriesInfo
    from ctstudio.files.series import FileSeries, Slice

CLOSE_MM = 0.01


@dataclass(frozen=True, eq=False)
class FoundMask:
    """A mask on the slices of a series; ``pairs`` are the names of masks and their images.

    ``alone`` are images without a mask, whose slices are not annotated. ``series`` is the one that
    the mask was found as.
    """

    name: str
    mask: Volume
    pairs: tuple[tuple[str, str], ...]
    alone: tuple[str, ...] = ()
    series: SeriesInfo | None = None


def masks_for(series: SeriesInfo, found: Sequence[SeriesInfo], on: Volume) -> Work[list[FoundMask]]:
    """The masks among ``found`` that belong to ``series``, of which ``on`` are the voxels.

    Pictures go by their names, each reader's masks by themselves; NIfTI label maps where they lie
    on the very voxels. Yields Progress.

    Raises
    ------
    StudioError
        When a mask does not have the size of its image, or is none; it says which and why.
    """
    from ctstudio.files.series import FileSeries

    if not isinstance(series, FileSeries) or series.is_label:
        return []
    files = [info for info in found if isinstance(info, FileSeries) and info.is_label]
    masks: list[FoundMask] = []
    if series.pictures:
        readers = sorted({info.reader for info in files if info.mask_of and info.reader > 0})
        for reader in readers:
            masks += yield from _of_pictures(series, files, on, reader)
        return masks
    for info in files:
        if info.nifti is not None and _same_place(info, on):
            volume = yield from stage(_read(info), f"Reading {info.title}")
            mask = yield from onto(volume, on, info.title)
            masks.append(FoundMask(info.title, mask, ((info.title, series.title),), series=info))
    return masks


def _of_pictures(
    series: FileSeries, masks: Sequence[FileSeries], on: Volume, reader: int
) -> Work[list[FoundMask]]:
    at: dict[tuple[Path, int], int] = {_key(p): k for k, p in enumerate(series.pictures)}
    found = []
    for pairs in mask_sets([series, *masks], reader):
        places = [at[_key(image)] for image in pairs.images.pictures]
        volume = yield from stage(_read(pairs.masks), f"Reading {pairs.masks.title}")
        numbers = np.full(on.shape, UNKNOWN, np.int32)
        for done, (z, part) in enumerate(zip(places, pairs.masks.pictures, strict=True)):
            yield Progress(done, len(places), f"Reading {pairs.masks.title}")
            numbers[z] = numbers_of(volume.slice_hu(done), part.item.name)
        above = np.unique(numbers[numbers > 0])
        labels: tuple[Label, ...] = ()
        if len(above) == 1:  # black and white, whatever white is
            numbers[numbers > 0] = 1
            labels = (Label(1, pairs.masks.title, default_colour(1)),)
        mask = label_map(numbers, on.geometry, on.source, labels, (pairs.masks.title,))
        named = tuple(
            (drawn.item.name, image.item.name)
            for drawn, image in zip(pairs.masks.pictures, pairs.images.pictures, strict=True)
        )
        alone = tuple(path.name for path in pairs.alone)
        of = next((info for info in masks if pairs.masks.pictures[0] in info.pictures), None)
        found.append(FoundMask(pairs.masks.title, mask, named, alone, of))
    return found


def _key(part: Slice) -> tuple[Path, int]:
    return part.item.where, part.page


def _read(info: FileSeries) -> Work[Volume]:
    from ctstudio.files.read import read

    return (yield from read(info))


def _same_place(info: FileSeries, on: Volume) -> bool:
    """Whether a label map has the very voxels of a volume."""
    here, there = on.geometry, info.geometry
    return (
        (info.slices, info.rows, info.columns) == on.shape
        and np.allclose(here.positions_mm, there.positions_mm, atol=CLOSE_MM)
        and np.allclose(here.row_direction, there.row_direction, atol=1e-4)
        and np.allclose(here.column_direction, there.column_direction, atol=1e-4)
        and np.allclose(here.spacing_mm, there.spacing_mm, rtol=1e-4)
    )

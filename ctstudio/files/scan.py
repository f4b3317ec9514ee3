"""Pictures, NIfTI files, arrays and zip archives of them to series; pixels are not read."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ctstudio.core.events import Progress, Work
from ctstudio.ct.series import ScanResult, Skipped
from ctstudio.ct.volume import Geometry, Source
from ctstudio.ct.window import Window
from ctstudio.files import arrays, nifti, pictures
from ctstudio.files.items import BrokenError, Item, Store, kind_of, members
from ctstudio.files.mask_names import FIELD_OF_VIEW, MaskName, masks_among
from ctstudio.files.pictures import FORMATS, Picture
from ctstudio.files.series import STUDY, FileSeries, Slice
from ctstudio.files.stack import NAME as STACK_NAME
from ctstudio.files.stack import Stack, parse

NIFTI = frozenset({".nii", ".nii.gz"})
ARRAYS = frozenset({".npy", ".npz"})
SINGLE = frozenset(FORMATS) | NIFTI | ARRAYS
SUFFIXES = SINGLE | {".zip"}
"""Endings of files that are looked at."""

_YIELD_SECONDS = 0.05
_MASKS = {FIELD_OF_VIEW: "fields of view", 1: "masks"}
_COLOUR = "The pictures are in colour: their luminance is shown."
_NOTHING_STATED = (
    "The files state no pixel spacing, slice distance or orientation: lengths are shown in pixels, "
    "and no side of the patient is named."
)


def scan(files: Sequence[Path]) -> Work[ScanResult]:
    """Find the series in ``files``, of which those with an ending of ``SUFFIXES`` are looked at.

    Pictures of one folder, format, size and depth are one series, ordered by the numbers in
    their names; masks of others (`ctstudio.files.mask_names`) are one apart. Yields Progress;
    returns what was found, and each file that gave nothing, with the reason.
    """
    skipped: list[Skipped] = []
    items, notes = _items(files, skipped)
    found: list[FileSeries] = []
    single: list[tuple[Item, Picture]] = []
    last = time.monotonic()
    masks = masks_among([item.where for item in items if kind_of(item.name) in FORMATS])
    with Store() as store:
        for done, item in enumerate(items):
            if time.monotonic() - last > _YIELD_SECONDS:
                yield Progress(done, len(items), "Reading headers")
                last = time.monotonic()
            try:
                with store.stream(item) as stream:
                    kind = kind_of(item.name)
                    if kind in NIFTI:
                        found.append(_nifti_series(nifti.head(stream, item), item))
                    elif kind in ARRAYS:
                        found += _array_series(*arrays.heads(stream, item), item)
                    else:
                        picture = pictures.head(stream, item, FORMATS[kind])
                        if len(picture.pages) > 1:
                            found.append(_of_masks(_pages(item, picture), masks))
                        else:
                            single.append((item, picture))
            except Exception as error:  # decoders raise whatever they like for broken data
                skipped.append(Skipped(item.where, reason(error)))
        stacks = _stacks(notes, store)
    found += _picture_series(single, stacks, masks)
    found.sort(key=lambda series: series.item.order)
    return ScanResult(tuple(found), tuple(skipped))


def reason(error: Exception) -> str:
    """What went wrong with a file, in words that follow "because"."""
    if isinstance(error, PermissionError):
        return "permission is denied"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    text = " ".join(str(error).split())[:200] or type(error).__name__
    return text if isinstance(error, BrokenError) else f"the decoder says: {text}"


def _items(files: Iterable[Path], skipped: list[Skipped]) -> tuple[list[Item], list[Item]]:
    """The images among ``files`` and in archives, in order; and the notes beside stacks."""
    items: list[Item] = []
    notes: list[Item] = []
    for path in files:
        kind = kind_of(path.name)
        try:
            if kind == ".zip":
                inside = members(path, SINGLE | {".json"})
                images = [item for item in inside if kind_of(item.name) != ".json"]
                if not images:
                    raise BrokenError("the archive holds no JPEG, PNG, TIFF, NIfTI or NumPy file")
                items += images
                notes += [item for item in inside if item.name == STACK_NAME]
            elif kind in SINGLE:
                items.append(Item(path, path.stat().st_size))
            elif path.name == STACK_NAME:
                notes.append(Item(path, path.stat().st_size))
        except (BrokenError, OSError) as error:
            skipped.append(Skipped(path, reason(error)))
    return sorted(items, key=lambda item: item.order), notes


def _stacks(notes: Sequence[Item], store: Store) -> dict[Path, Stack]:
    stacks: dict[Path, Stack] = {}
    for item in notes:
        try:
            with store.stream(item) as stream:
                stack = parse(stream.read())
        except (BrokenError, OSError):
            continue  # without it the pictures are what any pictures are
        if stack is not None:
            stacks[item.where.parent] = stack
    return stacks


def _picture_series(
    single: Sequence[tuple[Item, Picture]],
    stacks: dict[Path, Stack],
    masks: Mapping[Path, MaskName],
) -> list[FileSeries]:
    groups: dict[tuple[Any, ...], list[tuple[Item, Picture]]] = defaultdict(list)
    sorts: dict[Path, set[tuple[Any, ...]]] = defaultdict(set)
    for item, picture in single:
        folder, mask = item.where.parent, masks.get(item.where)
        reader = -1 if mask is None else mask.reader
        name = FORMATS[kind_of(item.name)]
        sort = (name, picture.rows, picture.columns, picture.dtype.str, reader)
        groups[folder, *sort].append((item, picture))
        sorts[folder].add(sort)
    series = []
    for (folder, name, rows, columns, _, reader), entries in groups.items():
        title = _folder_title(entries[0][0])
        if len({sort[-1] for sort in sorts[folder]}) > 1 and reader >= 0:
            title = f"{title}, {_MASKS.get(reader, f'masks of reader {reader}')}"
        if len({sort[:-1] for sort in sorts[folder] if sort[-1] == reader}) > 1:
            title = f"{title} ({name} {columns} x {rows})"
        info = _series(
            [Slice(item) for item, _ in entries],
            [picture for _, picture in entries],
            title=title,
            paths=tuple(item.where for item, _ in entries),
        )
        stack = stacks.get(folder)
        if stack is not None and sorted(stack.files) == sorted(i.name for i, _ in entries):
            info = _restored(info, stack)
        series.append(_of_masks(info, masks))
    return series


def _of_masks(info: FileSeries, masks: Mapping[Path, MaskName]) -> FileSeries:
    """A series of masks says so, and of which images."""
    named = masks.get(info.item.where)
    if named is None:
        return info
    images = tuple(masks[part.item.where].image for part in info.pictures)
    source = replace(info.source, modality="SEG")
    return replace(info, source=source, mask_of=images, reader=named.reader)


def _folder_title(item: Item) -> str:
    if not item.member:
        return item.path.parent.name or item.name
    inside = item.where.parent.relative_to(item.path).as_posix()
    return item.path.name if inside == "." else f"{item.path.name}: {inside}"


def _pages(item: Item, picture: Picture) -> FileSeries:
    info = _series(
        [Slice(item, page) for page in picture.pages],
        [picture],
        title=item.name,
        paths=(item.where,),
    )
    if not picture.other_pages:
        return info
    told = f"{picture.other_pages} pages of another size or kind are left out."
    if picture.other_pages == 1:
        told = "1 page of another size or kind is left out."
    return replace(info, warnings=(*info.warnings, told))


def _series(
    slices: Sequence[Slice], heads: Sequence[Picture], *, title: str, paths: tuple[Path, ...]
) -> FileSeries:
    first, kind = heads[0], heads[0].dtype
    name = FORMATS[kind_of(slices[0].item.name)]
    remarks = []
    if kind.kind == "u":
        top = 2 ** (8 * kind.itemsize) - 1
        remarks.append(f"{8 * kind.itemsize}-bit picture values 0 to {top}, not HU.")
    else:
        sort = "float" if kind.kind == "f" else "signed"
        remarks.append(f"{8 * kind.itemsize}-bit {sort} values; nothing says whether they are HU.")
    remarks.append(_NOTHING_STATED)
    coloured = sum(picture.colour for picture in heads)
    if coloured:
        remarks.append(
            _COLOUR
            if coloured == len(heads)
            else f"{coloured} of {len(heads)} pictures are in colour: their luminance is shown."
        )
    window = Window(127.5, 255.0) if kind == "uint8" else None
    return FileSeries(
        source=Source(
            description=title,
            series_uid=str(slices[0].item.where),
            study_description=STUDY,
            window=window,
            format=name,
            files=paths,
        ),
        slices=len(slices),
        rows=first.rows,
        columns=first.columns,
        geometry=_unplaced(len(slices)),
        transfer_syntax=f"{name}, {_bits(kind)}",
        warnings=tuple(remarks),
        item=slices[0].item,
        pictures=tuple(slices),
    )


def _restored(info: FileSeries, stack: Stack) -> FileSeries:
    """A stack that this program wrote: its note says what pictures do not."""
    by_name = {part.item.name: part for part in info.pictures}
    ordered = tuple(by_name[name] for name in stack.files)
    return replace(
        info,
        source=replace(info.source, window=None, files=tuple(s.item.where for s in ordered)),
        geometry=stack.geometry,
        warnings=(),
        pictures=ordered,
        stack=stack,
    )


def _unplaced(slices: int) -> Geometry:
    return replace(Geometry.axial(slices), spacing_known=False, orientation_known=False)


def _bits(kind: Any) -> str:
    words = {"u": "unsigned ", "i": "signed ", "f": "float "}[kind.kind]
    return f"{'' if kind == 'uint8' else words}{8 * kind.itemsize} bit"


def _nifti_series(head: nifti.Nifti, item: Item) -> FileSeries:
    slices, rows, columns = head.size
    return FileSeries(
        source=Source(
            description=item.name,
            series_uid=str(item.where),
            study_description=STUDY,
            modality="SEG" if head.is_label else "",
            format="NIfTI",
            files=(item.where,),
        ),
        slices=slices,
        rows=rows,
        columns=columns,
        geometry=head.geometry,
        transfer_syntax=f"NIfTI, {_bits(head.dtype)}",
        warnings=head.warnings,
        item=item,
        nifti=head,
    )


def _array_series(
    found: Sequence[arrays.Array], remarks: Sequence[str], item: Item
) -> list[FileSeries]:
    series = []
    for array in found:
        slices, rows, columns = array.shape
        where = item.where / array.key if array.key else item.where
        kind = "boolean" if array.dtype.kind == "b" else _bits(array.dtype)
        series.append(
            FileSeries(
                source=Source(
                    description=f"{item.name}: {array.key}" if array.key else item.name,
                    series_uid=str(where),
                    study_description=STUDY,
                    format="NumPy",
                    files=(where,),
                ),
                slices=slices,
                rows=rows,
                columns=columns,
                geometry=_unplaced(slices),
                transfer_syntax=f"NumPy, {kind}",
                warnings=(_NOTHING_STATED, *remarks),
                item=item,
                array=array,
            )
        )
    return series

"""What is odd about a series, and series mended: upright, evenly spaced, with square pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Work
from ctstudio.ct.resample import Fix, regular_parts
from ctstudio.ct.resample import mend as apply_fix
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.workflows.stages import stage

if TYPE_CHECKING:
    from ctstudio.ct.series import SeriesInfo
    from ctstudio.dicom.irregularities import Irregularity
    from ctstudio.workflows.save import Kind

ORDER = (Fix.SHEAR, Fix.UNIFORM, Fix.SQUARE, Fix.SPLIT)
"""In which several fixes are applied: an upright stack is resampled along its normal."""

_SAME_MM = 1e-3
_NO_DEPTH = "All slices lie at one position: there is no depth to resample in."
_ASK = "Leave it as it is, or ask `ctstudio mend PATH` what is odd about it and what helps."


def oddities(series: SeriesInfo, geometry: Geometry | None = None) -> tuple[Irregularity, ...]:
    """What is odd about ``series``, or about a volume of it that lies as ``geometry`` says.

    A volume may lack slices that could not be decoded, or have been mended: then its own places
    count, and what the files mixed or did not state stays.
    """
    from ctstudio.dicom.irregularities import OF_STACKS, of_stack
    from ctstudio.files.series import FileSeries

    found = tuple(getattr(series, "irregularities", ()))  # of DICOM series
    if geometry is None and not isinstance(series, FileSeries):
        return found
    geometry = geometry or series.geometry
    acquired = len(geometry.positions_mm) <= series.slices  # else slices were made in between
    stack = of_stack(geometry, series.source.slice_thickness_mm if acquired else None)
    if isinstance(series, FileSeries) and series.is_label:
        # Numbers of regions have nothing in between.
        stack = [replace(odd, fixes=(Fix.LEAVE,)) for odd in stack]
    return (*(odd for odd in found if odd.kind not in OF_STACKS), *stack)


def offered(found: Iterable[Irregularity]) -> tuple[Fix, ...]:
    """The fixes for any of these, in the order in which they are applied; none where none helps."""
    fixes = {fix for odd in found for fix in odd.fixes}
    return tuple(fix for fix in ORDER if fix in fixes)


def everything(found: Iterable[Irregularity]) -> tuple[Fix, ...]:
    """The fixes that together make one regular stack."""
    return tuple(fix for fix in offered(found) if fix is not Fix.SPLIT)


def mend(
    volume: Volume, fixes: Sequence[Fix], *, spacing_mm: float | None = None
) -> Work[list[Volume]]:
    """Apply ``fixes`` in their order (`ORDER`, whatever theirs): the volumes that come of it.

    ``spacing_mm`` is the distance between slices for `Fix.UNIFORM`. Each step is told in the
    ``derivation`` of the result. Yields Progress.

    Raises
    ------
    StudioError
        When one of them would change nothing, the distance is no number or longer than the stack,
        or memory does not suffice.
    """
    if Fix.UNIFORM in fixes:
        _require_distance(volume.geometry, spacing_mm)
    done: list[str] = []
    volumes = [volume]
    for fix in (fix for fix in ORDER if fix in fixes):
        results: list[Volume] = []
        for one in volumes:
            if why := _nothing_to_do(fix, one.geometry, spacing_mm):
                if not done:
                    raise StudioError(why, hint=_ASK)
                yield Note(why)  # another fix has seen to it
                results.append(one)
            else:
                work = apply_fix(one, fix, spacing_mm=spacing_mm)
                results += yield from stage(work, fix.label)
        volumes = results
        done.append(fix.result)
    return volumes


def names(title: str, fixes: Sequence[Fix], count: int) -> list[str]:
    """What the ``count`` results of ``fixes`` are called."""
    words = [title, *(fix.result for fix in ORDER if fix in fixes and fix is not Fix.SPLIT)]
    name = ", ".join(words)
    if count == 1:
        return [name]
    return [f"{name}, {Fix.SPLIT.result} {k} of {count}" for k in range(1, count + 1)]


def mend_series(
    series: SeriesInfo,
    fixes: Sequence[Fix],
    out: Path,
    kind: Kind | None = None,
    *,
    spacing_mm: float | None = None,
) -> Work[list[Path]]:
    """Read a series, mend it and write the result into ``out``, new or empty.

    Several parts are written into folders of their own in it. It is written as ``kind``, by
    default as what it was read from. Yields Progress and Note; returns the files in slice order.

    Raises
    ------
    StudioError
        When there is nothing to mend, the series cannot be read, or it cannot be written.
    """
    from ctstudio.core.atomic import atomic_folder
    from ctstudio.workflows.denoise import require_free_folder
    from ctstudio.workflows.open import read
    from ctstudio.workflows.save import kind_for, save

    require_free_folder(out, series.source)
    if Fix.UNIFORM in fixes:
        _require_distance(series.geometry, spacing_mm)
    kind = kind_for(series, kind)
    first = next(fix for fix in ORDER if fix in fixes)
    if why := _nothing_to_do(first, series.geometry, spacing_mm):
        raise StudioError(why, hint=_ASK)
    volume = yield from stage(read(series), "Reading")
    volumes = yield from mend(volume, fixes, spacing_mm=spacing_mm)
    titles = names(series.title, fixes, len(volumes))

    def write(part: Volume, title: str, folder: Path) -> Work[list[Path]]:
        method = part.derivation[-1]
        return stage(save(part, folder, kind, description=title, method=method), "Writing")

    if len(volumes) == 1:
        return (yield from write(volumes[0], titles[0], out))
    files: list[Path] = []
    with atomic_folder(out) as temporary:
        for number, (part, title) in enumerate(zip(volumes, titles, strict=True), 1):
            written = yield from write(part, title, temporary / f"part-{number}")
            files += [out / path.relative_to(temporary) for path in written]
    return files


def _without_depth(geometry: Geometry) -> bool:
    return len(geometry.positions_mm) > 1 and float(np.ptp(geometry.offsets_mm)) < _SAME_MM


def _require_distance(geometry: Geometry, spacing_mm: float | None) -> None:
    if _without_depth(geometry):
        raise StudioError(_NO_DEPTH, hint=_ASK)
    extent = float(np.ptp(geometry.offsets_mm))
    if spacing_mm is None or 0 < spacing_mm <= extent:  # which no NaN is
        return
    raise StudioError(
        f"Slices cannot be made {spacing_mm:g} mm apart: the stack is {extent:.4g} mm long.",
        hint="Choose a distance between 0 and that.",
    )


def _nothing_to_do(fix: Fix, geometry: Geometry, spacing_mm: float | None) -> str:
    """Why ``fix`` would change nothing; "" where it does something."""
    dy, dx = geometry.spacing_mm
    if fix is Fix.SHEAR and not geometry.tilted:
        return "The stack is not tilted: there is nothing to shear away."
    if fix is Fix.UNIFORM and _without_depth(geometry):
        return _NO_DEPTH
    if fix is Fix.UNIFORM and spacing_mm is None and geometry.uniform:
        return "The slices lie at equal distances already."
    if fix is Fix.SQUARE and dy == dx:
        return "The pixels are square already."
    if fix is Fix.SPLIT and len(regular_parts(geometry)) < 2:
        return "The series is one regular stack: there is nothing to split."
    return ""

"""The same figure of many: of every series that was found, of every training in a folder."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Progress, Work
from ctstudio.figures.description import FigureSpec
from ctstudio.workflows.figures.make import make
from ctstudio.workflows.figures.material import Material, gather
from ctstudio.workflows.stages import within

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""What no other file of the same folder would get around."""

if TYPE_CHECKING:
    from ctstudio.ct.series import SeriesInfo
    from ctstudio.workflows.denoise import Method


def numbered(path: Path, count: int) -> list[Path]:
    """``figure.png`` -> ``figure-1.png`` and so on, with as many digits as the last one has."""
    digits = len(str(count))
    return [path.with_stem(f"{path.stem}-{k:0{digits}d}") for k in range(1, count + 1)]


def existing(paths: Sequence[Path]) -> list[Path]:
    """Which of them are there already."""
    found = []
    for path in paths:
        try:
            if path.exists():
                found.append(path)
        except OSError:  # a name that no file can have: writing it will say so
            continue
    return found


def require_new(paths: Sequence[Path]) -> None:
    """Refuse to overwrite.

    Raises
    ------
    StudioError
        Naming the first file that is there already.
    """
    found = existing(paths)
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise StudioError(
            f"{found[0]}{more} exists already.",
            hint="Choose another name, or allow to overwrite.",
            path=found[0],
        )


def of_one_series(spec: FigureSpec) -> FigureSpec:
    """The description without comparisons with another series, which a single one has not."""
    first = {la.name for la in spec.layers if la.source != "series" or la.number == 1}
    rows = tuple(
        tuple(
            replace(
                cell,
                against=cell.against if cell.against in first else "",
                beside=cell.beside if cell.beside in first else "",
            )
            for cell in row
        )
        for row in spec.rows
    )
    return replace(spec, rows=rows).without_spares()


def make_each(
    spec: FigureSpec,
    series: Sequence[SeriesInfo],
    runs: Sequence[Path],
    path: Path,
    *,
    bits: int = 8,
    overwrite: bool = False,
    known: Mapping[str, Method] | None = None,
    write: Callable[[FigureSpec, Material, Path], Work[Path]] | None = None,
) -> Work[list[Path]]:
    """The figure of each of ``series``, or of each of ``runs`` where there are any.

    Files are numbered in that order; ``known`` are methods as for `gather`. What fails is told as a
    Note, and the others are made. ``write`` makes a file; a figure or film of ``bits`` by default.
    Returns the files that were written.

    Raises
    ------
    StudioError
        When there is nothing to make it of, a file is there already, the disk is full, or every one
        failed.
    """
    jobs: list[tuple[Sequence[SeriesInfo], Path | None]] = [(series[:1], run) for run in runs]
    if not jobs:
        jobs, spec = [([one], None) for one in series], of_one_series(spec)
    if not jobs:
        raise StudioError("There is nothing to make figures of.", hint="Choose another folder.")
    numbers = {la.number for la in spec.without_spares().layers if la.source == "series"}
    if max(numbers, default=1) > 1:
        raise StudioError(
            f"The figure shows {max(numbers)} series, but it is made of one after the other.",
            hint="Choose a template of a single series.",
        )
    targets = numbered(path, len(jobs))
    if not overwrite:
        require_new(targets)
    write = write or partial(make, bits=bits)
    written: list[Path] = []
    failure: StudioError | None = None
    for done, ((some, run), target) in enumerate(zip(jobs, targets, strict=True)):
        try:
            # The parts' own progress would run back to nothing at each of them.
            whole = Progress(done, len(jobs), target.name)
            material = yield from within(gather(spec, some, run, known=known), whole)
            yield from within(write(spec, material, target), whole)
        except StudioError as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno in FULL:
                told = f" {len(written)} of {len(jobs)} files were written." if written else ""
                raise StudioError(f"{error.message}{told}", hint=error.hint, path=target) from error
            failure = error
            yield Note(f"{target.name}: {error}")
        else:
            written.append(target)
    if failure is not None and not written:
        raise failure
    return written

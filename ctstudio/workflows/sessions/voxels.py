"""The pixels of layers that were made here: `.npy` files in a folder of the session's own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.atomic import atomic_file, explain_os_error
from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress, Work
from ctstudio.ct.labels import Label
from ctstudio.ct.volume import Geometry, Source, Volume
from ctstudio.workflows.sessions.document import KeptVolume

SPARE_DISK = 2**29  # bytes that are left to others


def kept(volume: Volume, file: str, parent: Geometry | None, files: tuple[Path, ...]) -> KeptVolume:
    """What is written about ``volume``, whose pixels go into ``file``.

    ``parent`` is the geometry of the layer that it was made from, ``files`` those of the series.
    """
    numbers = {path: number for number, path in enumerate(files)}
    source = volume.source
    return KeptVolume(
        file=file,
        shape=volume.shape,
        slope=tuple(volume.slope.tolist()),
        intercept=tuple(volume.intercept.tolist()),
        unit=volume.unit,
        geometry=None if volume.geometry is parent else _geometry_to_json(volume.geometry),
        derivation=volume.derivation,
        description=source.description,
        files=tuple(numbers[path] for path in source.files if path in numbers),
        described_by=tuple(numbers[path] for path in source.described_by if path in numbers),
        labels=tuple((label.number, label.name, label.colour) for label in volume.labels),
    )


def save_voxels(store: Path, file: str, voxels: NDArray[np.generic]) -> Work[None]:
    """Write ``voxels`` ``(z, y, x)`` to ``file`` in ``store``, slice by slice.

    Yields Progress; may be closed at any event, and nothing is left then.

    Raises
    ------
    StudioError
        When the disk is full or the folder cannot be written to.
    """
    try:
        store.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(store).free < voxels.nbytes + SPARE_DISK:
            raise StudioError(
                f"There is no room for {voxels.nbytes / 1e9:.1f} GB in {store}.",
                hint="Free some space, or choose another place for the cache.",
                path=store,
            )
    except OSError as error:
        raise explain_os_error(error, store) from error
    with atomic_file(store / file) as temporary, temporary.open("wb") as stream:
        header = {
            "descr": np.lib.format.dtype_to_descr(voxels.dtype),
            "fortran_order": False,
            "shape": voxels.shape,
        }
        np.lib.format.write_array_header_1_0(stream, header)
        for number, picture in enumerate(voxels):
            stream.write(np.ascontiguousarray(picture).data)
            yield Progress(number + 1, len(voxels), "Keeping the layers")


def load_voxels(path: Path, shape: tuple[int, int, int]) -> Work[NDArray[Any]]:
    """Read what `save_voxels` wrote, ``(z, y, x)``.

    Raises
    ------
    StudioError
        When the file is gone, damaged or of another size.
    """
    try:
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
        if stored.shape != shape or stored.dtype.kind not in "iufb":
            raise ValueError(f"it is of size {stored.shape}")
        voxels = np.empty(shape, stored.dtype)
        for number, picture in enumerate(stored):
            voxels[number] = picture
            yield Progress(number + 1, len(voxels), "Reading the layers")
    except OSError as error:
        raise explain_os_error(error, path, "read") from error
    except (ValueError, EOFError) as error:
        raise StudioError(f"{path} is damaged.", details=str(error), path=path) from error
    return voxels


def volume_of(
    about: KeptVolume,
    voxels: NDArray[Any],
    parent: Geometry,
    source: Source,
) -> Volume:
    """The volume again; ``source`` is that of the series, ``parent`` the parent's geometry."""
    files = source.files
    own = replace(
        source,
        description=about.description,
        files=tuple(files[n] for n in about.files if n < len(files)),
        described_by=tuple(files[n] for n in about.described_by if n < len(files)),
    )
    return Volume(
        voxels,
        np.array(about.slope),
        np.array(about.intercept),
        about.unit,
        parent if about.geometry is None else _geometry_from_json(about.geometry),
        own,
        about.derivation,
        tuple(Label(number, name, colour) for number, name, colour in about.labels),
    )


def sweep(store: Path, needed: Collection[str]) -> None:
    """Remove the files of ``store`` that nothing needs any more."""
    with suppress(OSError):
        for path in store.glob("*.npy"):
            if path.name not in needed:
                path.unlink(missing_ok=True)


def link(source: Path, target: Path) -> bool:
    """Let ``target`` be the same file as ``source`` without a copy; False where that fails."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            os.link(source, target)
    except OSError:
        return False
    return True


def _geometry_to_json(geometry: Geometry) -> dict[str, Any]:
    return {
        "positions": geometry.positions_mm.ravel().tolist(),
        "row": geometry.row_direction.tolist(),
        "column": geometry.column_direction.tolist(),
        "spacing": list(geometry.spacing_mm),
        "spacing_known": geometry.spacing_known,
        "orientation_known": geometry.orientation_known,
    }


def _geometry_from_json(data: Any) -> Geometry:
    dy, dx = data["spacing"]
    return Geometry(
        np.array(data["positions"], float).reshape(-1, 3),
        np.array(data["row"], float),
        np.array(data["column"], float),
        (float(dy), float(dx)),
        bool(data.get("spacing_known", True)),
        bool(data.get("orientation_known", True)),
    )

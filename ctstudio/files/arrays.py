"""NumPy's .npy and .npz: numbers of shape (y, x) or (z, y, x), and never pickled objects."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ctstudio.files.items import ARCHIVE_BYTES, BrokenError, Item, kind_of, require_plausible


@dataclass(frozen=True)
class Array:
    """One array of a file: ``key`` names it in an .npz, ``shape`` is (z, y, x)."""

    key: str
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]


def heads(stream: BinaryIO, item: Item) -> tuple[list[Array], list[str]]:
    """The arrays that can be shown, and for each other one a sentence why not.

    Raises
    ------
    BrokenError
        Where none can be shown.
    """
    if kind_of(item.name) == ".npy":
        return [_head(stream, "", item.size)], []
    try:
        archive = zipfile.ZipFile(stream)
    except zipfile.BadZipFile as error:
        raise BrokenError("it is no .npz file, or a broken one") from error
    found: list[Array] = []
    remarks: list[str] = []
    with archive:
        infos = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        if sum(info.file_size for info in infos) > ARCHIVE_BYTES:
            raise BrokenError(f"it unpacks to more than {ARCHIVE_BYTES >> 30} GB")
        for info in infos:
            key = info.filename.removesuffix(".npy")
            try:
                require_plausible(info.file_size, info.compress_size)
                with archive.open(info) as member:
                    found.append(_head(member, key, info.file_size))
            except (BrokenError, zipfile.BadZipFile, RuntimeError) as error:
                remarks.append(f"{key} was left out: {error}.")
    if not found:
        raise BrokenError("; ".join(remarks).rstrip(".") or "it holds no array")
    return found, remarks


def load(stream: BinaryIO, item: Item, known: Array) -> NDArray[Any]:
    """The values ``(z, y, x)``: whole numbers as they are, others as float32.

    Raises whatever NumPy raises for broken data.
    """
    loaded: Any = np.load(stream, allow_pickle=False)
    values: NDArray[Any] = loaded[known.key] if known.key else loaded
    if values.size != int(np.prod(known.shape)):
        raise BrokenError("the file changed after it was scanned")
    kind = values.dtype
    target: np.dtype[Any] = np.dtype(np.uint8)
    if kind.kind != "b":
        target = np.dtype(np.float32) if kind.kind == "f" else kind.newbyteorder("=")
    return np.array(values.reshape(known.shape), target, order="C")


def _head(stream: Any, key: str, size: int) -> Array:
    try:
        version = npy.read_magic(stream)
        if version == (1, 0):
            shape, _, kind = npy.read_array_header_1_0(stream)
        elif version == (2, 0):
            shape, _, kind = npy.read_array_header_2_0(stream)
        else:
            raise BrokenError(f"its version {version} is not read")
    except ValueError as error:
        raise BrokenError("it is no array of NumPy, or a broken one") from error
    if kind.hasobject or kind.kind not in "biuf":
        raise BrokenError(f"its values ({kind}) are not plain numbers")
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise BrokenError(f"its shape {shape} is neither (y, x) nor (z, y, x)")
    needed = int(np.prod(shape, dtype=object)) * kind.itemsize
    there = size - int(stream.tell())
    if needed > there:
        raise BrokenError(f"it holds {there} of {needed} bytes")
    z, y, x = (1, *shape) if len(shape) == 2 else shape
    return Array(key, (int(z), int(y), int(x)), kind)

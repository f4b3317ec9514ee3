"""Headers of MetaImage (``.mhd``) and the raw slices that they name.

The format: https://itk.org/Wiki/MetaIO/Documentation. Of it this is what simulations and phantoms
come in: uncompressed scalars in one raw file, or in one for each slice.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.errors import StudioError

TYPES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4",
    "MET_UINT": "u4", "MET_FLOAT": "f4", "MET_DOUBLE": "f8",
}  # fmt: skip


def slices_of(header: Path) -> NDArray[np.float32]:
    """The slices ``(n, y, x)`` that a header names, those of them that are there.

    Parameters
    ----------
    header
        The ``.mhd`` file. Raw slices of their own (``name_%03d.raw 1 10 1``) may be fewer than
        the header promises, as in collections of which a part was taken.

    Raises
    ------
    StudioError
        For a header that says too little, a form that is not read, and raw files of another size.
    """
    fields = _fields(header)
    try:
        kind = TYPES[fields["ElementType"]]
        columns, rows, count = [int(word) for word in [*fields["DimSize"].split(), "1"][:3]]
        files = fields["ElementDataFile"].split()
    except (KeyError, ValueError) as error:
        raise _broken(header, f"its {error} is missing or of no known form") from None
    if fields.get("CompressedData", "False").lower() == "true" or files[:1] in ([], ["LOCAL"]):
        raise _broken(header, "its voxels are compressed or in the header's own file")
    big = fields.get("ElementByteOrderMSB", fields.get("BinaryDataByteOrderMSB", "False"))
    dtype = np.dtype(kind).newbyteorder(">" if big.lower() == "true" else "<")
    if "%" in files[0]:
        names, depth = _numbered(header, files), 1
    else:
        names, depth = [header.parent / files[0]], count
    # A name may not lead out of the folder: a header is no place to point at other files from.
    found = [name for name in names if name.parent == header.parent and name.is_file()]
    if not found:
        raise _broken(header, f"none of its raw files lies beside it (such as {names[0].name})")
    return np.concatenate([_raw(name, dtype, (depth, rows, columns)) for name in found])


def _fields(header: Path) -> dict[str, str]:
    try:
        text = header.read_text(encoding="ascii")[:65536]
    except (OSError, UnicodeDecodeError) as error:
        raise _broken(header, f"it is no text that can be read ({error})") from None
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _numbered(header: Path, words: list[str]) -> list[Path]:
    """The files of a pattern such as ``name_%03d.raw``, and its first, last and step."""
    try:
        first, last, step = [int(word) for word in words[1:4]]
        numbers = range(first, last + 1, step)[:10_000]
        return [header.parent / (words[0] % number) for number in numbers]
    except (ValueError, TypeError):
        raise _broken(header, "it numbers its raw files in no known form") from None


def _raw(path: Path, dtype: np.dtype[np.generic], shape: tuple[int, ...]) -> NDArray[np.float32]:
    wanted = int(np.prod(shape)) * dtype.itemsize
    if path.stat().st_size != wanted:
        raise _broken(path, f"it has {path.stat().st_size:,} bytes and should have {wanted:,}")
    return np.fromfile(path, dtype).reshape(shape).astype(np.float32)


def _broken(path: Path, because: str) -> StudioError:
    return StudioError(
        f"{path.name} cannot be read: {because}.",
        hint="Give an uncompressed MetaImage with its raw files beside it.",
    )

"""Headers of files that are not DICOM, for people: NIfTI, TIFF, JPEG, PNG, NumPy."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np

from ctstudio.core.errors import StudioError
from ctstudio.ct.header import Element, FileHeader, bytes_as_text, shortened
from ctstudio.files.items import Item, Store, kind_of
from ctstudio.files.pictures import FORMATS
from ctstudio.files.scan import NIFTI, reason
from ctstudio.files.series import FileSeries


def read_header(series: FileSeries, index: int) -> FileHeader:
    """The header of the file that slice ``index`` of ``series`` lies in; of a TIFF its page's.

    Raises
    ------
    StudioError
        When the file cannot be read.
    """
    item, page = series.item, 0
    if series.pictures:
        item, page = series.pictures[index].item, series.pictures[index].page
    try:
        with Store() as store, store.stream(item) as stream:
            kind, elements = _elements(stream, item, page)
    except Exception as error:  # decoders raise whatever they like for broken data
        raise StudioError(
            f"The header of {item.where} cannot be read: {reason(error)}.",
            hint="Check that the file is still where it was.",
            path=item.path,
        ) from error
    return FileHeader(item.where, kind, tuple(elements))


def _elements(stream: BinaryIO, item: Item, page: int) -> tuple[str, list[Element]]:
    kind = kind_of(item.name)
    if kind in NIFTI:
        return "NIfTI", list(_nifti(stream, item))
    if kind in FORMATS:
        name = FORMATS[kind]
        return name, list(_tiff(stream, page) if name == "TIFF" else _picture(stream))
    return "NumPy", list(_numpy(stream, item))


def _nifti(stream: BinaryIO, item: Item) -> Iterable[Element]:
    from ctstudio.files.nifti import open_image

    image = open_image(stream, item)
    header = image.header
    # nibabel takes the rescale out of the header and hands it to the proxy of the voxels.
    rescale = {"scl_slope": image.dataobj.slope, "scl_inter": image.dataobj.inter}
    for name in header:
        value = np.asarray(rescale.get(name, header[name]))
        if value.dtype.kind == "S":
            kind, (text, size) = "text", bytes_as_text(bytes(value.item()))
        else:
            kind, (text, size) = str(value.dtype), _value(value)
        yield Element("", name, kind, text, size=size, personal=name in ("db_name", "descrip"))
    rows = (", ".join(f"{v:.6g}" for v in row) for row in image.affine)
    yield Element("", "affine", "", "; ".join(rows))
    for extension in header.extensions:
        content = extension.get_content()
        text, size = bytes_as_text(content) if isinstance(content, bytes) else _value(content)
        name = f"extension {extension.get_code()}"
        yield Element("", name, "", text, size=size, private=True, personal=True)


def _tiff(stream: BinaryIO, page: int) -> Iterable[Element]:
    import tifffile

    with tifffile.TiffFile(stream) as file:
        for tag in file.pages[page].tags:
            text, size = _value(tag.value)
            kind = getattr(tag.dtype, "name", str(tag.dtype))
            private = tag.code >= 0x8000  # as TIFF 6.0 has it: registered to companies
            number = f"({tag.code})"
            yield Element(number, tag.name, kind, text, tag.name, size, private=private)


def _picture(stream: BinaryIO) -> Iterable[Element]:
    from PIL import ExifTags, Image

    with Image.open(stream) as image:
        yield Element("", "format", "", str(image.format))
        yield Element("", "size", "", f"{image.width} x {image.height} pixels")
        yield Element("", "mode", "", image.mode)
        for name, found in sorted(image.info.items(), key=lambda entry: str(entry[0])):
            if name != "exif":
                text, size = _value(found)
                yield Element("", str(name), "", text, size=size)
        for code, found in image.getexif().items():
            text, size = _value(found)
            name = ExifTags.TAGS.get(code, "unknown")
            yield Element(f"({code:04X})", name, "EXIF", text, name, size)


def _numpy(stream: BinaryIO, item: Item) -> Iterable[Element]:
    if kind_of(item.name) == ".npy":
        yield from _array(stream)
        return
    with zipfile.ZipFile(stream) as archive:
        for name in archive.namelist():
            if name.endswith(".npy"):
                with archive.open(name) as member:
                    parts = tuple(_array(member))
                yield Element("", name.removesuffix(".npy"), children=parts)


def _array(stream: Any) -> Iterable[Element]:
    from numpy.lib import format as npy

    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, kind = read(stream)
    yield Element("", "version", "", ".".join(map(str, version)))
    yield Element("", "shape", "", " x ".join(map(str, shape)))
    yield Element("", "dtype", "", str(kind))
    yield Element("", "order", "", "Fortran" if fortran else "C")


def _value(value: Any) -> tuple[str, str]:
    if isinstance(value, bytes):
        return bytes_as_text(value)
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return shortened(", ".join(str(v) for v in value))
    return shortened(str(value))

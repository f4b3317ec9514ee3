"""Headers of NIfTI, pictures and arrays, as nibabel, Pillow, tifffile and NumPy write them."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image

from ctstudio.core.errors import StudioError
from ctstudio.core.events import finish
from ctstudio.workflows.headers import place, read_header
from ctstudio.workflows.open import scan


def elements(path, index=0):
    (series,) = finish(scan([path])).series
    header = finish(read_header(series, index))
    return header.kind, {element.name: element for element in header.elements}


def test_nifti(tmp_path):
    image = nibabel.Nifti1Image(np.zeros((4, 5, 6), np.int16), np.diag([-0.8, -0.8, 2.5, 1]))
    image.header["descrip"] = b"made for a test"
    image.header.set_slope_inter(2.0, -1024.0)
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension(6, b"a comment"))
    nibabel.save(image, tmp_path / "a.nii.gz")
    kind, found = elements(tmp_path / "a.nii.gz")
    assert kind == "NIfTI"
    assert found["dim"].value == "3, 4, 5, 6, 1, 1, 1, 1"
    assert found["descrip"].value == "made for a test"
    assert (found["scl_slope"].value, found["scl_inter"].value) == ("2.0", "-1024.0")
    assert found["affine"].value.startswith("-0.8, 0, 0, 0; 0, -0.8")
    assert found["extension 6"].value == "a comment"


def test_pages_of_a_tiff(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for k in range(3):
            file.write(np.zeros((7, 8), np.uint16), description=f"page {k}", metadata=None)
    (series,) = finish(scan([tmp_path / "a.tif"])).series
    assert place(series, 2).image == 2
    assert place(series, 2).images == 3
    for k in range(3):
        kind, found = elements(tmp_path / "a.tif", k)
        assert kind == "TIFF"
        assert found["ImageDescription"].value == f"page {k}"
        assert found["ImageWidth"].value == "8"


def test_jpeg_with_exif(tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "words of the camera"
    Image.fromarray(np.zeros((9, 8), np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    kind, found = elements(tmp_path / "a.jpg")
    assert kind == "JPEG"
    assert found["size"].value == "8 x 9 pixels"
    assert found["ImageDescription"].value == "words of the camera"


def test_arrays(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 4, 5), np.float32))
    kind, found = elements(tmp_path / "a.npy")
    assert kind == "NumPy"
    assert found["shape"].value == "3 x 4 x 5"
    assert found["dtype"].value == "float32"
    np.savez(tmp_path / "b.npz", only=np.zeros((4, 5), np.int16))
    _, found = elements(tmp_path / "b.npz")
    assert [child.name for child in found["only"].children] == [
        "version",
        "shape",
        "dtype",
        "order",
    ]


def test_a_file_that_is_gone(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((4, 5), np.int16))
    (series,) = finish(scan([tmp_path / "a.npy"])).series
    (tmp_path / "a.npy").unlink()
    with pytest.raises(StudioError, match="cannot be read"):
        finish(read_header(series, 0))

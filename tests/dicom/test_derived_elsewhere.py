"""Derived series as others see them: a validator, SimpleITK, dcmtk, highdicom; and the source,
which nothing may touch."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from ctstudio.core.errors import StudioError
from ctstudio.core.events import finish
from ctstudio.ct.resample import resample_uniform, shear_tilt_away, square_pixels
from ctstudio.ct.volume import Volume
from ctstudio.dicom.read import read
from ctstudio.dicom.scan import scan
from ctstudio.dicom.write import write_derived

REAL = [
    "fda_phantom_demo_explicitLE",
    "fda_phantom_j2k_repaired",
    "lungdx_A0002_B40f_smooth",
    "lungdx_A0002_B70f_sharp",
    "totalseg_ct20_j2k",
    "training_ct/acrin_flt_013",
    "training_ct/cmb_crc_01068",
    "training_ct/lungdx_A0001_L",
    "awkward/ge_head_gantry_tilt_variable_spacing",
    "awkward/ibsi_orientation_cc-by-4.0",
    "awkward/dcmqi/ct-3slice",
    "awkward/dcmqi/24x38x3/image",
    "awkward/dcmqi/24x38x3/multiframe/mf.dcm",
]
AWKWARD_FOLDERS = ["cornerstone_transfer_syntaxes", "pydicom", "pydicom_data"]
SEVERAL_MR_IMAGES = "emri_small"


def load(path: Path, most: int | None = None) -> Volume:
    series = finish(scan([path])).series[0]
    if most is not None and series.headers[0].frames == 1:
        series = replace(
            series,
            headers=series.headers[:most],
            geometry=series.geometry.select(slice(0, most)),
            slices=min(most, series.slices),
        )
    return finish(read(series))


def denoised(volume: Volume) -> Volume:
    noise = np.random.default_rng(3).normal(0, 9.7, volume.shape).astype(np.float32)
    return volume.derived(volume.hu() + noise, "test filter, strength 3")


def write(volume: Volume, folder: Path) -> list[Path]:
    return finish(write_derived(volume, folder, description="Test", method="Test filter"))


def check(result: Volume, source: Volume, folder: Path, validator_errors) -> list[Path]:
    """Written, read back and validated against the files it came from."""
    paths = write(result, folder)
    back = load(folder)
    unit = back.slope[0]
    assert np.abs(back.hu() - result.hu()).max() <= 0.5 * unit + 1e-3 * unit + 1e-4
    assert back.unit == result.unit
    np.testing.assert_allclose(back.geometry.positions_mm, result.geometry.positions_mm, atol=1e-4)
    np.testing.assert_allclose(back.geometry.spacing_mm, result.geometry.spacing_mm, rtol=1e-6)
    sources = source.source.files
    for index, path in enumerate(paths):
        theirs = validator_errors(sources[min(index, len(sources) - 1)])
        assert not validator_errors(path) - theirs, path.name
    return paths


@pytest.mark.parametrize("name", REAL)
def test_derived_series_has_no_error_the_source_lacks(test_data, tmp_path, name, validator_errors):
    volume = load(test_data / name, most=3)
    check(denoised(volume), volume, tmp_path / "out", validator_errors)


# Some sources have values that the standard forbids, at which pydicom warns when they are read.
@pytest.mark.filterwarnings("ignore:Invalid value:UserWarning")
@pytest.mark.parametrize("folder", AWKWARD_FOLDERS)
def test_whatever_opens_can_be_written(test_data, tmp_path, folder, validator_errors):
    written = 0
    for path in sorted((test_data / "awkward" / folder).iterdir()):
        try:
            volume = load(path)
        except StudioError:
            continue
        if path.name.startswith(SEVERAL_MR_IMAGES):
            with pytest.raises(StudioError, match="several MR images"):
                write(denoised(volume), tmp_path / path.name)
            continue
        check(denoised(volume), volume, tmp_path / path.name, validator_errors)
        written += 1
    assert written >= 6


@pytest.mark.parametrize("mend", [resample_uniform, shear_tilt_away, square_pixels])
def test_resampled_series_say_where_they_lie(test_data, tmp_path, mend, validator_errors):
    folder = test_data / "awkward" / "ge_head_gantry_tilt_variable_spacing"
    volume = load(folder)
    few = slice(12, 16)  # where the distance between slices changes
    part = replace(
        volume,
        voxels=volume.voxels[few, ::4, ::8],
        slope=volume.slope[few],
        intercept=volume.intercept[few],
        geometry=replace(
            volume.geometry.select(few),
            spacing_mm=(4 * volume.geometry.spacing_mm[0], 8 * volume.geometry.spacing_mm[1]),
        ),
        source=replace(volume.source, files=volume.source.files[few]),
    )
    paths = check(finish(mend(part)), part, tmp_path / "out", validator_errors)
    sources = {pydicom.dcmread(p).SOPInstanceUID for p in part.source.files}
    for path in paths:
        header = pydicom.dcmread(path)
        items = header.SourceImageSequence
        assert 1 <= len(items) <= 2
        assert {item.ReferencedSOPInstanceUID for item in items} <= sources
        assert header.FrameOfReferenceUID == volume.source.frame_of_reference_uid
    if mend is resample_uniform:
        assert {len(pydicom.dcmread(p).SourceImageSequence) for p in paths} == {1, 2}


def test_a_file_of_several_ct_images_becomes_a_series(test_data, tmp_path):
    path = test_data / "awkward" / "dcmqi" / "24x38x3" / "multiframe" / "mf.dcm"
    source = pydicom.dcmread(path)
    volume = load(path)
    headers = [pydicom.dcmread(p) for p in write(denoised(volume), tmp_path / "out")]
    assert len(headers) == source.NumberOfFrames
    for header in headers:
        assert header.SOPClassUID.name == "CT Image Storage"
        for kept in ("PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
            assert header[kept].value == source[kept].value
        assert header.SourceImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
        assert header.DerivationDescription.startswith("Test filter")


def test_simpleitk_reads_the_whole_series(test_data, tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    result = denoised(load(test_data / "lungdx_A0002_B40f_smooth", most=5))
    paths = write(result, tmp_path / "out")
    image = sitk.ReadImage([str(path) for path in paths])
    values = sitk.GetArrayFromImage(image)
    assert np.abs(values - result.hu()).max() <= 0.5
    np.testing.assert_allclose(image.GetOrigin(), result.geometry.positions_mm[0], atol=1e-4)
    dz, (dy, dx) = result.geometry.slice_spacing_mm, result.geometry.spacing_mm
    np.testing.assert_allclose(image.GetSpacing(), (dx, dy, dz), rtol=1e-5)


def test_highdicom_reads_the_whole_series(test_data, tmp_path):
    highdicom = pytest.importorskip("highdicom")
    result = denoised(load(test_data / "lungdx_A0002_B40f_smooth", most=5))
    write(result, tmp_path / "out")
    datasets = [pydicom.dcmread(p) for p in sorted((tmp_path / "out").iterdir())]
    volume = highdicom.get_volume_from_series(datasets)
    # highdicom stacks along its own normal, which may run the other way.
    order = [volume.map_indices_to_reference(np.array([[k, 0, 0]]))[0] for k in range(len(result))]
    for values, position in zip(volume.array, order, strict=True):
        k = result.geometry.nearest_slice(position)
        np.testing.assert_allclose(position, result.geometry.positions_mm[k], atol=1e-3)
        assert np.abs(values - result.slice_hu(k)).max() <= 0.5


def test_dcmtk_draws_what_is_written(test_data, tmp_path):
    if shutil.which("dcmj2pnm") is None:
        pytest.skip("dcmj2pnm (dcmtk) is not installed")
    result = denoised(load(test_data / "lungdx_A0002_B40f_smooth", most=1))
    (path,) = write(result, tmp_path / "out")
    picture = tmp_path / "out.pgm"
    subprocess.run(
        ["dcmj2pnm", "+Ww", "40", "400", "--write-raw-pnm", str(path), str(picture)], check=True
    )
    header, _, grey = picture.read_bytes().partition(b"\n255\n")
    assert header.startswith(b"P5")
    drawn = np.frombuffer(grey, np.uint8).reshape(result.shape[1:])
    # PS3.3 C.11.2.1.2.1: the linear window function.
    stored = np.rint(result.slice_hu(0))
    expected = np.clip(((stored - 39.5) / 399 + 0.5) * 255, 0, 255)
    assert np.abs(drawn - expected).max() <= 1


@pytest.mark.filterwarnings("ignore:Invalid value:UserWarning")
def test_a_uid_that_is_none_is_not_referred_to(stack, tmp_path):
    folder = stack(1, SOPInstanceUID="none of the standard's")
    (path,) = write(denoised(load(folder)), tmp_path / "out")
    assert "SourceImageSequence" not in pydicom.dcmread(path)


# -- the source ----------------------------------------------------------------------------------


def ways_to_name(folder: Path, tmp_path: Path) -> dict[str, Path]:
    link = tmp_path / "link"
    link.symlink_to(folder, target_is_directory=True)
    relative = folder / ".." / folder.name
    chain = tmp_path / "chain"
    chain.symlink_to(link)
    return {"itself": folder, "a link": link, "a link to a link": chain, "a detour": relative}


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
@pytest.mark.parametrize("way", ["itself", "a link", "a link to a link", "a detour"])
def test_the_source_is_never_written_over(stack, tmp_path, way):
    folder = stack(3)
    before = {p: (p.read_bytes(), p.stat().st_ino) for p in folder.iterdir()}
    with pytest.raises(StudioError, match="not empty"):
        write(denoised(load(folder)), ways_to_name(folder, tmp_path)[way])
    assert {p: (p.read_bytes(), p.stat().st_ino) for p in folder.iterdir()} == before


def test_hard_links_to_the_source_are_not_written_over(stack, tmp_path):
    folder = stack(1)
    twin = tmp_path / "twins"
    twin.mkdir()
    os.link(folder / "001", twin / "IM0001.dcm")
    before = (folder / "001").read_bytes()
    with pytest.raises(StudioError, match="not empty"):
        write(denoised(load(folder)), twin)
    assert (folder / "001").read_bytes() == before


def test_names_that_differ_in_case_alone(stack, tmp_path):
    folder = stack(2)
    other = folder.with_name(folder.name.upper())
    if other.exists():  # the disk takes both for one
        with pytest.raises(StudioError, match="not empty"):
            write(denoised(load(folder)), other)
    else:
        assert write(denoised(load(folder)), other)
    assert len(list(folder.iterdir())) == 2


KILLED = """
import sys
from pathlib import Path
from ctstudio.core.events import finish, Progress
from ctstudio.dicom.read import read
from ctstudio.dicom.scan import scan
from ctstudio.dicom.write import write_derived
(series,) = finish(scan([Path(sys.argv[1])])).series
work = write_derived(finish(read(series)), Path(sys.argv[2]), description="x", method="y")
for event in work:
    if isinstance(event, Progress) and event.text == "Writing slices" and event.done == 2:
        print("half", flush=True)
        input()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX's")
def test_a_killed_export_leaves_no_series_and_the_next_one_cleans_up(stack, tmp_path):
    folder, out = stack(4), tmp_path / "results" / "out"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder), str(out)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "half\n"
    (unfinished,) = out.parent.iterdir()
    assert len(list(unfinished.iterdir())) == 2
    volume = load(folder)
    write(volume, out.parent / "other")  # whose process lives is left alone
    assert unfinished.exists()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdin.close()
    process.stdout.close()
    assert not out.exists()
    assert len(write(volume, out)) == 4
    assert sorted(p.name for p in out.parent.iterdir()) == ["other", "out"]

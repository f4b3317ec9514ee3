"""Mended scans of the phantom, which is known at every point, read back by other libraries."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK

from ctstudio.cli import main
from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Progress, finish
from ctstudio.ct.resample import Fix
from ctstudio.ct.volume import Geometry
from ctstudio.dicom.irregularities import Kind
from ctstudio.workflows.mend import everything, mend, mend_series, names, oddities, offered
from ctstudio.workflows.open import read, scan
from ctstudio.workflows.save import save

UNEVEN = (*np.arange(-40, -8, 4.0), *np.arange(-8, 41, 7.0))


def only(path: Path):
    (series,) = finish(scan([path])).series
    return series


def centres(geometry: Geometry, shape) -> np.ndarray:
    """Patient mm of every voxel, ``(z, y, x, 3)``."""
    down = np.arange(shape[1])[:, None, None] * geometry.spacing_mm[0] * geometry.column_direction
    right = np.arange(shape[2])[:, None] * geometry.spacing_mm[1] * geometry.row_direction
    return geometry.positions_mm[:, None, None] + down + right


def itk(files: list[Path]) -> SimpleITK.Image:
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames([str(path) for path in files])
    return reader.Execute()


def test_a_tilted_uneven_scan_becomes_one_regular_stack(irregular_phantom, phantom_at, tmp_path):
    series = only(irregular_phantom("leaning", UNEVEN, tilt=15.0))
    found = oddities(series)
    assert [odd.kind for odd in found] == [Kind.VARIABLE_SPACING, Kind.GANTRY_TILT]
    assert offered(found) == (Fix.SHEAR, Fix.UNIFORM, Fix.SPLIT)
    assert everything(found) == (Fix.SHEAR, Fix.UNIFORM)
    out = tmp_path / "regular"
    files = finish(mend_series(series, everything(found), out))
    assert sorted(out.iterdir()) == files

    # Others see a regular stack, and the patient where the phantom is.
    image = itk(files)
    mended = finish(read(only(out)))
    assert oddities(only(out)) == ()
    assert image.GetSize() == mended.shape[::-1]
    np.testing.assert_allclose(image.GetSpacing(), (4, 4, 4 * np.cos(np.radians(15))), rtol=1e-5)
    np.testing.assert_allclose(image.GetOrigin(), mended.geometry.positions_mm[0], atol=1e-3)
    corner = image.TransformIndexToPhysicalPoint([n - 1 for n in image.GetSize()])
    at = centres(mended.geometry, mended.shape)
    np.testing.assert_allclose(corner, at[-1, -1, -1], atol=1e-2)
    np.testing.assert_allclose(SimpleITK.GetArrayFromImage(image), mended.hu(), atol=0.5)
    truth = phantom_at(at)
    acquired = mended.hu() != -1024  # nothing was where the slices were moved away from
    assert acquired.mean() > 0.85
    error = np.abs(mended.hu() - truth)[acquired]
    # As far as 4 mm pixels and 7 mm gaps can show it: edges blur, nothing moves.
    assert np.median(error) < 3
    assert error.mean() < 20
    naive = np.abs(finish(read(series)).hu() - phantom_at(_stacked(series)))
    assert naive.mean() > 4 * error.mean(), "what a viewer shows that ignores tilt and distances"


def _stacked(series) -> np.ndarray:
    """Where a viewer believes the voxels that stacks the slices upright, at equal distances."""
    g = series.geometry
    middle = series.slices // 2
    offsets = (np.arange(series.slices) - middle) * g.slice_spacing_mm
    positions = g.positions_mm[middle] + offsets[:, None] * g.normal
    plain = Geometry(positions, g.row_direction, g.column_direction, g.spacing_mm)
    return centres(plain, (series.slices, series.rows, series.columns))


def test_the_header_tells_what_was_done_and_keeps_whose_it_is(irregular_phantom, tmp_path):
    folder = irregular_phantom("leaning", (0, 4, 8, 12), tilt=10.0)
    files = finish(mend_series(only(folder), [Fix.SHEAR], tmp_path / "upright"))
    source = pydicom.dcmread(folder / "002.dcm")
    data = pydicom.dcmread(files[2])
    assert data.DerivationDescription.startswith("gantry tilt of 10.0 degrees sheared away")
    assert data.SeriesDescription == "leaning, upright"
    assert data.PatientID == source.PatientID
    assert data.StudyInstanceUID == source.StudyInstanceUID
    assert data.FrameOfReferenceUID == source.FrameOfReferenceUID
    assert data.SeriesInstanceUID != source.SeriesInstanceUID
    assert "GantryDetectorTilt" not in data, "nobody shears it once more"
    referenced = [item.ReferencedSOPInstanceUID for item in data.SourceImageSequence]
    assert referenced == [source.SOPInstanceUID]


def test_what_was_done_before_stands_in_the_header_too(irregular_phantom, tmp_path):
    from ctstudio.core.registry import Choice
    from ctstudio.workflows.denoise import method_from_choice
    from ctstudio.workflows.save import save

    (even,) = finish(
        mend(finish(read(only(irregular_phantom("a", (0, 4, 12), tilt=0.0)))), [Fix.UNIFORM])
    )
    method = method_from_choice(Choice("bilateral", {}))
    denoised = finish(method.denoise(even))
    out = tmp_path / "out"
    files = finish(save(denoised, out, "dicom", description="x", method=method.description))
    said = pydicom.dcmread(files[0]).DerivationDescription
    assert said == f"{even.derivation[0]}; {method.description}"


def test_parts_are_series_of_their_own(irregular_phantom, tmp_path):
    folder = irregular_phantom("two", UNEVEN)
    out = tmp_path / "parts"
    files = finish(mend_series(only(folder), [Fix.SPLIT], out))
    assert sorted(out.rglob("*.dcm")) == sorted(files)
    series = finish(scan([out])).series
    assert len(series) == 2
    assert sum(part.slices for part in series) == len(UNEVEN)
    assert {part.source.description for part in series} == {"two, part 1 of 2", "two, part 2 of 2"}
    for part in series:
        assert oddities(part) == ()
    before = finish(read(only(folder))).hu()
    after = np.concatenate(
        [finish(read(p)).hu() for p in sorted(series, key=lambda p: p.source.description)]
    )
    np.testing.assert_array_equal(after, before)


def test_square_pixels_and_a_spacing_of_ones_own(irregular_phantom, phantom_at, tmp_path):
    series = only(irregular_phantom("flat", (0, 5, 10), spacing=(6.0, 4.0), size=(56, 96)))
    (odd,) = oddities(series)
    assert (odd.kind, odd.warns) == (Kind.NON_SQUARE_PIXELS, False)
    fixes = [Fix.UNIFORM, Fix.SQUARE]  # in an order of one's own
    files = finish(mend_series(series, fixes, tmp_path / "out", spacing_mm=2.5))
    image = itk(files)
    np.testing.assert_allclose(image.GetSpacing(), (4, 4, 2.5))
    assert image.GetSize() == (96, 83, 5)


def test_nifti_keeps_the_place(irregular_phantom, phantom_at, tmp_path):
    series = only(irregular_phantom("leaning", np.arange(-20, 21, 5.0), tilt=12.0))
    (path,) = finish(mend_series(series, [Fix.SHEAR], tmp_path / "n", "nifti"))
    image = nibabel.load(path)
    index = np.argwhere(np.asarray(image.dataobj) > 300)  # bones and vessels
    points = nibabel.affines.apply_affine(image.affine, index) * [-1, -1, 1]
    assert len(index) > 200
    assert np.median(phantom_at(points)) > 300
    naive = points + np.array([0, 0, 8.0])
    assert np.mean(phantom_at(naive) > 250) < np.mean(phantom_at(points) > 250)


def test_a_fix_that_changes_nothing_is_refused_before_the_work(irregular_phantom, tmp_path):
    series = only(irregular_phantom("plain", (0, 4, 8)))
    assert oddities(series) == ()
    for fix, words in (
        (Fix.SHEAR, "not tilted"),
        (Fix.UNIFORM, "equal distances already"),
        (Fix.SQUARE, "square already"),
        (Fix.SPLIT, "nothing to split"),
    ):
        with pytest.raises(StudioError, match=words):
            finish(mend_series(series, [fix], tmp_path / "out"))
        with pytest.raises(StudioError, match=words):
            finish(mend(finish(read(series)), [fix]))
    assert not (tmp_path / "out").exists()


def test_a_second_fix_that_has_nothing_left_to_do_says_so(irregular_phantom):
    volume = finish(read(only(irregular_phantom("gap", (0, 4, 8, 16)))))
    events = mend(volume, [Fix.SPLIT, Fix.UNIFORM])
    seen, result = [], None
    while result is None:
        try:
            seen.append(next(events))
        except StopIteration as stop:
            result = stop.value
    assert len(result) == 1
    assert len(result[0]) == 5
    assert any(isinstance(event, Progress) and event.total for event in seen)
    assert [e.text for e in seen if isinstance(e, Note)] == [
        "The series is one regular stack: there is nothing to split."
    ]


def test_names() -> None:
    assert names("CT", [Fix.UNIFORM, Fix.SHEAR], 1) == ["CT, upright, equal distances"]
    assert names("CT", [Fix.SPLIT], 2) == ["CT, part 1 of 2", "CT, part 2 of 2"]


def test_the_command_line(irregular_phantom, tmp_path, capsys):
    folder = irregular_phantom("leaning", UNEVEN, tilt=15.0)
    assert main.run(["mend", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "gantry tilt: The stack is sheared by 15.0 degrees" in said
    assert "--fix shear: Each slice is moved" in said
    assert main.run(["mend", str(folder), "--fix", "all", "-o", str(tmp_path / "out")]) == 0
    assert "written to" in capsys.readouterr().out
    assert main.run(["info", str(tmp_path / "out"), "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)["series"]
    assert (entry["uniform"], entry["tilted"]) == (True, False)
    assert main.run(["mend", str(tmp_path / "out")]) == 0
    assert "nothing is odd" in capsys.readouterr().out
    assert main.run(["mend", str(tmp_path / "out"), "--fix", "all", "-o", "x"]) == 1
    assert main.run(["mend", str(folder), "--fix", "shear"]) == 2
    assert "--out" in capsys.readouterr().err


@pytest.mark.parametrize("spacing_mm", [float("nan"), float("inf"), 1e9, -1.0])
def test_distances_that_make_no_stack_are_refused(irregular_phantom, tmp_path, spacing_mm):
    series = only(irregular_phantom("a", (0, 4, 12), tilt=0.0))
    with pytest.raises(StudioError, match="the stack is 12 mm long"):
        finish(mend_series(series, [Fix.UNIFORM], tmp_path / "out", spacing_mm=spacing_mm))
    assert not (tmp_path / "out").exists()


def test_where_nothing_can_be_written_is_known_at_once(irregular_phantom, tmp_path):
    """Also through a link, since the source would then hold two series."""
    source = irregular_phantom("a", (0, 4, 12), tilt=0.0)
    series = only(source)
    (tmp_path / "link").symlink_to(series.source.files[0].parent)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").write_text("no folder")
    places = {"link/sub": "would then hold two", "dangling": "a link", "file/sub": "is a file"}
    for place, words in places.items():
        with pytest.raises(StudioError, match=words):
            next(mend_series(series, [Fix.UNIFORM], tmp_path / place))


def test_uneven_slices_are_no_nifti_and_the_way_out_is_told(irregular_phantom, tmp_path):
    volume = finish(read(only(irregular_phantom("a", (0, 4, 12), tilt=0.0))))
    with pytest.raises(StudioError, match="mend --fix resample") as caught:
        finish(save(volume, tmp_path / "out", "nifti", description="", method=""))
    assert str(tmp_path / "out" / "volume.nii.gz") in caught.value.message

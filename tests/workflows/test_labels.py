"""Label maps written as DICOM and NIfTI, and segmentations opened beside their series."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from ctstudio.cli.main import run
from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, finish
from ctstudio.ct.labels import Label, complete, default_colour, label_map
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.dicom.write import write_series
from ctstudio.workflows.deidentify import deidentifier
from ctstudio.workflows.open import read, read_labels, scan
from ctstudio.workflows.save import save

LABELS = (Label(1, 'Lung "left"', (20, 200, 40)), Label(3, "Größe", (230, 30, 10)))


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    hu = np.random.default_rng(4).integers(-1000, 500, (4, 8, 9)).astype(np.float32)
    drawn = Volume.from_hu(hu, Geometry.axial(4, (2.0, 0.5, 0.5)))
    finish(write_series(drawn, tmp_path / "scan", series_number=1, description="scan"))
    (series,) = finish(scan([tmp_path / "scan"])).series
    return finish(read(series))


@pytest.fixture
def labels(volume: Volume) -> Volume:
    numbers = np.zeros(volume.shape, int)
    numbers[1, 2:5, 3:7], numbers[2, 1:3, 1:8] = 1, 3
    return label_map(numbers, volume.geometry, volume.source, LABELS)


def test_a_segmentation_opens_beside_its_series(volume, labels, tmp_path):
    files = finish(save(labels, tmp_path / "seg", "dicom", description="Mine", method="By hand"))
    assert files == [tmp_path / "seg" / "segmentation.dcm"]
    found = finish(scan([tmp_path]))
    assert len(found.series) == 1
    assert found.segmentations == tuple(files)
    assert found.skipped == ()
    ((title, back),) = finish(read_labels(found.segmentations, volume))
    assert title == "Mine"
    # In DICOM segments are numbered from 1 without a gap.
    expected = np.where(np.asarray(labels.voxels) == 3, 2, labels.voxels)
    np.testing.assert_array_equal(back.voxels, expected)
    assert [label.name for label in back.labels] == [label.name for label in LABELS]


def test_alone_it_is_no_failure_of_the_scan_but_no_series(labels, tmp_path, capsys):
    finish(save(labels, tmp_path / "seg", "dicom", description="Mine", method=""))
    found = finish(scan([tmp_path / "seg"]))
    assert (found.series, len(found.segmentations)) == ((), 1)
    assert run(["info", str(tmp_path / "seg")]) == 0
    assert "segmentation: " in capsys.readouterr().out
    out = str(tmp_path / "o")
    assert run(["denoise", str(tmp_path / "seg"), "--method", "tv", "--out", out]) == 1
    assert "segmentations" in capsys.readouterr().err


def test_those_of_other_series_are_passed_over_and_misfits_are_said(labels, tmp_path):
    finish(save(labels, tmp_path / "seg", "dicom", description="Mine", method=""))
    path = tmp_path / "seg" / "segmentation.dcm"
    other = Volume.from_hu(np.zeros((4, 8, 9), np.float32), Geometry.axial(4))
    assert finish(read_labels([path], other)) == []
    thinner = Volume(
        labels.voxels[:, :7], labels.slope, labels.intercept, "HU", labels.geometry, labels.source
    )
    events = list(read_labels([path], thinner))
    notes = [event.text for event in events if isinstance(event, Note)]
    assert finish(read_labels([path], thinner)) == []
    assert any("9 x 8 pixels, the slices 9 x 7" in note for note in notes)


def test_a_segmentation_is_what_a_network_learns(volume, labels, tmp_path):
    from ctstudio.workflows.training import find_recipe, train_on

    finish(save(labels, tmp_path / "seg", "dicom", description="Mine", method=""))
    path = tmp_path / "seg" / "segmentation.dcm"
    changed = {
        "steps": "60", "patch_px": "8", "device": "cpu",
        "phases.0.model.features": "4", "phases.0.model.classes": "3",
    }  # fmt: skip
    recipe = find_recipe("unet-masks", changed)
    model = finish(train_on(recipe, [volume], None, segmentations=[path]))
    assert 0 < model.metrics["dice"] <= 1
    elsewhere = Volume.from_hu(volume.hu(), volume.geometry)
    with pytest.raises(StudioError, match="no segmentation"):
        finish(train_on(recipe, [elsewhere], None, segmentations=[path]))
    with pytest.raises(StudioError, match="2 segmentations"):
        finish(train_on(recipe, [volume], None, segmentations=[path, path]))


def test_nifti_with_a_table_of_names(labels, tmp_path):
    image, table = finish(save(labels, tmp_path / "n", "nifti", description="", method=""))
    read_back = nibabel.load(image)
    assert read_back.header.get_intent()[0] == "label"
    np.testing.assert_array_equal(
        np.asarray(read_back.dataobj).transpose(2, 1, 0), np.asarray(labels.voxels)
    )
    rows = [line for line in table.read_text(encoding="utf-8").splitlines() if line[0] != "#"]
    assert rows[0].split()[0] == "0"
    assert rows[1].split()[:4] == ["1", "20", "200", "40"]
    assert rows[1].endswith("\"Lung 'left'\"")
    assert rows[2].endswith('"Größe"')
    (series,) = finish(scan([image])).series
    assert any("labels" in warning for warning in series.warnings)


def test_a_segmentation_without_the_patient(labels, volume, tmp_path):
    cleaner = deidentifier()
    (path,) = finish(
        save(labels, tmp_path / "s", "dicom", description="x", method="", deidentify=cleaner)
    )
    data = path.read_bytes()
    for uid in (volume.source.study_uid, volume.source.series_uid):
        assert uid
        assert uid.encode() not in data
    assert cleaner.uid(volume.source.series_uid).encode() in data


def test_what_is_no_label_map():
    geometry = Geometry.axial(1)
    for numbers in ([[[-2]]], [[[70000]]], [[[0.5]]]):
        with pytest.raises(ValueError, match="label"):
            label_map(np.array(numbers), geometry, Volume.from_hu(
                np.zeros((1, 1, 1), np.float32), geometry).source)  # fmt: skip
    assert label_map(np.array([[[300]]]), geometry, volume_source()).voxels.dtype == np.uint16


def volume_source():
    return Volume.from_hu(np.zeros((1, 1, 1), np.float32), Geometry.axial(1)).source


def test_names_and_colours_that_are_missing_are_made_up():
    known = complete(LABELS, [0, 1, 2, 3, 40])
    assert [label.number for label in known] == [1, 2, 3, 40]
    assert known[1].name == "Label 2"
    assert known[0] is LABELS[0]
    colours = {default_colour(number) for number in range(1, 60)}
    assert len(colours) == 59
    assert all(0 <= part <= 255 for colour in colours for part in colour)


def test_pictures_of_labels_are_stacks_as_ever(labels, tmp_path):
    files = finish(save(labels, tmp_path / "t", "tiff", description="", method=""))
    assert len(files) == len(labels)
    with pytest.raises(StudioError, match="not empty"):
        finish(save(labels, tmp_path / "t", "nifti", description="", method=""))


@pytest.mark.parametrize("kind", ["nifti", "dicom"])
def test_errors_name_the_place_that_was_asked_for(labels, tmp_path, kind):
    out = tmp_path / "out"
    uneven = replace(labels.geometry, positions_mm=labels.geometry.positions_mm * [[1, 1, 1]])
    uneven.positions_mm[-1, 2] += 3
    unknown = replace(labels.source, files=(), described_by=())
    if kind == "nifti":
        labels = replace(labels, geometry=uneven)
    else:
        labels = replace(labels, source=unknown)
    with pytest.raises(StudioError) as caught:
        finish(save(labels, out, kind, description="x", method="y"))
    error = caught.value
    assert str(out) in error.message
    assert ".tmp-" not in f"{error.message} {error.hint} {error.details} {error.path}"
    assert Path(error.path).is_relative_to(out)
    assert not out.exists()
    assert list(tmp_path.glob(".tmp-*")) == []

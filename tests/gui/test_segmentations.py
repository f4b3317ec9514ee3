"""A DICOM segmentation opens beside its series, whichever comes first, and masks are saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from ctstudio.core.events import finish
from ctstudio.ct.labels import Label, label_map
from ctstudio.dicom.seg import write_segmentation
from ctstudio.workflows.open import read, scan


@pytest.fixture(scope="module")
def segmentation(thin: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """A file with two labels on the thin series, and their numbers."""
    (series,) = finish(scan([thin.folder])).series
    volume = finish(read(series))
    numbers = np.zeros(volume.shape, np.uint8)
    numbers[3:6, 20:40, 20:50], numbers[7, 50:60, 30:40] = 1, 2
    labels = (Label(1, "Lung", (20, 200, 40)), Label(2, "Nodule", (230, 30, 10)))
    path = tmp_path_factory.mktemp("seg") / "labels.dcm"
    drawn = label_map(numbers, volume.geometry, volume.source, labels)
    return finish(write_segmentation(drawn, path, description="By hand")), numbers


def masks(hands: Any) -> list[Any]:
    return [layer for layer in hands.session.layers if layer.kind == "mask"]


@pytest.mark.parametrize("first", ["series", "segmentation", "both at once"])
def test_it_opens_beside_its_series(hands: Any, thin: Any, segmentation: Any, first: str) -> None:
    path, numbers = segmentation
    orders = {
        "series": [[thin.folder], [path]],
        "segmentation": [[path], [thin.folder]],
        "both at once": [[thin.folder, path]],
    }
    for paths in orders[first]:
        hands.drop(*paths)
        hands.idle()
    hands.wait(lambda: masks(hands), "for the mask")
    hands.idle()
    (layer,) = masks(hands)
    assert layer.name == "By hand"
    assert layer.parent is hands.layer("Thin slab")
    np.testing.assert_array_equal(layer.volume.voxels, numbers)
    assert [label.name for label in layer.volume.labels] == ["Lung", "Nodule"]
    assert hands.banner() == ""


def test_it_waits_where_only_another_series_is_open(
    hands: Any, elsewhere: Any, segmentation: Any
) -> None:
    said: list[str] = []
    hands.session.message.connect(lambda text, _milliseconds: said.append(text))
    hands.open(elsewhere)
    hands.drop(segmentation[0])
    hands.idle()
    assert masks(hands) == []
    assert said[-1] == "A segmentation was made on another series: open that too."
    assert hands.banner() == ""


@pytest.mark.parametrize("deidentify", [False, True])
def test_a_mask_is_saved_as_dicom_and_nifti(
    hands: Any, thin: Any, segmentation: Any, tmp_path: Path, deidentify: bool
) -> None:
    hands.drop(thin.folder, segmentation[0])
    hands.wait(lambda: masks(hands), "for the mask")
    hands.idle()
    (layer,) = masks(hands)
    assert layer.exportable
    hands.window.exporter.save_dicom(layer, tmp_path / "out", deidentify=deidentify)
    hands.idle("export")
    assert hands.banner() == ""
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["labels.nii.gz", "labels.txt", "segmentation.dcm"]
    data = pydicom.dcmread(tmp_path / "out" / "segmentation.dcm")
    source = pydicom.dcmread(next(thin.folder.iterdir()))
    assert (data.PatientID == source.PatientID) is not deidentify
    assert (data.StudyInstanceUID == source.StudyInstanceUID) is not deidentify


def test_dicom_without_the_patient(
    hands: Any, thin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (layer,) = hands.open(thin)
    volume = layer.volume
    made = type(layer)("Thin slab, filtered", "denoised", volume.derived(volume.hu()), layer)
    hands.session.add_layer(made)
    hands.session.set_active(made)
    compare = hands.window.compare_panel
    assert not compare.deidentify.isChecked(), "only if it is asked for"
    compare.deidentify.setChecked(True)
    monkeypatch.setattr("ctstudio.gui.panels.compare.ask_new_folder", lambda *_: tmp_path / "out")
    compare.ask_dicom()
    hands.idle("export")
    header = pydicom.dcmread(next((tmp_path / "out").iterdir()))
    assert header.PatientIdentityRemoved == "YES"
    assert header.SeriesDescription == "filtered"
    assert "Thin slab" not in str(header)

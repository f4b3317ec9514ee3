"""Real files that bend or break the standard: every outcome is a volume, a note or an error
in words."""

from __future__ import annotations

import numpy as np
import pytest

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, finish
from ctstudio.dicom.read import read
from ctstudio.dicom.scan import scan


def open_all(path, drive):
    """Volumes, notes and errors of everything under ``path``."""
    volumes, words = [], []
    try:
        result = finish(scan([path]))
    except StudioError as error:
        return [], [str(error)]
    words += [s.reason for s in result.skipped]
    for series in result.series:
        try:
            events, volume = drive(read(series))
        except StudioError as error:
            words.append(str(error))
            continue
        assert volume.shape[1:] == (series.rows, series.columns)
        assert len(volume) == len(volume.geometry.positions_mm)
        frames = series.headers[0].frames
        assert len(volume.source.files) == (len(volume) if frames == 1 else 1)
        assert np.isfinite(volume.slice_hu(0)).all()
        volumes.append(volume)
        words += [e.text for e in events if isinstance(e, Note)]
    return volumes, words


def test_every_file_and_folder_opens_or_says_why(test_data, drive):
    root = test_data / "awkward"
    opened = 0
    for folder in sorted(p for p in root.iterdir() if p.is_dir()):
        volumes, words = open_all(folder, drive)
        assert volumes or words, folder.name
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            if folder.name.startswith(("ge_", "ibsi")):
                continue  # whole series, opened above
            volumes, words = open_all(path, drive)
            assert volumes or words, path.name
            opened += len(volumes)
    assert opened >= 30


def test_broken_jpeg_2000_is_reported_by_name(test_data):
    (series,) = finish(scan([test_data / "awkward" / "fda_phantom_broken_j2k"])).series
    with pytest.raises(StudioError, match="No slice") as caught:
        finish(read(series))
    for path in series.source.files:
        assert path.name in caught.value.details


def test_tilted_head_with_parts_of_different_spacing(test_data):
    folder = test_data / "awkward" / "ge_head_gantry_tilt_variable_spacing"
    (series,) = finish(scan([folder])).series
    assert any("sheared by 18.5 degrees" in w for w in series.warnings)
    assert any("varies" in w for w in series.warnings)
    assert np.all(np.diff(series.geometry.offsets_mm) > 0)


def test_cut_and_garbled_files_never_crash(test_data, tmp_path, drive):
    rng = np.random.default_rng(5)
    sources = [
        test_data / "awkward" / "pydicom" / "CT_small.dcm",
        test_data / "awkward" / "pydicom" / "JPGExtended.dcm",
        test_data / "awkward" / "pydicom_data" / "JLSL_16_15_1_1F.dcm",
    ]
    for source in sources:
        whole = np.frombuffer(source.read_bytes(), np.uint8)
        for trial in range(40):
            data = whole.copy()
            if trial % 2:
                data = data[: rng.integers(1, len(data))]
            else:
                data[rng.integers(132, len(data), 12)] = rng.integers(0, 256, 12)
            path = tmp_path / f"{source.stem}-{trial}"
            path.write_bytes(data.tobytes())
            volumes, words = open_all(path, drive)
            assert volumes or words

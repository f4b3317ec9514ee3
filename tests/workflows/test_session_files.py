"""Session files: what is written comes back; what is damaged, newer or gone is told."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Partial, Progress, finish
from ctstudio.ct.labels import Label, label_map
from ctstudio.ct.volume import Geometry, Source, Volume
from ctstudio.dicom.write import write_series
from ctstudio.workflows.open import read, scan
from ctstudio.workflows.sessions.document import (
    FORMAT,
    VERSION,
    Document,
    KeptLayer,
    load,
    missing_sources,
    save,
)
from ctstudio.workflows.sessions.reopen import Reopened, key_of, places_of, relocated, reopen
from ctstudio.workflows.sessions.voxels import kept, load_voxels, save_voxels, volume_of
from ctstudio.workflows.sessions.writing import store_of, write

SHAPE = (4, 6, 5)


def scanned(folder: Path) -> Volume:
    """A series on disk as it is read: hu = 100 z + 10 y + x."""
    z, y, x = np.indices(SHAPE)
    hu = (100 * z + 10 * y + x).astype(np.int16)
    source = Source(
        description="Slab", modality="CT", study_uid="1.2.3.4", frame_of_reference_uid="1.2.3.5",
        patient_name="Secret^Name", patient_id="ID-4711-X",
    )  # fmt: skip
    geometry = Geometry.axial(SHAPE[0], (3.0, 0.8, 1.1))
    volume = Volume(hu, np.ones(4), np.zeros(4), "HU", geometry, source)
    finish(write_series(volume, folder, series_number=1))
    (info,) = finish(scan([folder])).series
    return finish(read(info))


def session(folder: Path, store: Path) -> tuple[Document, dict[str, Volume]]:
    """The series, a simulated twin, a result half blended over it, its residual and a mask."""
    scan_ = scanned(folder)
    (info,) = finish(scan([folder])).series
    twin = scan_.derived(scan_.hu() + 7, "noise")
    result = scan_.derived(scan_.hu() - 3, "total variation, weight 20")
    numbers = np.zeros(SHAPE, np.uint8)
    numbers[1, 2:4, 1:3] = 2
    mask = label_map(numbers, scan_.geometry, scan_.source, (Label(2, "Nodule", (1, 2, 3)),))
    files = scan_.source.files
    volumes = {"twin.npy": twin, "result.npy": result, "mask.npy": mask}

    def about(name: str) -> Any:
        return kept(volumes[name], name, scan_.geometry, files)

    layers = (
        KeptLayer("a", "Slab", "original", series=key_of(info)),
        KeptLayer("b", "Slab, noisy", "simulated", "a", volume=about("twin.npy")),
        KeptLayer("c", "TV", "denoised", "b", volume=about("result.npy"), fraction=0.5, note="TV"),
        KeptLayer("d", "Residual: TV", "residual", "c"),
        KeptLayer("e", "Mask", "mask", "a", volume=about("mask.npy")),
    )
    state = {"view": {"layout": "1x3"}, "of a later version": [1, 2]}
    return Document((folder,), layers, state, (folder / "run",)), volumes


def reopened(document: Document, store: Path) -> tuple[dict[str, Reopened], tuple[str, ...]]:
    found: dict[str, Reopened] = {}
    work = reopen(document, store)
    while True:
        try:
            event = next(work)
        except StopIteration as stop:
            return found, stop.value
        if isinstance(event, Partial):
            assert isinstance(event.value, Reopened)
            found[event.value.kept.key] = event.value


def test_a_session_comes_back_as_it_was(tmp_path: Path) -> None:
    folder, store = tmp_path / "ct", tmp_path / "store"
    document, volumes = session(folder, store)
    path = tmp_path / "mine.ctsession"
    written = finish(write(document, path, volumes, store))
    assert load(path) == written
    assert store_of(load(path), path) == store
    found, lost = reopened(load(path), store_of(load(path), path))
    assert lost == ()
    scan_ = found["a"].stack
    assert found["a"].series is not None
    assert scan_.source.patient_name == "Secret^Name"  # from the files, not from the session
    np.testing.assert_array_equal(found["b"].stack.slice_hu(2), scan_.slice_hu(2) + 7)
    # Half of the way from the twin (+7) to the result (-3).
    np.testing.assert_array_equal(found["c"].stack.slice_hu(1), scan_.slice_hu(1) + 2)
    np.testing.assert_array_equal(found["d"].stack.slice_hu(3), np.full(SHAPE[1:], -5))
    mask = found["e"].stack
    assert isinstance(mask, Volume)
    assert mask.labels == (Label(2, "Nodule", (1, 2, 3)),)
    np.testing.assert_array_equal(mask.voxels, volumes["mask.npy"].voxels)
    assert found["c"].stack.derivation[0] == "total variation, weight 20"
    assert found["b"].stack.source.files == scan_.source.files


def test_it_names_no_patient(tmp_path: Path) -> None:
    document, volumes = session(tmp_path / "ct", tmp_path / "store")
    finish(write(document, tmp_path / "a.ctsession", volumes, tmp_path / "store"))
    for path in (tmp_path / "a.ctsession", *(tmp_path / "store").iterdir()):
        data = path.read_bytes()
        for secret in (b"Secret", b"Name^", b"4711"):
            assert secret not in data, path.name


def test_a_geometry_of_its_own_comes_back(tmp_path: Path) -> None:
    scan_ = scanned(tmp_path / "ct")
    part = replace(
        scan_, voxels=scan_.voxels[1:3], slope=scan_.slope[1:3], intercept=scan_.intercept[1:3],
        geometry=scan_.geometry.select(slice(1, 3)),
        source=replace(scan_.source, files=scan_.source.files[1:3]),
    )  # fmt: skip
    about = kept(part, "part.npy", scan_.geometry, scan_.source.files)
    finish(save_voxels(tmp_path, "part.npy", part.voxels))
    voxels = finish(load_voxels(tmp_path / "part.npy", about.shape))
    again = volume_of(about, voxels, scan_.geometry, scan_.source)
    np.testing.assert_array_equal(again.geometry.positions_mm, part.geometry.positions_mm)
    assert again.source.files == part.source.files
    np.testing.assert_array_equal(np.load(tmp_path / "part.npy"), part.voxels)


def test_pixels_that_are_there_are_not_written_again_and_old_ones_go(tmp_path: Path) -> None:
    store, path = tmp_path / "store", tmp_path / "a.ctsession"
    document, volumes = session(tmp_path / "ct", store)
    finish(write(document, path, volumes, store))
    before = {p.name: p.stat().st_mtime_ns for p in store.iterdir()}
    del volumes["mask.npy"]
    finish(write(replace(document, layers=document.layers[:-1]), path, volumes, store))
    after = {p.name: p.stat().st_mtime_ns for p in store.iterdir()}
    assert after == {name: time for name, time in before.items() if name != "mask.npy"}
    # Another session's store shares them instead of copying.
    finish(write(document, tmp_path / "b.ctsession", volumes, tmp_path / "other", store))
    assert (tmp_path / "other" / "twin.npy").samefile(store / "twin.npy")


def test_what_is_cancelled_leaves_the_session_before_it(tmp_path: Path) -> None:
    store, path = tmp_path / "store", tmp_path / "a.ctsession"
    document, volumes = session(tmp_path / "ct", store)
    finish(write(Document(), path, {}, store))
    work = write(document, path, volumes, store)
    assert isinstance(next(work), Progress)
    work.close()
    assert load(path).layers == ()
    assert list(store.iterdir()) == []


DAMAGES: dict[str, Any] = {
    "a list": lambda d: [],
    "another format": lambda d: {**d, "format": "Slicer"},
    "no version": lambda d: {k: v for k, v in d.items() if k != "version"},
    "a version that is a text": lambda d: {**d, "version": "1"},
    "sources that are numbers": lambda d: {**d, "sources": [1]},
    "layers that are no list": lambda d: {**d, "layers": {}},
    "a layer without a name": lambda d: {**d, "layers": [{"key": "a", "kind": "original"}]},
    "a kind that is none": lambda d: {**d, "layers": [{**d["layers"][0], "kind": "dog"}]},
    "a key twice": lambda d: {**d, "layers": [d["layers"][0], d["layers"][0]]},
    "a parent that is not there": lambda d: {**d, "layers": d["layers"][1:]},
    "a file elsewhere": lambda d: _with_volume(d, file="../../etc/secret.npy"),
    "no size": lambda d: _with_volume(d, shape=[1, 2]),
    "too few slopes": lambda d: _with_volume(d, slope=[1.0]),
    "a slope that is none": lambda d: _with_volume(d, slope=[True] * 4),
    "a state that is none": lambda d: {**d, "state": 3},
}


def _with_volume(data: Any, **changes: Any) -> Any:
    first, second, *rest = data["layers"]
    return {**data, "layers": [first, {**second, "volume": {**second["volume"], **changes}}, *rest]}


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_file_is_said_to_be(how: str, tmp_path: Path) -> None:
    path = tmp_path / "a.ctsession"
    document, volumes = session(tmp_path / "ct", tmp_path / "store")
    finish(write(document, path, volumes, tmp_path / "store"))
    path.write_text(json.dumps(DAMAGES[how](json.loads(path.read_text()))))
    with pytest.raises(StudioError, match=r"is damaged|is not a session") as caught:
        load(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_half_a_file_other_files_and_newer_ones_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.ctsession"
    save(Document(state={"view": {"layout": "2x2"}}), path)
    whole = path.read_text()
    path.write_text(whole[: len(whole) // 2])
    with pytest.raises(StudioError, match="damaged: it ends early"):
        load(path)
    path.write_bytes(b"\x00\x01DICM")
    with pytest.raises(StudioError, match="is not a session"):
        load(path)
    data = {"format": FORMAT, "version": VERSION + 1, "program": "9.1", "layers": "other"}
    path.write_text(json.dumps(data))
    with pytest.raises(StudioError, match=r"written by a newer CT Studio \(9\.1\)") as caught:
        load(path)
    assert "Update" in caught.value.hint
    with pytest.raises(StudioError, match="does not exist"):
        load(tmp_path / "none.ctsession")


def test_keys_of_a_later_version_are_let_be(tmp_path: Path) -> None:
    path = tmp_path / "a.ctsession"
    document, volumes = session(tmp_path / "ct", tmp_path / "store")
    written = finish(write(document, path, volumes, tmp_path / "store"))
    data = json.loads(path.read_text())
    data["stars"] = [1]
    data["layers"][0]["colour"] = "red"
    path.write_text(json.dumps(data))
    assert load(path) == written


def test_what_is_lost_is_told_layer_by_layer(tmp_path: Path) -> None:
    folder, store = tmp_path / "ct", tmp_path / "store"
    document, volumes = session(folder, store)
    finish(write(document, tmp_path / "a.ctsession", volumes, store))
    (store / "result.npy").unlink()
    (store / "mask.npy").write_bytes(b"no array")
    found, lost = reopened(document, store)
    assert set(found) == {"a", "b"}
    assert [sentence.split(":")[0] for sentence in lost] == ["TV", "Residual", "Mask"]
    assert lost[0].endswith("It had been made so: TV")


def test_images_that_moved_are_found_where_they_are_now(tmp_path: Path) -> None:
    document, volumes = session(tmp_path / "ct", tmp_path / "store")
    finish(write(document, tmp_path / "a.ctsession", volumes, tmp_path / "store"))
    (tmp_path / "ct").rename(tmp_path / "elsewhere")
    assert missing_sources(document) == (tmp_path / "ct",)
    found, lost = reopened(document, tmp_path / "store")
    assert found == {}
    assert len(lost) == 1 + len(document.layers)
    moved = relocated(document, tmp_path / "ct", tmp_path / "elsewhere")
    found, lost = reopened(moved, tmp_path / "store")
    assert (len(found), lost) == (5, ())


def test_where_a_series_is_looked_for_again(tmp_path: Path) -> None:
    scan_ = scanned(tmp_path / "study" / "ct")
    (info,) = finish(scan([tmp_path / "study"])).series
    # Not the whole study, which may hold a thousand others.
    assert places_of(info, [tmp_path / "study"]) == (tmp_path / "study" / "ct",)
    assert scan_.source.files[0].parent == tmp_path / "study" / "ct"


def copies(tmp_path: Path) -> tuple[Document, Path, Path]:
    """Two folders with the same series, UIDs and names, but other values; both are open."""
    one, two = tmp_path / "one", tmp_path / "two"
    scanned(one)
    shutil.copytree(one, two)
    for path in two.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.RescaleIntercept = dataset.RescaleIntercept + 500
        dataset.save_as(path)
    infos = [finish(scan([folder])).series[0] for folder in (one, two)]
    layers = tuple(
        KeptLayer(key, key, "original", series=key_of(info))
        for key, info in zip("ab", infos, strict=True)
    )
    assert replace(key_of(infos[0]), folder="") == replace(key_of(infos[1]), folder="")
    return Document((one, two), layers), one, two


def values(found: dict[str, Reopened]) -> list[float]:
    return [float(found[key].stack.slice_hu(0)[0, 0]) for key in "ab"]


def test_two_copies_of_one_series_are_not_mixed_up(tmp_path: Path) -> None:
    document, one, two = copies(tmp_path)
    save(document, tmp_path / "s.ctsession")
    for sources in ((one, two), (two, one), (two, one, tmp_path)):
        kept_ = replace(load(tmp_path / "s.ctsession"), sources=sources)
        found, lost = reopened(kept_, tmp_path)
        assert lost == ()
        assert values(found) == [0.0, 500.0]
        assert found["b"].stack.source.files[0].parent == two
    # One of them has moved: the other is not taken for it.
    shutil.move(two, tmp_path / "elsewhere")
    assert missing_sources(document) == (two,)
    found, _ = reopened(relocated(document, two, tmp_path / "elsewhere"), tmp_path)
    assert values(found) == [0.0, 500.0]
    # On another machine all folders are others: each copy is still one layer.
    both = replace(document, sources=(one, tmp_path / "elsewhere"))
    strange = tuple(
        replace(layer, series=replace(layer.series, folder="/no/such"))
        for layer in both.layers
        if layer.series is not None
    )
    found, lost = reopened(replace(both, layers=strange), tmp_path)
    assert lost == ()
    assert sorted(values(found)) == [0.0, 500.0]
    # A file of an earlier version names no folder.
    bare = tuple(
        replace(layer, series=replace(layer.series, folder=""))
        for layer in document.layers[:1]
        if layer.series is not None
    )
    found, lost = reopened(replace(both, layers=bare), tmp_path)
    assert (lost, set(found)) == ((), {"a"})

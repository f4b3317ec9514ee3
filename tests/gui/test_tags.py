"""The window with a file's header: it follows the slice, is searched at once and copied as text."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtGui import QGuiApplication

from ctstudio.ct.header import HIDDEN, Element, FileHeader
from ctstudio.gui.inspection.tags_model import VALUE, TagsModel


def texts(model: TagsModel, column: int, parent: QModelIndex | None = None) -> list[str]:
    parent = parent or QModelIndex()
    rows = range(model.rowCount(parent))
    return [model.data(model.index(row, column, parent)) for row in rows]


@pytest.fixture
def rich(thin: Any, tmp_path: Path) -> Path:
    """The thin series with a private block, a long value and a sequence that differs by slice."""
    for path in sorted(thin.folder.iterdir()):
        data = pydicom.dcmread(path)
        block = data.private_block(0x0019, "MADE UP 1.0", create=True)
        block.add_new(0x01, "LO", "own words")
        data.ImageComments = "x" * 5000
        item = Dataset()
        item.CodeValue, item.CodeMeaning = f"C{data.InstanceNumber}", "a code"
        data.ProcedureCodeSequence = Sequence([item])
        data.save_as(tmp_path / path.name)
    return tmp_path


@pytest.fixture
def tags(hands: Any, thin: Any, rich: Path) -> Any:
    hands.window.open_paths([rich])
    hands.wait(lambda: hands.layer("Thin slab", complete=True))
    hands.idle()
    hands.window.actions_by_name["tags"].trigger()
    window = hands.window.inspector.tags
    hands.wait(lambda: window.model.rowCount() > 0, "for the header")
    return window


def value_of(window: Any, name: str) -> str:
    names = texts(window.model, 1)
    return texts(window.model, VALUE)[names.index(name)]


def test_it_shows_the_file_behind_the_slice_and_follows(hands: Any, tags: Any, rich: Path) -> None:
    assert tags.isVisible()
    shown = pydicom.dcmread(next(p for p in rich.iterdir() if p.name == "IM0008.dcm"))
    assert value_of(tags, "SOP Instance UID") == shown.SOPInstanceUID
    assert value_of(tags, "Slice Thickness") == "3"
    assert tags.place.text() == str(rich / "IM0008.dcm")
    hands.grid.go_to(2)
    hands.wait(lambda: value_of(tags, "Instance Number") == "3", "for the third slice")
    hands.grid.go_to(7)
    hands.wait(lambda: value_of(tags, "Instance Number") == "8")
    # Who runs through the slices reads the header of the one they stop at, and few others.
    started: list[str] = []
    hands.session.jobs.started.connect(lambda job: started.append(job.objectName()))
    for index in (8, 9, 10, 11, 12, 13):
        hands.grid.go_to(index)
    hands.wait(lambda: value_of(tags, "Instance Number") == "14")
    hands.idle()
    assert started.count("tags") == 1


def test_a_layer_that_was_made_shows_the_header_of_what_it_was_made_of(
    hands: Any, tags: Any
) -> None:
    from ctstudio.ct.resample import Fix

    source = hands.session.active
    hands.window.inspector.mender.start(source, [Fix.SQUARE])
    hands.idle("mend")
    hands.grid.go_to(4)
    hands.wait(lambda: value_of(tags, "Instance Number") == "5")
    assert tags.place.text().startswith("Thin slab, square pixels was made here, of /")


def test_sequences_private_elements_and_long_values(hands: Any, tags: Any) -> None:
    model = tags.model
    names = texts(model, 1)
    sequence = model.index(names.index("Procedure Code Sequence"), 0)
    assert model.data(model.index(sequence.row(), VALUE)) == "1 item"
    item = model.index(0, 0, sequence)
    assert model.data(model.index(0, 1, sequence)) == "Item 1"
    assert texts(model, VALUE, item) == ["C8", "a code"]
    assert model.parent(item) == sequence
    assert model.parent(model.index(0, 0, item)) == item
    assert value_of(tags, "Private Creator") == "MADE UP 1.0"
    assert value_of(tags, "Private element of MADE UP 1.0") == "own words"
    shown = value_of(tags, "Image Comments")
    assert len(shown) < 250
    assert shown.endswith("...")
    # An open branch and the selection stay where they are from slice to slice.
    tags.tree.expand(sequence)
    tags.tree.setCurrentIndex(item)
    hands.grid.go_to(3)
    hands.wait(lambda: value_of(tags, "Instance Number") == "4")
    again = model.index(names.index("Procedure Code Sequence"), 0)
    assert tags.tree.isExpanded(again)
    assert tags.tree.currentIndex().parent() == again
    assert texts(model, VALUE, tags.tree.currentIndex())[0] == "C4"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("slice thick", ["Slice Thickness"]),
        ("SliceThickness", ["Slice Thickness"]),
        ("(0018,0050)", ["Slice Thickness"]),
        ("00180050", ["Slice Thickness"]),
        ("b30f", ["Convolution Kernel"]),
        ("own words", ["Private element of MADE UP 1.0"]),
        ("C8", ["Procedure Code Sequence"]),
        ("no such thing", []),
    ],
)
def test_a_search_finds_by_name_keyword_number_and_value(
    hands: Any, tags: Any, words: str, found: list[str]
) -> None:
    everything = texts(tags.model, 1)
    tags.search.setText(words)
    assert texts(tags.model, 1) == found
    if words == "C8":
        inner = tags.model.index(0, 0, tags.model.index(0, 0))
        assert tags.tree.isExpanded(inner), "what was found inside is open"
        assert texts(tags.model, VALUE, inner) == ["C8"]
    assert tags.count.text() == ("1 element" if found else "0 elements")
    tags.search.clear()
    assert texts(tags.model, 1) == everything


def test_copying(hands: Any, tags: Any) -> None:
    clipboard = QGuiApplication.clipboard()
    names = texts(tags.model, 1)
    assert not tags.copy_value.isEnabled()
    tags.tree.setCurrentIndex(tags.model.index(names.index("Image Comments"), 0))
    hands.press(tags.copy_value)
    assert clipboard.text() == "x" * 5000
    tags.tree.setCurrentIndex(tags.model.index(names.index("Procedure Code Sequence"), 0))
    hands.press(tags.copy_row)
    assert clipboard.text().splitlines() == [
        "(0008,1032) SQ Procedure Code Sequence: 1 item",
        "  Item 1",
        "    (0008,0100) SH Code Value: C8",
        "    (0008,0104) LO Code Meaning: a code",
    ]
    hands.press(tags.copy_all)
    text = clipboard.text()
    assert "(0010,0010) PN Patient's Name: Secret^Name" in text
    assert "(0018,0050) DS Slice Thickness: 3" in text


def test_hidden_patient_details_are_hidden_and_not_found_or_copied(hands: Any, tags: Any) -> None:
    hands.window.actions_by_name["patient"].trigger()
    assert value_of(tags, "Patient's Name") == HIDDEN
    assert value_of(tags, "Study Date") == HIDDEN
    assert value_of(tags, "Private element of MADE UP 1.0") == HIDDEN
    assert value_of(tags, "Slice Thickness") == "3"
    tags.search.setText("secret")
    assert tags.model.rowCount() == 0
    tags.search.clear()
    hands.press(tags.copy_all)
    text = QGuiApplication.clipboard().text()
    for secret in ("Secret", "ID-4711-X", "ACC0815Z", "20210317", "own words", "/"):
        assert secret not in text.splitlines()[0] if secret == "/" else secret not in text


def test_a_picture_shows_its_own_header(hands: Any, tmp_path: Path) -> None:
    from PIL import Image

    for k in range(3):
        grey = np.full((40, 30), 50 * k, np.uint8)
        Image.fromarray(grey).save(tmp_path / f"{k}.png", dpi=(300, 300))
    hands.window.open_paths([tmp_path])
    hands.wait(lambda: hands.session.layers and hands.session.layers[0].complete)
    hands.window.inspector.show_tags()
    window = hands.window.inspector.tags
    hands.wait(lambda: window.model.rowCount() > 0)
    assert value_of(window, "size") == "30 x 40 pixels"
    assert value_of(window, "dpi").startswith("299.9")
    # Nothing open: it says so.
    hands.session.remove_layer(hands.session.layers[0])
    hands.wait(lambda: window.model.rowCount() == 0)
    assert "Open a series" in window.place.text()


def test_a_file_that_has_gone_away_is_said(hands: Any, thin: Any, rich: Path) -> None:
    hands.window.open_paths([rich])
    hands.wait(lambda: hands.layer("Thin slab", complete=True))
    for path in rich.iterdir():
        path.unlink()
    hands.window.inspector.show_tags()
    window = hands.window.inspector.tags
    hands.wait(lambda: "Cannot read" in window.place.text())
    assert window.model.rowCount() == 0


def test_a_large_header_is_searched_without_a_stutter(qapp: Any) -> None:
    frames = tuple(
        Element("", f"Item {k}", children=tuple(
            Element(f"(0020,{n:04X})", f"Element {n}", "LO", f"value {n} of {k}")
            for n in range(40)
        ))
        for k in range(1500)
    )  # fmt: skip
    header = FileHeader(Path("x"), "DICOM", (Element("(5200,9230)", "Frames", "SQ", "", "", "",
                                                     children=frames),))  # fmt: skip
    assert header.count == 61501
    header.prepare()
    model = TagsModel()
    start = time.thread_time()
    model.show(header)
    model.search("(0020,0007) 1234")
    seconds = time.thread_time() - start
    assert model.found == 1
    assert seconds < 0.2, f"{seconds:.3f} s"
    assert model.flags(model.index(0, 0)) & Qt.ItemFlag.ItemIsSelectable

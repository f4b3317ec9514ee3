"""What is learnt of one header's layout finds in the next what a walk of its own finds."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from ctstudio.dicom.elements import walk
from ctstudio.dicom.headers import WANTED
from ctstudio.dicom.layouts import Layout, Layouts

PIXELS = np.zeros((4, 4), np.int16)


def nested(text: str) -> Sequence:
    """A sequence in a sequence, both of undefined length, whose items hold a wanted tag."""
    inner, outer = Dataset(), Dataset()
    inner.Modality = text
    inner.is_undefined_length_sequence_item = True
    outer.ReferencedImageSequence = Sequence([inner])
    outer["ReferencedImageSequence"].is_undefined_length = True
    outer.is_undefined_length_sequence_item = True
    return Sequence([outer])


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_values_are_those_of_a_walk(tmp_path, slice_file, syntax):
    rng = np.random.default_rng(3)
    layouts = Layouts(WANTED)
    fitted = 0
    for k in range(60):
        tags = {
            "InstanceNumber": int(rng.integers(1, 200)),
            "SliceLocation": float(rng.integers(-12, 12)),
            "SeriesDescription": "abcdef"[: rng.integers(1, 7)],
            "SourceImageSequence": nested(["CT", "MR", "PT", "SEG"][rng.integers(0, 4)]),
        }
        path = slice_file(tmp_path / str(k), PIXELS + k, z=k, syntax=syntax, **tags)
        head = path.read_bytes()
        known = len(layouts._known)
        assert layouts.walk(head) == walk(head, WANTED)
        fitted += len(layouts._known) == known
    assert fitted > 20, "most files are laid out like an earlier one"


def test_meta_information_among_the_elements_is_none(tmp_path, slice_file):
    path = slice_file(tmp_path / "a", PIXELS, syntax=ImplicitVRLittleEndian)
    head = path.read_bytes()
    at = head.index(b"\xe0\x7f\x10\x00")
    # As implicit elements these are a value of 0x4955 bytes; as explicit ones another.
    stray = b"\x02\x00\x10\x00" + len(b"x" * 0x4955).to_bytes(4, "little") + b"x" * 0x4955
    head = head[:at] + stray + head[at:]
    layouts = Layouts(WANTED)
    for _ in range(2):
        assert layouts.walk(head) == walk(head, WANTED) is not None


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_any_changed_byte_is_seen(tmp_path, slice_file, syntax):
    path = slice_file(
        tmp_path / "a", PIXELS, syntax=syntax, SourceImageSequence=nested("CT"), KVP=120
    )
    head = path.read_bytes()
    layout = Layout(head, walk(head, WANTED), WANTED)
    end = head.index(b"\xe0\x7f\x10\x00") + 8
    matched = 0
    for at in range(end):
        changed = bytearray(head)
        changed[at] ^= 0x21
        found = layout.read(bytes(changed))
        matched += found is not None
        assert found is None or found == walk(bytes(changed), WANTED), at
    assert 200 < matched < end - 100


def test_a_head_that_is_cut_off_is_no_match(tmp_path, slice_file):
    head = slice_file(tmp_path / "a", PIXELS).read_bytes()
    layout = Layout(head, walk(head, WANTED), WANTED)
    for length in range(0, len(head) - PIXELS.nbytes - 4, 7):
        assert layout.read(head[:length]) is None
    assert layout.read(head) is not None


def test_files_that_are_all_different_teach_nothing_for_long(tmp_path, slice_file):
    path = slice_file(tmp_path / "a", PIXELS, TextValue="")
    head = path.read_bytes()
    at = head.index(b"\xe0\x7f\x10\x00")
    layouts = Layouts(WANTED)
    for k in range(200):
        extra = b"\x00\x50\x00\x10LO" + (2 * k).to_bytes(2, "little") + b"x" * 2 * k
        assert layouts.walk(head[:at] + extra + head[at:]) is not None
    assert layouts._learnt <= 64
    assert len(layouts._known) <= 32

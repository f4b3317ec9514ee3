"""Real files that bend or break the standard: what comes of each, as a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, finish
from ctstudio.dicom.read import read
from ctstudio.dicom.scan import scan


@dataclass(frozen=True)
class Opened:
    """A volume of this shape and unit; ``warnings`` are words of each warning and note.

    ``like`` names the file whose values these are, to ``within`` of them.
    """

    shape: tuple[int, int, int]
    unit: str = ""
    warnings: tuple[str, ...] = ()
    like: str = ""
    within: float = 0.0


@dataclass(frozen=True)
class Refused:
    """No volume, for a reason with these words."""

    words: str


SLICE = (1, 512, 512)
SMALL = (1, 128, 128)
TALL = (1, 1024, 256)
NO_SPACING = "no usable pixel spacing"
UNPLACED = ("no orientation", NO_SPACING, "no usable positions")
CORNERSTONE = "cornerstone_transfer_syntaxes/CTImage.dcm"
EMRI = "pydicom_data/emri_small.dcm"

NO_DICOM = Refused("not a DICOM file")
NO_IMAGE = Refused("holds no image")
COLOUR = Refused("colour images cannot be opened yet")
SEGMENTATION = Refused("it is a segmentation")
BROKEN_STREAM = Refused("the decoder says")


def coded(within: float = 0.0) -> Opened:
    """The one slice in another transfer syntax."""
    return Opened(SLICE, "HU", like=CORNERSTONE, within=within)


def frames(*more: str) -> Opened:
    """The ten frames in another coding."""
    return Opened((10, 64, 64), "", (*UNPLACED, *more), like=EMRI)


SYNTAXES = {
    "BigEndianExplicitTransferSyntax_1.2.840.10008.1.2.2": coded(),
    "DeflatedExplicitVRLittleEndianTransferSyntax_1.2.840.10008.1.2.1.99": coded(),
    "JPEG2000LosslessOnlyTransferSyntax_1.2.840.10008.1.2.4.90": coded(),
    "JPEG2000TransferSyntax_1.2.840.10008.1.2.4.91": coded(5),
    "JPEGLSLosslessTransferSyntax_1.2.840.10008.1.2.4.80": coded(),
    "JPEGLSLossyTransferSyntax_1.2.840.10008.1.2.4.81": coded(1),
    "JPEGProcess10_12TransferSyntax_1.2.840.10008.1.2.4.55": coded(36),
    "JPEGProcess14SV1TransferSyntax_1.2.840.10008.1.2.4.70": coded(),
    "JPEGProcess14TransferSyntax_1.2.840.10008.1.2.4.57": coded(),
    "JPEGProcess1TransferSyntax_1.2.840.10008.1.2.4.50": coded(65),
    "JPEGProcess2_4TransferSyntax_1.2.840.10008.1.2.4.51": coded(36),
    "JPEGProcess6_8TransferSyntax_1.2.840.10008.1.2.4.53": coded(36),
    "LittleEndianExplicitTransferSyntax_1.2.840.10008.1.2.1": coded(),
    "LittleEndianImplicitTransferSyntax_1.2.840.10008.1.2": coded(),
    "RLELosslessTransferSyntax_1.2.840.10008.1.2.5": coded(),
}

TABLE: dict[str, Opened | Refused] = {
    **{f"{CORNERSTONE}_{name}.dcm": outcome for name, outcome in SYNTAXES.items()},
    CORNERSTONE: Opened(SLICE, "HU"),
    "cornerstone_transfer_syntaxes/CT0012.fragmented_no_bot_jpeg_baseline.51.dcm": Opened(
        (2, 512, 512)
    ),
    "cornerstone_transfer_syntaxes/CT1_J2KR": Opened(SLICE, "HU"),
    "cornerstone_transfer_syntaxes/CT2_J2KR": Opened(SLICE, "HU"),
    "cornerstone_transfer_syntaxes/US-YBR_FULL_422-EVRLE.dcm": COLOUR,
    "cornerstone_transfer_syntaxes/no-pixel-spacing.dcm": COLOUR,
    "dcmqi/24x38x3/image": Opened((3, 38, 24)),
    "dcmqi/24x38x3/multiframe/mf.dcm": Opened((3, 38, 24), like="dcmqi/24x38x3/image"),
    "dcmqi/ct-3slice": Opened((3, 512, 512), "HU"),
    "dcmqi/ct-3slice_seg/liver.dcm": SEGMENTATION,
    "fda_phantom_broken_j2k/000100.dcm": BROKEN_STREAM,
    "fda_phantom_broken_j2k/000300.dcm": BROKEN_STREAM,
    "fda_phantom_broken_j2k/000500.dcm": BROKEN_STREAM,
    "ge_head_gantry_tilt_variable_spacing": Opened(
        (28, 512, 512), "HU", ("varies from 1.081 to 6.999 mm", "sheared by 18.5 degrees")
    ),
    "ibsi_orientation_cc-by-4.0": Opened((64, 48, 32), "HU"),
    "pydicom/CT_small.dcm": Opened(SMALL, "HU"),
    "pydicom/ExplVR_BigEnd.dcm": COLOUR,
    "pydicom/ExplVR_BigEndNoMeta.dcm": Refused("no image (RTPLAN object)"),
    "pydicom/ExplVR_LitEndNoMeta.dcm": Refused("no image (RTPLAN object)"),
    "pydicom/JPEG-lossy.dcm": Opened(TALL),
    "pydicom/JPEG2000-embedded-sequence-delimiter.dcm": Refused("is 3722445056 x 1024"),
    "pydicom/JPGExtended.dcm": Opened(TALL),
    "pydicom/MR_small_bigendian.dcm": Opened((1, 64, 64)),
    "pydicom/MR_small_padded.dcm": Opened((1, 64, 64), like="pydicom/MR_small_bigendian.dcm"),
    "pydicom/MR_truncated.dcm": Refused("8130 of 8192 pixel bytes"),
    "pydicom/SC_ybr_full_422_uncompressed.dcm": COLOUR,
    "pydicom/UN_sequence.dcm": NO_IMAGE,
    "pydicom/badVR.dcm": Refused("asks for '1A' frames"),
    "pydicom/empty_charset_LEI.dcm": NO_IMAGE,
    "pydicom/image_dfl.dcm": Opened(SLICE, "", (NO_SPACING,)),
    "pydicom/meta_missing_tsyntax.dcm": NO_IMAGE,
    "pydicom/nested_priv_SQ.dcm": NO_IMAGE,
    "pydicom/no_meta.dcm": NO_DICOM,
    "pydicom/no_meta_group_length.dcm": NO_IMAGE,
    "pydicom/priv_SQ.dcm": NO_IMAGE,
    "pydicom/reportsi_with_empty_number_tags.dcm": Refused("no image (SR object)"),
    "pydicom/rtplan.dcm": Refused("no image (RTPLAN object)"),
    "pydicom/rtplan_truncated.dcm": Refused("no image (RTPLAN object)"),
    "pydicom/test-SR.dcm": Refused("no image (SR object)"),
    "pydicom_data/HTJ2KLossless_08_RGB.dcm": COLOUR,
    "pydicom_data/HTJ2K_08_RGB.dcm": COLOUR,
    "pydicom_data/JLSL_08_07_0_1F.dcm": Opened(SMALL, "", (NO_SPACING,)),
    "pydicom_data/JLSL_16_15_1_1F.dcm": Opened(SMALL, "", (NO_SPACING,)),
    "pydicom_data/JPEG-LL.dcm": Opened(TALL),
    "pydicom_data/JPEG2000_UNC.dcm": Opened(TALL),
    "pydicom_data/MR-SIEMENS-DICOM-WithOverlays.dcm": Opened((1, 484, 484)),
    "pydicom_data/SC_rgb_2frame.dcm": COLOUR,
    "pydicom_data/bad_sequence.dcm": Opened(SLICE, "HU"),
    "pydicom_data/color-px.dcm": COLOUR,
    "pydicom_data/eCT_Supplemental.dcm": Opened((2, 512, 512)),
    EMRI: Opened((10, 64, 64), "", UNPLACED),
    "pydicom_data/emri_small_RLE.dcm": frames(),
    "pydicom_data/emri_small_big_endian.dcm": frames(),
    "pydicom_data/emri_small_jpeg_2k_lossless.dcm": frames("disagree about bits or sign"),
    "pydicom_data/emri_small_jpeg_2k_lossless_too_short.dcm": frames("disagree about bits or sign"),
    "pydicom_data/emri_small_jpeg_ls_lossless.dcm": frames(),
    "pydicom_data/explicit_VR-UN.dcm": Opened(SLICE, "HU"),
    "pydicom_data/liver.dcm": SEGMENTATION,
    "pydicom_data/liver_deflate.dcm": SEGMENTATION,
    "pydicom_data/liver_expb.dcm": SEGMENTATION,
    "pydicom_data/liver_j2k.dcm": SEGMENTATION,
    "pydicom_data/liver_nonbyte_aligned.dcm": SEGMENTATION,
    "pydicom_data/liver_rle.dcm": SEGMENTATION,
    "pydicom_data/mlut_18.dcm": Opened(SLICE, "", (NO_SPACING,)),
    "pydicom_data/parametric_map_float.dcm": Refused("floating-point pixels"),
    "pydicom_data/vlut_04.dcm": Opened(SLICE, "", (NO_SPACING,)),
}


def opened(path: Path, drive) -> tuple[np.ndarray, str, list[str]]:
    """Values, unit and all words of warning of the one series in ``path``."""
    (series,) = finish(scan([path])).series
    events, volume = drive(read(series))
    assert volume.shape[1:] == (series.rows, series.columns)
    assert len(volume) == len(volume.geometry.positions_mm) == series.slices
    notes = [event.text for event in events if isinstance(event, Note)]
    return volume.hu(), volume.unit, [*series.warnings, *notes]


@pytest.mark.parametrize("name", TABLE)
def test_what_comes_of_it(test_data, drive, name):
    path, expected = test_data / "awkward" / name, TABLE[name]
    if isinstance(expected, Refused):
        with pytest.raises(StudioError) as caught:
            opened(path, drive)
        said = f"{caught.value.message} {caught.value.details}"
        assert expected.words in said
        assert path.name in said
        assert caught.value.hint
        return
    hu, unit, warnings = opened(path, drive)
    assert (hu.shape, unit) == (expected.shape, expected.unit)
    assert len(warnings) == len(expected.warnings), warnings
    for sentence, words in zip(warnings, expected.warnings, strict=True):
        assert words in sentence
    assert np.isfinite(hu).all()
    assert np.ptp(hu) > 0
    if expected.like:
        reference, _, _ = opened(test_data / "awkward" / expected.like, drive)
        assert np.abs(hu - reference).max() <= expected.within


def test_the_table_is_complete(test_data):
    root = test_data / "awkward"
    there = {p for p in root.rglob("*") if p.is_file() and "LICENSE" not in p.name}
    named = {p for name in TABLE for p in ([root / name, *(root / name).rglob("*")])}
    assert {str(p.relative_to(root)) for p in there - named} == set()
    assert all((root / name).exists() for name in TABLE)


def test_broken_jpeg_2000_is_reported_by_name(test_data):
    (series,) = finish(scan([test_data / "awkward" / "fda_phantom_broken_j2k"])).series
    with pytest.raises(StudioError, match="No slice") as caught:
        finish(read(series))
    for path in series.source.files:
        assert path.name in caught.value.details


def test_tilted_head_with_parts_of_different_spacing(test_data):
    folder = test_data / "awkward" / "ge_head_gantry_tilt_variable_spacing"
    (series,) = finish(scan([folder])).series
    assert np.all(np.diff(series.geometry.offsets_mm) > 0)

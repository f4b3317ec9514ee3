"""Nothing of a patient leaves with a figure: every kind of file is made and searched.

The series has a name, numbers and dates in its header, in its description and in the names of its
folders, in forms that a search might miss (other cases, spelled dates, split names).
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from ctstudio.cli import main
from ctstudio.core.events import finish
from ctstudio.figures import scene as scenes
from ctstudio.figures.stills import SUFFIXES
from ctstudio.workflows.figures.material import gather
from ctstudio.workflows.figures.report import report, save_report
from ctstudio.workflows.figures.templates import TEMPLATES, Given
from ctstudio.workflows.open import scan

SECRETS = ("zweistein", "albertine", "px-4711", "px4711", "acc99182", "19530203", "1953-02-03",
           "20210506", "2021-05-06", "heimlich", "klinikum")  # fmt: skip
"""In lower case; all of these stand in the header, in the path, or in both."""


@pytest.fixture(scope="module")
def patient(tmp_path_factory) -> Path:
    """Five slices of a patient with everything that a header can tell."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    folder = tmp_path_factory.mktemp("zweistein") / "PX-4711 heimlich"
    folder.mkdir()
    y, x = np.mgrid[:48, :48] - 24
    study, series, frame = (generate_uid(entropy_srcs=["privacy", part]) for part in "abc")
    for k in range(5):
        data = Dataset()
        data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, generate_uid()
        data.StudyInstanceUID, data.SeriesInstanceUID = study, series
        data.FrameOfReferenceUID, data.Modality = frame, "CT"
        data.PatientName, data.PatientID = "Zweistein^Albertine", "PX-4711"
        data.OtherPatientIDs, data.PatientBirthDate = "PX4711", "19530203"
        data.AccessionNumber, data.StudyDate = "ACC99182", "20210506"
        data.InstitutionName, data.ReferringPhysicianName = "Klinikum", "Heimlich^H"
        data.SeriesDescription = "Thorax ZWEISTEIN px-4711 2021-05-06"
        data.StudyDescription = "Albertine Zweistein, Klinikum"
        data.SeriesNumber, data.InstanceNumber = 1, k + 1
        data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        data.ImagePositionPatient = [0, 0, 3.0 * k]
        data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        data.PixelSpacing, data.SliceThickness = [0.8, 0.8], 3
        data.Rows = data.Columns = 48
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
        data.PixelRepresentation, data.RescaleSlope, data.RescaleIntercept = 1, 1, 0
        rng = np.random.default_rng(k)
        hu = np.where(x**2 + y**2 < 400, 40, -1000) + rng.normal(0, 20, (48, 48))
        data.add_new("PixelData", "OW", np.rint(hu).astype(np.int16).tobytes())
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        pydicom.dcmwrite(folder / f"Zweistein-{k}.dcm", data, enforce_file_format=True)
    return folder


def everything_in(path: Path) -> str:
    """The bytes as they are and unpacked, as Latin-1 and UTF-16, and what libraries read out."""
    data = path.read_bytes()
    parts = [data]
    # Streams of PNG (IDAT, zTXt, iTXt), PDF and TIFF are compressed with zlib.
    for found in re.finditer(rb"x[\x01\x5e\x9c\xda]", data):
        try:
            parts.append(zlib.decompressobj().decompress(data[found.start() :], 4_000_000))
        except zlib.error:
            continue
    for found in re.finditer(rb"base64,([A-Za-z0-9+/=]+)", data):
        import base64

        parts.append(base64.b64decode(found[1]))
    texts = [part.decode("latin-1") for part in parts]
    texts += [part.decode("utf-16-be", "ignore") for part in parts[:1]]
    if path.suffix in (".png", ".gif", ".tif"):
        with Image.open(path) as image:
            texts.append(str(image.info))
    if path.suffix in (".mp4", ".webm"):
        import av

        with av.open(str(path)) as container:
            texts.append(str(container.metadata))
    if path.suffix == ".pdf":
        import pypdfium2

        document = pypdfium2.PdfDocument(path)
        texts += [page.get_textpage().get_text_range() for page in document]
        texts.append(str(document.get_metadata_dict()))
        document.close()
    return "\n".join(texts).lower()


def told(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text.lower()]


def test_the_search_finds_what_is_there(patient, tmp_path):
    """Of a test that finds nothing one must know that it could."""
    assert len(told(everything_in(next(patient.iterdir())))) >= 8
    image = Image.new("L", (9, 9))
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt("Comment", "for Albertine", zip=True)
    image.save(tmp_path / "a.png", pnginfo=info)
    assert told(everything_in(tmp_path / "a.png")) == ["albertine"]


@pytest.fixture(scope="module")
def mask(patient, tmp_path_factory) -> Path:
    """One slice's worth of labels for each, in a file that is called after the patient."""
    import tifffile

    path = tmp_path_factory.mktemp("masks") / "Albertine Zweistein PX-4711.tif"
    numbers = np.zeros((5, 48, 48), np.uint8)
    numbers[:, 20:30, 15:35] = 1
    tifffile.imwrite(path, numbers, photometric="minisblack")
    return path


def kinds():
    for suffix in (".png", ".tif", ".svg", ".pdf"):
        yield "residual", suffix, []
        yield "methods", suffix, []
    yield "residual", ".png", ["--bits", "16"]
    for suffix in (".gif", ".mp4", ".webm"):
        yield "residual", suffix, []
    for motion in ("flicker", "swipe", "blend"):
        yield "residual", ".gif", ["--film", motion]
    yield "residual", ".toml", []


@pytest.mark.parametrize(("name", "suffix", "options"), list(kinds()))
def test_no_export_tells_of_the_patient(
    patient, tmp_path, monkeypatch, capsys, name, suffix, options
):
    drawn: list[str] = []
    whole = scenes.Scene.__init__

    def watched(scene, *args, **kwargs):
        whole(scene, *args, **kwargs)
        drawn.extend(scene.texts)

    monkeypatch.setattr(scenes.Scene, "__init__", watched)
    out = tmp_path / f"out{suffix}"
    arguments = ["figure", str(patient), "--method", "tv", "--template", name, "--dpi", "60"]
    assert main.run([*arguments, *options, "--out", str(out)]) == 0
    capsys.readouterr()
    assert told(everything_in(out)) == []
    assert told("\n".join(drawn)) == []
    if suffix != ".toml":
        assert drawn


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf", ".gif"])
def test_a_mask_s_file_is_not_named(patient, mask, tmp_path, capsys, suffix):
    out = tmp_path / f"out{suffix}"
    arguments = ["figure", str(patient), "--mask", str(mask), "--dpi", "60"]
    assert main.run([*arguments, "--out", str(out)]) == 0
    assert "Mask 1" in everything_drawn(patient, mask)
    assert told(everything_in(out)) == []


def everything_drawn(patient, mask) -> list[str]:
    """The lines of text of a figure with a mask."""
    from ctstudio.figures.description import CellSpec, FigureSpec, LayerSpec
    from ctstudio.workflows.figures.make import still

    layers = (LayerSpec("original"), LayerSpec("mask 1", "mask"))
    spec = FigureSpec(layers, ((CellSpec("original", mask="mask 1"),),))
    (series,) = finish(scan([patient])).series
    texts = still(spec, finish(gather(spec, [series], masks=[mask]))).texts
    assert told(" ".join(texts)) == []
    return texts


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".mp4"])
def test_no_file_of_a_batch_tells_of_the_patient(patient, tmp_path, capsys, suffix):
    arguments = ["figure", str(patient), "--method", "tv", "--each", "--dpi", "60"]
    assert main.run([*arguments, "--out", str(tmp_path / f"all{suffix}")]) == 0
    (made,) = tmp_path.iterdir()
    assert made.name == f"all-1{suffix}"
    assert told(everything_in(made)) == []


def test_an_error_in_a_figure_does_not_name_the_patient(patient, tmp_path, capsys):
    """What is said where a figure made again does not fit: it may be pasted anywhere."""
    one, two = tmp_path / "a.toml", tmp_path / "b.png"
    assert main.run(["figure", str(patient), "--out", str(tmp_path / "a.png"), "--dpi", "60"]) == 0
    assert main.run(["figure", "--from", str(tmp_path / "a.png"), "--out", str(one)]) == 0
    one.write_text(one.read_text().replace('content = "5x', 'content = "9x'))
    capsys.readouterr()
    assert main.run(["figure", "--from", str(one), str(patient), "--out", str(two)]) == 1
    err = capsys.readouterr().err
    assert "another series" in err
    assert told(err) == []
    assert not two.exists()
    wanted = ["figure", "--from", str(one), str(patient), "--other-series", "--out", str(two)]
    assert main.run(wanted) == 0
    assert told(everything_in(two)) == []


@pytest.mark.parametrize("suffix", [".html", ".pdf"])
def test_no_report_of_a_training_tells_where_it_lies(make_run, patient, tmp_path, suffix):
    run = make_run("zweistein", {"title": "Mine"})
    spec = TEMPLATES["progress"].make(Given(training=True))
    material = finish(gather(spec, [], run))
    path = finish(save_report(spec, material, tmp_path / f"report{suffix}"))
    assert told(everything_in(path)) == []
    assert str(tmp_path).lower() not in everything_in(path)


@pytest.mark.parametrize("suffix", [".png", ".html", ".toml"])
def test_a_network_that_is_called_after_the_patient_is_not_named(
    patient, tmp_path, monkeypatch, capsys, suffix
):
    """Nor where it lies. Of a description alone nobody knows the patient."""
    from ctstudio.workflows import denoise

    plain = denoise.method_from("bilateral")
    monkeypatch.setattr(denoise, "method_from", lambda *_: plain)
    network = tmp_path / "klinikum" / "Zweistein px-4711 net.pt"
    network.parent.mkdir()
    network.touch()
    out = tmp_path / f"out{suffix}"
    words = ["figure" if suffix != ".html" else "report", str(patient), "--method", str(network)]
    assert main.run([*words, "--out", str(out)]) == 0
    found = everything_in(out)
    assert "net.pt" in found
    assert "klinikum" not in found
    assert str(tmp_path).lower() not in found
    if suffix != ".toml":
        assert told(found) == []
    assert main.run([*words, "--keep-paths", "--overwrite", "--out", str(out)]) == 0
    assert "klinikum" in everything_in(out)


def test_dates_in_a_kernel_and_descriptions_of_series_stay_out_of_a_report(patient):
    """What is in the place of a kernel may be anything; series that do not fit are told apart."""
    from dataclasses import replace

    (series,) = finish(scan([patient])).series
    spec = TEMPLATES["grid"].make(Given(("bilateral",), 2))
    what = finish(gather(spec, [series, series]))
    one, other = what.stacks["original"], what.stacks["reference"]
    source = replace(one.source, kernel="B70f 19530203", description="Thorax ACC99182 Klinikum")
    small = replace(
        other, voxels=other.voxels[:, :40, :40], source=replace(source, frame_of_reference_uid="1")
    )
    stacks = {**what.stacks, "original": replace(one, source=source), "reference": small}
    texts = " ".join(finish(report(_pictures_alone(spec), replace(what, stacks=stacks))).texts)
    assert "is not measured against reference: their slices have" in texts
    assert "B70f" in texts
    assert told(texts) == []


def _pictures_alone(spec):
    from dataclasses import replace

    layers = tuple(layer for layer in spec.layers if layer.source == "series")
    names = {layer.name for layer in layers}
    rows = tuple(tuple(c for c in row if c.layer in names) for row in spec.rows)
    return replace(spec, layers=layers, rows=tuple(row for row in rows if row))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("BurnedInAnnotation", "YES", "text is drawn into their pixels: look at every picture"),
        ("ImageType", ["DERIVED", "SECONDARY", "SCREEN SAVE"], "Text may be drawn into"),
        ("ImageType", "AXIAL", ""),
        ("BurnedInAnnotation", "NO", ""),
    ],
)
@pytest.mark.parametrize("command", ["figure", "report"])
def test_text_in_the_pixels_is_told(patient, tmp_path, capsys, command, name, value, said):
    """No picture is free of it, and nobody else would notice."""
    folder = tmp_path / "series"
    folder.mkdir()
    for file in patient.iterdir():
        data = pydicom.dcmread(file)
        setattr(data, name, value)
        data.save_as(folder / file.name)
    out = tmp_path / ("a.png" if command == "figure" else "a.html")
    assert main.run([command, str(folder), "--out", str(out)]) == 0
    err = " ".join(capsys.readouterr().err.split())
    assert ("drawn into" in err) == bool(said)
    assert said in err


def test_every_kind_of_still_was_tried():
    tried = {suffix for _, suffix, _ in kinds()}
    assert {".tif" if s == ".tiff" else s for s in SUFFIXES} <= tried


@pytest.mark.parametrize("suffix", [".html", ".pdf"])
def test_no_report_tells_of_the_patient(patient, tmp_path, suffix):
    (series,) = finish(scan([patient])).series
    assert "ZWEISTEIN" in series.source.description
    spec = TEMPLATES["residual"].make(Given(("tv",)))
    material = finish(gather(spec, [series]))
    path = finish(save_report(spec, material, tmp_path / f"report{suffix}"))
    assert told(everything_in(path)) == []
    assert told(" ".join(finish(report(spec, material)).texts)) == []


@pytest.mark.parametrize("suffix", [".html", ".pdf"])
@pytest.mark.parametrize("each", [False, True])
def test_no_report_by_command_tells_of_the_patient(patient, tmp_path, capsys, suffix, each):
    words = ["report", str(patient), "--method", "tv", "--title", "A thorax"]
    words += ["--each"] * each
    assert main.run([*words, "--out", str(tmp_path / f"report{suffix}")]) == 0
    (path,) = tmp_path.iterdir()
    assert path.stem == ("report-1" if each else "report")
    text = everything_in(path)
    assert "a thorax" in text
    assert told(text) == []

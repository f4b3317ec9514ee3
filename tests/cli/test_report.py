"""``ctstudio report``: the report that the window makes, of a denoising and of a training."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ctstudio.cli import main
from ctstudio.core.events import finish
from ctstudio.figures.stills import read_description
from ctstudio.workflows.figures.material import gather
from ctstudio.workflows.figures.report import save_report
from ctstudio.workflows.figures.templates import TEMPLATES, Given
from ctstudio.workflows.open import scan


def texts_of(path: Path) -> str:
    """What a reader sees, by pypdfium2."""
    import pypdfium2

    document = pypdfium2.PdfDocument(path)
    text = " ".join(page.get_textpage().get_text_range() for page in document)
    document.close()
    return " ".join(text.split())


@pytest.mark.parametrize("suffix", [".html", ".pdf"])
def test_it_is_the_report_of_the_window(series_folder: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"a{suffix}"
    assert main.run(["report", str(series_folder), "--method", "tv", "--out", str(out)]) == 0
    spec = TEMPLATES["residual"].make(Given(("tv",)))
    material = finish(gather(spec, finish(scan([series_folder])).series))
    wanted = finish(save_report(spec, material, tmp_path / f"b{suffix}"))
    assert out.read_bytes() == wanted.read_bytes()


def test_with_a_reference_it_has_metrics_and_is_made_again(make_series, tmp_path: Path) -> None:
    noisy, other = (str(make_series(name)) for name in ("noisy disc", "clean disc"))
    pair = [noisy, "--reference", other]
    one, two = tmp_path / "one.pdf", tmp_path / "two.pdf"
    wanted = ["--method", "tv", "--set", "strength=12", "--title", "Of a disc"]
    assert main.run(["report", *pair, *wanted, "--out", str(one)]) == 0
    shown = texts_of(one)
    for words in ("Of a disc", "strength 12 HU", "PSNR", "protocol A", "Noise SD", "numpy"):
        assert words in shown
    assert main.run(["report", "--from", str(one), *pair, "--out", str(two)]) == 0
    assert one.read_bytes() == two.read_bytes()
    assert main.run(["figure", "--from", str(one), *pair, "--out", str(tmp_path / "a.png")]) == 0
    (layer,) = (la for la in read_description(tmp_path / "a.png").layers if la.method)
    assert layer.settings == {"strength": 12.0}


def test_of_two_series_it_tells_how_they_differ(make_series, tmp_path: Path, read_hu) -> None:
    """Without any method: the difference is drawn, the metrics are scikit-image's."""
    import numpy as np
    import pydicom
    from skimage.metrics import peak_signal_noise_ratio

    noisy, other = make_series("noisy disc"), make_series("other disc")
    for number, file in enumerate(sorted(other.iterdir())):
        ds = pydicom.dcmread(file)
        more = np.random.default_rng(number).integers(-30, 30, ds.pixel_array.shape)
        ds.PixelData = (ds.pixel_array + more).astype("<i2").tobytes()
        ds.save_as(file)
    one, two = tmp_path / "one.pdf", tmp_path / "two.pdf"
    pair = [str(noisy), "--reference", str(other)]
    assert main.run(["report", *pair, "--protocol", "b-chest", "--out", str(one)]) == 0
    shown = texts_of(one)
    for words in ("Comparison: Original; Reference", "Reference \N{MINUS SIGN} original", "Bias"):
        assert words in shown
    images = [np.clip(read_hu(folder), -1350, 150) for folder in (other, noisy)]
    (numbers,) = re.findall(r"Mean over the slices ([\d, ]+) of 6", shown)
    judged = [int(number) - 1 for number in numbers.split(",")]
    assert len(judged) >= 4
    each = [peak_signal_noise_ratio(*(i[z] for i in images), data_range=1500) for z in judged]
    assert f"{np.mean(each):.2f} dB" in shown
    assert "protocol B chest" in shown
    assert "protocol A" not in shown
    assert main.run(["report", "--from", str(one), *pair, "--out", str(two)]) == 0
    assert one.read_bytes() == two.read_bytes()
    assert (
        main.run(["report", *pair, "--template", "single", "--out", str(tmp_path / "c.pdf")]) == 0
    )
    assert "Reference \N{MINUS SIGN} original" not in texts_of(tmp_path / "c.pdf")


def test_another_series_is_refused_unless_wanted(
    series_folder: Path, make_series, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import pydicom

    other = make_series("another disc")
    for file in other.iterdir():
        ds = pydicom.dcmread(file)
        ds.RescaleIntercept = -1000
        ds.save_as(file)
    one, two = tmp_path / "one.html", tmp_path / "two.html"
    assert main.run(["report", str(series_folder), "--out", str(one)]) == 0
    again = ["report", "--from", str(one), str(other), "--out", str(two)]
    assert main.run(again) == 1
    assert "--other-series" in capsys.readouterr().err
    assert not two.exists()
    assert main.run([*again, "--other-series"]) == 0


def test_of_a_training_and_of_each(make_run, tmp_path: Path) -> None:
    one, _ = (make_run(name, {"title": f"Recipe {name}"}) for name in ("first", "second"))
    out = tmp_path / "a.pdf"
    assert main.run(["report", "--run", str(one), "--out", str(out)]) == 0
    shown = texts_of(out)
    for words in ("Training: Recipe first", "phases.0.optimiser", "Step 40", "--run FOLDER"):
        assert words in shown
    assert str(tmp_path) not in shown
    again = tmp_path / "b.pdf"
    words = ["report", "--from", str(out), "--run", str(one), "--out", str(again)]
    assert main.run(words) == 0
    assert again.read_bytes() == out.read_bytes()
    each = ["report", "--run", str(one.parent), "--each", "--out", str(tmp_path / "each.html")]
    assert main.run(each) == 0
    pages = [(tmp_path / f"each-{k}.html").read_text(encoding="utf-8") for k in (1, 2)]
    assert sorted("Recipe second" in page for page in pages) == [False, True]


def test_nothing_is_overwritten_unasked(
    series_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.html"
    out.write_text("mine")
    arguments = ["report", str(series_folder), "--out", str(out)]
    assert main.run(arguments) == 1
    assert "exists already" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert main.run([*arguments, "--overwrite"]) == 0
    assert "<html" in out.read_text(encoding="utf-8")


def test_a_network_is_found_where_it_lies() -> None:
    """A file's description knows the name of a network's file, and settings of the others stay."""
    from ctstudio.cli.figure_work import _by_methods
    from ctstudio.figures.description import CellSpec, FigureSpec, LayerSpec

    layers = (
        LayerSpec("a"),
        LayerSpec("b", "method", method="tv", settings={"strength": 9.0}, of="a"),
        LayerSpec("c", "method", method="best.pt", of="a"),
    )
    spec = FigureSpec(layers, ((CellSpec("b"), CellSpec("c")),))
    found = _by_methods(spec, ["runs/one/best.pt"]).layers
    assert [la.method for la in found[1:]] == ["tv", "runs/one/best.pt"]
    assert found[1].settings == {"strength": 9.0}
    found = _by_methods(spec, ["nlm", "runs/one/best.pt"]).layers
    assert [(la.method, la.settings) for la in found[1:]] == [("nlm", {}), ("runs/one/best.pt", {})]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["SERIES", "--out", "a.png"], 2, ".html or .pdf"),
        (["--out", "a.html"], 2, "--demo"),
        (["SERIES", "--demo", "--out", "a.html"], 2, "leave out PATH"),
        (["--reference", "SERIES", "--demo", "--out", "a.html"], 2, "--reference"),
        (["--reference", "SERIES", "--run", "SERIES", "--out", "a.html"], 2, "give its PATH"),
        (["SERIES", "--template", "five", "--out", "a.html"], 1, "--reference PATH and a method"),
        (["SERIES", "--template", "residual", "--out", "a.html"], 1, "--method NAME"),
        (["SERIES", "--template", "progress", "--out", "a.html"], 1, "--run"),
        (["SERIES", "--template", "single", "--method", "tv", "--out", "a.html"], 2, "no result"),
        (["SERIES", *["--reference", "SERIES"] * 2, "--out", "a.html"], 2, "2 series, but 3 were"),
        (["SERIES", "--run", "SERIES", "--out", "a.html"], 2, "no training"),
        (["SERIES", "--run", "SERIES", "--template", "progress", "--out", "a.html"], 2, "out PATH"),
        (["SERIES", "--other-series", "--out", "a.html"], 2, "--from"),
        (["SERIES", "--mask-as", "fill", "--out", "a.html"], 2, "--mask"),
        (
            ["SERIES", "--each", "--reference", "SERIES", "--out", "a.html"],
            2,
            "leave out --reference",
        ),
        (["SERIES", "--method", "tv", "--set", "nlm.h=1", "--out", "a.html"], 2, "methods are tv"),
        (["SERIES", "--method", "tv", "--set", "weight=1", "--out", "a.html"], 1, "strength"),
        (["SERIES", "--method", "nothing", "--out", "a.html"], 1, "nothing"),
        (["nowhere", "--out", "a.html"], 2, "does not exist"),
        (["--run", "nowhere", "--out", "a.html"], 2, "does not exist"),
        (["--run", ".", "--out", "a.html"], 1, "no pictures of a training"),
        (["SERIES", "--out", "missing/a.html"], 1, "its folder does not exist"),
        (
            ["--from", "SERIES/000.dcm", "SERIES", "--out", "a.html"],
            1,
            "does not say how it was made",
        ),
    ],
)
def test_it_refuses(
    options: list[str], code: int, words: str, refused: Callable[[Sequence[str]], tuple[int, str]]
) -> None:
    status, said = refused(["report", *options])
    assert (status, words in said) == (code, True), said


@pytest.fixture
def networks(tmp_path: Path) -> list[Path]:
    """Two networks of one name, in folders of their own."""
    import torch

    from ctstudio.learn import checkpoint
    from ctstudio.learn.recipe import bundled

    recipe = bundled()["dncnn-low-dose"].with_setting("device", "cpu")
    files = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        module = checkpoint.build(recipe)
        with torch.no_grad():
            for values in module.parameters():
                values.add_(0.01 * seed)
        folder = tmp_path / f"run-{seed}"
        folder.mkdir()
        checkpoint.save(checkpoint.TrainedModel(recipe, module.eval(), 50), folder / "best.pt")
        files.append(folder / "best.pt")
    return files


def test_another_network_of_the_same_name_is_refused_unless_wanted(
    networks: list[Path],
    series_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    one, other = map(str, networks)
    first, second = tmp_path / "one.pdf", tmp_path / "two.pdf"
    series = str(series_folder)
    assert main.run(["report", series, "--method", one, "--out", str(first)]) == 0
    again = ["report", "--from", str(first), series, "--out", str(second), "--method"]
    capsys.readouterr()
    assert main.run([*again, other]) == 1
    assert "made with another network: best.pt has other weights" in capsys.readouterr().err
    assert not second.exists()
    assert main.run([*again, one]) == 0
    assert second.read_bytes() == first.read_bytes()
    assert main.run([*again, other, "--other-series", "--overwrite"]) == 0
    assert second.read_bytes() != first.read_bytes()
    # One that stands in its place under a name of its own is what was asked for.
    assert main.run([*again, "tv", "--overwrite"]) == 0
    layer = next(la for la in read_description(second).layers if la.method)
    assert (layer.method, layer.content) == ("tv", "")

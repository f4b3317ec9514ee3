"""``ctstudio figure``: films between pictures, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from ctstudio.cli import main


def frames_of(path: Path) -> list[np.ndarray]:
    with Image.open(path) as image:
        return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]


@pytest.fixture
def pair(make_series) -> list[str]:
    one, other = (str(make_series(name)) for name in ("noisy disc", "clean disc"))
    return [one, "--reference", other]


@pytest.mark.parametrize(("template", "count"), [("residual", 2), ("five", 3), ("methods", 3)])
def test_a_flicker_shows_pictures_without_differences(
    pair: list[str], tmp_path: Path, template: str, count: int
) -> None:
    out = tmp_path / "a.gif"
    words = ["figure", *pair, "--method", "tv", "--template", template, "--film", "flicker"]
    assert main.run([*words, "--dpi", "60", "--out", str(out)]) == 0
    with Image.open(out) as image:
        assert image.n_frames == count
        assert image.info["duration"] == 500
    if template != "methods":  # its boxes are yellow
        # Red and blue are of differences alone.
        hues = [int(np.ptp(frame.astype(int), axis=2).max()) for frame in frames_of(out)]
        assert max(hues) < 60


def test_a_flicker_of_differences_alone_is_made(pair: list[str], tmp_path: Path) -> None:
    from ctstudio.figures.description import CellSpec, FigureSpec, LayerSpec

    layers = (
        LayerSpec("a"),
        LayerSpec("b", "method", method="tv", of="a"),
        LayerSpec("c", "difference", of="b", minus="a"),
    )
    spec = FigureSpec(layers, ((CellSpec("b"), CellSpec("c")),))
    (tmp_path / "a.toml").write_text(spec.to_toml())
    out = tmp_path / "a.gif"
    words = ["figure", pair[0], "--from", str(tmp_path / "a.toml"), "--film", "flicker"]
    assert main.run([*words, "--seconds", "0.2", "--dpi", "60", "--out", str(out)]) == 0
    with Image.open(out) as image:
        assert image.n_frames == 2
        assert image.info["duration"] == 200


def test_an_mp4_says_which_codec_it_has(
    pair: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import av

    for suffix in (".mp4", ".webm"):
        out = tmp_path / f"a{suffix}"
        assert main.run(["figure", pair[0], "--dpi", "60", "--out", str(out)]) == 0
        with av.open(str(out)) as container:
            codec = container.streams.video[0].codec_context.name
        told = "AV1" in capsys.readouterr().err
        assert told == (suffix == ".mp4" and "av1" in codec)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--slice", "7", "--out", "a.png"], 1, "There are 6"),
        (["--slice", "1", "--out", "a.gif"], 2, "all slices"),
        (["--out", "a.bmp"], 2, ".png, .tif"),
        (["--window", "dim", "--out", "a.png"], 1, "Mediastinum"),
        (["--out", "missing/a.png"], 1, "folder"),
        (["--out", "n" * 300 + ".png"], 1, "too long"),
        (["--differences", "nothing", "--out", "a.png"], 2, "they are original"),
        (["--differences", "original", "--out", "a.png"], 2, "nothing but 'original' is shown"),
        (["--protocol", "A", "--out", "a.png"], 2, "add a --reference"),
        (["--reference", "SERIES", "--protocol", "C", "--out", "a.png"], 2, "'B chest'"),
        (["--slice", "", "--out", "a.png"], 2, "a number from 1"),
        (["--slice", "0", "--out", "a.png"], 2, "Invalid value for --slice: '0' is none"),
        (["--window", "", "--out", "a.png"], 1, "There is no window ''"),
        (["--width-mm", "1000", "--dpi", "2400", "--bits", "16", "--out", "a.png"], 1, "memory"),
        (["--out", "a.html"], 2, "ctstudio report"),
        (["--film", "flicker", "--out", "a.png"], 2, "--film belongs to a film"),
        (["--seconds", "1", "--out", "a.pdf"], 2, "--seconds belongs to a film"),
        (["--limit-mb", "1", "--out", "a.svg"], 2, "--limit-mb belongs to a film"),
        (["--greys", "16", "--out", "a.mp4"], 2, "--greys belongs to a .gif"),
        (["--dither", "ordered", "--out", "a.webm"], 2, "--dither belongs to a .gif"),
        (["--bits", "16", "--out", "a.svg"], 2, "--bits 16 belongs to"),
        (["--bits", "16", "--out", "a.gif"], 2, "--bits 16 belongs to"),
        (["--film", "flicker", "--out", "a.gif"], 1, "two pictures"),
        (["--method", "tv", "--film", "swipe", "--back", "--out", "a.gif"], 2, "leave out --back"),
        (["--film", "steps", "--out", "a.gif"], 1, "Give the folder of a training"),
        (["--template", "five", "--method", "tv", "--out", "a.png"], 1, "--reference PATH"),
        (["--template", "six", "--out", "a.png"], 2, "'six'"),
        (["--seconds", "0", "--out", "a.gif"], 1, "seconds = 0"),
        (["--limit-mb", "0.0001", "--out", "a.gif"], 1, "small enough"),
        (["--dpi", "5", "--out", "a.png"], 1, "dpi = 5"),
        (["--each", "--demo", "--out", "a.png"], 2, "leave out PATH"),
        (["--each", "--out", "a.toml"], 2, "--each"),
        (["--method", "tv", "--method", "nlm", "--template", "five", "--reference", "SERIES",
          "--out", "a.png"], 2, "shows 1 result of methods, but 2"),
    ],
)  # fmt: skip
def test_it_refuses(
    options: list[str], code: int, words: str, refused: Callable[[Sequence[str]], tuple[int, str]]
) -> None:
    status, said = refused(["figure", "SERIES", *options])
    assert (status, words in said) == (code, True), said


def test_a_missing_second_series_is_asked_for_by_its_option(
    pair: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = tmp_path / "one.png"
    words = ["--method", "tv", "--template", "five", "--dpi", "60"]
    assert main.run(["figure", *pair, *words, "--out", str(one)]) == 0
    capsys.readouterr()
    again = ["figure", pair[0], "--from", str(one), "--out", str(tmp_path / "two.png")]
    assert main.run(again) == 1
    assert "--reference PATH" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "suffix"),
    [
        (["--film", "swipe"], ".gif"),
        (["--film", "flicker"], ".gif"),
        ([], ".png"),
        (["--template", "single"], ".png"),
        (["--template", "residual"], ".png"),
    ],
)
def test_two_series_are_shown_without_a_method(
    pair: list[str], tmp_path: Path, options: list[str], suffix: str
) -> None:
    from ctstudio.figures.stills import read_description

    out = tmp_path / f"a{suffix}"
    assert main.run(["figure", *pair, *options, "--dpi", "60", "--out", str(out)]) == 0
    shown = [cell.layer for cell in read_description(out).cells]
    assert shown[:2] == ["original", "reference"]
    assert shown[2:] == (["residual 1"] if "residual" in options else [])


def test_a_window_of_hu_on_other_numbers_is_told(
    series_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "grey.png"
    Image.fromarray(np.arange(48 * 48, dtype=np.uint8).reshape(48, 48)).save(picture)
    for source, window, told in (
        (picture, "lung", True),
        (picture, "255/128", False),
        (series_folder, "lung", False),
    ):
        out = tmp_path / "out.png"
        words = [str(source), "--window", window, "--dpi", "60", "--overwrite", "--out", str(out)]
        assert main.run(["figure", *words]) == 0
        assert ("not HU" in capsys.readouterr().err) == told


@pytest.mark.parametrize("how", ["file", "folder", "link", "mask", "each"])
def test_what_it_is_made_of_is_never_written_over(
    series_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    """A series may be pictures, whose names a figure could take."""
    stack = tmp_path / "stack"
    stack.mkdir()
    for number in (1, 2):
        pixels = np.random.default_rng(number).integers(0, 255, (48, 48), np.uint8)
        Image.fromarray(pixels).save(stack / f"a-{number}.png")
    source = stack / "a-1.png"
    before = source.read_bytes()
    out = source
    words = [str(source if how in ("file", "link") else stack)]
    if how == "link":
        out = tmp_path / "link.png"
        out.symlink_to(source)
    elif how == "mask":
        words = [str(stack / "a-2.png"), "--mask", str(source)]
    elif how == "each":
        words, out = [str(stack), "--each"], stack / "a.png"
        Image.fromarray(np.zeros((20, 20), np.uint8)).save(stack / "b.png")  # a series of its own
    assert main.run(["figure", *words, "--overwrite", "--out", str(out)]) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "is what this is made of" in told
    assert source.read_bytes() == before


def test_the_protocol_is_chosen_and_travels(pair: list[str], tmp_path: Path) -> None:
    from ctstudio.figures.stills import read_description

    one, two = tmp_path / "one.svg", tmp_path / "two.svg"
    words = ["--window", "lung", "--dpi", "60"]
    assert main.run(["figure", *pair, *words, "--protocol", "FULL", "--out", str(one)]) == 0
    texts = one.read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")
    assert "(protocol full, against" in texts
    assert "Protocol A:" not in texts
    cells = read_description(one).cells
    assert {cell.protocol for cell in cells if cell.against} == {"full"}
    again = ["figure", "--from", str(one), *pair, "--protocol", "a", "--out", str(two)]
    assert main.run(again) == 0
    texts = two.read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")
    assert "(protocol A, against" in texts
    assert "but does not count" in texts


@pytest.mark.parametrize("command", ["figure", "report"])
def test_a_reference_of_another_place_is_refused(
    command: str,
    make_series: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import pydicom

    one, other = make_series("chest"), make_series("phantom")
    for path in other.iterdir():
        ds = pydicom.dcmread(path)
        ds.ImagePositionPatient = [0, 0, ds.ImagePositionPatient[2] - 1800]
        ds.save_as(path)
    out = tmp_path / ("a.png" if command == "figure" else "a.html")
    words = ["--method", "tv", "--template", "grid", "--out", str(out)]
    assert main.run([command, str(one), "--reference", str(other), *words]) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "Original (chest) cannot be compared with reference (phantom)" in told
    assert "no place in the patient in common" in told
    assert not out.exists()

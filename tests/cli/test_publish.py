"""``ctstudio publish``, and a series denoised with what it wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ctstudio.cli import main
from ctstudio.learn import checkpoint
from ctstudio.learn.checkpoint import TrainedModel
from ctstudio.learn.recipe import bundled


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with a best network."""
    recipe = bundled()["dncnn-gaussian"].with_setting("device", "cpu")
    module = checkpoint.build(recipe)
    torch.manual_seed(1)
    torch.nn.init.normal_(module.body[-1].weight, std=0.02)
    folder = tmp_path / "run"
    folder.mkdir()
    checkpoint.save(TrainedModel(recipe, module.eval(), 50), folder / "best.pt")
    return folder


@pytest.mark.parametrize(
    ("name", "words"),
    [("n" * 300, "the name is too long"), ("a\0b", "cannot hold the character 0")],
)
@pytest.mark.parametrize("force", [[], ["--force"]])
def test_names_that_no_file_can_have(
    name: str, words: str, force: list[str], run: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    before = {path.name for path in tmp_path.iterdir()}
    assert main.run(["publish", str(run), "--out", str(tmp_path / name), *force]) in (1, 2)
    assert words in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == before


def test_bytes_that_are_no_text_are_question_marks(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "net"
    assert main.run(["publish", str(run), "--out", str(out), "--data", "a \udce9 b"]) == 0
    assert "| a ? b |" in (tmp_path / "net.md").read_text(encoding="utf-8")


def test_publish_and_denoise(
    run: Path,
    series_folder: Path,
    tmp_path: Path,
    read_hu: Callable[[Path], np.ndarray],
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "net.safetensors"
    words = ["publish", str(run), "--out", str(file)]
    assert main.run([*words, "--data", "A phantom", "--licence", "CC0", "--author", "Me"]) == 0
    told = capsys.readouterr()
    assert "DnCNN trained for 50 steps on Gaussian noise" in told.out
    assert told.err == ""
    assert "A phantom" in (tmp_path / "net.md").read_text(encoding="utf-8")

    assert main.run(words) == 1
    assert "--force" in capsys.readouterr().err
    assert main.run([*words, "--force"]) == 0
    assert "--data and --licence" in capsys.readouterr().err

    results = []
    for name, method in (("one", file), ("two", run)):
        out = tmp_path / name
        assert main.run(["denoise", str(series_folder), "--method", str(method),
                         "--out", str(out)]) == 0  # fmt: skip
        results.append(read_hu(out))
    np.testing.assert_array_equal(*results)
    assert np.abs(results[0] - read_hu(series_folder)).max() >= 1


@pytest.mark.parametrize("content", [b"", b"no network"])
def test_what_is_no_network_is_told(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "x.pt"
    source.write_bytes(content)
    assert main.run(["publish", str(source), "--out", str(tmp_path / "net.safetensors")]) == 1
    told = capsys.readouterr().err
    assert str(source) in told
    assert "Traceback" not in told
    assert list(tmp_path.iterdir()) == [source]

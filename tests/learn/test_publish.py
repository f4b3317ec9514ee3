"""Published networks: what stands in them, what does not, and files that are refused."""

from __future__ import annotations

import json
import struct
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch

import ctstudio
from ctstudio.core.errors import StudioError
from ctstudio.core.registry import Choice, read_fields
from ctstudio.learn import apply, checkpoint, publish, wording
from ctstudio.learn.checkpoint import TrainedModel
from ctstudio.learn.noise.low_dose import LowDose
from ctstudio.learn.publish import Credits
from ctstudio.learn.recipe import Recipe, bundled

METRICS = {"psnr": 33.5, "ssim": 0.91, "rmse": 8.456, "noisy_psnr": 29.25, "noisy_rmse": 14.24}


@pytest.fixture
def model() -> TrainedModel:
    recipe = bundled()["dncnn-gaussian"].with_setting("device", "cpu")
    module = checkpoint.build(recipe)
    torch.manual_seed(1)
    torch.nn.init.normal_(module.body[-1].weight, std=0.05)
    return TrainedModel(recipe, module.eval(), 12000, METRICS)


@pytest.fixture
def published(model: TrainedModel, tmp_path: Path) -> Path:
    by = Credits("TCIA Phantom FDA", "CC BY 3.0", "A. Physicist")
    return publish.publish(model, tmp_path / "net.safetensors", credits=by)[0]


def parts(file: Path) -> tuple[dict[str, Any], bytes]:
    """Header and tensor bytes, read by the format's definition."""
    content = file.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def put(file: Path, header: dict[str, Any], body: bytes) -> None:
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + body)


def test_round_trip(model: TrainedModel, published: Path) -> None:
    back = checkpoint.load(published)
    assert (back.recipe, back.step, back.metrics) == (model.recipe, 12000, METRICS)
    hu = np.random.default_rng(1).normal(40, 30, (33, 50)).astype(np.float32)
    np.testing.assert_array_equal(apply.denoise_slice(hu, back), apply.denoise_slice(hu, model))
    assert checkpoint.load_training(published)[1] == {}


def test_others_can_read_it(model: TrainedModel, published: Path) -> None:
    weights = safetensors.torch.load_file(published)
    assert weights.keys() == model.module.state_dict().keys()
    with safetensors.safe_open(published, "np") as content:
        about = content.metadata()
    assert about["format"] == "pt"
    assert about["licence"] == "CC BY 3.0"
    assert tomllib.loads(about["recipe"])["noise"]["name"] == "gaussian"
    assert json.loads(about["metrics"]) == METRICS
    assert (about["step"], about["torch"]) == ("12000", torch.__version__)


def test_the_card_tells_what_a_reader_asks_for(published: Path) -> None:
    text = published.with_suffix(".md").read_text(encoding="utf-8")
    for words in (
        "# net\n",
        "DnCNN trained for 12,000 steps on Gaussian noise (SD 25 HU)",
        "TCIA Phantom FDA",
        "CC BY 3.0",
        "A. Physicist",
        "research use, not for diagnosis",
        "protocol A",
        "| PSNR | 33.50 dB | 29.25 dB |",
        "| SSIM | 0.9100 | - |",
        f"CT Studio {ctstudio.__version__}, torch {torch.__version__}",
        "--method net.safetensors",
    ):
        assert words in text
    recipe = text.split("```toml\n")[1].split("```")[0]
    assert Recipe.from_toml(recipe) == checkpoint.load(published).recipe


@pytest.mark.parametrize(
    ("metrics", "words"),
    [({}, "It was not judged."), ({"loss": 0.0123}, "Loss on held-out patches: 0.0123.")],
)
def test_cards_of_networks_without_a_clean_image(
    model: TrainedModel, tmp_path: Path, metrics: dict[str, float], words: str
) -> None:
    plain = TrainedModel(model.recipe, model.module, 1, metrics)
    _, card = publish.publish(plain, tmp_path / "net")
    text = card.read_text(encoding="utf-8")
    assert words in text
    assert "| Trained on | not stated |" in text
    assert checkpoint.load(tmp_path / "net.safetensors").title == "DnCNN, 1 step"


def test_a_card_leaves_out_noise_that_is_not_made(model: TrainedModel, tmp_path: Path) -> None:
    recipe = bundled()["dncnn-noise2void"]
    loose = TrainedModel(recipe, model.module, 9, METRICS | {"held_out": 4.0})
    text = publish.publish(loose, tmp_path / "net")[1].read_text(encoding="utf-8")
    assert "low_dose" not in text
    assert "[noise]" not in text
    assert "Mean over 4 held-out slices of the data" in text
    assert "held_out" not in text
    told = Recipe.from_toml(text.split("```toml\n")[1].split("```")[0])
    assert (told.task, told.phases) == (recipe.task, recipe.phases)


def test_a_card_of_classes_says_how_they_are_told(tmp_path: Path) -> None:
    recipe = bundled()["unet-masks"].with_setting("phases.0.model.features", 4)
    made = TrainedModel(recipe, checkpoint.build(recipe), 3, {"dice": 0.75, "held_out": 1.0})
    text = publish.publish(made, tmp_path / "lungs")[1].read_text(encoding="utf-8")
    assert "Dice coefficient of one held-out slice of the data" in text
    command = text.split("## How to apply it\n\n```\n")[1].split("\n```")[0]
    name, series, *options = command.removeprefix("ctstudio segment ").split()
    assert (name, series, options) == ("lungs.safetensors", "path/to/series", ["--out", "masks"])


def test_nothing_is_overwritten_unless_told(model: TrainedModel, published: Path) -> None:
    card = published.with_suffix(".md")
    before = published.read_bytes(), card.read_bytes()
    with pytest.raises(StudioError, match=r"net\.safetensors: it exists"):
        publish.publish(model, published)
    published.unlink()
    with pytest.raises(StudioError, match=r"net\.md: it exists"):
        publish.publish(model, published)
    assert not published.exists()
    assert card.read_bytes() == before[1]
    publish.publish(model, published, force=True)
    assert "not stated" in card.read_text(encoding="utf-8")


def test_both_files_or_none(
    model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(StudioError, match="the disk is full"):
        publish.publish(model, tmp_path / "net.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_the_name_gets_its_suffix(tmp_path: Path) -> None:
    names = {"a": "a", "a.pt": "a", "v1.2": "v1.2", "b.SafeTensors": "b", "b.md": "b"}
    for given, stem in names.items():
        file, card = publish.targets(tmp_path / given)
        assert (file.name, card.name) == (f"{stem}.safetensors", f"{stem}.md")


def test_no_path_is_published(
    model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    title = r"dose 1/4 from /data/jane/scans and C:\data\doe w/o contrast"
    recipe = Recipe.from_dict(model.recipe.to_dict() | {"title": title, "description": title})
    secret = TrainedModel(recipe, model.module, 5)
    _, card = publish.publish(secret, tmp_path / "net")
    want = "dose 1/4 from scans and doe w/o contrast"
    kept = checkpoint.load(tmp_path / "net.safetensors").recipe
    assert (kept.title, kept.description) == (want, want)
    for content in (card.read_bytes(), (tmp_path / "net.safetensors").read_bytes()):
        assert b"jane" not in content
        assert b"C:\\" not in content
        assert str(tmp_path).encode() not in content


@pytest.mark.parametrize("path", ["/data/jane/vgg.pt", r"C:\Jane D\vgg.pt", "~/x/vgg.pt", "vgg.pt"])
def test_the_network_of_a_loss_keeps_its_file_name_alone(
    model: TrainedModel, tmp_path: Path, path: str
) -> None:
    recipe = model.recipe.to_dict()
    loss = {"name": "deep_features", "network": path, "layer": "body.4"}
    recipe["phases"][0]["losses"] = [loss]
    publish.publish(TrainedModel(Recipe.from_dict(recipe), model.module, 5), tmp_path / "net")
    (term,) = checkpoint.load(tmp_path / "net.safetensors").recipe.phases[0].losses
    assert term.choice == Choice("deep_features", {"network": "vgg.pt", "layer": "body.4"})
    for file in tmp_path.iterdir():
        assert b"jane" not in file.read_bytes().lower()


def test_a_flipped_bit_is_noticed(published: Path) -> None:
    content = bytearray(published.read_bytes())
    content[-100] ^= 1
    published.write_bytes(content)
    with pytest.raises(StudioError, match=r"net\.safetensors is damaged"):
        checkpoint.load(published)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("application", None, "not a model of CT Studio"),
        ("format_version", "2", "another version"),
        ("format_version", "many", "another version"),
        ("format_version", None, "another version"),
        ("recipe", "seed = 1", "damaged"),
        ("recipe", None, "damaged"),
        ("step", "many", "damaged"),
        ("step", None, "damaged"),
        ("metrics", "[" * 100_000, "damaged"),
        ("metrics", "[1]", "damaged"),
        ("metrics", '{"psnr": "x"}', "damaged"),
        ("digest", None, "damaged"),
    ],
)
def test_damaged_metadata(published: Path, key: str, value: str | None, words: str) -> None:
    header, body = parts(published)
    header["__metadata__"].pop(key)
    if value is not None:
        header["__metadata__"][key] = value
    put(published, header, body)
    with pytest.raises(StudioError, match=words) as caught:
        checkpoint.load(published)
    assert str(published) in caught.value.message
    assert caught.value.hint


def test_files_that_are_no_published_networks(published: Path, tmp_path: Path) -> None:
    whole = published.read_bytes()
    header, body = parts(published)
    name = next(k for k in header if k != "__metadata__")
    for number, content in enumerate(
        (
            b"",
            b"dear diary, no tensors",
            whole[:4],
            whole[:200],
            whole[:-1],
            whole + b"x",
            struct.pack("<Q", 2**63) + whole[8:],
            b"\x02" + bytes(7) + b"{}",
            b"\x40" + bytes(7) + b"{" + b"\xff" * 63,
        )
    ):
        file = tmp_path / f"bad-{number}.safetensors"
        file.write_bytes(content)
        with pytest.raises(StudioError) as caught:
            checkpoint.load(file)
        assert str(file) in caught.value.message
        assert caught.value.hint
    header[name]["shape"] = [2**40, 2**40]
    put(published, header, body)
    with pytest.raises(StudioError, match="not a whole"):
        checkpoint.load(published)


def test_weights_of_another_network_are_refused(published: Path) -> None:
    header, _ = parts(published)
    about = header["__metadata__"]
    weights = {"w": torch.ones(3)}
    about["digest"] = publish.digest(about["recipe"], weights)
    safetensors.torch.save_file(weights, published, about)
    with pytest.raises(StudioError, match="damaged: what it holds does not fit together"):
        checkpoint.load(published)


def test_a_run_folder_stands_for_its_best_network(model: TrainedModel, tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="holds no checkpoint"):
        checkpoint.load(tmp_path)
    checkpoint.save(model, tmp_path / "last.pt")
    assert checkpoint.load(tmp_path).step == 12000
    checkpoint.save(TrainedModel(model.recipe, model.module, 7), tmp_path / "best.pt")
    assert checkpoint.load(tmp_path).step == 7


def test_recipes_in_words() -> None:
    recipe = Recipe().checked()
    low = wording.trained(recipe, 400)
    assert low == "DnCNN trained for 400 steps on low-dose noise (a quarter of the dose)"
    changed = recipe.with_setting("noise.already_noisy", False).with_setting("noise.photons", 1e5)
    changed = changed.with_setting("noise.dose", 0.07).with_setting("title", "First try")
    assert wording.trained(changed, 1) == (
        "DnCNN trained for 1 step on low-dose noise (7 % of the dose, not already noisy, "
        'photons 100,000 per ray), with the recipe "First try"'
    )
    pairs = recipe.with_setting("task", "pairs").with_setting("task.augment", False)
    assert wording.material(pairs) == "on pairs of series (not augment)"
    alone = recipe.with_setting("task", "noise2void")
    assert wording.material(alone) == "without clean images, by Noise2Void"
    again = recipe.with_setting("task", "recorrupted")
    assert wording.material(again) == (
        "without clean images, by Recorrupted-to-Recorrupted with low-dose noise (a quarter of the "
        "dose)"
    )
    assert wording.noise(Choice("poisson_gaussian")) == "Poisson-Gaussian noise"


@pytest.mark.parametrize(
    ("value", "words"),
    [(3, "3"), (1e5, "100,000"), (0.25, "0.25"), (1e-5, "0.00001"), (1234.5, "1,234.5"),
     (-0.3, "-0.3"), (0, "0"), (1 / 3, "0.3333"), (2e8, "200,000,000")],
)  # fmt: skip
def test_numbers_in_words(value: float, words: str) -> None:
    assert wording.number(value) == words


def test_a_setting_in_words() -> None:
    fields = {field.name: field for field in read_fields(LowDose)}
    assert wording.setting(fields["kernel"], "shepp_logan") == "kernel shepp logan"
    assert wording.setting(fields["already_noisy"], True) == "already noisy"
    assert wording.setting(fields["source_mm"], 570.0) == "source distance 570 mm"

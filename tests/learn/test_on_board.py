"""Networks on board: their cards, where they are looked for, and what is left aside."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ctstudio.core.errors import StudioError
from ctstudio.learn import checkpoint, on_board, publish
from ctstudio.learn.cards import Card, Range, TrainedOn
from ctstudio.learn.checkpoint import TrainedModel
from ctstudio.learn.recipe import bundled

CARD = Card(
    title="Any dose | small",
    network="DRUNet",
    parameters=563744,
    steps=60000,
    series=(TrainedOn(64, 0.84, 5.0, "L"), TrainedOn(30, 0.65, 8.0, "B40f"), TrainedOn(1)),
    licence="CC BY 4.0",
    doses=Range(0.05, 0.7),
    simulated_kernels=("hann",),
    noise_hu=Range(16.7, 86.2),
    reach_px=98,
    train_again="ctstudio train drunet-any-dose",
    metrics={"psnr": 33.5},
)


@pytest.fixture
def model() -> TrainedModel:
    recipe = bundled()["dncnn-gaussian"].with_setting("device", "cpu")
    module = checkpoint.build(recipe)
    torch.manual_seed(1)
    torch.nn.init.normal_(module.body[-1].weight, std=0.05)
    return TrainedModel(recipe, module.eval(), 12000)


def test_a_card_is_what_was_written() -> None:
    back = Card.from_json(CARD.to_json())
    assert back == CARD
    assert back.kernels == ("L", "B40f")
    assert back.spacing_mm == Range(0.65, 0.84)
    assert back.thickness_mm == Range(5.0, 8.0)
    assert "scale 1, offset 0" in json.loads(CARD.to_json())["hu"]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"format": "ctstudio card", "version": 2}', "null", "[" * 100_000,
     '{"format": "ctstudio card", "version": 1, "title": 3}',
     CARD.to_json().replace('"low": 16.7', '"low": "x"'),
     CARD.to_json().replace('"title": "Any dose | small"', '"title": 3'),
     CARD.to_json().replace("Any dose | small", "x" * 3000)],
)  # fmt: skip
def test_what_is_no_card_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(StudioError, match="no card of a network"):
        Card.load(tmp_path / "a.json")


def test_ranges_hold_what_lies_a_little_beyond() -> None:
    noise = Range(10.0, 50.0)
    assert [noise.holds(x) for x in (9.0, 9.2, 30.0, 54.9, 56.0)] == [
        False, True, True, True, False,
    ]  # fmt: skip
    assert Range.of([float("nan")]) is None
    assert str(Range(0.65, 0.65)) == "0.65"


def test_both_cards_stand_beside_the_network(model: TrainedModel, tmp_path: Path) -> None:
    file, sheet = publish.publish(model, tmp_path / "net", card=CARD)
    found, troubles = on_board.look([tmp_path, tmp_path / "none"])
    assert [(each.name, each.file, each.card) for each in found] == [("net", file, CARD)]
    assert troubles == []
    text = sheet.read_text()
    for words in ("16.7 to 86.2 HU", "98 px to each side", "| 2 | 30 | 0.65 | 8 | B40f |",
                  "ctstudio train drunet-any-dose", "L, B40f"):  # fmt: skip
        assert words in text, words
    assert checkpoint.load(file).step == 12000


def test_networks_without_a_whole_card_are_told_of(model: TrainedModel, tmp_path: Path) -> None:
    publish.publish(model, tmp_path / "good", card=CARD)
    publish.publish(model, tmp_path / "bare")
    publish.publish(model, tmp_path / "torn", card=CARD)
    (tmp_path / "torn.json").write_text("{")
    found, troubles = on_board.look([tmp_path])
    assert [each.name for each in found] == ["good"]
    assert sorted(Path(str(t.path)).name for t in troubles) == ["bare.json", "torn.json"]


def test_the_package_comes_before_the_users_own(model: TrainedModel, tmp_path: Path) -> None:
    for folder in ("package", "own"):
        (tmp_path / folder).mkdir()
        publish.publish(model, tmp_path / folder / "same", card=CARD)
    publish.publish(model, tmp_path / "own" / "mine", card=CARD)
    found, _ = on_board.look([tmp_path / "package", tmp_path / "own"])
    assert [each.file.parent.name for each in found] == ["package", "own"]
    assert [each.name for each in found] == ["same", "mine"]


def test_listing_loads_no_torch(model: TrainedModel, tmp_path: Path) -> None:
    publish.publish(model, tmp_path / "net", card=CARD)
    code = (
        "import sys; from ctstudio.learn.on_board import networks;"
        "assert networks()[-1].name == 'net'; assert 'torch' not in sys.modules"
    )
    env = {on_board.SWITCH: str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", code], check=True, env=env)

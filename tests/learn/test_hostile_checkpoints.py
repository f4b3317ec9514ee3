"""Checkpoints that tell of more than they hold: refused at once, before any memory is taken."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from ctstudio.core.errors import StudioError
from ctstudio.learn import checkpoint
from ctstudio.learn.models import MODELS
from ctstudio.learn.outline import outline, require_memory
from ctstudio.learn.recipe import Recipe, bundled

HUGE = {
    "residual": f'blocks = "{"63x63 512 relu," * 60}1x1 1 linear"',
    "autoencoder": "size_px = 1024\nlatent = 8192",
    "autoencoder_numpy": "size_px = 1024\nlatent = 8192",
}


def recipe_of(name: str, settings: str) -> Recipe:
    return Recipe.from_toml(f'[[phases]]\n[phases.model]\nname = "{name}"\n{settings}\n')


SMALL = recipe_of("dncnn", "features = 4\ndepth = 3")


@pytest.fixture
def changed(tmp_path: Path) -> Callable[..., Path]:
    """A sound checkpoint with some entries changed."""

    def write(**entries: Any) -> Path:
        path = tmp_path / "changed.pt"
        model = checkpoint.TrainedModel(SMALL, checkpoint.build(SMALL), 3)
        checkpoint.save(model, path)
        data = torch.load(path, weights_only=True)
        torch.save(data | entries, path)
        return path

    return write


@contextmanager
def not_built(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "build", lambda recipe: pytest.fail("it was built"))
        yield


@pytest.mark.parametrize("name", HUGE)
def test_a_network_larger_than_its_weights_is_never_built(
    name: str, changed: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of(name, HUGE[name])
    path = changed(recipe=recipe.to_toml())
    before, begun = psutil.Process().memory_info().rss, time.process_time()
    with not_built(monkeypatch), pytest.raises(StudioError, match="damaged") as caught:
        checkpoint.load(path)
    assert "missing weights" in caught.value.details
    assert psutil.Process().memory_info().rss - before < 2e8
    assert time.process_time() - begun < 5
    # Weights of the right shape that share one number are as small a file.
    shapes = outline(recipe)
    assert sum(w.numel() * w.element_size() for w in shapes.values()) > 1e9
    claimed = {k: torch.zeros(()).expand(w.shape) for k, w in shapes.items()}
    path = changed(recipe=recipe.to_toml(), weights=claimed)
    with not_built(monkeypatch), pytest.raises(StudioError, match="damaged") as caught:
        checkpoint.load(path)
    assert "fewer than they seem" in caught.value.details


def test_the_outline_of_every_network_is_that_of_the_network() -> None:
    for name in {recipe.phases[-1].model.name: None for recipe in bundled().values()}:
        recipe = next(r for r in bundled().values() if r.phases[-1].model.name == name)
        state = torch.get_rng_state()
        drawn = outline(recipe)
        assert torch.equal(torch.get_rng_state(), state)
        assert all(value.is_meta for value in drawn.values())
        built = MODELS.make(recipe.phases[-1].model).state_dict()
        assert [(k, v.shape, v.dtype) for k, v in drawn.items()] == [
            (k, v.shape, v.dtype) for k, v in built.items()
        ]


def test_a_file_that_unpacks_to_more_than_itself_is_not_unpacked(
    changed: Callable[..., Path],
) -> None:
    path = changed()
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
        with archive.open("archive/data/99", "w", force_zip64=True) as stream:
            for _ in range(100):
                stream.write(bytes(2**20))
    assert path.stat().st_size < 2**20
    begun = time.process_time()
    with pytest.raises(StudioError, match=r"changed\.pt is not a model") as caught:
        checkpoint.load(path)
    assert "larger than the file" in caught.value.details
    assert time.process_time() - begun < 1


def _one(change: Callable[[torch.Tensor], Any]) -> Callable[[], dict[str, Any]]:
    def weights() -> dict[str, Any]:
        made: dict[str, Any] = dict(checkpoint.build(SMALL).state_dict())
        first = next(iter(made))
        return {"weights": made | {first: change(made[first])}}

    return weights


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (_one(lambda w: w.to(torch.complex64)), "complex64"),
        (_one(lambda w: w.to(torch.int8)), "int8"),
        (_one(lambda w: w.to_sparse()), "no table"),
        (_one(lambda w: w.to("meta")), "no table"),
        (_one(lambda w: [1.0]), "no table"),
        (_one(lambda w: w[:1]), "not (4,"),
        (_one(lambda w: w / 0), "not all numbers"),
        (lambda: {"weights": 3}, "no weights"),
        (lambda: {"weights": {}}, "missing weights"),
        (lambda: {"step": float("inf")}, "the step is inf"),
        (lambda: {"step": float("nan")}, "the step is nan"),
        (lambda: {"step": -5}, "the step is -5"),
        (lambda: {"step": 10**30}, "the step is 1000"),
        (lambda: {"step": True}, "the step is True"),
        (lambda: {"step": "3"}, "the step is 3"),
    ],
)
def test_what_is_not_a_network_is_refused(
    entries: Callable[[], dict[str, Any]], words: str, changed: Callable[..., Path]
) -> None:
    with pytest.raises(StudioError, match=r"changed\.pt is damaged") as caught:
        checkpoint.load(changed(**entries()))
    assert words in caught.value.details
    assert caught.value.hint


def test_a_training_that_no_memory_holds_is_refused_before_it_begins() -> None:
    made = recipe_of("residual", HUGE["residual"])
    with pytest.raises(StudioError, match=r"not enough memory .*weights take at least \d+") as told:
        require_memory(made, torch.device("cpu"))
    assert "smaller network" in told.value.hint
    require_memory(SMALL, torch.device("cpu"))

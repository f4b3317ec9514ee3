"""Adversarial training: the game, its two sides in one step, and going on with it bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Step, finish
from ctstudio.core.registry import Choice
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.learn import checkpoint
from ctstudio.learn.adversary import Adversary
from ctstudio.learn.apply import denoise_slice
from ctstudio.learn.critics import CRITICS
from ctstudio.learn.losses import LOSSES
from ctstudio.learn.processes import Processes
from ctstudio.learn.publish import publish
from ctstudio.learn.recipe import ADVERSARY, Recipe
from ctstudio.learn.run_folder import read_metrics
from ctstudio.learn.tasks import Batch
from ctstudio.learn.train import train
from ctstudio.learn.trainee import Trainee

GAMES = {
    "connected": "adversarial", "convolutional": "adversarial",
    "autoencoding": "adversarial_equilibrium",
}  # fmt: skip
SMALL = {
    "connected": {"size_px": 8, "hidden": 6},
    "convolutional": {"depth": 2, "features": 3},
    "autoencoding": {"depth": 1, "features": 3, "latent": 2},
}
every_critic = pytest.mark.parametrize("critic", GAMES)
STEPS = 24


def recipe(critic: str = "convolutional", **more: object) -> Recipe:
    adam = {"name": "adam", "lr": 0.003, "schedule": {"name": "constant"}}
    made = Recipe.from_dict(
        {
            "noise": {"name": "gaussian", "sd": 100.0}, "batch": 2, "patch_px": 16,
            "device": "cpu", "ema": 0.9, "validation": {"every_steps": 6},
            "phases": [
                {
                    "steps": STEPS,
                    "model": {"name": "residual", "blocks": "3x3 2 tanh, 1x1 1 linear"},
                    "models": {ADVERSARY: {"name": critic, **SMALL[critic]}},
                    "losses": ["mse", {"name": GAMES[critic], "weight": 0.25}],
                    "optimiser": adam,
                    "optimisers": {ADVERSARY: {**adam, "lr": 0.001}},
                }
            ],
        }
    )  # fmt: skip
    for path, value in more.items():
        made = made.with_setting(path, value)
    return made.checked()


def series(seed: int = 0) -> Volume:
    hu = np.random.default_rng(seed).integers(-100, 100, (6, 40, 40)).astype(np.int16)
    return Volume(hu, np.ones(6), np.zeros(6), "HU", Geometry.axial(6, (3, 0.7, 0.7)))


def scores(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(5, 3, generator=generator, dtype=torch.float64)


def batch(seed: int = 3) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    clean = 800 * torch.rand(2, 1, 16, 16, generator=generator) - 900
    return Batch(clean + 100 * torch.randn(clean.shape, generator=generator), clean)


def test_the_games_are_their_formulas() -> None:
    real, fake = scores(1), scores(2)
    r, f = real.numpy(), fake.numpy()
    game = LOSSES.make(Choice("adversarial"))
    entropy = F.binary_cross_entropy_with_logits
    ones, zeros = torch.ones_like(real), torch.zeros_like(real)
    expected = entropy(real, ones) + entropy(fake, zeros)
    assert torch.isclose(game.critic(real, fake), expected, rtol=1e-12)
    assert torch.isclose(game.generator(fake), entropy(fake, ones), rtol=1e-12)
    game = LOSSES.make(Choice("adversarial", {"form": "least_squares"}))
    assert float(game.critic(real, fake)) == pytest.approx(((r - 1) ** 2).mean() + (f**2).mean())
    assert float(game.generator(fake)) == pytest.approx(((f - 1) ** 2).mean())
    game = LOSSES.make(Choice("adversarial", {"form": "hinge"}))
    hinge = np.maximum(0, 1 - r).mean() + np.maximum(0, 1 + f).mean()
    assert float(game.critic(real, fake)) == pytest.approx(hinge)
    assert float(game.generator(fake)) == pytest.approx(-f.mean())
    game = LOSSES.make(Choice("adversarial_energy", {"margin": 0.5}))
    energies, made = np.abs(r), np.abs(f)
    loss = game.critic(real.abs(), fake.abs())
    assert float(loss) == pytest.approx(energies.mean() + np.maximum(0, 0.5 - made).mean())
    assert float(game.generator(fake.abs())) == pytest.approx(made.mean())


def test_the_equilibrium_corrects_its_balance() -> None:
    game = LOSSES.make(Choice("adversarial_equilibrium", {"diversity": 0.6, "pace": 0.3}))
    balance = 0.0
    for seed in range(6):
        real, fake = scores(seed).abs() * 3, scores(seed + 50).abs() * 0.5
        r, f = float(real.mean()), float(fake.mean())
        assert float(game.critic(real, fake)) == pytest.approx(r - balance * f)
        balance = min(max(balance + 0.3 * (0.6 * r - f), 0), 1)
        assert game.state() == {"balance": pytest.approx(balance)}
    assert 0 < balance <= 1
    other = LOSSES.make(Choice("adversarial_equilibrium"))
    other.restore(game.state())
    assert float(other.critic(real, fake)) == pytest.approx(r - balance * f)


@every_critic
@pytest.mark.parametrize("size", [(16, 16), (17, 23), (5, 9)])
def test_critics_take_images_of_any_size(critic: str, size: tuple[int, int]) -> None:
    module = CRITICS.make(Choice(critic, SMALL[critic]))
    images = torch.rand(3, 1, *size, requires_grad=True)
    judged = module(images * 1000 - 1000)
    assert len(judged) % 3 == 0
    if "energy" in CRITICS[critic].tags:
        assert float(judged.detach().min()) >= 0
        assert judged.shape == (3,)
    judged.sum().backward()
    assert images.grad is not None
    assert images.grad.any()


def test_the_connected_critic_judges_each_square_alone() -> None:
    module = CRITICS.make(Choice("connected", SMALL["connected"]))
    images = torch.rand(2, 1, 17, 24, generator=torch.Generator().manual_seed(2)) * 1000 - 1000
    with torch.no_grad():
        found = module(images).view(2, 2, 3)
        for y in range(2):
            for x in range(3):
                square = images[:, :, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8]
                inside = ((square + 1000) / 2048).flatten(1)
                assert torch.allclose(found[:, y, x], module.layers(inside)[:, 0], atol=1e-6)


def test_the_all_convolutional_critic_has_convolutions_alone() -> None:
    module = CRITICS.make(Choice("convolutional"))
    kinds = {type(part).__name__ for part in module.layers}
    assert kinds == {"Conv2d", "LeakyReLU"}


@every_critic
def test_a_step_is_one_of_the_network_and_then_one_of_the_adversary(critic: str) -> None:
    """Against the two sides written out, with torch's own optimisers."""
    made, data = recipe(critic), batch()
    trainee = Trainee(made, torch.device("cpu"))
    trainee.begin(made.phases[0])
    assert trainee.adversary is not None
    network = checkpoint.build(made)
    judge = CRITICS.make(made.phases[0].models[ADVERSARY])
    judge.load_state_dict(trainee.adversary.module.state_dict())
    game = LOSSES.make(Choice(GAMES[critic]))
    optimisers = [
        torch.optim.Adam(network.parameters(), 0.003, (0.9, 0.99)),
        torch.optim.Adam(judge.parameters(), 0.001, (0.9, 0.99)),
    ]
    for _ in range(3):
        trainee.set_rate(0.5)
        values = trainee.learn(data)
        prediction = network(data.inputs)
        error = ((prediction - data.targets) / 100).square().mean()
        resistance = game.generator(judge(prediction))
        optimisers[0].zero_grad()
        (error + 0.25 * resistance).backward()
        optimisers[0].step()
        optimisers[1].zero_grad()
        told = game.critic(judge(data.targets), judge(prediction.detach()))
        told.backward()
        optimisers[1].step()
        expected = {"mse": error, "generator": resistance, "adversary": told}
        expected["loss"] = error + 0.25 * resistance
        assert set(values) == set(expected)
        for name, value in expected.items():
            assert float(values[name]) == pytest.approx(float(value.detach()), rel=1e-5)
    pairs = [(trainee.module, network), (trainee.adversary.module, judge)]
    for ours, theirs in pairs:
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.allclose(one, other, rtol=1e-4, atol=1e-6)


def test_neither_side_leaves_a_gradient_in_the_other() -> None:
    made, data = recipe(), batch()
    trainee = Trainee(made, torch.device("cpu"))
    trainee.begin(made.phases[0])
    adversary = trainee.adversary
    assert adversary is not None
    adversary.module.zero_grad(set_to_none=True)
    trainee.objective(trainee.module(data.inputs), data, {}).backward()
    assert all(p.grad is None for p in adversary.module.parameters())
    assert all(p.grad is not None for p in trainee.module.parameters())
    before = [p.grad.clone() for p in trainee.module.parameters() if p.grad is not None]
    adversary.learn(trainee.answer(data.inputs), data.targets)
    after = [p.grad for p in trainee.module.parameters()]
    assert all(b is not None and torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(p.grad is not None for p in adversary.module.parameters())


def test_gradients_by_hand_go_through_the_game_too() -> None:
    found = []
    for gradient in ("automatic", "manual"):
        made = recipe(gradient=gradient)
        trainee = Trainee(made, torch.device("cpu"))
        trainee.begin(made.phases[0])
        for _ in range(3):
            trainee.learn(batch())
        found.append(torch.cat([p.detach().flatten() for p in trainee.module.parameters()]))
    assert torch.allclose(found[0], found[1], rtol=1e-4, atol=1e-6)


def rows(folder: Path) -> list[dict[str, str]]:
    left_out = ("seconds",)
    return [{k: v for k, v in r.items() if k not in left_out} for r in read_metrics(folder)]


def stopped_at(work: Any, step: int) -> None:
    for event in work:
        if isinstance(event, Step) and event.step == step:
            work.close()


@every_critic
def test_a_stopped_run_goes_on_bit_for_bit(critic: str, tmp_path: Path) -> None:
    made = recipe(critic, **{"phases.0.optimisers.discriminator.schedule": "plateau"})
    finish(train(made, [series()], run_folder=tmp_path / "whole"))
    folder = tmp_path / "run"
    stopped_at(train(made, [series()], run_folder=folder), 7)
    stopped_at(train(made, [series()], run_folder=folder, resume=True), 15)
    finish(train(made, [series()], run_folder=folder, resume=True))
    assert rows(folder) == rows(tmp_path / "whole")
    steps = [row for row in rows(folder) if not row["protocol"]]
    assert len(steps) == STEPS
    assert all(np.isfinite(float(row[k])) for row in steps for k in ("generator", "adversary"))
    states = []
    for run in (folder, tmp_path / "whole"):
        model, state = checkpoint.load_training(run / "last.pt")
        states.append(state["adversary"])
        assert set(model.module.state_dict()) == {"blocks.0.weight", "blocks.1.weight"}
    assert states[0]["weights"]
    for name, value in states[0]["weights"].items():
        assert torch.equal(value, states[1]["weights"][name])
    assert states[0]["game"] == states[1]["game"]
    assert states[0]["schedule"] == states[1]["schedule"]


def test_a_loss_that_is_not_a_number_takes_both_sides_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest, calls = Adversary.learn, []

    def learn(self: Adversary, *how: Any) -> Tensor:
        calls.append(self)
        loss = honest(self, *how)
        if len(calls) == 10:
            with torch.no_grad():
                for parameter in self.module.parameters():
                    parameter.fill_(float("nan"))
            return loss * float("nan")
        return loss

    monkeypatch.setattr(Adversary, "learn", learn)
    events = list(train(recipe("autoencoding"), [series()]))
    notes = [e.text for e in events if isinstance(e, Note) and "not a number" in e.text]
    assert len(notes) == 1
    assert "half the learning rate" in notes[0]
    assert all(torch.isfinite(p).all() for p in calls[-1].module.parameters())
    rates = [group["lr"] for group in calls[-1].steering.optimiser.param_groups]
    assert rates == [0.0005]
    steps = [e for e in events if isinstance(e, Step)]
    assert steps[-1].step == STEPS
    assert all(np.isfinite(list(e.losses.values())).all() for e in steps)


def test_too_little_memory_for_the_adversary_halves_the_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = Adversary.learn

    def learn(self: Adversary, predictions: Tensor, *how: Any) -> Tensor:
        if len(predictions) > 1 or predictions.shape[-1] > 16:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: tried 1 TB")
        return honest(self, predictions, *how)

    monkeypatch.setattr(Adversary, "learn", learn)
    events = list(train(recipe("connected", patch_px=32), [series()]))
    notes = [e.text for e in events if isinstance(e, Note) and "not enough memory" in e.text]
    assert [n.split("halving ")[1] for n in notes] == ["the batch to 1.", "the patches to 16 px."]
    assert [e.step for e in events if isinstance(e, Step)] == list(range(1, STEPS + 1))


def test_the_network_is_the_average_and_comes_without_its_adversary(tmp_path: Path) -> None:
    model = finish(train(recipe(), [series()], run_folder=tmp_path / "run"))
    loaded = checkpoint.load(tmp_path / "run")
    assert all(
        torch.equal(a, b)
        for a, b in zip(model.module.parameters(), loaded.module.parameters(), strict=True)
    )
    last, state = checkpoint.load_training(tmp_path / "run" / "last.pt")
    averaged, present = last.module.state_dict(), state["weights"]
    assert all(not torch.equal(averaged[name], present[name]) for name in averaged)


def test_an_adversary_may_join_later_and_stay() -> None:
    made = recipe()
    data = made.to_dict()
    alone = {k: data["phases"][0][k] for k in ("model", "optimiser")} | {"steps": 3}
    data["phases"] = [{**alone, "losses": ["mse"]}, *(2 * data["phases"])]
    made = Recipe.from_dict(data)
    first, second, third = made.phases
    trainee = Trainee(made, torch.device("cpu"))
    trainee.begin(first)
    assert trainee.adversary is None
    assert set(trainee.learn(batch())) == {"mse", "loss"}
    trainee.begin(second)
    adversary = trainee.adversary
    assert adversary is not None
    trainee.learn(batch())
    weights = [p.detach().clone() for p in adversary.module.parameters()]
    trainee.begin(third)
    assert trainee.adversary is adversary
    assert all(map(torch.equal, weights, adversary.module.parameters()))
    losses = [e.losses for e in train(made, [series()]) if isinstance(e, Step)]
    assert [("adversary" in loss) for loss in losses] == [False] * 3 + [True] * 2 * STEPS


def test_the_recipe_reads_as_one_with_a_single_network() -> None:
    made = recipe()
    assert Recipe.from_toml(made.to_toml()) == made
    phase = made.to_dict()["phases"][0]
    assert set(phase["models"]) == set(phase["optimisers"]) == {ADVERSARY}
    faster = made.with_setting("phases.0.optimiser.lr", 0.5)
    faster = faster.with_setting("phases.0.optimisers.discriminator.lr", 0.25)
    faster = faster.with_setting("phases.0.models.discriminator", "connected")
    assert faster.phases[0].optimiser.choice.params["lr"] == 0.5
    assert faster.phases[0].optimisers[ADVERSARY].choice.params["lr"] == 0.25
    assert faster.phases[0].models[ADVERSARY].name == "connected"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"losses": ["mse"]}, ["0 losses by which it plays", "adversarial"]),
        ({"losses": ["adversarial", "adversarial"]}, ["2 losses", "exactly one"]),
        ({"losses": ["adversarial_energy"]}, ["'convolutional'", "scores", "go adversarial"]),
        ({"models": {}}, ["'adversarial'", "no discriminator"]),
        ({"optimisers": {}}, ["discriminator no optimiser", "phases.0.optimisers.discriminator"]),
        ({"models": {"teacher": "dncnn"}}, ["'teacher'", "discriminator"]),
    ],
)
def test_half_a_game_is_refused(changes: dict[str, Any], words: list[str], tmp_path: Path) -> None:
    data = recipe().to_dict()
    data["phases"][0] |= changes
    if changes.get("models") is not None and ADVERSARY not in changes["models"]:
        data["phases"][0]["optimisers"] = {}
    with pytest.raises(StudioError) as caught:
        finish(train(Recipe.from_dict(data), [series()], run_folder=tmp_path / "run"))
    for word in words:
        assert word in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("task", ["noise2void", "recorrupted"])
def test_tasks_without_true_images_are_refused(task: str) -> None:
    with pytest.raises(StudioError, match="no true images"):
        finish(train(recipe(task=task), [series()]))


def test_mistakes_name_the_role() -> None:
    data = recipe().to_dict()
    data["phases"][0]["models"][ADVERSARY] = {"name": "dncnn"}
    with pytest.raises(StudioError, match=r"phases\.0\.models\.discriminator.*critic 'dncnn'"):
        Recipe.from_dict(data)


def test_an_adversary_is_not_shared_between_processes() -> None:
    with pytest.raises(StudioError, match="adversary cannot be shared"):
        Trainee(recipe(), torch.device("cpu"), Processes(0, 2))


@every_critic
def test_mixed_precision_leaves_the_adversary_in_single_precision(critic: str) -> None:
    made = recipe(critic, precision="bfloat16")
    trainee = Trainee(made, torch.device("cpu"))
    trainee.begin(made.phases[0])
    values = trainee.learn(batch())
    exact = Trainee(recipe(critic), torch.device("cpu"))
    exact.begin(made.phases[0])
    for name, value in exact.learn(batch()).items():
        assert float(values[name]) == pytest.approx(float(value), rel=0.05)
    assert trainee.adversary is not None
    assert {p.dtype for p in trainee.adversary.module.parameters()} == {torch.float32}


def test_a_published_network_is_the_denoiser_alone(tmp_path: Path) -> None:
    model = finish(train(recipe(**{"phases.0.steps": 3}), [series()]))
    file, card = publish(model, tmp_path / "net")
    loaded = checkpoint.load(file)
    assert loaded.recipe == model.recipe
    hu = series().slice_hu(0)
    assert np.array_equal(denoise_slice(hu, loaded), denoise_slice(hu, model))
    assert "against an adversary (all-convolutional)" in card.read_text()

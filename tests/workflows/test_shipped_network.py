"""The network that comes with the program: what its card promises, on the phantom."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ctstudio.ct.metrics import PROTOCOLS, psnr
from ctstudio.ct.phantom import draw_slice
from ctstudio.learn import on_board
from ctstudio.learn.noise.low_dose import LowDose
from ctstudio.workflows.denoise import OnBoardMethod, method_from

NAME = "chest-any-dose"
SPACING = (0.75, 0.75)


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    """A slice at a quarter of the dose, and the truth."""
    truth = draw_slice(12.0).astype(np.float32)
    made = LowDose(dose=0.25, photons=1e5).slice(torch.from_numpy(truth), SPACING, seed=3)
    return made.numpy(), truth


def db(image: np.ndarray, truth: np.ndarray) -> float:
    prepare = PROTOCOLS["A"].prepare
    return psnr(prepare(image), prepare(truth), 400.0)


def test_it_is_on_board_with_its_card() -> None:
    networks = {each.name: each for each in on_board.look([on_board.packaged()])[0]}
    card = networks[NAME].card
    assert card.licence
    assert "doi 10.7937" in card.data
    assert card.noise_hu is not None
    assert card.noise_hu.holds(25)
    assert "hann" in card.simulated_kernels
    assert sum(path.stat().st_size for path in on_board.packaged().iterdir()) <= 12e6


def test_it_is_called_alike_before_and_after_it_is_loaded() -> None:
    listed = next(each for each in on_board.networks() if each.name == NAME)
    before, after = OnBoardMethod(listed), method_from(NAME)
    for word in ("name", "title", "description", "neighbours"):
        assert getattr(before, word) == getattr(after, word)
    assert before.title == NAME
    assert "low-dose noise" in before.description


def test_it_is_better_than_a_filter_that_knows_the_truth(pair) -> None:
    noisy, truth = pair
    made = method_from(NAME).denoise_slice(noisy)
    best = max(
        db(method_from("nlm", {"strength": float(hu)}).denoise_slice(noisy), truth)
        for hu in (15, 20, 25, 30, 40)
    )
    assert db(made, truth) > best + 0.5
    assert db(made, truth) > db(noisy, truth) + 5


def test_tissue_keeps_its_mean(pair) -> None:
    noisy, truth = pair
    made = method_from(NAME).denoise_slice(noisy)
    for low, high in ((-120, -80), (20, 80), (-1000, -900)):
        inside = (truth >= low) & (truth <= high)
        assert abs(float(np.mean((made - truth)[inside]))) < 1.5


def test_what_has_no_noise_hardly_changes(pair) -> None:
    _, truth = pair
    made = method_from(NAME).denoise_slice(truth)
    assert float(np.sqrt(np.mean((made - truth) ** 2))) < 6

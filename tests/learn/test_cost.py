"""What networks cost, against counts by hand."""

from __future__ import annotations

import pytest
import torch

from ctstudio.core.errors import StudioError
from ctstudio.core.registry import Choice
from ctstudio.learn.cost import cost_of


def test_a_chain_of_convolutions() -> None:
    settings = {"depth": 3, "features": 4, "unshuffle": 1, "high_pass_px": 0}
    cost = cost_of(Choice("dncnn", settings))
    weights = 9 * (4 + 16 + 4)
    assert cost.weights == weights
    assert cost.reach_px == 3
    # In use the slice is mirrored by as many pixels as there are layers.
    assert cost.multiply_adds == weights * (512 + 6) ** 2
    assert cost.slices == 1
    assert str(cost) == f"{weights} weights, sees 3 px around, 58 million multiplications a slice"


def test_neighbouring_slices_add_to_the_first_layer_alone() -> None:
    settings = {"depth": 3, "features": 4, "unshuffle": 1, "high_pass_px": 0, "slices": 5}
    cost = cost_of(Choice("dncnn", settings))
    assert cost.weights == 9 * (5 * 4 + 16 + 4)
    assert cost.slices == 5
    assert "5 slices" in str(cost)


def test_a_patch_network_sees_its_patch_and_is_asked_for_every_pixel() -> None:
    cost = cost_of(Choice("patch_cnn", {}))
    assert cost.reach_px == 12
    assert cost.multiply_adds is not None
    assert cost.multiply_adds > cost.weights


def test_of_numpy_the_weights_alone_are_known() -> None:
    cost = cost_of(Choice("autoencoder", {}))
    assert cost.weights > 8_000_000
    assert cost.reach_px is None


def test_looking_disturbs_no_training() -> None:
    state = torch.get_rng_state()
    cost_of(Choice("dncnn", {"depth": 2, "features": 2}))
    assert torch.equal(torch.get_rng_state(), state)


def test_what_is_not_there_has_no_cost() -> None:
    with pytest.raises(StudioError, match="no model 'nothing'"):
        cost_of(Choice("nothing"))

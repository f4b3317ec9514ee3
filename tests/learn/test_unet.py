"""The U-Net, on parts of images and on whole ones."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ctstudio.core.registry import Choice
from ctstudio.learn.models import MODELS


def network(norm: str) -> nn.Module:
    torch.manual_seed(3)
    small = {"depth": 2, "features": 8, "norm": norm}
    made: nn.Module = MODELS.make(Choice("unet", small))
    return made


def scan() -> Tensor:
    """Noise with a bright half, as around a large organ: ``(1, 1, 96, 96)`` HU."""
    noise = torch.randn(1, 1, 96, 96, generator=torch.Generator().manual_seed(4))
    noise[..., 48:] += 2
    return 200 * noise


@pytest.mark.parametrize(("norm", "alike"), [("batch", True), ("group", False)])
def test_with_the_statistics_of_the_batch_a_part_is_told_as_in_the_whole(
    norm: str, alike: bool
) -> None:
    net = network(norm)
    image = scan()
    with torch.no_grad():
        net.train()
        for _ in range(20):
            net(image)
        net.eval()
        whole, part = net(image), net(image[..., :64])
    far = 22  # px: of what the network sees to one side
    difference = float((whole[..., : 64 - far] - part[..., : 64 - far]).abs().max())
    assert (difference < 1e-4) == alike


def test_the_statistics_of_the_batch_are_learnt() -> None:
    """PyTorch's moving mean of what the first layer gives."""
    net = network("batch")
    image = scan()
    first = net.get_submodule("down.0.0")
    seen = first(image / 500).mean((0, 2, 3))
    net.train()(image)
    learnt = net.get_submodule("down.0.1").running_mean
    assert isinstance(learnt, Tensor)
    torch.testing.assert_close(learnt, 0.1 * seen, rtol=1e-4, atol=1e-6)

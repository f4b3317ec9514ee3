"""A segmentation with its probabilities: cut at another threshold, in another region."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ctstudio.core.events import finish
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.learn.blobs import Blobs
from ctstudio.learn.checkpoint import TrainedModel
from ctstudio.learn.recipe import bundled
from ctstudio.learn.segment import Segmented, segment, segmenting


class Ramp(nn.Module):
    """The logit of the last class is a hundredth of the HU; the first has 0."""

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, hu: torch.Tensor) -> torch.Tensor:
        steps = torch.arange(self.classes).view(1, -1, 1, 1) / (self.classes - 1)
        return hu / 100 * steps


def series() -> Volume:
    hu = np.linspace(-900, 900, 4 * 12 * 10).reshape(4, 12, 10)
    return Volume.from_hu(hu.astype(np.float32), Geometry.axial(4, (2.0, 0.5, 0.5)))


def told(classes: int = 2, **how: object) -> tuple[Volume, Segmented]:
    volume = series()
    model = TrainedModel(bundled()["unet-masks"], Ramp(classes), 3)
    return volume, finish(segmenting(volume, model, **how))  # type: ignore[arg-type]


def test_probabilities_are_those_of_the_logits() -> None:
    volume, result = told()
    expected = 1 / (1 + np.exp(-volume.hu() / 100))
    assert result.likely.hu() == pytest.approx(expected, abs=0.5 / 255 + 1e-6)
    assert (result.likely.unit, result.likely.geometry) == ("probability", volume.geometry)


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.9])
def test_the_threshold_is_one_of_probability(threshold: float) -> None:
    volume, result = told()
    labels = result.labels(threshold=threshold)
    limit = 100 * np.log(threshold / (1 - threshold))
    near = np.abs(volume.hu() - limit) < 6  # a step of 1 in 255 of the probability
    assert ((labels.voxels == 1) == (volume.hu() > limit))[~near].all()
    assert f"probability of {threshold:.2f}" in labels.derivation[-1]


def test_without_a_threshold_it_is_what_the_network_decides() -> None:
    volume, result = told()
    model = TrainedModel(bundled()["unet-masks"], Ramp(), 3)
    once = finish(segment(volume, model, blobs=Blobs(largest=1)))
    np.testing.assert_array_equal(result.labels(Blobs(largest=1)).voxels, once.voxels)
    np.testing.assert_array_equal(result.labels().voxels, volume.hu() > 0)


def test_of_several_classes_a_threshold_only_takes_away() -> None:
    _, result = told(classes=3)
    plain, strict, lax = (np.asarray(result.labels(threshold=t).voxels) for t in (None, 0.99, 0.01))
    assert set(np.unique(plain)) == {0, 2}
    assert 0 < (strict == 2).sum() < (plain == 2).sum()
    np.testing.assert_array_equal(lax, plain)


def test_a_region_is_asked_alone() -> None:
    volume, result = told(region="body")
    body = np.stack([np.asarray(each > -500) for each in volume.hu()])
    assert not result.inside[~body].any()
    assert result.labels().voxels.any()

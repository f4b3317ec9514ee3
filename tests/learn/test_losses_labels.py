"""Losses of labels against closed forms, torch.nn.functional and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.special import expit, log_softmax, softmax
from scipy.stats import entropy

from ctstudio.core.errors import StudioError
from ctstudio.core.registry import Choice
from ctstudio.learn.losses import IGNORED, LOSSES
from ctstudio.learn.losses.labels import median_frequency_weights

NAMES = [entry.name for entry in LOSSES if entry.tags == {"labels"}]
OF_ONE_CHANNEL = ["dice", "bce", "mask_mse"]


def drawn(classes: int = 3, labels: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits ``(2, classes, 6, 5)`` and labels of which a quarter is not annotated."""
    draw = np.random.default_rng(7)
    logits = torch.tensor(draw.normal(0, 2, (2, classes, 6, 5)))
    target = draw.choice(
        labels, (2, 1, 6, 5), p=np.arange(labels, 0, -1) * 2 / labels / (labels + 1)
    )
    target[draw.random(target.shape) < 0.25] = IGNORED
    return logits, torch.tensor(target)


def value(name: str, prediction: torch.Tensor, target: torch.Tensor, **settings: object) -> float:
    return float(LOSSES.make(Choice(name, settings))(prediction, target))


def test_losses_of_labels_say_so() -> None:
    assert sorted(NAMES) == [
        "bce", "cross_entropy", "dice", "mask_mse", "pixel_softmax", "weighted_cross_entropy",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "channels"), [(n, 3) for n in NAMES] + [(n, 1) for n in OF_ONE_CHANNEL]
)
def test_gradients_agree_with_finite_differences(name: str, channels: int) -> None:
    logits, target = drawn(channels)
    loss = LOSSES.make(Choice(name))
    assert torch.autograd.gradcheck(lambda p: loss(p, target), logits.requires_grad_())


@pytest.mark.parametrize("name", NAMES)
def test_either_shape_of_the_target_means_the_same(name: str) -> None:
    logits, target = drawn()
    assert value(name, logits, target) == value(name, logits, target.squeeze(1))


@pytest.mark.parametrize("name", NAMES)
def test_pixels_without_a_label_count_for_nothing(name: str) -> None:
    settings = {"unlabelled": 0.0} if name == "weighted_cross_entropy" else {}
    logits, target = drawn()
    other = torch.where(target == IGNORED, 5 - 3 * logits, logits)
    assert not torch.equal(other, logits)
    assert value(name, other, target, **settings) == pytest.approx(
        value(name, logits, target, **settings), rel=1e-12
    )
    logits.requires_grad_()
    LOSSES.make(Choice(name, settings))(logits, target).backward()
    assert logits.grad is not None
    unknown = (target == IGNORED).expand_as(logits)
    assert float(logits.grad[unknown].abs().max()) == 0
    assert float(logits.grad[~unknown].abs().min()) > 0 or name == "dice"


@pytest.mark.parametrize("name", NAMES)
def test_without_any_label_there_is_nothing_to_lose_and_nothing_to_learn(name: str) -> None:
    logits, target = drawn()
    logits.requires_grad_()
    settings = {"unlabelled": 0.0} if name == "weighted_cross_entropy" else {}
    lost = LOSSES.make(Choice(name, settings))(logits, torch.full_like(target, IGNORED))
    lost.backward()
    assert float(lost.detach()) == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_cross_entropy_is_that_of_torch() -> None:
    logits, target = drawn(4)
    expected = float(F.cross_entropy(logits, target[:, 0], ignore_index=IGNORED))
    assert value("cross_entropy", logits, target) == pytest.approx(expected, rel=1e-12)


def test_weighted_cross_entropy_with_chosen_weights_is_that_of_torch() -> None:
    logits, target = drawn()
    weights = torch.tensor([0.5, 1.0, 2.5], dtype=torch.float64)
    expected = float(F.cross_entropy(logits, target[:, 0], weights, ignore_index=IGNORED))
    ours = value("weighted_cross_entropy", logits, target, unlabelled=0.0, weights="0.5, 1, 2.5")
    assert ours == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("share", [0.1, 0.7])
def test_weighted_cross_entropy_with_entropy_is_the_authors(share: float) -> None:
    logits, target = drawn()
    flat = np.moveaxis(logits.numpy(), 1, -1).reshape(-1, 3)
    labels = target.numpy().ravel()
    known = labels != IGNORED
    counts = np.array([(labels == c).sum() for c in range(3)])
    weights = np.median(counts / counts.sum()) / (counts / counts.sum())
    each = weights[labels[known]]
    surprise = -log_softmax(flat, axis=1)[known, labels[known]]
    expected = (1 - share) * (each * surprise).sum() / each.sum()
    expected += share * entropy(softmax(flat[~known], axis=1), axis=1).mean()
    ours = value("weighted_cross_entropy", logits, target, unlabelled=share)
    assert ours == pytest.approx(expected, rel=1e-12)


def test_the_entropy_alone_asks_for_a_decision() -> None:
    _, target = drawn()
    undecided, decided = torch.zeros(2, 3, 6, 5), torch.zeros(2, 3, 6, 5)
    decided[:, 1] = 50
    nothing = torch.full_like(target, IGNORED)
    loss = {"unlabelled": 1.0}
    name = "weighted_cross_entropy"
    assert value(name, undecided, nothing, **loss) == pytest.approx(np.log(3), rel=1e-6)
    assert value(name, decided, nothing, **loss) == pytest.approx(0, abs=1e-12)


def test_weights_of_classes_from_their_frequencies() -> None:
    weights = median_frequency_weights(torch.tensor([60.0, 0.0, 30.0, 10.0]))
    assert weights.tolist() == pytest.approx([0.5, 0.0, 1.0, 3.0])
    # Of an even number the median lies between the middle two.
    assert median_frequency_weights(torch.tensor([90.0, 10.0])).tolist() == pytest.approx(
        [5 / 9, 5]
    )
    assert median_frequency_weights(torch.zeros(3)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("background", [False, True])
def test_dice_of_known_overlaps(background: bool) -> None:
    logits, target = drawn()
    share = softmax(logits.numpy(), axis=1)
    truth = target.numpy()[:, 0]
    known = truth != IGNORED
    overlaps = []
    for c in range(0 if background else 1, 3):
        p, g = share[:, c][known], (truth == c)[known]
        overlaps.append((2 * (p * g).sum() + 0.5) / (p.sum() + g.sum() + 0.5))
    ours = value("dice", logits, target, background=background, smooth=0.5)
    assert ours == pytest.approx(1 - np.mean(overlaps), rel=1e-12)


def test_dice_of_certain_answers() -> None:
    inside = torch.zeros(1, 1, 8, 8, dtype=torch.int64)
    inside[..., :4] = 1
    shifted = torch.roll(inside, 2, dims=-1)
    certain = (shifted * 2.0 - 1) * 100
    # 32 pixels each, of which 16 are common.
    assert value("dice", certain, inside, smooth=1e-6) == pytest.approx(0.5, abs=1e-6)
    assert value("dice", certain, shifted) == pytest.approx(0, abs=1e-6)
    both = torch.cat([-certain, certain], dim=1)
    assert value("dice", both, inside, smooth=1e-6) == pytest.approx(0.5, abs=1e-6)
    # Neither there nor found.
    assert value("dice", torch.full((1, 1, 8, 8), -100.0), inside * 0) == pytest.approx(0, abs=1e-6)


def test_binary_cross_entropy_is_that_of_torch_in_every_channel() -> None:
    logits, target = drawn()
    known = target != IGNORED
    expected = [
        float(
            F.binary_cross_entropy(
                logits[:, c : c + 1][known].sigmoid(), (target[known] == c).double()
            )
        )
        for c in range(3)
    ]
    assert value("bce", logits, target) == pytest.approx(np.mean(expected), rel=1e-6)
    one = logits[:, 1:2]
    alone = F.binary_cross_entropy_with_logits(one[known], (target[known] > 0).double())
    assert value("bce", one, target) == pytest.approx(float(alone), rel=1e-12)


def test_structures_that_overlap_have_a_channel_each() -> None:
    logits, _ = drawn(2)
    draw = np.random.default_rng(3)
    masks = torch.tensor(draw.choice([IGNORED, 0, 1], logits.shape))
    known, p = masks.numpy() != IGNORED, expit(logits.numpy())
    each = -np.where(masks.numpy() > 0, np.log(p), np.log1p(-p))
    assert value("bce", logits, masks) == pytest.approx(each[known].mean(), rel=1e-12)
    overlaps = []
    for c in range(2):
        share, truth = p[:, c][known[:, c]], masks.numpy()[:, c][known[:, c]]
        overlaps.append((2 * share[truth > 0].sum() + 1) / (share.sum() + truth.sum() + 1))
    assert value("dice", logits, masks) == pytest.approx(1 - np.mean(overlaps), rel=1e-12)


def test_squared_error_of_a_mask() -> None:
    logits, target = drawn(1)
    known = target.numpy() != IGNORED
    expected = np.square(logits.numpy() - (target.numpy() > 0))[known].mean()
    assert value("mask_mse", logits, target) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_is_reckoned_in_single(name: str) -> None:
    logits, target = drawn()
    half = logits.to(torch.bfloat16)
    assert value(name, half, target) == value(name, half.float(), target)


def test_what_does_not_fit_is_refused_in_plain_words() -> None:
    logits, target = drawn()
    with pytest.raises(StudioError, match="at least two classes"):
        value("cross_entropy", logits[:, :1], target)
    with pytest.raises(StudioError, match=r"label 2, but .* classes 0 to 1"):
        value("cross_entropy", logits[:, :2], target)
    for text in ("a, b", "1, -2", "nan", "inf"):
        with pytest.raises(StudioError, match="weights = "):
            LOSSES.make(Choice("weighted_cross_entropy", {"weights": text}))
    with pytest.raises(StudioError, match="weights for 2 classes, the network 3"):
        value("weighted_cross_entropy", logits, target, weights="1 2")

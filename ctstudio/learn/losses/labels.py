"""Losses of labels: logits against a map of classes, of which not every pixel need be known.

With one channel of logits the question is "inside or not": labels above 0 are inside. With more,
channel ``k`` stands for class ``k``. What nobody has annotated (`IGNORED`) counts for nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ctstudio.core.errors import StudioError
from ctstudio.core.registry import Param
from ctstudio.learn.losses.base import IGNORED, LOSSES, LossFunction

if TYPE_CHECKING:
    from torch import Tensor


NEVER = -1e30
"""A logit that a softmax takes for impossible, and still a number."""


@LOSSES.add("cross_entropy", title="Cross-entropy", tags=["labels"])
def cross_entropy() -> LossFunction:
    """Mean negative logarithm of the probability that each annotated pixel's class is given."""

    def loss(prediction: Tensor, target: Tensor) -> Tensor:
        surprise, labels = _surprise(_logits(prediction), target)
        return surprise.sum() / (labels != IGNORED).sum().clamp(min=1)

    return loss


@LOSSES.add("weighted_cross_entropy", title="Weighted cross-entropy and entropy", tags=["labels"])
def weighted_cross_entropy(
    *,
    unlabelled: Annotated[
        float, Param("Share of the entropy where nothing is annotated", 0, 1)
    ] = 0.1,
    weights: Annotated[
        str, Param('Weight of each class ("0.5, 1, 2"); empty: rare classes weigh more')
    ] = "",
) -> LossFunction:
    """Cross-entropy in which classes weigh differently, and entropy where nothing is annotated.

    ``(1 - u) * (sum of w * cross-entropy) / (sum of w) + u * (mean entropy)``: the first over
    annotated pixels, the second, which asks for a decision without saying which, over the others
    (Anthimopoulos et al. 2018, arXiv 1803.06167). Where no weights are given, a class weighs the
    median of the classes' frequencies over its own, in the batch.

    Raises
    ------
    StudioError
        When the weights are not numbers of at least 0, or are not as many as there are classes.
    """
    import torch

    chosen = _read_weights(weights)

    def loss(prediction: Tensor, target: Tensor) -> Tensor:
        logits = _logits(prediction)
        surprise, labels = _surprise(logits, target)
        if chosen and len(chosen) != logits.shape[1]:
            raise StudioError(
                f"The loss has weights for {len(chosen)} classes, the network "
                f"{logits.shape[1]} classes.",
                hint="Give one weight for each class, or none.",
            )
        classes = torch.arange(logits.shape[1], device=labels.device).view(1, -1, 1, 1)
        members = labels.unsqueeze(1) == classes
        if chosen:
            of_class = logits.new_tensor(chosen)
        else:
            of_class = median_frequency_weights(members.sum((0, 2, 3)).to(logits.dtype))
        each = (members * of_class.view(1, -1, 1, 1)).sum(1)
        tiny = torch.finfo(logits.dtype).tiny
        known = (each * surprise).sum() / each.sum().clamp(min=tiny)
        logarithm = logits.log_softmax(1)
        entropy = -(logarithm.exp() * logarithm).sum(1)
        open_ = labels == IGNORED
        unknown = (entropy * open_).sum() / open_.sum().clamp(min=1)
        return (1 - unlabelled) * known + unlabelled * unknown

    return loss


@LOSSES.add("dice", title="Dice", tags=["labels"])
def dice(
    *,
    background: Annotated[bool, Param("Class 0 counts too")] = False,
    smooth: Annotated[
        float,
        Param("Pixels added above and below the fraction", 1e-6, 1e6),
    ] = 1.0,
) -> LossFunction:
    """One minus the mean Dice overlap of the classes, with probabilities for membership.

    ``(2 sum(p g) + s) / (sum(p) + sum(g) + s)`` over the annotated pixels of the whole batch
    (after Milletari et al. 2016, doi 10.1109/3DV.2016.79, without their squares).
    """

    def loss(prediction: Tensor, target: Tensor) -> Tensor:
        logits = _logits(prediction)
        inside, known, exclusive = _memberships(logits, target)
        share = (logits.softmax(1) if exclusive else logits.sigmoid()) * known
        if exclusive and not background:
            share, inside = share[:, 1:], inside[:, 1:]
        both = (share * inside).sum((0, 2, 3))
        either = share.sum((0, 2, 3)) + inside.sum((0, 2, 3))
        overlap: Tensor = (2 * both + smooth) / (either + smooth)
        return 1 - overlap.mean()

    return loss


@LOSSES.add("bce", title="Binary cross-entropy", tags=["labels"])
def bce() -> LossFunction:
    """Cross-entropy of every channel by itself: "inside or not", independent of the others.

    The target may also have as many channels as the prediction, for structures that overlap; a
    value above 0 is inside.
    """
    import torch.nn.functional as F

    def loss(prediction: Tensor, target: Tensor) -> Tensor:
        logits = _logits(prediction)
        inside, known, _ = _memberships(logits, target)
        each = F.binary_cross_entropy_with_logits(logits, inside, reduction="none")
        return _mean_where(known, each)

    return loss


@LOSSES.add("mask_mse", title="Squared error of a mask", tags=["labels"])
def mask_mse() -> LossFunction:
    """Mean squared difference of the output itself and the mask of 0 and 1, channel by channel.

    For a network whose last layer is the mask already, without a sigmoid.
    """

    def loss(prediction: Tensor, target: Tensor) -> Tensor:
        values = _logits(prediction)
        inside, known, _ = _memberships(values, target)
        return _mean_where(known, (values - inside).square())

    return loss


@LOSSES.add("pixel_softmax", title="Softmax over all pixels", tags=["labels"])
def pixel_softmax(
    *,
    side_px: Annotated[
        int, Param("Prediction and mask are averaged to so many pixels a side; 0 leaves them as "
                   "they are", 0, 4096, "px", label="Side")
    ] = 0,
) -> LossFunction:  # fmt: skip
    """Cross-entropy of a softmax that runs over the pixels, with the mask itself as its target.

    ``-sum(mask * log_softmax(prediction))`` over the annotated pixels, the mean of the images and
    channels (J. D. Seo 2018,
    "Deep learning for medical image segmentation with interactive code"). An exhibit: a mask of
    more than one pixel is no distribution, and every mask of the same size has the same least loss.
    """
    import torch.nn.functional as F

    def loss(prediction: Tensor, target: Tensor) -> Tensor:
        values = _logits(prediction)
        inside, known, _ = _memberships(values, target)
        inside, known = (inside * known).expand_as(values), known.expand_as(values)
        if side_px:
            values, inside, known = (
                F.adaptive_avg_pool2d(each, side_px) for each in (values, inside, known)
            )
        surprise = -values.masked_fill(known == 0, NEVER).flatten(2).log_softmax(2)
        return (surprise * inside.flatten(2)).sum(2).mean()

    return loss


def median_frequency_weights(pixels: Tensor) -> Tensor:
    """The weight of each class, from how many pixels ``(classes,)`` float it has.

    Median of the frequencies over its own (Eigen and Fergus, ICCV 2015); a class without a pixel
    weighs nothing and does not enter the median.
    """
    import torch

    present = pixels > 0
    median = pixels.where(present, torch.nan).nanquantile(0.5)
    return torch.where(present, median / pixels.clamp(min=1), 0)


def _logits(prediction: Tensor) -> Tensor:
    """In single precision at least: a probability next to 1 has no logarithm in half of it."""
    return prediction.float() if prediction.element_size() < 4 else prediction


def _surprise(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy of each pixel ``(b, y, x)``, 0 where it is not annotated, and the labels."""
    import torch.nn.functional as F

    classes = logits.shape[1]
    labels = target.squeeze(1) if target.ndim == 4 else target
    if classes < 2:
        raise StudioError(
            "A cross-entropy needs a network that gives at least two classes; this one gives one.",
            hint='Choose the loss "bce", or give the network another class.',
        )
    # On a GPU a label too many would end the program; reading the labels back would hold it up.
    if labels.device.type == "cpu" and labels.numel() and int(labels.max()) >= classes:
        raise StudioError(
            f"There is a label {int(labels.max())}, but the network knows only the classes 0 to "
            f"{classes - 1}.",
            hint="Give the network as many classes as the label maps have.",
        )
    return F.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="none"), labels


def _memberships(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor, bool]:
    """Who is inside what, whose label is known, and whether the classes exclude one another.

    The first two are 0 or 1, of the logits' dtype; the first has their shape, the second fits it.
    """
    import torch

    channels = logits.shape[1]
    target = target.unsqueeze(1) if target.ndim == 3 else target
    known = (target != IGNORED).to(logits.dtype)
    exclusive = channels > 1 and target.shape[1] == 1
    if exclusive:
        classes = torch.arange(channels, device=target.device).view(1, -1, 1, 1)
        return (target == classes).to(logits.dtype), known, True
    return (target > 0).to(logits.dtype), known, False


def _mean_where(known: Tensor, each: Tensor) -> Tensor:
    """The mean of ``each`` where it is ``known``; 0 where nothing is."""
    known = known.expand_as(each)
    return (each * known).sum() / known.sum().clamp(min=1)


def _read_weights(text: str) -> list[float]:
    try:
        weights = [float(part) for part in text.replace(",", " ").split()]
    except ValueError:
        weights = [-1.0]
    if not all(0 <= weight < float("inf") for weight in weights):
        raise StudioError(
            f"weighted_cross_entropy.weights = {text!r} is not allowed.",
            hint='Give a number of at least 0 for each class, such as "0.5, 1, 2".',
        )
    return weights

"""Put a slice through a network that tells classes, and compare classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ctstudio.ct.padding import measured
from ctstudio.learn.sampling import AIR_HU


def classify(
    module: nn.Module, hu: NDArray[np.float32], device: torch.device
) -> NDArray[np.float32]:
    """The class of every pixel of a slice ``(y, x)`` in HU, as whole numbers in float32."""
    clean = np.where(measured(hu), hu, np.float32(AIR_HU)).astype(np.float32)
    with torch.inference_mode():
        logits = module(torch.from_numpy(clean)[None, None].to(device))
        decided = decide(logits, float(getattr(module, "threshold", 0.0)))
        classes: NDArray[np.float32] = decided[0].float().cpu().numpy()
    return classes


def decide(logits: Tensor, threshold: float = 0.0) -> Tensor:
    """Classes ``(b, y, x)`` of logits ``(b, c, y, x)``.

    One channel asks "inside or not": inside is what is above the ``threshold``.
    """
    if logits.shape[1] == 1:
        return (logits[:, 0] > threshold).long()
    return logits.argmax(1)


def dice(
    predictions: Sequence[NDArray[np.float32]], truths: Sequence[NDArray[np.float32]]
) -> float:
    """Mean Dice coefficient of the classes above 0 that occur, over all slices together.

    Pixels that are not annotated (below 0) do not count; 1 where nothing occurs in either.
    """
    found = np.concatenate([p[t >= 0] for p, t in zip(predictions, truths, strict=True)])
    true = np.concatenate([t[t >= 0] for t in truths])
    classes = [k for k in np.union1d(found, true) if k > 0]
    scores = [
        2 * np.count_nonzero((found == k) & (true == k))
        / (np.count_nonzero(found == k) + np.count_nonzero(true == k))
        for k in classes
    ]  # fmt: skip
    return float(np.mean(scores)) if scores else 1.0

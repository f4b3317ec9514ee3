"""Losses: how far what a network returns is from its target.

Those of images take HU, those of labels take logits and a label map; see `LossFunction`. Reading
the settings loads no torch.
"""

from ctstudio.learn.losses import features, games, images, labels, pretraining, structure, teacher
from ctstudio.learn.losses.base import IGNORED, LOSSES, UNIT_HU, LossFunction
from ctstudio.learn.losses.structure import similarity

__all__ = [
    "IGNORED",
    "LOSSES",
    "UNIT_HU",
    "LossFunction",
    "features",
    "games",
    "images",
    "labels",
    "pretraining",
    "similarity",
    "structure",
    "teacher",
]

"""Networks. To add one is to add a file and a line here.

``NAME.py`` registers the settings and must load without torch, since the window's form reads it
while torch is still being loaded; ``NAME_net.py`` beside it holds the ``torch.nn.Module``, which
the registered function imports when it is called.
"""

from ctstudio.learn.models import (
    article_cnn,
    article_resnet,
    autoencoder,
    dilated_fcn,
    dncnn,
    drunet,
    nafnet,
    patch_cnn,
    redcnn,
    residual,
    unet,
    whole_image,
)
from ctstudio.learn.models.registry import MODELS

__all__ = [
    "MODELS",
    "article_cnn",
    "article_resnet",
    "autoencoder",
    "dilated_fcn",
    "dncnn",
    "drunet",
    "nafnet",
    "patch_cnn",
    "redcnn",
    "residual",
    "unet",
    "whole_image",
]

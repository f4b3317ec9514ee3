"""The family of networks; reading it loads no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ctstudio.core.registry import Registry

MODELS: Registry[Callable[..., Any]] = Registry("model")
"""Every network by name. An entry is called with its settings and makes a ``torch.nn.Module``
that takes noisy HU ``(b, 1, y, x)`` of any size and returns HU of the same shape, or, where it has
the tag "labels", logits ``(b, classes, y, x)``. The tag "whole" says that each pixel depends on all
of the image, so that tiles differ from it, and "chain" that the network is a
`ctstudio.learn.gradients.Chain`, whose gradient is written out by hand."""

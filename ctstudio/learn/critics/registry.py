"""The family of networks that judge images; reading it loads no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ctstudio.core.registry import Registry

if TYPE_CHECKING:
    from torch import nn

CRITICS: Registry[Callable[..., nn.Module]] = Registry("critic")
"""Every network that tells true images from made ones, by name.

An entry is called with its settings and makes a ``torch.nn.Module`` that takes HU ``(b, 1, y, x)``
of any size and returns ``(b, ...)`` scores, which are the higher the truer an image looks. With the
tag "energy" they are at least 0 and the lower the truer.
"""

"""Networks that judge images: the other side of an adversarial training.

To add one is to add a file and a line here. What registers the settings must load without torch,
since the window's form reads it while torch is still being loaded.
"""

from ctstudio.learn.critics import choices
from ctstudio.learn.critics.registry import CRITICS

__all__ = ["CRITICS", "choices"]

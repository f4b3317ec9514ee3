"""How the gradient is found: by automatic differentiation, or by a derivation of one's own.

To add a way is to add a file and a line here. Reading the settings loads no torch.
"""

from ctstudio.learn.gradients import automatic, dilated, manual
from ctstudio.learn.gradients.base import GRADIENTS, Chain, Gradient, Trace, WayBack

__all__ = [
    "GRADIENTS",
    "Chain",
    "Gradient",
    "Trace",
    "WayBack",
    "automatic",
    "dilated",
    "manual",
]

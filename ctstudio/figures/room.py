"""Whether there is memory for a figure: at 2400 dpi a metre takes gigabytes."""

from __future__ import annotations

import math

import psutil

from ctstudio.core.errors import StudioError
from ctstudio.figures.scene import Picture, Scene
from ctstudio.figures.svg import is_square

BYTES_PER_PX = {0: 8, 8: 20, 16: 64}
"""What it takes at its most to draw and pack a px, by the bits of a channel; 0: only pictures."""
SHARE = 0.6
"""Of the memory that is free."""


def _stored(item: Picture) -> int:
    """How many pixels of a picture stand in a file of lines and text."""
    own = is_square(item.panel) and not item.enlarged
    return item.panel.image.size if own else item.width * item.height


def require_room(scene: Scene, bits: int = 8) -> None:
    """Refuse a figure that would not fit into memory.

    Parameters
    ----------
    bits
        8 or 16 for pixels; 0 for a file of lines and text, in which pictures alone take room.

    Raises
    ------
    StudioError
        Naming a resolution at which it fits.
    """
    pixels = scene.width * scene.height
    if not bits:
        pixels = max(
            (_stored(item) for item in scene.items if isinstance(item, Picture)), default=0
        )
    free = SHARE * psutil.virtual_memory().available
    needed = pixels * BYTES_PER_PX[bits]
    if needed <= free:
        return
    fitting = math.floor(scene.dpi * math.sqrt(free / needed))
    raise StudioError(
        f"The figure would have {scene.width:,} x {scene.height:,} px, for which there is not "
        "enough memory.",
        hint=f"Choose a resolution of {fitting} dpi or less, or a narrower figure.",
    )

"""What ``torchrun`` says to the processes that it starts, by their environment. Loads no torch."""

from __future__ import annotations

import os
import re

from ctstudio.core.errors import StudioError


def number(name: str, default: int) -> int:
    """A number in the environment, or ``default`` where it is missing or empty.

    Raises
    ------
    StudioError
        When it is no number.
    """
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    if not re.fullmatch("[0-9]{1,6}", text):
        raise StudioError(
            f"The environment variable {name} is {text[:40]!r}, which is no number.",
            hint="torchrun sets it; unset it to train in one process.",
        )
    return int(text)


def process_count() -> int:
    """How many processes train together."""
    return max(number("WORLD_SIZE", 1), 1)


def is_follower() -> bool:
    """Whether this is one of several processes, and any but the first."""
    return number("RANK", 0) > 0 and process_count() > 1

"""Networks that are there when the program starts: those in the package, and the user's own.

Each is a published network (``NAME.safetensors``) with its cards ``NAME.md`` and ``NAME.json``.
Listing them loads no torch.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ctstudio.core.errors import StudioError
from ctstudio.learn.cards import Card

SUFFIX = ".safetensors"
SWITCH = "CTSTUDIO_MODELS"
"""Environment variable with a folder that is looked into instead of the user's own."""


@dataclass(frozen=True)
class OnBoard:
    """A network that need not be opened first."""

    name: str
    file: Path
    card: Card


def packaged() -> Path:
    """The folder of the networks in the package; it need not exist."""
    from ctstudio.resources import resource

    return Path(str(resource("models")))


def own() -> Path:
    """The folder of the user's own networks; it need not exist."""
    import platformdirs

    named = os.environ.get(SWITCH, "")
    return Path(named or Path(platformdirs.user_data_dir("ctstudio", False)) / "models")


def look(places: Sequence[Path] | None = None) -> tuple[list[OnBoard], list[StudioError]]:
    """The networks in some folders (default both), and what is wrong with others there.

    Of two of one name the first counts.
    """
    found: dict[str, OnBoard] = {}
    troubles: list[StudioError] = []
    for place in (packaged(), own()) if places is None else places:
        try:
            files = sorted(place.glob(f"*{SUFFIX}"))
        except OSError:
            continue
        for file in files:
            if not file.is_file():
                continue
            try:
                card = Card.load(file.with_suffix(".json"))
            except StudioError as error:
                troubles.append(error)
                continue
            found.setdefault(file.stem, OnBoard(file.stem, file, card))
    return list(found.values()), troubles


def networks() -> list[OnBoard]:
    """The networks on board that can be used, those of the package first."""
    return look()[0]

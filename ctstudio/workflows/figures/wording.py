"""What a description says of a method, read back from the words that a result carries."""

from __future__ import annotations

import re
from typing import Any

from ctstudio.core.errors import StudioError


def method_of(description: str) -> tuple[str, dict[str, Any]] | None:
    """The name and settings of a classical method, from "Total variation (strength 20 HU)".

    None for words that no method of this version writes; those of a network name no file.
    """
    from ctstudio.classical.apply import describe
    from ctstudio.classical.denoisers import DENOISERS
    from ctstudio.workflows.denoise import method_from

    title, _, rest = description.partition(" (")
    for entry in DENOISERS:
        if entry.title != title:
            continue
        settings: dict[str, Any] = {}
        for field in entry.fields:
            words = field.name.removesuffix("_px").replace("_", " ")
            found = re.search(rf"(?:^|, ){re.escape(words)} ([^\s,)]+)", rest)
            if found:
                settings[field.name] = found[1]
        try:
            method = method_from(entry.name, settings)
        except StudioError:
            return None
        choice = getattr(method, "choice", None)
        if choice is not None and describe(choice) == description:
            return entry.name, dict(choice.params)
    return None

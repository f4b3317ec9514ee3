"""A recipe for tests that train in the window."""

from __future__ import annotations

from typing import Any

ENDLESS = 10**6


def tiny(**changes: Any) -> Any:
    """A recipe whose steps take a millisecond or two."""
    from ctstudio.learn.recipe import default_recipe

    recipe = default_recipe()
    settings = {
        "title": "Tiny", "noise": "gaussian", "batch": 2, "patch_px": 32, "stopping.seconds": 0,
        "phases.0.steps": ENDLESS, "phases.0.model.depth": 3, "phases.0.model.features": 4,
    } | {name.replace("__", "."): value for name, value in changes.items()}  # fmt: skip
    for name, value in settings.items():
        recipe = recipe.with_setting(name, value)
    return recipe

"""Files that travel inside the wheel: recipes, fonts, the guide's pictures."""

from importlib.resources import files
from importlib.resources.abc import Traversable


def resource(*parts: str) -> Traversable:
    """A bundled file, for example ``resource("recipes", "dncnn-low-dose.toml")``."""
    return files(__name__).joinpath(*parts)

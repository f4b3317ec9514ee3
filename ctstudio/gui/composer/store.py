"""Templates that the user has made: TOML files in a folder of their own."""

from __future__ import annotations

import re
from pathlib import Path

from ctstudio.core.atomic import atomic_file, explain_os_error
from ctstudio.core.errors import StudioError
from ctstudio.figures.description import FigureSpec


class TemplateStore:
    """Saves, lists and loads them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """In alphabetical order."""
        return sorted(path.stem for path in self.folder.glob("*.toml"))

    def path(self, name: str) -> Path:
        """The file of a template.

        Raises
        ------
        StudioError
            For a name that no file can have.
        """
        plain = re.sub(r"[^\w \-().,+]", "", name).strip(" .")
        if not plain:
            raise StudioError("A template needs a name.", hint="Type some letters or digits.")
        return self.folder / f"{plain[:80]}.toml"

    def save(self, name: str, spec: FigureSpec) -> Path:
        """Write one, over another of the same name."""
        path = self.path(name)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise explain_os_error(error, self.folder) from error
        with atomic_file(path) as temporary:
            temporary.write_text(spec.to_toml(), encoding="utf-8")
        return path

    def load(self, name: str) -> FigureSpec:
        """Read one.

        Raises
        ------
        StudioError
            When it cannot be read, or is no description.
        """
        path = self.path(name)
        try:
            return FigureSpec.parse(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise StudioError(f"{path} cannot be read.", hint="Delete it.", path=path) from error

"""What an experiment of the articles is; the table of them is in `experiments`."""

from __future__ import annotations

from dataclasses import dataclass

from ctstudio.learn.recipe import Recipe

FAITHFUL, REPAIRED = "faithful", "repaired"
FORMS = {FAITHFUL: "As in the article", REPAIRED: "Repaired"}
"""The two forms of an experiment, by the names of their folders and files."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One run of an article's tables.

    Parameters
    ----------
    name, title
        For the command line, and for people.
    article
        Which part it belongs to.
    epochs
        Of the faithful form; ``slices`` is what an epoch was in the article.
    seen
        What the author saw, in words.
    sights
        The same as names of `ctstudio.workflows.reproduce.measure.SIGHTS`.
    why
        Why the faithful run looks as it does.
    recipes
        By form; by default the recipe of the experiment's name, and that ending in "-repaired".
    """

    name: str
    title: str
    article: str
    epochs: int
    slices: int
    seen: str
    sights: tuple[str, ...] = ()
    why: str
    recipes: tuple[tuple[str, str], ...] = ()

    def forms(self) -> dict[str, Recipe]:
        """The recipes by form; raises StudioError where one is not there."""
        from ctstudio.workflows.training import find_recipe

        return {form: find_recipe(name) for form, name in self.recipe_names}

    @property
    def recipe_names(self) -> tuple[tuple[str, str], ...]:
        both = ((FAITHFUL, self.name), (REPAIRED, f"{self.name}-repaired"))
        return self.recipes or both

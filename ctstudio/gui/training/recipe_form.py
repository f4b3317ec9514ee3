"""The form of a recipe: pick one, change what it says, see it as text, save it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ctstudio.core.registry import Choice, Entry, Registry, read_fields
from ctstudio.gui.dialogs import ask_where_to_save
from ctstudio.gui.forms.section import Section
from ctstudio.gui.forms.text_dialog import edit_text
from ctstudio.gui.session import Session
from ctstudio.gui.training.loss_terms import LossTerms
from ctstudio.gui.training.network_cost import NetworkCost
from ctstudio.gui.training.recipe_box import RecipeBox
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import said
from ctstudio.gui.words import heading, plain_label
from ctstudio.workflows.demo_series import NOISE

if TYPE_CHECKING:
    from ctstudio.learn.recipe import Recipe

LOSSES = "losses"
SECTIONS = (
    ("training", "Training", True),
    ("task", "Task", True),
    ("noise", "Noise", True),
    ("model", "Network", False),
    (LOSSES, "", False),
    ("optimiser", "Optimiser", False),
    ("schedule", "Learning-rate schedule", False),
    ("adversary", "Adversary", False),
    ("adversary_optimiser", "Optimiser of the adversary", False),
    ("adversary_schedule", "Schedule of the adversary", False),
    ("gradient", "Gradient", False),
    ("weights", "Weights and numbers", False),
    ("validation", "Judging", False),
    ("stopping", "Stopping early", False),
    ("cadence", "Showing and saving", False),
)  # key, title, unfolded
BASIC = ("patch_px", "batch", "seed")
MASKS = "unet-masks"
"""The recipe for masks, unless another is in the form."""


class RecipeForm(QWidget):
    """Edits a recipe. It is empty until `fill`, which needs the learning engine."""

    offered = Signal()  # a recipe from the list is in the form
    task_changed = Signal()  # another kind of data may be needed

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._recipes: dict[str, Recipe] = {}
        self._recipe: Recipe | None = None  # as it was put in; the form holds what differs
        self._has_adversary = False
        self._shown_row = 0
        self._noise_free = False  # which kind of series the noise in the form is meant for
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(heading(tr("Recipe")))
        self.recipe_box = RecipeBox()
        self.recipe_box.activated.connect(self._picked)
        layout.addWidget(self.recipe_box)
        self.description = plain_label()
        self.description.setProperty("role", "muted")
        self.description.setWordWrap(True)
        layout.addWidget(self.description)
        row = QHBoxLayout()
        row.setSpacing(8)
        self.edit_button = QPushButton(tr("Edit as text ..."))
        self.edit_button.setToolTip(tr("The recipe as TOML, the same that the command line takes"))
        self.edit_button.clicked.connect(self._edit)
        self.save_button = QPushButton(tr("Save recipe ..."))
        self.save_button.setToolTip(tr("Write the recipe to a TOML file"))
        self.save_button.clicked.connect(self._save)
        row.addWidget(self.edit_button)
        row.addWidget(self.save_button)
        layout.addLayout(row)
        self._loading = QLabel(tr("Loading the learning engine ..."))
        self._loading.setProperty("role", "muted")
        layout.addWidget(self._loading)
        self.sections: dict[str, Section] = {}
        self.losses = LossTerms()
        for key, title, opened in SECTIONS:
            if key == LOSSES:
                layout.addWidget(self.losses)
                continue
            self.sections[key] = Section(title, opened)
            self.sections[key].setVisible(key == "training")
            layout.addWidget(self.sections[key])
        network = self.sections["model"]
        self.cost = NetworkCost(session, lambda: network.choice)
        network.changed.connect(self.cost.forget)
        network.add(self.cost)
        self.sections["task"].changed.connect(self._show_what_applies)

    def fill(self) -> None:
        """Offer the bundled recipes; the learning engine is loaded."""
        from ctstudio.learn.recipe import bundled

        self._loading.hide()
        self._recipes = bundled()
        self.recipe_box.show_recipes(self._recipes)
        self._offer(next(iter(self._recipes.values())))

    @property
    def filled(self) -> bool:
        """Whether there is a recipe in it: the learning engine is loaded."""
        return self._recipe is not None

    def _offer(self, recipe: Recipe) -> None:
        """Show a recipe from the list; its noise may yet be suited to the series."""
        self._noise_free = False
        self.set_recipe(recipe)
        self.offered.emit()

    def learn_labels(self, highest: int) -> None:
        """Show a recipe that learns masks with labels up to ``highest``, if there is none yet."""
        learns = "labels" in self.task.tags
        recipe = self.recipe() if learns else self._recipes[MASKS]
        classes = recipe.phases[0].model.params.get("classes")
        if classes is not None and classes <= highest:
            recipe = recipe.with_setting("phases.0.model.classes", highest + 1)
        self.set_recipe(recipe)

    def set_recipe(self, recipe: Recipe) -> None:
        """Show ``recipe`` exactly as it is."""
        from ctstudio.learn.recipe import ADVERSARY, SETTINGS, registries
        from ctstudio.learn.recipe import SECTIONS as PLAIN
        from ctstudio.learn.recipe_parts import STEPS

        self._recipe = recipe.checked()
        self.cost.forget()
        self.description.setText(said(recipe.description))
        self.description.setVisible(bool(recipe.description))
        known = registries()
        phase = self._recipe.phases[-1]
        chosen: dict[str, tuple[Registry[Any], Choice]] = {
            "task": (known["task"], self._recipe.task),
            "noise": (known["noise"], self._recipe.noise),
            "gradient": (known["gradient"], self._recipe.gradient),
            "model": (known["model"], phase.model),
            "optimiser": (known["optimiser"], phase.optimiser.choice),
            "schedule": (known["schedule"], phase.optimiser.schedule),
        }
        self._has_adversary = ADVERSARY in phase.models
        if self._has_adversary:
            optimiser = phase.optimisers[ADVERSARY]
            chosen |= {
                "adversary": (known["critic"], phase.models[ADVERSARY]),
                "adversary_optimiser": (known["optimiser"], optimiser.choice),
                "adversary_schedule": (known["schedule"], optimiser.schedule),
            }
        for key, (registry, choice) in chosen.items():
            self.sections[key].set_choice(registry, choice)
        self.losses.set_terms(known["loss"], [(term.choice, term.weight) for term in phase.losses])
        basic = [f for f in SETTINGS if f.name in BASIC]
        rest = [f for f in SETTINGS if f.name not in BASIC]
        plain = {name: read_fields(section) for name, section in PLAIN.items()}
        seconds = [f for f in plain["stopping"] if f.name == "seconds"]
        groups = {"training": (STEPS, *seconds, *basic), "weights": tuple(rest)}
        groups |= {n: tuple(f for f in fs if f not in seconds) for n, fs in plain.items()}
        values = {f.name: getattr(self._recipe, f.name) for f in SETTINGS}
        values |= {"steps": phase.steps, "seconds": self._recipe.stopping.seconds}
        for name, fields in groups.items():
            part = getattr(self._recipe, name, None)
            held = values if part is None else {f.name: getattr(part, f.name) for f in fields}
            wanted = {f.name: held[f.name] for f in fields}
            self.sections[name].set_fields(Entry(name, dict, name, "", fields), wanted)
        self._name(self._recipe)
        self._show_what_applies()

    def _name(self, recipe: Recipe) -> None:
        """Let the list say which recipe this is, also where it is none of the list."""
        row = next(
            (self.recipe_box.findData(n) for n, r in self._recipes.items() if r == recipe), -1
        )
        self.recipe_box.setPlaceholderText(said(recipe.title) or tr("A recipe of your own"))
        self.recipe_box.setCurrentIndex(row)
        self._shown_row = row

    def _show_what_applies(self) -> None:
        from ctstudio.learn.recipe import registries

        known = registries()
        for key, section in self.sections.items():
            section.setVisible(key != "gradient" or len(known["gradient"]) > 1)
            if key.startswith("adversary"):
                section.setVisible(self._has_adversary)
        self.sections["noise"].setVisible("noise" in self.task.tags)
        self.losses.suit(classes="labels" in self.task.tags, adversary=self._has_adversary)
        self.task_changed.emit()

    @property
    def task(self) -> Entry:
        """The task that is chosen."""
        from ctstudio.learn.tasks import TASKS

        return TASKS[self.sections["task"].choice.name]

    def recipe(self) -> Recipe:
        """The recipe as the form says.

        Raises
        ------
        StudioError
            When a value is not allowed.
        """
        from ctstudio.learn.recipe import ADVERSARY, Recipe
        from ctstudio.learn.recipe import SECTIONS as PLAIN

        assert self._recipe is not None
        data = self._recipe.to_dict()
        values = {name: dict(self.sections[name].choice.params) for name in ("training", "weights")}
        phase = data["phases"][-1]
        phase["steps"] = values["training"].pop("steps")
        for name in PLAIN:
            data[name] |= self.sections[name].choice.params
        data["stopping"]["seconds"] = values["training"].pop("seconds")
        data |= values["training"] | values["weights"]
        for name in ("task", "noise", "gradient"):
            data[name] = self.sections[name].choice.to_dict()
        phase["model"] = self.sections["model"].choice.to_dict()
        phase["losses"] = self.losses.to_list()
        phase["optimiser"] = self._optimiser("", phase["optimiser"])
        if self._has_adversary:
            phase["models"][ADVERSARY] = self.sections["adversary"].choice.to_dict()
            before = phase["optimisers"][ADVERSARY]
            phase["optimisers"][ADVERSARY] = self._optimiser("adversary_", before)
        return Recipe.from_dict(data)

    def _optimiser(self, whose: str, before: dict[str, Any]) -> dict[str, Any]:
        """An optimiser as a recipe has it; the rates of single parts stay as they were."""
        return {
            **self.sections[f"{whose}optimiser"].choice.to_dict(),
            "schedule": self.sections[f"{whose}schedule"].choice.to_dict(),
            "rates": before.get("rates", {}),
        }

    def suit(self, noise_free: bool) -> None:
        """Of the noise-free phantom all noise is made, of a real series what a lower dose lacks.

        What was typed into the form stays as long as the kind of series does.
        """
        if self._recipe is None or noise_free == self._noise_free:
            return
        self._noise_free = noise_free
        noise = self.sections["noise"]
        wanted = NOISE if noise_free else self._recipe.noise
        if noise.choice.name == wanted.name:
            noise.form.set_params(dict(wanted.params))

    def set_editable(self, on: bool) -> None:
        """Let the user change things, or not (while a training runs)."""
        for widget in (self.recipe_box, self.edit_button, self.save_button):
            widget.setEnabled(on and self._recipe is not None)
        for section in (*self.sections.values(), self.losses):
            section.setEnabled(on)

    def _picked(self) -> None:
        name = self.recipe_box.currentData()
        if name is not None:
            self._shown_row = self.recipe_box.currentIndex()
            self._offer(self._recipes[name])
            return
        path, _ = QFileDialog.getOpenFileName(self, tr("Open a recipe"), "", "Recipes (*.toml)")
        self.recipe_box.setCurrentIndex(self._shown_row)
        if not path:
            return
        from ctstudio.learn.recipe import Recipe

        try:
            recipe = Recipe.load(Path(path)).checked()
        except Exception as error:
            self._session.report(error)
            return
        self._recipes[path] = recipe
        self.recipe_box.add_first(path, said(recipe.title) or Path(path).stem)
        self._shown_row = 0
        self._offer(recipe)

    def _edit(self) -> None:
        from ctstudio.learn.recipe import Recipe

        try:
            text = self.recipe().to_toml()
        except Exception as error:
            self._session.report(error)
            return
        result = edit_text(self, tr("Recipe"), text, Recipe.from_toml)
        if isinstance(result, Recipe):
            self.set_recipe(result)

    def _save(self) -> None:
        try:
            recipe = self.recipe()
            path = ask_where_to_save(
                self, self._session, tr("Save the recipe"), "recipe.toml", "Recipes (*.toml)"
            )
            if path is not None:
                recipe.save(path)
                self._session.message.emit(tr("Saved {0}").format(path), 5000)
        except Exception as error:
            self._session.report(error)

"""The terms of a recipe's loss: one or several, each with its weight and its settings."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QToolButton, QVBoxLayout, QWidget

from ctstudio.core.registry import Choice, Entry, Registry
from ctstudio.gui import theme
from ctstudio.gui.forms.choice_form import NumberEditor
from ctstudio.gui.forms.section import Section
from ctstudio.gui.translation.catalogue import tr

NEEDY = {"game", "inputs", "network"}
"""Tags of losses that compare by more than an image and its target."""


class LossTerm(QWidget):
    """One term; its weight and its removal are shown where there are several."""

    removed = Signal(object)  # LossTerm

    def __init__(
        self, registry: Registry[Any], choice: Choice, weight: float, *, opened: bool
    ) -> None:
        super().__init__()
        from ctstudio.learn.recipe_parts import WEIGHT

        self._registry = registry
        self._heading = tr("Loss")
        self.section = Section(tr("Loss"), opened=opened)
        self.section.set_choice(registry, choice)
        self.section.changed.connect(self._name)
        self.weight = NumberEditor(WEIGHT, slider=False)
        self.weight.set_value(weight)
        remove = QToolButton()
        remove.setIcon(theme.icon("mdi6.close"))
        remove.setAutoRaise(True)
        remove.setToolTip(tr("Leave this loss out"))
        remove.setAccessibleName(tr("Remove the loss"))
        remove.clicked.connect(lambda: self.removed.emit(self))
        self.extra = QWidget()
        row = QHBoxLayout(self.extra)
        row.setContentsMargins(20, 0, 0, 8)
        row.setSpacing(8)
        row.addWidget(QLabel(tr("Weight")))
        row.addWidget(self.weight, 1)
        row.addWidget(remove)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.section)
        layout.addWidget(self.extra)

    def set_heading(self, text: str) -> None:
        """The heading, which is followed by the loss' name."""
        self._heading = text
        self._name()

    def _name(self) -> None:
        title = tr(self._registry[self.section.choice.name].title)
        self.section.set_title(f"{self._heading}: {title}")

    def to_dict(self) -> dict[str, Any]:
        """The term as a recipe has it."""
        choice = self.section.choice
        return {"name": choice.name, "weight": self.weight.value, **choice.params}


class LossTerms(QWidget):
    """The terms under one another, and a button for a further one."""

    def __init__(self) -> None:
        super().__init__()
        self.terms: list[LossTerm] = []
        self._registry: Registry[Any]
        self._fitting: list[Entry] = []
        self._rows = QVBoxLayout()
        self._rows.setSpacing(0)
        self.add_button = QPushButton(tr("Add a loss"))
        self.add_button.setToolTip(tr("Minimise a weighted sum of several losses"))
        self.add_button.setProperty("role", "link")
        self.add_button.clicked.connect(self._add_another)
        self.add_button.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(self._rows)
        layout.addWidget(self.add_button)

    def set_terms(self, registry: Registry[Any], terms: list[tuple[Choice, float]]) -> None:
        """Show these terms instead of those before."""
        self._registry = registry
        self._fitting = list(registry)
        for term in list(self.terms):
            self._drop(term)
        for choice, weight in terms:
            self._append(choice, weight)
        self.add_button.show()

    def suit(self, *, classes: bool, adversary: bool) -> None:
        """Offer only losses of classes, or of images; games need an ``adversary``."""
        self._fitting = [
            entry
            for entry in self._registry
            if ("labels" in entry.tags) == classes and (adversary or "game" not in entry.tags)
        ]
        for term in self.terms:
            term.section.offer([entry.name for entry in self._fitting])

    def to_list(self) -> list[dict[str, Any]]:
        """All terms as a recipe has them."""
        return [term.to_dict() for term in self.terms]

    def _add_another(self) -> None:
        taken = {term.section.choice.name for term in self.terms}
        free = [entry for entry in self._fitting if entry.name not in taken]
        # What needs a file or another network is for the user to choose.
        ready = [
            entry
            for entry in free
            if not entry.tags & NEEDY and not any(f.param.file for f in entry.fields)
        ]
        if not (ready or free):
            return
        entry = (ready or free)[0]
        self._append(self._registry.resolve(Choice(entry.name)), 1.0, opened=True)
        self.terms[-1].section.offer([entry.name for entry in self._fitting])

    def _append(self, choice: Choice, weight: float, *, opened: bool = False) -> None:
        term = LossTerm(self._registry, choice, weight, opened=opened)
        term.removed.connect(self._drop)
        self.terms.append(term)
        self._rows.addWidget(term)
        self._number()

    def _drop(self, term: LossTerm) -> None:
        self.terms.remove(term)
        self._rows.removeWidget(term)
        term.hide()
        term.deleteLater()
        self._number()

    def _number(self) -> None:
        several = len(self.terms) > 1
        for number, term in enumerate(self.terms, 1):
            term.extra.setVisible(several)
            term.set_heading(f"{tr('Loss')} {number}" if several else tr("Loss"))

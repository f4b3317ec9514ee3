"""The list of recipes: those for work first, then a heading for each article and its exhibits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QComboBox, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.translation.sentences import said
from ctstudio.gui.words import plain_tip

if TYPE_CHECKING:
    from ctstudio.learn.recipe import Recipe

FROM_FILE = "From a file ..."
MOST_ROWS = 20  # that are seen at once
MOST_PX = 640
WORK = "Denoising and masks"
GROUPS = (
    ("adversarial-", "Adversarial networks", "Adversarial"),
    ("teaching-", "Teaching", "Teaching"),
    ("autoencoder-", "Denoising article, part 1: autoencoder", "Article, autoencoder"),
    ("article2-", "Denoising article, part 2: dilated and noisy gradients", "Article part 2"),
    ("residual-", "Denoising article, part 3: residual networks", "Article, residual"),
    ("article4-", "Denoising article, part 4: shortcuts", "Article part 4"),
    ("dilated-fcn-", "Segmentation article: dilated networks", "Article, segmentation"),
    ("lai-", "Segmentation article: patches", "Article, segmentation"),
)
"""How the names of a group begin, its heading, and what its titles need not say below that."""
SHORT_ROLE = int(Qt.ItemDataRole.UserRole) + 1
HEADING = Qt.ItemFlag.NoItemFlags


class _ShortTitles(QStyledItemDelegate):
    """Paints what a title says beyond the heading above it."""

    def initStyleOption(
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        super().initStyleOption(option, index)
        text = index.data(SHORT_ROLE) or ""
        if text:
            option.text = f"   {text}"


class RecipeBox(QComboBox):
    """Recipes by name (its data), and a last row that asks for a file (without data)."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(tr("Recipe"))
        self.setToolTip(tr("What to train, and how"))
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        # A list that drops down has a greatest height; a menu over the box would fill the screen.
        self.setStyleSheet("QComboBox { combobox-popup: 0; }")
        self.setMaxVisibleItems(MOST_ROWS)
        self._rows = QStandardItemModel(self)
        self.setModel(self._rows)
        self.view().setItemDelegate(_ShortTitles(self))
        self.view().setTextElideMode(Qt.TextElideMode.ElideRight)
        self.currentIndexChanged.connect(self._tell)

    def show_recipes(self, recipes: Mapping[str, Recipe]) -> None:
        """List ``recipes`` by group."""
        left = dict(recipes)
        groups: list[tuple[str, str, dict[str, Recipe]]] = []
        for begin, heading, start in GROUPS:
            own = {name: recipe for name, recipe in left.items() if name.startswith(begin)}
            left = {name: recipe for name, recipe in left.items() if name not in own}
            groups.append((heading, start, own))
        for heading, start, own in ((WORK, "", left), *groups):
            if own:
                self._rows.appendRow(_heading(tr(heading)))
            for name, recipe in own.items():
                self._rows.appendRow(_item(name, recipe, start))
        self.insertSeparator(self.count())
        self.addItem(tr(FROM_FILE))
        hint = self.view().sizeHintForColumn(0) + self.view().verticalScrollBar().sizeHint().width()
        self.view().setMinimumWidth(min(hint + 8, MOST_PX))

    def add_first(self, name: str, title: str) -> None:
        """Put a recipe from a file above all others and choose it."""
        self.insertItem(0, title, name)
        self.setCurrentIndex(0)

    def _tell(self, row: int) -> None:
        tip = self.itemData(row, Qt.ItemDataRole.ToolTipRole) if row >= 0 else ""
        self.setToolTip(tip or tr("What to train, and how"))


def _heading(text: str) -> QStandardItem:
    item = QStandardItem(text)
    item.setFlags(HEADING)
    font = item.font()
    font.setBold(True)
    item.setFont(font)
    return item


def _item(name: str, recipe: Recipe, start: str) -> QStandardItem:
    title = said(recipe.title) or name
    item = QStandardItem(title)
    item.setData(name, Qt.ItemDataRole.UserRole)
    start = tr(start) if start else ""
    item.setData(_capital(title.removeprefix(start).lstrip(",: ，：")), SHORT_ROLE)
    item.setToolTip(plain_tip(f"{title}\n{said(recipe.description)}".strip()))
    return item


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

"""The list of recipes: in groups, wide and short enough, told apart by how they begin."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QStyle, QStyleOptionComboBox

from ctstudio.gui.training.recipe_box import FROM_FILE, HEADING, SHORT_ROLE, WORK, RecipeBox
from ctstudio.learn.recipe import bundled


@pytest.fixture
def box(qapp: QApplication) -> Iterator[RecipeBox]:
    box = RecipeBox()
    box.setFixedWidth(280)
    box.show_recipes(bundled())
    box.show()
    yield box
    box.close()
    box.deleteLater()


def rows(box: RecipeBox) -> list[tuple[str, bool]]:
    """The rows above the separator; True: a heading."""
    model = box.model()
    flags = [model.flags(model.index(k, 0)) for k in range(box.count() - 2)]
    return [(box.itemText(k), flag == HEADING) for k, flag in enumerate(flags)]


def test_recipes_stand_below_headings_those_for_work_first(box: RecipeBox) -> None:
    texts = rows(box)
    assert texts[0] == (WORK, True)
    headings = [k for k, (_, heading) in enumerate(texts) if heading]
    first = [text for text, _ in texts[1 : headings[1]]]
    assert "U-Net, masks" in first
    assert not [text for text in first if text.startswith(("Article", "Teaching", "Adversarial"))]
    assert len(headings) >= 6
    assert all(b - a > 1 for a, b in zip(headings, [*headings[1:], len(texts)], strict=True))
    assert box.itemText(box.count() - 1) == FROM_FILE
    assert {box.itemData(k) for k in range(box.count())} >= set(bundled())
    assert box.findText(bundled()["residual-1a"].title) == box.findData("residual-1a")


def test_titles_differ_early(box: RecipeBox) -> None:
    short = [box.itemData(k, SHORT_ROLE) for k in range(box.count())]
    told = [text for text in short if text]
    assert len({text[:28] for text in told}) > 0.85 * len(told)
    begin = {box.itemData(box.findData(f"residual-{case}"), SHORT_ROLE)[:4] for case in
             ("1a", "1b", "1c", "1a-repaired")}  # fmt: skip
    assert begin == {"1a: ", "1b: ", "1c: ", "1a, "}


def test_the_list_is_short_and_wide(box: RecipeBox) -> None:
    option = QStyleOptionComboBox()
    box.initStyleOption(option)
    menu = box.style().styleHint(QStyle.StyleHint.SH_ComboBox_Popup, option, box)
    assert not menu, "a menu would be as high as the screen"
    assert box.maxVisibleItems() <= 20 < box.count()
    assert box.view().sizeHintForColumn(0) < box.view().minimumWidth() <= 660
    assert box.view().minimumWidth() > box.width()


def test_the_box_tells_all_of_the_title(box: RecipeBox) -> None:
    box.setCurrentIndex(box.findData("article2-sgd"))
    recipe = bundled()["article2-sgd"]
    assert box.toolTip().startswith(recipe.title)
    assert "exhibit" in box.toolTip()
    assert box.itemData(box.currentIndex(), Qt.ItemDataRole.DisplayRole) == recipe.title

"""Written from right to left, numbers stay what they are and arrows point to what they open."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QLocale, Qt
from PySide6.QtGui import QFont, QTextLayout, QTextOption
from PySide6.QtWidgets import QApplication, QDoubleSpinBox, QSpinBox

from ctstudio.gui import theme
from ctstudio.gui.forms.section import Section
from ctstudio.gui.translation import catalogue
from ctstudio.gui.words import numbers


@pytest.fixture
def mirrored_window(qapp: QApplication) -> Iterator[None]:
    qapp.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
    yield
    qapp.setLayoutDirection(Qt.LayoutDirection.LeftToRight)


def drawn_from_the_left(text: str) -> str:
    """The signs of ``text`` in the order in which a list of this direction draws them."""
    layout = QTextLayout(text, QFont())
    option = QTextOption()
    option.setTextDirection(Qt.LayoutDirection.RightToLeft)
    layout.setTextOption(option)
    layout.beginLayout()
    line = layout.createLine()
    layout.endLayout()
    ends = [sorted((line.cursorToX(k)[0], line.cursorToX(k + 1)[0])) for k in range(len(text))]
    order = sorted(range(len(text)), key=lambda k: sum(ends[k]))
    return "".join(text[k] for k in order if text[k] != "\N{LEFT-TO-RIGHT MARK}")


@pytest.mark.parametrize("text", ["-950.0", "-1113 to 889 HU", "-192, -192, -97.5 mm", "± 3.2"])
def test_a_minus_stays_before_its_number(text: str, mirrored_window: None) -> None:
    assert drawn_from_the_left(numbers(text)) == text


def test_without_the_mark_it_would_not(mirrored_window: None) -> None:
    assert drawn_from_the_left("-950.0").endswith("-")


def test_from_left_to_right_nothing_is_added(qapp: QApplication) -> None:
    assert numbers("-950.0") == "-950.0"
    assert numbers("") == ""


def test_a_folded_section_points_to_where_its_words_are(mirrored_window: None) -> None:
    section = Section("Training", opened=False)
    shown = section._head.icon().pixmap(16, 16).toImage()
    assert shown == theme.icon("mdi6.chevron-left").pixmap(16, 16).toImage()
    assert shown != theme.icon("mdi6.chevron-right").pixmap(16, 16).toImage()
    section.deleteLater()


@pytest.fixture
def egypt() -> Iterator[None]:
    QLocale.setDefault(QLocale("ar_EG"))
    yield
    QLocale.setDefault(QLocale.system())


def test_boxes_have_the_digits_of_all_other_texts(qapp: QApplication, egypt: None) -> None:
    """Where a system writes others, too: a slice has one number, not two."""
    assert QLocale().toString(25) == "٢٥"
    catalogue.choose(qapp, catalogue.ENGLISH)
    whole, part = QSpinBox(), QDoubleSpinBox()
    whole.setValue(25)
    part.setValue(2.5)
    assert (whole.text(), part.text()) == ("25", "2.50")
    for box in (whole, part):
        box.deleteLater()

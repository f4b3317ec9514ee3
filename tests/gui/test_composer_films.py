"""The form of a film in the window "Figure"."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from ctstudio.figures.description import FilmSpec
from ctstudio.gui.composer.forms import FilmForm


@pytest.fixture
def form(qapp):
    form = FilmForm()
    form.show_film(FilmSpec())
    form.changed.connect(form.show_film)
    form.show()
    yield form
    form.close()
    form.deleteLater()


def choose(form, over):
    """Choose a kind of film by the keyboard."""
    box = form.editors["over"]
    QTest.keyClick(box, Qt.Key.Key_Home)
    for _ in range(box.findData(over)):
        QTest.keyClick(box, Qt.Key.Key_Down)


def test_a_flicker_takes_its_time(form):
    choose(form, "flicker")
    assert (form.value.over, form.value.seconds) == ("flicker", 0.5)
    assert form.editors["seconds"].value() == 0.5
    choose(form, "slices")
    assert (form.value.over, form.value.seconds) == ("slices", 0.12)


def test_a_time_that_was_set_stays(form):
    seconds = form.editors["seconds"]
    seconds.setFocus()
    seconds.selectAll()
    QTest.keyClicks(seconds, "0.3")
    QTest.keyClick(seconds, Qt.Key.Key_Return)
    choose(form, "flicker")
    assert (form.value.over, form.value.seconds) == ("flicker", 0.3)

"""The window "Figure" opened upon a pane that compares two layers: it shows what the pane shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from ctstudio.figures.description import FigureSpec
from ctstudio.figures.panel import render
from ctstudio.figures.scene import Picture
from ctstudio.workflows.figures.make import film
from tests.gui.conftest import wait_until
from tests.gui.test_compare_pictures import VALUES, compare


def composed(hands: Any) -> Any:
    hands.key(Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier)
    window = hands.window.services.composer.window
    wait_until(lambda: window.view.scene is not None, "for the figure")
    hands.idle()
    return window


def panels(window: Any) -> list[Any]:
    return [item.panel for item in window.view.scene.items if isinstance(item, Picture)]


@pytest.mark.parametrize("mode", ["swipe", "swipe_down", "checkerboard", "blend", "difference"])
def test_the_figure_shows_what_the_pane_shows(pair: Any, mode: str) -> None:
    """Beside what Qt paints in the pane; a blend of greys may be one grey off one of values."""
    compare(pair, mode)
    ((shot, _),) = pair.window.exporter.shots()
    wanted = shot.drawn(shot.index)
    window = composed(pair)
    (panel,) = panels(window)
    assert panel.window == wanted.window
    own = render(panel, panel.image.shape).astype(int)[shot.crop]
    screen = render(wanted, wanted.image.shape).astype(int)
    assert np.abs(own - screen).max() <= (1 if mode == "blend" else 0)
    assert len(panel.marks) == (1 if mode.startswith("swipe") else 0)
    if panel.marks:
        top, left = (part.start or 0 for part in shot.crop)
        across = mode == "swipe"
        here, there = (mark.points[0][1 if across else 0] for mark in (panel.marks[0],
                                                                      wanted.marks[0]))  # fmt: skip
        assert here == there + (left if across else top)
    told = " ".join(window.view.scene.texts).replace("\N{NO-BREAK SPACE}", " ")
    assert {
        "swipe": "Original | Reference",
        "blend": "Original 70 % + Reference 30 %",
        "difference": "Reference \N{MINUS SIGN} original",
    }.get(mode, "Original | Reference") in told
    # What travels with a file makes it again.
    again = FigureSpec.parse(window.spec.without_spares().to_json())
    assert again.cells == window.spec.cells


def test_a_difference_has_the_sign_that_its_title_says(pair: Any) -> None:
    compare(pair, "difference")
    window = composed(pair)
    (panel,) = panels(window)
    thin, thick = (pair.layer(name).stack for name in ("Thin slab", "Thick slab"))
    assert window.view.scene.texts[0] == "Reference \N{MINUS SIGN} original"
    assert np.array_equal(panel.image, thick.slice_hu(2) - thin.slice_hu(4))
    assert panel.image.mean() == pytest.approx(5, abs=0.1)  # the thick slab is 5 HU above
    assert panel.bounds == (-VALUES["difference"], VALUES["difference"])


def test_a_flicker_is_both_pictures_and_their_film(pair: Any) -> None:
    compare(pair, "flicker")
    window = composed(pair)
    one, two = panels(window)
    thin, thick = (pair.layer(name).stack for name in ("Thin slab", "Thick slab"))
    assert np.array_equal(one.image, thin.slice_hu(4))
    assert np.array_equal(two.image, thick.slice_hu(2))
    assert window.spec.film.over == "flicker"
    sources = pair.window.services.composer._sources
    assert film(window.spec, sources.material(window.spec)).count == 2


def test_another_part_is_set_by_hand(pair: Any) -> None:
    compare(pair, "swipe")
    window = composed(pair)
    amount = window.cell.editors["amount"]
    amount.setFocus()
    amount.selectAll()
    QTest.keyClicks(amount, "0")
    QTest.keyClick(amount, Qt.Key.Key_Tab)
    wait_until(lambda: not window.settle.isActive())
    pair.idle()
    (panel,) = panels(window)
    second = pair.layer("Thick slab").stack.slice_hu(2)
    clipped = np.clip(second, panel.window.lower, panel.window.upper)
    assert np.array_equal(panel.image, clipped)


def test_a_plane_of_the_pane_is_that_of_the_figure(pair: Any) -> None:
    pair.grid.active_pane.plane_chosen.emit("coronal")
    pair.grid.go_to(30)
    window = composed(pair)
    (cell,) = window.spec.cells
    assert (cell.plane, cell.slice) == ("coronal", "31")
    (panel,) = panels(window)
    assert np.array_equal(np.nan_to_num(panel.image), np.nan_to_num(pair.view.hu))


def test_slices_are_counted_by_the_first_picture(pair: Any) -> None:
    """Of a series with half the slices, the one at that place; not the one of that number."""
    pair.window.actions_by_name["layout_1x2"].trigger()
    thin, thick = (pair.layer(name) for name in ("Thin slab", "Thick slab"))
    pair.grid.hang([thin, thick])
    pair.grid.go_to(8)
    crops = [shot.crop for shot, _ in pair.window.exporter.shots()]
    panes = pair.grid.visible_panes
    shown = [pane.view.hu[crop] for pane, crop in zip(panes, crops, strict=True)]
    window = composed(pair)
    assert [cell.slice for cell in window.spec.cells] == ["9", "9"]
    assert all(np.array_equal(p.image, hu) for p, hu in zip(panels(window), shown, strict=True))

"""What stands upon the images: a key for each, one for all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt

from ctstudio.gui.viewer import overlay
from ctstudio.gui.viewer.picture_view import Framing
from tests.gui.looking import pixels

Key, Shift = Qt.Key, Qt.KeyboardModifier.ShiftModifier
NAMES = ("info", "scale", "letters", "crosshair", "grid", "plane_lines", "masks", "metrics")


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is written upon the images."""
    written: list[str] = []
    plain = overlay.outlined

    def outlined(painter: Any, position: QPointF, text: str, *colour: str) -> None:
        written.append(text)
        plain(painter, position, text, *colour)

    monkeypatch.setattr(overlay, "outlined", outlined)
    return written


def test_they_stand_in_one_bar(hands: Any) -> None:
    bar = hands.window.toolbar
    actions = hands.window.actions_by_name
    buttons = [bar.widgetForAction(actions[name]) for name in (*NAMES, "patient", "hide_all")]
    places = sorted(button.x() for button in buttons)
    assert all(button.isVisible() for button in buttons)
    others = [bar.widgetForAction(actions[n]) for n in ("link_scroll", "fit", "layout_1")]
    assert not any(places[0] < other.x() < places[-1] for other in others)


def test_the_grid_lies_at_round_distances_of_the_patient(
    hands: Any, thin: Any, words: list[str]
) -> None:
    hands.open(thin)
    hands.view.setFocus()
    view = hands.view
    for name in ("info", "scale", "letters", "patient"):
        hands.window.actions_by_name[name].setChecked(False)
    view.set_framing(Framing(0.0, 0.0, 6.0))
    before = pixels(hands.picture(view.viewport())).astype(int)
    hands.key(Key.Key_G, Shift)
    changed = pixels(hands.picture(view.viewport())).astype(int) != before
    columns = np.flatnonzero(changed.any(axis=2).mean(axis=0) > 0.7)
    (told,) = {w for w in words if w.startswith("grid")}
    step = float(told.split()[1])
    at = [view.to_plane(QPointF(x + 0.5, 0)).x() for x in columns]
    assert len(at) > 4
    assert np.diff(at) == pytest.approx(step, abs=0.35)
    assert [u / step for u in at] == pytest.approx([round(u / step) for u in at], abs=0.03)
    assert 40 <= step * 6.0 <= 100
    hands.key(Key.Key_G, Shift)
    assert (pixels(hands.picture(view.viewport())) == before).all()


def test_the_crosshair_may_be_hidden(hands: Any, thin: Any) -> None:
    hands.open(thin)
    hands.view.setFocus()
    hands.move(hands.view, QPointF(200, 300), Shift)
    assert hands.picture(hands.view.viewport()).pixelColor(30, 300).name() == "#f2c14e"
    hands.key(Key.Key_C, Shift)
    assert hands.picture(hands.view.viewport()).pixelColor(30, 300).name() != "#f2c14e"


def test_a_narrow_pane_tells_its_window_in_full(hands: Any, thin: Any, words: list[str]) -> None:
    hands.open(thin)
    hands.window.actions_by_name["layout_1x3"].trigger()
    hands.window.resize(1440, 900)
    hands.pause(20)
    hands.view.setFocus()
    hands.key(Key.Key_1)
    words.clear()
    hands.picture(hands.view.viewport())
    assert 260 <= hands.view.viewport().width() < 300
    assert {"W 1500", "C -600"} <= set(words)
    assert not any(word.endswith("\N{HORIZONTAL ELLIPSIS}") for word in words)


def test_metrics_without_a_reference_say_what_they_lack(hands: Any, thin: Any) -> None:
    hands.open(thin)
    hands.window.compare_panel.reference.setCurrentIndex(-1)
    hands.view.setFocus()
    hands.key(Key.Key_I, Shift)
    assert "reference" in hands.window.message_label.text()


def test_metrics_stand_upon_the_image_with_their_protocol(
    hands: Any, thin: Any, words: list[str]
) -> None:
    from ctstudio.ct.metrics import evaluate
    from ctstudio.gui.session import Layer

    (one,) = hands.open(thin)
    other = one.stack.derived(one.stack.hu() + 7, "seven more")
    hands.session.add_layer(Layer("Seven more", "denoised", other, parent=one))
    hands.session.hang.emit(list(hands.session.layers))
    assert not hands.window.compare_panel.isVisible()
    hands.grid.panes[0].view.setFocus()
    hands.key(Key.Key_I, Shift)
    hands.wait(lambda: hands.session.metrics_of(hands.session.layers[1]), "for the metrics")
    words.clear()
    hands.picture(hands.grid.panes[1].view.viewport())
    z = hands.grid.panes[1].view.index
    want = evaluate(other.slice_hu(z), one.stack.slice_hu(z), "A")
    assert f"PSNR {want['psnr']:.2f} dB" in words
    assert f"RMSE {want['rmse']:.1f} HU" in words
    assert "protocol A, against Thin slab" in words
    hands.key(Key.Key_I, Shift)
    words.clear()
    hands.picture(hands.grid.panes[1].view.viewport())
    assert not any("PSNR" in word for word in words)


def test_one_key_hides_all_and_brings_back_what_was_there(
    hands: Any, thin: Any, words: list[str]
) -> None:
    hands.open(thin)
    hands.view.setFocus()
    actions = hands.window.actions_by_name
    hands.key(Key.Key_S)
    hands.key(Key.Key_G, Shift)
    on = {name: actions[name].isChecked() for name in (*NAMES, "measurements")}
    assert on["info"]
    assert not on["scale"]
    hands.key(Key.Key_Z)
    words.clear()
    hands.picture(hands.view.viewport())
    assert words == []
    assert not any(actions[name].isChecked() for name in on)
    hands.key(Key.Key_I)
    hands.key(Key.Key_Z)
    assert {name: actions[name].isChecked() for name in on} == on
    words.clear()
    hands.picture(hands.view.viewport())
    assert any(word.startswith("grid") for word in words)
    assert not any(word.endswith(" mm") and word[0].isdigit() for word in words)

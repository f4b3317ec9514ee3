"""Pictures and films of panes that compare two layers: pixels beside those on the screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QImage

from ctstudio.ct.views import Difference
from ctstudio.ct.volume import Volume
from ctstudio.figures.compose import layout
from ctstudio.figures.panel import render
from ctstudio.gui.export_shots import LINE
from ctstudio.gui.session import Layer
from ctstudio.gui.viewer.picture_view import Framing
from tests.gui.conftest import PAIR_WINDOW

Key, Shift, None_ = Qt.Key, Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.NoModifier
KEYS = {
    "swipe": (Key.Key_W, None_),
    "swipe_down": (Key.Key_W, Shift),
    "checkerboard": (Key.Key_K, None_),
    "blend": (Key.Key_B, Shift),
    "difference": (Key.Key_Y, None_),
    "flicker": (Key.Key_X, None_),
}
VALUES = {"swipe": 42, "swipe_down": 55, "checkerboard": 13, "blend": 30, "difference": 60}


def compare(hands: Any, mode: str) -> Any:
    """Choose a mode by its key, a value of its own, and let a flicker stand still."""
    hands.key(*KEYS[mode])
    comparing = hands.window.view_control.comparing
    assert comparing.active.mode == mode
    if mode in VALUES:
        comparing.set_value(mode, VALUES[mode])
    comparing._flicker.stop()
    return comparing


def on_screen(hands: Any) -> dict[tuple[int, int], np.ndarray]:
    """The colours painted in the middle of voxels, where neither line, handle nor words stand."""
    view = hands.view
    image = hands.picture(view.viewport()).convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    seen = rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3)
    rect, composer = view.image_rect(), hands.window.view_control.comparing.active
    dy, dx = view.stack.geometry.spacing_mm
    found = {}
    for y in range(0, 96, 3):
        for x in range(0, 80, 3):
            plane = QPointF(rect.left() + (x + 0.5) * dx, rect.top() + (y + 0.5) * dy)
            at = view.to_viewport(plane)
            upright = composer is not None and composer.mode == "swipe"
            line = composer is not None and composer.mode in ("swipe", "swipe_down")
            if line and abs((at.x() if upright else at.y()) - composer.line_px) < 40:
                continue
            if 80 < at.y() < seen.shape[0] - 8 and 8 < at.x() < seen.shape[1] - 60:
                found[y, x] = seen[int(at.y()), int(at.x())].astype(int)
    assert len(found) > 60
    return found


def panel_as_on_screen(hands: Any, index: int, caption: str = "", off: int = 0) -> Any:
    """The panel that an export draws of a slice, whose pixels are those of the pane."""
    ((shot, _),) = hands.window.exporter.shots()
    panel = shot.drawn(index, caption)
    shown = render(panel, panel.image.shape).astype(int)
    top, left = (part.start or 0 for part in shot.crop)
    for (y, x), colour in on_screen(hands).items():
        assert np.abs(shown[y - top, x - left] - colour).max() <= off, (y, x)
    return panel


def same_in_figure(figure: np.ndarray, panel: Any, footer: str) -> None:
    """A figure has the panel's pixels, but where letters, scale bar and a line stand upon it."""
    (cell,) = layout([panel], columns=1, footer=footer).cells
    inside = figure[cell.top : cell.top + cell.height, cell.left : cell.left + cell.width]
    alone = render(panel, (cell.height, cell.width))
    assert (inside == alone).all(axis=2).mean() > 0.93


@pytest.mark.parametrize("mode", KEYS)
def test_the_picture_shows_what_the_pane_shows(pair: Any, tmp_path: Path, mode: str) -> None:
    comparing = compare(pair, mode)
    pictures = []
    for turn in (False, True) if mode == "flicker" else (False,):
        if mode == "flicker":
            comparing.active.second_in_turn = turn
            comparing.active.retouch()
        ((shot, caption),) = pair.window.exporter.shots()
        panel = panel_as_on_screen(pair, shot.index, caption)
        pair.window.exporter.save_picture(tmp_path / "a.png")
        pair.idle("export")
        with Image.open(tmp_path / "a.png") as image:
            figure = np.asarray(image.convert("RGB"))
        same_in_figure(figure, panel, pair.window.exporter._place(shot))
        pictures.append(render(panel, panel.image.shape).astype(int))
    own = shot.panel(pair.view.hu)
    pictures.append(render(own, own.image.shape).astype(int))
    # Neither layer alone passes for both.
    assert np.abs(pictures[-2] - pictures[-1]).max() >= (3 if mode == "blend" else 10)


def test_the_line_of_a_swipe_is_drawn(pair: Any, tmp_path: Path) -> None:
    comparing = compare(pair, "swipe")
    pair.window.exporter.save_picture(tmp_path / "a.png")
    pair.idle("export")
    with Image.open(tmp_path / "a.png") as image:
        figure = np.asarray(image.convert("RGB")).astype(int)
    yellow = (np.abs(figure - LINE).max(axis=2) < 40).sum(axis=0)
    column = int(np.argmax(yellow))
    ((shot, caption),) = pair.window.exporter.shots()
    panel = shot.drawn(shot.index, caption)
    (cell,) = layout([panel], footer="x").cells
    assert yellow[column] > 0.9 * cell.height
    rect, view = pair.view.image_rect(), pair.view
    plane = view.to_plane(QPointF(comparing.active.line_px, 0)).x()
    pixel = (plane - rect.left()) / 1.1 - (shot.crop[1].start or 0)
    assert (column - cell.left) * panel.image.shape[1] / cell.width == pytest.approx(pixel, abs=1)


def test_titles_and_captions_name_both(pair: Any) -> None:
    told = {}
    for mode in KEYS:
        compare(pair, mode)
        ((shot, caption),) = pair.window.exporter.shots()
        told[mode] = (shot.title, caption.splitlines()[0])
    window = f"{PAIR_WINDOW} HU"
    assert told["swipe"] == ("Thin slab | Thick slab", window)
    assert told["blend"] == (
        "Thin slab 70\N{NO-BREAK SPACE}% + Thick slab 30\N{NO-BREAK SPACE}%",
        window,
    )
    assert told["difference"] == ("Thick slab \N{MINUS SIGN} Thin slab", "± 60 HU")
    assert told["flicker"][0] in ("Thin slab", "Thick slab")


@pytest.mark.parametrize("mode", KEYS)
def test_films_show_every_slice_as_the_pane_does(pair: Any, tmp_path: Path, mode: str) -> None:
    comparing = compare(pair, mode)
    pair.window.exporter.save_slices_gif(tmp_path / "a.gif")
    pair.idle("export")
    assert pair.banner() == ""
    with Image.open(tmp_path / "a.gif") as film:
        frames = []
        for number in range(film.n_frames):
            film.seek(number)
            frames.append(np.asarray(film.convert("RGB")))
    each = 2 if mode == "flicker" else 1
    assert len(frames) == 14 * each
    for index in (2, 6):
        pair.grid.go_to(index)
        for turn in range(each):
            if mode == "flicker":
                comparing.active.second_in_turn = bool(turn)
                comparing.active.retouch()
            ((shot, _),) = pair.window.exporter.shots()
            panel = panel_as_on_screen(pair, index, shot.describe_window())
            same_in_figure(frames[each * index + turn], panel, f"slice {index + 1} of 14")


def test_a_film_may_be_a_video(pair: Any, tmp_path: Path) -> None:
    import av

    compare(pair, "swipe")
    pair.window.exporter.save_slices_gif(tmp_path / "a.mp4")
    pair.idle("export")
    assert pair.banner() == ""
    with av.open(str(tmp_path / "a.mp4")) as film:
        assert len(list(film.decode(film.streams.video[0]))) == 14


def test_colours_of_a_blend_with_a_difference(hands: Any, thin: Any) -> None:
    """A layer with colours of its own over greys: mixed as the screen mixes them."""
    (one,) = hands.open(thin)
    for name in ("info", "scale", "letters", "patient"):
        hands.window.actions_by_name[name].setChecked(False)
    moved = np.roll(thin.hu.astype(np.float32), 2, axis=2)
    other = Volume.from_hu(moved, one.stack.geometry, source=one.stack.source)
    residual = Layer("Residual", "residual", Difference(one.stack, other), parent=one)
    hands.session.add_layer(residual)
    hands.grid.show_in(hands.grid.active_pane, one)
    hands.grid.go_to(4)
    hands.view.set_framing(Framing(hands.view.framing.u, hands.view.framing.v, 8.0))
    comparing = hands.window.view_control.comparing
    comparing.set_mode(hands.grid.active_pane, "blend", residual)
    comparing.set_value("blend", 60)
    ((_, caption),) = hands.window.exporter.shots()
    assert "± " in caption
    # Qt rounds one way for pictures that it scales, another way for those that it copies.
    panel = panel_as_on_screen(hands, 4, off=1)
    assert np.ptp(render(panel, panel.image.shape), axis=2).max() > 20

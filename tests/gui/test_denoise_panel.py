"""Denoise in the window: live preview, blend, a whole series; nothing half-made stays."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest

from ctstudio.classical.denoisers import DENOISERS
from ctstudio.core.events import finish
from ctstudio.core.registry import Choice
from ctstudio.ct.volume import Geometry, Source, Volume
from ctstudio.figures.colours import diverging_table
from ctstudio.gui.denoising.noise_line import _noise
from ctstudio.gui.forms.choice_form import NumberEditor
from ctstudio.gui.viewer.picture_view import Framing
from ctstudio.workflows.denoise import ClassicalMethod

Key = Qt.Key


def denoised(hu: np.ndarray, name: str = "bilateral", **params: Any) -> np.ndarray:
    return DENOISERS.make(DENOISERS.resolve(Choice(name, params)), hu.astype(np.float32))


def begin(hands: Any, sample: Any, method: str = "bilateral", **params: Any) -> Any:
    """Open a series, choose a method and switch the live preview on."""
    hands.open(sample)
    panel = hands.window.denoise_panel
    panel.choose(method, params)
    hands.press(panel.preview)
    settle(hands)
    return panel


def settle(hands: Any) -> None:
    panel = hands.window.denoise_panel
    hands.wait(lambda: not panel.live.pending)


def shown(hands: Any) -> list[str]:
    return [pane.layer.name if pane.layer else "" for pane in hands.grid.visible_panes]


def slow_slices(monkeypatch: pytest.MonkeyPatch, seconds: float) -> list[float]:
    """Make the filter slow; the strengths that it was asked for."""
    asked: list[float] = []
    plain = ClassicalMethod.denoise_slice

    def denoise_slice(self: ClassicalMethod, hu: np.ndarray) -> np.ndarray:
        asked.append(self.choice.params["strength"])
        time.sleep(seconds)
        return plain(self, hu)

    monkeypatch.setattr(ClassicalMethod, "denoise_slice", denoise_slice)
    return asked


def slow_series(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    plain = ClassicalMethod.denoise

    def denoise(self: ClassicalMethod, volume: Any, *, first: int | None = None) -> Any:
        work = plain(self, volume, first=first)
        while True:
            try:
                event = next(work)
            except StopIteration as stop:
                return stop.value
            time.sleep(seconds)
            yield event

    monkeypatch.setattr(ClassicalMethod, "denoise", denoise)


@pytest.mark.parametrize("method", ["tv", "nlm", "wavelet", "bilateral"])
def test_preview_of_every_method(hands: Any, thin: Any, method: str) -> None:
    begin(hands, thin, method)
    title = DENOISERS[method].title
    assert shown(hands) == [
        "Thin slab",
        f"Preview: {title}",
        f"Preview: {title} \N{MINUS SIGN} original",
    ]
    original, result, residual = (pane.view for pane in hands.grid.visible_panes)
    assert original.index == result.index == residual.index == 7
    expected = denoised(thin.hu[7], method)
    assert np.array_equal(result.hu, expected)
    assert np.array_equal(residual.hu, expected - thin.hu[7])
    assert "Slice 8 in" in hands.window.denoise_panel._status.text()
    assert hands.banner() == ""


def test_residual_is_painted_around_zero(hands: Any, thin: Any) -> None:
    begin(hands, thin, strength=200)
    view = hands.grid.visible_panes[2].view
    for name in ("info", "scale", "letters"):
        hands.window.actions_by_name[name].setChecked(False)
    rect = view.image_rect()
    view.set_framing(Framing(rect.left() + 30.5 * 1.1, rect.top() + 30.5 * 0.8, 12.0))
    image = hands.picture(view.viewport())
    table = diverging_table()
    half = view.window.width_hu / 2
    for y in range(24, 36):
        for x in range(26, 34):
            place = view.to_viewport(
                QPointF(rect.left() + (x + 0.5) * 1.1, rect.top() + (y + 0.5) * 0.8)
            )
            row = round(float(np.clip(view.hu[y, x] / half, -1, 1)) * 127) + 127
            colour = image.pixelColor(int(place.x()), int(place.y()))
            seen = (colour.red(), colour.green(), colour.blue())
            near = [tuple(table[k]) for k in (row - 1, row, row + 1) if 0 <= k < 255]
            assert seen in near, (y, x)
    # The signed map has a width alone, not a centre.
    hands.drag(view, Qt.MouseButton.LeftButton, QPointF(100, 100), QPointF(0, 80))
    assert view.window.centre_hu == 0
    original = hands.grid.visible_panes[0].view
    assert original.window.width_hu == 400, "the grey panes keep their window"


def test_newest_setting_wins(hands: Any, thin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = begin(hands, thin)
    asked = slow_slices(monkeypatch, 0.12)
    editor = panel.form.editor("strength")
    assert isinstance(editor, NumberEditor)
    for position in range(100, 900, 40):
        editor.slider.setValue(position)
        hands.pause(15)
    last = editor.value
    settle(hands)
    assert asked[-1] == last
    assert len(asked) < 8, "what nobody waits for any more is not computed"
    result = hands.grid.visible_panes[1].view
    assert np.array_equal(result.hu, denoised(thin.hu[7], strength=last))
    assert list(hands.grid.visible_panes[1].layer.stack.other.results) == [7]


def test_a_number_typed_into_the_form(hands: Any, thin: Any) -> None:
    panel = begin(hands, thin)
    editor = panel.form.editor("strength")
    editor.box.setFocus()
    editor.box.selectAll()
    QTest.keyClicks(editor.box, "123")
    hands.key(Key.Key_Return)
    assert editor.value == 123
    high = 300
    share = math.log(123) / math.log(high)  # the slider is logarithmic from 1 HU on
    assert editor.slider.value() == pytest.approx(1000 * share, abs=1)
    settle(hands)
    view = hands.grid.visible_panes[1].view
    assert np.array_equal(view.hu, denoised(thin.hu[7], strength=123.0))
    editor.box.setFocus()
    editor.box.selectAll()
    QTest.keyClicks(editor.box, "99999")
    hands.key(Key.Key_Return)
    assert editor.value <= high, "out of range cannot be typed"


def test_another_method_replaces_the_preview(hands: Any, thin: Any) -> None:
    panel = begin(hands, thin)
    panel.method.setCurrentIndex(panel.method.findData("wavelet"))
    settle(hands)
    assert shown(hands)[1] == "Preview: Wavelet shrinkage"
    assert np.array_equal(hands.grid.visible_panes[1].view.hu, denoised(thin.hu[7], "wavelet"))
    assert len(hands.session.layers) == 3


def test_scrolling_recomputes(hands: Any, thin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(hands, thin)
    asked = slow_slices(monkeypatch, 0.05)
    for pane, index in ((0, 4), (1, 9)):
        view = hands.grid.visible_panes[pane].view
        hands.wheel(view, index - view.index)
        settle(hands)
        result = hands.grid.visible_panes[1].view
        assert result.index == index
        assert np.array_equal(result.hu, denoised(thin.hu[index]))
    count = len(asked)
    hands.wheel(hands.view, -5)
    settle(hands)
    assert len(asked) == count, "slice 4 is still there"
    view = hands.grid.visible_panes[0].view
    for _ in range(6):
        hands.wheel(view, 1)
        hands.pause(20)
    settle(hands)
    result = hands.grid.visible_panes[1].view
    assert result.index == 10
    assert np.array_equal(result.hu, denoised(thin.hu[10])), "the slice that one rests upon"


def test_preview_off_brings_the_original_back(hands: Any, thin: Any) -> None:
    panel = begin(hands, thin)
    hands.press(panel.preview)
    assert shown(hands) == ["Thin slab"]
    assert [layer.name for layer in hands.session.layers] == ["Thin slab"]
    assert not panel.blend.isEnabled()
    hands.press(panel.preview)
    settle(hands)
    assert len(shown(hands)) == 3


def test_preview_off_and_on_again_in_the_midst(
    hands: Any, thin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands.open(thin)
    panel = hands.window.denoise_panel
    panel.choose("bilateral")
    slow_slices(monkeypatch, 0.2)
    for _ in range(3):
        hands.press(panel.preview)
        hands.pause(20)
    assert panel.preview.isChecked()
    settle(hands)
    assert len(shown(hands)) == 3
    assert np.array_equal(hands.grid.visible_panes[1].view.hu, denoised(thin.hu[7]))


def test_another_series_ends_the_preview_of_the_first(hands: Any, thin: Any, thick: Any) -> None:
    hands.open(thick)
    panel = begin(hands, thin)
    hands.window.series_panel.show_requested.emit(hands.layer("Thick slab"))
    settle(hands)
    live = [layer for layer in hands.session.layers if layer.kind == "live"]
    assert panel.preview.isChecked() == bool(live), "the button says what is there"
    assert all(layer.root.name == "Thick slab" for layer in live)
    assert "Thick slab" in shown(hands)
    assert "Thick slab" in panel._of.text()


def test_blend_is_exact(hands: Any, thin: Any) -> None:
    panel = begin(hands, thin, strength=150)
    original = thin.hu[7].astype(np.float32)
    full = denoised(thin.hu[7], strength=150.0)
    assert np.abs(full - original).max() > 1
    result, residual = (hands.grid.visible_panes[k].view for k in (1, 2))
    for percent, expected in (
        (0, original),
        (50, original + np.float32(0.5) * (full - original)),
        (100, full),
    ):
        panel.blend.setValue(percent)
        assert np.array_equal(result.hu, expected), percent
        assert np.array_equal(residual.hu, expected - original), percent
        assert panel._blend_label.text() == f"{percent} % denoised"


def test_apply_to_the_series(hands: Any, thin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hands.open(thin)
    panel = hands.window.denoise_panel
    panel.choose("bilateral", {"strength": 80.0})
    slow_series(monkeypatch, 0.01)
    done: list[Any] = []
    panel.applied.connect(done.append)
    texts: list[str] = []
    hands.session.layer_changed.connect(lambda *_: texts.append(panel._status.text()))
    hands.press(panel.apply_button)
    assert not panel.apply_button.isEnabled()
    assert panel.apply_button.text() == "Applying ..."
    hands.wait(lambda: hands.layer("Bilateral filter"), "for the growing layer")
    assert not hands.layer("Bilateral filter").complete
    assert shown(hands) == [
        "Thin slab",
        "Bilateral filter",
        "Bilateral filter \N{MINUS SIGN} original",
    ]
    strip = hands.window.job_strip
    hands.wait(lambda: strip.isVisible() and strip._bar.value() > 2)
    assert strip._bar.maximum() == 14
    assert "Denoising: Bilateral filter" in strip._text.text()
    hands.wait(lambda: done)
    layer = done[0]
    assert layer.complete
    expected = np.stack([denoised(hu, strength=80.0) for hu in thin.hu])
    for index in range(14):
        hands.grid.go_to(index)
        original, result, residual = (pane.view.hu for pane in hands.grid.visible_panes)
        assert np.array_equal(result, expected[index])
        assert np.array_equal(residual, expected[index] - thin.hu[index])
        assert np.array_equal(original, thin.hu[index])
    assert "Bilateral" in layer.stack.derivation[-1]
    assert "80" in layer.stack.derivation[-1]
    assert any(text.startswith("Slice") for text in texts)
    assert panel.apply_button.isEnabled()
    # The blend slider acts upon the series now.
    panel.blend.setValue(0)
    assert np.array_equal(hands.grid.visible_panes[1].view.hu, thin.hu[13].astype(np.float32))
    # A second time gives a second layer.
    hands.press(panel.apply_button)
    hands.idle("denoise")
    assert hands.layer("Bilateral filter (2)") is not None


def test_apply_ends_the_preview(hands: Any, thin: Any) -> None:
    panel = begin(hands, thin)
    hands.press(panel.apply_button)
    assert not panel.preview.isChecked()
    hands.idle("denoise")
    kinds = [layer.kind for layer in hands.session.layers]
    assert kinds == ["original", "denoised", "residual"]


def test_cancel_leaves_no_half_layer(
    hands: Any, thin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands.open(thin)
    panel = hands.window.denoise_panel
    panel.choose("bilateral")
    slow_series(monkeypatch, 0.2)
    hands.press(panel.apply_button)
    hands.wait(lambda: hands.layer("Bilateral filter"))
    hands.press(hands.window.job_strip.cancel)
    hands.idle("denoise")
    assert [layer.name for layer in hands.session.layers] == ["Thin slab"]
    assert shown(hands) == ["Thin slab"]
    assert panel.apply_button.isEnabled()
    assert panel._status.text() == "Cancelled; nothing was changed."
    assert not hands.window.job_strip.isVisible()


def test_a_failing_method_is_told(hands: Any, thin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise FloatingPointError("no good")

    hands.open(thin)
    panel = hands.window.denoise_panel
    panel.choose("tv")
    monkeypatch.setattr(ClassicalMethod, "denoise_slice", fail)
    hands.press(panel.preview)
    settle(hands)
    assert "FloatingPointError" in hands.banner()
    assert not panel.preview.isChecked()
    monkeypatch.setattr(ClassicalMethod, "denoise", fail)
    hands.press(panel.apply_button)
    hands.idle("denoise")
    assert len(hands.troubles) == 2
    assert [layer.name for layer in hands.session.layers] == ["Thin slab"]
    assert panel.apply_button.isEnabled()


def test_closing_the_series_under_a_preview(
    hands: Any, thin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = begin(hands, thin)
    slow_slices(monkeypatch, 0.1)
    panel.form.editor("strength").slider.setValue(700)
    hands.wait(lambda: hands.session.jobs.busy("preview"))
    hands.session.remove_layer(hands.layer("Thin slab"))
    assert hands.session.layers == []
    assert hands.window.empty.isVisible()
    hands.idle()
    assert not panel.preview.isChecked()
    assert not panel.preview.isEnabled()
    assert hands.troubles == []


@pytest.mark.parametrize("cancel", [True, False])
def test_closing_the_series_while_it_is_denoised(
    hands: Any, thin: Any, thick: Any, monkeypatch: pytest.MonkeyPatch, cancel: bool
) -> None:
    hands.open(thick, thin)
    panel = hands.window.denoise_panel
    panel.choose("bilateral")
    slow_series(monkeypatch, 0.01)
    job = panel.apply()
    hands.wait(lambda: hands.layer("Bilateral filter"))
    hands.session.remove_layer(hands.layer("Thin slab"))
    if cancel:
        job.cancel()
    hands.idle()
    assert [layer.name for layer in hands.session.layers] == ["Thick slab"]
    assert all(pane.layer in (None, *hands.session.layers) for pane in hands.grid.panes)
    assert hands.troubles == []


def test_closing_the_result_while_it_grows(
    hands: Any, thin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands.open(thin)
    panel = hands.window.denoise_panel
    panel.choose("bilateral")
    slow_series(monkeypatch, 0.01)
    hands.press(panel.apply_button)
    hands.wait(lambda: hands.layer("Bilateral filter"))
    hands.session.remove_layer(hands.layer("Bilateral filter"))
    hands.idle("denoise")
    assert [layer.name for layer in hands.session.layers] == ["Thin slab"]
    assert panel.apply_button.isEnabled()
    assert hands.troubles == []


def test_noise_of_a_very_large_slice_is_told_from_its_middle() -> None:
    """All of it would take seconds, for which a cancel or a closing window would have to wait."""
    rng = np.random.default_rng(3)
    hu = 40 + 60 * rng.standard_normal((1, 1200, 1200))
    hu[0, 88:1112, 88:1112] = 40 + 10 * rng.standard_normal((1024, 1024))
    place = Geometry(np.zeros((1, 3)), np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), (0.4, 0.4))
    volume = Volume(hu.astype(np.int16), np.ones(1), np.zeros(1), "HU", place, Source())
    (soft, *_) = finish(_noise(volume))
    assert soft.tissue == "Soft tissue"
    assert soft.sd_hu == pytest.approx(10, rel=0.05)
    assert soft.pixels <= 1024 * 1024

"""The window closes when asked to: it cancels, waits, and starts nothing new."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt

from ctstudio.core.events import Progress
from ctstudio.gui import opening
from ctstudio.workflows.denoise import ClassicalMethod


def closes(hands: Any) -> None:
    """What runs is cancelled: each test makes work that would last longer than the wait."""
    hands.window.close()
    hands.wait(lambda: not hands.window.isVisible())
    assert not hands.session.jobs.busy()


def _endless() -> Iterator[Progress]:
    for k in count():
        time.sleep(0.01)
        yield Progress(k, k + 1)


def test_an_idle_window_closes_at_once(hands: Any, thin: Any) -> None:
    hands.open(thin)
    hands.key(Qt.Key.Key_C)
    hands.window.actions_by_name["quit"].trigger()
    assert not hands.window.isVisible()
    index = hands.view.index
    hands.pause(200)
    assert hands.view.index == index, "the cine has stopped"


def test_while_folders_wait_to_be_searched(
    hands: Any, thin: Any, thick: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scanned: list[list[Path]] = []

    def slow(paths: list[Path]) -> Any:
        scanned.append(paths)
        yield from _endless()

    monkeypatch.setattr(opening, "_scan", slow)
    for sample in (thin, thick, thin):
        hands.drop(sample.folder)
    hands.wait(lambda: scanned)
    closes(hands)
    assert len(scanned) == 1
    assert hands.troubles == []


def test_while_a_series_is_read_and_another_waits(
    hands: Any, thin: Any, thick: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands.window.open_paths([thick.folder, thin.folder])
    hands.idle()
    read: list[str] = []
    plain = opening._read

    def slow(info: Any, gaze: Any) -> Any:
        read.append(info.title)
        work = plain(info, gaze)
        while True:
            try:
                event = next(work)
            except StopIteration:
                yield from _endless()
            yield event

    monkeypatch.setattr(opening, "_read", slow)
    for layer in list(hands.session.layers):
        hands.session.remove_layer(layer)
    first, second = hands.session.series
    hands.window.opener.open_series(first)
    hands.wait(lambda: hands.session.layers)
    hands.window.opener.open_series(second)
    closes(hands)
    assert len(read) == 1


def test_while_a_preview_is_computed(
    hands: Any, thin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands.open(thin)
    asked: list[int] = []
    plain = ClassicalMethod.denoise_slice

    def slow(self: ClassicalMethod, hu: Any) -> Any:
        asked.append(1)
        time.sleep(0.3)
        return plain(self, hu)

    monkeypatch.setattr(ClassicalMethod, "denoise_slice", slow)
    panel = hands.window.denoise_panel
    panel.choose("bilateral")
    hands.press(panel.preview)
    hands.wait(lambda: asked)
    panel.form.editor("strength").slider.setValue(800)
    hands.pause(90)
    closes(hands)
    assert len(asked) == 1, "no new preview on the way out"


def test_while_an_export_is_written(hands: Any, thin: Any, tmp_path: Path) -> None:
    hands.open(thin)
    folder = tmp_path / "export"
    folder.mkdir()
    hands.window.exporter.save_slices_gif(folder / "a.gif")
    hands.pause(30)
    closes(hands)
    assert list(folder.iterdir()) == []


def test_asked_twice(hands: Any, thin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def patient() -> Any:
        for k in range(300):
            time.sleep(0.01)
            yield Progress(k, 300)

    hands.session.jobs.start("export", "Something long", patient)
    hands.pause(30)
    hands.window.close()
    hands.window.close()
    assert "Closing" in hands.window.message_label.text()
    hands.wait(lambda: not hands.window.isVisible())

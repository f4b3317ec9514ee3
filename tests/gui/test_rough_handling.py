"""Closing a series at the worst moment: what was made of it for nobody does not turn up later."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ctstudio.workflows.denoise import ClassicalMethod


def test_closing_the_series_before_the_first_denoised_slice(
    hands: Any, thin: Any, thick: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands.open(thick, thin)
    plain = ClassicalMethod.denoise

    def denoise(self: ClassicalMethod, volume: Any, *, first: int | None = None) -> Any:
        time.sleep(0.3)  # the first slice takes its time
        return (yield from plain(self, volume, first=first))

    monkeypatch.setattr(ClassicalMethod, "denoise", denoise)
    hands.window.denoise_panel.choose("bilateral")
    hands.window.denoise_panel.apply()
    hands.session.remove_layer(hands.layer("Thin slab"))
    hands.idle()
    assert [layer.name for layer in hands.session.layers] == ["Thick slab"]
    assert hands.troubles == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_closes_the_window(tmp_path: Path, name: str) -> None:
    code = f"""
import os, signal, sys
from PySide6.QtCore import QTimer
from ctstudio.gui import app
app.make_application()
QTimer.singleShot(200, lambda: os.kill(os.getpid(), signal.{name}))
sys.exit(app.run([]))
"""
    settings = tmp_path / "settings.ini"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "CTSTUDIO_SETTINGS": str(settings)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert settings.is_file()  # the window's places were kept

"""Closing a series at the worst moment: what was made of it for nobody does not turn up later."""

from __future__ import annotations

import time
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

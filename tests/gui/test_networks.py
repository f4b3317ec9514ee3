"""A trained network is kept as a file and used again in another session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtWidgets import QFileDialog

from ctstudio.learn.apply import denoise_slice
from ctstudio.learn.checkpoint import TrainedModel, build, save
from ctstudio.learn.recipe import default_recipe


@pytest.fixture
def network(tmp_path: Path) -> tuple[TrainedModel, Path]:
    import torch

    torch.manual_seed(3)
    module = build(default_recipe()).eval()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    model = TrainedModel(default_recipe(), module, 7, {})
    path = tmp_path / "network.pt"
    save(model, path)
    return model, path


def test_a_network_from_a_file_becomes_a_method(
    hands: Any, thin: Any, network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, path = network
    hands.open(thin)
    panel = hands.window.denoise_panel
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, **__: (str(path), ""))
    hands.press(panel.load_button)
    hands.idle()
    assert panel.method.currentText().startswith("Network")
    hands.press(panel.apply_button)
    hands.idle()
    layer = next(la for la in hands.session.layers if la.kind == "denoised")
    expected = denoise_slice(thin.hu[5].astype(np.float32), model)
    assert np.abs(layer.stack.slice_hu(5) - expected).max() < 1e-2


def test_a_file_that_is_no_network_is_told(
    hands: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "letter.pt"
    path.write_text("Dear physicist")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, **__: (str(path), ""))
    hands.press(hands.window.denoise_panel.load_button)
    hands.idle()
    assert "letter.pt" in hands.banner()
    assert not hands.session.models

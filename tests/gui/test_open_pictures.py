"""Pictures in the window: a folder of them is a series like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def _pictures(folder: Path) -> Path:
    folder.mkdir()
    y, x = np.mgrid[:64, :64]
    for number in range(12):
        values = np.where((y - 32) ** 2 + (x - 32) ** 2 < 400, 100 + number, 20).astype(np.uint8)
        Image.fromarray(np.repeat(values[..., None], 3, axis=2)).save(folder / f"img{number}.png")
    return folder


def test_a_folder_of_pictures_opens_as_a_series(hands: Any, tmp_path: Path) -> None:
    hands.drop(_pictures(tmp_path / "pictures"))
    hands.wait(lambda: hands.layer("pictures", complete=True))
    hands.idle()
    layer = hands.layer("pictures")
    assert (layer.stack.shape, layer.stack.unit) == ((12, 64, 64), "")
    hands.grid.go_to(11)
    assert hands.view.hu[32, 32] == 111, "img11 is the last, after img10"
    assert hands.view.window.width_hu == 255
    assert "8-bit picture values 0 to 255, not HU." in hands.banner()
    # The same folder again is the same series.
    hands.drop(tmp_path / "pictures")
    hands.idle()
    assert len(hands.session.series) == len(hands.session.layers) == 1


def test_denoised_pictures_cannot_become_dicom_and_the_window_says_why(
    hands: Any, tmp_path: Path
) -> None:
    hands.drop(_pictures(tmp_path / "pictures"))
    hands.wait(lambda: hands.layer("pictures", complete=True))
    hands.press(hands.window.denoise_panel.apply_button)
    hands.wait(lambda: len(hands.session.layers) > 1 and hands.session.layers[1].complete)
    hands.idle()
    hands.window.exporter.save_dicom(hands.session.layers[1], tmp_path / "out")
    hands.idle("export")
    assert "does not say how large its pixels are" in hands.banner()
    assert not (tmp_path / "out").exists()

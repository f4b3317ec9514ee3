"""The notebook of the guide does what it says."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from ctstudio.resources import resource


@pytest.mark.timeout(120)
def test_the_notebook_trains(
    test_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    notebook = json.loads(resource("guide").joinpath("train.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    assert len(cells[0].splitlines()) == 10
    series = str(test_data / "lungdx_A0002_B40f_smooth")
    assert "path/to/series" in cells[0]
    code = cells[0].replace("path/to/series", series).replace('"seconds": 60', '"steps": 12')
    code = code.replace("dncnn-low-dose", "dncnn-gaussian")  # which needs no preparation
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(os.environ, "MPLBACKEND", "Agg")
    matplotlib.use("Agg")
    space: dict[str, Any] = {}
    exec(code, space)
    exec(cells[1], space)
    assert list(space["picture"]) == ["noisy", "reconstruction", "target", "residual"]
    assert (tmp_path / "my-run" / "best.pt").exists()
    assert "protocol A" in capsys.readouterr().out
    assert [axis.get_title() for axis in space["axes"]] == list(space["picture"])
    matplotlib.pyplot.close("all")

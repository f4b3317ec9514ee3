"""``ctstudio phantom``: what it refuses, before it draws anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ctstudio.cli import main


@pytest.mark.parametrize("option", ["--field", "--thickness"])
@pytest.mark.parametrize("value", ["nan", "inf", "-1", "1e9", "wide"])
def test_a_size_must_be_a_number_within_its_range(
    option: str, value: str, refused: Callable[[Sequence[str]], tuple[int, str]]
) -> None:
    status, told = refused(["phantom", option, value, "--out", "out"])
    assert status == 2
    assert option in told


def test_a_folder_that_holds_something_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ctstudio.ct import phantom

    monkeypatch.setattr(phantom, "phantom", lambda *a, **k: pytest.fail("it was drawn"))
    (tmp_path / "mine").write_text("kept")
    assert main.run(["phantom", "--out", str(tmp_path)]) == 1
    assert "not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]

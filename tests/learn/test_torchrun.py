"""What the environment says of processes that train together."""

from __future__ import annotations

import pytest

from ctstudio.core.errors import StudioError
from ctstudio.learn.torchrun import is_follower, number, process_count


@pytest.mark.parametrize(
    ("rank", "size", "follows"),
    [
        (None, None, False),
        ("", "", False),
        ("1", None, False),  # alone: it must tell of what it does
        ("1", "1", False),
        ("0", "2", False),
        ("1", "2", True),
    ],
)
def test_who_follows(
    rank: str | None, size: str | None, follows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("RANK", rank), ("WORLD_SIZE", size)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert is_follower() == follows
    assert process_count() == int(size or 1)


@pytest.mark.parametrize("text", ["x", "-1", "1.5", "²", "9" * 5000])
def test_what_is_no_number_is_said(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", text)
    with pytest.raises(StudioError, match=r"WORLD_SIZE is .* no number") as caught:
        number("WORLD_SIZE", 1)
    assert "unset it" in caught.value.hint

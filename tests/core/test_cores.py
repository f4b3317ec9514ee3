"""Long work takes every core, or leaves one to the window."""

from __future__ import annotations

import os

import pytest
import torch

from ctstudio.core import cores
from ctstudio.learn.device import cap_threads, use_threads


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cores, "_for_window", 0)
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("there", "with_window"), [(1, 1), (2, 1), (8, 7)])
def test_all_but_the_one_of_the_window(
    monkeypatch: pytest.MonkeyPatch, there: int, with_window: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(there)), raising=False)
    assert cores.usable() == there
    cores.keep_one_for_the_window()
    assert cores.usable() == with_window


def test_where_the_system_tells_of_no_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores.usable() == 1


def test_torch_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)), raising=False)
    use_threads(0)
    assert torch.get_num_threads() == 4
    use_threads(2)
    cap_threads()
    assert torch.get_num_threads() == 2
    cores.keep_one_for_the_window()
    use_threads(0)
    assert torch.get_num_threads() == 3
    use_threads(9)
    assert torch.get_num_threads() == 3

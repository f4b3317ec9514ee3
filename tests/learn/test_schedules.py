"""Schedules against closed forms and torch's own."""

from __future__ import annotations

import numpy as np
import pytest

from ctstudio.core.registry import Choice
from ctstudio.learn.schedules import SCHEDULES


def test_schedules_agree_with_closed_forms() -> None:
    shares = np.linspace(0, 1, 11)

    def values(name: str, **settings: float) -> list[float]:
        schedule = SCHEDULES.make(Choice(name, settings))
        return [schedule(float(share)) for share in shares]

    assert values("constant") == [1.0] * 11
    cosine = 0.1 + 0.9 * 0.5 * (1 + np.cos(np.pi * shares))
    assert values("cosine", warmup=0, floor=0.1) == pytest.approx(cosine)
    assert values("linear", floor=0.2) == pytest.approx(1 - 0.8 * shares)
    assert values("exponential", end=0.01) == pytest.approx(0.01**shares)
    drops = [1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125, 0.125]
    assert values("steps", drops=3, factor=0.5) == pytest.approx(drops)
    warm = values("cosine", warmup=0.2)
    assert warm[:3] == pytest.approx([0.01, 0.5, 1.0])
    assert warm[-1] == pytest.approx(0)
    assert SCHEDULES.make(Choice("linear"))(7.0) == pytest.approx(0)

"""What a running training has told so far, growing; the figures take a frozen copy."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ctstudio.core.events import Step, Validation
from ctstudio.figures.curves import History


@dataclass(eq=False)
class RunLog:
    """Lists that only grow: appending is cheap, and a curve is redrawn from them."""

    step: list[int] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    total_loss: list[float] = field(default_factory=list)
    losses: dict[str, list[float]] = field(default_factory=dict)
    validation_step: list[int] = field(default_factory=list)
    metrics: dict[str, list[float]] = field(default_factory=dict)
    baseline: dict[str, float] = field(default_factory=dict)
    protocol: str = "A"

    def add_step(self, event: Step) -> None:
        before = len(self.step)
        self.step.append(event.step)
        self.lr.append(event.lr)
        self.seconds.append(event.seconds)
        total = event.losses.get("loss", sum(event.losses.values()))
        self.total_loss.append(float(total))
        for name, value in event.losses.items():
            row = self.losses.setdefault(name, [float("nan")] * before)
            row.append(float(value))

    def add_validation(self, event: Validation) -> None:
        self.protocol = event.protocol
        before = len(self.validation_step)
        self.validation_step.append(event.step)
        for name, value in event.metrics.items():
            self.metrics.setdefault(name, [float("nan")] * before).append(float(value))
        self.baseline.update({name: float(value) for name, value in event.baseline.items()})

    def _terms(self) -> dict[str, np.ndarray]:
        """The total, and its terms where there are several."""
        terms = {k: v for k, v in self.losses.items() if k != "loss"}
        shown = {"loss": self.total_loss} | (terms if len(terms) > 1 else {})
        return {name: np.array(values) for name, values in shown.items()}

    def history(self) -> History:
        """A copy as arrays."""
        return History(
            step=np.array(self.step),
            losses=self._terms(),
            lr=np.array(self.lr),
            validation_step=np.array(self.validation_step),
            validation={name: np.array(values) for name, values in self.metrics.items()},
            baseline=dict(self.baseline),
            protocol=self.protocol,
        )

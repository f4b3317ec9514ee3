"""The figures of a running training: step, time left, speed, loss, and metrics by protocol."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TypeAlias

from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from ctstudio.core.events import Validation
from ctstudio.gui.session import Run
from ctstudio.gui.translation.catalogue import tr
from ctstudio.gui.words import seconds_in_words
from ctstudio.learn.metrics_log import LABEL_METRICS

LEFT = (
    ("step", "Step"),
    ("left", "Time left"),
    ("rate", "Steps/s"),
    ("patches", "Patches/s"),
    ("loss", "Loss"),
)
RIGHT = (("psnr", "PSNR"), ("ssim", "SSIM"), ("rmse", "RMSE"))
OF_LABELS = (("dice", "Dice"), ("iou", "IoU"), ("auc", "AUC"))
METRICS = (("psnr", " dB", 2), ("ssim", "", 3), ("rmse", " HU", 2))
Measures: TypeAlias = tuple[tuple[str, str], ...]
HELD_OUT = "Of held-out slices, which are not learnt from"
RATE_OVER = 40  # readings


class RunNumbers(QWidget):
    """Two columns of numbers; `refresh` a few times a second is enough."""

    def __init__(self) -> None:
        super().__init__()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(2)
        self.labels: dict[str, QLabel] = {}
        self._names: dict[str, QLabel] = {}
        self._readings: list[tuple[float, int]] = []
        for column, names in ((0, LEFT), (2, RIGHT)):
            for row, (key, name) in enumerate(names):
                name = tr(name)
                label, value = QLabel(name), QLabel("-")
                label.setProperty("role", "muted")
                value.setProperty("role", "number")
                value.setAccessibleName(name)
                grid.addWidget(label, row, column)
                grid.addWidget(value, row, column + 1)
                self.labels[key], self._names[key] = value, label
        grid.setColumnStretch(1, 3)
        grid.setColumnStretch(3, 4)
        self.protocol = QLabel("")
        self.protocol.setProperty("role", "muted")
        self.protocol.setToolTip(tr("The protocol under which PSNR, SSIM and RMSE are computed"))
        grid.addWidget(self.protocol, 3, 2, 1, 2)

    def clear(self) -> None:
        """Forget the training before."""
        self._readings = []
        self.protocol.clear()
        self._name(RIGHT)
        for value in self.labels.values():
            value.setText("-")
            value.setToolTip("")

    def _name(self, measures: Measures) -> None:
        """Give the right column the names of what is measured."""
        for (key, _), (_, words) in zip(RIGHT, measures, strict=True):
            self._names[key].setText(tr(words))
            self.labels[key].setAccessibleName(tr(words))

    def forget_rate(self) -> None:
        """The clock stood still (a pause): measure the speed anew."""
        self._readings = []

    def refresh(self, run: Run, running: bool) -> None:
        """Show where ``run`` is."""
        if not run.history.step:
            return
        step = run.history.step[-1]
        timed = run.recipe.stopping.seconds > 0
        self.labels["step"].setText(
            str(step) if timed else tr("{0} of {1}").format(step, run.recipe.total_steps)
        )
        self.labels["loss"].setText(f"{run.history.total_loss[-1]:.4g}")
        if running and run.state == "running":
            self._readings = [*self._readings[-RATE_OVER:], (time.monotonic(), step)]
            (t0, s0), (t1, s1) = self._readings[0], self._readings[-1]
            if t1 > t0:
                rate = (s1 - s0) / (t1 - t0)
                self.labels["rate"].setText(f"{rate:.1f}")
                self.labels["patches"].setText(f"{rate * run.recipe.batch:.0f}")
        known = estimate(run) if running else None
        self.labels["left"].setText(seconds_in_words(known[1]) if known else "-")

    def show_validation(self, event: Validation) -> None:
        """Show the metrics, and beside them (as a tool tip) those of the noisy input."""
        for key, unit, digits in METRICS:
            now, before = event.metrics.get(key), event.baseline.get(key)
            if now is not None and before is not None:
                self.labels[key].setText(f"{now:.{digits}f}{unit}")
                self.labels[key].setToolTip(
                    tr("Noisy input: {0}; network: {1} ({2})").format(
                        f"{before:.{digits}f}{unit}",
                        f"{now:.{digits}f}{unit}",
                        f"{now - before:+.{digits}f}",
                    )
                )
        if "dice" in event.metrics:
            self._show_labels(event.metrics)
        elif "loss" in event.metrics:
            self.protocol.setText(f"{tr('Held-out loss')} {event.metrics['loss']:.4g}")
            self.protocol.setToolTip(tr(HELD_OUT))
        else:
            self.protocol.setText(tr("protocol {0}, held-out slices").format(event.protocol))

    def _show_labels(self, metrics: Mapping[str, float]) -> None:
        """Masks are told by how they overlap with the true ones."""
        self._name(OF_LABELS)
        told = [tr(HELD_OUT)]
        for name, title in LABEL_METRICS.items():
            if name in metrics:
                told.append(f"{tr(title)}: {metrics[name]:.4g}")
        for (place, _), (name, _) in zip(RIGHT, OF_LABELS, strict=True):
            value = metrics.get(name)
            self.labels[place].setText("-" if value is None else f"{value:.3f}")
            self.labels[place].setToolTip("\n".join(told))
        self.protocol.setText(tr("held-out slices"))
        self.protocol.setToolTip("\n".join(told))


def estimate(run: Run) -> tuple[float, float] | None:
    """How much of a training is done (0 to 1), and the seconds that are left; None at first."""
    if len(run.history.step) < 3 or run.history.seconds[-1] <= 0:
        return None
    step, seconds = run.history.step[-1], run.history.seconds[-1]
    left = seconds / step * (run.recipe.total_steps - step)
    if run.recipe.stopping.seconds:
        left = min(left, run.recipe.stopping.seconds - seconds)
    left = max(left, 0.0)
    return seconds / (seconds + left), left

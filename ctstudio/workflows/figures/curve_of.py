"""A training's curve, as a cell of a figure shows it."""

from __future__ import annotations

from ctstudio.figures.description import CellSpec
from ctstudio.figures.plot import Plot
from ctstudio.workflows.figures.material import Training

CURVES = {"psnr": "dB", "ssim": "", "rmse": "HU", "dice": ""}


def curve_of(cell: CellSpec, training: Training, step: int | None) -> Plot:
    """The plot of a cell; in a film it is marked where ``step``, the number of a picture, lies."""
    history = training.history
    mark = None
    if step is not None:
        mark = float(training.steps[min(step, len(training.steps) - 1)])
    title = cell.title or cell.curve.upper()
    if cell.curve == "loss":
        lines = {name: (history.step, values) for name, values in history.losses.items()}
        return Plot(lines, title, cell.caption, "log scale", logarithmic=True, mark=mark)
    values = history.validation.get(cell.curve)
    lines = {} if values is None else {"validation": (history.validation_step, values)}
    level = history.baseline.get(cell.curve)
    return Plot(
        lines,
        title,
        cell.caption,
        CURVES[cell.curve],
        level=None if level is None else (level, "noisy input"),
        mark=mark,
    )

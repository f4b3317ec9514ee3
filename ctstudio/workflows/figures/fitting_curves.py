"""Curves of what a training was judged by: of one that learns masks the Dice coefficient."""

from __future__ import annotations

from dataclasses import replace

from ctstudio.figures.description import CellSpec, FigureSpec
from ctstudio.workflows.figures.material import Material

OF_IMAGES = ("psnr", "ssim", "rmse")


def with_fitting_curves(spec: FigureSpec, material: Material) -> FigureSpec:
    """The description without empty curves: templates do not know what a training learns.

    A curve that was never logged is that of Dice where the training has one.
    """

    def fitted(cell: CellSpec) -> CellSpec:
        training = material.trainings.get(cell.layer)
        if training is None or cell.curve not in OF_IMAGES:
            return cell
        # A folder without pictures is no training, and that is what shall be said of it.
        logged = training.history.validation if training.steps else {}
        if cell.curve in logged or "dice" not in logged:
            return cell
        own = cell.title.lower().startswith(cell.curve)
        return replace(cell, curve="dice", title="Dice" if own else cell.title)

    rows = tuple(tuple(map(fitted, row)) for row in spec.rows)
    return replace(spec, rows=rows)

"""The live picture of the window "Figure": the figure at the resolution of a screen."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtGui import QImage

from ctstudio.core.events import Progress, Work
from ctstudio.figures.description import FigureSpec
from ctstudio.figures.scene import Place, Scene
from ctstudio.gui.composer.preview import to_qimage
from ctstudio.workflows.figures.differences import cells_drawn
from ctstudio.workflows.figures.material import Material

SCREEN_PX = 1800
"""The live picture is drawn no wider: the resolution of paper would only make it late."""


def drawn_for_screen(spec: FigureSpec, material: Material) -> Work[tuple[Scene, QImage]]:
    """The figure at the resolution of a screen."""
    from ctstudio.figures.sheet import MM_PER_INCH
    from ctstudio.workflows.figures.make import still

    yield Progress(0, 1, "Drawing")
    checked = FigureSpec.from_dict(spec.to_dict())
    style = checked.style
    if not style.pixel_exact:
        dpi = max(min(style.dpi, round(SCREEN_PX / style.width_mm * MM_PER_INCH)), 30)
        checked = replace(checked, style=replace(style, dpi=dpi))
    scene = still(checked, material)
    return replace(scene, places=_described(scene.places, checked, material)), to_qimage(scene)


def _described(
    places: tuple[Place, ...], spec: FigureSpec, material: Material
) -> tuple[Place, ...]:
    """Places with the cells of the description that they come from; differences have none."""
    cells = cells_drawn(spec, material)
    found = ((place, cells[place.row][place.column]) for place in places)
    return tuple(replace(p, row=c.row, column=c.column) for p, c in found if c is not None)

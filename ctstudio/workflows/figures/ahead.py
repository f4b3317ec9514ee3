"""What methods make of the slices of a figure, before it is drawn: told, and to be stopped."""

from __future__ import annotations

from dataclasses import replace

from ctstudio.core.events import Progress, Work
from ctstudio.figures.description import FigureSpec
from ctstudio.workflows.figures.build import At, Builder
from ctstudio.workflows.figures.material import Material, Treated


def ahead(spec: FigureSpec, material: Material) -> Work[None]:
    """Let each method make the slices that a figure shows; they are kept until it is drawn.

    Yields Progress before each of them: a network may take many seconds, and drawing is one step.

    Raises
    ------
    StudioError
        When a slice is not there, or a method fails.
    """
    builder = Builder.of(spec, material)
    wanted: dict[tuple[str, int], None] = {}
    for cell in builder.spec.cells:
        if not cell.layer or cell.curve or cell.plane != "stored":
            continue
        names = [cell.layer, cell.against, cell.beside]
        for name in names:
            if name and (layer := builder.spec.layer(name)).source == "difference":
                names += [layer.of, layer.minus]
        for name in names:
            stack = builder.material.stacks.get(name)
            if isinstance(stack, Treated):
                index = builder.index(replace(cell, layer=name), stack, At())
                wanted[name, index] = None
    for done, (name, index) in enumerate(wanted):
        title = material.hide(material.titles.get(name, name))
        yield Progress(done, len(wanted), f"Denoising with {title}")
        builder.material.stacks[name].slice_hu(index)

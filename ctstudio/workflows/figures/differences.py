"""The row of differences that a description may ask for, below every row of pictures."""

from __future__ import annotations

from dataclasses import replace

from ctstudio.core.errors import StudioError
from ctstudio.ct.planes import in_plane
from ctstudio.ct.views import Difference
from ctstudio.figures.description import CellSpec, FigureSpec, LayerSpec
from ctstudio.workflows.figures.material import Material


def with_differences(spec: FigureSpec, material: Material) -> tuple[FigureSpec, Material]:
    """The description with these rows written out, and the slices that they show.

    Without ``differences`` both stay as they are. A row of differences alone gets none; such a
    difference beside its picture goes below it.
    """
    ground = spec.differences
    if not ground:
        return spec, material
    if ground not in material.stacks:
        raise StudioError(
            f"The differences are those from {ground}, which is not there.",
            hint="Open it, or choose another layer for the row of differences.",
        )
    layers, stacks = list(spec.layers), dict(material.stacks)
    rows: list[tuple[CellSpec, ...]] = []
    for whole_row in spec.rows:
        row = _without_these(whole_row, spec)
        rows.append(row)
        below = []
        for cell in row:
            name = f"{cell.layer} - {ground}"
            if _differs(cell, spec, material):
                if name not in stacks:
                    layers.append(LayerSpec(name, "difference", of=cell.layer, minus=ground))
                    stacks[name] = Difference(stacks[ground], stacks[cell.layer])
                kept = replace(cell, layer=name, window="", title="", caption="{window}")
                below.append(replace(kept, against="", mask=""))
            else:
                below.append(CellSpec())
        if any(cell.layer for cell in below):
            rows.append(tuple(below))
    whole = replace(spec, layers=tuple(layers), rows=tuple(rows), differences="")
    return whole, replace(material, stacks=stacks)


def _without_these(row: tuple[CellSpec, ...], spec: FigureSpec) -> tuple[CellSpec, ...]:
    """A row without the differences that come below its pictures; others keep their places."""
    shown = {cell.layer for cell in row}
    kept = []
    for cell in row:
        layer = spec.layer(cell.layer) if cell.layer else None
        below = layer is not None and layer.minus == spec.differences and layer.of in shown
        kept.append(CellSpec() if below else cell)
    while kept and kept[-1] != row[len(kept) - 1]:
        del kept[-1]
    return tuple(kept)


def rows_drawn(spec: FigureSpec, material: Material) -> list[int]:
    """For each row of the figure that is drawn, the row of the description that it belongs to."""
    if not spec.differences:
        return list(range(len(spec.rows)))
    numbers: list[int] = []
    for number, row in enumerate(spec.rows):
        below = any(_differs(cell, spec, material) for cell in row)
        numbers += [number] * (2 if below else 1)
    return numbers


def _differs(cell: CellSpec, spec: FigureSpec, material: Material) -> bool:
    """Whether there is a picture that the ground can be taken from."""
    ground = material.stacks[spec.differences]
    stack = material.stacks.get(cell.layer)
    if stack is None or cell.layer == spec.differences:
        return False
    signed = spec.layer(cell.layer).source == "difference"
    if cell.plane != "stored":
        return (
            not signed
            and in_plane(stack, cell.plane).shape == in_plane(ground, cell.plane).shape
            and stack.unit == ground.unit
        )
    return not signed and stack.shape == ground.shape and stack.unit == ground.unit

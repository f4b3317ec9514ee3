"""The differences that a description may ask for, of every row of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ctstudio.core.errors import StudioError
from ctstudio.ct.common_place import misfit
from ctstudio.ct.planes import in_plane
from ctstudio.figures.description import CellSpec, FigureSpec, LayerSpec
from ctstudio.workflows.figures.material import Material, difference
from ctstudio.workflows.figures.naming import short, title_in

MOST = 5
"""In so many columns of a single row differences stand beside their pictures, else below them."""


@dataclass(frozen=True)
class Drawn:
    """A cell of the figure that is drawn: that of the description, or a difference of it."""

    row: int
    column: int
    difference: bool = False


def with_differences(spec: FigureSpec, material: Material) -> tuple[FigureSpec, Material]:
    """The description with the differences written out, and the slices that they show.

    Without ``differences`` both stay as they are. A row of differences alone gets none; such a
    difference beside its picture goes where the others are.
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
    for places in cells_drawn(spec, material):
        row = []
        for place in places:
            cell = CellSpec() if place is None else spec.rows[place.row][place.column]
            if place is not None and place.difference:
                name = f"{cell.layer} - {ground}"
                if name not in stacks:
                    layers.append(LayerSpec(name, "difference", of=cell.layer, minus=ground))
                    stacks[name] = difference(stacks[cell.layer], stacks[ground])
                kept = replace(cell, layer=name, window="", title="", caption="{window}")
                cell = replace(kept, against="", mask="", beside="")
            row.append(cell)
        rows.append(tuple(row))
    whole = replace(spec, layers=tuple(layers), rows=tuple(rows), differences="")
    return whole, replace(material, stacks=stacks)


def cells_drawn(spec: FigureSpec, material: Material) -> list[list[Drawn | None]]:
    """The rows of the figure that is drawn, by what each place of them comes from; None: empty."""
    places: list[list[Drawn | None]] = []
    for r, row in enumerate(spec.rows):
        own: list[Drawn | None] = [Drawn(r, c) for c in range(len(row))]
        if not spec.differences:
            places.append(own)
            continue
        below: list[Drawn | None] = [
            Drawn(r, c, True) if _differs(cell, spec, material) else None
            for c, cell in enumerate(row)
        ]
        own = _trimmed(
            [None if _is_one(c, row, spec) else p for c, p in zip(row, own, strict=True)]
        )
        found = [place for place in below if place is not None]
        if len(spec.rows) == 1 and len(own) + len(found) <= MOST:
            places.append([*own, *found])
        else:
            places += [own, below] if found else [own]
    return places


def left_out(spec: FigureSpec, material: Material) -> list[str]:
    """A sentence on each difference that a description asks for and that is not drawn."""
    told: dict[str, None] = {}
    ground = spec.differences
    for cell in spec.cells if ground in material.stacks else ():
        stack = material.stacks.get(cell.layer)
        if stack is None or cell.plane == "stored" or spec.layer(cell.layer).source == "difference":
            continue
        why = misfit(in_plane(stack, cell.plane), in_plane(material.stacks[ground], cell.plane))
        if why:
            titles = (short(title_in(spec, material.titles, n)) for n in (cell.layer, ground))
            one, other = (material.hide(title) for title in titles)
            told[
                f"There is no difference of {one} and {other}: in the {cell.plane} plane {why}."
            ] = None
    return list(told)


def _is_one(cell: CellSpec, row: Sequence[CellSpec], spec: FigureSpec) -> bool:
    """Whether a cell shows a difference that stands elsewhere, since it was asked for."""
    layer = spec.layer(cell.layer) if cell.layer else None
    shown = {other.layer for other in row}
    return layer is not None and layer.minus == spec.differences and layer.of in shown


def _trimmed(places: list[Drawn | None]) -> list[Drawn | None]:
    while places and places[-1] is None:
        del places[-1]
    return places


def _differs(cell: CellSpec, spec: FigureSpec, material: Material) -> bool:
    """Whether there is a picture that the ground can be taken from."""
    ground = material.stacks[spec.differences]
    stack = material.stacks.get(cell.layer)
    if stack is None or cell.layer == spec.differences:
        return False
    signed = spec.layer(cell.layer).source == "difference"
    if cell.plane != "stored" and not signed:
        return not misfit(in_plane(ground, cell.plane), in_plane(stack, cell.plane))
    return not signed and not misfit(ground, stack)

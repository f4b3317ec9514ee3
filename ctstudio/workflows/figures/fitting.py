"""Whether the pictures that a figure compares can be compared, and what to say where not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ctstudio.core.errors import StudioError
from ctstudio.ct.common_place import counterpart, misfit
from ctstudio.ct.views import SliceStack
from ctstudio.figures.description import CellSpec, FigureSpec, Plane
from ctstudio.workflows.figures.material import Material
from ctstudio.workflows.figures.naming import ROLES, short
from ctstudio.workflows.figures.templates import ORIGINAL


def require_fit(spec: FigureSpec, material: Material) -> None:
    """Refuse a figure that measures or subtracts what does not lie in one place.

    Raises
    ------
    StudioError
        With both pictures and the reason.
    """
    for one, other in _compared(spec, material):
        if why := misfit(material.stacks[one], material.stacks[other]):
            raise StudioError(
                f"{_called(material, one)} cannot be compared with "
                f"{_called(material, other, within=True)}: {why}.",
                hint="Give a series of the same scan, such as another reconstruction or dose.",
            )


def without_misfits(spec: FigureSpec, material: Material) -> tuple[FigureSpec, list[str]]:
    """The description without metrics that mean nothing, and a sentence on each of them."""
    told: dict[str, None] = {}

    def kept(cell: CellSpec) -> CellSpec:
        if not {cell.layer, cell.against} <= set(material.stacks) or not cell.against:
            return cell
        why = misfit(material.stacks[cell.layer], material.stacks[cell.against])
        if not why:
            return cell
        # It goes into a file: what a hospital calls a series stays out of that.
        one = material.titles.get(cell.layer, cell.layer)
        other = short(material.titles.get(cell.against, cell.against))
        told[f"{one} is not measured against {other}: {why}."] = None
        return replace(cell, against="")

    rows = tuple(tuple(kept(cell) for cell in row) for row in spec.rows)
    return replace(spec, rows=rows), list(told)


def unmeasured(plane: Plane, own: SliceStack, truth: SliceStack) -> str:
    """Why slices cut in ``plane`` cannot be measured against others, in a clause, or ""."""
    if truth.unit != "HU":
        return "its values are not HU"
    why = misfit(own, truth)
    return f"in the {plane} plane {why}" if why and plane != "stored" else why


def counting(spec: FigureSpec, material: Material) -> CellSpec | None:
    """The cell whose slices a figure counts: the first that shows the original or what was made
    of it, else the first that shows slices."""
    shown = [cell for cell in spec.cells if cell.layer in material.stacks]
    own = (cell for cell in shown if from_original(spec, cell.layer))
    return next(own, shown[0] if shown else None)


def from_original(spec: FigureSpec, name: str) -> bool:
    """Whether a layer is the first series, or a method's result of it."""
    layer = spec.layer(name)
    while layer.source == "method":
        layer = spec.layer(layer.of)
    return layer.source == "series" and layer.number == 1


def compared_stacks(spec: FigureSpec, material: Material) -> list[SliceStack]:
    """Of all pictures of a figure, and what they are measured against or taken from."""
    names = {cell.layer: None for cell in spec.cells}
    for one, other in _compared(spec, material):
        names |= {one: None, other: None}
    return [material.stacks[name] for name in names if name in material.stacks]


def slice_at(leader: SliceStack, index: int, stack: SliceStack, layer: str) -> int:
    """The slice of ``stack`` that lies where slice ``index`` of ``leader`` does.

    Of stacks that have nothing in common it is the slice of that number, or the nearest.

    Raises
    ------
    StudioError
        Where ``stack`` has no slice there.
    """
    if leader.geometry is stack.geometry:
        return index
    if misfit(leader, stack):
        if len(stack) == len(leader):
            return index
        return stack.geometry.nearest_slice(leader.geometry.positions_mm[index])
    found = counterpart(leader, index, stack)
    if found is None:
        there = [k + 1 for k in range(len(leader)) if counterpart(leader, k, stack) is not None]
        raise StudioError(
            f"{layer.capitalize()} has no slice where slice {index + 1} of the {ORIGINAL} lies.",
            hint=f"It has those at slices {there[0]} to {there[-1]} of {len(leader)}.",
        )
    return found


def _compared(spec: FigureSpec, material: Material) -> Iterator[tuple[str, str]]:
    """The pairs of layers that a figure measures, subtracts or lays upon each other."""
    if ground := spec.differences:
        for name in dict.fromkeys(cell.layer for cell in spec.cells):
            there = {name, ground} <= set(material.stacks)
            if there and spec.layer(name).source in ("series", "method"):
                yield name, ground
    for cell in spec.cells:
        if not cell.layer or cell.curve:
            continue
        pairs = [(cell.layer, cell.against), (cell.layer, cell.beside)]
        pairs += _terms(spec, cell.layer)
        if cell.beside:
            pairs += _terms(spec, cell.beside)
        for one, other in pairs:
            if one in material.stacks and other in material.stacks:
                yield one, other


def _terms(spec: FigureSpec, name: str) -> list[tuple[str, str]]:
    layer = spec.layer(name)
    return [(layer.of, layer.minus)] if layer.source == "difference" else []


def _called(material: Material, name: str, *, within: bool = False) -> str:
    """A layer, and the series that it comes from: what a hospital calls it is no one's name."""
    title = material.titles.get(name, name)
    role = title.partition(" (")[0]
    if role in ROLES:  # the description tells more than the kernel
        title = role.lower() if within else role
    words = material.hide(material.stacks[name].source.description)
    return f"{title} ({words})" if words else title

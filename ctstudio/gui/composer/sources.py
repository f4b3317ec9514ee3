"""What is open, as the layers of a figure: by roles, so that no name of a series travels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize

from ctstudio.ct.common_place import misfit
from ctstudio.ct.labels import LABEL_UNIT
from ctstudio.ct.planes import in_plane
from ctstudio.ct.views import Difference, SliceStack
from ctstudio.figures.description import (
    ALL,
    MIDDLE,
    CellSpec,
    FigureSpec,
    FilmSpec,
    LayerSpec,
    Letters,
    Plane,
    StyleSpec,
)
from ctstudio.figures.motion import usual_seconds
from ctstudio.gui.composer.seen import alike, counted, part_words, window_words
from ctstudio.gui.export_shots import PaneShot, frozen, shoot
from ctstudio.gui.masks.overlay import Masks
from ctstudio.gui.masks.roles import is_live, is_mask
from ctstudio.gui.session import Layer, Session
from ctstudio.gui.translation.sentences import called
from ctstudio.gui.viewer.linking import same_space
from ctstudio.gui.viewer.places import slice_rect
from ctstudio.gui.viewer.view_grid import ViewGrid
from ctstudio.workflows.figures.material import (
    Material,
    Training,
    difference,
    hidden_labels,
)
from ctstudio.workflows.figures.naming import series_title, training_title, with_kernels
from ctstudio.workflows.figures.overlays import Overlay
from ctstudio.workflows.figures.templates import ORIGINAL, REFERENCE, TRAINING, Given
from ctstudio.workflows.figures.wording import method_of
from ctstudio.workflows.scan_alone import text_of

if TYPE_CHECKING:
    from ctstudio.workflows.denoise import Method

PICTURES = ("noisy", "reconstruction", "target", "residual")
SCANS = ("original", "mended", "simulated")


@dataclass(frozen=True)
class Offer:
    """A layer that a figure may show: what it is in a description, what people call it."""

    spec: LayerSpec
    label: str
    layer: Layer | None = None


class Sources:
    """The layers of the session in roles: the active scan is the original, the next the reference.

    Made anew whenever the composer asks, so it never shows what was closed. ``folder`` is that of a
    training; without it, that of the one in the window. ``first`` is the original, if it is open.
    """

    def __init__(
        self,
        session: Session,
        grid: ViewGrid,
        masks: Masks,
        folder: Path | None = None,
        first: Layer | None = None,
    ) -> None:
        self._session, self._grid, self._masks = session, grid, masks
        self.offers: list[Offer] = []
        scans = [la for la in self._usable(session.layers) if la.kind in SCANS]
        active = session.active.scan if session.active is not None else None
        denoised_of = [la.scan for la in session.layers if la.kind == "denoised"]
        if first not in scans:
            first = next((la for la in denoised_of if la in scans), active)
        scans.sort(key=lambda la: la is not first)
        # What is compared with the original lies where it does; others stand beside it at most.
        own = scans[0] if scans else None
        fitting = [
            la
            for la in scans[1:]
            if own and same_space(own, la) and not misfit(own.stack, la.stack)
        ][:1]
        scans.sort(key=lambda la: la is not own and la not in fitting)
        for number, layer in enumerate(scans, start=1):
            name = f"series {number}"
            if layer is own or layer in fitting:
                name = ORIGINAL if layer is own else REFERENCE
            self._add(LayerSpec(name, number=number), layer)
        for kind in ("denoised", "residual"):
            for layer in self._usable(session.layers):
                if layer.kind == kind:
                    self._derived(layer)
        number = 0
        for layer in session.layers:
            if layer.complete and is_mask(layer) and not is_live(layer):
                number += 1
                hidden = sorted(masks.style(layer).hidden)
                settings = {"hidden": hidden} if hidden else {}
                self._add(LayerSpec(f"mask {number}", "mask", number, settings=settings), layer)
        latest = session.run.folder if session.run is not None else None
        self.folder: Path | None = folder or latest
        if self.folder is not None and self._has_pictures(self.folder):
            for picture in PICTURES:
                name = TRAINING if picture == "reconstruction" else f"{TRAINING}: {picture}"
                spec = LayerSpec(name, "run", picture=picture)  # type: ignore[arg-type]
                title = training_title(picture)
                self.offers.append(Offer(spec, f"Training: {title[:1].lower()}{title[1:]}"))

    @staticmethod
    def _usable(layers: list[Layer]) -> list[Layer]:
        return [la for la in layers if la.complete and la.stack.unit != LABEL_UNIT]

    @staticmethod
    def _has_pictures(folder: Path) -> bool:
        from ctstudio.learn.run_pictures import preview_steps

        return bool(preview_steps(folder))

    def _add(self, spec: LayerSpec, layer: Layer) -> None:
        self.offers.append(Offer(spec, called(layer), layer))

    def _name_of(self, layer: Layer | None) -> str:
        return next((o.spec.name for o in self.offers if o.layer is layer), "")

    def _derived(self, layer: Layer) -> None:
        stack = layer.stack
        if layer.kind == "denoised":
            number = sum(o.spec.source == "method" for o in self.offers) + 1
            of = self._name_of(layer.parent)
            if of:
                # A network's file is not known here; its title stands for it.
                title = layer.name.split(": ")[-1]
                name, settings = method_of(layer.note) or (text_of(title) or title, {})
                spec = LayerSpec(
                    f"denoised {number}", "method", method=name, settings=settings, of=of
                )
                self._add(spec, layer)
        elif isinstance(stack, Difference) and layer.parent is not None:
            of, minus = self._name_of(layer.parent), self._name_of(layer.parent.parent)
            if of and minus:
                number = sum(o.spec.source == "difference" for o in self.offers) + 1
                spec = LayerSpec(f"residual {number}", "difference", of=of, minus=minus)
                self._add(spec, layer)

    @property
    def networks(self) -> dict[str, Method]:
        """Trained networks that are loaded, by what a description calls them."""
        from ctstudio.workflows.denoise import method_from_model

        return {model.title: method_from_model(model) for model in self._session.models}

    @property
    def specs(self) -> tuple[LayerSpec, ...]:
        """All of them, in an order in which each comes after what it is made from."""
        return tuple(offer.spec for offer in self.offers)

    @property
    def given(self) -> Given:
        """For the built-in templates."""
        methods = [o.spec.method for o in self.offers if o.spec.source == "method"]
        series = sum(o.spec.name in (ORIGINAL, REFERENCE) for o in self.offers)
        training = any(o.spec.source == "run" for o in self.offers)
        return Given(methods, series, training)

    def fitted(self, spec: FigureSpec, *, own_methods: bool = True) -> FigureSpec:
        """A template with the layers that are open, those of the same names, and the others.

        Without ``own_methods`` methods stay as the template has them.
        """
        mine = {offer.spec.name: offer.spec for offer in self.offers}
        needed = [
            layer
            if layer.source == "method" and not own_methods
            else replace(mine.get(layer.name, layer), content=layer.content)
            for layer in spec.layers
        ]
        known = {layer.name for layer in needed}
        more = [layer for name, layer in mine.items() if name not in known]
        ordered: list[LayerSpec] = []
        waiting = [*needed, *more]
        while waiting:
            there = {layer.name for layer in ordered}
            ready = [
                layer for layer in waiting if not {n for n in (layer.of, layer.minus) if n} - there
            ]
            if not ready:
                break
            ordered += ready
            waiting = [layer for layer in waiting if layer not in ready]
        return replace(spec, layers=tuple(ordered))

    def as_on_screen(self) -> FigureSpec | None:
        """The visible panes in a row, with their slices and windows; None where nothing fits."""
        cells: list[CellSpec] = []
        flicker, leader = False, self._leader()
        for pane in self._grid.visible_panes:
            name, shot = self._name_of(pane.layer), shoot(pane)
            if not name or shot is None or pane.layer is None:
                continue
            signed, shown = pane.layer.signed, pane.view.shown_plane
            plane: Plane = shown if isinstance(shown, str) and pane.view.cut else "stored"
            turned = pane.view.cut and not isinstance(shown, str)
            stack = pane.layer.stack if plane == "stored" else in_plane(pane.layer.stack, plane)
            leader = stack if leader is None else leader
            cell = CellSpec(
                name,
                slice=str(counted(stack, min(shot.index, len(stack) - 1), leader) + 1),
                plane=plane,
                window=window_words(shot.window, signed=signed),
                part="" if turned else part_words(shot.crop, shot.stack.shape),
                colours="grey" if signed else pane.view.display.colours,  # type: ignore[arg-type]
                caption="{window}",
                mask="" if signed else self._mask_over(pane.layer),
                mask_as="contour" if self._masks.contour else "fill",
            )
            cells += self._compared(cell, shot)
            flicker |= shot.compared is not None and shot.compared.mode == "flicker"
        if not cells:
            return None
        letters: Letters = "a" if len(cells) > 1 else "none"
        opacity = round(float(self._masks.opacity), 3)
        masked = any(cell.mask for cell in cells)
        # As the templates have them: a column of a page, a little more, the page.
        wide = {1: 85.0, 2: 120.0}.get(len(cells), 180.0)
        opacity = opacity if masked else 0.4
        style = StyleSpec(width_mm=wide, letters=letters, mask_opacity=opacity)
        film = FilmSpec("flicker", usual_seconds("flicker")) if flicker else FilmSpec()
        return FigureSpec(self._specs_of(cells), (tuple(cells),), style=style, footer="{slice}",
                          film=film)  # fmt: skip

    def as_looked_at(self, spec: FigureSpec) -> FigureSpec:
        """A built-in template at the slice and in the window of the panes: what one looks at.

        The middle and the usual window stay where no pane shows slices of the original as they are.
        """
        for pane in self._grid.visible_panes:
            of = pane.layer
            while of is not None and of.kind == "denoised":
                of = of.parent
            seen = of is not None and self._name_of(of) == ORIGINAL
            if of is None or not seen or pane.view.cut or pane.view.hu is None:
                continue
            index, own = pane.view.index, of.stack
            at = MIDDLE if index == len(own) // 2 else str(index + 1)
            usual = spec.window or pane.view.window == own.source.window
            rows = tuple(
                tuple(replace(cell, slice=at) if cell.layer else cell for cell in row)
                for row in spec.rows
            )
            window = spec.window if usual else window_words(pane.view.window, signed=False)
            return replace(spec, rows=rows, window=window)
        return spec

    def _leader(self) -> SliceStack | None:
        """In whose slices a figure of the panes counts: the original's, if it is among them."""
        for pane in self._grid.visible_panes:
            of = pane.layer
            while of is not None and of.kind == "denoised":
                of = of.parent
            shown = pane.view.shown_plane
            if of is not None and self._name_of(of) == ORIGINAL:
                plane: Plane = shown if isinstance(shown, str) and pane.view.cut else "stored"
                return of.stack if plane == "stored" else in_plane(of.stack, plane)
        return None

    def _compared(self, cell: CellSpec, shot: PaneShot) -> list[CellSpec]:
        """A pane's cell with what is compared in it; two cells where one picture cannot be both."""
        other = shot.compared
        name = self._name_of(other.layer) if other is not None else ""
        if other is None or not name:
            return [cell]
        second = replace(
            cell, layer=name, mask="", window=window_words(other.window, signed=other.layer.signed)
        )
        own, its = shot.stack.shape, other.stack.shape
        if own[1:] != its[1:]:
            return [cell, replace(second, part="")]
        if other.mode == "flicker":
            return [cell, second]
        if other.mode == "difference":
            found = (
                o.spec.name
                for o in self.offers
                if (o.spec.source, o.spec.of, o.spec.minus) == ("difference", name, cell.layer)
            )
            return [
                replace(
                    cell, layer=next(found, f"{name} - {cell.layer}"), mask="",
                    window=f"{other.value:g}",
                )
            ]  # fmt: skip
        amount = other.value
        if other.mode in ("swipe", "swipe_down"):
            rows, columns = own[1:]
            rect = slice_rect(shot.stack.geometry, own, shot.index)
            count = columns if other.mode == "swipe" else rows
            at = other.line_px(rect, QSize(columns, rows))
            amount = 100 * min(max(at, 0), count) / count
        return [replace(cell, beside=name, together=other.mode, amount=round(amount, 4))]

    def _specs_of(self, cells: Sequence[CellSpec]) -> tuple[LayerSpec, ...]:
        """All layers, and the differences that only a pane makes."""
        known = {spec.name for spec in self.specs}
        new = []
        for cell in cells:
            if cell.layer not in known:
                of, _, minus = cell.layer.partition(" - ")
                new.append(LayerSpec(cell.layer, "difference", of=of, minus=minus))
                known.add(cell.layer)
        return (*self.specs, *new)

    def _mask_over(self, layer: Layer) -> str:
        """What lies over a layer in the panes: a mask, all of them, or nothing."""
        if not self._masks.shown:
            return ""
        lie = [
            o.spec.name
            for o in self.offers
            if o.spec.source == "mask" and o.layer is not None and same_space(o.layer, layer)
            and o.layer.stack.shape == layer.stack.shape and self._masks.style(o.layer).visible
        ]  # fmt: skip
        return lie[0] if len(lie) == 1 else ALL if lie else ""

    def material(self, spec: FigureSpec) -> Material:
        """What the layers of ``spec`` stand for; safe to use in a thread."""
        from ctstudio.workflows.denoise import method_from
        from ctstudio.workflows.figures.material import Treated

        stacks: dict[str, SliceStack] = {}
        trainings: dict[str, Training] = {}
        titles: dict[str, str] = {}
        methods: dict[str, str] = {}
        masks: dict[str, Overlay] = {}
        known = self.networks
        by_name = {offer.spec.name: offer for offer in self.offers}
        for layer in spec.layers:
            offer = by_name.get(layer.name)
            if offer is not None and layer.source == "method" and not alike(layer, offer.spec):
                offer = None  # what is open under that name was made in another way
            if layer.source == "run":
                if self.folder is not None:
                    run = self._session.run
                    same = run is not None and run.folder == self.folder
                    source = run.source if run is not None and same else None
                    geometry = source.stack.geometry if source is not None else None
                    trainings[layer.name] = Training(self.folder, geometry)
            elif layer.source == "mask":
                if offer is not None and offer.layer is not None:
                    masks[layer.name] = Overlay.of(
                        layer.name.capitalize(),
                        frozen(offer.layer.stack),
                        hidden_labels(layer),
                        file=offer.layer.name,
                    )
            elif offer is not None and offer.layer is not None:
                stacks[layer.name] = frozen(offer.layer.stack)
                if layer.source == "series":
                    taken = titles.values()
                    titles[layer.name] = series_title(
                        offer.layer.stack, layer.number, taken, layer.name
                    )
                elif layer.source == "method":
                    note = offer.layer.note
                    titles[layer.name] = note.partition(" (")[0] or offer.layer.name
                methods[layer.name] = offer.layer.note
            elif layer.source == "difference" and {layer.of, layer.minus} <= set(stacks):
                stacks[layer.name] = difference(stacks[layer.of], stacks[layer.minus])
            elif layer.source == "method" and layer.of in stacks:
                method = known.get(layer.method) or method_from(layer.method, layer.settings)
                stacks[layer.name] = Treated(stacks[layer.of], method)
                titles[layer.name], methods[layer.name] = method.title, method.description
        named = with_kernels(spec, titles, stacks)
        return Material(stacks, trainings, named, methods, masks)

    def missing(self, spec: FigureSpec) -> list[str]:
        """Layers that cells of ``spec`` show and that are not there."""
        there = self.material(spec)
        shown = {n for cell in spec.cells for n in (cell.layer, cell.against, cell.beside) if n}
        shown |= {cell.mask for cell in spec.cells if cell.mask not in ("", ALL)}
        shown |= {spec.differences} - {""}
        return sorted(shown - set(there.stacks) - set(there.trainings) - set(there.masks))

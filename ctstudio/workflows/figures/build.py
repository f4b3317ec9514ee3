"""A description and what there is for it, to a sheet: every cell gets its pixels and its words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.errors import StudioError
from ctstudio.ct.common_place import common_slices, counterpart, misfit
from ctstudio.ct.labels import LABEL_UNIT
from ctstudio.ct.metrics import PROTOCOLS, evaluate
from ctstudio.ct.planes import in_plane
from ctstudio.ct.views import SliceStack
from ctstudio.ct.volume import Geometry
from ctstudio.ct.window import Window, automatic
from ctstudio.figures.colour_maps import sequential_table
from ctstudio.figures.description import ALL, CellSpec, FigureSpec, place
from ctstudio.figures.ornaments import Content
from ctstudio.figures.panel import Panel
from ctstudio.figures.parts import shown_part
from ctstudio.figures.sheet import Sheet
from ctstudio.workflows.figure import parse_window, residual_limit
from ctstudio.workflows.figures.captions import FIXED, metric_words, protocol_notes, window_words
from ctstudio.workflows.figures.curve_of import curve_of
from ctstudio.workflows.figures.differences import left_out, with_differences
from ctstudio.workflows.figures.fitting import compared_stacks, counting, slice_at, unmeasured
from ctstudio.workflows.figures.fitting_curves import with_fitting_curves
from ctstudio.workflows.figures.material import Material, Training
from ctstudio.workflows.figures.naming import short, title_in, training_title, usual_title
from ctstudio.workflows.figures.origin import in_parts
from ctstudio.workflows.figures.overlays import Legend, laid_over
from ctstudio.workflows.figures.together import both_titles, together, windows_told


@dataclass(frozen=True)
class At:
    """Where a film stands: a slice of the first layer, or a step of the trainings, from 0."""

    slice: int | None = None
    step: int | None = None


@dataclass
class Builder:
    """Makes sheets of one description; windows and limits are found once, and hold for a film."""

    spec: FigureSpec
    material: Material
    left_out: Sequence[str] = ()  # differences that are asked for and cannot be, in sentences
    _windows: dict[str, Window] = field(default_factory=dict)
    _limit: float = 0.0

    @classmethod
    def of(cls, spec: FigureSpec, material: Material) -> Builder:
        """With the rows of differences that the description asks for, and no empty curves."""
        whole, shown = with_differences(spec, material)
        return cls(with_fitting_curves(whole, shown), shown, left_out(spec, material))

    @property
    def leader(self) -> SliceStack | None:
        """The stack whose slices the figure counts: the original's, wherever it stands."""
        cell = counting(self.spec, self.material)
        return None if cell is None else self._stack(cell)

    def shared_slices(self) -> list[int]:
        """The slices of the leader, from 0, that all pictures and what they are measured against
        have."""
        leader = self.leader
        if leader is None:
            return []
        shared = set(range(len(leader)))
        for stack in compared_stacks(self.spec, self.material):
            if stack.shape[1:] == leader.shape[1:] and not misfit(leader, stack):
                shared &= set(common_slices(leader, stack))
        return sorted(shared)

    def portable(self) -> FigureSpec:
        """The description for series of any length: slices by parts of the way, not numbers."""
        leader = self.leader
        return self.spec if leader is None else in_parts(self.spec, len(leader))

    @property
    def training(self) -> Training | None:
        """The training whose steps the figure counts."""
        shown = (cell.layer for cell in self.spec.cells)
        found = (self.material.trainings.get(name) for name in shown)
        return next((training for training in found if training is not None), None)

    def sheet(self, at: At = At(), rows: Sequence[Sequence[CellSpec]] | None = None) -> Sheet:
        """The figure, at one place of a film; ``rows`` are other cells than the description's.

        Raises
        ------
        StudioError
            When a slice, a step or a window that it names is not there.
        """
        cells = self.spec.rows if rows is None else rows
        contents = [[self._content(cell, at) for cell in row] for row in cells]
        first = counting(self.spec, self.material) if rows is None else None
        if first is None:
            first = next((c for row in cells for c in row if c.layer and not c.curve), None)
        footer = self.spec.footer
        if first is not None and "{" in footer:
            footer = self._fill(footer, self._words(first, at, None, None))
        return Sheet(
            contents,
            self.spec.style,
            self.spec.title,
            footer,
            self.spec.insets,
            self.spec.arrows,
            self._footnotes(contents, cells),
        )

    def _footnotes(
        self, contents: Sequence[Sequence[Content]], cells: Sequence[Sequence[CellSpec]]
    ) -> tuple[str, ...]:
        """What the protocols are that stand below pictures, and why some have no metrics."""
        notes = protocol_notes([c for row in contents for c in row if c is not None])
        notes += [self._not_measured(cell) for row in cells for cell in row]
        return tuple(dict.fromkeys(note for note in (*notes, *self.left_out) if note))

    def _not_measured(self, cell: CellSpec) -> str:
        """Why a cell that asks for metrics has none, in a sentence; "" where it has."""
        asked = cell.against and not cell.curve and "{metrics}" in cell.caption + cell.title
        if not asked or cell.layer not in self.material.stacks:
            return ""
        truth = self._stack(replace(cell, layer=cell.against))
        why = unmeasured(cell.plane, self._stack(cell), truth)
        one, other = self._called(cell.layer), self._called(cell.against)
        return f"{one[:1].upper()}{one[1:]} is not measured against {other}: {why}." if why else ""

    def _content(self, cell: CellSpec, at: At) -> Content:
        if not cell.layer:
            return None
        training = self.material.trainings.get(cell.layer)
        if cell.curve:
            if training is None:
                raise _gone(cell.layer)
            return curve_of(cell, training, at.step)
        if training is not None:
            return self._from_training(cell, training, at)
        stack = self._stack(cell)
        index = self.index(cell, stack, at)
        image = stack.slice_hu(index)
        signed = self.spec.layer(cell.layer).source == "difference"
        window = self._signed_window(cell) if signed else self._window(cell, stack)
        words = self._words(cell, at, window, image)
        geometry = stack.geometry
        overlay, legend = self._masks(cell, stack, index)
        table = None if signed or cell.colours == "grey" else sequential_table(cell.colours)
        panel = Panel(
            image,
            window,
            title=self._title(cell, words),
            caption=self._fill(cell.caption, words),
            spacing_mm=geometry.spacing_mm if geometry.spacing_known else None,
            unit="" if stack.unit == LABEL_UNIT else stack.unit,
            colormap="diverging" if signed else "grey",
            letters=_short(geometry),
            overlay=overlay,
            legend=legend,
            table=table,
        )
        return shown_part(self._with_second(cell, panel, at) if cell.beside else panel, cell.part)

    def _with_second(self, cell: CellSpec, panel: Panel, at: At) -> Panel:
        """The picture with the second layer that the cell shows in it."""
        other = replace(cell, layer=cell.beside, beside="", title="", mask="", against="", part="")
        # A difference's scale is no window of a picture, nor the other way round.
        kinds = {self.spec.layer(n).source == "difference" for n in (cell.layer, cell.beside)}
        second = self._content(other if len(kinds) == 1 else replace(other, window=""), at)
        assert isinstance(second, Panel)
        both = both_titles(panel.title, second.title, cell.together, cell.amount)
        title = panel.title if cell.title else both
        words = panel.caption.replace(windows_told(panel), windows_told(panel, second))
        panel = replace(panel, overlay=None, legend=(), caption=words)
        return replace(together(panel, second, cell.together, cell.amount), title=title)

    def _masks(
        self, cell: CellSpec, stack: SliceStack, index: int
    ) -> tuple[NDArray[np.uint8] | None, Legend]:
        """What lies over a cell's picture, and the names of its colours."""
        masks = self.material.masks
        if not cell.mask:
            return None, ()
        if cell.mask != ALL and cell.mask not in masks:
            raise _gone(cell.mask)
        # Of all of them those that lie on this series.
        size = self.material.stacks[cell.layer].shape
        fitting = (m for m in masks.values() if m.stack.shape == size)
        shown = list(fitting) if cell.mask == ALL else [masks[cell.mask]]
        opacity = self.spec.style.mask_opacity
        contour = cell.mask_as == "contour"
        over, names = laid_over(shown, stack, index, cell.plane, contour=contour, opacity=opacity)
        return over, tuple((self.material.hide(name), colour) for name, colour in names)

    # -- where ------------------------------------------------------------------------------------

    def _stack(self, cell: CellSpec) -> SliceStack:
        stack = self.material.stacks.get(cell.layer)
        if stack is None:
            raise _gone(cell.layer)
        if not len(stack):
            raise StudioError(f"{cell.layer.capitalize()} has no slices.", hint="Open another one.")
        return stack if cell.plane == "stored" else in_plane(stack, cell.plane)

    def index(self, cell: CellSpec, stack: SliceStack, at: At) -> int:
        """Which slice of its stack a cell shows: the one where the original's lies."""
        leader = self.leader
        assert leader is not None
        alike = float(stack.geometry.normal @ leader.geometry.normal) > 0.99
        if at.slice is not None and alike:
            wanted = at.slice
        else:
            wanted = place(cell.slice, len(leader if alike else stack))
            count = len(leader if alike else stack)
            if not 0 <= wanted < count:
                raise StudioError(
                    f"There is no slice {wanted + 1}.", hint=f"There are {count}, from 1."
                )
        if not alike:
            return min(wanted, len(stack) - 1)
        called = short(title_in(self.spec, self.material.titles, cell.layer))
        return slice_at(leader, wanted, stack, self.material.hide(called))

    def _counted(self, cell: CellSpec, stack: SliceStack, at: At) -> str:
        """A cell's slice in words, by the number that it has in the leader."""
        leader, index = self.leader, self.index(cell, stack, at)
        assert leader is not None
        if stack.geometry is not leader.geometry and not misfit(leader, stack):
            found = counterpart(stack, index, leader)
            if found is not None:
                return f"slice {found + 1} of {len(leader)}"
        return f"slice {index + 1} of {len(stack)}"

    def step(self, cell: CellSpec, training: Training, at: At) -> int:
        """Which step of its training a cell shows: the last with a picture up to the one named."""
        steps = training.steps
        if at.step is not None:
            return steps[min(at.step, len(steps) - 1)]
        words = cell.step.strip()
        if words.isdigit():
            return max((s for s in steps if s <= int(words)), default=steps[0])
        return steps[place(words, len(steps), "step")]

    # -- windows ----------------------------------------------------------------------------------

    def _window(self, cell: CellSpec, stack: SliceStack) -> Window:
        """Its own, the figure's, the header's, or the one that the first picture suggests."""
        text = cell.window or self.spec.window
        key = text or f"of {cell.layer if not self.spec.window else ''}"
        if text:
            return self._windows.setdefault(key, parse_window(text))
        common = "of all"
        if common not in self._windows:
            leader = self.leader
            assert leader is not None
            middle = leader.slice_hu(len(leader) // 2)
            self._windows[common] = leader.source.window or _round(automatic(middle))
        if stack.unit == LABEL_UNIT:
            return self._windows.setdefault(key, Window(0.5, 1.0))
        return self._windows[common]

    def _signed_window(self, cell: CellSpec) -> Window:
        """What is shown on either side of zero, the same for all differences of a figure."""
        if cell.window:
            try:
                return Window(0.0, 2 * abs(float(cell.window)))
            except ValueError:
                raise StudioError(
                    f"A difference has no window {cell.window!r}.",
                    hint="Give the greatest value of its scale, for example 100.",
                ) from None
        if not self._limit:
            shown = {c.layer: c for c in self.spec.cells if c.layer in self.material.stacks}
            images = []
            for name, other in shown.items():
                if self.spec.layer(name).source == "difference":
                    stack = self._stack(other)
                    images.append(stack.slice_hu(self.index(other, stack, At())))
            self._limit = residual_limit(images)
        return Window(0.0, 2 * self._limit)

    # -- words ------------------------------------------------------------------------------------

    def _title(self, cell: CellSpec, words: Mapping[str, str]) -> str:
        usual = usual_title(self.spec, self.material.titles, self.spec.layer(cell.layer))
        return self._fill(cell.title or self.material.hide(usual), words)

    def _fill(self, text: str, words: Mapping[str, str]) -> str:
        for key, value in words.items():
            # The first word of a line is a sentence's.
            text = re.sub(rf"^\{{{key}\}}", value[:1].upper() + value[1:], text, flags=re.M)
            text = text.replace("{" + key + "}", value)
        return "\n".join(line.strip(" ,") for line in text.splitlines() if line.strip(" ,"))

    def _words(
        self, cell: CellSpec, at: At, window: Window | None, image: NDArray[np.float32] | None
    ) -> dict[str, str]:
        words = dict.fromkeys(("window", "slice", "method", "metrics", "step"), "")
        words["method"] = self.material.hide(self.material.methods.get(cell.layer, ""))
        if cell.layer not in self.material.stacks:
            return words
        stack = self._stack(cell)
        if window is not None:
            signed = self.spec.layer(cell.layer).source == "difference"
            words["window"] = window_words(window, stack.unit, signed=signed)
        words["slice"] = self._counted(cell, stack, at)
        if image is not None and cell.against:
            words["metrics"] = self._metrics(cell, at, image)
        return words

    def _metrics(self, cell: CellSpec, at: At, image: NDArray[np.float32]) -> str:
        other = replace(cell, layer=cell.against)
        truth = self._stack(other)
        if unmeasured(cell.plane, self._stack(cell), truth):
            return ""  # a footnote says so
        target = truth.slice_hu(self.index(other, truth, at))
        if cell.protocol not in PROTOCOLS:
            raise StudioError(
                f"There is no protocol {cell.protocol!r}.",
                hint=f"There are {', '.join(PROTOCOLS)}.",
            )
        found = evaluate(image, target, cell.protocol)
        return metric_words(found, cell.protocol, f", against{FIXED}{self._called(cell.against)}")

    def _called(self, layer: str) -> str:
        """What a layer is called in the figure: by its own title there, where it has one."""
        return self.material.hide(short(title_in(self.spec, self.material.titles, layer)))

    # -- trainings --------------------------------------------------------------------------------

    def _from_training(self, cell: CellSpec, training: Training, at: At) -> Panel | None:
        layer = self.spec.layer(cell.layer)
        preview = training.preview(self.step(cell, training, at))
        image = preview.panels.get(layer.picture)
        if image is None:
            return None
        signed = layer.picture == "residual"
        if signed and not cell.window and not self._limit:
            self._limit = residual_limit([training.preview(training.steps[-1]).panels["residual"]])
        if preview.labels and layer.picture != "noisy":
            highest = max(float(np.max(preview.panels.get("target", image))), 1.0)
            window = Window(0, 2 * highest) if signed else Window(highest / 2, highest)
        elif signed:
            window = self._signed_window(cell)
        else:
            text = cell.window or self.spec.window
            start = training.preview(training.steps[0]).panels
            first = start.get("target", start["noisy"])
            found = parse_window(text) if text else _round(automatic(first))
            window = self._windows.setdefault(text or f"training {training.folder}", found)
        unit = "" if preview.labels and layer.picture != "noisy" else preview.unit
        shown = preview.metrics if layer.picture == "reconstruction" else {}
        words = {
            "window": window_words(window, unit, signed=signed),
            "slice": f"slice {preview.slice + 1}",
            "step": f"Step {preview.step:,}",
            "method": "",
            "metrics": metric_words(shown, "A", "") if "psnr" in shown else "",
        }
        if "dice" in shown:
            words["metrics"] = f"Dice {shown['dice']:.3f}"
        geometry = training.geometry
        known = geometry is not None and geometry.spacing_known
        return Panel(
            image,
            window,
            title=self._fill(cell.title or training_title(layer.picture, preview.labels), words),
            caption=self._fill(cell.caption, words),
            spacing_mm=geometry.spacing_mm if geometry is not None and known else None,
            unit=unit,
            colormap="diverging" if signed else "grey",
            letters=_short(geometry) if geometry is not None else ("", "", "", ""),
        )


def _gone(layer: str) -> StudioError:
    return StudioError(
        f"The figure shows {layer}, which is not there.",
        hint="Open it, or choose another layer for that place.",
    )


def _round(window: Window) -> Window:
    """Bounds of whole HU, where that makes no difference: they stand beside the colour bar."""
    if window.width_hu < 20:
        return window
    return Window.from_range(round(window.lower), round(window.upper))


def _short(geometry: Geometry) -> tuple[str, str, str, str]:
    left, right, top, bottom = (letters[:2] for letters in geometry.edge_letters)
    return left, right, top, bottom

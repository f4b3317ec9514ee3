"""What a description's layers stand for: slices at hand, pictures of a training."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Preview, Work
from ctstudio.ct.common_place import counterpart, misfit
from ctstudio.ct.views import Difference, OnBase, SliceStack
from ctstudio.ct.volume import Geometry, Source, Volume
from ctstudio.figures.description import FigureSpec, LayerSpec
from ctstudio.workflows.figures.naming import series_title, with_kernels
from ctstudio.workflows.figures.overlays import Overlay
from ctstudio.workflows.stages import stage

if TYPE_CHECKING:
    from ctstudio.ct.series import SeriesInfo
    from ctstudio.figures.curves import History
    from ctstudio.workflows.denoise import Method

NAME_PARTS = re.compile(r"[\^\s,=]+")
HIDDEN = "…"
MOST_KEPT = 64


@dataclass(frozen=True)
class Training:
    """The pictures and curves of a run folder; ``geometry`` says how large their pixels are."""

    folder: Path
    geometry: Geometry | None = None

    @cached_property
    def steps(self) -> list[int]:
        """Those of which there is a picture.

        Raises
        ------
        StudioError
            Where there is none.
        """
        from ctstudio.learn.run_folder import preview_steps

        found = preview_steps(self.folder)
        if not found:
            raise StudioError(
                f"There are no pictures of a training in {self.folder}.",
                hint="Choose the folder of a training that has run for a while.",
                path=self.folder,
            )
        return found

    def preview(self, step: int) -> Preview:
        """The pictures of one step."""
        from ctstudio.workflows.runs import preview_at

        found = preview_at(self.folder, step)
        if found is None:
            raise StudioError(f"The pictures in {self.folder} are damaged.", path=self.folder)
        return found

    @cached_property
    def history(self) -> History:
        """Its curves."""
        from ctstudio.workflows.runs import load_history

        return load_history(self.folder)


@dataclass(eq=False)
class Treated(OnBase):
    """Slices as a method makes them, each when it is asked for; the last few are kept.

    Networks that look at neighbouring slices are given these, as when they denoise a volume.
    """

    base: SliceStack
    method: Method
    kept: dict[int, NDArray[np.float32]] = field(default_factory=dict)

    @property
    def derivation(self) -> tuple[str, ...]:
        return (*self.base.derivation, self.method.description)

    def slice_hu(self, index: int) -> NDArray[np.float32]:
        if index not in self.kept:
            if len(self.kept) >= MOST_KEPT:
                del self.kept[next(iter(self.kept))]
            from ctstudio.workflows.denoise import around

            shown = around(self.method, self.base, index)
            self.kept[index] = self.method.denoise_slice(shown)
        return self.kept[index]


@dataclass(eq=False)
class Placed(OnBase):
    """Of ``other`` the slices that lie where those of ``base`` do."""

    base: SliceStack
    other: SliceStack

    @property
    def derivation(self) -> tuple[str, ...]:
        return self.other.derivation

    def slice_hu(self, index: int) -> NDArray[np.float32]:
        """One slice ``(y, x)``; a StudioError where it has other pixels than that of ``base``."""
        own, its = (" x ".join(map(str, s.shape[1:])) for s in (self.base, self.other))
        if own != its:
            raise StudioError(
                f"Pictures of {own} and of {its} pixels do not lie upon each other.",
                hint="Show them side by side.",
            )
        if misfit(self.base, self.other):  # side by side at most; `require_fit` refuses it
            at = self.other.geometry.nearest_slice(self.base.geometry.positions_mm[index])
            return self.other.slice_hu(at)
        found = counterpart(self.base, index, self.other)
        if found is None:
            raise StudioError(
                f"There is nothing to subtract at slice {index + 1} of {len(self.base)}.",
                hint="Choose a slice that both series have.",
            )
        return self.other.slice_hu(found)


def difference(of: SliceStack, minus: SliceStack) -> Difference:
    """``of - minus``, slice by slice as they lie in the patient."""
    return Difference(minus, of if of.geometry is minus.geometry else Placed(minus, of))


@dataclass(frozen=True)
class Material:
    """What there is for a description.

    Parameters
    ----------
    stacks
        By the layer's name: slices of a series, of what a method made, of a difference.
    trainings
        By the layer's name.
    titles, methods
        What a series or a method's result is called, and how it was made, in words that tell
        nothing of a patient.
    masks
        By the layer's name: what may lie over pictures.
    """

    stacks: Mapping[str, SliceStack]
    trainings: Mapping[str, Training] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    methods: Mapping[str, str] = field(default_factory=dict)
    masks: Mapping[str, Overlay] = field(default_factory=dict)

    def hide(self, text: str) -> str:
        """``text`` without what the series say of their patients."""
        for stack in self.stacks.values():
            text = without_patient(text, stack.source)
        return text


def without_patient(text: str, source: Source) -> str:
    """``text`` with every part of the patient's name, number and date left out, in any case."""
    parts = [part for part in NAME_PARTS.split(source.patient_name) if len(part) > 2]
    date = source.study_date
    dates = [date, f"{date[:4]}-{date[4:6]}-{date[6:]}"] if len(date) == 8 else []
    for secret in (*parts, source.patient_id, *dates):
        if len(secret) > 2:
            text = re.sub(re.escape(secret), HIDDEN, text, flags=re.IGNORECASE)
    return text


def gather(
    spec: FigureSpec,
    series: Sequence[SeriesInfo],
    run: Path | None = None,
    masks: Sequence[Path] = (),
    known: Mapping[str, Method] | None = None,
) -> Work[Material]:
    """Read the series that a description needs; methods are applied slice by slice, when drawn.

    Parameters
    ----------
    series
        In the order of their numbers in the description.
    run
        The folder of a training, for layers that are one.
    masks
        Files of masks for the first series, in the order of their numbers.
    known
        Methods by their name in the description, such as networks that are loaded already.

    Raises
    ------
    StudioError
        When there are too few series, no training where one is needed, or one cannot be read.
    """
    from ctstudio.workflows.denoise import method_from

    read: dict[int, Volume] = {}
    stacks: dict[str, SliceStack] = {}
    trainings: dict[str, Training] = {}
    titles: dict[str, str] = {}
    methods: dict[str, str] = {}
    overlays: dict[str, Overlay] = {}
    drawn: list[tuple[str, Volume]] | None = None
    for layer in spec.layers:
        if layer.source == "series":
            if layer.number not in read:
                read[layer.number] = yield from _read(layer, series)
                yield from _warned(read[layer.number].source)
            stacks[layer.name] = read[layer.number]
            taken = titles.values()
            titles[layer.name] = series_title(stacks[layer.name], layer.number, taken, layer.name)
        elif layer.source == "method":
            method = (known or {}).get(layer.method) or method_from(layer.method, layer.settings)
            stacks[layer.name] = Treated(stacks[layer.of], method)
            titles[layer.name], methods[layer.name] = method.title, method.description
        elif layer.source == "mask":
            if drawn is None:
                drawn = yield from _masks(masks, stacks)
            overlays[layer.name] = _overlay(layer, drawn)
        elif layer.source == "difference":
            stacks[layer.name] = difference(stacks[layer.of], stacks[layer.minus])
        else:
            if run is None:
                raise StudioError(
                    "The figure shows a training, but none was given.",
                    hint="Give the folder of a training (--run FOLDER).",
                )
            geometry = read[1].geometry if 1 in read else None
            trainings[layer.name] = Training(Path(run), geometry)
    return Material(stacks, trainings, with_kernels(spec, titles, stacks), methods, overlays)


def _warned(source: Source) -> Work[None]:
    """A Note where text may stand in the pixels: no picture of them is free of it."""
    from ctstudio.dicom.drawn_on import text_drawn_in

    if source.format == "DICOM" and source.files:
        words = text_drawn_in(source.files[len(source.files) // 2])
        if words:
            yield Note(f"{words}: look at every picture before it is given away.")


def hidden_labels(layer: LayerSpec) -> list[int]:
    """The numbers of a mask that are not shown; settings from elsewhere may say anything."""
    found = layer.settings.get("hidden", ())
    return [n for n in found if isinstance(n, int)] if isinstance(found, list | tuple) else []


def _masks(
    paths: Sequence[Path], stacks: Mapping[str, SliceStack]
) -> Work[list[tuple[str, Volume]]]:
    from ctstudio.workflows.masks import read_masks

    on = next((stack for stack in stacks.values() if isinstance(stack, Volume)), None)
    found: list[tuple[str, Volume]] = []
    for path in paths:
        if on is not None:
            found += yield from stage(read_masks([path], on), "Reading a mask")
    return found


def _overlay(layer: LayerSpec, drawn: Sequence[tuple[str, Volume]]) -> Overlay:
    if layer.number > len(drawn):
        raise StudioError(
            f"The figure shows mask {layer.number}, but {len(drawn) or 'none'} came along.",
            hint="Give the files of the masks (--mask FILE), in order.",
        )
    name, mask = drawn[layer.number - 1]
    return Overlay.of(layer.name.capitalize(), mask, hidden_labels(layer), file=name)


def _read(layer: LayerSpec, series: Sequence[SeriesInfo]) -> Work[Volume]:
    from ctstudio.workflows.open import read

    if layer.number > len(series):
        given = f"{len(series)} was given" if len(series) == 1 else f"{len(series)} were given"
        raise StudioError(
            f"The figure shows {layer.number} series, but {given}.",
            hint="Give a path for each, in order (the second with --reference PATH).",
        )
    return (yield from stage(read(series[layer.number - 1]), "Reading"))

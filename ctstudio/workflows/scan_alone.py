"""Denoise a scan with a network that learns from this scan alone: no other data, no network file.

Or with one on board that learns from the scan what it has not seen yet: it begins where that one
ended, and comes nearer to the truth in less time.

Of the self-supervised tasks in `ctstudio.learn`, Recorrupted-to-Recorrupted is taken. On the
built-in phantom at a quarter of the dose, with a DnCNN and about a minute of one core each
(protocol A, five slices; the noisy scan has 30.5 dB, total variation at its oracle strength 34.6):

==================================================  =======
Recorrupted-to-Recorrupted, strength 1              35.1 dB
Recorrupted-to-Recorrupted, strength 0.5            34.6 dB
noise added to the scan, which is taken for clean   32.6 dB
Neighbor2Neighbor                                   30.6 dB
neighbouring slices                                 28.9 dB
Noise2Void, cross                                   24.6 dB
==================================================  =======

CT noise is alike over some pixels, so that methods which hide pixels (Noise2Void) or take every
second one (Neighbor2Neighbor) learn to reproduce it, and slices that lie millimetres apart show
other tissue. Recorrupted-to-Recorrupted asks for noise of the scan's own kind, and that can be
simulated: its strength is measured by the task, its kernel here. With the wrong kernel (ram-lak for
hann) 29.4 dB are left.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Event, Note, Partial, Preview, Progress, SliceReady, Work, relay
from ctstudio.core.registry import Choice
from ctstudio.ct.noise_texture import variance
from ctstudio.ct.volume import Volume
from ctstudio.workflows.matched_noise import candidates, matched_kernel, tissue_of

if TYPE_CHECKING:
    from ctstudio.learn.checkpoint import TrainedModel
    from ctstudio.learn.on_board import OnBoard
    from ctstudio.learn.recipe import Recipe
    from ctstudio.workflows.denoise import NetworkMethod

NAME = "scan-alone"
RECIPE = "dncnn-recorrupted"
NETWORK = Choice("drunet", {"size": "small"})
"""It reads the strength of the noise in the image: what it learns on the scan with noise added
holds for the scan as it is. On the phantom as above 35.8 dB, 600 steps in 52 s of one core; bias
0.6 HU."""

FURTHER_LR = 3e-4
"""Of a network that begins with weights that are good already."""

STRENGTH = 1.0
FEW_FIELDS = 2  # of noise for each slice: on the phantom as good as four

BUDGETS_MIN = (1.0, 5.0, 15.0)
SLICES_A_MINUTE = 24
"""So many slices are learnt from for each minute of the budget: each needs noise of its own."""

COMPARED_SLICES = 3
MORE_NOISE = 2.0
"""So many times as much noise as before may be left in uniform tissue by a network that has learnt
from the scan. Where the scan's noise is like none that can be simulated, it learns to keep what
differs: on the MITA disc phantom it left 18.3 HU where it had left 7.1. On the FDA phantom, where
it comes nearer to the truth, it left 6.9 HU for 4.9."""

FIELD_SHARE = 0.3  # of the budget, at most, for making noise
LEAST_FIELD_S = 0.05
LEAST_LEARNING_S = 5.0
FEW_STEPS = 200  # with less, what it has learnt may not yet be better than the noise


NETWORK_MULTIPLY_ADDS = 8.5e9
"""Of `NETWORK` for a slice of 512 x 512, which takes it about as long as one field of noise."""


@dataclass(frozen=True)
class ScanAlone:
    """A `ctstudio.workflows.denoise.Method` that learns first, for ``minutes`` in all.

    It begins with nothing, or with the weights of the network ``begin``.
    """

    minutes: float = 5.0
    begin: OnBoard | None = None
    neighbours: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if not 0.05 <= self.minutes <= 24 * 60:
            raise StudioError(
                f"{self.minutes:g} minutes is no time to learn in.",
                hint="Give 1, 5 or 15 minutes; more where there is time.",
            )
        if self.begin is not None and self.begin.card.neighbours > 1:
            raise StudioError(
                f"{self.begin.name} looks at neighbouring slices and cannot learn from one scan.",
                hint="Take it as it is, or another network.",
            )

    @property
    def name(self) -> str:
        return NAME

    @property
    def title(self) -> str:
        if self.begin is None:
            return f"This scan alone, {self.minutes:g} min"
        return f"{self.begin.name}, {self.minutes:g} min on this scan"

    @property
    def description(self) -> str:
        how = "self-supervised, Recorrupted-to-Recorrupted"
        if self.begin is None:
            return f"Learnt from this scan alone for {self.minutes:g} min ({how})"
        return f"{self.title} ({how}; kept unless it leaves much more noise)"

    def denoise_slice(self, hu: NDArray[np.float32]) -> NDArray[np.float32]:
        """Raises StudioError: there is no network before it has learnt."""
        raise StudioError(
            "This method learns from the whole series before it denoises a slice.",
            hint="Denoise the series with it first, and then take the result.",
        )

    def denoise(self, volume: Volume, *, first: int | None = None) -> Work[Volume]:
        """Learn, then denoise all slices.

        The volume is handed out at once as it is. While the network learns, slice ``first`` shows
        what it makes of it, each time with a `SliceReady`; then all slices arrive. `Progress`
        counts seconds of the budget. The network is handed out, too, as a `NetworkMethod` in a
        second `Partial`. Closing it leaves nothing behind.
        """
        from ctstudio.learn.apply import denoise
        from ctstudio.workflows.denoise import method_from_model

        clock = _Clock(60 * self.minutes)
        shown = len(volume) // 2 if first is None else min(max(first, 0), len(volume) - 1)
        base = volume.hu()
        result = volume.derived(base, self.description)
        yield Partial(result)
        model = yield from self._learn(volume, shown, base, clock)
        yield Partial(method_from_model(model, model.name or NAME))
        work = denoise(volume, model, first=shown)
        made: Volume | None = None
        for event in work:
            if isinstance(event, Partial) and isinstance(event.value, Volume):
                made = event.value
            elif isinstance(event, SliceReady) and made is not None:
                base[event.index] = made.slice_hu(event.index)
                yield event
                yield clock.progress("Denoising all slices")
        return result

    def learnt(self, volume: Volume) -> Work[NetworkMethod]:
        """What it learns from a series within its time, to be used as any network."""
        from ctstudio.workflows.denoise import method_from_model

        middle = len(volume) // 2
        model = yield from self._learn(volume, middle, volume.hu(), _Clock(60 * self.minutes))
        return method_from_model(model, model.name or NAME)

    def _learn(
        self, volume: Volume, shown: int, base: NDArray[np.float32], clock: _Clock
    ) -> Work[TrainedModel]:
        from ctstudio.core.events import Step
        from ctstudio.learn.train import train

        began = clock.seconds
        noise = yield from relay(matched_kernel(volume), lambda event: _timed(event, clock))
        # A projection and a noise field.
        a_slice = max((clock.seconds - began) / len(candidates()), LEAST_FIELD_S)
        part, at = _some_slices(volume, shown, self._most_slices(a_slice))
        # What making the noise and denoising in the end will take, by what was just measured.
        spare = len(part) * a_slice * 2.5 + len(volume) * a_slice * self._slowness
        left = clock.total - clock.seconds
        learning = max(left - spare, 0.5 * left, LEAST_LEARNING_S)
        begin = None if self.begin is None else self.begin.file
        recipe = self._recipe(noise, learning)
        work = train(recipe, [part], preview_slice=at, branch_from=begin)
        steps = 0
        try:
            while True:
                event = next(work)
                if isinstance(event, Step):
                    steps = event.step
                    yield clock.progress("Learning from this scan")
                elif isinstance(event, Preview):
                    base[shown] = event.panels["reconstruction"]
                    yield SliceReady(shown)
                elif isinstance(event, Progress):
                    yield clock.progress("Preparing")
                elif isinstance(event, Note):
                    yield event
        except StopIteration as stop:
            model: TrainedModel = stop.value
        finally:
            work.close()
        if steps < FEW_STEPS:
            yield Note(
                f"There was time for {steps} steps only; look at the result with care, or "
                "give it longer."
            )
        if self.begin is None:
            return model
        better = yield from self._better(volume, model, clock)
        return replace(better, name=self.title)

    def _better(self, volume: Volume, learnt: TrainedModel, clock: _Clock) -> Work[TrainedModel]:
        """What was learnt; the network as it was where that leaves clearly less noise."""
        from ctstudio.learn import apply, checkpoint

        assert self.begin is not None
        before = checkpoint.load(self.begin.file)
        left: list[list[float]] = []
        for z, (tissue, _) in tissue_of(volume, COMPARED_SLICES).items():
            yield clock.progress("Comparing with the network as it was")
            images = (apply.denoise_slice(volume.slice_hu(z), net) for net in (before, learnt))
            left.append([variance(image, tissue) or 0.0 for image in images])
        if not left:
            return learnt
        was, now = (float(np.median(sd)) ** 0.5 for sd in zip(*left, strict=True))
        if now <= MORE_NOISE * was:
            return learnt
        yield Note(
            f"What was learnt from this scan would leave more noise ({now:.1f} HU for {was:.1f} "
            "HU): its noise is like none that can be simulated. "
            f"{self.begin.name} is used as it was."
        )
        return before

    @property
    def _slowness(self) -> float:
        """How much longer its network takes for a slice than `NETWORK`."""
        work = None if self.begin is None else self.begin.card.multiply_adds
        return max((work or 0) / NETWORK_MULTIPLY_ADDS, 1.0)

    def _most_slices(self, seconds_a_slice: float) -> int:
        by_time = FIELD_SHARE * 60 * self.minutes / max(2.5 * seconds_a_slice, 1e-3)
        return max(8, int(min(SLICES_A_MINUTE * max(self.minutes, 1), by_time)))

    def _recipe(self, noise: Choice, seconds: float) -> Recipe:
        from ctstudio.learn.recipe import bundled

        recipe = bundled()[RECIPE]
        if self.minutes <= BUDGETS_MIN[0]:  # time is better spent on learning
            noise = Choice(noise.name, {**noise.params, "fields": FEW_FIELDS})
        recipe = recipe.with_setting("noise", noise.to_dict())
        recipe = recipe.with_setting("task.strength", STRENGTH)
        recipe = recipe.with_setting("phases.0.model", self._network().to_dict())
        if self.begin is not None:
            recipe = recipe.with_setting("phases.0.optimiser.lr", FURTHER_LR)
        return replace(
            recipe,
            title="This scan alone" if self.begin is None else self.title,
            stopping=replace(recipe.stopping, seconds=round(seconds, 1)),
        )

    def _network(self) -> Choice:
        from ctstudio.learn.checkpoint import load

        return NETWORK if self.begin is None else load(self.begin.file).recipe.phases[-1].model


class _Clock:
    """Seconds since it was made, towards a total."""

    def __init__(self, total: float) -> None:
        self.total = total
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._began

    def progress(self, text: str) -> Progress:
        """Never quite at the end: that is when the work returns."""
        return Progress(min(int(self.seconds), int(self.total) - 1), int(self.total), text)


def _timed(event: Event, clock: _Clock) -> Event:
    """Progress of a part as that of the whole, which counts seconds."""
    return clock.progress(event.text) if isinstance(event, Progress) else event


def _some_slices(volume: Volume, shown: int, most: int) -> tuple[Volume, int]:
    """At most so many slices, evenly spread, ``shown`` among them, and where that is."""
    count = len(volume)
    chosen = np.linspace(0, count - 1, min(most, count)).round().astype(int)
    chosen[int(np.argmin(np.abs(chosen - shown)))] = shown
    kept = np.unique(chosen)
    if len(kept) == count:
        return volume, shown
    geometry = replace(volume.geometry, positions_mm=volume.geometry.positions_mm[kept])
    part = replace(
        volume,
        voxels=volume.voxels[kept],
        slope=volume.slope[kept],
        intercept=volume.intercept[kept],
        geometry=geometry,
        source=replace(volume.source, files=(), described_by=()),
    )
    return part, int(np.searchsorted(kept, shown))


def timed(text: str, name: str) -> str:
    """The minutes in "NAME-5", the method ``name`` with a time; "" for any other text.

    What lies in a file or folder of that name is that.
    """
    minutes = text.removeprefix(f"{name}-")
    if minutes == text or not minutes.replace(".", "", 1).isdecimal() or Path(text).exists():
        return ""
    return minutes


def text_of(title: str) -> str:
    """The title of such a method as `timed` takes it: "scan-alone-5"; "" for any other title."""
    alone = re.fullmatch(r"This scan alone, (\S+) min", title)
    if alone:
        return f"{NAME}-{alone[1]}"
    further = re.fullmatch(r"(.+), (\S+) min on this scan", title)
    return f"{further[1]}-{further[2]}" if further else ""


def minutes_of(settings: Mapping[str, Any], name: str = NAME) -> float:
    """The only setting, as a command line has it: ``minutes``, the time for all of it.

    Raises
    ------
    StudioError
        For another setting, or a time that is none.
    """
    for key in settings:
        if key != "minutes":
            raise StudioError(f"{name} has no setting {key!r}.", hint="Allowed: minutes.")
    try:
        return float(settings.get("minutes", ScanAlone.minutes))
    except ValueError as error:
        raise StudioError(
            f"minutes = {settings['minutes']!r} is not allowed.", hint="Give a number."
        ) from error

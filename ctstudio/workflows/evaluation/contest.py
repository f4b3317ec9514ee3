"""Methods on cases: classical ones at their best, networks as they are, and both blended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Progress, Work
from ctstudio.core.registry import Choice
from ctstudio.ct.metrics import PROTOCOLS, rmse
from ctstudio.ct.volume import Geometry, Volume
from ctstudio.workflows.denoise import ClassicalMethod, Method, NetworkMethod, method_from_choice
from ctstudio.workflows.evaluation.cases import Case, distinct
from ctstudio.workflows.evaluation.measure import Ground, measure
from ctstudio.workflows.scan_alone import ScanAlone
from ctstudio.workflows.stages import stage, within

TUNED_ON = 2  # slices
SHARES = tuple(k / 20 for k in range(20, 0, -1))
STRONGER = (1.25, 1.6, 2.0, 2.6)
"""Of a filter that is blended: its strength over the best one without a blend."""

TUNED_BY = "A"  # protocol
NOISY = "Noisy input"
PROTOCOLS_USED = ("A", "B chest", "B abdomen", "full")


@dataclass(eq=False)
class Entry:
    """What one method made of one case.

    ``rows`` holds the measures of each slice (see `measure`), ``images`` the slices ``(y, x)`` HU,
    ``seconds`` the time of each; ``parameters`` is the number of a network's weights, 0 for others.
    ``used`` is the method with the settings that it had, None for the noisy input; ``share`` is how
    much of its result there is in the images, the rest being the noisy input.
    """

    case: str
    method: str
    settings: str
    parameters: int = 0
    used: Method | None = None
    rows: list[dict[str, float]] = field(default_factory=list)
    images: list[NDArray[np.float32]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    share: float = 1.0


def neighbours_of(methods: Sequence[Method]) -> int:
    """The most neighbouring slices, themselves included, that any of the methods looks at."""
    return max((method.neighbours for method in methods), default=1)


def titles_of(methods: Sequence[Method]) -> list[str]:
    """What the methods are called beside one another: never two by one name.

    Two networks of one kind and length are told apart by their files.
    """
    titles = [method.title for method in methods]
    named = [
        f"{title} ({method.name})"
        if titles.count(title) > 1 and method.name != title and isinstance(method, NetworkMethod)
        else title
        for title, method in zip(titles, methods, strict=True)
    ]
    return distinct(named)


def evaluate(
    cases: Sequence[Case],
    methods: Sequence[Method],
    *,
    protocols: Sequence[str] = PROTOCOLS_USED,
    tune: bool = True,
) -> Work[list[Entry]]:
    """Every method on every case, the noisy input first.

    Parameters
    ----------
    tune
        Whether a classical method gets the strength that brings it closest to the truth (protocol
        A, on two of the slices): an oracle, so that no rival is weak. Else it has the settings
        that it came with. A network, which has no strength, is judged as it is. Where that comes
        closer to the same truth, either is judged blended with the noisy input, too, a filter
        with more strength for it: a truth that is noisy itself favours who leaves noise. One
        that learns from the scan alone does so from the noisy slices
        of the case, in its own time, which does not count as seconds of a slice.

    Raises
    ------
    StudioError
        For no case.
    ValueError
        For two cases of one name: entries name theirs.
    """
    if not cases:
        raise StudioError("There is nothing to evaluate on.", hint="Give a series, or --demo.")
    if len({case.name for case in cases}) < len(cases):
        raise ValueError("two cases have one name")
    entries: list[Entry] = []
    total = sum(len(case.slices) for case in cases) * (len(methods) + 1)
    done = 0
    for case in cases:
        grounds = []
        for one in case.slices:
            yield Progress(done, total, f"{case.name}: looking for edges and uniform tissue")
            grounds.append(Ground.of(one.truth, case.spacing_mm))
        noisy = Entry(case.name, NOISY, case.noise)
        for one, ground in zip(case.slices, grounds, strict=True):
            noisy.images.append(one.input)
            noisy.rows.append(measure(one.input, one.input, ground, protocols))
            done += 1
            yield Progress(done, total, f"{case.name}: the noisy input")
        entries.append(noisy)
        for title, method in zip(titles_of(methods), methods, strict=True):
            if tune and _has_strength(method):
                method = yield from _at_its_best(method, case)
            about = method.description
            if isinstance(method, ScanAlone):
                method = yield from stage(method.learnt(_as_series(case)), f"{case.name}: {title}")
            entry = Entry(case.name, title, about, _weights(method), method)
            for one, ground in zip(case.slices, grounds, strict=True):
                start = time.perf_counter()
                image = method.denoise_slice(one.among(method.neighbours))
                entry.seconds.append(time.perf_counter() - start)
                entry.images.append(image)
                entry.rows.append(measure(image, one.input, ground, protocols))
                done += 1
                yield Progress(done, total, f"{case.name}: {title}")
            entries.append(entry)
            if tune:
                now = Progress(done, total, f"{case.name}: {title}, blended")
                yield now
                entries += yield from within(_blended(entry, case, grounds, protocols), now)
    return entries


def _blended(
    entry: Entry, case: Case, grounds: Sequence[Ground], protocols: Sequence[str]
) -> Work[list[Entry]]:
    """The same method blended with its input as suits the truth best; none where it is best so."""
    prepare = PROTOCOLS[TUNED_BY].prepare
    tuned = _tuned_on(case)
    truths = [prepare(case.slices[k].truth) for k in tuned]

    def error(images: Sequence[NDArray[np.float32]], share: float) -> float:
        blends = (
            prepare(_mixed(image, case.slices[k].input, share))
            for k, image in zip(tuned, images, strict=True)
        )
        return sum(rmse(blend, truth) ** 2 for blend, truth in zip(blends, truths, strict=True))

    as_it_is = [entry.images[k] for k in tuned]
    tried = {(error(as_it_is, share), -share): entry.used for share in SHARES}
    for method in _stronger(entry.used):
        images: list[NDArray[np.float32]] = []
        for k in tuned:
            yield Progress(len(images), len(tuned), "Looking for the best share")
            images.append(method.denoise_slice(case.slices[k].input))
        tried |= {(error(images, share), -share): method for share in SHARES}
    best = min(tried)
    used, share = tried[best], -best[1]
    if share == 1:
        return []
    percent = f"{100 * share:.0f} %"
    about = entry.settings if used is entry.used or used is None else used.description
    mixed = replace(entry, method=f"{entry.method}, {percent}", used=used, rows=[], images=[],
                    settings=f"{about}; {percent} of its result, the rest the noisy input",
                    share=share)  # fmt: skip
    for one, image, ground in zip(case.slices, entry.images, grounds, strict=True):
        if used is not None and used is not entry.used:
            image = used.denoise_slice(one.input)
        mixed.images.append(_mixed(image, one.input, share))
        mixed.rows.append(measure(mixed.images[-1], one.input, ground, protocols))
        yield Progress(len(mixed.rows), len(case.slices), "Blending")
    return [mixed]


def _stronger(method: Method | None) -> list[ClassicalMethod]:
    """A filter with more strength, as far as it goes; of others nothing."""
    if method is None or not _has_strength(method):
        return []
    found = []
    for factor in STRONGER:
        params = method.choice.params
        choice = Choice(method.name, {**params, "strength": factor * params["strength"]})
        with suppress(StudioError):  # beyond the strongest
            found.append(method_from_choice(choice))
    return found


def _has_strength(method: Method) -> TypeGuard[ClassicalMethod]:
    """Whether it is a filter that can be tuned; one from elsewhere need not have a strength."""
    return isinstance(method, ClassicalMethod) and "strength" in method.choice.params


def _mixed(
    image: NDArray[np.float32], noisy: NDArray[np.float32], share: float
) -> NDArray[np.float32]:
    result: NDArray[np.float32] = noisy + np.float32(share) * (image - noisy)
    return result


def _tuned_on(case: Case) -> list[int]:
    """The slices of a case whose truth an oracle may look at."""
    count = len(case.slices)
    return sorted({count // 4, (3 * count) // 4})[:TUNED_ON]


def _at_its_best(method: ClassicalMethod, case: Case) -> Work[ClassicalMethod]:
    from ctstudio.classical.apply import best_setting

    chosen = _tuned_on(case)
    noisy = np.stack([case.slices[k].input for k in chosen])
    truth = np.stack([case.slices[k].truth for k in chosen])
    best = yield from best_setting(noisy, truth, method.choice, TUNED_BY)
    return method_from_choice(best)


def _as_series(case: Case) -> Volume:
    """The noisy slices as a series, in the order in which they lie."""
    geometry = replace(Geometry.axial(len(case.slices)), spacing_mm=case.spacing_mm)
    return Volume.from_hu(np.stack([one.input for one in case.slices]), geometry)


def _weights(method: Method) -> int:
    if not isinstance(method, NetworkMethod):
        return 0
    return sum(weight.numel() for weight in method.model.module.parameters())

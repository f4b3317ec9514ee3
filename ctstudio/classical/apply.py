"""A classical denoiser on a whole volume, and the search for its best strength."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctstudio.classical.denoisers import DENOISERS, Slice, fill_padding, reach
from ctstudio.core.events import Event, Note, Partial, Progress, SliceReady, Work
from ctstudio.core.registry import Choice, Entry
from ctstudio.ct.metrics import PROTOCOLS, Protocol, evaluate
from ctstudio.ct.volume import Volume

BLOCK_PX = 64 * 1024


def denoise(volume: Volume, choice: Choice, *, first: int | None = None) -> Work[Volume]:
    """Denoise every slice of ``volume``, slice ``first`` (default the middle) first.

    Yields ``Partial(volume)`` once the first slice is done (the others still show the original),
    then ``SliceReady`` and ``Progress`` for each, working outward from ``first``.

    Returns
    -------
    Volume
        float32, same geometry and source; the method and its settings stand in ``derivation``.

    Raises
    ------
    StudioError
        For an unknown method or a setting out of range.
    """
    resolved = DENOISERS.resolve(choice)
    entry = DENOISERS[choice.name]
    count = len(volume)
    centre = count // 2 if first is None else min(max(first, 0), count - 1)
    if volume.unit != "HU":
        yield Note(f"This series is not in HU; {entry.title} takes its values as if they were.")
    hu = np.empty(volume.shape, np.float32)
    for index in range(count):
        hu[index] = volume.slice_hu(index)
        if index % 16 == 0:
            yield Progress(0, count, entry.title)
    result = volume.derived(hu, describe(resolved))
    for done, index in enumerate(outward(count, centre), start=1):
        hu[index] = yield from _in_blocks(volume.slice_hu(index), entry, resolved, done - 1, count)
        if done == 1:
            yield Partial(result)
        yield SliceReady(index)
        yield Progress(done, count, entry.title)
    return result


def describe(choice: Choice) -> str:
    """One line for the history of a volume: the method's title with its settings and units."""
    resolved = DENOISERS.resolve(choice)
    settings = []
    for field in DENOISERS[resolved.name].fields:
        value = resolved.params[field.name]
        text = f"{value:g}" if isinstance(value, (int, float)) else str(value)
        name = field.name.removesuffix("_px").replace("_", " ")
        settings.append(f"{name} {text} {field.param.unit}".rstrip())
    return f"{DENOISERS[resolved.name].title} ({', '.join(settings)})"


def outward(count: int, first: int) -> list[int]:
    """Slice indices 0 to ``count`` - 1, nearest to ``first`` first."""
    return sorted(range(count), key=lambda index: (abs(index - first), index))


def _in_blocks(
    image: Slice, entry: Entry, choice: Choice, done: int, total: int
) -> Generator[Event, None, Slice]:
    """Denoise one slice, in blocks of rows where the method allows, so that a cancel is prompt."""
    margin = reach(choice.name, dict(choice.params))
    rows = max(BLOCK_PX // image.shape[1], 1)
    if margin is None or rows < 2 * margin or rows >= image.shape[0]:
        whole: Slice = entry.call(image, **choice.params)
        return whole
    # The padding is filled for the whole slice: its nearest tissue may lie in another block.
    filled, padding = fill_padding(image)
    out = np.empty_like(filled)
    for top in range(0, image.shape[0], rows):
        bottom = min(top + rows, image.shape[0])
        start, stop = max(top - margin, 0), min(bottom + margin, image.shape[0])
        part = entry.call(filled[start:stop], **choice.params)
        out[top:bottom] = part[top - start : bottom - start]
        yield Progress(done, total, entry.title)
    return out if padding is None else np.where(padding, image, out)


def best_setting(
    noisy: NDArray[np.floating],
    target: NDArray[np.floating],
    name: str | Choice,
    protocol: Protocol | str = "A",
    *,
    evaluations: int = 12,
) -> Work[Choice]:
    """The strength that brings ``noisy`` closest to ``target``: the highest PSNR of ``protocol``.

    An oracle, since it looks at the target: what a method could give at its best, beside which a
    network is judged. A scan of five strengths over the whole range, then a golden-section search
    in the logarithm of the strength.

    Parameters
    ----------
    noisy, target
        ``(y, x)`` or ``(z, y, x)`` HU of one shape; one or two slices are enough.
    name
        An entry of `DENOISERS`, or a choice whose other settings are kept.
    evaluations
        How many strengths are tried in all, at least 6.

    Returns
    -------
    Choice
        With all settings, the strength to three digits.
    """
    rule = PROTOCOLS[protocol] if isinstance(protocol, str) else protocol
    given = DENOISERS.resolve(Choice(name) if isinstance(name, str) else name)
    entry = DENOISERS[given.name]
    strength = next(field for field in entry.fields if field.name == "strength")
    images = [np.asarray(image, np.float32) for image in (noisy, target)]
    noisy_3d, target_3d = (image[None] if image.ndim == 2 else image for image in images)
    scores: dict[float, float] = {}

    def with_strength(logarithm: float) -> dict[str, Any]:
        return {**given.params, "strength": float(f"{math.exp(logarithm):.3g}")}

    def score(logarithm: float) -> Generator[Event, None, float]:
        params = with_strength(logarithm)
        result = np.empty_like(noisy_3d)
        for index, image in enumerate(noisy_3d):
            result[index] = entry.call(image, **params)
            yield Progress(len(scores), evaluations, f"{entry.title}: the best strength")
        scores[logarithm] = evaluate(result, target_3d, rule)["psnr"]
        return scores[logarithm]

    low, high = math.log(strength.param.low or 1.0), math.log(strength.param.high or 300.0)
    grid = np.linspace(low, high, 7)[1:-1]
    for point in grid:
        yield from score(float(point))
    best = max(scores, key=lambda point: scores[point])
    step = float(grid[1] - grid[0])
    golden = (math.sqrt(5.0) - 1.0) / 2.0
    a, b = max(best - step, low), min(best + step, high)
    c, d = b - golden * (b - a), a + golden * (b - a)
    at_c = yield from score(c)
    at_d = yield from score(d)
    while len(scores) < evaluations:
        if at_c >= at_d:
            b, d, at_d = d, c, at_c
            c = b - golden * (b - a)
            at_c = yield from score(c)
        else:
            a, c, at_c = c, d, at_d
            d = a + golden * (b - a)
            at_d = yield from score(d)
    best = max(scores, key=lambda point: scores[point])
    yield Progress(evaluations, evaluations, f"{entry.title}: the best strength")
    return DENOISERS.resolve(Choice(given.name, with_strength(best)))

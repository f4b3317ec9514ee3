"""How sure a method is of what it makes: it is asked eight times, with the slice turned.

A flip or a quarter turn of a scan is as good a scan, so a method ought to answer alike. Where the
eight answers differ, they say more of the method than of the patient.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.events import Partial, Progress, SliceReady, Work
from ctstudio.ct.volume import Volume
from ctstudio.learn.context import middle
from ctstudio.workflows.denoise import Method, around

TURNS = 8
SD_UNIT = "HU (SD)"
"""The unit of the result: no HU of tissue, so that it is not shown in the same window."""

STEP = "SD of eight answers, the slice flipped and turned"


def answers(method: Method, hu: NDArray[np.float32]) -> Work[NDArray[np.float64]]:
    """The mean and the SD ``(2, y, x)``, HU, of a method's answers to one slice.

    ``hu`` is the slice ``(y, x)``, or it among the neighbours that the method looks at. Yields
    Progress after each of the eight. The SD is that of a sample (n - 1).
    """
    slice_hu = middle(hu)
    total = np.zeros(slice_hu.shape, np.float64)
    squares = np.zeros(slice_hu.shape, np.float64)
    for turn in range(TURNS):
        back = _back(method.denoise_slice(np.ascontiguousarray(_turned(hu, turn))), turn)
        # About the input, so that the squares keep their digits.
        change = back.astype(np.float64) - slice_hu
        total += change
        squares += change * change
        yield Progress(turn + 1, TURNS, f"{method.title}: asked {turn + 1} of {TURNS} times")
    mean = total / TURNS
    variance = np.maximum(squares / TURNS - mean * mean, 0) * TURNS / (TURNS - 1)
    return np.stack([slice_hu + mean, np.sqrt(variance)])


def uncertainty(volume: Volume, method: Method, *, first: int | None = None) -> Work[Volume]:
    """The SD of the eight answers, slice by slice, float32 in `SD_UNIT`.

    It is handed out at once as `Partial`; slices that have not arrived are 0. Slice ``first``
    (default the middle) comes first, its neighbours follow.
    """
    count = len(volume)
    base = np.zeros(volume.shape, np.float32)
    result = Volume.from_hu(
        base,
        volume.geometry,
        source=volume.source,
        derivation=(*volume.derivation, method.description, STEP),
        unit=SD_UNIT,
    )
    yield Partial(result)
    start = count // 2 if first is None else first
    for done, index in enumerate(sorted(range(count), key=lambda z: (abs(z - start), z))):
        work = answers(method, around(method, volume, index))
        while True:
            try:
                event = next(work)
            except StopIteration as stop:
                base[index] = stop.value[1]
                break
            if isinstance(event, Progress):
                yield Progress(done * TURNS + event.done, count * TURNS, event.text)
        yield SliceReady(index)
    return result


def _turned(hu: NDArray[np.float32], turn: int) -> NDArray[np.float32]:
    """One of the eight: quarter turns, the last four of the mirror image."""
    return np.rot90(hu if turn < 4 else hu[..., ::-1], turn % 4, axes=(-2, -1))


def _back(hu: NDArray[np.float32], turn: int) -> NDArray[np.float32]:
    plain = np.rot90(hu, -(turn % 4))
    return plain if turn < 4 else plain[:, ::-1]

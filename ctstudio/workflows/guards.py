"""What to know about a denoised series before it is believed: a short list, each with its meaning.

None of it needs the truth. The figures are means over a few slices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.events import Progress, Work
from ctstudio.ct.metrics import bias, uniform_regions
from ctstudio.ct.nps import noise_power_spectrum, places
from ctstudio.ct.padding import measured
from ctstudio.ct.residual import CLIP_HU, LEAST_SD_HU, structure
from ctstudio.ct.tissue_noise import TissueNoise, noise_of_tissue, noise_of_tissues
from ctstudio.ct.views import Blend, SliceStack
from ctstudio.ct.volume import Source
from ctstudio.learn.cards import Card

Verdict = Literal["fine", "note"]

SLICES = 5
MOST_BIAS_HU = 1.0
MOST_STRUCTURE = 0.1
LEAST_SHARE_OF_FREQUENCY = 0.6
MOST_LEFT = 0.8
"""Of the noise; where more is left, something is said."""
SQUARE_PX = 16
BODY_HU = -950.0
EDGE_PX = 1.5
STEEPEST = 0.85
ROUNDING = 1e-5  # of the largest value: what the arithmetic of a network leaves of nothing


@dataclass(frozen=True)
class Finding:
    """One line of the list.

    ``numbers`` fill the places of ``value`` (a form text) in order; ``meaning`` says in a sentence
    what it means for whoever looks at the image.
    """

    name: str
    verdict: Verdict
    value: str
    numbers: tuple[float | str, ...]
    meaning: str


UNCHANGED = Finding(
    "Change", "fine", "none", (),
    "Nothing was changed: the slices that were looked at are as they were scanned.",
)  # fmt: skip


def examine(
    original: SliceStack, result: SliceStack, card: Card | None = None, *, learnt: bool = False
) -> Work[list[Finding]]:
    """Compare a denoised series with what it was made from.

    Parameters
    ----------
    original, result
        Of one size. Of a `Blend` the noise that was left goes with the noise that was removed;
        structure is looked for as all of the denoised shows it.
    card
        Of the network that made it, where that has one: then a scan of another kind is told of.
    learnt
        Whether a network made it that has learnt from other scans. Without HU that is all there is
        to be told: the rest is about tissues.

    Returns
    -------
    list of Finding
        In the order in which they are read; what cannot be told is left out. Where the result is
        the original up to rounding, there is one that says so.
    """
    chosen = spread(len(original))
    biases: list[float] = []
    structures: list[float] = []
    spectra: list[tuple[float, float]] = []
    noise: list[NDArray[np.float32]] = []
    left: list[NDArray[np.float32]] = []
    spacing = original.geometry.spacing_mm
    hounsfield = original.unit == "HU"
    changed = False
    shown = result.other if isinstance(result, Blend) and result.fraction > 0 else result
    for done, z in enumerate(chosen):
        yield Progress(done, len(chosen), "Checking the result")
        before, after = original.slice_hu(z), result.slice_hu(z)
        known = measured(before)
        before, after = (np.where(known, hu, np.float32(-1000)) for hu in (before, after))
        changed = changed or _differ(before, after)
        if not hounsfield:
            continue
        noise.append(before)
        left.append(after)
        uniform = uniform_regions(after)
        biases.append(bias(after, before, uniform))
        clean = after if shown is result else np.where(known, shown.slice_hu(z), np.float32(-1000))
        structures.append(structure(before - after, clean, _edges(clean, known)))
        spectra += _frequencies(before, after, uniform, spacing)
    if not changed:
        return [UNCHANGED]
    if not hounsfield:
        return [_no_hu(card)] if learnt or card is not None else []
    told = noise_of_tissues(noise, spacing)
    findings = [
        _noise(noise_of_tissue(told), noise_of_tissue(noise_of_tissues(left, spacing))),
        _bias(_mean(biases)),
        _structure(_mean(structures)),
        _texture(spectra),
    ]
    if card is not None:
        findings += strange_to(card, original, told)
    return [finding for finding in findings if finding is not None]


def spread(count: int, slices: int = SLICES) -> list[int]:
    """At most so many slices of ``count``, evenly spread, not the outermost."""
    if count <= slices:
        return list(range(count))
    return [int((k + 0.5) * count / slices) for k in range(slices)]


def strange_to(card: Card, scan: SliceStack, noise: Sequence[TissueNoise]) -> list[Finding]:
    """In what a scan is of another kind than those that a network learnt from.

    Kernels are compared by name; those whose noise was simulated are known as well. Where the
    card is silent, so is this; what the scan does not tell is named.
    """
    found: list[Finding] = []
    alike: list[str] = []
    unknown: list[str] = []
    source: Source = scan.source
    kernels = {_plain(kernel) for kernel in (*card.kernels, *card.simulated_kernels)}
    if kernels and not source.kernel:
        unknown.append("kernel")
    elif kernels and _plain(source.kernel) not in kernels:
        learnt = ", ".join(dict.fromkeys(_spaced(kernel) for kernel in card.kernels))
        found.append(
            Finding(
                "Kernel", "note", "{0}; learnt from {1}", (_spaced(source.kernel), learnt),
                "The network has not seen scans of this kernel. Look closely at fine detail.",
            )
        )  # fmt: skip
    elif kernels:
        alike.append("kernel")
    geometry = scan.geometry
    spacing = float(np.mean(geometry.spacing_mm)) if geometry.spacing_known else math.nan
    thickness = source.slice_thickness_mm or math.nan
    sd = noise_of_tissue(noise)
    for name, value, limits, unit, meaning in (
        ("Pixel size", spacing, card.spacing_mm, "mm",
         "Structures are larger or smaller in pixels than what the network has seen."),
        ("Slice thickness", thickness, card.thickness_mm, "mm",
         "Thinner slices are noisier, thicker ones blend more tissue than what it has seen."),
        ("Noise level", sd, card.noise_hu, "HU",
         "The network may take away too little of the noise, or some of the detail."),
    ):  # fmt: skip
        if limits is None:
            continue
        if not math.isfinite(value):
            unknown.append(name.lower())
        elif limits.holds(value):
            alike.append(name.lower())
        else:
            found.append(
                Finding(
                    name, "note", "{0:.3g} {1}; learnt from {2} {1}",
                    (value, unit, str(limits)), meaning,
                )
            )  # fmt: skip
    if unknown:
        found.append(
            Finding(
                "Kind of scan", "note", "not known: {0}", (", ".join(unknown),),
                "The scan does not tell whether it is like those that the network learnt from.",
            )
        )  # fmt: skip
    elif alike and not found:
        found.append(
            Finding(
                "Kind of scan", "fine", "as those that it learnt from", (),
                "Kernel, pixels, slices and noise lie within what the network's card tells.",
            )
        )  # fmt: skip
    return found


def _differ(before: NDArray[np.float32], after: NDArray[np.float32]) -> bool:
    """Whether two slices differ by more than what rounding does."""
    change = float(np.abs(after - before).max(initial=0.0))
    return not change <= ROUNDING * float(np.abs(before).max(initial=0.0))


def _no_hu(card: Card | None) -> Finding:
    """That a network was shown what it may never have seen."""
    if card is not None:
        return Finding(
            "Kind of scan", "note", "values are not HU; learnt from CT", (),
            "The network took them as HU. It may smear or invent detail: compare with the scan.",
        )  # fmt: skip
    return Finding(
        "Kind of scan", "note", "values are not HU", (),
        "The network took them as HU. Trust it only if it learnt from images like these.",
    )  # fmt: skip


def _noise(before: float, after: float) -> Finding | None:
    if not (math.isfinite(before) and math.isfinite(after) and before > 0):
        return None
    fine = after < MOST_LEFT * before
    return Finding(
        "Noise in soft tissue", "fine" if fine else "note", "{0:.1f} → {1:.1f} HU", (before, after),
        "SD in uniform soft tissue, before and after: squares of 6.5 mm of up to 5 slices."
        if fine
        else "Hardly any noise is gone: it is not of the kind that the method knows, or the "
        "strength or the blend is low.",
    )  # fmt: skip


def _bias(found: float) -> Finding | None:
    if not math.isfinite(found):
        return None
    fine = abs(found) < MOST_BIAS_HU
    return Finding(
        "Bias", "fine" if fine else "note", "{0:+.2f} HU", (found + 0.0,),
        "The mean HU of uniform tissue stayed as it was."
        if fine
        else "The mean HU of uniform tissue has moved: do not measure density in this result.",
    )  # fmt: skip


def _structure(found: float) -> Finding | None:
    if not math.isfinite(found):
        return None
    fine = abs(found) < MOST_STRUCTURE
    if fine:
        meaning = "What was taken away looks like noise: it does not follow the anatomy."
    elif found > 0:
        meaning = "Some fine anatomy was taken away with the noise. Look at the residual, or blend."
    else:
        meaning = "Edges were made sharper than in the scan. Look at the residual, or blend."
    return Finding(
        "Structure in the residual", "fine" if fine else "note", "{0:+.2f}", (found + 0.0,), meaning
    )


def _texture(spectra: Sequence[tuple[float, float]]) -> Finding | None:
    """The mean frequency of the noise before, and of what is left of it."""
    if not spectra:
        return None
    before, after = (float(np.mean([pair[k] for pair in spectra])) for k in (0, 1))
    if not (before > 0 and math.isfinite(after)):
        return None
    fine = after >= LEAST_SHARE_OF_FREQUENCY * before
    return Finding(
        "Texture", "fine" if fine else "note", "{0:.2f} → {1:.2f} /mm", (before, after),
        "What is left of the noise is about as fine as it was."
        if fine
        else "What is left of the noise is coarser: uniform tissue may look blotchy or smeared.",
    )  # fmt: skip


def _frequencies(
    before: NDArray[np.float32],
    after: NDArray[np.float32],
    uniform: NDArray[np.bool_],
    spacing_mm: tuple[float, float],
) -> list[tuple[float, float]]:
    corners = places(uniform, SQUARE_PX)
    if not corners or min(float(hu[uniform].std()) for hu in (before, after)) < LEAST_SD_HU:
        return []  # without noise there is no texture
    side = SQUARE_PX
    found = [
        noise_power_spectrum(
            [hu[y : y + side, x : x + side] for y, x in corners], spacing_mm
        ).mean_frequency
        for hu in (before, after)
    ]
    return [(found[0], found[1])] if all(map(math.isfinite, found)) else []


def _edges(after: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where there is structure: elsewhere noise that is left goes with noise that was removed."""
    from scipy import ndimage

    if min(after.shape) < 2:  # a row of pixels has no slope
        return np.zeros(after.shape, bool)
    smooth = ndimage.gaussian_filter(np.clip(after, *CLIP_HU), EDGE_PX)
    slope = np.hypot(*np.gradient(smooth))
    inside = known & (smooth > BODY_HU)
    if not inside.any():
        return np.zeros(after.shape, bool)
    return np.asarray(inside & (slope >= np.quantile(slope[inside], STEEPEST)), bool)


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return float(np.mean(known)) if known else math.nan


def _plain(kernel: str) -> str:
    """A kernel's name to compare; scanners write the strength of an iteration behind it."""
    return kernel.split("\\")[0].strip().casefold()


def _spaced(kernel: str) -> str:
    return kernel.replace("\\", " ")

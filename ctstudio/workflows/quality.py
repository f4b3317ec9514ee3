"""How good a denoised series is, beside its noisy input and a strong classical rival."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctstudio.core.events import Progress, Work
from ctstudio.core.registry import Choice
from ctstudio.ct.metrics import PROTOCOLS, Protocol, bias, evaluate, noise_sd, uniform_regions
from ctstudio.ct.views import SliceStack


def best_total_variation(
    truth: SliceStack, noisy: SliceStack, tuning: Sequence[int], judged: Sequence[int]
) -> Work[tuple[Choice, list[NDArray[np.float32]]]]:
    """Total variation at its best: the strength that suits the slices ``tuning`` (it looks at the
    truth, so no rival is weak), and what it makes of the slices ``judged``, ``(y, x)`` HU each.
    """
    from ctstudio.classical.apply import best_setting
    from ctstudio.workflows.denoise import method_from_choice

    pair = [np.stack([stack.slice_hu(z) for z in tuning]) for stack in (noisy, truth)]
    best = yield from best_setting(pair[0], pair[1], "tv", "A")
    method = method_from_choice(best)
    result = []
    for done, z in enumerate(judged):
        yield Progress(done, len(judged), "Total variation")
        result.append(method.denoise_slice(noisy.slice_hu(z)))
    return best, result


def compare(
    truth: SliceStack,
    series: Mapping[str, SliceStack | Sequence[NDArray[np.float32]]],
    judged: Sequence[int],
    protocol: Protocol = PROTOCOLS["A"],
) -> Work[dict[str, dict[str, float]]]:
    """Metrics of several versions of the slices ``judged``.

    Parameters
    ----------
    series
        By name: a stack like ``truth``, or just the judged slices.

    Returns
    -------
    dict
        By name: "psnr" (dB), "ssim", "rmse" (HU) under ``protocol``, "bias_hu" and "noise_sd_hu"
        in uniform soft tissue; means over the slices, rounded for people.
    """
    target = np.stack([truth.slice_hu(z) for z in judged])
    regions = [uniform_regions(image) for image in target]
    rows = {}
    for done, (name, version) in enumerate(series.items()):
        yield Progress(done, len(series), f"Metrics: {name}")
        if isinstance(version, Sequence):
            images = np.stack(list(version))
        else:
            images = np.stack([version.slice_hu(z) for z in judged])
        row = {k: round(v, 4) for k, v in evaluate(images, target, protocol).items()}
        parts = list(zip(images, target, regions, strict=True))
        row["bias_hu"] = _mean([bias(a, b, where) for a, b, where in parts], 3)
        row["noise_sd_hu"] = _mean([noise_sd(a - b, where) for a, b, where in parts], 2)
        rows[name] = row
    return rows


def bias_by_slice(
    truth: SliceStack, series: Mapping[str, SliceStack]
) -> Work[dict[str, dict[str, Any]]]:
    """Bias in uniform soft tissue over whole series, by name: the mean over the slices, and the
    largest of one slice with its number (from 1)."""
    values: dict[str, dict[int, float]] = {name: {} for name in series}
    for z in range(len(truth)):
        yield Progress(z, len(truth), "Bias of every slice")
        reference = truth.slice_hu(z)
        where = uniform_regions(reference)
        if where.any():
            for name, stack in series.items():
                values[name][z] = bias(stack.slice_hu(z), reference, where)
    return {name: _extremes(found) for name, found in values.items()}


def _extremes(found: Mapping[int, float]) -> dict[str, Any]:
    if not found:
        return {"slices": 0}
    worst = max(found, key=lambda z: abs(found[z]))
    return {
        "mean": round(float(np.mean(list(found.values()))), 3),
        "largest_of_a_slice": round(found[worst], 3),
        "in_slice": worst + 1,
        "slices": len(found),
    }


def _mean(values: Sequence[float], digits: int) -> float:
    known = [v for v in values if not math.isnan(v)]
    return round(float(np.mean(known)), digits) if known else math.nan

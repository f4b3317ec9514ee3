"""Numbers of a reproduction: how near the truth, and whether it shows what the author saw."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctstudio.ct.metrics import evaluate, psnr

Image = NDArray[np.floating]

UNIT_PROTOCOL = (
    "[0, 1]: each slice is scaled so that 0 is black (-1000 HU, or of pictures the darkest grey) "
    "and 1 the largest value of the clean slice; PSNR with the peak 1 over the whole slice, not "
    "clipped, mean over the slices"
)
CLIPPED = "the same, the image clipped to [0, 1] first"
STRETCHED = (
    "the same, the image stretched so that its least value is 0 and its largest 1, as a plotting "
    "program shows it and as the author's later repair normalises it"
)
HU_PROTOCOL = (
    "A: image and truth clipped to [-160, 240] HU, data range 400 HU, PSNR, SSIM and RMSE of each "
    "slice, mean over the slices"
)


@dataclass(frozen=True)
class Sight:
    """Something that can be seen in a picture, as a bound on one number."""

    words: str
    measure: str
    bound: float
    least: bool  # whether the number is at least the bound, or at most

    def holds(self, numbers: Mapping[str, float]) -> bool:
        """Whether it is seen."""
        value = numbers[self.measure]
        # NumPy's own bool is none that JSON knows.
        return bool(value >= self.bound if self.least else value <= self.bound)

    @property
    def rule(self) -> str:
        """The bound in words."""
        return f"{'at least' if self.least else 'at most'} {self.bound:g}"


MEASURES = {
    "contrast": "standard deviation of the output over that of the truth",
    "grey": "median grey of the output when it is shown from its least value, 0, to its largest, 1",
    "silhouette": "correlation of the output with the body's silhouette",
    "disc": "correlation of the output with where the truth, averaged over 9 x 9 px, lies above "
    "black by half a HU (of greys, by a sixteenth) or more: the circle of the scan, or the body "
    "where the air around it is black",
    "input": "correlation of the output with the noisy input",
    "shown input": "correlation of the output with the noisy input, both cut to what a picture "
    "from black to the truth's largest value shows",
    "truth": "correlation of the output with the truth",
    "noise": "standard deviation in the air around the body over that of the noisy input, both "
    "shown from their least to their largest value",
    "spots": "separate dark spots in the middle quarter of the output, each between a hundredth of "
    "a percent and 5 % of the picture",
}

SIGHTS = {
    "constant": Sight("the output is nearly constant", "contrast", 0.05, False),
    "not constant": Sight("not all of it is one grey", "contrast", 1e-6, True),
    "black": Sight("the picture is black", "grey", 0.2, False),
    "not black": Sight("the picture is not black", "grey", 0.2, True),
    "disc": Sight("a white disc", "disc", 0.7, True),
    "dark spots": Sight("dark dots in the middle", "spots", 3, True),
    "input": Sight("the output equals the input", "shown input", 0.95, True),
    "less noise": Sight("the noise goes", "noise", 0.3, False),
    "much lost": Sight("much of the image goes, too", "truth", 0.8, False),
    "noisy": Sight("the noise stays", "noise", 0.3, True),
}


def numbers(
    clean: Sequence[Image], noisy: Sequence[Image], output: Sequence[Image], *, hu: bool
) -> dict[str, float]:
    """All metrics and measures of images ``(y, x)`` in HU, the mean over the slices.

    ``psnr_unit``, ``psnr_unit_clipped`` and ``psnr_unit_stretched`` follow `UNIT_PROTOCOL`;
    ``psnr``, ``ssim`` and ``rmse``, where the values are ``hu``, protocol A; the others are those
    of `MEASURES`.
    """
    rows = []
    for truth, before, after in zip(clean, noisy, output, strict=True):
        image = sound(after)
        row = unit_psnrs(truth, image) | _looks(truth, before, image)
        if hu:
            row |= evaluate(image, truth, "A")
        rows.append(row)
    return {name: math.fsum(row[name] for row in rows) / len(rows) for name in rows[0]}


def sound(image: Image) -> NDArray[np.float64]:
    """The image with what is no number as black, and infinity as the largest of float32."""
    largest = float(np.finfo(np.float32).max)
    return np.nan_to_num(
        np.asarray(image, np.float64), nan=-1000.0, posinf=largest, neginf=-largest
    )


def unit_psnrs(clean: Image, image: Image) -> dict[str, float]:
    """PSNR (dB) of an image ``(y, x)`` in HU, by `UNIT_PROTOCOL` and its two variants."""
    truth = to_unit(clean, clean)
    scaled = to_unit(image, clean)
    return {
        "psnr_unit": psnr(scaled, truth, 1.0),
        "psnr_unit_clipped": psnr(np.clip(scaled, 0, 1), truth, 1.0),
        "psnr_unit_stretched": psnr(stretched(image), truth, 1.0),
    }


def to_unit(image: Image, clean: Image) -> NDArray[np.float64]:
    """HU to 0 at black and 1 at the largest value of ``clean``; same shape."""
    black = -1000.0
    span = max(float(np.max(clean)) - black, 1.0)
    return (np.asarray(image, np.float64) - black) / span


def stretched(image: Image) -> NDArray[np.float64]:
    """From 0 at the least value to 1 at the largest; zeros where all are equal."""
    values = np.asarray(image, np.float64)
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def _looks(clean: Image, noisy: Image, image: NDArray[np.float64]) -> dict[str, float]:
    from ctstudio.learn.sampling import body_mask

    display = stretched(image)
    body = body_mask(np.asarray(clean, np.float32))
    return {
        "contrast": _ratio(image, clean),
        "grey": float(np.median(display)),
        "silhouette": correlation(display, body),
        "disc": correlation(display, _above_black(clean)),
        "input": correlation(display, noisy),
        "shown input": correlation(
            *(np.clip(to_unit(each, clean), 0, 1) for each in (image, noisy))
        ),
        "truth": correlation(display, clean),
        "noise": _ratio(display[~body], stretched(noisy)[~body]),
        "spots": _dark_spots(display),
    }


def _above_black(clean: Image) -> NDArray[np.bool_]:
    from scipy import ndimage

    mean = ndimage.uniform_filter(np.asarray(clean, np.float64), 9)
    above: NDArray[np.bool_] = mean >= -999.5
    return above


def _dark_spots(display: NDArray[np.float64]) -> float:
    from scipy import ndimage

    rows, columns = display.shape
    middle = display[rows // 4 : rows - rows // 4, columns // 4 : columns - columns // 4]
    found, _ = ndimage.label(middle < 0.5)
    shares = np.bincount(found.ravel())[1:] / display.size
    return float(np.count_nonzero((shares >= 1e-4) & (shares <= 0.05)))


def _ratio(one: Image, other: Image) -> float:
    """The standard deviation of one image over that of the other; 0 where there is none."""
    spread = float(np.std(other)) if other.size else 0.0
    return float(np.std(one)) / spread if spread else 0.0


def correlation(one: NDArray[np.generic], other: NDArray[np.generic]) -> float:
    """Pearson's correlation of all pixels; 0 where one of the images is constant."""
    a, b = (np.asarray(image, np.float64).ravel() for image in (one, other))
    a, b = a - a.mean(), b - b.mean()
    length = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / length if length else 0.0

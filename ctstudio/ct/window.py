"""Display windows: which HU are black, which are white."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Window:
    """A linear display window.

    ``lower`` is shown black and ``upper`` white (the LINEAR_EXACT function of DICOM
    PS3.3 C.11.2.1.3.2), so 400/40 is exactly [-160, 240] HU.
    """

    centre_hu: float
    width_hu: float

    def __post_init__(self) -> None:
        if not self.width_hu > 0:
            raise ValueError(f"window width must be positive, not {self.width_hu}")

    @property
    def lower(self) -> float:
        return self.centre_hu - self.width_hu / 2

    @property
    def upper(self) -> float:
        return self.centre_hu + self.width_hu / 2

    @classmethod
    def from_range(cls, lower: float, upper: float) -> Window:
        """The window that shows ``lower`` black and ``upper`` white, at least 1 HU wide."""
        return cls((lower + upper) / 2, max(upper - lower, 1.0))

    def apply(self, hu: NDArray[np.floating]) -> NDArray[np.float32]:
        """Map HU to display values in [0, 1]; same shape, float32."""
        scaled: NDArray[np.float32] = np.asarray(hu, np.float32) - np.float32(self.lower)
        scaled /= np.float32(self.width_hu)
        return np.clip(scaled, 0.0, 1.0, out=scaled)

    def to_uint8(self, hu: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Map HU to grey values 0 to 255, rounded to nearest; same shape."""
        grey = self.apply(hu)
        grey *= np.float32(255.0)
        grey += np.float32(0.5)
        if np.isnan(grey.min(initial=0)):
            np.nan_to_num(grey, copy=False, nan=0.0)  # nothing is known there: black
        return grey.astype(np.uint8)

    def __str__(self) -> str:
        digits = 0 if self.width_hu >= 20 else 1
        return f"W {self.width_hu:.{digits}f} / C {self.centre_hu:.{digits}f}"


PRESETS: dict[str, Window] = {
    "Lung": Window(-600, 1500),
    "Mediastinum": Window(50, 350),
    "Abdomen": Window(40, 400),
    "Bone": Window(400, 1800),
    "Brain": Window(40, 80),
    "Liver": Window(90, 150),
    "Angio": Window(300, 600),
}
"""The named presets, in the order of the number keys; "full range" depends on the volume."""


def full_range(hu: NDArray[np.floating]) -> Window:
    """From the smallest to the largest finite value."""
    hu = finite_values(hu)
    return Window.from_range(float(np.min(hu)), float(np.max(hu)))


def automatic(hu: NDArray[np.floating]) -> Window:
    """From the 0.1 to the 99.9 percentile: the first choice where the header gives no window."""
    lower, upper = np.percentile(finite_values(hu), (0.1, 99.9))
    return Window.from_range(float(lower), float(upper))


def finite_values(hu: NDArray[np.floating]) -> NDArray[np.floating]:
    """The values that are numbers, or 0 where none is: a diverged network may leave any picture."""
    finite = np.isfinite(hu)
    if finite.all() and hu.size:
        return hu
    return hu[finite] if finite.any() else np.zeros(1, np.float32)

"""Values in Hounsfield units: what they mean, what is padding, and how noise is added to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctstudio.core.errors import StudioError
from ctstudio.ct.padding import PADDING_HU

if TYPE_CHECKING:
    from torch import Tensor

MU_WATER_PER_MM = 0.0193
"""Linear attenuation of water near 70 keV, the mean energy of a 120 kV beam.

NIST's tables (Hubbell & Seltzer, NISTIR 5632) give 0.206 cm2/g at 60 keV and 0.184 at 80 keV.
"""


def keep_padding(clean: Tensor, noisy: Tensor) -> Tensor:
    """``noisy`` with padding as it is in ``clean``."""
    return clean.where(clean <= PADDING_HU, noisy)


def require_hu(hu: Tensor) -> None:
    """Raise StudioError for values that cannot be HU."""
    low, high = (float(value) for value in hu.aminmax())
    if not (low == low and abs(low) < 1e5 and abs(high) < 1e5):
        problem = "they are not finite or far too large"
    elif low >= 0 and high > 0:
        problem = "nothing in them is as thin as air"
    elif 0 < high - low < 5:
        problem = "they span less than 5 HU"
    else:
        return
    raise StudioError(
        f"Low-dose noise needs values in HU, and these ({low:g} to {high:g}) are not: {problem}.",
        hint="Choose white noise for pictures, or open the series as DICOM.",
    )

"""Noise to train on and to show: white, signal-dependent, and that of a low-dose CT scan.

A noise is prepared once for the series that it will be added to, then draws a new realisation at
every call. Everything it draws is decided by the seed or the generator that it is given.

Reading the settings loads no torch, since a window's form does so while torch is still loading.
"""

from ctstudio.learn.noise.base import NOISES, Noise
from ctstudio.learn.noise.hounsfield import MU_WATER_PER_MM
from ctstudio.learn.noise.low_dose import LowDose
from ctstudio.learn.noise.low_doses import LowDoses
from ctstudio.learn.noise.signal import Multiplicative, PoissonGaussian
from ctstudio.learn.noise.white import ArticleGaussian, Gaussian

__all__ = [
    "MU_WATER_PER_MM",
    "NOISES",
    "ArticleGaussian",
    "Gaussian",
    "LowDose",
    "LowDoses",
    "Multiplicative",
    "Noise",
    "PoissonGaussian",
]

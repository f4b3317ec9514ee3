"""Projection and reconstruction of slices, in parallel and in fan beams.

Both beams take and give tensors on the CPU or on a CUDA device and work where their input lies.
"""

from ctstudio.learn.projection.fan import FanBeam
from ctstudio.learn.projection.filters import apodisation
from ctstudio.learn.projection.parallel import ParallelBeam

__all__ = ["FanBeam", "ParallelBeam", "apodisation"]

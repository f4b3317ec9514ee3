"""Where to compute: the graphics card where there is one, else the CPU, and why."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from ctstudio.core.cores import usable
from ctstudio.core.errors import StudioError


@dataclass(frozen=True)
class Device:
    """The device in use, its name for people, and the reason where it is not the fastest kind."""

    torch: torch.device
    name: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.reason})" if self.reason else self.name


def choose(wish: str = "auto") -> Device:
    """The device for ``wish``: "auto", "cpu", "cuda" or "mps".

    Raises
    ------
    StudioError
        When a kind is asked for by name and is not there.
    """
    if wish == "cpu":
        return Device(torch.device("cpu"), "CPU", "as chosen")
    if wish in ("auto", "cuda") and torch.cuda.is_available():
        return Device(torch.device("cuda"), torch.cuda.get_device_name())
    if wish in ("auto", "mps") and torch.backends.mps.is_available():
        return Device(torch.device("mps"), "Apple GPU")
    reason = _why_no_gpu()
    if wish != "auto":
        raise StudioError(
            f"The device {wish!r} is not available: {reason}.", hint='Choose "auto" or "cpu".'
        )
    return Device(torch.device("cpu"), "CPU", reason)


def _why_no_gpu() -> str:
    if torch.version.cuda is None and torch.version.hip is None:
        return "this torch is built for the CPU only"
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return "CUDA_VISIBLE_DEVICES hides every GPU"
    return "no GPU that torch can use was found"


def use_threads(count: int) -> None:
    """Let torch use ``count`` threads, at most as many as cores are usable; 0: as many as that."""
    torch.set_num_threads(min(count, usable()) if count > 0 else usable())


def cap_threads() -> None:
    """Let torch use at most as many threads as cores are usable; fewer, set before, stay."""
    torch.set_num_threads(min(torch.get_num_threads(), usable()))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the CPU's or the GPU's memory is used up."""
    # The CPU's allocator raises a plain RuntimeError.
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, MemoryError) or any(word in str(error).lower() for word in words)


def memory_in_use(device: torch.device) -> int:
    """Bytes of a GPU's memory that torch holds; 0 for the CPU."""
    if device.type == "cuda":
        return torch.cuda.memory_reserved(device)
    if device.type == "mps":
        return torch.mps.driver_allocated_memory()
    return 0


def total_memory(device: torch.device) -> int:
    """Bytes of memory that a device has, whatever is in use."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[1]
    import psutil

    return int(psutil.virtual_memory().total)


def release_memory() -> None:
    """Give memory that torch keeps for later back to the device."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def warm_up() -> None:
    """Pay once what torch's first optimiser and first gradient cost (seconds, in imports)."""
    weight = torch.ones(1, 1, 3, 3, requires_grad=True)
    optimiser = torch.optim.Adam([weight])
    torch.nn.functional.conv2d(torch.ones(1, 1, 4, 4), weight).sum().backward()  # type: ignore[no-untyped-call]
    optimiser.step()

"""A network on an image of any size: in tiles that fit the memory, whole where the image does.

Tiles begin on the network's grid and overlap by a margin that covers its receptive field, so that
each pixel is taken from where it is as in the whole image. Where there is not even memory for
that, margins get smaller and tiles run into one another.
"""

from __future__ import annotations

import itertools
import math
import weakref
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Note, Progress, Work, go_on
from ctstudio.learn import device as devices
from ctstudio.learn import receptive_field
from ctstudio.learn.context import context_of, stacked
from ctstudio.learn.receptive_field import ReceptiveField

CPU_SHARE, GPU_SHARE = 0.5, 0.7
"""Of the memory that is free, what a tile may take. The rest is for what libraries need inside an
operation, and for everybody else."""

LARGE_PX = 600_000
"""From here on one image may take so long that it must be possible to close it half way."""

PROBE_PX = 128
LEAST_PX = 32
UNKNOWN = ReceptiveField(64, 64)
"""What is assumed of a network that looks further than can be measured."""


@dataclass(frozen=True)
class Piece:
    """A tile along one axis: pixels ``start`` to ``stop``, of which the core is its own."""

    start: int
    stop: int
    core_start: int
    core_stop: int


def cut(length: int, tile: int, margin: int, period: int) -> list[Piece]:
    """Cut an axis of ``length`` pixels into tiles of at most ``tile``, all about equally long.

    Cores touch one another; a tile reaches ``margin`` beyond its core, except at the ends. Cores
    begin at multiples of ``period``, and so do tiles where ``margin`` is one too.
    """
    if length <= tile:
        return [Piece(0, length, 0, length)]
    core = max(period, (tile - 2 * margin) // period * period)
    count = math.ceil(length / core)
    cells = math.ceil(length / period)
    bounds = [k * cells // count * period for k in range(count)] + [length]
    return [
        Piece(max(0, first - margin), min(length, last + margin), first, last)
        for first, last in itertools.pairwise(bounds)
    ]


def weights(pieces: Sequence[Piece], ramp: int) -> list[NDArray[np.float32]]:
    """How much each tile counts at each of its pixels; at every pixel they sum up to 1.

    Linear over ``ramp`` pixels on either side of where two cores touch, 0 beyond; a ``ramp`` of 0
    takes each core from its tile alone.
    """
    length = pieces[-1].stop
    total = np.zeros(length)
    shares: list[NDArray[np.float64]] = []
    for piece in pieces:
        at = np.arange(piece.start, piece.stop, dtype=np.float64) + 0.5
        share = np.ones_like(at)
        if piece.core_start > 0:
            share = np.minimum(share, _rise(at - piece.core_start, ramp))
        if piece.core_stop < length:
            share = np.minimum(share, _rise(piece.core_stop - at, ramp))
        total[piece.start : piece.stop] += share
        shares.append(share)
    return [
        (share / total[piece.start : piece.stop]).astype(np.float32)
        for piece, share in zip(pieces, shares, strict=True)
    ]


def _rise(distance: NDArray[np.float64], ramp: int) -> NDArray[np.float64]:
    """From 0 to 1 between ``-ramp`` and ``ramp``."""
    if ramp == 0:
        return (distance > 0).astype(np.float64)
    return np.clip((distance + ramp) / (2 * ramp), 0.0, 1.0)


class Tiler:
    """Applies one network, and keeps what was learnt about its needs.

    Parameters
    ----------
    module
        Takes HU ``(1, 1, y, x)`` float32 of any size to HU of the same shape; on ``device``.
    budget_bytes
        Memory that a tile may take; default a share of what is free.
    margin_px
        How far tiles reach beyond their cores; default what the receptive field needs. With less,
        pixels that lie nearer to a seam than the network looks differ from those of the whole
        image, and tiles are faded into one another over the margin.
    """

    def __init__(
        self,
        module: nn.Module,
        device: torch.device,
        *,
        budget_bytes: int | None = None,
        margin_px: int | None = None,
    ) -> None:
        self.module = module
        self.device = device
        self._budget = budget_bytes
        self._margin = margin_px
        self._side: int | None = None  # known once the memory has once been too small
        self._warned = False

    def run(self, hu: NDArray[np.float32], wanted: NDArray[np.bool_] | None = None) -> (
        Work[NDArray[np.float32]]
    ):  # fmt: skip
        """The network's output for one image ``(y, x)`` float32 HU, a new array of that shape.

        A network that wants neighbouring slices is given them, ``(n, y, x)``.

        Yields Progress after every tile, counted in tiles, and a Note where the memory was too
        small or the result will differ from that of the whole image. Tiles without a pixel in
        ``wanted`` (default all) are left out.

        Raises
        ------
        StudioError
            When not even a small tile fits into the memory.
        """
        while True:
            side = self._side or max(hu.shape[-2:])
            try:
                if self._side is None:
                    side = self._largest_side(hu.shape[-2:])
                return (yield from self._tiles(hu, side, wanted))
            except (RuntimeError, MemoryError) as error:
                if not devices.is_out_of_memory(error):
                    raise
                failed = min(side, max(hu.shape[-2:]))
            # Outside of the handler, whose traceback holds the tensors of what failed.
            devices.release_memory()
            self._side = failed // 2
            if self._side < LEAST_PX:
                raise StudioError(
                    f"There is not enough memory to apply the network, not even to {failed} x "
                    f"{failed} pixels at a time.",
                    hint="Close other programs, or train a smaller network.",
                )
            yield Note(
                f"The memory was used up; the network goes on in tiles of at most {self._side} x "
                f"{self._side} pixels."
            )

    def _tiles(
        self, hu: NDArray[np.float32], side: int, wanted: NDArray[np.bool_] | None
    ) -> Work[NDArray[np.float32]]:
        shape = hu.shape[-2:]
        if max(shape) <= side:
            whole = infer(self.module, hu, self.device)
            yield Progress(1, 1)
            return whole
        known = _field(self.module)
        field = known or UNKNOWN
        margin = field.margin_px if self._margin is None else self._margin
        # A whole cell must be left between the margins.
        margin = max(0, min(margin, (side - field.period_px) // 2))
        margin = margin // field.period_px * field.period_px
        exact = known is not None and margin >= field.reach_px
        if not exact and not self._warned:
            self._warned = True
            yield Note(
                "The tiles cannot overlap by as much as the network looks around; near their seams "
                "the result differs from that of the whole image."
            )
        ramp = margin - field.reach_px if exact else margin
        rows, columns = (cut(length, side, margin, field.period_px) for length in shape)
        down, across = weights(rows, ramp), weights(columns, ramp)
        result = np.zeros(shape, np.float32)
        total = len(rows) * len(columns)
        grid = itertools.product(zip(rows, down, strict=True), zip(columns, across, strict=True))
        for done, ((row, share_down), (column, share_across)) in enumerate(grid, 1):
            place = slice(row.start, row.stop), slice(column.start, column.stop)
            if wanted is None or wanted[place].any():
                share = share_down[:, None] * share_across
                result[place] += share * infer(self.module, hu[..., *place], self.device)
            yield Progress(done, total)
        return result

    def _largest_side(self, shape: tuple[int, ...]) -> int:
        """The side of the largest tile that fits the budget; the image's where that does."""
        each = _known(self.module, _needs, lambda module: bytes_a_pixel(module, self.device))
        budget = free_bytes(self.device) if self._budget is None else self._budget
        if math.prod(shape) * each <= budget:
            return max(shape)
        field = _field(self.module) or UNKNOWN
        margin = field.margin_px if self._margin is None else self._margin
        least = max(LEAST_PX, 2 * margin + field.period_px)
        return max(least, math.isqrt(int(budget / each)) // field.period_px * field.period_px)


def infer(module: nn.Module, hu: NDArray[np.float32], device: torch.device) -> NDArray[np.float32]:
    """Put ``(y, x)`` float32 HU, or neighbouring slices ``(n, y, x)``, through a network in one
    piece; returns ``(y, x)``.

    Of a large image that takes seconds; it can be closed between any two operations.
    """
    # What is compiled is one operation.
    compiled = getattr(module, "_compiled_call_impl", None) is not None
    large = math.prod(hu.shape[-2:]) >= LARGE_PX and not compiled
    with torch.inference_mode(), GoingOn() if large else nullcontext():
        image = torch.from_numpy(np.ascontiguousarray(stacked(hu)))[None].to(device)
        output: NDArray[np.float32] = module(image)[0, 0].float().cpu().numpy()
    return output


class GoingOn(TorchFunctionMode):
    """Asks before each operation whether its result is still wanted (`go_on`).

    Tiles that are small enough to answer within a second would overlap by more than they hold: a
    network looks a hundred pixels around.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        go_on()
        return func(*args, **(kwargs or {}))


def free_bytes(device: torch.device) -> int:
    """Bytes that a tile may take on a device now."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(GPU_SHARE * (free + kept))
    # An Apple GPU shares the memory of the CPU.
    return int(CPU_SHARE * psutil.virtual_memory().available)


def bytes_a_pixel(module: nn.Module, device: torch.device) -> float:
    """Most bytes that a network's tensors take at once, for each pixel of its input."""
    image = torch.zeros(1, context_of(module).slices, PROBE_PX, PROBE_PX, device=device)
    with torch.no_grad(), PeakBytes() as counter:
        module(image)
    return float(counter.peak / PROBE_PX**2)


class PeakBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of the tensors that are alive at once; ``peak`` is the most."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._alive = 0
        self._seen: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:  # fmt: skip
        output = func(*args, **(kwargs or {}))
        for tensor in output if isinstance(output, (tuple, list)) else (output,):
            if isinstance(tensor, Tensor):
                self._count(tensor.untyped_storage())
        return output

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = id(storage), storage.nbytes()
        if key in self._seen:
            return

        def gone(_: object) -> None:
            del self._seen[key]
            self._alive -= size

        self._seen[key] = weakref.ref(storage, gone)
        self._alive += size
        self.peak = max(self.peak, self._alive)


T = TypeVar("T")
_fields: weakref.WeakKeyDictionary[nn.Module, ReceptiveField | None] = weakref.WeakKeyDictionary()
_needs: weakref.WeakKeyDictionary[nn.Module, float] = weakref.WeakKeyDictionary()


def _field(module: nn.Module) -> ReceptiveField | None:
    return _known(module, _fields, receptive_field.measure)


def _known(
    module: nn.Module,
    store: weakref.WeakKeyDictionary[nn.Module, T],
    find: Callable[[nn.Module], T],
) -> T:
    """What was found out about a network before, or is now."""
    if module not in store:
        store[module] = find(module)
    return store[module]

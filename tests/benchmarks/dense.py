"""Lai's networks over part of a slice: at once, against its patches in batches and one by one.

All are timed in one run, in turn. It prints microseconds a voxel and how many times faster dense
is; of single patches some stand for all. Dense is to be at least 1.5 times as fast as batches, and
8 times as fast as single patches.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from ctstudio.core.registry import Choice
from ctstudio.learn.models import MODELS

SINGLE = 24  # patches that stand for all


def patches(slab: Tensor, side: int) -> Tensor:
    """All blocks ``(k, n, side, side)`` of a slab ``(1, n, y, x)``."""
    blocks = slab[0].unfold(1, side, 1).unfold(2, side, 1)
    return blocks.permute(1, 2, 0, 3, 4).flatten(0, 1)


def ways(
    module: nn.Module, slab: Tensor, batch: int
) -> dict[str, tuple[Callable[[], object], int]]:
    """What is timed, and how many voxels each tells."""
    side = module.context.patch_px
    blocks = patches(slab, side)

    def in_batches() -> None:
        for some in blocks.split(batch):
            module(some.contiguous())

    def one_by_one() -> None:
        for block in blocks[:SINGLE]:
            module(block[None].contiguous())

    return {
        "dense": (lambda: module(slab), len(blocks)),
        "batches": (in_batches, len(blocks)),
        "single": (one_by_one, min(SINGLE, len(blocks))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--forms", nargs="+", default=["single", "stacked", "tri_planar"])
    parser.add_argument("--hidden", default="1000")
    parser.add_argument("--voxels", type=int, default=40, help="along either axis")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for form in options.forms:
        choice = Choice("patch_cnn", {"form": form, "hidden": options.hidden})
        module = MODELS.make(choice).eval()
        length = options.voxels + module.context.patch_px - 1
        slab = 500 * torch.randn(1, module.context.slices, length, length)
        timed = ways(module, slab, options.batch)
        times: dict[str, list[float]] = {name: [] for name in timed}
        with torch.inference_mode():
            for _ in range(options.rounds + 1):
                for name, (run, voxels) in timed.items():
                    start = time.perf_counter()
                    run()
                    times[name].append((time.perf_counter() - start) / voxels)
        each = {name: float(np.median(seconds[1:])) for name, seconds in times.items()}
        told = ", ".join(f"{name} {1e6 * seconds:.0f} us" for name, seconds in each.items())
        print(
            f"{form}: {told} a voxel; dense is {each['batches'] / each['dense']:.1f} times as fast "
            f"as batches, {each['single'] / each['dense']:.1f} times as single patches"
        )


if __name__ == "__main__":
    main()

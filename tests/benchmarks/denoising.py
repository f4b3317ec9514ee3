"""Seconds a slice of trained networks, beside the classical methods and the peak of the machine.

    python tests/benchmarks/denoising.py [NETWORK ...] [--threads N]

NETWORK is a checkpoint, a run folder or the name of one on board; by default all on board. Of each
network: the time of its calculation alone, of a whole slice with what lies around it (padding, the
window's way), and which share of the peak of matrix products and of a plain convolution its
multiplications reach; all in one run, in turn, the best of some rounds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from ctstudio.classical.denoisers import DENOISERS
from ctstudio.core.registry import Choice
from ctstudio.ct.phantom import draw_slice
from ctstudio.learn import on_board
from ctstudio.learn.cost import cost_of
from ctstudio.workflows.denoise import NetworkMethod, method_from, method_from_choice

SIDE = 512


def best(work: Callable[[], object], rounds: int) -> float:
    """Seconds of the fastest of some calls, after one that does not count."""
    work()
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def matrix_peak(rounds: int, size: int = 1536) -> float:
    """Multiplications a second of a product of two large matrices."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    return size**3 / best(lambda: a @ b, rounds)


def convolution_peak(rounds: int, channels: int = 64, side: int = 256) -> float:
    """Multiplications a second of one 3 x 3 convolution, channels last as in the networks."""
    image = torch.randn(1, channels, side, side).to(memory_format=torch.channels_last)
    weight = torch.randn(channels, channels, 3, 3).to(memory_format=torch.channels_last)
    seconds = best(lambda: functional.conv2d(image, weight, padding=1), rounds)
    return 9 * channels**2 * side**2 / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    names = options.networks or [network.name for network in on_board.networks()]

    rng = np.random.default_rng(1)
    hu = draw_slice(0.0, size=SIDE) + rng.normal(0, 25, (SIDE, SIDE)).astype(np.float32)
    with torch.inference_mode():
        products, convolution = matrix_peak(options.rounds), convolution_peak(options.rounds)
        print(f"{options.threads} threads")
        print(f"matrix products {products / 1e9:6.1f} billion multiplications a second")
        print(f"3 x 3 convolution {convolution / 1e9:4.1f}")
        for name in names:
            method = method_from(name)
            method = getattr(method, "loaded", lambda m=method: m)()
            if not isinstance(method, NetworkMethod):
                raise SystemExit(f"{name} is no network")
            model = method.model
            work = cost_of(model.recipe.phases[-1].model).multiply_adds
            image = torch.from_numpy(hu)[None, None]
            module = model.module.eval()
            alone = best(lambda m=module, i=image: m(i), options.rounds)
            whole = best(lambda m=method: m.denoise_slice(hu), options.rounds)
            shares = ""
            if work:
                rate = work / alone
                shares = f", {work / 1e9:.1f} billion multiplications: {rate / products:.0%} of "
                shares += f"matrix products, {rate / convolution:.0%} of the convolution"
            print(f"{name}: {alone:.3f} s alone, {whole:.3f} s a slice{shares}")
    for name in (entry.name for entry in DENOISERS):
        classical = method_from_choice(Choice(name))
        seconds = best(lambda m=classical: m.denoise_slice(hu), options.rounds)
        print(f"{name}: {seconds:.3f} s a slice")


if __name__ == "__main__":
    main()

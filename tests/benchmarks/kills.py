"""Kill a training at random moments, go on with it each time, and compare with an unbroken one."""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from ctstudio.learn import checkpoint
from ctstudio.learn.run_folder import read_metrics

CHILD = """
import sys
from pathlib import Path
from ctstudio.core.events import finish
from ctstudio.ct.phantom import phantom
from ctstudio.learn.recipe import bundled
from ctstudio.learn.train import train
folder, steps = Path(sys.argv[1]), int(sys.argv[2])
recipe = bundled()["dncnn-gaussian"]
for path, value in {"phases.0.steps": steps, "phases.0.model.features": 8, "patch_px": 32,
                    "stopping.seconds": 0, "validation.every_steps": 50, "device": "cpu",
                    "gradient_noise": 1e-6, "cadence.save_every_s": 1}.items():
    recipe = recipe.with_setting(path, value)
volume = finish(phantom(slices=6, size=128))
resume = (folder / "recipe.toml").exists()
if folder.exists() and not resume:  # killed before there was anything
    import shutil
    shutil.rmtree(folder)
finish(train(recipe, [volume], run_folder=folder, resume=resume))
"""


def child(folder: Path, steps: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", CHILD, str(folder), str(steps)])


def last_step(folder: Path) -> int:
    """The last step that the run tells of, 0 before the first."""
    rows = read_metrics(folder) if (folder / "metrics.csv").exists() else []
    return int(rows[-1]["step"]) if rows else 0


def await_progress(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait until the training has told of a step beyond those of before."""
    before = last_step(folder)
    while process.poll() is None and last_step(folder) == before:
        time.sleep(0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=12_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as place:
        broken, whole = Path(place) / "broken", Path(place) / "whole"
        killed = 0
        while True:
            process = child(broken, options.steps)
            # A quarter of the kills falls anywhere from the imports on, the rest into training.
            if killed >= options.kills:
                wait = 3600.0
            elif draw.random() < 0.25:
                wait = draw.uniform(0.5, 5.0)
            else:
                await_progress(process, broken)
                wait = draw.uniform(0.0, 4.0)
            try:
                process.wait(wait)
                break
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                killed += 1
                print(f"killed at step {last_step(broken)}", flush=True)
        child(whole, options.steps).wait()
        told = ("step", "epoch", "lr", "loss", "mse", "psnr", "ssim", "rmse")
        one, other = (
            [[row[name] for name in told] for row in read_metrics(folder)]
            for folder in (broken, whole)
        )
        weights = [checkpoint.load(f / "last.pt").module.state_dict() for f in (broken, whole)]
        same = all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])
        left = list(broken.rglob(".tmp-*"))
        print(f"{killed} kills; rows equal: {one == other}; weights equal: {same}; left: {left}")
        sys.exit(not (one == other and same and not left))


if __name__ == "__main__":
    main()

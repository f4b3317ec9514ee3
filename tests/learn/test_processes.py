"""One training in several processes."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ctstudio.learn.processes import Order, Processes
from ctstudio.learn.tasks import Batch

SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {here!r})
from test_faults import recipe, series
from ctstudio.core.events import Step
from ctstudio.learn.train import train
batch, folder, steps = int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
made = recipe(**{{"batch": batch, "phases.0.steps": steps, "cadence.save_every_s": 1,
                  "stopping.patience": 3, "phases.0.optimiser.schedule": "cosine"}})
for event in train(made, [series()], run_folder=folder, resume=folder.exists()):
    if isinstance(event, Step):
        print(event.step, flush=True)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    file = tmp_path / "script.py"
    file.write_text(SCRIPT.format(here=str(Path(__file__).parent)), encoding="utf-8")
    return file


def losses(folder: Path) -> list[float]:
    with (folder / "metrics.csv").open(newline="") as stream:
        return [float(row["loss"]) for row in csv.DictReader(stream) if row["loss"]]


def torchrun(script: Path, *arguments: str) -> subprocess.Popen[str]:
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    return subprocess.Popen(
        [*start, str(script), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


@pytest.mark.timeout(120)
def test_two_processes_learn_what_one_with_the_doubled_batch_does(
    script: Path, tmp_path: Path
) -> None:
    together = torchrun(script, "2", str(tmp_path / "two"), "20")
    told, errors = together.communicate(timeout=100)
    assert together.returncode == 0, errors
    assert told.split() == [str(n) for n in range(1, 21)], "one process tells"
    subprocess.run(
        [sys.executable, str(script), "4", str(tmp_path / "one"), "20"], check=True, timeout=60
    )
    two, one = losses(tmp_path / "two"), losses(tmp_path / "one")
    assert len(two) == 20
    np.testing.assert_allclose(two, one, rtol=0, atol=1e-5)
    assert len(set(one)) == 20


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
@pytest.mark.timeout(120)
def test_a_killed_process_ends_the_others_and_the_run_can_go_on(
    script: Path, tmp_path: Path
) -> None:
    import psutil

    run = tmp_path / "run"
    together = torchrun(script, "2", str(run), "100000")
    assert together.stdout is not None
    while not (run / "last.pt").exists():
        assert together.stdout.readline()
    workers = [
        child
        for child in psutil.Process(together.pid).children(recursive=True)
        if child.environ().get("RANK") == "1"
    ]
    workers[0].send_signal(signal.SIGKILL)
    together.communicate(timeout=60)
    assert together.returncode != 0
    from ctstudio.learn import checkpoint

    saved = checkpoint.load(run / "last.pt").step
    assert saved >= 1
    again = subprocess.Popen(
        [sys.executable, str(script), "2", str(run), "100000"], stdout=subprocess.PIPE, text=True
    )
    assert again.stdout is not None
    assert int(again.stdout.readline()) == saved + 1
    again.kill()
    again.wait()
    again.stdout.close()


def test_parts_make_up_the_batch() -> None:
    batch = Batch(torch.arange(6.0).view(6, 1, 1, 1), torch.arange(6.0, 12).view(6, 1, 1, 1))
    parts = [Processes(rank, 3).part(batch) for rank in range(3)]
    assert torch.equal(torch.cat([p.inputs for p in parts]), batch.inputs)
    assert torch.equal(torch.cat([p.targets for p in parts]), batch.targets)
    assert parts[0].mask is None


def test_a_process_alone_follows_itself() -> None:
    order = Order(0.25, judged_step=3, score=1.5)
    assert Processes().agree(order) is order
    assert Processes().mean({"a": torch.tensor(2.0), "b": torch.tensor(0.5)}) == {"a": 2, "b": 0.5}

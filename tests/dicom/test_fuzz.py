"""A short sweep of broken files; `fuzz.py` beside this makes longer ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).with_name("fuzz.py")


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory and time are Linux's")
def test_broken_files_are_opened_or_refused_in_words(test_data):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--data", str(test_data / "awkward"), "--count", "200",
         "--seed", "20"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no findings" in done.stdout
    refused = next(line for line in done.stdout.splitlines() if line.endswith(" refused"))
    assert 100 < int(refused.split()[0]) < 190


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory and time are Linux's")
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("raise ZeroDivisionError('made to fail')", "ZeroDivisionError: made to fail"),
        ("while True: pass", "hangs"),
        ("import os; os.kill(os.getpid(), 11)", "ends the process with -11"),
        ("bytearray(3 << 30)", "MemoryError"),
    ],
)
def test_the_sweep_sees_what_goes_wrong(tmp_path, fault, words):
    (tmp_path / "seed").write_bytes(np.random.default_rng(1).bytes(500))
    text = SCRIPT.read_text(encoding="utf-8")
    begin = text.index("    from ctstudio.core.errors import StudioError\n")
    script = tmp_path / "fuzz.py"
    script.write_text(
        (text[:begin] + f"    {fault}\n" + text[begin:]).replace("SECONDS = 5.0", "SECONDS = 1.0"),
        encoding="utf-8",
    )
    folder = tmp_path / "data"
    folder.mkdir()
    (tmp_path / "seed").rename(folder / "seed")
    done = subprocess.run(
        [sys.executable, str(script), "--data", str(folder), "--count", "1"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert words in done.stdout

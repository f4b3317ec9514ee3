"""From the command to open a folder to pictures on the screen, in the running window.

Each run is a process of its own: the window is shown, the learning engine loads, then the folder is
opened. A timer of 10 ms tells how late the window's thread answers meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

PARTS = {
    "scanned": "the series is listed",
    "painted": "its first picture is painted",
    "middle": "its middle slice is painted",
    "complete": "every slice is there",
}
TICK_S = 0.010


def measure(folder: Path) -> dict[str, float]:
    """Seconds until each of `PARTS`, and lateness of the timer in ms."""
    from PySide6.QtCore import Qt, QTimer

    from ctstudio.gui.app import Program
    from ctstudio.gui.viewer.slice_view import SliceView

    with tempfile.TemporaryDirectory() as runs:
        program = Program(runs_folder=Path(runs))
        window, app = program.window, program.app
        window.resize(1400, 900)
        window.show()

        def until(done: Callable[[], object]) -> None:
            while not done():
                app.processEvents()
                time.sleep(0.0005)

        program.load_engine()
        until(lambda: program.engine is not None)
        settled = time.perf_counter() + 1
        until(lambda: time.perf_counter() > settled)

        moments: dict[str, float] = {}
        ticks: list[float] = []
        really_paint = SliceView.paintEvent

        def paint(view: SliceView, event: object) -> None:
            really_paint(view, event)
            if view.layer is not None and view.hu is not None and view.hu.any():
                moments.setdefault("painted", time.perf_counter())
                if view.index == len(view.layer.stack) // 2:
                    moments.setdefault("middle", time.perf_counter())

        SliceView.paintEvent = paint
        window.opener.scanned.connect(lambda _: moments.update(scanned=time.perf_counter()))
        window.opener.completed.connect(lambda _: moments.update(complete=time.perf_counter()))
        timer = QTimer()
        timer.setTimerType(Qt.TimerType.PreciseTimer)
        timer.timeout.connect(lambda: ticks.append(time.perf_counter()))
        timer.start(round(1000 * TICK_S))
        start = time.perf_counter()
        window.open_paths([folder])
        until(lambda: set(PARTS) <= set(moments))
        settled = time.perf_counter() + 0.3
        until(lambda: time.perf_counter() > settled)
        late = 1000 * (np.diff(ticks) - TICK_S)
        window.close()
        until(lambda: not window.session.jobs.busy())
    found = {name: moment - start for name, moment in moments.items()}
    return found | {"p99": float(np.percentile(late, 99)), "latest": float(late.max())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="a folder of DICOM files instead")
    parser.add_argument("--once", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        print(json.dumps(measure(options.once)))
        sys.stdout.flush()
        os._exit(0)  # what is measured is over
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder
        if folder is None:
            from reading import write_volume

            folder = Path(scratch) / "series"
            write_volume(folder, options.slices)
        environment = os.environ | {
            "QT_QPA_PLATFORM": "offscreen",
            "CTSTUDIO_SCAN_CACHE": "off",
            "CTSTUDIO_SETTINGS": str(Path(scratch) / "settings.ini"),
        }
        command = [sys.executable, __file__, "--once", str(folder)]
        rows = []
        for _ in range(options.runs):
            result = subprocess.run(
                command, env=environment, check=True, stdout=subprocess.PIPE, text=True
            )
            rows.append(json.loads(result.stdout.splitlines()[-1]))
    for name, words in PARTS.items():
        times = sorted(1000 * row[name] for row in rows)
        print(f"{words}: after {np.median(times):.0f} ms ({times[0]:.0f} to {times[-1]:.0f})")
    p99, latest = (sorted(row[name] for row in rows) for name in ("p99", "latest"))
    print(
        f"a timer of 10 ms is late by {np.median(p99):.0f} ms at the 99th percentile "
        f"({p99[0]:.0f} to {p99[-1]:.0f}), at most {latest[-1]:.0f} ms"
    )


if __name__ == "__main__":
    main()

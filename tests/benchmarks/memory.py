"""Memory of the window's process beyond the voxels: before torch is loaded, and after.

Each figure is of a process of its own, which opens a series of 512 x 512 slices from files, shows
it in three planes and scrolls. Told are the resident set, and what of it is the process's own: the
rest are pages of libraries, which all programs share.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

STATES = ("shown", "opened", "scrolled")


def resident_mb() -> dict[str, float]:
    """Resident memory of this process in MB: all of it, and what is its own alone."""
    sums = {"Rss:": 0.0, "Anonymous:": 0.0}
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        name, _, rest = line.partition(" ")
        if name in sums:
            sums[name] = int(rest.split()[0]) / 1024
    return {"all": sums["Rss:"], "own": sums["Anonymous:"]}


def measure(folder: Path, torch: bool) -> dict[str, dict[str, float]]:
    """MB in each state; the voxels are taken off once they are there."""
    import gc
    import time

    from PySide6.QtWidgets import QApplication

    from ctstudio.gui.app import Program

    with tempfile.TemporaryDirectory() as runs:
        program = Program(runs_folder=Path(runs))
        window = program.window
        window.resize(1440, 900)
        window.show()

        def until(done: object) -> None:
            assert callable(done)
            while not done():
                QApplication.processEvents()
                time.sleep(0.001)

        def rest(seconds: float) -> None:
            end = time.perf_counter() + seconds
            until(lambda: time.perf_counter() > end)

        if torch:
            program.load_engine()
            until(lambda: program.engine is not None)
        rest(1.0)
        found = {"shown": resident_mb()}
        complete: list[object] = []
        window.opener.completed.connect(complete.append)
        window.open_paths([folder])
        until(lambda: complete)
        rest(1.0)
        volume = window.session.layers[0].volume
        assert volume is not None
        voxels = volume.voxels.nbytes / 2**20

        def beyond() -> dict[str, float]:
            gc.collect()
            return {name: value - voxels for name, value in resident_mb().items()}

        found["opened"] = beyond()
        window.actions_by_name["planes"].trigger()
        rest(0.5)
        for pane in window.grid.visible_panes:
            window.grid.activate(pane)
            for _ in range(100):
                window.grid.step(1)
                QApplication.processEvents()
        rest(1.0)
        found["scrolled"] = beyond()
        assert ("torch" in sys.modules) == torch, (
            "torch is loaded where it is wanted, and only there"
        )
        found["voxels"] = {"all": voxels, "own": voxels}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--once", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        print(json.dumps(measure(Path(options.once[0]), options.once[1] == "torch")))
        sys.stdout.flush()
        os._exit(0)  # what is measured is over
    from reading import write_volume

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "series"
        write_volume(folder, options.slices)
        environment = (
            {"QT_QPA_PLATFORM": "offscreen"}
            | os.environ
            | {
                "CTSTUDIO_SCAN_CACHE": "off",
                "CTSTUDIO_SETTINGS": str(Path(scratch) / "settings.ini"),
            }
        )
        for engine in ("without", "torch"):
            command = [sys.executable, __file__, "--once", str(folder), engine]
            result = subprocess.run(
                command, env=environment, check=True, stdout=subprocess.PIPE, text=True
            )
            found = json.loads(result.stdout.splitlines()[-1])
            title = "torch loaded" if engine == "torch" else "before torch"
            parts = [
                f"{state} {found[state]['all']:.0f} MB ({found[state]['own']:.0f} of its own)"
                for state in STATES
            ]
            print(f"{title}, beyond {found['voxels']['all']:.0f} MB of voxels: {', '.join(parts)}")


if __name__ == "__main__":
    main()

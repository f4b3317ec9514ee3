"""How long the command takes until the window is exposed, beside a bare Qt and pyqtgraph window."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 7
PEER = """
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
import pyqtgraph
app = QApplication([])
view = pyqtgraph.PlotWidget()
view.show()
timer = QTimer()
timer.timeout.connect(lambda: app.exit(0) if view.windowHandle().isExposed() else None)
timer.start(5)
app.exec()
"""


def seconds(command: list[str], environment: dict[str, str]) -> float:
    """Wall time of a process from start to end: an upper bound of the time to the window."""
    start = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "CTSTUDIO_EXIT_WHEN_SHOWN": "1",
            "CTSTUDIO_SETTINGS": str(Path(folder) / "settings.ini"),
        }
        ours = [sys.executable, "-m", "ctstudio", "gui"]
        peer = [sys.executable, "-c", PEER]
        for command in (ours, peer):
            seconds(command, environment)  # warm the disk
        pairs = [(seconds(ours, environment), seconds(peer, environment)) for _ in range(RUNS)]
    mine, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"window exposed and closed: {mine:.2f} s; bare window {theirs:.2f} s; ratio {ratio:.2f}")


if __name__ == "__main__":
    main()

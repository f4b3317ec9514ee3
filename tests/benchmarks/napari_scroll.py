"""The same 300 slices scrolled here and in napari, in turn, both under one display.

napari is for this benchmark alone and wants a Python of its own:

    python -m venv /tmp/napari && /tmp/napari/bin/pip install "napari[pyside6]" "pyside6<6.12"
    xvfb-run -s "-screen 0 1600x1000x24" python tests/benchmarks/napari_scroll.py \
        --napari /tmp/napari/bin/python

napari shows the three stacks side by side in the grid mode of one viewer, where one slider moves
all of them. This is what somebody who compares three stacks in napari has, and the least work for
it: three viewers beside one another would be three windows, each with a canvas of its own. Both get
the same voxels (scan int16, the others float32 or computed from them), windows of 1440 x 900 and
the same slices, a hundred this way and a hundred back. The residual is computed here slice by slice
as it is shown; napari has no such layer, so its residual is an array that was computed beforehand,
which is not in its times: it has the less to do. A frame is one step until it is drawn: here from
the wheel event until all events, painting among them, are done; there from the slider's step until
the canvas is drawn. OpenGL is drawn by the processor, as on a computer without a graphics card.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

PATIENCE_S = 5.0


def napari_frames(stacks: Path, frames: int) -> list[float]:
    """Seconds of each frame in napari, whose three layers are the arrays of a file."""
    import napari
    from qtpy.QtWidgets import QApplication

    arrays = np.load(stacks)
    viewer = napari.Viewer(ndisplay=2)
    viewer.window._qt_window.resize(1440, 900)
    for name in ("scan", "denoised", "residual"):
        limits = (-100, 100) if name == "residual" else (-160, 240)
        viewer.add_image(arrays[name], name=name, contrast_limits=limits)
    viewer.grid.enabled, viewer.grid.shape = True, (1, 3)
    viewer.reset_view()
    app = QApplication.instance()
    drawn: list[int] = []
    canvas = viewer.window._qt_viewer.canvas._scene_canvas
    canvas.events.draw.connect(lambda event: drawn.append(1))
    end = time.perf_counter() + 3
    while time.perf_counter() < end:
        app.processEvents()
    assert drawn, "the canvas is drawn"
    times, index, slices = [], slices_of(arrays) // 4, slices_of(arrays)
    for k in range(frames + 5):
        index = min(max(index + (1 if (k // 100) % 2 == 0 else -1), 0), slices - 1)
        before, start = len(drawn), time.perf_counter()
        viewer.dims.set_current_step(0, index)
        while len(drawn) == before:
            app.processEvents()
            assert time.perf_counter() - start < PATIENCE_S, "the step is drawn"
        times.append(time.perf_counter() - start)
    return times[5:]


def slices_of(arrays: np.lib.npyio.NpzFile) -> int:
    return len(arrays["scan"])


def our_frames(slices: int, frames: int) -> list[float]:
    """Seconds of each frame here."""
    from viewing import Studio, timed

    with Studio(slices) as studio:
        studio.grid.go_to(slices // 4)
        studio.rest()
        return list(timed(studio.to_and_fro, frames).wall)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--napari", default=sys.executable, help="a Python that has napari")
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--one", choices=("here", "napari"), help=argparse.SUPPRESS)
    parser.add_argument("--stacks", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        if options.one == "napari":
            found = napari_frames(options.stacks, options.frames)
        else:
            found = our_frames(options.slices, options.frames)
        print(json.dumps(found))
        sys.stdout.flush()
        os._exit(0)  # what is measured is over
    if not os.environ.get("DISPLAY"):
        parser.error("an X server is needed: xvfb-run")
    from viewing import chest

    environment = os.environ | {"QT_QPA_PLATFORM": "xcb", "LIBGL_ALWAYS_SOFTWARE": "1"}
    pairs = []
    with tempfile.TemporaryDirectory() as scratch:
        stacks = Path(scratch) / "stacks.npz"
        scan = chest(options.slices)
        smooth = scan * np.float32(0.9)
        np.savez(stacks, scan=scan, denoised=smooth, residual=smooth - scan)
        for _ in range(options.rounds):
            rates = {}
            for one, python in (("napari", options.napari), ("here", sys.executable)):
                command = [
                    python, __file__, "--one", one, "--stacks", str(stacks),
                    "--slices", str(options.slices), "--frames", str(options.frames),
                ]  # fmt: skip
                load = os.getloadavg()[0]
                result = subprocess.run(
                    command, env=environment, check=True, stdout=subprocess.PIPE, text=True
                )
                times = np.array(json.loads(result.stdout.splitlines()[-1]))
                rates[one] = 1 / times.mean()
                print(
                    f"{one:7}{rates[one]:6.1f} frames/s, 99th percentile "
                    f"{1000 * np.percentile(times, 99):.1f} ms, load average {load:.1f}",
                    flush=True,
                )
            pairs.append(rates["here"] / rates["napari"])
    print(f"frames a second: {np.median(pairs):.1f} times those of napari")


if __name__ == "__main__":
    main()

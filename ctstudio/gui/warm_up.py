"""Load what opens files, then torch, in the background without holding the window up.

The import is split: shared libraries are mapped by a foreign call, which runs without Python's
lock; the import that follows finds them in memory. The first optimiser and the first convolution
load more, so both are exercised here rather than in the first training.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ctstudio.core.events import Progress, Work


@dataclass(frozen=True)
class Engine:
    """The learning engine as loaded."""

    device: str
    reason: str
    seconds: float


def warm_up() -> Work[Engine]:
    """Import what opens files, then torch and what the panels need of `ctstudio.learn`."""
    start = time.perf_counter()
    yield Progress(0, 0, "Getting ready to open files")
    from ctstudio.workflows.open import get_ready

    for _ in get_ready():
        yield Progress(0, 0, "Getting ready to open files")
    for done, library in enumerate(_libraries()):
        yield Progress(done, 0, "Loading the learning engine")
        _map(library)
    yield Progress(0, 0, "Loading the learning engine")
    import torch  # noqa: F401

    yield Progress(0, 0, "Loading the learning engine")
    from ctstudio.learn import device as devices

    devices.cap_threads()
    devices.warm_up()
    yield Progress(0, 0, "Loading the learning engine")
    from ctstudio.learn.recipe import bundled

    bundled()
    yield Progress(0, 0, "Loading the learning engine")
    import ctstudio.learn.apply
    import ctstudio.learn.train  # noqa: F401

    chosen = devices.choose("auto")
    return Engine(chosen.name, chosen.reason, time.perf_counter() - start)


def _libraries() -> list[Path]:
    """torch's shared libraries in the order of their dependence; empty where this cannot help."""
    if "torch" in sys.modules or not sys.platform.startswith("linux"):
        return []
    spec = importlib.util.find_spec("torch")
    places = list(spec.submodule_search_locations or []) if spec is not None else []
    folder = Path(places[0]) / "lib" if places else None
    if folder is None or not folder.is_dir():
        return []
    names = ("libgomp", "libc10.", "libtorch_cpu.", "libtorch.", "libshm.", "libtorch_python.")
    found = sorted(folder.iterdir())
    return [path for name in names for path in found if path.name.startswith(name)]


def _map(library: Path) -> None:
    # A plain function pointer: ctypes releases Python's lock while it runs, ctypes.CDLL does not.
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.restype = ctypes.c_void_p
    dlopen.argtypes = (ctypes.c_char_p, ctypes.c_int)
    dlopen(os.fsencode(library), os.RTLD_LAZY | os.RTLD_LOCAL)

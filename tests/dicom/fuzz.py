"""A sweep of broken DICOM files: each is opened, written anew, looked into and de-identified, or
refused in words.

    python tests/dicom/fuzz.py --data FOLDER [--count 20000] [--seed 1]

Files of FOLDER are cut, their bytes turned, their lengths and sizes forged; what comes of each is
tried in a process of limited memory and time. Anything but a volume or a StudioError is a finding:
another exception, a crash, a hang. A finding names its number; ``--only NUMBER --keep FILE`` makes
that file again.
"""

from __future__ import annotations

import argparse
import os
import selectors
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import numpy as np

MEMORY_BYTES = 2 << 30
SECONDS = 5.0
LARGEST_SEED = 3 << 20

# Elements whose values say how much there is: frames, samples, rows, columns, bits, spacing.
_SIZES = [(0x0028, e) for e in (0x02, 0x04, 0x08, 0x10, 0x11, 0x30, 0x100, 0x101, 0x102, 0x103)]
_PLACES = [(0x0020, e) for e in (0x0D, 0x0E, 0x13, 0x32, 0x37, 0x1041)]
_VALUES = [(0x0028, e) for e in (0x1050, 0x1051, 0x1052, 0x1053)] + [(0x0002, 0x10), (0x08, 0x05)]
_FORGED = [0, 1, 2, 7, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF, 0x10000000]


def seeds(data: Path) -> list[Path]:
    """The files to begin with: all of ``data`` that are not too large, in a fixed order."""
    found = sorted(p for p in data.rglob("*") if p.is_file() and p.suffix != ".txt")
    return [p for p in found if p.stat().st_size <= LARGEST_SEED]


def mutated(original: bytes, rng: np.random.Generator) -> bytes:
    """``original`` with one to four things wrong."""
    data = bytearray(original)
    for _ in range(int(rng.integers(1, 5))):
        kind = rng.integers(0, 9)
        header = min(len(data), 4096)
        if len(data) < 64:
            break
        at = int(rng.integers(0, header if rng.random() < 0.7 else len(data)))
        if kind == 0:  # bytes turned
            for _ in range(int(rng.integers(1, 16))):
                data[int(rng.integers(0, len(data)))] = int(rng.integers(0, 256))
        elif kind == 1:  # bits turned in the header
            for _ in range(int(rng.integers(1, 8))):
                data[int(rng.integers(0, header))] ^= 1 << int(rng.integers(0, 8))
        elif kind == 2:  # cut off
            del data[at:]
        elif kind == 3:  # a piece missing
            del data[at : at + int(rng.integers(1, 200))]
        elif kind == 4:  # a piece twice
            end = at + int(rng.integers(1, 200))
            data[at:at] = data[at:end]
        elif kind == 5:  # a length forged
            value = int(_FORGED[int(rng.integers(0, len(_FORGED)))])
            width = 2 if rng.random() < 0.5 else 4
            data[at : at + width] = struct.pack("<L", value)[:width]
        elif kind == 6:  # a run of one value
            end = min(len(data), at + int(rng.integers(1, 400)))
            data[at:end] = bytes([int(rng.integers(0, 256))]) * (end - at)
        else:  # a telling element forged
            _forge(data, rng)
    return bytes(data)


def _forge(data: bytearray, rng: np.random.Generator) -> None:
    known = [*_SIZES, *_PLACES, *_VALUES]
    group, element = known[int(rng.integers(0, len(known)))]
    at = data.find(struct.pack("<HH", group, element))
    if at < 0 or at + 12 > len(data):
        return
    where = at + int(rng.choice([4, 6, 8, 8, 8]))  # representation, length, value
    if rng.random() < 0.5:
        value = int(_FORGED[int(rng.integers(0, len(_FORGED)))])
        data[where : where + 2] = struct.pack("<L", value)[:2]
    else:
        texts = (
            b"1e99",
            b"-1",
            b"nan",
            b"9999",
            b"inf\\",
            b"\\\\\\\\",
            b"\xff\xfe",
            b"0.0 ",
            b"1A",
        )
        text = texts[int(rng.integers(0, len(texts)))]
        data[where : where + len(text)] = text


def case(files: list[Path], seed: int, number: int) -> tuple[Path, bytes]:
    """The seed and the broken file of a number."""
    rng = np.random.default_rng([seed, number])
    original = files[int(rng.integers(0, len(files)))]
    return original, mutated(original.read_bytes(), rng)


# -- in the child --------------------------------------------------------------------------------


def tried(path: Path, original: Path, folder: Path) -> str:
    """What comes of opening ``path``, made of ``original``; raises whatever is no StudioError."""
    from ctstudio.core.errors import StudioError
    from ctstudio.core.events import finish
    from ctstudio.dicom import browse
    from ctstudio.dicom.deidentified import copy_deidentified
    from ctstudio.dicom.deidentify import Deidentifier
    from ctstudio.dicom.read import read
    from ctstudio.dicom.scan import scan
    from ctstudio.dicom.seg_read import peek, read_segmentation
    from ctstudio.dicom.write import write_derived

    outcome = "refused"
    volume = None
    try:
        for series in finish(scan([path])).series:
            volume = finish(read(series))
            assert volume.shape[1:] == (series.rows, series.columns)
            assert np.isfinite(volume.slice_hu(0)).all()
            outcome = "opened"
            files = write_derived(volume, folder / "derived", description="x", method="y")
            if volume.voxels.nbytes < 8 << 20:
                finish(files)
                outcome = "opened and written"
    except StudioError as error:
        _require_words(error)
    try:
        finish(scan([original, path]))  # one may claim to be a copy of the other
    except StudioError as error:
        _require_words(error)
    try:
        browse.read_header(path)
    except StudioError as error:
        _require_words(error)
    try:
        finish(copy_deidentified([[path]], folder / "copy", Deidentifier()))
    except StudioError as error:
        _require_words(error)
    try:
        peek(path)
        if volume is None:
            volume = _empty_liver()
        finish(read_segmentation(path, volume))
        outcome = "read as a segmentation"
    except StudioError as error:
        _require_words(error)
    return outcome


def _require_words(error: Exception) -> None:
    if not str(error):
        raise AssertionError("an error without words")


def _empty_liver() -> object:
    """Slices that the segmentations among the seeds were made on."""
    from ctstudio.ct.volume import Geometry, Volume

    geometry = Geometry(
        np.array([[-235.199997, -226.800003, -z] for z in (128.690002, 127.690002, 126.690002)]),
        np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), (0.810547, 0.810547),
    )  # fmt: skip
    return Volume.from_hu(np.zeros((3, 512, 512), np.float32), geometry)


def child(data: Path, seed: int, first: int, count: int) -> None:
    """Try cases ``first`` and on; tells of each on standard output."""
    import resource
    import shutil
    import warnings

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    warnings.simplefilter("ignore")
    import ctstudio.dicom.browse
    import ctstudio.dicom.deidentified
    import ctstudio.dicom.seg_read
    import ctstudio.dicom.write  # noqa: F401  imported before the clock runs

    files = seeds(data)
    home = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        for number in range(first, first + count):
            original, broken = case(files, seed, number)
            path = home / "broken.dcm"
            path.write_bytes(broken)
            folder = home / str(number)
            folder.mkdir()
            print(f"begin {number}", flush=True)
            try:
                outcome = tried(path, original, folder)
            except BaseException as error:
                where = traceback.extract_tb(error.__traceback__)
                lines = [f"{Path(f.filename).name}:{f.lineno}" for f in where[-4:]]
                outcome = f"FINDING {type(error).__name__}: {error} at {' '.join(lines)}"
            print(f"end {number} {' '.join(outcome.split())[:600]}", flush=True)
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        shutil.rmtree(home, ignore_errors=True)


# -- in the parent -------------------------------------------------------------------------------


def sweep(
    data: Path, count: int, seed: int, *, first: int = 0, batch: int = 250, told: bool = False
) -> tuple[Counter[str], list[str]]:
    """Outcomes with their counts, and the findings."""
    outcomes: Counter[str] = Counter()
    findings: list[str] = []
    files = seeds(data)
    at, end = first, first + count
    begun = time.monotonic()
    while at < end:
        at = _batch(data, seed, at, min(batch, end - at), outcomes, findings)
        if told:
            pace = (at - first) / (time.monotonic() - begun)
            print(f"{at - first} of {count}, {pace:.1f} a second, {len(findings)} findings",
                  flush=True)  # fmt: skip
    named = []
    for text in findings:
        number = int(text.split()[0])
        named.append(f"{number} ({case(files, seed, number)[0].name}) {text.split(' ', 1)[1]}")
    return outcomes, named


def _batch(
    data: Path, seed: int, first: int, count: int, outcomes: Counter[str], findings: list[str]
) -> int:
    """Run one child; returns the number to go on with, after what it stumbled over."""
    command = [sys.executable, __file__, "--data", str(data), "--seed", str(seed)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
                   "CTSTUDIO_SCAN_CACHE": "off"}  # fmt: skip
    process = subprocess.Popen(
        [*command, "--child", str(first), str(count)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    assert process.stdout is not None
    running, patience = None, 60.0  # it imports first
    buffer = b""
    with selectors.DefaultSelector() as selector, process.stdout as stream:
        selector.register(stream, selectors.EVENT_READ)
        used = _cpu_seconds(process.pid)
        while True:
            if not selector.select(patience):
                spent = _cpu_seconds(process.pid) - used
                if running is not None and spent < SECONDS - 0.5:
                    patience = SECONDS - spent  # others had the processor
                    continue
                process.send_signal(signal.SIGKILL)
                process.wait()
                findings.append(f"{running} hangs for {SECONDS:g} s")
                outcomes["FINDING"] += 1
                return (first if running is None else running) + 1
            part = os.read(stream.fileno(), 65536)
            if not part:
                break
            buffer += part
            *lines, buffer = buffer.split(b"\n")
            for line in lines:
                word, number, *rest = line.decode("utf-8", "replace").split(" ", 2)
                if word == "begin":
                    running, used = int(number), _cpu_seconds(process.pid)
                    patience = SECONDS
                    continue
                running = None
                patience = 60.0
                if rest[0].startswith("FINDING"):
                    findings.append(f"{number} {rest[0]}")
                    outcomes["FINDING"] += 1
                else:
                    outcomes[rest[0]] += 1
    code = process.wait()
    if running is not None:
        findings.append(f"{running} ends the process with {code}")
        outcomes["FINDING"] += 1
        return running + 1
    if code:
        raise RuntimeError(f"the child could not begin ({code}): {' '.join(command)}")
    return first + count


def _cpu_seconds(process: int) -> float:
    """What a process has had of the processor: a busy machine is no hang."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", type=int)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--child", type=int, nargs=2)
    given = parser.parse_args()
    if given.child:
        child(given.data, given.seed, *given.child)
        return 0
    if given.only is not None:
        original, broken = case(seeds(given.data), given.seed, given.only)
        (given.keep or Path("broken.dcm")).write_bytes(broken)
        print(f"made of {original}")
        return 0
    outcomes, findings = sweep(given.data, given.count, given.seed, first=given.first, told=True)
    for outcome, number in outcomes.most_common():
        print(f"{number:7d}  {outcome}")
    print("\n".join(findings) or "no findings")
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main())

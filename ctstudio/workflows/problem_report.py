"""A report of a problem: a zip archive with the log, versions and settings, and no patient data.

Whatever was open may stand in a message: a patient's name in the title of a series, an identifier
in the name of a folder. Two things keep it out. What is known of the open series is removed word by
word; and of everything else only words that the program itself uses are let through, with short
numbers. A name that nobody told the program of is no word of it.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from ctstudio import __version__
from ctstudio.core.atomic import atomic_file
from ctstudio.ct.volume import Source

HIDDEN = "[...]"
SHORT = 4  # digits: a longer number may be a date or an identifier
COUNTED = 3  # digits: so short a part of a file's name or of a UID says nothing by itself
SAFE_SETTINGS = (
    "theme", "language", "text_px", "units", "threads", "memory_gb", "cache/limit_gb", "autosave",
    "patient_at_start", "shortcuts/",
)  # fmt: skip
"""Settings that say nothing about what was open, by the beginning of their names."""
PACKAGES = (
    "PySide6-Essentials", "pyqtgraph", "torch", "numpy", "scipy", "scikit-image", "pydicom",
    "highdicom", "imagecodecs", "Pillow", "tifffile", "nibabel", "matplotlib", "av", "psutil",
)  # fmt: skip

_PATH = re.compile(
    r"""(?<![\w.])(?:[A-Za-z]:[\\/]|\\\\|~?/)(?:[^\s"'<>|:*?]|[ ](?=[^\s"'<>|:*?]*[\\/]))+"""
)
_TOKEN = re.compile(r"\d+(?:\.\d+)*(?![A-Za-z0-9])|[A-Za-z0-9]+|[^\x00-\x7f]+")
_PIECE = re.compile(r"[^\W_]+")
_WORD = re.compile(r"[a-z0-9]*[a-z][a-z0-9]*")
_UIDS_DOTS = 3
_CODE = re.compile(r'^\s*File "([^"]+)", line (\d+), in (\S+)')


@dataclass(frozen=True)
class LogLine:
    """One entry of the log: when (s since the epoch), how grave, who says so, what."""

    time: float
    level: str
    logger: str
    text: str


def secrets_of(sources: Iterable[Source]) -> frozenset[str]:
    """Everything about patients, studies and places that is known of the open series."""
    found: set[str] = set()
    for source in sources:
        own = (source.patient_name, source.patient_id, source.study_date)
        texts = [
            source.study_description, source.description, source.series_uid, source.study_uid,
            source.frame_of_reference_uid,
        ]  # fmt: skip
        texts += [part for path in source.files[:1] for part in path.parts]
        found.update(own, texts)
        texts += [path.stem for path in source.files]
        for text in own:
            found.update(_PIECE.findall(text))
        for text in texts:
            found.update(piece for piece in _PIECE.findall(text) if not _counts(piece))
    return frozenset(text.casefold() for text in found if len(text) > 1)


def _counts(piece: str) -> bool:
    """Whether it is a number as files are counted with, which may well stand for something else."""
    return piece.isdecimal() and len(piece) <= COUNTED


@lru_cache(maxsize=1)
def vocabulary() -> frozenset[str]:
    """The words that the program's own files are written with."""
    words: set[str] = set()
    for file in _sources(files("ctstudio")):
        words.update(_WORD.findall(file.read_text(encoding="utf-8").casefold()))
    for item in files("ctstudio.resources").joinpath("translations").iterdir():
        if item.name.endswith(".json"):
            texts = json.loads(item.read_text(encoding="utf-8"))
            words.update(_WORD.findall(" ".join(texts).casefold()))
            for text in texts.values():
                words.update(re.findall(r"[^\x00-\x7f]+", text))
    return frozenset(words)


def _sources(folder: Traversable) -> Iterable[Traversable]:
    for item in folder.iterdir():
        if item.is_dir():
            yield from _sources(item)
        elif item.name.endswith(".py"):
            yield item


def without_secrets(text: str, secrets: frozenset[str]) -> str:
    """``text`` with paths, UIDs, long numbers, secrets and words of others left out."""
    return "\n".join(_line(line, secrets) for line in text.splitlines())


def _line(line: str, secrets: frozenset[str]) -> str:
    code = _CODE.match(line)
    if code:  # of a traceback: where in the program, not where on the disk
        path = Path(code[1].replace("\\", "/"))
        known = {"ctstudio", "site-packages"} & set(path.parts)
        name = "/".join(path.parts[-3:]) if known else path.name
        return f'  File "{_line(name, secrets)}", line {code[2]}, in {code[3]}'
    line = _PATH.sub(HIDDEN, line)
    words = vocabulary()

    def judged(match: re.Match[str]) -> str:
        token = match[0]
        if token.casefold() in secrets:
            return HIDDEN
        if token.replace(".", "").isdigit():
            digits = max(len(part) for part in token.split("."))
            return HIDDEN if digits > SHORT or token.count(".") >= _UIDS_DOTS else token
        return token if token.casefold() in words else HIDDEN

    return re.sub(
        rf"(?:{re.escape(HIDDEN)}[\s^_.-]*){{2,}}", f"{HIDDEN} ", _TOKEN.sub(judged, line)
    )


def log_text(lines: Sequence[LogLine], secrets: frozenset[str]) -> str:
    """The log without secrets; times count from its first entry."""
    start = lines[0].time if lines else 0.0
    return "".join(
        f"{line.time - start:9.2f} s  {line.level:8}{line.logger}: "
        f"{without_secrets(line.text, secrets)}\n"
        for line in lines
    )


def versions() -> dict[str, str]:
    """The program, Python, the system and the packages that matter."""
    found = {
        "CT Studio": __version__,
        "Python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "frozen": str(bool(getattr(sys, "frozen", False))),
        "cores": str(os.cpu_count()),
    }
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def write_report(
    path: Path,
    *,
    lines: Sequence[LogLine],
    settings: Mapping[str, object],
    sources: Iterable[Source],
    facts: Mapping[str, str],
    crash: str = "",
    words: str = "",
) -> None:
    """Write the archive.

    Parameters
    ----------
    path
        Where; an archive there is replaced.
    lines
        The log.
    settings
        All settings; those in `SAFE_SETTINGS` are taken.
    sources
        Of the open series, to know what must not be in it.
    facts
        What else is worth knowing: device, screen, memory.
    crash
        Where the program was when it crashed before, as faulthandler tells it.
    words
        What the user says, as it is.

    Raises
    ------
    StudioError
        When the file cannot be written.
    """
    secrets = secrets_of(sources)
    safe = {
        key: value if isinstance(value, (bool, int, float)) else str(value)
        for key, value in settings.items()
        if key.startswith(SAFE_SETTINGS)
    }
    parts = {
        "log.txt": log_text(lines, secrets),
        "versions.json": json.dumps({**versions(), **facts}, indent=1),
        "settings.json": json.dumps(safe, indent=1),
        "crash.txt": without_secrets(crash, secrets),
        "description.txt": words,
    }
    with (
        atomic_file(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, text in parts.items():
            if text:
                # A fixed date: the archive says nothing but what is in it.
                archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)

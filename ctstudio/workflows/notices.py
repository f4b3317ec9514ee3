"""What the program is built with, and under which licences: read from what is installed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path

LICENCE_FILES = re.compile(r"(licen[cs]e|copying|notice|copyright|authors?)", re.IGNORECASE)
LONGEST = 60  # characters of a licence's name; what is longer is its text
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Notice:
    """One package: its licence in a few words, and in full where it came with the package."""

    name: str
    version: str
    licence: str
    home: str
    texts: tuple[str, ...]


def notices() -> tuple[Notice, ...]:
    """Every installed package that the program needs, directly or not, by name."""
    found: dict[str, Notice] = {}
    for package in _needed():
        name = str(package.metadata["Name"])
        found[name.casefold()] = Notice(
            name, package.version, _licence(package), _home(package), tuple(_texts(package))
        )
    return tuple(found[key] for key in sorted(found) if key != "ctstudio")


def _needed() -> Iterator[Distribution]:
    """Where the program itself was not installed there is no telling: everything there is."""
    try:
        todo = [distribution("ctstudio")]
    except PackageNotFoundError:
        yield from distributions()
        return
    seen: set[str] = set()
    while todo:
        package = todo.pop()
        name = _normal(str(package.metadata["Name"]))
        if name in seen:
            continue
        seen.add(name)
        yield package
        for requirement in package.requires or ():
            wanted = NAME.match(requirement)
            if wanted is None or "extra ==" in requirement.replace("extra==", "extra =="):
                continue  # what is only for development or for extras
            try:
                todo.append(distribution(wanted[0]))
            except PackageNotFoundError:
                continue  # of another system or Python


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).casefold()


def _licence(package: Distribution) -> str:
    metadata = package.metadata
    if expression := _field(package, "License-Expression"):
        return expression
    classified = [
        str(line).rpartition("::")[2].strip()
        for line in metadata.get_all("Classifier") or ()
        if str(line).startswith("License ::")
    ]
    stated = _field(package, "License").strip().splitlines()
    if classified:
        return ", ".join(classified)
    return stated[0] if stated and len(stated[0]) <= LONGEST else "see its text"


def _home(package: Distribution) -> str:
    urls = dict(
        str(line).split(", ", 1)
        for line in package.metadata.get_all("Project-URL") or ()
        if ", " in line
    )
    for key in ("Homepage", "homepage", "Home", "Source", "Repository", "Source Code"):
        if key in urls:
            return urls[key]
    return _field(package, "Home-page")


def _field(package: Distribution, key: str) -> str:
    return str(package.metadata[key]) if key in package.metadata else ""


def _texts(package: Distribution) -> Iterator[str]:
    for file in package.files or ():
        inside = any(part.endswith((".dist-info", ".egg-info")) for part in file.parts)
        if inside and LICENCE_FILES.search(file.name) and file.suffix not in (".py", ".pyc"):
            try:
                yield Path(file.locate()).read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue

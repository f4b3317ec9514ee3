"""What leaves the house: the wheel holds everything, and nothing points outside."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
JUNK = shutil.ignore_patterns("__pycache__", ".*", "*.egg-info")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built without a network from a copy of the tree."""
    pytest.importorskip("setuptools", reason="setuptools, which builds the wheel, is not here")
    folder = tmp_path_factory.mktemp("build")
    for name in ("ctstudio", "resources"):
        shutil.copytree(ROOT / name, folder / name, ignore=JUNK)
    for name in ("pyproject.toml", "LICENSE", "README.md"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, folder)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "-w", str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, str(folder)],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def test_the_wheel_holds_every_module_and_resource(wheel: zipfile.ZipFile) -> None:
    with wheel:
        held = set(wheel.namelist())
    modules = {p.relative_to(ROOT).as_posix() for p in (ROOT / "ctstudio").rglob("*.py")}
    resources = {
        f"ctstudio/resources/{p.relative_to(ROOT / 'resources').as_posix()}"
        for p in (ROOT / "resources").rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    assert modules - held == set(), "packages in pyproject.toml leaves these out"
    assert resources - held == set(), "package-data in pyproject.toml leaves these out"
    assert "ctstudio/py.typed" in held
    assert any(name.endswith("licenses/LICENSE") for name in held)
    assert not any(name.startswith(("tests/", "resources/")) for name in held)


def tracked() -> list[Path]:
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("not a git checkout: which files belong to the project is not known")
    command = ["git", "-C", str(ROOT), "ls-files", "-z"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_a_path_outside_the_project() -> None:
    outside = re.compile(r"(?<![\w.$}])/(?:work|home|root|Users|mnt|opt)/\w|\.\./shared")
    found = []
    for path in tracked():
        if path.relative_to(ROOT).as_posix() == ".ci/run":
            continue  # it looks for test data beside the checkout
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
            for number, line in enumerate(text.splitlines(), 1)
            if outside.search(line)
        ]
    assert found == []


def test_every_dependency_is_pinned() -> None:
    """The versions that are tested are the versions that packaging/run installs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [entry for extra in project["optional-dependencies"].values() for entry in extra]
    names = {
        _normal(re.split(r"[\[<>=!;\s]", entry)[0])
        for entry in (*project["dependencies"], *extras)
        if not entry.startswith("ctstudio")
    }
    lines = (ROOT / "packaging/constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert names - {_normal(name) for name in pins} == set()
    # A local part ("+cpu") would tie the pins to one package index.
    assert not any("+" in version for version in pins.values())


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("script", ["packaging/run", "packaging/test", ".ci/run"])
def test_scripts_can_be_run(script: str) -> None:
    path = ROOT / script
    assert path.stat().st_mode & 0o111, f"{script} is not executable"
    assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0

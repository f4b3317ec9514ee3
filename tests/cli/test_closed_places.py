"""Places that may not be read or written: told before the long work, in words, sources untouched.

What the system refuses is simulated, so that it is refused to an administrator too; the same with
real permissions runs where these mean something.
"""

from __future__ import annotations

import errno
import io
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ctstudio.cli import main
from ctstudio.core.events import Note, finish
from ctstudio.workflows import open as opening

REASONS = {errno.EACCES: "permission is denied", errno.EROFS: "the disk is read-only"}
COMMANDS = (
    ["denoise", "--method", "tv"],
    ["simulate", "--noise", "gaussian"],
    ["mend", "--fix", "resample", "--spacing", "1"],
    ["deidentify"],
)


def may_do_all() -> bool:
    """Whether permissions mean nothing here, as to an administrator."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o500)
        try:
            (Path(folder) / "file").touch()
        except PermissionError:
            return False
        finally:
            Path(folder).chmod(0o700)
    return True


for_others = pytest.mark.skipif(may_do_all(), reason="nothing is refused here")


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pixel may be read."""

    def read(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("the long work has begun")

    monkeypatch.setattr(opening, "read", read)


@pytest.mark.parametrize("code", REASONS)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c[0])
def test_a_place_that_refuses_is_told_before_the_work(
    command: list[str],
    code: int,
    series_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    unread: None,
) -> None:
    def refuse(prefix: str = "", dir: object = None, **others: object) -> str:
        raise OSError(code, os.strerror(code), f"{dir}/{prefix}x")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    out = tmp_path / "out"
    assert main.run([command[0], str(series_folder), *command[1:], "--out", str(out)]) == 1
    err = capsys.readouterr().err
    assert f"Cannot write {out}: {REASONS[code]}." in err
    assert "Choose a folder that you may write to." in err
    assert ".tmp-" not in err


@for_others
@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c[0])
def test_a_folder_that_is_closed_indeed(
    command: list[str],
    series_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    unread: None,
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    out = closed / "deep" / "out"
    assert main.run([command[0], str(series_folder), *command[1:], "--out", str(out)]) == 1
    assert f"Cannot write {out}: permission is denied." in capsys.readouterr().err


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """``read_only(folder)``: nothing in ``folder`` can be written, made or removed any more."""
    closed: list[Path] = []

    def guard(path: object, writes: bool) -> None:
        if writes and isinstance(path, (str, os.PathLike)):
            real = Path(path).resolve()
            if any(real.is_relative_to(folder) for folder in closed):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    def guarded(module: Any, name: str, writes: Callable[..., bool]) -> None:
        really = getattr(module, name)

        def call(path: Any, *args: Any, **kwargs: Any) -> Any:
            guard(path, writes(*args, **kwargs))
            return really(path, *args, **kwargs)

        monkeypatch.setattr(module, name, call)

    guarded(io, "open", lambda mode="r", *a, **k: any(letter in mode for letter in "wax+"))
    guarded(os, "open", lambda flags, *a, **k: bool(flags & (os.O_WRONLY | os.O_RDWR)))
    for name in ("mkdir", "rename", "replace", "unlink", "rmdir", "utime", "chmod"):
        guarded(os, name, lambda *a, **k: True)

    def close(folder: Path) -> None:
        for path in (*folder.iterdir(), folder):
            path.chmod(0o555 if path.is_dir() else 0o444)
        closed.append(folder.resolve())

    yield close
    monkeypatch.undo()
    for folder in closed:
        folder.chmod(0o755)


def test_the_guard_guards(tmp_path: Path, read_only: Callable[[Path], None]) -> None:
    (tmp_path / "x").mkdir()
    read_only(tmp_path / "x")
    with pytest.raises(OSError, match=r"ead-only|denied"):
        (tmp_path / "x" / "file").write_text("no")
    with pytest.raises(OSError, match=r"ead-only|denied"):
        (tmp_path / "x" / "folder").mkdir()


def test_a_series_on_a_read_only_disk_is_read_and_left_alone(
    make_series: Callable[[str], Path],
    tmp_path: Path,
    read_only: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = make_series("disc")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    read_only(folder)
    assert main.run(["info", str(folder), "--values"]) == 0
    for number, command in enumerate(COMMANDS):
        out = str(tmp_path / f"out{number}")
        assert main.run([command[0], str(folder), *command[1:], "--out", out]) == 0, command
    assert main.run(["info", str(folder), "--full"]) == 0
    assert "Nothing is odd about it." in capsys.readouterr().out
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    assert after == before


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO])
def test_a_slice_that_cannot_be_read_any_more_is_left_out_by_name(
    make_series: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    folder = make_series("disc")
    (series,) = finish(opening.scan([folder])).series
    really = os.open

    def guarded(path: Any, *args: Any, **kwargs: Any) -> int:
        if Path(path).name == "002.dcm":
            raise OSError(code, os.strerror(code), str(path))
        return really(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", guarded)
    work = opening.read(series)
    notes = []
    while True:
        try:
            event = next(work)
        except StopIteration as stop:
            volume = stop.value
            break
        if isinstance(event, Note):
            notes.append(event.text)
    reason = REASONS.get(code, os.strerror(code))
    assert notes == [f"002.dcm (Explicit VR Little Endian) was left out: {reason}."]
    assert len(volume) == 5
    assert np.ptp(np.diff(volume.geometry.offsets_mm)) > 2, "its gap stays"


@for_others
def test_a_file_that_is_closed_indeed_is_named(
    make_series: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_series("disc")
    (folder / "002.dcm").chmod(0)
    assert main.run(["info", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "1: permission is denied" in out
    assert "002.dcm" in out
    folder.chmod(0)
    try:
        assert main.run(["info", str(folder)]) == 2
        assert f"Path '{folder}' is not readable." in capsys.readouterr().err
    finally:
        folder.chmod(0o755)

"""Atomic writes: a file or folder appears whole under its name, or not at all."""

from __future__ import annotations

import errno
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ctstudio.core.errors import StudioError


def explain_os_error(error: OSError, path: Path, doing: str = "write") -> StudioError:
    """Turn an operating-system error into a sentence that names the file and the way out."""
    # Some writers wrap the error into one of their own, with a traceback for a message.
    inner = error.__cause__ or error.__context__
    while error.errno is None and isinstance(inner, OSError):
        error, inner = inner, inner.__cause__ or inner.__context__
    hints = {
        errno.ENOSPC: ("the disk is full", "Free some space or choose another folder."),
        errno.EDQUOT: ("your disk quota is used up", "Free some space or choose another folder."),
        errno.EACCES: ("permission is denied", "Choose a folder that you may write to."),
        errno.EPERM: ("permission is denied", "Choose a folder that you may write to."),
        errno.EROFS: ("the disk is read-only", "Choose a folder that you may write to."),
        errno.ENOENT: ("the folder does not exist", "Choose an existing folder."),
        errno.ENOTDIR: ("a part of the path is a file, not a folder", "Choose another folder."),
        errno.EEXIST: ("a part of the path is a file, not a folder", "Choose another folder."),
        errno.EISDIR: ("it is a folder, not a file", "Choose another name."),
        errno.ENAMETOOLONG: ("the name is too long", "Choose a shorter name."),
    }
    if doing == "read":
        hints[errno.EACCES] = hints[errno.EPERM] = (
            "permission is denied",
            "Ask its owner for read access, or copy it to a folder of your own.",
        )
        hints[errno.ENOENT] = ("it does not exist", "Check the path.")
    unknown = (error.strerror or _first_line(error), "Choose another place and try again.")
    reason, hint = hints.get(error.errno or 0, unknown)
    return StudioError(f"Cannot {doing} {path}: {reason}.", hint=hint, path=path)


def _first_line(error: OSError) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it replaces ``path``, on failure it goes.

    The temporary name keeps the suffix of ``path``, since writers choose the format by it.

    Raises
    ------
    StudioError
        When the disk is full, read-only or the folder cannot be written to, or when ``path`` is a
        DICOM file: images are written into folders of their own, so that can only be a source.
    """
    target = Path(path)
    _spare_image(target)
    try:
        handle, name = tempfile.mkstemp(prefix=".tmp-", suffix=target.suffix, dir=target.parent)
        os.close(handle)
    except OSError as error:
        raise explain_os_error(error, target) from error
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes the file private; give it the permissions that open() would have given.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.replace(target)
    except OSError as error:
        raise explain_os_error(error, target) from error
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def _spare_image(path: Path) -> None:
    try:
        if not path.is_file():  # opening a pipe would wait for its other end
            return
        with path.open("rb") as stream:
            image = stream.read(132)[128:] == b"DICM"
    except OSError:
        return  # what cannot be read is found out by writing
    if image:
        raise StudioError(
            f"Cannot write {path}: it is a DICOM file, and those are never overwritten.",
            hint="Choose another name.",
            path=path,
        )


@contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; on success it is renamed to ``path``.

    What a process that was killed left behind beside ``path`` goes first.

    Raises
    ------
    StudioError
        When ``path`` exists and is not empty (nothing is ever overwritten), or on a full disk.
    """
    target = Path(path)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise StudioError(
            f"Cannot write to {target}: it exists and is not empty.",
            hint="Choose a new folder; nothing is overwritten.",
            path=target,
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target.parent)
        temporary = Path(tempfile.mkdtemp(prefix=_mine(), dir=target.parent))
    except OSError as error:
        raise explain_os_error(error, target) from error
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o777 & ~umask)
        if target.exists():
            target.rmdir()
        temporary.replace(target)
    except OSError as error:
        raise explain_os_error(error, target) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _mine() -> str:
    """How the temporary folders of this process begin: they name it and its machine."""
    machine = re.sub(r"[^A-Za-z0-9]", "", platform.node())[:32]
    return f".tmp-{machine}-{os.getpid()}-"


def _sweep(parent: Path) -> None:
    """Remove the temporary folders of processes of this machine that are no more."""
    if os.name == "nt":
        return  # there, to ask whether a process lives may end it
    before = _mine().rsplit("-", 2)[0]
    for folder in parent.glob(f"{before}-*-*"):
        process = folder.name[len(before) + 1 :].split("-")[0]
        if process.isdigit() and folder.is_dir() and not _lives(int(process)):
            shutil.rmtree(folder, ignore_errors=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # somebody else's
    return True

import errno
import os
import stat
import subprocess
import sys

import pytest

from ctstudio.core.atomic import atomic_file, atomic_folder, explain_os_error
from ctstudio.core.errors import StudioError


def leftovers(folder):
    return [p.name for p in folder.iterdir() if p.name.startswith(".tmp-")]


def test_a_file_appears_whole_and_replaces_the_old_one(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with atomic_file(target) as temporary:
        assert temporary.suffix == ".txt"
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert not leftovers(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_a_file_gets_the_usual_permissions(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("")
    with atomic_file(tmp_path / "a") as temporary:
        temporary.write_text("x")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_file(target) as temporary:
        temporary.write_text(str(1 / 0))
    assert target.read_text() == "old"
    assert not leftovers(tmp_path)


def test_a_full_disk_is_explained(tmp_path):
    with pytest.raises(StudioError, match="disk is full"), atomic_file(tmp_path / "a"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_explained(tmp_path):
    missing = tmp_path / "no" / "a.txt"
    with pytest.raises(StudioError, match="does not exist") as caught, atomic_file(missing):
        pass
    assert caught.value.path == missing
    assert caught.value.hint


def test_a_folder_appears_whole(tmp_path):
    target = tmp_path / "deep" / "run"
    with atomic_folder(target) as temporary:
        (temporary / "a").write_text("x")
        assert not target.exists()
    assert (target / "a").read_text() == "x"
    assert not leftovers(target.parent)


def test_an_empty_folder_may_be_filled_but_nothing_is_overwritten(tmp_path):
    target = tmp_path / "run"
    target.mkdir()
    with atomic_folder(target) as temporary:
        (temporary / "a").write_text("x")
    with pytest.raises(StudioError, match="not empty"), atomic_folder(target):
        pass
    assert (target / "a").read_text() == "x"


def test_a_failed_folder_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), atomic_folder(tmp_path / "run") as temporary:
        (temporary / "a").write_text(str(1 / 0))
    assert not list(tmp_path.iterdir())


def test_a_closed_generator_leaves_nothing(tmp_path):
    def work():
        with atomic_file(tmp_path / "a") as temporary:
            temporary.write_text("half")
            yield 1

    generator = work()
    next(generator)
    generator.close()
    assert not list(tmp_path.iterdir())


def test_a_dicom_file_is_never_overwritten(tmp_path):
    source = tmp_path / "slice.png"
    source.write_bytes(bytes(128) + b"DICM" + bytes(20))
    before = source.read_bytes()
    with pytest.raises(StudioError, match="never overwritten"), atomic_file(source):
        pass
    assert source.read_bytes() == before
    assert list(tmp_path.iterdir()) == [source]


def test_an_error_wrapped_in_another_is_explained(tmp_path):
    wrapper = OSError("In some element\nTraceback ...")
    assert explain_os_error(wrapper, tmp_path).message.endswith(": In some element.")
    wrapper.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert explain_os_error(wrapper, tmp_path).message.endswith(": the disk is full.")


@pytest.mark.skipif(sys.platform == "win32", reason="there nobody can ask whether a process lives")
def test_what_a_dead_process_left_goes_and_nothing_else(tmp_path):
    with atomic_folder(tmp_path / "first") as mine:
        begin = mine.name.rsplit("-", 2)[0]
        dead = subprocess.Popen([sys.executable, "-c", ""])
        dead.wait()
        left = tmp_path / f"{begin}-{dead.pid}-abc"
        kept = [
            tmp_path / f"{begin}x-{dead.pid}-abc",  # another machine's
            tmp_path / f"{begin}-{os.getppid()}-abc",
            tmp_path / ".tmp-other",
            tmp_path / f"{begin}-words-abc",
        ]
        for folder in (left, *kept):
            (folder / "inside").mkdir(parents=True)
        with atomic_folder(tmp_path / "second"):
            assert mine.exists()
            assert not left.exists()
    assert all(folder.exists() for folder in kept)

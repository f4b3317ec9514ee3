import errno
from pathlib import Path

import pytest

from ctstudio.core.atomic import explain_os_error
from ctstudio.core.errors import StudioError


def test_the_sentence_and_the_way_out_are_one_text():
    error = StudioError("Cannot read a.dcm: too short.", hint="Copy it again.", path="a.dcm")
    assert str(error) == "Cannot read a.dcm: too short. Copy it again."
    assert str(StudioError("Only this.")) == "Only this."
    assert error.details == ""


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EACCES, "permission is denied"),
        (errno.EROFS, "read-only"),
        (errno.ENOENT, "does not exist"),
    ],
)
def test_operating_system_errors_name_the_file_and_the_way_out(code, words):
    error = explain_os_error(OSError(code, "x"), Path("/data/scan.dcm"))
    assert words in error.message
    assert "/data/scan.dcm" in error.message.replace("\\", "/")
    assert error.hint
    assert error.path == Path("/data/scan.dcm")


def test_reading_has_its_own_hints_and_unknown_codes_keep_their_words():
    assert "read access" in explain_os_error(OSError(errno.EACCES, "x"), Path("a"), "read").hint
    assert "gremlins" in explain_os_error(OSError(9999, "gremlins"), Path("a")).message

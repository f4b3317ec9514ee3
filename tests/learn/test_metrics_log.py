"""metrics.csv after a bad disk, an editor or a crash: sound rows are kept, nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctstudio.core.errors import StudioError
from ctstudio.core.events import Step
from ctstudio.learn.metrics_log import read_metrics, read_rows
from ctstudio.learn.recipe import default_recipe
from ctstudio.learn.run_folder import RunFolder, preview_steps, read_previews

HEAD = b"step,epoch,seconds,lr,loss,protocol,rmse\r\n"
ROWS = b"1,0.1,1.5,0.001,3,,\r\n2,0.2,2.5,0.001,2,,\r\n"
QUOTED = b'2,,2.6,,,"pooled, of all",9\r\n'


@pytest.mark.parametrize(
    ("content", "steps", "damaged"),
    [
        (HEAD + ROWS, "12", []),
        (HEAD + ROWS + QUOTED, "122", []),
        (HEAD + ROWS + b"3,0.", "12", []),
        (HEAD + ROWS + b"3,0.3,3.5,0.001,1,,", "123", []),
        (b"\n\r\n" + HEAD + b"\n" + ROWS, "12", []),
        (b"", "", []),
        (HEAD, "", []),
        (HEAD.rstrip(), "", []),
        (ROWS, "", [1]),
        (b"a,b\n1,2\n", "", [1]),
        (b"\xff\xfe\x00", "", [1]),
        (HEAD + b'1,"open,1.5,0.001,3,,\n' + ROWS, "12", [2]),
        (HEAD + b"\0\0\0\0\n" + ROWS, "12", [2]),
        (HEAD + ROWS + b"3,0.3,3.5,0.001,\xe9\xff,,\n", "12", [4]),
        (HEAD + b"9" * 200_000 + b",1\n" + ROWS, "12", [2]),
        (HEAD + b"9" * 5000 + b",0,0,0,0,,\n" + ROWS, "12", [2]),
        (HEAD + "²,0,0,0,0,,\n".encode() + ROWS, "12", [2]),
        (HEAD + b"inf,0,0,0,0,,\n" + b"1,0,1e400,0,0,,\n" + ROWS, "12", [2, 3]),
        (HEAD + b"1,nan,0,0,0,,\n" + b"1,0,-1,0,0,,\n" + ROWS, "12", [2, 3]),
        (HEAD + ROWS + b"3,0.3,3.5,0.001,nan,,\n", "123", []),  # a loss may be no number
    ],
)
def test_rows_and_what_is_none(
    tmp_path: Path, content: bytes, steps: str, damaged: list[int]
) -> None:
    file = tmp_path / "metrics.csv"
    file.write_bytes(content)
    rows, lines = read_rows(file)
    assert "".join(row["step"] for row in rows) == steps
    assert lines == damaged
    if damaged == [1]:
        with pytest.raises(StudioError, match=r"metrics\.csv is damaged") as caught:
            read_metrics(tmp_path)
        assert "another name" in caught.value.hint
    else:
        assert read_metrics(tmp_path) == rows


def going_on(run: Path, step: int) -> list[str]:
    """What is said of a folder when the training goes on from that step."""
    folder = RunFolder(run, default_recipe(), ["loss"], resume_at=step)
    said = [note.text for note in folder.begin()]
    folder.close()
    return said


@pytest.mark.parametrize("harm", [b"\0\0\n", b'"open\n', b"\xe9\n"])
def test_going_on_keeps_a_damaged_file_beside_the_sound_rows(tmp_path: Path, harm: bytes) -> None:
    run = tmp_path / "run"
    folder = RunFolder(run, default_recipe(), ["loss"])
    for step in (1, 2, 3):
        folder.add_step(Step(step, 0.1, {"loss": 1.0}, 1e-3, float(step)))
    folder.flush()
    folder.close()
    file = run / "metrics.csv"
    lines = file.read_bytes().splitlines(keepends=True)
    damaged = b"".join([*lines[:2], harm, *lines[2:]])
    for number in ("", "-2"):
        file.write_bytes(damaged)
        assert "line 3" in "".join(going_on(run, 2))
        assert (run / f"metrics-damaged{number}.csv").read_bytes() == damaged
        assert [row["step"] for row in read_metrics(run)] == ["1", "2"]
    assert not going_on(run, 2)


def test_going_on_minds_no_strange_files(tmp_path: Path) -> None:
    run = tmp_path / "run"
    RunFolder(run, default_recipe(), ["loss"]).close()
    for name in ("step-abc.npz", "step-²².npz", "step-3.npz", "step-00000001.npz"):
        (run / "previews" / name).write_bytes(b"x")
    (run / "previews" / ".tmp-folder").mkdir()
    (run / ".tmp-left.pt").write_bytes(b"x")
    going_on(run, 0)
    left = {path.name for path in (run / "previews").iterdir()}
    assert left == {"step-abc.npz", "step-²².npz", "step-3.npz", ".tmp-folder"}
    assert not (run / ".tmp-left.pt").exists()
    assert preview_steps(run) == []
    assert list(read_previews(run)) == []

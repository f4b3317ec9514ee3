"""Draining work: its result, its lines, and its end on Ctrl+C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from ctstudio.cli import progress
from ctstudio.cli.progress import Stopped, drain
from ctstudio.core.events import Note, Progress, Saved, Work


def work(log: list[str], steps: int = 5) -> Work[str]:
    try:
        for k in range(steps):
            yield Progress(k + 1, steps, "counting")
            if k == 2:
                yield Note("half-way")
        return "done"
    finally:
        log.append("closed")


def test_the_result_comes_back_and_notes_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert drain(work([])) == "done"
    err = capsys.readouterr().err
    assert "Note: half-way" in err
    assert "counting" not in err  # over too soon to be worth a line


def test_lines_are_sparse(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = iter(range(0, 10**6))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(now)))
    drain(work([], 100))
    lines = [x for x in capsys.readouterr().err.splitlines() if x.startswith("counting")]
    assert lines[0] == "counting: 3/100 (3 %), 1:05 left"  # 2 s for 3 steps
    assert len(lines) == 10


def test_a_line_for_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    drain(work([]), on_event=lambda e: None if isinstance(e, (Note, Saved)) else f"<{e.done}>")
    assert "<5>" in capsys.readouterr().err


HEARD = [getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n)]


@pytest.mark.parametrize("number", HEARD)
def test_a_signal_closes_the_work(number: signal.Signals) -> None:
    # The tests themselves may run where a closing terminal does not count.
    before = signal.signal(number, signal.default_int_handler)
    try:
        _signal_closes_the_work(number)
    finally:
        signal.signal(number, before)


def _signal_closes_the_work(number: signal.Signals) -> None:
    log: list[str] = []

    def interrupted() -> Work[str]:
        inner = work(log)
        yield next(inner)
        os.kill(os.getpid(), number)
        try:
            yield from inner
        finally:
            log.append("outer closed")
        return ""

    before = signal.getsignal(number)
    with pytest.raises(Stopped) as caught:
        drain(interrupted())
    assert caught.value.exit_code == 128 + number
    assert log == ["closed", "outer closed"]
    assert signal.getsignal(number) is before


def test_a_failure_closes_the_work() -> None:
    log: list[str] = []

    def fail(event: object) -> None:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        drain(work(log), on_event=fail)
    assert log == ["closed"]


def test_interrupted_from_the_keyboard_ends_with_130() -> None:
    code = """
        import click, os, signal, time
        from ctstudio.cli import main
        from ctstudio.cli.progress import drain
        from ctstudio.core.events import Progress

        def endless():
            try:
                while True:
                    yield Progress(0, 0)
                    os.kill(os.getpid(), signal.SIGINT)
            finally:
                print("closed")

        main.cli.add_command(click.Command("methods", callback=lambda: drain(endless())))
        main.cli.get_command = lambda ctx, name: main.cli.commands[name]
        raise SystemExit(main.run(["methods"]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=30
    )
    assert done.stdout == "closed\n"
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no SIGHUP here")
def test_what_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:

        def hung_up() -> Work[str]:
            yield Progress(1, 2)
            os.kill(os.getpid(), signal.SIGHUP)
            yield Progress(2, 2)
            return "done"

        assert drain(hung_up()) == "done"
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


UNHEARD = """
    import sys
    from ctstudio.cli import main
    from ctstudio.cli.progress import drain
    from ctstudio.core.events import Note, Progress
    import click

    def work():
        for k in range(2000):
            yield Note(f"number {k}")
        return "done"

    def command():
        import os
        result = drain(work(), on_event=lambda event: "a line")
        with open(sys.argv[1], "w") as stream:
            print(result, stream.fileno() > 2, file=stream)
        click.echo("the end")

    main.cli.add_command(click.Command("methods", callback=command))
    main.cli.get_command = lambda ctx, name: main.cli.commands[name]
    raise SystemExit(main.run(["methods"]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell's redirections")
@pytest.mark.parametrize(
    "where", ["2>&1 | head -1", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full", "2>&-"]
)
def test_work_goes_on_where_nobody_listens(where: str, tmp_path: Path) -> None:
    script, told = tmp_path / "script.py", tmp_path / "told.txt"
    script.write_text(textwrap.dedent(UNHEARD))
    line = f'"{sys.executable}" "{script}" "{told}" {where}'
    done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=60)
    assert told.read_text() == "done True\n"
    assert done.returncode == 0
    assert "Traceback" not in done.stdout + done.stderr


def test_a_bar_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert drain(work([])) == "done"
    err = capsys.readouterr().err
    assert "counting" in err
    assert "half-way" in err

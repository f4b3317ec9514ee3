"""Draining work: its result, its lines, and its end on Ctrl+C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_closes_the_work(number: signal.Signals) -> None:
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


def test_a_bar_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert drain(work([])) == "done"
    err = capsys.readouterr().err
    assert "counting" in err
    assert "half-way" in err

"""Jobs: order of events, only the newest picture, exactly one ending, quick answers."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QCoreApplication, QObject, QThread

from ctstudio.core.events import Event, Note, Partial, Preview, Progress, Work, go_on
from ctstudio.gui.job import NICE, Job, Jobs
from tests.gui.conftest import let_run, wait_until


class Witness(QObject):
    """Writes down what a job says, when and in which thread."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []
        self.previews: list[Preview] = []
        self.endings: list[tuple[str, Any]] = []
        self.threads: set[QThread] = set()
        self.delay_s = 0.0

    def stepped(self, events: list[Event]) -> None:
        self._seen()
        self.events += events

    def previewed(self, preview: Preview) -> None:
        self._seen()
        self.previews.append(preview)
        time.sleep(self.delay_s)

    def succeeded(self, value: Any) -> None:
        self._end("succeeded", value)

    def cancelled(self) -> None:
        self._end("cancelled", None)

    def failed(self, error: Exception) -> None:
        self._end("failed", error)

    def _seen(self) -> None:
        assert not self.endings, "something came after the end"
        self.threads.add(QThread.currentThread())

    def _end(self, kind: str, value: Any) -> None:
        self.threads.add(QThread.currentThread())
        self.endings.append((kind, value))

    def follow(self, jobs: Jobs, work: Callable[[], Work[Any]], role: str = "test") -> Job:
        return jobs.start(
            role,
            "A test",
            work,
            stepped=self.stepped,
            previewed=self.previewed,
            succeeded=self.succeeded,
            cancelled=self.cancelled,
            failed=self.failed,
        )


@pytest.fixture
def jobs(qapp: QCoreApplication) -> Iterator[Jobs]:
    jobs = Jobs()
    yield jobs
    jobs.cancel_all()
    wait_until(lambda: not jobs.busy())
    jobs.deleteLater()


@pytest.fixture
def witness(qapp: QCoreApplication) -> Iterator[Witness]:
    witness = Witness()
    yield witness
    witness.deleteLater()


def picture(step: int) -> Preview:
    return Preview(step, 0, {"reconstruction": np.zeros((4, 4), np.float32)})


def endless() -> Work[None]:
    done = 0
    while True:
        time.sleep(0.002)
        done += 1
        yield Progress(done, 0)


def test_the_first_thing_to_see_does_not_wait_for_the_timer(
    jobs: Jobs, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ctstudio.gui.job.DRAIN_MS", 60_000)
    seen = threading.Event()

    def work() -> Work[str]:
        yield Note("before")
        yield Partial("a first slice")
        assert seen.wait(10)
        return "done"

    witness.follow(jobs, work)
    wait_until(lambda: witness.events)
    assert witness.events == [Note("before"), Partial("a first slice")]
    assert witness.threads == {QThread.currentThread()}
    seen.set()
    wait_until(lambda: witness.endings)
    assert witness.endings == [("succeeded", "done")]


def test_events_in_order_then_the_result(jobs: Jobs, witness: Witness) -> None:
    def work() -> Work[str]:
        for k in range(500):
            yield Progress(k, 500)
            if k % 100 == 0:
                yield Note(f"note {k}")
        return "done"

    witness.follow(jobs, work)
    wait_until(lambda: witness.endings)
    assert witness.endings == [("succeeded", "done")]
    progress = [event.done for event in witness.events if isinstance(event, Progress)]
    assert progress == list(range(500))
    assert [e.text for e in witness.events if isinstance(e, Note)] == [
        f"note {k}" for k in range(0, 500, 100)
    ]


def test_a_slow_screen_gets_only_the_newest_picture(jobs: Jobs, witness: Witness) -> None:
    witness.delay_s = 0.1

    def work() -> Work[int]:
        for k in range(400):
            time.sleep(0.001)
            yield picture(k)
            yield Progress(k + 1, 400)
        return 400

    witness.follow(jobs, work)
    wait_until(lambda: witness.endings)
    steps = [preview.step for preview in witness.previews]
    assert steps == sorted(set(steps)), "never an older picture after a newer one"
    assert 1 <= len(steps) < 60, "pictures that nobody could see were dropped"
    assert steps[-1] == 399, "the last one is always shown"
    assert len(witness.events) == 400, "no other event is dropped"


def test_callbacks_run_in_the_gui_thread_and_the_work_does_not(
    jobs: Jobs, witness: Witness, qapp: QCoreApplication
) -> None:
    worker: list[int] = []

    def work() -> Work[None]:
        worker.append(threading.get_ident())
        yield picture(1)
        yield Progress(1, 1)

    witness.follow(jobs, work)
    wait_until(lambda: witness.endings)
    assert witness.threads == {qapp.thread()}
    assert worker != [threading.get_ident()]


def test_failure_ends_once_after_the_last_drain(jobs: Jobs, witness: Witness) -> None:
    def work() -> Work[None]:
        for k in range(50):
            yield Progress(k, 50)
        raise ValueError("broken")

    witness.follow(jobs, work)
    wait_until(lambda: witness.endings)
    let_run(60)
    assert len(witness.endings) == 1
    kind, error = witness.endings[0]
    assert kind == "failed"
    assert isinstance(error, ValueError)
    assert len(witness.events) == 50


def test_failure_before_the_first_event(jobs: Jobs, witness: Witness) -> None:
    def work() -> Work[None]:
        raise OSError("no such thing")
        yield Progress(0, 0)

    witness.follow(jobs, work)
    wait_until(lambda: witness.endings)
    assert [kind for kind, _ in witness.endings] == ["failed"]
    assert not jobs.busy()


def test_work_that_cannot_even_be_made_fails(jobs: Jobs, witness: Witness) -> None:
    def work() -> Work[None]:
        raise RuntimeError("at once")

    witness.follow(jobs, work)
    wait_until(lambda: witness.endings)
    assert [kind for kind, _ in witness.endings] == ["failed"]


def test_cancel_does_not_wait_and_closes_the_generator(jobs: Jobs, witness: Witness) -> None:
    held, closed = threading.Event(), threading.Event()

    def work() -> Work[None]:
        try:
            yield Progress(0, 1)
            held.wait(10)
            yield from endless()
        finally:
            closed.set()

    job = witness.follow(jobs, work)
    wait_until(lambda: witness.events)
    job.cancel()
    assert not closed.is_set(), "cancel() itself does not wait"
    assert job.cancelling
    held.set()
    wait_until(lambda: witness.endings)
    assert witness.endings == [("cancelled", None)]
    assert closed.is_set()
    let_run(60)
    assert len(witness.endings) == 1


def test_a_long_step_that_asks_is_cancelled_half_way(jobs: Jobs, witness: Witness) -> None:
    begun, saved, steps = threading.Event(), [], []

    def work() -> Work[None]:
        try:
            yield Progress(0, 1)
            for k in range(2000):
                steps.append(k)
                begun.set()
                time.sleep(0.01)
                go_on()
            yield Progress(1, 1)
        finally:
            go_on()
            saved.append(True)

    job = witness.follow(jobs, work)
    assert begun.wait(10)
    job.cancel()
    wait_until(lambda: witness.endings)
    assert len(steps) < 2000
    assert witness.endings == [("cancelled", None)]
    assert saved == [True]
    assert not jobs.busy()


def test_cancel_before_the_thread_is_under_way(jobs: Jobs, witness: Witness) -> None:
    witness.follow(jobs, endless).cancel()
    wait_until(lambda: witness.endings)
    assert witness.endings == [("cancelled", None)]


def test_failure_in_the_clean_up_after_a_cancel_is_not_silent(jobs: Jobs, witness: Witness) -> None:
    def work() -> Work[None]:
        try:
            yield from endless()
        finally:
            raise OSError("could not save")

    job = witness.follow(jobs, work)
    wait_until(lambda: witness.events)
    job.cancel()
    wait_until(lambda: witness.endings)
    assert [kind for kind, _ in witness.endings] == ["failed"]


def test_pause_and_resume(jobs: Jobs, witness: Witness) -> None:
    job = witness.follow(jobs, endless)
    wait_until(lambda: len(witness.events) > 5)
    job.pause()
    assert job.paused
    let_run(80)  # what was under way arrives
    count = len(witness.events)
    let_run(150)
    assert len(witness.events) == count
    job.resume()
    assert not job.paused
    wait_until(lambda: len(witness.events) > count)
    job.pause()
    job.cancel()
    wait_until(lambda: witness.endings, "for a paused job to be cancelled too")
    assert witness.endings == [("cancelled", None)]


@pytest.mark.parametrize("ending", ["succeeded", "cancelled", "failed"])
def test_a_callback_may_start_the_next_job_of_its_role(jobs: Jobs, ending: str) -> None:
    results: list[str] = []

    def second() -> Work[str]:
        yield Progress(1, 1)
        return "second"

    def first() -> Work[str]:
        if ending == "failed":
            raise ValueError("first")
        if ending == "cancelled":
            yield from endless()
        yield Progress(1, 1)
        return "first"

    def again(*_: object) -> None:
        assert jobs["role"] is None, "the role is free before the callback runs"
        jobs.start("role", "second", second, succeeded=results.append)

    calls = {"succeeded": again, "cancelled": again, "failed": again}
    job = jobs.start("role", "first", first, **{ending: calls[ending]})  # type: ignore[arg-type]
    if ending == "cancelled":
        job.cancel()
    wait_until(lambda: results)
    assert results == ["second"]
    wait_until(lambda: not jobs.busy())


def test_a_taken_role_is_refused_others_run_beside_it(jobs: Jobs, witness: Witness) -> None:
    ends: list[str] = []
    jobs.all_ended.connect(lambda: ends.append("all"))
    one = witness.follow(jobs, endless, "one")
    with pytest.raises(RuntimeError, match="one job is running"):
        jobs.start("one", "", endless)
    two = jobs.start("two", "", endless)
    assert jobs.busy("one")
    assert jobs.busy("three", "two")
    assert not jobs.busy("three")
    assert jobs["one"] is one
    assert jobs["two"] is two
    jobs.cancel_all()
    wait_until(lambda: ends)
    assert ends == ["all"]
    assert not jobs.busy()


def test_many_short_jobs_leave_nothing_behind(jobs: Jobs) -> None:
    done: list[int] = []

    def work(k: int) -> Work[int]:
        yield Progress(1, 1)
        return k

    for k in range(60):
        jobs.start(f"role {k % 3}", "", lambda k=k: work(k), succeeded=done.append)
        wait_until(lambda k=k: not jobs.busy(f"role {(k + 1) % 3}"))
    wait_until(lambda: not jobs.busy())
    assert sorted(done) == list(range(60))
    let_run(20)
    wait_until(lambda: not jobs.findChildren(Job))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have Qt's own priorities")
def test_a_job_and_the_threads_that_it_starts_give_way_to_the_window(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ctstudio.gui.job.NICE", NICE)
    told: list[int] = []

    def tell() -> None:
        told.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    def work() -> Work[None]:
        tell()
        inner = threading.Thread(target=tell)
        inner.start()
        inner.join()
        yield Progress(1, 1)

    jobs.start("read", "Reading", work)
    wait_until(lambda: not jobs.busy())
    mine = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    assert NICE > 0
    assert told == [min(mine + NICE, 19)] * 2

import dataclasses
import threading

import pytest

from ctstudio.core.events import (
    Closed,
    Note,
    Preview,
    Progress,
    Validation,
    closing_when,
    finish,
    go_on,
    relay,
)


def work():
    yield Progress(0, 2)
    yield Note("half way")
    return 42


def test_finish_returns_the_result():
    assert finish(work()) == 42


def test_finish_lets_errors_through():
    def broken():
        yield Progress(0, 1)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        finish(broken())


def test_nested_work_hands_its_result_up():
    def outer():
        return (yield from work()) + 1

    assert finish(outer()) == 43


def test_events_are_frozen_and_have_defaults():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Progress(0, 1).done = 2
    assert Preview(1, 2, {}).unit == "HU"
    assert Validation(1, "A", {}).baseline == {}


def test_relay_changes_events_and_hands_the_result_up():
    def work():
        for text in ("one", "two", "three"):
            yield Note(text)
        return 7

    def loud(event):
        return None if event.text == "two" else Note(event.text.upper())

    results = []

    def outer():
        results.append((yield from relay(work(), loud)))

    assert list(outer()) == [Note("ONE"), Note("THREE")]
    assert results == [7]


def test_who_ends_a_relay_early_ends_the_work():
    ended = []

    def work():
        try:
            yield Note("one")
            yield Note("two")
        finally:
            ended.append(True)

    running = relay(work(), lambda event: event)
    next(running)
    running.close()
    assert ended


def test_a_step_goes_on_until_it_is_unwanted_and_is_not_disturbed_on_its_way_out():
    asked, left = [], []

    def steps():
        try:
            for k in range(10):
                go_on()
                asked.append(k)
            yield Progress(1, 1)
        finally:
            go_on()
            left.append(True)

    go_on()  # nobody drives it: it does nothing
    with closing_when(lambda: len(asked) == 4), pytest.raises(Closed):
        next(steps())
    assert asked == [0, 1, 2, 3]
    assert left == [True]
    assert finish(steps()) is None
    assert asked[4:] == list(range(10))


def test_only_the_thread_whose_work_is_unwanted_is_closed():
    seen = []

    def other():
        go_on()
        seen.append("went on")

    with closing_when(lambda: True):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        with pytest.raises(Closed):
            go_on()
    assert seen == ["went on"]

"""What the lab measures: laws that hold in every run, and that no thread stays."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from matplotlib.figure import Figure

from logkit import lab
from logkit.errors import LabError, SettingError
from logkit.lab import speed
from logkit.lab.stage import run_all

pytestmark = pytest.mark.usefixtures("nobody_stays")


def somebody_at(condition: threading.Condition) -> bool:
    return bool(condition._waiters)  # type: ignore[attr-defined]


def until(holds: Callable[[], bool], seconds: float = 8.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_bounded_queue_never_holds_more_than_its_size_and_loses_nothing() -> None:
    found = lab.backpressure(60, queue_size=5, item_bytes=10_000, produce_seconds=0, consume_seconds=0.001)
    assert max(found.bounded.depth) == found.bounded.peak <= 5
    assert found.unbounded.peak > 5
    assert found.bounded.consumed == found.unbounded.consumed == 60
    assert found.unbounded.peak_bytes > found.bounded.peak_bytes
    assert found.bounded.producer_seconds > found.unbounded.producer_seconds
    frame = found.frame
    assert frame.groupby("queue").size().to_dict() == {"bounded": 120, "unbounded": 120}
    assert "bounded   (maxsize=5)" in repr(found)


def test_a_semaphore_lets_in_as_many_as_it_has_permits_and_no_more() -> None:
    for permits in (1, 2, 5):
        found = lab.semaphore(permits, threads=5, inside_seconds=0.002)
        assert found.peak == permits
        assert found.inside["inside"].max() <= permits
        assert found.inside["inside"].iloc[-1] == 0
    assert lab.semaphore(None, threads=5, inside_seconds=0.001).peak == 5
    assert set(lab.semaphore(1, threads=3, inside_seconds=0.002).activity["state"]) >= {"blocked", "holding"}


def test_what_each_way_of_stopping_loses_is_the_same_in_every_run() -> None:
    found = lab.shutdown(items=6, stop_at=3, pause_seconds=0.1, item_seconds=0.002)
    frame = found.frame
    assert frame[["done", "half_done", "left"]].to_numpy().tolist() == [[3, 0, 3], [3, 0, 3], [6, 0, 0], [2, 1, 3]]
    assert frame["cleaned_up"].tolist() == [True, True, True, False]
    assert frame.loc["flag", "seconds"] >= 0.1
    assert frame.loc["event", "seconds"] < frame.loc["flag", "seconds"]
    assert "finally did NOT run" in repr(found)


def test_what_threads_gain_is_measured_for_each_kind_of_work() -> None:
    found = lab.gil(2, task_seconds=0.02, processes=False)
    frame = found.frame.set_index("work")
    assert frame.index.tolist() == ["a loop in Python", "waiting", "native code without the GIL"]
    assert frame.loc["waiting", "speedup"] > 1.2  # sleeping threads need no core
    assert found.start_seconds is None
    assert f"GIL {'on' if speed.gil_enabled() else 'off'}" in repr(found)


def test_processes_are_measured_without_their_start() -> None:
    row, start_seconds = speed._in_processes("a loop in Python", 1000, 1, 1.0)
    assert row.how == "processes"
    assert 0 < row.at_once_seconds < start_seconds


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: lab.backpressure(0),
        lambda: lab.semaphore(0),
        lambda: lab.semaphore(threads=33),
        lambda: lab.shutdown(items=3, stop_at=4),
        lambda: lab.gil(0),
    ],
)
def test_numbers_that_cannot_work_say_what_to_try(wrong: object) -> None:
    with pytest.raises(SettingError, match="try"):
        wrong()  # type: ignore[operator]


def test_a_thread_that_does_not_end_in_time_is_named() -> None:
    release = threading.Event()
    thread = threading.Thread(target=release.wait, args=(10,), name="lab-late", daemon=True)
    with pytest.raises(LabError, match="found lab-late at work") as caught:
        run_all([thread], 0.01)
    assert caught.value.threads == ("lab-late",)
    release.set()


# -- the recorder


def test_a_recorder_shows_who_waited_for_a_lock_that_another_held() -> None:
    recorder = lab.Recorder()
    lock, inside, wanted = recorder.lock("the till"), threading.Event(), threading.Event()

    def first() -> None:
        with lock:
            inside.set()
            wanted.wait(5)
            time.sleep(0.01)

    def second() -> None:
        inside.wait(5)
        wanted.set()
        with lock:
            pass

    run_all([recorder.thread(first, name="first"), recorder.thread(second, name="second")], 10)
    activity = recorder.activity()
    (held,) = activity.query("thread == 'first' and state == 'holding'").itertuples()
    (blocked,) = activity.query("thread == 'second' and state == 'blocked'").itertuples()
    assert held.doing == blocked.doing == "the till"
    assert held.start <= blocked.start <= held.end
    assert blocked.seconds >= 0.009
    assert repr(recorder) in (
        "<Recorder of 2 threads: first, second>",
        "<Recorder of 2 threads: second, first>",
    )


def test_a_recorded_queue_shows_who_waits_for_items_and_who_for_room() -> None:
    recorder = lab.Recorder()
    waiting = recorder.queue(1)

    def produce() -> None:
        until(lambda: somebody_at(waiting._queue.not_empty))
        for number in range(3):
            waiting.put(number)

    def consume() -> None:
        waiting.get()
        until(lambda: somebody_at(waiting._queue.not_full))
        for _ in range(2):
            waiting.get()

    run_all([recorder.thread(produce, name="producer"), recorder.thread(consume, name="consumer")], 10)
    seen = set(zip(recorder.activity()["thread"], recorder.activity()["state"], strict=True))
    assert {("consumer", "waiting"), ("producer", "blocked")} <= seen


def test_intervals_of_a_thread_follow_each_other_without_gap_or_overlap() -> None:
    recorder = lab.Recorder()
    with recorder.during("reading", "a"):
        with recorder.during("parsing"):
            pass
        recorder.sleep(0.001)
    activity = recorder.activity()
    assert activity["state"].tolist() == ["reading", "parsing", "reading", "sleeping", "reading"]
    assert (activity["start"][1:].to_numpy() == activity["end"][:-1].to_numpy()).all()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_dies_ends_with_the_reason_in_table_and_picture() -> None:
    recorder = lab.Recorder()

    def die() -> None:
        with recorder.during("reading", "logs/orders.log"):
            raise OSError("the disk is busy")

    run_all([recorder.thread(die, name="reader")], 5)
    last = recorder.activity().iloc[-1]
    assert (last["state"], last["doing"], last["seconds"]) == ("died", "OSError: the disk is busy", 0.0)
    said = [text.get_text() for text in recorder.plot(Figure().add_subplot()).texts]
    assert said == ["orders.log", "died of OSError: the disk is busy"]


def test_a_thread_left_behind_is_named_by_its_check() -> None:
    release = threading.Event()
    with pytest.raises(AssertionError, match="found lazy"), lab.no_thread_left(0.01):
        threading.Thread(target=release.wait, args=(10,), name="lazy", daemon=True).start()
    release.set()

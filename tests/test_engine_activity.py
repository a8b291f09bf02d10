"""What the engine's threads write down about themselves: complete, bounded, and readable by others."""

from __future__ import annotations

import json
import threading
import time
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

import logkit
from logkit.analysis.activity import ActivityFrame, rows, trace_events
from logkit.capture import STATES, ThreadStatus
from logkit.engine.threads import Activity, EngineThread
from logkit.engine.trace import Trace, TracedLock, turn
from logkit.errors import SettingError
from logkit.views.gantt import draw
from tests.outside import GOOD

pytestmark = pytest.mark.usefixtures("no_thread_left_behind")

DEADLINE = 10.0


@given(st.integers(0, 400), st.integers(0, 300))
def test_a_trace_keeps_the_newest_in_order_and_counts_the_rest(count: int, keep: int) -> None:
    trace = Trace(keep)
    for number in range(count):
        trace.append(("reading", str(number), float(number), number + 1.0))
    chunks, forgotten = trace.read()
    kept = [int(doing) for chunk in chunks for _, doing, _, _ in chunk]
    if not keep:
        assert (kept, forgotten) == ([], 0)
        return
    assert kept == list(range(forgotten, count))
    assert len(kept) >= min(count, keep)
    assert len(kept) < keep + 128


def test_a_trace_read_while_it_is_written_has_no_gap_and_nothing_twice() -> None:
    trace, stop = Trace(256), threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            trace.append(("reading", "", number, number))
            number += 1

    writer = threading.Thread(target=write, name="writer", daemon=True)
    writer.start()
    try:
        for _ in range(300):
            chunks, forgotten = trace.read()
            numbers = [int(start) for chunk in chunks for _, _, start, _ in chunk]
            assert numbers == list(range(forgotten, forgotten + len(numbers)))
    finally:
        stop.set()
        writer.join(DEADLINE)


def threads_of(snap: logkit.Snapshot) -> dict[str, pd.DataFrame]:
    return dict(list(snap.activity().groupby("thread")))


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    for name in "ab":
        (tmp_path / f"{name}.log").write_text(GOOD * 200)
    return tmp_path


def test_what_each_thread_did_is_recorded_without_gap_or_overlap(logs: Path) -> None:
    snap = logkit.read(logs, workers=2, block_bytes=4096, progress=False)
    assert snap.activity().columns.tolist() == ["thread", "state", "doing", "start", "end", "seconds"]
    by_thread = threads_of(snap)
    assert sorted(by_thread) == ["logkit-watcher", "logkit-worker-1", "logkit-worker-2"]
    for frame in by_thread.values():
        assert (frame["start"].to_numpy()[1:] == frame["end"].to_numpy()[:-1]).all()
        assert set(frame["state"]) <= set(STATES)
    states = set(snap.activity()["state"])
    assert {"waiting", "probing", "reading", "parsing", "committing", "scanning", "planning", "sleeping"} <= states
    assert snap.activity()["doing"].str.endswith("a.log").any()


def test_the_last_row_of_a_living_thread_is_what_it_is_doing_now(logs: Path) -> None:
    with logkit.watch(logs, workers=1) as monitor:
        assert monitor.wait_idle(DEADLINE)
        activity = monitor.activity()
        assert isinstance(activity, ActivityFrame)
        worker = activity[activity["thread"] == "logkit-worker-1"]
        assert worker["state"].iloc[-1] == "waiting"
        ends = activity.groupby("thread")["end"].max()
        assert ends.nunique() == 1
        recent = monitor.activity(last_seconds=0.05)
        assert (recent["end"].max() - recent["start"].min()).total_seconds() <= 0.0501
        assert set(recent["thread"]) == {"logkit-watcher", "logkit-worker-1", "logkit-notify"}
    assert not monitor.activity().empty


def test_what_is_remembered_is_bounded_and_what_is_forgotten_is_counted(logs: Path) -> None:
    snap = logkit.read(logs, workers=1, block_bytes=512, max_record_bytes=256, keep_intervals=64, progress=False)
    (worker,) = (thread for thread in snap.capture.threads if thread.name == "logkit-worker-1")
    kept = sum(map(len, worker.intervals))
    assert 64 <= kept < 192
    assert worker.forgotten_intervals > 0
    assert logkit.read(logs, keep_intervals=0, progress=False).activity().empty


def test_a_thread_that_waits_for_the_lock_is_blocked_while_the_other_holds_it() -> None:
    lock = TracedLock("the lock")
    inside, wanted = threading.Event(), threading.Event()

    def holder(activity: Activity) -> None:
        activity.enter("committing", "a.log")
        with lock, lock:  # re-entrant
            inside.set()
            assert wanted.wait(DEADLINE)
            time.sleep(0.01)  # the other one stands at the lock by now

    def waiter(activity: Activity) -> None:
        assert inside.wait(DEADLINE)
        activity.enter("planning")
        wanted.set()
        with lock:
            pass

    both = [EngineThread(f"logkit-{loop.__name__}", loop, lambda *_: None, 100) for loop in (holder, waiter)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(DEADLINE)
    found = rows([thread.activity.status(False) for thread in both], time.monotonic())
    (held,) = (row for row in found if row.state == "holding" and row.thread == "logkit-holder")
    (blocked,) = (row for row in found if row.state == "blocked")
    assert held.doing == blocked.doing == "the lock"
    assert held.start <= blocked.start < held.end
    assert [row.state for row in found if row.thread == "logkit-waiter"][:3] == ["starting", "planning", "blocked"]


def test_a_lock_nobody_waits_for_leaves_no_trace() -> None:
    lock = TracedLock("the lock")

    def loop(activity: Activity) -> None:
        for _ in range(5):
            with lock:
                pass

    thread = EngineThread("logkit-alone", loop, lambda *_: None, 100)
    thread.start()
    thread.join(DEADLINE)
    assert [row.state for row in rows([thread.activity.status(False)], 0.0)] == ["starting"]


def test_waiting_for_a_turn_is_written_down_and_a_free_turn_is_not() -> None:
    semaphore, activity = threading.Semaphore(1), Activity("logkit-x", 100)
    with turn(semaphore, "a turn to read", activity):
        pass
    semaphore.acquire()
    threading.Timer(0.01, semaphore.release).start()
    with turn(semaphore, "a turn to read", activity):
        pass
    chunks = activity.status(True).intervals
    assert [(state, doing) for chunk in chunks for state, doing, _, _ in chunk][1:] == [("blocked", "a turn to read")]


def test_rows_of_the_last_seconds_are_cut_at_their_beginning() -> None:
    status = ThreadStatus(
        "logkit-x",
        True,
        "waiting",
        "",
        8.0,
        0,
        0,
        0,
        0.0,
        0,
        None,
        intervals=((("reading", "a", 1.0, 5.0),), (("parsing", "a", 5.0, 8.0),)),
    )
    assert [tuple(row) for row in rows([status], 9.0, last_seconds=2.5)] == [
        ("logkit-x", "parsing", "a", 6.5, 8.0),
        ("logkit-x", "waiting", "", 8.0, 9.0),
    ]
    assert len(rows([status], 9.0)) == 3
    assert rows([status], 100.0, last_seconds=1.0) == [("logkit-x", "waiting", "", 99.0, 100.0)]


REQUIRED = {"X": {"name", "ph", "ts", "dur", "pid", "tid"}, "M": {"name", "ph", "pid", "tid", "args"}}
"""Of the Trace Event format: complete events and metadata."""


def test_a_saved_trace_has_the_fields_the_format_requires(logs: Path, tmp_path: Path) -> None:
    activity = logkit.read(logs, workers=2, progress=False).activity()
    path = activity.save(tmp_path / "trace.json")
    trace = json.loads(path.read_text("utf-8"))
    assert set(trace) == {"traceEvents", "displayTimeUnit"}
    events = trace["traceEvents"]
    for event in events:
        assert REQUIRED[event["ph"]] <= set(event)
        assert isinstance(event["pid"], int)
        assert isinstance(event["tid"], int)
    spans = [event for event in events if event["ph"] == "X"]
    assert len(spans) == len(activity)
    assert all(event["ts"] >= 0 and event["dur"] >= 0 for event in spans)
    names = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert set(names.values()) == set(activity["thread"])
    assert {names[event["tid"]] for event in spans} == set(activity["thread"])
    for tid in names:  # nothing overlaps on a thread, or a viewer would have to guess how it nests
        mine = sorted((event["ts"], event["ts"] + event["dur"]) for event in spans if event["tid"] == tid)
        assert all(end <= begin for (_, end), (begin, _) in pairwise(mine))
    assert sum(event["dur"] for event in spans) == pytest.approx(1e6 * activity["seconds"].sum(), abs=len(spans))


def test_rows_selected_from_an_activity_can_be_saved_and_columns_cannot(logs: Path, tmp_path: Path) -> None:
    activity = logkit.read(logs, progress=False).activity()
    parsing = activity.query("state == 'parsing'")
    assert len(json.loads(parsing.save(tmp_path / "p.json").read_text())["traceEvents"]) == len(parsing) + 1 + 2 * (
        parsing["thread"].nunique()
    )
    with pytest.raises(SettingError, match="expected last_seconds as a number of seconds, found 'x'"):
        logkit.read(logs, progress=False).activity("x")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="found no doing, seconds; try to select rows only"):
        trace_events(activity[["thread", "state", "start", "end"]])
    assert json.loads(activity.head(0).save(tmp_path / "none.json").read_text())["traceEvents"][0]["ph"] == "M"  # type: ignore[operator]


def test_the_gantt_has_a_lane_per_thread_and_names_the_states_in_it(logs: Path) -> None:
    snap = logkit.read(logs, workers=2, progress=False)
    axes = Figure().add_subplot()
    assert snap.plot.threads(ax=axes) is axes
    assert [label.get_text() for label in axes.get_yticklabels()] == snap.threads["name"].tolist()
    legend = axes.get_legend()
    assert legend is not None
    assert STATES["parsing"] in [text.get_text() for text in legend.get_texts()]
    axes.figure.savefig("/dev/null", format="png")  # type: ignore[union-attr]
    assert draw(snap.activity().head(0)).texts[0].get_text() == "nothing recorded"


def test_a_hostile_path_is_drawn_and_saved_as_text(tmp_path: Path) -> None:
    status = ThreadStatus(
        "$x^{$",
        True,
        "blocked",
        "$\\frac{<b>",
        1.0,
        0,
        0,
        0,
        0.0,
        0,
        None,
        intervals=((("holding", "\ud800\u202e", 0.0, 1.0),),),
    )
    from logkit.analysis.activity import frame

    made = frame(rows([status], 2.0), 2.0, 1e9)
    draw(made).figure.savefig("/dev/null", format="png")  # type: ignore[union-attr]
    assert "\\ud800" in made.save(tmp_path / "t.json").read_text("ascii")

"""What the engine promises whoever holds it, tried from outside: threads, snapshots, files that change, the end."""

from __future__ import annotations

import _thread
import gc
import os
import pickle
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import logkit
from logkit.stats import Stats
from tests.outside import until, watch

DEADLINE = 20.0


def line(number: int, service: str = "orders") -> str:
    return f"2026-03-01 12:00:{number % 60:02d},001 INFO  [{service}] [exec-1] c.e.Orders - number {number}\n"


def lines(count: int, start: int = 0) -> str:
    return "".join(line(number) for number in range(start, start + count))


def numbers(snap: logkit.Snapshot) -> list[int]:
    return sorted(int(text.split()[1]) for text in snap.events["message"])


def alive() -> list[str]:
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("logkit-"))


@pytest.fixture(autouse=True)
def _no_thread_left_behind() -> Iterator[None]:
    yield
    assert alive() == []


def script(text: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    command = [sys.executable, "-c", text, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, env=environment, check=False)


# -- life and death


def test_an_interrupted_read_leaves_no_thread(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text(lines(100))

    def interrupts(path: str) -> str:
        _thread.interrupt_main()
        return "orders"

    with pytest.raises(KeyboardInterrupt):
        logkit.read(tmp_path, service=interrupts, progress=False)
    assert alive() == []


def test_watching_twice_leaves_one_set_of_threads(tmp_path: Path) -> None:
    first = watch(tmp_path)
    before = len(alive())
    second = watch(tmp_path)
    assert len(alive()) == before
    assert (first.state, second.state) == ("stopped", "running")
    assert second.stop(DEADLINE)


def test_a_monitor_nobody_names_goes_on(tmp_path: Path) -> None:
    kept = weakref.ref(watch(tmp_path))
    gc.collect()
    monitor = kept()
    assert monitor is not None
    (tmp_path / "app.log").write_text(line(1))
    assert numbers(until(monitor, lambda snap: len(snap) == 1)) == [1]
    assert monitor.stop(DEADLINE)


def test_a_stopped_monitor_nobody_names_is_freed(tmp_path: Path) -> None:
    monitor = watch(tmp_path)
    assert monitor.stop(DEADLINE)
    freed = weakref.ref(monitor)
    del monitor
    gc.collect()
    assert freed() is None


def test_stop_may_come_from_any_thread_and_from_several(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text(lines(1000))
    monitor = watch(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda _: bool(monitor.stop(DEADLINE)), range(4)))
    assert monitor.state == "stopped"
    assert monitor.wait_idle(0.5) is False


def test_stop_wakes_whoever_waits(tmp_path: Path) -> None:
    entered, release = threading.Event(), threading.Event()

    def blocks(path: str) -> str:
        entered.set()
        assert release.wait(DEADLINE)
        return "orders"

    (tmp_path / "app.log").write_text(line(1))
    monitor = watch(tmp_path, service=blocks)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(monitor.wait_idle, DEADLINE)
        assert entered.wait(DEADLINE)
        assert not monitor.stop(0.05)
        release.set()
        assert monitor.stop(DEADLINE)
        assert isinstance(waiting.result(DEADLINE), bool)


def test_the_interpreter_ends_with_a_monitor_running(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text(lines(2000))
    began = time.monotonic()
    done = script(
        "import sys, logkit\nfor _ in range(3):\n    m = logkit.watch(sys.argv[1])\n"
        "n = logkit.watch(sys.argv[1] + '/app.log')\nassert m.wait_idle(10)\nprint(len(m.snapshot()))\n",
        tmp_path,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "2000\n", "")
    assert time.monotonic() - began < 10


def test_the_interpreter_ends_with_its_own_exit_code_after_an_error(tmp_path: Path) -> None:
    done = script("import sys, logkit\nlogkit.watch(sys.argv[1])\nraise SystemExit(7)\n", tmp_path)
    assert (done.returncode, done.stderr) == (7, "")


FORK = """
import os, sys, warnings
warnings.simplefilter("ignore")
import logkit
monitor = logkit.watch(sys.argv[1])
assert monitor.wait_idle(10)
child = os.fork()
if not child:
    for ask in (monitor.snapshot, monitor.wait_idle, monitor.stop):
        try:
            ask()
        except logkit.LogkitError as error:
            print(type(error).__name__, error.pid == os.getppid(), flush=True)
    os._exit(3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), len(monitor.snapshot()), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_is_told_and_the_parent_goes_on(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text(line(1))
    done = script(FORK, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["Forked True"] * 3 + ["3 1"]


# -- snapshots


def test_snapshots_from_many_threads_while_a_file_grows_agree_with_themselves(tmp_path: Path) -> None:
    written = threading.Event()

    def write() -> None:
        with (tmp_path / "app.log").open("a", buffering=1) as out:
            for number in range(3000):
                out.write(line(number))
        written.set()

    def look() -> list[int]:
        seen = []
        while True:
            last = written.is_set()
            snap = monitor.snapshot()
            assert len(snap) == snap.files["events"].sum() == snap.levels.to_numpy().sum() == len(snap.events)
            assert snap.audit()["balanced"].all()
            assert numbers(snap) == list(range(len(snap)))
            seen.append(len(snap))
            if last:
                return seen

    with watch(tmp_path) as monitor, ThreadPoolExecutor(5) as pool:
        looks = [pool.submit(look) for _ in range(4)]
        pool.submit(write).result(DEADLINE)
        for one in looks:
            seen = one.result(DEADLINE)
            assert seen == sorted(seen)
        assert numbers(until(monitor, lambda snap: len(snap) == 3000)) == list(range(3000))


def test_one_snapshot_may_be_asked_by_many_threads_at_once(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text(lines(500))
    snap = logkit.read(tmp_path, progress=False)
    query = "select count(*) as n from events where level >= 'INFO'"
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: (int(snap.sql(query)["n"][0]), len(snap.events), repr(snap)), range(40)))
    assert set(found) == {(500, 500, repr(snap))}


def test_what_a_caller_does_to_a_frame_stays_the_callers(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text(lines(3))
    snap = logkit.read(tmp_path, progress=False)
    for name in ("events", "files", "rejects", "threads", "levels", "services"):
        frame = getattr(snap, name)
        frame["mine"] = 1
        assert "mine" not in getattr(snap, name).columns
    assert numbers(snap) == [0, 1, 2]


def test_stats_survive_pickling_and_still_add(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text(lines(100))
    stats = logkit.read(tmp_path, progress=False).stats
    again = pickle.loads(pickle.dumps(stats))
    assert again == stats
    assert (again + stats).events == 200
    assert Stats.empty() + again == stats


# -- files that change


def test_reading_and_watching_the_same_folder_do_not_meet(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text(lines(200))
    with watch(tmp_path) as monitor:
        for _ in range(3):
            assert numbers(logkit.read(tmp_path, progress=False)) == list(range(200))
        assert monitor.state == "running"
        with (tmp_path / "app.log").open("a") as out:
            out.write(lines(5, start=200))
        assert numbers(until(monitor, lambda snap: len(snap) == 205)) == list(range(205))


def test_a_reading_ends_though_the_file_grows_all_the_time(tmp_path: Path) -> None:
    stop, started = threading.Event(), threading.Event()

    def write() -> None:
        with (tmp_path / "app.log").open("a", buffering=1) as out:
            number = 0
            while not stop.is_set():
                out.write(line(number))
                number += 1
                started.set()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            assert started.wait(DEADLINE)
            snap = logkit.read(tmp_path, progress=False)
        finally:
            stop.set()
        writing.result(DEADLINE)
    assert snap.audit()["balanced"].all()
    assert len(snap) > 0


def test_a_line_is_shown_once_however_it_arrives(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text(line(0))
    text = lines(19, start=1)
    with watch(tmp_path, idle_flush_seconds=30) as monitor, (tmp_path / "app.log").open("a", buffering=1) as out:
        for at in range(0, len(text), 37):
            out.write(text[at : at + 37])
            out.flush()
            monitor.wait_idle(0.01)
        assert numbers(until(monitor, lambda snap: len(snap) == 20)) == list(range(20))


def test_a_last_line_without_an_end_is_shown_once_the_file_is_quiet(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text(line(0) + line(1).rstrip("\n"))
    with watch(tmp_path) as monitor:
        assert numbers(until(monitor, lambda snap: len(snap) == 2)) == [0, 1]


def test_twenty_thousand_single_lines_stay_few_pieces(tmp_path: Path) -> None:
    with watch(tmp_path, idle_flush_seconds=30) as monitor, (tmp_path / "app.log").open("a", buffering=1) as out:
        for number in range(20_000):
            out.write(line(number))
        snap = until(monitor, lambda snap: len(snap) == 20_000)
        assert len(snap.capture.frames) <= 1024
        assert len(snap.capture.parts) <= 128


def test_a_file_replaced_by_another_is_two_files(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text(lines(10))
    with watch(tmp_path) as monitor:
        until(monitor, lambda snap: len(snap) == 10)
        (tmp_path / ".new").write_text(lines(5, start=10))
        (tmp_path / ".new").replace(tmp_path / "app.log")
        snap = until(monitor, lambda snap: len(snap) == 15)
    assert numbers(snap) == list(range(15))
    assert sorted(snap.files["state"]) == ["gone", "idle"]


def test_a_file_deleted_while_watched_keeps_what_was_read(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text(lines(10))
    (tmp_path / "other.log").write_text(lines(1, start=10))
    with watch(tmp_path) as monitor:
        until(monitor, lambda snap: len(snap) == 11)
        (tmp_path / "app.log").unlink()
        snap = until(monitor, lambda snap: "gone" in snap.files["state"].tolist())
        assert numbers(snap) == list(range(11))
        assert snap.audit()["balanced"].all()
        with (tmp_path / "other.log").open("a") as out:
            out.write(line(11))
        until(monitor, lambda snap: len(snap) == 12)


def test_a_truncated_file_is_a_new_generation(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text(lines(10))
    with watch(tmp_path) as monitor:
        until(monitor, lambda snap: len(snap) == 10)
        (tmp_path / "app.log").write_text(lines(2, start=10))
        snap = until(monitor, lambda snap: len(snap) == 12)
    assert numbers(snap) == list(range(12))
    assert sorted(snap.files["generation"]) == [0, 1]
    assert snap.audit()["balanced"].all()


def test_a_file_renamed_while_it_grows_loses_and_repeats_nothing(tmp_path: Path) -> None:
    with watch(tmp_path) as monitor, (tmp_path / "app.log").open("a", buffering=1) as out:
        out.write(lines(10))
        until(monitor, lambda snap: len(snap) == 10)
        (tmp_path / "app.log").rename(tmp_path / "app.log.1")
        out.write(lines(10, start=10))
        snap = until(monitor, lambda snap: len(snap) >= 20 and snap.files["path"].str.endswith(".1").all())
    assert numbers(snap) == list(range(20))


def test_a_file_renamed_a_hundred_times_is_one_file(tmp_path: Path) -> None:
    here = tmp_path / "app.log"
    here.write_text(lines(10))
    with watch(tmp_path) as monitor:
        until(monitor, lambda snap: len(snap) == 10)
        for number in range(100):
            here = here.rename(tmp_path / f"app.log.{number}")
        with here.open("a") as out:
            out.write(line(10))
        assert numbers(until(monitor, lambda snap: 10 in numbers(snap))) == list(range(11))

"""The engine under misfortune: workers that die, spans that poison, queues that are full, stops at bad moments."""

from __future__ import annotations

import gc
import threading
import weakref
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import logkit
from tests.scenario_tools import (
    DEADLINE,
    NEVER,
    Scene,
    assert_balanced,
    eventually,
    messages,
    settle,
    watch,
)

pytestmark = pytest.mark.usefixtures("no_thread_left_behind")


class Panic(BaseException):
    """Like the exceptions native code raises, it is no `Exception`."""


def failing(times: int, error: BaseException, when: Callable[[str], bool] = lambda text: True) -> Any:
    """A `service=` function, called on worker threads for each block, that raises the first times it sees `when`."""
    calls = []

    def service(path: str, events: pl.DataFrame) -> str:
        if len(calls) < times and when("".join(events["message"])):
            calls.append(path)
            raise error
        return "orders"

    service.calls = calls  # type: ignore[attr-defined]
    return service


# -- workers that die


@pytest.mark.parametrize("error", [SystemExit("on purpose"), Panic("on purpose"), MemoryError("on purpose")], ids=repr)
def test_a_worker_thread_that_dies_is_reported_replaced_and_its_span_retried(
    error: BaseException, tmp_path: Path
) -> None:
    scene = Scene(tmp_path)
    scene.write(200)
    with scene.watch(service=failing(2, error), block_bytes=1024) as monitor:
        snap = settle(monitor)
        scene.came(snap)
        scene.write(10)
        scene.came(settle(monitor))
    threads = snap.threads
    assert threads["last_error"].str.contains("on purpose", na=False).any()
    assert threads.loc[threads["name"].str.startswith("logkit-worker"), "alive"].sum() == 2


def test_a_block_applied_before_its_worker_died_is_not_applied_again(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.write(500)
    dies = failing(1, SystemExit("on purpose"), lambda text: "<300>" in text)
    with scene.watch(service=dies, block_bytes=1024, workers=1) as monitor:
        scene.came(settle(monitor))
    assert len(dies.calls) == 1


def test_a_failure_that_passes_loses_nothing(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.write(500)
    with scene.watch(service=failing(2, OSError(5, "I/O error")), block_bytes=1024, max_attempts=3) as monitor:
        snap = settle(monitor)
    scene.came(snap)
    assert snap.files["error"].isna().all()


# -- stop


class Gate:
    """A `service=` function that holds the worker that calls it until it is opened."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self, path: str) -> str:
        self.reached.set()
        assert self.opened.wait(DEADLINE)
        return "orders"


def test_stop_while_the_queue_is_full(tmp_path: Path) -> None:
    scene, gate = Scene(tmp_path), Gate()
    for number in range(30):
        scene.write(5, tmp_path / f"{number}.log")
    monitor = scene.watch(service=gate, workers=1, queue_size=1)
    try:
        assert gate.reached.wait(DEADLINE)
        assert not monitor.wait_idle(0.05)  # wakes the watcher, which fills the queue again
        eventually(monitor, lambda snap: snap.capture.queue_depth == snap.capture.queue_size)
        result = monitor.stop(0.1)
        assert not result
        assert any("worker" in name for name in result.alive)
    finally:
        gate.opened.set()
    assert monitor.stop(DEADLINE)
    snap = monitor.snapshot()
    scene.came(snap, may_be_lost=scene.written)  # not read is not lost: a stopped engine has read what it has read


def test_stop_twice(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.write(5)
    monitor = scene.watch()
    settle(monitor)
    assert monitor.stop(DEADLINE)
    assert monitor.stop(DEADLINE)
    assert monitor.stop(0)
    scene.came(monitor.snapshot())
    assert monitor.state == "stopped"


def test_stop_from_many_threads_at_once(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.write(2000)
    monitor = scene.watch(block_bytes=1024)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: bool(monitor.stop(DEADLINE)), range(8)))
    scene.came(monitor.snapshot(), may_be_lost=scene.written)


def test_stop_at_once_after_the_start(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.write(100)
    for _ in range(10):
        monitor = scene.watch()
        assert monitor.stop(DEADLINE)
        assert_balanced(monitor.snapshot())


class Owner:
    """Something of the user's that owns a monitor and stops it when it is collected; in a cycle, as such things are."""

    stopped: threading.Event
    monitor: logkit.Monitor

    def __init__(self) -> None:
        self.itself = self
        self.stopped = threading.Event()

    def __del__(self) -> None:
        self.monitor.stop(0.2)
        self.stopped.set()


def test_stop_from_a_finalizer(tmp_path: Path) -> None:
    scene, owner = Scene(tmp_path), Owner()
    scene.write(5)
    monitor = owner.monitor = scene.watch()
    stopped = owner.stopped
    settle(monitor)
    del owner
    gc.collect()
    assert stopped.is_set()
    assert monitor.stop(DEADLINE)
    scene.came(monitor.snapshot())


def test_stop_from_a_finalizer_that_runs_on_a_worker_thread(tmp_path: Path) -> None:
    # The garbage collector runs where it likes, in the middle of the engine's own work too: no thread waits for itself.
    scene, owner = Scene(tmp_path), Owner()
    scene.write(5)
    owned, stopped = [owner], owner.stopped
    del owner
    ready = threading.Event()

    def collects(path: str) -> str:
        assert ready.wait(DEADLINE)
        owned.clear()
        gc.collect()
        return "orders"

    monitor = scene.watch(service=collects)
    owned[0].monitor = monitor
    ready.set()
    assert stopped.wait(DEADLINE)
    assert monitor.stop(DEADLINE)
    assert_balanced(monitor.snapshot())


def test_stop_from_a_weak_reference_that_dies(tmp_path: Path) -> None:
    scene, handle = Scene(tmp_path), Gate()
    monitor = scene.watch()
    weakref.finalize(handle, monitor.stop, DEADLINE)
    del handle
    gc.collect()
    assert monitor.state == "stopped"


def test_a_stopped_monitor_reads_no_more_and_never_settles(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.write(5)
    monitor = scene.watch()
    settle(monitor)
    assert monitor.stop(DEADLINE)
    later = scene.write(5)
    assert monitor.wait_idle(0.2) is False
    assert Counter(messages(monitor.snapshot())) == Counter(set(scene.written) - set(later))


def test_watching_again_after_a_stop_reads_all_from_the_start(tmp_path: Path) -> None:
    # Without a store nothing is remembered: a new monitor is a new beginning.
    scene = Scene(tmp_path)
    scene.write(5)
    for _ in range(2):
        with watch(tmp_path, notify=False, poll_seconds=NEVER) as monitor:
            scene.came(settle(monitor))
        scene.write(5)

"""The lab, used wrongly: what cannot work is said before a thread starts, and an interrupt leaves none behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pandas as pd
import pytest

from logkit import lab
from logkit.errors import LabError, SettingError

pytestmark = pytest.mark.usefixtures("nobody_stays")

NAN = float("nan")


@pytest.mark.parametrize(
    ("call", "given"),
    [
        *[(lab.race, {"threads": wrong}) for wrong in ("x", 2.5, 0, None)],
        *[(lab.race, {"lock": wrong}) for wrong in (5, type(threading.RLock()))],
        (lab.race, {"rounds": "3"}),
        (lab.race, {"increment": 5}),
        *[(lab.interleavings, {"program": wrong}) for wrong in (5, [1, 2], [], "jump")],
        *[(lab.interleavings, {"threads": wrong}) for wrong in ("2", 2.5, -1, 99)],
        *[(lab.replay, {"schedule": wrong}) for wrong in (5, "1 2", lab.interleavings())],
        *[(lab.deadlock, {"threads": wrong}) for wrong in ("2", 2.5, 9)],
        *[(lab.deadlock, {"order": wrong}) for wrong in (1, [], "other")],
        *[(lab.twice, {"lock": wrong}) for wrong in (None, 5)],
        *[(lab.backpressure, {"items": wrong}) for wrong in ("a", 0, 2.5)],
        *[(lab.backpressure, {"consume_seconds": wrong}) for wrong in ("x", -1, NAN, None)],
        *[(lab.semaphore, {"permits": wrong}) for wrong in ("x", 0, 1.5)],
        *[(lab.semaphore, {"inside_seconds": wrong}) for wrong in ("x", -1, NAN)],
        *[(lab.shutdown, {"stop_at": wrong}) for wrong in ("x", 0, 2.5, 11)],
        *[(lab.shutdown, {"item_seconds": wrong}) for wrong in ("x", -1, NAN)],
        *[(lab.gil, {"workers": wrong}) for wrong in ("2", 1.5, 0)],
        *[(lab.gil, {"task_seconds": wrong}) for wrong in (0, NAN, -1)],
        (lab.Recorder, {"keep_intervals": -1}),
        (lab.Recorder().semaphore, {"name": "a permit", "permits": 0}),
        (lab.Recorder().queue, {"maxsize": "x"}),
        (lab.Recorder().lock, {"name": "a", "lock": 5}),
        (lab.Recorder().thread, {"target": 5, "name": "a"}),
        (lab.Recorder().sleep, {"seconds": -1}),
        (lab.gantt, {"activity": 5}),
        (lab.gantt, {"activity": pd.DataFrame({"thread": ["a"]})}),
    ],
)
def test_what_cannot_work_is_said_with_what_to_try(call: Callable[..., Any], given: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=r"^expected .*, found .*; try "):
        call(**given)


def test_a_number_made_something_else_and_a_lock_that_is_not_held_are_said() -> None:
    with pytest.raises(SettingError, match=r"found None; try shared\.value \+= 1"):
        lab.race(increment=lambda shared, lock: setattr(shared, "value", None))
    with pytest.raises(LabError, match="expected MainThread to hold the till"):
        lab.Recorder().lock("the till").release()


@pytest.mark.parametrize(
    "call",
    [
        lambda: lab.race(threads=8, rounds=100),
        lambda: lab.race(threading.Lock(), threads=8, rounds=100),
        lambda: lab.deadlock(threads=8),
        lambda: lab.twice(threading.Lock()),
        lambda: lab.replay(lab.interleavings("read; add; write", threads=3)[0]),
        lambda: lab.backpressure(items=100_000, produce_seconds=1, consume_seconds=50),
        lambda: lab.semaphore(1, threads=8, inside_seconds=50),
        lambda: lab.shutdown(items=10_000, stop_at=9_999, item_seconds=50),
        lambda: lab.gil(task_seconds=0.001, processes=False),
    ],
)
def test_an_interrupt_is_passed_on_and_leaves_no_thread(
    call: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted: list[str] = []

    def interrupt(name: str) -> Callable[..., Any]:
        waits = getattr(threading.Thread if name == "join" else threading.Event, name)

        def first_time(*given: Any, **more: Any) -> Any:
            if not interrupted and threading.current_thread() is threading.main_thread() and _starts_lab():
                interrupted.append(name)
                raise KeyboardInterrupt
            return waits(*given, **more)

        return first_time

    monkeypatch.setattr(threading.Thread, "join", interrupt("join"))
    monkeypatch.setattr(threading.Event, "wait", interrupt("wait"))
    with lab.no_thread_left(5):
        with pytest.raises(KeyboardInterrupt):
            call()
        assert interrupted


def _starts_lab() -> bool:
    return any(thread.name.startswith("lab-") for thread in threading.enumerate())


def test_a_lock_that_is_held_elsewhere_is_said() -> None:
    for lock in (threading.Lock(), threading.RLock()):
        with lock, pytest.raises(LabError, match="found it held by somebody else"):
            lab.race(lock)


def test_calls_at_once_do_not_disturb_each_other() -> None:
    with ThreadPoolExecutor(4) as pool:
        races = [pool.submit(lab.race, lock) for _ in range(4) for lock in (None, threading.Lock())]
        stuck = [pool.submit(lab.deadlock, order) for order in ("opposite", "same") * 4]  # type: ignore[arg-type]
        queues = [pool.submit(lab.backpressure, 20) for _ in range(2)]
        assert [one.result(20).lost for one in races] == [3, 0] * 4
        assert [one.result(20).detected for one in stuck] == [True, False] * 4
        assert [one.result(20).bounded.peak_bytes > 0 for one in queues] == [True, True]

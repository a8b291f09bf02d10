"""The exercises: right answers are right, and of each wrong one it is said what is wrong with it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pandas as pd
import pytest

from logkit.lab import check
from logkit.lab.check import Verdict

pytestmark = pytest.mark.usefixtures("nobody_stays")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("logkit.lab.check.trial.SECONDS", 0.6)


def verdict_says(verdict: Verdict, said: str) -> None:
    assert not verdict
    assert said in verdict.why
    assert repr(verdict).startswith("✗ not yet: ")


def spawn(*targets: Callable[[], object]) -> list[threading.Thread]:
    made = [threading.Thread(target=target, name=f"answer-{n}", daemon=True) for n, target in enumerate(targets)]
    for thread in made:
        thread.start()
    return made


def join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join(5)


# -- 01


def read_all(names: Any, read: Any) -> Any:
    texts: list[Any] = [None] * len(names)

    def put(at: int) -> None:
        texts[at] = read(names[at])

    join(spawn(*[lambda at=at: put(at) for at in range(len(names))]))
    return texts


def one_by_one(names: Any, read: Any) -> Any:
    return [read(name) for name in names]


def joined_in_the_loop(names: Any, read: Any) -> Any:
    texts: list[Any] = []
    for name in names:
        join(spawn(lambda name=name: texts.append(read(name))))
    return texts


def not_joined(names: Any, read: Any) -> Any:
    texts: list[Any] = []
    spawn(*[lambda name=name: texts.append(read(name)) for name in names])
    while not texts:
        time.sleep(0.001)
    return texts[:1]  # whatever else has come by now, it was not waited for


def as_they_come(names: Any, read: Any) -> Any:
    texts: list[Any] = []
    join(spawn(*[lambda name=name: texts.append(read(name)) for name in names]))
    return texts


def test_lesson_1() -> None:
    assert check.threads(read_all)
    verdict_says(check.threads(one_by_one), "nothing ran at once")
    verdict_says(check.threads(joined_in_the_loop), "nothing ran at once")
    verdict_says(check.threads(not_joined), "before every thread was done")
    verdict_says(check.threads(as_they_come), "order in which threads were done")
    verdict_says(check.threads(lambda *given: read_all(*given).clear()), "returned None")


# -- 02


def transfer(items: Any, waiting: queue.Queue[Any], sentinel: bool = True, start_first: bool = True) -> list[int]:
    out: list[int] = []

    def consume() -> None:
        while (item := waiting.get()) is not None:
            out.append(item)

    consumer = threading.Thread(target=consume, name="answer", daemon=True)
    if start_first:
        consumer.start()
    for item in items:
        waiting.put(item)
    if sentinel:
        waiting.put(None)
    if not start_first:
        consumer.start()
    consumer.join()
    return out


def ends_when_empty(items: Any, waiting: queue.Queue[Any]) -> list[int]:
    out: list[int] = []

    def consume() -> None:
        time.sleep(0.01)
        while not waiting.empty():
            out.append(waiting.get())

    def produce() -> None:
        for item in items:
            try:
                waiting.put(item, timeout=0.05)
            except queue.Full:
                return

    join(spawn(produce, consume))
    return out


def never_waits(items: Any, waiting: queue.Queue[Any]) -> list[int]:
    for item in items:
        waiting.put_nowait(item)
    return []


def test_lesson_2() -> None:
    assert check.transfer(transfer)
    verdict_says(check.transfer(lambda items, waiting: transfer(items, waiting, sentinel=False)), "Who tells it")
    verdict_says(check.transfer(lambda items, waiting: transfer(items, waiting, start_first=False)), "stands at item 4")
    verdict_says(check.transfer(ends_when_empty), "of 20 items came out")
    verdict_says(check.transfer(never_waits), "raised queue.Full")


# -- 03


def run_workers(tasks: Any, work: Any, workers: int, sentinels: int = 3) -> list[int]:
    todo: queue.Queue[Any] = queue.Queue(maxsize=100)
    out: list[int] = []
    for task in tasks:
        todo.put(task)
    for _ in range(sentinels):
        todo.put(None)

    def loop() -> None:
        while (task := todo.get(timeout=1)) is not None:
            out.append(work(task))

    join(spawn(*[loop] * workers))
    return out


def dealt_out(tasks: Any, work: Any, workers: int) -> list[int]:
    out: list[int] = []

    def loop(mine: Any) -> None:
        for task in mine:
            out.append(work(task))

    join(spawn(*[lambda n=n: loop(tasks[n::workers]) for n in range(workers)]))
    return out


def a_thread_each(tasks: Any, work: Any, workers: int) -> list[int]:
    out: list[int] = []
    join(spawn(*[lambda task=task: out.append(work(task)) for task in tasks]))
    return out


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # a worker that gives up waiting
def test_lesson_3() -> None:
    assert check.workers(run_workers)
    verdict_says(check.workers(dealt_out), "each worker got eight tasks")
    verdict_says(check.workers(a_thread_each), "24 threads were at work")
    verdict_says(check.workers(lambda tasks, work, workers: [work(task) for task in tasks]), "did everything")
    verdict_says(check.workers(lambda tasks, work, workers: run_workers(tasks[:9], work, workers)), "never done")
    verdict_says(check.workers(lambda tasks, work, workers: run_workers([0, *tasks], work, workers)), "done 2 times")


# -- 04


def work_off(tasks: queue.Queue[Any], work: Any) -> None:
    while (task := tasks.get()) is not None:
        try:
            work(task)
        except ValueError:
            pass
        finally:
            tasks.task_done()
    tasks.task_done()


def dies(tasks: queue.Queue[Any], work: Any) -> None:
    while (task := tasks.get()) is not None:
        work(task)
        tasks.task_done()


def forgets_failures(tasks: queue.Queue[Any], work: Any) -> None:
    while (task := tasks.get()) is not None:
        try:
            work(task)
            tasks.task_done()
        except ValueError:
            pass


def too_early(tasks: queue.Queue[Any], work: Any) -> None:
    while (task := tasks.get()) is not None:
        tasks.task_done()
        with suppress(ValueError):
            work(task)


def too_often(tasks: queue.Queue[Any], work: Any) -> None:
    while (task := tasks.get()) is not None:
        try:
            work(task)
        except ValueError:
            tasks.task_done()
        tasks.task_done()
        if task == 5:
            tasks.task_done()


def test_lesson_4() -> None:
    assert check.task_done(work_off)
    verdict_says(check.task_done(dies), "the worker died of it")
    verdict_says(check.task_done(forgets_failures), "still waits for 1 tasks")
    verdict_says(check.task_done(too_early), "after the work, not before")
    verdict_says(check.task_done(too_often), "more often than there were tasks")


# -- 05


def test_lesson_5() -> None:
    def right(shared: Any, lock: Any) -> None:
        with lock:
            shared.value += 1

    def none(shared: Any, lock: Any) -> None:
        shared.value += 1

    def short(shared: Any, lock: Any) -> None:
        with lock:
            found = shared.value
        with lock:
            shared.value = found + 1

    def late(shared: Any, lock: Any) -> None:
        found = shared.value
        with lock:
            shared.value = found + 1

    def kept(shared: Any, lock: Any) -> None:
        lock.acquire()
        shared.value += 1

    def twice(shared: Any, lock: Any) -> None:
        with lock, lock:
            shared.value += 1

    def double(shared: Any, lock: Any) -> None:
        with lock:
            shared.value += 2

    assert check.increment(right)
    verdict_says(check.increment(none), "the lock was never taken")
    verdict_says(check.increment(short), "between the read and the write")
    verdict_says(check.increment(late), "read before the lock was taken")
    verdict_says(check.increment(kept), "without giving it back")
    verdict_says(check.increment(twice), "cannot be taken twice")
    verdict_says(check.increment(double), "more was added")


# -- 06


def settle(tasks: Any, work: Any, tries: int, give_up: bool = True, reason: bool = True) -> Any:
    done, failed = [], {}
    for task in tasks:
        for attempt in range(1, 1000):
            try:
                work(task)
                done.append(task)
                break
            except OSError as error:
                if give_up and attempt == tries:
                    failed[task] = str(error) if reason else ""
                    break
    return done, failed


def test_lesson_6() -> None:
    assert check.retry(settle)
    verdict_says(check.retry(lambda *given: settle(*given, give_up=False)), "tried 999 times")
    verdict_says(check.retry(lambda *given: settle(*given, reason=False)), "nobody can tell why")
    verdict_says(check.retry(lambda tasks, work, tries: settle(tasks, work, 2)), "was tried 2 times")
    verdict_says(check.retry(lambda tasks, work, tries: [work(task) for task in tasks]), "must not end the rest")  # type: ignore[arg-type, return-value]
    verdict_says(check.retry(lambda *given: settle(*given)[0]), "expected two things")


# -- 07


def until_stop(tasks: Any, stop: Any, work: Any, timeout: float | None = 0.05) -> None:
    while not stop.is_set():
        with suppress(queue.Empty):
            work(tasks.get(timeout=timeout))


def to_the_end(tasks: Any, stop: Any, work: Any) -> None:
    while (task := tasks.get()) is not None:
        work(task)


def blind_while_idle(tasks: Any, stop: Any, work: Any) -> None:
    while not stop.is_set():
        task = tasks.get()
        if task is not None:
            work(task)


def busy(tasks: Any, stop: Any, work: Any) -> None:
    while not stop.is_set():
        with suppress(queue.Empty):
            work(tasks.get(timeout=0.0001))


def looks_and_looks(tasks: Any, stop: Any, work: Any) -> None:
    while not stop.is_set():
        if not tasks.empty():
            work(tasks.get())


def dies_of_empty(tasks: Any, stop: Any, work: Any) -> None:
    while not stop.is_set():
        work(tasks.get(timeout=0.05))


def goes_home(tasks: Any, stop: Any, work: Any) -> None:
    while not stop.is_set() and not tasks.empty():
        work(tasks.get())


def test_lesson_7() -> None:
    assert check.stopping(until_stop)
    verdict_says(check.stopping(to_the_end), "look at stop before each task")
    verdict_says(check.stopping(blind_while_idle), "never sees that stop is set")
    verdict_says(check.stopping(busy), "burns a core")
    verdict_says(check.stopping(looks_and_looks), "burns a core")
    verdict_says(check.stopping(dies_of_empty), "died of queue.Empty")
    verdict_says(check.stopping(goes_home), "went home when the queue was empty")


# -- 08


def fetch_all(pages: Any, fetch: Any, limit: int, leak: bool = False, permits: int | None = None) -> Any:
    door = threading.Semaphore(permits or limit)
    results: list[Any] = [None] * len(pages)

    def one(at: int) -> None:
        if not door.acquire(timeout=1):
            return
        try:
            results[at] = fetch(pages[at])
        except ConnectionError:
            if leak:
                return
        door.release()

    join(spawn(*[lambda at=at: one(at) for at in range(len(pages))]))
    return results


def errors_fall_out(pages: Any, fetch: Any, limit: int) -> Any:
    door = threading.Semaphore(limit)
    results: list[Any] = [None] * len(pages)

    def one(at: int) -> None:
        with door:
            results[at] = fetch(pages[at])

    join(spawn(*[lambda at=at: one(at) for at in range(len(pages))]))
    return results


def test_lesson_8() -> None:
    assert check.limited(fetch_all)
    verdict_says(
        check.limited(lambda *given: fetch_all(*given, permits=8)), "were in fetch() at once, with a limit of 2"
    )
    verdict_says(check.limited(lambda *given: fetch_all(*given, permits=1)), "only one at a time")
    verdict_says(check.limited(lambda *given: fetch_all(*given, leak=True)), "A permit that is not given back")
    verdict_says(check.limited(errors_fall_out), "fell out of their threads")


# -- 09, 10


def test_lesson_9() -> None:
    right = dict(zip(check.WORKLOADS, ["threads", "processes", "threads", "nothing", "nothing"], strict=True))
    assert check.choice(right)
    verdict_says(check.choice(right | {check.WORKLOADS[1]: "threads"}), "holds the GIL")
    verdict_says(check.choice({}), "expected 'threads', 'processes' or 'nothing', found None")


def test_lesson_10() -> None:
    activity = pd.DataFrame(
        {
            "thread": ["logkit-watcher", *["logkit-worker-1"] * 3, *["logkit-worker-2"] * 2],
            "state": ["sleeping", "parsing", "waiting", "reading", "parsing", "waiting"],
            "seconds": [9.0, 3.0, 0.5, 0.5, 1.0, 3.0],
        }
    )

    def share(frame: pd.DataFrame, column: str = "seconds") -> Any:
        workers = frame[frame["thread"].str.startswith("logkit-worker")]
        parsing = workers[workers["state"] == "parsing"].groupby("thread")["seconds"].sum()
        return parsing / workers.groupby("thread")["seconds"].sum()

    assert check.parsing_share(share, activity)
    verdict_says(check.parsing_share(lambda frame: share(frame) * 4, activity), "those are seconds")
    verdict_says(check.parsing_share(lambda frame: dict(share(frame)) | {"logkit-watcher": 0.0}, activity), "no worker")
    verdict_says(check.parsing_share(lambda frame: {"logkit-worker-1": 0.75}, activity), "logkit-worker-2 is missing")
    rows = {"logkit-worker-1": 1 / 3, "logkit-worker-2": 1 / 2}
    verdict_says(check.parsing_share(lambda frame: rows, activity), "share of the rows")

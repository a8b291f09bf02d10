"""Threads, a queue, workers, `task_done`."""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from logkit.lab.check.trial import Trial, Verdict, no


def threads(read_all: Callable[[Sequence[str], Callable[[str], str]], list[str]]) -> Verdict:
    """`read_all(names, read)` reads all names at once, a thread each, and returns the texts in the order of names."""
    names, inside, release = [f"{letter}.log" for letter in "abcd"], set[str](), threading.Event()
    # guards: inside
    noting = threading.Lock()

    def read(name: str) -> str:
        with noting:
            inside.add(name)
            if len(inside) == len(names):
                release.set()
        if not release.wait(0.1):  # all together, or one after the other
            with noting:
                inside.discard(name)
        time.sleep(0.01 * (len(names) - names.index(name)))  # the first one comes last
        return f"text of {name}"

    trial = Trial(lambda: read_all(names, read))
    if trial.hangs:
        return no("it does not come to an end")
    left = trial.left(1.0)
    if (verdict := trial.failed()) is not None:
        return verdict
    if not release.is_set():
        return no(
            "nothing ran at once: while one name was read no other had begun. Start all threads before you join the "
            "first one; and `start()` it is: `run()` does the work right here, in the thread that calls it"
        )
    wanted = [f"text of {name}" for name in names]
    if trial.result is None:
        return no("it returned None: a thread has no return value; let each one put its text in a place you know")
    if left or len(trial.result) < len(names) or None in trial.result:
        return no("it returned before every thread was done: join each of them, after all have been started")
    if sorted(map(str, trial.result)) == sorted(wanted) and trial.result != wanted:
        return no(
            "the texts stand in the order in which threads were done, not in the order of names: that order is the "
            "scheduler's. Give each thread the place of its own name"
        )
    if trial.result != wanted:
        return no(f"expected {wanted}, found {trial.result}")
    return Verdict(True, f"{len(names)} threads were reading at once, and the texts stand in the order of the names")


def transfer(answer: Callable[[Iterable[int], queue.Queue[Any]], list[int]]) -> Verdict:
    """`transfer(items, waiting)` sends items through the queue to a consumer thread; returns what came out."""
    waiting: queue.Queue[Any] = queue.Queue(maxsize=3)
    drawn = 0

    def items() -> Iterator[int]:
        nonlocal drawn
        for number in range(20):
            if number in (0, 7):
                time.sleep(0.05)  # the consumer is faster for a while
            drawn += 1
            yield number

    trial = Trial(lambda: answer(items(), waiting))
    lead = drawn
    if trial.hangs:
        trial.release(waiting)
        if lead < 20:
            return no(
                f"it hangs: the producer stands at item {lead}, blocked, for the queue is full and nobody takes from "
                "it. Both must run at once: start the consumer before you put"
            )
        return no(
            "it hangs: all items were put, and the consumer waits for one more. Who tells it that none will come?"
        )
    left = trial.left()
    trial.release(waiting)
    if isinstance(trial.error, queue.Full):
        return no("it raised queue.Full: `put_nowait` gives up where `put` waits for room, and waiting is the point")
    if (verdict := trial.failed()) is not None:
        return verdict
    if left:
        return no(f"{', '.join(left)} still runs: it waits for an item that never comes; send a sentinel, then join")
    if None in (trial.result or ()):
        return no("the sentinel came out among the items: look at what you took before you keep it")
    if list(trial.result or ()) != list(range(20)):
        return no(
            f"{len(trial.result or ())} of 20 items came out. `empty()` is true whenever the consumer is the faster "
            "one, not when the producer is done: only a sentinel says that"
        )
    return Verdict(True, "20 items went through a queue of 3, none lost, and the consumer knew when to go home")


def workers(answer: Callable[[Sequence[int], Callable[[int], int], int], Iterable[int]]) -> Verdict:
    """`run_workers(tasks, work, workers)` has the tasks done by so many threads that share a queue."""
    seen, who = Counter[int](), Counter[str]()
    gate = threading.Event()
    # guards: seen, who
    noting = threading.Lock()

    def work(task: int) -> int:
        with noting:
            seen[task] += 1
            who[threading.current_thread().name] += 1
            if len(who) >= 3:
                gate.set()
        if task == 0:
            gate.wait(0.5)  # one slow task: the others go on with the rest meanwhile
            time.sleep(0.05)
        time.sleep(0.001)
        return task * task

    trial = Trial(lambda: answer(list(range(24)), work, 3))
    left = trial.left()
    if trial.hangs:
        return no(
            f"it hangs after {sum(seen.values())} of 24 tasks. Each worker takes one sentinel home: three workers, "
            "three sentinels; and who joins the queue needs a task_done for each task"
        )
    if (verdict := trial.failed()) is not None:
        return verdict
    if twice := [task for task, times in seen.items() if times > 1]:
        return no(f"task {twice[0]} was done {seen[twice[0]]} times: a task belongs to the worker that took it")
    if len(seen) < 24:
        return no(f"{24 - len(seen)} of 24 tasks were never done: a worker went home while there was work")
    if left:
        return no(f"{len(left)} workers are still there ({', '.join(left)}): they wait for a sentinel of their own")
    if len(who) == 1:
        return no(f"{next(iter(who))} did everything: start three threads that take from one queue")
    if len(who) > 3:
        return no(f"{len(who)} threads were at work, and three were ordered: a worker does many tasks, not one")
    if max(who.values()) == 24 // 3:
        return no(
            "each worker got eight tasks, also the one with the slow task: the others stood idle meanwhile. Do not "
            "deal tasks out in advance; let who is free take the next one"
        )
    if sorted(trial.result) != sorted(task * task for task in range(24)):
        return no("the tasks were done, and their results are not what came back")
    shares = ", ".join(str(count) for count in sorted(who.values(), reverse=True))
    return Verdict(True, f"three workers did {shares} tasks: who was free took the next")


def task_done(answer: Callable[[queue.Queue[Any], Callable[[int], object]], None]) -> Verdict:
    """`work_off(tasks, work)` is a worker's loop: until None comes, `work` on each, so that `tasks.join()` is true."""
    tasks: queue.Queue[Any] = queue.Queue(maxsize=16)
    done: list[int] = []

    def work(task: int) -> None:
        if task == 2:
            raise ValueError("task 2 cannot be done")
        time.sleep(0.01)
        done.append(task)

    for task in range(6):
        tasks.put(task)
    early: list[int] = []

    def join() -> None:
        tasks.join()
        early.append(len(done))

    joining = threading.Thread(target=join, name="lab-join", daemon=True)
    joining.start()
    worker = Trial(lambda: answer(tasks, work), 0)
    joining.join(0.5)
    joined = not joining.is_alive()
    unfinished = tasks.unfinished_tasks
    tasks.put(None)
    worker.thread.join(1.0)
    ended = not worker.thread.is_alive()
    while tasks.unfinished_tasks:
        tasks.task_done()
    joining.join(1.0)
    worker.release(tasks)
    if isinstance(worker.error, ValueError) and "task_done" in str(worker.error):
        return no("task_done() was called more often than there were tasks: once for each get(), not twice")
    if isinstance(worker.error, ValueError):
        waits = "and join() would wait for ever" if not joined else "and nobody does the rest"
        return no(f"task 2 raised, the worker died of it, {waits}: catch it, and go on with the next task")
    if (verdict := worker.failed()) is not None:
        return verdict
    if early and early[0] < 5 and joined:
        return no(f"join() came back when {early[0]} of 5 tasks were done: call task_done() after the work, not before")
    if not joined:
        return no(
            f"join() still waits for {unfinished} tasks: also a task that fails is done with; put it in `finally`"
        )
    if len(done) < 5:
        return no(f"{len(done)} of the 5 tasks that can be done were done")
    if not ended:
        return no("the worker does not end when None comes")
    return Verdict(True, "one task failed, five were done, and join() came back when the last one was")

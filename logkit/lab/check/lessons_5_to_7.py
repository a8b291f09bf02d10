"""Shared state, retries, stopping."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from logkit.errors import LabError
from logkit.lab.check.trial import Trial, Verdict, no
from logkit.lab.racing import Increment, race


def increment(add: Increment) -> Verdict:
    """`add(shared, lock)` adds one to `shared.value` so that no update is ever lost."""
    try:
        once = race(threading.Lock(), threads=3, rounds=1, increment=add)
        plain, reentrant = (
            race(threading.Lock(), threads=3, increment=add),
            race(threading.RLock(), threads=3, increment=add),
        )
    except LabError as error:
        return no(str(error))
    except Exception as error:
        return no(f"it raised {type(error).__name__}: {error}")
    steps = [step.op for step in plain.steps]
    if once.deadlock:
        who = str(once.deadlock[0])
        if once.deadlock[0].owner == once.deadlock[0].thread:
            return no(f"{who}: a Lock cannot be taken twice by one thread; give it back first, or take it once")
        return no(f"{who}, which has ended without giving it back: use `with lock:`, which always does")
    if plain.found > plain.expected:
        return no(f"expected {plain.expected}, found {plain.found}: more was added than asked for")
    if plain.lost and "take" not in steps:
        return no(f"{plain.lost} of {plain.expected} updates were lost: the lock was never taken")
    if plain.lost and "read" in steps[: steps.index("take")]:
        return no(f"{plain.lost} of {plain.expected} updates were lost: the value was read before the lock was taken")
    if plain.lost or reentrant.lost:
        return no(
            f"{plain.lost} of {plain.expected} updates were lost: the lock was given back between the read and the "
            "write. What must not be torn apart stands in one `with lock:`"
        )
    return Verdict(True, f"{plain.expected} updates by 3 threads at the worst moments, none lost")


Settled = tuple[Sequence[int], Mapping[int, str]]


def retry(answer: Callable[[Sequence[int], Callable[[int], object], int], Settled]) -> Verdict:
    """`work_off(tasks, work, tries)` tries each task up to `tries` times; returns those done, and why others failed."""
    attempts = Counter[int]()

    def work(task: int) -> None:
        attempts[task] += 1
        if task == 3 or (task == 1 and attempts[task] < 3):
            raise OSError(f"task {task}: the disk is busy")

    trial = Trial(lambda: answer(list(range(6)), work, 3))
    if trial.hangs:
        most = attempts.most_common(1)[0]
        why = f"task {most[0]} was tried {most[1]} times" if most[1] > 3 else "nobody works, and it does not return"
        return no(f"it hangs: {why}. Count the tries with the task, and set it aside after the last one")
    if isinstance(trial.error, OSError):
        return no(f"it raised what task {trial.error.args[0].split()[1][0]} raised: one bad task must not end the rest")
    if (verdict := trial.failed()) is not None:
        return verdict
    try:
        done, failed = trial.result
        done, failed = list(done), dict(failed)
    except (TypeError, ValueError):
        return no(f"expected two things, the tasks done and a dict of those that failed, found {trial.result!r}")
    if attempts[3] > 3:
        return no(f"task 3 can never succeed and was tried {attempts[3]} times, with 3 allowed")
    if attempts[1] < 3 or 1 not in done:
        return no(f"task 1 succeeds at the third try, and was tried {attempts[1]} times")
    if attempts[3] < 3:
        return no(f"task 3 was given up after {attempts[3]} tries, with 3 allowed")
    if repeated := [task for task in (0, 2, 4, 5) if attempts[task] > 1]:
        return no(f"task {repeated[0]} was done again after it had succeeded: that counts things twice")
    if sorted(done) != [0, 1, 2, 4, 5] or set(failed) != {3}:
        return no(f"expected 0, 1, 2, 4, 5 done and 3 failed, found {sorted(done)} and {sorted(failed)}")
    if "busy" not in str(failed[3]):
        return no("task 3 failed, and nobody can tell why: keep the error's text")
    return Verdict(True, "a passing failure was retried, a lasting one set aside with its reason, the rest done once")


class _Counted(queue.Queue[Any]):
    """A queue that counts how often it is asked."""

    asked = 0

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        self.asked += 1
        return super().get(block, timeout)

    def empty(self) -> bool:
        self.asked += 1
        return super().empty()


def stopping(answer: Callable[[queue.Queue[Any], threading.Event, Callable[[int], object]], None]) -> Verdict:
    """`work_until(tasks, stop, work)` is a worker's loop that ends within half a second once `stop` is set."""
    tasks, stop, done = _Counted(maxsize=16), threading.Event(), list[int]()
    begun, go_on = threading.Event(), threading.Event()

    def work(task: int) -> None:
        if task == 1:
            begun.set()
            go_on.wait(1)
        done.append(task)

    for task in range(5):
        tasks.put(task)

    def ask() -> None:
        begun.wait(1)
        stop.set()
        go_on.set()

    busy = threading.Thread(target=ask, name="lab-stop", daemon=True)
    busy.start()
    trial = Trial(lambda: answer(tasks, stop, work))
    busy.join(3)
    if (verdict := None if isinstance(trial.error, queue.Empty) else trial.failed()) is not None:
        return verdict
    if trial.hangs or len(done) > 2:
        trial.release(tasks)
        return no(
            f"stop was set in the middle of task 1, and {len(done)} tasks were done: look at stop before each task"
        )
    if done != [0, 1]:
        return no(f"stop was set in the middle of task 1, which must be finished, found {done} done")
    idle, stop_idle = _Counted(maxsize=4), threading.Event()

    def ask_later() -> None:
        stop_idle.wait(0.2)
        stop_idle.set()

    quiet = threading.Thread(target=ask_later, name="lab-stop", daemon=True)
    quiet.start()
    waiting = Trial(lambda: answer(idle, stop_idle, work))
    early = not stop_idle.is_set()
    quiet.join(2)
    if waiting.hangs:
        waiting.release(idle)
        return no(
            "with nothing in the queue it never sees that stop is set: it waits in get(). Give get() a timeout, and "
            "look again when it raises queue.Empty"
        )
    if isinstance(waiting.error, queue.Empty):
        return no("it died of queue.Empty: no task within the timeout only means to look at stop again")
    if (verdict := waiting.failed()) is not None:
        return verdict
    if idle.asked > 100:
        return no(f"it asked an empty queue {idle.asked:,} times in 0.2 s: that burns a core. Wait in get(timeout=…)")
    if early:
        return no("it went home when the queue was empty: more may come until stop is set")
    return Verdict(True, "it finishes what it has in hand, takes nothing more, and sees stop while it waits")

"""When threads make things faster, measured here and now: `gil()`."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING

from logkit.lab import asked
from logkit.lab.stage import run_all

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_BLOCK = bytes(1 << 20)
_ROUNDS = 7  # the fastest counts: whatever else runs on the machine can only slow a round down


def python_loop(amount: int) -> int:
    """Adds up numbers in Python: holds the GIL all the time."""
    total = 0
    for number in range(amount):
        total += number & 7
    return total


def native_code(amount: int) -> bytes:
    """Hashes `amount` MiB: OpenSSL does it, and `hashlib` releases the GIL meanwhile."""
    digest = hashlib.sha256()
    for _ in range(amount):
        digest.update(_BLOCK)
    return digest.digest()


def waiting(milliseconds: int) -> None:
    """Waits, as one does for a disk or a network: the GIL is released."""
    time.sleep(milliseconds / 1000)


@dataclass(frozen=True, slots=True)
class Measured:
    """The same work done twice over, one piece after the other and at once."""

    work: str
    how: str
    """threads or processes."""
    one_by_one_seconds: float
    at_once_seconds: float

    @property
    def speedup(self) -> float:
        """How many times faster it is at once."""
        return self.one_by_one_seconds / self.at_once_seconds


@dataclass(frozen=True, slots=True, repr=False)
class Gil:
    """What threads and processes gain on this machine, with this Python."""

    workers: int
    cores: int
    enabled: bool
    """Whether the GIL is on; False only in a free-threaded build that runs without it."""
    python: str
    rows: tuple[Measured, ...]
    start_seconds: float | None
    """What starting the processes took, which the rows leave out; None if there were none."""

    @property
    def frame(self) -> pd.DataFrame:
        """One row per kind of work: work, how, one_by_one_seconds, at_once_seconds, speedup."""
        import pandas as pd

        names = ("work", "how", "one_by_one_seconds", "at_once_seconds", "speedup")
        return pd.DataFrame([[getattr(row, name) for name in names] for row in self.rows], columns=names)

    def __repr__(self) -> str:
        lines = [
            f"Python {self.python}, GIL {'on' if self.enabled else 'off'}, {self.cores} cores, {self.workers} at once"
        ]
        lines += [
            f"{row.work}, {self.workers} {row.how}: {row.one_by_one_seconds:.2f} s one by one, "
            f"{row.at_once_seconds:.2f} s at once: {row.speedup:.1f} times as fast"
            for row in self.rows
        ]
        if self.start_seconds is not None:
            lines.append(f"starting {self.workers} processes took {self.start_seconds:.2f} s")
        return "\n  ".join(lines)

    def plot(self, ax: Axes | None = None) -> Axes:
        """How many times faster each kind of work is at once; a line where nothing is gained, one at the cores."""
        from logkit.lab.charts import draw_gil

        return draw_gil(self, ax)


def gil(workers: int = 2, *, task_seconds: float = 0.08, processes: bool = True) -> Gil:
    """Measure what running at once gains for a loop in Python, for waiting, and for native code that releases the GIL.

    workers: threads, each with a piece of about `task_seconds`, against one thread that does as many; the best of
    7. processes: whether to measure the Python loop in processes too (spawned: a second or so to start; in a
    script that needs its usual `if __name__ == "__main__":`). Figures of
    this machine and this moment: what else runs on it shows in them. Raises SettingError for numbers that cannot work.
    """
    workers = asked.whole("workers", workers, 1, 64, 2)
    task_seconds = asked.seconds("task_seconds", task_seconds, 0.08, least=0.001)
    loop, blocks = _amount(python_loop, 20_000, task_seconds), _amount(native_code, 1, task_seconds)
    kinds: list[tuple[str, Callable[[int], object], int]] = [
        ("a loop in Python", python_loop, loop),
        ("waiting", waiting, max(1, round(1000 * task_seconds))),
        ("native code without the GIL", native_code, blocks),
    ]
    rows = [_best([_in_threads(name, work, amount, workers) for _ in range(_ROUNDS)]) for name, work, amount in kinds]
    start_seconds: float | None = None
    if processes:
        row, start_seconds = _in_processes("a loop in Python", loop, workers, rows[0].one_by_one_seconds)
        rows.append(row)
    return Gil(workers, _cores(), gil_enabled(), platform.python_version(), tuple(rows), start_seconds)


def gil_enabled() -> bool:
    """Whether this interpreter runs with its global lock on: True up to 3.12, and in any but a free-threaded build."""
    ask: Callable[[], bool] | None = getattr(sys, "_is_gil_enabled", None)
    return True if ask is None else ask()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _amount(work: Callable[[int], object], least: int, seconds: float) -> int:
    """How much of the work takes about so long."""
    amount = least
    while True:
        began = time.perf_counter()
        work(amount)
        took = time.perf_counter() - began
        if took > seconds / 8:
            return max(1, round(amount * seconds / took))
        amount *= 4


def _in_threads(name: str, work: Callable[[int], object], amount: int, workers: int) -> Measured:
    began = time.perf_counter()
    for _ in range(workers):
        work(amount)
    between = time.perf_counter()
    threads = [
        threading.Thread(target=work, args=(amount,), name=f"lab-{number}", daemon=True)
        for number in range(1, workers + 1)
    ]
    run_all(threads, 60 + 20 * (between - began))
    return Measured(name, "threads", between - began, time.perf_counter() - between)


def _best(rounds: list[Measured]) -> Measured:
    one_by_one, at_once = (
        min(getattr(one, name) for one in rounds) for name in ("one_by_one_seconds", "at_once_seconds")
    )
    return Measured(rounds[0].work, rounds[0].how, one_by_one, at_once)


def _in_processes(name: str, amount: int, workers: int, one_by_one: float) -> tuple[Measured, float]:
    began = time.perf_counter()
    # Spawned, never forked: threads and their locks do not survive a fork.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        list(pool.map(waiting, [20] * workers))  # each of them is up
        ready = time.perf_counter()
        took: list[float] = []
        for _ in range(_ROUNDS):
            between = time.perf_counter()
            list(pool.map(python_loop, [amount] * workers))
            took.append(time.perf_counter() - between)
    return Measured(name, "processes", one_by_one, min(took)), ready - began

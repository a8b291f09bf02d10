"""Lost updates, made visible every time: `race()`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from logkit.errors import SettingError
from logkit.lab import asked
from logkit.lab.stage import AnyLock, Stage, StagedLock, Step, Wait

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


class Shared:
    """A number that threads share. Whoever has read `value` is held up until every other thread has come as far.

    That is the worst a scheduler can do to `shared.value += 1`, and it may do it at any time.
    """

    def __init__(self, stage: Stage, value: int = 0) -> None:
        self._stage = stage
        self._value = value

    @property
    def value(self) -> int:
        """The number. Reading it is where the adversary strikes."""
        found = self._value
        self._stage.note("read", value=found)
        self._stage.meet()
        return found

    @value.setter
    def value(self, number: int) -> None:
        if not isinstance(number, int):
            raise SettingError(
                f"expected a whole number as shared.value, found {number!r}; try shared.value += 1",
                setting="shared.value",
                value=number,
            )
        self._value = number
        self._stage.note("write", value=number)


class NoLock:
    """What looks like a lock and holds nobody back."""

    def __enter__(self) -> NoLock:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def acquire(self) -> bool:
        """True, always."""
        return True

    def release(self) -> None:
        """Nothing happens."""


Increment = Callable[[Shared, StagedLock | NoLock], None]
"""Adds one to `shared.value`, guarded by the lock it is handed."""


@dataclass(frozen=True, slots=True, repr=False)
class Race:
    """What came of a race: how many updates were made, how many are left."""

    threads: int
    rounds: int
    guard: str
    """no lock, or the kind of the lock."""
    expected: int
    found: int
    steps: tuple[Step, ...]
    """What the threads did, in the order in which it happened."""
    deadlock: tuple[Wait, ...] = ()

    @property
    def lost(self) -> int:
        """Updates that were made and are not in the result."""
        return self.expected - self.found

    @property
    def frame(self) -> pd.DataFrame:
        """One row per step: thread, op (read, write, block, take, give), what (the lock), value (Int64)."""
        return steps_frame(self.steps)

    def overwritten(self) -> list[int]:
        """Which steps are writes that destroy an update: another thread wrote since the writer had read."""
        return overwriting(self.steps)

    def __repr__(self) -> str:
        head = f"{self.threads} threads, {self.rounds} updates each, {self.guard}: expected {self.expected}"
        if self.deadlock:
            return f"{head}, found a deadlock\n  " + "\n  ".join(map(str, self.deadlock))
        lines = [f"{head}, found {self.found}: " + ("nothing lost" if not self.lost else f"{self.lost} lost")]
        lost = set(self.overwritten())
        shown = self.steps[:12]
        lines += [f"{step}{'   <- one update is lost' if at in lost else ''}" for at, step in enumerate(shown)]
        more = len(self.steps) - len(shown)
        return "\n  ".join(lines + ([f"… and {more} more steps"] if more else []))

    def plot(self, ax: Axes | None = None, steps: int = 24) -> Axes:
        """The first `steps` steps, a lane per thread and one for the number; a write that destroys one is marked."""
        from logkit.lab.pictures import draw_steps

        return draw_steps(self.steps[:steps], ax, f"{self.guard}: {self.found} of {self.expected} updates")


def race(lock: AnyLock | None = None, *, threads: int = 2, rounds: int = 3, increment: Increment | None = None) -> Race:
    """Let threads add one to a shared number, at the mercy of the worst possible scheduler.

    lock: None, `threading.Lock()` or `threading.RLock()`, to be held around the addition. threads: how many, 2 to 16.
    rounds: updates of each. increment: how one is added, `increment(shared, lock)`; by default

        with lock:
            shared.value += 1

    Without a lock each round keeps one update of all, in every run; with one none is lost, in every run. The result
    does not depend on the machine, its load or the Python version. Raises what `increment` raises, and LabError where
    it waits for something else than the shared number and the lock it was handed. Not for use on a `lab-N` thread.
    """
    threads, rounds = asked.whole("threads", threads, 1, 16, 3), asked.whole("rounds", rounds, 1, 100, 3)
    if lock is not None:
        asked.lock(lock)
    if increment is not None:
        asked.function("increment", increment)
    stage = Stage()
    shared = Shared(stage)
    guard = NoLock() if lock is None else stage.lock(lock, "the lock")
    add = increment or _add

    def work() -> None:
        for _ in range(rounds):
            add(shared, guard)
            stage.meet()

    stage.run(*[work] * threads)
    return Race(
        threads=threads,
        rounds=rounds,
        guard=guard_name(lock),
        expected=threads * rounds,
        found=shared._value,
        steps=tuple(stage.steps),
        deadlock=stage.deadlock,
    )


def _add(shared: Shared, lock: StagedLock | NoLock) -> None:
    with lock:
        shared.value += 1


def guard_name(lock: AnyLock | None) -> str:
    """no lock, Lock, RLock, or the name of the class."""
    if lock is None:
        return "no lock"
    return {type(threading.Lock()): "Lock", type(threading.RLock()): "RLock"}.get(type(lock), type(lock).__name__)


def overwriting(steps: tuple[Step, ...]) -> list[int]:
    """Which of the steps are writes of a thread that had read before the last write of another one."""
    found: list[int] = []
    last_write, read_at = -1, dict[str, int]()
    for at, step in enumerate(steps):
        if step.op == "read":
            read_at[step.thread] = at
        elif step.op == "write":
            if read_at.get(step.thread, at) < last_write:
                found.append(at)
            last_write = at
    return found


def steps_frame(steps: tuple[Step, ...]) -> pd.DataFrame:
    """One row per step: thread, op, what (str), value (Int64)."""
    import pandas as pd

    rows: list[tuple[Any, ...]] = [(step.thread, step.op, step.what, step.value) for step in steps]
    frame = pd.DataFrame(rows, columns=["thread", "op", "what", "value"])
    return frame.astype({"thread": "str", "op": "str", "what": "str", "value": "Int64"})

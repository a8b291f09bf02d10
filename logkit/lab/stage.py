"""A stage: real threads, met by the worst scheduler there could be, so that what can go wrong goes wrong every time.

A thread pauses in `meet()` until nobody can get any further: each thread has come to a `meet()` of its own, stands
blocked at a lock, or is done. Nothing waits for time to pass, so a run on a stage comes out the same on any machine.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from logkit.errors import LabError

DEADLINE_SECONDS = 5.0


class AnyLock(Protocol):
    """What `threading.Lock` and `threading.RLock` have in common."""

    def acquire(self, blocking: bool = ..., timeout: float = ...) -> bool: ...
    def release(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Step:
    """One thing a thread did, in the order in which it happened: read, write, block, take or give back."""

    thread: str
    op: str
    what: str = ""
    """The lock of block, take and give back."""
    value: int | None = None
    """What was read or written."""

    def __str__(self) -> str:
        return f"{self.thread} {_SAID[self.op]} {self.what if self.value is None else self.value}".rstrip()


_SAID = {"read": "reads", "write": "writes", "block": "waits for", "take": "takes", "give": "gives back", "add": "adds"}


@dataclass(frozen=True, slots=True)
class Wait:
    """An edge of the wait-for graph: `thread` waits for `lock`, which `owner` holds."""

    thread: str
    lock: str
    owner: str | None

    def __str__(self) -> str:
        owner = "itself" if self.owner == self.thread else self.owner or "nobody"
        return f"{self.thread} waits for {self.lock}, held by {owner}"


class _Freed(BaseException):
    """Raised in a thread that is part of a deadlock, or whose run was interrupted: its `with` blocks give back what it
    holds."""


def run_all(threads: Sequence[threading.Thread], seconds: float, stop: Callable[[], object] | None = None) -> None:
    """Start all, and join them within a deadline they share. Raises LabError with the names of those still at work.

    Interrupted (a `KeyboardInterrupt`), it calls `stop`, and waits for the threads to end before it passes that on.
    """
    deadline = time.monotonic() + seconds
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
    except BaseException:
        if stop is not None:
            stop()
        see_off(threads, deadline)
        raise
    alive = tuple(thread.name for thread in threads if thread.is_alive())
    if alive:
        raise LabError(
            f"expected every thread to end within {seconds:g} s, found {', '.join(alive)} at work; try less to do",
            threads=alive,
        )


def see_off(threads: Sequence[threading.Thread], deadline: float) -> None:
    """Wait for those that have been started, or are just about to: an interrupt may come in the middle of `start()`."""
    for thread in threads:
        while thread in threading.enumerate() and (left := deadline - time.monotonic()) > 0:
            if thread.is_alive():
                thread.join(left)
            else:
                time.sleep(0.001)


class Stage:
    """Runs some functions at once, each in a thread of its own called `lab-1`, `lab-2` …

    The threads may call `meet()` and use `lock()`; whoever made the stage calls `run()`, and reads the rest after it.
    """

    def __init__(self, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        # guards: everything below, and the bookkeeping of the stage's locks; notified of every change of it
        self._moved = threading.Condition(threading.Lock())
        self._running = 0  # threads that can get on by themselves
        self._met = 0  # threads that wait in meet()
        self._round = 0  # how often all who had met were let go
        self._locks: list[StagedLock] = []
        self._blocked: dict[str, StagedLock] = {}
        self._freed: set[str] = set()
        self._errors: list[BaseException] = []
        self._over = False  # interrupted: whoever comes to the stage goes home
        self._deadline = time.monotonic() + deadline_seconds
        self._deadline_seconds = deadline_seconds
        self.steps: list[Step] = []
        self.deadlock: tuple[Wait, ...] = ()
        """The circle of threads that waited for each other, empty if there was none."""
        self.waits: tuple[Wait, ...] = ()
        """Who waited for whom when nobody could get any further: at the deadlock, else the first time one waited."""
        self.holds: tuple[tuple[str, str], ...] = ()
        """Lock and owner at the same moment."""

    def lock(self, lock: AnyLock, name: str) -> StagedLock:
        """The lock, watched: who holds it and who waits for it is known."""
        staged = StagedLock(self, lock, name)
        self._locks.append(staged)
        return staged

    def run(self, *parts: Callable[[], None]) -> None:
        """Run each part in a thread and wait for all of them. Raises the first error of a part, or LabError."""
        self._running = len(parts)
        self._deadline = time.monotonic() + self._deadline_seconds
        threads = [
            threading.Thread(target=self._play, args=(part,), name=f"lab-{number}", daemon=True)
            for number, part in enumerate(parts, 1)
        ]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(max(0.0, self._deadline - time.monotonic()) + 1.0)
        except BaseException:  # an interrupt: nobody stays behind
            with self._moved:
                self._over = True
                self._moved.notify_all()
            see_off(threads, self._deadline)
            raise
        if self._errors:
            raise self._errors[0]
        alive = tuple(thread.name for thread in threads if thread.is_alive())
        if alive:
            raise self._stuck(alive)

    def meet(self) -> None:
        """Pause until nobody can get any further. Called by the stage's threads."""
        with self._moved:
            mine = self._round
            self._met += 1
            self._halt_locked()
            self._wait_locked(lambda: self._round > mine)

    def note(self, op: str, what: str = "", value: int | None = None) -> None:
        """Write down a step of the calling thread."""
        with self._moved:
            self.steps.append(Step(threading.current_thread().name, op, what, value))

    def _play(self, part: Callable[[], None]) -> None:
        try:
            part()
        except _Freed:
            pass  # the deadlock is in self.deadlock
        except BaseException as error:
            with self._moved:
                self._errors.append(error)
        finally:
            with self._moved:
                self._halt_locked()

    def _halt_locked(self) -> None:
        """One thread less can get on by itself. If it was the last one, let go those who have met."""
        self._running -= 1
        if self._running:
            return
        self._look_locked()
        if self._met:
            self._running, self._met = self._met, 0
            self._round += 1
        elif self._blocked:  # whoever holds what they wait for is gone
            self._free_locked(tuple(self._wait_of(thread) for thread in self._blocked))
        self._moved.notify_all()

    def _wait_locked(self, holds: Callable[[], bool]) -> None:
        if not self._moved.wait_for(lambda: self._over or holds(), max(0.0, self._deadline - time.monotonic())):
            raise self._stuck((threading.current_thread().name,))
        if self._over:
            raise _Freed

    def _stuck(self, threads: tuple[str, ...]) -> LabError:
        return LabError(
            f"expected every thread to come to the shared value, to a lock of the stage or to its end within "
            f"{self._deadline_seconds:g} s, found {', '.join(threads)} still waiting; try the lock that was handed in "
            "instead of one of your own",
            threads=threads,
        )

    # -- the wait-for graph

    def _wait_of(self, thread: str) -> Wait:
        lock = self._blocked[thread]
        return Wait(thread, lock.name, lock.owner)

    def _circle_locked(self, thread: str) -> tuple[Wait, ...]:
        """The waits that lead from `thread` back to itself; empty if they end with somebody who can get on."""
        waits = [self._wait_of(thread)]
        while (owner := waits[-1].owner) in self._blocked and owner not in {wait.thread for wait in waits}:
            waits.append(self._wait_of(str(owner)))
        return tuple(waits) if waits[-1].owner == thread else ()

    def _look_locked(self, always: bool = False) -> None:
        if always or (not self.waits and (self._met or self._blocked)):
            self.waits = tuple(self._wait_of(thread) for thread in sorted(self._blocked))
            self.holds = tuple((lock.name, lock.owner) for lock in self._locks if lock.owner is not None)

    def _free_locked(self, waits: tuple[Wait, ...]) -> None:
        """Let the threads of a deadlock go, each with an exception."""
        self.deadlock = self.deadlock or waits
        self._look_locked(always=True)
        for wait in waits:
            self._blocked.pop(wait.thread).forget(wait.thread)
            self._freed.add(wait.thread)
            self._running += 1
        self._moved.notify_all()


class StagedLock:
    """A lock of a stage. The lock itself is the real one; only waiting for it goes through the stage.

    It is handed over in the order in which threads came to it.
    """

    def __init__(self, stage: Stage, lock: AnyLock, name: str) -> None:
        self.name = name
        self.owner: str | None = None
        self._stage = stage
        self._lock = lock
        self._depth = 0
        self._queue: deque[str] = deque()
        self._next: str | None = None  # the thread it was given to, which has yet to wake up

    def acquire(self) -> bool:
        """Take the lock, waiting for it if need be."""
        stage, me = self._stage, threading.current_thread().name
        with stage._moved:
            free = self.owner is None and self._next is None
            if not ((free or self.owner == me) and self._lock.acquire(blocking=False)):
                if free:
                    raise self._held_outside(me)
                self._wait_locked(me)
            self.owner = me
            self._depth += 1
            stage.steps.append(Step(me, "take", self.name))
        return True

    def _wait_locked(self, me: str) -> None:
        stage = self._stage
        stage.steps.append(Step(me, "block", self.name))
        stage._blocked[me] = self
        self._queue.append(me)
        circle = stage._circle_locked(me)
        if circle:
            stage._free_locked(circle)
        stage._halt_locked()
        stage._wait_locked(lambda: self._next == me or me in stage._freed)
        if self._next != me:
            raise _Freed
        self._next = None
        if not self._lock.acquire(blocking=False):
            raise self._held_outside(me)

    def _held_outside(self, me: str) -> LabError:
        return LabError(
            f"expected {self.name} to be free, found it held by somebody else; try a lock that only this call uses",
            threads=(me,),
        )

    def release(self) -> None:
        """Give the lock back; who has waited longest has it next."""
        stage, me = self._stage, threading.current_thread().name
        with stage._moved:
            self._lock.release()
            stage.steps.append(Step(me, "give", self.name))
            self._depth -= 1
            if self._depth:
                return
            self.owner = None
            if self._queue:
                self._next = self._queue.popleft()
                del stage._blocked[self._next]
                stage._running += 1
                stage._moved.notify_all()

    def forget(self, thread: str) -> None:
        """It is not waited for by this thread any more."""
        self._queue.remove(thread)

    def __enter__(self) -> StagedLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

"""What a thread did, interval by interval, as it writes it down itself: a short memory, and a lock that takes notes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from logkit.capture import Interval

if TYPE_CHECKING:
    from logkit.engine.threads import Activity

_CHUNK = 64


class Trace:
    """The newest `keep` intervals of one thread, and how many older ones were forgotten.

    Only that thread appends. Anybody reads, without a lock: what is there stands in one tuple, replaced as a whole,
    whose full chunks no longer change, so that reading copies references to chunks and one unfinished chunk at most.
    """

    __slots__ = ("_chunks", "_kept")

    def __init__(self, keep: int) -> None:
        self._chunks = -(-keep // _CHUNK)
        self._kept: tuple[tuple[tuple[Interval, ...], ...], list[Interval], int] = ((), [], 0)

    def append(self, interval: Interval) -> None:
        """Remember one more. Called by the thread itself."""
        if not self._chunks:
            return
        full, last, forgotten = self._kept
        last.append(interval)
        if len(last) == _CHUNK:
            if len(full) == self._chunks:
                full, forgotten = full[1:], forgotten + _CHUNK
            self._kept = ((*full, tuple(last)), [], forgotten)

    def read(self) -> tuple[tuple[tuple[Interval, ...], ...], int]:
        """The intervals, oldest first, in chunks; and how many came before them. Any thread may call."""
        full, last, forgotten = self._kept
        return (*full, tuple(last)), forgotten


class TracedLock:
    """An `RLock` that writes down, in the record of the threads concerned, when one waited for the other.

    A lock nobody waits for leaves no trace: taking it costs a look at the clock.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.lock = threading.RLock()
        """The lock itself, for a `Condition`."""
        self._since = 0.0
        self._wanted = False  # set without the lock by who waits: a note that comes late is made by the next holder

    def __enter__(self) -> None:
        if not self.lock.acquire(blocking=False):
            self._wanted = True
            activity = _activity()
            if activity is None:
                self.lock.acquire()
            else:
                with activity.during("blocked", self.name):
                    self.lock.acquire()
        self._since = time.monotonic()

    def __exit__(self, *_: object) -> None:
        if self._wanted:
            self._wanted = False
            activity = _activity()
            if activity is not None:
                activity.held(self.name, self._since)
        self.lock.release()


def _activity() -> Activity | None:
    """The record of the thread that runs this, if it is one of the engine's."""
    return getattr(threading.current_thread(), "activity", None)


@contextmanager
def turn(semaphore: threading.Semaphore, what: str, activity: Activity) -> Iterator[None]:
    """Hold a semaphore's permit; waiting for it, if need be, is written down as such."""
    if not semaphore.acquire(blocking=False):
        with activity.during("blocked", what):
            semaphore.acquire()
    try:
        yield
    finally:
        semaphore.release()

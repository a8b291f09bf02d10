"""What waits for one sink, bounded in bytes, and which bytes of each source it has not got yet."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from logkit.engine.known import End, Key
from logkit.engine.threads import Activity
from logkit.sources import Batch, complement, include
from logkit.sources.span import Ranges

if TYPE_CHECKING:
    import polars as pl

    from logkit.sinks.protocol import WhenFull


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that a sink lacks: those of a batch, or of a piece of one. `end` is what is known of where it ends."""

    key: Key
    start: int
    stop: int
    frame: pl.DataFrame
    nbytes: int
    end: End | None
    since: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much has not reached the sink: `dropped` went without it, and is sent after a restart, if still there."""

    parts: int
    events: int
    nbytes: int
    dropped_events: int
    dropped_bytes: int


class Outbox:
    """Filled by the workers and the watcher, emptied by the sink's thread. `had`: what it remembers at the start.

    What is put here counts against `max_bytes` until it is delivered, wherever it is meanwhile; an empty one has room
    for any batch, and each worker may be one batch too generous.
    """

    def __init__(self, had: Mapping[Key, Ranges], max_bytes: int, when_full: WhenFull) -> None:
        self._lock = threading.Lock()
        # guards: all below; nothing but references and a few integers move under it.
        # Notified when there is something for the sink's thread, or room again.
        self._changed = threading.Condition(self._lock)
        self._had = dict(had)
        self._max_bytes = max_bytes
        self._when_full = when_full
        self._parts: deque[Part] = deque()
        self._expected: dict[int, tuple[Key, Ranges]] = {}  # about to be taken by a worker, or not delivered yet
        self._tokens = itertools.count()
        self._token_of: dict[tuple[Key, int, int], int] = {}
        self._marks: dict[Key, None] = {}
        self._bytes = self._count = self._events = 0
        self._dropped: dict[Key, Ranges] = {}
        self._dropped_events = 0
        self._closed = self._abandoned = False

    # -- for those who read

    def wait_room(self, activity: Activity) -> bool:
        """Wait until there is room, if that is what the sink wants; False where the engine stops first."""
        with self._changed:
            if self._when_full == "drop":
                return True
            if not self._has_room_locked():
                with activity.during("blocked", "room for a sink"):
                    self._changed.wait_for(lambda: self._closed or self._abandoned or self._has_room_locked())
            return not self._closed

    def expect(self, batch: Batch) -> int:
        """A batch is about to be taken: what the sink lacks of it counts as missing from now on. Returns a token."""
        key = batch.source, batch.generation
        with self._lock:
            token = next(self._tokens)
            self._expected[token] = key, complement(self._had.get(key, ()), batch.start, batch.stop)
            return token

    def withdraw(self, token: int) -> None:
        """It was not taken after all."""
        with self._lock:
            del self._expected[token]

    def post(self, token: int, batch: Batch) -> None:
        """It was taken: what the sink lacks of it waits here, or is dropped. Never blocks."""
        with self._lock:
            key, missing = self._expected[token]
        parts = _parts(key, missing, batch)  # outside the lock: rows may have to be selected
        with self._changed:
            del self._expected[token]
            if self._abandoned or (self._when_full == "drop" and not self._has_room_locked()):
                for part in parts:
                    self._drop_locked(part)
                return
            for part in parts:
                token = next(self._tokens)
                self._expected[token] = key, ((part.start, part.stop),)
                self._token_of[key, part.start, part.stop] = token
                self._parts.append(part)
                self._bytes += part.nbytes
                self._events += part.frame.height
            self._count += len(parts)
            self._changed.notify_all()

    def mark(self, key: Key) -> None:
        """What is known of a source has changed without a batch. Never waits."""
        with self._changed:
            self._marks[key] = None

    def _has_room_locked(self) -> bool:
        return self._count == 0 or self._bytes < self._max_bytes

    def _drop_locked(self, part: Part) -> None:
        self._dropped[part.key] = include(self._dropped.get(part.key, ()), part.start, part.stop)
        self._dropped_events += part.frame.height

    # -- for the sink's thread

    def take(self, at_most_seconds: float) -> list[Part]:
        """All parts that wait, as soon as there are any; none after so long, or once it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._parts, at_most_seconds)
            parts = list(self._parts)
            self._parts.clear()
            return parts

    def take_marks(self) -> list[Key]:
        """The sources that have changed since."""
        with self._lock:
            marks = list(self._marks)
            self._marks.clear()
            return marks

    def delivered(self, parts: Sequence[Part]) -> None:
        """The sink has these for good."""
        with self._changed:
            for part in parts:
                del self._expected[self._token_of.pop((part.key, part.start, part.stop))]
                self._bytes -= part.nbytes
                self._events -= part.frame.height
            self._count -= len(parts)
            self._changed.notify_all()

    def missing(self, key: Key) -> Ranges:
        """The bytes of a source that were taken, or may be, and that the sink has not got."""
        with self._lock:
            missing = self._dropped.get(key, ())
            for one, ranges in self._expected.values():
                if one == key:
                    for start, stop in ranges:
                        missing = include(missing, start, stop)
            return missing

    def all_missing(self) -> list[Ranges]:
        """The same of all sources."""
        with self._lock:
            keys = {*self._dropped, *(key for key, _ in self._expected.values())}
        return [self.missing(key) for key in keys]

    def abandon(self) -> None:
        """The sink is given up: what waits for it is dropped, and so is what is still to come."""
        with self._changed:
            self._abandoned = True
            for part in self._parts:
                self._drop_locked(part)
                self._bytes -= part.nbytes
                self._events -= part.frame.height
            self._count -= len(self._parts)
            self._parts.clear()
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing more waits for room; what is there can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        with self._lock:
            return self._closed

    @property
    def half_full(self) -> bool:
        """Whether it is time to send what is gathered, lest readers wait for room."""
        with self._lock:
            return 2 * self._bytes >= self._max_bytes

    @property
    def settled(self) -> bool:
        """Whether nothing is on its way, or nothing ever will be."""
        with self._lock:
            return self._abandoned or not self._count

    @property
    def waiting(self) -> Waiting:
        """How much has not reached the sink."""
        with self._lock:
            size = sum(high - low for ranges in self._dropped.values() for low, high in ranges)
            return Waiting(self._count, self._events, self._bytes, self._dropped_events, size)


def _parts(key: Key, missing: Ranges, batch: Batch) -> list[Part]:
    import polars as pl

    assert batch.frame is not None, "with a sink rows are made"
    now, parts = time.monotonic(), []
    for start, stop in missing:
        whole = (start, stop) == (batch.start, batch.stop)
        frame = batch.frame if whole else batch.frame.filter(pl.col("offset").is_between(start, stop, closed="left"))
        end = End(batch.tail, batch.last_offset) if stop == batch.stop else None
        parts.append(Part(key, start, stop, frame, batch.nbytes, end, now))
    return parts

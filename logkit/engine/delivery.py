"""Where batches go that have been read: straight to the state, or to the writer of a store first."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Protocol

from logkit.engine.known import Key
from logkit.engine.state import State
from logkit.engine.threads import Activity
from logkit.sources import Batch


class Delivery(Protocol):
    """What workers and the watcher deliver to. Any thread may call; see `ToState` and `ToWriter`."""

    def put(self, batch: Batch, activity: Activity) -> bool:
        """Deliver a batch, waiting for room where there is none; False where the engine stops first.

        Raises `Overtaken` where some of its bytes are taken already.
        """

    def put_now(self, batch: Batch) -> None:
        """The same without waiting: for the watcher, and the one open record of a source that has ended."""

    def mark(self, key: Key) -> None:
        """What is known of a source has changed without a batch, and is to be written down. Never waits."""

    def hurry(self) -> None:
        """Nothing more comes for now, and somebody waits for what was delivered: gather no longer. Never waits."""

    def close(self) -> None:
        """Nothing more waits for room."""

    @property
    def settled(self) -> bool:
        """Whether everything delivered has become visible."""


class ToState:
    """Without a store a batch is visible as soon as it has been read."""

    settled = True

    def __init__(self, state: State) -> None:
        self._state = state

    def put(self, batch: Batch, activity: Activity) -> bool:
        self._state.commit(batch)
        self._state.tidy()
        return True

    def put_now(self, batch: Batch) -> None:
        self._state.commit(batch)

    def mark(self, key: Key) -> None:
        """Nobody writes it down."""

    def hurry(self) -> None:
        """Nothing is gathered."""

    def close(self) -> None:
        """Nobody waits."""


class ToWriter:
    """A queue to the writer, bounded in bytes: a slow store slows the readers.

    At most `max_bytes` and one batch wait here, and as much again is in the writer's hands.
    """

    def __init__(self, state: State, max_bytes: int) -> None:
        self._state = state
        self._lock = threading.Lock()
        # guards: all below, and is held while a batch is taken, so that the writer never meets one that is not.
        # Notified when there is something for the writer, or room again.
        self._changed = threading.Condition(self._lock)
        self._max_bytes = max_bytes
        self._batches: deque[Batch] = deque()
        self._marks: dict[Key, None] = {}
        self._bytes = 0
        self._in_hand = 0  # batches and marks that the writer has and is not done with
        self._hurried = False
        self._closed = False

    def put(self, batch: Batch, activity: Activity) -> bool:
        with self._changed:
            if not self._has_room_locked():
                with activity.during("blocked", "room for the store"):
                    self._changed.wait_for(lambda: self._closed or self._has_room_locked())
            if self._closed:
                return False
            self._put_locked(batch)
            return True

    def put_now(self, batch: Batch) -> None:
        with self._changed:
            self._put_locked(batch)

    def _has_room_locked(self) -> bool:
        return not self._batches or self._bytes < self._max_bytes  # an empty one has room for any batch, however large

    def _put_locked(self, batch: Batch) -> None:
        self._state.take(batch)
        self._batches.append(batch)
        self._bytes += batch.nbytes
        self._changed.notify_all()

    def mark(self, key: Key) -> None:
        with self._changed:
            self._marks[key] = None
            self._changed.notify_all()

    def hurry(self) -> None:
        with self._changed:
            self._hurried = bool(self._batches or self._marks)
            self._changed.notify_all()

    def take(self, not_before: float, at_most_seconds: float) -> tuple[list[Batch], list[Key]]:
        """Everything that waits, as soon as there is something; nothing after `at_most_seconds`, or once it is closed.

        More is gathered until `not_before`, an instant of the monotonic clock, or until all the room is used, or
        somebody is in a hurry.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._batches or self._marks, at_most_seconds)
            pause = max(0.0, not_before - time.monotonic())
            self._changed.wait_for(lambda: self._closed or self._hurried or self._bytes >= self._max_bytes, pause)
            batches, marks = list(self._batches), list(self._marks)
            self._batches.clear()
            self._marks.clear()
            self._bytes, self._hurried = 0, False
            self._in_hand += len(batches) + len(marks)
            self._changed.notify_all()
            return batches, marks

    def done(self, count: int) -> None:
        """So many of the batches and marks taken are committed and visible."""
        with self._changed:
            self._in_hand -= count

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
    def settled(self) -> bool:
        with self._lock:
            return not (self._in_hand or self._batches or self._marks)

    @property
    def queued(self) -> tuple[int, int]:
        """How many batches wait for the writer, and how many bytes they keep in memory."""
        with self._lock:
            return len(self._batches), self._bytes

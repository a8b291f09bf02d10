"""The writer: the one thread that commits to the store, and by whose commits alone anything becomes visible.

Rows, the sources' finished ranges and the statistics go into one transaction, so that a kill at any instant leaves
all of a batch in the store or nothing of it: a restart reads on exactly where the ranges end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from logkit.capture import EventFrame, StoreStatus
from logkit.engine.delivery import ToWriter
from logkit.engine.known import Key
from logkit.engine.progress import Progress, committed
from logkit.engine.restart import restored, saved_of
from logkit.engine.settings import Settings
from logkit.engine.state import State
from logkit.engine.threads import Activity
from logkit.errors import StoreError
from logkit.sources import Batch
from logkit.stats import Stats

if TYPE_CHECKING:
    from logkit.sinks.saved import Saved
    from logkit.sinks.store import Store

_EXPIRE_SECONDS = 60.0
_DAY_US = 86_400_000_000


class Writer:
    """The loop of `logkit-writer`. What it has in hand stays there until it is committed, also if the thread dies."""

    def __init__(
        self,
        store: Store,
        state: State,
        delivery: ToWriter,
        settings: Settings,
        stopping: threading.Event,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._state = state
        self._delivery = delivery
        self._settings = settings
        self._stopping = stopping
        self._wake = wake
        self._batches: list[Batch] = []
        self._marks: list[Key] = []
        self._seq = 0  # the commit that what is in hand is to become
        self._written: dict[Key, Saved] = {}  # what the store knows of each source
        self._next_commit = 0.0
        self._next_expiry = 0.0
        self._events = 0
        self._error: str | None = None
        self._given_up = self._closed = False
        self.failures = 0  # tries since the last one that did not fail

    def resume(self) -> tuple[Progress, ...]:
        """Put into the state what the store remembers, before the threads start; returns the sources."""
        saved, stats = self._store.load()
        now = time.monotonic()
        known = tuple(restored(one, now) for one in saved)
        self._state.resume(known, stats, self._store.seq, self._store.retention)
        return known

    def loop(self, activity: Activity) -> None:
        """Commit until the delivery is closed and empty, then close the store."""
        while self.step(activity):
            pass
        activity.enter("closing", self._store.path)
        self._store.close()
        self._closed = True

    def step(self, activity: Activity) -> bool:
        """Take what waits and see it into the store; False when there is no more to come."""
        if not self._batches and not self._marks:
            activity.enter("waiting")
            self._batches, self._marks = self._delivery.take(self._next_commit, _EXPIRE_SECONDS)
            self._seq = self._store.seq + 1
        if self._batches or self._marks:
            activity.enter("committing", self._store.path)
            if not self._until_it_works(activity, lambda: self._commit(activity)):
                return False
            self._wake()
        elif self._delivery.closed:
            return False
        if self._expires and time.monotonic() >= self._next_expiry:
            activity.enter("expiring", self._store.path)
            return self._until_it_works(activity, self._expire)
        return True

    def status(self) -> StoreStatus:
        """How the store is doing. Any thread may ask."""
        batches, size = self._delivery.queued
        busy = "writing" if batches or self._batches else "idle"
        troubled = "failed" if self._given_up else "retrying" if self._error else None
        return StoreStatus(
            path=self._store.path,
            seq=self._store.seq,
            state=troubled or ("closed" if self._closed else busy),
            error=self._error,
            waiting_batches=batches,
            waiting_bytes=size,
            events=self._events,
        )

    def _until_it_works(self, activity: Activity, attempt: Callable[[], None]) -> bool:
        """Try again and again, with pauses; False where the engine stops while the store cannot be written."""
        pause, broken = self._settings.retry_seconds, False
        while True:
            try:
                if broken:
                    self._store.recover()
                    broken = False
                attempt()
            except StoreError as error:
                broken = True
                self.failures += 1
                self._error = " ".join(str(error).split())
                activity.failed(error)
            else:
                self._error, self.failures = None, 0
                return True
            with activity.during("retrying"):
                if self._stopping.wait(pause) and self._delivery.closed:
                    # Nothing is lost: what is not committed will be read again by who opens the store next.
                    self._given_up = True
                    return False
            pause = min(2 * max(pause, 0.01), self._settings.max_retry_seconds)

    def _commit(self, activity: Activity) -> None:
        finished = [batch for batch in self._batches if not batch.held]
        sources = self._changed(finished)
        # Else there is nothing to write, or it did take effect and only the news of it was lost.
        if self._store.seq < self._seq and (finished or sources):
            frames = [EventFrame(b.source, b.generation, b.frame) for b in finished if b.frame is not None]
            self._store.commit(frames, sources, Stats.sum(batch.stats for batch in finished))
            self._next_commit = time.monotonic() + self._settings.commit_seconds
        self._state.commit_stored(self._batches, self._store.seq, self._store.retention)
        self._written.update({(one.source, one.generation): one for one in sources})
        count, events = len(self._batches) + len(self._marks), sum(batch.events for batch in finished)
        self._batches, self._marks = [], []
        self._delivery.done(count)
        self._events += events
        activity.events += events
        activity.spans += 1
        self._state.tidy()

    def _changed(self, finished: Sequence[Batch]) -> list[Saved]:
        """What is to be written down of the sources, as they are once these batches are committed."""
        after: dict[Key, Progress] = {}
        for key in (*self._marks, *((batch.source, batch.generation) for batch in finished)):
            progress = self._state.progress(key)
            if progress is not None and progress.ranges:
                after[key] = progress
        for batch in finished:
            key = batch.source, batch.generation
            after[key] = committed(after.get(key) or self._known(key), batch)
        saved = map(saved_of, after.values())
        return [one for one in saved if _told(one) != _told(self._written.get((one.source, one.generation)))]

    def _known(self, key: Key) -> Progress:
        progress = self._state.progress(key)
        assert progress is not None, f"a batch of {key}, which nobody planned"
        return progress

    @property
    def _expires(self) -> bool:
        return self._settings.keep_days is not None or self._settings.max_store_bytes is not None

    def _expire(self) -> None:
        """Retention: drop the rows that are older or more than the settings allow; the store keeps count of them."""
        days = self._settings.keep_days
        oldest = None if days is None else int(time.time() * 1e6 - days * _DAY_US)
        self._store.expire(oldest, self._settings.max_store_bytes)
        self._state.commit_stored((), self._store.seq, self._store.retention)
        self._next_expiry = time.monotonic() + _EXPIRE_SECONDS


def _told(saved: Saved | None) -> Saved | None:
    """What of it is worth a commit of its own."""
    return saved and replace(saved, seen_bytes=0, disk_bytes=0, modified=0.0)

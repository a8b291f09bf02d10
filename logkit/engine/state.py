"""The only shared mutable object: everything the engine knows, behind one lock."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from logkit.capture import EventFrame, SourceStatus
from logkit.engine.known import Key
from logkit.engine.progress import Progress, committed, took
from logkit.engine.status import status_of
from logkit.engine.trace import TracedLock
from logkit.sources import Batch
from logkit.stats import Stats

_MERGE_PARTS = 64
_MERGE_FRAMES = 512
_SMALL_ROWS = 2048


@dataclass(frozen=True, slots=True)
class Totals:
    """A few counts of one instant, for a progress bar: bytes of all sources, finished and on disk."""

    version: int
    events: int
    finished_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class View:
    """References to everything a snapshot needs, of one instant."""

    version: int
    parts: tuple[Stats, ...]
    frames: tuple[EventFrame, ...]
    statuses: tuple[SourceStatus, ...]
    dropped_events: int
    seq: int
    """The commit of the store that all of this agrees with, and (`retention`) how often it had dropped rows."""
    retention: int


class State:
    """What was read so far. Batches are committed to it, the watcher moves progress along, anybody takes a view.

    Without a store a worker commits each batch as it has read it. With one (`stored`) it only takes the batch's bytes,
    and the writer commits it once the store has; its rows are then the store's to keep.

    Every method may be called from any thread, and none does I/O, parsing or a callback under the lock.
    """

    def __init__(self, keep_events: int, keep_bytes: int, *, stored: bool = False) -> None:
        # guards: everything below. Re-entrant, so that a method may call another one. Held for microseconds:
        # only references are copied and assigned, and a handful of integers added up.
        self._lock = TracedLock("the state's lock")
        # notified when the engine settles or stops; shares the lock
        self._settled = threading.Condition(self._lock.lock)
        self._keep_events = keep_events
        self._keep_bytes = keep_bytes
        self._stored = stored
        self._seq = self._retention = 0
        self._progress: dict[Key, Progress] = {}
        self._status: dict[Key, SourceStatus] = {}
        self._parts: list[Stats] = []
        self._frames: deque[EventFrame] = deque()
        self._held: dict[Key, Batch] = {}  # records still open at the end of a source, as they are shown
        self._open: dict[Key, Batch] = {}  # the same as they were read last: with a store, what is shown follows
        self._kept_events = 0
        self._kept_bytes = 0
        self._counted = 0
        self._version = 0
        self._merging = False
        self._merge_frames = _MERGE_FRAMES
        self._asked = 0  # tickets given to those who wait for the engine to settle
        self._answered = 0  # the newest ticket for which it has settled
        self._closed = False

    # -- progress: planned by the watcher, moved along by workers

    def progress(self, key: Key) -> Progress | None:
        """What was read of one generation of a source."""
        with self._lock:
            return self._progress.get(key)

    def change(self, key: Key, how: Callable[[Progress], Progress]) -> Progress:
        """Replace a source's progress by a pure function of it, as one step."""
        with self._lock:
            before = self._progress[key]
            after = how(before)
            if after is not before:
                self._put_locked(after)
            return after

    def add(self, progress: Progress) -> None:
        """A source, or a new generation of one, nobody knew."""
        with self._lock:
            self._put_locked(progress)

    def remove(self, key: Key) -> None:
        """Forget a source of which nothing was read: it turned out to be another one."""
        with self._lock:
            del self._progress[key], self._status[key]
            self._version += 1

    def all_progress(self) -> tuple[Progress, ...]:
        """All sources, of one instant."""
        with self._lock:
            return tuple(self._progress.values())

    def _put_locked(self, progress: Progress) -> None:
        self._progress[progress.key] = progress
        self._status[progress.key] = status_of(progress)
        self._version += 1

    # -- batches

    def take(self, batch: Batch) -> None:
        """From now on the bytes of a batch are not to be read again; it is to be committed.

        Raises `Overtaken`, and changes nothing, where some of its bytes are taken already.
        """
        key = batch.source, batch.generation
        with self._lock:
            self._put_locked(took(self._progress[key], batch))
            self._open.pop(key, None)
            if batch.held:
                self._open[key] = batch

    def commit(self, batch: Batch) -> None:
        """Take one batch and commit it as a whole: its statistics, its rows and its byte range become visible at once.

        Raises `Overtaken`, and changes nothing, where some of its bytes are taken already.
        """
        with self._lock:
            self.take(batch)
            self._commit_locked(batch)

    def commit_stored(self, batches: Sequence[Batch], seq: int, retention: int) -> None:
        """Commit batches that were taken, and that the store has by now, as one step."""
        with self._lock:
            for batch in batches:
                self._commit_locked(batch)
            self._version += (seq, retention) != (self._seq, self._retention)
            self._seq, self._retention = seq, retention

    def resume(self, known: Sequence[Progress], stats: Stats, seq: int, retention: int) -> None:
        """Begin with what a store remembers."""
        with self._lock:
            for progress in known:
                self._put_locked(progress)
            self._parts.append(stats)
            self._counted = stats.events
            self._seq, self._retention = seq, retention

    def held(self, key: Key) -> Batch | None:
        """The record still open at the end of a source, as it was read last."""
        with self._lock:
            return self._open.get(key)

    def _commit_locked(self, batch: Batch) -> None:
        key = batch.source, batch.generation
        self._put_locked(committed(self._progress[key], batch))
        self._held.pop(key, None)
        if batch.held:
            self._held[key] = batch
            return
        if batch.events:
            self._parts.append(batch.stats)
            self._counted += batch.events
        frame = None if self._stored else _frame_of(batch)
        if frame is not None:
            self._frames.append(frame)
            self._kept_events += frame.frame.height
            self._kept_bytes += frame.nbytes
            self._drop_old_locked()

    def _drop_old_locked(self) -> None:
        while self._frames and (
            self._kept_events - self._frames[0].frame.height >= self._keep_events or self._kept_bytes > self._keep_bytes
        ):
            oldest = self._frames.popleft()
            self._kept_events -= oldest.frame.height
            self._kept_bytes -= oldest.nbytes

    def tidy(self) -> None:
        """Merge parts that have piled up. Called by workers between batches; the merging is done outside the lock."""
        with self._lock:
            if self._merging:
                return
            parts = tuple(self._parts) if len(self._parts) >= _MERGE_PARTS else ()
            frames = tuple(self._frames) if len(self._frames) >= self._merge_frames else ()
            if not parts and not frames:
                return
            self._merging = True
        try:
            merged = Stats.sum(parts) if parts else None
            fewer = _merge_small(frames)
            with self._lock:
                if merged is not None:
                    self._parts[: len(parts)] = [merged]
                if len(fewer) < len(frames):
                    self._swap_frames_locked(frames, fewer)
                # Frames of many sources may not merge at all: try again only when there are twice as many.
                self._merge_frames = max(_MERGE_FRAMES, 2 * len(fewer))
        finally:
            with self._lock:
                self._merging = False

    def _swap_frames_locked(self, taken: tuple[EventFrame, ...], fewer: list[EventFrame]) -> None:
        """Put `fewer` in the place of those of `taken` that are still there: meanwhile the oldest may have gone."""
        if not self._frames or self._frames[0] is not taken[0]:
            return
        for _ in taken:
            self._frames.popleft()
        self._frames.extendleft(reversed(fewer))
        self._kept_bytes = sum(frame.nbytes for frame in self._frames)

    # -- reading it

    def view(self) -> View:
        """References to all of it, of one instant."""
        with self._lock:
            held = tuple(self._held.values())
            version, dropped = self._version, self._counted - self._kept_events
            parts, frames = tuple(self._parts), tuple(self._frames)
            statuses = tuple(self._status.values())
            seq, retention = self._seq, self._retention
        parts += tuple(batch.stats for batch in held)
        frames += tuple(frame for frame in map(_frame_of, held) if frame is not None)
        if self._keep_events == 0:
            dropped += sum(batch.events for batch in held)
        return View(version, parts, frames, statuses, 0 if self._stored else dropped, seq, retention)

    def totals(self) -> Totals:
        """Counts for a progress bar."""
        with self._lock:
            known = tuple(self._progress.values())
            version, events = self._version, self._counted
        return Totals(version, events, sum(map(_read, known)), sum(p.disk_bytes for p in known))

    # -- settling

    def ask(self) -> int:
        """A ticket: `answered(ticket)` once everything that was on disk when it was drawn has been read."""
        with self._lock:
            self._asked += 1
            return self._asked

    @property
    def asked(self) -> int:
        """The newest ticket drawn."""
        with self._lock:
            return self._asked

    @property
    def is_asked(self) -> bool:
        """Whether somebody waits for an answer."""
        with self._lock:
            return self._asked > self._answered

    def answer(self, ticket: int) -> None:
        """Wake those whose ticket is this or an older one."""
        with self._lock:
            if ticket > self._answered:
                self._answered = ticket
                self._settled.notify_all()

    def close(self) -> None:
        """No more will come: wake everybody who waits."""
        with self._lock:
            self._closed = True
            self._settled.notify_all()

    def wait_answer(self, ticket: int, timeout_seconds: float | None) -> bool:
        """Wait until a ticket is answered; False where the deadline passes or the engine stops first."""
        with self._lock:
            self._settled.wait_for(lambda: self._answered >= ticket or self._closed, timeout_seconds)
            return self._answered >= ticket


def _frame_of(batch: Batch) -> EventFrame | None:
    if batch.frame is None or not batch.frame.height:
        return None
    return EventFrame(batch.source, batch.generation, batch.frame, batch.held, batch.nbytes)


def _read(progress: Progress) -> int:
    """Bytes read as far as a bar goes: of a compressed file it is not known how many will come."""
    if not progress.leases and (progress.serial or not progress.unread_bytes):
        return progress.disk_bytes
    return min(progress.seen_bytes, progress.disk_bytes)


def _merge_small(frames: tuple[EventFrame, ...]) -> list[EventFrame]:
    """Fewer frames with the same rows: the small ones of a source joined, at the place of the newest of them."""
    import polars as pl

    small: dict[Key, list[EventFrame]] = {}
    for frame in frames:
        if frame.frame.height < _SMALL_ROWS:
            small.setdefault((frame.source, frame.generation), []).append(frame)
    merged: list[EventFrame] = []
    for frame in frames:
        group = small.get((frame.source, frame.generation), [])
        if frame.frame.height >= _SMALL_ROWS or len(group) < 2:
            merged.append(frame)
        elif frame is group[-1]:
            # Appending nothing copies the strings, so that many blocks need not live on for a few rows.
            rows = pl.concat([one.frame for one in group], how="diagonal", rechunk=True)
            strings = [name for name, dtype in rows.schema.items() if dtype == pl.String]
            rows = rows.with_columns(pl.concat_str(name, pl.lit("")).alias(name) for name in strings)
            merged.append(replace(frame, frame=rows, nbytes=int(rows.estimated_size())))
    return merged

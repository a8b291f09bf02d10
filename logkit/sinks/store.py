"""`Store`: the one handle that writes a store, a commit at a time."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from logkit.errors import StoreError
from logkit.sinks import making, progress, registry, retention, sums
from logkit.sinks.ddl import quoted
from logkit.sinks.opening import check_whole, connect, explained, head_of, locked, real
from logkit.sinks.rows import rows_of
from logkit.sinks.saved import Expired, Saved

if TYPE_CHECKING:
    import duckdb

    from logkit.capture import EventFrame
    from logkit.sinks.view import StoreView
    from logkit.stats import Stats

_COMMIT_TIMES_US: Final = 60 * 1_000_000  # retention by age is this exact for events without a time


class Store:
    """A store open for writing: rows, progress and statistics go in together, or not at all.

    For one thread at a time; views of it may be asked by any thread meanwhile. After an error of `commit` or
    `expire` call `recover` until it succeeds; `seq` then tells whether the commit took effect.
    """

    def __init__(self, path: str, lineage: str, clock: Callable[[], float]) -> None:
        self.path = path
        self.lineage = lineage
        self.seq = 0
        self.retention = 0
        self._clock = clock
        self._root: duckdb.DuckDBPyConnection | None = None
        self._writer: duckdb.DuckDBPyConnection | None = None
        self._columns: dict[str, str] = {}
        self._deltas = 0
        self._timed_us = 0

    @classmethod
    def open(cls, path: str | os.PathLike[str], clock: Callable[[], float] = time.time) -> Store:
        """Create the store at `path`, or go on with the one that is there. `clock` gives seconds since 1970.

        Raises PathError where its folder does not exist, StoreLocked where this or another process uses it,
        StoreCorrupt, StoreVersion or StoreError where the file is no store that can be gone on with; then it is
        left exactly as it was.
        """
        name = real(path)
        if registry.is_open(name):
            raise locked(name, os.getpid())
        making.make_if_missing(name, int(clock() * 1e6))
        # Looked at first by a connection that cannot write: even opening another database for writing may change it.
        with contextlib.closing(connect(name, read_only=True)) as connection:
            head = head_of(connection, name)
            check_whole(connection, name)
        store = cls(name, head.lineage, clock)
        store._connect()
        return store

    def load(self) -> tuple[tuple[Saved, ...], Stats]:
        """What is known of all sources, ordered by (source, generation), and the statistics, as of the last commit."""
        with self._working("read") as writer:
            return progress.load(writer), sums.load(writer)

    def commit(self, frames: Sequence[EventFrame], sources: Sequence[Saved], stats: Stats) -> int:
        """Store these events, what is now known of these sources, and add `stats`, as one; returns the new `seq`.

        The bytes of all blocks the frames point into must stay as they are meanwhile. Raises StoreError.
        """
        rows = rows_of(frames, self._columns)
        seq, now_us = self.seq + 1, int(self._clock() * 1e6)
        timed = now_us - self._timed_us >= _COMMIT_TIMES_US
        with self._transaction() as writer:
            progress.save(writer, sources)
            deltas = sums.add(writer, seq, stats, self._deltas)
            if timed:
                writer.execute("INSERT INTO logkit_commits VALUES ($seq, $now)", {"seq": seq, "now": now_us})
            writer.execute("UPDATE logkit_store SET seq = $seq", {"seq": seq})
            # The rows last: while one thread did the above, readers had the other cores, and room to go on.
            if rows is not None:
                for name, kind in rows.added.items():
                    writer.execute(f"ALTER TABLE events ADD COLUMN {quoted(name)} {kind}")
                writer.register("arriving", rows.table)
                writer.execute(rows.insert("arriving"), {"seq": seq})
                writer.unregister("arriving")
        self.seq, self._deltas = seq, deltas
        if rows is not None:
            self._columns |= rows.added
        if timed:
            self._timed_us = now_us
        return seq

    def expire(self, older_than_us: int | None, max_bytes: int | None) -> tuple[Expired, ...]:
        """Drop events of before `older_than_us` (µs since 1970; those without a time go by their commit's), then the
        oldest commits until the store takes no more than `max_bytes`; None asks for neither.

        Statistics keep counting what is dropped; views from before raise SnapshotExpired. The bytes are those of
        blocks in use: the file does not shrink, its free blocks are used again. Returns what was dropped.
        """
        dropped: list[Expired] = []
        if older_than_us is not None:
            dropped += self._drop(lambda writer: retention.drop_before(writer, older_than_us))
        # Blocks of dropped rows count as used until a checkpoint: without one, more would be dropped than is needed.
        if max_bytes is not None and self.used_bytes() > max_bytes and self._checkpoint():
            used = self.used_bytes()
            if used > max_bytes:
                dropped += self._drop(lambda writer: retention.drop_oldest(writer, used, max_bytes))
        if dropped:
            with self._working("tidy up") as writer:
                writer.execute("SET max_vacuum_tasks = 100")
                self._checkpoint()
                writer.execute("SET max_vacuum_tasks = 0")
        return retention.summed(dropped)

    def used_bytes(self) -> int:
        """What the store takes on disk, blocks left free in the file aside."""
        with self._working("measure") as writer:
            return retention.used_bytes(writer, self.path)

    def recover(self) -> None:
        """Close everything and open the store again; `seq` and `retention` are then what it really holds.

        Raises StoreError while that is not possible: a full disk, or a query that still holds the broken database.
        """
        registry.enter(self.path, None)
        self._disconnect()
        self._connect()

    def view(self) -> StoreView:
        """The events as of the last commit: a value that any thread may ask, now and later."""
        from logkit.sinks.view import StoreView

        return StoreView(self.path, self.lineage, self.seq, self.retention)

    def close(self) -> None:
        """Write everything to its place in the file and let go of it. Safe to call twice."""
        if self._writer is not None:
            self._checkpoint()
        self._disconnect()
        registry.leave(self.path)

    def _connect(self) -> None:
        import duckdb

        root = connect(self.path, read_only=False)
        try:
            head = head_of(root, self.path)
            if head.lineage != self.lineage:
                raise StoreError(f"expected the store {self.path!r} to be itself, found another one", path=self.path)
            columns = root.execute("SELECT column_name, column_type FROM (DESCRIBE main.events)").fetchall()
            self._deltas = sums.deltas(root)
            self._timed_us = retention.last_time_us(root)
            writer = root.cursor()
        except duckdb.Error as error:
            root.close()
            raise explained(error, self.path) from error
        except BaseException:
            root.close()
            raise
        self._columns, self.seq, self.retention = dict(columns), head.seq, head.retention
        self._root, self._writer = root, writer
        registry.enter(self.path, root)

    def _disconnect(self) -> None:
        for connection in (self._writer, self._root):
            if connection is not None:
                connection.close()
        self._writer = self._root = None

    @contextmanager
    def _working(self, doing: str) -> Iterator[duckdb.DuckDBPyConnection]:
        import duckdb

        if self._writer is None:
            raise StoreError(f"expected the store {self.path!r} to be open to {doing}, found it closed", path=self.path)
        try:
            yield self._writer
        except (duckdb.Error, ValueError) as error:
            raise explained(error, self.path) from error

    @contextmanager
    def _transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """All or nothing; after a failure the store has to recover, for nobody knows what a failed commit left."""
        with self._working("write") as writer:
            writer.begin()
            try:
                yield writer
                writer.commit()
            except BaseException:
                self._writer = None
                writer.close()  # rolls back
                raise

    def _drop(self, drop: Callable[[duckdb.DuckDBPyConnection], list[Expired]]) -> list[Expired]:
        with self._transaction() as writer:
            dropped = drop(writer)
        self.retention += bool(dropped)
        return dropped

    def _checkpoint(self) -> bool:
        """Move what was committed to its place in the file, and free what was dropped; whether that could be done."""
        import duckdb

        with self._working("write") as writer:
            try:
                writer.execute("CHECKPOINT")
            except duckdb.Error:
                # Nothing is lost: it stays in the log beside the file, for the next checkpoint or whoever opens it.
                return False
        return True

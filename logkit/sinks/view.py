"""`StoreView`: the events of a store as of one commit, asked a query at a time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from logkit import schema
from logkit.capture import Capture, SourceStatus
from logkit.errors import SnapshotExpired, StoreError
from logkit.sinks import opening
from logkit.sinks.filters import KEYS, RowFilter
from logkit.sinks.reading import Bound, columns_of, connection_to
from logkit.stats import Limits, Stats

if TYPE_CHECKING:
    import duckdb

_BATCH_ROWS: Final = 122_880
_FOLD_BATCHES: Final = 16
_COMMON: Final = (*schema.COMMON, *KEYS)


@dataclass(frozen=True, slots=True)
class Kept:
    """What a store has of one generation of a source: its rows and the sum of their `length_bytes`, and what
    retention has dropped of it so far."""

    events: int = 0
    bytes: int = 0
    expired_events: int = 0
    expired_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Query:
    """A connection in a transaction that can only read, and the SQL for a view's rows in it.

    `columns` has each field's SQL, the common ones first.
    """

    connection: duckdb.DuckDBPyConnection
    columns: dict[str, str]
    condition: str

    def ask(self, what: str, source: str = "main.events", rest: str = "") -> duckdb.DuckDBPyRelation:
        """What is asked of the view's rows; none of these texts is ever made of what was read from a log."""
        return self.connection.sql(f"SELECT {what} FROM {source} WHERE {self.condition}{rest}")

    def table(self, what: str, rest: str = "") -> pl.DataFrame:
        """What is asked of the view's rows, as a frame of columns called as the query calls them."""
        found = pl.from_arrow(self.ask(what, rest=rest).to_arrow_table())
        assert isinstance(found, pl.DataFrame)
        return found

    def rows(self, names: Sequence[str]) -> duckdb.DuckDBPyRelation:
        """The columns of these fields, in this order."""
        # text as views, as Polars has it: nothing is copied, and no batch is too long for offsets of 32 bits
        self.connection.execute("SET SESSION arrow_output_version = '1.4'")
        return self.ask(", ".join(self.columns[name] for name in names))


@dataclass(frozen=True, slots=True)
class StoreView:
    """Events of a store as of commit `seq`: those with `after` < their commit <= `seq` that pass all `filters`.

    A value: it holds no connection, every method opens one for as long as it runs, and any thread may call it. Each
    raises SnapshotExpired where retention has dropped rows since (unless it says otherwise), StoreLocked where
    another process writes to the store, and StoreError where the file is gone or is another store by now.
    """

    path: str
    lineage: str
    seq: int
    retention: int
    after: int = 0
    filters: tuple[RowFilter, ...] = ()

    def where(self, asked: RowFilter) -> StoreView:
        """The rows that pass `asked` too."""
        return replace(self, filters=(*self.filters, asked))

    def since(self, earlier: StoreView) -> StoreView:
        """The rows committed after `earlier`, a view of the same store."""
        return replace(self, after=max(self.after, earlier.seq))

    def whole(self) -> StoreView:
        """All rows as of this commit."""
        return replace(self, after=0, filters=())

    def fields(self) -> tuple[str, ...]:
        """The names of the formats' own fields that events of the store have, in the order they first occurred."""
        with self.query() as query:
            return tuple(name for name in query.columns if name not in _COMMON)

    def frame(self, fields: Sequence[str] | None = None) -> pl.DataFrame:
        """All rows, in no order: the columns of `schema.COMMON`, source, generation and the formats' own fields, or
        just `fields` (without those the store does not have). All of it is in memory at once."""
        with self.query(fields) as query:
            names = [name for name in fields or query.columns if name in query.columns]
            return _polars(query.rows(names).to_arrow_table(), names)

    def batches(self, fields: Sequence[str]) -> Iterator[pl.DataFrame]:
        """The same a few rows at a time, as one consistent whole, never all of them in memory."""
        import pyarrow as pa

        with self.query(fields) as query:
            names = [name for name in fields if name in query.columns]
            for batch in query.rows(names).to_arrow_reader(_BATCH_ROWS):
                yield _polars(pa.Table.from_batches([batch]), names)

    def count(self, *, expired_too: bool = False) -> int:
        """How many rows there are; `expired_too`: how many are left, if retention has dropped some since."""
        with self.query((), expired_too=expired_too) as query:
            return _number(query.ask("count(*)"))

    def at_rest(self, sources: tuple[SourceStatus, ...], stats: Stats) -> Capture:
        """What is known of a store that was opened to be read. Opens no connection."""
        return Capture(
            lineage=self.lineage,
            version=self.seq,
            taken_at=time.time(),
            clock=time.monotonic(),
            state="stored",
            roots=(self.path,),
            timezone="UTC",
            parts=(stats,),
            frames=(),
            keep_events=0,
            keep_bytes=0,
            dropped_events=0,
            sources=sources,
            threads=(),
            queue_depth=0,
            queue_size=0,
            store=self,
            patterns=stats.events > 0 and stats.has_patterns,
        )

    @contextmanager
    def held_open(self) -> Iterator[None]:
        """Until the end of the `with` the store stays open between queries, and what they read stays in memory."""
        with connection_to(self.path):
            yield

    def stats(self, limits: Limits) -> Stats:
        """The statistics of all rows, counted a few at a time."""
        total, parts = Stats.empty(limits), []
        for batch in self.batches((*schema.STATS_FIELDS, "rejected")):
            parts.append(Stats.of(batch, limits))
            if len(parts) == _FOLD_BATCHES:
                total, parts = Stats.sum((total, *parts)), []
        return Stats.sum((total, *parts))

    def ledger(self) -> dict[tuple[int, int], Kept]:
        """What the store has of each source and generation, counted row by row as of this commit, filters aside."""
        with self.whole().query(()) as query:
            rows = query.connection.sql(
                "SELECT source, generation, coalesce(n, 0), coalesce(size, 0), expired_events, expired_bytes FROM "
                "(SELECT source, generation, count(*) AS n, sum(length_bytes)::BIGINT AS size FROM main.events "
                f"WHERE {query.condition} GROUP BY ALL) "
                "FULL JOIN (SELECT source, generation, expired_events, expired_bytes FROM main.logkit_sources) "
                "USING (source, generation)"
            ).fetchall()
        return {(row[0], row[1]): Kept(*(number or 0 for number in row[2:])) for row in rows}

    def expired_events(self) -> int:
        """How many rows retention has dropped of the store so far, filters aside; never raises SnapshotExpired."""
        with self.whole().query((), expired_too=True) as query:
            return _number(query.connection.sql("SELECT coalesce(sum(expired_events), 0) FROM main.logkit_sources"))

    @contextmanager
    def query(self, fields: Iterable[str] | None = None, *, expired_too: bool = False) -> Iterator[Query]:
        """A connection to ask something of these fields (None: all), which cannot write; values are its session's
        variables. It is the caller's until the end of the `with`, where it is closed."""
        numbers = count()

        def bound(value: object) -> str:
            name = f"logkit_{next(numbers)}"
            connection.execute(f"SET VARIABLE {name} = $value", {"value": value})
            return f"getvariable('{name}')"

        with connection_to(self.path) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("BEGIN TRANSACTION READ ONLY")
            self._check(opening.head_of(connection, self.path), expired_too)
            filtered = {name for asked in self.filters for name in asked.names()}
            columns = columns_of(connection, None if fields is None else filtered.union(fields), bound)
            yield Query(connection, columns, " AND ".join(self._conditions(columns, bound)))

    def _check(self, found: opening.Head, expired_too: bool) -> None:
        if found.lineage != self.lineage or found.seq < self.seq:
            message = "expected {!r} to be the store of this snapshot, found another one or an older copy of it"
            raise StoreError(message.format(self.path) + "; try logkit.open(...) on it", path=self.path)
        if found.retention != self.retention and not expired_too:
            raise SnapshotExpired(
                "expected all rows of this snapshot to be in its store still, found that retention has dropped rows "
                "since; its statistics still answer, or try a new snapshot"
            )

    def _conditions(self, columns: dict[str, str], bound: Bound) -> Iterator[str]:
        yield f"seq <= {bound(self.seq)}"
        if self.after:
            yield f"seq > {bound(self.after)}"
        for asked in self.filters:
            yield from asked.conditions(columns, bound)


def _number(relation: duckdb.DuckDBPyRelation) -> int:
    ((number,),) = relation.fetchall()
    return int(number)


def _polars(table: Any, names: Sequence[str]) -> pl.DataFrame:
    """An Arrow table as Polars with these names, the levels in their order."""
    unnamed = table.rename_columns([str(at) for at in range(len(names))])
    frame = pl.from_arrow(unnamed)
    assert isinstance(frame, pl.DataFrame)
    frame.columns = list(names)
    return frame.with_columns(pl.col("level").cast(schema.LEVEL)) if "level" in names else frame

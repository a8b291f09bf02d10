"""`Snapshot`: what the engine knew at one instant, as pandas DataFrames, plots, SQL and a ledger."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl

from logkit.analysis import conditions, rows
from logkit.analysis.columns import need_rows
from logkit.analysis.kept import KeptRows
from logkit.analysis.stored import StoredRows
from logkit.analysis.tables import make
from logkit.capture import AlertStatus, SinkStatus
from logkit.errors import SnapshotError
from logkit.investigation import Investigation
from logkit.stats import Stats

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from logkit.analysis.activity import ActivityFrame
    from logkit.analysis.conditions import Condition
    from logkit.analysis.pattern import Pattern
    from logkit.analysis.timeline import By
    from logkit.capture import Capture, EventFrame
    from logkit.stats.templates import Templates
    from logkit.views.plots import Plots

T = TypeVar("T")


def open(path: str | os.PathLike[str]) -> Snapshot:
    """The snapshot of all that is in a store, as of its last commit; no log is read.

    It holds no lock between two questions: another process may write to the store then, and a question that meets one
    raises StoreLocked. Raises PathError where there is no file, and the StoreError family where it cannot be read.

    >>> logkit.open("incident.duckdb").services    # doctest: +SKIP
    """
    from logkit.sinks.capturing import capture_of

    return Snapshot(capture_of(path))


@dataclass(frozen=True, slots=True, repr=False, eq=False, weakref_slot=True)
class Snapshot(Investigation):
    """A frozen, consistent value: statistics of all events read so far, and the newest events as rows.

    Making one costs microseconds; each part is made when first asked for, then kept. Frames are pandas,
    times UTC (`datetime64[us, UTC]`). A frame is yours to change: the snapshot's own stays as it is. Any thread may
    use it. It asks nothing of the monitor it came from.

    `len(snap)` is the number of events counted, which can be more than `len(snap.events)`: rows are kept within
    `keep_events` and `keep_bytes`, and `dropped_events` says how many are not. With a store all rows are in it and
    none in memory: `events`, `frame` and `rejects` fetch them when first asked for, everything else only counts them.
    Where retention has dropped rows since, what needs rows raises SnapshotExpired; statistics still answer.

    >>> snap.services.query("error_rate > 0.01")                                # doctest: +SKIP
    >>> snap.sql("select service, count(*) from events where level >= 'WARN' group by 1")  # doctest: +SKIP
    >>> (snap2 - snap1).timeline("10s", by="service")                           # doctest: +SKIP
    """

    capture: Capture
    """The references this snapshot is made of."""
    _cache: dict[str, Any] = field(default_factory=dict, init=False)

    # -- what it is ----------------------------------------------------------------------------------

    @property
    def taken_at(self) -> datetime:
        """When the snapshot was taken, UTC."""
        return datetime.fromtimestamp(self.capture.taken_at, UTC)

    @property
    def state(self) -> str:
        """The monitor's state then: running, stopped, failed or finished."""
        return self.capture.state

    @property
    def version(self) -> int:
        """Grows with every change the monitor sees; equal versions of one monitor mean equal contents."""
        return self.capture.version

    @property
    def stats(self) -> Stats:
        """The statistics of all events, kept as rows or not; they add: `snap1.stats + snap2.stats`."""
        return self._once("stats", self.rows.stats)

    @property
    def dropped_events(self) -> int:
        """Events that are counted but are not in `events`: their rows were dropped, or never kept."""
        return self._once("dropped events", lambda: self.rows.dropped(self))

    def __len__(self) -> int:
        return self.stats.events

    # -- tables --------------------------------------------------------------------------------------

    @property
    def services(self) -> pd.DataFrame:
        """One row per service, the busiest first; index `service`.

        events, errors (ERROR and above), error_rate (of its events), warnings, per_second (over its own first to
        last), first_seen, last_seen, p50_ms, p95_ms, p99_ms (within 1 %, NaN without durations), rejects.
        """
        return self._pandas("services").set_index("service")

    @property
    def levels(self) -> pd.DataFrame:
        """Events per service (index, the busiest first) and level (columns; `none` for events without one)."""
        return self._pandas("levels").set_index("service").rename_axis(columns="level")

    def timeline(self, width: Any = None, by: By = "level") -> pd.DataFrame:
        """Events per time bucket: a DatetimeIndex (UTC) without gaps, int64 columns, 0 where nothing happened.

        `width` is a length of time (`"1min"`, a timedelta); None takes one that reads well. Buckets begin at
        multiples of it since 1970. `by="level"` gives a column per level (and `none` where it occurs), `"service"`
        one per service, the busiest first, None only `events`. Events without a time are left out.
        Raises NeedsEvents for a width finer than the statistics' when not all rows were kept.
        """
        from logkit.analysis.timeline import timeline

        made = self._once(f"timeline {width!r} {by!r}", lambda: timeline(self, width, by))
        return made.copy(deep=False)

    @property
    def events(self) -> pd.DataFrame:
        """The rows kept, by (file, generation, offset): the columns of `logkit.rows.COLUMNS`, then the formats' own.

        Of a store all rows, in memory at once: `len(snap)` says how many; `where`, `between` and `sql` fetch fewer.

        timestamp `datetime64[us, UTC]`, level an ordered categorical, text `str`; offset, length_bytes, source and
        generation `int64`, rejected `bool`, every other whole number `Int64`. Own fields called like one of the
        common columns have a `_` behind their name.
        """
        made = self._once("events pandas", lambda: rows.events_to_pandas(self.frame))
        return made.copy(deep=False)

    @property
    def frame(self) -> pl.DataFrame:
        """The same rows as a Polars DataFrame; those kept in memory share the engine's, but for their positions.

        Fields of the formats' own that no row of a store-backed selection has are left out.
        """
        return self._once("frame", self._frame)

    @property
    def shown(self) -> tuple[EventFrame, ...]:
        """The rows as frames, as they are seen: each event names its template if that was asked for.

        Those of a store are all fetched for it.
        """
        return self._once("shown", lambda: self.rows.shown(self))

    @property
    def mined(self) -> tuple[Stats, Templates]:
        """What `patterns` is made of: statistics that have the masked messages, and the templates these belong to."""
        return self._once("mined", self._mine)

    @property
    def named(self) -> Templates | None:
        """The templates that events name in the column `pattern`; None where that was not asked for."""
        return self.capture.templates or (self.mined[1] if self.capture.patterns else None)

    def tables(self, name: str) -> pl.DataFrame:
        """The table `name`, one of `logkit.tables.NAMES`, as Polars: what the pandas frames and SQL are made of."""
        if name == "events":
            return self.frame
        return self._once(f"table {name}", lambda: make(name, self))

    @property
    def files(self) -> pd.DataFrame:
        """One row per generation of each source, by path; sizes are decompressed bytes.

        path, format, compression, source, generation, size_bytes, offset_bytes, lag_bytes, events, rejects, cuts,
        state, attempts, error, modified.
        """
        return self._pandas("files")

    @property
    def skipped(self) -> pd.DataFrame:
        """Paths the last scan passed over: path, reason. Files that were opened and refused are in `files`."""
        import pandas as pd

        return pd.DataFrame(list(self.capture.skipped), columns=["path", "reason"], dtype="str")

    @property
    def rejects(self) -> pd.DataFrame:
        """The records among `events` that their file's format could not read.

        file, offset, length_bytes, reason, text. Of rows that were dropped only the number is known:
        `snap.services.rejects`.
        """
        return self._pandas("rejects")

    @property
    def patterns(self) -> pd.DataFrame:
        """Message templates, the most frequent first: one row per service, level and template.

        pattern (the template's id, the same wherever it occurs), service, level, template (`<*>` where values stand),
        count, share (of all rows of this table), first_seen, last_seen, trend (a line of bars: its events over the time
        all of them span), example (the message with the smallest source, generation and offset). Counted while reading
        with `patterns=True`, else found now in the rows that were kept; raises NeedsEvents where none was.
        """
        return self._pandas("patterns")

    def pattern(self, pattern: str) -> Pattern:
        """The template with this id in `patterns`: its counts, its events, and in `.parameters` what was masked.

        Raises SettingError for an id that none has.
        """
        from logkit.analysis.pattern import find

        return find(self, pattern)

    def with_patterns(self) -> Snapshot:
        """The same with a column `pattern` in `events`: the id, in `patterns`, of each event's template.

        Selections and differences of the result keep its templates and ids. A field of the format's own that is called
        so becomes `pattern_`. The rows of a store stay in it.
        """
        return self._once("with patterns", self._named)

    @property
    def threads(self) -> pd.DataFrame:
        """One row per engine thread.

        name, alive, state, doing, since (UTC), for_seconds, spans, events, bytes, busy_seconds, failures, last_error.
        """
        return self._pandas("threads")

    @property
    def sinks(self) -> pd.DataFrame:
        """One row per sink, in the order they were given.

        name, kind, state (writing, idle, retrying, failed or closed), error, events and commits (since the start),
        waiting_events, waiting_bytes (of memory), dropped_events, dropped_bytes (of log, sent after a restart),
        dead_letters (refused for good), failures.
        """
        return self._rows_of(self.capture.sinks, SinkStatus)

    @property
    def alerts(self) -> pd.DataFrame:
        """One row per alert of `monitor.when`: name, state (quiet, pending or firing), since (UTC), fired, checks,
        failures, error (what its functions raised last)."""
        import pandas as pd

        made = self._rows_of(self.capture.alerts, AlertStatus)
        made["since"] = pd.to_datetime(made["since"].astype("float64"), unit="s", utc=True).astype(
            "datetime64[us, UTC]"
        )
        return made

    def activity(self, last_seconds: float | None = None) -> ActivityFrame:
        """What the engine's threads did until then: a DataFrame with one row per interval, thread by thread.

        thread, state, doing (str), start, end (UTC), seconds. Of each thread the newest `keep_intervals` are there;
        with `last_seconds` only those of so long before. `activity.save("trace.json")` writes what Perfetto opens.
        """
        from logkit.analysis.activity import of_capture

        return of_capture(self.capture, last_seconds)

    def audit(self) -> pd.DataFrame:
        """The ledger: one row per generation of each source, by path.

        path, source, generation, seen_bytes, committed_bytes, skipped_bytes, skipped_reason, pending_bytes,
        expired_bytes (retention dropped them), deleted_bytes (gone from disk before they were read), events, rejects,
        balanced (whether seen = committed + skipped + pending + expired). With a store the committed bytes are
        counted anew from its rows, which must also be as many as the engine counted.
        """
        return self._pandas("audit")

    # -- questions -----------------------------------------------------------------------------------

    def sql(self, query: str, **params: object) -> pd.DataFrame:
        """The result of a DuckDB query over events, services, levels, timeline, files, rejects, threads and audit.

        `$name` in the query stands for the parameter `name`. Levels compare by severity: `level >= 'WARN'`;
        what became text on the way (`coalesce(level, 'INFO')`) needs `::level` first. Times are UTC. Nothing outside
        the snapshot can be read or written. Errors are DuckDB's own, with a note that names the tables.

        With a store the query reads only the columns it names, a batch at a time; `between(...).sql(...)` has the
        store skip what is outside of the range, which a condition inside the query does not. Rows come in no order.
        `events` has a column `pattern` where `snap.events` has.

        >>> snap.sql("select * from events where service = $name limit 5", name="payments")  # doctest: +SKIP
        """
        from logkit.analysis import sql

        return sql.run(query, self, params)

    def between(self, start: object = None, end: object = None) -> Snapshot:
        """The events with a time in [start, end).

        Both are datetimes, pandas Timestamps or ISO 8601 text, UTC where they name no zone; None leaves an end open.
        Exact where all rows were kept. Else NeedsEvents says what would do if an end falls inside a bucket of the
        statistics that has events on both sides of it. Files, threads and the ledger stay those of the whole snapshot.
        """
        return self._select(conditions.time_range(start, end))

    def where(self, *, min_level: str | None = None, **fields: object) -> Snapshot:
        """The events whose fields have the values given: `where(service="payments", level=["WARN", "ERROR"])`.

        A field is any column of `events`; of a list any value will do, and None is "has none". `level=` is
        exact, `min_level=` a threshold. Where not all rows were kept only service and level can be asked for,
        else NeedsEvents; where a store's retention dropped some, other fields select among the rows that are left.
        Raises SettingError for a field no event has. Files, threads and the ledger stay those of the whole snapshot.
        """
        return self._select(conditions.fields(fields, min_level, lambda: self.rows.own_fields(self)))

    def to_dask(self, columns: Sequence[str] | None = None) -> Any:
        """All events as a lazy Dask DataFrame, made by the workers where the files are: of what `read(…, cluster=…)`
        has read, or has written with `store=`.

        The index is the number of the row in the order of `events` (file, generation, offset); divisions are known.
        columns: which ones; by default the common ones and those of the formats' own that the reading met, which is
        none where it made no rows (`keep_events=0`): name them. Files that changed since raise when it is computed.
        Raises SnapshotError for a snapshot that no cluster has made, a selection and a difference.
        """
        scattered = self.capture.scattered
        if scattered is None or scattered.lineage != self.capture.lineage:
            raise SnapshotError(
                "expected a snapshot of all that a cluster has read, found "
                + (
                    "one that none has; try read(paths, cluster=client)"
                    if scattered is None
                    else "a part of one; try to_dask() of the whole, and select there"
                )
            )
        return scattered.to_dask(columns)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> str:
        """Put a copy of the store, as of this snapshot's commit, at `path`; returns the copy's real path.

        At any time, while the engine goes on: the copy is consistent and compact, and `logkit.open` reads it anywhere.
        Records still held are not in it. Raises StoreError where there is a file already (unless `overwrite`) or none
        can be written, PathError where the folder does not exist, SnapshotExpired where rows of this snapshot are
        gone, and SnapshotError for a selection, a difference, or a monitor without a store.
        """
        return self.rows.save(path, overwrite=overwrite)

    def __sub__(self, earlier: Snapshot) -> Snapshot:
        """What happened between `earlier` and this: their statistics subtracted, the rows that are only in this.

        A record that was still growing then counts as there already. Rows dropped since count as dropped. Raises
        LineageError unless both come of one monitor by the same filters and `earlier` is the earlier.
        """
        if not isinstance(earlier, Snapshot):
            return NotImplemented
        from logkit.analysis.difference import difference

        return Snapshot(difference(self, earlier))

    @property
    def plot(self) -> Plots:
        """`plot.timeline()`, `plot.services()`, `plot.threads()`: Matplotlib Axes."""
        from logkit.views.plots import Plots

        return Plots(self)

    # -- how it shows --------------------------------------------------------------------------------

    def __repr__(self) -> str:
        from logkit.views import summary

        return summary.text(self)

    def _repr_html_(self) -> str:
        from logkit.views import summary

        return summary.html(self)

    def __dir__(self) -> list[str]:
        return sorted(name for name in dir(type(self)) if not name.startswith("_"))

    # -- how it is made ------------------------------------------------------------------------------

    @property
    def rows(self) -> KeptRows | StoredRows:
        """Where the rows are, and how they are asked for: what tables, SQL and selections are made by."""
        return self._once("rows", self._find_rows)

    def _find_rows(self) -> KeptRows | StoredRows:
        store = self.capture.store
        return KeptRows(self.capture) if store is None else StoredRows(self.capture, store)

    def _select(self, condition: Condition) -> Snapshot:
        return Snapshot(self.rows.selected(self, condition))

    def _frame(self) -> pl.DataFrame:
        made = self.rows.frame(self)
        named = self.capture.patterns or self.capture.templates is not None
        return made if made.height or not named else made.with_columns(pattern=pl.lit("", pl.String))

    def _mine(self) -> tuple[Stats, Templates]:
        from logkit.stats.templates import Templates

        stats = self.stats
        if not stats.has_patterns:
            need_rows(self, "patterns", "patterns=True, or with ")
            stats = self.rows.mined(stats.limits)
        return stats, self.capture.templates or Templates.of(stats)

    def _named(self) -> Snapshot:
        return self if self.capture.templates is not None else Snapshot(self.rows.with_patterns(self))

    def _rows_of(self, statuses: Sequence[Any], kind: type) -> pd.DataFrame:
        import pandas as pd

        names = [one.name for one in fields(kind)]
        return pd.DataFrame([[getattr(status, name) for name in names] for status in statuses], columns=names)

    def _pandas(self, name: str) -> pd.DataFrame:
        made = self._once(f"pandas {name}", lambda: rows.to_pandas(self.tables(name).to_arrow(), nullable=()))
        return made.copy(deep=False)  # copy-on-write: what the caller changes stays the caller's

    def _once(self, name: str, make: Callable[[], T]) -> T:
        """What `make` gives, made once. Two threads may both make it; both get the one that came first."""
        found: T = self._cache[name] if name in self._cache else self._cache.setdefault(name, make())
        return found

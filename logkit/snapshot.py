"""`Snapshot`: what the engine knew at one instant, as pandas DataFrames, plots, SQL and a ledger."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl

from logkit.analysis import conditions, rows
from logkit.analysis.tables import NAMES, make
from logkit.investigation import Investigation
from logkit.stats import Stats

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from logkit.analysis.conditions import Condition
    from logkit.analysis.pattern import Pattern
    from logkit.analysis.timeline import By
    from logkit.capture import Capture, EventFrame
    from logkit.stats.templates import Templates
    from logkit.views.plots import Plots

T = TypeVar("T")


@dataclass(frozen=True, slots=True, repr=False, eq=False, weakref_slot=True)
class Snapshot(Investigation):
    """A frozen, consistent value: statistics of all events read so far, and the newest events as rows.

    Making one costs microseconds; each part is made when first asked for, then kept. Frames are pandas,
    times UTC (`datetime64[us, UTC]`). A frame is yours to change: the snapshot's own stays as it is. Any thread may
    use it. It asks nothing of the monitor it came from.

    `len(snap)` is the number of events counted, which can be more than `len(snap.events)`: rows are kept within
    `keep_events` and `keep_bytes`, and `dropped_events` says how many are not.

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
        return self._once("stats", lambda: Stats.sum(self.capture.parts))

    @property
    def dropped_events(self) -> int:
        """Events that are counted but are not in `events`: their rows were dropped, or never kept."""
        # Not the engine's own count of them: what is exact is decided by this, so it must agree with what is here.
        return max(len(self) - rows.height(self._frames), 0)

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

        events = None if self.dropped_events else lambda: self.frame
        made = self._once(f"timeline {width!r} {by!r}", lambda: timeline(self.stats, events, width, by))
        return made.copy(deep=False)

    @property
    def events(self) -> pd.DataFrame:
        """The rows kept, by (file, generation, offset): the columns of `logkit.rows.COLUMNS`, then the formats' own.

        timestamp `datetime64[us, UTC]`, level an ordered categorical, text `str`; offset, length_bytes, source and
        generation `int64`, rejected `bool`, every other whole number `Int64`. Own fields called like one of the
        common columns have a `_` behind their name.
        """
        made = self._once("events pandas", lambda: rows.events_to_pandas(self.frame))
        return made.copy(deep=False)

    @property
    def frame(self) -> pl.DataFrame:
        """The same rows as a Polars DataFrame that shares the engine's memory; nothing is copied but positions."""
        return self._once("frame", self._joined)

    @property
    def mined(self) -> tuple[Stats, Templates]:
        """What `patterns` is made of: statistics that have the masked messages, and the templates these belong to."""
        return self._once("mined", self._mine)

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
        with `patterns=True`, else found now in the rows that were kept.
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
        so becomes `pattern_`.
        """
        return self._once("with patterns", self._named)

    @property
    def threads(self) -> pd.DataFrame:
        """One row per engine thread.

        name, alive, state, doing, since (UTC), for_seconds, spans, events, bytes, busy_seconds, failures, last_error.
        """
        return self._pandas("threads")

    def audit(self) -> pd.DataFrame:
        """The ledger: one row per generation of each source, by path.

        path, source, generation, seen_bytes, committed_bytes, skipped_bytes, skipped_reason, pending_bytes, events,
        rejects, balanced (whether seen = committed + skipped + pending).
        """
        return self._pandas("audit")

    # -- questions -----------------------------------------------------------------------------------

    def sql(self, query: str, **params: object) -> pd.DataFrame:
        """The result of a DuckDB query over events, services, levels, timeline, files, rejects, threads and audit.

        `$name` in the query stands for the parameter `name`. Levels compare by severity: `level >= 'WARN'`;
        what became text on the way (`coalesce(level, 'INFO')`) needs `::level` first. Times are UTC. Nothing outside
        the snapshot can be read or written. Errors are DuckDB's own, with a note that names the tables.

        >>> snap.sql("select * from events where service = $name limit 5", name="payments")  # doctest: +SKIP
        """
        from logkit.analysis import sql

        return sql.run(query, {name: self.tables(name) for name in NAMES}, params)

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
        else NeedsEvents. Raises SettingError for a field no event has. Files, threads and the ledger stay
        those of the whole snapshot.
        """
        return self._select(conditions.fields(fields, min_level, self.shown))

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
        """`plot.timeline()`, `plot.services()`: Matplotlib Axes."""
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
    def _frames(self) -> tuple[EventFrame, ...]:
        return self._once("frames", lambda: rows.newest(self.capture.frames, self.capture.keep_events))

    def _select(self, condition: Condition) -> Snapshot:
        kept = condition.rows(self.shown, self.capture)
        exact = not self.dropped_events
        stats = rows.stats_of(kept, self.stats.limits) if exact else condition.of_stats(self.stats)
        lineage = f"{self.capture.lineage} | {condition}"
        dropped = max(stats.events - rows.height(kept), 0)
        templates = self.mined[1] if self.capture.patterns else self.capture.templates
        return Snapshot(
            replace(
                self.capture,
                lineage=lineage,
                parts=(stats,),
                frames=kept,
                dropped_events=dropped,
                patterns=False,
                templates=templates,
            )
        )

    def _joined(self) -> pl.DataFrame:
        made = rows.joined(self.shown, self.capture)
        named = self.capture.patterns or self.capture.templates is not None
        return made if made.height or not named else made.with_columns(pattern=pl.lit("", pl.String))

    def _mine(self) -> tuple[Stats, Templates]:
        from logkit.stats.templates import Templates

        stats = self.stats
        if not stats.has_patterns:
            stats = rows.stats_of(self._frames, stats.limits, patterns=True)
        return stats, self.capture.templates or Templates.of(stats)

    def _named(self) -> Snapshot:
        if self.capture.templates is not None:
            return self
        found = self.mined[1]
        return Snapshot(replace(self.capture, frames=rows.named(self._frames, found), patterns=False, templates=found))

    @property
    def shown(self) -> tuple[EventFrame, ...]:
        """The frames as they are seen: each event names its template if that was asked for while reading."""
        if not self.capture.patterns:
            return self._frames
        return self._once("shown", lambda: rows.named(self._frames, self.mined[1]))

    def _pandas(self, name: str) -> pd.DataFrame:
        made = self._once(f"pandas {name}", lambda: rows.to_pandas(self.tables(name).to_arrow(), nullable=()))
        return made.copy(deep=False)  # copy-on-write: what the caller changes stays the caller's

    def _once(self, name: str, make: Callable[[], T]) -> T:
        """What `make` gives, made once. Two threads may both make it; both get the one that came first."""
        found: T = self._cache[name] if name in self._cache else self._cache.setdefault(name, make())
        return found

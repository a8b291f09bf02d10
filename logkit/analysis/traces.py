"""Traces: which events belong to one request, in which order, over all services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from logkit.analysis.columns import ROW, columns
from logkit.analysis.conditions import Condition
from logkit.analysis.rows import to_pandas
from logkit.analysis.stored import StoredRows
from logkit.analysis.windows import Window
from logkit.errors import SettingError

if TYPE_CHECKING:
    import pandas as pd

    from logkit.snapshot import Snapshot

_NAMED: Final = r"(?:trace_?-?id|traceparent|request_?-?id|correlation_?-?id)[\"']?\s*[=:]\s*[\"']?(?:00-)?"
_ID: Final = r"(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-z]{8,64})"
"""How services write a trace id into a message, where their format has no field for it: its name, and itself."""

_FEWEST: Final = 6
_US: Final = 1_000_000
_FOREVER: Final = 1 << 62

COLUMNS: Final = ("timestamp", "since_ms", "service", "level", "message", "duration_ms", "file", "offset")
"""The columns of `Snapshot.trace`."""


def trace_id() -> pl.Expr:
    """The trace an event belongs to: its field `trace_id`, else what its message calls one; else null."""
    unnamed = pl.when(pl.col("trace_id").is_null()).then("message")
    # All of it, then without the name: twice as fast as a group of a match, which takes another engine to find.
    said = unnamed.str.extract_all(rf"(?i)\b{_NAMED}{_ID}").list.first().str.replace(rf"(?i)^{_NAMED}", "")
    return pl.coalesce("trace_id", said).alias("trace")


def trace(snapshot: Snapshot, identity: str, shifts: dict[str, float] | None = None) -> pd.DataFrame:
    """See `Snapshot.trace`; `shifts` are ms to take off each service's clock."""
    wanted = str(identity)
    if len(wanted) < _FEWEST:
        raise SettingError(
            f"expected a trace id of {_FEWEST} characters or more, found {identity!r}; "
            "try one out of the column trace_id of snap.events",
            setting="id",
            value=identity,
        )
    table = columns(snapshot, [ROW, *(name for name in COLUMNS if name != "since_ms")], Condition(trace=wanted))
    if not table.height:
        raise SettingError(
            f"expected a trace id that occurs in the rows kept, found {identity!r} in none; "
            "try one out of the column trace_id of snap.events",
            setting="id",
            value=identity,
        )
    table = shifted(table, shifts or {})
    ends = table.with_columns(resolution_us(snapshot))
    # What has a duration is written at its end: of a second that says no more, that is more likely the end, too.
    rounded = pl.when(pl.col("duration_ms").is_not_null()).then("resolution_us").otherwise(0).cast(pl.Duration("us"))
    ordered = ends.sort(pl.col("timestamp") + rounded, ROW, nulls_last=True)
    since = (pl.col("timestamp") - pl.col("timestamp").min()).dt.total_microseconds() / 1000
    labelled = ordered.with_columns(since.alias("since_ms"))
    frame = to_pandas(labelled.select(COLUMNS).to_arrow(), nullable=())
    return frame.set_index(labelled[ROW].to_pandas().rename(ROW))


def shifted(rows: pl.DataFrame, shifts: dict[str, float]) -> pl.DataFrame:
    """The rows with so many ms taken off the times of each service named."""
    if not shifts:
        return rows
    off = pl.col("service").replace_strict(list(shifts), list(shifts.values()), default=0.0, return_dtype=pl.Float64)
    return rows.with_columns(pl.col("timestamp") - (off * 1000).round().cast(pl.Int64).cast(pl.Duration("us")))


def resolutions(snapshot: Snapshot) -> dict[str, int]:
    """How finely each service writes its time, in µs: 1 s or 1 ms where no event of it says more."""
    return snapshot._once("resolutions", lambda: _resolutions(snapshot))


def _resolutions(snapshot: Snapshot) -> dict[str, int]:
    us = pl.col("timestamp").dt.timestamp("us")
    steps = [(us % step == 0).all().alias(str(step)) for step in (_US, 1000)]
    kept = snapshot.rows
    held = kept.capture.frames if isinstance(kept, StoredRows) else kept.frames
    parts = [part.frame.filter(pl.col("timestamp").is_not_null()).group_by("service").agg(*steps) for part in held]
    if isinstance(kept, StoredRows):
        told = ", ".join(f'bool_and(epoch_us("timestamp") % {step:d} = 0) AS "{step:d}"' for step in (_US, 1000))
        with kept.view.query(("timestamp", "service")) as query:
            parts.append(query.table(f"service, {told}", ' AND "timestamp" IS NOT NULL GROUP BY ALL'))
    if not parts:
        return {}
    table = pl.concat(parts).group_by("service").agg(pl.exclude("service").all())
    return {service: _US if whole else 1000 if milli else 1 for service, whole, milli in table.iter_rows()}


def resolution_us(snapshot: Snapshot) -> pl.Expr:
    """For each row by how much its time may be too early: what its service rounds off."""
    found = resolutions(snapshot)
    return (
        pl.col("service")
        .replace_strict(list(found), list(found.values()), default=1, return_dtype=pl.Int64)
        .alias("resolution_us")
    )


def opening(snapshot: Snapshot, start_us: int | None, stop_us: int | None, most: int, *, last: bool = False) -> Window:
    """The first part of that time (or the last one) which has no more than `most` events, but a bucket of the
    statistics at least: where that many tell all there is to learn."""
    stats = snapshot.stats
    counts = stats.timeline(stats.width_us, None, fill=False)
    at = counts["bucket_us"]
    inside = counts.filter((at + stats.width_us > (start_us or 0)) & (at < (stop_us or _FOREVER)))
    inside = inside.sort("bucket_us", descending=last)
    some = inside.filter((pl.col("events").cum_sum() <= most) | (pl.int_range(pl.len()) == 0))["bucket_us"]
    low, high = (int(some.min()), int(some.max()) + stats.width_us) if len(some) else (0, 0)  # type: ignore[arg-type]
    return Window(max(low, start_us or 0), min(high, stop_us or _FOREVER))

"""The tables of a snapshot as Polars frames with fixed names and dtypes: what pandas and SQL both see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import polars as pl

from logkit import schema
from logkit.analysis import patterns
from logkit.sinks.view import Kept

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from logkit.capture import Capture, SourceStatus
    from logkit.snapshot import Snapshot
    from logkit.stats import Stats

NAMES: Final = ("events", "services", "levels", "timeline", "files", "rejects", "threads", "audit")
"""The tables a snapshot has, and SQL can name."""

_FILES: Final = {
    "path": pl.String(),
    "format": pl.String(),
    "compression": pl.String(),
    "source": pl.Int64(),
    "generation": pl.Int64(),
    "size_bytes": pl.Int64(),
    "offset_bytes": pl.Int64(),
    "lag_bytes": pl.Int64(),
    "events": pl.Int64(),
    "rejects": pl.Int64(),
    "cuts": pl.Int64(),
    "state": pl.String(),
    "attempts": pl.Int64(),
    "error": pl.String(),
    "modified": schema.TIMESTAMP,
}
_AUDIT: Final = {
    "path": pl.String(),
    "source": pl.Int64(),
    "generation": pl.Int64(),
    "seen_bytes": pl.Int64(),
    "committed_bytes": pl.Int64(),
    "skipped_bytes": pl.Int64(),
    "skipped_reason": pl.String(),
    "pending_bytes": pl.Int64(),
    "expired_bytes": pl.Int64(),
    "deleted_bytes": pl.Int64(),
    "events": pl.Int64(),
    "rejects": pl.Int64(),
    "balanced": pl.Boolean(),
}
_THREADS: Final = {
    "name": pl.String(),
    "alive": pl.Boolean(),
    "state": pl.String(),
    "doing": pl.String(),
    "since": schema.TIMESTAMP,
    "for_seconds": pl.Float64(),
    "spans": pl.Int64(),
    "events": pl.Int64(),
    "bytes": pl.Int64(),
    "busy_seconds": pl.Float64(),
    "failures": pl.Int64(),
    "last_error": pl.String(),
}


def make(name: str, snapshot: Snapshot) -> pl.DataFrame:
    """The table of that name; "events" is `snapshot.frame`."""
    match name:
        case "services":
            return services(snapshot.stats)
        case "levels":
            return levels(snapshot.stats)
        case "timeline":
            return timeline(snapshot)
        case "files":
            return files(snapshot.capture)
        case "rejects":
            return rejects(snapshot.rows.rejected())
        case "threads":
            return threads(snapshot.capture)
        case "audit":
            return audit(snapshot.capture, snapshot.rows.ledger())
        case "marks":
            return marks(snapshot.capture)
        case "patterns":
            return patterns.table(*snapshot.mined)
    raise ValueError(f"expected one of {', '.join(NAMES)}, found {name!r}")


def services(stats: Stats) -> pl.DataFrame:
    """One row per service, the busiest first."""
    return (
        stats.by_service()
        .sort("events", "service", descending=[True, False])
        .select(
            *("service", "events", "errors", "error_rate", "warnings", "per_second"),
            pl.col("first_us").cast(schema.TIMESTAMP).alias("first_seen"),
            pl.col("last_us").cast(schema.TIMESTAMP).alias("last_seen"),
            *("p50_ms", "p95_ms", "p99_ms", "rejects"),
        )
    )


def levels(stats: Stats) -> pl.DataFrame:
    """Events per service, the busiest first, and level."""
    table = stats.by_level()
    total = pl.sum_horizontal(pl.exclude("service"))
    return table.sort(total, "service", descending=[True, False])


def timeline(snapshot: Snapshot) -> pl.DataFrame:
    """The timeline by level at its readable width."""
    frame = snapshot.timeline()
    starts = pl.Series("timestamp", cast("pd.DatetimeIndex", frame.index).asi8, pl.Int64).cast(schema.TIMESTAMP)
    return pl.DataFrame([starts, *(pl.Series(name, frame[name].to_numpy()) for name in frame.columns)])


def files(capture: Capture) -> pl.DataFrame:
    """One row per generation of each source, by path; `lag_bytes` is what of the file is not yet read."""
    rows = [
        {
            **{name: getattr(s, name, None) for name in _FILES},
            "lag_bytes": max(s.size_bytes - s.offset_bytes, 0),
            "modified": None if s.modified is None else round(s.modified * 1e6),
        }
        for s in capture.sources
    ]
    return pl.DataFrame(rows, schema=_FILES).sort("path", "source", "generation")


def audit(capture: Capture, ledger: Mapping[tuple[int, int], Kept] | None) -> pl.DataFrame:
    """The ledger, by path; a row is `balanced` if its bytes seen = committed + skipped + pending + expired.

    `ledger` is what a store has, counted row by row: then its bytes are those committed, and its events must be as
    many as the engine counted.
    """
    rows = [_audited(status, ledger) for status in (capture.whole or capture).sources]
    return pl.DataFrame(rows, schema=_AUDIT).sort("path", "source", "generation")


def marks(capture: Capture) -> pl.DataFrame:
    """The notes made, by time."""
    return pl.DataFrame(list(capture.marks), schema={"when": schema.TIMESTAMP, "text": pl.String}, orient="row")


def _audited(status: SourceStatus, ledger: Mapping[tuple[int, int], Kept] | None) -> dict[str, object]:
    committed, expired, agreed = status.committed_bytes, 0, True
    if ledger is not None:
        kept = ledger.get((status.source, status.generation), Kept())
        committed, expired = kept.bytes, kept.expired_bytes
        agreed = status.events == kept.events + kept.expired_events
    known = committed + status.skipped_bytes + status.pending_bytes + expired
    return {
        **{name: getattr(status, name, None) for name in _AUDIT},
        "committed_bytes": committed,
        "expired_bytes": expired,
        "balanced": agreed and status.seen_bytes == known,
    }


def threads(capture: Capture) -> pl.DataFrame:
    """One row per engine thread; `since` is when it began what it is doing, `for_seconds` how long ago that was."""
    rows = []
    for t in capture.threads:
        seconds = max(capture.clock - t.since, 0.0)
        since = round((capture.taken_at - seconds) * 1e6)
        rows.append({**{name: getattr(t, name, None) for name in _THREADS}, "since": since, "for_seconds": seconds})
    return pl.DataFrame(rows, schema=_THREADS)


def rejects(events: pl.DataFrame) -> pl.DataFrame:
    """The records among `events` that their file's format could not read."""
    return events.filter("rejected").select("file", "offset", "length_bytes", "reason", "text")

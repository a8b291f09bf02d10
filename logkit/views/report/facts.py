"""What a report is made of: everything asked of the snapshot, once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from logkit import schema
from logkit.analysis.columns import PATTERN, columns
from logkit.analysis.traces import trace_id
from logkit.analysis.windows import Window, window_of
from logkit.errors import EvidenceLost

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

    from logkit.analysis.evidence import Evidence
    from logkit.analysis.propagation import Propagation
    from logkit.snapshot import Snapshot

_MOST_EXCERPTS: Final = 6
_NEAR_BYTES: Final = 400
_LEAD: Final = 0.25
_LEAST_LEAD_US: Final = 60_000_000


@dataclass(frozen=True, slots=True)
class Quote:
    """A record worth showing, and why. `evidence` is None where its file holds it no longer."""

    why: str
    service: str
    timestamp: datetime | None
    message: str
    file: str
    offset: int
    evidence: Evidence | None


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it; frames are as the snapshot's methods give them."""

    window: Window
    since: datetime
    """From when on a message template counts as having come up with the trouble: a little before the window."""
    impact: pl.DataFrame
    changes: pd.DataFrame
    appeared: pd.DataFrame
    silences: pd.DataFrame
    bursts: pd.DataFrame
    propagation: Propagation
    skew: pd.DataFrame
    quotes: tuple[Quote, ...]
    trace: str | None
    audit: pd.DataFrame


def gather(snapshot: Snapshot, given: Any, baseline: Any) -> Facts:
    """Ask the snapshot all that a report says."""
    window = window_of(snapshot, given)
    lead = max(int(_LEAD * (window.stop_us - window.start_us)), _LEAST_LEAD_US)
    since = Window(window.start_us - lead, window.stop_us).start
    appeared = snapshot.first_seen(since)
    appeared = appeared[appeared["first_seen"] < window.stop]
    changes = snapshot.compare(window, baseline)
    found = snapshot.propagation(window)
    return Facts(
        window=window,
        since=since,
        impact=_impact(snapshot, window),
        changes=changes,
        appeared=appeared,
        silences=snapshot.silences(),
        bursts=snapshot.bursts(),
        propagation=found,
        skew=snapshot.skew(),
        quotes=_quotes(snapshot, window, changes, appeared, found.origin),
        trace=_telling_trace(snapshot, window),
        audit=snapshot.audit(),
    )


def _impact(snapshot: Snapshot, window: Window) -> pl.DataFrame:
    """Each service inside and outside of the window: events, errors, error rate, p95; the first error inside."""
    rows = columns(snapshot, ["timestamp", "service", "level", "duration_ms"])
    us = pl.col("timestamp").dt.timestamp("us")
    inside = us.is_between(window.start_us, window.stop_us, closed="left").fill_null(False)
    error = (pl.col("level").to_physical() >= schema.ERROR_RANK).fill_null(False)
    rows = rows.select("timestamp", "service", "duration_ms", inside.alias("inside"), error.alias("error"))

    def of(which: pl.Expr, suffix: str) -> list[pl.Expr]:
        return [
            which.sum().alias(f"events{suffix}"),
            (which & pl.col("error")).sum().alias(f"errors{suffix}"),
            pl.col("duration_ms").filter(which).quantile(0.95).alias(f"p95{suffix}"),
        ]

    first = pl.col("timestamp").filter(pl.col("inside") & pl.col("error")).min().alias("first_error")
    table = rows.group_by("service").agg(*of(pl.col("inside"), ""), *of(~pl.col("inside"), "_outside"), first)
    return table.sort("errors", "events", "service", descending=[True, True, False])


def _telling_trace(snapshot: Snapshot, window: Window) -> str | None:
    """The trace in which the most services erred, the first of them; None where no error names a trace."""
    errors = _errors(snapshot, window).with_columns(trace_id()).filter(pl.col("trace").is_not_null())
    if not errors.height:
        return None
    counted = errors.group_by("trace").agg(pl.col("service").n_unique(), pl.col("timestamp").min())
    return str(counted.sort("service", "timestamp", "trace", descending=[True, False, False])["trace"][0])


def _errors(snapshot: Snapshot, window: Window) -> pl.DataFrame:
    rows = columns(snapshot, ["timestamp", "service", "level", "trace_id", "message"]).with_row_index("row")
    us = pl.col("timestamp").dt.timestamp("us")
    return rows.filter(
        (pl.col("level").to_physical() >= schema.ERROR_RANK)
        & us.is_between(window.start_us, window.stop_us, closed="left")
    )


def _quotes(
    snapshot: Snapshot, window: Window, changes: pd.DataFrame, appeared: pd.DataFrame, origin: str | None
) -> tuple[Quote, ...]:
    """The records that show what the report says, by time."""
    wanted: dict[int, str] = {}
    patterns = columns(snapshot.with_patterns(), ["timestamp", "pattern"]).with_row_index("row")
    patterns = patterns.filter(pl.col("timestamp").is_not_null()).with_columns(pl.col("pattern").cast(pl.String))
    own = _errors(snapshot, window).filter(pl.col("service") == origin).sort("timestamp")
    if own.height:
        wanted[int(own["row"][0])] = "the first error where the trouble began"
    grown = changes[(changes["dimension"] == PATTERN) & (changes["odds_ratio"] > 1)]
    reasons: list[tuple[str, str, datetime | None]]
    reasons = [(str(key), "the first of its kind", None) for key in appeared[PATTERN].drop_duplicates().head(2)]
    reasons += [
        (str(key), "of the messages that changed most, the first", window.start) for key in grown["key"].head(6)
    ]
    for key, why, since in reasons:
        rows = patterns.filter(pl.col("pattern") == key)
        rows = rows.filter(pl.col("timestamp") >= since) if since is not None else rows
        if rows.height:
            wanted.setdefault(int(rows.sort("timestamp")["row"][0]), why)
    places = columns(snapshot, ["file", "offset"])
    quotes: list[Quote] = []
    seen: set[tuple[str, int]] = set()
    for row, why in wanted.items():
        file, offset = places.row(row)
        near = {(file, offset // _NEAR_BYTES + step) for step in (-1, 0, 1)}
        if len(quotes) < _MOST_EXCERPTS and not near & seen:  # what stands beside another shows in its context
            seen.add((file, offset // _NEAR_BYTES))
            quotes.append(_quote(snapshot, row, why))
    return tuple(sorted(quotes, key=_moment))


def _moment(quote: Quote) -> tuple[bool, float]:
    return quote.timestamp is None, quote.timestamp.timestamp() if quote.timestamp else 0.0


def _quote(snapshot: Snapshot, row: int, why: str) -> Quote:
    facts = columns(snapshot, ["timestamp", "service", "message", "file", "offset"]).row(row, named=True)
    try:
        evidence = snapshot.locate(row, context=2)
    except EvidenceLost:  # said in the report: the message as it was read stands in its place
        evidence = None
    return Quote(why=why, evidence=evidence, **facts)

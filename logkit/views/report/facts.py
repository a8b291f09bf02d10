"""What a report is made of: everything asked of the snapshot, once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from logkit import schema
from logkit.analysis.columns import PATTERN, PLACE, columns
from logkit.analysis.conditions import Condition
from logkit.analysis.traces import trace_id
from logkit.analysis.windows import Window
from logkit.errors import EvidenceLost, NeedsEvents

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

    from logkit.analysis.evidence import Evidence
    from logkit.analysis.propagation import Propagation
    from logkit.snapshot import Snapshot
    from logkit.stats import Stats

_MOST_EXCERPTS: Final = 6
_NEAR_BYTES: Final = 400
_LEAD: Final = 0.25
_LEAST_LEAD_US: Final = 60_000_000
_NEAR_US: Final = 3_600_000_000


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
    near: Snapshot
    """The events up to an hour from the window, where `trace` is looked for."""
    audit: pd.DataFrame


def gather(snapshot: Snapshot, window: Window, compared: Callable[[], pd.DataFrame]) -> Facts:
    """Ask the snapshot all that a report says; `compared` gives what changed, and is asked for late."""
    lead = max(int(_LEAD * (window.stop_us - window.start_us)), _LEAST_LEAD_US)
    since = Window(window.start_us - lead, window.stop_us).start
    appeared = snapshot.first_seen(since)
    appeared = appeared[appeared["first_seen"] < window.stop]
    found = snapshot.propagation(window)
    errors = _errors(snapshot, window)
    skew = snapshot.skew()
    changes = compared()
    return Facts(
        window=window,
        since=since,
        impact=_impact(snapshot, window, errors),
        changes=changes,
        appeared=appeared,
        silences=snapshot.silences(),
        bursts=snapshot.bursts(),
        propagation=found,
        skew=skew,
        quotes=_quotes(snapshot, window, errors, changes, appeared, found.origin, window.start_us - lead),
        trace=_telling_trace(errors),
        near=_near(snapshot, window),
        audit=snapshot.audit(),
    )


def _impact(snapshot: Snapshot, window: Window, errors: pl.DataFrame) -> pl.DataFrame:
    """Each service inside and outside of the window: events, errors, error rate, p95; the first of `errors` inside."""
    inside = _inside(snapshot, window)
    parts = (inside, snapshot.stats.minus(inside))
    within, outside = (
        part.by_service().select("service", "events", "errors", pl.col("p95_ms").alias("p95")) for part in parts
    )
    first = errors.group_by("service").agg(pl.col("timestamp").min().alias("first_error"))
    table = pl.concat([within.select("service"), outside.select("service")]).unique()
    table = table.join(within, on="service", how="left").join(first, on="service", how="left")
    table = table.join(outside, on="service", how="left", suffix="_outside")
    table = table.with_columns(pl.col("^(events|errors).*$").fill_null(0))
    return table.sort("errors", "events", "service", descending=[True, True, False])


def _inside(snapshot: Snapshot, window: Window) -> Stats:
    """The statistics of the window; to their buckets, where rows that were dropped would tell more."""
    try:
        return snapshot.between(window.start, window.stop).stats
    except NeedsEvents:
        width = max(snapshot.stats.width_us, snapshot.stats.bin_width_us)
        start, stop = window.start_us // width * width, -(-window.stop_us // width) * width
        return Condition({}, start, stop).of_stats(snapshot.stats)


def _near(snapshot: Snapshot, window: Window) -> Snapshot:
    wide = Window(window.start_us - _NEAR_US, window.stop_us + _NEAR_US)
    try:
        return snapshot.between(wide.start, wide.stop)
    except NeedsEvents:  # rows were dropped: those that are left are few enough
        return snapshot


def _telling_trace(errors: pl.DataFrame) -> str | None:
    """The trace in which the most services erred, the first of them; None where no error names a trace."""
    errors = errors.with_columns(trace_id()).filter(pl.col("trace").is_not_null())
    if not errors.height:
        return None
    counted = errors.group_by("trace").agg(pl.col("service").n_unique(), pl.col("timestamp").min())
    return str(counted.sort("service", "timestamp", "trace", descending=[True, False, False])["trace"][0])


def _errors(snapshot: Snapshot, window: Window) -> pl.DataFrame:
    levels = schema.LEVELS[schema.ERROR_RANK :]
    asked = Condition({"level": levels}, window.start_us, window.stop_us)
    return columns(snapshot, ["timestamp", "service", "trace_id", "message", *PLACE], asked)


def _quotes(
    snapshot: Snapshot,
    window: Window,
    errors: pl.DataFrame,
    changes: pd.DataFrame,
    appeared: pd.DataFrame,
    origin: str | None,
    since_us: int,
) -> tuple[Quote, ...]:
    """The records that show what the report says, by time."""
    wanted: dict[Place, str] = {}
    own = errors.filter(pl.col("service").eq_missing(origin))
    if (place := _first(own)) is not None:
        wanted[place] = "the first error where the trouble began"
    grown = changes[(changes["dimension"] == PATTERN) & (changes["odds_ratio"] > 1)]
    reasons: list[tuple[str, str, datetime | None]]
    reasons = [(str(key), "the first of its kind", None) for key in appeared[PATTERN].drop_duplicates().head(2)]
    reasons += [
        (str(key), "of the messages that changed most, the first", window.start) for key in grown["key"].head(6)
    ]
    # Up to the window's end: what came up has its first event in that time, and what grew one in the window.
    asked = Condition({PATTERN: tuple({key for key, _, _ in reasons})}, since_us, window.stop_us)
    patterns = columns(snapshot.with_patterns(), ["timestamp", PATTERN, *PLACE], asked)
    patterns = patterns.filter(pl.col("timestamp").is_not_null())
    for key, why, since in reasons:
        rows = patterns.filter(pl.col(PATTERN) == key)
        place = _first(rows if since is None else rows.filter(pl.col("timestamp") >= since))
        if place is not None:
            wanted.setdefault(place, why)
    records = _records(snapshot, wanted)
    quotes: list[Quote] = []
    seen: set[tuple[str, int]] = set()
    for place, why in wanted.items():
        file, at = str(records[place]["file"]), place[2] // _NEAR_BYTES
        near = {(file, at + step) for step in (-1, 0, 1)}
        if len(quotes) < _MOST_EXCERPTS and not near & seen:  # what stands beside another shows in its context
            seen.add((file, at))
            quotes.append(_quote(snapshot, records[place], why))
    return tuple(sorted(quotes, key=_moment))


Place = tuple[int, int, int]
"""Source, generation and offset of a record."""


def _first(rows: pl.DataFrame) -> Place | None:
    """Where the earliest of these rows is; of equals the first."""
    if not rows.height:
        return None
    source, generation, offset = rows.sort("timestamp", maintain_order=True).select(PLACE).row(0)
    return source, generation, offset


def _records(snapshot: Snapshot, places: Iterable[Place]) -> dict[Place, dict[str, Any]]:
    """What `locate` and a quotation need of these records."""
    asked = Condition({name: tuple(values) for name, values in zip(PLACE, zip(*places, strict=True), strict=False)})
    rows = columns(snapshot, ["timestamp", "service", "message", "file", "length_bytes", *PLACE], asked)
    return {(row["source"], row["generation"], row["offset"]): row for row in rows.iter_rows(named=True)}


def _moment(quote: Quote) -> tuple[bool, float]:
    return quote.timestamp is None, quote.timestamp.timestamp() if quote.timestamp else 0.0


def _quote(snapshot: Snapshot, record: dict[str, Any], why: str) -> Quote:
    try:
        evidence = snapshot.locate(record, context=2)
    except EvidenceLost:  # said in the report: the message as it was read stands in its place
        evidence = None
    facts = {name: record[name] for name in ("timestamp", "service", "message", "file", "offset")}
    return Quote(why=why, evidence=evidence, **facts)

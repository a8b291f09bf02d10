"""Events and limits for tests of statistics, drawn to be awkward."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from hypothesis import strategies as st

from logkit import schema
from logkit.stats import Limits, Stats

SECOND = 1_000_000
DAY = 86_400 * SECOND
START = 1_772_323_200 * SECOND  # 2026-03-01, UTC

Row = tuple[int | None, str | None, str, float | None, bool]

SERVICES = ("gateway", "payments", "auth", "(other)", "other", "", "größe", "<script>alert(1)</script>")

times = st.one_of(
    st.none(),
    st.integers(START, START + 20 * SECOND),
    st.integers(START, START + 40 * DAY),
    st.integers(0, 7_258_118_399_999_999),
    st.sampled_from([-1, -(10**15), 0, 7_258_118_400_000_000, 253_402_300_799_999_999, 2**63 - 1, -(2**63)]),
)
durations = st.one_of(
    st.none(),
    st.floats(0, 10_000),
    st.sampled_from([0.0, -1.0, -0.0, 0.0004, 1e300, float("nan"), float("inf"), 864_000_000.0]),
)
rows = st.tuples(times, st.sampled_from([None, *schema.LEVELS]), st.sampled_from(SERVICES), durations, st.booleans())
events = st.lists(rows, max_size=30)
limits = st.builds(
    Limits,
    max_services=st.integers(1, 9),
    max_buckets=st.integers(1, 12),
    max_latency_buckets=st.integers(1, 6),
)


def frame(events: Sequence[Row]) -> pl.DataFrame:
    """The rows as an event frame."""
    columns = {
        "timestamp": pl.Int64(),
        "level": schema.LEVEL,
        "service": pl.String(),
        "duration_ms": pl.Float64(),
        "rejected": pl.Boolean(),
    }
    return pl.DataFrame(events, schema=columns, orient="row").with_columns(pl.col("timestamp").cast(schema.TIMESTAMP))


def stats_of(events: Sequence[Row], limits: Limits | None = None) -> Stats:
    """Their statistics."""
    return Stats.of(frame(events), limits or Limits())


def event(
    time_us: int | None = START,
    level: str | None = "INFO",
    service: str = "gateway",
    duration_ms: float | None = None,
    rejected: bool = False,
) -> Row:
    """One event, ordinary in all that is not said."""
    return time_us, level, service, duration_ms, rejected

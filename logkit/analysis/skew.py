"""How far the services' clocks are apart, told from the traces they share.

A caller begins before the called and ends after it. So with the called one's clock ahead by θ, each trace says: θ lies
between (its end - the caller's end) and (its beginning - the caller's beginning). The traces with the least slack
between the two say most, as in NTP's clock filter (D. L. Mills et al., RFC 5905, section 10). The caller is the one
that takes longer, whatever the clocks say; it must log twice in a trace, or a duration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from logkit.analysis.columns import columns
from logkit.analysis.conditions import Condition
from logkit.analysis.rows import to_pandas
from logkit.analysis.traces import opening, resolution_us, trace_id

if TYPE_CHECKING:
    import pandas as pd

    from logkit.snapshot import Snapshot

_LEAST_TRACES: Final = 20
_LONGER: Final = 0.9
_TIGHTEST: Final = 0.1
_MOST_ROWS: Final = 200_000
"""Only the last so many events are looked at."""

SCHEMA: Final[dict[str, pl.DataType]] = {
    "service": pl.String(),
    "reference": pl.String(),
    "skew_ms": pl.Float64(),
    "low_ms": pl.Float64(),
    "high_ms": pl.Float64(),
    "traces": pl.Int64(),
    "certain": pl.Boolean(),
}
"""The columns of `Snapshot.skew`."""


def skew(snapshot: Snapshot) -> pd.DataFrame:
    """See `Snapshot.skew`."""
    pairs = _pairs(_extents(snapshot))
    table = pl.DataFrame(_chained(pairs), schema=SCHEMA, orient="row")
    return to_pandas(table.to_arrow(), nullable=()).set_index("service")


def shifts(table: pd.DataFrame) -> dict[str, float]:
    """The ms to take off each service's times: only what is certain."""
    certain = table[table["certain"]]
    return {str(service): float(ms) for service, ms in certain["skew_ms"].items()}


def _extents(snapshot: Snapshot) -> pl.DataFrame:
    """From when to when each service was at work in each trace: trace, service, bounds of begin and end (µs)."""
    some = opening(snapshot, None, None, _MOST_ROWS, last=True)
    asked = Condition({}, some.start_us, some.stop_us)
    rows = columns(snapshot, ["timestamp", "service", "trace_id", "message", "duration_ms"], asked)
    rows = rows.with_columns(resolution_us(snapshot), trace_id()).filter(pl.col("trace").is_not_null())
    end = pl.col("timestamp").dt.timestamp("us")
    begin = end - (pl.col("duration_ms").fill_null(0.0).clip(0, 1e9) * 1000).cast(pl.Int64)
    return rows.group_by("trace", "service").agg(
        begin.min().alias("begin"),
        (begin + pl.col("resolution_us")).min().alias("begin_latest"),
        end.max().alias("end"),
        (end + pl.col("resolution_us")).max().alias("end_latest"),
    )


def _pairs(extents: pl.DataFrame) -> pl.DataFrame:
    """For each caller and called by how much the called one's clock is ahead, low to high (µs); by traces."""
    met = extents.join(extents, on="trace", suffix="_of").filter(pl.col("service") != pl.col("service_of"))
    length, other = pl.col("end") - pl.col("begin"), pl.col("end_of") - pl.col("begin_of")
    low = pl.col("end_of") - pl.col("end_latest")
    high = pl.col("begin_latest_of") - pl.col("begin")
    met = met.select(
        *("service", "service_of"), low.alias("low"), high.alias("high"), (length > other).alias("longer")
    ).with_columns((pl.col("high") - pl.col("low")).alias("slack"))
    tight = pl.col("slack") <= pl.col("slack").quantile(_TIGHTEST)
    found = met.group_by("service", "service_of").agg(
        pl.len().cast(pl.Int64).alias("traces"),
        pl.col("longer").mean().alias("share"),
        pl.col("low").filter(tight).median().alias("low"),
        pl.col("high").filter(tight).median().alias("high"),
    )
    return found.filter(
        (pl.col("traces") >= _LEAST_TRACES) & (pl.col("share") >= _LONGER) & (pl.col("low") <= pl.col("high"))
    ).sort("traces", "service", "service_of", descending=[True, False, False])


def _chained(pairs: pl.DataFrame) -> list[tuple[object, ...]]:
    """Every service's clock against one reference, along the pairs with the most traces; bounds add up on the way."""
    if not pairs.height:
        return []
    calls = pairs.select("service", "traces", pl.lit(1).alias("calls"))
    called = pairs.select(pl.col("service_of").alias("service"), "traces", pl.lit(0).alias("calls"))
    met = pl.concat([calls, called]).group_by("service").agg(pl.col("traces").sum(), pl.col("calls").sum())
    met = met.sort("traces", "calls", "service", descending=[True, True, False])
    reference = str(met["service"][0])
    known: dict[str, tuple[float, float, int]] = {reference: (0.0, 0.0, int(met["traces"][0]))}
    links = pairs.select("service", "service_of", "low", "high", "traces").rows()
    while ahead := [link for link in links if (link[0] in known) != (link[1] in known)]:
        caller, called, low, high, traces = ahead[0]
        if caller in known:
            known[called] = (known[caller][0] + low, known[caller][1] + high, traces)
        else:
            known[caller] = (known[called][0] - high, known[called][1] - low, traces)
    return [
        (service, reference, (low + high) / 2000, low / 1000, high / 1000, traces, not low <= 0 <= high)
        for service, (low, high, traces) in known.items()
    ]

"""Services that stopped logging, told from readers that are behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from logkit import schema
from logkit.analysis.columns import columns
from logkit.analysis.rows import to_pandas

if TYPE_CHECKING:
    import pandas as pd

    from logkit.capture import Capture
    from logkit.snapshot import Snapshot

_CHANCE: Final = 1e-5
_LEAST_EVENTS: Final = 20
_MAX_BINS: Final = 4096

SCHEMA: Final[dict[str, pl.DataType]] = {
    "service": pl.String(),
    "start": schema.TIMESTAMP,
    "end": schema.TIMESTAMP,
    "seconds": pl.Float64(),
    "ongoing": pl.Boolean(),
    "missing_events": pl.Float64(),
    "p_value": pl.Float64(),
    "cause": pl.String(),
    "lag_bytes": pl.Int64(),
}
"""The columns of `Snapshot.silences`."""


def silences(snapshot: Snapshot) -> pd.DataFrame:
    """See `Snapshot.silences`."""
    buckets = snapshot.stats.buckets.group_by("service", "bucket_us").agg(pl.col("events").sum())
    rows = []
    if buckets.height:
        width = _width(buckets["bucket_us"], snapshot.stats.width_us)
        place = buckets["bucket_us"] // width
        stop = int(place.max()) + 1  # type: ignore[arg-type]
        behind = _behind(snapshot)
        for (service,), own in buckets.with_columns(place.alias("place")).partition_by("service", as_dict=True).items():
            counts = own.group_by("place").agg(pl.col("events").sum()).sort("place")
            rows += _gaps(str(service), counts["place"].to_numpy(), int(counts["events"].sum()), stop, width, behind)
    table = pl.DataFrame(rows, schema=SCHEMA, orient="row") if rows else pl.DataFrame(schema=SCHEMA)
    table = table.sort("ongoing", "missing_events", descending=[True, True])
    return to_pandas(table.to_arrow(), nullable=())


def _gaps(
    service: str, places: np.ndarray[tuple[int], np.dtype[np.int64]], events: int, stop: int, width: int,
    behind: dict[str, int],
) -> list[tuple[object, ...]]:  # fmt: skip
    """The runs of empty bins too long for a service that was quiet now and then.

    Whether a bin is empty may depend on the one before (a first-order chain), as it does for jobs at fixed times; the
    chance that a run goes on is estimated from all others, and the chance of so long a run counted for every bin.
    """
    if events < _LEAST_EVENTS or len(places) < 2:
        return []
    edges = np.append(places, stop)
    length = np.diff(edges) - 1
    runs = length > 0
    found: list[tuple[object, ...]] = []
    for at in np.flatnonzero(length >= 2):
        others = length[runs & (np.arange(len(length)) != at)]
        goes_on = (others.sum() - len(others) + 0.5) / (others.sum() + 1.0)
        tried = len(places) + len(others)
        p = min(1.0, tried * (len(others) + 1) / (tried + 1) * goes_on ** (length[at] - 1))
        if p > _CHANCE:
            continue
        ongoing = at == len(places) - 1
        start, end = int(edges[at] + 1) * width, None if ongoing else int(edges[at + 1]) * width
        span = int(places[-1] - places[0] + 1) - int(0 if ongoing else length[at])
        missing = events / max(span, 1) * int(length[at])
        lag = behind.get(service, 0) if ongoing else 0
        cause = "reader is behind" if lag else "service is silent"
        found.append((service, start, end, int(length[at]) * width / 1e6, bool(ongoing), missing, float(p), cause, lag))
    return found


def _width(times: pl.Series, own_us: int) -> int:
    """The statistics' own width, or a multiple of it with few enough bins."""
    length = int(times.max()) - int(times.min())  # type: ignore[arg-type]
    return own_us * (length // (own_us * _MAX_BINS) + 1)


def _behind(snapshot: Snapshot) -> dict[str, int]:
    """How many bytes of each service's files have not been read."""
    lag = _lags(snapshot.capture)
    if not lag:
        return {}
    if snapshot.dropped_events:  # whose files they are is known of kept rows only
        return dict.fromkeys(snapshot.stats.services, sum(lag.values()))
    rows = columns(snapshot, ["service", "source", "generation"]).unique()
    found: dict[str, int] = {}
    for service, source, _ in rows.iter_rows():
        found[service] = found.get(service, 0) + lag.get(source, 0)
    return found


def _lags(capture: Capture) -> dict[int, int]:
    lags: dict[int, int] = {}
    for status in capture.sources:
        left = max(status.size_bytes - status.offset_bytes, 0)
        if left and status.state not in ("gone", "skipped"):
            lags[status.source] = lags.get(status.source, 0) + left
    return lags

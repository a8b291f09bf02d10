"""Counts per time bucket, from statistics where their buckets allow it and from rows where they do not."""

from __future__ import annotations

from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import polars as pl

from logkit import schema
from logkit.errors import NeedsEvents, SettingError
from logkit.stats import NO_LEVEL

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from logkit.snapshot import Snapshot
    from logkit.stats import Stats

By = Literal["level", "service"] | None
"""What a timeline has a column for each value of."""

MAX_BUCKETS: Final = 1_000_000
"""A timeline of more buckets is refused: one wrong year must not fill the memory with zeros."""

_READABLE: Final = 120  # buckets that fit side by side in a plot
_SECONDS: Final = (
    1,
    5,
    10,
    15,
    30,
    60,
    300,
    600,
    900,
    1800,
    3600,
    10_800,
    21_600,
    43_200,
    86_400,
    7 * 86_400,
    28 * 86_400,
)
_NO_EVENTS: Final = pl.DataFrame(schema=schema.COMMON).select("timestamp", "level", "service")
_STOP_US: Final = 7_258_118_400_000_000  # as in statistics, times from the year 2200 on are no times


def timeline(snapshot: Snapshot, width: object, by: By) -> pd.DataFrame:
    """See `Snapshot.timeline`."""
    stats = snapshot.stats
    if by not in ("level", "service", None):
        raise SettingError(f"expected by= as 'level', 'service' or None, found {by!r}", setting="by", value=by)
    width_us = bucket_us(stats, width)
    if width_us % stats.width_us == 0:
        counts = stats.timeline(width_us, by, fill=False)
    elif not snapshot.dropped_events:
        counts = _count(snapshot.rows.batches(["timestamp"] if by is None else ["timestamp", by]), width_us, by)
    else:
        own = timedelta(microseconds=stats.width_us)
        raise NeedsEvents(
            f"expected a width that is a multiple of {own}, as not all rows were kept, found {width!r}; "
            f"try width='{stats.width_us // 1_000_000}s', or read again with a higher keep_events and keep_bytes",
            question=f"timeline({width!r})",
        )
    return _table(counts, width_us, by)


def bucket_us(stats: Stats, width: object) -> int:
    """The width in µs that `width` asks for; None asks for one that reads well."""
    return _readable_us(stats) if width is None else _parsed_us(width)


def _parsed_us(width: object) -> int:
    import pandas as pd

    try:
        found = pd.Timedelta(width)  # type: ignore[arg-type]
        us, rest = divmod(found.as_unit("ns").value, 1000)
    except (ValueError, TypeError, OverflowError) as error:
        raise _no_width(width) from error
    if us <= 0 or rest:
        raise _no_width(width)
    return us


def _no_width(width: object) -> SettingError:
    return SettingError(
        f"expected a width of whole microseconds above 0, found {width!r}; try '1min' or '10s'",
        setting="width",
        value=width,
    )


def _readable_us(stats: Stats) -> int:
    """The narrowest of the round widths at which the whole range reads well in one plot."""
    times = stats.timeline(stats.width_us, fill=False)["bucket_us"]
    length = int(times[-1]) - int(times[0]) + stats.width_us if len(times) else 0
    for seconds in _SECONDS:
        width = seconds * 1_000_000
        if width % stats.width_us == 0 and length <= _READABLE * width:
            return width
    widest = max(stats.width_us, _SECONDS[-1] * 1_000_000)
    return widest * -(-length // (_READABLE * widest))


def _count(frames: Iterable[pl.DataFrame], width_us: int, by: By) -> pl.DataFrame:
    time = pl.col("timestamp").dt.timestamp("us")
    keys = ["bucket_us"] if by is None else [by, "bucket_us"]
    bucket, events = (time - time % width_us).alias("bucket_us"), pl.len().cast(pl.Int64).alias("events")
    counted = [
        frame.lazy().filter((time >= 0) & (time < _STOP_US)).with_columns(bucket).group_by(keys).agg(events).collect()
        for frame in chain([_NO_EVENTS], frames)
    ]
    return pl.concat(counted).group_by(keys).agg(pl.col("events").sum()).sort(keys)


def _table(counts: pl.DataFrame, width_us: int, by: By) -> pd.DataFrame:
    """Counts as a grid: a row for each bucket from the first to the last, a column for each value, 0 for nothing."""
    import pandas as pd

    times = counts["bucket_us"].to_numpy()
    low, length = (int(times.min()), int(times.max() - times.min()) // width_us + 1) if len(times) else (0, 0)
    names, column = _columns(counts, by)
    if length > MAX_BUCKETS or length * len(names) > 20 * MAX_BUCKETS:
        raise SettingError(
            f"expected a timeline of at most {MAX_BUCKETS:,} buckets, found {length:,} of {len(names):,} columns; "
            "try a wider width, or between() first: one wrong date stretches a timeline",
            setting="width",
            value=width_us,
        )
    grid = np.zeros((length, len(names)), np.int64)
    grid[(times - low) // width_us, column] = counts["events"].to_numpy()
    start = pd.Timestamp(low, unit="us", tz="UTC").as_unit("us")
    index = pd.date_range(start, periods=length, freq=pd.Timedelta(width_us, "us"), name="timestamp", unit="us")
    return pd.DataFrame(grid, index=index, columns=pd.Index(names, dtype="str", name=by))


def _columns(counts: pl.DataFrame, by: By) -> tuple[list[str], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """The columns' names, and for each row of `counts` which column it is counted in."""
    if by is None:
        return ["events"], np.zeros(counts.height, np.int64)
    values = counts[by].cast(pl.String)
    if by == "level":
        values = values.fill_null(NO_LEVEL)
        names = [*schema.LEVELS, NO_LEVEL] if NO_LEVEL in values else list(schema.LEVELS)
    else:
        busiest = counts.group_by(by).agg(pl.col("events").sum()).sort("events", by, descending=[True, False])
        names = busiest[by].to_list()
    at = {name: position for position, name in enumerate(names)}
    return names, values.replace_strict(at, return_dtype=pl.Int64).to_numpy().astype(np.int64)

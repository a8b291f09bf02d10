"""Message templates of a snapshot: what each statement of the programs said, how often, since when.

Masked messages are counted as they are read or, on demand, from the rows at hand (`logkit.stats.patterns`); which of
them are one template is decided here, from all of them at once.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from logkit import schema
from logkit.stats import Stats
from logkit.stats.frames import levels_of, names_of, times_of
from logkit.stats.ladder import NEVER
from logkit.stats.templates import Templates, id_of

_TREND_POINTS: Final = 16
_BARS: Final = " ▁▂▃▄▅▆▇█"


def table(stats: Stats, found: Templates) -> pl.DataFrame:
    """One row per service, level and template, the most frequent first; see `Snapshot.patterns`."""
    counts = _counts(stats, found)
    total = max(int(counts["count"].sum()), 1)
    return (
        counts.with_columns((pl.col("count") / total).alias("share"))
        .sort("count", "service", "level", "pattern", descending=[True, False, False, False])
        .select(
            *("pattern", "service", "level", "template", "count", "share"),
            pl.col("first_us").cast(schema.TIMESTAMP).alias("first_seen"),
            pl.col("last_us").cast(schema.TIMESTAMP).alias("last_seen"),
            *("trend", "example"),
        )
    )


def _counts(stats: Stats, found: Templates) -> pl.DataFrame:
    """pattern, service, level, template, count, first_us, last_us, trend, example."""
    tables, counted = stats.tables, stats.patterns
    of_mask = pl.Series([found.template_of(text) for text in counted.masks], dtype=pl.String)
    keys = counted.totals.keys
    rows = pl.DataFrame(
        {
            "service": names_of(tables, keys[0]),
            "level": levels_of(keys[1]),
            "template": of_mask.gather(keys[2]),
            "count": counted.totals.counts[0],
            "first_us": times_of(counted.spans[0], NEVER[0]),
            "last_us": times_of(counted.spans[1], NEVER[1]),
        }
    )
    by = ["service", "level", "template"]
    rows = rows.group_by(by).agg(pl.sum("count"), pl.min("first_us"), pl.max("last_us"))
    examples = pl.DataFrame(
        [of_mask.alias("template"), pl.Series("example", counted.examples, pl.String)]
        + [pl.Series(f"place_{n}", place) for n, place in enumerate(counted.places)]
    )
    examples = examples.sort("place_0", "place_1", "place_2").unique("template", keep="first", maintain_order=True)
    templates = rows["template"].unique()
    ids = pl.DataFrame([templates, pl.Series("pattern", map(id_of, templates), pl.String)])
    return (
        rows.join(examples.select("template", "example"), on="template")
        .join(ids, on="template")
        .join(_trends(timeline(stats, found)), on=["pattern", "service", "level"], how="left", nulls_equal=True)
        .with_columns(pl.col("trend").fill_null(""))
    )


def timeline(stats: Stats, found: Templates) -> pl.DataFrame:
    """Events over time: pattern, service, level, timestamp (start of the bucket), count; only where there are any.

    Buckets are `stats.patterns.width_us` wide; events without a time are left out.
    """
    tables, counted = stats.tables, stats.patterns
    ids = pl.Series([found.id_of_mask(text) for text in counted.masks], dtype=pl.String)
    keys = counted.buckets.keys
    rows = pl.DataFrame(
        {
            "pattern": ids.gather(keys[2]),
            "service": names_of(tables, keys[0]),
            "level": levels_of(keys[1]),
            "timestamp": pl.Series(keys[3]).cast(schema.TIMESTAMP),
            "count": counted.buckets.counts[0],
        }
    )
    by = ["pattern", "service", "level", "timestamp"]
    return rows.group_by(by).agg(pl.sum("count")).sort(by)


def _trends(counts: pl.DataFrame) -> pl.DataFrame:
    """A line of bars per pattern, service and level: its events over the time all of them span."""
    by = ["pattern", "service", "level"]
    if not counts.height:
        return counts.select(by).with_columns(trend=pl.lit("", pl.String))
    times = counts["timestamp"].to_physical().to_numpy()
    low, high = int(times.min()), int(times.max())
    points = np.minimum((times - low) * _TREND_POINTS // max(high - low, 1), _TREND_POINTS - 1)
    row = counts.select(pl.struct(by).rle_id()).to_series().to_numpy()
    sums = np.zeros((int(row[-1]) + 1, _TREND_POINTS), np.int64)
    np.add.at(sums, (row, points), counts["count"].to_numpy())
    heights = -(-sums * (len(_BARS) - 1) // sums.max(axis=1, keepdims=True))
    lines = ["".join(_BARS[height] for height in heights_of) for heights_of in heights.tolist()]
    return counts.select(by).unique(maintain_order=True).with_columns(trend=pl.Series(lines, dtype=pl.String))

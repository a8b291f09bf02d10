"""Tables as DataFrames: what a person asks of statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from logkit import schema
from logkit.stats.groups import Cells, Ints, gather, group
from logkit.stats.ladder import NEVER, coarsen
from logkit.stats.sketch import quantile_rows, value_of
from logkit.stats.totals import ERROR_CODE, LEVEL_NAMES, WARN_CODE, Tables

Key = Literal["service", "level", "bucket_us"]
"""A column quantiles may be asked by."""

_KEY_COLUMNS: Final[dict[Key, int]] = {"service": 0, "level": 1, "bucket_us": 2}
MAX_POINTS: Final = 2_000_000
"""A timeline of more points is refused."""


def names_of(tables: Tables, services: Ints) -> pl.Series:
    """The names behind service indices, as String."""
    return pl.Series("service", tables.names, dtype=pl.String).gather(services)


def levels_of(codes: Ints) -> pl.Series:
    """The levels behind level codes, as `schema.LEVEL`, null for no level."""
    return pl.Series("level", [None, *schema.LEVELS], dtype=schema.LEVEL).gather(codes)


def times_of(times: Ints, never: int) -> pl.Series:
    """Times in µs as Int64, null where `never`."""
    return pl.Series(times).set(pl.Series(times == never), None)


def totals(tables: Tables) -> pl.DataFrame:
    """See `Stats.totals`."""
    cells = tables.totals
    return pl.DataFrame(
        {
            **_service_and_level(tables, cells),
            **dict(zip(("events", "timed", "rejects"), cells.counts, strict=True)),
            "first_us": times_of(tables.spans[0], NEVER[0]),
            "last_us": times_of(tables.spans[1], NEVER[1]),
        }
    )


def buckets(tables: Tables) -> pl.DataFrame:
    """See `Stats.buckets`."""
    cells = tables.buckets
    counts = dict(zip(("events", "rejects"), cells.counts, strict=True))
    return pl.DataFrame({**_service_and_level(tables, cells), "bucket_us": cells.keys[2], **counts})


def bins(tables: Tables) -> pl.DataFrame:
    """See `Stats.bins`."""
    cells = tables.bins
    return pl.DataFrame(
        {
            **_service_and_level(tables, cells),
            "bucket_us": times_of(cells.keys[2], -1),
            "bin": cells.keys[3].astype(np.int16),
            "events": cells.counts[0],
        }
    )


def _service_and_level(tables: Tables, cells: Cells) -> dict[str, pl.Series]:
    return {"service": names_of(tables, cells.keys[0]), "level": levels_of(cells.keys[1])}


def by_service(tables: Tables) -> pl.DataFrame:
    """See `Stats.by_service`."""
    counts = _per_service(tables)
    events, errors = counts.sum(axis=1), counts[:, ERROR_CODE:].sum(axis=1)
    grouping = group(tables.totals.keys[:1])
    _, timed, rejects = grouping.sum(tables.totals.counts)
    first, last = grouping.min(tables.spans[:1])[0], -grouping.min(-tables.spans[1:])[0]
    seconds = np.maximum((last - first) / 1e6, 1.0)
    return pl.DataFrame(
        {
            "service": pl.Series(tables.names, dtype=pl.String),
            "events": events,
            "errors": errors,
            "warnings": counts[:, WARN_CODE],
            "rejects": rejects,
            "error_rate": errors / events,
            "per_second": _nullable(timed / seconds, timed > 0),
            "first_us": times_of(first, NEVER[0]),
            "last_us": times_of(last, NEVER[1]),
            **_service_quantiles(tables, {"p50_ms": 0.50, "p95_ms": 0.95, "p99_ms": 0.99}),
        }
    )


def _per_service(tables: Tables) -> Ints:
    """Events, shape (services, levels)."""
    counts = np.zeros((len(tables.names), len(LEVEL_NAMES)), np.int64)
    counts[tables.totals.keys[0], tables.totals.keys[1]] = tables.totals.counts[0]
    return counts


def _service_quantiles(tables: Tables, wanted: dict[str, float]) -> dict[str, pl.Series]:
    found, *columns = _quantiles(tables, [0], list(wanted.values()))
    known = np.zeros(len(tables.names), np.bool_)
    known[found[0]] = True
    result = {}
    for name, column in zip(wanted, columns, strict=True):
        values = np.zeros(len(tables.names))
        values[found[0]] = column
        result[name] = _nullable(values, known)
    return result


def _nullable(values: npt.NDArray[np.float64], known: npt.NDArray[np.bool_]) -> pl.Series:
    return pl.Series(values).set(pl.Series(~known), None)


def by_level(tables: Tables) -> pl.DataFrame:
    """See `Stats.by_level`."""
    counts = _per_service(tables)
    columns = {name: counts[:, code] for code, name in enumerate(LEVEL_NAMES)}
    first = columns.pop(LEVEL_NAMES[0])
    return pl.DataFrame({"service": pl.Series(tables.names, dtype=pl.String), **columns, LEVEL_NAMES[0]: first})


def quantile(tables: Tables, q: float, by: Sequence[Key]) -> pl.DataFrame:
    """See `Stats.quantile`."""
    if not 0 <= q <= 1:
        raise ValueError(f"expected a quantile in 0 … 1, found {q}; try q={q / 100} for a percentile")
    unknown = [name for name in by if name not in _KEY_COLUMNS]
    if unknown:
        raise ValueError(f"expected columns out of {', '.join(_KEY_COLUMNS)}, found {', '.join(unknown)}")
    keys, values = _quantiles(tables, [_KEY_COLUMNS[name] for name in by], [q])
    columns: dict[str, pl.Series] = {}
    for name, key in zip(by, keys, strict=True):
        columns[name] = _column(tables, name, key)
    return pl.DataFrame({**columns, "quantile_ms": values})


def _column(tables: Tables, name: Key, key: Ints) -> pl.Series:
    if name == "service":
        return names_of(tables, key)
    return levels_of(key) if name == "level" else times_of(key, -1)


def _quantiles(tables: Tables, by: list[int], qs: list[float]) -> list[npt.NDArray[np.generic]]:
    """The keys of the groups (columns, groups), then for each q the groups' quantiles in ms."""
    cells = gather(Cells(tables.bins.keys[[*by, 3]], tables.bins.counts))
    keys, counts = cells.keys[:-1], cells.counts[0]
    starts = np.flatnonzero(np.append(len(counts) > 0, (keys[:, 1:] != keys[:, :-1]).any(axis=0)))[: len(counts)]
    rows = [quantile_rows(counts, starts, q) for q in qs]
    return [keys[:, starts], *(value_of(cells.keys[-1, row]) / 1000 for row in rows)]


def timeline(tables: Tables, width_us: int, by: Literal["level", "service"] | None, fill: bool) -> pl.DataFrame:
    """See `Stats.timeline`."""
    if width_us <= 0 or width_us % tables.width_us:
        raise ValueError(
            f"expected a width that is a multiple of {tables.width_us} µs, found {width_us} µs; try {tables.width_us}"
        )
    column = {None: [], "service": [0], "level": [1]}[by]
    keys = tables.buckets.keys[[*column, 2]]
    keys[-1] = coarsen(keys[-1], width_us)
    cells = gather(Cells(keys, tables.buckets.counts[:1]))
    if fill:
        cells = _filled(cells, width_us)
    series: dict[str, pl.Series | Ints] = {}
    if by is not None:
        series[by] = _column(tables, by, cells.keys[0])
    return pl.DataFrame({**series, "bucket_us": cells.keys[-1], "events": cells.counts[0]})


def _filled(cells: Cells, width_us: int) -> Cells:
    """The same with zeros: every value that occurs has every bucket from the first to the last of all."""
    if not len(cells):
        return cells
    times = cells.keys[-1]
    low, high = int(times.min()), int(times.max())
    values = np.unique(cells.keys[0]) if len(cells.keys) > 1 else np.zeros(1, np.int64)
    length = (high - low) // width_us + 1
    if length * len(values) > MAX_POINTS:
        raise ValueError(
            f"expected at most {MAX_POINTS} points, found {length * len(values)}; "
            "try a wider bucket, a narrower time range, or fill=False"
        )
    counts = np.zeros((len(values), length), np.int64)
    row = np.searchsorted(values, cells.keys[0]) if len(cells.keys) > 1 else 0
    counts[row, (times - low) // width_us] = cells.counts[0]
    grid = np.tile(np.arange(low, high + 1, width_us), len(values))
    keys = np.stack((np.repeat(values, length), grid)) if len(cells.keys) > 1 else grid[None, :]
    return Cells(keys, counts.reshape(1, -1))

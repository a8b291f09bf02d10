"""When it went wrong: change points in each service's error rate and latency, found in the statistics alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from logkit import schema
from logkit.analysis.rows import to_pandas
from logkit.analysis.segments import Cost, Floats, Ints, binomial_cost, mean_cost, segments
from logkit.stats.sketch import quantile_rows, value_of

if TYPE_CHECKING:
    import pandas as pd

    from logkit.stats import Stats

MAX_BINS: Final = 480
"""The finest look: a series is cut into at most so many bins."""

_PENALTY: Final = 3.0  # times log(bins): two parameters a change point, and a half more for the many series
_LEAST_ERRORS: Final = 5
_LEAST_DURATIONS: Final = 20
_LEAST_SCORE: Final = 15.0  # chi-squared of 1 degree of freedom: 1 in 10,000
_QUIET_SHARE: Final = 0.25
_WIDTHS: Final = (
    1,
    2,
    5,
    10,
    15,
    20,
    30,
    *(60 * n for n in (1, 2, 5, 10, 15, 20, 30)),
    *(3600 * n for n in (1, 2, 3, 6, 12)),
    *(86_400 * n for n in (1, 7, 28, 364, 3640)),
)

SCHEMA: Final[dict[str, pl.DataType]] = {
    "service": pl.String(),
    "measure": pl.String(),
    "start": schema.TIMESTAMP,
    "peak": schema.TIMESTAMP,
    "end": schema.TIMESTAMP,
    "ongoing": pl.Boolean(),
    "events": pl.Int64(),
    "value": pl.Float64(),
    "at_peak": pl.Float64(),
    "baseline": pl.Float64(),
    "score": pl.Float64(),
}
"""The columns of `Snapshot.bursts`."""


@dataclass(frozen=True, slots=True)
class Series:
    """One measure of some services in bins of time: `sums` has the shape (services, bins, 2)."""

    measure: str
    services: list[str]
    starts_us: Ints
    width_us: int
    sums: Floats


@dataclass(frozen=True, slots=True)
class Run:
    """The bins [start, stop) of a series that are above its quiet share, and how surely."""

    start: int
    stop: int
    quiet: float
    score: float


def bursts(stats: Stats) -> pd.DataFrame:
    """See `Snapshot.bursts`."""
    rows = [*_error_bursts(stats), *_latency_bursts(stats)]
    table = pl.DataFrame(rows, schema=SCHEMA, orient="row") if rows else pl.DataFrame(schema=SCHEMA)
    return to_pandas(table.sort("score", "service", descending=[True, False]).to_arrow(), nullable=())


def _error_bursts(stats: Stats) -> Iterator[tuple[object, ...]]:
    buckets = stats.buckets
    errors = pl.col("level").to_physical().fill_null(0) >= schema.ERROR_RANK
    is_error = pl.col("level").is_not_null() & errors
    own = buckets.filter(is_error).group_by("service").agg(pl.col("events").sum())
    services = own.filter(pl.col("events") >= _LEAST_ERRORS)["service"].sort().to_list()
    if not services:
        return
    counted = buckets.select("service", "bucket_us", "events", is_error.cast(pl.Int64).alias("is_error"))
    counted = counted.with_columns((pl.col("events") * pl.col("is_error")).alias("hits"))
    series = _binned("error_rate", counted, services, ("hits", "events"), stats.width_us)
    for at, run in _runs(series, binomial_cost, _binomial_noise(series.sums)):
        hits, events = series.sums[at, run.start : run.stop].sum(axis=0)
        if hits < _LEAST_ERRORS:
            continue
        share = _smoothed(series.sums[at])
        peak = _peak(series.sums[at], share, run)
        yield _row(series, at, run, peak, int(events), hits / events, share[peak])


def _latency_bursts(stats: Stats) -> Iterator[tuple[object, ...]]:
    """Durations enter by their rank among the service's own: no one of them can outweigh the others."""
    bins = stats.bins.filter(pl.col("bucket_us").is_not_null())
    counts = bins.group_by("service", "bin").agg(pl.col("events").sum()).sort("service", "bin")
    upto = pl.col("events").cum_sum().over("service")
    whole = pl.col("events").sum().over("service")
    # Of a uniform score in (-1/2, 1/2) the variance is 1/12.
    score = ((upto - pl.col("events") / 2) / whole - 0.5) * np.sqrt(12.0)
    scores = counts.select("service", "bin", score.alias("score"), whole.alias("whole"))
    services = scores.filter(pl.col("whole") >= _LEAST_DURATIONS)["service"].unique().sort().to_list()
    if not services:
        return
    counted = bins.join(scores, on=["service", "bin"]).with_columns((pl.col("score") * pl.col("events")).alias("sum"))
    series = _binned("latency", counted, services, ("sum", "events"), stats.bin_width_us)
    for at, run in _runs(series, mean_cost, _mean_noise(series.sums)):
        own = bins.filter(pl.col("service") == services[at])
        place = np.searchsorted(series.starts_us, own["bucket_us"].to_numpy() // series.width_us * series.width_us)
        within = (place >= run.start) & (place < run.stop)
        peak = _peak(series.sums[at], _smoothed(series.sums[at]), run)
        p95 = [_p95(own, mask) for mask in (within, within & (abs(place - peak) <= 1), ~within)]
        yield _row(series, at, run, peak, int(own["events"].to_numpy()[within].sum()), *p95)


def _p95(bins: pl.DataFrame, mask: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    """The 95th percentile in ms of some of the bins."""
    own = bins.filter(pl.Series(mask)).group_by("bin").agg(pl.col("events").sum()).sort("bin")
    if not own.height:
        return float("nan")
    row = quantile_rows(own["events"].to_numpy(), np.zeros(1, np.int64), 0.95)
    return float(value_of(own["bin"].to_numpy().astype(np.int64)[row])[0]) / 1000


def _binned(measure: str, counted: pl.DataFrame, services: list[str], columns: tuple[str, str], own_us: int) -> Series:
    """Both columns summed up in bins; only bins in which anything was counted, so a stray old line costs one."""
    width, starts = _bins(counted["bucket_us"].to_numpy(), own_us)
    kept = counted.filter(pl.col("service").is_in(services))
    which = kept["service"].replace_strict(services, list(range(len(services))), return_dtype=pl.Int64).to_numpy()
    place = np.searchsorted(starts, kept["bucket_us"].to_numpy() // width * width)
    cell, cells = which * len(starts) + place, len(services) * len(starts)
    sums = [np.bincount(cell, kept[name].to_numpy(), cells).reshape(-1, len(starts)) for name in columns]
    return Series(measure, services, starts, width, np.stack(sums, axis=2))


def _bins(times: Ints, own_us: int) -> tuple[int, Ints]:
    """The least of the round widths at which `times` occupy few enough bins, and the bins' starts."""
    for seconds in _WIDTHS:
        width = seconds * 1_000_000
        if width % own_us == 0:
            starts = np.unique(times // width * width)
            if len(starts) <= MAX_BINS:
                return width, starts
    return own_us, np.unique(times // own_us * own_us)


def _runs(series: Series, cost: Cost, noise: Floats) -> Iterator[tuple[int, Run]]:
    """Of each service the runs of segments that are above its quiet ones."""
    bins = series.sums.shape[1]
    penalty = _PENALTY * np.log(max(bins, 2)) * noise
    for at, begins in enumerate(segments(series.sums, cost, penalty)):
        sums = np.add.reduceat(series.sums[at], begins, axis=0)
        for run in _above(sums, begins, bins, cost, float(noise[at])):
            yield at, run


def _above(sums: Floats, begins: Ints, bins: int, cost: Cost, noise: float) -> Iterator[Run]:
    level = np.divide(sums[:, 0], sums[:, 1], out=np.full(len(sums), -np.inf), where=sums[:, 1] > 0)
    order = np.argsort(level)
    order = order[sums[order, 1] > 0]
    weight = np.cumsum(sums[order, 1])
    quiet = order[: int(np.searchsorted(weight, _QUIET_SHARE * weight[-1])) + 1]
    rest = sums[quiet].sum(axis=0)
    usual = rest[0] / rest[1]
    scores = np.array([_gain(one, rest, cost) / noise for one in sums])
    high = (level > usual) & (scores >= _LEAST_SCORE)
    high[quiet] = False
    edges = np.append(begins, bins)
    at = 0
    while at < len(high):
        stop = at
        while stop < len(high) and high[stop]:
            stop += 1
        if stop > at:
            score = _gain(sums[at:stop].sum(axis=0), rest, cost) / noise
            yield Run(int(edges[at]), int(edges[stop]), float(usual), float(score))
        at = stop + 1


def _gain(one: Floats, other: Floats, cost: Cost) -> float:
    """How much likelier two groups are apart than as one: twice the logarithm."""
    return float(cost(one + other) - cost(one) - cost(other))


def _binomial_noise(sums: Floats) -> Floats:
    """How much more neighbouring bins differ than independent events would: at least 1."""
    a, b = sums[:, :-1], sums[:, 1:]
    pooled = np.divide(
        a[..., 0] + b[..., 0], a[..., 1] + b[..., 1], out=np.zeros(a.shape[:2]), where=(a + b)[..., 1] > 0
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = a[..., 0] / a[..., 1] - b[..., 0] / b[..., 1]
        squares = gap**2 / (pooled * (1 - pooled) * (1 / a[..., 1] + 1 / b[..., 1]))
    return _at_least_one(squares)


def _mean_noise(sums: Floats) -> Floats:
    a, b = sums[:, :-1], sums[:, 1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = a[..., 0] / a[..., 1] - b[..., 0] / b[..., 1]
        squares = gap**2 / (1 / a[..., 1] + 1 / b[..., 1])
    return _at_least_one(squares)


def _at_least_one(squares: Floats) -> Floats:
    known = np.isfinite(squares)
    number = known.sum(axis=1)
    total = np.where(known, squares, 0.0).sum(axis=1)
    mean = np.divide(total, number, out=np.ones(len(squares)), where=number > 0)
    return np.asarray(np.maximum(mean, 1.0))


def _smoothed(sums: Floats) -> Floats:
    """Each bin's level with that of its neighbours: a peak is more than one lucky event."""
    kernel = np.ones(3)
    top, bottom = (np.convolve(sums[:, at], kernel, mode="same") for at in (0, 1))
    level: Floats = np.divide(top, bottom, out=np.full(len(top), -np.inf), where=bottom > 0)
    return level


def _peak(sums: Floats, smooth: Floats, run: Run) -> int:
    """The bin of a run with the highest level, of those with events."""
    level = np.where(sums[run.start : run.stop, 1] > 0, smooth[run.start : run.stop], -np.inf)
    return run.start + int(level.argmax())


def _row(
    series: Series,
    at: int,
    run: Run,
    peak: int,
    events: int,
    value: float,
    at_peak: float,
    baseline: float | None = None,
) -> tuple[object, ...]:
    starts = series.starts_us
    edges = (int(starts[run.start]), int(starts[peak]), int(starts[run.stop - 1]) + series.width_us)
    ongoing = run.stop == len(starts)
    usual = run.quiet if baseline is None else baseline
    return (series.services[at], series.measure, *edges, ongoing, events, value, at_peak, usual, run.score)

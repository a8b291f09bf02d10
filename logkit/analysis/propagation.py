"""Where trouble began and how it spread: who erred first in each trace, summed into edges between services."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from logkit import schema
from logkit.analysis import order
from logkit.analysis.columns import columns
from logkit.analysis.conditions import Condition
from logkit.analysis.coupling import coupling
from logkit.analysis.rows import to_pandas
from logkit.analysis.traces import opening, resolution_us, shifted, trace_id
from logkit.analysis.windows import Window, window_of

if TYPE_CHECKING:
    import pandas as pd

    from logkit.snapshot import Snapshot

_LEAST_UNTRACED: Final = 5
_MOST_ROWS: Final = 400_000
"""Of the window only the first so many events are looked at to learn who logs first where errors alone cannot tell."""

EDGES: Final[dict[str, pl.DataType]] = {
    "source": pl.String(),
    "target": pl.String(),
    "traces": pl.Float64(),
    "share": pl.Float64(),
    "lag_ms": pl.Float64(),
    "basis": pl.String(),
}
SERVICES: Final[dict[str, pl.DataType]] = {
    "service": pl.String(),
    "began": pl.Float64(),
    "share": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "expected": pl.Float64(),
    "errors": pl.Int64(),
    "traced_errors": pl.Int64(),
    "first_error": schema.TIMESTAMP,
}


@dataclass(frozen=True, slots=True, repr=False)
class Propagation:
    """Where trouble began in a window, and from whom to whom it went.

    `origin` is the service whose errors came first in more traces than its usual share, None where no error is in the
    window. `edges`: source, target, traces (a trace in which several may have been the source counts in parts), share
    (of the traces with errors), lag_ms (median), basis ("trace", or "time" for errors that name no trace and come just
    before ones that do). `services`: service, began (traces in which it erred first), share and its 95 % interval low
    to high (Wilson), expected (of its errors outside the window), errors, traced_errors, first_error (UTC).
    """

    origin: str | None
    window: Window
    traces: int
    edges: pd.DataFrame
    services: pd.DataFrame
    basis: str
    """What the origin was told by: "trace", "time" (errors of it name no trace), or "onset" (there are no traces)."""

    def __repr__(self) -> str:
        table = f"\n{self.edges.to_string(index=False)}" if len(self.edges) else ""
        return f"Propagation: {self.sentence()}{table}"

    def _repr_html_(self) -> str:
        from html import escape

        tables = "".join(t.to_html(index=False, border=0) for t in (self.services, self.edges) if len(t))
        return f"<div><b>Propagation</b>: {escape(self.sentence())}</div>{tables}"

    def sentence(self) -> str:
        """What was found, in one sentence."""
        if self.origin is None:
            return "no error in the window"
        if self.basis == "onset":
            return f"{self.origin} erred first; no trace says who caused whom"
        row = self.services.iloc[0]
        path = " → ".join(self.chain())
        return f"{self.origin} erred first in {row['began']:,.0f} of {self.traces:,} traces with errors: {path}"

    def chain(self) -> list[str]:
        """The services from the origin along the strongest edges; each once."""
        if self.origin is None:
            return []
        found = [self.origin]
        while True:
            ahead = self.edges[(self.edges["source"] == found[-1]) & ~self.edges["target"].isin(found)]
            if not len(ahead):
                return found
            found.append(str(ahead.sort_values("traces", ascending=False)["target"].iloc[0]))


def propagation(snapshot: Snapshot, given: Any, min_level: str, shifts: dict[str, float]) -> Propagation:
    """See `Snapshot.propagation`."""
    window = window_of(snapshot, given)
    errors = _errors(snapshot, min_level, shifts)
    inside = errors.filter(_within(window))
    services = _services(inside)
    if not inside.height:
        return Propagation(None, window, 0, _pandas(None, EDGES), _pandas(services, SERVICES), "trace")
    firsts = _firsts(errors)
    ranks = _ranked(snapshot, firsts, window, shifts)
    began = _beginnings(ranks)
    now = began.filter(pl.col("low").is_between(window.start_us, window.stop_us, closed="left"))
    usual = began.join(now.select("trace").unique(), on="trace", how="anti")
    traced = ranks.join(now.select("trace").unique(), on="trace")
    edges = order.steps(traced).with_columns(pl.lit("trace").alias("basis"))
    now, timed = _untraced(inside, now)
    edges = pl.concat([edges, timed.select(edges.columns)])
    traces = now["trace"].n_unique()
    services = _counted(services, now, usual, traces, _scale(snapshot, window))
    basis, origin = _origin(services, timed, traces)
    table = _summed(edges, traces)
    return Propagation(origin, window, traces, _pandas(table, EDGES), _pandas(services, SERVICES), basis)


def _errors(snapshot: Snapshot, min_level: str, shifts: dict[str, float]) -> pl.DataFrame:
    """The errors with a time: timestamp, service, trace, low and high (µs, where the time of each lies)."""
    levels = schema.LEVELS[schema.LEVELS.index(min_level) :]
    rows = columns(snapshot, ["timestamp", "service", "trace_id", "message"], Condition({"level": levels}))
    low = pl.col("timestamp").dt.timestamp("us")
    found = rows.filter(pl.col("timestamp").is_not_null()).with_columns(trace_id(), resolution_us(snapshot))
    found = shifted(found, shifts)
    return found.select(
        "timestamp",
        "service",
        "trace",
        "resolution_us",
        low.alias("low"),
        (low + pl.col("resolution_us")).alias("high"),
    )


def _within(window: Window) -> pl.Expr:
    return pl.col("low").is_between(window.start_us, window.stop_us, closed="left")


def _firsts(errors: pl.DataFrame) -> pl.DataFrame:
    traced = errors.filter(pl.col("trace").is_not_null())
    return traced.group_by("trace", "service").agg(pl.col("low").min(), pl.col("high").min())


def _ranked(snapshot: Snapshot, firsts: pl.DataFrame, window: Window, shifts: dict[str, float]) -> pl.DataFrame:
    compared = order.pairs(firsts)
    usual = order.majority(compared)
    undecided = compared.filter(pl.col("sure") == 0).join(usual, on=["a", "b"], how="anti")
    if undecided.height:
        lasts = _lasts(snapshot, window, shifts)
        usual = order.filled(order.majority(compared, order.pairs(lasts)), order.callers(lasts))
    return order.ranked(firsts, compared, usual)


def _lasts(snapshot: Snapshot, window: Window, shifts: dict[str, float]) -> pl.DataFrame:
    """When each service had its last word in the window's traces, errors or not: a caller waits for the called."""
    some = opening(snapshot, window.start_us, window.stop_us, _MOST_ROWS)
    asked = Condition({}, some.start_us, some.stop_us)
    low = pl.col("timestamp").dt.timestamp("us")
    rows = columns(snapshot, ["timestamp", "service", "trace_id", "message"], asked)
    rows = shifted(rows.with_columns(resolution_us(snapshot), trace_id()), shifts)
    rows = rows.filter(pl.col("trace").is_not_null()).with_columns(low.alias("low"))
    found = rows.group_by("trace", "service").agg(
        pl.col("low").max(), (pl.col("low") + pl.col("resolution_us")).max().alias("high")
    )
    return found


def _beginnings(ranks: pl.DataFrame) -> pl.DataFrame:
    """Who erred first in each trace: trace, service, low, high, weight; where nobody can tell, each a part."""
    first = ranks.filter(pl.col("rank") == pl.col("rank").min().over("trace"))
    return first.select("trace", "service", "low", "high", (1 / pl.len().over("trace")).alias("weight"))


def _untraced(errors: pl.DataFrame, began: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The beginnings, handed on to services whose untraced errors come just before; and the edges of that."""
    edges = pl.DataFrame(schema={"trace": pl.String, "source": pl.String, "target": pl.String, "lag_us": pl.Int64,
                                 "weight": pl.Float64, "basis": pl.String})  # fmt: skip
    silent = errors.filter(pl.col("trace").is_null())
    many = silent.group_by("service").len().filter(pl.col("len") >= _LEAST_UNTRACED)["service"].sort().to_list()
    for target in began["service"].unique().sort().to_list() if many else ():
        own = began.filter(pl.col("service") == target).sort("low")
        times, resolution = own["low"].to_numpy(), int((own["high"] - own["low"]).max())  # type: ignore[arg-type]
        best, causes_of_best, name = None, None, ""
        for source in many:
            if source == target:
                continue
            causes = silent.filter(pl.col("service") == source)["low"].sort().to_numpy()
            found, back = coupling(causes, times, resolution), coupling(times, causes, 1)
            if found is None or (back is not None and back.attributable > found.attributable):
                continue
            if best is None or found.attributable > best.attributable:
                best, causes_of_best, name = found, causes, source
        if best is None or causes_of_best is None:
            continue
        at = np.searchsorted(causes_of_best, times + resolution, side="left") - 1
        lag = times - causes_of_best[np.maximum(at, 0)]
        told = own.with_columns(
            pl.Series("lag_us", np.maximum(lag, 0)), pl.Series("follows", (at >= 0) & (lag <= best.lag_us))
        )
        told = told.filter("follows")
        edges = pl.concat([edges, told.select("trace", pl.lit(name).alias("source"), pl.col("service").alias("target"),
                                              "lag_us", "weight", pl.lit("time").alias("basis"))])  # fmt: skip
    moved = edges.select("trace", pl.col("target").alias("service"), "source")
    handed = began.join(moved, on=["trace", "service"], how="left")
    return handed.with_columns(pl.coalesce("source", "service").alias("service")).drop("source"), edges


def _services(errors: pl.DataFrame) -> pl.DataFrame:
    return errors.group_by("service").agg(
        pl.len().cast(pl.Int64).alias("errors"),
        pl.col("trace").is_not_null().sum().cast(pl.Int64).alias("traced_errors"),
        pl.col("timestamp").min().alias("first_error"),
    )


def _counted(services: pl.DataFrame, now: pl.DataFrame, usual: pl.DataFrame, traces: int, scale: float) -> pl.DataFrame:
    began = now.group_by("service").agg(pl.col("weight").sum().alias("began"))
    before = usual.group_by("service").agg((pl.col("weight").sum() * scale).alias("expected"))
    table = services.join(began, on="service", how="left").join(before, on="service", how="left")
    table = table.with_columns(pl.col("began", "expected").fill_null(0.0))
    low, high = _wilson(table["began"].to_numpy(), traces)
    share = table["began"] / traces if traces else table["began"] * 0
    table = table.with_columns(share.alias("share"), pl.Series("low", low), pl.Series("high", high))
    # Rounded: sums of thirds differ in their last digit with the order in which they were added.
    more = (pl.col("began") - pl.col("expected")).round(6)
    return table.sort(more, "first_error", "service", descending=[True, False, False]).select(*SERVICES)


def _wilson(hits: np.ndarray[Any, Any], trials: int, z: float = 1.959964) -> tuple[Any, Any]:
    """Wilson's interval for a share (E. B. Wilson, JASA 22 (1927)), 95 %."""
    if not trials:
        return np.zeros(len(hits)), np.ones(len(hits))
    p, z2 = hits / trials, z * z / trials
    centre, half = p + z2 / 2, z * np.sqrt(p * (1 - p) / trials + z2 / (4 * trials))
    return np.maximum(centre - half, 0) / (1 + z2), np.minimum((centre + half) / (1 + z2), 1)


def _scale(snapshot: Snapshot, window: Window) -> float:
    """How long the window is against the rest of the time."""
    totals = snapshot.stats.totals
    whole = int(totals["last_us"].max()) - int(totals["first_us"].min())  # type: ignore[arg-type]
    length = window.stop_us - window.start_us
    return length / (whole - length) if whole > length else 0.0


def _origin(services: pl.DataFrame, timed: pl.DataFrame, traces: int) -> tuple[str, str]:
    if not traces:
        return "onset", str(services.sort("first_error", "service")["service"][0])
    name = str(services["service"][0])
    return ("time" if (timed["source"] == name).any() else "trace"), name


def _summed(edges: pl.DataFrame, traces: int) -> pl.DataFrame:
    table = edges.group_by("source", "target", "basis").agg(
        pl.col("weight").sum().alias("traces"),
        (pl.col("weight").sum() / traces).alias("share"),
        (pl.col("lag_us").median() / 1000).alias("lag_ms"),
    )
    by = [pl.col("traces").round(6), pl.col("source"), pl.col("target"), pl.col("basis")]
    return table.sort(by, descending=[True, False, False, False]).select(*EDGES)


def _pandas(table: pl.DataFrame | None, kinds: dict[str, pl.DataType]) -> pd.DataFrame:
    made = pl.DataFrame(schema=kinds) if table is None or not table.height else table.select(*kinds)
    return to_pandas(made.to_arrow(), nullable=())

"""Which of two services came first in a trace, where their clocks can tell, and most likely where they cannot.

A time that is written in whole seconds says no more than that second. So an event is an interval, [time, time +
resolution), and one is before another for certain only where the intervals do not overlap. The other traces are
decided by the majority of the certain ones between the same two services, if there is one; else by who calls whom: a
service that is in nearly every trace of another, but not the other way round, calls it, and errors go from the called
to the caller.
"""

from __future__ import annotations

from typing import Final

import polars as pl

_USUAL: Final = {"a": pl.String, "b": pl.String, "usual": pl.Int8}
_LEAST: Final = 3
_MAJORITY: Final = 0.8
_COARSE_US: Final = 1_000_000
_ALWAYS: Final = 0.98
_NOT_ALWAYS: Final = 0.9


def pairs(firsts: pl.DataFrame) -> pl.DataFrame:
    """All pairs of services in a trace: trace, a, b, sure (-1: a is before b, 1: after, 0: the clocks cannot tell).

    `firsts` has trace, service, low, high: a row for each trace and service.
    """
    one = firsts.select("trace", pl.col("service").alias("a"), pl.col("low").alias("la"), pl.col("high").alias("ha"))
    two = firsts.select("trace", pl.col("service").alias("b"), pl.col("low").alias("lb"), pl.col("high").alias("hb"))
    both = one.join(two, on="trace").filter(pl.col("a") != pl.col("b"))
    before, after = pl.col("ha") <= pl.col("lb"), pl.col("hb") <= pl.col("la")
    sure = pl.when(before).then(-1).when(after).then(1).otherwise(0).cast(pl.Int8)
    return both.select("trace", "a", "b", sure.alias("sure"))


def majority(*tables: pl.DataFrame) -> pl.DataFrame:
    """For two services which is mostly first: a, b, usual (-1, 1); the first table that can tell decides."""
    found = pl.DataFrame(schema=_USUAL)
    for table in tables:
        sure = table.filter(pl.col("sure") != 0).group_by("a", "b").agg(pl.col("sure").cast(pl.Int64).sum(), pl.len())
        clear = sure.filter((pl.col("len") >= _LEAST) & (pl.col("sure").abs() >= (2 * _MAJORITY - 1) * pl.col("len")))
        found = filled(found, clear.select("a", "b", pl.col("sure").sign().cast(pl.Int8).alias("usual")))
    return found


def filled(first: pl.DataFrame, more: pl.DataFrame) -> pl.DataFrame:
    """`first`, and of `more` what it does not tell."""
    return pl.concat([first, more.join(first, on=["a", "b"], how="anti")])


def callers(members: pl.DataFrame) -> pl.DataFrame:
    """Who is called by whom, as `majority` says it: the called before the caller. `members` has trace and service."""
    own = members.group_by("service").agg(pl.len().alias("n"))
    pair = members.join(members, on="trace").filter(pl.col("service") != pl.col("service_right"))
    both = pair.group_by(pl.col("service").alias("a"), pl.col("service_right").alias("b")).agg(pl.len().alias("both"))
    both = both.join(own.rename({"service": "a", "n": "na"}), on="a").join(
        own.rename({"service": "b", "n": "nb"}), on="b"
    )
    of_a, of_b = pl.col("both") / pl.col("na"), pl.col("both") / pl.col("nb")
    called = (of_a >= _ALWAYS) & (of_b < _NOT_ALWAYS)
    calls = (of_b >= _ALWAYS) & (of_a < _NOT_ALWAYS)
    usual = pl.when(called).then(-1).when(calls).then(1).otherwise(0).cast(pl.Int8)
    return both.select("a", "b", usual.alias("usual")).filter(pl.col("usual") != 0)


def ranked(firsts: pl.DataFrame, compared: pl.DataFrame, usual: pl.DataFrame) -> pl.DataFrame:
    """`firsts` with each service's rank in its trace: how many others are before it (equal: nobody can tell)."""
    decided = compared.join(usual, on=["a", "b"], how="left").with_columns(
        pl.when(pl.col("sure") != 0).then("sure").otherwise(pl.col("usual").fill_null(0)).alias("order")
    )
    behind = decided.group_by("trace", "a").agg((pl.col("order") == 1).sum().alias("rank"))
    joined = firsts.join(behind, left_on=["trace", "service"], right_on=["trace", "a"], how="left")
    return joined.with_columns(pl.col("rank").fill_null(0).cast(pl.Int64))


def steps(ranks: pl.DataFrame) -> pl.DataFrame:
    """From whom to whom in each trace: trace, source, target, lag_us, weight; several sources share the weight.

    `lag_us` is null where one of both writes no more than seconds.
    """
    behind = ranks.filter(pl.col("rank") > 0)
    one = ranks.select(
        "trace",
        pl.col("service").alias("source"),
        pl.col("rank").alias("r"),
        pl.col("low").alias("from"),
        (pl.col("high") - pl.col("low")).alias("rounded"),
    )
    met = behind.join(one, on="trace").filter(pl.col("r") < pl.col("rank"))
    precise = pl.max_horizontal(pl.col("rounded"), pl.col("high") - pl.col("low")) < _COARSE_US
    nearest = met.filter(pl.col("r") == pl.col("r").max().over("trace", "service"))
    return nearest.select(
        "trace",
        "source",
        pl.col("service").alias("target"),
        pl.when(precise).then(pl.col("low") - pl.col("from")).alias("lag_us"),
        (1 / pl.len().over("trace", "service")).alias("weight"),
    )

"""The two groups of events that are compared: which rows are in which, and how often each value occurs in them.

Rows in memory are counted by Polars, those of a store by DuckDB where they are: no more than the counts leave it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
import polars as pl

from logkit import schema
from logkit.analysis.columns import PATTERN
from logkit.analysis.dimensions import is_named
from logkit.analysis.windows import Window
from logkit.stats import NO_LEVEL

if TYPE_CHECKING:
    pass

INSIDE, OUTSIDE = 1, 2

Side = Window | pl.Series
"""What a group is: a time, or a truth for each row of `snap.events`."""


class Groups(Protocol):
    """Rows, each with its group (1 inside, 2 outside, 0 neither) and its block of time (-1: no time)."""

    def cells(self, name: str) -> pl.DataFrame | None:
        """How many rows of each value of a field are in each group and block: key, group, block, x (Float64).

        None where the first rows already show too many values for a dimension.
        """

    def sizes(self, name: str) -> pl.DataFrame:
        """How many rows of each service and group have a measure: service, group, n."""

    def values(self, name: str, steps: pl.DataFrame) -> pl.DataFrame:
        """The values of a measure: service, value (Float64), group, block.

        Of many only one in `step` (service, group, step; powers of 2), as `thinned` chooses them.
        """


def thinned(offset: pl.Expr) -> pl.Expr:
    """A number for each row, by its offset alone: which rows are taken must not depend on the order they come in.

    It spreads offsets evenly (the minimal standard generator; S. K. Park and K. W. Miller, "Random number generators:
    good ones are hard to find", Communications of the ACM 31 (1988)).
    """
    return offset % PRIME * MULTIPLIER % PRIME


PRIME: Final = 2**31 - 1
MULTIPLIER: Final = 48_271


class Kept:
    """Rows in memory, in the pieces they lie in."""

    def __init__(self, held: list[pl.DataFrame]) -> None:
        self._pieces = held
        times = pl.concat([piece["timestamp"] for piece in held] or [pl.Series(dtype=schema.TIMESTAMP)])
        self._us = times.dt.timestamp("us").alias("us")
        self._sides = pl.DataFrame()
        self._labels: list[pl.DataFrame] = []

    def choose(self, inside: Side | None, outside: Side | None) -> None:
        """Which rows are in which group; truths in the order of the pieces."""
        first = self._truths(inside)
        if outside is not None:
            second = self._truths(outside)
        else:
            second = ~first & self._us.is_not_null() if isinstance(inside, Window) else ~first
        self._sides = pl.DataFrame({"inside": first, "outside": second, "us": self._us})

    def _truths(self, side: Side | None) -> pl.Series:
        if isinstance(side, Window):
            return ((self._us >= side.start_us) & (self._us < side.stop_us)).fill_null(False)
        assert side is not None
        return side

    def extents(self) -> pl.DataFrame:
        """inside, outside, rows, first, last (µs): a row for each part of the rows."""
        us = pl.col("us")
        return self._sides.group_by("inside", "outside").agg(
            pl.len().cast(pl.Int64).alias("rows"), us.min().alias("first"), us.max().alias("last")
        )

    def divide(self, block_us: int) -> None:
        """How long a block is."""
        group = pl.when("inside").then(INSIDE).when("outside").then(OUTSIDE).otherwise(0).cast(pl.Int8)
        # Events without a time are one block: nothing says that they are independent.
        block = (pl.col("us") // block_us).fill_null(-1)
        labels = self._sides.select(group.alias("group"), block.alias("block"))
        starts = np.cumsum([0, *(piece.height for piece in self._pieces)]).tolist()
        self._labels = [labels.slice(at, piece.height) for at, piece in zip(starts, self._pieces, strict=False)]

    def cells(self, name: str) -> pl.DataFrame | None:
        """See `Groups.cells`."""
        if name != "level":
            found = self._column(name)
        else:
            found = self._column("level", "service").with_columns(pl.col("level").cast(pl.String).fill_null(NO_LEVEL))
        if name not in (PATTERN, "path") and found.schema[name] == pl.String and is_named(found[name]):
            return None
        return counted(found.rename({name: "key"}))

    def sizes(self, name: str) -> pl.DataFrame:
        """See `Groups.sizes`."""
        return self._measured(name).group_by("service", "group").agg(pl.len().cast(pl.Int64).alias("n"))

    def values(self, name: str, steps: pl.DataFrame) -> pl.DataFrame:
        """See `Groups.values`."""
        found = self._measured(name).join(steps, on=["service", "group"])
        return found.filter(thinned(pl.col("offset")) % pl.col("step") == 0).select(VALUES)

    def _measured(self, name: str) -> pl.DataFrame:
        found = self._column("service", "offset", name).rename({name: "value"})
        return found.cast({"offset": pl.Int64(), "value": pl.Float64()}).filter(pl.col("value").is_finite())

    def _column(self, *names: str) -> pl.DataFrame:
        """These columns beside group and block, of the rows in a group that have the last of them."""
        own = [
            pl.concat([piece.select(names), label], how="horizontal")
            for piece, label in zip(self._pieces, self._labels, strict=True)
            if set(names) <= set(piece.columns)
        ]
        if not own:
            return pl.DataFrame(schema={**dict.fromkeys(names, pl.String()), **LABELS})
        whole = pl.concat(own, how="vertical_relaxed", rechunk=False)
        return whole.filter((pl.col("group") > 0) & pl.col(names[-1]).is_not_null())


VALUES: Final = ("service", "value", "group", "block")
LABELS: Final[dict[str, pl.DataType]] = {"group": pl.Int8(), "block": pl.Int64()}


def counted(found: pl.DataFrame, x: pl.Expr | None = None) -> pl.DataFrame:
    """Rows of key, group and block, counted; or cells put together by `x`."""
    count = pl.len().cast(pl.Float64) if x is None else x
    return found.group_by("key", "group", "block").agg(count.alias("x"))

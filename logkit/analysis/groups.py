"""The two groups of events that are compared: which rows are in which, and how often each value occurs in them.

Rows in memory are counted by Polars, those of a store by DuckDB where they are: no more than the counts leave it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import polars as pl

from logkit import schema
from logkit.analysis import rows
from logkit.analysis.columns import PATTERN, PLACE, aligned, need_rows, pieces
from logkit.analysis.dimensions import MAX_VALUES, is_named
from logkit.analysis.stored import StoredRows, table
from logkit.analysis.windows import Window, window_of
from logkit.errors import SettingError
from logkit.stats import NO_LEVEL

if TYPE_CHECKING:
    from logkit.sinks.view import Query
    from logkit.snapshot import Snapshot

_BLOCKS: Final = 200
_BLOCKS_INSIDE: Final = 16
_LEAST_SECONDS: Final = 1
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
    return offset % _PRIME * _MULTIPLIER % _PRIME


_PRIME: Final = 2**31 - 1
_MULTIPLIER: Final = 48_271


@contextmanager
def split(snapshot: Snapshot, window: Any, baseline: Any) -> Iterator[list[Groups]]:
    """The rows of both groups: those in the store, if there is one, and those in memory.

    A baseline of None is the rest: of a time all other times, of a mask all others.
    """
    need_rows(snapshot, "compare")
    inside = _side(snapshot, window, "window")
    outside = None if baseline is None else _side(snapshot, baseline, "baseline")
    kept = snapshot.rows
    if not isinstance(kept, StoredRows):
        own = Kept(pieces(snapshot))
        own.choose(*(_aligned(snapshot, side) for side in (inside, outside)))
        own.divide(_block_us(own.extents(), window, baseline))
        yield [own]
        return
    with kept.view.query() as query:
        stored, own = Stored(snapshot, kept, query), Kept(kept.held(snapshot))
        for_stored, for_own = zip(*(stored.spread(side) for side in (inside, outside)), strict=True)
        stored.choose(*for_stored)
        own.choose(*for_own)
        block = _block_us(pl.concat([stored.extents(), own.extents()]), window, baseline)
        stored.divide(block)
        own.divide(block)
        yield [stored, own]


def _side(snapshot: Snapshot, given: Any, setting: str) -> Side:
    if not is_mask(given):
        return window_of(snapshot, given, setting)
    values = given.fill_null(False) if isinstance(given, pl.Series) else given
    values = values.fillna(False) if hasattr(values, "fillna") else values
    mask = pl.Series(np.asarray(values, dtype=np.bool_))
    rows_there = len(snapshot) - snapshot.dropped_events
    if len(mask) != rows_there:
        raise SettingError(
            f"expected a mask of {rows_there:,} truths, one for each row of snap.events, found {len(mask):,}; "
            "try to make it from the same snapshot's events",
            setting=setting,
            value=len(mask),
        )
    return mask


def is_mask(given: Any) -> bool:
    """Whether that is a truth for each row, not a time."""
    return isinstance(given, pl.Series) or getattr(given, "dtype", None) in (np.dtype(bool), "boolean")


def _block_us(extents: pl.DataFrame, window: Any, baseline: Any) -> int:
    """The length of a block: some hundred in all, and a number of them inside. Raises where a group is empty, or both
    share rows. `extents`: inside, outside, rows, first, last (µs) of each part of the rows."""
    for name, given in (("inside", window), ("outside", baseline)):
        if not extents.filter(name)["rows"].sum():
            setting = "window" if name == "inside" else "baseline"
            raise SettingError(
                f"expected events in the {setting}, found none; try another one", setting=setting, value=given
            )
    both = int(extents.filter("inside", "outside")["rows"].sum())
    if both:
        raise SettingError(
            f"expected a baseline beside the window, found {both:,} events in both; try baseline=None",
            setting="baseline",
            value=baseline,
        )
    lengths = []
    for group, many in ((pl.col("inside") | pl.col("outside"), _BLOCKS), (pl.col("inside"), _BLOCKS_INSIDE)):
        own = extents.filter(group)
        first, last = own["first"].min(), own["last"].max()
        if isinstance(first, int) and isinstance(last, int):
            lengths.append((last - first) // many)
    return max(min(lengths, default=0), _LEAST_SECONDS * 1_000_000)


def _aligned(snapshot: Snapshot, side: Side | None) -> Side | None:
    return aligned(snapshot, side) if isinstance(side, pl.Series) else side


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
        return _counted(found.rename({name: "key"}))

    def sizes(self, name: str) -> pl.DataFrame:
        """See `Groups.sizes`."""
        return self._measured(name).group_by("service", "group").agg(pl.len().cast(pl.Int64).alias("n"))

    def values(self, name: str, steps: pl.DataFrame) -> pl.DataFrame:
        """See `Groups.values`."""
        found = self._measured(name).join(steps, on=["service", "group"])
        return found.filter(thinned(pl.col("offset")) % pl.col("step") == 0).select(_VALUES)

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
            return pl.DataFrame(schema={**dict.fromkeys(names, pl.String()), **_LABELS})
        whole = pl.concat(own, how="vertical_relaxed", rechunk=False)
        return whole.filter((pl.col("group") > 0) & pl.col(names[-1]).is_not_null())


_VALUES: Final = ("service", "value", "group", "block")
_LABELS: Final[dict[str, pl.DataType]] = {"group": pl.Int8(), "block": pl.Int64()}
_EXTENT: Final = 'count(*) AS rows, min(epoch_us("timestamp")) AS first, max(epoch_us("timestamp")) AS last'
_EXTENTS: Final[dict[str, pl.DataType]] = {
    "inside": pl.Boolean(),
    "outside": pl.Boolean(),
    "rows": pl.Int64(),
    "first": pl.Int64(),
    "last": pl.Int64(),
}


class Stored:
    """Rows in a store, seen through one query, so that a row's number stays its own meanwhile."""

    def __init__(self, snapshot: Snapshot, kept: StoredRows, query: Query) -> None:
        self._snapshot = snapshot
        self._kept = kept
        self._query = query
        self._bits = 0
        self._inside = self._outside = self._block = ""
        self._is_rest = self._is_timed = False

    def spread(self, side: Side | None) -> tuple[Side | None, Side | None]:
        """A side as the stored rows are asked for it (truths by their number), and as those in memory are."""
        if not isinstance(side, pl.Series):
            return side, side
        capture = self._kept.capture
        stored = table(self._query.ask(f"rowid AS nth, {', '.join(self._query.columns[name] for name in PLACE)}"))
        held = rows.joined(capture.frames, capture, PLACE).select(PLACE)
        order = rows.order_of(pl.concat([stored.select(PLACE), held]), capture)
        truths = np.empty(len(side), np.bool_)
        truths[order] = side.to_numpy()
        numbers = stored["nth"].to_numpy()
        numbered = np.zeros(int(numbers.max(initial=0)) + 1, np.bool_)
        numbered[numbers] = truths[: len(numbers)]
        # `joined` has put the held rows in order, as their pieces are.
        return pl.Series(numbered), pl.Series(truths[len(numbers) :])

    def choose(self, inside: Side | None, outside: Side | None) -> None:
        """Which rows are in which group."""
        self._inside = self._condition(inside)
        self._outside = "false" if outside is None else self._condition(outside)
        self._is_rest = outside is None
        self._is_timed = isinstance(inside, Window)

    def _condition(self, side: Side | None) -> str:
        if isinstance(side, Window):
            ends = (f"make_timestamptz({us:d}::BIGINT)" for us in (side.start_us, side.stop_us))
            return 'coalesce("timestamp" >= {} AND "timestamp" < {}, false)'.format(*ends)
        assert side is not None
        self._bits += 1
        name, bits = f"logkit_bits_{self._bits}", (side.to_numpy().view(np.uint8) + ord("0")).tobytes().decode("ascii")
        self._query.connection.execute(f"SET VARIABLE {name} = $bits::BIT", {"bits": bits})
        return f"(get_bit(getvariable('{name}'), rowid::INTEGER) = 1)"

    def extents(self) -> pl.DataFrame:
        """See `Kept.extents`."""
        timed = '"timestamp" IS NOT NULL AS timed'
        found = self._asked(f"{timed}, {_EXTENT}", rest=" GROUP BY ALL")
        if self._is_rest:
            rest = ~pl.col("inside") & pl.col("timed") if self._is_timed else ~pl.col("inside")
            found = found.with_columns(rest.alias("outside"))
        return found.select(_EXTENTS.keys()).cast(_EXTENTS)  # type: ignore[arg-type]

    def divide(self, block_us: int) -> None:
        """How long a block is."""
        # DuckDB rounds towards 0, and times of before 1970 are negative.
        before = _LONG_AGO // block_us
        self._block = f'(epoch_us("timestamp") + {before * block_us:d}) // {block_us:d} - {before:d} AS block'

    def _asked(self, what: str, source: str = "main.events", rest: str = "") -> pl.DataFrame:
        return table(self._query.ask(f"{self._inside} AS inside, {self._outside} AS outside, {what}", source, rest))

    def _labelled(self, found: pl.DataFrame) -> pl.DataFrame:
        """With the group for what it is told by, and without rows in none."""
        rest = pl.col("block").is_not_null() if self._is_timed else pl.lit(True)
        outside = rest if self._is_rest else pl.col("outside")
        group = pl.when("inside").then(INSIDE).when(outside).then(OUTSIDE).otherwise(0).cast(pl.Int8)
        found = found.with_columns(group.alias("group"), pl.col("block").fill_null(-1))
        return found.filter(pl.col("group") > 0)

    def cells(self, name: str) -> pl.DataFrame | None:
        """See `Groups.cells`."""
        if name == PATTERN:
            return self._patterns()
        column = self._query.columns.get(name)
        if column is None:
            return _NO_CELLS
        own = f"{column} IS NOT NULL" if name != "level" else "service IS NOT NULL"
        if name not in ("path", "level", "service"):
            first = (
                f"(SELECT {column} AS key FROM main.events WHERE {self._query.condition} AND {own} LIMIT {_LOOKED_AT})"
            )
            ((many,),) = self._query.connection.sql(f"SELECT count(DISTINCT key) FROM {first}").fetchall()
            if many > MAX_VALUES:
                return None
        key = column if name != "level" else f"coalesce(level::VARCHAR, '{NO_LEVEL}')"
        return self._counts(key, own)

    def _counts(self, key: str, own: str) -> pl.DataFrame:
        found = self._asked(f"{key} AS key, {self._block}, count(*)::DOUBLE AS x", rest=f" AND {own} GROUP BY ALL")
        return self._labelled(found).select("key", *_LABELS, "x")

    def _patterns(self) -> pl.DataFrame:
        named, ids = self._snapshot.named, self._kept.ids(self._snapshot)
        assert named is not None
        if ids is not None:
            number = self._query.columns.get(schema.MASK, "NULL::BIGINT")
            found = self._counts(number, "true").rename({"key": schema.MASK}).join(ids, on=schema.MASK)
            return _counted(found.rename({PATTERN: "key"}), pl.col("x").sum())
        # Only messages tell: they are looked at some at a time.
        what = f"{self._inside} AS inside, {self._outside} AS outside, message, {self._block}"
        parts = [_NO_CELLS]
        for batch in self._query.ask(what).to_arrow_reader(_BATCH_ROWS):
            found = self._labelled(pl.DataFrame(pl.from_arrow(batch)))
            parts.append(_counted(found.with_columns(named.column(found["message"]).alias("key"))))
        return _counted(pl.concat(parts), pl.col("x").sum())

    def sizes(self, name: str) -> pl.DataFrame:
        """See `Groups.sizes`."""
        column = self._query.columns.get(name, "NULL")
        block = '(CASE WHEN "timestamp" IS NULL THEN NULL ELSE 0 END)::BIGINT AS block'
        found = self._asked(f"service, {block}, count(*) AS n", rest=f" AND isfinite({column}::DOUBLE) GROUP BY ALL")
        return self._labelled(found).group_by("service", "group").agg(pl.col("n").sum())

    def values(self, name: str, steps: pl.DataFrame) -> pl.DataFrame:
        """See `Groups.values`."""
        column = f"{self._query.columns.get(name, 'NULL')}::DOUBLE"
        rest = f" AND isfinite({column})"
        most = steps.group_by("service").agg(pl.col("step").min().alias("least"))
        if (most["least"] > 1).any():
            self._query.connection.register("logkit_steps", most.to_arrow())
            number = f'"offset" % {_PRIME} * {_MULTIPLIER} % {_PRIME}'
            rest += f" AND ({number} % (SELECT least FROM logkit_steps AS s WHERE s.service = events.service)) = 0"
        found = self._asked(f'service, "offset", {column} AS value, {self._block}', rest=rest)
        found = self._labelled(found).join(steps, on=["service", "group"])
        return found.filter(thinned(pl.col("offset")) % pl.col("step") == 0).select(_VALUES)


_LOOKED_AT: Final = 50_000
_BATCH_ROWS: Final = 122_880
_LONG_AGO: Final = 1 << 58
_NO_CELLS: Final = pl.DataFrame(schema={"key": pl.String(), **_LABELS, "x": pl.Float64()})


def _counted(found: pl.DataFrame, x: pl.Expr | None = None) -> pl.DataFrame:
    count = pl.len().cast(pl.Float64) if x is None else x
    return found.group_by("key", "group", "block").agg(count.alias("x"))

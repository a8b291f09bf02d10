"""The two groups of events that are compared, of rows in a store: counted by DuckDB, where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from logkit import schema
from logkit.analysis import naming, rows
from logkit.analysis.columns import PATTERN, PLACE
from logkit.analysis.dimensions import MAX_VALUES, measures
from logkit.analysis.groups import INSIDE, LABELS, MULTIPLIER, OUTSIDE, PRIME, VALUES, Side, counted, thinned
from logkit.analysis.windows import Window
from logkit.stats import NO_LEVEL

if TYPE_CHECKING:
    from logkit.analysis.stored import StoredRows
    from logkit.sinks.view import Query
    from logkit.snapshot import Snapshot

_EXTENT: Final = 'count(*) AS rows, min(epoch_us("timestamp")) AS first, max(epoch_us("timestamp")) AS last'
_EXTENTS: Final[dict[str, pl.DataType]] = {
    "inside": pl.Boolean(),
    "outside": pl.Boolean(),
    "rows": pl.Int64(),
    "first": pl.Int64(),
    "last": pl.Int64(),
}


_COMMON: Final = ("level", "service", "rejected")
_LOOKED_AT: Final = 50_000
_BATCH_ROWS: Final = 122_880
_LONG_AGO: Final = 1 << 58
_NO_CELLS: Final = pl.DataFrame(schema={"key": pl.String(), **LABELS, "x": pl.Float64()})


class Stored:
    """Rows in a store, seen through one query, so that a row's number stays its own meanwhile."""

    def __init__(self, snapshot: Snapshot, kept: StoredRows, query: Query) -> None:
        self._snapshot = snapshot
        self._kept = kept
        self._query = query
        self._bits = 0
        self._inside = self._outside = self._block = ""
        self._is_rest = self._is_timed = False
        self._measures = measures(snapshot)
        self._common: pl.DataFrame | None = None

    def spread(self, side: Side | None) -> tuple[Side | None, Side | None]:
        """A side as the stored rows are asked for it (truths by their number), and as those in memory are."""
        if not isinstance(side, pl.Series):
            return side, side
        capture = self._kept.capture
        stored = self._query.table(f"rowid AS nth, {', '.join(self._query.columns[name] for name in PLACE)}")
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

    def _asked(self, what: str, rest: str = "") -> pl.DataFrame:
        return self._query.table(f"{self._inside} AS inside, {self._outside} AS outside, {what}", rest)

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
        if name in _COMMON:
            return self._common_cells(name)
        column = self._query.columns.get(naming.own_name(self._snapshot, self._kept.view, name))
        if column is None:
            return _NO_CELLS
        own = f"{column} IS NOT NULL"
        if name != "path":
            first = (
                f"(SELECT {column} AS key FROM main.events WHERE {self._query.condition} AND {own} LIMIT {_LOOKED_AT})"
            )
            ((many,),) = self._query.connection.sql(f"SELECT count(DISTINCT key) FROM {first}").fetchall()
            if many > MAX_VALUES:
                return None
        found = self._asked(f"{column} AS key, {self._block}, count(*)::DOUBLE AS x", rest=f" AND {own} GROUP BY ALL")
        return self._labelled(found).select("key", *LABELS, "x")

    def _counted(self) -> pl.DataFrame:
        """What every row has, counted in one go: _COMMON, the number of the masked message, group, block, x; and of
        each measure how many rows have it. A masked message is nearly always of one service and level."""
        if self._common is None:
            number = self._query.columns.get(schema.MASK, "NULL::BIGINT")
            sizes = (
                f"count(*) FILTER (isfinite({self._query.columns.get(name, 'NULL')}::DOUBLE)) AS n{at}"
                for at, name in enumerate(self._measures)
            )
            what = (*_COMMON, f"{number} AS {schema.MASK}", self._block, "count(*)::DOUBLE AS x", *sizes)
            self._common = self._labelled(self._asked(", ".join(what), rest=" GROUP BY ALL"))
        return self._common

    def _common_cells(self, name: str) -> pl.DataFrame:
        found = self._counted().filter(pl.col("service" if name == "level" else name).is_not_null())
        key = pl.col(name) if name != "level" else pl.col(name).cast(pl.String).fill_null(NO_LEVEL)
        return counted(found.with_columns(key.alias("key")), pl.col("x").sum())

    def _patterns(self) -> pl.DataFrame:
        named, ids = self._snapshot.named, naming.ids(self._snapshot, self._kept.view)
        assert named is not None
        if ids is not None:
            found = self._counted().join(ids, on=schema.MASK)
            return counted(found.with_columns(pl.col(PATTERN).alias("key")), pl.col("x").sum())
        # Only messages tell: they are looked at some at a time.
        what = f"{self._inside} AS inside, {self._outside} AS outside, message, {self._block}"
        parts = [_NO_CELLS]
        for batch in self._query.ask(what).to_arrow_reader(_BATCH_ROWS):
            found = self._labelled(pl.DataFrame(pl.from_arrow(batch)))
            parts.append(counted(found.with_columns(named.column(found["message"]).alias("key"))))
        return counted(pl.concat(parts), pl.col("x").sum())

    def sizes(self, name: str) -> pl.DataFrame:
        """See `Groups.sizes`."""
        n = pl.col(f"n{self._measures.index(name)}").sum()
        return self._counted().group_by("service", "group").agg(n.alias("n")).filter(pl.col("n") > 0)

    def values(self, name: str, steps: pl.DataFrame) -> pl.DataFrame:
        """See `Groups.values`."""
        column = f"{self._query.columns.get(name, 'NULL')}::DOUBLE"
        rest = f" AND isfinite({column})"
        if (steps["step"] > 1).any():
            for group, side in ((INSIDE, "inside"), (OUTSIDE, "outside")):
                own = steps.filter(pl.col("group") == group)
                given = {"services": own["service"].to_list(), "steps": own["step"].to_list()}
                self._query.connection.execute(f"SET VARIABLE logkit_{side} = map($services, $steps::BIGINT[])", given)
            number = f'"offset" % {PRIME} * {MULTIPLIER} % {PRIME}'
            step = "getvariable('logkit_{}')[service]".format
            of = f"CASE WHEN {self._inside} THEN {step('inside')} ELSE {step('outside')} END"
            rest += f" AND {number} % ({of}) = 0"
        found = self._asked(f'service, "offset", {column} AS value, {self._block}', rest=rest)
        found = self._labelled(found).join(steps, on=["service", "group"])
        return found.filter(thinned(pl.col("offset")) % pl.col("step") == 0).select(VALUES)

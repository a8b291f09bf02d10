"""What changed: every dimension and every measure of two groups of events, ranked by how much."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from logkit import schema
from logkit.analysis import contrast
from logkit.analysis.columns import PATTERN, aligned, columns, pieces
from logkit.analysis.contrast import Contrast
from logkit.analysis.dimensions import MAX_VALUES, candidates, is_named, measures, path_templates
from logkit.analysis.windows import window_of
from logkit.errors import SettingError
from logkit.stats import NO_LEVEL

if TYPE_CHECKING:
    import pandas as pd

    from logkit.snapshot import Snapshot

_BLOCKS: Final = 200
_BLOCKS_INSIDE: Final = 16
_LEAST_SECONDS: Final = 1
_LEAST_COUNT: Final = 5
_MOST_RANKED: Final = 100_000
_INSIDE, _OUTSIDE = 1, 2

COLUMNS: Final = (
    *("dimension", "value", "change", "odds_ratio", "low", "high", "inside", "outside"),
    *("inside_events", "outside_events", "test", "p_value", "q_value", "key"),
)
"""The columns of `Snapshot.compare`."""


@dataclass(frozen=True, slots=True)
class Groups:
    """The pieces the rows lie in, and for each of their rows its group (1 inside, 2 outside, 0 neither) and block."""

    pieces: list[pl.DataFrame]
    labels: list[pl.DataFrame]

    def column(self, *names: str) -> pl.DataFrame:
        """These columns beside group and block, of the rows in a group that have the last of them."""
        own = [
            pl.concat([piece.select(names), label], how="horizontal")
            for piece, label in zip(self.pieces, self.labels, strict=True)
            if set(names) <= set(piece.columns)
        ]
        if not own:
            return pl.DataFrame(schema={**dict.fromkeys(names, pl.String()), **_LABELS})
        whole = pl.concat(own, how="vertical_relaxed", rechunk=False)
        return whole.filter((pl.col("group") > 0) & pl.col(names[-1]).is_not_null())


_LABELS: Final[dict[str, pl.DataType]] = {"group": pl.Int8(), "block": pl.Int64()}


def compare(snapshot: Snapshot, window: Any, baseline: Any, fdr: float) -> pd.DataFrame:
    """See `Snapshot.compare`."""
    import pandas as pd

    if not 0 < fdr <= 1:
        raise SettingError(f"expected fdr above 0 and up to 1, found {fdr!r}; try 0.05", setting="fdr", value=fdr)
    patterned = snapshot.with_patterns()
    groups = split(patterned, window, baseline)
    parts = [*_dimensions(patterned, groups), *_measures(patterned, groups)]
    if not parts:
        return pd.DataFrame(columns=list(COLUMNS))
    table = pl.concat([table for table, _ in parts], how="diagonal_relaxed")
    found = parts[0][1]
    for _, more in parts[1:]:
        found = found + more
    table = table.with_columns(
        *(pl.Series(name, getattr(found, name)) for name in ("odds_ratio", "low", "high", "p_value", "test")),
        pl.Series("q_value", contrast.adjusted(found.p_value)),
        pl.Series("least", found.least()),
    )
    # The last two decide between equals: fields come in the order in which files happened to be read.
    table = table.filter(pl.col("q_value") <= fdr).sort(
        "least", "q_value", "inside_events", "dimension", "key", descending=[True, False, True, False, False]
    )
    return _as_pandas(_texts(patterned, table).select(COLUMNS))


def split(snapshot: Snapshot, window: Any, baseline: Any) -> Groups:
    """The two groups of rows that are compared, and the blocks of time they lie in."""
    held = pieces(snapshot)
    if not held:
        columns(snapshot, ["timestamp"])  # says why there are none
    times = pl.concat([piece["timestamp"] for piece in held] or [_NO_TIMES]).dt.timestamp("us")
    inside = _mask(snapshot, window, times, "window")
    if baseline is None:
        # A window is a time, and so is the rest of it; of a mask the rest is everything.
        outside = ~inside if _is_mask(window) else ~inside & times.is_not_null()
    else:
        outside = _mask(snapshot, baseline, times, "baseline")
    for name, mask, given in (("window", inside, window), ("baseline", outside, baseline)):
        if not mask.any():
            raise SettingError(f"expected events in the {name}, found none; try another one", setting=name, value=given)
    if (inside & outside).any():
        both = int((inside & outside).sum())
        raise SettingError(
            f"expected a baseline beside the window, found {both:,} events in both; try baseline=None",
            setting="baseline",
            value=baseline,
        )
    group = pl.when(inside).then(_INSIDE).when(outside).then(_OUTSIDE).otherwise(0).cast(pl.Int8).alias("group")
    # Events without a time are one block: nothing says that they are independent.
    block = (times // _block_us(times, inside, outside)).fill_null(-1).alias("block")
    labels = pl.select(group, block)
    starts = np.cumsum([0, *(piece.height for piece in held)]).tolist()
    return Groups(held, [labels.slice(at, piece.height) for at, piece in zip(starts, held, strict=False)])


_NO_TIMES: Final = pl.Series("timestamp", [], schema.TIMESTAMP)


def _block_us(times: pl.Series, inside: pl.Series, outside: pl.Series) -> int:
    """The length of a block: some hundred in all, and a number of them inside."""
    lengths = []
    for mask, many in ((inside | outside, _BLOCKS), (inside, _BLOCKS_INSIDE)):
        own = times.filter(mask)
        first, last = own.min(), own.max()
        if isinstance(first, int) and isinstance(last, int):
            lengths.append((last - first) // many)
    return max(min(lengths, default=0), _LEAST_SECONDS * 1_000_000)


def _is_mask(given: Any) -> bool:
    return isinstance(given, pl.Series) or getattr(given, "dtype", None) in (np.dtype(bool), "boolean")


def _mask(snapshot: Snapshot, given: Any, times: pl.Series, setting: str) -> pl.Series:
    if not _is_mask(given):
        window = window_of(snapshot, given, setting)
        return ((times >= window.start_us) & (times < window.stop_us)).fill_null(False)
    values = given.fill_null(False) if isinstance(given, pl.Series) else given
    values = values.fillna(False) if hasattr(values, "fillna") else values
    mask = pl.Series(np.asarray(values, dtype=np.bool_))
    if len(mask) != len(times):
        raise SettingError(
            f"expected a mask of {len(times):,} truths, one for each row of snap.events, found {len(mask):,}; "
            "try to make it from the same snapshot's events",
            setting=setting,
            value=len(mask),
        )
    return aligned(snapshot, mask)


def _dimensions(snapshot: Snapshot, groups: Groups) -> Iterator[tuple[pl.DataFrame, Contrast]]:
    for name in candidates(snapshot):
        cells = _cells(name, groups)
        if cells is not None and (made := _shares(name, cells)) is not None:
            yield made


def _cells(name: str, groups: Groups) -> pl.DataFrame | None:
    """How many rows of each value are in each group and block; None where it has too many values for a dimension."""
    if name != "level":
        rows = groups.column(name)
    else:
        rows = groups.column("level", "service").with_columns(pl.col("level").cast(pl.String).fill_null(NO_LEVEL))
    if name not in (PATTERN, "path") and rows.schema[name] == pl.String and is_named(rows[name]):
        return None
    cells = rows.group_by(pl.col(name).alias("key"), "group", "block").agg(pl.len().cast(pl.Float64).alias("x"))
    if name == "path":
        kinds = cells["key"].unique()
        cells = cells.join(pl.DataFrame({"key": kinds, "kind": path_templates(kinds)}), on="key")
        cells = cells.group_by(pl.col("kind").alias("key"), "group", "block").agg(pl.col("x").sum())
    cells = cells.with_columns(pl.col("key").cast(pl.String))
    return None if name != PATTERN and cells["key"].n_unique() > MAX_VALUES else cells


def _shares(name: str, cells: pl.DataFrame) -> tuple[pl.DataFrame, Contrast] | None:
    """Each value of one dimension in both groups; None where nothing can be told apart."""
    sizes = cells.group_by("group", "block").agg(pl.col("x").sum().alias("n"))
    totals = sizes.group_by("group").agg(
        pl.col("n").sum().alias("all"), (pl.col("n") ** 2).sum().alias("nn"), pl.len().cast(pl.Float64).alias("blocks")
    )
    if totals.height < 2:
        return None
    per_value = (
        cells.join(sizes, on=["group", "block"])
        .group_by("key", "group")
        .agg(pl.col("x").sum(), (pl.col("x") ** 2).sum().alias("xx"), (pl.col("x") * pl.col("n")).sum().alias("xn"))
    )
    grid = per_value.select("key").unique().join(totals, how="cross").join(per_value, on=["key", "group"], how="left")
    grid = grid.fill_null(0.0).with_columns(pl.col("key").cast(pl.String)).sort("group", "key")
    told = {column: grid[column].to_numpy().reshape(2, -1) for column in ("x", "xx", "xn", "all", "nn", "blocks")}
    x, n = told["x"], told["all"]
    enough = (x.sum(axis=0) >= _LEAST_COUNT) & (x.sum(axis=0) < n.sum(axis=0))
    if not enough.any():
        return None
    share = x / n
    squares = told["xx"] - 2 * share * told["xn"] + share**2 * told["nn"]
    effects = contrast.design_effects(squares, n * share * (1 - share), told["blocks"])
    enough &= x.sum(axis=0) / effects >= _LEAST_COUNT
    degrees = max(float(told["blocks"][:, 0].sum()) - 2, 1.0)
    tested = contrast.shares(x[0][enough], n[0][enough], x[1][enough], n[1][enough], effects[enough], degrees)
    keys = grid["key"].head(x.shape[1]).to_numpy()[enough]
    inside, outside = share[:, enough]
    table = pl.DataFrame(
        {
            "dimension": [name] * len(keys),
            "key": pl.Series(keys, dtype=pl.String),
            "inside": inside,
            "outside": outside,
            "inside_events": x[0][enough].astype(np.int64),
            "outside_events": x[1][enough].astype(np.int64),
        }
    )
    return table, tested


def _measures(snapshot: Snapshot, groups: Groups) -> Iterator[tuple[pl.DataFrame, Contrast]]:
    """Each measure, service by service: what mixes services would show a change of the mixture."""
    for name in measures(snapshot):
        rows = groups.column("service", name).with_columns(pl.col(name).cast(pl.Float64))
        rows = rows.filter(pl.col(name).is_finite())
        for service in rows["service"].unique().sort().to_list():
            made = _ranks(name, service, rows.filter(pl.col("service") == service))
            if made is not None:
                yield made


def _ranks(name: str, service: str, rows: pl.DataFrame) -> tuple[pl.DataFrame, Contrast] | None:
    inside, outside = (_thinned(rows.filter(pl.col("group") == which)) for which in (_INSIDE, _OUTSIDE))
    if min(inside.height, outside.height) < _LEAST_COUNT or rows[name].n_unique() < 2:
        return None
    blocks = inside["block"].n_unique() + outside["block"].n_unique()
    values = [part[name].to_numpy() for part in (inside, outside)]
    which = (inside["block"].to_numpy(), outside["block"].to_numpy())
    tested = contrast.ranks(values[0], values[1], which, max(blocks - 2.0, 1.0))
    table = pl.DataFrame(
        {
            "dimension": [name],
            "key": pl.Series([service], dtype=pl.String),
            "inside": [float(np.median(values[0]))],
            "outside": [float(np.median(values[1]))],
            "inside_events": [int((rows["group"] == _INSIDE).sum())],
            "outside_events": [int((rows["group"] == _OUTSIDE).sum())],
            "measure": [True],
        }
    )
    return table, tested


def _thinned(rows: pl.DataFrame) -> pl.DataFrame:
    """Every n-th row of many: ranks of 100,000 tell what those of millions do."""
    return rows.gather_every(rows.height // _MOST_RANKED + 1)


def _texts(snapshot: Snapshot, table: pl.DataFrame) -> pl.DataFrame:
    """With each row's value as people read it, and its change in words."""
    value = pl.col("key")
    if (table["dimension"] == PATTERN).any():
        templates = snapshot.tables("patterns").select(PATTERN, "template").unique()
        named = pl.col("key").replace(templates[PATTERN], templates["template"])
        value = pl.when(pl.col("dimension") == PATTERN).then(named).otherwise(value)
    is_measure = (pl.col("measure") if "measure" in table.columns else pl.lit(False)).fill_null(False)
    said = [
        _change(*row) for row in table.select("dimension", is_measure.alias("measure"), "inside", "outside").iter_rows()
    ]
    return table.with_columns(value.alias("value"), pl.Series("change", said, pl.String))


def _change(dimension: str, is_measure: bool, inside: float, outside: float) -> str:
    if not is_measure:
        return f"{_percent(outside)} → {_percent(inside)}"
    unit = dimension.rsplit("_", 1)[-1] if "_" in dimension else dimension
    return f"median {outside:,.4g} → {inside:,.4g} {unit}"


def _percent(share: float) -> str:
    return "0 %" if share == 0 else f"{100 * share:.2g} %" if share < 0.0995 else f"{100 * share:.0f} %"


def _as_pandas(table: pl.DataFrame) -> pd.DataFrame:
    from logkit.analysis.rows import to_pandas

    return to_pandas(table.to_arrow(), nullable=())

"""What changed: every dimension and every measure of two groups of events, ranked by how much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from logkit.analysis import contrast
from logkit.analysis.columns import PATTERN
from logkit.analysis.contrast import Contrast
from logkit.analysis.dimensions import MAX_VALUES, candidates, measures, path_templates
from logkit.analysis.groups import INSIDE, OUTSIDE, Groups
from logkit.analysis.splitting import split
from logkit.errors import SettingError

if TYPE_CHECKING:
    import pandas as pd

    from logkit.snapshot import Snapshot

_LEAST_COUNT: Final = 5
_MOST_RANKED: Final = 100_000

COLUMNS: Final = (
    *("dimension", "value", "change", "odds_ratio", "low", "high", "inside", "outside"),
    *("inside_events", "outside_events", "test", "p_value", "q_value", "key"),
)
"""The columns of `Snapshot.compare`."""


def compare(snapshot: Snapshot, window: Any, baseline: Any, fdr: float) -> pd.DataFrame:
    """See `Snapshot.compare`."""
    import pandas as pd

    if not (isinstance(fdr, int | float) and 0 < fdr <= 1):
        raise SettingError(f"expected fdr above 0 and up to 1, found {fdr!r}; try 0.05", setting="fdr", value=fdr)
    patterned = snapshot.with_patterns()
    with split(patterned, window, baseline) as groups:
        parts = [*_dimensions(patterned, groups), *_measures(patterned, groups)]
    if not parts:
        return pd.DataFrame(columns=list(COLUMNS))
    table = pl.concat([table for table, _ in parts], how="diagonal_relaxed")
    if not table.height:
        return pd.DataFrame(columns=list(COLUMNS))
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


def _dimensions(snapshot: Snapshot, groups: Sequence[Groups]) -> Iterator[tuple[pl.DataFrame, Contrast]]:
    for name in candidates(snapshot):
        cells = _cells(name, groups)
        if cells is not None and (made := _shares(name, cells)) is not None:
            yield made


def _cells(name: str, groups: Sequence[Groups]) -> pl.DataFrame | None:
    """How many rows of each value are in each group and block; None where it has too many values for a dimension."""
    parts = []
    for part in groups:
        cells = part.cells(name)
        if cells is None:
            return None
        parts.append(cells.with_columns(pl.col("key").cast(pl.String)))
    cells = pl.concat(parts)
    if name == "path":
        kinds = cells["key"].unique()
        cells = cells.join(pl.DataFrame({"key": kinds, "kind": path_templates(kinds)}), on="key")
        cells = cells.select(pl.col("kind").alias("key"), "group", "block", "x")
    cells = cells.group_by("key", "group", "block").agg(pl.col("x").sum())
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


def _measures(snapshot: Snapshot, groups: Sequence[Groups]) -> Iterator[tuple[pl.DataFrame, Contrast]]:
    """Each measure, service by service: what mixes services would show a change of the mixture."""
    for name in measures(snapshot):
        sizes = pl.concat([part.sizes(name) for part in groups]).group_by("service", "group").agg(pl.col("n").sum())
        both = sizes.filter((pl.col("n").min().over("service") >= _LEAST_COUNT) & (pl.len().over("service") == 2))
        # One of 2, of 4 … rows, where there are many: ranks of 100,000 tell what those of millions do.
        halvings = (pl.col("n") / _MOST_RANKED).log(2).ceil().clip(0).cast(pl.Int64)
        steps = both.select("service", "group", pl.lit(2, pl.Int64).pow(halvings).cast(pl.Int64).alias("step"))
        values = pl.concat([part.values(name, steps) for part in groups])
        for service in sorted(both["service"].unique()):
            own, of = (frame.filter(pl.col("service") == service) for frame in (values, both))
            counts = {group: n for _, group, n in of.iter_rows()}
            if (made := _ranks(name, service, own, counts[INSIDE], counts[OUTSIDE])) is not None:
                yield made


def _ranks(
    name: str, service: str, rows: pl.DataFrame, inside_events: int, outside_events: int
) -> tuple[pl.DataFrame, Contrast] | None:
    # In order of value, so that sums of rows that came in another order are the same to the last digit.
    rows = rows.sort("value", "block")
    inside, outside = (rows.filter(pl.col("group") == which) for which in (INSIDE, OUTSIDE))
    if min(inside.height, outside.height) < _LEAST_COUNT or rows["value"].n_unique() < 2:
        return None
    blocks = inside["block"].n_unique() + outside["block"].n_unique()
    values = [part["value"].to_numpy() for part in (inside, outside)]
    which = (inside["block"].to_numpy(), outside["block"].to_numpy())
    tested = contrast.ranks(values[0], values[1], which, max(blocks - 2.0, 1.0))
    table = pl.DataFrame(
        {
            "dimension": [name],
            "key": pl.Series([service], dtype=pl.String),
            "inside": [float(np.median(values[0]))],
            "outside": [float(np.median(values[1]))],
            "inside_events": [inside_events],
            "outside_events": [outside_events],
            "measure": [True],
        }
    )
    return table, tested


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

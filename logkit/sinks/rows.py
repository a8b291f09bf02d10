"""Events on their way in: frames of many batches -> one Arrow table and the SQL that stores it. No database in here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from logkit import schema
from logkit.sinks.ddl import MORE, SOMETIMES, TYPES, column_type, has_column, quoted

if TYPE_CHECKING:
    import pyarrow as pa

    from logkit.capture import EventFrame

_SMALL: Final = 4096  # frames of fewer rows are joined, by copying: DuckDB takes up each piece of a table anew
_LEVEL: Final = " ".join(f"WHEN {rank} THEN '{level}'::level" for rank, level in enumerate(schema.LEVELS))


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows to be stored: `table` has the columns `c0`, `c1` … for those named in `columns`.

    `added` are the columns, with their types, that the events table has to be given first.
    """

    columns: tuple[str, ...]
    table: pa.Table
    added: dict[str, str]

    def insert(self, source: str) -> str:
        """The statement that stores the rows of the relation `source`; its one parameter is the commit's number."""
        names = ", ".join(quoted(name) for name in self.columns)
        values = ", ".join(_value(name, f"c{at}") for at, name in enumerate(self.columns))
        return f"INSERT INTO events (seq, {names}) SELECT $seq::BIGINT, {values} FROM {source}"


def rows_of(frames: Sequence[EventFrame], columns: Mapping[str, str]) -> Rows | None:
    """The events of all frames, None where there are none. `columns` are those of the events table, with their types.

    Strings are not copied: the table points into the same blocks as the frames.
    """
    import pyarrow as pa

    known = dict(columns)
    alike: dict[tuple[tuple[str, pl.DataType], ...], list[EventFrame]] = {}
    for part in frames:
        if part.frame.height:
            alike.setdefault(tuple(part.frame.schema.items()), []).append(part)
    pieces = [piece for parts in alike.values() for piece in _pieces(parts)]
    if not pieces:
        return None
    newest = pl.CompatLevel.newest()
    tables = [_joined(piece, known).to_arrow(compat_level=newest) for piece in pieces]
    table = pa.concat_tables(tables, promote_options="default")
    return Rows(
        tuple(table.column_names),
        table.rename_columns([f"c{at}" for at in range(table.num_columns)]),
        {name: kind for name, kind in known.items() if name not in columns},
    )


def _value(name: str, column: str) -> str:
    if name == "level":
        return f"CASE {column} {_LEVEL} END"
    # A merge patch keeps no member that is null: what a row has no value for is left out of its object.
    return f"json_merge_patch('{{}}', {column})" if name == MORE else column


def _pieces(parts: Sequence[EventFrame]) -> list[list[EventFrame]]:
    """Frames of the same columns, as they are best handed over: large ones alone, small ones together."""
    large = [[part] for part in parts if part.frame.height >= _SMALL]
    small = [part for part in parts if part.frame.height < _SMALL]
    return [*large, small] if small else large


def _joined(parts: Sequence[EventFrame], known: dict[str, str]) -> pl.DataFrame:
    """The rows of some frames as the store has them, with the source and generation each is of."""
    heights = [part.frame.height for part in parts]
    return _fitted(pl.concat([part.frame for part in parts], rechunk=True), known).with_columns(
        source=pl.Series(np.repeat([part.source for part in parts], heights), dtype=pl.Int64),
        generation=pl.Series(np.repeat([part.generation for part in parts], heights), dtype=pl.Int64),
    )


def _fitted(frame: pl.DataFrame, known: dict[str, str]) -> pl.DataFrame:
    """The columns that hold anything, each as the store has it; adds new ones to `known`."""
    kept: list[pl.Series] = []
    rest: list[pl.Series] = []
    for column in frame.iter_columns():
        if column.null_count() == frame.height:
            continue
        if column.name in schema.COMMON:
            if column.name in SOMETIMES:
                known.setdefault(column.name, SOMETIMES[column.name])
            kept.append(_common(column))
        elif column.dtype.is_nested() or not has_column(column.name, known):
            rest.append(column)
        else:
            kind = known.setdefault(column.name, column_type(column.name))
            fitting, lost = _cast(column, TYPES[kind])
            kept.append(fitting)
            rest += lost
    if rest:
        known.setdefault(MORE, "VARCHAR")
        kept.append(_objects(rest))
    return pl.DataFrame({column.name: column for column in kept})


def _common(column: pl.Series) -> pl.Series:
    dtype = schema.COMMON[column.name]
    fitting = column if column.dtype == dtype else column.cast(dtype, strict=False)
    return fitting.to_physical() if dtype == schema.LEVEL else fitting


def _cast(column: pl.Series, dtype: pl.DataType) -> tuple[pl.Series, list[pl.Series]]:
    """A column in another dtype, and the values that it cannot hold there (none or one series)."""
    if column.dtype == dtype:
        return column, []
    fitting = column.cast(dtype, strict=False)
    kept = fitting.eq_missing(column) if column.dtype.is_float() else fitting.is_not_null() | column.is_null()
    if kept.all():
        return fitting, []
    nothing = pl.Series([None], dtype=column.dtype)
    return fitting.zip_with(kept, pl.Series([None], dtype=dtype)), [column.zip_with(~kept, nothing)]


def _objects(columns: Sequence[pl.Series]) -> pl.Series:
    """One JSON object per row with the values of some columns, null where it would have none."""
    frame = pl.DataFrame({column.name: column for column in columns})
    some = pl.any_horizontal(pl.all().is_not_null())
    return frame.select(pl.when(some).then(pl.struct(pl.all()).struct.json_encode()).alias(MORE)).to_series()

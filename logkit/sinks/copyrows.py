"""Rows as PostgreSQL takes them: parcels -> CSV, a table per set of columns. Native code throughout, no row by row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import polars as pl

from logkit import schema
from logkit.sinks import jsontext
from logkit.sinks.pgtable import COLUMNS, Column
from logkit.sinks.protocol import Parcel
from logkit.sources.service import shown

_NUMBERS: Final[dict[str, pl.DataType]] = {
    "smallint": pl.Int16(),
    "integer": pl.Int32(),
    "bigint": pl.Int64(),
    "numeric": pl.Float64(),
    "real": pl.Float64(),
    "double precision": pl.Float64(),
    "boolean": pl.Boolean(),
}
_LARGEST: Final = 1 << 18


def tables(parcels: Iterable[Parcel], columns: Sequence[Column]) -> Iterator[tuple[list[str], bytes]]:
    """The names of the columns and the rows as CSV (UTF-8), for each set of columns that some parcels have."""
    alike: dict[tuple[tuple[str, pl.DataType], ...], list[pl.DataFrame]] = {}
    for parcel in parcels:
        frame = parcel.frame.with_columns(file=pl.lit(shown(parcel.path)), generation=pl.lit(parcel.generation))
        alike.setdefault(tuple(frame.schema.items()), []).append(frame)
    for frames in alike.values():
        for rows in pl.concat(frames, rechunk=False).iter_slices(_LARGEST):
            table = jsontext.without_nul(rows).select(_columns(rows, columns))
            text = table.write_csv(include_header=False, quote_style="non_numeric", float_precision=None)
            yield table.columns, text.encode()


def _columns(frame: pl.DataFrame, columns: Sequence[Column]) -> list[pl.Expr]:
    """Each column of the table as an expression; those of which these rows have nothing are left out."""
    own = [name for name in frame.columns if name not in schema.COMMON and name not in ("file", "generation")]
    rest = [name for name in own if frame[name].null_count() < frame.height]
    chosen = []
    for column in columns:
        if column.name == "attributes":
            if rest:
                chosen.append(_object(frame, rest).alias("attributes"))
        elif column.name in frame.columns and (column.name in COLUMNS or column.name in rest):
            chosen.append(_value(frame.schema[column.name], column))
    return chosen


def _value(dtype: pl.DataType, column: Column) -> pl.Expr:
    value = pl.col(column.name)
    if column.kind in _NUMBERS:
        return value.cast(_NUMBERS[column.kind], strict=False)
    if dtype.is_nested():
        return _whole(column.name).alias(column.name)
    return value if column.name == "timestamp" else value.cast(pl.String)


def _object(frame: pl.DataFrame, names: Sequence[str]) -> pl.Expr:
    """One JSON object per row with the fields it has; null where it has none."""
    some = pl.any_horizontal(pl.col(name).is_not_null() for name in names)
    members = []
    for name in names:
        written = _whole(name) if frame.schema[name].is_nested() else jsontext.value(name)
        members.append(jsontext.member(name.replace("\0", "\ufffd"), written, pl.col(name).is_not_null()))
    return pl.when(some).then(jsontext.joined(members, "{", "}"))


def _whole(name: str) -> pl.Expr:
    return jsontext.value(name).str.replace_all(r"\u0000", r"\ufffd", literal=True)

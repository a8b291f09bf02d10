"""`RowFilter`: which rows of a store are asked for, as a value, and as a condition in SQL with its values apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from logkit import schema
from logkit.sinks.reading import Bound

Place = tuple[int, int, int]
"""Source, generation and offset of a record."""

KEYS: Final = ("source", "generation")
"""The columns that say which generation of which source a row is of."""

_TYPES: Final[dict[type[pl.DataType], str]] = {
    pl.Int64: "BIGINT",
    pl.Float64: "DOUBLE",
    pl.Boolean: "BOOLEAN",
    pl.String: "VARCHAR",
    pl.Enum: "level",
    pl.Datetime: "TIMESTAMPTZ",
}


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Rows of which each column named in `fields` holds one of the values given for it (None: holds nothing), with a
    time in [`start_us`, `stop_us`), µs since 1970, of one of the `sources` (source and generation), none of the
    records `without`, and of a `trace`, by `trace_id` or in the message. None asks for nothing.

    A value has its column's dtype; times are µs since 1970. Names are those of fields, not of the store's columns.
    """

    fields: tuple[tuple[str, tuple[object, ...]], ...] = ()
    start_us: int | None = None
    stop_us: int | None = None
    sources: tuple[tuple[int, int], ...] | None = None
    without: tuple[Place, ...] = ()
    trace: str | None = None

    def names(self) -> tuple[str, ...]:
        """The fields it is about."""
        return (*(name for name, _ in self.fields), *(("trace_id",) if self.trace is not None else ()))

    def conditions(self, columns: Mapping[str, str], bound: Bound) -> list[str]:
        """SQL that holds for these rows; `columns` has each field's SQL."""
        said = [_one_of(name, values, columns, bound) for name, values in self.fields]
        if self.start_us is not None:
            said.append(f'"timestamp" >= make_timestamptz({bound(self.start_us)})')
        if self.stop_us is not None:
            said.append(f'"timestamp" < make_timestamptz({bound(self.stop_us)})')
        if self.sources is not None:
            said.append(_among(KEYS, self.sources, bound))
        if self.without:
            said.append("NOT " + _among((*KEYS, '"offset"'), self.without, bound))
        if self.trace is not None:
            own, sought = columns.get("trace_id", "NULL"), bound(self.trace)
            said.append(f"(coalesce(contains(message, {sought}), false) OR coalesce({own} = {sought}, false))")
        return said


def dtype_of(field: str) -> pl.DataType:
    """What a column of that name holds in every store."""
    if field in KEYS:
        return pl.Int64()
    return schema.COMMON.get(field) or schema.NUMBERS.get(field, pl.String())


def _one_of(name: str, values: tuple[object, ...], columns: Mapping[str, str], bound: Bound) -> str:
    if name not in columns:
        return "true" if None in values else "false"
    column, kind = columns[name], _TYPES[type(dtype_of(name))]
    instants = kind == "TIMESTAMPTZ"  # given as µs since 1970
    value = f"unnest({bound([value for value in values if value is not None])}::{'BIGINT' if instants else kind}[])"
    if instants:
        value = f"make_timestamptz({value})"
    # A join, not `list_contains`: the other columns are then fetched only of the rows that are found.
    found = f"{column} IN (SELECT {value})"
    return f"({found} OR {column} IS NULL)" if None in values else found


def _among(columns: tuple[str, ...], places: tuple[tuple[int, ...], ...], bound: Bound) -> str:
    """Whether the columns are one of `places` together."""
    lists = [f"unnest({bound([place[at] for place in places])}::BIGINT[])" for at in range(len(columns))]
    return f"(({', '.join(columns)}) IN (SELECT {', '.join(lists)}))"

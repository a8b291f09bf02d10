"""Which columns of the events can be compared: dimensions (few values) and measures (numbers)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from logkit.analysis.columns import PATTERN, columns, fields
from logkit.stats import NO_LEVEL

if TYPE_CHECKING:
    from logkit.snapshot import Snapshot

MAX_VALUES: Final = 200
"""A field of more different values is no dimension: a name of one thing, not of a kind."""

_NEVER: Final = frozenset(
    {"timestamp", "message", "offset", "length_bytes", "reason", "text", "continues", "file", "source", "generation"}
    | {"trace_id", "span_id", "attributes", "extra"}
)
"""Columns that say where a record is, or are different in each."""

_CODES: Final = frozenset({"status", "pid", "line"})
"""Whole numbers that are names."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """A column of few values; `texts` is null where an event has none, `shown` says how a value is shown."""

    name: str
    texts: pl.Series


def measures(snapshot: Snapshot) -> list[str]:
    """The columns that hold numbers to be ranked."""
    named = fields(snapshot).items()
    return [name for name, dtype in named if dtype.is_numeric() and name not in _NEVER | _CODES | {PATTERN}]


def candidates(snapshot: Snapshot) -> list[str]:
    """The columns that may be dimensions; `path` stands for its template."""
    numbers = set(measures(snapshot))
    return [name for name in fields(snapshot) if name not in _NEVER | numbers]


def dimension(snapshot: Snapshot, name: str) -> Dimension | None:
    """The column as a dimension, or None where it has too many values or only one."""
    values = columns(snapshot, [name])[name]
    if name == "path":
        values = path_templates(values)
    if values.dtype == pl.String and _too_many(values):
        return None
    texts = values.cast(pl.String).cast(pl.Categorical) if values.dtype != pl.Categorical else values
    if name == "level":
        texts = values.cast(pl.String).fill_null(NO_LEVEL).cast(pl.Categorical)
    kinds = texts.n_unique()
    if kinds < 2 or (kinds > MAX_VALUES + 1 and name != PATTERN):
        return None
    return Dimension(name, texts.alias(name))


def path_templates(paths: pl.Series) -> pl.Series:
    """Paths without their query, and with `{}` for what names one thing: numbers, UUIDs, long hexadecimal."""
    whole = paths.str.split_exact("?", 1).struct.field("field_0") if paths.dtype == pl.String else paths
    if whole.dtype != pl.String:
        return whole
    kinds = whole.unique()
    masked = kinds.str.replace_all(_NAMES_ONE, "/{}").str.replace_all(_NAMES_ONE, "/{}")
    return whole.replace_strict(kinds, masked, return_dtype=pl.String).alias(paths.name)


_NAMES_ONE: Final = r"/(?:[0-9]+|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{16,})\b"


def _too_many(values: pl.Series) -> bool:
    """Whether the first rows already show far too many values: saves going through all of them."""
    head = values.drop_nulls().head(50_000)
    return head.n_unique() > MAX_VALUES

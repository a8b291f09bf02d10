"""Which columns of the events can be compared: dimensions (few values) and measures (numbers)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from logkit.analysis.columns import PATTERN

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


def measures(snapshot: Snapshot) -> list[str]:
    """The columns that hold numbers to be ranked."""
    named = snapshot.rows.fields(snapshot).items()
    return [name for name, dtype in named if dtype.is_numeric() and name not in _NEVER | _CODES | {PATTERN}]


def candidates(snapshot: Snapshot) -> list[str]:
    """The columns that may be dimensions; `path` stands for its template."""
    numbers = set(measures(snapshot))
    return [name for name in snapshot.rows.fields(snapshot) if name not in _NEVER | numbers]


def is_named(texts: pl.Series) -> bool:
    """Whether the first values already show far too many: names of one thing, not of a kind."""
    return texts.drop_nulls().head(50_000).n_unique() > MAX_VALUES


def path_templates(paths: pl.Series) -> pl.Series:
    """Paths without their query, and with `{}` for what names one thing: numbers, UUIDs, long hexadecimal."""
    whole = paths.str.replace(r"[?#].*\z", "")
    # Twice: neighbouring segments share the slash between them.
    return whole.str.replace_all(_NAMES_ONE, "/{}$1").str.replace_all(_NAMES_ONE, "/{}$1")


_NAMES_ONE: Final = r"/(?:[0-9]+|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{16,})(/|\z)"

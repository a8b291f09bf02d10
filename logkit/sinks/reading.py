"""A connection to a store for the length of one query, and what its columns are called by. Any thread may ask."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from logkit import schema
from logkit.sinks import opening, parquet, registry
from logkit.sinks.ddl import MORE, SOMETIMES, column_type, quoted

if TYPE_CHECKING:
    import duckdb

PLACE: Final = ("file", "source", "generation")
"""Columns of `snap.events` that say where a record stands; a format's own field of such a name gets a `_` behind it."""

Bound = Callable[[object], str]
"""Takes a value and gives the SQL that stands for it: no value is ever part of the text of a query."""


@contextmanager
def connection_to(path: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the store at a real path: this process's own, where it writes to it, else one of its own that
    can only read. It is closed in the end: who keeps a store open locks others out. Raises the StoreError family."""
    import duckdb

    connection = registry.cursor(path) or (
        parquet.connect(path) if os.path.isdir(path) else opening.connect(path, read_only=True)
    )
    try:
        yield connection
    except (duckdb.Error, ValueError) as error:  # Arrow's errors are ValueErrors
        raise opening.explained(error, path) from error
    finally:
        connection.close()


def columns_of(connection: duckdb.DuckDBPyConnection, wanted: Collection[str] | None, bound: Bound) -> dict[str, str]:
    """Each field's SQL in the events table of a store, by its name in `snap.events`: the common ones first, then the
    formats' own in the order they first occurred. None wants all fields, else those `wanted` are sure to be there."""
    names = connection.sql("SELECT * FROM main.events LIMIT 0").columns
    common = (*schema.COMMON, "source", "generation")
    columns = {name: quoted(name) for name in common}
    columns.update((name, f"NULL::{kind}") for name, kind in SOMETIMES.items() if name not in names)
    columns.update((name, quoted(name)) for name in names if name not in (*common, "seq", MORE))
    if MORE not in names or (wanted is not None and columns.keys() >= set(wanted)):
        return columns
    keys = connection.sql(f"SELECT DISTINCT unnest(json_keys({MORE})) AS key FROM main.events ORDER BY key").fetchall()
    for (key,) in keys:
        name = _free(key, columns)
        text = f"({MORE}::JSON::MAP(VARCHAR, VARCHAR))[{bound(key)}]"
        columns[name] = text if column_type(name) == "VARCHAR" else f"TRY_CAST({text} AS {column_type(name)})"
    return columns


def _free(name: str, taken: Iterable[str]) -> str:
    """A field's name, with as many `_` behind it as keep it apart from others."""
    while name in PLACE or name in taken:
        name += "_"
    return name

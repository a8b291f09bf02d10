"""Rows in Parquet files as DuckDB sees them: the events of a store that nobody writes to any more."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import polars as pl

from logkit import schema
from logkit.errors import StoreCorrupt, StoreError, StoreVersion
from logkit.sinks import opening
from logkit.sinks.ddl import LEVEL, MORE, quoted

if TYPE_CHECKING:
    import duckdb

VERSION: Final = 1
MANIFEST: Final = "logkit.json"

_COLUMNS: Final = {"timestamp": "TIMESTAMPTZ", "level": "level", "rejected": "BOOLEAN"} | dict.fromkeys(
    ("offset", "length_bytes", "continues", "source", "generation"), "BIGINT"
)
COLUMN_TYPES: Final = {name: _COLUMNS.get(name, "VARCHAR") for name in (*schema.COMMON, "source", "generation")}
"""The columns every file has, with their types; the formats' own follow."""


class PartFile(NamedTuple):
    """One file of rows: its path in the folder, whose rows it has, the offset of the first, and how many."""

    path: str
    source: int
    generation: int
    offset: int
    rows: int


def about_of(folder: str) -> dict[str, Any]:
    """What the folder's manifest says. Raises the StoreError family where there is none that can be read."""
    path = os.path.join(folder, MANIFEST)
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
        version = found["version"]
    except FileNotFoundError as error:
        raise StoreError(
            f"expected a store, found a folder without {MANIFEST} at {folder!r}; try a file, or a folder that "
            "read(…, cluster=…, store=…) has written to its end",
            path=folder,
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreCorrupt(f"expected {path!r} to say what is in its folder, found {error!r}", path=folder) from error
    if version > VERSION:
        message = f"expected rows of version {VERSION} or older, found {version} at {folder!r}; try a newer logkit"
        raise StoreVersion(message, path=folder, found=version, known=VERSION)
    return dict(found)


def files_of(folder: str) -> list[PartFile]:
    """The files of rows, by source, generation and offset."""
    return [PartFile(*one) for one in about_of(folder)["files"]]


def fields_of(folder: str) -> tuple[str, ...]:
    """The formats' own fields that the rows have."""
    known = {*COLUMN_TYPES, MORE}
    files = (os.path.join(folder, one.path) for one in files_of(folder))
    return tuple(dict.fromkeys(name for file in files for name in pl.read_parquet_schema(file) if name not in known))


def connect(folder: str) -> duckdb.DuckDBPyConnection:
    """A database in memory in which the folder's rows are the events of a store. Raises the StoreError family."""
    import duckdb

    about = about_of(folder)
    connection = duckdb.connect(":memory:", config={**opening.CONFIG, "enable_external_access": True})
    try:
        connection.execute(f"CREATE TYPE level AS {LEVEL}")
        columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in COLUMN_TYPES.items())
        connection.execute(f"CREATE TABLE none (seq BIGINT, {columns})")
        files = [os.path.join(folder, one[0]) for one in about["files"]]
        events = connection.sql("SELECT * FROM none")
        if files:
            rows = connection.read_parquet(files, union_by_name=True, hive_partitioning=False)
            changed = ", json_merge_patch('{}', more) AS more" if MORE in rows.columns else ""
            events = rows.project(f"1::BIGINT AS seq, * REPLACE (level::level AS level{changed})")
        events.create_view("events")
        connection.execute("CREATE TABLE logkit_store (version INTEGER, lineage VARCHAR, seq BIGINT, retention BIGINT)")
        connection.execute("INSERT INTO logkit_store VALUES (1, $lineage, 1, 0)", {"lineage": about["lineage"]})
        kinds = "(source BIGINT, generation BIGINT, expired_events BIGINT, expired_bytes BIGINT)"
        connection.execute(f"CREATE TABLE logkit_sources {kinds}")
        keys = pl.DataFrame(
            [(one["source"], one["generation"]) for one in about["sources"]],
            schema={"source": pl.Int64, "generation": pl.Int64},
            orient="row",
        ).to_arrow()
        connection.register("logkit_keys", keys)
        connection.execute("INSERT INTO logkit_sources SELECT source, generation, 0, 0 FROM logkit_keys")
    except duckdb.Error as error:
        connection.close()
        raise opening.explained(error, folder) from error
    return connection

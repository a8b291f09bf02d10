"""JSON texts -> columns of strings, by DuckDB: one native pass over a block, keys bound as parameters.

A key never becomes SQL: the statement holds positions only, the keys go in as JSON pointers (where `/`
and `~` are the only special characters) and as one JSON text of keys to leave out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from logkit.formats.block import Mask, Positions, Records
from logkit.formats.keys import Field, Path

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_SETTINGS: Final = (
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET enable_external_access = false",
    "SET python_enable_replacements = false",
    "SET lock_configuration = true",
)


def json_texts(records: Records) -> pa.Array:
    """The records as an Arrow string array over the block's own bytes; nothing is copied."""
    import pyarrow as pa

    start, stop = records.start, records.stop
    gap = start[1:] - stop[:-1]
    # Between neighbours lies at most a line's end: JSON's own blanks, so the strings may touch each other.
    if len(start) and stop[-1] < 2**31 and not (gap > 2).any() and not (gap < 0).any():
        offsets = np.append(start, stop[-1]).astype(np.int32)
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(records.block.data)]
        return pa.Array.from_buffers(pa.string(), len(start), buffers)
    return records.whole().series().to_arrow(compat_level=pl.CompatLevel.newest())


def valid_json(texts: pa.Array) -> Mask:
    """Which of the texts are well-formed JSON."""
    found = _run("SELECT json_valid(line) FROM records", texts, [])
    valid: Mask = as_series(found.column(0)).to_numpy().astype(np.bool_)
    return valid


def extract_if_valid(texts: pa.Array, fields: Sequence[Field], *, more: bool) -> pa.Table | None:
    """As `extract`, or None if any text is malformed."""
    import duckdb

    try:
        return extract(texts, fields, more=more)
    except (duckdb.InvalidInputException, duckdb.ConversionException, UnicodeDecodeError):
        # The last one is DuckDB's own message, which quotes the text and may cut it within a character.
        return None


def extract(texts: pa.Array, fields: Sequence[Field], *, more: bool) -> pa.Table:
    """One string column per field, null where a text has no such key; times have a blank behind them.

    With `more`, a last column tells which objects have keys that the fields do not account for. Every text must be
    an object.
    """
    whole = [field for field in fields if field.key is not None]
    order = [*whole, *(field for field in fields if field.key is None)]
    pointers = [_pointer(field.paths[0]) for field in order]
    columns = {field.column: _column(field, index + 1, pointers) for index, field in enumerate(order)}
    names = [f"{columns[field.column]} AS c{index}" for index, field in enumerate(fields)]
    if more:
        names.append(f"len(json_keys(line)) > list_count(found[1:{len(whole)}]) AS more")
    source = "(SELECT line, json_extract_string(line, ?) AS found FROM records)"
    return _run(f"SELECT {', '.join(names) or 'found'} FROM {source}", texts, [pointers or [""]])


def without(texts: pa.Array, fields: Sequence[Field]) -> pl.Series:
    """The JSON text of each object without the keys of some fields; null where nothing is left."""
    found = _run("SELECT nullif(json_merge_patch(line, ?), '{}') FROM records", texts, [_patch(fields)])
    return as_series(found.column(0))


def json_objects(rows: Positions, keys: pl.Series, values: pl.Series, size: int) -> pl.Series:
    """One JSON object's text for each row that occurs, of its keys and values in order; null for the other rows."""
    import pyarrow as pa

    newest = pl.CompatLevel.newest()
    batch = pa.record_batch(
        [pa.array(rows), keys.to_arrow(compat_level=newest), values.to_arrow(compat_level=newest)],
        names=["place", "name", "value"],
    )
    query = "SELECT place, json_group_object(name, value)::VARCHAR FROM records GROUP BY place"
    found = _query(query, batch, [])
    objects = pl.Series([None], dtype=pl.String).new_from_index(0, size)
    return objects.scatter(as_series(found.column(0)), as_series(found.column(1)))


def as_series(column: pa.ChunkedArray, name: str = "") -> pl.Series:
    """An Arrow column as a Polars series; on to NumPy from there, as Arrow would first load pandas."""
    series = pl.from_arrow(column)
    assert isinstance(series, pl.Series)
    return series.rename(name)


def _patch(fields: Sequence[Field]) -> str:
    """A JSON merge patch that takes the keys of the fields out of an object."""
    return json.dumps({field.key: None for field in fields if field.key is not None})


def _column(field: Field, position: int, pointers: list[str]) -> str:
    """The SQL of one field; further paths are appended to the pointers."""
    found = [f"found[{position}]"]
    for path in field.paths[1:]:
        pointers.append(_pointer(path))
        found.append(f"found[{len(pointers)}]")
    # What reads times needs something behind each that is no digit.
    if field.kind == "instant":
        return f"{found[0]} || '.' || lpad({found[1]}, 9, '0') || ' '"
    if field.kind == "moment":
        return f"{found[0]} || ' ' || {found[1]} || ' '"
    either = f"coalesce({', '.join(found)})" if found[1:] else found[0]
    return f"{either} || ' '" if field.kind == "time" else either


def _pointer(path: Path) -> str:
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in path)


@lru_cache(maxsize=1)
def _database() -> duckdb.DuckDBPyConnection:
    """An empty database in memory that cannot reach files; each query runs on the thread that asks."""
    import duckdb

    database = duckdb.connect(":memory:", config={"threads": 1})
    for setting in _SETTINGS:
        database.execute(setting)
    return database


def _run(query: str, texts: pa.Array, parameters: list[object]) -> pa.Table:
    import pyarrow as pa

    return _query(query, pa.record_batch([texts], names=["line"]), parameters)


def _query(query: str, batch: pa.RecordBatch, parameters: list[object]) -> pa.Table:
    import pyarrow as pa

    # A cursor is a connection of its own: what it registers is seen by no other thread.
    with _database().cursor() as connection:
        connection.register("records", pa.RecordBatchReader.from_batches(batch.schema, [batch]))
        return connection.sql(query, params=parameters).to_arrow_table()

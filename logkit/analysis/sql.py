"""SQL over a snapshot's tables: DuckDB on the columns that are there, no copy of the events.

Every call gets a database of its own, in memory: a query sees nothing of another one, changes nothing
a later one sees, and may run in any thread. Nothing in it reaches outside: files, network, extensions
and the variables of the calling Python are switched off, and the switches are locked. The events of a store
come in as a scan of the columns a query needs: the store itself is in another database, out of its reach.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from logkit import schema
from logkit.analysis import rows
from logkit.analysis.stored import StoredRows
from logkit.analysis.tables import NAMES
from logkit.sinks.ddl import quoted
from logkit.sinks.filters import dtype_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb
    import pandas as pd
    import pyarrow as pa

    from logkit.sinks.scan import Scan
    from logkit.snapshot import Snapshot

_CONFIG: Final = {"enable_external_access": False, "python_enable_replacements": False}
_ORDERING: Final = frozenset({"<", "<=", ">", ">="})
_ENUM: Final = "ENUM(" + ", ".join(f"'{level}'" for level in schema.LEVELS) + ")"
_TO_LEVEL: Final = " ".join(f"WHEN {rank} THEN '{level}'::level" for rank, level in enumerate(schema.LEVELS))


def run(query: str, snapshot: Snapshot, params: Mapping[str, object]) -> pd.DataFrame:
    """The result of `query` over the tables of `snapshot` with `$name` in it taken from `params`.

    Times are `datetime64[us, UTC]`, levels an ordered categorical, whole numbers with gaps `Int64`,
    decimals `float64`. Errors of DuckDB pass through, with a note that names the tables.
    """
    import duckdb

    kept = snapshot.rows
    scan = kept.scan(snapshot) if isinstance(kept, StoredRows) else None
    tables = {name: snapshot.tables(name) for name in (NAMES if scan is None else _named(query))}
    with duckdb.connect(":memory:", config=dict(_CONFIG)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"CREATE TYPE level AS {_ENUM}")
        for name, frame in tables.items():
            _register(connection, name, frame)
        if scan is not None and isinstance(kept, StoredRows):
            _register_scan(connection, scan, kept.held(snapshot))
        connection.execute("SET lock_configuration = true")
        try:
            ranked = rank_levels(query, params)
            return _result(connection.sql(ranked, params=dict(params) or None))
        except duckdb.Error as error:
            if scan is not None and scan.error is not None:
                raise scan.error from error
            error.add_note(f"The tables are {', '.join(NAMES)}; `describe events` lists the columns of one.")
            raise


def _named(query: str) -> list[str]:
    """The tables, but for those that are views of the events, that a query may be about: making one may take a scan."""
    found = [name for name in NAMES if name in query.lower()] or NAMES
    return [name for name in found if name not in ("events", "rejects")]


def _register_scan(connection: duckdb.DuckDBPyConnection, scan: Scan, held: pl.DataFrame) -> None:
    """Make the scan's rows and the held ones the view `events`, and those rejected `rejects`."""
    connection.register("events_stored", scan.table())
    columns = {name: f"{at}::level" if name == "level" else at for at, name in scan.fields.items()}
    columns.update((name, "NULL") for name in held.columns if name not in columns)
    parts = [f"SELECT {', '.join(f'{at} AS {quoted(name)}' for name, at in columns.items())} FROM events_stored"]
    if held.height:
        missing = [pl.lit(None, dtype_of(name)).alias(name) for name in columns if name not in held.columns]
        _register(connection, "events_held", held.with_columns(missing).select(list(columns)))
        parts.append("SELECT * FROM events_held")
    connection.execute("CREATE TEMP VIEW events AS " + " UNION ALL ".join(parts))
    connection.execute(
        'CREATE TEMP VIEW rejects AS SELECT file, "offset", length_bytes, reason, "text" FROM events WHERE rejected'
    )


def _register(connection: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> None:
    """Make `frame` the view `name`; a level crosses as its rank and becomes an ENUM again inside."""
    if "level" not in frame.columns:
        connection.register(name, frame.to_arrow(compat_level=pl.CompatLevel.newest()))
        return
    ranked = frame.with_columns(pl.col("level").to_physical())
    connection.register(f"{name}_ranked", ranked.to_arrow(compat_level=pl.CompatLevel.newest()))
    level = f"CASE level {_TO_LEVEL} END AS level"
    connection.execute(f"CREATE TEMP VIEW {name} AS SELECT * REPLACE ({level}) FROM {name}_ranked")


def rank_levels(query: str, params: Mapping[str, object]) -> str:
    """`query` with the level names that an order is asked of made levels: `>= 'WARN'` → `>= 'WARN'::level`.

    DuckDB compares an ENUM with a plain string as strings, by which `level >= 'WARN'` would hold for
    WARN alone. Next to text the cast changes nothing: there DuckDB turns a level back into a string.
    """
    tokens = _tokens(query)
    raw, casts = query.encode(), []
    for at, (word, stop) in enumerate(tokens):
        before = [text for text, _ in tokens[max(0, at - 4) : at]]
        after = tokens[at + 1][0] if at + 1 < len(tokens) else ""
        if _names_level(word, params) and not after.startswith("::") and _is_ordered(before, after):
            casts.append(stop)
    for stop in reversed(casts):
        raw = raw[:stop] + b"::level" + raw[stop:]
    return raw.decode()


def _tokens(query: str) -> list[tuple[str, int]]:
    """The words of a query, without its comments, each with the byte position of its end; `$` joined to its name."""
    import duckdb

    raw = query.encode()
    found = duckdb.tokenize(query)
    words: list[tuple[str, int]] = []
    for (start, kind), (stop, _) in zip(found, [*found[1:], (len(raw), None)], strict=False):
        if kind == duckdb.token_type.comment:
            continue
        text = raw[start:stop].rstrip().decode()
        if words and words[-1] == ("$", start):
            words[-1] = ("$" + text, start + len(text.encode()))
        else:
            words.append((text, start + len(text.encode())))
    return words


def _names_level(word: str, params: Mapping[str, object]) -> bool:
    if word.startswith("$"):
        return params.get(word[1:]) in schema.LEVELS
    return word.startswith("'") and word.strip("'") in schema.LEVELS


def _is_ordered(before: list[str], after: str) -> bool:
    """Whether an order is asked: next to an operator, or at either end of a `BETWEEN … AND …`."""
    beside = {after, *before[-1:]}
    between = "BETWEEN" in {text.upper() for text in (before[-1:] + before[-3:-2])}
    return bool(beside & _ORDERING) or between


def _result(relation: duckdb.DuckDBPyRelation | None) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    if relation is None:
        return pd.DataFrame()
    kinds = [str(kind) for kind in relation.types]
    table = relation.to_arrow_table()
    for at, column in enumerate(table.columns):
        if pa.types.is_decimal(column.type):
            table = table.set_column(at, table.column_names[at], _number(column))
    gaps = {at for at, column in enumerate(table.columns) if column.null_count}
    frame = rows.to_pandas(table, nullable=gaps)
    for at, kind in enumerate(kinds):
        if kind == _ENUM:
            frame.isetitem(at, frame.iloc[:, at].cat.set_categories(list(schema.LEVELS), ordered=True).array)
    return frame


def _number(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A decimal as what pandas can count with: sums of whole numbers arrive as decimals of 38 digits."""
    import pyarrow as pa

    if column.type.scale:
        return column.cast(pa.float64())
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:
        return column.cast(pa.float64())

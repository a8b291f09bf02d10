"""The tables of a PostgreSQL sink: making them, checking one that is there, and what the sink remembers in another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from logkit.errors import SinkError

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql

COLUMNS: Final = {
    "timestamp": "timestamp with time zone",
    "level": "text",
    "service": "text",
    "message": "text",
    "file": "text",
    "offset": "bigint",
    "generation": "bigint",
    "continues": "bigint",
    "rejected": "boolean",
    "reason": "text",
    "attributes": "jsonb",
}
"""The columns of a table that the sink makes, and the types they must have in one that is there."""

_TEXTS: Final = ("text", "character varying")
_ALIKE: Final = {"text": _TEXTS, "bigint": ("bigint", "numeric"), "jsonb": ("jsonb", "json")}
FIELDS: Final = (*_TEXTS, "smallint", "integer", "bigint", "double precision", "real", "numeric", "boolean")
"""The types of columns that fields of the formats' own are written to, where a table has such a column."""

_MEMORY: Final = (
    "CREATE TABLE IF NOT EXISTS logkit_sinks (sink text, source text, memory text NOT NULL, PRIMARY KEY (sink, source))"
)
_THERE: Final = """
SELECT attribute.attname, format_type(attribute.atttypid, NULL),
       attribute.attnotnull AND NOT attribute.atthasdef AND attribute.attidentity = '', attribute.attgenerated <> ''
FROM pg_attribute AS attribute
WHERE attribute.attrelid = to_regclass(%s) AND attribute.attnum > 0 AND NOT attribute.attisdropped
ORDER BY attribute.attnum
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column that is written to: its name and PostgreSQL's name of its type."""

    name: str
    kind: str


def create(connection: psycopg.Connection[Any], table: str) -> None:
    """Make the table where it is not there. Two that make it at once wait for each other."""
    from psycopg import sql

    # Without rights to create anything, tables that are there are enough.
    names = [name for name in (table, "logkit_sinks") if not _exists(connection, name)]
    if not names:
        return
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('logkit tables', 0))")
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in COLUMNS.items()
    )
    if table in names:
        connection.execute(sql.SQL("CREATE TABLE IF NOT EXISTS {} ({})").format(sql.Identifier(table), columns))
    if "logkit_sinks" in names:
        connection.execute(_MEMORY)


def checked(connection: psycopg.Connection[Any], table: str, sink: str) -> tuple[Column, ...]:
    """The columns to write to. Raises SinkError for a table that is not there, or that cannot take the rows."""
    if not _exists(connection, table):
        message = f"expected the table {table!r}, found none of that name; try create=True, or make it"
        raise SinkError(message, sink=sink, temporary=False)
    if not _exists(connection, "logkit_sinks"):
        message = f"expected the table 'logkit_sinks' beside {table!r}, found none; try create=True, or {_MEMORY}"
        raise SinkError(message, sink=sink, temporary=False)
    columns = []
    for name, kind, needed, generated in connection.execute(_THERE, [_quoted(table)]).fetchall():
        wanted = COLUMNS.get(name)
        if wanted is not None and kind not in _ALIKE.get(wanted, (wanted,)):
            raise SinkError(
                f"expected the column {name!r} of {table!r} to be {wanted}, found {kind}; try "
                f'ALTER TABLE {table} ALTER "{name}" TYPE {wanted}, or another table=',
                sink=sink,
                temporary=False,
            )
        if not generated and (wanted is not None or kind in FIELDS):
            columns.append(Column(name, kind))
        elif needed:
            message = f"expected the column {name!r} of {table!r} ({kind}) to have a default, found none; no log has it"
            raise SinkError(message, sink=sink, temporary=False)
    if not any(column.name in COLUMNS for column in columns):
        message = f"expected {table!r} to have one of {', '.join(COLUMNS)}, found none; try another table="
        raise SinkError(message, sink=sink, temporary=False)
    return tuple(columns)


def load(connection: psycopg.Connection[Any], sink: str) -> dict[str, str]:
    """What the sink remembers."""
    rows = connection.execute("SELECT source, memory FROM logkit_sinks WHERE sink = %s ORDER BY source", [sink])
    return dict(rows.fetchall())


def save(connection: psycopg.Connection[Any], sink: str, memory: Mapping[str, str]) -> None:
    """Put these texts in place of those of the same names, in the transaction that is open."""
    if not memory:
        return
    connection.execute(
        "INSERT INTO logkit_sinks "
        "SELECT %s, source, memory FROM unnest(%s::text[], %s::text[]) AS new (source, memory) "
        "ON CONFLICT (sink, source) DO UPDATE SET memory = excluded.memory",
        [sink, list(memory), list(memory.values())],
    )


def copy_statement(table: str, columns: Sequence[str]) -> sql.Composed:
    """The COPY that takes CSV with these columns."""
    from psycopg import sql

    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(sql.Identifier(table), names)


def _exists(connection: psycopg.Connection[Any], table: str) -> bool:
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [_quoted(table)]).fetchone()
    return row is not None and bool(row[0])


def _quoted(table: str) -> str:
    return '"' + table.replace('"', '""') + '"'

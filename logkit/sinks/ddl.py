"""The tables of a store, version 2, and which columns its events may grow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from logkit import schema

VERSION: Final = 2
"""The version of the schema below; a store with a higher one is left alone. One of version 1 has all columns of
`SOMETIMES` from the start, and is gone on with as it is."""

STORAGE: Final = "v1.5.0"
"""The version of DuckDB whose file format a new store has: what is older cannot read it, what is newer can."""

MAX_COLUMNS: Final = 200
"""How many columns events may have; the values of further fields go into one column of JSON."""

MORE: Final = "more"
"""The column of JSON objects for values that have no column of their own: one field's name to its value each."""

LEVEL: Final = "ENUM(" + ", ".join(f"'{level}'" for level in schema.LEVELS) + ")"

_ALIKE: Final = "BIGINT USING COMPRESSION rle"  # the same in many rows
_NEAR: Final = "USING COMPRESSION bitpacking"  # close to those of the rows around

TABLES: Final = (
    f"CREATE TYPE level AS {LEVEL}",
    # exactly one row
    "CREATE TABLE logkit_store (version INTEGER, lineage VARCHAR, seq BIGINT, retention BIGINT, created_us BIGINT)",
    # one row per source and generation; ranges are flattened: start, stop, start, stop …
    "CREATE TABLE logkit_sources (source BIGINT, generation BIGINT, path VARCHAR, device UBIGINT, inode UBIGINT, "
    "head BLOB, compression VARCHAR, encoding VARCHAR, format VARCHAR, head_bytes BIGINT, reference_us BIGINT, "
    'ranges BIGINT[], ends STRUCT("stop" BIGINT, length BIGINT, digest BLOB, last_offset BIGINT)[], seen_bytes BIGINT, '
    "event_bytes BIGINT, skipped_bytes BIGINT, skipped_reason VARCHAR, events BIGINT, rejects BIGINT, cuts BIGINT, "
    "disk_bytes BIGINT, modified DOUBLE, gone BOOLEAN, "
    "expired_events BIGINT, expired_bytes BIGINT)",
    # deltas: their sum is the statistics as of the last commit
    "CREATE TABLE logkit_stats (seq BIGINT, data BLOB)",
    # now and then a commit and its time, µs since 1970: all up to it were made by then
    "CREATE TABLE logkit_commits (seq BIGINT, committed_us BIGINT)",
    # The compression is said wherever it is known what will be in a column: that spares the look at all others.
    f'CREATE TABLE events (seq {_ALIKE}, source {_ALIKE}, generation {_ALIKE}, "timestamp" TIMESTAMPTZ {_NEAR}, '
    # zstd takes half the time of what DuckDB would choose for text that hardly repeats, and no more room
    "level level USING COMPRESSION bitpacking, service VARCHAR, message VARCHAR USING COMPRESSION zstd, "
    f'"offset" BIGINT {_NEAR}, length_bytes BIGINT {_NEAR}, rejected BOOLEAN USING COMPRESSION rle)',
)

SOMETIMES: Final[Mapping[str, str]] = {"reason": "VARCHAR", "text": "VARCHAR", "continues": "BIGINT"}
"""Common columns that events are given once a record has a value there: three that hold nothing would take an eighth
of the time a commit takes."""

TYPES: Final[Mapping[str, pl.DataType]] = {"BIGINT": pl.Int64(), "DOUBLE": pl.Float64(), "VARCHAR": pl.String()}
"""The types a field's column may have in the store, and as what its values are handed over."""

OWN: Final = frozenset(("seq", "source", "generation", "file", "held", MORE, *schema.COMMON))
"""Names that no field of a format can have for its column: the store's, and those a snapshot adds."""


def quoted(name: str) -> str:
    """A name as SQL takes it, whatever characters it has."""
    return '"' + name.replace('"', '""') + '"'


def column_type(name: str) -> str:
    """The type of the column of a format's own field."""
    known = schema.NUMBERS.get(name, pl.String())
    return next(sql for sql, dtype in TYPES.items() if dtype == known)


def has_column(name: str, columns: Mapping[str, str]) -> bool:
    """Whether a format's field has its own column among `columns` (names and types), or can be given one.

    DuckDB takes names that differ in case for the same, so `userid` finds no room beside `userId`; a zero byte would
    end a name on its way through Arrow.
    """
    if name in columns:
        return name not in OWN and columns[name] in TYPES
    taken = OWN.union(column.lower() for column in columns)
    return bool(name) and "\0" not in name and name.lower() not in taken and len({*columns, *SOMETIMES}) < MAX_COLUMNS

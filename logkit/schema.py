"""The columns of an event: names, dtypes, units, and the order of levels.

One event is one record of a log. Its common columns, in this order:

    timestamp     Datetime[us, UTC], null where the record has no time
    level         Enum of `LEVELS`, null where the record has none
    service       String, never null once a batch is made
    message       String, the record's text after what the format took out of it, later lines included
    offset        Int64, byte position of the record's first byte in the (decompressed) file
    length_bytes  Int64, bytes from there to the next record's first byte
    rejected      Boolean, true where the file's format could not read the record
    reason        String, why it was rejected, else null
    text          String, the raw record where it was rejected, else null
    continues     Int64, the offset of the record this piece goes on from (a cut), else null

A format's own fields follow. They are named as in the OpenTelemetry log data model where it has a name
(`trace_id`, `span_id`), else in plain snake case with units (`duration_ms`, `bytes`, `status`).
"""

from __future__ import annotations

from typing import Final

import polars as pl

LEVELS: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
"""Severities from least to most severe; the order `level >= 'WARN'` means."""

ERROR_RANK: Final = LEVELS.index("ERROR")
"""A record of this rank or above counts as an error."""

LEVEL: Final = pl.Enum(LEVELS)
TIMESTAMP: Final = pl.Datetime("us", "UTC")

COMMON: Final[dict[str, pl.DataType]] = {
    "timestamp": TIMESTAMP,
    "level": LEVEL,
    "service": pl.String(),
    "message": pl.String(),
    "offset": pl.Int64(),
    "length_bytes": pl.Int64(),
    "rejected": pl.Boolean(),
    "reason": pl.String(),
    "text": pl.String(),
    "continues": pl.Int64(),
}
"""The common columns of an event frame, in order."""

NUMBERS: Final[dict[str, pl.DataType]] = {
    "duration_ms": pl.Float64(),
    "bytes": pl.Int64(),
    "status": pl.Int64(),
    "pid": pl.Int64(),
    "line": pl.Int64(),
    "pattern_mask": pl.Int64(),
}
"""Fields that are numbers wherever they occur; every other field of a format is a String."""

MASK: Final = "pattern_mask"
"""The column that stands for each event's masked message where patterns are asked for (`stats.patterns.key_of`)."""

STATS_FIELDS: Final = ("timestamp", "level", "service", "duration_ms")
"""The columns statistics are made of: all that a reading with `keep_events=0` ever builds."""

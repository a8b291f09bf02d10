"""The statistics of a store: one row per commit that counted anything, summed up into one now and then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from logkit.stats import Stats
from logkit.stats.packed import packed, unpacked

if TYPE_CHECKING:
    import duckdb

_FOLD: Final = 64  # rows; so a commit's share of writing the sum again is a 64th


def load(connection: duckdb.DuckDBPyConnection) -> Stats:
    """The statistics as of the last commit. Raises ValueError where a row is damaged."""
    rows = connection.execute("SELECT data FROM logkit_stats").fetchall()
    # Limits are this process's: an earlier version may have had others, and parts of unlike limits do not add.
    limits = Stats.empty().limits
    return Stats.sum((Stats.empty(), *(Stats(unpacked(data).tables, limits) for (data,) in rows)))


def deltas(connection: duckdb.DuckDBPyConnection) -> int:
    """How many rows the statistics are spread over."""
    ((count,),) = connection.execute("SELECT count(*) FROM logkit_stats").fetchall()
    return int(count)


def add(connection: duckdb.DuckDBPyConnection, seq: int, stats: Stats, deltas: int) -> int:
    """Add the statistics of one commit to the `deltas` rows there are; returns how many there are then."""
    if not stats:
        return deltas
    if deltas + 1 >= _FOLD:
        stats += load(connection)
        connection.execute("DELETE FROM logkit_stats")
        deltas = 0
    connection.execute("INSERT INTO logkit_stats VALUES ($seq, $data)", {"seq": seq, "data": packed(stats)})
    return deltas + 1

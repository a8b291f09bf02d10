"""Dropping events: by age, and by the room a store takes. Statistics stay; the ledger is told what went."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from logkit.sinks.saved import Expired

if TYPE_CHECKING:
    import duckdb

_ROOM: Final = 0.9  # of what is allowed is left after dropping, so that not every commit has to drop some


def drop_before(connection: duckdb.DuckDBPyConnection, cutoff_us: int) -> list[Expired]:
    """Drop the events of before `cutoff_us`; those without a time go by when they were committed."""
    (found,) = connection.execute(
        "SELECT coalesce(max(seq), 0) FROM logkit_commits WHERE committed_us < $cutoff", {"cutoff": cutoff_us}
    ).fetchall()
    condition = '"timestamp" < make_timestamptz($cutoff) OR ("timestamp" IS NULL AND seq <= $seq)'
    return _drop(connection, condition, {"cutoff": cutoff_us, "seq": found[0]})


def drop_oldest(connection: duckdb.DuckDBPyConnection, used: int, allowed: int) -> list[Expired]:
    """Drop the oldest commits of a store that uses `used` bytes, as many as it takes to use less than `allowed`."""
    share = 1 - allowed * _ROOM / used
    found = connection.execute(
        "SELECT min(seq) FROM (SELECT seq, sum(count(*)) OVER (ORDER BY seq) AS so_far FROM events GROUP BY seq) "
        "WHERE so_far >= $share * (SELECT count(*) FROM events)",
        {"share": share},
    ).fetchall()
    ((seq,),) = found
    return [] if seq is None else _drop(connection, "seq <= $seq", {"seq": seq})


def used_bytes(connection: duckdb.DuckDBPyConnection, path: str) -> int:
    """The bytes of the blocks in use, and of the log beside the file."""
    ((used,),) = connection.execute("SELECT used_blocks * block_size FROM pragma_database_size()").fetchall()
    log = f"{path}.wal"
    return int(used) + (os.path.getsize(log) if os.path.exists(log) else 0)


def last_time_us(connection: duckdb.DuckDBPyConnection) -> int:
    """When the last commit whose time is known was made, µs since 1970; 0 where there is none."""
    ((last,),) = connection.execute("SELECT coalesce(max(committed_us), 0) FROM logkit_commits").fetchall()
    return int(last)


def summed(dropped: Sequence[Expired]) -> tuple[Expired, ...]:
    """One per source generation."""
    total: dict[tuple[int, int], tuple[int, int]] = {}
    for one in dropped:
        events, size = total.get((one.source, one.generation), (0, 0))
        total[one.source, one.generation] = (events + one.events, size + one.bytes)
    return tuple(Expired(*key, *total[key]) for key in sorted(total))


def _drop(connection: duckdb.DuckDBPyConnection, condition: str, values: Mapping[str, int]) -> list[Expired]:
    counted = (
        f"SELECT source, generation, count(*) AS n, sum(length_bytes)::BIGINT AS size FROM events WHERE {condition} "
        "GROUP BY ALL"
    )
    dropped = [Expired(*row) for row in connection.execute(counted, values).fetchall()]
    if dropped:
        connection.execute(
            "UPDATE logkit_sources AS known "
            "SET expired_events = expired_events + n, expired_bytes = expired_bytes + size "
            f"FROM ({counted}) AS gone WHERE known.source = gone.source AND known.generation = gone.generation",
            values,
        )
        connection.execute(f"DELETE FROM events WHERE {condition}", values)
        connection.execute("UPDATE logkit_store SET retention = retention + 1")
    return dropped

"""What a store knows of each generation of each source: `Saved` <-> the table `logkit_sources`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from logkit.sinks.saved import Saved, read_path, written_path

if TYPE_CHECKING:
    import duckdb

_ALL: Final = tuple(field.name for field in fields(Saved))
_END: Final = ("stop", "length", "digest", "last_offset")
_KINDS: Final[Mapping[str, pl.DataType]] = {
    **dict.fromkeys(("path", "compression", "encoding", "format", "skipped_reason"), pl.String()),
    **dict.fromkeys(("device", "inode"), pl.UInt64()),
    "head": pl.Binary(),
    "ranges": pl.List(pl.Int64()),
    "ends": pl.List(pl.Struct({name: pl.Binary() if name == "digest" else pl.Int64() for name in _END})),
    "modified": pl.Float64(),
    "gone": pl.Boolean(),
}
_TAKE: Final = (
    "DELETE FROM logkit_sources WHERE (source, generation) IN (SELECT (source, generation) FROM arriving) "
    "RETURNING source, generation, expired_events, expired_bytes"
)


def load(connection: duckdb.DuckDBPyConnection) -> tuple[Saved, ...]:
    """All sources, ordered by (source, generation)."""
    rows = connection.execute(f"SELECT {', '.join(_ALL)} FROM logkit_sources ORDER BY source, generation").fetchall()
    return tuple(_saved(dict(zip(_ALL, row, strict=True))) for row in rows)


def save(connection: duckdb.DuckDBPyConnection, sources: Sequence[Saved]) -> None:
    """Put these sources in place of what was known of them; the last one counts where one occurs twice.

    What retention dropped of a source that is known already is kept as it is.
    """
    if not sources:
        return
    latest = {(saved.source, saved.generation): saved for saved in sources}
    keys = pl.DataFrame(list(latest), schema={"source": pl.Int64, "generation": pl.Int64}, orient="row")
    connection.register("arriving", keys.to_arrow())
    # Two plain statements are several times cheaper than an upsert of so many columns.
    for source, generation, events, size in connection.execute(_TAKE).fetchall():
        known = latest[source, generation]
        latest[source, generation] = replace(known, expired_events=events, expired_bytes=size)
    connection.register("arriving", _frame(latest.values()).to_arrow())
    connection.execute(f"INSERT INTO logkit_sources ({', '.join(_ALL)}) SELECT {', '.join(_ALL)} FROM arriving")
    connection.unregister("arriving")


def _saved(row: dict[str, Any]) -> Saved:
    edges = row["ranges"]
    return Saved(
        **row
        | {
            "path": read_path(row["path"]),
            "ranges": tuple(zip(edges[::2], edges[1::2], strict=True)),
            "ends": tuple(tuple(end[name] for name in _END) for end in row["ends"]),
        }
    )


def _frame(sources: Collection[Saved]) -> pl.DataFrame:
    # Not made with pyarrow: that looks for pandas before it takes a list, and loading pandas takes a quarter second.
    values = map(list, zip(*map(attrgetter(*_ALL), sources), strict=True))
    columns: dict[str, list[Any]] = dict(zip(_ALL, values, strict=True))
    columns["path"] = [written_path(path) for path in columns["path"]]
    columns["ranges"] = [[edge for pair in ranges for edge in pair] for ranges in columns["ranges"]]
    columns["ends"] = [[dict(zip(_END, one, strict=True)) for one in ends] for ends in columns["ends"]]
    return pl.DataFrame(columns, schema={name: _KINDS.get(name, pl.Int64()) for name in _ALL})

"""A copy of a store as of one commit: whole, compact, and such that reading logs can go on with it."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import polars as pl

from logkit.errors import StoreError, StoreLocked
from logkit.sinks import opening, progress, registry, sums
from logkit.sinks.ddl import quoted
from logkit.sinks.making import make_if_missing
from logkit.sinks.saved import Saved
from logkit.sources import complement
from logkit.sources.span import digest
from logkit.stats import Stats

if TYPE_CHECKING:
    import duckdb

    from logkit.sinks.view import Query, StoreView

_BATCH_ROWS: Final = 122_880


def save(view: StoreView, path: str | os.PathLike[str], stats: Callable[[], Stats], *, overwrite: bool) -> str:
    """Put a copy of the view's store, as of its commit and filters aside, at `path`; returns the real path of it.

    `stats` gives the statistics as of the commit; it is asked only where the store has gone on since. The copy is
    made beside its place and then put there: nobody finds half of it. Raises PathError where the folder does not
    exist, StoreError where there is a file already (unless `overwrite`) or the copy cannot be written.
    """
    target = opening.real(path)
    if os.path.isdir(view.path):
        raise StoreError(f"expected a store to copy, found rows in the folder {view.path!r}; copy that", path=view.path)
    opening.check_folder(target)
    _check_free(target, view.path, overwrite)
    new = f"{target}.new{os.getpid()}-{uuid.uuid4().hex}"
    registry.enter(new, None)  # nobody is to take it for a log while it grows
    try:
        make_if_missing(new, int(time.time() * 1e6))
        _fill(view.whole(), new, stats)
        _place(new, target, overwrite)
    except OSError as error:
        raise StoreError(f"expected to write a copy to {target!r}, found: {error.strerror}", path=target) from error
    finally:
        registry.leave(new)
        for left in (new, f"{new}.wal"):
            with contextlib.suppress(FileNotFoundError):
                os.remove(left)
    return target


def _check_free(target: str, store: str, overwrite: bool) -> None:
    """Raises StoreError unless a copy may be put there."""
    if target == store or registry.is_open(target):
        raise StoreError(f"expected another name for the copy, found that of the open store {target!r}", path=target)
    there = [name for name in (target, f"{target}.wal") if os.path.lexists(name)]
    if there and not overwrite:
        raise StoreError(
            f"expected no file at {there[0]!r} yet, found one; try another name, or overwrite=True", path=target
        )
    if os.path.isfile(target):
        _check_not_in_use(target)


def _check_not_in_use(target: str) -> None:
    """Raises StoreLocked where somebody has the file open that is to be overwritten; what is in it does not matter."""
    try:
        opening.connect(target, read_only=True).close()
    except StoreLocked:
        raise
    except StoreError:
        return


def _place(new: str, target: str, overwrite: bool) -> None:
    if not overwrite:
        os.link(new, target)  # unlike a rename it fails where somebody else has put a file there meanwhile
        return
    with contextlib.suppress(FileNotFoundError):
        os.remove(f"{target}.wal")  # of the store that was there: the copy must not be taken for it
    os.replace(new, target)


def _fill(view: StoreView, path: str, stats: Callable[[], Stats]) -> None:
    """Copy what there is as of the view's commit into the empty store at `path`."""
    import duckdb

    # One transaction sees events, progress and statistics of one commit, however far the writer goes meanwhile.
    with view.query(()) as query, contextlib.closing(opening.connect(path, read_only=False)) as copy:
        ((newest,),) = query.connection.sql("SELECT seq FROM main.logkit_store").fetchall()
        sources = progress.load(query.connection)
        if newest == view.seq:
            total = sums.load(query.connection)
        else:
            sources, total = tuple(_as_of(query, sources, view.seq)), stats()
        try:
            copy.begin()
            _copy_events(query, copy)
            _copy_sources(sources, copy)
            sums.add(copy, view.seq, total, 0)
            numbers = {"seq": view.seq, "retention": view.retention}
            copy.execute("UPDATE logkit_store SET seq = $seq, retention = $retention", numbers)
            copy.commit()
            copy.execute("CHECKPOINT")
        except duckdb.Error as error:
            raise opening.explained(error, path) from error


def _copy_sources(sources: Sequence[Saved], copy: duckdb.DuckDBPyConnection) -> None:
    progress.save(copy, sources)
    for one in sources:
        if one.expired_events:
            copy.execute(
                "UPDATE logkit_sources SET expired_events = $events, expired_bytes = $bytes "
                "WHERE source = $source AND generation = $generation",
                {"events": one.expired_events, "bytes": one.expired_bytes}
                | {"source": one.source, "generation": one.generation},
            )


def _copy_events(query: Query, copy: duckdb.DuckDBPyConnection) -> None:
    types = query.connection.sql("SELECT column_name, column_type FROM (DESCRIBE main.events)").fetchall()
    there = set(copy.sql("SELECT * FROM main.events LIMIT 0").columns)
    for name, kind in types:
        if name not in there:
            copy.execute(f"ALTER TABLE events ADD COLUMN {quoted(name)} {kind}")
    names = [quoted(name) for name, _ in types]
    # In a database of its own the copy may fill the disk or break, and the store goes on.
    numbered = ", ".join(f"{name} AS c{at}" for at, name in enumerate(names))
    copy.register("arriving", query.ask(numbered).to_arrow_reader(_BATCH_ROWS))
    values = ", ".join(f"c{at}::level" if name == '"level"' else f"c{at}" for at, name in enumerate(names))
    copy.execute(f"INSERT INTO events ({', '.join(names)}) SELECT {values} FROM arriving")
    copy.unregister("arriving")
    commits = query.connection.sql(f"SELECT seq, committed_us FROM main.logkit_commits WHERE {query.condition}")
    copy.register("arriving", commits.to_arrow_table())
    copy.execute("INSERT INTO logkit_commits SELECT seq, committed_us FROM arriving")
    copy.unregister("arriving")


def _as_of(query: Query, sources: Iterable[Saved], seq: int) -> Iterator[Saved]:
    """Progress without what was committed after `seq`: a copy that claimed those bytes would never read them.

    A source of which nothing was committed by then is left out. What was set aside later stays so: it is in no event.
    """
    later = _runs(query, seq)
    for one in sources:
        key = (one.source, one.generation)
        if key not in later:
            yield one
            continue
        runs = later[key]
        spans = tuple(zip(runs["start"].to_list(), runs["stop"].to_list(), strict=True))
        ranges = tuple(left for low, high in one.ranges for left in complement(spans, low, high))
        if not ranges:
            continue
        yield replace(
            one,
            ranges=ranges,
            ends=_ends(query, one, [stop for _, stop in ranges]),
            seen_bytes=ranges[-1][1],
            event_bytes=one.event_bytes - sum(stop - start for start, stop in spans),
            events=one.events - int(runs["events"].sum()),
            rejects=one.rejects - int(runs["rejects"].sum()),
        )


def _ends(query: Query, one: Saved, stops: Iterable[int]) -> tuple[tuple[int, int, bytes, int], ...]:
    """The ends of a source's ranges: as they are known, or with a tail of no bytes where one ended earlier."""
    known, ends = {end[0]: end for end in one.ends}, []
    for stop in stops:
        rest = f' AND source = {one.source:d} AND generation = {one.generation:d} AND "offset" < {stop:d}'
        if stop in known:
            ends.append(known[stop])
        elif (last := query.ask('max("offset")', rest=rest).fetchall()[0][0]) is not None:
            ends.append((stop, 0, digest(b""), last))
    return tuple(ends)


def _runs(query: Query, seq: int) -> dict[tuple[int, int], pl.DataFrame]:
    """The byte ranges of the rows committed after `seq`, by source and generation: start, stop, events, rejects."""
    rows = query.connection.sql(
        'SELECT source, generation, "offset" AS start, "offset" + length_bytes AS stop, rejected '
        f"FROM main.events WHERE seq > {seq:d}"
    ).to_arrow_table()
    frame = pl.DataFrame(pl.from_arrow(rows)).sort("source", "generation", "start")
    key = ["source", "generation"]
    apart = (pl.col("start") != pl.col("stop").shift()).fill_null(True) | pl.any_horizontal(
        pl.col(name) != pl.col(name).shift() for name in key
    ).fill_null(True)
    runs = frame.group_by(*key, apart.cum_sum().alias("run"), maintain_order=True).agg(
        pl.col("start").min(), pl.col("stop").max(), pl.len().alias("events"), pl.col("rejected").sum().alias("rejects")
    )
    return {(part[0, 0], part[0, 1]): part for part in runs.partition_by(key)}

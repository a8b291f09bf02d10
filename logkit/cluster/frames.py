"""Events as a Dask DataFrame: each partition is read by the worker that needs it, from the logs or from Parquet."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from logkit import schema
from logkit.analysis import rows
from logkit.cluster import work
from logkit.cluster.planning import Piece, packed
from logkit.engine.known import Key
from logkit.errors import SnapshotError
from logkit.sinks import parquet
from logkit.sinks.parquet import PartFile

if TYPE_CHECKING:
    import pandas as pd

_PARTITION_ROWS: Final = 500_000
_DTYPES: Final = {
    **schema.NUMBERS,
    **schema.COMMON,
    "file": pl.String(),
    "source": pl.Int64(),
    "generation": pl.Int64(),
}


@dataclass(frozen=True, slots=True)
class Lines:
    """Events where they are: in the logs, which are read again. `pieces` come with how many events they had."""

    lineage: str
    job: work.Job
    pieces: list[tuple[Piece, int]]
    paths: dict[Key, str]
    fields: tuple[str, ...]

    def to_dask(self, columns: Sequence[str] | None) -> Any:
        """See `Snapshot.to_dask`."""
        some = [(self.paths.get(piece.key, ""), piece, count) for piece, count in self.pieces if count]
        some.sort(key=lambda one: (one[0], one[1].generation, one[1].source, one[1].nth))
        names = _names(columns, self.fields)
        parts = [((path, piece, count), count) for path, piece, count in some]
        settings = replace(self.job.settings, keep_events=sys.maxsize, keep_bytes=sys.maxsize)
        options = replace(self.job.options, columns=None if columns is None else frozenset(columns))
        return _frame(parts, names, _OfLines(replace(self.job, settings=settings, options=options, folder=None)))


@dataclass(frozen=True, slots=True)
class Folder:
    """Events in Parquet files."""

    lineage: str
    path: str
    paths: dict[Key, str]

    def to_dask(self, columns: Sequence[str] | None) -> Any:
        """See `Snapshot.to_dask`."""
        named = [(self.paths.get((one.source, one.generation), ""), one) for one in parquet.files_of(self.path)]
        named.sort(key=lambda one: (one[0], one[1].generation, one[1].source, one[1].offset))
        names = _names(columns, parquet.fields_of(self.path) if columns is None else ())
        return _frame([(one, one[1].rows) for one in named], names, _OfFolder(self.path))


def _names(columns: Sequence[str] | None, fields: Sequence[str]) -> tuple[str, ...]:
    """The columns wanted; by default the common ones, then these fields."""
    return tuple(dict.fromkeys((*rows.COLUMNS, *fields) if columns is None else columns))


def _frame(parts: list[tuple[Any, int]], names: tuple[str, ...], read: _OfLines | _OfFolder) -> Any:
    """A Dask DataFrame of what `read` makes of each part; rows are numbered through. `parts` come with their rows."""
    import dask
    import dask.dataframe as dd

    together: list[tuple[int, list[Any]]] = []  # the number of the first row, and the parts
    starts = list(itertools.accumulate((count for _, count in parts), initial=0))
    for (part, count), start in zip(parts, starts, strict=False):
        if together and start + count - together[-1][0] <= _PARTITION_ROWS:
            together[-1][1].append(part)
        else:
            together.append((start, [part]))
    divisions = [*(start for start, _ in together), max(starts[-1] - 1, 0)]
    meta = _pandas([], names, 0)
    # As `snap.events` has text: Dask would make another kind of string of it.
    with dask.config.set({"dataframe.convert-string": False}):
        known = divisions if parts else None
        return dd.from_map(_Partition(read, names), together or [(0, [])], meta=meta, divisions=known)


@dataclass(frozen=True, slots=True)
class _OfLines:
    job: work.Job

    def __call__(self, part: tuple[str, Piece, int], names: tuple[str, ...]) -> list[pl.DataFrame]:
        path, piece, count = part
        found = work.read(self.job, packed((piece,)), None, True)
        frames = [rows.free(one.frame) for one in found.frames]
        if sum(frame.height for frame in frames) != count:
            raise SnapshotError(f"expected {count:,} events in {path!r} as when it was read, found that it has changed")
        return [_placed(frame, path, *piece.key) for frame in frames]


@dataclass(frozen=True, slots=True)
class _OfFolder:
    path: str

    def __call__(self, part: tuple[str, PartFile], names: tuple[str, ...]) -> list[pl.DataFrame]:
        path, file = part
        name = os.path.join(self.path, file.path)
        there = pl.read_parquet_schema(name)
        frame = pl.read_parquet(name, columns=[one for one in there if one in names])
        return [_placed(frame, path, file.source, file.generation)]


@dataclass(frozen=True, slots=True)
class _Partition:
    """What a worker runs: some parts as one pandas DataFrame."""

    read: _OfLines | _OfFolder
    names: tuple[str, ...]

    def __call__(self, part: tuple[int, list[Any]]) -> pd.DataFrame:
        start, parts = part
        return _pandas([frame for one in parts for frame in self.read(one, self.names)], self.names, start)


def _placed(frame: pl.DataFrame, path: str, source: int, generation: int) -> pl.DataFrame:
    place = {"source": source, "generation": generation}
    numbers = (pl.lit(value, pl.Int64).alias(name) for name, value in place.items())
    return frame.with_columns(pl.lit(path, pl.String).alias("file"), *numbers)


def _pandas(frames: list[pl.DataFrame], names: tuple[str, ...], start: int) -> pd.DataFrame:
    """These columns, as `snap.events` has them, numbered from `start` on."""
    import pandas as pd

    dtypes = {name: _DTYPES.get(name, pl.String()) for name in names}
    whole = [
        frame.select(
            (pl.col(name).cast(dtype) if name in frame.columns else pl.lit(None, dtype).alias(name))
            for name, dtype in dtypes.items()
        )
        for frame in frames
    ]
    made = rows.events_to_pandas(pl.concat(whole) if whole else pl.DataFrame(schema=dtypes))
    made.index = pd.RangeIndex(start, start + len(made))
    return made

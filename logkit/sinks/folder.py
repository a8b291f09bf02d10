"""A folder of Parquet files that many processes have written rows to, and that is opened like a store.

Rows have the columns a store gives them. A file's name follows from the rows in it, and it is put in its place as a
whole: what is written twice, as after the loss of a worker, is there once. Only files that the manifest names count,
and it is written last.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Final

import polars as pl

from logkit import schema
from logkit.capture import Capture, EventFrame, SourceStatus
from logkit.errors import StoreCorrupt, StoreError
from logkit.sinks import opening
from logkit.sinks.parquet import COLUMN_TYPES, MANIFEST, VERSION, PartFile, about_of
from logkit.sinks.rows import rows_of
from logkit.sinks.view import StoreView
from logkit.stats import Stats
from logkit.stats.packed import packed, unpacked

_STATS: Final = "statistics.bin"
_FILE_BYTES: Final = 64 << 20  # of rows in memory, before they are written


class PartWriter:
    """Takes rows of one source and generation in the order of their offsets, and writes them a file at a time."""

    def __init__(self, folder: str, source: int, generation: int) -> None:
        self._folder = folder
        self._key = source, generation
        self._frames: list[pl.DataFrame] = []
        self._bytes = 0
        self._written: list[PartFile] = []

    def add(self, frame: pl.DataFrame, nbytes: int) -> None:
        """Rows that take about so many bytes in memory. Raises OSError where they cannot be written."""
        self._frames.append(frame)
        self._bytes += nbytes
        if self._bytes >= _FILE_BYTES:
            self._write()

    def close(self) -> tuple[PartFile, ...]:
        """Write what is left; returns all files written."""
        if self._frames:
            self._write()
        return tuple(self._written)

    def _write(self) -> None:
        source, generation = self._key
        frames, self._frames, self._bytes = self._frames, [], 0
        first = int(frames[0].item(0, "offset"))
        name = os.path.join("rows", f"source={source:06}", f"{generation:03}-{first:016}.parquet")
        path = os.path.join(self._folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        unfinished = f"{path}.{uuid.uuid4().hex}"
        rows = _stored([EventFrame(*self._key, frame) for frame in frames])
        rows.write_parquet(unfinished)
        os.replace(unfinished, path)
        self._written.append(PartFile(name, *self._key, first, rows.height))


def prepared(path: str | os.PathLike[str]) -> str:
    """The real path of an empty folder, made if need be. Raises StoreError where there is something in it."""
    folder = opening.real(path)
    opening.check_folder(folder)
    try:
        os.makedirs(folder, exist_ok=True)
        there = os.listdir(folder)
    except OSError as error:
        raise StoreError(f"expected a folder at {folder!r}, found: {error.strerror}", path=folder) from error
    if there:
        raise StoreError(f"expected an empty folder for rows, found {there[0]!r} in {folder!r}", path=folder)
    return folder


def finish(folder: str, capture: Capture, stats: Stats, files: Iterable[PartFile]) -> Capture:
    """Write down what is in the folder; returns the capture whose rows are there."""
    about = {
        "version": VERSION,
        "lineage": uuid.uuid4().hex,
        "sources": [asdict(status) for status in capture.sources],
        "files": sorted(files, key=lambda one: one[1:]),
    }
    _put(os.path.join(folder, _STATS), packed(stats))
    _put(os.path.join(folder, MANIFEST), json.dumps(about).encode())
    view = StoreView(folder, str(about["lineage"]), 1, 0)
    return replace(capture, store=view, frames=(), keep_events=0, keep_bytes=0, dropped_events=0)


def capture_of(folder: str) -> Capture:
    """All that is in a folder. Raises the StoreError family where it is none, or not whole."""
    about = about_of(folder)
    try:
        with open(os.path.join(folder, _STATS), "rb") as file:
            stats = unpacked(file.read())
        sources = tuple(SourceStatus(**status) for status in about["sources"])
    except (OSError, ValueError, TypeError) as error:
        raise StoreCorrupt(f"expected a whole folder of rows at {folder!r}, found {error}", path=folder) from error
    return StoreView(folder, about["lineage"], 1, 0).at_rest(sources, stats)


def _stored(frames: Sequence[EventFrame]) -> pl.DataFrame:
    """The rows with the columns a store gives them: all common ones, levels as text."""
    rows = rows_of(frames, COLUMN_TYPES)
    assert rows is not None
    frame = pl.from_arrow(rows.table.rename_columns(list(rows.columns)))
    assert isinstance(frame, pl.DataFrame)
    dtypes = {**schema.COMMON, "level": pl.UInt8(), "source": pl.Int64(), "generation": pl.Int64()}
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in dtypes.items() if name not in frame.columns]
    frame = frame.with_columns(absent).with_columns(pl.col("level").cat.to(schema.LEVEL).cast(pl.String))
    return frame.select(*dtypes, pl.exclude(*dtypes)).sort("offset", maintain_order=True)


def _put(path: str, data: bytes) -> None:
    with open(f"{path}.new", "wb") as file:
        file.write(data)
    os.replace(f"{path}.new", path)

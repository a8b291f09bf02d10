"""Files as a sink: Parquet, CSV or JSON lines, by day and service."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any, Final, Literal, get_args
from urllib.parse import quote

import polars as pl

from logkit import schema
from logkit.errors import SettingError
from logkit.sinks.journal import Journal, sync_folder
from logkit.sinks.jsontext import value
from logkit.sinks.opening import real
from logkit.sinks.protocol import Parcel, Path, Sink
from logkit.sources.service import shown

FileFormat = Literal["parquet", "csv", "jsonl"]

_UNDATED: Final = "unknown"
_TEMPORARY: Final = ".writing"
_RESERVED: Final = re.compile(r"\A\.+\Z")
_LONGEST: Final = 100


class Files(Sink):
    """Writes `folder/day=2026-03-01/service=orders/KEY.parquet`, or `.csv`, or `.jsonl`: what Polars, DuckDB and Spark
    read as one table partitioned by day (of the timestamp, UTC; `unknown` without one) and service.
    PyArrow and pandas want `partitioning=None`, as the service is in the files too.

    A file appears whole, under a name made of its source and byte range, and never changes: written again after a kill
    it has the same name and the same rows, so that each row is there once. Columns: those of `logkit.schema.COMMON`,
    file, generation, and the formats' own that any row of the file has. journal: what has been written, by default
    `folder/.logkit-journal`. parcel_seconds: how long rows are gathered for a file, 30 by default: fewer seconds make
    more and smaller files. limits: those of `Sink.limits`.
    """

    name = "files"
    parcel_events = 1_000_000
    parcel_bytes = 128 << 20
    parcel_seconds = 30.0
    max_waiting_bytes = 256 << 20

    def __init__(
        self,
        folder: Path,
        format: FileFormat = "parquet",
        *,
        journal: Path | None = None,
        name: str | None = None,
        **limits: Any,
    ) -> None:
        if format not in get_args(FileFormat):
            message = f"expected format= to be one of {', '.join(get_args(FileFormat))}, found {format!r}"
            raise SettingError(message, setting="format", value=format)
        self._folder = real(folder)
        self._format = format
        self.limits(name=name, **limits)
        self.journal = Journal(journal or os.path.join(self._folder, ".logkit-journal"), self.name)

    def begin(self) -> dict[str, str]:
        os.makedirs(self._folder, exist_ok=True)
        return dict(super().begin())

    def write(self, parcels: Sequence[Parcel]) -> None:
        folders: set[str] = set()
        for parcel in parcels:
            day = pl.col("timestamp").dt.strftime("%Y-%m-%d").fill_null(_UNDATED)
            frame = parcel.frame.with_columns(day.alias("logkit day"), file=pl.lit(shown(parcel.path)))
            frame = frame.with_columns(generation=pl.lit(parcel.generation, pl.Int64))
            own = [name for name in parcel.frame.columns if name not in schema.COMMON]
            order = [*schema.COMMON, "file", "generation", *own]
            for rows in frame.partition_by("logkit day", "service", maintain_order=True):
                day_of, service = rows["logkit day"][0], rows["service"][0]
                folder = os.path.join(self._folder, f"day={day_of}", f"service={_as_name(service)}")
                kept = [name for name in order if name not in own or rows[name].null_count() < rows.height]
                self._put(folder, parcel.key, rows.select(kept))
                folders |= {folder, os.path.dirname(folder), self._folder}
        for folder in folders:
            sync_folder(folder)

    def outputs(self) -> Sequence[str]:
        return (self._folder, *super().outputs())

    def __repr__(self) -> str:
        return f"<Files sink {self.name!r}: {self._format} in {self._folder!r}>"

    def _put(self, folder: str, key: str, rows: pl.DataFrame) -> None:
        os.makedirs(folder, exist_ok=True)
        target = os.path.join(folder, f"{key}.{self._format}")
        temporary = os.path.join(folder, f".{key}{_TEMPORARY}")
        with open(temporary, "wb") as out:
            if self._format == "parquet":
                rows.write_parquet(out)
            elif self._format == "jsonl":
                rows.write_ndjson(out)
            else:
                nested = [name for name, dtype in rows.schema.items() if dtype.is_nested()]
                rows.with_columns(value(name).alias(name) for name in nested).write_csv(out)
            out.flush()
            os.fsync(out.fileno())
        os.replace(temporary, target)


def _as_name(service: str) -> str:
    """A service as part of a path: what is no letter, digit, `_`, `-` or `.` percent-encoded, as partitions are."""
    name = quote(service, safe="")
    if len(name) > _LONGEST:
        import hashlib

        name = f"{name[:_LONGEST].rstrip('%')}~{hashlib.blake2b(service.encode(), digest_size=8).hexdigest()}"
    return name.replace(".", "%2E") if _RESERVED.match(name) else name

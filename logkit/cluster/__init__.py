"""Past one machine: the same spans and statistics on a Dask cluster, and the front doors that lead there.

Read it in this order: `planning` (pure: from sizes to tasks), `work` (what a worker runs), `running` (the client's loop
and the tree of sums), `reading` (from paths to a Snapshot), `frames` (events as a Dask DataFrame). Dask is imported
nowhere else, and only when a cluster is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from logkit import engine, snapshot
from logkit.snapshot import Snapshot
from logkit.sources.discovery import PathLike

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["open", "read"]


def read(
    paths: PathLike | Iterable[PathLike],
    *,
    service: object = None,
    timezone: str = "UTC",
    keep_events: int | None = None,
    keep_bytes: int | None = None,
    progress: bool | None = None,
    store: PathLike | None = None,
    cluster: Client | None = None,
    **settings: Any,
) -> Snapshot:
    """Read these paths to their end, as they are now, and return the last snapshot.

    The same engine as `watch`, with the same arguments; URLs of other machines (`s3://…`) need the extra `remote`.
    keep_events: all by default, as far as `keep_bytes` (a quarter of RAM) allows; 0 keeps statistics alone, and memory
    stays flat however large the files. progress: a bar; by default in a notebook and on a terminal. store: as in
    `watch`; what it has of these files already is not read again. Interrupting it stops the threads.

    cluster: a `dask.distributed.Client` whose workers are to read (extra `dask`); all of them must find the files by
    these paths. Rows come back within the same limits, those of the last files; with `store`, which is then an empty
    folder that all can write to, the workers write all rows there as Parquet, and `open` reads it. A file that cannot
    be read is reported in `files`. Interrupting it cancels the tasks. Raises `PathError`, `SettingError`, and the
    `StoreError` family.
    """
    if cluster is None:
        return engine.read(
            paths,
            service=service,
            timezone=timezone,
            keep_events=keep_events,
            keep_bytes=keep_bytes,
            progress=progress,
            store=store,
            **settings,
        )
    from logkit.cluster import reading

    return reading.read(cluster, paths, service, timezone, keep_events, keep_bytes, progress, store, settings)


def open(path: str | os.PathLike[str]) -> Snapshot:
    """The snapshot of all that is in a store, as of its last commit; no log is read.

    path: the file of a store, or the folder that `read(…, cluster=…, store=…)` has written. It holds no lock between
    two questions: another process may write to the store then, and a question that meets one raises StoreLocked. Raises
    PathError where there is nothing, and the StoreError family where it cannot be read.

    >>> logkit.open("incident.duckdb").services    # doctest: +SKIP
    """
    found = snapshot.open(path)
    if found.capture.store is None or not os.path.isdir(found.capture.store.path):
        return found
    from logkit.cluster import reading

    return reading.scattered(found.capture, found.capture.store.path)

"""What a store holds, as a capture: a snapshot of it needs no engine and reads no log."""

from __future__ import annotations

import os
from pathlib import Path

from logkit.capture import DELETED, Capture, SourceStatus
from logkit.errors import PathError
from logkit.sinks import folder, opening, progress, sums
from logkit.sinks.reading import connection_to
from logkit.sinks.saved import Saved
from logkit.sinks.view import StoreView
from logkit.sources.service import shown


def capture_of(path: str | os.PathLike[str]) -> Capture:
    """All that is in the store at `path` as of its last commit; the store is closed again when this returns.

    Raises PathError where there is no file, StoreLocked where another process writes to it, and StoreCorrupt,
    StoreVersion or StoreError where it is no store that can be read.
    """
    name = opening.real(path)
    if not os.path.lexists(name):
        nearest = next(parent for parent in Path(name).parents if parent.is_dir())
        raise PathError(
            f"expected a store at {name!r}, found no such file; the nearest folder that exists is {str(nearest)!r}",
            path=name,
            nearest=nearest,
        )
    if os.path.isdir(name):
        return folder.capture_of(name)
    with connection_to(name) as connection:
        connection.execute("BEGIN TRANSACTION READ ONLY")  # progress and statistics of one commit
        head = opening.head_of(connection, name)
        sources, stats = progress.load(connection), sums.load(connection)
    view = StoreView(name, head.lineage, head.seq, head.retention)
    return view.at_rest(tuple(_status(saved) for saved in sources), stats)


def _status(saved: Saved) -> SourceStatus:
    open_bytes = max(0, saved.seen_bytes - sum(stop - start for start, stop in saved.ranges))
    serial = saved.compression is not None or saved.encoding.startswith("utf-16")
    lost = open_bytes if saved.gone else 0
    return SourceStatus(
        source=saved.source,
        generation=saved.generation,
        path=shown(saved.path),
        format=saved.format,
        compression=saved.compression,
        size_bytes=saved.seen_bytes if serial else saved.disk_bytes,
        offset_bytes=saved.ranges[0][1] if saved.ranges and saved.ranges[0][0] == 0 else 0,
        seen_bytes=saved.seen_bytes,
        committed_bytes=saved.event_bytes,
        skipped_bytes=saved.skipped_bytes + lost,
        pending_bytes=open_bytes - lost,
        events=saved.events,
        rejects=saved.rejects,
        cuts=saved.cuts,
        state="gone" if saved.gone else "stored",
        attempts=0,
        error=None,
        skipped_reason=saved.skipped_reason or (DELETED if lost else None),
        modified=saved.modified,
        deleted_bytes=max(0, saved.disk_bytes - saved.seen_bytes) if saved.gone and not serial else 0,
    )

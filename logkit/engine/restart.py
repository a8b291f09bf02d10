"""Pure: what a store remembers of a source, and the source as it is taken up again from there."""

from __future__ import annotations

from logkit.engine.known import End
from logkit.engine.progress import Progress
from logkit.sinks.saved import Saved
from logkit.sources import Identity


def saved_of(progress: Progress) -> Saved:
    """What a store is to remember of it."""
    identity = progress.identity
    device, inode = progress.file or (0, 0)
    return Saved(
        source=progress.source,
        generation=progress.generation,
        path=progress.path,
        device=device,
        inode=inode,
        head=identity.head if identity else b"",
        compression=identity.compression if identity else None,
        encoding=identity.encoding if identity else "utf-8",
        format=identity.format.name if identity and identity.format else None,
        head_bytes=identity.head_bytes if identity else 0,
        reference_us=identity.reference_us if identity else 0,
        ranges=progress.ranges,
        ends=tuple((*end.tail, end.last_offset) for end in progress.ends),
        seen_bytes=progress.seen_bytes,
        event_bytes=progress.event_bytes,
        skipped_bytes=progress.skipped_bytes,
        skipped_reason=progress.skipped_reason,
        events=progress.events,
        rejects=progress.rejects,
        cuts=progress.cuts,
        disk_bytes=progress.disk_bytes,
        modified=progress.modified,
        gone=progress.gone,
    )


def restored(saved: Saved, now: float) -> Progress:
    """The source again at the instant `now`: suspect until somebody has looked whether its file still is the same."""
    identity = Identity(
        device=saved.device,
        inode=saved.inode,
        head=saved.head,
        compression=saved.compression,
        encoding=saved.encoding,
        format=None,
        head_bytes=saved.head_bytes,
        refused=None,
        reference_us=saved.reference_us,
    )
    # What was seen behind the finished ranges is read again, unless the file is gone.
    finished_to = max((high for _, high in saved.ranges), default=0)
    return Progress(
        source=saved.source,
        generation=saved.generation,
        path=saved.path,
        disk_bytes=saved.disk_bytes,
        modified=saved.modified,
        verified=saved.modified,
        changed_at=now,
        identity=identity,
        file=(saved.device, saved.inode),
        first_path=saved.path,
        taken=saved.ranges,
        ranges=saved.ranges,
        ends=tuple(End(end[:3], end[3]) for end in saved.ends),
        seen_bytes=saved.seen_bytes if saved.gone else finished_to,
        event_bytes=saved.event_bytes,
        skipped_bytes=saved.skipped_bytes,
        skipped_reason=saved.skipped_reason,
        events=saved.events,
        rejects=saved.rejects,
        cuts=saved.cuts,
        suspect=True,
        gone=saved.gone,
    )

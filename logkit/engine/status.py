"""Progress as others see it: a row of `snap.files` and `snap.audit()`."""

from __future__ import annotations

from logkit.capture import DELETED, SourceStatus
from logkit.engine.progress import Progress, lost
from logkit.sources.service import shown


def status_of(progress: Progress) -> SourceStatus:
    """The row of `snap.files` and `snap.audit()`."""
    identity = progress.identity
    finished_bytes = sum(high - low for low, high in progress.ranges)
    unfinished, unseen = lost(progress)
    reason = (identity.refused if identity else None) or progress.skipped_reason or (DELETED if unfinished else None)
    return SourceStatus(
        source=progress.source,
        generation=progress.generation,
        path=shown(progress.path),
        format=identity.format.name if identity and identity.format else None,
        compression=identity.compression if identity else None,
        size_bytes=progress.seen_bytes if progress.serial else progress.disk_bytes,
        offset_bytes=progress.ranges[0][1] if progress.ranges and progress.ranges[0][0] == 0 else 0,
        seen_bytes=progress.seen_bytes,
        committed_bytes=progress.event_bytes,
        skipped_bytes=progress.skipped_bytes + unfinished,
        pending_bytes=max(0, progress.seen_bytes - finished_bytes - unfinished),
        events=progress.events + progress.held_events,
        rejects=progress.rejects + progress.held_rejects,
        cuts=progress.cuts,
        state=_state(progress),
        attempts=progress.attempts,
        error=progress.error or progress.last_error,
        skipped_reason="a copy of another file" if progress.copy_of else reason,
        modified=progress.modified,
        deleted_bytes=unseen,
    )


def _state(progress: Progress) -> str:
    if progress.error:
        return "retrying" if progress.retrying else "failed"
    if progress.passed_over:
        return "skipped"
    if progress.leases:
        return "reading"
    if progress.last_error:
        return "failed"
    if progress.gone or progress.nameless:
        return "gone"
    if progress.identity is None or progress.identity.format is None:
        return "empty" if progress.disk_bytes == 0 else "waiting"
    return "waiting" if progress.unread_bytes and progress.read_at is None else "idle"

"""Pure: what one generation of a source has been read of, and what to read next. No thread, no file, no clock.

The watcher asks `plan`, workers' batches go through `applied`; both return new values. `State` swaps them in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from logkit.capture import SourceStatus
from logkit.engine.settings import Settings
from logkit.formats import Format
from logkit.formats.base import TimeRules
from logkit.sources import Batch, Found, Identity, Span, complement, include
from logkit.sources.service import shown
from logkit.sources.span import Ranges, tile

Key = tuple[int, int]
"""Source and generation."""

_ENOUGH_HEAD = 4096  # a head as long as this is believed when it looks like no known format


@dataclass(frozen=True, slots=True)
class Probe:
    """Work for a worker: open a source never opened before and say what it is."""

    source: int
    generation: int
    path: str
    file: tuple[int, int] | None = None
    final: bool = True
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one generation of a source is. Byte counts are of decompressed bytes, except `disk_bytes`.

    `ranges` are finished: in events or set aside. `seen_bytes` is how far readers have looked. `leases` counts
    the spans that are planned and not yet finished. `read_at` is the (size, final) the last plan was made for. `error`
    stops further planning (until `retrying` clears it); `last_error` is why bytes were set aside, with the rest read.
    """

    source: int
    generation: int
    path: str
    disk_bytes: int
    modified: float
    changed_at: float
    identity: Identity | None = None
    file: tuple[int, int] | None = None
    ranges: Ranges = ()
    seen_bytes: int = 0
    event_bytes: int = 0
    skipped_bytes: int = 0
    skipped_reason: str | None = None
    events: int = 0
    rejects: int = 0
    cuts: int = 0
    held_bytes: int = 0
    held_events: int = 0
    held_rejects: int = 0
    last_offset: int | None = None
    leases: int = 0
    read_at: tuple[int, bool] | None = None
    attempts: int = 0
    error: str | None = None
    retrying: bool = False
    last_error: str | None = None
    gone: bool = False

    @property
    def key(self) -> Key:
        return self.source, self.generation

    @property
    def compressed(self) -> bool:
        return self.identity is not None and self.identity.compression is not None

    @property
    def finished_to(self) -> int:
        """Everything before this offset is finished."""
        return self.ranges[0][1] if self.ranges and self.ranges[0][0] == 0 else 0

    @property
    def unread_bytes(self) -> int:
        """Bytes on disk and in no finished event; unknown, hence 0, behind what was inflated of a compressed file."""
        end = self.seen_bytes if self.compressed else max(self.disk_bytes, self.seen_bytes)
        return sum(high - low for low, high in complement(self.ranges, 0, end))


def observed(progress: Progress, found: Found, now: float) -> Progress:
    """The same generation, seen again by a scan."""
    if progress.disk_bytes == found.size and progress.modified == found.modified and not progress.gone:
        return progress if progress.path == found.path else replace(progress, path=found.path)
    return replace(
        progress,
        path=found.path,
        disk_bytes=found.size,
        modified=found.modified,
        changed_at=now,
        gone=False,
        error=progress.error if progress.retrying else None,  # what was given up may be whole now
    )


def shrunk(progress: Progress, found: Found) -> bool:
    """Whether the file is now shorter than what was read of it: it was truncated, a new generation begins."""
    if progress.compressed:
        return found.size < progress.disk_bytes
    return found.size < progress.seen_bytes


def needs_probe(progress: Progress, final: bool) -> bool:
    """Whether its format is not known yet, or was guessed from so little that a second look is worth it."""
    if progress.leases or progress.error or progress.gone or progress.disk_bytes == 0:
        return False
    identity = progress.identity
    if identity is None:
        return True
    if identity.refused or progress.compressed:
        return False
    grown = progress.disk_bytes > identity.head_bytes
    if identity.format is None:
        return grown or final
    return grown and identity.format.name == "plain" and identity.head_bytes < _ENOUGH_HEAD


def flush_due(progress: Progress, now: float, settings: Settings) -> bool:
    """Whether an unfinished end has been quiet for so long that it is taken as finished."""
    return settings.finite or now - progress.changed_at >= settings.idle_flush_seconds


def waits_for_flush(progress: Progress) -> bool:
    """Whether bytes are left that only an idle flush will finish."""
    identity = progress.identity
    if identity is None or identity.refused or progress.gone or progress.error:
        return False
    return progress.unread_bytes > 0 and not progress.compressed


def plan(progress: Progress, now: float, settings: Settings) -> tuple[Progress, list[Span]]:
    """The spans to read next, and the progress with their leases; none while earlier ones are being read."""
    identity = progress.identity
    format = identity.format if identity else None
    if identity is None or format is None or progress.leases or progress.error or progress.gone:
        return progress, []
    final = flush_due(progress, now, settings)
    gaps = complement(progress.ranges, 0, progress.disk_bytes)
    inner = not progress.compressed and any(high < progress.disk_bytes for _, high in gaps)
    if progress.read_at is not None and not inner:
        size, was_final = progress.read_at
        if size == progress.disk_bytes and (was_final or not final):
            return progress, []
    progress = replace(progress, read_at=(progress.disk_bytes, final or progress.compressed))
    if progress.compressed:
        start, final = progress.finished_to, settings.finite
        spans = [_span(progress, identity, format, start, None, None, True, final, settings)]
        return replace(progress, leases=1), spans
    spans = []
    for low, high in gaps:
        # What follows a gap between finished ranges begins a record: the gap is a little file of its own.
        closed = high < progress.disk_bytes
        for start, stop in tile(low, high, settings.span_bytes) if format.splittable else [(low, high)]:
            aligned = start == low
            spans.append(_span(progress, identity, format, start, stop, high, aligned, closed or final, settings))
    return replace(progress, leases=len(spans)), spans


def _span(
    progress: Progress,
    identity: Identity,
    format: Format,
    start: int,
    stop: int | None,
    limit: int | None,
    aligned: bool,
    final: bool,
    settings: Settings,
) -> Span:
    follows = aligned and start > 0 and start == progress.finished_to
    return Span(
        source=progress.source,
        generation=progress.generation,
        path=progress.path,
        format=format,
        start=start,
        stop=stop,
        limit=limit,
        times=TimeRules(settings.timezone, identity.reference_us),
        compression=identity.compression,
        aligned=aligned,
        final=final,
        continues=progress.last_offset if follows else None,
        file=progress.file,
    )


def applied(progress: Progress, batch: Batch) -> Progress:
    """With one more batch read."""
    if batch.held:
        return replace(
            progress,
            seen_bytes=max(progress.seen_bytes, batch.stop),
            held_bytes=batch.stop - batch.start,
            held_events=batch.events,
            held_rejects=batch.rejects,
        )
    return replace(
        progress,
        ranges=include(progress.ranges, batch.start, batch.stop),
        seen_bytes=max(progress.seen_bytes, batch.stop),
        event_bytes=progress.event_bytes + (batch.stop - batch.start),
        events=progress.events + batch.events,
        rejects=progress.rejects + batch.rejects,
        cuts=progress.cuts + batch.cuts,
        held_bytes=0,
        held_events=0,
        held_rejects=0,
        last_offset=max(batch.last_offset, progress.last_offset or 0),
    )


def finished(progress: Progress, seen_to: int) -> Progress:
    """With one lease given back by a reader that looked as far as `seen_to`."""
    return replace(looked(progress, seen_to), leases=progress.leases - 1)


def looked(progress: Progress, seen_to: int) -> Progress:
    """With a reader having looked as far as `seen_to`."""
    return replace(progress, seen_bytes=max(progress.seen_bytes, seen_to))


def set_aside(progress: Progress, start: int, stop: int, reason: str) -> Progress:
    """With `[start, stop)` given up: the bytes are skipped, with the reason, and the rest goes on."""
    open_bytes = sum(high - low for low, high in complement(progress.ranges, start, stop))
    return replace(
        progress,
        ranges=include(progress.ranges, start, stop),
        seen_bytes=max(progress.seen_bytes, stop),
        skipped_bytes=progress.skipped_bytes + open_bytes,
        skipped_reason=reason,
        last_error=reason,
        read_at=None,
    )


def restart_from(span: Span, done_to: int | None, last_offset: int) -> Span:
    """What is left of a span after batches up to `done_to` were applied; the same span if none were."""
    if done_to is None:
        return replace(span, attempt=span.attempt + 1)
    stop = span.stop if span.stop is None else max(span.stop, done_to)
    follows = last_offset if last_offset >= 0 else span.continues
    return replace(span, start=done_to, stop=stop, aligned=True, continues=follows, attempt=span.attempt + 1)


def status_of(progress: Progress) -> SourceStatus:
    """The row of `snap.files` and `snap.audit()`."""
    identity = progress.identity
    unread = progress.unread_bytes
    finished_bytes = sum(high - low for low, high in progress.ranges)
    return SourceStatus(
        source=progress.source,
        generation=progress.generation,
        path=shown(progress.path),
        format=identity.format.name if identity and identity.format else None,
        compression=identity.compression if identity else None,
        size_bytes=progress.seen_bytes if progress.compressed else progress.disk_bytes,
        offset_bytes=progress.finished_to,
        seen_bytes=progress.seen_bytes,
        committed_bytes=progress.event_bytes,
        skipped_bytes=progress.skipped_bytes,
        pending_bytes=max(0, progress.seen_bytes - finished_bytes),
        events=progress.events + progress.held_events,
        rejects=progress.rejects + progress.held_rejects,
        cuts=progress.cuts,
        state=_state(progress, unread),
        attempts=progress.attempts,
        error=progress.error or progress.last_error,
        skipped_reason=(identity.refused if identity else None) or progress.skipped_reason,
        modified=progress.modified,
    )


def _state(progress: Progress, unread: int) -> str:
    if progress.error:
        return "retrying" if progress.retrying else "failed"
    if progress.identity is not None and progress.identity.refused:
        return "skipped"
    if progress.leases:
        return "reading"
    if progress.last_error:
        return "failed"
    if progress.gone:
        return "gone"
    if progress.identity is None:
        return "empty" if progress.disk_bytes == 0 else "waiting"
    return "waiting" if unread and progress.read_at is None else "idle"

"""Pure: what to read next of a source, and whether it has to be looked at first. No thread, no file, no clock."""

from __future__ import annotations

from dataclasses import replace

from logkit.engine.known import Candidate, Probe
from logkit.engine.progress import Progress
from logkit.engine.settings import Settings
from logkit.formats import Format
from logkit.formats.base import TimeRules
from logkit.sources import Identity, Span, complement, cut
from logkit.sources.span import tile

_ENOUGH_HEAD = 4096  # a head as long as this is believed when it looks like no known format


def needs_probe(progress: Progress, final: bool) -> bool:
    """Whether it is not known what it is, or whether it still is that, or that was guessed from very little."""
    if progress.leases or progress.error or progress.gone or progress.disk_bytes == 0:
        return False
    identity = progress.identity
    if progress.copy_of is not None and not progress.suspect:
        return False
    if identity is None or progress.suspect:
        return True
    if identity.refused:
        return False
    grown = progress.disk_bytes > identity.head_bytes and identity.compression is None
    if identity.format is None:
        return grown or final
    return grown and identity.format.name == "plain" and identity.head_bytes < _ENOUGH_HEAD


def probe(progress: Progress, final: bool, candidates: tuple[Candidate, ...]) -> Probe:
    """The work that finds it out."""
    known = progress.known_again
    expected = None if progress.copy_of else known
    if progress.gone:  # it may be tried again still, and its inode hold another file by now
        expected = progress.known_as_copy or known
    return Probe(
        progress.source,
        progress.generation,
        progress.path,
        progress.file,
        final,
        expect=expected,
        candidates=candidates if progress.identity is None or progress.copy_of else (),
        was_copy=progress.known_as_copy,
        head_limit=progress.identity.head_bytes
        if progress.identity and progress.suspect and progress.known_to
        else None,
    )


def flush_due(progress: Progress, now: float, settings: Settings) -> bool:
    """Whether an unfinished end has been quiet for so long that it is taken as finished."""
    return settings.finite or now - progress.changed_at >= settings.idle_flush_seconds


def waits_for_flush(progress: Progress) -> bool:
    """Whether bytes are left that only an idle flush will finish."""
    identity = progress.identity
    if identity is None or progress.gone or progress.error or progress.passed_over:
        return False
    return is_undecided(progress) or (progress.unread_bytes > 0 and identity.compression is None)


def is_undecided(progress: Progress) -> bool:
    """Whether a file that has content has no format yet: its first line is not whole."""
    identity = progress.identity
    return identity is not None and identity.format is None and progress.disk_bytes > 0


def plan(progress: Progress, now: float, settings: Settings) -> tuple[Progress, list[Span]]:
    """The spans to read next, and the progress with their leases; none while earlier ones are being read."""
    identity = progress.identity
    format = identity.format if identity else None
    if identity is None or format is None or progress.leases or progress.error or progress.gone or progress.copy_of:
        return progress, []
    final = flush_due(progress, now, settings)
    gaps = complement(progress.taken, 0, progress.disk_bytes)
    inner = not progress.serial and any(high < progress.disk_bytes for _, high in gaps)
    if progress.read_at is not None and not inner:
        size, was_final = progress.read_at
        if size == progress.disk_bytes and (was_final or not final):
            return progress, []
    if progress.serial:
        # The end of an archive is its end; text in another encoding may still grow.
        final = settings.finite if identity.compression is not None else final
        progress = replace(progress, read_at=(progress.disk_bytes, final or identity.compression is not None))
        end = max((high for _, high in progress.taken), default=0)
        end = max((end, *progress.edges))
        # It may have been another file before, read in several spans at once: gaps of that are read on their own.
        gaps = cut(complement(progress.taken, 0, end), progress.edges)
        spans = [_span(progress, identity, format, low, high, high, True, True, final, settings) for low, high in gaps]
        spans.append(_span(progress, identity, format, end, None, None, True, False, final, settings))
        return replace(progress, leases=len(spans)), spans
    progress = replace(progress, read_at=(progress.disk_bytes, final))
    spans = []
    for low, high in cut(gaps, progress.edges):
        # What follows a gap between finished ranges begins a record: the gap is a little file of its own.
        closed = high < progress.disk_bytes
        for start, stop in tile(low, high, settings.span_bytes) if format.splittable else [(low, high)]:
            aligned = start == low
            spans.append(_span(progress, identity, format, start, stop, high, aligned, closed, final, settings))
    return replace(progress, leases=len(spans)), spans


def _span(
    progress: Progress,
    identity: Identity,
    format: Format,
    start: int,
    stop: int | None,
    limit: int | None,
    aligned: bool,
    closed: bool,
    final: bool,
    settings: Settings,
) -> Span:
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
        encoding=identity.encoding,
        line_end=identity.line_end,
        aligned=aligned,
        final=closed or final,
        quiet_at=progress.disk_bytes if final and not (closed or settings.finite) else None,
        continues=progress.last_before(start) if aligned else None,
        file=progress.file,
        head=identity.head,
        tail=progress.tail_at(start) if start else None,
    )

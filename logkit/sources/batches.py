"""Span -> batches: read, parse and fold. The one function every reader runs, a thread here or a worker elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from logkit.formats import Format, Parsed, Plain
from logkit.formats.base import Counting, Facts
from logkit.formats.block import Mask
from logkit.formats.narrow import narrowed
from logkit.formats.owned import owned
from logkit.schema import COMMON, MASK, STATS_FIELDS
from logkit.sources import handles
from logkit.sources.chunks import Chunk, read_chunks, read_from
from logkit.sources.handles import Handle
from logkit.sources.identity import same_content
from logkit.sources.reader import Memory, Reader, opened, reader_for, replaced
from logkit.sources.remote import ContentChanged
from logkit.sources.span import ReadOptions, Span, Tail
from logkit.stats import Stats
from logkit.stats.masks import mask
from logkit.stats.patterns import key_of

if TYPE_CHECKING:
    import polars as pl

_FALLBACK = Plain(timed=False)
_ASKED = frozenset({"message"})  # the common columns that are left out where columns are chosen and these are not
_NONE: frozenset[str] = frozenset()
_LIGHT = (frozenset(COMMON) | frozenset(STATS_FIELDS)) - _ASKED  # columns that statistics need anyway


@dataclass(frozen=True, slots=True)
class Batch:
    """What one block of a span came to: the bytes `[start, stop)` of a source, their events and the sum of those.

    `frame` holds the events (columns of `schema`), or is None where rows are not kept. `held`: the record still open
    at the end of a growing source, to be read again; its bytes are not finished. `last_offset` is where the last record
    begins. `nbytes` is what the frame keeps in memory. `tail` is that of the last bytes, of at most 1 KiB.
    """

    source: int
    generation: int
    start: int
    stop: int
    stats: Stats
    frame: pl.DataFrame | None
    events: int
    rejects: int
    cuts: int
    invalid_bytes: int
    last_offset: int
    held: bool
    nbytes: int
    tail: Tail


def read_span(span: Span, options: ReadOptions) -> Iterator[Batch]:
    """Read a span, a batch per block, in offset order. Raises as `read_open`.

    A generator without state outside it: any thread of any process may run it, and run it again.
    """
    with opened(span.path) as handle:
        status = handles.status_of(handle)
        if span.file is not None and (status.st_dev, status.st_ino) != span.file:
            raise replaced(span.path)
        yield from read_open(span, handle, options, final=span.final)


def read_open(
    span: Span,
    handle: Handle,
    options: ReadOptions,
    *,
    final: bool,
    watch: Callable[[Reader], Reader] = lambda reader: reader,
    memory: Memory | None = None,
) -> Iterator[Batch]:
    """As `read_span`, of a file that is open. `final`: it will not grow; `watch` may wrap what is read from, `memory`
    is what blocks are read into.

    Raises OSError, `TornArchive`, `ContentChanged` where its content is not, or no longer, what was found when the
    span was planned, or what `service=` raises. What was handed out before is right all the same.
    """
    if not same_content(handle, span.compression, span.encoding, span.head, span.tail):
        raise ContentChanged(f"expected what was read before, found other content; {span.path!r} is read anew")
    reader = reader_for(handle, span.path, span.compression, span.encoding, read_from(span), final=final)
    for chunk in read_chunks(span, watch(_IntactReader(reader, handle, span)), options, memory):
        yield batch_of(span, chunk, options)


class _IntactReader:
    """What it hands out is checked after it was read: had the file been truncated meanwhile, it would be a mixture."""

    def __init__(self, reader: Reader, handle: Handle, span: Span) -> None:
        self._reader = reader
        self._handle = handle
        self._span = span
        self._serial = span.compression is not None or span.encoding.startswith("utf-16")
        self._at = read_from(span)

    def readinto(self, view: memoryview) -> int:
        got = self._reader.readinto(view)
        self._at += got
        if not self._serial and not handles.intact(self._handle, self._at, self._span.head):
            raise ContentChanged(f"expected {self._span.path!r} to grow only, found it truncated; it is read anew")
        return got


def batch_of(span: Span, chunk: Chunk, options: ReadOptions) -> Batch:
    """Parse one chunk. Records its format cannot read are read by `plain`, and say why."""
    import polars as pl

    pieces = chunk.continues >= 0
    wanted = options.columns
    if wanted is not None and options.patterns:
        wanted |= {"message", MASK}  # what the templates of a later snapshot are looked up by
    few = not options.keep or (wanted is not None and wanted <= _LIGHT)
    stats_only = few and not (options.service.wants_events or options.patterns)
    if stats_only and not options.keep:
        wanted = _NONE
    format = span.format if wanted is None or options.service.wants_events else narrowed(span.format, wanted)
    if stats_only and not options.keep and (counted := _count(span, format, chunk, options)) is not None:
        stats, ok = counted
        return _batch(span, chunk, stats, ok, None)
    events, ok, facts = _parse(span, format, chunk, ~pieces, stats_only)
    if options.service.wants_events and "rejected" not in events.columns:
        events = events.with_columns_seq(rejected=False, reason=pl.lit(None, pl.String))
    events = options.service.apply(span.path, events)
    offset = pl.Series("offset", chunk.offset[:-1])
    if options.patterns:
        masked = mask(events["message"])
        place = (pl.lit(span.source).alias("source"), pl.lit(span.generation).alias("generation"), offset)
        stats = Stats.of(events.with_columns_seq(*place), masked=masked)
        events = events.with_columns_seq(masked.each(pl.Series(MASK, map(key_of, masked.texts), pl.Int64)))
    else:
        names = options.service.of_path(span.path)
        stats = Stats.of(events) if facts is None or names is None else Stats.of_facts(_named(facts, *names))
    if not options.keep:
        return _batch(span, chunk, stats, ok, None)
    frame, nbytes = owned(_only(events, wanted).hstack([offset, *_origins(chunk, ok)]))
    return _batch(span, chunk, stats, ok, _completed(frame), nbytes)


def _batch(span: Span, chunk: Chunk, stats: Stats, ok: Mask, frame: pl.DataFrame | None, nbytes: int = 0) -> Batch:
    size = len(chunk.records)
    return Batch(
        source=span.source,
        generation=span.generation,
        start=chunk.start,
        stop=chunk.stop,
        stats=stats,
        frame=frame,
        events=size,
        rejects=size - int(ok.sum()),
        cuts=int((chunk.continues >= 0).sum()),
        invalid_bytes=chunk.invalid_bytes,
        last_offset=int(chunk.offset[-2]),
        held=chunk.held,
        nbytes=nbytes,
        tail=chunk.tail,
    )


def _count(span: Span, format: Format, chunk: Chunk, options: ReadOptions) -> tuple[Stats, Mask] | None:
    """The statistics of a chunk whose format tells facts, and which records it could read; None of other formats.

    Records it could not read are read by `plain`, and their statistics added: they add exactly.
    """
    names = options.service.of_path(span.path)
    if names is None or not isinstance(format, Counting):
        return None
    facts = format.facts(chunk.records, span.times)
    if facts is None:
        return None
    ok = facts.ok & (chunk.continues < 0)
    if ok.all():
        return Stats.of_facts(_named(facts, *names)), ok
    odd = chunk.records.take(~ok)
    plain = _FALLBACK.parse(odd, span.times, stats_only=True).frame.with_columns(rejected=True)
    good = Stats.of_facts(_named(_taken(facts, ok), *names))
    return good + Stats.of(options.service.apply(span.path, plain)), ok


def _named(facts: Facts, chosen: str | None, fallback: str) -> Facts:
    """The facts with a service for each record: the one chosen, else its own, else that of its file."""
    if chosen is not None:
        return replace(facts, services=[chosen], service=np.zeros_like(facts.service))
    unnamed = facts.service < 0
    if not unnamed.any():
        return facts
    services = [*facts.services, fallback]
    return replace(facts, services=services, service=np.where(unnamed, len(facts.services), facts.service))


def _taken(facts: Facts, rows: Mask) -> Facts:
    """The facts of some records."""
    return replace(
        facts,
        us=facts.us[rows],
        level=facts.level[rows],
        service=facts.service[rows],
        duration_ms=None if facts.duration_ms is None else facts.duration_ms[rows],
        ok=facts.ok[rows],
    )


def _parse(
    span: Span, format: Format, chunk: Chunk, whole: Mask, stats_only: bool
) -> tuple[pl.DataFrame, Mask, Facts | None]:
    """The events, with `rejected` and `reason` where one is, which of them their format could read, and the facts of
    all of them where it has told these.
    """
    import polars as pl

    parsed = format.parse(chunk.records, span.times, stats_only=stats_only)
    ok = parsed.ok & whole
    if ok.all():
        return parsed.frame, ok, parsed.facts
    odd = np.flatnonzero(~ok)
    plain: Parsed = _FALLBACK.parse(chunk.records.take(odd), span.times, stats_only=stats_only)
    good = np.flatnonzero(ok)
    order = np.empty(len(ok), np.int64)
    order[good], order[odd] = np.arange(len(good)), np.arange(len(good), len(ok))
    reason = np.where(whole[odd], parsed.reason, "goes on from a record that was cut")
    frame = pl.concat(
        [
            parsed.frame[good].with_columns(pl.lit(False).alias("rejected"), pl.lit(None, pl.String).alias("reason")),
            plain.frame.with_columns(pl.lit(True).alias("rejected"), pl.Series("reason", reason, pl.String)),
        ],
        how="diagonal",
    )
    return frame[order], ok, None


def _only(events: pl.DataFrame, wanted: frozenset[str] | None) -> pl.DataFrame:
    """The columns that were asked for, and the common ones but for those that are left out then."""
    if wanted is None:
        return events
    kept = wanted | (frozenset(COMMON) - _ASKED)
    return events.select_seq([name for name in events.columns if name in kept])


def _origins(chunk: Chunk, ok: Mask) -> Iterator[pl.Series]:
    """Where the records stand in their source, those that go on from others, and the text of those not read."""
    import polars as pl

    yield pl.Series("length_bytes", np.diff(chunk.offset))
    if (chunk.continues >= 0).any():
        yield pl.Series("continues", chunk.continues).replace(-1, None)
    rejected = np.flatnonzero(~ok)
    if len(rejected):
        text = pl.Series("text", [None], pl.String).new_from_index(0, len(ok))
        yield text.scatter(rejected, chunk.records.take(rejected).whole().series())


def _completed(frame: pl.DataFrame) -> pl.DataFrame:
    """The common columns, then the others. What holds no value is a literal, which takes no memory."""
    import polars as pl

    held = dict(zip(frame.columns, frame.null_count().row(0), strict=True))
    names = [*COMMON, *(name for name in frame.columns if name not in COMMON)]
    columns: list[pl.Expr] = []
    for name in names:
        if held.get(name, frame.height) < frame.height:
            columns.append(pl.col(name))
        elif name == "rejected":
            columns.append(pl.lit(False).alias(name))
        else:
            columns.append(pl.lit(None, COMMON.get(name) or frame.schema[name]).alias(name))
    return frame.select_seq(columns)

"""Pure: what one generation of a source has been read of, and how each thing that happens moves it along.

No thread, no file, no clock. The watcher and the workers call these functions; `State` swaps the new values in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from logkit.engine.known import Candidate, End, Key, Probe
from logkit.errors import LogkitError
from logkit.sources import Batch, Found, Identity, Span, complement, include
from logkit.sources.span import Ranges, Tail


class Overtaken(LogkitError):
    """A batch has bytes that are finished already: what is left of its source is planned anew."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one generation of a source is. Byte counts are of decompressed bytes, except `disk_bytes`.

    `taken` are in events or set aside: nothing of them is planned again. `ranges` are those of them that are finished:
    with a store they follow, when it has committed the events. `ends` are known of all their ends, and of some places
    where readers were before. `seen_bytes` is how far readers have looked. `leases`
    counts the spans that are planned and not yet finished. `read_at` is the (size, final) the last plan was made for.
    `error` stops further planning (until `retrying` clears it); `last_error` is why bytes were set aside, with the rest
    read. `suspect`: it may be another file by now, and is looked at before it is read on; `verified` is its
    modification time when it last was what it is. `nameless`: deleted, but still held open and read. `copy_of`: its
    content, as it ended in `copied`, is that of another source, which is read instead. `gone`: it is no longer there.
    `edges`: where what the store or one of several sinks remembers of it begins or ends: no span reaches across one, so
    that each of them can be given what it lacks and no more.
    """

    source: int
    generation: int
    path: str
    disk_bytes: int
    modified: float
    changed_at: float
    identity: Identity | None = None
    file: tuple[int, int] | None = None
    first_path: str = ""
    taken: Ranges = ()
    ranges: Ranges = ()
    ends: tuple[End, ...] = ()
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
    leases: int = 0
    read_at: tuple[int, bool] | None = None
    attempts: int = 0
    error: str | None = None
    retrying: bool = False
    last_error: str | None = None
    suspect: bool = False
    nameless: bool = False
    copy_of: Key | None = None
    copied: Tail | None = None
    gone: bool = False
    verified: float = 0.0
    edges: tuple[int, ...] = ()

    @property
    def key(self) -> Key:
        return self.source, self.generation

    @property
    def serial(self) -> bool:
        """Whether it can only be read from its beginning, and its length is known by reading alone."""
        return self.identity is not None and self.identity.serial

    @property
    def finished_to(self) -> int:
        """Everything before this offset is taken."""
        return self.taken[0][1] if self.taken and self.taken[0][0] == 0 else 0

    @property
    def known_to(self) -> int:
        """How far its content is known: `finished_to`, or as far as a store or a sink has it already."""
        known = {end.tail[0] for end in self.ends}
        return max((self.finished_to, *(edge for edge in self.edges if edge in known)))

    @property
    def tail(self) -> Tail | None:
        """What stands before `known_to`."""
        return self.tail_at(self.known_to)

    def tail_at(self, stop: int) -> Tail | None:
        """What stands before the end of a taken range."""
        return next((end.tail for end in self.ends if end.tail[0] == stop), None)

    def last_before(self, stop: int) -> int | None:
        """Where the last record before the end of a taken range begins; None where that was set aside."""
        return next((end.last_offset for end in self.ends if end.tail[0] == stop), None)

    @property
    def had(self) -> Ranges:
        """What is taken, or is in the store while a sink lacks it."""
        had = self.taken
        for low, high in self.ranges:
            had = include(had, low, high)
        return had

    @property
    def passed_over(self) -> bool:
        """Whether nothing of it is to be read: it is no log, or a copy of one."""
        return self.copy_of is not None or (self.identity is not None and self.identity.refused is not None)

    @property
    def unread_bytes(self) -> int:
        """Bytes to be read and not taken yet; unknown, hence 0, behind what was read of a serial source."""
        if self.passed_over:
            return 0
        end = self.seen_bytes if self.serial else max(self.disk_bytes, self.seen_bytes)
        return sum(high - low for low, high in complement(self.taken, 0, end))

    @property
    def known_again(self) -> Candidate | None:
        """How its content is known again; None where too little of it has been seen."""
        if self.identity is None or not self.identity.head:
            return None
        identity = self.identity
        marks = tuple(sorted(end.tail for end in self.ends))
        how = identity.compression, identity.encoding, identity.head, self.tail, marks
        return Candidate(self.key, self.path, self.file, *how, self.known_to, self.gone)

    @property
    def known_as_copy(self) -> Candidate | None:
        """Of which source it is a copy, and how the content it has by now is known again."""
        known = self.known_again
        return replace(known, key=self.copy_of, tail=self.copied) if known and self.copy_of else None


# -- what a look at the disk changes ---------------------------------------------------------------------


def observed(progress: Progress, found: Found, now: float) -> Progress:
    """The same file, seen again by a scan."""
    same = progress.disk_bytes == found.size and progress.modified == found.modified
    doubted = progress.gone or progress.nameless or progress.suspect
    if same and not doubted and progress.path == found.path:
        return progress
    # Its inode may have been given to another file: growth is checked by whoever reads it, everything else by a probe.
    grown = found.size > progress.disk_bytes and progress.path == found.path and not progress.serial
    return replace(
        progress,
        path=found.path,
        first_path=progress.first_path if progress.identity else found.path,
        disk_bytes=found.size,
        modified=found.modified,
        changed_at=progress.changed_at if same else now,
        suspect=progress.suspect or (progress.identity is not None and (not grown or progress.copy_of is not None)),
        nameless=False,
        gone=False,
        error=progress.error if progress.retrying or same else None,  # what was given up may be whole now
    )


def shrunk(progress: Progress, found: Found) -> bool:
    """Whether the file is now shorter than what was read of it: it was truncated, a new generation begins."""
    if progress.serial:
        return found.size < progress.disk_bytes
    known = len(progress.identity.head) if progress.identity else 0  # as who looked at it saw it, before any reader
    return found.size < min(max(progress.seen_bytes, progress.known_to, known), progress.disk_bytes)


def departed(progress: Progress) -> Progress:
    """No longer there, or no longer with this content."""
    if progress.gone:
        return progress
    return replace(progress, gone=True, suspect=False, error=None, retrying=False)


def condensed(progress: Progress) -> Progress:
    """Long gone, so that copies of what it once had will hardly come any more: only the ends of its ranges are kept."""
    stops = {high for _, high in (*progress.taken, *progress.ranges)}
    return replace(progress, ends=tuple(end for end in progress.ends if end.tail[0] in stops))


def lost(progress: Progress) -> tuple[int, int]:
    """Bytes of a source that is gone that were seen but are in no whole record, and those on disk that nobody saw."""
    if not progress.gone or progress.leases or progress.passed_over:
        return 0, 0
    unfinished = sum(high - low for low, high in complement(progress.had, 0, progress.seen_bytes))
    end = progress.seen_bytes if progress.serial else max(progress.disk_bytes, progress.seen_bytes)
    return unfinished, sum(high - low for low, high in complement(progress.had, 0, end)) - unfinished


# -- what readers change ---------------------------------------------------------------------------------


def probed(progress: Progress, identity: Identity, lease: int, shared_bytes: int = 0) -> Progress:
    """With what opening it told. A generation keeps the reference its first times without a year were put near to.

    `shared_bytes` at its beginning are those of another source, as that of a copy which was written on.
    """
    before = progress.identity
    if before is not None and before.head:
        identity = replace(identity, reference_us=before.reference_us)
    progress = replace(
        progress,
        identity=identity,
        leases=progress.leases - lease,
        error=None,
        retrying=False,
        attempts=0,
        suspect=False,
        copy_of=None,
    )
    if identity.hole_bytes and not progress.taken:
        progress = skipped(progress, 0, identity.hole_bytes, "a hole of NUL bytes, left by truncation")
    if shared_bytes and not progress.taken:
        progress = skipped(progress, 0, shared_bytes, "shared with another file, where it is read")
    return progress


def undecided(progress: Progress) -> Progress:
    """With one lease given back by who looked at it and could not tell yet what it is: that is asked again."""
    return replace(progress, leases=progress.leases - 1, error=None, retrying=False, attempts=0)


def took(progress: Progress, batch: Batch) -> Progress:
    """With one more batch read: its bytes are nobody else's to read, unless it is held.

    Raises `Overtaken` for bytes that are taken: nothing is taken twice, whoever reads it.
    """
    if complement(progress.taken, batch.start, batch.stop) != ((batch.start, batch.stop),):
        raise Overtaken(
            f"expected bytes {batch.start} to {batch.stop} of {progress.path!r} to be open, found some of them "
            "taken; what is open is read anew"
        )
    progress = looked(progress, batch.stop)
    if not batch.held:
        progress = replace(progress, taken=include(progress.taken, batch.start, batch.stop))
    return _ending(progress, batch)


def committed(progress: Progress, batch: Batch) -> Progress:
    """With one batch more in its place (or shown, if it is held) of those that it took."""
    if batch.held:
        return replace(
            progress,
            held_bytes=batch.stop - batch.start,
            held_events=batch.events,
            held_rejects=batch.rejects,
        )
    progress = replace(
        progress,
        ranges=include(progress.ranges, batch.start, batch.stop),
        event_bytes=progress.event_bytes + (batch.stop - batch.start),
        events=progress.events + batch.events,
        rejects=progress.rejects + batch.rejects,
        cuts=progress.cuts + batch.cuts,
        held_bytes=0,
        held_events=0,
        held_rejects=0,
    )
    return _ending(progress, batch)


def _ending(progress: Progress, batch: Batch) -> Progress:
    """With the ends of what is taken or finished, that of `batch`, and of those before the newer the more.

    One end is kept for each power of two that lies between it and the last: a copy may have been made at any time.
    """
    stops = {high for _, high in (*progress.taken, *progress.ranges)} | set(progress.edges)
    known = {end.tail[0]: end for end in (*progress.ends, End(batch.tail, batch.last_offset))}
    last = max(known)
    spread = {(last - stop).bit_length(): stop for stop in sorted(known, reverse=True)}
    kept = stops.union(spread.values())
    return replace(progress, ends=tuple(end for stop, end in known.items() if stop in kept))


def read_through(progress: Progress, seen_to: int, head: bytes) -> Progress:
    """With one lease given back by a reader that found nothing wrong."""
    progress = finished(progress, seen_to, head)
    return replace(progress, error=None, retrying=False, verified=progress.modified)


def finished(progress: Progress, seen_to: int, head: bytes = b"") -> Progress:
    """With one lease given back by a reader that looked as far as `seen_to`; `head` is how the file begins by now."""
    progress = replace(looked(progress, seen_to), leases=progress.leases - 1)
    identity = progress.identity
    if identity is not None and len(head) > len(identity.head) and head.startswith(identity.head):
        progress = replace(progress, identity=replace(identity, head=head))
    return progress


def overtaken(progress: Progress, seen_to: int) -> Progress:
    """With one lease given back by a reader that found its bytes finished: what is still open is planned anew."""
    return replace(finished(progress, seen_to), read_at=None)


def looked(progress: Progress, seen_to: int) -> Progress:
    """With a reader having looked as far as `seen_to`."""
    return progress if seen_to <= progress.seen_bytes else replace(progress, seen_bytes=seen_to)


def skipped(progress: Progress, start: int, stop: int, reason: str) -> Progress:
    """With `[start, stop)` passed over: the bytes count as skipped, with the reason, and the rest goes on."""
    ranges, gaps = progress.ranges, complement(progress.had, start, stop)
    for low, high in gaps:  # what is taken is finished when its events are
        ranges = include(ranges, low, high)
    return replace(
        progress,
        taken=include(progress.taken, start, stop),
        ranges=ranges,
        seen_bytes=max(progress.seen_bytes, stop),
        skipped_bytes=progress.skipped_bytes + sum(high - low for low, high in gaps),
        skipped_reason=reason,
        read_at=None,
    )


def set_aside(progress: Progress, start: int, stop: int, reason: str) -> Progress:
    """With `[start, stop)` given up because of an error."""
    return replace(skipped(progress, start, stop, reason), last_error=reason)


def nothing_left(work: Span | Probe) -> bool:
    """Whether all records that begin in a span were taken before it failed: what follows is another span's."""
    return isinstance(work, Span) and work.stop is not None and work.start >= work.stop


def restart_from(span: Span, done_to: int | None, last_offset: int, tail: Tail | None) -> Span:
    """What is left of a span after batches up to `done_to` were taken; the same span if none were."""
    if done_to is None:
        return replace(span, attempt=span.attempt + 1)
    stop = span.stop if span.stop is None else max(span.stop, done_to)
    follows = last_offset if last_offset >= 0 else span.continues
    return replace(span, start=done_to, stop=stop, aligned=True, continues=follows, tail=tail, attempt=span.attempt + 1)

"""The worker: takes a span from the queue, reads and parses it block by block, and applies each batch.

This is the article's worker thread: `queue.get()`, work, `task_done()`, for ever. What goes wrong with one span is
an outcome handed back to the watcher, which owns retries; a worker never puts into the queue it takes from.
"""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from logkit.engine.delivery import Delivery
from logkit.engine.descriptors import Descriptors
from logkit.engine.progress import Candidate, Key, Overtaken, Probe, Tail, restart_from
from logkit.engine.threads import Activity, describe
from logkit.engine.trace import turn
from logkit.errors import LogkitError
from logkit.sources import Batch, Identity, ReadOptions, Span, identify
from logkit.sources.archives import TornArchive
from logkit.sources.batches import batches_of
from logkit.sources.chunks import first_record, read_from
from logkit.sources.ending import end_of
from logkit.sources.identity import HEAD_KEPT_BYTES, same_content
from logkit.sources.reader import Reader, reader_for

Work = Span | Probe

_COMPARED_BYTES = 1 << 20


class ContentChanged(LogkitError):
    """What is read no longer begins or goes on as it did: the file was truncated, or is another one."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a piece of work ended. `left` is what remains to be tried again after `error`, None when it is done.

    `seen_to` is how far the reader looked into the source, `head` how the file begins. `cause` tells failures of the
    file (`io`: it may come back) from a torn archive (`torn`: trying again cannot help), other content than before
    (`changed`), bytes finished already (`overtaken`) and content nobody can read (`poison`: `resume_at` is where to go
    on should it be set aside). Of a probe: `same` says whether the file is the one expected; `copy_of` whose content it
    has (all that was finished of it, up to `copy_to`, or a part: None), and `copied` how it ends by now; `maybe_of`
    whose content it may come to have (a copy in the making); `other`: nothing of this is told yet, because that source
    was found to have other content than it was known by; `shared_bytes` are at the beginning of a copy written on.
    """

    work: Work
    left: Work | None = None
    error: str | None = None
    seen_to: int = 0
    head: bytes = b""
    identity: Identity | None = None
    same: bool = True
    copy_of: Key | None = None
    copy_to: int | None = None
    copied: Tail | None = None
    maybe_of: Key | None = None
    other: Key | None = None
    shared_bytes: int = 0
    cause: str = "poison"
    resume_at: int | None = None


@dataclass(frozen=True, slots=True)
class Shared:
    """What all workers of a monitor share beside the queue."""

    outcomes: deque[Outcome]
    """Appended to by workers, taken by the watcher; both are atomic."""
    wake: Callable[[], None]
    stopping: threading.Event
    options: ReadOptions
    files: Descriptors
    reads: threading.Semaphore
    """How many may read at once."""
    delivery: Delivery
    """Where batches go."""
    finite: bool = False
    """Whether files are read as they are now, and no more will come."""


class Worker:
    """The loop of one `logkit-worker-N`, and the span in its hands."""

    def __init__(self, work: queue.Queue[Work | None], shared: Shared) -> None:
        self._queue = work
        self._shared = shared
        self._span: Span | None = None
        self._done_to: int | None = None
        self._last_offset = -1
        self._tail: Tail | None = None
        self._seen_to = 0

    def loop(self, activity: Activity) -> None:
        """Work until the sentinel None comes out of the queue."""
        while self.step(activity):
            pass

    def step(self, activity: Activity) -> bool:
        """Take one piece of work and see it through; False after the sentinel."""
        activity.enter("waiting")
        work = self._queue.get()
        try:
            if work is None or self._shared.stopping.is_set():
                return work is not None
            activity.enter("probing" if isinstance(work, Probe) else "reading", work.path)
            self._hand_back(self._run(work, activity))
            return True
        except BaseException as error:
            # Whatever killed this thread, its span must not be lost with it.
            if work is not None:
                self._hand_back(self._failure(work, error))
            raise
        finally:
            self._queue.task_done()

    def _run(self, work: Work, activity: Activity) -> Outcome:
        try:
            if isinstance(work, Probe):
                return self._probe(work)
            return self._read(work, activity)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            # The disk, a format or the user's service= failed on this span, or native code panicked: others go on.
            activity.failed(error)
            return self._failure(work, error)

    def _probe(self, probe: Probe) -> Outcome:
        files, reads = self._shared.files, self._shared.reads
        with files.borrow(probe.path, probe.file) as descriptor, reads:
            identity = identify(descriptor, probe.path, final=probe.final, head_limit=probe.head_limit)
            if probe.expect is not None and not _is(descriptor, identity, probe.expect):
                return Outcome(probe, identity=identify(descriptor, probe.path, final=probe.final), same=False)
            alike = [one for one in probe.candidates if _may_become(identity, one)]
            original = next((one for one in alike if _has_all(descriptor, identity, one)), None)
            was = probe.was_copy if probe.was_copy and _is(descriptor, identity, probe.was_copy) else None
            end = None
            if (alike or was) and not (original and identity.compression):
                end = end_of(descriptor, identity.compression, identity.encoding)
            shared_before = 0
            if was is not None and was.tail is not None and not identity.serial:
                shared_before = _line_before(descriptor, was.tail[0], identity.line_end)
            early = [one for one in alike if end is not None and _was_once(descriptor, identity, one, end)]
        if original is not None:
            shared = None if end is None or original.gone else self._shared_bytes(probe, identity, original, end)
            if shared is not None:
                return Outcome(probe, identity=identity, shared_bytes=shared)
            to = original.tail[0] if original.tail else 0
            return Outcome(probe, identity=identity, copy_of=original.key, copy_to=to, copied=end or _newest(original))
        # One after the other: who holds a file open must not wait for another.
        parts = {one.key: self._is_part_of(one, identity, end) for one in alike if end and not one.gone}
        part_of = next((key for key, part in parts.items() if part), None)
        if part_of is not None:
            return Outcome(probe, identity=identity, copy_of=part_of, copied=end)
        for one in probe.candidates:
            if (one.in_place or one in alike) and self._is_other(one):
                return Outcome(probe, identity=identity, other=one.key)
        if was is not None and was.tail is not None and end is not None and parts.get(was.key) is not False:
            if identity.serial or end[0] == was.tail[0]:
                return Outcome(probe, identity=identity, copy_of=was.key, copied=was.tail)
            return Outcome(probe, identity=identity, shared_bytes=shared_before)
        if early:
            return Outcome(probe, identity=identity, copy_of=early[0].key, copied=end)
        return Outcome(probe, identity=identity, maybe_of=next((key for key in parts if parts[key] is None), None))

    def _shared_bytes(self, probe: Probe, identity: Identity, one: Candidate, end: Tail) -> int | None:
        """How many whole lines' bytes a copy shares with its original, where it has others behind them; else None.

        None also where the original can no longer be compared with it: then the copy is all there is.
        """
        if identity.serial or one.compression is not None or self._is_part_of(one, identity, end) is not False:
            return None
        files, at, lines, alike = self._shared.files, 0, 0, _COMPARED_BYTES
        while alike == _COMPARED_BYTES:  # one after the other: who holds a file open must not wait for another
            with files.borrow(probe.path, probe.file) as descriptor:
                copy = os.pread(descriptor, _COMPARED_BYTES, at)
            try:
                with files.borrow(one.path, one.file) as descriptor:
                    alike = _alike(copy, os.pread(descriptor, _COMPARED_BYTES, at))
                    intact = same_content(descriptor, one.compression, one.encoding, one.head, one.tail)
            except OSError:
                return None
            if not intact:
                return None
            if end_of_line := copy.rfind(identity.line_end, 0, alike) + 1:
                lines = at + end_of_line
            at += alike
        return lines if alike < len(copy) else None

    def _is_part_of(self, one: Candidate, identity: Identity, end: Tail) -> bool | None:
        """Whether all there is of a file stands in the source it may be a copy of; None where it cannot be told."""
        try:
            with self._shared.files.borrow(one.path, one.file) as descriptor:
                return same_content(descriptor, one.compression, one.encoding, identity.head, end)
        except OSError:
            return None

    def _is_other(self, one: Candidate) -> bool:
        """Whether a source has other content by now than it was known by, which nobody has found out yet."""
        if one.gone or one.serial or self._shared.finite:
            return False
        try:
            with self._shared.files.borrow(one.path, one.file) as descriptor:
                return not same_content(descriptor, None, one.encoding, one.head, one.tail)
        except OSError:
            return False  # the next scan finds out where it went

    def _read(self, span: Span, activity: Activity) -> Outcome:
        self._span, self._done_to, self._last_offset, self._tail, self._seen_to = span, None, -1, None, 0
        shared = self._shared
        with shared.files.borrow(span.path, span.file) as descriptor:
            if not same_content(descriptor, span.compression, span.encoding, span.head, span.tail):
                raise ContentChanged(f"expected what was read before, found other content; {span.path!r} is read anew")
            # Half a character waits for its rest even when the line it ends is flushed: it may still come.
            source = reader_for(
                descriptor, span.path, span.compression, span.encoding, read_from(span), final=shared.finite
            )
            reader = _WatchedReader(source, descriptor, span, shared.reads, activity)
            activity.enter("parsing", span.path)
            try:
                for batch in batches_of(span, reader, shared.options):
                    if not self._deliver(batch, activity) or shared.stopping.is_set():
                        break
            finally:
                self._seen_to = reader.at
            head = b"" if reader.serial else os.pread(descriptor, HEAD_KEPT_BYTES, 0)
        activity.spans += 1
        return Outcome(span, seen_to=reader.at, head=head)

    def _deliver(self, batch: Batch, activity: Activity) -> bool:
        """Pass a batch on; False where the engine stops before there is room for it."""
        delivery = self._shared.delivery
        with activity.during(delivery.waiting):
            if not delivery.put(batch):
                return False
        if not batch.held:
            # At once: whatever fails from here on, this batch must not be read again.
            self._done_to, self._last_offset = batch.stop, max(self._last_offset, batch.last_offset)
            self._tail = batch.tail
            activity.events += batch.events
        return True

    def _failure(self, work: Work, error: BaseException) -> Outcome:
        cause = "io" if isinstance(error, OSError) else "poison"
        for kind, name in ((TornArchive, "torn"), (ContentChanged, "changed"), (Overtaken, "overtaken")):
            cause = name if isinstance(error, kind) else cause
        if isinstance(work, Probe):
            again = replace(work, attempt=work.attempt + 1)
            return Outcome(work, again, describe(error), cause=cause)
        mine = self._span is work
        left = (
            restart_from(work, self._done_to, self._last_offset, self._tail)
            if mine
            else restart_from(work, None, -1, None)
        )
        resume_at = self._behind(left) if cause == "poison" else None
        return Outcome(work, left, describe(error), self._seen_to if mine else 0, cause=cause, resume_at=resume_at)

    def _behind(self, span: Span) -> int | None:
        """Where the next record begins behind the block in which a span failed: half a line is no event.

        The block's end where none begins for as long as a record may be, the end of what is there before that. None of
        a source that can only be read from its start, and where this fails as well.
        """
        if span.limit is None or span.stop is None:
            return None
        options = self._shared.options
        end = min(span.start + options.block_bytes, max(span.stop, span.start + 1))
        limit = min(span.limit, end + options.max_record_bytes)
        behind = replace(span, start=end, stop=limit, limit=limit, aligned=False, final=True)
        try:
            with self._shared.files.borrow(span.path, span.file) as descriptor:
                reader = reader_for(descriptor, span.path, None, span.encoding, read_from(behind))
                found = first_record(behind, reader, options)
        except BaseException:  # as what failed before may do again, panics included: the block alone is set aside then
            return None
        if found is not None:
            return found
        return limit if limit == span.limit else end

    def _hand_back(self, outcome: Outcome) -> None:
        self._shared.outcomes.append(outcome)
        self._shared.wake()


class _WatchedReader:
    """A reader that waits for its turn, says what the thread is doing, and counts how far it has looked.

    What it hands out is checked after it was read: had the file been truncated meanwhile, it would be a mixture.
    """

    def __init__(
        self, reader: Reader, descriptor: int, span: Span, turn: threading.Semaphore, activity: Activity
    ) -> None:
        self._reader = reader
        self._descriptor = descriptor
        self._span = span
        self._turn = turn
        self._activity = activity
        self.serial = span.compression is not None or span.encoding.startswith("utf-16")
        self.at = read_from(span)

    def readinto(self, view: memoryview) -> int:
        with turn(self._turn, "a turn to read", self._activity), self._activity.during("reading"):
            got = self._reader.readinto(view)
        self.at += got
        self._activity.bytes += got
        if not self.serial and not self._is_whole():
            raise ContentChanged(f"expected {self._span.path!r} to grow only, found it truncated; it is read anew")
        return got

    def _is_whole(self) -> bool:
        head = self._span.head
        return os.fstat(self._descriptor).st_size >= self.at and os.pread(self._descriptor, len(head), 0) == head


def _is(descriptor: int, identity: Identity, one: Candidate) -> bool:
    """Whether a file has the content of a source, as far as that was read."""
    return same_content(descriptor, identity.compression, identity.encoding, one.head, one.tail)


def _has_all(descriptor: int, identity: Identity, one: Candidate) -> bool:
    """Whether a file has all that is finished of a source; of one of which nothing is, all that was seen."""
    if one.tail is not None:
        return _is(descriptor, identity, one)
    if not identity.head.startswith(one.head):
        return False
    # Where the two cannot be compared byte by byte, a few bytes alike prove nothing.
    return not (one.serial or identity.serial) or bool(one.marks and _has(descriptor, identity, one, one.marks[-1]))


def _was_once(descriptor: int, identity: Identity, one: Candidate, end: Tail) -> bool:
    """Whether a file has what a source that is gone had once, before more of it was read."""
    if not one.gone:
        return False
    if len(identity.head) < HEAD_KEPT_BYTES:
        return one.head.startswith(identity.head)  # that is all of it
    mark = next((mark for mark in reversed(one.marks) if mark[0] <= end[0]), None)
    return mark is not None and end[0] <= one.marks[-1][0] and _has(descriptor, identity, one, mark)


def _has(descriptor: int, identity: Identity, one: Candidate, mark: Tail) -> bool:
    # Offsets in UTF-16 count otherwise than the bytes of the head.
    head = one.head if one.encoding.startswith("utf-16") else one.head[: mark[0]]
    return same_content(descriptor, identity.compression, identity.encoding, head, mark)


def _line_before(descriptor: int, stop: int, line_end: bytes) -> int:
    """Where the last line ends that is whole before an offset; 0 where it is too long."""
    low = max(0, stop - _COMPARED_BYTES)
    found = os.pread(descriptor, stop - low, low).rfind(line_end)
    return 0 if found < 0 else low + found + len(line_end)


def _newest(one: Candidate) -> Tail | None:
    return one.marks[-1] if one.marks else one.tail


def _alike(one: bytes, other: bytes) -> int:
    """How many bytes they have in common at the beginning."""
    size = min(len(one), len(other))
    differ = np.flatnonzero(np.frombuffer(one, np.uint8, size) != np.frombuffer(other, np.uint8, size))
    return int(differ[0]) if len(differ) else size


def _may_become(identity: Identity, one: Candidate) -> bool:
    """Whether a file begins like a source: it may be a copy that is still being written."""
    if identity.refused and identity.head:
        return False
    shorter = min(len(identity.head), len(one.head))
    return identity.head[:shorter] == one.head[:shorter]

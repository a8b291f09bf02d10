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

from logkit.engine.descriptors import Descriptors
from logkit.engine.progress import Candidate, Key, Probe, Tail, restart_from
from logkit.engine.state import State
from logkit.engine.threads import Activity, describe
from logkit.engine.trace import turn
from logkit.errors import LogkitError
from logkit.sources import Batch, Identity, ReadOptions, Span, identify
from logkit.sources.archives import TornArchive
from logkit.sources.batches import batches_of
from logkit.sources.chunks import read_from
from logkit.sources.ending import end_of
from logkit.sources.identity import HEAD_KEPT_BYTES, same_content
from logkit.sources.reader import Reader, reader_for

Work = Span | Probe


class ContentChanged(LogkitError):
    """What is read no longer begins or goes on as it did: the file was truncated, or is another one."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a piece of work ended. `left` is what remains to be tried again after `error`, None when it is done.

    `seen_to` is how far the reader looked into the source, `head` how the file begins. `cause` tells failures of the
    file (`io`: it may come back) from a torn archive (`torn`: trying again cannot help), other content than before
    (`changed`) and content nobody can read (`poison`). Of a probe: `same` says whether the file is the one expected;
    `copy_of` whose content it has, and `maybe_of` whose content it may come to have (a copy in the making).
    """

    work: Work
    left: Work | None = None
    error: str | None = None
    seen_to: int = 0
    head: bytes = b""
    identity: Identity | None = None
    same: bool = True
    copy_of: Key | None = None
    maybe_of: Key | None = None
    cause: str = "poison"


@dataclass(frozen=True, slots=True)
class Shared:
    """What all workers of a monitor share beside the state and the queue."""

    outcomes: deque[Outcome]
    """Appended to by workers, taken by the watcher; both are atomic."""
    wake: Callable[[], None]
    stopping: threading.Event
    options: ReadOptions
    files: Descriptors
    reads: threading.Semaphore
    """How many may read at once."""


class Worker:
    """The loop of one `logkit-worker-N`, and the span in its hands."""

    def __init__(self, work: queue.Queue[Work | None], state: State, shared: Shared) -> None:
        self._queue = work
        self._state = state
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
            for one in probe.candidates:
                if _is(descriptor, identity, one):
                    return Outcome(probe, identity=identity, copy_of=one.key)
            alike = [one for one in probe.candidates if _may_become(identity, one)]
            if not alike:
                return Outcome(probe, identity=identity)
            end = end_of(descriptor, identity.compression, identity.encoding)
        for one in alike:
            part = self._is_part_of(one, identity, end)
            if part is not False:
                return Outcome(probe, identity=identity, copy_of=one.key if part else None, maybe_of=one.key)
        return Outcome(probe, identity=identity)

    def _is_part_of(self, one: Candidate, identity: Identity, end: Tail) -> bool | None:
        """Whether all there is of a file stands in the source it may be a copy of; None where it cannot be told."""
        try:
            with self._shared.files.borrow(one.path, one.file) as descriptor:
                return same_content(descriptor, one.compression, one.encoding, identity.head, end)
        except OSError:
            return None

    def _read(self, span: Span, activity: Activity) -> Outcome:
        self._span, self._done_to, self._last_offset, self._tail, self._seen_to = span, None, -1, None, 0
        shared = self._shared
        with shared.files.borrow(span.path, span.file) as descriptor:
            if not same_content(descriptor, span.compression, span.encoding, span.head, span.tail):
                raise ContentChanged(f"expected what was read before, found other content; {span.path!r} is read anew")
            source = reader_for(
                descriptor, span.path, span.compression, span.encoding, read_from(span), final=span.final
            )
            reader = _WatchedReader(source, descriptor, span, shared.reads, activity)
            activity.enter("parsing", span.path)
            try:
                for batch in batches_of(span, reader, shared.options):
                    self._apply(batch, activity)
                    if shared.stopping.is_set():
                        break
            finally:
                self._seen_to = reader.at
            head = b"" if reader.serial else os.pread(descriptor, HEAD_KEPT_BYTES, 0)
        activity.spans += 1
        return Outcome(span, seen_to=reader.at, head=head)

    def _apply(self, batch: Batch, activity: Activity) -> None:
        with activity.during("committing"):
            self._state.commit(batch)
            if not batch.held:
                # At once: whatever fails from here on, this batch must not be read again.
                self._done_to, self._last_offset = batch.stop, max(self._last_offset, batch.last_offset)
                self._tail = batch.tail
                activity.events += batch.events
            self._state.tidy()

    def _failure(self, work: Work, error: BaseException) -> Outcome:
        cause = "io" if isinstance(error, OSError) else "poison"
        if isinstance(error, TornArchive | ContentChanged):
            cause = "torn" if isinstance(error, TornArchive) else "changed"
        if isinstance(work, Probe):
            again = replace(work, attempt=work.attempt + 1)
            return Outcome(work, again, describe(error), cause=cause)
        mine = self._span is work
        left = (
            restart_from(work, self._done_to, self._last_offset, self._tail)
            if mine
            else restart_from(work, None, -1, None)
        )
        return Outcome(work, left, describe(error), self._seen_to if mine else 0, cause=cause)

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


def _may_become(identity: Identity, one: Candidate) -> bool:
    """Whether a file begins like a source: it may be a copy that is still being written."""
    if identity.refused and identity.head:
        return False
    shorter = min(len(identity.head), len(one.head))
    return identity.head[:shorter] == one.head[:shorter]

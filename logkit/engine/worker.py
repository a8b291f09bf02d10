"""The worker: takes a span from the queue, reads and parses it block by block, and applies each batch.

This is the article's worker thread: `queue.get()`, work, `task_done()`, for ever. What goes wrong with one span is
an outcome handed back to the watcher, which owns retries; a worker never puts into the queue it takes from.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from logkit.engine.delivery import Delivery
from logkit.engine.descriptors import Descriptors
from logkit.engine.known import Probe
from logkit.engine.outcome import Outcome, Work
from logkit.engine.prober import Prober
from logkit.engine.progress import Overtaken, restart_from
from logkit.engine.threads import Activity, describe
from logkit.engine.trace import turn
from logkit.sources import Batch, ReadOptions, Span, handles
from logkit.sources.archives import TornArchive
from logkit.sources.batches import read_open
from logkit.sources.chunks import first_record, read_from
from logkit.sources.identity import HEAD_KEPT_BYTES
from logkit.sources.reader import Memory, Reader, reader_for
from logkit.sources.remote import ContentChanged
from logkit.sources.span import Tail

_ARRAYS_BYTES = 31 << 20  # just less than the most it learns from


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
        self._prober = Prober(shared.files, shared.reads, finite=shared.finite)
        self._memory = Memory()
        self._span: Span | None = None
        self._done_to: int | None = None
        self._last_offset = -1
        self._tail: Tail | None = None
        self._seen_to = 0

    def loop(self, activity: Activity) -> None:
        """Work until the sentinel None comes out of the queue."""
        # glibc learns from the size of what is freed (mallopt(3), "dynamic threshold"): from now on it keeps the memory
        # of a block's arrays for the next block, instead of giving it back and taking it again page by page.
        np.empty(_ARRAYS_BYTES, np.uint8)
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
                return self._prober.probe(work)
            return self._read(work, activity)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            # The disk, a format or the user's service= failed on this span, or native code panicked: others go on.
            activity.failed(error)
            return self._failure(work, error)

    def _read(self, span: Span, activity: Activity) -> Outcome:
        self._span, self._done_to, self._last_offset, self._tail, self._seen_to = span, None, -1, None, 0
        shared = self._shared
        reader = _WatchedReader(span, shared.reads, activity)
        with shared.files.borrow(span.path, span.file) as descriptor:
            activity.enter("parsing", span.path)
            if span.quiet_at is not None and handles.status_of(descriptor).st_size != span.quiet_at:
                span = replace(span, final=False)  # more has come, which no scan has seen yet
            # Half a character waits for its rest even when the line it ends is flushed: it may still come.
            batches = read_open(
                span, descriptor, shared.options, final=shared.finite, watch=reader.around, memory=self._memory
            )
            try:
                for batch in batches:
                    if not self._deliver(batch, activity) or shared.stopping.is_set():
                        break
            finally:
                self._seen_to = reader.seen_to
            head = b"" if reader.serial else handles.pread(descriptor, HEAD_KEPT_BYTES, 0)
        activity.spans += 1
        return Outcome(span, seen_to=reader.at, head=head)

    def _deliver(self, batch: Batch, activity: Activity) -> bool:
        """Pass a batch on; False where the engine stops before there is room for it."""
        with activity.during("committing"):
            if not self._shared.delivery.put(batch, activity):
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
    """A reader that waits for its turn, says what the thread is doing, and counts how far it has looked."""

    def __init__(self, span: Span, turn: threading.Semaphore, activity: Activity) -> None:
        self._reader: Reader | None = None
        self._turn = turn
        self._activity = activity
        self.serial = span.compression is not None or span.encoding.startswith("utf-16")
        self.at = read_from(span)

    def around(self, reader: Reader) -> Reader:
        """Itself, reading from `reader`."""
        self._reader = reader
        return self

    @property
    def seen_to(self) -> int:
        """How far it has looked; 0 where reading has not begun."""
        return self.at if self._reader is not None else 0

    def readinto(self, view: memoryview) -> int:
        assert self._reader is not None
        with turn(self._turn, "a turn to read", self._activity), self._activity.during("reading"):
            got = self._reader.readinto(view)
        self.at += got
        self._activity.bytes += got
        return got

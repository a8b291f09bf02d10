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

from logkit.engine.progress import Probe, restart_from
from logkit.engine.state import State
from logkit.engine.threads import Activity, describe
from logkit.sources import Identity, ReadOptions, Span, identify
from logkit.sources.batches import batches_of
from logkit.sources.chunks import read_from
from logkit.sources.reader import Reader, TornArchive, open_source, replaced

Work = Span | Probe


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a piece of work ended. `left` is what remains to be tried again after `error`, None when it is done.

    `seen_to` is how far the reader looked into the source. `cause` tells failures of the file (`io`: it may come
    back) from a torn archive (`torn`: trying again cannot help) and from content nobody can read (`poison`).
    """

    work: Work
    left: Work | None = None
    error: str | None = None
    seen_to: int = 0
    identity: Identity | None = None
    cause: str = "poison"


class Limits:
    """What all workers of a monitor share beside the state: how many may read, and hold a file open, at once."""

    def __init__(self, max_concurrent_reads: int, max_open_files: int) -> None:
        self.reads = threading.Semaphore(max_concurrent_reads)
        self.files = threading.Semaphore(max_open_files)


class Worker:
    """The loop of one `logkit-worker-N`, and the span in its hands."""

    def __init__(
        self,
        work: queue.Queue[Work | None],
        state: State,
        outcomes: deque[Outcome],
        wake: Callable[[], None],
        stopping: threading.Event,
        options: ReadOptions,
        limits: Limits,
    ) -> None:
        self._queue = work
        self._state = state
        self._outcomes = outcomes
        self._wake = wake
        self._stopping = stopping
        self._options = options
        self._limits = limits
        self._span: Span | None = None
        self._done_to: int | None = None
        self._last_offset = -1
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
            if work is None or self._stopping.is_set():
                return work is not None
            activity.enter("reading", work.path)
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
        with self._limits.files, self._limits.reads:
            identity = identify(probe.path, final=probe.final)
        if probe.file is not None and (identity.device, identity.inode) != probe.file:
            raise replaced(probe.path)
        return Outcome(probe, identity=identity)

    def _read(self, span: Span, activity: Activity) -> Outcome:
        self._span, self._done_to, self._last_offset, self._seen_to = span, None, -1, 0
        with self._limits.files, open_source(span.path, span.compression, read_from(span), span.file) as source:
            reader = _WatchedReader(source, self._limits.reads, activity, read_from(span))
            activity.enter("parsing", span.path)
            try:
                for batch in batches_of(span, reader, self._options):
                    with activity.during("applying"):
                        self._state.apply(batch)
                        if not batch.held:
                            # At once: whatever fails from here on, this batch must not be applied again.
                            self._done_to, self._last_offset = batch.stop, max(self._last_offset, batch.last_offset)
                            activity.events += batch.events
                        self._state.tidy()
                    if self._stopping.is_set():
                        break
            finally:
                self._seen_to = reader.at
        activity.spans += 1
        return Outcome(span, seen_to=reader.at)

    def _failure(self, work: Work, error: BaseException) -> Outcome:
        cause = "torn" if isinstance(error, TornArchive) else "io" if isinstance(error, OSError) else "poison"
        if isinstance(work, Probe):
            again = replace(work, attempt=work.attempt + 1)
            return Outcome(work, again, describe(error), cause=cause)
        mine = self._span is work
        left = restart_from(work, self._done_to if mine else None, self._last_offset if mine else -1)
        return Outcome(work, left, describe(error), self._seen_to if mine else 0, cause=cause)

    def _hand_back(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        self._wake()


class _WatchedReader:
    """A reader that waits for its turn, says what the thread is doing, and counts how far it has looked."""

    def __init__(self, reader: Reader, turn: threading.Semaphore, activity: Activity, at: int) -> None:
        self._reader = reader
        self._turn = turn
        self._activity = activity
        self.at = at

    def readinto(self, view: memoryview) -> int:
        with self._turn, self._activity.during("reading"):
            got = self._reader.readinto(view)
        self.at += got
        self._activity.bytes += got
        return got

"""The watcher: finds files and growth, plans spans, feeds the queue, and owns retries.

It is the producer of the article's queue, and never blocks on it: what does not fit stays in its backlog while it
goes on scanning. Notification only wakes it early; the scan alone decides what there is to read.
"""

from __future__ import annotations

import heapq
import itertools
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from logkit.engine import progress as core
from logkit.engine.progress import Key, Probe, Progress
from logkit.engine.settings import Settings
from logkit.engine.state import State
from logkit.engine.threads import Activity
from logkit.engine.worker import Outcome, Work
from logkit.sources import Found, Roots, Skipped, Span
from logkit.sources.discovery import look

_SCAN_COST_FACTOR = 50  # a quiet scan of cost c is followed by 50 c of rest: at most 2 % of a core
_EARLY_COST_FACTOR = 10  # one that notification asks for, by at least 10 c
_SCAN_PAUSE = 0.02
_HOPELESS_BLOCKS = 8  # a source of which so many blocks, and not one record, were set aside is given up
_LONGEST_WAIT = 60.0


class Watcher:
    """The loop of `logkit-watcher`. Its fields are its own; others reach it by `nudge` and the outcomes only."""

    def __init__(
        self,
        roots: Roots,
        settings: Settings,
        state: State,
        work: queue.Queue[Work | None],
        outcomes: deque[Outcome],
        stopping: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._roots = roots
        self._settings = settings
        self._state = state
        self._queue = work
        self._outcomes = outcomes
        self._stopping = stopping
        self._clock = clock
        self._wake = threading.Event()
        self._changed: deque[str] = deque()  # paths from notification; append and popleft are atomic
        self._known: dict[tuple[int, int], Key] = {}  # device and inode of files that are there
        self._by_path: dict[str, Key] = {}
        self._ids = itertools.count()
        self._dirty: dict[Key, None] = {}
        self._backlog: deque[Work] = deque()
        self._delayed: list[tuple[float, int, Work]] = []  # the retry heap: when, tie-breaker, what
        self._flush_at: dict[Key, float] = {}
        self._in_flight = 0
        self._next_scan = 0.0
        self._earliest_scan = 0.0
        self._scanned = 0  # the newest ticket a full scan has been made for
        self.skipped: tuple[Skipped, ...] = ()
        self.missing: tuple[str, ...] = ()

    def nudge(self, path: str | None = None) -> None:
        """Wake the watcher, to look at one path or just to go round once more. Any thread may call."""
        if path is not None:
            self._changed.append(path)
        self._wake.set()

    def loop(self, activity: Activity) -> None:
        """Go round until the stop event is set."""
        while not self._stopping.is_set():
            wait = self.step(activity)
            activity.enter("waiting")
            self._wake.wait(wait)
            self._wake.clear()

    def step(self, activity: Activity) -> float:
        """One round: look, take outcomes back, plan, feed the queue. Returns how long there is nothing to do."""
        now = self._clock()
        asked = self._state.asked
        self._take_outcomes(now)
        if asked > self._scanned or (now >= self._next_scan and not self._settings.finite):
            activity.enter("scanning", self._roots.paths[0])
            self._scan(now)
            self._scanned = asked
        while self._changed:
            self._look(self._changed.popleft(), now)
        self._take_due(now)
        activity.enter("planning")
        self._plan(now)
        self._feed()
        if self._is_settled():
            self._state.answer(self._scanned)
        return self._rest(self._clock())

    # -- looking

    def _scan(self, now: float) -> None:
        began = self._clock()
        scan = self._roots.scan()
        self.skipped, self.missing = tuple(scan.skipped), tuple(scan.missing)
        present = set[tuple[int, int]]()
        for found in scan.found:
            present.add((found.device, found.inode))
            self._observe(found, now)
        for identity in self._known.keys() - present:
            self._lose(identity)
        cost = self._clock() - began
        after = self._clock()
        self._next_scan = after + max(self._settings.poll_seconds, _SCAN_COST_FACTOR * cost)
        self._earliest_scan = after + max(_SCAN_PAUSE, _EARLY_COST_FACTOR * cost)

    def _look(self, path: str, now: float) -> None:
        """One path that notification named. Only known files: what is new may be hidden or skipped, a scan decides."""
        key = self._by_path.get(path)
        found = look(path) if key else None
        if isinstance(found, Found) and self._known.get((found.device, found.inode)) == key:
            self._observe(found, now)
        else:
            self._next_scan = min(self._next_scan, self._earliest_scan)

    def _observe(self, found: Found, now: float) -> None:
        identity = found.device, found.inode
        key = self._known.get(identity)
        before = self._state.progress(key) if key else None
        if key is None or before is None:
            self._start((next(self._ids), 0), found, now)
        elif core.shrunk(before, found):
            self._state.change(key, lambda p: replace(p, gone=True))
            self._start((key[0], key[1] + 1), found, now)
        elif core.observed(before, found, now) is not before:
            self._state.change(key, lambda p: core.observed(p, found, now))
            if before.path != found.path:
                self._by_path[found.path] = key
            self._dirty[key] = None

    def _start(self, key: Key, found: Found, now: float) -> None:
        self._known[found.device, found.inode] = key
        self._by_path[found.path] = key
        file = found.device, found.inode
        self._state.add(Progress(*key, found.path, found.size, found.modified, now, file=file))
        self._dirty[key] = None

    def _lose(self, identity: tuple[int, int]) -> None:
        key = self._known.pop(identity)
        lost = self._state.change(key, lambda p: replace(p, gone=True))
        if self._by_path.get(lost.path) == key:
            del self._by_path[lost.path]

    # -- outcomes and retries

    def _take_outcomes(self, now: float) -> None:
        while self._outcomes:
            outcome = self._outcomes[0]
            key = outcome.work.source, outcome.work.generation
            if outcome.error is None:
                self._succeeded(key, outcome)
            else:
                self._failed(key, outcome, now)
            # Only now: should this thread die on the way, the next one takes the outcome up again.
            self._outcomes.popleft()
            self._in_flight -= 1
            self._dirty[key] = None

    def _succeeded(self, key: Key, outcome: Outcome) -> None:
        def settle(p: Progress) -> Progress:
            if outcome.identity is not None:
                return replace(
                    p, identity=outcome.identity, leases=p.leases - 1, error=None, retrying=False, attempts=0
                )
            return replace(core.finished(p, outcome.seen_to), error=None, retrying=False)

        self._state.change(key, settle)

    def _failed(self, key: Key, outcome: Outcome, now: float) -> None:
        left, error = outcome.left, outcome.error or ""
        assert left is not None
        tried = left.attempt >= self._settings.max_attempts
        # While watching, a file that cannot be read now is waited for without end: it may come back.
        patient = outcome.cause == "io" and not self._settings.finite and self._known_key(key)
        if outcome.cause == "torn" or (tried and not patient):
            self._state.change(key, lambda p: self._give_up(p, outcome, left, error))
            return
        self._state.change(
            key,
            lambda p: replace(core.looked(p, outcome.seen_to), error=error, retrying=True, attempts=left.attempt),
        )
        pause = min(self._settings.retry_seconds * 2 ** min(left.attempt - 1, 20), self._settings.max_retry_seconds)
        heapq.heappush(self._delayed, (now + pause, next(self._ids), left))

    def _known_key(self, key: Key) -> bool:
        progress = self._state.progress(key)
        return progress is not None and not progress.gone

    def _give_up(self, progress: Progress, outcome: Outcome, left: Work, error: str) -> Progress:
        progress = replace(core.finished(progress, outcome.seen_to), attempts=left.attempt, error=None, retrying=False)
        hopeless = progress.events == 0 and progress.skipped_bytes >= _HOPELESS_BLOCKS * self._settings.block_bytes
        if isinstance(left, Probe) or left.stop is None or outcome.cause != "poison" or hopeless:
            return replace(progress, error=error)
        # One block at the place of the failure is given up, not the whole span: the rest is planned anew.
        stop = min(left.start + self._settings.block_bytes, max(left.stop, left.start + 1))
        return core.set_aside(progress, left.start, stop, error)

    def _take_due(self, now: float) -> None:
        while self._delayed and self._delayed[0][0] <= now:
            work = heapq.heappop(self._delayed)[2]
            progress = self._state.progress((work.source, work.generation))
            if progress is not None:
                work = replace(work, path=progress.path)  # it may have been renamed since
            self._backlog.appendleft(work)
            self._in_flight += 1
        for key, when in list(self._flush_at.items()):
            if when <= now:
                del self._flush_at[key]
                self._dirty[key] = None

    # -- planning and feeding

    def _plan(self, now: float) -> None:
        for key in list(self._dirty):
            del self._dirty[key]
            before = self._state.progress(key)
            if before is None:
                continue
            final = core.flush_due(before, now, self._settings)
            if core.needs_probe(before, final):
                after = self._state.change(key, lambda p: replace(p, leases=1))
                self._put(Probe(*key, after.path, after.file, final))
                continue
            spans: list[Span] = []
            after, spans = core.plan(before, now, self._settings)
            if after is not before:
                # Nobody else changes a source without leases, so this is still the value `plan` saw.
                self._state.change(key, lambda _, planned=after: planned)  # type: ignore[misc]
            for span in spans:
                self._put(span)
            if not spans:
                self._await_flush(key, after, now)

    def _await_flush(self, key: Key, progress: Progress, now: float) -> None:
        if progress.leases or not core.waits_for_flush(progress) or core.flush_due(progress, now, self._settings):
            return
        self._flush_at.setdefault(key, progress.changed_at + self._settings.idle_flush_seconds)

    def _put(self, work: Work) -> None:
        self._backlog.append(work)
        self._in_flight += 1

    def _feed(self) -> None:
        """Hand work to the queue until it is full; the rest waits here, and a finished span wakes us."""
        while self._backlog and not self._stopping.is_set():
            try:
                self._queue.put_nowait(self._backlog[0])
            except queue.Full:
                return
            self._backlog.popleft()

    def _is_settled(self) -> bool:
        """Whether all that was there at the last scan has been read, or has been given up."""
        hopeful = [work for _, _, work in self._delayed if not isinstance(work, Probe) or self._settings.finite]
        waiting = (self._in_flight, self._outcomes, self._dirty, self._changed, hopeful)
        return not any(waiting) and not any(self._is_partial(key) for key in self._flush_at)

    def _is_partial(self, key: Key) -> bool:
        """Whether an unfinished line is waited for: an open record of whole lines is shown already."""
        progress = self._state.progress(key)
        return progress is not None and progress.unread_bytes > progress.held_bytes

    def _rest(self, now: float) -> float:
        """Seconds until something is due by itself."""
        due = [now + _LONGEST_WAIT, self._next_scan if not self._settings.finite else now + 1.0]
        if self._delayed:
            due.append(self._delayed[0][0])
        if self._flush_at:
            due.append(min(self._flush_at.values()))
        return max(0.0, min(due) - now)

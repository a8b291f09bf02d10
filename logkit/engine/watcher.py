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
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from logkit.engine import planning
from logkit.engine import progress as core
from logkit.engine.delivery import Delivery
from logkit.engine.descriptors import Descriptors
from logkit.engine.known import Key, Probe
from logkit.engine.outcome import Outcome, Work
from logkit.engine.progress import Progress
from logkit.engine.settings import Settings
from logkit.engine.state import State
from logkit.engine.threads import Activity
from logkit.engine.tracker import Tracker
from logkit.formats import prepare
from logkit.sinks import registry
from logkit.sources import Roots, Skipped

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
        files: Descriptors,
        delivery: Delivery,
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
        self._delivery = delivery
        self._tracker = Tracker(settings, state, files, delivery)
        self._dirty = self._tracker.dirty
        self._ties = itertools.count()
        self._backlog: deque[Work] = deque()
        self._delayed: list[tuple[float, int, Work]] = []  # the retry heap: when, tie-breaker, what
        self._ripe: list[Work] = []  # to be tried again now, or as soon as another file has been looked into
        self._due: dict[Key, float] = {}  # when to plan a source again: an idle flush, or a copy that came to nothing
        self._out: Counter[Key] = Counter()  # pieces of work not concluded: here, queued, or in a worker's hands
        self._next_scan = 0.0
        self._earliest_scan = 0.0
        self._scanned = 0  # the newest ticket a full scan has been made for
        self.skipped: tuple[Skipped, ...] = ()
        self.missing: tuple[str, ...] = ()

    def resume(self, known: Sequence[Progress]) -> None:
        """Take up the sources that a store remembers, before the threads start."""
        self._tracker.resume(known, self._roots.covers)

    def nudge(self, path: str | None = None) -> None:
        """Wake the watcher, to look at one path or just to go round once more. Any thread may call."""
        if path is not None:
            self._changed.append(path)
        self._wake.set()

    def loop(self, activity: Activity) -> None:
        """Go round until the stop event is set."""
        with suppress(OSError):  # then who needs it says so
            prepare()  # once, here: workers that look into their first files all at once would each do it
        self._recount()
        while not self._stopping.is_set():
            wait = self.step(activity)
            activity.enter("sleeping")
            self._wake.wait(wait)
            self._wake.clear()

    def _recount(self) -> None:
        """Put leases right that the thread before this one did not come to give or to take back when it died."""
        for progress in self._state.all_progress():
            if progress.leases != self._out[progress.key]:
                self._state.change(progress.key, lambda p: replace(p, leases=self._out[p.key], read_at=None))
                self._dirty[progress.key] = None

    def step(self, activity: Activity) -> float:
        """One round: look, take outcomes back, plan, feed the queue. Returns how long there is nothing to do."""
        now = self._clock()
        asked = self._state.asked
        self._take_outcomes(now)
        if asked > self._scanned or (now >= self._next_scan and not self._settings.finite):
            activity.enter("scanning", self._roots.paths[0])
            self._scan(now)
            if asked > self._scanned:
                self._hurry(now)
            self._scanned = asked
        while self._changed:
            if not self._tracker.look(self._changed.popleft(), now):
                self._scan_early()
        self._take_due(now)
        activity.enter("planning")
        self._plan(now)
        self._feed()
        if self._all_is_read():
            if self._state.is_asked:
                self._delivery.hurry()
            if self._delivery.settled:
                self._state.answer(self._scanned)
        return self._rest(self._clock())

    # -- looking

    def _scan(self, now: float) -> None:
        began = self._clock()
        scan, ours = self._roots.scan(), registry.ours()
        own = [one for one in scan.found if ours.has(one)]
        why = {True: "written by a sink", False: "a store that is open here"}
        self.skipped = (*scan.skipped, *(Skipped(one.path, why[ours.is_output(one)]) for one in own))
        self.missing = tuple(scan.missing)
        self._tracker.take([one for one in scan.found if one not in own] if own else scan.found, now)
        cost = self._clock() - began
        after = self._clock()
        self._next_scan = after + max(self._settings.poll_seconds, _SCAN_COST_FACTOR * cost)
        self._earliest_scan = after + max(_SCAN_PAUSE, _EARLY_COST_FACTOR * cost)

    def _hurry(self, now: float) -> None:
        """Somebody waits for all that is on disk now: what could not be opened may be open to us by now."""
        self._delayed = [(now if isinstance(work, Probe) else when, tie, work) for when, tie, work in self._delayed]
        heapq.heapify(self._delayed)

    def _scan_early(self) -> None:
        self._next_scan = min(self._next_scan, self._earliest_scan)

    # -- outcomes and retries

    def _take_outcomes(self, now: float) -> None:
        while self._outcomes:
            outcome = self._outcomes[0]
            key = outcome.work.source, outcome.work.generation
            before = self._state.progress(key)
            if outcome.error is None:
                self._succeeded(key, outcome, now)
            else:
                self._failed(key, outcome, now)
            self._tracker.conclude(key)
            if before is not None and before.copy_of is not None:
                self._tracker.conclude(before.copy_of)
            self._delivery.mark(key)
            # Only now: should this thread die on the way, the next one takes the outcome up again.
            self._outcomes.popleft()
            self._out[key] -= 1
            if not self._out[key]:
                del self._out[key]
            self._dirty[key] = None

    def _succeeded(self, key: Key, outcome: Outcome, now: float) -> None:
        identity = outcome.identity
        if identity is None:
            self._state.change(key, lambda p: core.read_through(p, outcome.seen_to, outcome.head))
        elif not outcome.same:
            self._state.change(key, core.undecided)
            self._look_again(key, now)
        elif outcome.copy_of is not None:
            self._tracker.is_copy(key, identity, outcome.copy_of, outcome.copy_to, outcome.copied)
        elif outcome.other is not None:
            # First that source is to be what it is; then this is asked again.
            self._state.change(key, core.undecided)
            self._look_again(outcome.other, now)
        elif outcome.maybe_of is not None and self._may_still_grow(key, now):
            self._state.change(key, core.undecided)
        else:
            self._state.change(key, lambda p: core.probed(p, identity, 1, outcome.shared_bytes))

    def _may_still_grow(self, key: Key, now: float) -> bool:
        """Whether a file that begins like another is waited for: a copy in the making shows itself when it is done."""
        progress = self._state.progress(key)
        if progress is None or self._settings.finite:
            return False
        until = progress.changed_at + self._settings.copy_seconds
        if now >= until:
            return False
        self._due[key] = until
        return True

    def _look_again(self, key: Key, now: float) -> None:
        if not self._tracker.look_again(key, now):
            self._scan_early()

    def _failed(self, key: Key, outcome: Outcome, now: float) -> None:
        left, error = outcome.left, outcome.error or ""
        assert left is not None
        if outcome.cause == "changed":
            self._state.change(key, lambda p: core.finished(p, 0))
            self._look_again(key, now)
            return
        if outcome.cause == "overtaken" or core.nothing_left(left):
            self._state.change(key, lambda p: core.overtaken(p, outcome.seen_to))
            return
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
        heapq.heappush(self._delayed, (now + pause, next(self._ties), left))
        self._out[key] += 1

    def _known_key(self, key: Key) -> bool:
        progress = self._state.progress(key)
        return progress is not None and not progress.gone

    def _give_up(self, progress: Progress, outcome: Outcome, left: Work, error: str) -> Progress:
        progress = replace(core.finished(progress, outcome.seen_to), attempts=left.attempt, error=None, retrying=False)
        hopeless = progress.events == 0 and progress.skipped_bytes >= _HOPELESS_BLOCKS * self._settings.block_bytes
        if progress.gone and outcome.cause == "io":
            return progress  # there is nothing to be read any more; what was left of it is in the ledger
        if isinstance(left, Probe) or left.stop is None or outcome.cause != "poison" or hopeless:
            return replace(progress, error=error)
        # One block at the place of the failure is given up, not the whole span: the rest is planned anew.
        stop = outcome.resume_at or min(left.start + self._settings.block_bytes, max(left.stop, left.start + 1))
        return core.set_aside(progress, left.start, stop, error)

    def _take_due(self, now: float) -> None:
        while self._delayed and self._delayed[0][0] <= now:
            self._ripe.append(heapq.heappop(self._delayed)[2])
        for work in list(self._ripe):
            progress = self._state.progress((work.source, work.generation))
            again = work
            if isinstance(work, Probe) and progress is not None:
                if self._tracker.is_too_early(progress):
                    continue
                # What it may be a copy of is another question by now, should its inode have been used again.
                probe = planning.probe(progress, work.final, self._tracker.candidates(progress))
                again = replace(probe, attempt=work.attempt)
            elif progress is not None:
                again = replace(work, path=progress.path)  # it may have been renamed since
            self._backlog.appendleft(again)
            self._ripe.remove(work)
        for key, when in list(self._due.items()):
            if when <= now:
                del self._due[key]
                self._dirty[key] = None

    # -- planning and feeding

    def _plan(self, now: float) -> None:
        for key in list(self._dirty):
            before = self._state.progress(key)
            if before is None or before.gone or (before.copy_of and not before.suspect):
                del self._dirty[key]
            elif before.leases or not self._tracker.is_too_early(before):
                self._plan_source(before, now)
                del self._dirty[key]  # only now: should this thread die on the way, the next one plans it

    def _plan_source(self, before: Progress, now: float) -> None:
        work: list[Work] = []
        final = planning.flush_due(before, now, self._settings)
        if planning.needs_probe(before, final):
            after = replace(before, leases=1)
            work.append(planning.probe(after, final, self._tracker.candidates(after)))
        else:
            after, spans = planning.plan(before, now, self._settings)
            work += spans
        if work:
            self._out[before.key] += len(work)
            self._backlog += work
        if after is not before:
            # Nobody else plans, but the writer may have committed some of what was taken since `before`.
            self._state.change(before.key, lambda p: replace(p, leases=after.leases, read_at=after.read_at))
        if not work:
            self._await_flush(before.key, after, now)

    def _await_flush(self, key: Key, progress: Progress, now: float) -> None:
        if progress.leases or not planning.waits_for_flush(progress):
            return
        if not planning.flush_due(progress, now, self._settings):
            self._due.setdefault(key, progress.changed_at + self._settings.idle_flush_seconds)

    def _feed(self) -> None:
        """Hand work to the queue until it is full; the rest waits here, and a finished span wakes us."""
        while self._backlog and not self._stopping.is_set():
            try:
                self._queue.put_nowait(self._backlog[0])
            except queue.Full:
                return
            self._backlog.popleft()

    def _all_is_read(self) -> bool:
        """Whether all that was there at the last scan has been read, or has been given up."""
        if self._outcomes or self._dirty or self._changed or len(self._out) > len(self._delayed):
            return False
        hopeful = any(not isinstance(work, Probe) or self._settings.finite for _, _, work in self._delayed)
        in_flight = self._out.total() - len(self._delayed)
        partial = any(self._is_partial(key) for key in self._due)
        return not (in_flight or hopeful or partial)

    def _is_partial(self, key: Key) -> bool:
        """Whether an unfinished line is waited for: an open record of whole lines is shown already."""
        progress = self._state.progress(key)
        if progress is None or progress.gone or progress.passed_over:
            return False
        return progress.unread_bytes > progress.held_bytes or planning.is_undecided(progress)

    def _rest(self, now: float) -> float:
        """Seconds until something is due by itself."""
        due = [now + _LONGEST_WAIT, self._next_scan if not self._settings.finite else now + 1.0]
        if self._delayed:
            due.append(self._delayed[0][0])
        if self._ripe:
            due.append(now + _SCAN_PAUSE)
        if self._due:
            due.append(min(self._due.values()))
        return max(0.0, min(due) - now)

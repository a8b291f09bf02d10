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

from logkit.engine import planning
from logkit.engine import progress as core
from logkit.engine.census import Census, File, beside, rotated_from, whereabouts
from logkit.engine.descriptors import Descriptors
from logkit.engine.progress import Candidate, Key, Probe, Progress
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
_WHOLE_HEAD = 1024  # a head as long as this tells a copy by its content alone, whatever it is called


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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._roots = roots
        self._settings = settings
        self._state = state
        self._queue = work
        self._outcomes = outcomes
        self._stopping = stopping
        self._files = files
        self._clock = clock
        self._wake = threading.Event()
        self._changed: deque[str] = deque()  # paths from notification; append and popleft are atomic
        self._census = Census()
        self._ids = itertools.count()
        self._ties = itertools.count()
        self._dirty: dict[Key, None] = {}
        self._backlog: deque[Work] = deque()
        self._delayed: list[tuple[float, int, Work]] = []  # the retry heap: when, tie-breaker, what
        self._due: dict[Key, float] = {}  # when to plan a source again: an idle flush, or a copy that came to nothing
        self._copies: dict[Key, Key] = {}  # of which source there is a copy, and which that is
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
        changed, missing = self._census.news(scan.found)
        if not self._settings.finite:
            for file in missing:
                self._follow(file, now)
        for found in changed:
            self._observe(found, now)
        cost = self._clock() - began
        after = self._clock()
        self._next_scan = after + max(self._settings.poll_seconds, _SCAN_COST_FACTOR * cost)
        self._earliest_scan = after + max(_SCAN_PAUSE, _EARLY_COST_FACTOR * cost)

    def _look(self, path: str, now: float) -> None:
        """One path that notification named. Only known files: what is new may be hidden or skipped, a scan decides."""
        key = self._census.by_path.get(path)
        found = look(path) if key else None
        if isinstance(found, Found) and self._census.known.get((found.device, found.inode)) == key:
            self._observe(found, now)
        else:
            self._next_scan = min(self._next_scan, self._earliest_scan)

    def _observe(self, found: Found, now: float) -> None:
        file = found.device, found.inode
        key = self._census.known.get(file) or self._census.returned(found)
        before = self._state.progress(key) if key else None
        if key is None or before is None:
            self._start((next(self._ids), 0), found, now)
        elif core.shrunk(before, found):
            self._begin_anew(key, found, now)
        elif core.observed(before, found, now) is not before:
            self._census.enter(key, found)
            self._state.change(key, lambda p: core.observed(p, found, now))
            self._dirty[key] = None

    def _start(self, key: Key, found: Found, now: float) -> None:
        file = found.device, found.inode
        self._census.enter(key, found)
        self._state.add(Progress(*key, found.path, found.size, found.modified, now, file=file, first_path=found.path))
        self._dirty[key] = None

    def _begin_anew(self, key: Key, found: Found, now: float) -> None:
        """The same file with other content: truncated and written anew, or another file with its inode."""
        self._census.replace((found.device, found.inode))
        self._files.release((found.device, found.inode))
        before = self._depart(key)
        same_name = before.path == found.path
        self._start((key[0], self._newest(key[0]) + 1) if same_name else (next(self._ids), 0), found, now)
        if not self._settings.finite:
            self._find_rotated(before, now)

    def _newest(self, source: int) -> int:
        return max(one.generation for one in self._state.all_progress() if one.source == source)

    def _depart(self, key: Key) -> Progress:
        """What is known of a source's content is all there will be, unless there is a copy of it."""
        gone = self._state.change(key, core.departed)
        copy = self._copies.pop(key, None)
        if copy is not None and self._adopt(key, copy):
            return gone
        if (held := self._state.held(key)) is not None:
            self._state.commit(replace(held, held=False))  # what was shown stays: it cannot be read again
        return gone

    # -- files that are missing, and copies

    def _follow(self, file: File, now: float) -> None:
        """A known file that the scan did not find: renamed to where nobody looks, or deleted.

        It is read to its end wherever it is, and given up once it has been quiet for a while.
        """
        census, key = self._census, self._census.known[file]
        before = self._state.progress(key)
        if before is None:
            census.replace(file)
            return
        if file not in census.missing:
            census.missing[file] = now
            self._find_rotated(before, now)
        found = look(before.path)
        if not (isinstance(found, Found) and (found.device, found.inode) == file):
            found, _ = whereabouts(before, census.known)
        status = self._files.stat(file) if found is None else None
        if found is not None:
            self._observe(found, now)
        elif status is not None:
            if (status.st_size, status.st_mtime) != (before.disk_bytes, before.modified):
                self._observe(Found(before.path, *file, status.st_size, status.st_mtime), now)
            self._state.change(key, lambda p: p if p.nameless else replace(p, nameless=True))
        quiet = now - max(before.changed_at, census.missing[file])
        busy = before.leases or before.unread_bytes or before.error
        nowhere = found is None and status is None
        if nowhere or (not busy and quiet >= self._settings.follow_seconds):
            census.depart(file)
            self._files.release(file)
            self._depart(key)

    def _find_rotated(self, before: Progress, now: float) -> None:
        """Files beside one that was rotated which nobody looks at, but which hold what came after it."""
        for found in whereabouts(before, self._census.known)[1]:
            if self._census.returned(found) is None:
                self._observe(found, now)

    def _candidates(self, progress: Progress) -> tuple[Candidate, ...]:
        """The sources that a new file may be a copy of: known before it appeared, and called like it."""
        found = []
        for key in self._census.originals(progress.key):
            one = self._state.progress(key)
            known = one.known_again if one else None
            if one is None or known is None or progress.path in (one.first_path, one.path):
                continue
            called_like_it = rotated_from(one.first_path) == rotated_from(progress.path)
            if beside(one.first_path, progress.path) and (called_like_it or len(known.head) >= _WHOLE_HEAD):
                found.append(known)
        return tuple(found)

    def _is_copy(self, key: Key, original: Key, outcome: Outcome) -> None:
        """What was found is a copy of a source: not to be read again, but to go on from should that one be gone."""
        self._state.change(key, lambda p: replace(core.probed(p, outcome.identity or p.identity, 1), copy_of=original))  # type: ignore[arg-type]
        self._copies[original] = key
        one = self._state.progress(original)
        if one is not None and one.gone:
            del self._copies[original]
            self._adopt(original, key)

    def _adopt(self, original: Key, copy: Key) -> bool:
        """A source goes on in the file that is a copy of it; False where that is gone as well."""
        place = self._state.progress(copy)
        if place is None or place.identity is None or place.file is None or place.gone:
            return False
        found = Found(place.path, *place.file, place.disk_bytes, place.modified)
        identity = place.identity
        self._census.remove(copy)
        self._state.remove(copy)
        self._census.enter(original, found)

        def move(p: Progress) -> Progress:
            assert p.identity is not None
            moved = replace(identity, head=p.identity.head, reference_us=p.identity.reference_us)
            return replace(
                p, path=found.path, file=place.file, disk_bytes=found.size, identity=moved, read_at=None, gone=False
            )

        self._state.change(original, move)
        self._dirty[original] = None
        return True

    # -- outcomes and retries

    def _take_outcomes(self, now: float) -> None:
        while self._outcomes:
            outcome = self._outcomes[0]
            key = outcome.work.source, outcome.work.generation
            if outcome.error is None:
                self._succeeded(key, outcome, now)
            else:
                self._failed(key, outcome, now)
            # Only now: should this thread die on the way, the next one takes the outcome up again.
            self._outcomes.popleft()
            self._in_flight -= 1
            self._dirty[key] = None

    def _succeeded(self, key: Key, outcome: Outcome, now: float) -> None:
        identity = outcome.identity
        if identity is None:
            self._state.change(
                key, lambda p: replace(core.finished(p, outcome.seen_to, outcome.head), error=None, retrying=False)
            )
        elif not outcome.same:
            self._state.change(key, lambda p: replace(p, leases=p.leases - 1))
            self._look_again(key, now)
        elif outcome.copy_of is not None:
            self._is_copy(key, outcome.copy_of, outcome)
        elif outcome.maybe_of is not None and self._may_still_grow(key, now):
            self._state.change(key, lambda p: replace(p, leases=p.leases - 1))
        else:
            self._state.change(key, lambda p: core.probed(p, identity, 1))

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
        """The file of a source has other content than was read: another one begins."""
        before = self._state.progress(key)
        found = look(before.path) if before else None
        if before is not None and before.gone:
            return  # several spans found it out: another one has begun already
        if before is None or not isinstance(found, Found) or (found.device, found.inode) != before.file:
            self._next_scan = min(self._next_scan, self._earliest_scan)
            return
        self._begin_anew(key, found, now)

    def _failed(self, key: Key, outcome: Outcome, now: float) -> None:
        left, error = outcome.left, outcome.error or ""
        assert left is not None
        if outcome.cause == "changed":
            self._state.change(key, lambda p: core.finished(p, 0))
            self._look_again(key, now)
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
        for key, when in list(self._due.items()):
            if when <= now:
                del self._due[key]
                self._dirty[key] = None

    # -- planning and feeding

    def _plan(self, now: float) -> None:
        for key in list(self._dirty):
            del self._dirty[key]
            before = self._state.progress(key)
            if before is None:
                continue
            if before.gone or (before.copy_of and not before.suspect):
                continue
            final = planning.flush_due(before, now, self._settings)
            if planning.needs_probe(before, final):
                after = self._state.change(key, lambda p: replace(p, leases=1))
                self._put(planning.probe(after, final, self._candidates(after)))
                continue
            spans: list[Span] = []
            after, spans = planning.plan(before, now, self._settings)
            if after is not before:
                # Nobody else changes a source without leases, so this is still the value `plan` saw.
                self._state.change(key, lambda _, planned=after: planned)  # type: ignore[misc]
            for span in spans:
                self._put(span)
            if not spans:
                self._await_flush(key, after, now)

    def _await_flush(self, key: Key, progress: Progress, now: float) -> None:
        if progress.leases or not planning.waits_for_flush(progress):
            return
        if not planning.flush_due(progress, now, self._settings):
            self._due.setdefault(key, progress.changed_at + self._settings.idle_flush_seconds)

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
        return not any(waiting) and not any(self._is_partial(key) for key in self._due)

    def _is_partial(self, key: Key) -> bool:
        """Whether an unfinished line is waited for: an open record of whole lines is shown already."""
        progress = self._state.progress(key)
        return progress is not None and progress.unread_bytes > progress.held_bytes

    def _rest(self, now: float) -> float:
        """Seconds until something is due by itself."""
        due = [now + _LONGEST_WAIT, self._next_scan if not self._settings.finite else now + 1.0]
        if self._delayed:
            due.append(self._delayed[0][0])
        if self._due:
            due.append(min(self._due.values()))
        return max(0.0, min(due) - now)

"""The sender: the thread of one sink. What it has in hand stays there until the sink has it, whatever goes wrong.

The order of its steps is what a kill at any instant is survived by: promise (which bytes make which parcel), write,
commit (which bytes the sink has). A sink with transactions needs no promise, as it commits rows and memory as one.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from logkit.capture import SinkStatus
from logkit.engine.known import End, Key
from logkit.engine.outbox import Outbox, Part
from logkit.engine.parcels import Run, incomplete, runs_of
from logkit.engine.restart import saved_of
from logkit.engine.settings import Settings
from logkit.engine.state import State
from logkit.engine.threads import Activity, describe
from logkit.errors import SinkError
from logkit.schema import MASK
from logkit.sinks.memory import Memory, read, written
from logkit.sinks.protocol import Parcel, Sink
from logkit.sources import common, complement, include
from logkit.sources.span import Ranges

_LOOK_SECONDS = 0.05
# a sink remembers which bytes it has; what is in them is counted elsewhere
_UNCOUNTED: dict[str, Any] = {"event_bytes": 0, "skipped_bytes": 0, "skipped_reason": None} | dict.fromkeys(
    ("events", "rejects", "cuts"), 0
)


class Sender:
    """The loop of one `logkit-sink-NAME`. `memories`: what the sink remembers, by the sources' numbers here."""

    def __init__(
        self,
        sink: Sink,
        state: State,
        memories: Mapping[Key, Memory],
        lineage: str,
        settings: Settings,
        wake: Callable[[], None],
    ) -> None:
        self.sink = sink
        self._state = state
        self._lineage = lineage
        self._settings = settings
        self._wake = wake
        self._known = dict(memories)
        self._ends: dict[Key, dict[int, End]] = {
            key: {end[0]: End(end[:3], end[3]) for end in memory.saved.ends} for key, memory in memories.items()
        }
        self.box = Outbox(
            {key: memory.saved.ranges for key, memory in memories.items()}, sink.max_waiting_bytes, sink.when_full
        )
        self._gathered: dict[Key, list[Part]] = {}
        self._hand: list[Part] = []
        self._runs: list[Run] = []
        self._marks: dict[Key, None] = {}
        self._broken = False
        self._giving_up = threading.Event()
        self._events = self._commits = self._failures = 0
        self._error: str | None = None
        self._ended: str | None = None
        sink.pause = self._giving_up.wait

    @property
    def name(self) -> str:
        return f"logkit-sink-{self.sink.name}"

    def loop(self, activity: Activity) -> None:
        """Send until the outbox is closed and empty, or the deadline of `stop` has passed; then close the sink."""
        while self.step(activity):
            pass
        activity.enter("closing", self.sink.name)
        self._ended = self._ended or "closed"
        self.sink.close()
        self.sink.busy = False
        self._wake()

    def give_up(self) -> None:
        """The deadline has passed: nothing is tried again. Any thread may call."""
        self._giving_up.set()

    def status(self) -> SinkStatus:
        """How the sink is doing. Any thread may ask."""
        waiting = self.box.waiting
        troubled = "retrying" if self._error else None
        return SinkStatus(
            name=self.sink.name,
            kind=type(self.sink).__name__,
            state=self._ended or troubled or ("writing" if waiting.parts else "idle"),
            error=self._error,
            events=self._events,
            commits=self._commits,
            waiting_events=waiting.events,
            waiting_bytes=waiting.nbytes,
            dropped_events=waiting.dropped_events,
            dropped_bytes=waiting.dropped_bytes,
            dead_letters=self.sink.dead_letters,
            failures=self._failures,
        )

    def left(self) -> str:
        """What the sink did not get, in words; empty where it got everything."""
        waiting = self.box.waiting
        events, size = waiting.events + waiting.dropped_events, sum(map(_length, self.box.all_missing()))
        return f"{self.sink.name}: {events:,} events, {size:,} bytes of log" if events else ""

    # -- one round

    def step(self, activity: Activity) -> bool:
        """Gather what waits, send what is due; False when there is no more to come, or no hope."""
        if not self._hand:
            activity.enter("waiting")
            self._gather()
            self._marks |= dict.fromkeys(self.box.take_marks())
        ending, news = self.box.closed and not self._gathered, self._has_news()
        if self._hand or (news and not self._gathered):
            activity.enter("sending", self.sink.name)
            return self._until_it_works(activity, lambda: self._send(activity))
        return not ending

    def _gather(self) -> None:
        """Take what waits; what is large or old enough, or has to go for another reason, is in hand then."""
        for part in self.box.take(_LOOK_SECONDS if self._gathered else self._settings.poll_seconds):
            self._gathered.setdefault(part.key, []).append(part)
        closed = self.box.closed
        hurry = closed or self.box.half_full or self._state.is_asked
        for key in [key for key, parts in self._gathered.items() if hurry or self._is_due(parts)]:
            parts = self._gathered.pop(key)
            begun = [one for one, rest in incomplete(parts, self._promised(key)) if self._is_to_come(key, rest)]
            kept = [part for part in parts if any(low <= part.start < high for low, high in begun)]
            self._hand += [part for part in parts if part not in kept]
            if kept and not closed:  # else they are read again, and sent as they were promised, after a restart
                self._gathered[key] = kept

    def _is_to_come(self, key: Key, rest: Ranges) -> bool:
        """Whether some of these bytes may still be read and given to the sink."""
        progress = self._state.progress(key)
        taken = progress.taken if progress else ()
        return bool(common(rest, self.box.missing(key))) or any(complement(taken, *one) for one in rest)

    def _is_due(self, parts: list[Part]) -> bool:
        sink = self.sink
        return (
            sum(part.frame.height for part in parts) >= sink.parcel_events
            or sum(part.stop - part.start for part in parts) >= sink.parcel_bytes
            or time.monotonic() - parts[0].since >= sink.parcel_seconds
        )

    def _send(self, activity: Activity) -> None:
        """Promise, write and commit what is in hand, and what else is news."""
        if not self._runs:
            self._runs = list(self._cut())
        came = self._recover() if self._broken else False
        for part in self._hand:
            if part.end is not None:
                self._ends.setdefault(part.key, {})[part.stop] = part.end
        if self._runs and not came:
            if self.sink.repeats:
                self._promise()
            self.sink.write([self._parcel(run) for run in self._runs])
        keys = dict.fromkeys((*(part.key for part in self._hand), *self._marks))
        self._commit({key: self._after(key, [part for part in self._hand if part.key == key]) for key in keys})
        self.box.delivered(self._hand)
        events = sum(run.frame.height for run in self._runs)
        self._hand, self._runs, self._marks = [], [], {}
        self._events += events
        self._commits += 1
        activity.events += events
        activity.spans += 1
        self._wake()

    def _commit(self, memories: Mapping[Key, Memory]) -> None:
        self.sink.commit({memory.name: written(memory) for memory in memories.values()})
        self._known |= memories

    def _cut(self) -> Iterable[Run]:
        by_key: dict[Key, list[Part]] = {}
        for part in self._hand:
            by_key.setdefault(part.key, []).append(part)
        for key, parts in by_key.items():
            yield from runs_of(parts, self.sink.parcel_events, self.sink.parcel_bytes, self._promised(key))

    def _promised(self, key: Key) -> Ranges:
        known = self._known.get(key)
        return known.promised if known else ()

    def _promise(self) -> None:
        """Write down how the parcels are cut, before anybody sees one."""
        cuts: dict[Key, list[tuple[int, int]]] = {}
        for run in self._runs:
            cuts.setdefault(run.key, []).append((run.start, run.stop))
        after = {}
        for key, runs in cuts.items():
            before = self._promised(key)
            promised = tuple(sorted({*before, *runs}))
            if promised != before:
                # with the ends of what is promised: a copy of the file must be known again by what was sent of it
                after[key] = self._after(key, [], promised)
        if after:
            self._commit(after)

    def _parcel(self, run: Run) -> Parcel:
        key, known, progress = run.key, self._known.get(run.key), self._state.progress(run.key)
        source = f"{known.lineage}-{known.saved.source}" if known else f"{self._lineage}-{key[0]}"
        return Parcel(
            source=source,
            generation=known.saved.generation if known else key[1],
            start=run.start,
            stop=run.stop,
            path=known.called if known else progress.path if progress else "",
            frame=run.frame.drop(MASK, strict=False),
            reference_us=progress.identity.reference_us if progress and progress.identity else 0,
        )

    # -- what the sink remembers

    def _after(self, key: Key, delivered: list[Part], promised: Ranges | None = None) -> Memory:
        """What it has of a source once these parts are there; `promised` as it is, unless it is given."""
        known = self._known.get(key)
        progress = self._state.progress(key)  # before what is missing is asked: what is taken later is in neither
        assert progress is not None, f"rows of {key}, which nobody planned"
        missing = self.box.missing(key)
        for part in delivered:
            missing = _without(missing, part.start, part.stop)
        ranges = known.saved.ranges if known else ()
        for low, high in progress.taken:
            for start, stop in complement(missing, low, high):
                ranges = include(ranges, start, stop)
        for part in delivered:  # also where the source was written anew meanwhile
            ranges = include(ranges, part.start, part.stop)
        promised = self._promised(key) if promised is None else promised
        promised = tuple(one for one in promised if complement(ranges, *one))
        stops = {high for _, high in (*ranges, *promised)}
        ends = {end.tail[0]: end for end in progress.ends} | self._ends.get(key, {})
        self._ends[key] = {stop: end for stop, end in ends.items() if stop in stops}
        saved = replace(
            saved_of(progress),
            source=known.saved.source if known else key[0],
            generation=known.saved.generation if known else key[1],
            ranges=ranges,
            ends=tuple((*end.tail, end.last_offset) for end in self._ends[key].values()),
            **_UNCOUNTED,
        )
        if known is None:
            return Memory(self._lineage, progress.path, saved, promised)
        return replace(known, saved=saved, promised=promised)

    def _has_news(self) -> bool:
        """Whether something other than rows is to be remembered: a source was renamed, rotated, passed over in part."""
        # A source that nothing was sent of is no news; one that proved to be a copy is no source any more.
        news = [key for key in self._marks if key in self._known and self._state.progress(key) is not None]
        self._marks = {key: None for key in news if _told(self._after(key, [])) != _told(self._known[key])}
        return bool(self._marks)

    # -- when it goes wrong

    def _until_it_works(self, activity: Activity, attempt: Callable[[], object]) -> bool:
        """Try again and again, with pauses that grow; False where it is given up."""
        pause, since = self._settings.retry_seconds, time.monotonic()
        while True:
            try:
                attempt()
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:  # a user's code, or a PanicException of native code
                self._broken = True
                self._failures += 1
                self._error = describe(error)
                activity.failed(error)
            else:
                self._error = None
                return True
            hopeless = self._settings.finite and time.monotonic() - since >= self.sink.patience_seconds
            with activity.during("retrying"):
                stopped = hopeless or self._giving_up.wait(pause * random.uniform(0.5, 1.0))
            if stopped:
                # Nothing is lost: what the sink does not remember is read again by whoever begins with it next.
                self._ended = "failed"
                self.box.abandon()
                return False
            pause = min(2 * max(pause, 0.01), self._settings.max_retry_seconds)

    def _recover(self) -> bool:
        """Begin anew, and find out whether what is in hand is there: a commit whose answer was lost may have taken
        effect. Raises SinkError where the sink has forgotten what it had."""
        memories = [read(text, self.sink.name) for text in self.sink.begin().values()]
        there = {memory.name: memory for memory in memories}
        for known in self._known.values():
            found = there.get(known.name)
            has = found.saved.ranges if found else ()
            if any(complement(has, *one) for one in known.saved.ranges):
                message = (
                    "expected {!r} to remember what it was given, found that it has less than before; watch again, "
                )
                raise SinkError(message.format(self.sink.name) + "and what it lacks is sent", sink=self.sink.name)
        for key in (*self._known, *(part.key for part in self._hand)):
            name = self._known[key].name if key in self._known else f"{self._lineage}-{key[0]}-{key[1]}"
            if name in there:
                self._known[key] = there[name]
        self._broken = False
        had = {key: memory.saved.ranges for key, memory in self._known.items()}
        return bool(self._hand) and not any(complement(had.get(p.key, ()), p.start, p.stop) for p in self._hand)


def _length(ranges: Ranges) -> int:
    return sum(high - low for low, high in ranges)


def _without(ranges: Ranges, start: int, stop: int) -> Ranges:
    return tuple(piece for low, high in ranges for piece in complement(((start, stop),), low, high))


def _told(memory: Memory) -> Memory:
    """What of it is worth a commit of its own."""
    return replace(memory, saved=replace(memory.saved, seen_bytes=0, disk_bytes=0, modified=0.0))

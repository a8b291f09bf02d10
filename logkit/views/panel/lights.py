"""Pure: what the engine's threads are doing, each as a light."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Final

from logkit.capture import RESTING

if TYPE_CHECKING:
    from logkit.capture import Capture, ThreadStatus

_HELD_SECONDS: Final = 0.5  # a state shorter than this is seen by chance
_BUSY_SHARE: Final = 0.05
_LEFT_OUT: Final = RESTING - {"blocked", "retrying"}  # in these it would work, were it not for something else
Lane = tuple[tuple[str, float], ...]
"""Per slot of time the state that took most of it ("": none), and the share of it in which the thread did anything;
oldest first."""
LANE_SECONDS: Final = 12.0
"""How far back a thread's lane goes."""
LANE_SLOTS: Final = 60
"""How many pieces a lane has."""
_SLOT_SECONDS: Final = LANE_SECONDS / LANE_SLOTS
_ORDER: Final = ("logkit-watcher", "logkit-notify", "logkit-worker", "logkit-writer", "logkit-sink")


@dataclass(frozen=True, slots=True)
class ThreadRow:
    """A thread: its light, what it works on, and the share of its time since the last look that it was busy."""

    name: str
    light: str
    doing: str
    busy: float
    failures: int


def thread_rows(capture: Capture, before: Capture | None) -> tuple[ThreadRow, ...]:
    """One row per thread, the living first and in the order of the pipeline.

    A state that lasted for less than half a second was seen by chance: it only shows for a thread that is busy.
    """
    earlier = {thread.name: thread for thread in before.threads} if before else {}
    retrying = any(status.state == "retrying" for status in capture.sources)
    rows = []
    for thread in sorted(capture.threads, key=_place):
        busy = _busy(thread, earlier.get(thread.name), capture, before)
        lasting = capture.clock - thread.since >= _HELD_SECONDS
        light = thread.state if lasting or busy >= _BUSY_SHARE or thread.state in RESTING else "waiting"
        if retrying and thread.name == "logkit-watcher" and light in ("waiting", "sleeping"):
            light = "retrying"  # it is the watcher that waits to try again
        rows.append(ThreadRow(thread.name, light, thread.doing if light == thread.state else "", busy, thread.failures))
    return tuple(rows)


@dataclass(frozen=True, slots=True)
class Lanes:
    """What each thread did in the last whole slots of time: a lane by its name, up to slot `stop` of the clock."""

    stop: int = 0
    of: Mapping[str, Lane] = field(default_factory=dict)

    def next(self, capture: Capture) -> Lanes:
        """Those up to this capture, which is not before the last one. Of what was known only new slots are looked at.

        Waiting for work does not count; being blocked does, for that is by somebody else, as does a pause between
        tries.
        """
        stop = int(capture.clock / _SLOT_SECONDS)
        return Lanes(stop, {thread.name: self._lane(thread, capture.clock, stop) for thread in capture.threads})

    def _lane(self, thread: ThreadStatus, clock: float, stop: int) -> Lane:
        before = self.of.get(thread.name)
        first = max(self.stop, stop - LANE_SLOTS) if before else stop - LANE_SLOTS
        fresh = tuple(map(_most, _spent(thread, clock, first, stop)))
        return (*before, *fresh)[-LANE_SLOTS:] if before else fresh


NOTHING_DONE: Final = Lanes()
"""Before the first look."""


def _spent(thread: ThreadStatus, clock: float, first: int, stop: int) -> list[dict[str, float]]:
    """For each slot in [first, stop) how many seconds the thread was in which states."""
    slots: list[dict[str, float]] = [{} for _ in range(first, stop)]
    for state, start, end in _since(thread, clock, first * _SLOT_SECONDS):
        if state in _LEFT_OUT:
            continue
        for at in range(max(first, int(start / _SLOT_SECONDS)), min(stop, int(end / _SLOT_SECONDS) + 1)):
            seconds = min(end, (at + 1) * _SLOT_SECONDS) - max(start, at * _SLOT_SECONDS)
            slots[at - first][state] = slots[at - first].get(state, 0.0) + seconds
    return slots


def _since(thread: ThreadStatus, clock: float, begin: float) -> Iterator[tuple[str, float, float]]:
    """The thread's states after this instant, each with its start and end, the newest first."""
    yield thread.state, thread.since, clock
    for state, _, start, end in chain.from_iterable(map(reversed, reversed(thread.intervals))):
        if end <= begin:
            return
        yield state, start, end


def _most(spent: dict[str, float]) -> tuple[str, float]:
    busy = sum(spent.values()) / _SLOT_SECONDS
    return (max(spent, key=lambda state: spent[state]), min(1.0, busy)) if busy > 1e-6 else ("", 0.0)


def _place(thread: ThreadStatus) -> tuple[bool, int, str]:
    kind = next((at for at, name in enumerate(_ORDER) if thread.name.startswith(name)), len(_ORDER))
    return not thread.alive, kind, thread.name


def _busy(thread: ThreadStatus, earlier: ThreadStatus | None, now: Capture, before: Capture | None) -> float:
    if earlier is None or before is None or now.clock <= before.clock:
        return 0.0
    worked = _worked(thread, now.clock) - _worked(earlier, before.clock)
    return min(1.0, max(0.0, worked / (now.clock - before.clock)))


def _worked(thread: ThreadStatus, clock: float) -> float:
    return thread.busy_seconds + (0.0 if thread.state in RESTING else clock - thread.since)

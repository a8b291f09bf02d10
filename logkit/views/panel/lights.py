"""Pure: what the engine's threads are doing, each as a light."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final

from logkit.capture import RESTING

if TYPE_CHECKING:
    from logkit.capture import Capture, ThreadStatus

_HELD_SECONDS: Final = 0.5  # a state shorter than this is seen by chance
_BUSY_SHARE: Final = 0.05
_SHOWN_AT_REST: Final = frozenset({"blocked", "retrying"})  # it would work, were it not for something else
Lane = tuple[tuple[str, float], ...]
"""Per slot of time the state that took most of it ("": none), and the share of it in which the thread did anything."""
LANE_SECONDS: Final = 12.0
"""How far back a thread's lane goes."""
LANE_SLOTS: Final = 60
"""How many pieces a lane has."""
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


def lanes(capture: Capture) -> dict[str, Lane]:
    """What each living thread did in the last `LANE_SECONDS`: one pair per slot of time, oldest first.

    Waiting for work does not count; being blocked does, for that is by somebody else, as does a pause between tries.
    """
    return {thread.name: _lane(thread, capture.clock) for thread in capture.threads if thread.alive}


def _lane(thread: ThreadStatus, clock: float) -> Lane:
    begin, width = clock - LANE_SECONDS, LANE_SECONDS / LANE_SLOTS
    shares: list[dict[str, float]] = [{} for _ in range(LANE_SLOTS)]
    recent = [chunk for chunk in thread.intervals if chunk and chunk[-1][3] > begin]
    for state, _, start, end in (*chain.from_iterable(recent), (thread.state, "", thread.since, clock)):
        if end <= begin or state in RESTING - _SHOWN_AT_REST:
            continue
        first = max(0.0, (start - begin) / width)
        last = min(float(LANE_SLOTS), (end - begin) / width)
        for slot in range(int(first), min(LANE_SLOTS, int(last) + 1)):
            share = min(last, slot + 1) - max(first, slot)
            if share > 1e-6:  # else it only touches this slot
                shares[slot][state] = shares[slot].get(state, 0.0) + share
    return tuple((max(share, key=share.__getitem__, default=""), sum(share.values())) for share in shares)


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

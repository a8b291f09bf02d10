"""Pure: what the engine's threads are doing, each as a light."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final

import numpy as np

from logkit.capture import RESTING

if TYPE_CHECKING:
    import numpy.typing as npt

    from logkit.capture import Capture, ThreadStatus

_HELD_SECONDS: Final = 0.5  # a state shorter than this is seen by chance
_BUSY_SHARE: Final = 0.05
_LEFT_OUT: Final = RESTING - {"blocked", "retrying"}  # in these it would work, were it not for something else
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
    """What each thread did in the last `LANE_SECONDS`: one pair per slot of time, oldest first.

    Waiting for work does not count; being blocked does, for that is by somebody else, as does a pause between tries.
    """
    return {thread.name: _lane(thread, capture.clock) for thread in capture.threads}


def _lane(thread: ThreadStatus, clock: float) -> Lane:
    edges = np.linspace(clock - LANE_SECONDS, clock, LANE_SLOTS + 1)
    spans: dict[str, list[float]] = {}
    recent = [chunk for chunk in thread.intervals if chunk and chunk[-1][3] > edges[0]]
    for state, _, start, end in (*chain.from_iterable(recent), (thread.state, "", thread.since, clock)):
        if state not in _LEFT_OUT:
            spans.setdefault(state, []).extend((start, end))
    if not spans:
        return (("", 0.0),) * LANE_SLOTS
    shares = np.array([_spent(np.array(ends), edges) for ends in spans.values()]) * LANE_SLOTS / LANE_SECONDS
    busy, names = shares.sum(axis=0), list(spans)
    most = zip(shares.argmax(axis=0).tolist(), busy.tolist(), strict=True)
    return tuple((names[at], share) if share > 1e-6 else ("", 0.0) for at, share in most)  # less only touches a slot


def _spent(ends: npt.NDArray[np.float64], edges: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """How many seconds between each two edges lie in intervals: `ends` are their starts and ends, ascending."""
    sofar = np.zeros(len(ends))
    sofar[1::2] = np.cumsum(ends[1::2] - ends[::2])
    sofar[2::2] = sofar[1:-1:2]
    spent: npt.NDArray[np.float64] = np.diff(np.interp(edges, ends, sofar))
    return spent


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

"""Pure: what the engine's threads are doing, each as a light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from logkit.capture import Capture, ThreadStatus

_HELD_SECONDS: Final = 0.5  # a state shorter than this is seen by chance
_BUSY_SHARE: Final = 0.05
_REST_STATES: Final = frozenset({"waiting", "starting", "stopped", "died", "not started"})
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
        light = thread.state if lasting or busy >= _BUSY_SHARE or thread.state in _REST_STATES else "waiting"
        if retrying and thread.name == "logkit-watcher" and light == "waiting":
            light = "retrying"  # it is the watcher that waits to try again
        rows.append(ThreadRow(thread.name, light, thread.doing if light == thread.state else "", busy, thread.failures))
    return tuple(rows)


def _place(thread: ThreadStatus) -> tuple[bool, int, str]:
    kind = next((at for at, name in enumerate(_ORDER) if thread.name.startswith(name)), len(_ORDER))
    return not thread.alive, kind, thread.name


def _busy(thread: ThreadStatus, earlier: ThreadStatus | None, now: Capture, before: Capture | None) -> float:
    if earlier is None or before is None or now.clock <= before.clock:
        return 0.0
    worked = _worked(thread, now.clock) - _worked(earlier, before.clock)
    return min(1.0, max(0.0, worked / (now.clock - before.clock)))


def _worked(thread: ThreadStatus, clock: float) -> float:
    return thread.busy_seconds + (0.0 if thread.state in _REST_STATES else clock - thread.since)

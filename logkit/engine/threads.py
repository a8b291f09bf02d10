"""A thread with a name, an owner and a stop, that writes down what it does and reports its own death."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from logkit.capture import RESTING, ThreadStatus
from logkit.engine.trace import Trace


class Activity:
    """What one thread is doing, and did. Only that thread writes; anybody reads, and sees one whole tuple or the next.

    `keep_intervals` is how many of the things it did are remembered.
    """

    __slots__ = ("_now", "_trace", "busy_seconds", "bytes", "events", "failures", "last_error", "name", "spans")

    def __init__(self, name: str, keep_intervals: int = 0) -> None:
        self.name = name
        self._trace = Trace(keep_intervals)
        self._now: tuple[str, str, float] = ("starting", "", time.monotonic())
        self.spans = self.events = self.bytes = self.failures = 0
        self.busy_seconds = 0.0
        self.last_error: str | None = None

    def enter(self, state: str, doing: str = "") -> None:
        """From now on the thread is in `state`, working on `doing`."""
        before, did, since = self._now
        now = time.monotonic()
        if before not in RESTING:
            self.busy_seconds += now - since
        self._trace.append((before, did, since, now))
        self._now = (state, doing, now)

    @contextmanager
    def during(self, state: str, doing: str | None = None) -> Iterator[None]:
        """`state` for the length of a block, on the same piece of work unless `doing` is given; then what it was."""
        before, did, _ = self._now
        self.enter(state, did if doing is None else doing)
        try:
            yield
        finally:
            self.enter(before, did)

    def held(self, lock: str, since: float) -> None:
        """From `since` until now the thread held a lock that others waited for; it goes on with what it was doing."""
        state, doing, start = self._now
        now = time.monotonic()
        since = max(since, start)
        self._trace.append((state, doing, start, since))
        self._trace.append(("holding", lock, since, now))
        if state not in RESTING:
            self.busy_seconds += now - start
        self._now = (state, doing, now)

    def failed(self, error: BaseException) -> None:
        """Count a failure and remember its text."""
        self.failures += 1
        self.last_error = describe(error)

    def status(self, alive: bool) -> ThreadStatus:
        """A frozen copy."""
        intervals, forgotten = self._trace.read()
        state, doing, since = self._now
        return ThreadStatus(
            name=self.name,
            alive=alive,
            state=state if alive or state in ("stopped", "died") else "not started",
            doing=doing.encode("utf-8", "backslashreplace").decode("utf-8"),  # bytes of a path that are no text
            since=since,
            spans=self.spans,
            events=self.events,
            bytes=self.bytes,
            busy_seconds=self.busy_seconds,
            failures=self.failures,
            last_error=self.last_error,
            intervals=intervals,
            forgotten_intervals=forgotten,
        )


class EngineThread(threading.Thread):
    """Runs `loop(activity)` until it returns. Should that raise, whatever it is, `died(self, error)` is its last act.

    A daemon: a notebook kernel that shuts down must not wait for it. Stopping it orderly is its owner's duty.
    """

    def __init__(
        self,
        name: str,
        loop: Callable[[Activity], None],
        died: Callable[[EngineThread, BaseException], None],
        keep_intervals: int = 0,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.activity = Activity(name, keep_intervals)
        self._loop = loop
        self._died = died

    def run(self) -> None:
        try:
            self._loop(self.activity)
        except BaseException as error:  # a PanicException of native code derives from BaseException
            self.activity.failed(error)
            self.activity.enter("died", describe(error))
            self._died(self, error)
        else:
            self.activity.enter("stopped")


def describe(error: BaseException) -> str:
    """One line that names the error, for `snap.threads` and `snap.files`."""
    if isinstance(error, OSError) and error.strerror:
        return f"{type(error).__name__}: {error.strerror}"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__

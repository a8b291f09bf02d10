"""A recorder for threads of your own: what each was doing, waiting for and holding, as a table and a picture."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from logkit.engine.threads import Activity, describe
from logkit.errors import LabError
from logkit.lab import asked
from logkit.lab.stage import AnyLock

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from logkit.analysis.activity import ActivityFrame


_SILENT = ""  # the state of a thread that has not said what it does


class Recorder:
    """Writes down what threads do, with the same means as logkit's engine.

    >>> recorder = Recorder()
    >>> lock = recorder.lock("the till")
    >>> def serve():
    ...     with lock:
    ...         recorder.sleep(0.01)
    >>> threads = [recorder.thread(serve, name=f"clerk-{n}") for n in (1, 2)]
    >>> for thread in threads: thread.start()
    >>> for thread in threads: thread.join(5)
    >>> sorted(recorder.activity()["thread"].unique())
    ['clerk-1', 'clerk-2']

    Any thread may use it; its first use gives a thread a lane. A thread made by `thread()` is `working` where it says
    nothing else, and has `died` if it ends in an exception; of any other one only what it says is known. Of each thread
    the newest `keep_intervals` are kept.
    """

    def __init__(self, keep_intervals: int = 4096) -> None:
        # guards: _activities
        self._lock = threading.Lock()
        self._activities: list[tuple[threading.Thread, Activity]] = []
        self._mine = threading.local()
        self._keep_intervals = asked.whole("keep_intervals", keep_intervals, 1, None, 4096)

    def __repr__(self) -> str:
        with self._lock:
            names = [thread.name for thread, _ in self._activities]
        return f"<Recorder of {len(names)} threads: {', '.join(names[:8])}{', …' if len(names) > 8 else ''}>"

    def during(self, state: str, doing: str = "") -> AbstractContextManager[None]:
        """`with recorder.during("parsing", "a.log"):` the calling thread does this. Any word may be a state."""
        return self._activity().during(state, doing)

    def sleep(self, seconds: float) -> None:
        """Sleep, and say so."""
        seconds = asked.seconds("seconds", seconds, 0.01)
        with self.during("sleeping"):
            time.sleep(seconds)

    def thread(self, target: Callable[..., object], *args: Any, name: str) -> threading.Thread:
        """A thread, not yet started, that is recorded from its start to its end. It is a daemon; join it yourself."""
        asked.function("target", target)

        def run() -> None:
            activity = self._activity("working")
            try:
                target(*args)
            except BaseException as error:
                activity.enter("died", describe(error))
                raise
            activity.enter("stopped")

        return threading.Thread(target=run, name=name, daemon=True)

    def lock(self, name: str, lock: AnyLock | None = None) -> RecordedLock:
        """A lock (`threading.Lock()` by default) that records who waits for it and who holds it."""
        if lock is not None:
            asked.lock(lock)
        return RecordedLock(self, name, threading.Lock() if lock is None else lock)

    def semaphore(self, name: str, permits: int) -> RecordedLock:
        """A `threading.BoundedSemaphore` that records who waits for a permit and who has one."""
        return RecordedLock(self, name, threading.BoundedSemaphore(asked.whole("permits", permits, 1, None, 2)))

    def queue(self, maxsize: int) -> RecordedQueue:
        """A `queue.Queue` that records who waits for an item, and who for room (0: there always is)."""
        return RecordedQueue(self, asked.whole("maxsize", maxsize, 0, None, 8))

    def activity(self, last_seconds: float | None = None) -> ActivityFrame:
        """What was recorded, as a DataFrame: thread, state, doing, start, end (UTC), seconds."""
        from logkit.analysis import activity

        with self._lock:
            known = list(self._activities)
        clock, now = time.monotonic(), time.time()
        threads = [one.status(thread.is_alive()) for thread, one in known]
        said = [row for row in activity.rows(threads, clock, last_seconds) if row.state not in (_SILENT, "starting")]
        return activity.frame(said, clock, now)

    def plot(self, ax: Axes | None = None) -> Axes:
        """The Gantt: a lane per thread, a colour per state."""
        from logkit.views.gantt import draw

        return draw(self.activity(), ax)

    def _activity(self, at_first: str = _SILENT) -> Activity:
        """The record of the calling thread, which begins in the state `at_first`."""
        found: Activity | None = getattr(self._mine, "activity", None)
        if found is None:
            thread = threading.current_thread()
            found = self._mine.activity = Activity(thread.name, self._keep_intervals)
            found.enter(at_first)
            with self._lock:
                self._activities.append((thread, found))
        return found


class RecordedLock:
    """A lock or semaphore of a recorder: `with lock:`, or `acquire()` and `release()` on one thread."""

    def __init__(self, recorder: Recorder, name: str, lock: AnyLock) -> None:
        self.name = name
        self._recorder = recorder
        self._lock = lock
        self._held = threading.local()

    def acquire(self) -> bool:
        """Take it, waiting if need be; from now on the thread is `holding`."""
        if not self._lock.acquire(blocking=False):
            with self._recorder.during("blocked", self.name):
                self._lock.acquire()
        holding = self._recorder.during("holding", self.name)
        holding.__enter__()
        self._stack().append(holding)
        return True

    def release(self) -> None:
        """Give it back; the thread goes on with what it was doing. Raises LabError if the thread does not hold it."""
        if not self._stack():
            me = threading.current_thread().name
            raise LabError(f"expected {me} to hold {self.name}, found it does not; try acquire() first", threads=(me,))
        self._stack().pop().__exit__(None, None, None)
        self._lock.release()

    def _stack(self) -> list[AbstractContextManager[None]]:
        """What the calling thread holds of it."""
        if not hasattr(self._held, "stack"):
            self._held.stack = []
        stack: list[AbstractContextManager[None]] = self._held.stack
        return stack

    def __enter__(self) -> RecordedLock:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class RecordedQueue:
    """A `queue.Queue` of a recorder, with the methods lessons need."""

    def __init__(self, recorder: Recorder, maxsize: int) -> None:
        self._recorder = recorder
        self._queue: queue.Queue[Any] = queue.Queue(maxsize=maxsize)
        self.task_done = self._queue.task_done
        self.join = self._queue.join
        self.qsize = self._queue.qsize

    def get(self, timeout: float | None = None) -> Any:
        """The next item; until there is one the thread is `waiting`. Raises queue.Empty after `timeout` seconds."""
        try:
            return self._queue.get_nowait()
        except queue.Empty:
            pass
        with self._recorder.during("waiting"):
            return self._queue.get(timeout=timeout)

    def put(self, item: Any, timeout: float | None = None) -> None:
        """Add an item; while there is no room the thread is `blocked`. Raises queue.Full after `timeout` seconds."""
        try:
            return self._queue.put_nowait(item)
        except queue.Full:
            pass
        with self._recorder.during("blocked", "room"):
            self._queue.put(item, timeout=timeout)


@contextmanager
def no_thread_left(deadline_seconds: float = 5.0) -> Iterator[None]:
    """Whatever threads begin within the block have ended soon after it, or AssertionError names those that have not."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + deadline_seconds
    for thread in set(threading.enumerate()) - before:
        thread.join(max(0.0, deadline - time.monotonic()))
    left = [thread.name for thread in set(threading.enumerate()) - before]
    assert not left, f"expected no thread left behind, found {', '.join(left)}"

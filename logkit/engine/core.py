"""The engine: its threads, what they share, and how they are started, replaced and stopped."""

from __future__ import annotations

import itertools
import queue
import threading
import time
import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from logkit.capture import SinkStatus, StoreStatus, ThreadStatus
from logkit.engine.beginning import begin, missing
from logkit.engine.delivery import Delivery, ToState, ToWriter
from logkit.engine.descriptors import Descriptors
from logkit.engine.fan import Fan
from logkit.engine.notify import Notifier
from logkit.engine.outcome import Outcome, Work
from logkit.engine.progress import Progress, departed
from logkit.engine.remembered import reunite
from logkit.engine.sender import Sender
from logkit.engine.settings import Settings
from logkit.engine.state import State
from logkit.engine.threads import EngineThread
from logkit.engine.watcher import Watcher
from logkit.engine.worker import Shared, Worker
from logkit.engine.writer import Writer
from logkit.sinks.protocol import Sink
from logkit.sources import Roots, ServiceRule

_LAST_SECONDS = 1.0

if TYPE_CHECKING:
    from logkit.sinks.store import Store
    from logkit.sinks.view import StoreView


@dataclass(frozen=True, slots=True)
class StopResult:
    """What `stop` came to: true if every thread has ended, else `alive` names those that have not.

    `left` says of each sink that did not get everything what it lacks: it is sent when it is watched again.
    """

    alive: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return not self.alive

    def __repr__(self) -> str:
        left = f"; not sent: {'; '.join(self.left)}" if self.left else ""
        if not self.alive:
            return f"stopped: every thread has ended{left}"
        return f"not stopped yet: {', '.join(self.alive)} still at work{left}; call stop() again to wait longer"


class Engine:
    """The threads and what they share. They hold this, never the `Monitor` the user holds."""

    def __init__(
        self,
        roots: Roots,
        settings: Settings,
        service: ServiceRule,
        store: Store | None = None,
        sinks: Sequence[Sink] = (),
    ) -> None:
        self.roots = roots
        self.settings = settings
        self.store = store
        self.state = State(settings.keep_events, settings.keep_bytes, stored=store is not None)
        self.queue: queue.Queue[Work | None] = queue.Queue(maxsize=max(settings.queue_size, settings.workers))
        self.stopping = threading.Event()
        self.failed: str | None = None
        self.files = Descriptors(settings.max_open_files)
        to_writer = ToWriter(self.state, settings.max_waiting_bytes) if store is not None else None
        self._writer: Writer | None = None
        stored: tuple[Progress, ...] | None = None
        if store is not None and to_writer is not None:
            self._writer = Writer(store, self.state, to_writer, settings, self.stopping, self._wake)
            stored = self._writer.resume()
        self._senders, known = self._meet(sinks, stored)
        first: Delivery = to_writer or ToState(self.state)
        boxes = [sender.box for sender in self._senders]
        self._delivery: Delivery = Fan(first, self.state, boxes) if boxes else first
        outcomes: deque[Outcome] = deque()
        self._watcher = Watcher(
            roots,
            settings,
            self.state,
            self.queue,
            outcomes,
            self.stopping,
            self.files,
            self._delivery,
        )
        keep = store is not None or bool(sinks) or (settings.keep_events > 0 and settings.keep_bytes > 0)
        self._shared = Shared(
            outcomes=outcomes,
            wake=self._watcher.nudge,
            stopping=self.stopping,
            options=settings.reading(service, keep=keep),
            files=self.files,
            reads=threading.Semaphore(settings.max_concurrent_reads),
            delivery=self._delivery,
            finite=settings.finite,
        )
        if settings.finite:
            known = self._without_lost(known)
        self._watcher.resume(known)
        self._names = itertools.count(1)
        # guards: _threads, _dead. Never held together with the state's lock.
        self._threads_lock = threading.Lock()
        self._threads: list[EngineThread] = []
        self._dead: list[EngineThread] = []

    @property
    def watcher(self) -> Watcher:
        return self._watcher

    def _meet(
        self, sinks: Sequence[Sink], stored: tuple[Progress, ...] | None
    ) -> tuple[list[Sender], tuple[Progress, ...]]:
        """Hear from every sink what it has; the senders, and all sources that anybody remembers."""
        if not sinks:
            return [], stored or ()
        lineage = self.store.lineage if self.store is not None else uuid.uuid4().hex[:16]
        memories = begin(sinks, self.store.path if self.store is not None else None)
        reunion = reunite(stored, lineage, memories, time.monotonic())
        for progress in reunion.known:
            self.state.add(progress)
        senders = [
            Sender(sink, self.state, memory, lineage, self.settings, self._wake)
            for sink, memory in zip(sinks, reunion.memories, strict=True)
        ]
        return senders, reunion.known

    def _without_lost(self, known: Sequence[Progress]) -> tuple[Progress, ...]:
        """The same, where those whose files are nowhere count as gone."""
        gone = {key: self.state.change(key, departed) for key in missing(known)}
        for key in gone:
            self._delivery.mark(key)
        return tuple(gone.get(one.key, one) for one in known)

    def _wake(self) -> None:
        self._watcher.nudge()

    def start(self) -> None:
        """Start all threads."""
        if self._writer is not None:
            self._launch("logkit-writer")
        for sender in self._senders:
            self._launch(sender.name)
        self._launch("logkit-watcher")
        for _ in range(self.settings.workers):
            self._launch("logkit-worker")
        if self.settings.notify and not self.settings.finite:
            self._launch("logkit-notify")

    def _launch(self, kind: str) -> None:
        if kind == "logkit-worker":
            kind = f"{kind}-{next(self._names)}"
            loop = Worker(self.queue, self._shared).loop
        elif kind == "logkit-writer":
            assert self._writer is not None
            loop = self._writer.loop
        elif kind == "logkit-watcher":
            loop = self._watcher.loop
        elif kind.startswith("logkit-sink-"):
            loop = next(sender for sender in self._senders if sender.name == kind).loop
        else:
            loop = Notifier(self.roots, self._watcher, self.stopping, self.settings.poll_seconds).loop
        thread = EngineThread(kind, loop, self._replace, self.settings.keep_intervals)
        with self._threads_lock:
            self._threads.append(thread)
        thread.start()

    def _replace(self, thread: EngineThread, error: BaseException) -> None:
        """The last act of a dying thread: it stays in the list of the dead, and another takes its place."""
        with self._threads_lock:
            self._threads.remove(thread)
            self._dead.append(thread)
            deaths = len(self._dead)
        carries = thread.name == "logkit-writer" or thread.name.startswith("logkit-sink-")
        if self.stopping.is_set() and not carries:
            return
        if deaths > self.settings.max_thread_deaths:
            self.failed = f"{deaths} threads died, the last one of {thread.activity.last_error}"
            self.stopping.set()
            self.state.close()
            return
        self._launch("logkit-worker" if thread.name.startswith("logkit-worker") else thread.name)
        self._watcher.nudge()

    def threads(self) -> tuple[ThreadStatus, ...]:
        """What each thread does, the dead included."""
        with self._threads_lock:
            threads, dead = tuple(self._threads), tuple(self._dead)
        living = [thread.activity.status(thread.is_alive()) for thread in threads]
        return tuple(living + [thread.activity.status(False) for thread in dead])

    def stop(self, timeout_seconds: float) -> StopResult:
        """Set the stop event, wake everybody, and join with a deadline."""
        deadline = time.monotonic() + timeout_seconds
        self.stopping.set()
        self._watcher.nudge()
        with self._threads_lock:
            threads = list(self._threads)
        workers = [t for t in threads if t.name.startswith("logkit-worker")]
        # In the order of the flow: nothing more comes to a thread when those before it have ended.
        self._join([t for t in threads if t.name == "logkit-watcher"], deadline)
        self._delivery.close()
        self._dismiss(len(workers))
        self._join(workers, deadline)
        # Sinks go on with what they were given until little time is left, and are told then.
        self._join(threads, deadline - min(_LAST_SECONDS, timeout_seconds / 5))
        for sender in self._senders:
            sender.give_up()
        self._join(threads, deadline)
        self.state.close()
        alive = tuple(t.name for t in threads if t.is_alive())
        if not alive:
            self.files.close()
        return StopResult(alive, tuple(left for sender in self._senders if (left := sender.left())))

    def sinks(self) -> tuple[SinkStatus, ...]:
        """How each sink is doing."""
        return tuple(sender.status() for sender in self._senders)

    def store_view(self, seq: int, retention: int) -> StoreView | None:
        """The store's rows as of one commit; None without a store."""
        if self.store is None:
            return None
        from logkit.sinks.view import StoreView

        return StoreView(self.store.path, self.store.lineage, seq, retention)

    def store_status(self) -> StoreStatus | None:
        """How the writing of the store is going; None without one."""
        return None if self._writer is None else self._writer.status()

    @property
    def store_is_hopeless(self) -> bool:
        """Whether writing failed so often that who waits for an end should not."""
        return self._writer is not None and self._writer.failures >= self.settings.max_attempts

    @property
    def sinks_are_hopeless(self) -> bool:
        """Whether a sink was given up."""
        return any(status.state == "failed" for status in self.sinks())

    def _join(self, threads: list[EngineThread], deadline: float) -> None:
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

    def _dismiss(self, workers: int) -> None:
        """Empty the queue, which nobody fills any more, and put one sentinel for each worker."""
        while True:
            try:
                self.queue.get_nowait()
            except queue.Empty:
                break
            self.queue.task_done()
        for _ in range(workers):
            try:
                self.queue.put_nowait(None)
            except queue.Full:  # sentinels of an earlier stop are still there
                return

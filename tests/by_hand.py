"""An engine without threads: the test does what the watcher, the workers and a writer do, in the order it says.

What a thread does between two of its steps is done by `service=`, which a worker calls when it has read a block and not
yet applied it.
"""

from __future__ import annotations

import queue
import time
from pathlib import Path
from typing import Any

import pytest

import logkit
from logkit.engine import Monitor, Settings
from logkit.engine.core import Engine
from logkit.engine.threads import Activity
from logkit.engine.worker import Worker
from logkit.sinks.store import Store
from logkit.sources import Roots, ServiceRule


class ByHand:
    """The watcher and one worker of a monitor on `root`, and the clock they go by."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        root: object,
        service: object = None,
        store: Path | None = None,
        **settings: Any,
    ) -> None:
        monkeypatch.setattr(Engine, "start", lambda _engine: None)
        self.store = None if store is None else Store.open(store)
        by_hand = {"notify": False, "poll_seconds": 3600.0, "workers": 1, "commit_seconds": 0.0}
        checked = Settings(**(by_hand | settings))
        self.monitor = Monitor(Roots.of(root, missing_ok=True), checked, ServiceRule.of(service), self.store)  # type: ignore[arg-type]
        self.engine = self.monitor._engine
        self.state = self.engine.state
        self.watcher = self.engine.watcher
        self.worker = Worker(self.engine.queue, self.engine._shared)
        self.activity = Activity("by hand")
        self.now = time.monotonic()  # as of what a store remembers
        self.watcher._clock = lambda: self.now

    def look(self) -> int:
        """The watcher scans and goes round once; the ticket that is answered once all it found is read."""
        ticket = self.state.ask()
        self.watcher.step(self.activity)
        return ticket

    def go_round(self) -> None:
        """The watcher goes round once, without a scan."""
        self.watcher.step(self.activity)

    def replace_watcher(self) -> None:
        """What another thread does first when the watcher's has died."""
        self.engine.stopping.set()
        self.watcher.loop(self.activity)
        self.engine.stopping.clear()

    def work(self) -> bool:
        """The worker does the next piece of work; False if there is none."""
        if self.engine.queue.empty():
            return False
        assert self.worker.step(self.activity)
        return True

    def write(self) -> None:
        """The writer commits what it has been given, if there is one."""
        writer = self.engine._writer
        while writer is not None and not self.engine._delivery.settled:
            assert writer.step(self.activity)

    def stop(self) -> None:
        """It ends here, as if killed: what was read and is not in the store is nowhere."""
        assert self.monitor.stop()
        if self.store is not None:
            self.store.close()

    def settle(self) -> logkit.Snapshot:
        """What `wait_idle` comes to."""
        ticket = self.look()
        for _ in range(200):
            while self.work():
                pass
            self.write()
            self.go_round()
            if self.state.wait_answer(ticket, 0):
                return self.monitor.snapshot()
            self.now += 0.05
        raise AssertionError(f"never idle: {self.monitor.snapshot().files.to_dict('records')}")

    def queued(self) -> list[object]:
        """The pieces of work that wait for a worker."""
        assert isinstance(self.engine.queue, queue.Queue)
        return list(self.engine.queue.queue)

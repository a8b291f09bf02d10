"""What tests that look at logkit from outside share."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import logkit

GOOD = "2026-03-01 12:00:00,001 INFO  [orders] [exec-1] c.e.Orders - accepted\n"
LINE = "2026-03-01 12:00:{:02},001 INFO  [gateway] [exec-7] c.e.gateway.RouteService - accepted order {}\n"


def lines(count: int, first: int = 0) -> bytes:
    """A log of orders that are accepted, numbered from `first` on."""
    return "".join(LINE.format(at % 60, first + at) for at in range(count)).encode()


def read(path: object, **settings: Any) -> logkit.Snapshot:
    return logkit.read(path, progress=False, **settings)  # type: ignore[arg-type]


def watch(path: object, **settings: Any) -> logkit.Monitor:
    quick = {"poll_seconds": 0.05, "idle_flush_seconds": 0.1, "retry_seconds": 0.01, "workers": 2} | settings
    return logkit.watch(path, **quick)  # type: ignore[arg-type]


def until(monitor: logkit.Monitor, holds: Callable[[logkit.Snapshot], bool], seconds: float = 20.0) -> logkit.Snapshot:
    """The first snapshot for which `holds`, within the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        snap = monitor.snapshot()
        if holds(snap):
            return snap
        assert time.monotonic() < deadline, f"not within {seconds} s: {snap!r}"
        monitor.wait_idle(0.2)


def assert_nothing_lost(snap: logkit.Snapshot) -> None:
    """The ledger balances, and each file's events cover each of its bytes exactly once."""
    assert snap.audit()["balanced"].all(), snap.audit().to_dict("records")
    for source, size in snap.files.set_index("source")["size_bytes"].items():
        rows = snap.events[snap.events["source"] == source].sort_values("offset")
        ends = (rows["offset"] + rows["length_bytes"]).tolist()
        assert rows["offset"].tolist() == ([0, *ends[:-1]] if size else [])
        assert (ends[-1] if ends else 0) == size


def messages(snap: logkit.Snapshot) -> list[str]:
    return snap.events["message"].tolist()

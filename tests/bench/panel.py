"""What a live panel costs, in a real notebook kernel: `python -m tests.bench.live panel [--quick]`.

The panel is made there as in a cell, with nobody at the other end: what is measured is the kernel's part.
"""

from __future__ import annotations

import os
import queue
import statistics
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

ROOT = Path(__file__).resolve().parents[2]


class Growing:
    """Gives snapshots as a monitor does whose services go on talking: a few parts, the first of them large."""

    def __init__(self, services: int, seconds: int, fresh_events: int) -> None:
        from logkit.stats import Stats

        self._random = np.random.default_rng(1)
        self._services, self._seconds, self._fresh = services, seconds, fresh_events
        self.parts = [Stats.of(self._events(500_000, 0, seconds))]
        self._frames: list[pl.DataFrame] = []
        self._version = 0
        self.grow()

    def grow(self) -> None:
        """Take in one batch more; parts that pile up are merged as the engine's state does it."""
        from logkit.stats import Stats

        fresh = self._events(self._fresh, self._seconds - 10, 10)
        self.parts.append(Stats.of(fresh))
        if len(self.parts) == 64:
            self.parts = [Stats.sum(self.parts)]
        self._frames = [*self._frames[-20:], fresh]
        self._version += 1

    def snapshot(self):  # type: ignore[no-untyped-def]
        from logkit.snapshot import Snapshot
        from tests.captures import capture, part

        made = capture(*map(part, self._frames), version=self._version, clock=time.monotonic())
        return Snapshot(replace(made, parts=tuple(self.parts)))

    def _events(self, count: int, first: int, seconds: int) -> pl.DataFrame:
        from logkit import schema
        from tests.captures import NOON, SECOND

        times = NOON + (first + self._random.integers(0, seconds, count)) * SECOND
        levels = self._random.choice(len(schema.LEVELS), count, p=[0.02, 0.2, 0.6, 0.1, 0.07, 0.01])
        return pl.DataFrame(
            {
                "timestamp": pl.Series(times).cast(schema.TIMESTAMP),
                "level": pl.Series([schema.LEVELS[at] for at in levels], dtype=schema.LEVEL),
                "service": pl.Series([f"service-{at:04}" for at in self._random.integers(0, self._services, count)]),
                "duration_ms": self._random.exponential(50, count),
                "message": pl.Series(["it went wrong"]).new_from_index(0, count),
                "offset": np.arange(count),
            }
        )


def refresh_cost(services: int, seconds: int, fresh_events: int, rounds: int) -> None:
    """In a kernel: how long a refresh takes after a change, and without one, and how many messages it sends."""
    from ipykernel.comm.comm import BaseComm

    from logkit.views.panel.moment import Moment
    from logkit.views.panel.shown import Panels

    sent: list[str] = []
    publish = BaseComm.publish_msg

    def counted(self: BaseComm, kind: str, *rest: object, **more: object) -> object:
        sent.append(kind)
        return publish(self, kind, *rest, **more)

    BaseComm.publish_msg = counted
    source = Growing(services, seconds, fresh_events)
    panel = Panels(source).get(f"{seconds}s", "level")
    panel._open()  # without the thread, in whose place this one refreshes
    moment = Moment(source.snapshot().capture)
    costs: list[float] = []
    messages: list[int] = []
    for _ in range(rounds):
        source.grow()
        time.sleep(0.1)  # as in a notebook, where the last messages have long been sent
        capture = source.snapshot().capture
        began, before = time.perf_counter(), len(sent)
        moment = moment.next(capture)
        panel.refresh(moment)
        costs.append(time.perf_counter() - began)
        messages.append(len(sent) - before)
    quiet = []
    for tick in range(40):
        before = len(sent)
        later = replace(source.snapshot().capture, clock=time.monotonic() + tick / 2)
        moment = moment.next(later)
        panel.refresh(moment)
        quiet.append(len(sent) - before)
    print(
        f"{services:5,} services, {seconds} buckets, {len(source.parts[0].tables.bins):9,} cells of durations:"
        f" median {1e3 * statistics.median(costs):5.2f} ms, p95 {1e3 * statistics.quantiles(costs, n=20)[-1]:6.2f} ms;"
        f" {statistics.median(messages):.0f} messages, {quiet[-1]} when nothing changes"
    )


def live_cost(services: int, seconds: float) -> None:
    """In a kernel: what a refresh takes of a monitor at work, its thread's own time and that of the clock."""
    import logkit
    from logkit.views.panel.shown import Panel

    wall: list[float] = []
    own: list[float] = []
    refresh = Panel.refresh

    def timed(self: Panel, moment: object) -> None:
        began, before = time.perf_counter(), time.thread_time()
        refresh(self, moment)
        wall.append(time.perf_counter() - began)
        own.append(time.thread_time() - before)

    Panel.refresh = timed
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "all.log"
        begun = time.time() - 300
        path.write_text("".join(_line(begun + at / 100, at, services) for at in range(30_000)))
        monitor = logkit.watch(folder)
        monitor.panel("5min")._ipython_display_()
        monitor.wait_idle()
        end = time.monotonic() + seconds
        with path.open("a", buffering=1) as log:
            number = 30_000
            while time.monotonic() < end:
                log.write("".join(_line(time.time(), number + at, services) for at in range(50)))
                number += 50
                time.sleep(0.05)
        monitor.stop()
    print(
        f"{services:5,} services, 300 buckets, a monitor at work (1,000 lines/s, {len(wall)} refreshes): median"
        f" {1e3 * statistics.median(wall):5.2f} ms, p95 {1e3 * statistics.quantiles(wall, n=20)[-1]:6.2f} ms;"
        f" of its thread's own time {1e3 * statistics.median(own):5.2f} ms"
    )


def _line(at: float, number: int, services: int) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    level = "error" if number % 13 == 0 else "info"
    head = (
        f'{{"timestamp":"{moment:%Y-%m-%dT%H:%M:%S.%fZ}","level":"{level}","service":"service-{number % services:04}"'
    )
    return f'{head},"duration_ms":{number % 977},"message":"it took {number % 977} ms"}}\n'


def throughput(path: str, rounds: int) -> None:
    """In a kernel: how long reading takes without and with a panel open, by turns."""
    import logkit

    def seconds(with_panel: bool) -> float:
        began = time.perf_counter()
        monitor = logkit.watch(path)
        if with_panel:
            monitor._ipython_display_()
        if not monitor.wait_idle(timeout_seconds=300):
            raise RuntimeError(f"expected an idle monitor within 300 s, found {monitor!r}")
        took = time.perf_counter() - began
        monitor.stop()
        return took

    seconds(True)  # what is imported on first use is not what is measured
    without, with_panel = [], []
    for _ in range(rounds):
        without.append(seconds(False))
        with_panel.append(seconds(True))
    low, high = statistics.median(without), statistics.median(with_panel)
    print(f"read {os.path.getsize(path) / 1e6:,.0f} MB: median {low:.2f} s without a panel, {high:.2f} s with one open")


def run(code: str, timeout_seconds: float = 600.0) -> str:
    """What a fresh notebook kernel prints for `code`; raises RuntimeError with the traceback if it fails."""
    from jupyter_client.manager import KernelManager

    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(ROOT), env={**os.environ, "PYTHONPATH": str(ROOT)})
    client = manager.client()
    client.start_channels()
    printed = []
    try:
        client.wait_for_ready(timeout=60)
        asked = client.execute(code)
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            try:
                message = client.get_iopub_msg(timeout=1)
            except queue.Empty:
                continue
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                printed.append(content["text"])
            elif kind == "error":
                raise RuntimeError("\n".join(content["traceback"]))
            elif kind == "status" and content["execution_state"] == "idle":
                return "".join(printed)
        raise TimeoutError(f"expected an answer of the kernel within {timeout_seconds:.0f} s, found none")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def panel(quick: bool) -> None:
    """A refresh with few and with very many services, and reading with a panel open."""
    from tests.bench.generate import sample

    rounds = 20 if quick else 200
    call = "from tests.bench.panel import {0}; {0}(*{1!r})"
    for services, seconds, fresh in ((50, 300, 1000), (1000, 900, 50_000)):
        print(run(call.format("refresh_cost", (services, seconds, fresh, rounds))), end="", flush=True)
    print(run(call.format("live_cost", (50, 3.0 if quick else 30.0))), end="", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        made = sample("logback", 200_000 if quick else 12_000_000, Path(folder), seed=1)
        print(run(call.format("throughput", (str(made.whole), 1 if quick else 5))), end="", flush=True)

"""A monitor at work, in a process of its own: `python -m tests.bench.live NAME [--quick]`."""

from __future__ import annotations

import argparse
import contextlib
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.panel import panel

if TYPE_CHECKING:
    import logkit

IDLE_SECONDS = 120.0
_START_S = 1_772_366_400  # 2026-03-01 12:00 UTC


def line_of(kind: str, number: int) -> str:
    moment = datetime.fromtimestamp(_START_S + number / 10, UTC)
    if kind == "json":
        head = f'{{"timestamp":"{moment:%Y-%m-%dT%H:%M:%S.%fZ}","level":"info","service":"payments"'
        return f'{head},"message":"took {number}"}}\n'
    head = f"{moment:%Y-%m-%d %H:%M:%S},{number % 1000:03} INFO  [payments] [exec-1] c.e.payments.CardClient"
    return f"{head} - took {number}\n"


@contextlib.contextmanager
def watched(folder: Path) -> Iterator[logkit.Monitor]:
    """A monitor with its own settings that has read everything in the folder."""
    import logkit

    with logkit.watch(folder) as monitor:
        if not monitor.wait_idle(timeout_seconds=IDLE_SECONDS):
            raise RuntimeError(f"expected an idle monitor within {IDLE_SECONDS:.0f} s, found {monitor!r}")
        yield monitor


def milliseconds(seconds: list[float]) -> str:
    """Median and 95th percentile."""
    median, p95 = statistics.median(seconds), statistics.quantiles(seconds, n=20)[-1]
    return f"median {1e3 * median:.2f} ms, p95 {1e3 * p95:.2f} ms"


def latency(quick: bool) -> None:
    """From the end of a write of one line to the snapshot that counts it."""
    for kind in ("json", "logback"):
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / f"{kind}.log"
            path.write_text("".join(line_of(kind, number) for number in range(1000)))
            with watched(Path(name)) as monitor:
                taken = [delay(monitor, path, line_of(kind, 1000 + n)) for n in range(20 if quick else 100)]
        print(f"append to snapshot, {kind:8} {milliseconds(taken)} of {len(taken)} appends", flush=True)


def delay(monitor: logkit.Monitor, path: Path, line: str) -> float:
    """Append one line and look every millisecond until it is counted."""
    time.sleep(random.uniform(0.02, 0.12))  # at no fixed phase of anybody's pause
    before = len(monitor.snapshot())
    with path.open("a") as file:
        file.write(line)
    began = time.perf_counter()
    while len(monitor.snapshot()) == before:
        if time.perf_counter() - began > IDLE_SECONDS:
            raise RuntimeError(f"expected the appended line within {IDLE_SECONDS:.0f} s, found {monitor!r}")
        time.sleep(0.001)
    return time.perf_counter() - began


def many_files(folder: Path, files: int, lines: int) -> None:
    """A folder of logs of twenty services."""
    text = ["".join(line_of("logback", n).replace("payments", f"service-{k}") for n in range(lines)) for k in range(20)]
    for number in range(files):
        (folder / f"app-{number}.log").write_text(text[number % len(text)])


def snapshot(quick: bool) -> None:
    """What one call of `snapshot()` takes, after a change and without one; what the first table costs; the idle CPU."""
    files, lines = (100, 1000) if quick else (1000, 1000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        many_files(folder, files, lines)
        began = time.perf_counter()
        with watched(folder) as monitor:
            print(f"watch to idle, {files:,} files, {files * lines:,} events: {time.perf_counter() - began:.1f} s")
            assert len(monitor.snapshot()) == files * lines
            path, same, changed, tables = folder / "app-0.log", [], [], []
            for number in range(50):
                version = monitor.snapshot().version
                with path.open("a") as file:
                    file.write(line_of("logback", lines + number))
                while monitor.snapshot().version == version:
                    time.sleep(0.001)
                changed.append(timed(monitor))
                same.append(timed(monitor))
                began = time.perf_counter()
                _ = monitor.snapshot().tables("services").height
                tables.append(time.perf_counter() - began)
            print(f"snapshot() after a change:   {milliseconds(changed)}")
            print(f"snapshot() without a change: {milliseconds(same)}")
            print(f"snapshot() and its services: {milliseconds(tables)}")
            print(f"idle with {files:,} files:      {idle(5 if quick else 20):.2f} % of a core", flush=True)


def timed(monitor: logkit.Monitor) -> float:
    began = time.perf_counter()
    monitor.snapshot()
    return time.perf_counter() - began


def idle(seconds: float) -> float:
    """Per cent of one core this process takes while nothing happens."""
    time.sleep(3)  # what the last append set going has settled
    began, cpu = time.perf_counter(), time.process_time()
    time.sleep(seconds)
    return 100 * (time.process_time() - cpu) / (time.perf_counter() - began)


def files(quick: bool) -> None:
    """Many files at rest: what one scan of them takes, from listing the folder to knowing that none has changed, and
    the idle CPU with all of them watched."""
    count = 1000 if quick else 10_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        many_files(folder, count, 3)
        with watched(folder) as monitor:
            watcher = monitor._engine.watcher
            costs: list[float] = []
            scan = watcher._scan

            def timed_scan(now: float) -> None:
                began = time.thread_time()
                scan(now)
                costs.append(time.thread_time() - began)

            watcher._scan = timed_scan  # type: ignore[method-assign]
            print(f"idle with {count:,} files:      {idle(10 if quick else 60):.2f} % of a core", flush=True)
            while len(costs) < 5:
                monitor.wait_idle(timeout_seconds=IDLE_SECONDS)
            print(f"a scan of {count:,} files:      {milliseconds(costs)} of processor, {len(costs)} scans", flush=True)


def imports(quick: bool) -> None:
    """A fresh process' `import logkit`, and its `import polars` for comparison."""
    for statement in ("import logkit", "import logkit; logkit.read", "import polars"):
        code = f"import time; began = time.perf_counter(); {statement}; print(time.perf_counter() - began)"
        command = [sys.executable, "-c", code]
        runs = [float(subprocess.check_output(command, timeout=60)) for _ in range(3 if quick else 7)]
        print(f"{statement:28} median {statistics.median(runs):.3f} s of {len(runs)}", flush=True)


def trace(quick: bool) -> None:
    """What it costs that threads write down what they do: the same file read with and without, in turns."""
    import logkit
    from tests.bench.generate import sample

    rounds = 3 if quick else 9
    with tempfile.TemporaryDirectory(prefix="logkit-bench-") as folder:
        path = sample("logback", 200_000 if quick else 4_000_000, Path(folder), seed=1).whole
        found: dict[int, list[tuple[float, float]]] = {0: [], logkit.Settings().keep_intervals: []}
        logkit.read(path, keep_events=0, progress=False)  # imports, page cache
        for _ in range(rounds):
            for keep, figures in found.items():
                began, cpu = time.perf_counter(), time.process_time()
                logkit.read(path, keep_events=0, keep_intervals=keep, progress=False)
                figures.append((time.perf_counter() - began, time.process_time() - cpu))
    (without, cpu_without), (with_it, cpu_with) = (
        [statistics.median(column) for column in zip(*figures, strict=True)] for figures in found.values()
    )
    print(f"reading, nothing written down:  {without:.3f} s, {cpu_without:.3f} s of processor (median of {rounds})")
    print(f"reading, the newest kept:       {with_it:.3f} s, {cpu_with:.3f} s of processor")
    more, cpu_more = 100 * (with_it / without - 1), 100 * (cpu_with / cpu_without - 1)
    print(f"what it costs:                  {more:+.1f} %, {cpu_more:+.1f} % of processor", flush=True)


MEASURES = {"latency": latency, "snapshot": snapshot, "files": files, "panel": panel, "trace": trace, "import": imports}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.live")
    parser.add_argument("name", choices=MEASURES)
    parser.add_argument("--quick", action="store_true")
    wanted = parser.parse_args()
    MEASURES[wanted.name](wanted.quick)


if __name__ == "__main__":
    main()

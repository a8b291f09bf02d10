"""What a post-mortem's questions take on 5 M events in a store: `python -m tests.bench.incident [CALL…]`.

A day and an hour of the demo's shop, some 200,000 events an hour, with trouble in one of the last hours, is read once
into a store with `patterns=True`. Each call is put to a snapshot just opened, in a process of its own: seconds with
everything imported and nothing asked yet, and the most memory the whole process took.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

import logkit
from logkit.demo import write_incident
from tests.bench.calm import write

SECONDS, MEGABYTES = 3.0, 1500
HOURS, REQUESTS_PER_SECOND = 25, 20.0
_START = datetime(2026, 3, 2, tzinfo=UTC)
_LOGS = Path(__file__).resolve().parents[2] / "sample_logs"
_BAD_HOUR = HOURS - 2


def window(snap: logkit.Snapshot) -> Any:
    """The time of trouble, asked of another snapshot than the one that is measured."""
    return snap.bursts().iloc[0]


def _trace(snap: logkit.Snapshot) -> str:
    return str(
        snap.sql("select trace_id from events where trace_id is not null and level >= 'ERROR' limit 1").iat[0, 0]
    )


def _evidence(snap: logkit.Snapshot) -> Any:
    query = (
        "select file, source, generation, \"offset\", length_bytes, message from events where level >= 'ERROR' limit 1"
    )
    return snap.sql(query).iloc[0]


def _mask(snap: logkit.Snapshot) -> Any:
    """One event of fifty: a mask that costs nothing to make, as `snap.events` in memory would."""
    return np.random.default_rng(1).random(len(snap)) < 0.02


def _report(snap: logkit.Snapshot, given: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        snap.report(Path(folder) / "postmortem.html", window=given)


Call = Callable[[logkit.Snapshot, Any], Any]
CALLS: dict[str, tuple[Call, Callable[[logkit.Snapshot], Any]]] = {
    "patterns": (lambda snap, _: snap.patterns, window),
    "parameters": (lambda snap, key: snap.pattern(key).parameters, lambda snap: snap.patterns["pattern"].iloc[2]),
    "pattern rows": (
        lambda snap, key: snap.pattern(key).snapshot.services,
        lambda snap: snap.patterns["pattern"].iloc[2],
    ),
    "compare window": (lambda snap, given: snap.compare(given), window),
    "compare burst": (lambda snap, _: snap.compare(), window),
    "compare mask": (lambda snap, mask: snap.compare(mask, fdr=1), _mask),
    "bursts": (lambda snap, _: snap.bursts(), window),
    "silences": (lambda snap, _: snap.silences(), window),
    "first_seen": (lambda snap, given: snap.first_seen(given["start"]), window),
    "vanished": (lambda snap, given: snap.vanished(given["start"]), window),
    "trace": (lambda snap, identity: snap.trace(identity), _trace),
    "trace deskewed": (lambda snap, identity: snap.trace(identity, deskew=True), _trace),
    "propagation": (lambda snap, given: snap.propagation(given), window),
    "skew": (lambda snap, _: snap.skew(), window),
    "locate": (lambda snap, row: snap.locate(row), _evidence),
    "locate position": (lambda snap, _: snap.locate(4_000_000 % len(snap)), window),
    "mark": (lambda snap, given: snap.mark(given["start"], "deployed").bursts(), window),
    "with_patterns": (lambda snap, _: snap.with_patterns(), window),
    "where pattern": (
        lambda snap, key: snap.with_patterns().where(pattern=key).levels,
        lambda snap: snap.patterns["pattern"].iloc[2],
    ),
    "plot timeline": (lambda snap, _: snap.plot.timeline(bursts=True), window),
    "plot error_rates": (lambda snap, _: snap.plot.error_rates(), window),
    "plot latency": (lambda snap, _: snap.plot.latency(), window),
    "plot patterns": (lambda snap, _: snap.plot.patterns(), window),
    "plot trace": (lambda snap, identity: snap.plot.trace(identity), _trace),
    "plot propagation": (lambda snap, given: snap.plot.propagation(given), window),
    "report": (_report, window),
}


def hour(folder: Path, nth: int) -> None:
    """The logs of one hour, in a folder of its own."""
    start, own = _START + timedelta(hours=nth), folder / f"{nth:02d}"
    if nth == _BAD_HOUR:
        write_incident(own, 6, start, requests_per_second=REQUESTS_PER_SECOND)
    else:
        write(own, nth, start=start, requests_per_second=REQUESTS_PER_SECOND)


def made(folder: Path) -> Path:
    """The store of the day's logs, made if it is not there yet."""
    store = folder / "incident.duckdb"
    if store.exists():
        return store
    logs = folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        list(pool.map(hour, [logs] * HOURS, range(HOURS)))
    began = time.perf_counter()
    unfinished = folder / "reading.duckdb"
    snap = logkit.read(logs, store=unfinished, patterns=True, progress=False)
    print(f"{len(snap):,} events read into a store in {time.perf_counter() - began:.0f} s", flush=True)
    os.replace(unfinished, store)
    return store


def measure(name: str, store: Path) -> tuple[float, float, float]:
    """Seconds, MB at most, and MB before the call."""
    import matplotlib

    matplotlib.use("agg")
    call, given = CALLS[name]
    with tempfile.TemporaryDirectory() as folder:  # a first call of its own for what is imported then
        logkit.read(_LOGS, store=Path(folder) / "small.duckdb", patterns=True, progress=False)
        small = logkit.open(Path(folder) / "small.duckdb")
        call(small, given(small))
    snap = logkit.open(store)
    argument = given(logkit.open(store))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    began = time.perf_counter()
    call(snap, argument)
    return time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, before


def main() -> int:
    """Print a line per call; 1 where one takes too long or too much."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.incident", description=__doc__)
    parser.add_argument("calls", nargs="*", metavar="CALL", help=f"of {', '.join(CALLS)}; all by default")
    parser.add_argument("--dir", type=Path, help="where logs and store are kept from run to run; else temporary")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.one:
        print(*measure(wanted.calls[0], wanted.dir / "incident.duckdb"))
        return 0
    with tempfile.TemporaryDirectory(prefix="logkit-bench-") as temporary:
        folder = wanted.dir or Path(temporary)
        made(folder)
        print(f"{'call':20}{'seconds':>9}{'MB':>8}")
        over = 0
        for name in wanted.calls or CALLS:
            command = [sys.executable, "-m", "tests.bench.incident", name, "--one", "--dir", str(folder)]
            seconds, most, _ = map(float, subprocess.check_output(command, text=True).split())
            bad = seconds > SECONDS or most > MEGABYTES
            over += bad
            print(f"{name:20}{seconds:9.2f}{most:8,.0f}{'  more than allowed' if bad else ''}", flush=True)
        print(f"{'allowed':20}{SECONDS:9.2f}{MEGABYTES:8,}")
    return int(over > 0)


if __name__ == "__main__":
    sys.exit(main())

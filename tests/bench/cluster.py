"""`python -m tests.bench.cluster [plan] [scale] [large]`: past one machine, in figures.

plan: 100,000 files, 1 PB together, from sizes to tasks, and how much of each the scheduler is sent. scale: lines/s of
1, 2 and 4 worker processes on a file of 10 GB (`--gigabytes`), cut as a cluster cuts it. large: a file of 1 GB and the
one of 10 GB, statistics only, in one process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import logkit
from logkit.cluster import planning
from logkit.cluster.planning import Bundle, Piece
from tests.bench.contenders import peak_bytes
from tests.bench.generate import sample
from tests.bench.throughput import warm

FILES = 100_000
TOTAL_BYTES = 10**15
SENT = 2000
GIGABYTE = 10**9


def files() -> Iterator[Piece]:
    """As many files, from bytes to terabytes, with names as long as they are."""
    rng = np.random.default_rng(1)
    sizes = rng.lognormal(0.0, 3.0, FILES)
    for at, size in enumerate(sizes / sizes.sum() * TOTAL_BYTES):
        path = f"/data/logs/region-{at % 7}/cluster-{at % 97:03}/service-{at % 1009:04}/2026/03/01/app-{at:06}.log"
        yield Piece(at, 0, path, int(size), 1_772_366_400.0)


def plan() -> dict[str, Any]:
    """In a process of its own: how long, how much memory, how many tasks, how large each is on the wire."""
    before = peak_bytes()
    began = time.perf_counter()
    span_bytes = planning.span_bytes(TOTAL_BYTES)
    tasks = pieces = 0
    bundles: list[Bundle] = []
    for bundle in planning.bundles(files(), span_bytes):
        tasks, pieces = tasks + 1, pieces + len(bundle)
        bundles.append(bundle)  # more than a reading does, which takes them one by one
    seconds = time.perf_counter() - began
    grown = peak_bytes() - before
    largest = sorted(bundles, key=lambda one: -sum(len(piece.path) + 60 for piece in one))[: SENT // 2]
    sent = sent_bytes([*largest, *bundles[:: max(1, tasks // (SENT // 2))]])
    return {
        "seconds": seconds,
        "peak_bytes": grown,
        "span_bytes": span_bytes,
        "tasks": tasks,
        "pieces": pieces,
        "sent_mean_bytes": sum(sent) / len(sent),
        "sent_most_bytes": max(sent),
    }


def sent_bytes(bundles: list[Bundle]) -> list[int]:
    """What the scheduler is sent for each of these tasks, the task that tells of it included."""
    import dask
    from distributed import Client, LocalCluster
    from distributed.protocol import dumps

    from logkit.cluster.reading import _job
    from logkit.cluster.running import Run
    from logkit.engine.monitor import checked_settings
    from logkit.sources import ServiceRule

    dask.config.set({"distributed.worker.daemon": False})
    sent: list[int] = []
    with LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as local, Client(local) as client:
        job = _job(checked_settings(finite=True), ServiceRule.of(None), None)
        run = Run(client, job)
        send = client._send_to_scheduler

        def counted(message: dict[str, Any]) -> None:
            if message["op"] == "update-graph":  # heartbeats and released keys are of no span
                sent[-1] += sum(memoryview(frame).nbytes for frame in dumps(message))
            send(message)

        client._send_to_scheduler = counted
        for bundle in bundles:
            sent.append(0)
            run._submit(bundle, False)
        client._send_to_scheduler = send
        run._cancel()
    return sent


def scale(gigabytes: int, rounds: int, folder: Path) -> None:
    from tests.clusters import cluster

    path, lines = written(gigabytes, folder)
    best: dict[int, tuple[float, float]] = {}
    for _ in range(rounds):  # in turns: whatever else the machine does hits all of them
        for workers in (1, 2, 4):
            with cluster(workers) as client:
                read(client, path)
                best[workers] = min(best.get(workers, (1e9, 0.0)), read(client, path), read(client, path))
                seconds, used = best[workers]
                print(f"so far {workers}: {seconds:.2f} s, {used:.2f} s of processor", file=sys.stderr, flush=True)
    size = os.path.getsize(path) / 1e6
    path.unlink()
    print(f"\nscale: logback, {lines:,} lines, {size:,.0f} MB, statistics only; best of {2 * rounds}")
    for workers, (seconds, processor_seconds) in best.items():
        print(
            f"{workers} worker processes: {seconds:5.2f} s, {lines / seconds / 1e6:5.2f} M lines/s, "
            f"{size / seconds:4.0f} MB/s, {best[1][0] / seconds:4.2f} x one; {processor_seconds:5.2f} s of processor, "
            f"{size / processor_seconds:4.0f} MB for each",
            flush=True,
        )


def read(client: Any, path: Path) -> tuple[float, float]:
    """Seconds it took, and seconds of processor that the workers took for it."""
    used, began = sum(client.run(time.process_time).values()), time.perf_counter()
    snap = logkit.read(path, cluster=client, keep_events=0, progress=False)
    seconds = time.perf_counter() - began
    assert snap.audit()["balanced"].all()
    return seconds, sum(client.run(time.process_time).values()) - used


def written(gigabytes: int, folder: Path) -> tuple[Path, int]:
    """A log of a million lines, over and over, in the page cache; and how many lines it has."""
    block = sample("logback", 1_000_000, folder).whole.read_bytes()
    path, times = folder / "large.log", -(-gigabytes * GIGABYTE // len(block))
    with path.open("wb") as out:
        for _ in range(times):
            out.write(block)
        os.fsync(out.fileno())  # what is still on its way to the disk would be in the way
    warm(path)
    return path, times * block.count(b"\n")


def large(gigabytes: int, folder: Path) -> None:
    print("\nlarge: logback, statistics only, threads of one process")
    base = 0.0
    for size in (1, gigabytes):
        path, lines = written(size, folder)
        rounds = [json.loads(ask("read", str(path))) for _ in range(3 if size == 1 else 2)]
        done = min(rounds, key=lambda one: float(one["seconds"]))
        assert done["events"] == lines
        rate = lines / done["seconds"] / 1e6
        base = base or rate
        print(
            f"{os.path.getsize(path) / 1e9:5.1f} GB: {done['seconds']:6.2f} s, {rate:5.2f} M lines/s "
            f"({rate / base:4.2f} x the first), peak {done['peak_bytes'] / 1e6:,.0f} MB",
            flush=True,
        )
        path.unlink()


def ask(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.cluster", *command], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.cluster", description=__doc__)
    parser.add_argument("what", nargs="*", help="of plan, scale, large; all by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--gigabytes", type=int, default=10, help="of the file of scale, and of the larger one of large"
    )
    parser.add_argument("--dir", type=Path, help="where logs are kept from run to run; else a temporary folder")
    wanted = parser.parse_args()
    what = wanted.what or ["plan", "scale", "large"]
    if what == ["planned"]:
        print(json.dumps(plan()))
        return
    if what[0] == "read":
        began = time.perf_counter()
        snap = logkit.read(what[1], keep_events=0, progress=False)
        seconds = time.perf_counter() - began
        print(json.dumps({"seconds": seconds, "peak_bytes": peak_bytes(), "events": len(snap)}))
        return
    if "plan" in what:
        found = json.loads(ask("planned"))
        print(f"plan: {FILES:,} files, {TOTAL_BYTES / 1e15:.0f} PB: {found['seconds']:.2f} s, ", end="")
        print(f"{found['peak_bytes'] / 1e6:.0f} MB more; spans of {found['span_bytes'] / 1e9:.1f} GB, ", end="")
        print(f"{found['tasks']:,} tasks; to the scheduler for each {found['sent_mean_bytes']:,.0f} bytes, ", end="")
        print(f"at most {found['sent_most_bytes']:,}")
    with tempfile.TemporaryDirectory(prefix="logkit-bench-") as temporary:
        folder = wanted.dir or Path(temporary)
        os.makedirs(folder, exist_ok=True)
        if "scale" in what:
            scale(wanted.gigabytes, wanted.rounds, folder)
        if "large" in what:
            large(wanted.gigabytes, folder)


if __name__ == "__main__":
    main()

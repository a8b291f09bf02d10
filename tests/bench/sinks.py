"""How fast rows are sent: `python -m tests.bench.sinks`. Reader, sink and server share the machine's cores.

`postgres`: rows/s into a cluster of its own, as it is by default (fsync on); `http`: NDJSON to a server that reads and
counts; `down`: peak memory while a sink is down for a minute (`--seconds`) and the log grows as fast as it can be read.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import logkit
from logkit.sinks import Parcel, Sink
from tests.bench.generate import sample
from tests.servers import Cluster, postgres_programs

COUNTER = """
import socket, sys
server = socket.create_server(("127.0.0.1", 0), backlog=64)
print(server.getsockname()[1], flush=True)
import threading
def serve(peer):
    with peer, peer.makefile("rb", 1 << 20) as source:
        while True:
            length = None
            while True:
                line = source.readline()
                if not line:
                    return
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
                if line == b"\\r\\n":
                    break
            source.read(length)
            peer.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
while True:
    peer, _ = server.accept()
    threading.Thread(target=serve, args=(peer,), daemon=True).start()
"""
"""A server in a process of its own that reads requests to their end and accepts them: the least a real one does."""


def measure_postgres(log: Path, lines: int) -> None:
    programs = postgres_programs()
    if programs is None:
        raise SystemExit("needs PostgreSQL, which is not installed")
    cluster = Cluster(programs, fsync="on", max_wal_size="4GB")
    try:
        sink = logkit.sinks.Postgres(cluster.dsn, table="events")
        began = time.perf_counter()
        logkit.read(log, sinks=[sink], keep_events=0, progress=False)
        seconds = time.perf_counter() - began
        assert cluster.sql("SELECT count(*) FROM events") == [(lines,)]
    finally:
        cluster.stop()
    print(f"postgres: {lines:,} rows in {seconds:.2f} s, {lines / seconds:,.0f} rows/s")


def measure_http(log: Path, lines: int, folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", COUNTER], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{int(server.stdout.readline())}/in"
            for gzip in (True, False):
                sink = logkit.sinks.Http(url, gzip=gzip, journal=folder / f"journal-{gzip}")
                began = time.perf_counter()
                snap = logkit.read(log, sinks=[sink], keep_events=0, progress=False)
                seconds = time.perf_counter() - began
                assert snap.sinks["events"].to_list() == [lines]
                how = "gzip" if gzip else "plain"
                print(f"http ndjson, {how}: {lines:,} events in {seconds:.2f} s, {lines / seconds:,.0f} events/s")
        finally:
            server.kill()


class Down(Sink):
    """Nobody is there."""

    name = "down"

    def write(self, parcels: Sequence[Parcel]) -> None:
        raise ConnectionError("nobody there")


def measure_down(seconds: float, folder: Path, when_full: str) -> None:
    """A log that grows as fast as it can be read; with "drop" readers go on, with "wait" they soon wait."""
    log, done = folder / f"grows-{when_full}.log", threading.Event()
    block = b"".join(
        b"2026-03-01 12:00:00,001 INFO  [orders] [exec-1] c.e.Orders - order %08d was placed\n" % at
        for at in range(50_000)
    )
    with log.open("ab", buffering=0) as out:
        out.write(block)
        down = Down()
        down.limits(when_full=when_full)  # type: ignore[arg-type]
        with logkit.watch(log, sinks=[down], keep_events=0, poll_seconds=0.05) as monitor:
            began, peaks = time.monotonic(), []
            while time.monotonic() - began < seconds:
                behind = log.stat().st_size - monitor.snapshot().capture.sources[0].seen_bytes
                if behind < 4 * len(block) and (when_full == "drop" or log.stat().st_size < 40 * len(block)):
                    out.write(block)
                else:
                    done.wait(0.02)
                if time.monotonic() - began > (len(peaks) + 1) * seconds / 6:
                    peaks.append(_resident())
            snap = monitor.snapshot()
            status = snap.capture.sinks[0]
            print(
                f'down for {seconds:.0f} s, "{when_full}": {len(snap):,} events read ({len(snap) / seconds:,.0f}/s), '
                f"{status.waiting_bytes / 1e6:.0f} MB wait, {status.dropped_events:,} dropped; resident MB each "
                f"{seconds / 6:.0f} s: {', '.join(f'{peak / 1e6:.0f}' for peak in peaks)}",
                flush=True,
            )
            done.set()
            monitor.stop(2.0)
    log.unlink()


def _resident() -> int:
    try:
        with open("/proc/self/statm") as source:
            return int(source.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", nargs="*", default=["postgres", "http", "down"])
    parser.add_argument("--lines", type=int, default=2_000_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="logkit-bench-") as name:
        folder = Path(name)
        log = sample("logback", asked.lines, folder, seed=1).whole
        if "postgres" in asked.what:
            measure_postgres(log, asked.lines)
        if "http" in asked.what:
            measure_http(log, asked.lines, folder)
        if "down" in asked.what:
            for when_full in ("wait", "drop"):
                measure_down(asked.seconds, folder, when_full)


if __name__ == "__main__":
    main()

"""Kill the engine with signal 9 at random instants, again and again, while a log is written and rotated.

    python -m tests.kill9 --kills 300 --seed 7
    python -m tests.kill9 --sink postgres --kills 50
    python -m tests.kill9 --sink http --kills 50 --with-store

A child process watches a folder into a store; it is killed and the next one goes on, until in the end every line must
be in the store exactly once and the ledger must balance. `--sink postgres` kills the database as well, every line must
be in its table once; `--sink http` sends to a server that misbehaves: every line at least once, and once after removing
equal keys. What is written meanwhile: single lines, halves of lines,
bursts of many spans; rotation by renaming, by copying and truncating, and compression of what was rotated, read or not.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import logkit
from tests.scenario_tools import line
from tests.servers import Cluster, Misbehaving, Server, postgres_programs, serving

CHILD = """
import json, sys, logkit
import duckdb, polars, pyarrow, psycopg, httpx, tenacity
print("ready", flush=True)
sys.stdin.readline()
settings = dict(block_bytes=65536, span_bytes=262144, poll_seconds=0.05, commit_seconds=0.01, idle_flush_seconds=20.0,
    copy_seconds=0.5, workers=2)
store, sinks, given = sys.argv[2] or None, [], json.loads(sys.argv[3])
if "dsn" in given:
    sinks.append(logkit.sinks.Postgres(given["dsn"], table="events", begin_seconds=30.0))
if "url" in given:
    limits = dict(parcel_events=500, parcel_seconds=0.02, begin_seconds=30.0)
    sinks.append(logkit.sinks.Http(given["url"], journal=given["journal"], retry_seconds=0.01, **limits))
monitor = logkit.watch(sys.argv[1], store=store, sinks=sinks, **settings)
print("watching", flush=True)
sys.stdin.readline()
idle = monitor.wait_idle(60.0)
snap = monitor.snapshot()
said = f"not idle or not balanced: {idle} {snap!r} {snap.capture.sinks} {snap.files.to_dict('records')}"
print("idle" if idle and snap.audit()["balanced"].all() else said, flush=True)
monitor.stop(60.0)
"""
BURST = 3_000


class Logger(threading.Thread):
    """Writes numbered lines to `app.log` and rotates it, by a seeded plan, until it is told to stop."""

    def __init__(self, folder: Path, seed: int) -> None:
        super().__init__(name="logger", daemon=True)
        self.done = threading.Event()
        self.error: BaseException | None = None
        self.written = 0
        self.rotations = 0
        self._folder = folder
        self._log = folder / "app.log"
        self._random = random.Random(seed)
        self._numbers = itertools.count()
        self._append(8 * BURST)

    def run(self) -> None:
        try:
            while not self.done.wait(self._random.uniform(0, 0.03)):
                self._step()
        except BaseException as error:
            self.error = error

    def _step(self) -> None:
        dice = self._random.random()
        if dice < 0.80:
            self._append(self._random.randint(1, 40))
        elif dice < 0.90:
            self._append_in_halves()
        elif dice < 0.93:
            self._append(self._random.randint(1, BURST))
        elif dice < 0.97:
            self._rotate()
        elif dice < 0.985:
            self._copy_and_truncate()
        else:
            self._compress()

    def _text(self, count: int) -> bytes:
        self.written += count
        return b"".join(line(f"number <{next(self._numbers)}>") for _ in range(count))

    def _append(self, count: int) -> None:
        with self._log.open("ab", buffering=0) as out:
            out.write(self._text(count))

    def _append_in_halves(self) -> None:
        text = self._text(1)
        cut = self._random.randrange(1, len(text))
        with self._log.open("ab", buffering=0) as out:
            out.write(text[:cut])
            self.done.wait(self._random.uniform(0, 0.1))
            out.write(text[cut:])

    def _rotated(self) -> Path:
        self.rotations += 1
        return self._folder / f"app.log.{self.rotations:05d}"

    def _rotate(self) -> None:
        if self._log.exists():
            self._log.rename(self._rotated())

    def _copy_and_truncate(self) -> None:
        if self._log.exists():
            shutil.copyfile(self._log, self._rotated())
            os.truncate(self._log, 0)

    def _compress(self) -> None:
        """As `gzip FILE` does, of the oldest file that was rotated and is not compressed."""
        rotated = sorted(path for path in self._folder.glob("app.log.*") if path.suffix != ".gz")
        if len(rotated) > 1:
            target = rotated[0].with_name(f"{rotated[0].name}.gz")
            target.write_bytes(gzip.compress(rotated[0].read_bytes(), 1))
            rotated[0].unlink()


class Child:
    """A process that watches once it is told to; it is started early, so that its imports cost no time then."""

    def __init__(self, folder: Path, store: Path | None, sink: dict[str, str] | None = None) -> None:
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
        command = [sys.executable, "-W", "error", "-c", CHILD, str(folder), str(store or ""), json.dumps(sink or {})]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )

    def go(self) -> None:
        """Have it watch, as soon as it is ready to."""
        assert self._process.stdout is not None
        assert self._process.stdin is not None
        ready: IO[str] = self._process.stdout
        if ready.readline() != "ready\n":
            raise AssertionError(f"a child did not start: {self._process.communicate(timeout=60)}")
        stdin: IO[str] = self._process.stdin
        stdin.write("go\n")
        stdin.flush()

    def kill(self) -> bool:
        """Kill it with signal 9; whether it had come as far as to watch."""
        self._process.kill()
        out, error = self._process.communicate(timeout=60)
        if self._process.returncode != -9 or error:
            raise AssertionError(f"a child ended by itself: {self._process.returncode}\n{error}")
        return "watching" in out

    def finish(self) -> str:
        """Let it read to the end and stop; what it said."""
        out, error = self._process.communicate("end\n", timeout=180)
        return out.replace("watching\n", "").strip() + error


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it: counts of lines, and whether the last child found everything read and balanced."""

    kills: int
    while_watching: int
    written: int
    rotations: int
    lost: int
    doubled: int
    foreign: int
    ended: str

    @classmethod
    def of(cls, came: Counter[str], logger: Logger, kills: int, while_watching: int, ended: str) -> Result:
        """From the lines that came out, beside those that were written."""
        numbers = {f"number <{number}>" for number in range(logger.written)}
        return cls(
            kills=kills,
            while_watching=while_watching,
            written=logger.written,
            rotations=logger.rotations,
            lost=len(numbers - came.keys()),
            doubled=sum(count - 1 for text, count in came.items() if text in numbers),
            foreign=sum(count for text, count in came.items() if text not in numbers),
            ended=ended,
        )

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.foreign) and self.ended == "idle"


def run(folder: Path, kills: int, seed: int, longest_seconds: float = 1.0) -> Result:
    """The loop: so many kills, each at a random instant up to `longest_seconds` after a child was told to watch."""
    logs, store, chance = folder / "logs", folder / "store.duckdb", random.Random(seed)
    logs.mkdir()
    logger, watching = Logger(logs, seed), 0
    child = Child(logs, store)
    logger.start()
    for _ in range(kills):
        following = Child(logs, store)
        child.go()
        time.sleep(chance.uniform(0, longest_seconds))
        watching += child.kill()
        child = following
    logger.done.set()
    logger.join(30)
    if logger.error is not None:
        raise logger.error
    child.go()
    ended = child.finish()
    logkit.read(logs, store=store, progress=False)  # finishes the last records, which a watcher waits with
    came = Counter(logkit.open(store).frame["message"].to_list())
    return Result.of(came, logger, kills, watching, ended)


def run_sink(
    kind: str, folder: Path, kills: int, seed: int, longest_seconds: float = 1.0, *, with_store: bool = False
) -> Result:
    """The same with a sink, which is killed as often as the engine where it is a database."""
    logs, store, chance = folder / "logs", folder / "store.duckdb" if with_store else None, random.Random(seed)
    logs.mkdir()
    logger, watching = Logger(logs, seed), 0
    with SERVERS[kind](folder, seed) as server:
        child = Child(logs, store, server.given)
        logger.start()
        for _ in range(kills):
            following = Child(logs, store, server.given)
            child.go()
            time.sleep(chance.uniform(0, longest_seconds))
            if server.can_be_killed and chance.random() < 0.5:
                server.kill()
                if chance.random() < 0.5:
                    server.start()
                    time.sleep(chance.uniform(0, longest_seconds))
            watching += child.kill()
            server.start()
            child = following
        logger.done.set()
        logger.join(30)
        if logger.error is not None:
            raise logger.error
        child.go()
        ended = child.finish()
        server.read_the_rest(logs, store)
        came = server.came()
    return Result.of(came, logger, kills, watching, ended)


class Database:
    """PostgreSQL as a sink, which can be killed."""

    can_be_killed = True

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._up = True
        self.given = {"dsn": cluster.dsn}

    @classmethod
    @contextmanager
    def serving(cls, folder: Path, seed: int) -> Iterator[Database]:
        programs = postgres_programs()
        if programs is None:
            raise SystemExit("needs PostgreSQL, which is not installed")
        # its files must outlive its own kill, not that of the machine
        cluster = Cluster(programs, fsync="off", checkpoint_timeout="30s")
        try:
            yield cls(cluster)
        finally:
            cluster.stop()

    def kill(self) -> None:
        self._cluster.kill()
        self._up = False

    def start(self) -> None:
        if not self._up:
            self._cluster.start()
            self._up = True

    def read_the_rest(self, logs: Path, store: Path | None) -> None:
        sink = logkit.sinks.Postgres(self.given["dsn"], table="events")
        logkit.read(logs, store=store, sinks=[sink], progress=False)

    def came(self) -> Counter[str]:
        return Counter(message for (message,) in self._cluster.sql("SELECT message FROM events"))


class Api:
    """An HTTP server that misbehaves."""

    can_be_killed = False

    def __init__(self, server: Server, journal: Path) -> None:
        self._server = server
        self.given = {"url": server.url, "journal": str(journal)}

    @classmethod
    @contextmanager
    def serving(cls, folder: Path, seed: int) -> Iterator[Api]:
        with serving(Misbehaving(seed)) as server:
            yield cls(server, folder / "journal")

    def kill(self) -> None:
        """It is not killed."""

    def start(self) -> None:
        """It is there."""

    def read_the_rest(self, logs: Path, store: Path | None) -> None:
        sink = logkit.sinks.Http(self.given["url"], journal=self.given["journal"], retry_seconds=0.01)
        logkit.read(logs, store=store, sinks=[sink], progress=False)

    def came(self) -> Counter[str]:
        bodies = self._server.bodies().values()
        return Counter(json.loads(line)["message"] for body in bodies for line in body.splitlines())


SERVERS: dict[str, Callable[[Path, int], AbstractContextManager[Database | Api]]] = {
    "postgres": Database.serving,
    "http": Api.serving,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--sink", choices=sorted(SERVERS))
    parser.add_argument("--with-store", action="store_true")
    asked = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        if asked.sink is None:
            result = run(Path(folder), asked.kills, asked.seed)
        else:
            result = run_sink(asked.sink, Path(folder), asked.kills, asked.seed, with_store=asked.with_store)
    print(f"seed {asked.seed}, {time.monotonic() - began:.0f} s: {result}")
    return 0 if result.clean else 1


if __name__ == "__main__":
    sys.exit(main())

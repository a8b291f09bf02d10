"""Whole files, cold process to result: logkit beside the article's design and DuckDB, in turns."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.generate import Sample
from tests.bench.stages import stages

RUN_SECONDS = 600


@dataclass(slots=True)
class Contender:
    """One row of the table: who, on what, and what each round came to."""

    title: str
    name: str
    paths: Sequence[Path]
    seconds: list[float] = field(default_factory=list)
    peak_bytes: int = 0


def contenders(sample: Sample) -> list[Contender]:
    whole, pieces = [sample.whole], sample.pieces
    rows = [
        Contender("article, four pieces", "article", pieces),
        Contender("article, one piece", "article", whole),
        Contender("logkit.read keep_events=0, four pieces", "logkit", pieces),
        Contender("logkit.read keep_events=0, one piece", "logkit", whole),
        Contender("logkit.read, all events kept", "logkit-events", whole),
        Contender("logkit.read, all events in a store", "logkit-store", whole),
    ]
    if sample.kind == "json":
        rows.append(Contender("DuckDB read_json", "duckdb", whole))
        rows.append(Contender("DuckDB read_json, columns given", "duckdb-typed", whole))
    return rows


def run(sample: Sample, rounds: int) -> None:
    """Measure all contenders in turns and print the table; `x article` is beside the faster of its two."""
    rows = contenders(sample)
    for path in (sample.whole, *sample.pieces):
        warm(path)
    for _ in range(rounds):
        for row in rows:
            measure(row, sample)
    print(f"\n{sample.kind}: {sample.lines:,} lines, {sample.size_bytes / 1e6:,.0f} MB; median of {rounds}")
    print(f"{'':40} {'seconds':>8} {'M lines/s':>10} {'MB/s':>7} {'peak MB':>8} {'x article':>10} {'x DuckDB':>9}")
    article = min(statistics.median(row.seconds) for row in rows if row.name == "article")
    duckdb = next((statistics.median(row.seconds) for row in rows if row.name == "duckdb"), None)
    for row in rows:
        seconds = statistics.median(row.seconds)
        rates = f"{sample.lines / seconds / 1e6:10.2f} {sample.size_bytes / seconds / 1e6:7.0f}"
        beside = "" if duckdb is None else f"{duckdb / seconds:9.2f}"
        print(
            f"{row.title:40} {seconds:8.2f} {rates} {row.peak_bytes / 1e6:8.0f} {article / seconds:10.2f} {beside}",
            flush=True,
        )


def profile(sample: Sample, rounds: int) -> None:
    """Where the time goes, and what twice the input costs: half the pieces beside all of them, start-up included."""
    print(f"\n{sample.kind}, keep_events=0: seconds for a million lines, on one thread")
    for name, seconds in stages(sample.whole):
        print(f"{name:40} {seconds:8.3f}")
    half = Contender("half the input", "logkit", sample.pieces[: len(sample.pieces) // 2])
    whole = Contender("all of it", "logkit", sample.pieces)
    for _ in range(max(rounds, 3)):
        for row in (half, whole):
            found = run_alone(row, sample)
            row.seconds.append(found["seconds"])
            row.peak_bytes = max(row.peak_bytes, found["peak_bytes"])
    for row in (half, whole):
        print(f"{row.title:40} {statistics.median(row.seconds):8.2f} s {row.peak_bytes / 1e6:8.0f} MB at most")


def measure(row: Contender, sample: Sample) -> None:
    found = run_alone(row, sample)
    if fold(found["counts"], sample.kind) != fold(sample.counts, sample.kind):
        raise SystemExit(f"{row.title} counted {found['counts']}, expected {sample.counts}")
    row.seconds.append(found["seconds"])
    row.peak_bytes = max(row.peak_bytes, found["peak_bytes"])


def run_alone(row: Contender, sample: Sample) -> dict[str, Any]:
    """What a contender came to in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.contenders", row.name, sample.kind, *map(str, row.paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
    if done.returncode:
        raise SystemExit(f"{row.title} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def fold(counts: dict[str, dict[str, int]], kind: str) -> dict[str, dict[str, int]]:
    """What must agree. An access log names no service: each contender takes the file's name, and pieces have others."""
    if kind != "access":
        return counts
    levels: dict[str, int] = {}
    for service in counts.values():
        for level, events in service.items():
            levels[level] = levels.get(level, 0) + events
    return {"": levels}


def warm(path: Path) -> None:
    """Into the page cache: disks are not what is measured."""
    with path.open("rb", buffering=0) as file:
        while file.read(8 << 20):
            pass

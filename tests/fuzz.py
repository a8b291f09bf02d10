"""Any bytes -> events: no crash, every byte in the ledger, the same with a store as without.

    python -m tests.fuzz --seconds 600 --seed 7

Files are made of the pieces logs are made of, broken: lines of many formats, NUL bytes, byte order marks, halves of
characters and of archives, very long lines, escape sequences, and plain noise.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
import tempfile
import time
from pathlib import Path

import logkit

_LINES = (
    b"2026-03-01 12:00:00,001 INFO  [orders] [exec-1] c.e.Orders - hello\n",
    b'{"time":"2026-03-01T12:00:00Z","level":"warn","msg":"x","n":1e400,"a\\u0000b":{"c":[1,2]}}\n',
    b'{"level":30,"time":1772366400000,"msg":"\\ud800"}\n',
    b'10.0.0.1 - - [01/Mar/2026:12:00:00 +0000] "GET / HTTP/1.1" 500 12 "-" "curl"\n',
    b'time=2026-03-01T12:00:00Z level=error msg="half a quote\n',
    b"Mar  1 12:00:00 host app[7]: text\n",
    b"\tat c.e.Orders.place(Orders.java:7)\n",
    b"I0301 12:00:00.000000 7 file.cc:1] glog\n",
    b"2026-03-01T12:00:00Z stdout P partial\n",
    b"\x1b[31mERROR\x1b[0m red\r\n",
)
_PIECES = (
    b"\0",
    b"\0" * 5000,
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xc3",
    b"\xf0\x9f",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"{",
    b"[" * 300,
    b'"',
    b"\x1b[",
)


def content(chance: random.Random) -> bytes:
    """The bytes of one file."""
    parts: list[bytes] = []
    favourite = chance.sample(_LINES, 2)
    for _ in range(chance.randint(0, 60)):
        dice = chance.random()
        if dice < 0.6:
            part = chance.choice(favourite)
        elif dice < 0.75:
            part = chance.choice(_LINES)
        elif dice < 0.9:
            part = chance.choice(_PIECES)
        elif dice < 0.97:
            part = chance.randbytes(chance.randint(1, 200))
        else:
            part = b"x" * chance.randint(1000, 9000)
        if chance.random() < 0.1 and part:
            at = chance.randrange(len(part))
            part = part[:at] + chance.randbytes(1) + part[at + 1 :]
        parts.append(part)
    data = b"".join(parts)
    if chance.random() < 0.1:
        data = gzip.compress(data)
        data = data[: chance.randint(0, len(data))] if chance.random() < 0.5 else data + chance.randbytes(3)
    if chance.random() < 0.05:
        data = data.decode("latin-1").encode("utf-16")
    return data


def check(folder: Path, seed: int, files: int) -> int:
    """Read so many files made from `seed`, with a store and without; how many events came. Raises AssertionError."""
    chance = random.Random(seed)
    logs = folder / f"logs{seed}"
    logs.mkdir()
    for number in range(files):
        (logs / f"f{number}.log").write_bytes(content(chance))
    settings = {"block_bytes": 2048, "max_record_bytes": 4096, "span_bytes": 4096, "retry_seconds": 0.0}
    kept = logkit.read(logs, progress=False, **settings)  # type: ignore[arg-type]
    stored = logkit.read(logs, progress=False, store=folder / f"s{seed}.duckdb", **settings)  # type: ignore[arg-type]
    for snap in (kept, stored):
        audit = snap.audit()
        assert audit["balanced"].all(), f"seed {seed}: {audit[~audit['balanced']].to_dict('records')}"
        dead = snap.threads[~snap.threads["last_error"].isna()]
        assert dead.empty or set(dead["last_error"].str.partition(":")[0]) <= {"TornArchive"}, (
            f"seed {seed}: {dead[['name', 'last_error']].to_dict('records')}"
        )
    order = ["file", "generation", "offset"]
    columns = [*order, "length_bytes", "timestamp", "level", "service", "message", "rejected", "reason"]
    one, other = (snap.frame.select(columns).sort(order) for snap in (kept, stored))
    assert one.equals(other), f"seed {seed}: a store and memory differ"
    assert kept.stats == stored.stats, f"seed {seed}: statistics differ"
    return len(kept)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    began, seed, events = time.monotonic(), asked.seed, 0
    while time.monotonic() - began < asked.seconds:
        with tempfile.TemporaryDirectory() as folder:
            events += check(Path(folder), seed, files=40)
        seed += 1
    print(json.dumps({"seeds": [asked.seed, seed - 1], "files": 40 * (seed - asked.seed), "events": events}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A log that is written and rotated for minutes, into a store: nothing lost, and nothing grows.

    python -m tests.soak --minutes 10

Memory, descriptors and threads are looked at in the middle and at the end: what leaks between the two fails.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import logkit
from tests.kill9 import Logger

_KEEP = 20
_MAY_GROW_BYTES = 64 << 20


def usage() -> tuple[int, int, int]:
    """Resident bytes, open descriptors and threads of this process."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmRSS"].split()[0]) * 1024, len(os.listdir("/proc/self/fd")), int(status["Threads"])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    seconds = asked.minutes * 60
    with tempfile.TemporaryDirectory() as folder:
        logs = Path(folder) / "logs"
        logs.mkdir()
        logger = Logger(logs, asked.seed)
        with logkit.watch(logs, store=Path(folder) / "store.duckdb", max_open_files=16) as monitor:
            logger.start()
            half = at_end = (0, 0, 0)
            began = time.monotonic()
            while (passed := time.monotonic() - began) < seconds:
                time.sleep(min(2.0, max(0.1, seconds / 20)))
                snap = monitor.snapshot()
                at_end = usage()
                if not half[0] and passed > seconds / 2:
                    half = at_end
                size, *rest = at_end
                print(f"{passed:5.0f} s: {len(snap):,} events, {size / 1e6:.0f} MB; fds, threads: {rest}", flush=True)
                for old in sorted(logs.glob("app.log.*.gz"))[:-_KEEP]:
                    old.unlink()
            logger.done.set()
            logger.join(30)
            idle = monitor.wait_idle(60)
            snap = monitor.snapshot()
            came = Counter(snap.frame["message"].to_list())
            balanced = bool(snap.audit()["balanced"].all())
    numbers = {f"number <{number}>" for number in range(logger.written)}
    lost = len(numbers - came.keys())
    doubled = sum(count - 1 for text, count in came.items() if text in numbers)
    foreign = sum(count for text, count in came.items() if text not in numbers)
    grown = at_end[0] - half[0], at_end[1] - half[1], at_end[2] - half[2]
    print(
        f"seed {asked.seed}: {logger.written:,} lines, {logger.rotations} rotations, lost {lost}, doubled {doubled}, "
        f"foreign {foreign}, balanced {balanced}, idle {idle}; "
        f"grown since half-time: {grown[0] / 1e6:.0f} MB, {grown[1]} descriptors, {grown[2]} threads"
    )
    flat = grown[0] < _MAY_GROW_BYTES and grown[1] <= 16 and grown[2] <= 2
    return 0 if idle and balanced and flat and not (lost or doubled or foreign or logger.error) else 1


if __name__ == "__main__":
    sys.exit(main())

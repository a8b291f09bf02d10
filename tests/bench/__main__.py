"""`python -m tests.bench`: how fast, how large, how soon. Every figure of the README comes from here.

`python -m tests.bench logback json` measures only these; `--quick` takes a minute and proves only that it runs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench import throughput
from tests.bench.generate import KINDS, sample
from tests.bench.live import MEASURES

LINES = {"logback": 4_000_000, "json": 2_000_000, "access": 2_000_000}
QUICK_LINES = 200_000


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("what", nargs="*", metavar="WHAT", help=f"of {', '.join([*KINDS, *MEASURES])}; all by default")
    parser.add_argument("--quick", action="store_true", help="small sizes, one round")
    parser.add_argument("--lines", type=int, help="lines per log")
    parser.add_argument("--rounds", type=int, help="how often each contender runs (3; 1 with --quick)")
    parser.add_argument("--seed", type=int, default=1, help="of the logs written")
    parser.add_argument("--dir", type=Path, help="where logs are kept from run to run; else a temporary folder")
    wanted = parser.parse_args(argv)
    unknown = set(wanted.what) - {*KINDS, *MEASURES}
    if unknown:
        parser.error(f"expected {', '.join([*KINDS, *MEASURES])}, found {', '.join(sorted(unknown))}")
    what = wanted.what or [*KINDS, *MEASURES]
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}")
    with contextlib.ExitStack() as stack:
        folder = wanted.dir or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="logkit-bench-")))
        for kind in KINDS:
            if kind in what:
                lines = wanted.lines or (QUICK_LINES if wanted.quick else LINES[kind])
                log, rounds = sample(kind, lines, folder, seed=wanted.seed), wanted.rounds or (1 if wanted.quick else 3)
                throughput.run(log, rounds)
                throughput.profile(log, rounds)
    for name in MEASURES:
        if name in what:
            print(f"\n{name}", flush=True)
            quick = ["--quick"] if wanted.quick else []
            subprocess.run([sys.executable, "-m", "tests.bench.live", name, *quick], check=True)


if __name__ == "__main__":
    main()

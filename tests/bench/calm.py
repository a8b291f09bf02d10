"""How often `compare` and `bursts` see a change where there is none: `python -m tests.bench.calm [RUNS]`.

Each run writes an hour of the demo's shop with nothing going wrong (requests in traces of several services, traffic
that swells and ebbs, jobs at fixed times), reads it, and compares 5 to 15 minutes at random with the rest at 5 % FDR.
"""

from __future__ import annotations

import random
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import logkit
from logkit.demo.lines import FILES
from logkit.demo.stories import STORIES
from logkit.demo.traffic import simulate

_START = datetime(2026, 3, 2, 9, tzinfo=UTC)
_CALM = replace(STORIES[0], share=0.0, slow=1.0, opening=(), closing=())


def write(
    folder: Path, seed: int, minutes: int = 60, *, start: datetime = _START, requests_per_second: float = 1.35
) -> None:
    """The logs of a shop in which nothing goes wrong."""
    records = simulate(_CALM, random.Random(f"{seed}/calm"), start, minutes * 60, requests_per_second)
    for service, name in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(record.text + "\n" for record in records if record.service == service))


def main(runs: int) -> int:
    """Print what was seen; 1 where that is too much."""
    seen = {"compare": 0, "bursts": 0, "silences": 0}
    for seed in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), seed)
            snap = logkit.read(folder, progress=False)
            rng = random.Random(f"{seed}/window")
            start = _START + timedelta(minutes=rng.uniform(0, 45))
            changes = snap.compare((start, start + timedelta(minutes=rng.uniform(5, 15))))
            for name, table in (("compare", changes), ("bursts", snap.bursts()), ("silences", snap.silences())):
                seen[name] += bool(len(table))
    for name, count in seen.items():
        print(f"{name}: something seen in {count} of {runs} runs without a change")
    return int(seen["compare"] > 0.05 * runs)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))

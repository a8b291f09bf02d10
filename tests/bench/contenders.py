"""One contender on some files, in a process of its own: `python -m tests.bench.contenders NAME KIND PATH…`.

Prints one JSON object: seconds from the call to its return, the process' peak memory, and events per service and level,
by which the caller knows that the work was done.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.article import PARSERS, Analyser, Counts

_DUCKDB = """
    select service, level, date_trunc('minute', timestamp::timestamp) as minute, count(*) as events
    from read_json(?, format='newline_delimited'{columns}) group by all
"""
_COLUMNS = ", columns={'timestamp': 'timestamp', 'service': 'varchar', 'level': 'varchar'}"


def article(kind: str, paths: list[Path]) -> tuple[float, Counts]:
    began = time.perf_counter()
    counts = Analyser(paths, PARSERS[kind]).run()
    return time.perf_counter() - began, counts


def logkit_counts(_: str, paths: list[Path]) -> tuple[float, Counts]:
    return _read(paths, keep_events=0)


def logkit_events(_: str, paths: list[Path]) -> tuple[float, Counts]:
    return _read(paths, keep_events=None)


def logkit_store(_: str, paths: list[Path]) -> tuple[float, Counts]:
    with tempfile.TemporaryDirectory(dir=paths[0].parent) as folder:
        return _read(paths, keep_events=0, store=Path(folder) / "store.duckdb")


def _read(paths: list[Path], keep_events: int | None, store: Path | None = None) -> tuple[float, Counts]:
    import logkit

    began = time.perf_counter()
    snap = logkit.read(paths, keep_events=keep_events, store=store, progress=False)  # its own imports count
    seconds = time.perf_counter() - began
    if keep_events is None and snap.dropped_events:
        raise RuntimeError(f"expected every event kept, found {snap.dropped_events} dropped; try fewer lines")
    levels = snap.tables("levels").to_dicts()
    return seconds, {row.pop("service"): {level: count for level, count in row.items() if count} for row in levels}


def duckdb_inferred(_: str, paths: list[Path]) -> tuple[float, Counts]:
    return _duckdb(paths, "")


def duckdb_typed(_: str, paths: list[Path]) -> tuple[float, Counts]:
    return _duckdb(paths, _COLUMNS)


def _duckdb(paths: list[Path], columns: str) -> tuple[float, Counts]:
    import duckdb

    began = time.perf_counter()
    rows = duckdb.connect().execute(_DUCKDB.format(columns=columns), [[str(path) for path in paths]]).fetchall()
    seconds = time.perf_counter() - began
    counts: Counts = {}
    for service, level, _, events in rows:
        levels = counts.setdefault(service, {})
        levels[level] = levels.get(level, 0) + events
    return seconds, counts


CONTENDERS: dict[str, Callable[[str, list[Path]], tuple[float, Counts]]] = {
    "article": article,
    "logkit": logkit_counts,
    "logkit-events": logkit_events,
    "logkit-store": logkit_store,
    "duckdb": duckdb_inferred,
    "duckdb-typed": duckdb_typed,
}


def peak_bytes() -> int:
    """The most memory this process has held. `ru_maxrss` would start at what its parent held when it was forked."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def main() -> None:
    name, kind, *paths = sys.argv[1:]
    seconds, counts = CONTENDERS[name](kind, [Path(path) for path in paths])
    print(json.dumps({"seconds": seconds, "peak_bytes": peak_bytes(), "counts": counts}))


if __name__ == "__main__":
    main()

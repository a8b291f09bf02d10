"""Where nothing could compile the kernels, NumPy and DuckDB read the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import logkit
from logkit.formats import kernels

READ = """
import sys
sys.modules["logkit.formats._kernels"] = None  # what an import of it then raises is an ImportError
import logkit
from logkit.formats import kernels
assert not kernels.compiled
snap = logkit.read(sys.argv[1], progress=False)
snap.events.to_pickle(sys.argv[2])
print(snap.stats.events, int(snap.audit()["balanced"].all()))
"""
JSON = '{"time":"2026-03-01T12:00:%02d.5Z","level":"%s","service":"cart","msg":"order \\"%d\\"","duration_ms":%d.25}\n'
ACCESS = '10.1.0.%d - - [01/Mar/2026:12:00:%02d +0000] "GET /cart/%d HTTP/1.1" %d 512 "-" "probe/1.0"\n'
LOGBACK = "2026-03-01 12:00:%02d,123 %-5s [cart] [exec-%d] shop.Cart - order %d accepted\n"


@pytest.mark.skipif(not kernels.compiled, reason="nothing compiled the kernels here: all other tests show it")
def test_without_the_kernels_the_same_is_read(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    levels = ("INFO", "WARN", "ERROR")
    rows = [(at % 60, levels[at % 3], at) for at in range(600)]
    (logs / "json.log").write_text("".join(JSON % (s, level.lower(), at, at) for s, level, at in rows))
    (logs / "access.log").write_text("".join(ACCESS % (at % 9, s, at, 200 + 100 * (at % 4)) for s, _, at in rows))
    (logs / "logback.log").write_text("".join(LOGBACK % (s, level, at % 5, at) for s, level, at in rows))
    (logs / "torn.log").write_text('{"time":"2026-03-01T12:00:00Z","level":"info","msg":"a"}\n{"time":"2026-\nplain\n')
    expected = logkit.read(logs, progress=False)
    kept = tmp_path / "bare.pickle"
    done = subprocess.run(
        [sys.executable, "-c", READ, logs, kept], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(expected.stats.events), "1"]
    import pandas as pd

    order = ["file", "offset"]
    found = pd.read_pickle(kept).sort_values(order, ignore_index=True)
    pd.testing.assert_frame_equal(found, expected.events.sort_values(order, ignore_index=True), check_like=True)

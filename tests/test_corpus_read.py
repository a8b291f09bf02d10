"""Real logs of many systems: every byte of every file is in an event, and the ledger says so."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import logkit


def test_every_real_log_is_read_to_its_last_byte(corpus: Path) -> None:
    snap = logkit.read(corpus / "lines", progress=False)
    files = snap.files.set_index("path")
    assert len(files) == len(list((corpus / "lines").iterdir()))
    assert files["error"].dropna().to_dict() == {}
    assert snap.audit()["balanced"].all()
    events = snap.events.sort_values(["file", "offset"])
    covered = events.groupby("file")["length_bytes"].sum()
    for path, size in files["size_bytes"].items():
        assert covered.get(path, 0) == size == Path(str(path)).stat().st_size, path
    for path, rows in events.groupby("file"):
        ends = (rows["offset"] + rows["length_bytes"]).tolist()
        assert rows["offset"].tolist() == [0, *ends[:-1]], path


def test_real_logs_read_in_small_spans_by_several_threads_are_the_same(corpus: Path, tmp_path: Path) -> None:
    columns = ["offset", "length_bytes", "timestamp", "level", "service", "message", "rejected"]
    for name in ("elastic__kafka_server_kafka0.log", "loghub__Linux_2k.log", "lnav__logfile_laravel.0.log"):
        shutil.copy(corpus / "lines" / name, tmp_path)
    whole = logkit.read(tmp_path, progress=False).events[columns]
    small = {"span_bytes": 20_000, "block_bytes": 7_000, "max_record_bytes": 1 << 20, "workers": 4}
    pieces = logkit.read(tmp_path, progress=False, **small).events[columns]
    assert pieces.equals(whole)


def test_a_compressed_log_gives_the_events_of_the_plain_one(corpus: Path, tmp_path: Path) -> None:
    packed = corpus / "nginx_access_100k.log.gz"
    (tmp_path / "plain.log").write_bytes(gzip.decompress(packed.read_bytes()))
    plain = logkit.read(tmp_path / "plain.log", progress=False)
    inflated = logkit.read(packed, progress=False)
    assert inflated.files["compression"].tolist() == ["gzip"]
    columns = ["offset", "length_bytes", "timestamp", "level", "message", "status", "bytes"]
    assert inflated.events[columns].equals(plain.events[columns])
    assert len(plain.events) == 100_000
    assert inflated.audit()["balanced"].all()

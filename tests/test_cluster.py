"""A cluster of two processes gives what threads give: the same statistics, and the same events in the same order."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from distributed import Client

import logkit
from logkit.cluster.running import Result, Run
from logkit.errors import SnapshotError
from logkit.sources import Roots
from tests.clusters import Killer, cluster

SAMPLE = Path(__file__).resolve().parents[1] / "sample_logs"
SMALL: dict[str, Any] = {"span_bytes": 100_000, "progress": False}


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with cluster(2) as found:
        # What a process loads first takes longer than all the spans of a sample, which the other one would read alone.
        found.run(exec, "import logkit.cluster.work, duckdb, pyarrow")
        yield found


@pytest.fixture
def killer(client: Client, monkeypatch: pytest.MonkeyPatch) -> Killer:
    """A worker dies when 30 results are there, which is in the middle of everything that is read here."""
    found = Killer(client, after=30)
    take = Run._take

    def told(self: Run, future: Any) -> Any:
        found.told()
        return take(self, future)

    monkeypatch.setattr(Run, "_take", told)
    return found


def assert_same(one: logkit.Snapshot, other: logkit.Snapshot) -> None:
    """The same statistics, files and ledger, and rows, in the same order."""
    assert one.stats == other.stats
    assert one.frame.equals(other.frame)
    assert one.files.equals(other.files)
    assert one.audit().equals(other.audit())
    assert other.audit()["balanced"].all()


def test_threads_one_thread_and_a_cluster_agree(client: Client) -> None:
    threads = logkit.read(SAMPLE, **SMALL)
    assert_same(threads, logkit.read(SAMPLE, workers=1, **SMALL))
    snap = logkit.read(SAMPLE, cluster=client, **SMALL)
    assert_same(threads, snap)
    assert len(snap) == 15_510
    assert snap.dropped_events == 0
    assert snap.state == "finished"
    assert snap.compare(("2026-03-02 09:25", "2026-03-02 09:35")).equals(
        threads.compare(("2026-03-02 09:25", "2026-03-02 09:35"))
    )
    assert snap.patterns.equals(threads.patterns)
    assert snap.threads["events"].sum() == 15_510
    assert (snap.threads["events"] > 0).tolist() == [True, True]


def test_a_worker_killed_in_the_middle_changes_nothing(client: Client, killer: Killer, corpus: Path) -> None:
    paths = [SAMPLE, corpus / "lines"]
    snap = logkit.read(paths, cluster=client, **SMALL)
    assert killer.done.is_set()
    assert_same(logkit.read(paths, workers=1, **SMALL), snap)
    client.wait_for_workers(2)


def test_statistics_on_a_killed_worker_are_made_again(client: Client, killer: Killer) -> None:
    few = {"span_bytes": 25_000, "keep_events": 0, "progress": False, "patterns": True}
    snap = logkit.read(SAMPLE, cluster=client, **few)
    assert killer.done.is_set()
    threads = logkit.read(SAMPLE, **few)
    assert snap.stats == threads.stats
    assert snap.stats.has_patterns
    assert snap.patterns.equals(threads.patterns)
    assert snap.audit().equals(threads.audit())
    assert snap.dropped_events == len(snap) == 15_510
    client.wait_for_workers(2)


def test_rows_that_workers_have_written_are_opened_as_a_store(client: Client, tmp_path: Path) -> None:
    threads = logkit.read(SAMPLE, **SMALL)
    written = logkit.read(SAMPLE, cluster=client, store=tmp_path / "rows", **SMALL)
    opened = logkit.open(tmp_path / "rows")
    files = sorted((tmp_path / "rows").rglob("*.parquet"))
    assert len(files) > 7
    for snap in (written, opened):
        assert snap.stats == threads.stats
        events, expected = snap.events, threads.events
        assert events.equals(expected[events.columns])
        assert expected[[name for name in expected if name not in events]].isna().all(axis=None)
        assert snap.audit()["balanced"].all()
        found = snap.where(service="database", level="ERROR").events
        assert found.equals(threads.where(service="database", level="ERROR").events[found.columns])
        assert snap.sql("select count(*) as n from events where level >= 'ERROR'")["n"].tolist() == [835]
    with pytest.raises(logkit.StoreError, match="expected an empty folder"):
        logkit.read(SAMPLE, cluster=client, store=tmp_path / "rows", **SMALL)
    with pytest.raises(logkit.StoreError, match="copy that"):
        opened.save(tmp_path / "copy.duckdb")
    (tmp_path / "rows" / "logkit.json").unlink()
    with pytest.raises(logkit.StoreError, match=r"without logkit\.json"):
        logkit.open(tmp_path / "rows")


def test_events_come_as_a_dask_dataframe_with_known_divisions(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("logkit.cluster.frames._PARTITION_ROWS", 4000)
    snap = logkit.read(SAMPLE, cluster=client, **SMALL)
    stored = logkit.read(SAMPLE, cluster=client, store=tmp_path / "rows", **SMALL)
    expected = snap.events
    for one in (snap, stored, logkit.open(tmp_path / "rows")):
        frame = one.to_dask()
        assert frame.known_divisions
        assert frame.npartitions > 3
        assert (frame.divisions[0], frame.divisions[-1]) == (0, len(expected) - 1)
        events = frame.compute()
        assert events.equals(expected[events.columns])
        few = one.to_dask(["service", "level", "trace_id"]).loc[5000:5009].compute()
        assert few.equals(expected.loc[5000:5009, ["service", "level", "trace_id"]])
    with pytest.raises(SnapshotError, match="found a part of one"):
        snap.where(level="ERROR").to_dask()
    with pytest.raises(SnapshotError, match="found one that none has"):
        logkit.read(SAMPLE, **SMALL).to_dask()


def test_what_cannot_be_read_is_reported_and_the_rest_is_read(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = (SAMPLE / "catalog.log").read_bytes()[:300_000]
    (tmp_path / "good.log").write_bytes(whole)
    (tmp_path / "torn.log.gz").write_bytes(gzip.compress(whole)[:-40])
    (tmp_path / "empty.log").touch()
    (tmp_path / "program.bin").write_bytes(bytes(range(256)) * 64)
    (tmp_path / "wide.log").write_bytes(
        "\ufeff".encode("utf-16-le") + whole.decode(errors="replace").encode("utf-16-le")
    )
    threads = logkit.read(tmp_path, **SMALL)
    snap = logkit.read(tmp_path, cluster=client, **SMALL)
    assert_same(threads, snap)
    assert snap.files.set_index("path")["error"].dropna().index.tolist() == [str(tmp_path / "torn.log.gz")]

    scan = Roots.scan

    def and_one_goes(self: Roots) -> Any:
        found = scan(self)
        os.remove(tmp_path / "wide.log")
        return found

    monkeypatch.setattr(Roots, "scan", and_one_goes)
    snap = logkit.read(tmp_path, cluster=client, retry_seconds=0.01, **SMALL)
    errors = snap.files.set_index("path")["error"].dropna()
    assert "FileNotFoundError" in errors[str(tmp_path / "wide.log")]
    assert len(errors) == 2
    assert len(snap) > 0


def test_a_task_that_kills_its_workers_costs_one_file(client: Client, tmp_path: Path) -> None:
    for name in ("a", "deadly", "z"):
        (tmp_path / f"{name}.log").write_text("2026-01-01 12:00:00 INFO it works\n" * 3)

    def service(path: str) -> str:
        if "deadly" in path:
            os._exit(1)
        return "fine"

    snap = logkit.read(tmp_path, cluster=client, service=service, **SMALL)
    errors = snap.files.set_index("path")["error"].dropna()
    assert [Path(path).name for path in errors.index] == ["deadly.log"]
    assert "workers" in errors.iloc[0]
    assert snap.services["events"].to_dict() == {"fine": 6}
    client.wait_for_workers(2)


def test_formats_and_services_of_the_session_reach_the_workers(client: Client, tmp_path: Path) -> None:
    (tmp_path / "till.log").write_text("~INFO 2026-01-01 12:00:00 ~ opened\n~WARN 2026-01-01 12:00:05 ~ jammed\n")
    mine = logkit.Format("~{level} {timestamp} ~ {message}", name="till")
    mine.register()
    try:
        snap = logkit.read(tmp_path, cluster=client, service=lambda path: re.sub(r"\W", "", path)[-7:], **SMALL)
        assert_same(snap, logkit.read(tmp_path, service=lambda path: re.sub(r"\W", "", path)[-7:], **SMALL))
        assert snap.files["format"].tolist() == ["till"]
        assert snap.services.index.tolist() == ["tilllog"]
    finally:
        mine.unregister()
    assert logkit.read(tmp_path, cluster=client, **SMALL).files["format"].tolist() != ["till"]


def test_rows_kept_are_the_last_ones_within_the_limits(client: Client) -> None:
    snap = logkit.read(SAMPLE, cluster=client, keep_events=100, **SMALL)
    assert len(snap) == 15_510
    assert len(snap.events) == 100
    assert snap.dropped_events == 15_410
    everything = logkit.read(SAMPLE, cluster=client, **SMALL)
    last = everything.frame.filter(file=Roots.of(SAMPLE).scan().found[-1].path)
    assert snap.frame.equals(last.tail(100).select(snap.frame.columns))
    tight = logkit.read(SAMPLE, cluster=client, keep_bytes=400_000, **SMALL)
    assert 0 < sum(part.nbytes for part in tight.capture.frames) <= 400_000
    assert tight.stats == everything.stats


def test_an_interrupt_cancels_what_the_cluster_has_of_it(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Run, part: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "_count", interrupted)
    with pytest.raises(KeyboardInterrupt):
        logkit.read(SAMPLE, cluster=client, keep_events=0, span_bytes=10_000, progress=False)
    monkeypatch.undo()

    def left(dask_scheduler: Any) -> int:
        return sum(key.startswith("logkit-") for key in map(str, dask_scheduler.tasks))

    waited = 0
    while client.run_on_scheduler(left) and waited < 50:
        client.sync(_pause)
        waited += 1
    assert client.run_on_scheduler(left) == 0


async def _pause() -> None:
    import asyncio

    await asyncio.sleep(0.1)


def test_progress_is_told_and_ends_at_the_whole(client: Client) -> None:
    seen: list[tuple[int, int]] = []
    from logkit.cluster import planning, reading

    files = Roots.of(SAMPLE).scan().found
    settings = reading.checked_settings(finite=True, span_bytes=100_000)
    run = Run(client, reading._job(settings, logkit.sources.ServiceRule.of(None), None))
    bundles = planning.bundles([planning.whole(at, 0, one) for at, one in enumerate(files)], 100_000)

    def moved(result: Result) -> None:
        seen.append((result.events, result.bytes))

    run.go(((bundle, False) for bundle in bundles), moved)
    assert seen == sorted(seen)
    assert seen[-1][0] == 15_510
    assert abs(seen[-1][1] - sum(one.size for one in files)) < 1000


@pytest.mark.parametrize("given", ["tcp://somewhere", 2, object()])
def test_what_is_no_client_is_refused(given: object) -> None:
    with pytest.raises(logkit.SettingError, match=r"expected cluster= to be a dask\.distributed Client"):
        logkit.read(SAMPLE, cluster=given)  # type: ignore[arg-type]


def test_importing_logkit_loads_neither_dask_nor_fsspec() -> None:
    code = "import sys, logkit; print(sorted({'dask', 'distributed', 'fsspec', 's3fs'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

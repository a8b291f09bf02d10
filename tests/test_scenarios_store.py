"""The store under a running engine: what may go wrong with it, what it holds, and what it is made to drop."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

import logkit
from logkit.engine.delivery import ToWriter
from logkit.engine.progress import Progress
from logkit.engine.state import State
from logkit.engine.writer import Writer
from logkit.errors import StoreCorrupt, StoreError, StoreLocked, StoreVersion
from logkit.sinks.store import Store
from tests.scenario_tools import DEADLINE, Scene, eventually, line, messages, read, script, settle

pytestmark = pytest.mark.usefixtures("no_thread_left_behind")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "logs")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "incident.duckdb"


# Who else wants it


HOLDER = """
import sys, logkit
with logkit.watch(sys.argv[1], store=sys.argv[2]) as monitor:
    monitor.wait_idle(20)
    print("held", flush=True)
    sys.stdin.readline()
    print(monitor.snapshot().save(sys.argv[3]), flush=True)
    sys.stdin.readline()
"""


def test_store_locked_by_another_process_names_it_and_the_way_out(scene: Scene, store: Path, tmp_path: Path) -> None:
    scene.write(3)
    copy = tmp_path / "copy.duckdb"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    command = [sys.executable, "-c", HOLDER, *map(str, (scene.folder, store, copy))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        for use in (
            lambda: logkit.watch(scene.folder, store=store),
            lambda: logkit.read(scene.folder, store=store),
            lambda: logkit.open(store),
        ):
            with pytest.raises(StoreLocked, match=r'snap\.save\("copy\.duckdb"\)') as refused:
                use()
            assert refused.value.holder == holder.pid
            assert str(holder.pid) in str(refused.value)
        holder.stdin.write("save\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == f"{copy}\n"
        assert len(logkit.open(copy)) >= 2  # the last record may still be open
        holder.communicate("end\n", timeout=DEADLINE)
    scene.came(read(scene.folder, store=store))


def test_a_store_used_by_another_monitor_of_this_process_says_so(scene: Scene, store: Path, tmp_path: Path) -> None:
    scene.write(1)
    other = Scene(tmp_path / "other")
    other.write(1)
    with scene.watch(store=store) as monitor:
        settle(monitor)
        with pytest.raises(StoreLocked, match="open in this process already") as refused:
            other.watch(store=store)
        assert refused.value.holder == os.getpid()
        scene.came(settle(monitor))
    other.watch(store=store).stop()


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"this is no database, but somebody's notes\n" * 400, StoreCorrupt), (b"\0" * 20_000, StoreCorrupt)],
    ids=["text", "zeros"],
)
def test_store_file_corrupt_is_named_and_left_as_it_is(
    content: bytes, error: type[StoreError], scene: Scene, store: Path
) -> None:
    scene.write(1)
    store.write_bytes(content)
    for use in (scene.watch, lambda **given: read(scene.folder, **given)):
        with pytest.raises(error, match=r"incident\.duckdb"):
            use(store=store)
    assert store.read_bytes() == content
    assert sorted(path.name for path in store.parent.iterdir()) == ["incident.duckdb", "logs"]


def test_a_newer_schema_is_said_and_left_as_it_is(scene: Scene, store: Path) -> None:
    scene.write(1)
    read(scene.folder, store=store)
    with duckdb.connect(str(store)) as connection:
        connection.execute("UPDATE logkit_store SET version = 99")
    before = store.read_bytes()
    with pytest.raises(StoreVersion, match="newer logkit") as refused:
        scene.watch(store=store)
    assert (refused.value.found, refused.value.known) == (99, 2)
    assert store.read_bytes() == before


def test_the_store_is_no_log_also_in_the_folder_that_is_watched(scene: Scene) -> None:
    scene.write(3)
    store = scene.folder / "own.log"
    os.link(scene.log, scene.folder / "same.log")
    with scene.watch(store=store, poll_seconds=0.02) as monitor:
        snap = settle(monitor)
        os.link(store, scene.folder / "another-name.log")
        scene.write(1)
        snap = settle(monitor)
        copy = snap.save(scene.folder / "copy.duckdb")
        snap = settle(monitor)
        scene.came(snap)
        passed_over = dict(snap.capture.skipped)
        assert "a store that is open here" in (
            passed_over[str(store)],
            passed_over[str(scene.folder / "another-name.log")],
        )
        locked = "import sys, logkit\ntry: logkit.open(sys.argv[1])\nexcept logkit.StoreLocked as e: print(e.holder)"
        assert int(script(locked, store)) == os.getpid()
        assert not any("own.log" in path for path in snap.files["path"])
    assert len(logkit.open(copy)) >= 3


# What it holds


def test_the_ledger_is_counted_from_the_rows_and_can_fail(scene: Scene, store: Path) -> None:
    scene.write(5)
    assert read(scene.folder, store=store).audit()["balanced"].all()
    with duckdb.connect(str(store)) as connection:
        connection.execute('DELETE FROM events WHERE "offset" = 0')
    for snap in (logkit.open(store), read(scene.folder, store=store)):
        assert not snap.audit()["balanced"].any()
        assert "NOT balanced" in repr(snap)


def test_events_and_sql_see_everything_not_only_what_memory_would_keep(scene: Scene, store: Path) -> None:
    scene.write(500)
    with scene.watch(store=store, keep_events=10) as monitor:
        snap = settle(monitor)
        scene.came(snap)
        assert snap.dropped_events == 0
        assert snap.sql("select count(*) as n from events")["n"].item() == 500
        assert len(snap.where(message=scene.written[7]).events) == 1
        assert sum(part.frame.height for part in snap.capture.frames) <= 1  # the open record, and nothing else
    with scene.watch(store=store, keep_events=0) as monitor:
        scene.came(settle(monitor))


def test_save_makes_a_consistent_copy_at_any_time_while_the_engine_runs(
    scene: Scene, store: Path, tmp_path: Path
) -> None:
    done = threading.Event()

    def write() -> None:
        while not done.wait(0.002):
            scene.write(20)

    scene.write(2_000)
    writer = threading.Thread(target=write)
    with scene.watch(store=store, poll_seconds=0.02, commit_seconds=0.0) as monitor:
        settle(monitor)
        writer.start()
        sizes = []
        try:
            for number in range(4):
                snap = monitor.snapshot()
                copy = logkit.open(snap.save(tmp_path / f"copy{number}.duckdb"))
                assert copy.audit()["balanced"].all()
                numbers = copy.sql("select count(*) as n, count(distinct message) as d from events")
                assert numbers["n"].item() == numbers["d"].item() == len(copy)
                assert copy.stats.events == len(copy)
                sizes.append(len(copy))
        finally:
            done.set()
            writer.join()
        assert sizes == sorted(sizes)
        scene.came(settle(monitor))
    scene.came(read(scene.folder, store=tmp_path / "copy2.duckdb"))  # and reading goes on with a copy


def test_two_snapshots_of_a_store_subtract(scene: Scene, store: Path) -> None:
    scene.write(3)
    with scene.watch(store=store) as monitor:
        first = settle(monitor)
        new = scene.write(4)
        fresh = settle(monitor) - first
        assert messages(fresh) == new
        assert len(fresh) == 4


# What it drops


def expire_now(monitor: logkit.Monitor) -> None:
    """As if a minute had passed: with its next commit the writer looks for what is to be dropped."""
    writer = monitor._engine._writer
    assert writer is not None
    writer._next_expiry = 0.0


def test_retention_by_age_drops_old_events_and_the_ledger_says_so(scene: Scene, store: Path) -> None:
    recent = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%d %H:%M:%S}".encode()

    def recently() -> bytes:
        return line(scene.message()).replace(b"2026-03-01 12:00:00", recent)

    scene.write(3)
    with scene.appending() as out:
        for _ in range(2):
            out.write(recently())
    with scene.watch(store=store, keep_days=2, idle_flush_seconds=0.02) as monitor:
        settle(monitor)
        expire_now(monitor)
        with scene.appending() as out:
            out.write(recently())
        settle(monitor)
        eventually(monitor, lambda snap: snap.capture.store.retention > 0)
        snap = settle(monitor)
        row = snap.audit().iloc[0]
        assert row["expired_bytes"] == 3 * len(line(scene.written[0]))
        assert row["balanced"]
        assert messages(snap) == scene.written[3:]
        assert (len(snap), snap.dropped_events) == (6, 3)
        assert "3 expired" in repr(snap)
    with scene.watch(store=store) as monitor:
        assert messages(settle(monitor)) == scene.written[3:]  # what was dropped is not read again


def has_all_its_rows(snap: logkit.Snapshot) -> bool:
    """Whether retention has dropped none since."""
    try:
        snap.sql("select 1 from events limit 1")
    except logkit.SnapshotExpired:
        return False
    return True


def test_retention_by_size_keeps_the_newest(scene: Scene, store: Path) -> None:
    limit = 6 << 20
    with scene.watch(store=store, max_store_bytes=limit, commit_seconds=0.0) as monitor:
        for _ in range(6):
            with scene.appending() as out:
                out.write(b"".join(line(scene.message() + " " + os.urandom(400).hex()) for _ in range(3_000)))
            expire_now(monitor)
            settle(monitor)
        expire_now(monitor)  # the last lines may have been committed after the last look: one more commit looks again
        scene.write(1)
        settle(monitor)
        snap = eventually(monitor, has_all_its_rows)  # what was asked for right before that look has lost some
        row = snap.audit().iloc[0]
        assert row["balanced"]
        assert row["expired_bytes"] > 0
        kept = snap.sql('select "offset" from events order by 1')["offset"]
        assert len(kept) + snap.dropped_events == 18_001
        assert kept.iloc[-1] == snap.events["offset"].max()
        assert kept.min() > 0  # the oldest went first
    with duckdb.connect(str(store), read_only=True) as connection:
        blocks, size = connection.execute("SELECT used_blocks, block_size FROM pragma_database_size()").fetchall()[0]
    assert blocks * size <= limit


# What may go wrong while it is written


def test_disk_full_under_the_store_then_space_again(scene: Scene, small_disk: Path) -> None:
    store, filler = small_disk / "incident.duckdb", small_disk / "filler"
    with scene.watch(store=store, retry_seconds=0.02, max_retry_seconds=0.1, commit_seconds=0.0) as monitor:
        scene.write(10)
        before = settle(monitor)
        filler.write_bytes(bytes(5 << 20))
        with scene.appending() as out:
            for _ in range(6_000):
                out.write(line(scene.message() + " " + os.urandom(400).hex()))
        ticket = monitor._engine.state.ask()
        monitor._engine.watcher.nudge()
        snap = eventually(monitor, lambda snap: snap.capture.store_status.state == "retrying")
        assert "No space left" in str(snap.capture.store_status.error)
        assert "store retrying" in repr(snap)
        assert not monitor._engine.state.wait_answer(ticket, 0.05)
        assert len(snap) >= len(before)
        filler.unlink()
        snap = settle(monitor)
        assert snap.capture.store_status.error is None
        assert snap.audit()["balanced"].all()
        came = [text.split(" ")[0] + " " + text.split(" ")[1] for text in messages(snap)]
        assert sorted(came) == sorted(scene.written)


def test_reading_into_a_full_disk_says_so_and_goes_on_later(scene: Scene, small_disk: Path) -> None:
    store, filler = small_disk / "incident.duckdb", small_disk / "filler"
    with scene.appending() as out:
        for _ in range(6_000):
            out.write(line(scene.message() + " " + os.urandom(400).hex()))
    filler.write_bytes(bytes(5 << 20))
    with pytest.raises(StoreError, match="No space left"):
        read(scene.folder, store=store, max_retry_seconds=0.05)
    filler.unlink()
    snap = read(scene.folder, store=store)
    assert (len(snap), snap.audit()["balanced"].all()) == (6_000, True)


class Failing:
    """A file layer that fails while it is told to: `Store.commit` raises, before or after it took effect."""

    def __init__(self, patch: pytest.MonkeyPatch, *, after: bool) -> None:
        self.failing = threading.Event()
        self.failed = threading.Event()
        real = Store.commit

        def commit(store: Store, *given: Any) -> int:
            if self.failing.is_set() and not after:
                self.failed.set()
                raise StoreError("expected to write, found the disk gone", path=store.path)
            seq = real(store, *given)
            if self.failing.is_set():
                self.failed.set()
                raise StoreError("expected to write, found the disk gone", path=store.path)
            return seq

        patch.setattr(Store, "commit", commit)


@pytest.mark.parametrize("after", [False, True], ids=["before the commit", "after the commit"])
def test_a_commit_that_fails_is_tried_again_and_doubles_nothing(
    after: bool, scene: Scene, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Failing(monkeypatch, after=after)
    with scene.watch(store=store, commit_seconds=0.0, poll_seconds=0.02) as monitor:
        scene.write(3)
        settle(monitor)
        disk.failing.set()
        scene.write(3)
        assert disk.failed.wait(DEADLINE)
        scene.write(3)
        disk.failing.clear()
        scene.came(settle(monitor))
    scene.came(read(scene.folder, store=store))


def test_stopped_while_the_store_cannot_be_written_loses_nothing(
    scene: Scene, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.write(3)
    disk = Failing(monkeypatch, after=False)
    disk.failing.set()
    with scene.watch(store=store) as monitor:
        monitor._engine.watcher.nudge()
        assert not monitor.wait_idle(0.2)
        assert disk.failed.wait(DEADLINE)
        assert monitor.stop()
        assert monitor.snapshot().capture.store_status.state == "failed"
        assert len(monitor.snapshot()) == 0
    disk.failing.clear()
    scene.came(read(scene.folder, store=store))


def test_a_writer_thread_that_dies_is_replaced_and_what_it_had_is_committed_once(
    scene: Scene, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, deaths = Writer._commit, iter([True, True])

    def commit(writer: Writer, activity: Any) -> None:
        if next(deaths, False):
            raise SystemExit("killed")
        real(writer, activity)

    monkeypatch.setattr(Writer, "_commit", commit)
    scene.write(5)
    with scene.watch(store=store) as monitor:
        snap = settle(monitor)
        scene.came(snap)
        dead = snap.threads[~snap.threads["alive"]]
        assert dead["name"].tolist() == ["logkit-writer"] * 2
        assert dead["last_error"].str.contains("killed").all()


# Back-pressure


def test_a_slow_store_slows_the_readers_and_what_waits_is_bounded_in_bytes(
    scene: Scene, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.write(20_000)
    gate, real, most = threading.Event(), Store.commit, []

    def commit(store: Store, frames: Any, *given: Any) -> int:
        most.append(sum(part.frame.height for part in frames))
        assert gate.wait(DEADLINE)
        return real(store, frames, *given)

    monkeypatch.setattr(Store, "commit", commit)
    block, limit = 1 << 14, 1 << 17
    with scene.watch(store=store, block_bytes=block, max_waiting_bytes=limit, span_bytes=1 << 18) as monitor:
        monitor._engine.watcher.nudge()
        stuck = eventually(
            monitor,
            lambda snap: snap.threads["doing"].eq("room for the store").sum() == monitor.settings.workers,
        )
        status = stuck.capture.store_status
        one_batch = 2 * (block + 64 * block // 70)
        assert limit <= status.waiting_bytes < limit + monitor.settings.workers * one_batch
        held = monitor.snapshot()
        time.sleep(0.05)
        assert monitor.snapshot().capture.store_status.waiting_bytes == held.capture.store_status.waiting_bytes
        gate.set()
        scene.came(settle(monitor))
    assert max(most) < 20_000 / 2


def test_a_batch_larger_than_all_the_room_still_passes(scene: Scene, store: Path) -> None:
    scene.write(5_000)
    scene.came(read(scene.folder, store=store, max_waiting_bytes=1))


def test_planning_does_not_undo_what_the_writer_commits_meanwhile(
    scene: Scene, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watcher replaces a source's progress by what it planned: only what planning changes."""
    from logkit.engine import planning

    real = planning.plan

    def plan(progress: Progress, *given: Any) -> Any:
        planned = real(progress, *given)
        deadline = time.monotonic() + 0.05
        while not delivery[0].settled and time.monotonic() < deadline:
            time.sleep(0.001)  # the writer commits what was taken, after `progress` was looked at
        return planned

    delivery: list[ToWriter] = []
    init = ToWriter.__init__

    def remember(self: ToWriter, state: State, max_bytes: int) -> None:
        init(self, state, max_bytes)
        delivery.append(self)

    monkeypatch.setattr(ToWriter, "__init__", remember)
    monkeypatch.setattr(planning, "plan", plan)
    with scene.watch(store=store, poll_seconds=0.01, commit_seconds=0.0) as monitor:
        for _ in range(30):
            scene.write(10)
            time.sleep(0.005)
        scene.came(settle(monitor))
    scene.came(read(scene.folder, store=store))


def test_who_waits_for_what_was_read_does_not_wait_for_the_pause_between_commits(scene: Scene, store: Path) -> None:
    with scene.watch(store=store, commit_seconds=10 * DEADLINE) as monitor:
        for _ in range(3):
            scene.write(10)
            scene.came(settle(monitor))

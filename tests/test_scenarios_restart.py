"""What happens while nobody watches: a restart on the same store goes on where it ended, whatever became of the files.

A monitor that was stopped and one that was killed leave the same behind (`test_kill9`), so here they are stopped.
"""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

import logkit
from logkit.sinks.store import Store
from logkit.sources.span import digest
from logkit.stats import Stats
from tests.scenario_tools import (
    CODECS,
    NEVER,
    Scene,
    compress,
    line,
    messages,
    read,
    settle,
    watch,
)

pytestmark = pytest.mark.usefixtures("no_thread_left_behind")

ROOTS = ("folder", "file", "glob")
NOT_SPLIT = {"idle_flush_seconds": NEVER}


@pytest.fixture(params=ROOTS)
def rooted(request: pytest.FixtureRequest, tmp_path: Path) -> Scene:
    """A log and what of it is watched."""
    return Scene(tmp_path / "logs", request.param)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "logs")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "incident.duckdb"


def look(scene: Scene, store: Path, **settings: object) -> logkit.Snapshot:
    """Start on the store, see all there is, and stop; the snapshot."""
    with scene.watch(store=store, **settings) as monitor:
        return settle(monitor)


def ended(scene: Scene, store: Path) -> None:
    """In the end everything came, to the snapshot of a last start and to who opens the store."""
    scene.came(look(scene, store, idle_flush_seconds=0.05))
    read(scene.folder, store=store)  # finishes the last records
    scene.came(logkit.open(store))


def test_restart_reads_only_what_is_new(scene: Scene, store: Path) -> None:
    for count in (3, 0, 2):
        scene.write(count)
        snap = look(scene, store)
        scene.came(snap)
        assert snap.files["generation"].tolist() == [0]
    ended(scene, store)


def test_restart_in_the_middle_of_a_large_file(scene: Scene, store: Path) -> None:
    scene.write(20_000)
    small = {"block_bytes": 1 << 14, "span_bytes": 1 << 17, "max_waiting_bytes": 1 << 16, "workers": 3}
    for enough in (1, 5_000, 12_000):
        with scene.watch(store=store, **small) as monitor:
            while len(monitor.snapshot()) < enough:
                monitor.wait_idle(0.01)
        ranges = logkit.open(store)
        assert ranges.audit()["balanced"].all()
    assert 0 < len(logkit.open(store)) < 20_000
    ended(scene, store)


def test_growth_while_down(scene: Scene, store: Path) -> None:
    scene.write(3)
    look(scene, store)
    scene.write(3)
    ended(scene, store)


def test_partial_last_line_across_a_restart(scene: Scene, store: Path) -> None:
    scene.write(2)
    text = scene.text(1)
    with scene.appending() as out:
        out.write(text[:40])
        with scene.watch(store=store, **NOT_SPLIT) as monitor:
            assert not monitor.wait_idle(0.3)
        with scene.watch(store=store, **NOT_SPLIT) as monitor:
            assert not monitor.wait_idle(0.3)
            out.write(text[40:])
            snap = settle(monitor)
    scene.came(snap)
    ended(scene, store)


def test_a_record_of_many_lines_across_a_restart(scene: Scene, store: Path) -> None:
    scene.write(1)
    with scene.appending() as out:
        for number in range(3):
            out.write(b"\tat c.e.Orders.place(Orders.java:%d)\n" % number)
            look(scene, store, **NOT_SPLIT)
    scene.write(1)
    snap = look(scene, store)
    assert len(snap) == 2
    assert snap.events["message"].str.count("\n").tolist() == [3, 0]
    assert snap.audit()["balanced"].all()


def test_a_last_record_that_was_flushed_is_gone_on_from_across_a_restart(scene: Scene, store: Path) -> None:
    scene.write(2)
    with scene.watch(store=store, idle_flush_seconds=0.01) as monitor:
        while logkit.open(store).audit()["committed_bytes"].sum() < scene.log.stat().st_size:
            monitor.wait_idle(1)
    with scene.appending() as out:
        out.write(b"\tat c.e.Orders.place(Orders.java:7)\n")
    scene.write(1)
    snap = look(scene, store)
    size = len(line(scene.written[0]))
    assert snap.events["continues"].isna().tolist() == [True, True, False, True]
    assert snap.events["continues"].dropna().tolist() == [size]
    assert snap.audit()["balanced"].all()


def test_a_line_longer_than_the_limit_across_a_restart(scene: Scene, store: Path) -> None:
    limit = {"max_record_bytes": 4096, "block_bytes": 4096, "max_waiting_bytes": 4096}
    scene.write(1)
    text = line("x" * 30_000)
    with scene.appending() as out:
        out.write(text[:20_000])
        look(scene, store, idle_flush_seconds=0.05, **limit)
        out.write(text[20_000:])
    scene.write(1)
    snap = look(scene, store, **limit)
    assert snap.audit()["balanced"].all()
    assert snap.events["length_bytes"].sum() == scene.log.stat().st_size
    assert snap.events["message"].str.count("x").sum() == 30_000


def test_rename_rotation_while_down(rooted: Scene, store: Path) -> None:
    rooted.write(3)
    look(rooted, store)
    rooted.write(2)
    rooted.log.rename(rooted.rotated(1))
    rooted.write(2)
    rooted.came(look(rooted, store))
    with rooted.appending(rooted.rotated(1)) as out:
        rooted.write(1, out)
    ended(rooted, store)


def test_rotated_twice_while_down(rooted: Scene, store: Path) -> None:
    rooted.write(3)
    look(rooted, store)
    rooted.write(2)
    rooted.log.rename(rooted.rotated(2))
    rooted.write(2)
    rooted.log.rename(rooted.rotated(1))
    rooted.write(2)
    rooted.came(look(rooted, store))
    ended(rooted, store)


def test_a_rotated_file_is_drained_across_a_restart(rooted: Scene, store: Path) -> None:
    rooted.write(3)
    with rooted.watch(store=store) as monitor:
        settle(monitor)
        rooted.log.rename(rooted.rotated(1))
        settle(monitor)
    with rooted.appending(rooted.rotated(1)) as out:
        rooted.write(2, out)
    rooted.write(2)
    rooted.came(look(rooted, store))


@pytest.mark.parametrize("unread", [0, 2])
@pytest.mark.parametrize("fresh", [1, 9])
def test_copytruncate_while_down(unread: int, fresh: int, rooted: Scene, store: Path) -> None:
    rooted.write(3)
    look(rooted, store)
    rooted.write(unread)
    shutil.copyfile(rooted.log, rooted.rotated(1))
    os.truncate(rooted.log, 0)
    rooted.write(fresh)
    rooted.came(look(rooted, store))
    look(rooted, store)
    ended(rooted, store)


def test_copytruncate_with_a_stale_writer_while_down(scene: Scene, store: Path) -> None:
    with scene.log.open("wb", buffering=0) as stale:
        scene.write(3, stale)
        look(scene, store)
        shutil.copyfile(scene.log, scene.rotated(1))
        os.truncate(scene.log, 0)
        scene.write(2, stale)
    snap = look(scene, store)
    scene.came(snap)
    assert "hole" in snap.audit()["skipped_reason"].dropna().iloc[0]
    ended(scene, store)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("unread", [0, 2])
def test_rotated_to_gz_zst_bz2_or_xz_while_down(codec: str, unread: int, scene: Scene, store: Path) -> None:
    if codec == "zst":
        pytest.importorskip("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    scene.write(30)
    look(scene, store)
    scene.write(unread)
    scene.log.rename(scene.rotated(1))
    compress(scene.rotated(1), codec)
    scene.write(2)
    scene.came(look(scene, store))
    look(scene, store)
    ended(scene, store)


def test_a_file_compressed_while_down_of_which_the_middle_was_not_read(scene: Scene, store: Path) -> None:
    scene.write(100)
    size = len(line(scene.written[10]))
    read(scene.folder, store=store)
    with duckdb.connect(
        str(store)
    ) as connection:  # as if it was killed when the first and the last span were committed
        ((low, end),) = connection.execute(
            'SELECT max("offset") FILTER (message = ?), sum(length_bytes) FROM events', [scene.written[40]]
        ).fetchall()
        high = low + 20 * size
        connection.execute('DELETE FROM events WHERE "offset" >= ? AND "offset" < ?', [low, high])
    with closing(Store.open(store)) as opened:
        (one,), _ = opened.load()
        ends = ((low, 0, digest(b""), low - size), *one.ends)
        gap = {"ranges": ((0, low), (high, int(end))), "ends": ends, "events": 80, "event_bytes": int(end) - 20 * size}
        opened.commit([], [replace(one, **gap)], Stats.empty())
    assert logkit.open(store).audit()["balanced"].all()
    scene.log.rename(scene.rotated(1))
    compress(scene.rotated(1))
    snap = look(scene, store)
    assert sorted(messages(snap)) == sorted(scene.written)  # the statistics still count what was taken out by hand
    assert snap.audit()["balanced"].all()


def test_a_copy_already_recognised_is_not_read_after_a_restart(scene: Scene, store: Path) -> None:
    with scene.watch(store=store) as monitor:
        for number in range(1, 5):
            scene.write(10)
            settle(monitor)
            shutil.copyfile(scene.log, scene.rotated(number))
            os.truncate(scene.log, 0)
            settle(monitor)
            if number % 2:
                compress(scene.rotated(number))
                settle(monitor)
    for _ in range(2):
        scene.came(look(scene, store))
    scene.rotated(2).rename(scene.rotated("app.log.2.old"))
    scene.write(1)
    ended(scene, store)


def test_recreated_with_the_same_inode_while_down(scene: Scene, store: Path) -> None:
    scene.write(3)
    look(scene, store)
    inode, others = scene.log.stat().st_ino, 0
    scene.log.unlink()
    scene.write(5)
    while scene.log.stat().st_ino != inode and others < 2_000:  # as the file system gives them out
        scene.log.rename(scene.folder / f"other{others}")
        scene.log.write_bytes((scene.folder / f"other{others}").read_bytes())
        (scene.folder / f"other{others}").unlink()
        others += 1
    if scene.log.stat().st_ino != inode:
        scene.log.unlink()
        pytest.skip("needs a file system that gives an inode out again")
    scene.came(look(scene, store))
    ended(scene, store)


def test_written_anew_in_place_while_down(scene: Scene, store: Path) -> None:
    scene.write(3)
    look(scene, store)
    scene.log.write_bytes(b"")
    scene.write(7)
    snap = look(scene, store)
    scene.came(snap, may_be_lost=scene.written[2:3])  # the last record of what was there had not been finished
    assert sorted(snap.files["generation"]) == [0, 1]


def test_deleted_while_down_keeps_what_was_read(scene: Scene, store: Path) -> None:
    scene.write(3)
    other = scene.folder / "other.log"
    other.write_bytes(scene.text(2))
    look(scene, store, idle_flush_seconds=0.01)
    read(scene.folder, store=store)
    scene.log.unlink()
    snap = look(scene, store)
    scene.came(snap)
    assert snap.files["state"].tolist() == ["gone", "idle"]
    opened = logkit.open(store)
    scene.came(opened)
    assert opened.files["state"].tolist() == ["gone", "stored"]


def test_a_deleted_files_unread_bytes_stay_in_the_ledger(scene: Scene, store: Path) -> None:
    scene.write(3)
    with scene.watch(store=store, **NOT_SPLIT) as monitor:
        settle(monitor)
        with scene.appending() as out:
            out.write(b"2026-03-01 12:00:00,001 INFO half a li")
            assert not monitor.wait_idle(0.3)
            scene.log.unlink()
        monitor._engine.files.close()  # nobody holds it open any more
        snap = settle(monitor)
    opened = logkit.open(store)
    for one in (snap, opened):
        row = one.audit().iloc[0]
        assert row["skipped_bytes"] == len(b"2026-03-01 12:00:00,001 INFO half a li")
        assert row["skipped_reason"] == "deleted before its last record was whole"
        assert row["pending_bytes"] == 0
        assert row["balanced"]


def test_a_file_that_comes_back_after_a_restart_is_not_read_again(scene: Scene, tmp_path: Path, store: Path) -> None:
    scene.write(3)
    look(scene, store)
    away = tmp_path / "away.log"
    scene.log.rename(away)
    look(scene, store)
    away.rename(scene.log)
    scene.write(2)
    ended(scene, store)


def test_one_store_takes_several_folders_one_after_the_other(tmp_path: Path, store: Path) -> None:
    one, two = Scene(tmp_path / "one"), Scene(tmp_path / "two")
    one.write(3)
    two.write(2)
    assert messages(read(one.folder, store=store)) == one.written
    with one.appending() as out:
        out.write(line("not asked for"))
    with two.watch(store=store, poll_seconds=0.02) as monitor:
        settle(monitor)
        snap = settle(monitor)
    assert sorted(messages(snap)) == sorted(one.written + two.written)
    assert sorted(messages(read(one.folder, store=store))) == sorted([*one.written, *two.written, "not asked for"])


def test_read_goes_on_with_what_watch_has_stored(scene: Scene, store: Path) -> None:
    scene.write(3)
    look(scene, store)
    scene.write(3)
    scene.came(read(scene.root, store=store))
    scene.came(read(scene.root, store=store))


def test_utf16_and_compressed_files_go_on_after_a_restart(scene: Scene, store: Path) -> None:
    wide = scene.folder / "wide.log"
    wide.write_bytes(b"\xff\xfe" + scene.text(3).decode().encode("utf-16-le"))
    look(scene, store)
    with wide.open("ab") as out:
        out.write(scene.text(2).decode().encode("utf-16-le"))
    scene.came(look(scene, store))
    ended(scene, store)


def test_restarts_of_a_folder_of_many_files_read_each_once(scene: Scene, store: Path) -> None:
    for number in range(30):
        (scene.folder / f"app{number}.log").write_bytes(scene.text(2))
    for _ in range(2):
        scene.came(look(scene, store))
        for number in range(0, 30, 7):
            scene.write(1, scene.folder / f"app{number}.log")
    ended(scene, store)


def watch_twice(scene: Scene, store: Path) -> list[logkit.Monitor]:
    return [watch(scene.root, store=store) for _ in range(2)]


def test_a_cell_run_twice_goes_on_with_its_store(scene: Scene, store: Path) -> None:
    scene.write(3)
    first, second = watch_twice(scene, store)
    with second:
        scene.came(settle(second))
    assert first.state == "stopped"

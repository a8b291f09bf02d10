"""Files that shrink, vanish or are replaced: copytruncate, holes, deletion, re-creation with the same inode.

Each comment says what is promised where data is destroyed before any scan could see it: such lines may be lost, never
doubled, and all others come out once.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.scenario_tools import (
    DEADLINE,
    NEVER,
    ROOTS,
    Scene,
    assert_balanced,
    compress,
    messages,
    settle,
)

pytestmark = pytest.mark.usefixtures("no_thread_left_behind")


def copytruncate(scene: Scene) -> None:
    """What `logrotate` does with `copytruncate`: the log keeps its inode."""
    shutil.copy2(scene.log, scene.rotated(1))
    os.truncate(scene.log, 0)


# -- copytruncate


@pytest.mark.parametrize("count", [0, 3, 10, 25])
def test_copytruncate_live(count: int, scene: Scene) -> None:
    # All had been read when the log was cut: nothing may be lost, and the copy is nothing new. Afterwards the log is
    # empty, shorter than before, as long, or longer, which no look at its size could tell from growth.
    scene.write(10)
    with scene.watch() as monitor:
        settle(monitor)
        copytruncate(scene)
        scene.write(count)
        scene.came(settle(monitor))
        scene.write(2)
        scene.came(settle(monitor))


def test_copytruncate_with_unread_lines_takes_them_from_the_copy(scene: Scene) -> None:
    # Where the copy's name is not watched, the unread lines were destroyed in the only file there is: they may be lost.
    scene.write(40)
    with scene.watch() as monitor:
        settle(monitor)
        unread = scene.write(10)
        copytruncate(scene)
        scene.write(5)
        scene.came(settle(monitor), may_be_lost=() if scene.sees_rotated_names else unread)


def test_copytruncate_loses_what_was_written_between_its_two_steps(scene: Scene) -> None:
    # Not ours to keep: those lines are in no file any more, unless a scan fell between the two steps.
    scene.write(40)
    with scene.watch() as monitor:
        settle(monitor)
        shutil.copy2(scene.log, scene.rotated(1))
        doomed = scene.write(5)
        os.truncate(scene.log, 0)
        scene.write(5)
        scene.came(settle(monitor), may_be_lost=doomed)


def test_copytruncate_again_and_again(scene: Scene) -> None:
    scene.write(20)
    with scene.watch() as monitor:
        for number in range(4, 0, -1):
            settle(monitor)
            for old in range(9, 0, -1):
                if scene.rotated(old).exists():
                    scene.rotated(old).rename(scene.rotated(old + 1))
            copytruncate(scene)
            scene.write(7 * number)
        scene.came(settle(monitor))


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.9, 1.0])
def test_a_scan_in_the_middle_of_copytruncate_reads_nothing_twice(fraction: float, folder: Scene) -> None:
    # The copy is there, in part or whole, and the log not yet cut.
    folder.write(100)
    with folder.watch() as monitor:
        settle(monitor)
        data = folder.log.read_bytes()
        folder.rotated(1).write_bytes(data[: int(len(data) * fraction)])
        folder.came(settle(monitor))
        folder.rotated(1).write_bytes(data)
        folder.came(settle(monitor))
        os.truncate(folder.log, 0)
        folder.write(5)
        folder.came(settle(monitor))


def test_a_log_cut_after_its_copy_is_gone_keeps_its_open_record(folder: Scene) -> None:
    # The last record was shown and cannot be read again, from the log or from the copy: it stays, and is finished.
    folder.write(10)
    with folder.watch(idle_flush_seconds=NEVER, follow_seconds=0.0) as monitor:
        settle(monitor)
        shutil.copy2(folder.log, folder.rotated(1))
        settle(monitor)
        folder.rotated(1).unlink()
        settle(monitor)
        size = folder.log.stat().st_size
        os.truncate(folder.log, 0)
        folder.write(2)
        snap = settle(monitor)
    folder.came(snap)
    audit = snap.audit()
    assert audit.loc[(audit["path"] == str(folder.log)) & (audit["generation"] == 0), "committed_bytes"].tolist() == [
        size
    ]


def test_copytruncate_and_compress_is_not_read_again(folder: Scene) -> None:
    folder.write(40)
    with folder.watch() as monitor:
        settle(monitor)
        copytruncate(folder)
        folder.write(5)
        settle(monitor)
        compress(folder.rotated(1))
        folder.came(settle(monitor))


@pytest.mark.parametrize("emptied_first", [True, False], ids=["seen empty", "never seen empty"])
def test_copytruncate_with_a_stale_writer_leaves_a_hole(emptied_first: bool, scene: Scene) -> None:
    # The writer goes on at its old position: bytes before it read as NUL, and are no part of any line.
    with scene.log.open("wb", buffering=0) as stale:
        scene.write(30, stale)  # type: ignore[arg-type]
        with scene.watch() as monitor:
            settle(monitor)
            copytruncate(scene)
            if emptied_first:
                settle(monitor)
            scene.write(5, stale)  # type: ignore[arg-type]
            scene.came(settle(monitor))
            scene.write(5, stale)  # type: ignore[arg-type]
            snap = settle(monitor)
            scene.came(snap)
            assert not any("\0" in message for message in messages(snap))


def test_a_hole_larger_than_any_record_is_passed_over(folder: Scene) -> None:
    # Two days of log before the cut: 64 MiB of nothing, which must not become megabytes of NUL text.
    with folder.log.open("wb", buffering=0) as stale:
        folder.write(10, stale)  # type: ignore[arg-type]
        with folder.watch(max_record_bytes=4096, block_bytes=16384, span_bytes=1 << 20) as monitor:
            settle(monitor)
            os.truncate(folder.log, 0)
            stale.seek(64 << 20)
            folder.write(5, stale)  # type: ignore[arg-type]
            snap = settle(monitor, 3 * DEADLINE)
            folder.came(snap)
            newest = snap.audit().iloc[-1]
            assert newest["seen_bytes"] == folder.log.stat().st_size
            assert newest["skipped_bytes"] == 64 << 20
            assert newest["skipped_reason"]


# -- cut and written anew, without a copy


@pytest.mark.parametrize("count", [1, 10, 30])
def test_a_log_overwritten_in_place_is_read_from_its_start(count: int, scene: Scene) -> None:
    # `service > app.log`: all that was read stays counted, what stands there now is new, also when it is as long or
    # longer than what stood there before.
    scene.write(10)
    with scene.watch() as monitor:
        settle(monitor)
        scene.log.write_bytes(scene.text(count))
        scene.came(settle(monitor))


def test_a_log_overwritten_with_unread_lines_in_it(scene: Scene) -> None:
    # The unread lines were destroyed before a scan: they may be lost.
    scene.write(10)
    with scene.watch() as monitor:
        settle(monitor)
        doomed = scene.write(5)
        scene.log.write_bytes(scene.text(40))
        scene.came(settle(monitor), may_be_lost=doomed)


@pytest.mark.parametrize("count", [10, 20, 60])
def test_a_log_overwritten_behind_the_same_banner_is_read_from_its_start(count: int, folder: Scene) -> None:
    # Its first kilobytes are the same as before, its size no smaller: the bytes before the offset read to tell.
    banner = b"".join(b"# banner line %d of a tool that prints a lot before it starts\n" % n for n in range(40))
    folder.log.write_bytes(banner + folder.text(10))
    with folder.watch() as monitor:
        settle(monitor)
        folder.log.write_bytes(banner + folder.text(count))
        snap = settle(monitor)
        own = snap.events[snap.events["message"].str.startswith("number")]
        assert sorted(own["message"]) == sorted(folder.written)
        assert snap.audit()["balanced"].all()


def test_a_log_cut_to_a_part_of_itself_loses_no_line(folder: Scene) -> None:
    # `truncate -s` to a line's end. A file that has shrunk may be read from its start, as nothing proves that what is
    # left is what was there: those lines, and no others, may come a second time.
    folder.write(20)
    with folder.watch() as monitor:
        settle(monitor)
        length = len(folder.log.read_bytes().splitlines(keepends=True)[0])
        os.truncate(folder.log, 5 * length)
        folder.write(3)
        snap = settle(monitor)
    came = Counter(messages(snap))
    assert came.keys() == set(folder.written)
    assert {message for message, times in came.items() if times > 1} <= set(folder.written[:5])
    assert_balanced(snap)


def test_another_file_is_moved_over_the_log(scene: Scene) -> None:
    # An atomic replacement destroys the old file: what it had unread may be lost.
    scene.write(10)
    with scene.watch() as monitor:
        settle(monitor)
        doomed = scene.write(2)
        scene.write(12, scene.folder / ".new")
        (scene.folder / ".new").replace(scene.log)
        scene.came(settle(monitor), may_be_lost=doomed)


# -- deletion


def test_file_deleted_while_being_read(tmp_path: Path) -> None:
    # A reader that has it open reads it to its end: deletion takes the name, and the bytes only after the last close.
    for root in ROOTS:
        scene = Scene(tmp_path / root, root)
        scene.write(500)

        def deletes(path: str, log: Path = scene.log) -> str:
            log.unlink(missing_ok=True)
            return "orders"

        with scene.watch(service=deletes, block_bytes=512, workers=1) as monitor:
            settle(monitor)
            assert not scene.log.exists()
            scene.came(settle(monitor))


def test_a_file_of_many_spans_deleted_while_being_read_says_what_is_missing(tmp_path: Path) -> None:
    # Spans not begun may have lost their file: then lines may be missing, and the ledger must say how many bytes.
    scene = Scene(tmp_path)
    scene.write(2000)
    size = scene.log.stat().st_size

    def deletes(path: str) -> str:
        scene.log.unlink(missing_ok=True)
        return "orders"

    with scene.watch(service=deletes, block_bytes=2048, span_bytes=4096, workers=1, queue_size=1) as monitor:
        settle(monitor)
        snap = settle(monitor)
    scene.came(snap, may_be_lost=scene.written)
    files, audit = snap.files.iloc[0], snap.audit().iloc[0]
    missing = size - int(snap.events["length_bytes"].sum())
    assert files["state"] == "gone"
    assert missing == 0 or missing == files["lag_bytes"] or missing == audit["skipped_bytes"]
    assert missing == 0 or files["error"] or audit["skipped_reason"]


def test_deleted_with_unread_lines(scene: Scene) -> None:
    # What was destroyed before a scan may be lost; what was read stays.
    scene.write(10)
    with scene.watch(missing_ok=True) as monitor:
        settle(monitor)
        doomed = scene.write(5)
        scene.log.unlink()
        snap = settle(monitor)
        scene.came(snap, may_be_lost=doomed)
        assert snap.files["state"].tolist() == ["gone"]
        scene.write(5)
        scene.came(settle(monitor), may_be_lost=doomed)


def recreate(path: Path, text: bytes) -> None:
    """Delete the file and make a new one with its inode; the test is skipped where the file system never does that."""
    inode, spares = path.stat().st_ino, []
    path.unlink()
    for number in range(64):
        spare = path.with_name(f".spare{number}")
        spare.write_bytes(text)
        if spare.stat().st_ino == inode:
            spare.rename(path)
            break
        spares.append(spare)
    for spare in spares:
        spare.unlink()
    if not path.exists():
        pytest.skip("needs a file system that gives a free inode to the next new file; this one does not")


@pytest.mark.parametrize("count", [1, 10, 30])
def test_recreated_with_the_same_inode(count: int, scene: Scene) -> None:
    # Same inode, and shorter, as long, or longer than the file that was read: only its bytes tell that it is new.
    scene.write(10)
    with scene.watch() as monitor:
        settle(monitor)
        recreate(scene.log, scene.text(count))
        scene.came(settle(monitor))


def test_another_name_gets_the_inode_of_a_deleted_file(folder: Scene) -> None:
    folder.write(10)
    with folder.watch() as monitor:
        settle(monitor)
        recreate(folder.log, folder.text(12))
        folder.log.rename(folder.rotated("other.log"))
        folder.came(settle(monitor))


def test_deleted_and_recreated_again_and_again(scene: Scene) -> None:
    with scene.watch(missing_ok=True) as monitor:
        for count in (3, 9, 1, 20):
            scene.write(count)
            settle(monitor)
            scene.log.unlink()
        settle(monitor)
        scene.write(4)
        scene.came(settle(monitor))

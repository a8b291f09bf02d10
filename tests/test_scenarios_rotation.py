"""Rotation by renaming: every line once, whatever is watched and whether or not a scan saw the steps.

Where a test watches "between scans", nothing looks at the disk between two settles: all steps there are one step to the
engine. A comment says what is promised where the operating system destroys data before any scan could see it.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
from pathlib import Path

import pytest

from tests.scenario_tools import (
    CODECS,
    NEVER,
    ROOTS,
    WATCHING,
    Scene,
    compress,
    compressed,
    line,
    messages,
    settle,
    watch,
)

pytestmark = pytest.mark.usefixtures("no_thread_left_behind")


# -- one rename


def test_rename_rotation_drains_the_old_file(scene: Scene) -> None:
    # Every byte stays on disk. The old file was known, so its end is owed even where its new name is not watched.
    with scene.appending() as old:
        scene.write(10, old)
        with scene.watch() as monitor:
            settle(monitor)
            scene.write(5, old)
            scene.log.rename(scene.rotated(1))
            scene.write(5, old)  # the writer has not reopened its file yet
            scene.write(5)
            settle(monitor)
            scene.write(3, old)  # and another one never does
            scene.write(2)
            scene.came(settle(monitor))


def test_the_old_file_is_drained_while_there_is_no_new_one(scene: Scene) -> None:
    with scene.appending() as old:
        scene.write(10, old)
        with scene.watch() as monitor:
            settle(monitor)
            scene.log.rename(scene.rotated(1))
            settle(monitor)
            scene.write(5, old)
            scene.came(settle(monitor))
            scene.write(5)
            scene.came(settle(monitor))


def test_a_last_line_without_newline_is_kept_when_its_file_is_rotated(scene: Scene) -> None:
    scene.write(3)
    with scene.watch() as monitor:
        settle(monitor)
        with scene.appending() as out:
            out.write(scene.text(1).rstrip(b"\n"))
        scene.log.rename(scene.rotated(1))
        scene.write(3)
        scene.came(settle(monitor))


def test_a_line_cut_by_the_rotation_is_finished_in_the_old_file(scene: Scene) -> None:
    with scene.appending() as old:
        scene.write(3, old)
        with scene.watch(idle_flush_seconds=NEVER) as monitor:
            settle(monitor)
            text = scene.text(1)
            old.write(text[:70])
            scene.log.rename(scene.rotated(1))
            scene.write(2)
            monitor.wait_idle(0.3)  # looks, and half a line is waited for
            old.write(text[70:])
            scene.came(settle(monitor))


@pytest.mark.parametrize("count", [1, 5, 10, 11, 50])
def test_a_new_file_of_any_length_is_read_from_its_start(count: int, scene: Scene) -> None:
    # As long as the old one, shorter, or longer: size alone tells nothing about which file stands there.
    scene.write(10)
    with scene.watch() as monitor:
        settle(monitor)
        scene.log.rename(scene.rotated(1))
        scene.write(count)
        scene.came(settle(monitor))


def test_a_rotated_name_that_the_glob_takes_too_is_one_file(scene: Scene) -> None:
    scene.write(10)
    with scene.watch() as monitor:
        settle(monitor)
        scene.write(5)
        scene.log.rename(scene.rotated("app.2026-03-01.log"))
        scene.write(5)
        scene.came(settle(monitor))


def test_a_file_shorter_than_its_fingerprint_stays_itself_while_it_grows_and_is_renamed(scene: Scene) -> None:
    with scene.appending() as out, scene.watch(missing_ok=True) as monitor:
        for _ in range(4):  # past the first kilobyte step by step
            scene.write(5, out)
            settle(monitor)
        scene.log.rename(scene.rotated(1))
        scene.write(1, out)
        settle(monitor)
        scene.write(1)
        scene.came(settle(monitor))


def test_an_empty_file_rotated_before_its_first_line(scene: Scene) -> None:
    with scene.appending() as old, scene.watch() as monitor:
        settle(monitor)
        scene.log.rename(scene.rotated(1))
        scene.write(5)
        scene.write(5, old)
        scene.came(settle(monitor))


# -- several renames


def shift(scene: Scene, keep: int = 99) -> None:
    """What a rotation does: `.1` becomes `.2` and so on, the log becomes `.1`; no file is removed."""
    for number in range(keep, 0, -1):
        if scene.rotated(number).exists():
            scene.rotated(number).rename(scene.rotated(number + 1))
    scene.log.rename(scene.rotated(1))


def test_rotated_again_and_again_reads_each_file_once(scene: Scene) -> None:
    scene.write(5)
    with scene.watch() as monitor:
        for _ in range(6):
            settle(monitor)
            scene.write(3)
            shift(scene)
            scene.write(5)
        scene.came(settle(monitor))


def test_rotated_twice_between_two_scans(folder: Scene) -> None:
    folder.write(10)
    with folder.watch() as monitor:
        settle(monitor)
        for _ in range(2):
            folder.write(5)
            shift(folder)
        folder.write(5)
        folder.came(settle(monitor))


@pytest.mark.parametrize("root", ["file", "glob"])
def test_rotated_twice_between_two_scans_drains_the_old_file_wherever_it_went(root: str, tmp_path: Path) -> None:
    # The file in the middle never stood under a watched name when a scan looked: here it may be missing, never doubled.
    scene = Scene(tmp_path, root)
    scene.write(10)
    with scene.watch() as monitor:
        settle(monitor)
        scene.write(5)
        shift(scene)
        middle = scene.write(5)
        shift(scene)
        scene.write(5)
        scene.came(settle(monitor), may_be_lost=middle)


@pytest.mark.parametrize("root", ["file", "glob"])
def test_rotated_twice_between_two_scans_reads_the_file_in_the_middle(root: str, tmp_path: Path) -> None:
    # Stricter than the test above: it is on disk, under a rotated name of the watched one, newer than the old file.
    scene = Scene(tmp_path, root)
    scene.write(10)
    with scene.watch() as monitor:
        settle(monitor)
        shift(scene)
        scene.write(5)
        shift(scene)
        scene.write(5)
        scene.came(settle(monitor))


@pytest.mark.parametrize("root", ["file", "glob"])
def test_rotated_files_that_were_there_before_are_not_what_was_asked_for(root: str, tmp_path: Path) -> None:
    scene = Scene(tmp_path, root)
    for number in (1, 2):
        scene.rotated(number).write_bytes(b"".join(line(f"older {number}.{n}") for n in range(20)))
    scene.write(10)
    with scene.watch() as monitor:
        scene.came(settle(monitor))
        for _ in range(2):
            shift(scene)
            scene.write(5)
            scene.came(settle(monitor))


def test_the_oldest_file_is_removed_by_the_rotation(scene: Scene) -> None:
    # What a settle has seen is kept. Lines written since to a file that is then removed exist nowhere: they may be
    # lost.
    scene.write(5)
    with scene.watch() as monitor:
        for _ in range(3):
            settle(monitor)
            shift(scene)
            scene.write(5)
        settle(monitor)
        doomed = scene.write(4, scene.rotated(3))
        scene.rotated(3).unlink()
        shift(scene)
        scene.write(5)
        scene.came(settle(monitor), may_be_lost=doomed)


def test_two_logs_that_change_names_are_not_read_again(folder: Scene) -> None:
    other = folder.rotated("other.log")
    folder.write(10)
    folder.write(15, other)
    with folder.watch() as monitor:
        settle(monitor)
        folder.log.rename(folder.rotated("between"))
        other.rename(folder.log)
        folder.rotated("between").rename(other)
        folder.write(3)
        folder.write(3, other)
        folder.came(settle(monitor))


def test_a_file_moved_to_another_watched_folder_is_one_file(folder: Scene) -> None:
    folder.write(10)
    with folder.watch() as monitor:
        settle(monitor)
        folder.write(5)
        (folder.folder / "archive").mkdir()
        folder.log.rename(folder.folder / "archive" / "app-old.log")
        folder.write(5)
        folder.came(settle(monitor))


def test_a_file_moved_out_of_sight_and_back_is_not_read_again(folder: Scene, tmp_path: Path) -> None:
    folder.write(10)
    folder.write(1, folder.rotated("other.log"))
    with folder.watch() as monitor:
        settle(monitor)
        folder.log.rename(tmp_path / "elsewhere")
        settle(monitor)
        folder.write(5, tmp_path / "elsewhere")
        (tmp_path / "elsewhere").rename(folder.log)
        folder.came(settle(monitor))


def test_a_folder_that_goes_away_and_comes_back_is_not_read_again(folder: Scene, tmp_path: Path) -> None:
    # As when a share is mounted again: the same files, and what was written to them meanwhile.
    folder.write(10)
    folder.write(3, folder.rotated(1))
    with folder.watch() as monitor:
        settle(monitor)
        folder.folder.rename(tmp_path / "away")
        settle(monitor)
        (tmp_path / "away").rename(folder.folder)
        folder.write(5)
        folder.came(settle(monitor))


# -- rotation while something else goes on


@pytest.mark.parametrize("root", ROOTS)
def test_a_file_rotated_while_a_worker_reads_it_is_read_to_its_end(root: str, tmp_path: Path) -> None:
    scene = Scene(tmp_path, root)
    scene.write(200)
    steps = iter([lambda: shift(scene), lambda: scene.write(5)])

    def rotates(path: str) -> str:
        next(steps, lambda: None)()
        return "orders"

    with scene.watch(service=rotates, block_bytes=512, workers=1) as monitor:
        settle(monitor)
        scene.came(settle(monitor))


@pytest.mark.parametrize("root", ROOTS)
def test_a_span_that_failed_is_retried_on_its_own_file_after_a_rotation(root: str, tmp_path: Path) -> None:
    scene = Scene(tmp_path, root)
    scene.write(20)
    calls = []

    def fails_once(path: str) -> str:
        calls.append(path)
        if len(calls) == 1:
            shift(scene)
            scene.write(30)
            raise RuntimeError("on purpose")
        return "orders"

    with scene.watch(service=fails_once, workers=1) as monitor:
        settle(monitor)
        scene.came(settle(monitor))


def test_the_standard_library_rotates_under_load(tmp_path: Path) -> None:
    # 1,000 lines over some 12 files, none of which is removed, with scans wherever they fall.
    handler = logging.handlers.RotatingFileHandler(tmp_path / "app.log", maxBytes=8192, backupCount=1000)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-5s [orders] [main] c.e.Orders - %(message)s"))
    logger = logging.Logger("load")
    logger.addHandler(handler)
    written = [f"number <{number}>" for number in range(1000)]
    with watch(tmp_path, poll_seconds=0.01) as monitor:
        for message in written:
            logger.info(message)
        handler.close()
        snap = settle(monitor, 60)
    scene = Scene(tmp_path)
    scene.written = written
    scene.came(snap)


# -- rotated to a compressed name


@pytest.mark.parametrize("count", [1, 100])
def test_rotated_to_gz_is_not_read_again(count: int, scene: Scene) -> None:
    # Shorter and longer than the first kilobyte, by which a file is known.
    scene.write(count)
    with scene.watch() as monitor:
        settle(monitor)
        scene.log.rename(scene.rotated(1))
        scene.write(5)
        settle(monitor)
        compress(scene.rotated(1))
        scene.write(5)
        scene.came(settle(monitor))


def test_rotated_and_compressed_between_two_scans_is_not_read_again(scene: Scene) -> None:
    scene.write(40)
    with scene.watch() as monitor:
        settle(monitor)
        scene.log.rename(scene.rotated(1))
        scene.write(5)
        compress(scene.rotated(1))
        scene.came(settle(monitor))


def test_lines_nobody_had_read_are_taken_from_the_compressed_file(scene: Scene) -> None:
    # Where its name is not watched, the compressed file is out of reach and the plain one destroyed: its last lines may
    # be lost there, and there only.
    scene.write(40)
    with scene.watch() as monitor:
        settle(monitor)
        unread = scene.write(5)
        scene.log.rename(scene.rotated(1))
        scene.write(5)
        compress(scene.rotated(1))
        scene.came(settle(monitor), may_be_lost=() if scene.sees_rotated_names else unread)


@pytest.mark.parametrize("codec", [codec for codec in CODECS if codec != "gz"])
@pytest.mark.parametrize("unread", [0, 5])
def test_rotated_to_zst_bz2_or_xz_gives_only_what_nobody_had_read(unread: int, codec: str, tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.write(40)
    with scene.watch() as monitor:
        settle(monitor)
        scene.write(unread)
        scene.log.rename(scene.rotated(1))
        scene.write(5)
        compress(scene.rotated(1), codec)
        scene.came(settle(monitor))


def test_compressed_files_move_along_the_chain_and_are_not_read_again(folder: Scene) -> None:
    folder.write(20)
    with folder.watch() as monitor:
        for _ in range(4):
            settle(monitor)
            for number in range(9, 0, -1):
                if folder.rotated(f"app.log.{number}.gz").exists():
                    folder.rotated(f"app.log.{number}.gz").rename(folder.rotated(f"app.log.{number + 1}.gz"))
            folder.log.rename(folder.rotated(1))
            compress(folder.rotated(1))
            folder.write(20)
        folder.came(settle(monitor))


@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.99])
def test_a_scan_while_the_rotated_file_is_being_compressed_reads_nothing_twice(fraction: float, folder: Scene) -> None:
    # The plain file is still there, and a part of the compressed one is there already.
    folder.write(100)
    with folder.watch() as monitor:
        settle(monitor)
        folder.log.rename(folder.rotated(1))
        folder.write(5)
        data = compressed(folder.rotated(1).read_bytes(), "gz")
        target = folder.rotated("app.log.1.gz")
        target.write_bytes(data[: int(len(data) * fraction)])
        folder.came(settle(monitor))
        target.write_bytes(data)
        folder.came(settle(monitor))
        folder.rotated(1).unlink()
        folder.came(settle(monitor))


def test_the_log_itself_is_compressed_and_begun_anew(folder: Scene) -> None:
    # As some loggers do it: app.log becomes app.log.1.gz without a name in between.
    folder.write(40)
    with folder.watch() as monitor:
        settle(monitor)
        folder.write(5)
        folder.rotated("app.log.1.gz").write_bytes(compressed(folder.log.read_bytes(), "gz"))
        folder.log.unlink()
        folder.write(5)
        folder.came(settle(monitor))


def test_a_compressed_file_that_only_begins_like_a_known_one_is_read(folder: Scene) -> None:
    # The same first kilobytes, as of a log with a banner, and then lines of its own: fewer than were read of the known
    # file, and more.
    banner = b"".join(b"# banner line %d of a tool that prints a lot before it starts\n" % n for n in range(40))
    with folder.watch() as monitor:
        folder.log.write_bytes(banner + folder.text(50))
        known = messages(settle(monitor))
        for name, count in (("few.log.1.gz", 3), ("many.log.1.gz", 200)):
            folder.rotated(name).write_bytes(compressed(banner + folder.text(count), "gz"))
        snap = settle(monitor)
        own = snap.events[snap.events["message"].str.startswith("number")]
        assert sorted(own["message"]) == sorted(folder.written)
        assert len(snap) == len(known) + 2 * (len(known) - 50) + 203
        assert snap.audit()["balanced"].all()


# -- links


def test_symlink_retargeted(tmp_path: Path) -> None:
    # Only the link is watched. Lines written to the old target before the link moved are owed: they are still on disk.
    for watching in WATCHING:
        real, here = tmp_path / watching / "real", Scene(tmp_path / watching / "logs", "file", watching)
        real.mkdir()
        here.write(10, real / "one.log")
        here.log.symlink_to(real / "one.log")
        with here.watch() as monitor:
            settle(monitor)
            here.write(5, real / "one.log")
            here.write(7, real / "two.log")
            retarget(here.log, real / "two.log")
            here.came(settle(monitor))
            here.write(3, real / "two.log")
            here.came(settle(monitor))


@pytest.mark.parametrize("root", ["folder", "glob"])
def test_symlink_retargeted_in_a_watched_folder(root: str, tmp_path: Path) -> None:
    scene = Scene(tmp_path / "logs", root)
    (tmp_path / "real").mkdir()
    scene.write(10, tmp_path / "real" / "one")
    scene.log.symlink_to(tmp_path / "real" / "one")
    with scene.watch() as monitor:
        settle(monitor)
        scene.write(5, tmp_path / "real" / "one")
        scene.write(7, tmp_path / "real" / "two")
        retarget(scene.log, tmp_path / "real" / "two")
        scene.came(settle(monitor))
        retarget(scene.log, tmp_path / "real" / "one")  # and back: nothing twice
        scene.write(2)
        scene.came(settle(monitor))


def test_symlink_beside_its_targets_is_another_name_and_no_other_file(folder: Scene) -> None:
    folder.write(10, folder.rotated("app-1.log"))
    folder.log.symlink_to("app-1.log")
    with folder.watch() as monitor:
        folder.came(settle(monitor))
        folder.write(5)
        folder.write(5, folder.rotated("app-2.log"))
        retarget(folder.log, Path("app-2.log"))
        folder.write(5)
        folder.came(settle(monitor))


def test_a_watched_folder_that_is_a_symlink_is_retargeted(tmp_path: Path) -> None:
    scene, link = Scene(tmp_path / "release-1"), tmp_path / "current"
    scene.write(10)
    link.symlink_to("release-1")
    with watch(link, notify=False, poll_seconds=NEVER) as monitor:
        settle(monitor)
        (tmp_path / "release-2").mkdir()
        scene.write(5, tmp_path / "release-2" / "app.log")
        retarget(link, Path("release-2"))
        scene.came(settle(monitor))


def retarget(link: Path, target: Path) -> None:
    """Replace a link in one step, as `ln -sfT` and deployment tools do."""
    link.with_name(".link").symlink_to(target)
    link.with_name(".link").replace(link)


def test_hard_link_is_one_file_under_either_name(folder: Scene) -> None:
    other = folder.rotated("zz-other-name.log")
    folder.write(10)
    os.link(folder.log, other)
    with folder.watch() as monitor:
        folder.came(settle(monitor))
        folder.log.unlink()
        folder.write(5, other)
        folder.came(settle(monitor))
        folder.write(5)  # a new file under the first name
        folder.came(settle(monitor))


def test_rotated_by_hard_link_and_unlink(scene: Scene) -> None:
    with scene.appending() as old:
        scene.write(10, old)
        with scene.watch() as monitor:
            settle(monitor)
            scene.write(5, old)
            os.link(scene.log, scene.rotated(1))
            scene.log.unlink()
            scene.write(5, old)
            scene.write(5)
            scene.came(settle(monitor))

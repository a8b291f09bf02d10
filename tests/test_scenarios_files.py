"""Which files there are, and whether they can be opened: names, folders, links, permissions, special files, numbers."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import logkit
from tests.scenario_tools import (
    DEADLINE,
    NEVER,
    ROOTS,
    WATCHING,
    Scene,
    assert_came,
    eventually,
    line,
    messages,
    read,
    script,
    settle,
    watch,
)

MANY_FILES = int(os.environ.get("LOGKIT_TEST_FILES", "0"))
"""How many files the test of many files makes, each with lines; by default 2,000, and lines in some of them only."""


pytestmark = pytest.mark.usefixtures("no_thread_left_behind")


def reasons(snap: logkit.Snapshot) -> dict[str, str]:
    """The name of each path that was passed over, with the reason."""
    return {os.path.basename(path): reason for path, reason in zip(*snap.skipped.to_dict("list").values(), strict=True)}


# -- growth


def test_growth_is_read_once(scene: Scene) -> None:
    scene.write(1)
    with scene.watch() as monitor, scene.appending() as out:
        for count in (1, 2, 50, 1):
            scene.write(count, out)
            scene.came(settle(monitor))


def test_several_files_at_once(folder: Scene) -> None:
    with folder.watch() as monitor:
        for _ in range(4):
            for name in ("a.log", "b.log", "deep/c.log", "deep/er/d.log"):
                (folder.folder / name).parent.mkdir(parents=True, exist_ok=True)
                folder.write(5, folder.folder / name)
        snap = settle(monitor)
    folder.came(snap)
    assert snap.files["events"].tolist() == [20] * 4


def test_several_writers_at_once(tmp_path: Path) -> None:
    written = [f"number <{number}>" for number in range(2000)]

    def write(part: int) -> None:
        with (tmp_path / f"{part}.log").open("ab", buffering=0) as out:
            for message in written[part::4]:
                out.write(line(message))

    with watch(tmp_path, poll_seconds=0.01) as monitor:
        writers = [threading.Thread(target=write, args=(part,)) for part in range(4)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join(DEADLINE)
        assert_came(settle(monitor), written)


def test_file_created_after_start(folder: Scene) -> None:
    with folder.watch() as monitor:
        settle(monitor)
        folder.write(3)
        folder.came(settle(monitor))


def test_file_of_a_glob_created_after_start(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "glob")
    with scene.watch(missing_ok=True) as monitor:
        settle(monitor)
        scene.write(3)
        scene.write(3, tmp_path / "second.log")
        scene.came(settle(monitor))


def test_folder_created_after_start(folder: Scene) -> None:
    with folder.watch() as monitor:
        settle(monitor)
        (folder.folder / "new" / "deep").mkdir(parents=True)
        folder.write(3, folder.folder / "new" / "deep" / "app.log")
        folder.came(settle(monitor))
        folder.write(3, folder.folder / "new" / "deep" / "app.log")
        folder.came(settle(monitor))


@pytest.mark.parametrize("watching", WATCHING)
@pytest.mark.parametrize("root", ROOTS)
def test_folder_missing_then_created(root: str, watching: str, tmp_path: Path) -> None:
    scene = Scene(tmp_path / "away" / "logs", root, watching)
    scene.folder.rmdir()
    scene.folder.parent.rmdir()
    with scene.watch(missing_ok=True) as monitor:
        assert len(settle(monitor)) == 0
        scene.folder.mkdir(parents=True)
        scene.write(3)
        scene.came(settle(monitor))


def test_the_watched_folder_is_deleted_and_made_again(folder: Scene) -> None:
    folder.write(10)
    with folder.watch() as monitor:
        settle(monitor)
        folder.log.unlink()
        folder.folder.rmdir()
        settle(monitor)
        folder.folder.mkdir()
        folder.write(12)
        folder.came(settle(monitor))


def test_polling_alone_finds_growth(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.write(1)
    with watch(tmp_path, notify=False) as monitor:
        eventually(monitor, lambda snap: len(snap) == 1)
        scene.write(2)
        eventually(monitor, lambda snap: len(snap) == 3)
        scene.write(2, tmp_path / "new.log")
        scene.came(eventually(monitor, lambda snap: len(snap) == 5))


@pytest.mark.parametrize("failing", [False, True], ids=["silent", "failing"])
def test_growth_is_found_where_change_notification_is_not(
    failing: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Silent as on a bind mount, or failing as where the limit of watches is reached.
    def notifies(*_: Any, stop_event: threading.Event, **__: Any) -> Iterator[set[Any]]:
        if failing:
            raise OSError(28, "OS file watch limit reached")
        while not stop_event.wait(0.05):
            yield set()

    monkeypatch.setattr("watchfiles.watch", notifies)
    scene = Scene(tmp_path)
    with watch(tmp_path) as monitor:
        for total in (2, 4):
            scene.write(2)
            scene.came(eventually(monitor, lambda snap, total=total: len(snap) == total))


def test_notification_finds_growth_long_before_the_next_scan(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.write(1)
    with watch(tmp_path, poll_seconds=NEVER) as monitor:
        settle(monitor)
        scene.write(1)
        scene.came(eventually(monitor, lambda snap: len(snap) == 2))


# -- small and equal files


def test_empty_file(folder: Scene) -> None:
    folder.log.touch()
    with folder.watch() as monitor:
        snap = settle(monitor)
        assert len(snap) == 0
        assert snap.files["size_bytes"].tolist() == [0]
        folder.write(2)
        folder.came(settle(monitor))


def test_many_empty_files_are_many_files(folder: Scene) -> None:
    # Nothing to tell them apart by but their inodes, until each gets lines of its own.
    paths = [folder.rotated(f"{number}.log") for number in range(5)]
    for path in paths:
        path.touch()
    with folder.watch() as monitor:
        assert len(settle(monitor).files) == 5
        for path in paths:
            folder.write(2, path)
        folder.came(settle(monitor))


def test_file_shorter_than_the_fingerprint_that_grows(scene: Scene) -> None:
    # A byte, a line, and then past the first kilobyte: one file all along.
    text = scene.text(40)
    with scene.appending() as out, scene.watch(idle_flush_seconds=NEVER) as monitor:
        for start, stop in ((0, 1), (1, 100), (100, 1023), (1023, 1025), (1025, len(text))):
            out.write(text[start:stop])
            monitor.wait_idle(0.1)  # looks, and finds the end of a line missing
        snap = settle(monitor)
        scene.came(snap)
        assert snap.files["generation"].tolist() == [0]


def test_two_files_with_the_same_first_kilobyte(folder: Scene) -> None:
    banner = b"".join(b"#Fields: date time s-ip cs-method cs-uri-stem line %d\n" % number for number in range(40))
    with folder.watch() as monitor:
        for name in ("a.log", "b.log"):
            folder.rotated(name).write_bytes(banner + folder.text(5))
        first = settle(monitor)
        folder.rotated("c.log").write_bytes(banner + folder.text(5))
        for name in ("a.log", "b.log", "c.log"):
            folder.write(3, folder.rotated(name))
        snap = settle(monitor)
    assert len(first.files) == 2
    assert len(snap.files) == 3
    assert sorted(m for m in messages(snap) if m.startswith("number")) == sorted(folder.written)
    assert snap.audit()["balanced"].all()


@pytest.mark.parametrize("at_once", [True, False], ids=["both at once", "one after the other"])
def test_two_files_with_the_same_content_are_both_read(at_once: bool, folder: Scene) -> None:
    # Two replicas that begin alike: equal bytes do not make two logs one, when no rotation could have made the copy.
    first, second = folder.folder / "replica-a" / "app.log", folder.folder / "replica-b" / "app.log"
    for path in (first, second):
        path.parent.mkdir()
    with folder.watch() as monitor:
        text = folder.text(30)
        first.write_bytes(text)
        if not at_once:
            settle(monitor)
        second.write_bytes(text)
        folder.written *= 2
        folder.came(settle(monitor))
        folder.write(2, first)
        folder.write(3, second)
        folder.came(settle(monitor))


# -- names


NAMES = {
    "newline": b"a\nb.log",
    "spaces": b"  my app  .log",
    "invalid UTF-8": b"caf\xe9-\xff.log",
    "quotes and tags": b"<img src=x>'\";--.log",
    "like a glob": b"app[1]*?.log",
    "like an option": b"--help.log",
    "unicode": "日志-🙂.log".encode(),
    "two spellings": "re\u0301sume\u0301.log".encode(),
    "long": b"x" * 251 + b".log",
    "format": b"%s{0}$a\\n.log",
}


@pytest.mark.parametrize("how", ["in a folder", "by itself"])
@pytest.mark.parametrize("name", NAMES)
def test_file_name_with_newline_spaces_and_invalid_utf8(name: str, how: str, tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    path = tmp_path / os.fsdecode(NAMES[name])
    scene.write(3, path)
    with watch(tmp_path if how == "in a folder" else path) as monitor:
        settle(monitor)
        scene.write(3, path)
        snap = settle(monitor)
        scene.came(snap)
        assert len(snap.files) == 1
        assert "6 events" in repr(snap)
        assert snap.sql("select count(distinct file) as files from events")["files"].tolist() == [1]


# -- links and special files


def test_symlink_loop(folder: Scene) -> None:
    folder.write(5)
    (folder.folder / "self").symlink_to("self")
    (folder.folder / "ping").symlink_to("pong")
    (folder.folder / "pong").symlink_to("ping")
    (folder.folder / "deep").mkdir()
    (folder.folder / "deep" / "up").symlink_to(folder.folder)
    with folder.watch() as monitor:
        snap = settle(monitor)
        folder.came(snap)
        assert {"self", "ping", "pong"} <= reasons(snap).keys()
        folder.write(2)
        folder.came(settle(monitor))


def test_a_symlink_to_nothing_is_named_and_followed_once_there_is_something(folder: Scene, tmp_path: Path) -> None:
    folder.log.symlink_to(tmp_path / "later")
    with folder.watch() as monitor:
        assert "app.log" in reasons(settle(monitor))
        folder.write(3, tmp_path / "later")
        snap = settle(monitor)
        folder.came(snap)
        assert "app.log" not in reasons(snap)


def test_a_fifo_a_socket_and_a_device_in_the_folder_are_ignored_with_a_reason(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.write(3)
    os.mkfifo(tmp_path / "pipe.log")
    (tmp_path / "null.log").symlink_to("/dev/null")
    (tmp_path / "zero.log").symlink_to("/dev/zero")
    here = os.open(".", os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(tmp_path)  # a socket's path may have 107 bytes at most
        try:
            server.bind("socket.log")
        finally:
            os.fchdir(here)
            os.close(here)
        with scene.watch() as monitor:
            snap = settle(monitor)
    scene.came(snap)
    assert {name: bool(reason) for name, reason in reasons(snap).items()} == dict.fromkeys(
        ["null.log", "pipe.log", "socket.log", "zero.log"], True
    )


@pytest.mark.parametrize("root", ["/dev/null", "/dev/zero"])
def test_a_device_by_itself_never_hangs_and_gives_nothing(root: str) -> None:
    try:
        snap = read(root)
    except logkit.PathError:
        return  # refused: as good
    assert len(snap) == 0


def test_a_fifo_becomes_a_file_and_a_file_a_folder(folder: Scene) -> None:
    os.mkfifo(folder.log)
    with folder.watch() as monitor:
        settle(monitor)
        folder.log.unlink()
        folder.write(3)
        folder.came(settle(monitor))
        folder.log.unlink()
        folder.log.mkdir()
        folder.write(3, folder.log / "inside.log")
        folder.came(settle(monitor))


# -- permissions and descriptors, each in a process of its own

CHILD = """
import json, os, resource, sys, tempfile
from pathlib import Path
import logkit
NEVER = 3600.0
LINE = "2026-03-01 12:00:00,001 INFO  [orders] [exec-1] c.e.Orders - number <%d>\\n"
written = []
def write(path, count):
    with open(path, "a", buffering=1) as out:
        for _ in range(count):
            written.append(len(written))
            out.write(LINE % written[-1])
def watch(root, **settings):
    return logkit.watch(root, notify=False, poll_seconds=NEVER, idle_flush_seconds=0.1, retry_seconds=0.01, **settings)
def check(snap):
    came = sorted(int(m.split("<")[1][:-1]) for m in snap.events["message"])
    assert came == written, (sorted(set(written) - set(came)), len(came) - len(set(came)))
    assert snap.audit()["balanced"].all()
with tempfile.TemporaryDirectory() as warm:  # loads whatever is loaded late, while files can still be opened
    write(warm + "/app.log", 1)
    with watch(warm) as monitor:
        assert monitor.wait_idle(20)
        check(monitor.snapshot()); repr(monitor.snapshot().files); repr(monitor.snapshot().audit())
written.clear()
"""

DENIED = """
if os.geteuid() == 0:
    os.seteuid(65534)
with tempfile.TemporaryDirectory() as root:
    log = root + "/logs/app.log"
    os.mkdir(root + "/logs")
    write(log, 3)
    os.chmod(log, 0)
    with watch(root + "/logs") as monitor:
        monitor.wait_idle(1)
        snap = monitor.snapshot()
        assert len(snap) == 0 and "ermission" in snap.files["error"][0], snap.files.to_dict("records")
        os.chmod(log, 0o644)
        assert monitor.wait_idle(20)
        check(monitor.snapshot())
        # the folder is closed for a while: its files are not gone, and must not be read again when it opens
        os.chmod(root + "/logs", 0)
        assert monitor.wait_idle(20)
        os.chmod(root + "/logs", 0o755)
        write(log, 3)
        assert monitor.wait_idle(20)
        check(monitor.snapshot())
"""


def test_permission_denied_later_granted() -> None:
    script(CHILD + DENIED)


FEW_DESCRIPTORS = """
with tempfile.TemporaryDirectory() as root:
    for number in range(100):
        write(f"{root}/{number}.log", 2)
    used = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 32
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 24, used + 24))
    spare = open(os.devnull)
    with watch(root) as monitor:
        assert monitor.wait_idle(50)
        check(monitor.snapshot())
        spare.close()  # or all there are may be held by the monitor just now
        for number in range(100):
            write(f"{root}/{number}.log", 1)
        assert monitor.wait_idle(20)
        check(monitor.snapshot())
"""


def test_more_files_than_descriptors() -> None:
    script(CHILD + FEW_DESCRIPTORS, seconds=90)


NO_DESCRIPTORS = """
with tempfile.TemporaryDirectory() as root:
    write(root + "/app.log", 5)
    with watch(root) as monitor:
        assert monitor.wait_idle(20)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        out = open(root + "/app.log", "a", buffering=1)
        resource.setrlimit(resource.RLIMIT_NOFILE, (1, hard))  # whatever is opened from now on fails
        for _ in range(3):
            written.append(len(written)); out.write(LINE % written[-1])
        monitor.wait_idle(0.3)
        assert monitor.snapshot().state == "running"
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert monitor.wait_idle(20)
        check(monitor.snapshot())
"""


def test_descriptors_run_out_and_come_back() -> None:
    # Neither a folder that cannot be listed nor a file that cannot be opened is gone.
    script(CHILD + NO_DESCRIPTORS)


def test_ten_thousand_files(tmp_path: Path) -> None:
    # LOGKIT_TEST_FILES=10000 is the long version, with lines in every file from the start.
    scene, count = Scene(tmp_path), MANY_FILES or 2000
    paths = [tmp_path / f"{number % 50}" / f"{number}.log" for number in range(count)]
    for number in range(50):
        (tmp_path / f"{number}").mkdir()
    for number, path in enumerate(paths):
        path.touch() if number % 20 and not MANY_FILES else scene.write(1, path)
    seconds = DEADLINE + count / 10
    with scene.watch() as monitor:
        snap = settle(monitor, seconds)
        scene.came(snap)
        assert len(snap.files) == count
        for path in paths[:: count // 50]:
            scene.write(1, path)
        paths[1].rename(paths[1].with_suffix(".old"))
        paths[2].unlink()
        snap = settle(monitor, seconds)
        scene.came(snap)
        assert len(snap.files) == count


def test_what_this_process_saves_among_the_logs_is_no_log(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "logs")
    scene.log.write_bytes(scene.text(9) + scene.text(9).replace(b"12:00:00", b"12:30:00"))
    with scene.watch() as monitor:
        snap = settle(monitor)
        monitor.activity().save(scene.folder / "trace.json")
        snap.report(scene.folder / "report.md", window=("2026-03-01 12:29", "2026-03-01 12:31"))
        snap = settle(monitor)
        scene.came(snap)
        assert set(snap.files["path"]) == {str(scene.log)}

"""What stands in a file: unfinished lines, odd bytes, encodings, compression, records of many lines, odd times."""

from __future__ import annotations

import gzip
import os
import re
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

import logkit
from tests.outside import assert_nothing_lost
from tests.scenario_tools import (
    DEADLINE,
    NEVER,
    Scene,
    assert_balanced,
    assert_came,
    eventually,
    line,
    messages,
    noticed,
    read,
    settle,
    watch,
)

pytestmark = pytest.mark.usefixtures("no_thread_left_behind")


@pytest.fixture
def scene(folder: Scene) -> Scene:
    """Here every scene watches its whole folder."""
    return folder


def marks(snap: logkit.Snapshot) -> Counter[str]:
    """How often each `<n>` came out, in whatever event."""
    return Counter(mark for message in messages(snap) for mark in re.findall(r"<\d+>", message))


def assert_each_mark_once(snap: logkit.Snapshot, count: int) -> None:
    assert marks(snap) == Counter(f"<{number}>" for number in range(count))
    assert_balanced(snap)


# -- unfinished lines


@pytest.mark.parametrize("at", [1, 10, 50, -2, -1], ids=str)
def test_partial_last_line_completed_later(at: int, tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.write(2)
    with watch(tmp_path, idle_flush_seconds=NEVER) as monitor, scene.appending() as out:
        settle(monitor)
        text = scene.text(1)
        out.write(text[:at])
        assert len(noticed(monitor, scene.log)) == 2
        assert not monitor.wait_idle(0.1)  # what is waited for has not been read
        out.write(text[at:])
        scene.came(settle(monitor))


def test_partial_last_line_completed_after_it_was_flushed_loses_nothing(tmp_path: Path) -> None:
    # By then its first part is an event; the rest is one too, and says which it goes on from.
    with watch(tmp_path, idle_flush_seconds=0.05) as monitor, (tmp_path / "app.log").open("ab", buffering=0) as out:
        out.write(line("number <0>") + line("number <1> and")[:-1])
        settle(monitor)
        out.write(b" <2> then\n" + line("number <3>"))
        snap = settle(monitor)
    assert_each_mark_once(snap, 4)
    assert_nothing_lost(snap)
    rest = snap.events[snap.events["message"].str.contains("<2>")].iloc[0]
    first = snap.events[snap.events["message"].str.contains("<1>")].iloc[0]
    assert rest["continues"] == first["offset"]


def test_no_newline_at_the_end_of_the_file_then_idle(scene: Scene) -> None:
    with scene.watch() as monitor, scene.appending() as out:
        out.write(scene.text(3)[:-1])
        snap = settle(monitor)
        scene.came(snap)
        assert snap.audit()["pending_bytes"].tolist() == [0]


def test_no_newline_at_the_end_of_a_file_that_is_read(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.log.write_bytes(scene.text(3)[:-1])
    snap = read(tmp_path)
    scene.came(snap)
    assert_nothing_lost(snap)


def test_lines_written_byte_by_byte(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    text = scene.text(5)
    with watch(tmp_path, poll_seconds=0.01, idle_flush_seconds=NEVER) as monitor, scene.appending() as out:
        for byte in text:
            out.write(bytes([byte]))
        scene.came(settle(monitor))


# -- long lines


def test_a_line_longer_than_a_block(scene: Scene) -> None:
    with scene.watch(block_bytes=1024, span_bytes=4096) as monitor, scene.appending() as out:
        for length in (1000, 5000, 40_000):
            scene.write(2, out)
            scene.written.append(f"long {length} " + "x" * length)
            out.write(line(scene.written[-1]))
        scene.write(2, out)
        snap = settle(monitor)
        scene.came(snap)
        assert_nothing_lost(snap)


@pytest.mark.parametrize("length", [5000, 300_000])
def test_a_line_longer_than_the_limit_is_kept_cut_and_the_file_goes_on(length: int, scene: Scene) -> None:
    # Each piece is an event that says which it goes on from; all bytes are accounted for.
    with scene.watch(block_bytes=2048, max_record_bytes=4096) as monitor, scene.appending() as out:
        before = scene.write(3, out)
        out.write(line("<0> " + "x" * length + " <1>"))
        after = scene.write(3, out)
        snap = settle(monitor)
    came = Counter(messages(snap))
    assert all(came[message] == 1 for message in before + after)
    assert_nothing_lost(snap)
    assert snap.events["length_bytes"].max() <= 2 * 4096
    assert snap.events["continues"].notna().sum() >= length // (2 * 4096)
    assert sum(message.count("x") for message in messages(snap)) == length


def test_a_line_that_never_ends_does_not_stop_the_other_files(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    endless = tmp_path / "endless.log"
    settings = {"max_record_bytes": 4096, "block_bytes": 2048, "idle_flush_seconds": NEVER}
    with scene.watch(**settings) as monitor, endless.open("ab", buffering=0) as out:
        for _ in range(10):
            out.write(b"y" * 3000)
            scene.write(2)
            monitor.wait_idle(0.05)
        out.write(b"\n")
        snap = settle(monitor)
    assert sum(message.count("y") for message in messages(snap)) == 30_000
    assert set(scene.written) <= set(messages(snap))
    assert_nothing_lost(snap)


# -- bytes and encodings


def test_nul_bytes_within_a_line(scene: Scene) -> None:
    with scene.watch() as monitor:
        scene.log.write_bytes(line("a\0b <0>") + b"\0\0\0\n" + line("c <1>") + line("\0<2>\0") + line("<3>"))
        snap = settle(monitor)
    assert_each_mark_once(snap, 4)
    assert_nothing_lost(snap)


def test_invalid_utf8_is_shown_and_counted_and_harms_no_neighbour(scene: Scene) -> None:
    with scene.watch() as monitor, scene.appending() as out:
        out.write(line("café <0>") + line("bad ! <1>").replace(b"!", b"\xff\xfe") + line("naïve <2>"))
        out.write(line("cut ! <3>").replace(b"!", b"\xe2\x82") + line("<4>"))
        snap = settle(monitor)
    assert_each_mark_once(snap, 5)
    assert_nothing_lost(snap)
    assert {"café <0>", "bad \ufffd\ufffd <1>", "naïve <2>", "<4>"} <= set(messages(snap))


def test_latin_1_is_read_where_nothing_is_utf8(scene: Scene) -> None:
    scene.written = ["Größe <0>", "Straße <1>", "üben <2>"]
    with scene.watch() as monitor, scene.appending() as out:
        for message in scene.written:
            out.write(line(message).decode().encode("latin-1"))
        scene.came(settle(monitor))


@pytest.mark.parametrize("count", [1, 40])
def test_utf8_byte_order_mark(count: int, scene: Scene) -> None:
    with scene.watch() as monitor, scene.appending() as out:
        out.write(b"\xef\xbb\xbf" + scene.text(count))
        snap = settle(monitor)
        scene.came(snap)
        assert snap.events["timestamp"].notna().all()
        scene.write(2, out)
        scene.came(settle(monitor))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_with_byte_order_mark(encoding: str, scene: Scene) -> None:
    with scene.watch() as monitor, scene.appending() as out:
        out.write("\ufeff".encode(encoding))
        for _ in range(3):
            for word in ("plain", "größer 日志 🙂", "\u0a0a \u0d0d"):  # the last has bytes of line ends and has none
                scene.written.append(f"{word} <{len(scene.written)}>")
                out.write(line(scene.written[-1]).decode().encode(encoding))
            snap = settle(monitor)
            scene.came(snap)
    assert snap.events["timestamp"].notna().all()


def test_utf16_is_read_to_its_end(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.log.write_bytes(("\ufeff" + scene.text(5000).decode()).encode("utf-16-le"))
    snap = read(tmp_path, span_bytes=10_000, block_bytes=3001)
    scene.came(snap)


def test_a_character_of_several_bytes_cut_between_two_scans(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.written = ["before <0>", "🙂日é <1>", "after <2>"]
    text = b"".join(map(line, scene.written))
    middle = text.index("🙂".encode())
    with watch(tmp_path, idle_flush_seconds=NEVER) as monitor, scene.appending() as out:
        for start, stop in pairwise([0, *range(middle + 1, middle + 9), len(text)]):
            out.write(text[start:stop])
            noticed(monitor, scene.log)
        scene.came(settle(monitor))


def test_crlf(scene: Scene) -> None:
    with scene.watch() as monitor, scene.appending() as out:
        out.write(scene.text(50).replace(b"\n", b"\r\n"))
        snap = settle(monitor)
        scene.came(snap)
        assert_nothing_lost(snap)


def test_crlf_cut_between_its_two_bytes(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    with watch(tmp_path, idle_flush_seconds=NEVER) as monitor, scene.appending() as out:
        for _ in range(3):
            out.write(scene.text(1)[:-1] + b"\r")
            noticed(monitor, scene.log)
            out.write(b"\n")
        scene.came(settle(monitor))


def test_cr_alone_loses_nothing(scene: Scene) -> None:
    # A progress bar: one line or many, that is the format's business; each mark comes once.
    with scene.watch() as monitor, scene.appending() as out:
        out.write(line("<0>") + b"".join(b"%d%% <%d>\r" % (10 * n, n) for n in range(1, 8)) + b"\n" + line("<8>"))
        snap = settle(monitor)
    assert_each_mark_once(snap, 9)
    assert_nothing_lost(snap)


def test_a_file_of_cr_alone_is_bounded_and_loses_nothing(scene: Scene) -> None:
    with scene.watch(max_record_bytes=4096, block_bytes=2048) as monitor, scene.appending() as out:
        text = b"".join(line(f"<{number}>").replace(b"\n", b"\r") for number in range(200))
        out.write(text)
        snap = settle(monitor)
    assert_nothing_lost(snap)
    assert sum(marks(snap).values()) >= 200 - len(text) // 4096 - 1  # a cut may fall within a mark


def test_ansi_colour_codes_are_no_part_of_what_is_read(scene: Scene) -> None:
    with scene.watch() as monitor, scene.appending() as out:
        for level, colour in (("INFO ", 32), ("WARN ", 33), ("ERROR", 31)) * 3:
            text = line(scene.message()).replace(b"INFO ", f"\x1b[1;{colour}m{level}\x1b[0m".encode())
            out.write(text.replace(b"[orders]", b"\x1b[36m[orders]\x1b[0m"))
        snap = settle(monitor)
    scene.came(snap)
    assert snap.levels[["INFO", "WARN", "ERROR"]].sum().tolist() == [3, 3, 3]
    assert len(snap) == 9
    assert snap.events["timestamp"].notna().all()
    assert_nothing_lost(snap)


# -- records of many lines


STEPS = "\n".join(f"\tat c.e.Orders.step({number})" for number in range(30))
TRACE = "<{0}> failed\njava.lang.IllegalStateException: {0}\n" + STEPS


def test_a_record_of_many_lines_across_a_blocks_edge(scene: Scene) -> None:
    with scene.watch(block_bytes=512, span_bytes=1024) as monitor, scene.appending() as out:
        for number in range(20):
            scene.written.append(TRACE.format(number))
            out.write(line(scene.written[-1]))
        snap = settle(monitor)
        scene.came(snap)
        assert_nothing_lost(snap)


def test_a_record_of_many_lines_that_arrives_line_by_line_is_one_event(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    with watch(tmp_path, idle_flush_seconds=NEVER, poll_seconds=0.01) as monitor, scene.appending() as out:
        for number in range(3):
            scene.written.append(TRACE.format(number))
            for part in line(scene.written[-1]).splitlines(keepends=True):
                out.write(part)
                if b"step(1" in part:
                    noticed(monitor, scene.log)
        scene.came(settle(monitor))


def test_the_last_record_of_many_lines_is_finished_after_an_idle_time(scene: Scene) -> None:
    # Nothing follows it, ever: it is shown, and after a while it is no longer pending.
    with scene.watch() as monitor, scene.appending() as out:
        scene.written = [TRACE.format(0), TRACE.format(1)]
        out.write(b"".join(map(line, scene.written)))
        scene.came(settle(monitor))
        snap = eventually(monitor, lambda snap: snap.audit()["pending_bytes"].tolist() == [0])
        scene.came(snap)
        scene.write(1, out)
        scene.came(settle(monitor))


# -- time


def test_clock_jumping_back_within_a_file(scene: Scene) -> None:
    with scene.watch() as monitor, scene.appending() as out:
        for hour in (12, 11, 23, 0, 12):
            out.write(scene.text(5).replace(b" 12:", b" %02d:" % hour))
        snap = settle(monitor)
        scene.came(snap)
    assert snap.timeline("1h")["INFO"].sum() == 25
    assert snap.events["timestamp"].dt.hour.value_counts().to_dict() == {12: 10, 11: 5, 23: 5, 0: 5}


@pytest.mark.parametrize("when", [0, 10**9, 4 * 10**9], ids=["1970", "2001", "2096"])
def test_clock_jumping_back_on_the_file_system(when: int, scene: Scene) -> None:
    # Growth is told by size; a modification time that stands still, or goes back, hides nothing.
    with scene.watch() as monitor:
        for _ in range(4):
            scene.write(5)
            os.utime(scene.log, (when, when))
            scene.came(settle(monitor))


def at(*when: int) -> float:
    return datetime(*when, tzinfo=UTC).timestamp()  # type: ignore[arg-type]


def syslog(when: str, message: str) -> bytes:
    return f"{when} host orders[7]: {message}\n".encode()


@pytest.mark.parametrize("in_steps", [False, True], ids=["read at once", "read on both sides"])
def test_december_to_january_without_years(in_steps: bool, tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    before = b"".join(syslog(f"Dec 31 23:59:{second:02d}", scene.message()) for second in range(50, 60))
    after = b"".join(syslog(f"Jan  1 00:00:{second:02d}", scene.message()) for second in range(10))
    with scene.watch() as monitor, scene.appending() as out:
        out.write(before)
        if in_steps:
            os.utime(scene.log, (at(2025, 12, 31, 23, 59, 59),) * 2)
            settle(monitor)
        out.write(after)
        os.utime(scene.log, (at(2026, 1, 1, 0, 0, 9),) * 2)
        snap = settle(monitor)
    scene.came(snap)
    assert snap.events["timestamp"].dt.year.tolist() == [2025] * 10 + [2026] * 10
    assert snap.events["timestamp"].is_monotonic_increasing


def test_a_december_log_read_in_spring(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.log.write_bytes(b"".join(syslog("Dec 31 23:59:58", scene.message()) for _ in range(3)))
    os.utime(scene.log, (at(2026, 3, 1),) * 2)
    snap = read(tmp_path)
    scene.came(snap)
    assert set(snap.events["timestamp"].dt.year) == {2025}


def test_a_compressed_december_log_keeps_its_year(tmp_path: Path) -> None:
    # Rotated in January and read much later: the file's own time counts, and not today's.
    scene = Scene(tmp_path)
    path = scene.rotated("app.log.1.gz")
    path.write_bytes(gzip.compress(b"".join(syslog("Dec 31 23:59:58", scene.message()) for _ in range(3)), mtime=0))
    os.utime(path, (at(2020, 1, 1, 0, 5),) * 2)
    snap = read(tmp_path)
    scene.came(snap)
    assert set(snap.events["timestamp"].dt.year) == {2019}


def test_what_is_watched_is_what_is_read(tmp_path: Path) -> None:
    # The same bytes, come bit by bit or all at once, give the same events.
    scene = Scene(tmp_path)
    odd = [line(TRACE.format("x")), b"no format reads this\n", scene.text(2), b"\xff\0\n"]
    parts = [scene.text(3), *odd, scene.text(1)]
    with scene.watch(idle_flush_seconds=NEVER) as monitor, scene.appending() as out:
        for part in parts:
            out.write(part)
            settle(monitor, DEADLINE)
        watched = settle(monitor).events
    whole = read(tmp_path).events
    columns = ["offset", "length_bytes", "message", "level", "timestamp"]
    assert watched[columns].to_numpy().tolist() == whole[columns].to_numpy().tolist()
    assert_came(read(tmp_path), whole["message"])

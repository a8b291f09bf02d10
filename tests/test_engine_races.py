"""What falls between two steps of two threads, done by hand in the order that hurts."""

from __future__ import annotations

import functools
import gzip
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from logkit.engine.known import Key
from logkit.engine.progress import Progress
from tests.by_hand import ByHand
from tests.scenario_tools import Scene, compress, line, messages

Hands = Callable[..., ByHand]
"""Takes a root and settings."""


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "logs")


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> Hands:
    return functools.partial(ByHand, monkeypatch)


class Between:
    """Passed as `service=`: does something once, between the reading of a block and its commit."""

    def __init__(self) -> None:
        self.do: Callable[[], object] | None = None

    def __call__(self, path: str) -> str:
        do, self.do = self.do, None
        if do is not None:
            do()
        return "orders"


@pytest.mark.parametrize("root", ["folder", "file"])
def test_a_log_cut_while_its_last_record_is_being_flushed_gives_that_record_once(
    root: str, tmp_path: Path, by_hand: Hands
) -> None:
    # The record is shown; the worker has read it again to finish it when the watcher sees the log cut.
    scene, between = Scene(tmp_path / "logs", root), Between()
    scene.write(20)
    hand = by_hand(scene.root, service=between)
    scene.came(hand.settle())

    def cut() -> None:
        shutil.copy2(scene.log, scene.rotated(1))
        os.truncate(scene.log, 0)
        scene.write(7)
        hand.look()

    hand.now += 10.0  # the record has been quiet for long enough
    hand.go_round()
    between.do = cut
    assert hand.work()
    assert between.do is None
    scene.came(hand.settle())


def test_a_copy_renamed_and_under_inspection_when_its_log_is_cut_is_gone_on_in(scene: Scene, by_hand: Hands) -> None:
    # The old content's only place is the copy, whose new name a worker is about to look behind.
    scene.write(20)
    hand = by_hand(scene.root)
    hand.settle()
    scene.write(5)
    shutil.copy2(scene.log, scene.rotated(1))
    scene.came(hand.settle())
    scene.rotated(1).rename(scene.rotated(2))
    hand.look()
    assert len(hand.queued()) == 1
    os.truncate(scene.log, 0)
    scene.write(2)
    hand.look()
    scene.came(hand.settle())
    with scene.appending(scene.rotated(2)) as out:  # and what is written there is read on
        scene.write(3, out)
    scene.came(hand.settle())


@pytest.mark.parametrize("drained", [True, False])
def test_a_log_that_comes_back_after_its_copy_took_its_place_is_not_read_again(
    drained: bool, scene: Scene, by_hand: Hands
) -> None:
    scene.write(20)
    hand = by_hand(scene.root, follow_seconds=0.0)
    hand.settle()
    shutil.copy2(scene.log, scene.rotated(1))
    hand.settle()
    scene.log.rename(scene.folder.parent / "away.log")
    if drained:
        for _ in range(3):  # missed, flushed, given up
            hand.settle()
            hand.now += 10.0
    else:
        hand.engine.files.close()  # as if others had been read since
        hand.settle()
        assert hand.monitor.snapshot().files["path"].tolist() == [str(scene.rotated(1))]
    (scene.folder.parent / "away.log").rename(scene.log)
    scene.came(hand.settle())
    scene.write(3)
    scene.came(hand.settle())


def test_a_span_whose_worker_dies_behind_its_last_record_does_not_read_the_next_ones_first(
    scene: Scene, by_hand: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.write(40)
    hand = by_hand(scene.root, span_bytes=1000, retry_seconds=0.0)
    tidy, deaths = hand.state.tidy, iter([MemoryError("no room to tidy up")])

    def dies_once() -> None:
        if error := next(deaths, None):
            raise error
        tidy()

    monkeypatch.setattr(hand.state, "tidy", dies_once)
    scene.came(hand.settle())


def test_bytes_finished_by_one_reader_are_refused_from_another_and_the_rest_is_read(
    scene: Scene, by_hand: Hands
) -> None:
    # However it comes that two have the same bytes in hand: nothing is finished twice, and nothing stays open.
    between = Between()
    scene.write(20)
    hand = by_hand(scene.root, service=between)
    hand.settle()
    held = hand.state.held((0, 0))
    assert held is not None
    scene.write(3)
    hand.look()
    between.do = lambda: hand.state.commit(replace(held, held=False))
    assert hand.work()
    scene.came(hand.settle())


@pytest.mark.parametrize("seen_as_copy", [True, False])
@pytest.mark.parametrize("to_log", [0, 4])
def test_a_copy_that_is_written_on_gives_what_is_its_own(
    seen_as_copy: bool, to_log: int, scene: Scene, by_hand: Hands
) -> None:
    scene.write(50)
    hand = by_hand(scene.root)
    hand.settle()
    shutil.copy2(scene.log, scene.rotated("app.log.bak"))
    if seen_as_copy:
        hand.settle()
    scene.write(3, scene.rotated("app.log.bak"))
    scene.write(to_log)
    snap = hand.settle()
    scene.came(snap)
    copy = snap.audit().set_index("path").loc[str(scene.rotated("app.log.bak"))]
    assert (copy["events"], copy["skipped_reason"]) == (3, "shared with another file, where it is read")


def test_a_log_written_anew_and_deleted_between_two_scans_is_read_from_the_descriptor_held(
    scene: Scene, by_hand: Hands
) -> None:
    scene.write(20)
    hand = by_hand(scene.root)
    hand.settle()
    scene.log.write_bytes(scene.text(3))
    scene.log.unlink()
    scene.write(1)
    hand.settle()
    scene.came(hand.settle())


@pytest.mark.parametrize("codec", ["gz", "utf-16"])
def test_a_file_of_half_a_line_that_is_read_as_a_whole_only_is_read(codec: str, scene: Scene, by_hand: Hands) -> None:
    # A compressed log, or one in UTF-16, of which the first line never ends.
    scene.folder.mkdir(exist_ok=True)
    half = scene.text(1)[:-1]
    scene.log.write_bytes(half.decode().encode("utf-16") if codec == "utf-16" else gzip.compress(half))
    scene.came(by_hand(scene.root).settle())


def test_a_log_copied_before_anybody_has_looked_into_it_is_read_once(scene: Scene, by_hand: Hands) -> None:
    # The workers are busy: what the log holds is not known yet when its copy is found.
    hand = by_hand(scene.root)
    scene.write(20)
    hand.look()
    shutil.copy2(scene.log, scene.rotated(1))
    hand.look()
    scene.came(hand.settle())


@pytest.mark.parametrize("step", range(12))
def test_a_watcher_that_dies_in_the_middle_of_a_step_leaves_no_source_behind(
    step: int, scene: Scene, by_hand: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It dies right after one of the changes it makes to what is known: of leases given, of leases taken back.
    scene.write(40)
    hand = by_hand(scene.root, span_bytes=1000)
    change, steps = hand.state.change, iter(range(100))

    def dies_once(key: Key, how: Callable[[Progress], Progress]) -> Progress:
        after = change(key, how)
        if next(steps) == step:
            raise MemoryError("no room to go on")
        return after

    monkeypatch.setattr(hand.state, "change", dies_once)
    deaths = 0
    for act in (
        hand.settle,
        lambda: scene.write(5),
        hand.settle,
        lambda: scene.log.rename(scene.rotated(1)),
        hand.settle,
    ):
        try:
            act()
        except MemoryError:
            deaths += 1
            hand.replace_watcher()
            act()
    assert deaths == 1
    snap = hand.settle()
    scene.came(snap)
    assert "reading" not in snap.files["state"].tolist()


@pytest.mark.parametrize("lines", [1, 4])
@pytest.mark.parametrize("span_bytes", [700, 1 << 20])
def test_a_poison_span_set_aside_leaves_no_half_record(
    lines: int, span_bytes: int, scene: Scene, by_hand: Hands
) -> None:
    # What cannot be read fails its block. Blocks end anywhere; what is given up ends where a record does.
    for number in range(60):
        with scene.appending() as out:
            out.write(line("poison" if number in (20, 45) else scene.message()) + b"\tat a.b.C.d\n" * (lines - 1))

    def fails(path: str, events: pl.DataFrame) -> pl.Series:
        if events["message"].str.contains("poison").any():
            raise ValueError("poison")
        return events["service"]

    hand = by_hand(scene.root, fails, block_bytes=400, span_bytes=span_bytes, retry_seconds=0.0)
    hand.settle()
    snap = hand.settle()
    came = [message.split("\n")[0] for message in messages(snap)]
    assert len(came) == len(set(came)) > 40
    assert set(came) <= set(scene.written)
    assert {message.count("\n") for message in messages(snap)} == {lines - 1}
    audit = snap.audit()
    assert audit["balanced"].all()
    assert audit["skipped_reason"].tolist() == ["ValueError: poison"]
    assert audit["skipped_bytes"].sum() + snap.events["length_bytes"].sum() == scene.log.stat().st_size


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-8"])
@pytest.mark.parametrize("cut", range(1, 7))
def test_a_character_cut_in_two_and_flushed_in_between_loses_and_doubles_nothing(
    encoding: str, cut: int, scene: Scene, by_hand: Hands
) -> None:
    # The half of it that is there waits for the rest, however long the line has been quiet.
    whole = ("\ufeff" + scene.text(20).decode() + line("🙂é <odd>").decode()).encode(encoding)
    at = whole.index("🙂é".encode(encoding)) + cut
    scene.log.write_bytes(whole[:at])
    hand = by_hand(scene.root)
    for rest in (b"", whole[at:], scene.text(3).decode().encode(encoding)):
        with scene.appending() as out:
            out.write(rest)
        hand.settle()
        hand.now += 10.0
        snap = hand.settle()
    assert sorted(message for message in messages(snap) if message in scene.written) == sorted(scene.written)
    assert "".join(messages(snap)).count("<odd>") == len(set(snap.events["generation"])) == len(snap.files) == 1
    if encoding != "utf-8" or cut in (4, 6):
        assert "\ufffd" not in "".join(messages(snap))
    assert snap.audit()["balanced"].all()


def test_text_behind_the_nul_bytes_of_a_crash_begins_a_line(scene: Scene, by_hand: Hands) -> None:
    # What had been promised to the file and never been written reads as NUL, at its end and later within it.
    hand = by_hand(scene.root)
    for count in (0, 1, 3, 4096, 100_000):
        with scene.appending() as out:
            out.write(scene.text(20) + bytes(count))
        snap = hand.settle()
        if count != 3:
            hand.now += 10.0
            snap = hand.settle()
        with scene.appending() as out:
            out.write(scene.text(2))
        scene.came(hand.settle())
    snap = hand.settle()
    scene.came(snap)
    assert not snap.events["rejected"].any()


def test_a_log_written_anew_found_out_by_a_worker_and_deleted_meanwhile_comes_to_rest(
    scene: Scene, by_hand: Hands
) -> None:
    # It is known to hold something else, and has no name any more: what it holds is read from the descriptor held.
    scene.write(1)
    hand = by_hand(scene.root)
    hand.settle()
    scene.log.write_bytes(scene.text(1))
    hand.look()
    scene.log.unlink()
    hand.work()
    scene.came(hand.settle())


def test_a_compressed_log_that_begins_like_one_nobody_has_finished_a_record_of_is_read(
    scene: Scene, by_hand: Hands
) -> None:
    # All logs begin with a date: that a file begins with the few bytes known of another does not make it a copy.
    scene.log.parent.mkdir(exist_ok=True)
    scene.log.write_bytes(line("")[:22])
    hand = by_hand(scene.root)
    hand.look()
    while hand.work():
        pass
    hand.go_round()
    scene.rotated("app.log.1.gz").write_bytes(gzip.compress(scene.text(3)))
    snap = hand.settle()
    assert sorted(message for message in messages(snap) if message in scene.written) == sorted(scene.written)


def test_a_copy_renamed_before_its_original_was_looked_into_is_still_a_copy(scene: Scene, by_hand: Hands) -> None:
    # The worker finds another file at the original's name, and its new name is looked at in a later try.
    scene.write(20)
    hand = by_hand(scene.root, retry_seconds=0.0)
    hand.look()
    scene.log.rename(scene.rotated(1))
    scene.rotated("app.log.1.gz").write_bytes(gzip.compress(scene.rotated(1).read_bytes())[:60])
    hand.look()
    scene.write(1)
    scene.came(hand.settle())
    compress(scene.rotated(1))
    scene.came(hand.settle())


@pytest.mark.parametrize("name", ["other.log", "app.log.3"])
@pytest.mark.parametrize("missed", [True, False])
def test_a_copy_with_the_inode_of_a_log_that_was_never_read_is_a_copy(
    missed: bool, name: str, scene: Scene, by_hand: Hands
) -> None:
    scene.write(20)
    scene.rotated(name).touch()
    hand = by_hand(scene.root)
    hand.settle()
    other = scene.folder.parent / "its inode"
    scene.rotated(name).rename(other)
    if missed:
        hand.settle()
        hand.settle()
    other.write_bytes(scene.log.read_bytes())
    other.rename(scene.rotated(1))
    scene.came(hand.settle())


def test_a_log_cut_written_rotated_and_compressed_between_two_scans_is_read_once(scene: Scene, by_hand: Hands) -> None:
    # What was written after the cut is in the compressed file, and in one that is deleted and still held open.
    scene.write(20)
    hand = by_hand(scene.root)
    hand.settle()
    shutil.copy2(scene.log, scene.rotated(2))
    os.truncate(scene.log, 0)
    scene.write(3)
    scene.log.rename(scene.rotated(1))
    compress(scene.rotated(1))
    scene.came(hand.settle())


def test_a_copy_with_the_inode_of_a_log_about_to_be_looked_into_is_a_copy(scene: Scene, by_hand: Hands) -> None:
    scene.rotated("other.log").write_bytes(line("no number")[:-1])
    hand = by_hand(scene.root, retry_seconds=0.0)
    scene.write(20)
    hand.look()
    inode = scene.folder.parent / "its inode"
    scene.rotated("other.log").rename(inode)
    inode.write_bytes(scene.log.read_bytes())
    inode.rename(scene.rotated(1))
    scene.came(hand.settle())


@pytest.mark.parametrize("more", [0, 3])
def test_a_copy_older_than_its_log_is_not_read_again_when_the_log_is_cut(
    more: int, scene: Scene, by_hand: Hands
) -> None:
    # What was copied and read is in no other file any more: that the copy is one was found out before.
    scene.write(20)
    hand = by_hand(scene.root)
    hand.settle()
    shutil.copy2(scene.log, scene.rotated(1))
    hand.settle()
    scene.write(5)
    hand.settle()
    os.truncate(scene.log, 0)
    scene.write(more, scene.rotated(1))
    scene.came(hand.settle())
    scene.write(1, scene.rotated(1))
    scene.came(hand.settle())


def test_unread_lines_are_taken_from_a_copy_found_while_its_log_is_looked_into_again(
    scene: Scene, by_hand: Hands
) -> None:
    # One record was shown and none finished, and what stands in the log now is as long.
    scene.write(1)
    hand = by_hand(scene.root)
    hand.settle()
    scene.write(1)
    shutil.copy2(scene.log, scene.rotated(1))
    os.truncate(scene.log, 0)
    scene.write(1)
    scene.came(hand.settle())


def test_a_log_written_anew_as_long_as_before_rotated_and_compressed_between_two_scans_is_read_once(
    scene: Scene, by_hand: Hands
) -> None:
    scene.write(1)
    hand = by_hand(scene.root)
    hand.settle()
    scene.log.write_bytes(scene.text(1))
    scene.log.rename(scene.rotated(1))
    compress(scene.rotated(1))
    scene.came(hand.settle())


def test_a_log_written_anew_and_copied_before_a_worker_found_out_is_read_once(scene: Scene, by_hand: Hands) -> None:
    scene.write(1)
    hand = by_hand(scene.root)
    hand.settle()
    scene.log.write_bytes(scene.text(1))
    hand.look()
    shutil.copy2(scene.log, scene.rotated(1))
    scene.came(hand.settle())


def test_a_copy_found_beside_its_log_when_that_is_seen_cut_is_a_copy(scene: Scene, by_hand: Hands) -> None:
    # No scan lies between the log's first look and its copy's: notification shows the cut, and that leads to the copy.
    scene.write(20)
    hand = by_hand(scene.root)
    scene.came(hand.settle())
    scene.write(5)
    shutil.copy2(scene.log, scene.rotated(1))
    os.truncate(scene.log, 0)
    hand.watcher.nudge(str(scene.log))
    hand.go_round()
    scene.came(hand.settle())


def test_a_file_whose_probe_waits_for_another_is_waited_for(scene: Scene, by_hand: Hands) -> None:
    scene.write(1)
    hand = by_hand(scene.root, retry_seconds=0.0)
    hand.settle()
    scene.log.rename(scene.rotated(2))
    scene.came(hand.settle())
    scene.write(1)
    hand.look()
    scene.rotated(2).rename(scene.rotated(3))
    scene.log.rename(scene.rotated(2))
    assert hand.work()  # in vain: it has another name by now, and the older one has to be looked into again first
    scene.came(hand.settle())


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("count", [1, 30])
def test_a_copy_is_told_by_what_its_log_had_when_it_was_made(
    count: int, compressed: bool, scene: Scene, by_hand: Hands
) -> None:
    # More is written and read between the two steps of copytruncate; the copy is found when its log is cut already.
    scene.write(count)
    hand = by_hand(scene.root)
    hand.settle()
    data = scene.log.read_bytes()
    for _ in range(5):
        scene.write(3)
        hand.settle()
    scene.rotated("app.log.1.gz" if compressed else 1).write_bytes(gzip.compress(data) if compressed else data)
    os.truncate(scene.log, 0)
    scene.write(2)
    scene.came(hand.settle())


def test_a_log_written_anew_and_copied_in_part_before_a_worker_found_out_is_read_once(
    scene: Scene, by_hand: Hands
) -> None:
    scene.write(1)
    hand = by_hand(scene.root)
    hand.settle()
    scene.log.write_bytes(scene.text(30))
    hand.look()
    scene.rotated(1).write_bytes(scene.log.read_bytes()[:600])
    scene.came(hand.settle())


def test_a_log_that_begins_like_a_rotated_one_is_no_copy_of_it(scene: Scene, by_hand: Hands) -> None:
    # Half a line is the same in both; what comes of it is told later, and belongs to the log alone.
    scene.write(5, scene.rotated(1))
    hand = by_hand(scene.root)
    hand.settle()
    text = scene.text(1)
    scene.log.write_bytes(text[:20])
    hand.look()
    assert hand.work()
    scene.log.write_bytes(text)
    scene.came(hand.settle())


def test_a_file_that_could_not_be_opened_once_and_may_be_a_copy_is_read_when_it_is_none(
    scene: Scene, by_hand: Hands
) -> None:
    scene.write(1)
    hand = by_hand(scene.root, retry_seconds=0.0)
    hand.look()
    hand.work()
    os.truncate(scene.log, 0)
    scene.log.unlink()
    scene.written.clear()
    scene.log.write_bytes(scene.text(1)[:-1])
    hand.look()
    scene.log.rename(scene.rotated(1))
    scene.came(hand.settle())


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_a_log_looked_into_that_nobody_has_read_goes_on_in_its_copy(
    whole: bool, compressed: bool, scene: Scene, by_hand: Hands
) -> None:
    scene.folder.mkdir(exist_ok=True)
    text = scene.text(1) if whole else scene.text(1)[:-1]
    scene.log.write_bytes(text)
    hand = by_hand(scene.root)
    hand.look()
    hand.work()
    scene.rotated("app.log.1.gz" if compressed else 1).write_bytes(gzip.compress(text) if compressed else text)
    os.truncate(scene.log, 0)
    scene.came(hand.settle())


@pytest.mark.parametrize("missed", [True, False])
@pytest.mark.parametrize("compressed", [True, False])
def test_a_copy_with_the_inode_of_an_older_copy_is_a_copy_of_its_own_log(
    compressed: bool, missed: bool, scene: Scene, by_hand: Hands
) -> None:
    # Old copies are deleted, and what is copied next gets the inode of one: it may be of a log that came after that.
    other = scene.folder.parent / "its inode"
    name = "app.log.{}.gz" if compressed else "app.log.{}"
    pack = gzip.compress if compressed else bytes
    scene.write(20)
    hand = by_hand(scene.root, follow_seconds=0.0)
    hand.settle()
    scene.rotated(name.format(1)).write_bytes(pack(scene.log.read_bytes()))
    hand.settle()
    scene.log.unlink()
    scene.write(30)
    scene.rotated(name.format(1)).rename(other)
    hand.settle()
    if not missed:
        hand.settle()
        hand.now += 60.0
        hand.settle()
    other.write_bytes(pack(scene.log.read_bytes()))
    other.rename(scene.rotated(name.format(2)))
    scene.came(hand.settle())
    scene.log.unlink()
    scene.came(hand.settle())


def test_an_empty_file_that_came_with_its_log_and_is_filled_with_a_copy_of_it_is_a_copy(
    scene: Scene, by_hand: Hands
) -> None:
    scene.write(2)
    scene.rotated(1).touch()
    hand = by_hand(scene.root)
    hand.look()
    shutil.copyfile(scene.log, scene.rotated(1))
    scene.came(hand.settle())


def test_a_log_with_a_hole_that_is_copied_and_cut_before_it_is_read_goes_on_in_its_copy(
    scene: Scene, by_hand: Hands
) -> None:
    scene.folder.mkdir(exist_ok=True)
    scene.log.write_bytes(bytes(72) + scene.text(1))
    hand = by_hand(scene.root)
    hand.look()
    hand.work()
    shutil.copy2(scene.log, scene.rotated(1))
    os.truncate(scene.log, 0)
    scene.came(hand.settle())


def test_a_copy_that_shares_no_more_than_a_hole_with_the_log_of_now_is_a_copy_of_the_one_before(
    scene: Scene, by_hand: Hands
) -> None:
    # A writer that holds its position leaves a larger hole with each truncation: all of them begin alike.
    hand = by_hand(scene.root)
    scene.write(30)
    hand.look()
    for count in (30, 1):
        size = scene.log.stat().st_size
        if scene.rotated(1).exists():
            scene.rotated(1).rename(scene.rotated(2))
        shutil.copyfile(scene.log, scene.rotated(1))
        os.truncate(scene.log, 0)
        with scene.log.open("r+b", buffering=0) as out:
            out.seek(size)
            scene.write(count, out)
        scene.came(hand.settle())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_line_of_which_the_rest_came_since_the_last_scan_is_not_cut_by_an_idle_flush(
    encoding: str, scene: Scene, by_hand: Hands
) -> None:
    text = (scene.text(1) + line("in two pieces")).decode().encode(encoding)
    scene.log.write_bytes(text[:-20])
    hand = by_hand(scene.root)
    hand.look()
    while hand.work():
        hand.go_round()
    with scene.appending() as out:
        out.write(text[-20:])
    hand.now += 10.0
    hand.go_round()
    assert hand.work()
    assert messages(hand.settle()) == [*scene.written, "in two pieces"]


def test_half_a_line_that_was_looked_into_copied_and_overwritten_is_read_from_its_copy(
    scene: Scene, by_hand: Hands
) -> None:
    scene.log.write_bytes(scene.text(1)[:-1])
    hand = by_hand(scene.root)
    hand.look()
    assert hand.work()
    shutil.copyfile(scene.log, scene.rotated(1))
    scene.log.write_bytes(scene.text(2))
    scene.came(hand.settle())


def test_a_copy_in_the_inode_of_a_file_long_gone_is_a_copy_of_a_log_no_older_than_the_last_scan(
    scene: Scene, by_hand: Hands
) -> None:
    old, inode = scene.rotated(9), scene.folder.parent / "its inode"
    scene.write(40, old)
    hand = by_hand(scene.root, follow_seconds=0.0)
    hand.settle()
    old.rename(inode)
    hand.settle()
    hand.now += 60.0
    scene.write(2)
    hand.settle()
    inode.write_bytes(scene.log.read_bytes())
    inode.rename(scene.rotated(1))
    os.truncate(scene.log, 0)
    scene.write(5)
    scene.came(hand.settle())

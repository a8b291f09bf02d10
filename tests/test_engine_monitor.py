"""The engine as a whole: real threads on real files, waited for by events with deadlines."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import logkit
from logkit.engine import Monitor
from logkit.engine.prober import Prober
from logkit.engine.worker import Worker
from logkit.errors import Forked, PathError, SettingError
from tests.tiny import Tiny

DEADLINE = 20.0


@pytest.fixture(autouse=True)
def _tiny_format(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("logkit.sources.identity.detect", lambda head, name: Tiny())


@pytest.fixture(autouse=True)
def _no_thread_left_behind() -> Iterator[None]:
    yield
    logkit.engine.monitor._stop_all()  # type: ignore[attr-defined]
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("logkit-")]
    assert left == []


def start(path: Path, **settings: object) -> Monitor:
    settings = {"poll_seconds": 0.05, "idle_flush_seconds": 0.2, "retry_seconds": 0.01, "workers": 2} | settings
    return logkit.watch(path, **settings)  # type: ignore[arg-type]


def until(monitor: Monitor, holds: Callable[[logkit.Snapshot], bool]) -> logkit.Snapshot:
    """The first snapshot for which `holds`, within the deadline."""
    deadline = time.monotonic() + DEADLINE
    while True:
        snap = monitor.snapshot()
        if holds(snap):
            return snap
        assert time.monotonic() < deadline, f"never came true: {snap!r}"
        threading.Event().wait(0.005)


def messages(snap: logkit.Snapshot) -> list[str]:
    return snap.events["message"].tolist()


def test_what_is_there_and_what_is_added_is_read_once(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("R one\n more\nR two\n")
    with start(tmp_path, idle_flush_seconds=60) as monitor:
        assert monitor.wait_idle(DEADLINE)
        assert messages(monitor.snapshot()) == ["R one\n more", "R two"]
        with log.open("a") as out:
            out.write(" even more\nR three\n")
        (tmp_path / "b.log").write_text("R new\n")
        snap = until(monitor, lambda snap: len(snap.events) == 4)
    assert messages(snap) == ["R one\n more", "R two\n even more", "R three", "R new"]
    assert monitor.snapshot().audit()["balanced"].all()


def test_a_partial_last_line_is_finished_by_what_follows_or_by_idleness(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("R one\nR tw")
    with start(tmp_path, idle_flush_seconds=0.4) as monitor:
        snap = until(monitor, lambda snap: len(snap.events) > 0)
        assert messages(snap) == ["R one"]
        with log.open("a") as out:
            out.write("o\nR thr")
        until(monitor, lambda snap: messages(snap)[-1] == "R thr")
        with log.open("a") as out:
            out.write("ee\nR four\n")
        assert monitor.wait_idle(DEADLINE)
        events = monitor.snapshot().events
    assert events["message"].tolist() == ["R one", "R two", "R thr", "ee", "R four"]
    assert events["continues"].fillna(-1).tolist() == [-1, -1, -1, 12, -1]
    assert [*events["offset"].tolist(), len("R one\nR two\nR three\nR four\n")] == [0, 6, 12, 17, 20, 27]


def test_a_truncated_file_is_a_new_generation(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("R one\nR two\n")
    with start(tmp_path) as monitor:
        assert monitor.wait_idle(DEADLINE)
        log.write_text("R x\n")
        until(monitor, lambda snap: "R x" in messages(snap))
        assert monitor.wait_idle(DEADLINE)
        audit = monitor.snapshot().audit()
    assert audit["generation"].tolist() == [0, 1]
    assert audit["balanced"].all()


def test_a_snapshot_never_shows_half_a_batch(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("")
    with start(tmp_path, block_bytes=256) as monitor:
        for _ in range(30):
            with log.open("a") as out:
                out.write("R line\n" * 50)
            snap = monitor.snapshot()
            assert snap.stats.events == len(snap.events) == sum(snap.files["events"])
            assert snap.audit()["balanced"].all()
        assert monitor.wait_idle(DEADLINE)
        assert monitor.snapshot().stats.events == 1500


def test_many_spans_and_workers_give_each_record_once(tmp_path: Path) -> None:
    lines = [f"R {i}" for i in range(20_000)]
    (tmp_path / "a.log").write_text("\n".join(lines))
    snap = logkit.read(tmp_path, span_bytes=1000, block_bytes=512, workers=4, queue_size=2, progress=False)
    assert messages(snap) == lines
    assert snap.audit()["balanced"].all()
    assert snap.files["offset_bytes"].tolist() == [(tmp_path / "a.log").stat().st_size]


def test_only_the_newest_rows_are_kept_and_the_rest_is_counted(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("".join(f"R {i}\n" for i in range(1000)))
    snap = logkit.read(tmp_path, keep_events=100, block_bytes=256, workers=1, progress=False)
    assert messages(snap) == [f"R {i}" for i in range(900, 1000)]
    assert (snap.stats.events, snap.dropped_events) == (1000, 900)
    none = logkit.read(tmp_path, keep_events=0, progress=False)
    assert (len(none.events), none.stats.events, none.dropped_events) == (0, 1000, 1000)


def test_a_poison_block_is_set_aside_with_its_reason_and_the_rest_is_read(tmp_path: Path) -> None:
    good = "R good line of some length\n" * 40
    (tmp_path / "a.log").write_text(good + "R x\npoison\n" + good)
    (tmp_path / "b.log").write_text("R fine\n")
    (tmp_path / "c.log").write_text("poison\n")
    snap = logkit.read(tmp_path, block_bytes=256, max_record_bytes=64, workers=2, retry_seconds=0.01, progress=False)
    files = snap.files.set_index(snap.files["path"].map(os.path.basename))
    assert files.loc["b.log", "state"] == "idle"
    assert files.loc["c.log", "state"] == "failed"
    assert files.loc["c.log", "error"] == "ValueError: poison"
    assert files.loc["c.log", "attempts"] == 3
    assert snap.audit()["balanced"].all()
    assert snap.audit()["skipped_reason"].tolist().count("ValueError: poison") == 1
    assert len(snap.events) == 82


def test_a_thread_killed_by_an_exception_is_shown_replaced_and_its_span_retried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths = []
    read = Worker._read

    def dies_once(self: Worker, span: object, activity: object) -> object:
        if not deaths:
            deaths.append(span)
            raise SystemExit("killed on purpose")
        return read(self, span, activity)  # type: ignore[arg-type]

    monkeypatch.setattr(Worker, "_read", dies_once)
    (tmp_path / "a.log").write_text("R one\n")
    with start(tmp_path) as monitor:
        snap = until(monitor, lambda snap: len(snap.events) == 1)
        threads = snap.threads.set_index("name")
        dead = threads[~threads["alive"]]
        assert dead["last_error"].tolist() == ["SystemExit: killed on purpose"]
        assert dead["state"].tolist() == ["died"]
        workers = [name for name in threads.index[threads["alive"]] if name.startswith("logkit-worker")]
        assert len(workers) == 2
        assert messages(snap) == ["R one"]


def test_a_watcher_that_dies_is_replaced_and_nothing_is_lost(tmp_path: Path) -> None:
    with start(tmp_path) as monitor:
        assert monitor.wait_idle(DEADLINE)
        engine = monitor._engine
        original = engine.watcher._scan
        struck = []

        def strike(now: float) -> None:
            if not struck:
                struck.append(now)
                raise RuntimeError("struck")
            original(now)

        engine.watcher._scan = strike  # type: ignore[method-assign]
        (tmp_path / "a.log").write_text("R one\n")
        snap = until(monitor, lambda snap: len(snap.events) == 1)
        assert struck
        assert snap.threads["name"].tolist().count("logkit-watcher") == 2


def test_an_engine_whose_threads_keep_dying_stops_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(self: Worker, work: object, activity: object) -> None:
        raise SystemExit("always")

    monkeypatch.setattr(Worker, "_run", dies)
    (tmp_path / "a.log").write_text("R one\n")
    with start(tmp_path, max_thread_deaths=2, max_attempts=9) as monitor:
        snap = until(monitor, lambda snap: snap.state == "failed")
        assert not monitor.wait_idle(0.1)
    assert snap.files["error"].tolist() == ["SystemExit: always"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_shown_and_read_once_it_is_granted(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("R one\n")
    log.chmod(0)
    with start(tmp_path) as monitor:
        snap = until(monitor, lambda snap: "retrying" in snap.files["state"].tolist())
        assert snap.files["error"].tolist() == ["PermissionError: Permission denied"]
        log.chmod(0o644)
        until(monitor, lambda snap: len(snap.events) == 1)


def test_a_file_that_cannot_be_opened_is_retried_while_watching_and_reported_by_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from logkit.engine import prober

    denied = threading.Event()
    denied.set()
    identify = prober.identify

    def guarded(descriptor: int, path: str, **how: Any) -> object:
        if denied.is_set():
            raise PermissionError(13, "Permission denied", path)
        return identify(descriptor, path, **how)

    monkeypatch.setattr(prober, "identify", guarded)
    (tmp_path / "a.log").write_text("R one\n")
    snap = logkit.read(tmp_path, retry_seconds=0.01, progress=False)
    assert snap.files[["state", "error"]].to_numpy().tolist() == [["failed", "PermissionError: Permission denied"]]
    with start(tmp_path) as monitor:
        until(monitor, lambda snap: "retrying" in snap.files["state"].tolist())
        denied.clear()
        until(monitor, lambda snap: len(snap.events) == 1)


def test_watching_the_same_paths_again_replaces_the_first_monitor(tmp_path: Path) -> None:
    first = start(tmp_path)
    second = start(Path(str(tmp_path) + "/."))
    assert first.state == "stopped"
    assert second.state == "running"
    assert sum(thread.name == "logkit-watcher" for thread in threading.enumerate()) == 1
    assert second.stop(DEADLINE)


def test_stop_is_idempotent_and_snapshots_still_work(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("R one\n")
    monitor = start(tmp_path)
    assert monitor.wait_idle(DEADLINE)
    assert monitor.stop(DEADLINE)
    assert monitor.stop(DEADLINE)
    assert repr(monitor.stop()) == "stopped: every thread has ended"
    assert messages(monitor.snapshot()) == ["R one"]
    assert monitor.snapshot().state == "stopped"
    assert "stopped, 1 events from 1 files" in repr(monitor)


def test_stop_while_the_queue_is_full_and_a_worker_is_busy_names_who_is_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy, release = threading.Event(), threading.Event()
    probe = Prober.probe

    def blocks(self: Prober, work: object) -> object:
        busy.set()
        assert release.wait(DEADLINE)
        return probe(self, work)  # type: ignore[arg-type]

    monkeypatch.setattr(Prober, "probe", blocks)
    for number in range(20):
        (tmp_path / f"{number}.log").write_text("R one\n")
    monitor = start(tmp_path, workers=1, queue_size=1)
    assert busy.wait(DEADLINE)
    result = monitor.stop(0.1)
    assert not result
    assert result.alive == ("logkit-worker-1",)
    assert "logkit-worker-1 still at work" in repr(result)
    release.set()
    assert monitor.stop(DEADLINE)


def test_what_discovery_passed_over_is_in_the_snapshot_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("R one\n")
    (tmp_path / ".hidden.log").write_text("R two\n")
    os.mkfifo(tmp_path / "pipe")
    skipped = logkit.read(tmp_path, progress=False).skipped
    assert dict(zip(skipped["path"].map(os.path.basename), skipped["reason"], strict=True)) == {
        ".hidden.log": "hidden",
        "pipe": "not a file but a FIFO",
    }


def test_a_batch_is_never_applied_twice_whatever_fails_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([True, True])

    def fails(self: object) -> None:
        if next(failures, False):
            raise MemoryError("no room")

    monkeypatch.setattr("logkit.engine.state.State.tidy", fails)
    (tmp_path / "a.log").write_text("R one\nR two\nR three\n")
    snap = logkit.read(tmp_path, retry_seconds=0.01, progress=False)
    assert messages(snap) == ["R one", "R two", "R three"]
    assert snap.audit()["balanced"].all()


def test_a_file_that_another_one_has_replaced_is_not_read_under_its_name(tmp_path: Path) -> None:
    from logkit.sources.reader import open_source

    (tmp_path / "a.log").write_text("R old\n")
    status = (tmp_path / "a.log").stat()
    (tmp_path / "a.log").rename(tmp_path / "a.log.1")
    (tmp_path / "a.log").write_text("R new\n")
    reader = open_source(str(tmp_path / "a.log"), None, 0, (status.st_dev, status.st_ino))
    with pytest.raises(FileNotFoundError, match="another file stands here now"):
        reader.__enter__()


def test_the_format_waits_for_a_whole_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heads = []

    def seen(head: bytes, name: str) -> Tiny:
        heads.append(head)
        return Tiny()

    monkeypatch.setattr("logkit.sources.identity.detect", seen)
    (tmp_path / "a.log").write_text("R on")
    with start(tmp_path, idle_flush_seconds=60) as monitor:
        until(monitor, lambda snap: snap.files["state"].tolist() == ["waiting"])
        with (tmp_path / "a.log").open("a") as out:
            out.write("e\nR two\n")
        until(monitor, lambda snap: len(snap.events) == 2)
    assert heads == [b"R one\nR two\n"]


def test_a_folder_yet_to_be_made_can_be_watched(tmp_path: Path) -> None:
    with pytest.raises(PathError, match="missing_ok=True"):
        start(tmp_path / "later")
    with start(tmp_path / "later", missing_ok=True) as monitor:
        assert monitor.wait_idle(DEADLINE)
        (tmp_path / "later" / "deep").mkdir(parents=True)
        (tmp_path / "later" / "deep" / "a.log").write_text("R one\n")
        until(monitor, lambda snap: len(snap.events) == 1)


def test_without_change_notification_scans_alone_find_growth(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("R one\n")
    with start(tmp_path, notify=False) as monitor:
        assert monitor.wait_idle(DEADLINE)
        assert "logkit-notify" not in monitor.snapshot().threads["name"].tolist()
        with (tmp_path / "a.log").open("a") as out:
            out.write("R two\n")
        until(monitor, lambda snap: len(snap.events) == 2)


def test_a_wrong_setting_says_what_to_try(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="try workers="):
        logkit.watch(tmp_path, worker=3)
    with pytest.raises(SettingError, match="expected queue_size= to be more than 0, found -1; try 64"):
        logkit.watch(tmp_path, queue_size=-1)
    with pytest.raises(SettingError, match="IANA name, found 'Mars/Base'"):
        logkit.read(tmp_path, timezone="Mars/Base")


def test_another_process_is_told_that_the_threads_are_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start(tmp_path) as monitor:
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda: -1)
            with pytest.raises(Forked, match="watch"):
                monitor.snapshot()
        assert monitor.snapshot().state == "running"


def test_idle_threads_say_what_they_wait_for(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("R one\n")
    with start(tmp_path, poll_seconds=5) as monitor:
        assert monitor.wait_idle(DEADLINE)
        snap = until(monitor, lambda snap: snap.threads["state"].isin(["waiting", "sleeping"]).all())
        assert snap.threads["name"].tolist() == [
            "logkit-watcher",
            "logkit-worker-1",
            "logkit-worker-2",
            "logkit-notify",
        ]
        assert snap.threads["state"].tolist() == ["sleeping", "waiting", "waiting", "sleeping"]
        assert snap.threads["bytes"].sum() >= 6

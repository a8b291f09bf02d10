"""Failures that were found from outside once: each has its promise here."""

from __future__ import annotations

import functools
import gzip
import itertools
import os
import threading
import tracemalloc
from collections.abc import Iterator

import pytest

import logkit
from logkit.engine.descriptors import Descriptors
from logkit.engine.state import State
from tests import outside
from tests.outside import GOOD, messages, read, watch
from tests.test_promises import alive, line, lines, numbers, script

until = functools.partial(outside.until, seconds=6.0)


@pytest.fixture(autouse=True)
def _no_thread_left_behind() -> Iterator[None]:
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("logkit-")] == []


class Panic(BaseException):
    """As Polars' PanicException."""


def test_a_dozen_poison_files_of_native_panics_do_not_end_the_engine(tmp_path):
    for n in range(12):
        (tmp_path / f"bad{n}.log").write_text(GOOD)
    (tmp_path / "good.log").write_text(GOOD)

    def service(path):
        if "bad" in path:
            raise Panic("boom")
        return "x"

    snap = read(tmp_path, service=service, retry_seconds=0.01)
    assert snap.state == "finished"
    assert sorted(set(snap.files["state"])) == ["failed", "idle"]


def test_a_failure_after_a_batch_was_applied_does_not_apply_it_again(tmp_path, monkeypatch):
    (tmp_path / "app.log").write_text(lines(3))
    real, fails = State.tidy, itertools.count()

    def tidy(self):
        if next(fails) == 0:
            raise MemoryError
        return real(self)

    monkeypatch.setattr(State, "tidy", tidy)
    snap = read(tmp_path, retry_seconds=0.01)
    assert len(snap) == 3
    assert snap.audit()["balanced"].all()


@pytest.mark.parametrize("first", ["Starting orders ...\n", line(0)[:37]])
def test_a_file_watched_from_its_birth_gets_the_format_read_would_find(first, tmp_path):
    with watch(tmp_path) as monitor, (tmp_path / "app.log").open("a", buffering=1) as out:
        out.write(first)
        out.flush()
        until(monitor, lambda snap: bool(len(snap.files)) and snap.files["format"].notna().all())
        out.write(line(0)[37:] if first in line(0) else line(0))
        out.write(lines(500, start=1))
        snap = until(monitor, lambda snap: len(snap) >= 501)
    assert snap.files["format"].tolist() == read(tmp_path).files["format"].tolist()


def test_a_forked_child_may_watch_again_as_the_error_advises(tmp_path):
    done = script(
        """
import os, sys, logkit
m = logkit.watch(sys.argv[1]); m.wait_idle()
if not os.fork():
    try:
        logkit.watch(sys.argv[1]); print("ok", flush=True)
    except BaseException as e: print(repr(e)[:60], flush=True)
    os._exit(0)
os.wait()
""",
        tmp_path,
    )
    assert done.stdout == "ok\n"


def test_many_tiny_gzip_files_cost_memory_like_their_content(tmp_path):
    for n in range(40):
        (tmp_path / f"a{n}.log.gz").write_bytes(gzip.compress(GOOD.encode()))
    tracemalloc.start()
    try:
        snap = read(tmp_path)
        assert tracemalloc.get_traced_memory()[0] < 30_000_000
    finally:
        tracemalloc.stop()
    assert len(snap) == 40


def test_a_file_name_that_is_no_utf8_is_read(tmp_path):
    with open(os.fsencode(tmp_path) + b"/bad\xff.log", "w") as out:
        out.write(GOOD)
    snap = read(tmp_path)
    assert len(snap) == 1
    repr(snap), snap.files, snap.events


def test_a_worker_reads_the_file_that_was_found_not_what_has_its_name_now(tmp_path, monkeypatch):
    here = tmp_path / "app.log"
    here.write_text("".join(line(n) for n in range(10, 20)))
    real, done = Descriptors.borrow, []

    def swap(files, path, file):
        if not done:
            done.append(1)
            here.rename(tmp_path / "app.log.1")
            here.write_text("".join(line(n) for n in range(20, 30)))
        return real(files, path, file)

    monkeypatch.setattr(Descriptors, "borrow", swap)
    with watch(tmp_path) as monitor:
        snap = until(monitor, lambda snap: len(snap) == 20)
    assert numbers(snap) == list(range(10, 30))


@pytest.mark.parametrize("path", ["/tmp/" + "x" * 300, 5, None])
def test_a_path_that_cannot_be_one_is_a_path_error(path):
    with pytest.raises(logkit.PathError):
        read(path)


def test_a_link_to_nothing_given_as_the_path_is_a_path_error(tmp_path):
    (tmp_path / "app.log").symlink_to(tmp_path / "nowhere")
    with pytest.raises(logkit.PathError):
        read(tmp_path / "app.log")


@pytest.mark.parametrize(
    ("name", "value"), [("timezone", "America"), ("timezone", None), ("workers", 2.5), ("keep_events", "5")]
)
def test_a_setting_of_the_wrong_kind_is_a_setting_error(name, value, tmp_path):
    with pytest.raises(logkit.SettingError):
        read(tmp_path, **{name: value})


def test_a_file_of_nothing_but_line_ends_is_read_to_its_end(tmp_path):
    (tmp_path / "app.log").write_bytes(b"\n" * 5_000_000)
    snap = read(tmp_path, block_bytes=64 << 10)
    assert snap.events["length_bytes"].sum() == 5_000_000
    assert messages(snap)[0] == ""


def test_wait_idle_is_not_true_while_a_file_is_half_known_after_the_watcher_died(tmp_path, monkeypatch):
    from logkit.engine.watcher import Watcher

    real, n = Watcher._succeeded, itertools.count()

    def once(self, *a):
        if next(n) == 0:
            raise MemoryError
        return real(self, *a)

    monkeypatch.setattr(Watcher, "_succeeded", once)
    (tmp_path / "app.log").write_text(GOOD)
    with watch(tmp_path) as monitor:
        assert monitor.wait_idle(9)
        assert len(monitor.snapshot()) == 1


def test_a_log_that_ends_in_nul_bytes_is_still_a_log(tmp_path):
    (tmp_path / "app.log").write_bytes(lines(200).encode() + bytes(60_000))
    snap = read(tmp_path)
    assert len(snap) >= 200


def test_watching_at_once_from_many_threads_leaves_one_monitor(tmp_path):
    gate = threading.Barrier(8)

    def go():
        gate.wait()
        watch(tmp_path)

    threads = [threading.Thread(target=go) for _ in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert alive().count("logkit-watcher") == 1
    watch(tmp_path).stop()

"""Several sinks at once: each from where it was, none in the way of another; what they promise whatever they are."""

from __future__ import annotations

import csv
import itertools
import json
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import logkit
from logkit.engine.outbox import Part
from logkit.engine.outcome import Outcome
from logkit.engine.parcels import runs_of
from logkit.engine.prober import Prober
from logkit.engine.progress import Probe
from logkit.errors import SettingError, SinkError
from logkit.sinks import Parcel, Sink
from logkit.sinks.journal import Journal
from logkit.sources import common, complement, cut
from tests.scenario_tools import DEADLINE, NEVER, Scene, eventually, read

pytestmark = pytest.mark.usefixtures("no_thread_left_behind")

README = Path(__file__).resolve().parents[1] / "README.md"


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "logs")


class List(Sink):
    """Keeps what it is given in memory, and its memory in a journal; fails while it is told to."""

    def __init__(self, name: str, journal: Path | None = None, **limits: Any) -> None:
        self.limits(name=name, **limits)
        self.journal = Journal(journal, name) if journal else None
        self.parcels: dict[str, Parcel] = {}
        self.calls = 0
        self.failing = False
        self.blocked: threading.Event | None = None

    def write(self, parcels: Sequence[Parcel]) -> None:
        self.calls += 1
        if self.blocked is not None:
            self.blocked.wait(DEADLINE)
        if self.failing:
            raise ConnectionError("nobody there")
        for parcel in parcels:
            before = self.parcels.setdefault(parcel.key, parcel)
            assert before.frame["offset"].equals(parcel.frame["offset"])

    @property
    def messages(self) -> Counter[str]:
        return Counter(message for parcel in self.parcels.values() for message in parcel.frame["message"])


def test_each_goes_on_from_where_it_was(scene: Scene, tmp_path: Path) -> None:
    store = tmp_path / "store.duckdb"

    def run(*sinks: Sink) -> logkit.Snapshot:
        snap = read(scene.folder, store=store, sinks=sinks, block_bytes=20_000, span_bytes=100_000)
        scene.came(snap)
        return snap

    one = List("one", tmp_path / "one")
    scene.write(1_000)
    run(one)
    scene.write(500)
    run()  # the store alone goes on
    scene.write(300)
    two = List("two", tmp_path / "two")
    snap = run(one, two)
    assert snap.sinks["events"].to_list() == [800, 1_800]
    assert one.messages == two.messages == Counter(scene.written)
    scene.write(10)
    assert run(one, two).sinks["events"].to_list() == [10, 10]
    assert one.messages == two.messages == Counter(scene.written)


def test_without_a_store_the_snapshot_is_of_all_and_sinks_get_what_they_lack(scene: Scene, tmp_path: Path) -> None:
    one, two = List("one", tmp_path / "one"), List("two", tmp_path / "two")
    scene.write(1_000)
    read(scene.folder, sinks=[one])
    scene.log.rename(scene.rotated(1))
    scene.write(200)
    for _ in range(2):
        scene.came(read(scene.folder, sinks=[one, two]))
        assert one.messages == two.messages == Counter(scene.written)


@pytest.mark.parametrize("with_store", [False, True], ids=["memory", "store"])
def test_one_that_is_down_stops_nobody_until_it_is_full(scene: Scene, tmp_path: Path, with_store: bool) -> None:
    scene.write(5_000)
    down, up = List("down", max_waiting_bytes=100_000), List("up")
    down.failing = True
    store = tmp_path / "store.duckdb" if with_store else None
    quick = {"retry_seconds": 0.01, "max_retry_seconds": 0.02, "block_bytes": 20_000, "workers": 2}
    with scene.watch(sinks=[down, up], store=store, **quick) as monitor:
        eventually(monitor, lambda snap: snap.sinks["waiting_bytes"][0] >= 100_000)
        snap = eventually(monitor, lambda snap: snap.sinks["state"][0] == "retrying")
        assert "nobody there" in snap.sinks["error"][0]
        # each worker may be a batch too generous
        assert snap.sinks["waiting_bytes"][0] <= 100_000 + 3 * 84 * 300 + 3 * 20_000
        eventually(monitor, lambda _: sum(up.messages.values()) > 500)
        assert sum(up.messages.values()) < 5_000  # then readers wait
        down.failing = False
        assert monitor.wait_idle(DEADLINE)
        assert down.messages == up.messages == Counter(scene.written)
        scene.came(monitor.snapshot())


def test_one_that_may_drop_holds_up_nobody_and_gets_the_rest_after_a_restart(scene: Scene, tmp_path: Path) -> None:
    scene.write(5_000)
    down = List("down", tmp_path / "journal", max_waiting_bytes=100_000, when_full="drop")
    up = List("up")
    down.blocked = threading.Event()
    with scene.watch(sinks=[down, up], block_bytes=20_000) as monitor:
        eventually(monitor, lambda _: up.messages == Counter(scene.written))
        down.blocked.set()
        assert monitor.wait_idle(DEADLINE)
        status = monitor.snapshot().sinks.iloc[0]
        assert status["dropped_events"] == 5_000 - sum(down.messages.values()) > 0
        assert "down: " in repr(monitor.stop())
    down.limits(max_waiting_bytes=1 << 30)
    read(scene.folder, sinks=[down])
    assert down.messages == Counter(scene.written)


def test_read_gives_a_hopeless_sink_up_and_says_so(scene: Scene) -> None:
    scene.write(100)
    down, up = List("down", patience_seconds=0.05), List("up")
    down.failing = True
    with pytest.raises(
        SinkError, match="'down' to take everything, found: ConnectionError: nobody there; 100 events"
    ) as e:
        read(scene.folder, sinks=[down, up])
    assert e.value.sink == "down"
    assert up.messages == Counter(scene.written)


def test_stop_drains_until_its_deadline_and_says_what_is_left(scene: Scene) -> None:
    scene.write(100)
    slow = List("slow")
    slow.blocked = threading.Event()
    monitor = scene.watch(sinks=[slow])
    eventually(monitor, lambda _: slow.calls == 1)
    result = monitor.stop(0.3)
    assert result.alive == ("logkit-sink-slow",)
    assert re.fullmatch(r"slow: [\d,]+ events, [\d,]+ bytes of log", result.left[0])
    slow.blocked.set()
    assert monitor.stop(DEADLINE)
    prompt = List("prompt", parcel_seconds=NEVER)
    monitor = scene.watch(sinks=[prompt])
    eventually(monitor, lambda snap: len(snap) == 100)
    assert repr(monitor.stop()) == "stopped: every thread has ended"
    assert sum(prompt.messages.values()) >= 99  # the last record may still be open


@pytest.mark.parametrize("format", ["parquet", "csv", "jsonl"])
def test_files_hold_every_row_once_by_day_and_service(tmp_path: Path, format: Any) -> None:
    logs, out = tmp_path / "logs", tmp_path / "logs" / "out"
    logs.mkdir()
    lines = [f'{{"time":"2026-03-0{1 + at % 2}T00:00:00Z","service":"{"a/../b" if at % 3 else ".."}","message":"{at}"}}'
             for at in range(100)]  # fmt: skip
    (logs / "x.json").write_text("\n".join([*lines, '{"message":"undated","n":{"a":1}}', ""]))
    for _ in range(2):
        snap = read(logs, sinks=[logkit.sinks.Files(out, format)])
        assert len(snap) == 101  # what it writes is no log
    files = sorted(path for path in out.rglob(f"*.{format}"))
    assert {path.parent.parent.name for path in files} == {"day=2026-03-01", "day=2026-03-02", "day=unknown"}
    assert {path.parent.name for path in files} == {"service=a%2F..%2Fb", "service=%2E%2E", "service=x"}
    made: list[str] = []
    for path in files:
        if format == "parquet":
            made += pl.read_parquet(path, hive_partitioning=False)["message"].to_list()
        elif format == "csv":
            made += [row["message"] for row in csv.DictReader(path.read_text().splitlines())]
        else:
            made += [json.loads(line)["message"] for line in path.read_text().splitlines()]
    assert Counter(made) == Counter([*map(str, range(100)), "undated"])
    assert not [path for path in out.rglob("*") if path.name.endswith(".writing")]


def test_a_call_that_raises_is_called_again_with_the_same_rows(scene: Scene) -> None:
    scene.write(10)
    seen: list[tuple[str, int]] = []

    def flaky(frame: pl.DataFrame, parcel: Parcel) -> None:
        seen.append((parcel.key, frame.height))
        if len(seen) < 3:
            raise ValueError("not yet")

    snap = read(scene.folder, sinks=[logkit.sinks.Call(flaky)])
    assert len(seen) == 3
    assert len(set(seen)) == 1
    assert snap.sinks[["name", "events", "failures"]].to_numpy().tolist() == [["flaky", 10, 2]]


def test_the_example_of_the_readme_has_every_row_once(scene: Scene, tmp_path: Path) -> None:
    (source,) = re.findall(r"```python\n(import sqlite3\n.*?)```", README.read_text(), re.DOTALL)
    assert source.count("\n") <= 30
    names: dict[str, Any] = {}
    exec(compile(source, "README.md", "exec"), names)
    sink = names["Sqlite"]
    scene.write(1_000)
    for _ in range(2):
        read(scene.folder, sinks=[sink(str(tmp_path / "logs.db"))])
        scene.write(10)
    import sqlite3

    with sqlite3.connect(tmp_path / "logs.db") as connection:
        rows = connection.execute("SELECT message FROM events").fetchall()
    connection.close()
    assert Counter(message for (message,) in rows) == Counter(scene.written[:-10])


@pytest.mark.parametrize(
    ("sinks", "said"),
    [
        (lambda: [List("x"), List("x")], "'x' twice"),
        (lambda: List("x"), r"to be a list of logkit\.sinks\.Sink"),
        (lambda: [print], r"to be a list of logkit\.sinks\.Sink"),
    ],
)
def test_sinks_that_cannot_work_say_so(scene: Scene, sinks: Callable[[], Any], said: str) -> None:
    scene.write(1)
    with pytest.raises(SettingError, match=said):
        scene.watch(sinks=sinks())


def test_a_sink_works_for_one_monitor_at_a_time(scene: Scene, tmp_path: Path) -> None:
    scene.write(1)
    one = List("one", tmp_path / "journal")
    with scene.watch(sinks=[one]):
        with pytest.raises(SinkError, match="with another monitor"):
            read(scene.folder, sinks=[one])
        with pytest.raises(SinkError, match="found another sink using it"):
            read(scene.folder, sinks=[List("two", tmp_path / "journal", begin_seconds=0.01)])
    read(scene.folder, sinks=[one])


def test_a_journal_keeps_the_last_text_and_cuts_off_half_a_line(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path, "x")
    assert journal.begin() == {}
    memory: Mapping[str, str] = {"a": "1" * 300_000, "b": "é\n"}
    for at in range(20):
        journal.commit({**memory, "c": str(at)})
    journal.close()
    assert path.stat().st_size < 5 << 20  # written anew now and then
    with path.open("ab") as out:
        out.write(b'["a", "half a li')
    assert journal.begin() == {**memory, "c": "19"}
    journal.close()
    path.write_bytes(b"a log\n")
    with pytest.raises(SinkError, match="found something else"):
        journal.begin()
    assert path.read_bytes() == b"a log\n"
    assert not os.path.exists(f"{path}.new")


RANGES = st.lists(st.integers(0, 60), max_size=10).map(
    lambda edges: tuple(zip(sorted(set(edges))[::2], sorted(set(edges))[1::2], strict=False))
)


@given(RANGES, RANGES, st.lists(st.integers(0, 60)))
def test_ranges_in_common_and_cut_hold_the_same_bytes(one: Any, other: Any, edges: list[int]) -> None:
    def of(ranges: Any) -> list[int]:
        return [byte for low, high in ranges for byte in range(low, high)]

    assert of(common(one, other)) == sorted(set(of(one)) & set(of(other)))
    assert of(cut(one, edges)) == of(one)
    assert not any(low < edge < high for low, high in cut(one, edges) for edge in edges)


@settings(max_examples=20)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 12), st.integers(1, 60), st.data())
def test_parcels_tile_the_parts_and_what_was_promised_is_cut_alike(
    sizes: list[int], max_events: int, max_bytes: int, data: st.DataObject
) -> None:
    edges = [sum(sizes[:at]) for at in range(len(sizes) + 1)]
    rows = [(edge, edge + size) for edge, size in zip(edges, sizes, strict=False)]
    cuts = sorted({0, len(rows), *data.draw(st.lists(st.integers(0, len(rows))))})
    parts = [
        Part((0, 0), edges[a], edges[b], pl.DataFrame({"offset": [row[0] for row in rows[a:b]]}), 0, None, 0.0)
        for a, b in itertools.pairwise(cuts)
    ]
    runs = runs_of(data.draw(st.permutations(parts)), max_events, max_bytes)
    assert [run.start for run in runs] == [0, *(run.stop for run in runs[:-1])]
    assert runs[-1].stop == edges[-1]
    assert [offset for run in runs for offset in run.frame["offset"]] == edges[:-1]
    for run in runs:
        assert run.frame.height <= max_events
    # cut at other places, and again under other limits
    promised = tuple((run.start, run.stop) for run in runs)
    singly = [
        Part((0, 0), low, high, pl.DataFrame({"offset": [low]}), 0, None, 0.0) for low, high in rows
    ]  # as finely as can be
    again = runs_of(singly, 1, 1, promised)
    assert [(run.start, run.stop) for run in again] == list(promised)
    assert not complement(((0, edges[-1]),), 0, edges[-1])


@pytest.mark.parametrize("with_store", [False, True], ids=["memory", "store"])
def test_a_compressed_copy_in_an_inode_that_was_another_logs_is_not_sent_again(
    scene: Scene, tmp_path: Path, with_store: bool
) -> None:
    import gzip

    store = tmp_path / "store.duckdb" if with_store else None
    one = List("one", tmp_path / "one")
    for number in (2, 1):
        scene.write(200)
        scene.log.rename(scene.rotated(number))
    scene.write(10)
    read(scene.folder, sinks=[one], store=store)
    # while nobody watches: 1 is compressed, into the inode that 2 leaves
    reused, first = scene.rotated(2), scene.rotated(1).read_bytes()
    kept = reused.read_bytes()
    reused.write_bytes(gzip.compress(first))
    reused.rename(scene.rotated("app.log.1.gz"))
    scene.rotated(1).unlink()
    scene.rotated(3).write_bytes(kept)
    with scene.watch(sinks=[one], store=store, idle_flush_seconds=NEVER) as monitor:
        assert monitor.wait_idle(DEADLINE)
    assert one.messages == Counter(scene.written)


def test_a_copy_that_appears_and_is_no_source_of_its_own_breaks_nothing(scene: Scene, tmp_path: Path) -> None:
    import gzip

    one = List("one", tmp_path / "one")
    scene.write(200)
    with scene.watch(sinks=[one], poll_seconds=0.02, follow_seconds=0.0, copy_seconds=0.0) as monitor:
        assert monitor.wait_idle(DEADLINE)
        for number in range(1, 4):
            rotated = scene.rotated(number)
            scene.log.rename(rotated)
            scene.write(50)
            assert monitor.wait_idle(DEADLINE)
            rotated.with_name(f"{rotated.name}.gz").write_bytes(gzip.compress(rotated.read_bytes()))
            rotated.unlink()
            scene.write(50)
            assert monitor.wait_idle(DEADLINE)
        assert monitor.snapshot().sinks["failures"].to_list() == [0]
    with scene.watch(sinks=[one], poll_seconds=0.02) as monitor:
        eventually(monitor, lambda _: one.messages == Counter(scene.written))


def test_a_log_that_goes_while_it_is_looked_for_is_not_taken_for_what_its_inode_holds_then(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gzip

    one, rotated = List("one", tmp_path / "one"), scene.rotated(1)
    scene.write(60)
    scene.log.rename(rotated)
    text = rotated.read_bytes()
    read(scene.folder, sinks=[one])
    probe, seen = Prober.probe, list[str]()

    def rotating(self: Prober, work: Probe) -> Outcome:
        """As it is opened the log goes, and the next one gets its inode."""
        seen.append(os.path.basename(work.path))
        if seen != [rotated.name]:
            return probe(self, work)
        rotated.rename(scene.log)
        os.truncate(scene.log, 0)
        scene.write(40)
        return probe(self, work)

    monkeypatch.setattr(Prober, "probe", rotating)
    with scene.watch(sinks=[one], poll_seconds=0.02, retry_seconds=0.2, idle_flush_seconds=NEVER) as monitor:
        eventually(monitor, lambda _: seen.count(rotated.name) > 1)  # it was tried again, and what it was is gone
        assert monitor.wait_idle(DEADLINE)
    monkeypatch.undo()
    scene.rotated("app.log.1.gz").write_bytes(gzip.compress(text))
    read(scene.folder, sinks=[one])
    assert one.messages == Counter(scene.written)


@pytest.mark.parametrize("with_store", [False, True], ids=["memory", "store"])
def test_what_was_compressed_while_nobody_watched_is_read_on_in_its_archive(
    scene: Scene, tmp_path: Path, with_store: bool
) -> None:
    import gzip

    store, one = tmp_path / "store.duckdb" if with_store else None, List("one", tmp_path / "one")
    scene.write(50)
    with scene.watch(sinks=[one], store=store, idle_flush_seconds=NEVER) as monitor:
        assert monitor.wait_idle(DEADLINE)  # the last record stays open
    scene.rotated("app.log.1.gz").write_bytes(gzip.compress(scene.log.read_bytes()))
    scene.log.unlink()
    scene.came(read(scene.folder, sinks=[one], store=store))
    assert one.messages == Counter(scene.written)

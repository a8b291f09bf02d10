"""The store, written: what goes in is there once and whole, whatever happens to the process, the disk or the file."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from logkit import schema
from logkit.capture import EventFrame
from logkit.errors import PathError, StoreCorrupt, StoreError, StoreLocked, StoreVersion
from logkit.sinks import Saved, Store, owns, read_path, registry, written_path
from logkit.sinks.ddl import MAX_COLUMNS, SOMETIMES
from logkit.stats import Stats
from tests.captures import MINUTE, NOON, part, rows

DEADLINE_SECONDS = 60

ROOT = Path(__file__).resolve().parents[1]


def saved(source: int = 1, generation: int = 0, **facts: Any) -> Saved:
    """What is known of one source: as awkward as a file system allows."""
    known = Saved(
        source=source,
        generation=generation,
        path="/logs/app.log",
        device=2**64 - 1,
        inode=7,
        head=b"\0head\xff",
        compression=None,
        encoding="utf-8",
        format="logback",
        head_bytes=6,
        reference_us=NOON,
        ranges=((0, 10), (20, 30)),
        ends=((10, 10, b"\0" * 16, 0), (30, 10, b"\xff" * 16, 20)),
        seen_bytes=30,
        event_bytes=20,
        skipped_bytes=0,
        skipped_reason=None,
        events=2,
        rejects=0,
        cuts=0,
        disk_bytes=30,
        modified=1.5,
        gone=False,
    )
    return replace(known, **facts)


def put(store: Store, frame: pl.DataFrame, *sources: Saved) -> int:
    """One commit of one frame, of source 1, with its statistics."""
    return store.commit([part(frame)], sources or [saved()], Stats.of(frame))


def many(count: int, offset: int = 0) -> pl.DataFrame:
    """That many events, each with a message of its own."""
    frame = rows({"message": ""}, offset=offset)
    at = pl.int_range(pl.len())
    return frame[pl.zeros(count, dtype=pl.UInt32, eager=True)].with_columns(
        message=pl.format("message {} of {}", at, pl.lit(offset)).shuffle(1), offset=offset + 10 * at
    )


def asked(store: Store, query: str) -> list[tuple[Any, ...]]:
    """What a query finds in an open store."""
    connection = registry.cursor(store.path)
    assert connection is not None
    with closing(connection):
        return connection.execute(query).fetchall()


def found(store: Store, columns: str = "message") -> list[Any]:
    """Some columns of all events, in the order they went in; a single one without its tuples."""
    answer = asked(store, f'SELECT {columns} FROM events ORDER BY seq, source, generation, "offset"')
    return [row[0] if len(row) == 1 else row for row in answer]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a store may be made."""
    return tmp_path / "incident.duckdb"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    """A new store."""
    with closing(Store.open(path)) as opened:
        yield opened


@contextmanager
def child(code: str, *arguments: object, first_line: bool = True) -> Iterator[subprocess.Popen[str]]:
    """Another process that runs `code`, from when it has printed its `first_line`."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            assert not first_line or process.stdout.readline()
            yield process
        finally:
            process.kill()


# What goes in


def test_events_come_out_as_they_went_in(store: Store) -> None:
    frame = rows(
        {"level": "FATAL", "message": "a\nb", "duration_ms": 1.5, "status": 500, "thread": "main"},
        {"timestamp": None, "level": None, "rejected": True, "reason": "odd", "text": "\x1b[31m", "continues": 0},
    )
    assert store.commit([part(frame, source=3, generation=2)], [saved(3, 2)], Stats.of(frame)) == 1
    columns = ", ".join(f'"{name}"' for name in frame.columns if name != "timestamp")
    assert found(store, columns) == frame.drop("timestamp").rows()
    assert found(store, "seq, source, generation, epoch_us(timestamp)") == [(1, 3, 2, NOON), (1, 3, 2, None)]


def test_what_is_loaded_again_equals_what_was_committed(path: Path) -> None:
    frame = rows({"duration_ms": 3.0}, {"service": "größe", "level": "ERROR"})
    sources = (saved(1), saved(1, 1, path="/logs/\udcff\n %41'.log", ranges=(), ends=(), gone=True))
    with closing(Store.open(path)) as store:
        store.commit([part(frame)], sources[::-1], Stats.of(frame))
        lineage = store.lineage
    with closing(Store.open(path)) as again:
        assert again.load() == (sources, Stats.of(frame))
        assert (again.seq, again.retention, again.lineage) == (1, 0, lineage)


@pytest.mark.parametrize("name", ["/a b.log", "/100%.log", "/%FF", "/\udc80\udcff\n", "/größe\t"])
def test_a_path_of_any_bytes_survives_as_text(name: str) -> None:
    assert read_path(written_path(name)) == name
    written_path(name).encode()


def test_a_source_is_replaced_by_what_is_known_of_it_later(store: Store) -> None:
    store.commit([], [saved(1), saved(2)], Stats.empty())
    store.commit([], [saved(2, events=5), saved(2, events=9), saved(3)], Stats.empty())
    assert store.load()[0] == (saved(1), saved(2, events=9), saved(3))


def test_ten_thousand_sources_are_saved_and_loaded(store: Store) -> None:
    sources = tuple(saved(number) for number in range(10_000))
    for _ in range(2):
        store.commit([], sources, Stats.empty())
    assert store.load() == (sources, Stats.empty())


def test_the_sum_of_many_commits_is_kept_in_few_rows(store: Store) -> None:
    frame = rows({"duration_ms": 2.0}, {"level": "WARN"})
    for _ in range(150):
        put(store, frame)
    assert store.load()[1] == Stats.sum([Stats.of(frame)] * 150)
    assert asked(store, "SELECT count(*) < 70 FROM logkit_stats") == [(True,)]


def test_small_commits_do_not_bloat_the_file(store: Store) -> None:
    for number in range(300):
        put(store, rows({"message": str(number)}, offset=10 * number))
    store.close()
    assert os.path.getsize(store.path) < 4_000_000


def test_large_and_small_frames_of_many_sources_keep_their_places(store: Store) -> None:
    frames = [part(many(size), source=size, generation=size % 3) for size in (1, 5000, 2, 4096, 3)]
    store.commit(frames, [], Stats.empty())
    query = "SELECT source, generation, count(*), count(DISTINCT message) FROM events GROUP BY ALL ORDER BY ALL"
    assert asked(store, query) == [(size, size % 3, size, size) for size in (1, 2, 3, 4096, 5000)]


def test_a_failing_statement_leaves_nothing_of_its_commit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, rows({"message": "kept"}))
    before = store.load()

    def fails(*_: object) -> None:
        raise duckdb.IOException("no luck")

    with monkeypatch.context() as broken:
        broken.setattr("logkit.sinks.store.sums.add", fails)
        with pytest.raises(StoreError, match="no luck"):
            put(store, rows({"message": "lost", "colour": "red"}), saved(2))
    with pytest.raises(StoreError, match="closed"):
        put(store, rows({}))
    store.recover()
    assert (store.seq, found(store), store.load()) == (1, ["kept"], before)
    assert put(store, rows({"message": "again", "colour": "red"}), saved(2)) == 2
    assert found(store, "message, colour") == [("kept", None), ("again", "red")]


# The formats' own fields


def test_fields_become_columns_as_they_first_occur(store: Store) -> None:
    put(store, rows({"thread": "main"}))
    put(store, rows({"logger": "a.B", "bytes": 7}))
    put(store, rows({"thread": None}))
    assert found(store, "thread, logger, bytes") == [("main", None, None), (None, "a.B", 7), (None, None, None)]
    kinds = asked(store, "SELECT column_name, column_type FROM (DESCRIBE events) LIMIT 9 OFFSET 10")
    assert kinds == [("thread", "VARCHAR"), ("logger", "VARCHAR"), ("bytes", "BIGINT")]


def test_a_name_out_of_a_log_is_only_ever_a_name(store: Store) -> None:
    names = ['x"; DROP TABLE events; --', "a b", "sélect", "select", "$1", "?", "'", "\n", "x" * 5000, "rowid"]
    put(store, rows(dict.fromkeys(names, "v")))
    quoted = ", ".join('"' + name.replace('"', '""') + '"' for name in names)
    assert found(store, quoted) == [("v",) * len(names)]


@pytest.mark.parametrize("name", ["userid", "SEQ", "Message", "file", "source", "more", "held", "", "a\0b"])
def test_a_field_that_can_have_no_column_goes_into_more(store: Store, name: str) -> None:
    put(store, rows({"userId": "left"}, {}).with_columns(pl.Series(name, ["right", None])))
    ((first, more), second) = found(store, '"userId", more')
    assert (first, json.loads(more)) == ("left", {name: "right"})
    assert second == (None, None)


def test_a_value_that_is_no_number_is_kept_beside_the_column_of_numbers(store: Store) -> None:
    numbers = rows({"status": 200, "bytes": 1})
    texts = rows({}, {}, {}).with_columns(status=pl.Series(["404", "n/a", None]), bytes=pl.Series([1.5, 2.0, None]))
    store.commit([part(numbers), part(texts)], [], Stats.empty())
    expected = [
        (200, 1, None),
        (404, None, '{"bytes":1.5}'),
        (None, 2, '{"status":"n/a"}'),
        (None, None, None),
    ]
    assert sorted(found(store, "status, bytes, more"), key=repr) == sorted(expected, key=repr)


def test_numbers_and_lists_where_text_is_expected_are_kept_as_text(store: Store) -> None:
    frame = rows({}, {}).with_columns(port=pl.Series([80, None]), tags=pl.Series([["a", "b"], None]))
    put(store, frame)
    assert found(store, "port, more") == [("80", '{"tags":["a","b"]}'), (None, None)]


def test_there_are_never_more_columns_than_the_limit(store: Store) -> None:
    wide = {f"field_{number}": str(number) for number in range(MAX_COLUMNS + 50)}
    put(store, rows(wide, {}))
    put(store, rows({"late": "1"}))
    ((columns,),) = asked(store, "SELECT count(*) FROM (DESCRIBE events)")
    assert columns == MAX_COLUMNS + 1 - len(SOMETIMES)  # which there is room for still
    ((kept,), (nothing,), (late,)) = asked(store, 'SELECT len(json_keys(more)) FROM events ORDER BY seq, "offset"')
    assert (kept, nothing, late) == (len(wide) - (MAX_COLUMNS - 13), None, 1)


# Opening


def test_a_folder_that_does_not_exist_is_named_with_the_nearest_that_does(tmp_path: Path) -> None:
    with pytest.raises(PathError, match="expected a folder") as caught:
        Store.open(tmp_path / "no" / "such" / "s.duckdb")
    assert caught.value.nearest == tmp_path.resolve()


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    path.touch()
    with closing(Store.open(path)) as store:
        assert put(store, rows({})) == 1
    assert sorted(os.listdir(path.parent)) == [path.name]


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="found the folder"):
        Store.open(tmp_path)


def _store_bytes(folder: Path) -> bytes:
    with closing(Store.open(folder / "made.duckdb")) as store:
        put(store, many(50_000))
    return (folder / "made.duckdb").read_bytes()


def test_what_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    whole = _store_bytes(tmp_path)
    flipped = bytearray(whole)
    flipped[12_288 + 100] ^= 1  # in the first block
    damaged = {
        "text": b"2026-03-01 12:00:00 INFO hello\n" * 1000,
        "short": b"x",
        "noise": bytes(range(256)) * 400,
        "zeros": bytes(100_000),
        "torn": whole[: len(whole) // 2],
        "shorter": whole[: -(1 << 17)],
        "header": whole[:5000],
        "flipped": bytes(flipped),
    }
    for name, data in damaged.items():
        file = tmp_path / name
        file.write_bytes(data)
        with pytest.raises(StoreCorrupt, match=name) as caught:
            Store.open(file)
        assert caught.value.path == str(file.resolve())
        assert file.read_bytes() == data, name
        assert not list(tmp_path.glob(f"{name}.*"))
        assert not registry.is_open(str(file.resolve()))


def test_another_database_is_left_as_it_is(path: Path) -> None:
    code = "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); c.execute('CREATE TABLE t AS SELECT 1 AS a')\n"
    code += (
        "c.execute('CHECKPOINT'); c.execute('INSERT INTO t VALUES (2)'); print(1, flush=True); os.kill(os.getpid(), 9)"
    )
    with child(code, path) as process:
        process.wait(DEADLINE_SECONDS)
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    assert len(before) == 2  # with what was not yet in its place
    with pytest.raises(StoreError, match="another DuckDB database"):
        Store.open(path)
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


def test_a_newer_store_is_left_as_it_is(path: Path) -> None:
    Store.open(path).close()
    with duckdb.connect(path) as connection:
        connection.execute("UPDATE logkit_store SET version = 99")
    before = path.read_bytes()
    with pytest.raises(StoreVersion, match="newer logkit") as caught:
        Store.open(path)
    assert (caught.value.found, caught.value.known) == (99, 2)
    assert path.read_bytes() == before


def test_an_older_store_goes_on_with_the_columns_it_has(path: Path) -> None:
    with closing(Store.open(path)) as store:
        put(store, rows({"message": "first"}))
    with duckdb.connect(path) as connection:
        for name, kind in SOMETIMES.items():
            connection.execute(f'ALTER TABLE events ADD COLUMN "{name}" {kind}')
        connection.execute("UPDATE logkit_store SET version = 1")
    with closing(Store.open(path)) as store:
        put(store, rows({"message": "on"}, offset=10))
        put(store, rows({"message": "not read", "rejected": True, "reason": "no", "text": "not read"}, offset=20))
        assert found(store, "message, reason, text, continues") == [
            ("first", None, None, None),
            ("on", None, None, None),
            ("not read", "no", "not read", None),
        ]


def test_a_file_of_a_newer_duckdb_is_left_as_it_is(path: Path) -> None:
    Store.open(path).close()
    data = bytearray(path.read_bytes())
    checksum, magic = struct.unpack_from("<QQ", data)
    newer = magic & 0xFFFFFFFF | 5000 << 32
    for word in (magic, newer):
        checksum ^= word * 0xBF58476D1CE4E5B9 % 2**64
    struct.pack_into("<QQ", data, 0, checksum, newer)
    path.write_bytes(data)
    with pytest.raises(StoreVersion, match="newer DuckDB") as caught:
        Store.open(path)
    assert caught.value.found is None
    assert path.read_bytes() == data


def test_a_store_in_the_file_format_of_another_duckdb_goes_on(path: Path) -> None:
    Store.open(path).close()
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{path}' AS new")
        connection.execute(f"ATTACH '{path}.old' AS old (STORAGE_VERSION 'v1.2.0')")
        connection.execute("COPY FROM DATABASE new TO old")
    with closing(Store.open(f"{path}.old")) as store:
        assert put(store, rows({"message": "on"})) == 1
        assert found(store) == ["on"]


def test_garbage_behind_the_log_of_commits_is_cut_off_and_commits_go_on(path: Path) -> None:
    with closing(Store.open(path)) as store:
        put(store, rows({"message": "first"}))
    Path(f"{path}.wal").write_bytes(bytes(range(256)) * 20)
    code = "import sys, os, logkit.sinks as s; from logkit.stats import Stats; t = s.Store.open(sys.argv[1])\n"
    code += "print(t.commit([], [], Stats.empty()), flush=True); os.kill(os.getpid(), 9)"
    with child(code, path) as process:
        process.wait(DEADLINE_SECONDS)
    with closing(Store.open(path)) as again:
        assert (again.seq, found(again)) == (2, ["first"])


def test_a_log_of_commits_without_its_store_is_not_removed(path: Path) -> None:
    log = Path(f"{path}.wal")
    log.write_bytes(b"what somebody may still need")
    with pytest.raises(StoreCorrupt, match="what belongs to one"):
        Store.open(path)
    assert log.read_bytes() == b"what somebody may still need"
    assert not path.exists()


UNPRIVILEGED = """
import os, sys, duckdb
from logkit.errors import StoreError
from logkit.sinks import Store
if os.geteuid() == 0:
    os.setuid(65534)
try:
    Store.open(sys.argv[1])
except StoreError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("folder_mode", "file_mode"), [(0o555, None), (0o555, 0o666), (0o777, 0o444), (0o777, 0o000), (0o000, 0o666)]
)
def test_a_store_without_permission_says_so(folder_mode: int, file_mode: int | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "s.duckdb")
        if file_mode is not None:
            Store.open(path).close()
            os.chmod(path, file_mode)
        os.chmod(folder, folder_mode)
        with child(UNPRIVILEGED, path, first_line=False) as process:
            said, _ = process.communicate(timeout=DEADLINE_SECONDS)
        os.chmod(folder, 0o700)
    assert said.startswith("StoreError ")
    assert "ermission denied" in said


def test_a_link_to_a_store_is_that_store(path: Path) -> None:
    with closing(Store.open(path)) as store:
        link = path.with_name("link")
        link.symlink_to(path)
        with pytest.raises(StoreLocked, match="in this process") as caught:
            Store.open(link)
        assert caught.value.holder == os.getpid()
        assert store.path == str(path.resolve())


# Other processes


@pytest.mark.parametrize("read_only", [True, False])
def test_a_store_another_process_holds_is_locked_and_says_by_whom(path: Path, read_only: bool) -> None:
    Store.open(path).close()
    code = f"import sys, time, duckdb; c = duckdb.connect(sys.argv[1], read_only={read_only})\n"
    with child(code + f"print(1, flush=True); time.sleep({DEADLINE_SECONDS})", path) as process:
        with pytest.raises(StoreLocked, match=f"process {process.pid} .*save") as caught:
            Store.open(path)
        assert caught.value.holder == process.pid
    with closing(Store.open(path)) as store:
        assert put(store, rows({})) == 1


def test_a_store_open_by_other_means_in_this_process_is_locked(path: Path) -> None:
    Store.open(path).close()
    with duckdb.connect(path), pytest.raises(StoreLocked, match="in this process"):
        Store.open(path)


def test_nothing_holds_the_file_once_it_is_closed(path: Path) -> None:
    store = Store.open(path)
    put(store, many(10))
    store.close()
    store.close()
    assert sorted(os.listdir(path.parent)) == [path.name]
    code = "import sys, duckdb; print(duckdb.connect(sys.argv[1]).execute('SELECT count(*) FROM events').fetchall())"
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=True
    )
    assert done.stdout.strip() == "[(10,)]"
    with pytest.raises(StoreError, match="closed"):
        put(store, rows({}))


def test_what_is_asked_of_a_store_cannot_reach_outside(store: Store, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("x")
    for query in (
        f"SELECT * FROM read_text('{secret}')",
        f"ATTACH '{tmp_path / 'x.db'}'",
        f"COPY (SELECT 1) TO '{secret}'",
    ):
        with pytest.raises(duckdb.PermissionException):
            asked(store, query)
    with pytest.raises(duckdb.Error, match="external access"):
        asked(store, "SET enable_external_access = true")


def test_a_store_owns_its_file_and_what_lies_beside_it() -> None:
    mine = ("/a/s.db", "/a/s.db.wal", "/a/s.db.tmp/x", "/a/s.db.new17", "/a/s.db.wal.checkpoint")
    assert [name for name in (*mine, "/a/s.dbx", "/a/s.db.log", "/b/s.db") if owns("/a/s.db", name)] == list(mine)


# Killed

COMMITS = """
import sys
import pyarrow  # before the first line, so that none of the time to the kill is spent on it
from logkit.sinks import Store
from logkit.stats import Stats
from tests.captures import part
from tests.test_sinks_store import many, saved
store = Store.open(sys.argv[1])
print(store.seq, flush=True)
while True:
    seq = store.seq + 1
    frame = many(3 if seq % 2 else 130_000, offset=seq)
    store.commit([part(frame)], [saved(1, 0, events=seq)], Stats.of(frame))
"""


def test_after_kill_9_a_commit_is_there_as_a_whole_or_not_at_all(path: Path) -> None:
    last = -1
    for attempt in range(6):
        with child(COMMITS, path) as process:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.15 + 0.13 * attempt)
            process.kill()
            process.wait(DEADLINE_SECONDS)
        with closing(Store.open(path)) as store:
            sources, stats = store.load()
            counts = asked(
                store, 'SELECT seq, count(*), count(DISTINCT "offset") FROM events GROUP BY seq ORDER BY seq'
            )
            sizes = [3 if seq % 2 else 130_000 for seq in range(1, store.seq + 1)]
            assert counts == [(seq, size, size) for seq, size in enumerate(sizes, 1)]
            assert stats.events == sum(sizes)
            assert [one.events for one in sources] == [store.seq] * bool(store.seq)
            assert store.seq >= last
            last = store.seq
    assert last > 0


def test_killed_while_it_is_made_a_store_is_made_again(path: Path) -> None:
    code = "import sys, os, logkit.sinks.making as m; m.os.link = lambda *_: os.kill(os.getpid(), 9)\n"
    code += "print(1, flush=True); m.make_if_missing(sys.argv[1], 0)"
    with child(code, path) as process:
        process.wait(DEADLINE_SECONDS)
    assert not path.exists()
    with closing(Store.open(path)) as store:
        assert put(store, rows({})) == 1


# A full disk


def fill(store: Store, size: int) -> int:
    """How many commits of so many events went in before one failed for want of space."""
    for number in range(100):
        try:
            put(store, many(size, offset=number), saved(events=number))
        except StoreError as error:
            said, done = str(error), number
            break
    assert "No space left" in said
    return done


@pytest.mark.parametrize("size", [2_000, 130_000])
def test_a_full_disk_loses_nothing_and_doubles_nothing(small_disk: Path, size: int) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(bytes(6 << 20))
    with closing(Store.open(small_disk / "s.duckdb")) as store:
        done = fill(store, size)
        with suppress(StoreError):
            store.recover()  # may succeed: what was committed is all there
            assert store.seq == done
        filler.unlink()
        store.recover()
        assert store.seq == done
        for number in range(done, done + 2):
            put(store, many(size, offset=number), saved(events=number))
        counts = asked(store, "SELECT seq, count(*), count(DISTINCT message) FROM events GROUP BY seq ORDER BY seq")
        assert counts == [(seq, size, size) for seq in range(1, done + 3)]
        total = Stats.sum(Stats.of(many(size, offset=number)) for number in range(done + 2))
        assert store.load() == ((saved(events=done + 1),), total)


def test_a_store_that_cannot_be_recovered_yet_says_so_and_can_later(store: Store) -> None:
    put(store, rows({"message": "kept"}))
    away = f"{store.path}.away"
    asked(store, "CHECKPOINT")
    os.rename(store.path, away)
    with pytest.raises(StoreError, match="found nothing there"):
        store.recover()
    with pytest.raises(StoreError, match="recovering"):
        registry.cursor(store.path)
    os.rename(away, store.path)
    store.recover()
    assert found(store) == ["kept"]


# Retention


def test_events_of_before_a_time_are_dropped_and_said_to_be(path: Path) -> None:
    with closing(Store.open(path, clock=lambda: NOON / 1e6)) as store:
        old, new = rows({"message": "old"}), rows({"message": "new", "timestamp": NOON + MINUTE}, offset=10)
        store.commit([part(old), part(old, 2), part(new)], [saved(1), saved(2)], Stats.of(pl.concat([old, old, new])))
        before = store.load()[1]
        dropped = store.expire(NOON + 1, None)
        assert [(one.source, one.generation, one.events, one.bytes) for one in dropped] == [
            (1, 0, 1, 10),
            (2, 0, 1, 10),
        ]
        assert found(store) == ["new"]
        assert (store.retention, store.seq) == (1, 1)
        sources, stats = store.load()
        assert sources == (saved(1, expired_events=1, expired_bytes=10), saved(2, expired_events=1, expired_bytes=10))
        assert stats == before
        store.commit([], [saved(1)], Stats.empty())  # what a commit says of it is not looked at
        assert store.load()[0] == sources
        assert store.expire(NOON + 1, None) == ()
        assert store.retention == 1
    with closing(Store.open(path)) as again:
        assert again.retention == 1


def test_events_without_a_time_go_by_that_of_their_commit(path: Path) -> None:
    clock = iter(range(NOON // 1_000_000, NOON // 1_000_000 + 10_000, 120))
    with closing(Store.open(path, clock=lambda: next(clock))) as store:  # its first tick goes to making it
        for name in ("first", "second", "third"):
            put(store, rows({"message": name, "timestamp": None}))
        store.expire(NOON + 3 * MINUTE, None)
        assert found(store) == ["second", "third"]


def test_a_store_takes_no_more_than_it_may_and_keeps_the_newest(store: Store) -> None:
    limit = 5_000_000
    dropped = 0
    for number in range(12):
        put(store, many(130_000, offset=number), saved(events=number))
        dropped += sum(one.events for one in store.expire(None, limit))
        assert store.used_bytes() <= limit
    assert dropped > 0
    kept = asked(store, "SELECT DISTINCT seq FROM events ORDER BY seq")
    assert kept == [(seq,) for seq in range(13 - len(kept), 13)]
    assert len(kept) > 1
    assert dropped + 130_000 * len(kept) == 12 * 130_000
    assert store.load()[0][0].expired_events == dropped
    size = os.path.getsize(store.path)
    for number in range(6):
        put(store, many(130_000, offset=number))
        store.expire(None, limit)
    assert os.path.getsize(store.path) < 1.5 * size


def test_nothing_more_is_dropped_while_a_query_keeps_what_was(store: Store) -> None:
    for number in range(6):
        put(store, many(130_000, offset=number))
    reader = registry.cursor(store.path)
    assert reader is not None
    with closing(reader):
        reader.begin()
        reader.execute("SELECT count(*) FROM events").fetchall()
        first = store.expire(None, 3_000_000)
        store.expire(None, 3_000_000)
        reader.rollback()
    assert sum(one.events for one in first) > 0
    store.expire(None, 3_000_000)
    ((left,),) = asked(store, "SELECT count(*) FROM events")
    assert left >= 130_000


# Limits


def test_memory_stays_bounded_and_nothing_is_spilled_outside(store: Store) -> None:
    ((limit, spill),) = asked(store, "SELECT current_setting('memory_limit'), current_setting('temp_directory')")
    assert limit in ("122.0 MiB", "128.0 MiB")
    assert owns(store.path, spill)


def test_a_view_is_of_the_last_commit(store: Store) -> None:
    put(store, rows({}))
    view = store.view()
    assert (view.path, view.lineage, view.seq, view.retention) == (store.path, store.lineage, 1, 0)


def test_levels_keep_their_order(store: Store) -> None:
    put(store, rows(*({"level": level} for level in reversed(schema.LEVELS))))
    assert asked(store, "SELECT level::VARCHAR FROM events ORDER BY level") == [(level,) for level in schema.LEVELS]


def test_a_frame_that_is_not_quite_the_schema_is_made_to_fit(store: Store) -> None:
    frame = rows({"level": "WARN"}).with_columns(pl.col("level").cast(pl.String), pl.col("offset").cast(pl.Int32))
    store.commit([EventFrame(1, 0, frame)], [], Stats.empty())
    assert found(store, 'level, "offset"') == [("WARN", 0)]

"""Snapshots whose rows are in a store: they answer as those that have them in memory, and fetch no more than asked."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import logkit
from logkit import schema
from logkit.analysis.rows import COLUMNS
from logkit.capture import EventFrame, StoreStatus
from logkit.errors import (
    LineageError,
    NeedsEvents,
    PathError,
    SettingError,
    SnapshotError,
    SnapshotExpired,
    StoreError,
    StoreLocked,
)
from logkit.sinks.store import Store
from logkit.sinks.view import StoreView
from logkit.snapshot import Snapshot
from logkit.stats import Stats
from tests.captures import MINUTE, NOON, SECOND, Row, part, rows, snapshot
from tests.stores import at, commit, stored

TIMES = st.none() | st.integers(NOON - 90 * SECOND, NOON + 90 * SECOND) | st.sampled_from([NOON, NOON + SECOND])
TEXTS = st.sampled_from(["hello", "", "né\x00\n'\"; drop table events; --", "🙂"])
OWN = {"status": st.integers(0, 600), "duration_ms": st.floats(0, 1e4), "file": TEXTS, "x y": TEXTS}


@st.composite
def events(draw: st.DrawFn) -> Row:
    """One event, sometimes with fields of its format's own."""
    found: Row = {
        "timestamp": draw(TIMES),
        "level": draw(st.sampled_from([*schema.LEVELS, None])),
        "service": draw(st.sampled_from(["app", "b", "ü"])),
        "message": draw(TEXTS),
        "rejected": draw(st.booleans()),
        **{name: draw(values) for name, values in OWN.items() if draw(st.booleans())},
    }
    return {**found, "reason": "bad", "text": "raw"} if found["rejected"] else found


@st.composite
def pieces(draw: st.DrawFn) -> tuple[list[list[EventFrame]], list[EventFrame]]:
    """Commits of frames of some sources, each source's in the order of its offsets, and records held at their ends."""
    keys = draw(st.lists(st.sampled_from([(1, 0), (1, 1), (2, 0), (3, 0)]), min_size=1, max_size=4))
    ends: dict[tuple[int, int], int] = {}
    commits: list[list[EventFrame]] = [[]]
    for key in keys:
        made = draw(st.lists(events(), min_size=1, max_size=5))
        commits[-1].append(part(rows(*made, offset=ends.get(key, 0)), *key))
        ends[key] = ends.get(key, 0) + 10 * len(made)
        commits += [[]] if draw(st.booleans()) else []
    open_ends = draw(st.sets(st.sampled_from(sorted(ends))))
    held = [part(rows(draw(events()), offset=ends[key]), *key, held=True) for key in sorted(open_ends)]
    return [frames for frames in commits if frames], held


def in_memory(like: Snapshot, *parts: EventFrame) -> Snapshot:
    """The snapshot of the same rows by a monitor without a store."""
    return snapshot(*parts, sources=like.capture.sources, version=like.version)


def shown(snap: Snapshot) -> pd.DataFrame:
    """Its events, without fields none of them has, those of the formats' own by name."""
    own = sorted(set(snap.events.columns) - set(COLUMNS))
    return snap.events[[*COLUMNS, *own]].dropna(axis="columns", how="all")


def check_same(one: Snapshot, other: Snapshot) -> None:
    """Whatever is asked, both answer the same."""
    pd.testing.assert_frame_equal(shown(one), shown(other), check_column_type=False)
    for name in ("services", "levels", "files", "rejects"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name), check_column_type=False)
    for width in ("10s", "250ms"):
        pd.testing.assert_frame_equal(one.timeline(width, by="service"), other.timeline(width, by="service"))
    assert one.stats == other.stats
    assert len(one) == len(other)
    assert one.dropped_events == other.dropped_events == 0


def check_same_sql(one: Snapshot, other: Snapshot) -> None:
    """SQL sees the same events, and the same tables."""
    columns = ", ".join(f'"{name}"' for name in COLUMNS)
    for ask in (
        f'select {columns} from events order by file, generation, source, "offset"',
        "select service, level, count(*) as n from events where level >= 'WARN' group by all order by all",
        'select * from rejects order by file, "offset"',
    ):
        pd.testing.assert_frame_equal(one.sql(ask), other.sql(ask), check_column_type=False)


QUESTIONS: list[dict[str, Any]] = [
    {"level": "ERROR"},
    {"level": [None, "warn"], "service": ["app", "nobody"]},
    {"min_level": "WARN"},
    {"status": [200, None]},
    {"file": "/logs/app1.log", "generation": 1},
    {"file_": ""},
    {"source": [1, 2], "rejected": True},
    {"message": "né\x00\n'\"; drop table events; --"},
    {"timestamp": pd.Timestamp(NOON, unit="us", tz="UTC")},
    {"timestamp": None},
    {"offset": range(0, 30, 10)},
    {"x y": None, "duration_ms": None},
]


@settings(deadline=None, max_examples=12)
@given(pieces(), st.sampled_from(QUESTIONS), TIMES, TIMES, st.data())
def test_a_store_answers_every_question_as_memory_does(
    made: tuple[list[list[EventFrame]], list[EventFrame]],
    asked: dict[str, Any],
    start: int | None,
    stop: int | None,
    data: st.DataObject,
) -> None:
    commits, held = made
    first = data.draw(st.integers(0, len(commits)))
    start, stop = (min(start, stop), max(start, stop)) if start is not None and stop is not None else (start, stop)
    times = [None if us is None else pd.Timestamp(us, unit="us", tz="UTC") for us in (start, stop)]
    before = [frame for frames in commits[:first] for frame in frames]
    after = [frame for frames in commits[first:] for frame in frames]
    with tempfile.TemporaryDirectory() as folder, closing(at(Path(folder) / "s.duckdb", *commits[:first])) as store:
        early = stored(store, before)
        commit(store, before, after) if after else None
        late = stored(store, [*before, *after], held)
        memory = in_memory(late, *before, *after, *held)
        check_same(late, memory)
        for ours, theirs in ((late, memory), (late.between(*times), memory.between(*times))):
            check_same(ours, theirs)
            if {"min_level", *theirs.events.columns} >= set(asked):
                check_same(ours.where(**asked), theirs.where(**asked))
        check_same_sql(late.between(*times), memory.between(*times))
        check_same(early, in_memory(early, *before))
        check_same(late - early, memory - in_memory(early, *before))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store with two commits: three events of one source, then two of another."""
    with closing(at(tmp_path / "incident.duckdb", ONE, TWO)) as made:
        yield made


ONE = [part(rows({"level": "ERROR", "status": 500}, {"timestamp": NOON + MINUTE}, {"service": "b", "trace_id": "x"}))]
TWO = [part(rows({"timestamp": NOON + 2 * MINUTE}, {"rejected": True, "reason": "bad", "text": "raw"}), source=2)]
HELD = part(rows({"level": "FATAL", "message": "open", "note": "?"}, offset=30), held=True)


def outside(path: str) -> str:
    """What another process finds that opens the database for writing: "free", or DuckDB's error."""
    code = f"import duckdb\ntry:\n    duckdb.connect({path!r}).close(); print('free')\nexcept Exception as e: print(e)"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout


# -- nothing is fetched that was not asked for


def test_questions_about_counts_fetch_no_rows(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    snap = stored(store, [*ONE, *TWO], [HELD])
    earlier = stored(store, [*ONE, *TWO])

    def refuse(*_: object) -> None:
        raise AssertionError("rows were fetched")

    monkeypatch.setattr(StoreView, "frame", refuse)
    found = snap.where(trace_id="x").between("2026-03-01")
    assert (len(snap), len(found), len(snap.where(level="ERROR")), len(snap - earlier)) == (6, 1, 1, 1)
    for one in (snap, found):
        assert one.services["events"].sum() == one.levels.to_numpy().sum() == len(one)
        assert one.timeline("250ms", by=None)["events"].sum() == len(one)
        assert one.audit()["balanced"].all()
        assert one.sql("select count(*) as n from events").loc[0, "n"] == len(one)
        assert "stored in" in repr(one)
        assert "stored in" in one._repr_html_()
    with pytest.raises(AssertionError, match="rows were fetched"):
        _ = found.events


def test_a_snapshot_stays_at_its_commit_while_the_store_goes_on(store: Store) -> None:
    snap = stored(store, [*ONE, *TWO])
    late = [part(rows({"service": "late", "new": "1"}, offset=30))]
    commit(store, [*ONE, *TWO], late)
    assert len(snap.events) == len(snap.where(file="/logs/app1.log").events) + 2 == 5
    assert "new" not in snap.events.columns
    assert snap.sql("select count(*) as n from events where service = 'late'").loc[0, "n"] == 0
    assert snap.audit()["balanced"].all()
    now = stored(store, [*ONE, *TWO, *late])
    assert (now - snap).events["service"].tolist() == ["late"]
    assert len(now.events) == 6


def test_a_record_that_was_held_is_shown_once_and_is_new_to_no_difference(store: Store) -> None:
    before = stored(store, [*ONE, *TWO], [HELD])
    grown = [part(rows({"level": "ERROR", "message": "open\nmore"}, offset=30))]
    commit(store, [*ONE, *TWO], grown)
    after = stored(store, [*ONE, *TWO, *grown])
    assert before.events["message"].tolist().count("open") == 1
    assert before.sql("select level, note from events where level >= 'FATAL'").iloc[0].tolist() == ["FATAL", "?"]
    assert before.where(note="?").events["offset"].tolist() == [30]
    assert (after - before).events.empty
    assert len(after - before) == 0


@pytest.mark.parametrize(
    "name", ["file", "rank", "SEQ", "seq", "more", "held", "Level", "a\"b'; drop table events; --", "é"]
)
def test_a_formats_field_keeps_its_name_whatever_it_is_called(name: str, tmp_path: Path) -> None:
    frames = [part(rows({name: "v", "level": "FATAL"}, {}))]
    with closing(at(tmp_path / "s.duckdb", frames)) as open_store:
        snap = stored(open_store, frames)
        shown_as = "file_" if name == "file" else name
        assert snap.events[shown_as].dropna().tolist() == ["v"]
        assert snap.where(**{shown_as: "v"}).events["level"].tolist() == ["FATAL"]
        assert len(snap.where(**{shown_as: None})) == 1
        found = snap.sql("select * from events where level = 'FATAL'")
        assert "v" in found.iloc[0].dropna().tolist()


def test_wrong_fields_and_values_are_said_before_anything_is_asked(store: Store, tmp_path: Path) -> None:
    snap = stored(store, [*ONE, *TWO])
    with pytest.raises(SettingError, match="try trace_id"):
        snap.where(trace_ids="x")
    with pytest.raises(SettingError, match="expected status as Int64"):
        snap.where(status="five")
    with closing(at(tmp_path / "new.duckdb")) as empty:
        assert len(stored(empty, []).where(trace_id="x")) == 0  # nothing was read yet: who knows what will come


# -- SQL can neither write nor look outside


@pytest.mark.parametrize(
    "query",
    [
        "delete from events",
        "delete from events_stored",
        "insert into events select * from events",
        "update events set message = 'x'",
        "truncate events",
        "drop table events",
        "alter table events add column x int",
        "with gone as (delete from events returning *) select * from gone",
        "commit; delete from events",
        "rollback; begin; delete from main.events",
        "prepare p as delete from events; execute p",
        "select * from query('delete from events')",
        "explain analyze delete from events",
        "merge into events using (select 1 as source) s on events.source = s.source when matched then delete",
        "delete from main.logkit_sources",
        "select * from logkit_store",
        "attach '{path}'",
        "attach '{path}' (read_only)",
        "select * from read_duckdb('{path}', table_name = 'events')",
        "select * from read_blob('{path}')",
        "select * from read_text('{path}')",
        "select * from read_csv('{path}')",
        "select * from '{path}'",
        "select * from sniff_csv('{path}')",
        "select * from glob('{path}*')",
        "copy (select 1) to '{path}'",
        "copy events to '{path}.csv'",
        "export database '{path}.out'",
        "set enable_external_access = true",
        "set memory_limit = '1KB'",
        "install httpfs",
        "load '{path}'",
        "call force_checkpoint('incident')",
    ],
)
def test_sql_can_not_write_to_the_store_nor_touch_its_file(store: Store, query: str) -> None:
    snap = stored(store, [*ONE, *TWO])
    with pytest.raises(duckdb.Error):
        snap.sql(query.format(path=store.path))
    assert snap.sql("select count(*) as n from events").loc[0, "n"] == 5
    assert sorted(path.name for path in Path(store.path).parent.iterdir()) == ["incident.duckdb", "incident.duckdb.wal"]


def test_after_all_that_sql_the_store_is_still_locked_and_can_be_written(store: Store) -> None:
    snap = stored(store, [*ONE, *TWO])
    for query in (
        "select * from read_blob('{}')",
        "attach '{}'",
        "select * from '{}'",
        "create table t as from events",
    ):
        try:
            snap.sql(query.format(store.path))
        except duckdb.Error:
            continue
    assert "lock" in outside(store.path)
    commit(store, [*ONE, *TWO], [part(rows({}, offset=30))])
    assert len(logkit.open(store.path).events) == 6


def test_sql_sees_selections_parameters_and_joins(store: Store) -> None:
    snap = stored(store, [*ONE, *TWO], [HELD])
    ask = "select count(*) as n from events where service = $name"
    assert snap.sql(ask, name="app").loc[0, "n"] == 5
    assert snap.where(file="/logs/app2.log").sql(ask, name="app").loc[0, "n"] == 2
    twice = "select count(*) as n from events a join events b using (file, \"offset\") where a.level < 'ERROR'"
    assert snap.sql(twice).loc[0, "n"] == 4
    assert snap.sql("select sum(events)::int as n from services").loc[0, "n"] == 6
    assert snap.sql("select bool_and(balanced) as n from audit").loc[0, "n"]
    assert snap.sql("select message from events where status >= 500 and timestamp < '2026-03-01 12:00:30'").size == 1
    with pytest.raises(duckdb.Error) as caught:
        snap.sql("select nothing from events")
    assert "The tables are events, services" in caught.value.__notes__[0]


# -- the ledger is checked against the rows


def test_a_row_that_is_lost_unbalances_the_ledger_of_its_source_alone(store: Store) -> None:
    with closing(_root(store)) as by_hand:
        by_hand.execute('DELETE FROM events WHERE source = 1 AND "offset" = 10')
    snap = stored(store, [*ONE, *TWO])
    assert snap.audit().set_index("source")["balanced"].to_dict() == {1: False, 2: True}
    assert "NOT balanced for 1 of 2 files" in repr(snap)
    assert snap.audit().set_index("source")["committed_bytes"].to_dict() == {1: 20, 2: 20}


def test_a_row_that_is_there_twice_unbalances_the_ledger(store: Store) -> None:
    with closing(_root(store)) as by_hand:
        by_hand.execute("INSERT INTO events SELECT * REPLACE (0 AS length_bytes) FROM events WHERE source = 2 LIMIT 1")
    assert stored(store, [*ONE, *TWO]).audit().set_index("source")["balanced"].to_dict() == {1: True, 2: False}


def _root(store: Store) -> duckdb.DuckDBPyConnection:
    from logkit.sinks import registry

    found = registry.cursor(store.path)
    assert found is not None
    return found


def test_a_selections_ledger_is_that_of_everything(store: Store) -> None:
    snap = stored(store, [*ONE, *TWO], [HELD])
    for part_of in (snap.where(level="WARN"), snap.between("2030-01-01"), snap - snap):
        pd.testing.assert_frame_equal(part_of.audit(), snap.audit())


# -- what retention dropped


@pytest.fixture
def expired(store: Store) -> tuple[Snapshot, Snapshot]:
    """Snapshots from before and from after retention dropped all but the newest two events."""
    before = stored(store, [*ONE, *TWO])
    store.expire(NOON + SECOND, None)
    return before, stored(store, [*ONE, *TWO])


def test_a_snapshot_from_before_says_its_rows_expired_and_its_statistics_answer(
    expired: tuple[Snapshot, Snapshot],
) -> None:
    before, _ = expired
    for ask in (
        lambda: before.events,
        lambda: before.rejects,
        lambda: before.audit(),
        lambda: before.sql("select count(*) from events"),
        lambda: before.where(trace_id="x").services,
        lambda: before.save("copy.duckdb"),
    ):
        with pytest.raises(SnapshotExpired):
            ask()
    assert len(before) == before.services["events"].sum() == 5
    assert len(before.where(level="ERROR")) == 1
    assert len(before.between("2026-03-01 12:00", "2026-03-01 12:01")) == 3
    assert before.timeline("1min", by=None)["events"].tolist() == [3, 1, 1]
    with pytest.raises(NeedsEvents):
        before.timeline("250ms")
    assert "2 rows stored" in repr(before)
    assert "ledger not checked" in repr(before)


def test_a_snapshot_from_after_has_the_rows_that_are_left_and_a_ledger_that_balances(
    expired: tuple[Snapshot, Snapshot],
) -> None:
    _, after = expired
    assert len(after) == 5
    assert after.dropped_events == 3
    assert len(after.events) == 2
    assert after.audit()["balanced"].all()
    assert after.audit().set_index("source")["expired_bytes"].to_dict() == {1: 20, 2: 10}
    assert len(after.where(level="ERROR")) == 1  # statistics still tell
    assert after.where(level="ERROR").dropped_events == 1
    assert len(after.where(source=1)) == 1  # only rows can tell
    assert "2 rows stored in" in repr(after)
    assert "3 expired" in repr(after)


# -- how it shows


def test_a_store_that_cannot_be_written_is_said_and_its_error_is_no_html(store: Store) -> None:
    failing = StoreStatus(store.path, 2, "retrying", "No space <b>left</b>", waiting_batches=3, waiting_bytes=5_000_000)
    snap = stored(store, [*ONE, *TWO], store_status=failing)
    assert "store retrying: No space <b>left</b>; 5.0 MB waiting to be written" in repr(snap)
    assert "<b>left" not in snap._repr_html_()
    fine = replace(failing, state="writing", error=None)
    assert "waiting to be written" not in repr(stored(store, [*ONE, *TWO], store_status=fine))


def test_snapshots_of_unlike_selections_do_not_subtract(store: Store) -> None:
    snap = stored(store, [*ONE, *TWO])
    with pytest.raises(LineageError):
        _ = snap.where(level="ERROR") - snap


# -- opening a store


def test_open_gives_all_that_is_in_a_store_without_reading_a_log(store: Store) -> None:
    live = stored(store, [*ONE, *TWO])
    for _ in range(2):  # while it is open for writing, and once it is closed
        snap = logkit.open(store.path)
        assert (snap.state, snap.version) == ("stored", store.seq)
        pd.testing.assert_frame_equal(snap.events, live.events)
        pd.testing.assert_frame_equal(snap.services, live.services)
        assert snap.audit()["balanced"].all()
        assert snap.files["state"].tolist() == ["stored", "stored"]
        assert snap.sql("select count(*) as n from events where level >= 'ERROR'").loc[0, "n"] == 1
        assert "stored, version 2" in repr(snap)
        store.close()


def test_an_opened_store_locks_nobody_out_and_says_who_locks_it(tmp_path: Path) -> None:
    at(tmp_path / "s.duckdb", ONE).close()
    path = str(tmp_path / "s.duckdb")
    snap = logkit.open(path)
    assert len(snap.events) == 3
    assert outside(path) == "free\n"
    hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", hold, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        for ask in (lambda: logkit.open(path), lambda: snap.where(trace_id="x").services):
            with pytest.raises(StoreLocked) as caught:
                ask()
            assert caught.value.holder == holder.pid
        assert len(snap) == 3
        assert "rows not counted" in repr(snap)
        assert holder.stdin is not None
        holder.stdin.close()
    assert snap.sql("select count(*) as n from events").loc[0, "n"] == 3


def test_what_is_no_store_is_said_and_left_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(PathError, match="the nearest folder that exists is") as missing:
        logkit.open(tmp_path / "a" / "b" / "s.duckdb")
    assert missing.value.nearest == tmp_path
    junk = tmp_path / "junk.duckdb"
    junk.write_text("no database" * 1000)
    duckdb.connect(str(tmp_path / "other.duckdb")).close()
    for path in (junk, tmp_path / "other.duckdb", tmp_path):
        before = path.read_bytes() if path.is_file() else b""
        with pytest.raises(StoreError) as caught:
            logkit.open(path)
        assert caught.value.path == str(path)
        assert not path.is_file() or path.read_bytes() == before


def test_another_store_in_its_place_is_not_taken_for_it(tmp_path: Path) -> None:
    at(tmp_path / "s.duckdb", ONE).close()
    snap = logkit.open(tmp_path / "s.duckdb")
    at(tmp_path / "other.duckdb", ONE).close()
    (tmp_path / "other.duckdb").replace(tmp_path / "s.duckdb")
    with pytest.raises(StoreError, match="another one"):
        _ = snap.events


# -- copies


def test_save_copies_a_store_as_of_the_snapshots_commit_while_it_is_written(store: Store, tmp_path: Path) -> None:
    expected = stored(store, [*ONE, *TWO]).events
    snap = stored(store, [*ONE, *TWO], [HELD])
    late = [part(rows({"level": "FATAL", "new": "1"}, {"rejected": True}, offset=30)), part(rows({}), source=3)]
    commit(store, [*ONE, *TWO], late)
    for name in ("a.duckdb", "b.duckdb"):  # a copy of a copy is as good
        copy = snap.save(tmp_path / name)
        assert copy == str(tmp_path / name)
        snap = logkit.open(copy)
        pd.testing.assert_frame_equal(snap.events, expected)
        assert snap.stats == Stats.sum([Stats.of(part.frame) for part in [*ONE, *TWO]])
        assert snap.audit().set_index("source")["seen_bytes"].to_dict() == {1: 30, 2: 20}
        assert snap.audit()["balanced"].all()
        assert snap.files["rejects"].tolist() == [0, 1]
    assert sorted(path.name for path in tmp_path.iterdir() if path.name[1] == ".") == ["a.duckdb", "b.duckdb"]


def test_reading_goes_on_with_a_copy_where_its_events_end(store: Store, tmp_path: Path) -> None:
    snap = stored(store, [*ONE, *TWO])
    late = [part(rows({}, {}, offset=30))]
    commit(store, [*ONE, *TWO], late)
    with closing(Store.open(snap.save(tmp_path / "copy.duckdb"))) as copy:
        sources, _ = copy.load()
        assert [one.ranges for one in sources] == [((0, 30),), ((0, 20),)]
        assert [[end[::3] for end in one.ends] for one in sources] == [[(30, 20)], []]
        commit(copy, [*ONE, *TWO], late)
        assert len(logkit.open(copy.path).events) == 7


def test_save_overwrites_nothing_unasked_and_leaves_nothing_half_made(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snap = stored(store, [*ONE, *TWO])
    target = tmp_path / "copy.duckdb"
    target.write_text("precious")
    with pytest.raises(StoreError, match="overwrite=True"):
        snap.save(target)
    with pytest.raises(StoreError, match="another name"):
        snap.save(store.path, overwrite=True)
    with pytest.raises(PathError):
        snap.save(tmp_path / "nowhere" / "copy.duckdb")

    def full(*_: object) -> None:
        raise duckdb.IOException("No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("logkit.sinks.copying._copy_events", full)
        with pytest.raises(StoreError, match="No space left"):
            snap.save(target, overwrite=True)
    assert target.read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.duckdb", "incident.duckdb", "incident.duckdb.wal"]
    snap.save(target, overwrite=True)
    assert len(logkit.open(target)) == 5


def test_only_a_snapshot_of_everything_in_a_store_can_be_saved(store: Store, tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="found a selection"):
        stored(store, [*ONE, *TWO]).where(level="ERROR").save(tmp_path / "copy.duckdb")
    with pytest.raises(SnapshotError, match="found one in memory"):
        snapshot(*ONE).save(tmp_path / "copy.duckdb")

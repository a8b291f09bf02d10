"""Views of a store: values that ask it a query at a time, from any thread, and can not write."""

from __future__ import annotations

import json
import pickle
import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logkit import schema
from logkit.errors import SnapshotExpired, StoreError
from logkit.sinks.filters import RowFilter, dtype_of
from logkit.sinks.scan import Scan
from logkit.sinks.store import Store
from logkit.sinks.view import StoreView
from logkit.stats import Limits, Stats
from tests.captures import MINUTE, NOON, SECOND, part, rows
from tests.stores import at, commit

EVIL = "x' OR true; DROP TABLE events; --\"\\$1 %s {0}"

FIRST = [part(rows(*({"timestamp": NOON + n * SECOND, "message": f"m{n}", "status": n} for n in range(5))))]
SECOND_COMMIT = [part(rows({"level": "ERROR", "message": EVIL, "file": EVIL}, {"level": None}), source=2)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store of two commits: five events of source 1, two of source 2."""
    with closing(at(tmp_path / "s.duckdb", FIRST, SECOND_COMMIT)) as made:
        yield made


def test_a_view_is_a_value_that_can_go_anywhere(store: Store) -> None:
    view = store.view().where(RowFilter((("level", ("ERROR",)),)))
    assert pickle.loads(pickle.dumps(view)) == view
    assert len({view, store.view().where(RowFilter((("level", ("ERROR",)),)))}) == 1
    assert view.whole() == store.view()


def test_frames_have_the_columns_of_the_schema_then_the_formats_own(store: Store) -> None:
    frame = store.view().frame()
    assert frame.columns == [*schema.COMMON, "source", "generation", "status", "file_"]
    assert all(frame.schema[name] == dtype_of(name) for name in frame.columns)
    assert store.view().fields() == ("status", "file_")
    assert store.view().frame(["level", "file_", "nothing"]).columns == ["level", "file_"]


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        (RowFilter(start_us=NOON + 20 * SECOND, stop_us=NOON + 30 * SECOND), 10),
        (RowFilter((("level", ("ERROR",)),)), 7),
        (RowFilter((("service", ("orders",)),)), 11),
    ],
    ids=["time", "level", "service"],
)
def test_a_filter_is_applied_where_rows_are_read_and_no_other_leaves_there(
    asked: RowFilter, left: int, tmp_path: Path
) -> None:
    number = pl.int_range(300)
    frame = pl.concat([rows({})] * 300).with_columns(
        timestamp=(NOON + SECOND * number).cast(schema.TIMESTAMP),
        level=pl.when(number < 7).then(pl.lit("ERROR")).otherwise(pl.lit("INFO")).cast(schema.LEVEL),
        service=pl.when(number < 11).then(pl.lit("orders")).otherwise(pl.lit("shop")),
    )
    with closing(at(tmp_path / "s.duckdb", [part(frame)])) as store, store.view().where(asked).query() as query:
        plan = "EXPLAIN (ANALYZE, FORMAT json) " + query.rows(list(query.columns)).sql_query()
        scans = list(_scans(json.loads(query.connection.sql(plan).fetchall()[0][1])["operator"]))
    assert scans
    assert {scan["intermediate_rows"] for scan in scans} == {left}


def _scans(operators: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for one in operators:
        if "Table" in one["extra_info"]:
            yield one
        yield from _scans(one.get("children", []))


def test_filters_and_commits_add_up(store: Store) -> None:
    view, later = store.view(), store.view().since(StoreView(store.path, store.lineage, 1, 0))
    from_two = RowFilter(start_us=NOON + 2 * SECOND)
    assert [one.count() for one in (view, later, view.where(from_two), later.where(from_two))] == [7, 2, 3, 0]
    inside = view.where(from_two).where(RowFilter(stop_us=NOON + 4 * SECOND))
    assert sorted(inside.frame(["message"])["message"]) == ["m2", "m3"]
    assert inside.where(RowFilter((("status", (3, None)),))).count() == 1
    assert view.where(RowFilter(sources=((2, 0),))).count() == 2
    assert view.where(RowFilter(sources=())).count() == 0
    assert view.where(RowFilter(without=((1, 0, 0), (2, 0, 10)))).count() == 5


def test_statistics_counted_in_batches_are_those_of_all_rows(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    many = [part(rows(*({"timestamp": NOON + n, "service": f"s{n % 7}"} for n in range(5000)), offset=50))]
    commit(store, FIRST, many)
    monkeypatch.setattr("logkit.sinks.view._BATCH_ROWS", 2048)
    monkeypatch.setattr("logkit.sinks.view._FOLD_BATCHES", 2)
    assert max(batch.height for batch in store.view().batches(["message"])) <= 2048
    expected = Stats.sum([Stats.of(one.frame) for one in (*FIRST, *SECOND_COMMIT, *many)])
    assert store.view().stats(Limits()) == expected


def test_the_ledger_is_counted_row_by_row_as_of_the_commit(store: Store) -> None:
    view = store.view().where(RowFilter(start_us=NOON + MINUTE))
    commit(store, FIRST, [part(rows({}, offset=50))])
    found = view.ledger()
    assert {key: (kept.events, kept.bytes) for key, kept in found.items()} == {(1, 0): (5, 50), (2, 0): (2, 20)}


@given(
    fields=st.lists(st.tuples(st.sampled_from(["message", "level", "status", "no'thing", 'a"b']), st.lists(st.text()))),
    start=st.none() | st.integers(),
    places=st.lists(st.tuples(st.integers(), st.integers(), st.integers()), max_size=2),
)
def test_no_value_is_ever_part_of_the_text_of_a_query(fields: Any, start: Any, places: Any) -> None:
    columns = {"message": '"message"', "level": '"level"', "status": '"status"'}
    asked = RowFilter(tuple((name, tuple(values)) for name, values in fields), start, sources=(), without=tuple(places))
    numbers, other = count(), count()
    same = RowFilter(
        tuple((name, ("?",) * len(values)) for name, values in fields),
        None if start is None else 0,
        sources=(),
        without=((0, 0, 0),) * len(places),
    )
    found = asked.conditions(columns, lambda _: f"getvariable('v{next(numbers)}')")
    assert found == same.conditions(columns, lambda _: f"getvariable('v{next(other)}')")


def test_hostile_values_are_found_and_nothing_more(store: Store) -> None:
    for name in ("message", "file_"):
        assert store.view().where(RowFilter(((name, (EVIL,)),))).count() == 1
    assert store.view().count() == 7


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM main.events",
        "DROP TABLE main.events",
        "ALTER TABLE main.events ADD COLUMN x INTEGER",
        "UPDATE main.logkit_store SET seq = 0",
        "CREATE TABLE main.x (i INTEGER)",
        "INSERT INTO main.logkit_sources (source) VALUES (9)",
    ],
)
def test_a_query_of_ours_that_wrote_by_mistake_would_be_refused(store: Store, query: str) -> None:
    with pytest.raises(StoreError, match="read-only"), store.view().query() as asked:
        asked.connection.execute(query)
    assert store.view().count() == 7


def test_no_connection_is_left_open_by_what_was_asked_or_broken_off(store: Store) -> None:
    view = store.view()
    store.close()  # from here on each question opens the file itself
    batches = view.batches(["message"])
    next(batches)
    batches.close()
    view.frame()
    scan = Scan(view, {"message": "message"}, {})
    with duckdb.connect() as connection:
        connection.register("e", scan.table())
        connection.sql("select * from e limit 1").fetchall()
    kept = []

    def break_off() -> None:
        with view.query() as asked:
            kept.append(asked)
            raise duckdb.Error("stop here")

    with pytest.raises(StoreError, match="stop here"):
        break_off()
    with closing(duckdb.connect(store.path)) as mine:  # fails while a connection of another kind is left
        assert mine.execute("SELECT count(*) FROM events").fetchall() == [(7,)]


def test_rows_that_expired_are_said_to_be_gone(store: Store) -> None:
    before = store.view()
    store.expire(NOON + 2 * SECOND, None)
    for ask in (before.frame, before.count, before.ledger, before.fields, lambda: list(before.batches(["message"]))):
        with pytest.raises(SnapshotExpired):
            ask()
    assert before.count(expired_too=True) == store.view().count() == 3
    assert before.expired_events() == 4
    assert store.view().ledger()[2, 0].expired_bytes == 20


def test_threads_ask_one_view_at_once_while_the_store_is_written(store: Store) -> None:
    view, found, failed = store.view(), [], []

    def ask() -> None:
        try:
            found.extend((view.count(), view.frame().height, view.stats(Limits()).events) for _ in range(10))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=ask, name=f"asks-{n}", daemon=True) for n in range(4)]
    for thread in threads:
        thread.start()
    for at_offset in range(50, 150, 10):
        commit(store, FIRST, [part(rows({}, offset=at_offset))])
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert set(found) == {(7, 7, 7)}
    assert len(found) == 40


def test_a_scan_reads_the_columns_a_query_needs_and_no_others(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = Scan(
        store.view(),
        {"message": "message", "level": "level", "status": "status", "source": "source", "file": "file"},
        {(1, 0): "/é", (2, 0): "/b"},
    )
    asked: list[list[str]] = []
    batches = Scan.batches

    def listening(self: Scan, names: Any) -> Any:
        asked.append([self.fields[name] for name in names])
        return batches(self, names)

    monkeypatch.setattr(Scan, "batches", listening)
    with duckdb.connect() as connection:
        connection.register("e", scan.table())
        ask = "select max(c0) from e where c2 > 2 and c4 = '/é'"
        assert connection.sql(ask).fetchall() == [("m4",)]
        assert set(asked.pop()) == {"message", "status", "file"}
        assert connection.sql("select count(*) from e").fetchall() == [(7,)]
        assert len(asked.pop()) == 1
        joined = "select a.c0 from e a join e b on a.c2 = b.c2 + 1 where b.c0 = 'm1'"
        assert connection.sql(joined).fetchall() == [("m2",)]
        assert connection.sql("select distinct c4 from e order by 1").fetchall() == [("/b",), ("/é",)]


def test_a_scan_that_breaks_off_says_why(store: Store) -> None:
    scan = Scan(store.view(), {"message": "message"}, {})
    store.expire(NOON + 2 * SECOND, None)
    with duckdb.connect() as connection:
        connection.register("e", scan.table())
        with pytest.raises(duckdb.Error):
            connection.sql("select * from e").fetchall()
    assert isinstance(scan.error, SnapshotExpired)


def test_long_texts_and_odd_ones_come_back_as_they_went_in(tmp_path: Path) -> None:
    texts = ["", "\0", "é🙂", "x" * 3_000_000, "a\r\nb", "%41", "\\u0000"]
    frames = [part(rows(*({"message": text} for text in texts)))]
    with closing(at(tmp_path / "s.duckdb", frames)) as made:
        assert made.view().frame().sort("offset")["message"].to_list() == texts
        assert isinstance(made.view().frame(), pl.DataFrame)

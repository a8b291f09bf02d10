"""SQL over a snapshot: what comes back, what cannot get out, and levels in their order."""

from __future__ import annotations

import sys
from pathlib import Path
from threading import Thread

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logkit import schema
from logkit.analysis.sql import rank_levels
from logkit.snapshot import Snapshot
from tests.captures import MINUTE, NOON, part, rows, snapshot

ALL = [*schema.LEVELS, None]
LEVEL_DTYPE = pd.CategoricalDtype(list(schema.LEVELS), ordered=True)


def levels() -> Snapshot:
    """One event of each level and one without, a minute apart."""
    return snapshot(part(rows(*({"level": level, "timestamp": NOON + at * MINUTE} for at, level in enumerate(ALL)))))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("level >= 'WARN'", ["WARN", "ERROR", "FATAL"]),
        ("level > 'WARN'", ["ERROR", "FATAL"]),
        ("level<'DEBUG'", ["TRACE"]),
        ("'INFO' <= level", ["INFO", "WARN", "ERROR", "FATAL"]),
        ("level >= $least", ["ERROR", "FATAL"]),
        ("$least<=level", ["ERROR", "FATAL"]),
        ("level between 'DEBUG' and 'WARN'", ["DEBUG", "INFO", "WARN"]),
        ("level not between 'DEBUG' and $least", ["TRACE", "FATAL"]),
        ("level >= 'WARN'::level", ["WARN", "ERROR", "FATAL"]),
        ("level >= 'WARN' -- 'INFO'", ["WARN", "ERROR", "FATAL"]),
        ("level = 'WARN' or level in ('INFO', 'nothing')", ["INFO", "WARN"]),
        ("level is null", [None]),
        ("lower(level) like 'err%'", ["ERROR"]),
    ],
)
def test_levels_compare_by_severity_however_the_question_is_put(condition: str, expected: list[str | None]) -> None:
    params = {"least": "ERROR"} if "$least" in condition else {}
    found = levels().sql(f"select level from events where {condition}\norder by timestamp", **params)["level"]
    assert [None if pd.isna(level) else level for level in found] == expected


def test_levels_sort_and_aggregate_by_severity() -> None:
    snap = levels()
    assert snap.sql("select level from events order by level desc nulls last limit 2")["level"].to_list() == [
        *("FATAL", "ERROR")
    ]
    assert snap.sql("select max(level) as worst, min(level) as least from events").iloc[0].to_list() == [
        "FATAL",
        "TRACE",
    ]
    assert len(snap.sql("select service from events group by 1 having max(level) > 'ERROR'")) == 1


def test_text_that_is_called_like_a_level_still_compares_as_text() -> None:
    frame = rows({"message": "ZZZ"}, {"message": "WARN"}, {"message": "AAA"}, {"message": "FATAL"})
    found = snapshot(part(frame)).sql("select message from events where message >= 'WARN' order by 1")
    assert found["message"].to_list() == ["WARN", "ZZZ"]


@pytest.mark.parametrize(
    "query",
    [
        "select 'WARN' as x, {'ERROR': 1} as y from events",
        "select * from events where message = '>= ''WARN'''",
        "select $$>= 'WARN'$$ as x",
        "select count(*) filter (level = 'WARN') from events -- level > 'WARN'",
        "select /* level > 'WARN' */ 1",
        "from events where level > 'WARN'::level",
    ],
)
def test_only_an_order_asked_of_a_level_is_rewritten(query: str) -> None:
    assert rank_levels(query, {}) == query


@settings(deadline=None, max_examples=60)
@given(st.text())
def test_rewriting_takes_any_text_and_only_adds(query: str) -> None:
    assert rank_levels(query, {}).replace("::level", "") == query.replace("::level", "")


def test_rewriting_finds_its_place_behind_any_characters() -> None:
    assert rank_levels("select 'é🙂' where level > 'WARN'", {}) == "select 'é🙂' where level > 'WARN'::level"


def test_results_have_the_dtypes_of_the_snapshots_own_frames() -> None:
    snap = snapshot(part(rows({"status": 200}, {"level": "ERROR", "timestamp": None}, status=schema.NUMBERS["status"])))
    found = snap.sql('select * from events order by file, generation, "offset"')
    pd.testing.assert_frame_equal(
        found, snap.events.astype({"continues": "Int64"}), check_dtype=True, check_column_type=False
    )


@pytest.mark.parametrize("query", ["select level from events limit 0", "select max(level) as level from events"])
def test_an_ordered_categorical_comes_back_even_without_rows(query: str) -> None:
    assert snapshot().sql(query).dtypes["level"] == LEVEL_DTYPE


def test_sums_are_numbers_and_gaps_keep_whole_numbers_whole() -> None:
    snap = snapshot(part(rows({"status": 200}, {})))
    found = snap.sql(
        "select sum(length_bytes) as s, avg(length_bytes) as a, 1.5::decimal(9,2) as d, max(status) as m,"
        ' 170141183460469231731687303715884105727::hugeint as huge from events group by "offset" order by "offset"'
    )
    assert found.dtypes.to_dict() == {"s": "int64", "a": "float64", "d": "float64", "m": "Int64", "huge": "float64"}
    assert found["s"].to_list() == [10, 10]
    assert found["m"].to_list() == [200, pd.NA]


def test_times_are_utc_wherever_the_computer_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    found = levels().sql("select hour(timestamp) as h, timestamp as t from events limit 1")
    assert found.loc[0, "h"] == 12
    assert found.dtypes["t"] == pd.DatetimeTZDtype("us", "UTC")


@pytest.mark.parametrize("table", ["services", "levels", "timeline", "files", "rejects", "threads", "audit"])
def test_every_table_of_the_snapshot_can_be_asked(table: str) -> None:
    snap = levels()
    frame = snap.timeline() if table == "timeline" else getattr(snap, table)
    frame = frame() if table == "audit" else frame
    frame = frame if table in ("files", "rejects", "threads", "audit") else frame.reset_index()
    found = snap.sql(f"select * from {table}")
    assert found.columns.to_list() == frame.columns.to_list()
    assert len(found) == len(frame)


def test_parameters_are_values_never_sql() -> None:
    evil = "x'; drop table events; --"
    snap = snapshot(part(rows({"service": evil}, {"service": "other"})))
    assert snap.sql("select count(*) as n from events where service = $name", name=evil).loc[0, "n"] == 1


@pytest.mark.parametrize("name", ['a"b', "a'b", "]); drop view events; --", "MESSAGE", "Level", "", "select", "é\n"])
def test_hostile_field_names_are_columns_and_nothing_more(name: str) -> None:
    snap = snapshot(part(rows({name: "v", "level": "FATAL"})))
    found = snap.sql("select * from events where level >= 'ERROR'")
    assert len(found) == 1
    assert len(found.columns) == len(snap.events.columns)
    assert "v" in found.iloc[0].dropna().to_list()


def test_queries_change_nothing_for_later_ones() -> None:
    snap = levels()
    snap.sql("create table mine as select 1 as x; drop view events;")
    assert len(snap.sql("select * from events")) == 7
    with pytest.raises(duckdb.CatalogException):
        snap.sql("select * from mine")


@pytest.mark.parametrize(
    "query",
    [
        "select * from read_csv('{path}')",
        "select * from read_text('{path}')",
        "select * from '{path}'",
        "copy (select 1) to '{path}.out'",
        "attach '{path}.db'",
        "select * from glob('{path}*')",
        "install httpfs",
        "set enable_external_access = true",
        "reset lock_configuration",
        "set python_enable_replacements = true",
        "select * from secret_of_the_caller",
    ],
)
def test_nothing_outside_of_the_snapshot_can_be_read_or_written(query: str, tmp_path: Path) -> None:
    secret_of_the_caller = pd.DataFrame({"x": [1]})
    path = tmp_path / "secret.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(duckdb.Error) as caught:
        levels().sql(query.format(path=path))
    assert "describe events" in caught.value.__notes__[0]
    assert [found.name for found in tmp_path.iterdir()] == ["secret.csv"]
    del secret_of_the_caller


@pytest.mark.parametrize("query", ["selct 1", "select nothing from events", "select * from event", "select 'x", ""])
def test_a_wrong_query_raises_duckdbs_own_error_or_gives_nothing(query: str) -> None:
    if not query:
        assert levels().sql(query).empty
        return
    with pytest.raises(duckdb.Error) as caught:
        levels().sql(query)
    assert "The tables are events, services" in caught.value.__notes__[0]


def test_a_level_that_is_none_is_an_error_in_a_cast() -> None:
    with pytest.raises(duckdb.ConversionException):
        levels().sql("select * from events where level > 'LOUD'::level")


def test_threads_may_ask_one_snapshot_at_once() -> None:
    snap, counts = levels(), []
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        ask = "select count(*) as n from events where level >= 'INFO'"
        threads = [Thread(target=lambda: counts.append(int(snap.sql(ask).loc[0, "n"]))) for _ in range(6)]
        for one in threads:
            one.start()
        for one in threads:
            one.join(30)
    finally:
        sys.setswitchinterval(switch)
    assert counts == [4] * 6

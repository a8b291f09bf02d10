"""`where` and `between`: exact from rows, from statistics where they can tell, and a clear error where not."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logkit import schema
from logkit.errors import NeedsEvents, SettingError
from logkit.snapshot import Snapshot
from tests.captures import MINUTE, NOON, SECOND, part, rows, snapshot

LEVELS = [*schema.LEVELS, None]
events = st.lists(
    st.fixed_dictionaries(
        {
            "service": st.sampled_from(["pay", "web", "auth"]),
            "level": st.sampled_from(LEVELS),
            "timestamp": st.one_of(st.none(), st.integers(NOON, NOON + 20 * MINUTE)),
            "status": st.sampled_from([200, 500, None]),
            "duration_ms": st.sampled_from([None, 1.0, 250.0]),
        }
    ),
    max_size=30,
)


def kept(found: list[dict[str, Any]]) -> Snapshot:
    """All rows kept, in two batches of one file."""
    half = len(found) // 2
    return snapshot(part(rows(*found[:half])), part(rows(*found[half:], offset=10 * half)))


def dropped(found: list[dict[str, Any]]) -> Snapshot:
    """The same events with the first half's rows gone."""
    half = len(found) // 2
    return snapshot(part(rows(*found[half:], offset=10 * half)), lost=[rows(*found[:half]), rows({})])


def counts(snap: Snapshot) -> dict[tuple[str, str], int]:
    table = snap.levels.stack()
    return {key: int(n) for key, n in table[table > 0].items()}


@settings(deadline=None, max_examples=60)
@given(events, st.sampled_from(["pay", "nobody"]), st.sampled_from(LEVELS), st.sampled_from([200, None]))
def test_where_keeps_exactly_the_events_that_match(
    found: list[dict[str, Any]], service: str, level: str | None, status: int | None
) -> None:
    snap = kept(found)
    wanted = [e for e in found if (e["service"], e["level"], e["status"]) == (service, level, status)]
    got = snap.where(service=service, level=level, status=status)
    assert len(got) == len(got.events) == len(wanted)
    assert got.dropped_events == 0


@settings(deadline=None, max_examples=60)
@given(events, st.sampled_from(schema.LEVELS), st.sets(st.sampled_from(["pay", "web", "nobody"])))
def test_where_gives_the_same_counts_from_statistics_as_from_rows(
    found: list[dict[str, Any]], least: str, services: set[str]
) -> None:
    found = [*found, {"service": "web", "level": "INFO", "timestamp": NOON, "status": 1, "duration_ms": None}]
    all_rows, some = kept([*found, {}]), dropped(found)
    assert counts(some.where(min_level=least, service=services)) == counts(
        all_rows.where(min_level=least, service=services)
    )
    assert len(some.where(level=None)) == len(all_rows.where(level=None))


def test_where_from_statistics_counts_the_rows_it_has_lost() -> None:
    snap = snapshot(part(rows({"service": "pay"})), lost=[rows({"service": "pay"}, {})])
    pay = snap.where(service="pay")
    assert (len(pay), len(pay.events), pay.dropped_events) == (2, 1, 1)
    assert pay.services.index.to_list() == ["pay"]


@pytest.mark.parametrize(
    ("condition", "offsets"),
    [
        ({"level": "WARN"}, [10]),
        ({"level": "warn"}, [10]),
        ({"min_level": "WARN"}, [10, 20]),
        ({"min_level": "warn", "level": ["INFO", "WARN"]}, [10]),
        ({"level": ["INFO", "ERROR"]}, [0, 20]),
        ({"level": None}, [30]),
        ({"level": [None, "INFO"]}, [0, 30]),
        ({"status": 500}, [20]),
        ({"status": None}, [10, 30]),
        ({"file": "/logs/app1.log"}, [0, 10, 20]),
        ({"file": Path("/logs/app2.log")}, [30]),
        ({"source": 2}, [30]),
        ({"file": "/logs/none.log"}, []),
        ({"file_": "Main.java"}, [30]),
        ({"service": []}, []),
        ({"offset": {0, 30}}, [0, 30]),
        ({"rejected": False, "service": "app"}, [0, 10, 20, 30]),
        ({}, [0, 10, 20, 30]),
    ],
)
def test_where_understands_values_lists_and_none(condition: dict[str, Any], offsets: list[int]) -> None:
    first = rows({"status": 200}, {"level": "WARN"}, {"level": "ERROR", "status": 500})
    second = rows({"level": None, "file": "Main.java"}, offset=30)
    snap = snapshot(part(first), part(second, source=2)).where(**condition)
    assert snap.events["offset"].to_list() == offsets
    assert len(snap) == len(offsets)


def test_where_by_another_field_needs_rows_and_says_what_works_without() -> None:
    snap = snapshot(part(rows({"status": 500})), lost=[rows({})])
    with pytest.raises(NeedsEvents, match=r"by status.*where\(\) by service and level.*keep_events") as caught:
        snap.where(status=500)
    assert caught.value.question == "status=500"


def test_where_by_a_field_no_event_has_names_the_nearest() -> None:
    with pytest.raises(SettingError, match="found 'servise'; try service") as caught:
        snapshot(part(rows({}))).where(servise="app")
    assert caught.value.setting == "servise"


@pytest.mark.parametrize("level", ["LOUD", "WARNING", 3])
def test_where_by_a_level_that_is_none_lists_the_levels(level: object) -> None:
    with pytest.raises(SettingError, match="expected one of TRACE"):
        snapshot(part(rows({}))).where(level=level)


@pytest.mark.parametrize("condition", [{"status": "500"}, {"status": [200, "x"]}, {"message": 5}, {"offset": 2**70}])
def test_where_by_a_value_of_another_type_says_what_the_column_holds(condition: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="which is what that column holds"):
        snapshot(part(rows({"status": 200}))).where(**condition)


NOON_TIME = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "start",
    [
        NOON_TIME,
        NOON_TIME.replace(tzinfo=None),
        NOON_TIME.astimezone(timezone(timedelta(hours=9))),
        pd.Timestamp("2026-03-01 12:00"),
        pd.Timestamp("2026-03-01 13:00", tz="Europe/Berlin"),
        "2026-03-01T12:00:00Z",
        "2026-03-01 12:00",
        "2026-03-01T21:00:00+09:00",
    ],
)
def test_between_takes_instants_in_any_of_the_usual_forms(start: object) -> None:
    frame = rows({"timestamp": NOON - 1}, {"timestamp": NOON}, {"timestamp": NOON + SECOND}, {"timestamp": None})
    snap = snapshot(part(frame))
    assert snap.between(start, None).events["offset"].to_list() == [10, 20]
    assert snap.between(None, start).events["offset"].to_list() == [0]
    assert snap.between(date(2026, 3, 1), "2026-03-02").events["offset"].to_list() == [0, 10, 20]


@pytest.mark.parametrize("start", ["noon", 5, pd.NaT, "12:00", b"2026-03-01"])
def test_between_refuses_what_is_no_instant_with_an_example(start: object) -> None:
    with pytest.raises(SettingError, match="try '2026-03-01T12:00:00Z'") as caught:
        snapshot().between(start)
    assert caught.value.setting == "start"


def test_between_refuses_an_end_before_its_start() -> None:
    with pytest.raises(SettingError, match="other way round"):
        snapshot().between("2026-03-02", "2026-03-01")


@settings(deadline=None, max_examples=60)
@given(events, st.integers(-5, 25), st.integers(0, 10))
def test_between_gives_the_same_counts_from_statistics_as_from_rows(
    found: list[dict[str, Any]], first: int, length: int
) -> None:
    found = [*found, {"service": "web", "level": "INFO", "timestamp": NOON, "status": 1, "duration_ms": None}]
    start, end = (pl.Series([NOON + minute * MINUTE]).cast(schema.TIMESTAMP)[0] for minute in (first, first + length))
    assert counts(dropped(found).between(start, end)) == counts(kept([*found, {}]).between(start, end))


def test_between_inside_of_a_bucket_needs_rows_and_names_ends_that_work() -> None:
    snap = snapshot(part(rows({}, {"timestamp": NOON + 900_000})), lost=[rows({})])
    with pytest.raises(NeedsEvents) as caught:
        snap.between("2026-03-01T12:00:00.5Z", "2026-03-01T12:05")
    assert "between('2026-03-01T12:00:00Z', '2026-03-01T12:05:00Z')" in str(caught.value)
    assert len(snap.between("2026-03-01T12:00:00Z", "2026-03-01T12:05:00Z")) == 3


def test_a_part_of_the_time_gets_finer_buckets_than_the_whole() -> None:
    year = 365 * 86_400 * SECOND
    frame = rows(*({"timestamp": NOON - at * year // 5000} for at in range(5000)))
    snap = snapshot(part(frame))
    assert snap.stats.width_us > SECOND
    assert snap.between("2026-03-01T12:00").stats.width_us == SECOND


def test_filters_follow_each_other_and_are_told() -> None:
    snap = snapshot(part(rows({"level": "ERROR"}, {"service": "pay", "level": "ERROR"}, {"service": "pay"})))
    chain = snap.where(service="pay").where(min_level="WARN").between("2026-03-01")
    assert chain.events["offset"].to_list() == [10]
    assert "only service='pay'; level=['WARN', 'ERROR', 'FATAL']; from 2026-03-01T00:00:00Z" in repr(chain)
    assert chain.audit().equals(snap.audit())

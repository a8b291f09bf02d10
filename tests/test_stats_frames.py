"""What statistics answer, as DataFrames."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logkit import schema
from logkit.stats import Limits, Stats
from tests import stats_cases as cases
from tests.stats_cases import DAY, SECOND, START, Row, event, stats_of

INCIDENT = [
    event(START, "INFO", "gateway", 10.0),
    event(START + 2 * SECOND, "WARN", "gateway", 20.0),
    event(START + 4 * SECOND, "ERROR", "gateway", 30.0),
    event(START + 4 * SECOND, "FATAL", "gateway"),
    event(None, None, "gateway", rejected=True),
    event(START + 4 * SECOND, "DEBUG", "auth"),
]


def test_by_service_tells_each_service_in_one_row() -> None:
    auth, gateway = stats_of(INCIDENT).by_service().rows(named=True)
    assert gateway == {
        "service": "gateway",
        "events": 5,
        "errors": 2,
        "warnings": 1,
        "rejects": 1,
        "error_rate": 0.4,
        "per_second": 1.0,
        "first_us": START,
        "last_us": START + 4 * SECOND,
        "p50_ms": pytest.approx(20.0, rel=0.01),
        "p95_ms": pytest.approx(20.0, rel=0.01),
        "p99_ms": pytest.approx(20.0, rel=0.01),
    }
    assert (auth["service"], auth["events"], auth["per_second"], auth["p50_ms"]) == ("auth", 1, 1.0, None)


def test_by_service_without_times_has_no_rate() -> None:
    row = stats_of([event(None)]).by_service().row(0, named=True)
    assert (row["per_second"], row["first_us"], row["last_us"]) == (None, None, None)


def test_by_service_has_the_same_columns_when_empty() -> None:
    assert Stats.empty().by_service().schema == stats_of(INCIDENT).by_service().schema


@given(cases.events, cases.limits)
def test_by_service_adds_up(a: list[Row], limits: Limits) -> None:
    stats = stats_of(a, limits)
    table = stats.by_service()
    assert table["service"].to_list() == sorted(stats.services)
    assert table["events"].sum() == len(a)
    assert table["errors"].sum() == stats.errors == sum(row[1] in ("ERROR", "FATAL") for row in a)
    assert table["warnings"].sum() == sum(row[1] == "WARN" for row in a)
    assert table["rejects"].sum() == sum(row[4] for row in a)


def test_by_level_counts_every_level_and_none() -> None:
    table = stats_of(INCIDENT).by_level()
    assert table.columns == ["service", *schema.LEVELS, "none"]
    assert table.rows() == [("auth", 0, 1, 0, 0, 0, 0, 0), ("gateway", 0, 0, 1, 1, 1, 1, 1)]


def test_timeline_is_zero_filled_between_first_and_last() -> None:
    assert stats_of(INCIDENT).timeline(SECOND).rows() == [
        (START + n * SECOND, events) for n, events in enumerate([1, 0, 1, 0, 3])
    ]


def test_timeline_by_service_has_every_bucket_for_every_service() -> None:
    table = stats_of(INCIDENT).timeline(5 * SECOND, by="service")
    assert table.rows() == [("auth", START, 1), ("gateway", START, 4)]
    fine = stats_of(INCIDENT).timeline(SECOND, by="service")
    assert fine["events"].to_numpy().reshape(2, 5).tolist() == [[0, 0, 0, 0, 1], [1, 0, 1, 0, 2]]


def test_timeline_by_level_has_the_order_of_levels() -> None:
    table = stats_of([*INCIDENT, event(START, None)]).timeline(5 * SECOND, by="level")
    assert table["level"].to_list() == [None, "DEBUG", "INFO", "WARN", "ERROR", "FATAL"]
    assert table.schema["level"] == schema.LEVEL
    assert table["events"].to_list() == [1] * 6


@given(cases.events, st.sampled_from([None, "level", "service"]), st.sampled_from([1, 2, 7]))
def test_timeline_counts_every_timed_event(a: list[Row], by: str | None, times: int) -> None:
    stats = stats_of(a)
    table = stats.timeline(stats.width_us * times, by, fill=False)  # type: ignore[arg-type]
    assert table["events"].sum() == stats.buckets["events"].sum()
    assert (table["bucket_us"] % (stats.width_us * times) == 0).all()


def test_timeline_leaves_the_statistics_as_they_were() -> None:
    stats, again = stats_of(INCIDENT), stats_of(INCIDENT)
    stats.timeline(DAY, by="level")
    assert stats == again


def test_timeline_at_a_width_that_is_no_multiple_is_refused() -> None:
    stats = stats_of(INCIDENT, Limits(max_buckets=1))
    assert stats.width_us == 5 * SECOND
    for width in (SECOND, 7 * SECOND, 0, -5 * SECOND):
        with pytest.raises(ValueError, match="multiple of 5000000"):
            stats.timeline(width)


def test_timeline_too_long_to_fill_is_refused_and_sparse_still_answers() -> None:
    stats = stats_of([event(0), event(START)])
    with pytest.raises(ValueError, match="fill=False"):
        stats.timeline(SECOND)
    assert stats.timeline(SECOND, fill=False).rows() == [(0, 1), (START, 1)]


def test_timeline_of_nothing_has_its_columns() -> None:
    assert Stats.empty().timeline(SECOND, by="level").schema == stats_of(INCIDENT).timeline(SECOND, by="level").schema


def test_hostile_names_are_only_text() -> None:
    names = ["__index__", "events", "bucket_us", "{0}", "%s", "a\x00b", "'; drop table x"]
    stats = stats_of([event(service=name) for name in names])
    assert stats.by_service()["service"].to_list() == sorted(names)
    assert sorted(stats.timeline(SECOND, by="service")["service"]) == sorted(names)
    assert stats.totals.filter(pl.col("service") == "a\x00b").height == 1

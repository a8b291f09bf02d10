"""`Stats` as a value: a commutative monoid that counts what is there."""

from __future__ import annotations

import pickle
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logkit.errors import SettingError
from logkit.stats import OTHER, Limits, Stats
from logkit.stats.ladder import TIME_STOP_US, WIDTHS_US
from logkit.stats.sketch import BINS
from tests import stats_cases as cases
from tests.stats_cases import DAY, SECOND, START, Row, event, frame, stats_of

WIDE = Limits(max_services=1000, max_buckets=10**6, max_latency_buckets=10**6)


@given(cases.events, cases.events, cases.events, cases.limits)
def test_addition_is_associative(a: list[Row], b: list[Row], c: list[Row], limits: Limits) -> None:
    x, y, z = stats_of(a, limits), stats_of(b, limits), stats_of(c, limits)
    assert (x + y) + z == x + (y + z) == Stats.sum([z, x, y])


@given(cases.events, cases.events, cases.limits)
def test_addition_is_commutative(a: list[Row], b: list[Row], limits: Limits) -> None:
    x, y = stats_of(a, limits), stats_of(b, limits)
    assert x + y == y + x


@given(cases.events, cases.limits)
def test_empty_is_neutral(a: list[Row], limits: Limits) -> None:
    x, empty = stats_of(a, limits), Stats.empty(limits)
    assert x + empty == empty + x == x


@given(cases.events, st.lists(st.integers(0, 30), max_size=6), cases.limits)
def test_pieces_sum_to_the_whole_wherever_it_is_cut(a: list[Row], cuts: list[int], limits: Limits) -> None:
    edges = [0, *sorted(min(cut, len(a)) for cut in cuts), len(a)]
    pieces = [stats_of(a[start:stop], limits) for start, stop in pairwise(edges)]
    assert Stats.sum(pieces) == stats_of(a, limits)


@given(st.permutations([event(START + n * DAY, service=f"s{n % 5}", duration_ms=n + 1.0) for n in range(12)]))
def test_order_of_events_does_not_matter(a: list[Row]) -> None:
    limits = Limits(3, 4, 2)
    assert stats_of(a, limits) == stats_of(sorted(a), limits)


@given(cases.events, cases.events, cases.limits)
def test_closed_under_filters_and_differences(a: list[Row], b: list[Row], limits: Limits) -> None:
    """Results of `minus` and `where`, whose buckets are wider than they need to be, still add associatively."""
    x, y = stats_of(a, limits), stats_of(b, limits)
    rest = (x + y).minus(y)
    part = x.where(levels=["INFO", "none"])
    assert part is not None
    assert (rest + part) + y == rest + (part + y) == (y + part) + rest


@given(cases.events)
def test_totals_are_what_a_loop_would_count(a: list[Row]) -> None:
    stats = stats_of(a, WIDE)
    assert stats.events == len(a)
    counted = Counter((service, level) for _, level, service, _, _ in a)
    timed = Counter((row[2], row[1]) for row in a if is_timed(row))
    rejects = Counter((row[2], row[1]) for row in a if row[4])
    for service, level, events, n_timed, n_rejects, first, last in stats.totals.rows():
        key = (service, level)
        when = [row[0] for row in a if (row[2], row[1]) == key and is_timed(row)]
        assert (events, n_timed, n_rejects) == (counted[key], timed[key], rejects[key])
        assert (first, last) == (min(when, default=None), max(when, default=None))
    assert len(stats.totals) == len(counted)


@given(cases.events)
def test_buckets_are_what_a_loop_would_count(a: list[Row]) -> None:
    stats = stats_of(a)
    width = stats.width_us
    keys = [((service, level, time // width * width), bad) for time, level, service, _, bad in a if is_timed((time,))]
    events, rejects = Counter(key for key, _ in keys), Counter(key for key, bad in keys if bad)
    assert {row[:3]: row[3:] for row in stats.buckets.rows()} == {key: (n, rejects[key]) for key, n in events.items()}


@given(cases.events)
def test_bins_hold_every_duration_that_is_one(a: list[Row]) -> None:
    counted = Counter((row[2], row[1]) for row in a if row[3] is not None and row[3] >= 0)
    found = stats_of(a).bins.group_by("service", "level").agg(pl.col("events").sum())
    assert {(service, level): n for service, level, n in found.rows()} == counted


def is_timed(row: tuple[object, ...]) -> bool:
    return isinstance(row[0], int) and 0 <= row[0] < TIME_STOP_US


@given(cases.events, cases.limits)
def test_size_is_bounded(a: list[Row], limits: Limits) -> None:
    stats = stats_of(a, limits)
    assert len(set(stats.services) - {OTHER}) <= limits.max_services
    assert stats.buckets["bucket_us"].n_unique() <= limits.max_buckets
    assert stats.bins["bucket_us"].drop_nulls().n_unique() <= limits.max_latency_buckets
    assert stats.bins["bin"].is_between(0, BINS - 1).all()


def test_services_beyond_the_limit_are_summed_into_other() -> None:
    names = [f"service-{n}" for n in range(50)]
    stats = stats_of([event(service=name) for name in names for _ in range(3)], Limits(max_services=10))
    assert len(stats.services) == 11
    assert stats.events == 150
    assert stats.other_events == 120


def test_which_services_are_kept_is_the_same_in_every_process() -> None:
    stats = stats_of([event(service=name) for name in "abcdefgh"], Limits(max_services=3))
    assert stats.services == ("(other)", "c", "e", "f")


def test_one_stray_old_line_does_not_coarsen_the_rest() -> None:
    recent = [event(START + n * SECOND) for n in range(3000)]
    assert stats_of([event(5), *recent]).width_us == SECOND


def test_buckets_widen_only_as_far_as_needed() -> None:
    limits = Limits(max_buckets=60)
    assert stats_of([event(START + n * SECOND) for n in range(60)], limits).width_us == SECOND
    assert stats_of([event(START + n * SECOND) for n in range(61)], limits).width_us == 5 * SECOND


@pytest.mark.parametrize("time", [-1, -(2**63), TIME_STOP_US, 253_402_300_799_999_999, 2**63 - 1])
def test_times_out_of_range_count_as_no_time(time: int) -> None:
    stats = stats_of([event(time), event(START)])
    assert stats.totals.row(0, named=True) | {"level": "INFO"} == {
        "service": "gateway",
        "level": "INFO",
        "events": 2,
        "timed": 1,
        "rejects": 0,
        "first_us": START,
        "last_us": START,
    }


def test_optional_columns_may_be_absent() -> None:
    events = frame([event(duration_ms=3.0, rejected=True)]).drop("duration_ms", "rejected")
    stats = Stats.of(events)
    assert stats.events == 1
    assert stats.bins.is_empty()
    assert stats.totals["rejects"].to_list() == [0]


def test_tables_have_the_documented_columns_even_when_empty() -> None:
    empty, full = Stats.empty(), stats_of([event(duration_ms=2.0), event(None, None, duration_ms=1.0)])
    assert empty.totals.schema == full.totals.schema
    assert empty.buckets.schema == full.buckets.schema
    assert empty.bins.schema == full.bins.schema
    assert full.bins["bucket_us"].to_list() == [None, START]


def test_empty_frame_is_empty() -> None:
    assert stats_of([]) == Stats.empty()
    assert not Stats.empty()
    assert Stats.sum([]) == Stats.empty()


def test_frame_without_any_time_works() -> None:
    stats = stats_of([event(None, "ERROR", duration_ms=1.0), event(None, None)])
    assert (stats.events, stats.errors, len(stats.buckets)) == (2, 1, 0)
    assert bool(stats)


def test_a_null_service_is_the_empty_name() -> None:
    assert Stats.of(frame([event()]).with_columns(service=pl.lit(None, pl.String))).services == ("",)


def test_frames_of_many_chunks_and_slices_count_the_same() -> None:
    rows = [event(START + n, service=f"s{n % 3}", duration_ms=float(n)) for n in range(40)]
    chunks = pl.concat([frame(rows[:7]), frame(rows[7:])], rechunk=False)
    assert Stats.of(chunks[3:30]) == stats_of(rows[3:30])


def test_different_limits_do_not_add() -> None:
    with pytest.raises(ValueError, match="equal limits"):
        Stats.empty() + Stats.empty(Limits(max_services=3))


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(SettingError, match="max_buckets") as caught:
        Limits(max_buckets=0)
    assert (caught.value.setting, caught.value.value) == ("max_buckets", 0)


def test_adding_something_else_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        Stats.empty() + 1  # type: ignore[operator]


def test_pickling_keeps_the_value() -> None:
    stats = stats_of([event(duration_ms=1.5), event(None, service="ü")])
    assert pickle.loads(pickle.dumps(stats)) == stats


def test_a_value_cannot_be_written_to() -> None:
    tables = (stats_of([event(duration_ms=1.0)]) + stats_of([event(None)])).tables
    for array in (
        tables.spans,
        *(part for cells in (tables.totals, tables.buckets, tables.bins) for part in (cells.keys, cells.counts)),
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0


def test_repr_is_one_line() -> None:
    assert repr(stats_of([event()] * 1200)) == "<Stats: 1,200 events, 1 services, buckets of 1 s>"


def test_threads_may_count_at_the_same_time() -> None:
    rows = [event(START + n * 1000, service=f"s{n % 7}", duration_ms=float(n)) for n in range(2000)]
    blocks = [frame(rows[n : n + 100]) for n in range(0, 2000, 100)]
    together = threading.Barrier(4, timeout=30)

    def count(block: int) -> Stats:
        if block < 4:
            together.wait()
        return Stats.of(blocks[block])

    with ThreadPoolExecutor(4) as pool:
        assert Stats.sum(pool.map(count, range(20))) == stats_of(rows)


# -- minus ------------------------------------------------------------------------------------------------------------


@given(cases.events, cases.events, cases.limits)
def test_minus_undoes_addition(a: list[Row], b: list[Row], limits: Limits) -> None:
    x, y = stats_of(a, limits), stats_of(b, limits)
    both = x + y
    rest = both.minus(y)
    # The same as `x` counted at the sum's widths and with the sum's services.
    assert rest.events == x.events
    assert rest + y == both
    assert rest.buckets["events"].sum() == x.buckets["events"].sum()
    assert rest.bins["events"].sum() == x.bins["events"].sum()
    assert rest.totals["rejects"].sum() == x.totals["rejects"].sum()
    assert set(rest.services) <= set(both.services)


@given(cases.events, cases.events)
def test_minus_gives_the_counts_of_what_was_added(a: list[Row], b: list[Row]) -> None:
    x, y = stats_of(a, WIDE), stats_of(b, WIDE)
    rest = (x + y).minus(y)
    assert rest.by_level().equals(x.by_level())
    assert rest.tables.bins.counts.sum() == x.tables.bins.counts.sum()
    if rest.width_us == x.width_us and rest.bin_width_us == x.bin_width_us:
        assert rest.buckets.equals(x.buckets)
        assert rest.bins.equals(x.bins)


@given(cases.events, cases.events, cases.limits)
def test_first_and_last_after_minus_are_exact_to_a_bucket(a: list[Row], b: list[Row], limits: Limits) -> None:
    x, y = stats_of(a, limits), stats_of(b, limits)
    rest = (x + y).minus(y)
    first, last = x.totals["first_us"].min(), x.totals["last_us"].max()
    found_first, found_last = rest.totals["first_us"].min(), rest.totals["last_us"].max()
    assert (found_first is None) == (first is None)
    if first is not None:
        assert 0 <= first - found_first < rest.width_us
        assert 0 <= found_last - last < rest.width_us


@given(cases.events, cases.limits)
def test_minus_itself_is_nothing(a: list[Row], limits: Limits) -> None:
    rest = (x := stats_of(a, limits)).minus(x)
    assert not rest
    assert rest.services == ()
    assert rest.buckets.is_empty()
    assert rest.bins.is_empty()


@pytest.mark.parametrize(
    "other", [event(service="payments"), event(level="ERROR"), event(START + DAY), event(duration_ms=1.0)]
)
def test_minus_what_is_not_contained_is_refused(other: Row) -> None:
    with pytest.raises(ValueError, match="contain"):
        stats_of([event(), event()]).minus(stats_of([other]))


# -- where ------------------------------------------------------------------------------------------------------------


@given(cases.events, st.sets(st.sampled_from(cases.SERVICES)), st.sets(st.sampled_from(["INFO", "ERROR", "none"])))
def test_where_by_key_is_the_statistics_of_the_rows_left(a: list[Row], services: set[str], levels: set[str]) -> None:
    rows = [row for row in a if row[2] in services and (row[1] or "none") in levels]
    found = stats_of(a, WIDE).where(services - {OTHER}, levels)
    if OTHER in services or OTHER in {row[2] for row in a}:
        return
    assert found is not None
    assert found.totals.equals(stats_of(rows, WIDE).totals)
    assert found.buckets.equals(stats_of(rows, WIDE).buckets)
    assert found.bins["events"].sum() == stats_of(rows, WIDE).bins["events"].sum()


@given(cases.events, st.integers(0, 40), st.integers(0, 40))
def test_where_by_aligned_time_counts_the_rows_left(a: list[Row], first: int, length: int) -> None:
    stats = stats_of(a)
    step = max(stats.width_us, stats.bin_width_us)
    start = START // step * step + first * step
    stop = start + length * step
    rows = [row for row in a if is_timed(row) and start <= (row[0] or 0) < stop]
    found, expected = stats.where(start_us=start, stop_us=stop), stats_of(rows)
    assert found is not None
    assert found.by_level().equals(expected.by_level())
    assert found.totals["rejects"].sum() == expected.totals["rejects"].sum()
    assert found.bins["events"].sum() == expected.bins["events"].sum()


def test_where_with_an_end_inside_an_occupied_bucket_is_unanswerable() -> None:
    stats = stats_of([event(START + 100), event(START + 900)])
    assert stats.where(start_us=START + 500) is None
    assert stats.where(stop_us=START + 500) is None


def test_where_with_an_end_beside_all_events_of_a_bucket_is_answered() -> None:
    stats = stats_of([event(START + 100), event(START + 900), event(START + 3 * SECOND)])
    found = stats.where(start_us=START + 50, stop_us=START + 3 * SECOND + 1)
    assert found is not None
    assert found.events == 3


def test_where_looks_at_the_latencies_buckets_too() -> None:
    rows = [event(START + n * SECOND, duration_ms=1.0) for n in range(20)]
    stats = stats_of(rows, Limits(max_latency_buckets=4))
    assert (stats.width_us, stats.bin_width_us) == (SECOND, 5 * SECOND)
    assert stats.where(start_us=START + 3 * SECOND) is None
    assert stats.where(start_us=START + 5 * SECOND) is not None


def test_where_a_time_is_asked_events_without_one_are_left_out() -> None:
    stats = stats_of([event(None, duration_ms=1.0), event(duration_ms=2.0)])
    found = stats.where(start_us=0)
    assert found is not None
    assert (found.events, found.bins["events"].sum()) == (1, 1)


def test_where_of_a_service_that_may_be_folded_is_unanswerable() -> None:
    stats = stats_of([event(service=name) for name in "abcdefgh"], Limits(max_services=3))
    assert stats.where(services=["a"]) is None
    kept = stats.where(services=["c"])
    assert kept is not None
    assert kept.events == 1


def test_where_of_an_unknown_service_is_empty() -> None:
    found = stats_of([event()]).where(services=["nobody"])
    assert found is not None
    assert not found


def test_where_of_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="LOUD"):
        stats_of([event()]).where(levels=["LOUD"])


def test_widths_are_rungs_of_the_ladder() -> None:
    rng = np.random.default_rng(1)
    for span in (10, 10**4, 10**6, 10**8):
        rows = [event(START + int(t) * SECOND, duration_ms=1.0) for t in rng.integers(0, span, 300)]
        stats = stats_of(rows, Limits(max_buckets=100, max_latency_buckets=10))
        assert stats.width_us in WIDTHS_US
        assert stats.bin_width_us in WIDTHS_US

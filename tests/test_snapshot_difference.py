"""`snap2 - snap1`: what happened in between."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logkit.errors import LineageError, SnapshotError
from logkit.snapshot import Snapshot
from logkit.stats import Stats
from tests.captures import MINUTE, NOON, part, rows, snapshot

batches = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.lists(
            st.fixed_dictionaries(
                {
                    "service": st.sampled_from(["pay", "web"]),
                    "level": st.sampled_from(["INFO", "ERROR", None]),
                    "timestamp": st.one_of(st.none(), st.integers(NOON, NOON + 20 * MINUTE)),
                    "duration_ms": st.sampled_from([None, 5.0]),
                }
            ),
            min_size=1,
            max_size=5,
        ),
    ),
    max_size=8,
)


def parts(found: list[tuple[int, list[dict[str, Any]]]]) -> list[Any]:
    """Each batch behind the one before of the same source."""
    ends: dict[int, int] = {}
    made = []
    for number, events in found:
        made.append(part(rows(*events, offset=ends.get(number, 0)), source=number))
        ends[number] = ends.get(number, 0) + 10 * len(events)
    return made


def counted(snap: Snapshot) -> tuple[Any, ...]:
    """All that subtraction keeps exact: first and last times are exact only to a bucket."""
    totals = snap.stats.totals.drop("first_us", "last_us")
    return totals.to_dicts(), snap.stats.buckets.to_dicts(), snap.stats.bins.to_dicts()


@settings(deadline=None, max_examples=60)
@given(batches, st.integers(0, 8), st.sampled_from([1_000, 3, 0]))
def test_later_minus_earlier_counts_what_came_in_between(
    found: list[tuple[int, list[dict[str, Any]]]], cut: int, keep: int
) -> None:
    made = parts(found)
    earlier = snapshot(*made[:cut], keep_events=keep)
    later = snapshot(*made, keep_events=keep)
    between = snapshot(*made[cut:], keep_events=keep)
    assert counted(later - earlier) == counted(between)
    assert (later - earlier).events.equals(between.events)
    assert (later - earlier).dropped_events == between.dropped_events


@settings(deadline=None, max_examples=60)
@given(batches, st.integers(0, 8))
def test_statistics_alone_tell_what_came_in_between(found: list[tuple[int, list[dict[str, Any]]]], cut: int) -> None:
    frames = [made.frame for made in parts(found)]
    earlier, later = snapshot(lost=frames[:cut], keep_events=0), snapshot(lost=frames, keep_events=0)
    assert counted(later - earlier) == counted(snapshot(lost=frames[cut:]))
    assert (later - earlier).dropped_events == sum(frame.height for frame in frames[cut:])


@settings(deadline=None, max_examples=60)
@given(batches, st.integers(0, 8), st.sampled_from([1_000, 3, 0]))
def test_differences_follow_each_other(found: list[tuple[int, list[dict[str, Any]]]], cut: int, keep: int) -> None:
    made = parts(found)
    first, second = snapshot(keep_events=keep), snapshot(*made[:cut], keep_events=keep)
    third = snapshot(*made, keep_events=keep)
    assert counted((third - first) - (second - first)) == counted(third - second)


@settings(deadline=None, max_examples=60)
@given(batches)
def test_a_snapshot_minus_itself_is_empty(found: list[tuple[int, list[dict[str, Any]]]]) -> None:
    snap = snapshot(*parts(found))
    nothing = snap - snap
    assert len(nothing) == 0
    assert nothing.events.empty
    assert nothing.dropped_events == 0


def test_rows_dropped_in_between_are_counted_as_dropped() -> None:
    first, second, third = part(rows({})), rows({}, {}, offset=10), part(rows({"level": "ERROR"}, offset=30))
    earlier, later = snapshot(first), snapshot(third, lost=[first.frame, second], version=9)
    difference = later - earlier
    assert difference.events["offset"].to_list() == [30]
    assert (len(difference), difference.dropped_events) == (3, 2)
    assert difference.services.loc["app", "errors"] == 1


def test_rows_are_told_apart_by_source_and_generation_not_by_offset_alone() -> None:
    first = part(rows({}))
    later = snapshot(first, part(rows({}), source=2), part(rows({}), generation=1))
    found = (later - snapshot(first)).events[["source", "generation", "offset"]]
    assert found.to_numpy().tolist() == [[1, 1, 0], [2, 0, 0]]


def test_frames_that_were_joined_since_are_compared_row_by_row() -> None:
    first = part(rows({}, {}))
    joined = part(rows({}, {}, {"level": "ERROR"}))
    assert (snapshot(joined, version=9) - snapshot(first)).events["offset"].to_list() == [20]


@pytest.mark.parametrize("keep", [1_000, 0])
@pytest.mark.parametrize("grown", [{"level": "ERROR", "service": "pay"}, {}], ids=["changed", "same"])
def test_a_held_record_that_grew_since_is_in_both(grown: dict[str, Any], keep: int) -> None:
    done = part(rows({}))
    earlier = snapshot(done, part(rows({"level": None}, offset=10), held=True), keep_events=keep)
    finished = rows({"message": "all of it", **grown}, {"service": "web"}, offset=10)
    later = snapshot(done, part(finished), keep_events=keep, version=9)
    difference = later - earlier
    assert difference.services["events"].to_dict() == {"web": 1}
    assert difference.events["offset"].to_list() == ([20] if keep else [])


def test_a_held_record_whose_later_row_is_gone_may_count_again_but_never_below_zero() -> None:
    earlier = snapshot(part(rows({"level": None}), held=True))
    later = snapshot(lost=[rows({"level": "ERROR"}, {})], version=9)
    difference = later - earlier
    assert len(difference) == 2
    assert (difference.levels >= 0).all(axis=None)


def test_a_held_record_whose_later_row_is_gone_is_in_both_if_it_counts_the_same() -> None:
    earlier = snapshot(part(rows({}), held=True))
    later = snapshot(lost=[rows({}, {})], version=9)
    assert len(later - earlier) == 1


def test_counts_that_have_become_less_are_an_error_that_says_why() -> None:
    earlier, later = snapshot(lost=[rows({"level": None})]), snapshot(lost=[rows({"level": "ERROR"}, {})], version=9)
    with pytest.raises(SnapshotError, match="still growing"):
        later - earlier


def test_snapshots_of_two_monitors_do_not_subtract() -> None:
    with pytest.raises(LineageError, match="one monitor") as caught:
        snapshot(lineage="a") - snapshot(lineage="b")
    assert (caught.value.left, caught.value.right) == ("a", "b")


def test_the_earlier_minus_the_later_says_to_turn_them_round() -> None:
    with pytest.raises(LineageError, match="other way round"):
        snapshot() - snapshot(part(rows({})))


def test_snapshots_filtered_alike_subtract_and_others_do_not() -> None:
    first = part(rows({"service": "pay"}, {}))
    earlier, later = snapshot(first), snapshot(first, part(rows({"service": "pay"}, {}, offset=20)))
    assert len(later.where(service="pay") - earlier.where(service="pay")) == 1
    assert len((later - earlier).where(service="pay")) == 1
    with pytest.raises(LineageError, match="where"):
        later.where(service="pay") - earlier


def test_only_snapshots_subtract() -> None:
    with pytest.raises(TypeError):
        snapshot() - 1  # type: ignore[operator]


def test_a_difference_says_since_when() -> None:
    first = part(rows({}))
    difference = snapshot(first, part(rows({}, offset=10))) - snapshot(first)
    assert "only since version 1" in repr(difference)
    assert difference.stats == Stats.of(rows({}, offset=10))

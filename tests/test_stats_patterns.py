"""Masked messages in statistics: a commutative monoid, bounded by counting coarser."""

from __future__ import annotations

import pickle
from collections import Counter
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logkit.stats import Limits, Stats
from logkit.stats.ladder import TIME_STOP_US
from logkit.stats.masks import WILDCARD, mask
from logkit.stats.patterns import coarser, keep, key_of
from tests import stats_cases as cases

WORDS = ("disk", "full", "user", "alice", "bob", "12", "a7", "/var/log/x", "failed", "ok=yes", "\n", "<*>", "größe")

texts = st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)
events = st.lists(st.tuples(cases.rows, texts), max_size=20)
limits = st.builds(
    Limits,
    max_services=st.integers(1, 4),
    max_buckets=st.integers(1, 12),
    max_beginnings=st.integers(1, 4),
    max_alike=st.integers(1, 3),
    max_pattern_buckets=st.integers(1, 6),
)
Event = tuple[cases.Row, str]


def stats_of(rows: list[tuple[int, Event]], limits: Limits) -> Stats:
    """Statistics of events, each with the offset it stands at."""
    frame = cases.frame([row for _, (row, _) in rows]).with_columns(
        message=pl.Series([text for _, (_, text) in rows], dtype=pl.String),
        offset=pl.Series([at for at, _ in rows], dtype=pl.Int64),
        source=pl.lit(1, pl.Int64),
        generation=pl.lit(0, pl.Int64),
    )
    return Stats.of(frame, limits, mask(frame["message"]))


def numbered(events: list[Event]) -> list[tuple[int, Event]]:
    return list(enumerate(events))


@given(events, limits, st.integers(0, 20), st.integers(0, 20))
def test_addition_is_associative_and_commutative(a: list[Event], limits: Limits, i: int, j: int) -> None:
    rows, (low, high) = numbered(a), sorted((i, j))
    x, y, z = (stats_of(part, limits) for part in (rows[:low], rows[low:high], rows[high:]))
    assert (x + y) + z == x + (y + z) == z + (y + x) == Stats.sum([y, z, x])
    assert x + Stats.empty(limits) == Stats.empty(limits) + x == x


@given(events, limits, st.lists(st.integers(0, 20), max_size=5), st.randoms(use_true_random=False))
def test_pieces_sum_to_the_whole_wherever_it_is_cut(a: list[Event], limits: Limits, cuts: list[int], rng) -> None:  # type: ignore[no-untyped-def]
    rows = numbered(a)
    whole = stats_of(rows, limits)
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    assert Stats.sum([stats_of(rows[low:high], limits) for low, high in pairwise(edges)]) == whole
    rng.shuffle(rows)
    assert stats_of(rows, limits) == whole


@given(events, limits)
def test_no_event_is_lost_and_size_is_bounded(a: list[Event], limits: Limits) -> None:
    stats = stats_of(numbered(a), limits)
    table = stats.patterns
    assert stats.has_patterns
    assert len(table.masks) <= (limits.max_alike + 1) * (limits.max_beginnings + 1)
    assert len(set(table.buckets.keys[3].tolist())) <= limits.max_pattern_buckets
    assert int(table.buckets.counts.sum()) == int(table.totals.counts[1].sum())


@given(events)
def test_counts_are_what_a_loop_would_count(a: list[Event]) -> None:
    stats = stats_of(numbered(a), Limits())
    counted = Counter(mask(pl.Series([text])).texts[0] for _, text in a)
    found: Counter[str] = Counter()
    for at, count in zip(stats.patterns.totals.keys[2].tolist(), stats.patterns.totals.counts[0].tolist(), strict=True):
        found[stats.patterns.masks[at]] += count
    assert found == counted
    first = {}
    for at, (_, text) in numbered(a):
        first.setdefault(mask(pl.Series([text])).texts[0], (at, text))
    places = zip(stats.patterns.places[2].tolist(), stats.patterns.examples, strict=True)
    assert dict(zip(stats.patterns.masks, places, strict=True)) == first


@given(events, events, limits)
def test_what_is_subtracted_is_what_was_added(a: list[Event], b: list[Event], limits: Limits) -> None:
    rows = numbered([*a, *b])
    x, y = stats_of(rows[: len(a)], limits), stats_of(rows[len(a) :], limits)
    rest = (x + y).minus(x)
    assert rest.events == rest.patterns.events == len(b)
    assert (rest + x) + y == rest + (x + y)


@given(events, st.sampled_from([None, ["gateway"], ["auth", "größe"]]))
def test_a_part_by_service_and_level_has_the_patterns_of_these(a: list[Event], services: list[str] | None) -> None:
    levels = ["INFO", "none"]
    wanted = [
        one for one in numbered(a) if one[1][0][1] in ("INFO", None) and (not services or one[1][0][2] in services)
    ]
    part = stats_of(numbered(a), Limits()).where(services=services, levels=levels)
    if part is None:  # a service called "(other)" may be hiding the ones asked for
        assert any(row[2] == "(other)" for row, _ in a)
        return
    assert part.patterns.totals.counts.tolist() == stats_of(wanted, Limits()).patterns.totals.counts.tolist()
    assert part.patterns.masks == stats_of(wanted, Limits()).patterns.masks


def test_a_part_by_time_has_the_patterns_of_that_time() -> None:
    rows = numbered([(cases.event(cases.START + n * cases.SECOND), f"tick {'ab'[n % 2]}") for n in range(10)])
    part = stats_of(rows, Limits()).where(start_us=cases.START + 4 * cases.SECOND, stop_us=TIME_STOP_US)
    assert part is not None
    assert part.patterns.events == part.events == 6


def test_statistics_without_patterns_do_not_know_them() -> None:
    plain, mined = cases.stats_of([cases.event()]), stats_of(numbered([(cases.event(), "a b")]), Limits())
    assert not plain.has_patterns
    assert mined.has_patterns
    assert not (plain + mined).has_patterns
    assert not plain.patterns.masks


def test_beyond_the_limits_masked_messages_count_as_their_beginning() -> None:
    words = [chr(97 + n) * 3 for n in range(26)]
    masks = [f"user login {word}" for word in words]
    kept, counts_as = keep(masks, 10, 5)
    assert len(kept) == 6
    assert "user login <*>" in kept
    assert set(counts_as.values()) == set(kept)
    kept, counts_as = keep([f"{word} did it" for word in words], 10, 5)
    assert len(kept) == 11
    assert WILDCARD in kept


@given(st.lists(texts, max_size=30), st.integers(1, 4), st.integers(1, 3))
def test_a_coarser_masked_message_fits_what_counts_as_it(messages: list[str], beginnings: int, alike: int) -> None:
    masks = mask(pl.Series(messages, dtype=pl.String)).texts
    _, counts_as = keep(masks, beginnings, alike)
    for one, other in counts_as.items():
        assert other in (one, coarser(one), WILDCARD)
        assert one == other or one.startswith(other.removesuffix(WILDCARD))


def test_the_number_of_a_masked_message_is_the_same_in_every_process() -> None:
    assert key_of("disk <*> full") == 5469520242286945532


def test_patterns_survive_a_pickle() -> None:
    stats = stats_of(numbered([(cases.event(), "disk 7 full")]), Limits())
    assert pickle.loads(pickle.dumps(stats)) == stats


@pytest.mark.parametrize(
    ("message", "masked"),
    [
        ("took 12 ms", "took <*>"),
        ("user=alice from=10.0.0.7:443", "user=<*> from=<*>"),
        ("open /var/log/app.log failed", "open <*> failed"),
        ("GET /health", "GET <*>"),
        ("read/write and TCP/IP", "read/write and TCP/IP"),
        ("see https://example.com/a?b=c now", "see <*> now"),
        ("at Mon Jul  7 10:00:00 2025 it", "at <*> it"),
        ("ids [1, 2, 3]", "ids [<*>]"),
        ("ids [1]", "ids [<*>]"),
        ("mac ac:de:fa:ba:cd:ef up", "mac <*> up"),
        ("std::move in Foo::bar", "std::move in Foo::bar"),
        ("a = Thing{x 1} done", "a = <*> done"),
        ("connection from () at", "connection from (<*>) at"),
        ("first\nsecond\nthird", "first\n<*>"),
        ("x" * 1000, "x" * 400 + "<*>"),
        ("already <*> masked", "already <*> masked"),
        ("", ""),
    ],
)
def test_what_varies_is_masked(message: str, masked: str) -> None:
    assert mask(pl.Series([message])).texts == (masked,)


def test_no_message_masks_to_nothing_and_null_counts_as_empty() -> None:
    assert mask(pl.Series([], dtype=pl.String)).texts == ()
    assert mask(pl.Series([None], dtype=pl.String)).texts == ("",)

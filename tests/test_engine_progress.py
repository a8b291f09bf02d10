"""The pure core: what to read next is a function of what was read."""

from __future__ import annotations

import itertools
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from logkit.engine.known import End
from logkit.engine.planning import plan
from logkit.engine.progress import Progress, finished, restart_from, set_aside
from logkit.engine.settings import Settings
from logkit.engine.status import status_of
from logkit.sources import Identity, complement, include
from logkit.sources.span import tile
from tests.tiny import Tiny

SETTINGS = Settings(span_bytes=100, idle_flush_seconds=1.0)
RANGE = st.tuples(st.integers(0, 50), st.integers(0, 20)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def progress(size: int, **changes: object) -> Progress:
    identity = Identity(1, 2, b"R", changes.pop("compression", None), changes.pop("format", Tiny()), 0, None, 0)  # type: ignore[arg-type]
    return replace(Progress(0, 0, "a.log", size, 0.0, 0.0, identity), **changes)  # type: ignore[arg-type]


@given(st.lists(RANGE, max_size=12))
def test_ranges_and_their_complement_tile_the_source(ranges: list[tuple[int, int]]) -> None:
    have: tuple[tuple[int, int], ...] = ()
    for low, high in ranges:
        have = include(have, low, high)
    covered = {byte for low, high in ranges for byte in range(low, high)}
    assert {byte for low, high in have for byte in range(low, high)} == covered
    assert all(a[1] < b[0] for a, b in itertools.pairwise(have))
    gaps = complement(have, 0, 80)
    assert {byte for low, high in gaps for byte in range(low, high)} == set(range(80)) - covered


@given(st.integers(0, 1000), st.integers(1, 1000), st.integers(1, 200))
def test_tiles_touch_and_are_never_twice_their_size(start: int, length: int, span_bytes: int) -> None:
    tiles = tile(start, start + length, span_bytes)
    assert tiles[0][0] == start
    assert tiles[-1][1] == start + length
    assert all(a[1] == b[0] for a, b in itertools.pairwise(tiles))
    assert all(high - low < 2 * span_bytes for low, high in tiles)


def test_a_large_file_is_several_spans_and_a_serial_one_a_single_span() -> None:
    _, spans = plan(progress(260), 0.0, SETTINGS)
    assert [(s.start, s.stop, s.limit, s.aligned) for s in spans] == [
        (0, 100, 260, True),
        (100, 200, 260, False),
        (200, 260, 260, False),
    ]
    _, serial = plan(progress(260, format=Tiny(splittable=False)), 0.0, SETTINGS)
    assert [(s.start, s.stop) for s in serial] == [(0, 260)]
    _, packed = plan(progress(260, compression="gzip"), 0.0, SETTINGS)
    assert [(s.start, s.stop, s.final) for s in packed] == [(0, None, False)]


def test_nothing_is_planned_twice() -> None:
    planned, spans = plan(progress(50), 0.0, SETTINGS)
    assert len(spans) == 1
    assert plan(planned, 0.0, SETTINGS) == (planned, [])
    done = finished(planned, 50)
    assert plan(done, 0.0, SETTINGS)[1] == []
    grown = replace(done, disk_bytes=70, taken=((0, 50),), ends=(End((50, 0, b""), 40),))
    assert [(s.start, s.stop, s.final, s.continues) for s in plan(grown, 0.0, SETTINGS)[1]] == [(50, 70, False, 40)]


def test_a_quiet_unfinished_end_is_flushed_once() -> None:
    held = finished(replace(progress(50), read_at=(50, False), leases=1, taken=((0, 30),)), 50)
    assert plan(held, 0.5, SETTINGS)[1] == []
    flushed, spans = plan(held, 1.5, SETTINGS)
    assert [(s.start, s.stop, s.final) for s in spans] == [(30, 50, True)]
    assert plan(replace(flushed, leases=0, taken=((0, 50),)), 9.0, SETTINGS)[1] == []


def test_a_gap_between_finished_ranges_is_read_as_a_file_of_its_own() -> None:
    gap = replace(progress(100), read_at=(100, True), taken=((0, 30), (60, 100)))
    assert [(s.start, s.stop, s.limit, s.final) for s in plan(gap, 0.0, SETTINGS)[1]] == [(30, 60, 60, True)]


def test_a_gap_in_a_serial_source_is_read_before_what_follows_all_that_is_taken() -> None:
    gap = progress(40, compression="gzip", taken=((0, 30), (60, 100)))
    planned, spans = plan(gap, 0.0, SETTINGS)
    assert [(s.start, s.stop, s.limit) for s in spans] == [(30, 60, 60), (100, None, None)]
    assert planned.leases == 2


def test_a_span_that_failed_goes_on_where_its_last_batch_ended() -> None:
    span = plan(progress(100), 0.0, SETTINGS)[1][0]
    assert restart_from(span, None, -1, None) == replace(span, attempt=1)
    left = restart_from(span, 40, 20, None)
    assert (left.start, left.stop, left.aligned, left.continues, left.attempt) == (40, 100, True, 20, 1)


def test_what_is_set_aside_is_skipped_with_its_reason_and_the_ledger_balances() -> None:
    after = set_aside(
        progress(100, taken=((0, 30),), ranges=((0, 30),), event_bytes=30, seen_bytes=100), 30, 50, "poison"
    )
    status = status_of(after)
    assert (status.skipped_bytes, status.skipped_reason, status.state) == (20, "poison", "failed")
    assert status.seen_bytes == status.committed_bytes + status.skipped_bytes + status.pending_bytes
    assert [(s.start, s.stop) for s in plan(after, 9.0, SETTINGS)[1]] == [(50, 100)]


def test_the_ledger_can_fail() -> None:
    twice = replace(progress(100), ranges=((0, 100),), seen_bytes=100, event_bytes=130)
    status = status_of(twice)
    assert status.seen_bytes != status.committed_bytes + status.skipped_bytes + status.pending_bytes

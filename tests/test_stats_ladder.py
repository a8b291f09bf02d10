"""Bucket widths nest, and grow only with the times they hold."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from logkit.stats.ladder import TIME_STOP_US, WIDTHS_US, coarsen, occupied, width_for

times = st.lists(st.integers(0, TIME_STOP_US - 1), max_size=20).map(lambda found: np.array(found, np.int64))


def test_each_width_divides_the_next() -> None:
    assert [wide % narrow for narrow, wide in pairwise(WIDTHS_US)] == [0] * (len(WIDTHS_US) - 1)


def test_the_last_width_holds_all_of_time() -> None:
    assert (TIME_STOP_US - 1) // WIDTHS_US[-1] == 0


@given(times, times, st.integers(1, 8))
def test_more_times_never_need_a_narrower_width(a: np.ndarray, b: np.ndarray, limit: int) -> None:
    assert width_for(np.concatenate((a, b)), WIDTHS_US[0], limit) >= width_for(a, WIDTHS_US[0], limit)


@given(times, st.integers(1, 8))
def test_the_width_is_the_narrowest_that_fits(a: np.ndarray, limit: int) -> None:
    width = width_for(a, WIDTHS_US[0], limit)
    assert len(set((a // width).tolist())) <= limit
    narrower = [rung for rung in WIDTHS_US if rung < width]
    assert not narrower or len(set((a // narrower[-1]).tolist())) > limit


@given(times, st.sampled_from(WIDTHS_US))
def test_occupied_buckets_are_those_a_set_finds(a: np.ndarray, width: int) -> None:
    assert occupied(a, width).tolist() == sorted({time // width * width for time in a.tolist()})


@given(times, st.sampled_from(WIDTHS_US), st.sampled_from(WIDTHS_US))
def test_coarsening_in_steps_ends_where_one_step_does(a: np.ndarray, one: int, other: int) -> None:
    narrow, wide = sorted((one, other))
    assert (coarsen(coarsen(a, narrow), wide) == coarsen(a, wide)).all()


def test_no_time_stays_no_time() -> None:
    assert coarsen(np.array([-1, 0, 1]), WIDTHS_US[3]).tolist() == [-1, 0, 0]


def test_without_times_the_least_width_holds() -> None:
    assert width_for(np.zeros(0, np.int64), WIDTHS_US[2], 1) == WIDTHS_US[2]

"""The latency sketch keeps its 1 %."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logkit.stats import Stats
from logkit.stats.sketch import BINS, MAX_US, RELATIVE_ERROR, bin_of, microseconds, value_of
from tests.stats_cases import START, event, frame, stats_of

whole_us = st.one_of(st.integers(1, 5000), st.integers(1, MAX_US))


@given(st.lists(whole_us, min_size=1))
def test_a_bin_stands_for_its_durations_within_one_percent(us: list[int]) -> None:
    exact = np.array(us)
    assert (np.abs(value_of(bin_of(exact)) - exact) <= RELATIVE_ERROR * exact * (1 + 1e-12)).all()


@given(whole_us)
def test_bins_are_those_of_the_paper(us: int) -> None:
    gamma, bin_ = Fraction(101, 99), int(bin_of(np.array([us]))[0])
    assert gamma ** (bin_ - 1) < us <= gamma**bin_


def test_every_edge_falls_on_its_own_side() -> None:
    edges = sorted({101**n // 99**n for n in range(BINS)} - {0})
    around = np.array(sorted({us for edge in edges for us in (edge, edge + 1) if us <= MAX_US}))
    bins = bin_of(around)
    assert (np.diff(bins) >= 0).all()
    assert (np.abs(value_of(bins) - around) <= RELATIVE_ERROR * around * (1 + 1e-12)).all()
    assert (bins[0], bins[-1] < BINS) == (0, True)


def test_bins_fit_their_column() -> None:
    assert np.iinfo(np.int16).max >= BINS - 1
    assert bin_of(np.array([MAX_US]))[0] == BINS - 1


@pytest.mark.parametrize(
    ("milliseconds", "us"), [(0.0, 1), (1e-9, 1), (0.0015, 2), (1.5, 1500), (1e300, MAX_US), (np.inf, MAX_US)]
)
def test_durations_are_clamped_to_the_range(milliseconds: float, us: int) -> None:
    assert microseconds(np.array([milliseconds])).tolist() == [us]


@given(
    st.lists(st.floats(0.05, 1e8), min_size=1, max_size=200),
    st.one_of(st.floats(0, 1), st.sampled_from([0.5, 0.95, 0.99, 1.0])),
)
def test_quantiles_are_within_one_percent_of_the_exact_ones(durations_ms: list[float], q: float) -> None:
    found = stats_of([event(duration_ms=ms) for ms in durations_ms]).quantile(q)["quantile_ms"][0]
    us = sorted(microseconds(np.array(durations_ms)).tolist())
    exact = us[int(np.floor(q * (len(us) - 1)))] / 1000
    assert abs(found - exact) <= RELATIVE_ERROR * exact * (1 + 1e-9)


def test_quantiles_of_a_sum_are_those_of_all_durations() -> None:
    rng = np.random.default_rng(7)
    durations = rng.lognormal(3, 1.5, 20_000)
    events = (
        frame([event()]).select(pl.all().repeat_by(20_000).explode()).with_columns(duration_ms=pl.Series(durations))
    )
    whole = Stats.sum(Stats.of(events[n : n + 999]) for n in range(0, 20_000, 999))
    row = whole.by_service().row(0, named=True)
    for name, q in (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99)):
        exact = float(np.quantile(durations, q, method="lower"))
        assert row[name] == pytest.approx(exact, rel=RELATIVE_ERROR + 1e-3)


def test_quantiles_by_several_columns() -> None:
    rows = [event(START, "INFO", "a", 1.0), event(START, "INFO", "a", 9.0), event(None, None, "b", 5.0)]
    found = stats_of(rows).quantile(1.0, ("service", "level", "bucket_us"))
    assert found.drop("quantile_ms").rows() == [("a", "INFO", START), ("b", None, None)]
    assert found["quantile_ms"].to_list() == pytest.approx([9.0, 5.0], rel=RELATIVE_ERROR)


def test_quantile_of_everything_is_one_row() -> None:
    assert stats_of([event(duration_ms=2.0), event(service="b", duration_ms=2.0)]).quantile(0.5, ()).shape == (1, 1)


def test_quantiles_without_durations_have_no_row() -> None:
    assert stats_of([event()]).quantile(0.5).is_empty()
    assert Stats.empty().quantile(0.5, ()).is_empty()


@pytest.mark.parametrize("q", [-0.1, 1.5, 95, float("nan")])
def test_a_quantile_outside_of_its_range_is_refused(q: float) -> None:
    with pytest.raises(ValueError, match="0 … 1"):
        Stats.empty().quantile(q)


def test_quantile_by_an_unknown_column_is_refused() -> None:
    with pytest.raises(ValueError, match="message"):
        Stats.empty().quantile(0.5, ("message",))  # type: ignore[arg-type]

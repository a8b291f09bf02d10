"""The statistics behind `compare`: against SciPy, against sums done by hand, and what dependence does to them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from logkit.analysis import contrast

COUNTS = st.integers(1, 500)


def array(*values: float) -> np.ndarray:
    return np.array(values, float)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_g_is_that_of_scipy(hit: int, miss: int, hit_outside: int, miss_outside: int) -> None:
    table = [[hit, miss], [hit_outside, miss_outside]]
    wanted = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood").statistic
    found = contrast.g_statistic(array(hit), array(hit + miss), array(hit_outside), array(hit_outside + miss_outside))
    assert found[0] == pytest.approx(wanted, rel=1e-9, abs=1e-9)


def test_an_odds_ratio_and_its_interval_by_hand() -> None:
    # (20.5 * 90.5) / (80.5 * 10.5) = 2.1949; half an event is added to each cell.
    found = contrast.shares(array(20), array(100), array(10), array(100), array(1), degrees=1e9)
    assert found.odds_ratio[0] == pytest.approx(2.19491, rel=1e-4)
    spread = np.exp(1.959964 * np.sqrt(1 / 20.5 + 1 / 80.5 + 1 / 10.5 + 1 / 90.5))
    assert found.low[0] == pytest.approx(found.odds_ratio[0] / spread, rel=1e-4)
    assert found.high[0] == pytest.approx(found.odds_ratio[0] * spread, rel=1e-4)
    assert found.test[0] == "G"


def test_few_events_are_tested_exactly() -> None:
    found = contrast.shares(array(4), array(20), array(0), array(80), array(1), degrees=100)
    assert found.test[0] == "exact"
    assert found.p_value[0] == pytest.approx(2 * stats.hypergeom.sf(3, 100, 4, 20))


@given(st.lists(st.integers(0, 9), min_size=5, max_size=60), st.lists(st.integers(0, 9), min_size=5, max_size=60))
def test_ranks_are_those_of_scipy_where_events_are_independent(inside: list[int], outside: list[int]) -> None:
    if len({*inside, *outside}) < 2:
        return
    own = np.array(inside, float), np.array(outside, float)
    # Each event is a block of its own: nothing depends on anything.
    found = contrast.ranks(*own, (np.arange(len(inside)), np.arange(len(outside))), degrees=1e9)
    wanted = stats.mannwhitneyu(*own, use_continuity=False, method="asymptotic")
    chance = wanted.statistic / (len(inside) * len(outside))
    assert found.p_value[0] >= 0.99 * wanted.pvalue  # never surer than SciPy
    if 0.02 < chance < 0.98:
        assert found.odds_ratio[0] == pytest.approx(chance / (1 - chance))


def test_events_that_come_together_count_less() -> None:
    # 50 blocks of 10 events, each block all hits or none: 10 events say what one says.
    hits = np.array([[10.0, 0.0] * 25, [10.0, 0.0] * 25])
    squares = ((hits - 5) ** 2).sum(axis=1, keepdims=True)
    found = contrast.design_effects(squares, np.full((2, 1), 500 * 0.25), np.full((2, 1), 50.0))
    assert found[0] == pytest.approx(10 * 50 / 49)


def test_blocks_that_vary_less_than_chance_prove_nothing() -> None:
    assert contrast.design_effects(np.zeros((2, 1)), np.full((2, 1), 10.0), np.full((2, 1), 50.0))[0] == 1


def test_dependence_widens_the_interval_and_weakens_the_test() -> None:
    alone = contrast.shares(array(60), array(200), array(30), array(200), array(1), degrees=50)
    together = contrast.shares(array(60), array(200), array(30), array(200), array(4), degrees=50)
    assert together.odds_ratio[0] == alone.odds_ratio[0]
    assert together.low[0] < alone.low[0] < alone.high[0] < together.high[0]
    assert together.p_value[0] > alone.p_value[0]


def test_q_values_by_hand() -> None:
    assert contrast.adjusted(array(0.01, 0.04, 0.03, 0.5)) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])
    assert len(contrast.adjusted(np.zeros(0))) == 0

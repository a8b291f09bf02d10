"""Two groups of events compared: tests, effect sizes and intervals, and what they assume.

Events are not independent: one request writes several, and trouble comes in waves. So what is taken to be independent
is a block of time, not an event. The variance between blocks, over what it would be for independent events, is the
design effect (at least 1 here, as blocks that vary less prove nothing); counts are divided by it, and the statistic is
referred to F: J. N. K. Rao and A. J. Scott, "A simple method for the analysis of clustered binary data", Biometrics 48
(1992), and for ranks N. A. Obuchowski, "Nonparametric analysis of clustered ROC curve data", Biometrics 53 (1997). What
lasts longer than a block (a tide of the day) is not allowed for.

The effect is the odds ratio for a value of a dimension, and for a measure its generalisation, P(X > Y) / P(X < Y) for
an event X of the window and Y of the baseline (A. Agresti, "Generalized odds ratios for ordinal data", Biometrics 36
(1980)): both are on one scale and can be ranked together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_LEAST_EXPECTED: Final = 5.0
"""Below this expected count the G statistic is no longer chi-squared: an exact test takes over."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """One odds ratio for each thing compared, its interval, and the p-value against a ratio of 1."""

    odds_ratio: Floats
    low: Floats
    high: Floats
    p_value: Floats
    test: npt.NDArray[np.str_]

    def __add__(self, other: Contrast) -> Contrast:
        return Contrast(*(np.concatenate((getattr(self, n), getattr(other, n))) for n in _FIELDS))

    def least(self) -> Floats:
        """How far from 1 the ratio is at least: |log2| of the end of the interval that is nearer to 1; 0 inside."""
        with np.errstate(divide="ignore"):
            return np.maximum(np.maximum(np.log2(self.low), -np.log2(self.high)), 0.0)


_FIELDS: Final = ("odds_ratio", "low", "high", "p_value", "test")


def g_statistic(inside: Floats, inside_all: Floats, outside: Floats, outside_all: Floats) -> Floats:
    """The likelihood ratio statistic of the 2 x 2 tables (value or not, inside or outside), 1 degree of freedom."""
    from scipy.special import xlogy

    total, value = inside_all + outside_all, inside + outside
    g = np.zeros(np.broadcast(inside, outside).shape)
    for hit, rows in ((inside, inside_all), (outside, outside_all)):
        for seen, columns in ((hit, value), (rows - hit, total - value)):
            expected = rows * columns / total
            g += xlogy(seen, np.divide(seen, expected, out=np.ones_like(g), where=expected > 0))
    return np.maximum(2 * g, 0.0)


def shares(
    inside: Floats,
    inside_all: Floats,
    outside: Floats,
    outside_all: Floats,
    design_effect: Floats,
    degrees: float,
    confidence: float = 0.95,
) -> Contrast:
    """How often a value occurs: `inside` of `inside_all` events of the window, `outside` of `outside_all` others.

    Counts are divided by their design effect. G-test where every expected count is 5 or more, else the
    hypergeometric probability, doubled. Intervals are Woolf's with half an event added to each cell (Haldane).
    """
    from scipy.stats import f, hypergeom, t

    cells = [count / design_effect for count in (inside, inside_all, outside, outside_all)]
    a, n, b, m = cells
    g = g_statistic(*cells)
    p = f.sf(g, 1, degrees)
    expected = np.minimum(n, m) * np.minimum(a + b, n + m - a - b) / (n + m)
    exact = expected < _LEAST_EXPECTED
    if exact.any():
        few, size, drawn = (np.floor(x[exact]) for x in (a, n + m, n))
        of = np.floor(a[exact]) + np.floor(b[exact])
        tails = np.minimum(hypergeom.cdf(few, size, of, drawn), hypergeom.sf(few - 1, size, of, drawn))
        p[exact] = np.minimum(1.0, 2 * tails)
    half = t.ppf(0.5 + confidence / 2, degrees) * np.sqrt((1 / (np.stack([a, n - a, b, m - b]) + 0.5)).sum(axis=0))
    hit, rest, hit_outside, rest_outside = np.stack([inside, inside_all - inside, outside, outside_all - outside]) + 0.5
    log = np.log(hit * rest_outside / (rest * hit_outside))
    return Contrast(np.exp(log), np.exp(log - half), np.exp(log + half), p, np.where(exact, "exact", "G"))


def design_effects(squares: Floats, squares_expected: Floats, blocks: Floats) -> Floats:
    """The variance between blocks over that of independent events, at least 1.

    Per group (rows: window, baseline) the sum of squared residuals of the block counts, what it would be for
    independent events, and the number of blocks.
    """
    corrected = squares * blocks / np.maximum(blocks - 1, 1)
    expected = squares_expected.sum(axis=0)
    ratio = np.divide(corrected.sum(axis=0), expected, out=np.ones_like(expected), where=expected > 0)
    return np.asarray(np.maximum(ratio, 1.0))


def ranks(
    inside: Floats, outside: Floats, blocks: tuple[Any, Any], degrees: float, confidence: float = 0.95
) -> Contrast:
    """One measure, of events inside and outside the window; `blocks` number the block of each.

    Mann-Whitney's U as a probability, with the variance between blocks of its placement values where that is greater
    than for independent events.
    """
    from scipy.stats import rankdata, t

    n, m = len(inside), len(outside)
    whole = rankdata(np.concatenate((inside, outside)))
    above = (whole[:n] - rankdata(inside)) / m  # of those outside, the share that each inside is greater than
    below = (whole[n:] - rankdata(outside)) / n
    chance = float(above.mean())
    found = _variance(above, blocks[0]) + _variance(below, blocks[1])
    no_change = _u_variance(whole, n, m)
    z = abs(chance - 0.5) / np.sqrt(max(found, no_change)) if no_change else 0.0
    p = 2 * t.sf(z, degrees)
    inside_unit = np.clip(chance, 0.5 / n / m, 1 - 0.5 / n / m)
    half = t.ppf(0.5 + confidence / 2, degrees) * np.sqrt(max(found, 0.25 / min(n, m) ** 2))
    half /= inside_unit * (1 - inside_unit)  # the delta method on the logit
    odds, spread = inside_unit / (1 - inside_unit), np.exp(min(half, 700.0))
    one = [np.array([value]) for value in (odds, odds / spread, odds * spread, p)]
    return Contrast(one[0], one[1], one[2], one[3], np.array(["Mann-Whitney"]))


def _u_variance(whole: Floats, n: int, m: int) -> float:
    """The variance of U / (n m) without a difference, ties allowed for."""
    _, ties = np.unique(whole, return_counts=True)
    size = n + m
    tied = float((ties.astype(float) ** 3 - ties).sum()) / (size * (size - 1.0)) if size > 1 else 0.0
    return float((size + 1 - tied) / (12.0 * n * m))


def _variance(values: Floats, blocks: Any) -> float:
    """The variance of the mean of `values`: that between blocks, or between single values where that is greater."""
    _, which = np.unique(blocks, return_inverse=True)
    sums = np.bincount(which, values - values.mean())
    many = len(sums)
    between = float((sums**2).sum()) / len(values) ** 2 * many / max(many - 1, 1)
    return max(between, float(values.var(ddof=1)) / len(values)) if len(values) > 1 else between


def adjusted(p_values: Floats) -> Floats:
    """q-values after Benjamini and Hochberg: of all tests with q <= x a share of x at most is expected to be chance."""
    if not len(p_values):
        return p_values
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(p_values))

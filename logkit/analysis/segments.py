"""Change points of many series at once, by optimal partitioning of an additive cost."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

Cost = Callable[[Floats], Floats]
"""The cost of one segment each, from the sums of its columns: an array (…, columns) to (…)."""


def segments(columns: Floats, cost: Cost, penalty: Floats) -> list[Ints]:
    """For each series the indices at which a segment begins, 0 first: the cheapest of all partitions.

    `columns` has the shape (series, bins, columns); a segment costs `cost` of the sums over its bins, plus the
    series' `penalty`. All partitions are weighed, as in B. Jackson et al., "An algorithm for optimal partitioning of
    data on an interval", IEEE Signal Processing Letters 12 (2005); time grows with the square of the number of bins.
    """
    series, bins, _ = columns.shape
    upto = np.concatenate((np.zeros((series, 1, columns.shape[2])), columns.cumsum(axis=1)), axis=1)
    best = np.zeros((series, bins + 1))
    best[:, 0] = -penalty
    begin = np.zeros((series, bins + 1), np.int64)
    rows = np.arange(series)
    for stop in range(1, bins + 1):
        total = best[:, :stop] + cost(upto[:, stop : stop + 1] - upto[:, :stop]) + penalty[:, None]
        begin[:, stop] = total.argmin(axis=1)
        best[:, stop] = total[rows, begin[:, stop]]
    return [_traced(begin[at], bins) for at in range(series)]


def _traced(begin: Ints, bins: int) -> Ints:
    found, stop = [], bins
    while stop > 0:
        stop = int(begin[stop])
        found.append(stop)
    return np.array(found[::-1], np.int64)


def binomial_cost(sums: Floats) -> Floats:
    """-2 log likelihood of `hits` of `trials` at their own share; columns: hits, trials."""
    hits, trials = sums[..., 0], sums[..., 1]
    return np.asarray(-2 * (_xlogx(hits) + _xlogx(trials - hits) - _xlogx(trials)))


def mean_cost(sums: Floats) -> Floats:
    """-2 log likelihood, up to a constant, of standard normal values about their own mean; columns: sum, number."""
    total, number = sums[..., 0], sums[..., 1]
    return -np.divide(total**2, number, out=np.zeros_like(total), where=number > 0)


def _xlogx(x: Floats) -> Floats:
    return x * np.log(np.maximum(x, 1e-300))

"""Latency quantiles with a bounded relative error: DDSketch, with bins that never collapse.

C. Masson, J. E. Rim, H. K. Lee: "DDSketch: a fast and fully-mergeable quantile sketch with
relative-error guarantees", PVLDB 12(12), 2019. With a relative error of 1 %, gamma = 1.01 / 0.99, bin `i`
holds the durations in (gamma^(i-1), gamma^i] µs. Durations are whole µs, clamped to 1 µs … 10 days, so there are
`BINS` bins and no more; their edges are computed in exact integers, so that every machine puts a
duration into the same bin.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from logkit.stats.groups import Ints

RELATIVE_ERROR: Final = 0.01
MAX_US: Final = 10 * 86_400 * 1_000_000
"""Longer durations count as this long."""

_GAMMA = (101, 99)  # as a fraction, for exact edges
_PER_BIN = 1 / np.log(_GAMMA[0] / _GAMMA[1])


def _edges() -> Ints:
    """The largest whole µs of each bin."""
    up, down = _GAMMA
    edges, numerator, denominator = [1], up, down
    while edges[-1] < MAX_US:
        edges.append(numerator // denominator)
        numerator, denominator = numerator * up, denominator * down
    return np.array(edges, np.int64)


EDGES: Final = _edges()
"""The largest whole µs of each bin."""

_BELOW: Final = np.concatenate(([0], EDGES[:-1]))
_LOW: Final = np.minimum(_BELOW + 1, EDGES)
BINS: Final = len(EDGES)
"""Bins are numbered from 0 to `BINS` - 1."""

FINE: Final = 6  # of a number's bits behind the first one, those that nearly tell its bin


def _near() -> npt.NDArray[np.int16]:
    """The bin of the least whole us that begin with the same bits, by how many bits they have and their first ones."""
    octave, fraction = np.arange(64)[:, None], np.arange(1 << FINE)
    least = ((1 << FINE) + fraction) << np.maximum(octave - FINE, 0) >> np.maximum(FINE - octave, 0)
    least = np.where(octave > 45, EDGES[-1], least)  # that many bits no duration has
    return np.minimum(np.searchsorted(EDGES, least), BINS - 1).astype(np.int16).reshape(-1)


NEAR: Final = _near()
"""By which a kernel finds bins."""

# The value with the least relative error to both ends of its bin: exact where the bin holds one whole number.
_VALUES: Final[npt.NDArray[np.float64]] = 2.0 * _LOW * EDGES / (_LOW + EDGES)


def microseconds(milliseconds: npt.NDArray[np.float64]) -> Ints:
    """Durations in whole µs, clamped to 1 µs … `MAX_US`; none may be NaN or negative."""
    clamped = np.clip(milliseconds, 0.001, MAX_US / 1000)
    clamped *= 1000
    return np.rint(clamped, out=clamped).astype(np.int64)


def bin_of(us: Ints) -> Ints:
    """The bin of each duration; `us` are whole µs in 1 … `MAX_US`."""
    # The logarithm may be off by one at an edge; the exact edges correct it, at a third of the cost of a search.
    logs = np.log(us)
    logs *= _PER_BIN
    bins = np.minimum(np.ceil(logs, out=logs), BINS - 1).astype(np.int64)
    bins -= _BELOW[bins] >= us
    bins += EDGES[bins] < us
    return bins


def value_of(bins: Ints) -> npt.NDArray[np.float64]:
    """The duration a bin stands for, in µs: within 1 % of every whole µs in it."""
    values: npt.NDArray[Any] = _VALUES[bins]
    return values


def quantile_rows(counts: Ints, starts: Ints, q: float) -> Ints:
    """Where each group's `q`-quantile (0 … 1) lies: the row that holds rank ⌊q · (n - 1)⌋ of its n durations.

    Rows are sorted by bin within each group; groups begin at the rows `starts`. Returns one row per group.
    """
    upto = np.cumsum(counts)
    before = upto[starts] - counts[starts]
    total = np.diff(np.append(before, upto[-1:]))
    rows: Ints = np.searchsorted(upto, before + np.floor(q * (total - 1)).astype(np.int64), side="right")
    return rows

"""The widths time buckets may have, and which one a set of times needs.

Each width divides the next and buckets begin at multiples of their width since 1970 (UTC), so finer
buckets always fit whole into coarser ones. Counting *occupied* buckets, not the range they span,
keeps one stray old line from coarsening everything, and is as exact: more times never occupy fewer
buckets, so the width only grows with the set, and growing it in steps ends where one step would.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from logkit.stats.groups import Ints, distinct

_DAY = 86_400_000_000
_STEPS = (1, 5, 15, 60, 300, 900, 3600, 21_600)

TIME_STOP_US: Final = 7_258_118_400_000_000
"""Times count from 1970 up to, and without, this instant (the year 2200); others are no time at all."""

NEVER: Final = (TIME_STOP_US, -1)
"""First and last time of a key without timed events."""

WIDTHS_US: Final[tuple[int, ...]] = (
    *(seconds * 1_000_000 for seconds in _STEPS),
    *(_DAY, 7 * _DAY, 28 * _DAY),
    *(28 * _DAY * 2**power for power in range(1, 13)),
)
"""Bucket widths in µs: 1 s, 5 s, 15 s, 1 min, 5 min, 15 min, 1 h, 6 h, 1 d, 7 d, 28 d, then doubling.

The last is wider than all of countable time: one bucket always suffices.
"""


def width_for(times: Ints, at_least_us: int, max_buckets: int) -> int:
    """The smallest width of the ladder, and of `at_least_us`, at which `times` occupy ≤ `max_buckets` buckets.

    `times` are µs since 1970 in any order, each in [0, `TIME_STOP_US`).
    """
    if not len(times):
        return at_least_us
    low, high = int(times.min()), int(times.max())
    starts: Ints | None = None
    for width in (rung for rung in WIDTHS_US if rung >= at_least_us):
        if high // width - low // width < max_buckets:
            return width
        starts = occupied(times if starts is None else starts, width)
        if len(starts) <= max_buckets:
            return width
    raise AssertionError(f"times outside of [0, {TIME_STOP_US})")


def occupied(times: Ints, width_us: int) -> Ints:
    """The starts of the buckets that hold `times`, ascending, in µs."""
    starts = coarsen(times, width_us)
    changes = np.flatnonzero(starts[1:] != starts[:-1])  # logs are nearly sorted: most duplicates are neighbours
    return distinct(np.concatenate((starts[:1], starts[changes + 1])))


def coarsen(times: Ints, width_us: int) -> Ints:
    """The start of the bucket that holds each time, in µs; -1 (no time) stays -1."""
    starts: Ints = times // width_us * width_us
    return np.maximum(starts, -1)

"""Summaries that add: what was counted apart, in any order, sums to what one count would have found.

`Stats.of(events)` counts, `a + b` adds, `a.minus(b)` tells what happened in between. That one property gives
threads, snapshots, their differences and cluster runs.
"""

from __future__ import annotations

from logkit.stats.totals import NO_LEVEL, OTHER, Limits
from logkit.stats.value import Stats

__all__ = ["NO_LEVEL", "OTHER", "Limits", "Stats"]

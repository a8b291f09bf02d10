"""The clocks of a time zone -> UTC, for any written time: also those an hour had twice, or never."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

Ints = npt.NDArray[np.int64]


def local_to_utc(local: Ints, timezone: str) -> Ints:
    """Wall-clock µs of an IANA time zone as µs since 1970 in UTC.

    Of a time there twice the earlier is meant; one that the clocks left out is read as if they had not yet been
    changed, and so comes out after the gap.
    """
    naive = pl.Series(local, dtype=pl.Int64).cast(pl.Datetime("us"))
    result = _in_zone(naive, timezone)
    if result.null_count():
        # No zone changes its clocks twice within 25 hours: the day before still has the offset before the gap.
        before = naive - timedelta(hours=25)
        result = result.fill_null(_in_zone(before, timezone) + timedelta(hours=25))
    utc: Ints = result.dt.convert_time_zone("UTC").to_physical().to_numpy()
    return utc


def _in_zone(naive: pl.Series, timezone: str) -> pl.Series:
    return naive.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")

"""From years, months and days to an instant: what times leave unsaid is filled in from `TimeRules`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from logkit.formats.zones import local_to_utc

if TYPE_CHECKING:
    from logkit.formats.base import TimeRules
    from logkit.formats.block import Mask

Ints = npt.NDArray[np.int64]

SECOND: Final = 1_000_000
DAY: Final = 86_400 * SECOND
_MONTH_DAYS: Final = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)


@dataclass(slots=True)
class Civil:
    """Written times in parts, one array element per time; a part that was not written is -1.

    `clock` is µs since midnight; `offset` is minutes east of Greenwich, `zoned` where one was written.
    """

    year: Ints
    month: Ints
    day: Ints
    clock: Ints
    offset: Ints
    zoned: Mask


def days_from_civil(year: Ints, month: Ints, day: Ints) -> Ints:
    """Days from 1970-01-01 to each date of the Gregorian calendar."""
    shifted = year - (month <= 2)
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    result: Ints = era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
    return result


def _leap(year: Ints) -> Mask:
    result: Mask = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    return result


def is_date(year: Ints, month: Ints, day: Ints) -> Mask:
    """Which dates exist."""
    known = (month >= 1) & (month <= 12) & (day >= 1)
    longest = _MONTH_DAYS[np.where(known, month, 0)] + ((month == 2) & _leap(year))
    result: Mask = known & (day <= longest)
    return result


def local_reference(rules: TimeRules) -> int:
    """The reference instant as µs since 1970 on the clock of the rules' time zone."""
    if rules.timezone == "UTC":
        return rules.reference_us
    instant = datetime.fromtimestamp(rules.reference_us / SECOND, UTC).astimezone(ZoneInfo(rules.timezone))
    shift = instant.utcoffset()
    return rules.reference_us + (int(shift.total_seconds()) * SECOND if shift else 0)


def nearest_year(month: Ints, day: Ints, clock: Ints, reference: int) -> Ints:
    """The last year in which each yearless time is not more than a day after the reference (29 February included)."""
    latest = datetime.fromtimestamp(reference // SECOND, UTC).year + 1
    year = np.full(len(month), latest, np.int64)
    for _ in range(10):
        moment = days_from_civil(year, month, day) * DAY + clock
        wrong = (moment > reference + DAY) | ((month == 2) & (day == 29) & ~_leap(year))
        if not wrong.any():
            break
        year -= wrong
    return year


def instants(parts: Civil, rules: TimeRules) -> tuple[Ints, Mask]:
    """µs since 1970 in UTC, and which of the times exist. Missing years and dates are taken from the rules."""
    year, month, day = parts.year, parts.month, parts.day
    reference = local_reference(rules)
    if (bare := month < 0).any():
        local = parts.clock[bare] + (reference // DAY) * DAY
        # A clock without a date belongs to the day that puts it nearest: within half a day of the reference.
        local -= DAY * ((local - reference + DAY // 2) // DAY)
        whole = local // DAY
        dates = whole.astype("datetime64[D]")
        months = dates.astype("datetime64[M]").astype(np.int64)
        year, month, day = year.copy(), month.copy(), day.copy()
        year[bare], month[bare] = months // 12 + 1970, months % 12 + 1
        day[bare] = whole - (dates.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64) + 1
    if (yearless := year < 0).any():
        year = year.copy()
        year[yearless] = nearest_year(month[yearless], day[yearless], parts.clock[yearless], reference)
    ok = is_date(year, month, day)
    local = days_from_civil(year, month, day) * DAY + parts.clock
    us = local - parts.offset * (60 * SECOND)
    if rules.timezone != "UTC" and not parts.zoned.all():
        us = np.where(parts.zoned, us, local_to_utc(local, rules.timezone))
    return us, ok

"""The shapes in which people write times, and how each is taken apart.

`STRONG` shapes are believed wherever they stand near the start of a line; `WEAK` ones might be something
else, and a `BARE` clock is better than nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from logkit.formats.block import Mask
from logkit.formats.civil import DAY, SECOND, Civil, instants
from logkit.formats.layouts import ZONES
from logkit.formats.seconds import LEAP

if TYPE_CHECKING:
    from logkit.formats.base import TimeRules

Ints = npt.NDArray[np.int64]

_EDGE: Final = r"(?-u:\b)"
_YEAR: Final = r"(?P<year>(?:19|20)[0-9]{2})"
_MONTH: Final = r"(?P<month>0[1-9]|1[0-2])"
_MONTH1: Final = r"(?P<month>0?[1-9]|1[0-2])"
_DAY: Final = r"(?P<day>0[1-9]|[12][0-9]|3[01])"
_DAY1: Final = r"(?P<day>0?[1-9]|[12][0-9]|3[01])"
_NAME: Final = r"(?P<name>(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))(?i:[a-z]{1,6})?"
_SECOND: Final = r"(?P<second>[0-5][0-9]|60)(?:[.,](?P<fraction>[0-9]+)|:(?P<colon>[0-9]{3,6})(?-u:\b))?"
_HALF: Final = r"(?: ?(?P<half>[AaPp])\.?[Mm](?-u:\b)\.?)?"
_NAMES: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS: Final = {name: number + 1 for number, name in enumerate(_NAMES)}
_NAMED: Final = "|".join(sorted(ZONES, key=len, reverse=True))
_OFFSET: Final = rf"[+-][01][0-9]:?[0-5][0-9]{_EDGE}"
_ZONE: Final = rf"(?: ?(?P<zone>{_OFFSET}|(?:{_NAMED}){_EDGE})|(?P<hours>[+-][01][0-9]){_EDGE})?"
_TWO: Final = rf"(?P<hour>[01][0-9]|2[0-4]):(?P<minute>[0-5][0-9]):{_SECOND}"
_CLOCK: Final = rf"(?P<hour>[01]?[0-9]|2[0-4]):(?P<minute>[0-5][0-9])(?::{_SECOND})?"
_FULL: Final = rf"(?P<hour>[01]?[0-9]|2[0-4]):(?P<minute>[0-5][0-9]):{_SECOND}"
_TAIL: Final = rf"{_CLOCK}{_HALF}{_ZONE}"
_BARE_CLOCK: Final = r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{1,2}):(?P<second>[0-9]{1,2}):(?P<ms>[0-9]{1,3})(?-u:\b)"
_PACKED: Final = rf"(?P<hour>[01]?[0-9]|2[0-3]):?(?P<minute>[0-5][0-9]):?{_SECOND}"
_GAP: Final = r"(?:[Tt]|,? {1,2}|\x22?[,;|\t]\x22?)"  # a comma, a bar or a tab where date and clock are columns
_WEEKDAY: Final = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},? +)?"


@dataclass(frozen=True, slots=True)
class Shape:
    """One way of writing a time: `core` is the time itself, `lead` and `trail` must stand around it."""

    core: str
    lead: str = _EDGE
    trail: str = ""

    def finding(self) -> str:
        """The regular expression that says where it stands (no groups, so that an automaton suffices)."""
        return re.sub(r"\(\?P<\w+>", "(?:", f"{self.lead}{self.core}{self.trail}")

    def reading(self) -> str:
        """The regular expression that takes it apart, from where it was found on."""
        return f"^(?P<lead>{self.lead})(?P<core>{self.core}){self.trail}"


_EPOCH: Final = r"(?P<epoch>1[0-9]{9}(?:\.[0-9]{1,9})?|1[0-9]{12}|1[0-9]{15}|1[0-9]{18})"

_LATER: Final = rf"(?: (?P<later>(?:19|20)[0-9]{{2}}){_EDGE})?"  # ctime has the year last

STRONG: Final = (
    Shape(rf"{_YEAR}-{_MONTH}-{_DAY}{_GAP}{_TAIL}"),
    Shape(rf"{_YEAR}-{_MONTH1}-{_DAY1}(?:[Tt]| {{1,2}}){_TAIL}"),
    Shape(rf"{_YEAR}[ -]{_NAME}[ -] ?{_DAY1}[ T:]{{1,2}}{_TAIL}"),
    Shape(rf"{_YEAR}/{_MONTH1}/{_DAY1}[ Tt:-]{{1,2}}{_TAIL}"),
    Shape(rf"{_YEAR}\.{_MONTH1}\.{_DAY1}[ Tt:-]{{1,2}}{_TAIL}"),
    Shape(rf"{_YEAR}-(?P<yday>[0-3][0-9]{{2}})[Tt ]{_TAIL}"),
    Shape(rf"{_YEAR}{_MONTH}{_DAY}[ -]{_BARE_CLOCK}"),
    Shape(rf"{_YEAR}{_MONTH}{_DAY}[ Tt._-]?{_PACKED}{_ZONE}"),
    Shape(rf"{_WEEKDAY}{_DAY1}[ /-]?{_NAME}[ /-]?{_YEAR}[ :T,]{{1,2}}{_TAIL}"),
    Shape(rf"{_WEEKDAY}{_DAY1}[ /-]{_NAME}[ /-](?P<short>[0-9]{{2}})[ :T,]{{1,2}}{_FULL}{_HALF}{_ZONE}"),
    Shape(rf"{_WEEKDAY}{_NAME} {{1,2}}{_DAY1},? {_YEAR},? +{_TAIL}"),
    Shape(rf"{_WEEKDAY}{_DAY1}[ /-]{_NAME}[ :]{_FULL}{_ZONE}"),
    Shape(rf"{_WEEKDAY}{_NAME}[ -] ?{_DAY1}(?:,? {_YEAR})?,? +{_FULL}{_HALF}{_ZONE}{_LATER}"),
    Shape(rf"(?P<first>[0-9]{{1,2}})[/.-](?P<other>[0-9]{{1,2}})[/.-]{_YEAR},?[ T:]{{1,2}}{_TAIL}"),
    Shape(rf"(?P<first>[0-9]{{2}})[/.](?P<other>[0-9]{{2}})[/.](?P<last>[0-9]{{2}}){_GAP}{_FULL}{_HALF}{_ZONE}"),
    Shape(rf"(?P<first>[0-9]{{1,2}})/(?P<other>[0-9]{{1,2}})/(?P<last>[0-9]{{2}}){_GAP}{_FULL}{_HALF}{_ZONE}"),
    Shape(rf"(?P<first>[0-3][0-9])[/.-](?P<other>[0-3][0-9]) {_TWO}"),
    Shape(rf"{_YEAR}?{_MONTH}{_DAY} {_TWO}", lead=rf"{_EDGE}[IWEFD]"),
    Shape(_EPOCH, lead=r"^[#+\[(<\x22]{0,3}", trail=_EDGE),
    Shape(r"(?P<epoch>1[0-9]{9}\.[0-9]{3,9})", lead="^[0-9]{1,8} +", trail=_EDGE),
    Shape(r"(?P<tai>40000000[0-9a-f]{16})", lead="^@", trail=_EDGE),
    Shape(r"(?P<hex>[4-7][0-9a-f]{7}\.[0-3][0-9a-f]{7})", lead="^", trail=" 0x"),
)  # fmt: skip
"""Shapes nobody mistakes for something else, the more specific first: ISO and its relatives, `dd/Mon/yyyy`,
ctime and syslog, numeric dates with the year last, two-digit years, Android, glog, epochs, TAI64N, OpenLDAP's seconds
and nanoseconds in hexadecimal."""

WEAK: Final = (
    Shape(rf"{_YEAR}-{_MONTH}-{_DAY}[_ -](?P<hour>[01][0-9]|2[0-3])[:.-](?P<minute>[0-5][0-9])[:.-]{_SECOND}"),
    Shape(rf"(?P<short>[0-9]{{2}}){_MONTH}{_DAY} {{1,2}}{_PACKED}", trail=_EDGE),
    Shape(_EPOCH, lead=r"[(=:\x22]", trail=r"[):,;|\x22\s]"),
    Shape(rf"{_YEAR}-{_MONTH}-{_DAY}", lead="^[^0-9A-Za-z]{0,2}", trail=_EDGE),
)
"""Shapes that may well be something else."""

BARE: Final = (Shape(_TWO, lead=rf"^(?:.{{0,23}}[^0-9:.A-Za-z])?{_EDGE}", trail="(?:[^0-9:]|$)"),)
"""A clock without a date."""


TIERS: Final = (STRONG, WEAK, BARE)


def read_groups(groups: pl.DataFrame, rules: TimeRules) -> tuple[Ints, Mask]:
    """The instants of times taken apart into the groups of one shape."""
    if "epoch" in groups.columns:
        return _epoch(groups["epoch"])
    if "tai" in groups.columns:
        return _tai64n(groups["tai"])
    if "hex" in groups.columns:
        return _hexadecimal(groups["hex"])
    size = groups.height
    year = _number(groups, "year")
    if "later" in groups.columns:
        year = np.where(year < 0, _number(groups, "later"), year)
    if "short" in groups.columns:
        year = _number(groups, "short") + 2000
    month, day = _number(groups, "month"), _number(groups, "day")
    if "name" in groups.columns:
        month = groups["name"].str.to_lowercase().replace_strict(_MONTHS, default=-1, return_dtype=pl.Int64).to_numpy()
    if "first" in groups.columns:
        year, month, day = _which_is_which(groups, year)
    clock, ok = _clock(groups)
    if "yday" in groups.columns:
        yday = _number(groups, "yday")
        ok &= (yday >= 1) & (yday <= 366)
        month, day = np.ones(size, np.int64), np.ones(size, np.int64)
        clock = clock + (yday - 1) * DAY
    offset, zoned = _offset(groups)
    us, real = instants(Civil(year, month, day, clock, offset, zoned), rules)
    return us, ok & real


def _number(groups: pl.DataFrame, name: str, missing: int = -1) -> Ints:
    """One group as integers."""
    if name not in groups.columns:
        return np.full(groups.height, missing, np.int64)
    result: Ints = groups[name].cast(pl.Int64, strict=False).fill_null(missing).to_numpy()
    return result


def _which_is_which(groups: pl.DataFrame, year: Ints) -> tuple[Ints, ...]:
    """Year, month and day of dates written in numbers only: whichever reading exists, month first if both do.

    With dots the day stands first, as everywhere dots are written; with two-digit years the year stands first where
    the first number can be no month (`17/06/09`), else last.
    """
    first, other = _number(groups, "first"), _number(groups, "other")
    dotted = groups["core"].str.contains(r"^[0-9]+\.[0-9]+\.").to_numpy()
    if "last" not in groups.columns:
        day_first = (first > 12) | (dotted & (other <= 12))
        return year, np.where(day_first, other, first), np.where(day_first, first, other)
    last = _number(groups, "last")
    leading = (first > 12) & ~dotted
    day_first = ~leading & dotted & (other <= 12)
    month = np.where(leading | day_first, other, first)
    day = np.where(leading, last, np.where(day_first, first, other))
    return np.where(leading, first, last) + 2000, month, day


def _clock(groups: pl.DataFrame) -> tuple[Ints, Mask]:
    """µs since midnight, and which clocks exist."""
    hour, minute = _number(groups, "hour", 0), _number(groups, "minute", 0)
    ok: Mask = hour < 24
    if "half" in groups.columns:
        half = groups["half"].str.to_lowercase()
        written = half.is_not_null().to_numpy()
        twelve = np.where(hour == 12, 0, hour) + 12 * (half == "p").fill_null(False).to_numpy()
        hour = np.where(written & (hour <= 12), twelve, hour)
    second = _number(groups, "second", 0)
    us = (hour * 3600 + minute * 60) * SECOND + np.where(second == 60, LEAP, second * SECOND)
    if "ms" in groups.columns:
        us = us + 1000 * _number(groups, "ms", 0)
        ok &= (minute < 60) & (second < 60)
    for name in ("fraction", "colon"):
        if name in groups.columns and groups[name].null_count() < groups.height:
            micros = groups[name].fill_null("").str.slice(0, 6).str.pad_end(6, "0").cast(pl.Int64).to_numpy()
            us = us + np.where(second == 60, 0, micros)
    return us, ok


def _offset(groups: pl.DataFrame) -> tuple[Ints, Mask]:
    """Minutes east of Greenwich, and where a zone was written at all."""
    none = pl.Series([None], dtype=pl.String).new_from_index(0, groups.height)
    zone = groups["zone"] if "zone" in groups.columns else none
    if "hours" in groups.columns:
        zone = zone.fill_null(groups["hours"] + "00")
    zoned: Mask = zone.is_not_null().to_numpy()
    if not zoned.any():
        return np.zeros(groups.height, np.int64), zoned
    # A file knows few zones: read each once.
    kinds = {text: _minutes(text) for text in zone.unique().drop_nulls()}
    return zone.replace_strict(kinds, default=0, return_dtype=pl.Int64).fill_null(0).to_numpy(), zoned


def _minutes(zone: str) -> int:
    """Minutes east of Greenwich of `+0200`, `-05:30` or a zone's usual letters."""
    if zone[0] not in "+-":
        return ZONES[zone]
    minutes = int(zone[1:3]) * 60 + int(zone[-2:])
    return -minutes if zone[0] == "-" else minutes


def _epoch(written: pl.Series) -> tuple[Ints, Mask]:
    """Seconds with or without a fraction, ms, µs or ns since 1970: the number of digits tells which."""
    whole = written.str.extract("^([0-9]+)").str.slice(0, 16).str.pad_end(16, "0")
    fraction = written.str.extract(r"\.([0-9]+)").fill_null("").str.slice(0, 6).str.pad_end(6, "0")
    us = whole.cast(pl.Int64).to_numpy() + fraction.cast(pl.Int64).to_numpy()
    return us, np.ones(len(written), np.bool_)


def _tai64n(written: pl.Series) -> tuple[Ints, Mask]:
    """TAI64N labels: 2^62 + seconds, 10 ahead of UTC as its programs count them, then nanoseconds, in hexadecimal."""
    seconds = written.str.slice(2, 14).str.to_integer(base=16, strict=False).fill_null(0).to_numpy()
    nanoseconds = written.str.slice(16, 8).str.to_integer(base=16, strict=False).fill_null(0).to_numpy()
    return (seconds - 10) * SECOND + nanoseconds // 1000, seconds > 10


def _hexadecimal(written: pl.Series) -> tuple[Ints, Mask]:
    """Seconds since 1970 and nanoseconds, with a point between them."""
    seconds, nanoseconds = (
        written.str.slice(at, 8).str.to_integer(base=16, strict=False).fill_null(0).to_numpy() for at in (0, 9)
    )
    return seconds * SECOND + nanoseconds // 1000, nanoseconds < 1_000_000_000

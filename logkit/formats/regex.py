"""Formats written as regular expressions: the general case, matched natively a block at a time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import polars as pl

from logkit.errors import FormatError
from logkit.formats.base import Parsed, TimeRules
from logkit.formats.block import DELETE, Block, Lines, Mask, Records, Text
from logkit.formats.columns import (
    DURATIONS,
    SERVICES,
    Column,
    Ints,
    LevelKind,
    build_frame,
    check_levels,
    has_level,
    nulled,
    text_of,
)
from logkit.formats.layouts import check_layout
from logkit.formats.pattern import MESSAGE, RESERVED, TIME
from logkit.formats.timestamps import read_times, starts_with_time
from logkit.schema import STATS_FIELDS

_WHOLE: Final = "logkit_whole"
_LEAD: Final = re.compile(r"\^?((?:\\[^A-Za-z0-9]|[A-Za-z0-9_<>:,;/ -])*)\(\?P?<timestamp>")
_FOR_STATS: Final = frozenset({*STATS_FIELDS, *SERVICES, *DURATIONS, TIME, "status", "pri", _WHOLE})
_HEAD_LINES: Final = 256


@dataclass(frozen=True, slots=True, repr=False)
class Regex:
    """A format as a regular expression with named groups, in Rust's syntax (no look-around, no back-references).

    It must fit a record's first line from end to end, or with `search` anywhere in it. Groups are fields and mean
    what a template's fields mean; a group that took no part is null, and so is an empty one but for `message`. The
    record's later lines belong to `message`; without one the whole record is the message. `time` says how
    `timestamp` is written (`formats.layouts`): a record with a time that cannot be read does not fit. `levels` and
    `dash_is_null` are as for `Template`. `multiline`: only lines that fit start a record (or, where the timestamp
    comes first, lines that begin with what looks like one).

    Immutable and without state: any thread may call it. Raises FormatError, with the place, for a wrong pattern.
    """

    name: str
    pattern: str
    time: str = "%Y-%m-%d %H:%M:%S%f"
    multiline: bool = False
    levels: LevelKind = "words"
    splittable: bool = True
    search: bool = False
    dash_is_null: bool = False

    def __post_init__(self) -> None:
        names = self.fields
        check_levels(self.name, self.levels, names)
        if TIME in names:
            check_layout(self.name, self.time)

    def __repr__(self) -> str:
        time = f", time={self.time!r}" if TIME in self.fields else ""
        return f"Regex({self.name!r}, {self.pattern!r}{time}{', multiline=True' if self.multiline else ''})"

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the pattern's groups, in order."""
        return groups_of(self.name, self.pattern)

    @property
    def _native(self) -> str:
        whole = f"(?P<{_WHOLE}>{self.pattern})"
        return whole if self.search else f"^{whole}$"

    def starts(self, lines: Lines) -> Mask:
        """Which lines start a record: see `multiline`. Blank lines never do."""
        if not self.multiline:
            return ~lines.blank()
        lead = None if self.search else _LEAD.match(self.pattern)
        if lead is not None:
            prefix = re.sub(r"\\(.)", r"\1", lead[1]).encode()
            return starts_with_time(lines, self.time, prefix)
        fits = Text(lines.block, lines.start, lines.stop).series().str.contains(self._native)
        return np.asarray(fits.to_numpy(), np.bool_) & ~lines.blank()

    def recognises(self, lines: Lines) -> Mask:
        """Which lines it reads as records of their own with, where it has a level of words, a level: no columns."""
        found = _written(Text(lines.block, lines.start, lines.stop)).str.extract_groups(self._native).struct.unnest()
        ok: Mask = found[_WHOLE].is_not_null().to_numpy().copy()
        if TIME in found.columns and ok.any():
            time = _few(found[TIME], self.dash_is_null)
            timed = read_times(time, self.time, TimeRules())[1]
            ok &= timed | (time.start == time.stop)
        if "level" in found.columns and ok.any():
            ok &= has_level(self.levels, _few(found["level"], self.dash_is_null), len(lines))
        return ok

    def parse(self, records: Records, times: TimeRules, *, stats_only: bool = False) -> Parsed:
        """The records' columns, as `base.Parsed` has them; the whole pattern is matched in either case."""
        found = records.first_line().series().str.extract_groups(self._native).struct.unnest()
        ok: Mask = found[_WHOLE].is_not_null().to_numpy().copy()
        fields: dict[str, Column] = {}
        for name in self.fields:
            if stats_only and name not in _FOR_STATS and not (name == MESSAGE and self.levels == "syslog"):
                continue  # (a syslog line may say its level at the beginning of the message)
            dashes = self.dash_is_null and name != MESSAGE
            fields[name] = (
                nulled(found[name], (found[name] != "-").fill_null(True).to_numpy()) if dashes else found[name]
            )
        us, timed = times_of(fields.pop(TIME, None), ok, self.time, times)
        if MESSAGE in fields and not stats_only:
            fields[MESSAGE] = _lengthened(found[MESSAGE], records)
        frame = build_frame(fields, ok, us, timed, levels=self.levels, whole=records.whole(), stats_only=stats_only)
        return Parsed(frame, ok, f"does not fit the regular expression {self.pattern}")


def times_of(column: Column | None, ok: Mask, layout: str, rules: TimeRules) -> tuple[Ints | None, Mask | None]:
    """The times of a column; rows with a time that cannot be read are no longer `ok`."""
    if not isinstance(column, pl.Series):
        return None, None
    text, there = text_of(column)
    us, timed = read_times(text, layout, rules)
    ok &= timed | ~there | (text.start == text.stop)
    return us, timed


def _written(text: Text) -> pl.Series:
    """The texts as strings; a head's few lines one by one, for which Arrow need not be loaded."""
    if len(text) > _HEAD_LINES:
        return text.series()
    bounds = zip(text.start.tolist(), text.stop.tolist(), strict=True)
    lines = [text.block.text(start, stop).replace(DELETE, "\ufffd") for start, stop in bounds]
    return pl.Series(lines, dtype=pl.String)


def _few(column: pl.Series, dash_is_null: bool) -> Text:
    """As `text_of`, faster for the few lines of a head: one by one."""
    nothing = (None, "-") if dash_is_null else (None,)
    values = [b"" if value in nothing else value.encode() for value in column.to_list()]
    # Something between them, so that no value seems to go on in the next one.
    length = np.array([len(value) for value in values], np.int64)
    stop = np.cumsum(length + 1) - 1
    return Text(Block.of(b"\n".join((*values, b""))), stop - length, stop)


def _lengthened(message: pl.Series, records: Records) -> pl.Series:
    """The messages with the records' later lines behind them."""
    more = np.flatnonzero(records.stop > records.line_stop)
    if not len(more):
        return message
    rest = Text(records.block, records.line_stop[more], records.stop[more]).series()
    return message.scatter(more, message[more].fill_null("") + rest)


@lru_cache(maxsize=512)
def groups_of(name: str, pattern: str) -> tuple[str, ...]:
    """The named groups of a regular expression, in order. FormatError shows where it is wrong."""
    try:
        found = pl.Series([""]).str.extract_groups(pattern).struct.fields
    except pl.exceptions.ComputeError as error:
        raise _error(name, pattern, str(error)) from None
    names = tuple(field for field in found if not field.isdigit())
    if not names:
        message = f"format {name!r}: expected a named group such as (?P<message>.*) in {pattern!r}, found none"
        raise FormatError(message, name=name, position=0)
    if taken := sorted((RESERVED | {_WHOLE}) & set(names)):
        place = pattern.index(f"<{taken[0]}>")
        message = f"format {name!r}: expected a name that is free, found group {taken[0]!r}; try another"
        raise FormatError(f"{message}\n  {pattern}\n  {' ' * place}^", name=name, position=place)
    return names


def _error(name: str, pattern: str, native: str) -> FormatError:
    """The native error, whose second line is the pattern and whose third points into it, as ours."""
    lines = native.split("\n")
    reason = lines[-1].removeprefix("regex error: ").removeprefix("error: ")
    position = None
    if len(lines) == 4 and "\n" not in pattern:
        position = len(lines[2]) - len(lines[2].lstrip()) - (len(lines[1]) - len(lines[1].lstrip()))
        position += len(pattern) - len(pattern.lstrip())
    shown = "" if position is None else f"\n  {pattern}\n  {' ' * position}^"
    message = f"format {name!r}: expected a regular expression, found one with an error: {reason}{shown}"
    return FormatError(message, name=name, position=position)

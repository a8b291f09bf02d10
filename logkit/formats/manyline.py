"""Formats whose every record is several lines long: each part is looked for in the whole record."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from logkit.errors import FormatError
from logkit.formats.base import Parsed, TimeRules
from logkit.formats.block import Lines, Mask, Records, Text, records_of
from logkit.formats.columns import Column, LevelKind, build_frame, check_levels
from logkit.formats.layouts import check_layout
from logkit.formats.pattern import MESSAGE, TIME
from logkit.formats.regex import groups_of, times_of


@dataclass(frozen=True, slots=True, repr=False)
class ManyLine:
    """A record begins with a line that `start` fits, a regular expression, and goes on to the next such line.

    Each of `parts` is a regular expression with named groups (Rust's syntax; `^` and `$` are those of the record
    unless it says `(?m)`), searched in the whole record: the first must be found, the others may be. Groups mean
    what a template's fields mean, and so do `time` and `levels`; without a `message` the whole record is one.

    Immutable and without state: any thread may call it. Raises FormatError for a wrong pattern.
    """

    name: str
    start: str
    parts: tuple[str, ...]
    time: str = "%Y-%m-%d %H:%M:%S%f"
    levels: LevelKind = "words"

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(self.parts))
        check_levels(self.name, self.levels, self.fields)
        if TIME in self.fields:
            check_layout(self.name, self.time)

    def __repr__(self) -> str:
        return f"ManyLine({self.name!r}, {self.start!r}, {len(self.parts)} parts)"

    @property
    def multiline(self) -> bool:
        return True

    @property
    def splittable(self) -> bool:
        """A line alone tells whether it starts a record."""
        return True

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the groups of all parts, in order; FormatError where a name occurs twice."""
        names = [name for part in self.parts for name in groups_of(self.name, part)]
        if len(set(names)) < len(names):
            message = f"format {self.name!r}: expected each group in one part, found one in two"
            raise FormatError(message, name=self.name)
        return tuple(names)

    def starts(self, lines: Lines) -> Mask:
        """Which lines start a record."""
        fits = Text(lines.block, lines.start, lines.stop).series().str.contains(self.start)
        return np.asarray(fits.to_numpy(), np.bool_)

    def recognises(self, lines: Lines) -> Mask:
        """Which lines start a record that it reads."""
        starts = self.starts(lines)
        first = np.flatnonzero(starts)
        if len(first):
            starts[first] = self.parse(records_of(lines, starts), TimeRules(), stats_only=True).ok
        return starts

    def parse(self, records: Records, times: TimeRules, *, stats_only: bool = False) -> Parsed:
        """The records' columns, as `base.Parsed` has them."""
        whole = records.whole().series()
        ok = np.ones(len(records), np.bool_)
        fields: dict[str, Column] = {}
        for part in self.parts:
            found = whole.str.extract_groups(f"(?P<logkit_whole>{part})").struct.unnest()
            if not fields:
                ok = found["logkit_whole"].is_not_null().to_numpy().copy()
            fields |= {name: found[name] for name in groups_of(self.name, part)}
        us, timed = times_of(fields.pop(TIME, None), ok, self.time, times)
        if MESSAGE in fields:
            message = fields[MESSAGE]
            assert isinstance(message, pl.Series)
            fields[MESSAGE] = message.fill_null("")
        frame = build_frame(fields, ok, us, timed, levels=self.levels, whole=records.whole(), stats_only=stats_only)
        return Parsed(frame, ok, f"does not fit the {self.name} format's first part {self.parts[0]}")

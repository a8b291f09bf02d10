"""Files with lines of several formats, each read by the first format that fits it, at a bounded cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from logkit.formats.base import Format, Parsed, TimeRules
from logkit.formats.block import Lines, Mask, Positions, Records, Text
from logkit.formats.plain import Plain

MOST: Final = 8
"""How many formats one file is read by at most, `plain` not counted: what bounds the cost of a line."""


@dataclass(frozen=True, slots=True)
class Mixed:
    """Several formats in one file: a record is read by the first of `members` that can, what none can by `rest`.

    A line starts a record where it does in one of the formats; of a format without records of several lines, only
    lines that it really reads do. Columns are those of all members, null where a record's own format lacks one.
    """

    members: tuple[Format, ...]
    rest: Plain

    @property
    def name(self) -> str:
        """The names of its formats."""
        return " + ".join(member.name for member in self.members)

    @property
    def multiline(self) -> bool:
        return True

    @property
    def splittable(self) -> bool:
        """A line alone decides, if it does in all of the formats."""
        return all(member.splittable for member in self.members)

    def starts(self, lines: Lines) -> Mask:
        """Which lines start a record."""
        starts = self.rest.starts(lines)
        for member in self.members:
            todo = np.flatnonzero(~starts)
            if not len(todo):
                break
            part = Lines(lines.block, lines.start[todo], lines.stop[todo], lines.next[todo])
            starts[todo] = member.starts(part) if member.multiline else reads(member, part)
        return starts

    def parse(self, records: Records, times: TimeRules, *, stats_only: bool = False) -> Parsed:
        """Read the records; all of them are ok."""
        todo = np.arange(len(records))
        frames: list[pl.DataFrame] = []
        rows: list[Positions] = []
        for member in (*self.members, self.rest):
            if not len(todo):
                break
            parsed = _parse(member, records.take(todo), times, stats_only)
            frames.append(parsed.frame.filter(parsed.ok))
            rows.append(todo[parsed.ok])
            todo = todo[~parsed.ok]
        if not frames:
            return self.rest.parse(records, times, stats_only=stats_only)
        order = np.argsort(np.concatenate(rows))
        return Parsed(pl.concat(frames, how="diagonal_relaxed")[order], np.ones(len(records), np.bool_), "")


def _parse(member: Format, records: Records, times: TimeRules, stats_only: bool) -> Parsed:
    """As the member does; of one without records of several lines, later lines are put behind the message."""
    more = np.flatnonzero(records.stop > records.line_stop)
    if member.multiline or not len(more):
        return member.parse(records, times, stats_only=stats_only)
    first = Records(records.block, records.start, records.line_stop, records.line_stop)
    parsed = member.parse(first, times, stats_only=stats_only)
    more = more[parsed.ok[more]]
    if stats_only or not len(more):
        return parsed
    rest = Text(records.block, records.line_stop[more], records.stop[more]).series()
    message = parsed.frame["message"]
    longer = message.scatter(more, message.gather(more).fill_null("") + rest)
    return Parsed(parsed.frame.with_columns(longer.alias("message")), parsed.ok, parsed.reason)


def reads(format: Format, lines: Lines) -> Mask:
    """Which lines a format reads as records of one line each."""
    recognises = getattr(format, "recognises", None)
    if recognises is not None:
        found: Mask = recognises(lines)
        return found
    records = Records(lines.block, lines.start, lines.stop, lines.stop)
    return format.parse(records, TimeRules(), stats_only=True).ok.copy()

"""Templates: formats written as literals between named fields, read without a regular expression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from logkit.formats.base import Facts, Parsed, TimeRules
from logkit.formats.block import Block, Lines, Mask, Records, Text
from logkit.formats.columns import LevelKind, build_facts, build_frame, check_levels, dashes_empty, has_level
from logkit.formats.layouts import check_layout
from logkit.formats.matcher import Match, match, match_one, misfit
from logkit.formats.pattern import MESSAGE, TIME, Pattern, compile_patterns
from logkit.formats.timestamps import starts_with_time


@dataclass(frozen=True, slots=True, repr=False)
class Template:
    """A format such as `{timestamp} {level} [{service}] {logger} - {message}`; how to write one: `formats.pattern`.

    `time` says how `{timestamp}` is written (`formats.layouts`), `levels` where levels come from
    (`columns.LEVEL_KINDS`), `optional` names further fields that may be empty, `dash_is_null` reads a lone `-` as
    nothing, as access logs mean it. A record's first line is matched; where `{message}` is last, later lines
    belong to it, and without a `{message}` the whole record is one. `multiline`: only lines that look like the
    pattern up to their timestamp (or, without one, like the whole pattern) start a record.

    Immutable and without state: any thread may call it. Raises FormatError, with the place, for a wrong pattern.
    """

    name: str
    pattern: str
    time: str = "%Y-%m-%d %H:%M:%S%f"
    multiline: bool = False
    levels: LevelKind = "words"
    splittable: bool = True
    optional: tuple[str, ...] = ()
    dash_is_null: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "optional", tuple(self.optional))
        names = self.fields
        check_levels(self.name, self.levels, names)
        if TIME in names:
            check_layout(self.name, self.time)

    def __repr__(self) -> str:
        time = f", time={self.time!r}" if TIME in self.fields else ""
        return f"Template({self.name!r}, {self.pattern!r}{time}{', multiline=True' if self.multiline else ''})"

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the pattern's fields, in order."""
        return tuple(dict.fromkeys(name for pattern in self.alternatives for name in pattern.names))

    @property
    def alternatives(self) -> tuple[Pattern, ...]:
        """The compiled pattern, an alternative for each of its lines."""
        return compile_patterns(self.name, self.pattern, self.optional)

    def starts(self, lines: Lines) -> Mask:
        """Which lines start a record: see `multiline`. Blank lines never do."""
        if not self.multiline:
            return ~lines.blank()
        starts = np.zeros(len(lines), np.bool_)
        for pattern in self.alternatives:
            if pattern.first_time is not None and pattern.prefix is not None:
                starts |= starts_with_time(lines, self.time, pattern.prefix)
                continue
            steps = None if pattern.first_time is None else pattern.first_time + 1
            found = match_one(pattern, lines.block, lines.start, lines.stop, self.time, TimeRules(), steps)
            starts |= found.ok & ~lines.blank()
        return starts

    def recognises(self, lines: Lines) -> Mask:
        """Which lines it reads as records of their own with, where it has a level of words, a level: no columns."""
        found = match(self.alternatives, lines.block, lines.start, lines.stop, self.time, TimeRules())
        return found.ok & has_level(self.levels, found.fields.get("level"), len(lines))

    def parse(self, records: Records, times: TimeRules, *, stats_only: bool = False) -> Parsed:
        """The records' columns, as `base.Parsed` has them; the whole pattern is verified in either case."""
        found, fields = self._match(records, times)
        if not stats_only:
            self._lengthen(fields, records)
        facts = self._facts(found, fields)
        frame = build_frame(
            fields, found.ok, found.us, found.timed, whole=records.whole(), stats_only=stats_only, facts=facts
        )
        return Parsed(frame, found.ok, self._reason, facts)

    def facts(self, records: Records, times: TimeRules) -> Facts:
        """What statistics need of the records: see `base.Counting`."""
        return self._facts(*self._match(records, times))

    def explain(self, line: str) -> tuple[int, str] | None:
        """Where a line stops fitting: characters into it, and what was expected there; None where it fits.

        Of several alternatives the one that comes furthest is told.
        """
        block = Block.of(line.encode("utf-8", "replace"))
        found = [misfit(pattern, block, self.time) for pattern in self.alternatives]
        if None in found:
            return None
        place, wanted = max(place for place in found if place is not None)
        return len(block.text(0, place)), wanted

    @property
    def _reason(self) -> str:
        return f"does not fit the template {self.pattern}"

    def _match(self, records: Records, times: TimeRules) -> tuple[Match, dict[str, Text]]:
        """What the pattern reads, and its fields with those that mean nothing made empty."""
        found = match(self.alternatives, records.block, records.start, records.line_stop, self.time, times)
        if not self.dash_is_null:
            return found, found.fields
        return found, {name: text if name == MESSAGE else dashes_empty(text) for name, text in found.fields.items()}

    def _facts(self, found: Match, fields: dict[str, Text]) -> Facts:
        return build_facts(fields, found.ok, found.us, found.timed, levels=self.levels, reason=self._reason)

    def _lengthen(self, fields: dict[str, Text], records: Records) -> None:
        """Give a last `{message}` the record's later lines."""
        text = fields.get(MESSAGE)
        if text is None:
            return
        more = np.flatnonzero((text.stop == records.line_stop) & (records.stop > records.line_stop))
        if len(more):
            stop = text.stop.copy()
            stop[more] = records.stop[more]
            fields[MESSAGE] = Text(text.block, text.start, stop)

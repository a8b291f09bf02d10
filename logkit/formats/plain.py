"""The reader of last resort: any line, whatever wrote it.

It finds a time near the start, a level word where people put level words, a token that names who speaks,
and keeps the rest as the message. It takes out of the message only what it understood; what it is not sure
of stays in. Each rule looks at one record alone, so a record reads the same wherever it stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from logkit.formats.base import Parsed, TimeRules
from logkit.formats.block import Lines, Mask, Positions, Records, Text
from logkit.formats.levels import levels_from_syslog, read_levels
from logkit.formats.timefinder import WITHIN, Found, find_times, has_time, head
from logkit.formats.traces import follows, goes_on
from logkit.schema import TIMESTAMP

_HEADER: Final = 120  # how far behind the time a level or a name may stand
_CAPS: Final = (
    "TRACE|DEBUG[1-5]?|INFO(?:RMATION(?:AL)?)?|NOTICE|NOTE|WARN(?:ING)?|WRN|ERR(?:OR)?|SEVERE|FATAL|CRIT(?:ICAL)?"
    "|ALERT|EMERG(?:ENCY)?|PANIC|VERBOSE"
)
_WORD: Final = rf"(?i:{_CAPS}|FINE(?:ST|R)?|CONFIG|TRC|VRB|DBG|DEBU|INF|EROR|ERRO|FTL|FATA|CRT|PNC)"
_W: Final = "0-9A-Za-z_"  # ASCII only: the automata stay small
_NAME: Final = rf"[A-Za-z_#][{_W}.$/@-]*"
_END: Final = r"(?-u:\b)"


@dataclass(frozen=True, slots=True)
class _Rule:
    """Where something stands: `lead`, the thing itself, `trail`; looked for from the start if `lead` has a `^`."""

    lead: str
    core: str
    trail: str = ""

    def reading(self) -> str:
        """The regular expression, anchored where `finding` found it."""
        return f"^(?P<lead>{self.lead.removeprefix('^')})(?P<core>{self.core})(?P<trail>{self.trail})"

    def finding(self) -> str:
        return f"{self.lead}(?:{self.core}){self.trail}"


_BEFORE: Final = (
    _Rule(r"(?:^|[\s\[(<|:/])", _CAPS, r"(?:[\s\])>|:,]|$)"),
    _Rule(r"^[\[(<]? ?", _WORD, r" ?[\])>]?[\s:|,]*[\[(<]?$"),
    _Rule(r"(?:^|,)\x22?", _WORD, r"\x22?,"),
    _Rule(r"[:|/\[(<]", _WORD, r"[\])>]?[:|,;/ ]*[\[(<]?$"),
    _Rule(r"^[\[(<]?", "[VTDINWEFC]", r"[\])>]?[,:]?\s?[\[(<]?$"),
)
"""Levels in what stands before the time: `INFO | 2026-…`, `[Debug] [2026-…`, `[ns:info,2026-…`, `I, [2026-…`."""

_BEHIND: Final = (
    _Rule(r"^[^0-9A-Za-z_=]*(?:(?:[0-9]+|[0-9A-Fa-f]{4,16})[^0-9A-Za-z_=]+)??", _WORD, r"(?:[^0-9A-Za-z_=]|$)"),
    _Rule(r"(?i:(?-u:\b)(?:log)?(?:level|lvl|severity)\x22?'? ?[=:] ?[\x22'\[]?)", _WORD, _END),
    _Rule(r"(?:^|[\s\[\]()<>|:/.,;*-])", rf"{_CAPS}|FINE(?:ST|R)?", r"(?:[\s\])>|:,;-]|$)"),
    _Rule(r"(?:^|[\s\d])", "LOG", r":\s"),
    _Rule(rf"[\[(<|](?:[{_W}.-]+:)?", _WORD, r"[\])>|]"),
    _Rule(r"(?:^|\s)(?:kern|user|mail|daemon|auth|authpriv|syslog|lpr|news|cron|ftp|local[0-7])\.", _WORD, r"\s"),
    _Rule(r"(?:^|\s)", _WORD, " ?: "),
    _Rule(r"\s{2,}", _WORD, r"\s{2,}"),
    _Rule(r",\x22?", _WORD, r"\x22?,"),
    _Rule(r"%[A-Z][0-9A-Z_]*(?:-[A-Z][0-9A-Z_]*)*-", "[0-7]", "-[0-9A-Z_]+ ?: "),
    _Rule(rf"^[ \])]+(?:[0-9]+ +|[{_W}]+ +[0-9]+ +[0-9]+ +)*", "[VDIWEF]", r"[ /]"),
)
"""Levels behind the time, the surest first; the digit is the severity in `%LINK-3-UPDOWN: `."""

_BEFORE_NAME: Final = r"^[ \t\])>|:,-]*"
_NAMES: Final = (
    _Rule(
        rf"{_BEFORE_NAME}(?:[{_W}.:/@-]+ +)??(?:[{_W}.:/@-]+ +)??",
        rf"[A-Za-z_][{_W}./@-]*(?: [A-Z][a-z]+)?(?:\([{_W}.-]+\))?",
        r"\[[0-9]+\]:?[ \t]*",
    ),
    _Rule(
        r"^[ \t\])>|:,;-]*(?:\[[^\]]*\][ :|-]*|\([^)]*\)[ :|-]*)*",
        _NAME,
        r"(?: *[\[(][^\])]*[\])]+)?(?:[ \t]*:[ \t]+| +-+ +|[ \t]+\|[ \t]*)",
    ),
    _Rule(rf"{_BEFORE_NAME}", rf"[A-Za-z_][{_W}$]*(?:\.[{_W}$]+)+", rf" [A-Za-z_<][{_W}$<>]*: "),
    _Rule(rf"{_BEFORE_NAME}[\[(<] *", rf"[A-Za-z_][{_W}.$/-]+", r" *[\])>][: \t-]*"),
    _Rule(r"^(?:\t| ?[;|] ?| :: )", _NAME, r"(?:\t| ?[;|] ?| :: )"),
    _Rule(r"(?:service|component)=\x22?", _NAME, r"\x22?"),
)
"""Who speaks: `name[pid]:`, `logger -` or `name:`, `pack.Class method:`, `[name]`, a column `name;`, `service=name`;
behind the level if one follows the time, else behind the time."""

_OPEN, _BLANK, _LETTER = b"< A"
_MAIN: Final = int.from_bytes(b"main", "little")  # a thread's name, never a service's

_SYSLOG: Final = _Rule(
    rf"^ +[0-9A-Za-z][{_W}.-]* +(?:[a-z0-9]+\.[a-z]+ +)?", rf"[A-Za-z_][{_W}./@()-]*", r"(?:\[[^\]]*\])?: "
)
"""The program behind a syslog line's host, looked for where the time is written as syslog writes it."""

_BETWEEN: Final = _Rule(_BEFORE_NAME, rf"[A-Za-z_][{_W}.$/-]*[{_W}$]", r"[ \t|:,.\[(<-]*$")
"""A name that alone stands between the time and the level: `… - name - LEVEL - …`."""

_AHEAD: Final = _Rule(r"^[\[(]?", rf"[A-Za-z_][{_W}.$/-]+", r"(?:[\])]?:|\]| *\|)[ \[(]*$")
"""A name that alone stands before the time: `(name): 2026-…`, `[name] 2026-…`, `name | 2026-…`."""


@dataclass(frozen=True, slots=True)
class Plain:
    """Any text. `timed`: a record starts where a line has a time within its first `within` bytes, other lines
    continue it; else every line starts one that is not blank and does not begin with a blank.

    `traces`: of lines without times the ones before tell whether they go on from a stack trace, so that files cannot
    be cut anywhere. `weak` also takes times that might be something else (a bare clock, a bare date) for a record's
    start. Every record is read, so `ok` is always true.
    """

    name: str = "plain"
    timed: bool = False
    weak: bool = False
    within: int = WITHIN
    traces: bool = False

    @property
    def multiline(self) -> bool:
        """Lines that start no record belong to the one before."""
        return True

    @property
    def splittable(self) -> bool:
        """Whether a line alone decides that it starts a record."""
        return not self.traces

    def starts(self, lines: Lines) -> Mask:
        """Which lines start a record."""
        first = lines.block.bytes[lines.start]
        unindented: Mask = ~lines.blank() & (first != 32) & (first != 9)
        if not self.timed:
            unindented &= ~goes_on(lines)
            return unindented & ~follows(lines, unindented) if self.traces else unindented
        return has_time(Text(lines.block, lines.start, lines.stop), self.within, weak=self.weak)

    def parse(self, records: Records, times: TimeRules, *, stats_only: bool = False) -> Parsed:
        """Read `timestamp`, `level`, `service` (null where no token names one) and `message`."""
        line = records.first_line()
        found = find_times(line, times)
        level = _levels(line, found)
        name, ends = _names(line, found, level)
        columns = [
            pl.Series("timestamp", found.us, dtype=pl.Int64).cast(TIMESTAMP).set(~pl.Series(found.ok), None),
            _ranked(line, level),
            name.series("service", name.stop > name.start),
        ]
        if not stats_only:
            start = _message_start(line, found, level, name, ends)
            start = np.where(~found.ok & (records.stop > records.line_stop), line.start, start)  # a trace stays whole
            columns.append(Text(records.block, start, np.maximum(records.stop, start)).series("message"))
        return Parsed(pl.DataFrame(columns), np.ones(len(records), np.bool_), "")


def _levels(line: Text, found: Found) -> Text:
    """The level word of each line; empty where there is none."""
    level = Text(line.block, line.start.copy(), line.start.copy())
    before = Text(line.block, line.start, np.where(found.ok, found.start, line.start))
    todo = np.flatnonzero((before.stop > before.start) & (before.stop - before.start <= 64))
    _apply(_BEFORE, before, todo, level)
    behind = head(Text(line.block, np.where(found.ok, found.stop, line.start), line.stop), _HEADER)
    _apply(_BEHIND, behind, np.flatnonzero(level.start == level.stop), level)
    return level


def _ranked(line: Text, level: Text) -> pl.Series:
    """The levels that the words mean; without one a syslog priority at the line's start (`<134>`) tells."""
    found = read_levels(level, "severities").alias("level")
    bare = np.flatnonzero((line.block.bytes[line.start] == _OPEN) & (level.start == level.stop))
    if not len(bare):
        return found
    priorities = line.take(bare).series().str.extract(r"^<([0-9]{1,3})>")
    return found.scatter(bare, levels_from_syslog(priorities))


def _names(line: Text, found: Found, level: Text) -> tuple[Text, Positions]:
    """The token of each line that names who speaks, and where the text that goes with it ends."""
    name = Text(line.block, line.start.copy(), line.start.copy())
    ends = line.start.copy()
    time_stop = np.where(found.ok, found.stop, line.start)
    leveled = (level.stop > level.start) & (level.start >= time_stop)
    leveled &= line.block.bytes[level.start] >= _LETTER  # a severity stands in the midst of what it belongs to
    between = Text(line.block, time_stop, np.where(leveled, level.start, time_stop))
    behind = head(Text(line.block, np.where(leveled, level.stop, time_stop), line.stop), _HEADER)
    headed = found.ok | (level.stop > level.start)  # a line of prose has no header to look for a name in
    _apply(_NAMES[:1], head(Text(line.block, time_stop, line.stop), _HEADER), np.flatnonzero(found.ok), name, ends)
    syslog = found.ok & (name.start == name.stop) & _as_syslog(line, found) & ~leveled
    _apply((_SYSLOG,), head(Text(line.block, time_stop, line.stop), _HEADER), np.flatnonzero(syslog), name, ends)
    _apply(_NAMES[1:2], behind, np.flatnonzero(headed & (name.start == name.stop)), name, ends)
    _apply((_BETWEEN,), between, np.flatnonzero(leveled & (name.start == name.stop)), name)
    _apply(_NAMES[2:], behind, np.flatnonzero(headed & (name.start == name.stop)), name, ends)
    main = (name.stop - name.start == 4) & (line.block.words(name.start, "<u4") == _MAIN)
    name.stop[main] = name.start[main]
    ahead = Text(line.block, line.start, np.where(found.ok, found.start, line.start))
    _apply((_AHEAD,), ahead, np.flatnonzero((name.start == name.stop) & (ahead.stop > ahead.start)), name)
    level_itself = (name.start == level.start) & (level.stop > level.start)
    name.stop[level_itself] = name.start[level_itself]
    return name, ends


def _as_syslog(line: Text, found: Found) -> Mask:
    """Which times are `Mar  1 12:00:00` or ISO with a `T` and a zone, as syslog daemons write them."""
    raw = line.block.bytes
    last, first = raw[np.maximum(found.stop - 1, line.start)], raw[found.start]
    month = (first >= 65) & (found.stop - found.start == 15)
    iso = (raw[np.minimum(found.start + 10, line.block.size)] == 84) & (found.stop - found.start > 19)
    zoned = (
        (last == 90)
        | (raw[np.maximum(found.stop - 6, line.start)] == 43)
        | (raw[np.maximum(found.stop - 6, line.start)] == 45)
    )
    result: Mask = month | (iso & zoned)
    return result


def _message_start(line: Text, found: Found, level: Text, name: Text, ends: Positions) -> Positions:
    """Where each message begins: behind whatever of time, level and name stand side by side at the line's start."""
    ahead = Text(line.block, line.start, np.where(found.ok, found.start, line.start)).strip(_MARKS)
    header = ahead.start == ahead.stop
    for token in (level, name):
        header |= (ahead.start == token.start) & (ahead.stop == token.stop)
    at = np.where(found.ok & header, _skip(line, np.where(found.ok, found.stop, line.start)), line.start)
    for _ in range(2):
        for token, stop in ((level, level.stop), (name, np.maximum(ends, name.stop))):
            gap = Text(line.block, at, np.clip(token.start, at, at + 2)).strip(_MARKS)
            beside = (token.stop > at) & (token.start >= at) & (token.start - at <= 2) & (gap.start == gap.stop)
            beside &= token.stop > token.start
            if token is level:
                beside &= ~_prose(line, found, level)
            at = np.where(beside, _skip(line, np.where(beside, stop, at)), at)
    return at


def _prose(line: Text, found: Found, level: Text) -> Mask:
    """Which level words may well begin a sentence: in lower case, one blank behind, and no `info` after a time."""
    raw = line.block.bytes
    first, after = raw[level.start], raw[level.stop]
    sentence = (first >= 97) & (after == 32) & (raw[np.minimum(level.stop + 1, line.block.size)] != 32)
    result: Mask = sentence & ~(found.ok & _CLASS[_HEADERS][first])
    return result


_HEADERS: Final = b"idwtv"  # how levels begin that hardly ever begin a sentence
_MARKS: Final = b" \t[](){}<>|:,;.-\"'"
_CLOSERS: Final = b"])}>\"'"
_SEPARATORS: Final = b" \t,:|"


def _skip(line: Text, at: Positions) -> Positions:
    """Move on over the bracket or quote that closes a token, padded or not, and the separators behind it."""
    raw, at = line.block.bytes, at.copy()
    closer, padded = at.copy(), np.flatnonzero((at < line.stop) & (raw[at] == _BLANK))
    while len(padded):
        closer[padded] += 1
        padded = padded[(closer[padded] < line.stop[padded]) & (raw[closer[padded]] == _BLANK)]
    closed = (closer < line.stop) & _CLASS[_CLOSERS][raw[closer]]
    at[closed] = closer[closed] + 1
    for mark in (_SEPARATORS, b"-", _SEPARATORS):
        todo = np.flatnonzero((at < line.stop) & _CLASS[mark][raw[at]])
        if mark == b"-":
            at[todo[raw[at[todo] + 1] == 32]] += 1
            continue
        while len(todo):
            at[todo] += 1
            todo = todo[(at[todo] < line.stop[todo]) & _CLASS[mark][raw[at[todo]]]]
    return at


def _class(marks: bytes) -> npt.NDArray[np.bool_]:
    member = np.zeros(256, np.bool_)
    member[list(marks)] = True
    return member


_CLASS: Final = {marks: _class(marks) for marks in (_CLOSERS, _SEPARATORS, b"-", _HEADERS)}


def _apply(rules: tuple[_Rule, ...], text: Text, todo: Positions, into: Text, ends: Positions | None = None) -> None:
    """Note for each row in `todo` where the first rule that fits finds its thing; `ends` takes where `trail` ends."""
    for rule in rules:
        if not len(todo):
            return
        at = text.take(todo).series(exact=True).str.find(rule.finding())
        hit = at.is_not_null().to_numpy()
        rows = todo[hit]
        if not len(rows):
            continue
        begin = text.start[rows] + at.drop_nulls().cast(pl.Int64).to_numpy()
        piece = Text(text.block, begin, text.stop[rows]).series(exact=True)
        groups = piece.str.extract_groups(rule.reading()).struct.unnest()
        lead, core, trail = (_lengths(groups[part]) for part in ("lead", "core", "trail"))
        into.start[rows], into.stop[rows] = begin + lead, begin + lead + core
        if ends is not None:
            ends[rows] = begin + lead + core + trail
        todo = todo[~hit]


def _lengths(strings: pl.Series) -> Positions:
    lengths: Positions = strings.str.len_bytes().cast(pl.Int64).to_numpy()
    return lengths

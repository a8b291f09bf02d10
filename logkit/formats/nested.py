"""Formats within formats: what a container's runtime, or syslog, wrote around a program's own lines is taken off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from logkit.formats.base import Format, Parsed, TimeRules
from logkit.formats.block import Block, Lines, Mask, Positions, Records, Text, split_lines
from logkit.formats.columns import text_of
from logkit.formats.pieces import BARE, Plan, plan
from logkit.formats.plain import Plain
from logkit.schema import STATS_FIELDS

CONTAINERS: Final = frozenset({"cri", "docker", "docker-compose"})
"""Formats that wrap every line of a program's output, also those of its stack traces."""

ENVELOPES: Final = CONTAINERS | {"syslog", "syslog-5424", "syslog-iso", "syslog-year", "syslog-facility"}
"""Formats whose message may be a line of another one."""

_WHOLE: Final = r'"log"\s*:\s*"(?:[^"\\]|\\.)*\\n"'  # what Docker writes for a line that is complete
_OPEN: Final = r"^\{[^}]*[^}\s]$"


@dataclass(frozen=True, slots=True)
class Nested:
    """`inner` within the messages of `outer`. With `joins`, pieces of cut lines are put together per stream, and lines
    that start no record of the inner format go on from the line before, as a stack trace does.

    A record whose message the inner format cannot read keeps the message. The service is the outer one's, else the
    inner one's; the time is the inner one's, or with `outer_times` the outer one's; other columns are of both.
    """

    outer: Format
    inner: Format
    joins: bool = False
    outer_times: bool = False

    @property
    def name(self) -> str:
        """Both names."""
        return f"{self.outer.name} > {self.inner.name}"

    @property
    def multiline(self) -> bool:
        return self.joins or self.outer.multiline

    @property
    def splittable(self) -> bool:
        """With `joins`, the line before decides too."""
        return not self.joins and self.outer.splittable

    def starts(self, lines: Lines) -> Mask:
        """Which lines start a record, or with `joins` a group of records of which pieces stand between each other."""
        return self._marks(lines, groups=True)

    def edges(self, lines: Lines) -> Mask:
        """Which lines start a record, those within a group included."""
        return self._marks(lines, groups=False)

    def parse(self, records: Records, times: TimeRules, *, stats_only: bool = False) -> Parsed:
        """Read the records; those whose last line is not of the outer format are not ok."""
        if not len(records):
            return self.outer.parse(records, times, stats_only=stats_only)
        if self.joins:
            frame, ok = self._joined(records, times)
        else:
            outer = self.outer.parse(records, times)
            frame, ok = outer.frame, outer.ok
        frame = self._unwrapped(frame, ok, times)
        if stats_only:
            frame = frame.select([name for name in STATS_FIELDS if name in frame.columns])
        return Parsed(frame, ok, f"not of the format {self.outer.name}")

    def _marks(self, lines: Lines, *, groups: bool) -> Mask:
        if not self.joins:
            return self.outer.starts(lines)
        marks = np.zeros(len(lines), np.bool_)
        rows = np.flatnonzero(~lines.blank())
        if len(rows):
            some = Lines(lines.block, lines.start[rows], lines.stop[rows], lines.next[rows])
            pieces = self._pieces(some, TimeRules())
            marks[rows[pieces.line]] = pieces.plan.groups if groups else pieces.plan.starts
        return marks

    def _joined(self, records: Records, times: TimeRules) -> tuple[pl.DataFrame, Mask]:
        """The outer format's columns of each record, its message put together from the record's pieces."""
        lines = split_lines(records.block)
        row = np.searchsorted(records.start, lines.start, "right") - 1
        inside = (row >= 0) & (lines.start < records.stop[row]) & ~lines.blank()
        some = Lines(lines.block, lines.start[inside], lines.stop[inside], lines.next[inside])
        pieces = self._pieces(some, times)
        row = row[inside][pieces.line]
        last = np.zeros(len(records), np.int64)
        last[row] = np.arange(len(row))  # a record has the columns of its last line
        goal = np.zeros(int(pieces.plan.record.max()) + 1, np.int64)
        goal[pieces.plan.record] = row  # and is where the last of its pieces stands
        texts = pieces.joined(goal[pieces.plan.record], len(records))
        frame = pieces.frame[last].with_columns(texts.alias("message"))
        return frame, pieces.ok[last]

    def _pieces(self, lines: Lines, times: TimeRules) -> _Pieces:
        """What is in each line, and which lines belong together."""
        texts, line = _glued(Text(lines.block, lines.start, lines.stop).series())
        text = text_of(texts)[0]
        parsed = self.outer.parse(Records(text.block, text.start, text.stop, text.stop), times)
        frame, ok = parsed.frame, parsed.ok
        stream, partial = _streams(frame, texts, ok)
        begins = np.ones(len(texts), np.bool_)
        if self.inner.multiline and ok.any():
            content = text_of(frame["message"].filter(pl.Series(ok)))[0]
            begins[ok] = self.inner.starts(Lines(content.block, content.start, content.stop, content.stop + 1))
        return _Pieces(frame, ok, line, partial, plan(stream, partial, begins))

    def _unwrapped(self, frame: pl.DataFrame, ok: Mask, times: TimeRules) -> pl.DataFrame:
        """The frame with what the inner format reads in its messages."""
        rows = np.flatnonzero(ok)
        if not len(rows):
            return frame
        inner = _read(self.inner, frame["message"].gather(rows), times, forgiving=self.joins)
        if len(rows) < len(frame):
            place = np.full(len(frame), -1, np.int64)
            place[rows] = np.arange(len(rows))
            inner = inner.select(pl.all().gather(pl.Series(place).replace(-1, None)))
        columns = {name: frame[name] for name in frame.columns}
        for name in inner.columns:
            mine, other = inner[name], columns.get(name)
            if other is not None:
                outer_first = name == "service" or (name == "timestamp" and self.outer_times)
                first, then = (other, mine) if outer_first else (mine, other)
                mine = first if not first.null_count() else first.zip_with(first.is_not_null(), then)
            columns[name] = mine
        return pl.DataFrame([series.alias(name) for name, series in columns.items()])


@dataclass(frozen=True, slots=True)
class _Pieces:
    """Lines as the outer format reads them. `line` says which of the lines given each one is."""

    frame: pl.DataFrame
    ok: Mask
    line: Positions
    partial: Mask
    plan: Plan

    def joined(self, row: Positions, size: int) -> pl.Series:
        """The messages of each row's records, in the order in which those ended."""
        message = self.frame["message"].fill_null("")
        order = np.lexsort((np.arange(len(row)), self.plan.record, row))
        row, partial = row[order], self.partial[order]
        if len(row) == size and (row == np.arange(size)).all():
            return message
        last = np.ones(len(row), np.bool_)
        last[:-1] = row[1:] != row[:-1]
        record = self.plan.record[order]
        goes_on = np.zeros(len(row), np.bool_)
        goes_on[:-1] = partial[:-1] & (record[1:] == record[:-1])
        gap = pl.Series(np.where(last | goes_on, "", "\n"), dtype=pl.String)
        joined = (
            pl.DataFrame({"row": row, "text": message.gather(order) + gap})
            .group_by("row")
            .agg(pl.col("text").str.join(""))
        )
        result = pl.Series([""], dtype=pl.String).new_from_index(0, size)
        return result.scatter(joined["row"].to_numpy(), joined["text"])


def _glued(texts: pl.Series) -> tuple[pl.Series, Positions]:
    """Lines of which one that a newline parted within a JSON string is put together again, and which each one was."""
    line = np.arange(len(texts))
    torn = (texts.str.contains(_OPEN) & texts.shift(-1).str.starts_with('"')).fill_null(False).to_numpy()
    if not torn.any():
        return texts, line
    rows = np.flatnonzero(torn)
    whole = texts.scatter(rows, texts.gather(rows) + "\\n" + texts.gather(rows + 1))
    kept = np.ones(len(texts), np.bool_)
    kept[rows + 1] = False
    return whole.filter(pl.Series(kept)), line[kept]


def _streams(frame: pl.DataFrame, texts: pl.Series, ok: Mask) -> tuple[Positions, Mask]:
    """A number for each stream, `BARE` for lines that the outer format does not read, and which lines are pieces."""
    docker = texts.str.contains(r"^\s*\{")
    none = pl.Series([None], dtype=pl.String).new_from_index(0, len(texts))
    stream = frame["stream"] if "stream" in frame.columns else frame["service"]
    name = docker.cast(pl.String) + ":" + stream.fill_null("")
    number = name.rank("dense").cast(pl.Int64).to_numpy().copy()
    number[~ok] = BARE
    cut = (frame["partial"] if "partial" in frame.columns else none).eq_missing("P")
    piece = cut | (docker & texts.str.contains('"log"') & ~texts.str.contains(_WHOLE))
    partial: Mask = piece.fill_null(False).to_numpy() & ok
    return number, partial


def _read(format: Format, messages: pl.Series, times: TimeRules, *, forgiving: bool) -> pl.DataFrame:
    """What a format reads in messages; of others the message, and with `forgiving` what `plain` makes of them."""
    text = text_of(messages.fill_null(""))[0]
    line_stop = np.minimum(text.block.next(10, text.start), text.stop)
    records = Records(text.block, text.start, line_stop, text.stop)
    parsed = format.parse(records, times)
    bad = np.flatnonzero(~parsed.ok)
    if not len(bad):
        return parsed.frame
    rest = Plain().parse(records.take(bad), times).frame
    if not forgiving:
        rest = pl.DataFrame({"message": messages.gather(bad)})
    order = np.argsort(np.concatenate([np.flatnonzero(parsed.ok), bad]))
    return pl.concat([parsed.frame.filter(pl.Series(parsed.ok)), rest], how="diagonal_relaxed")[order]


def content(outer: Format, lines: Lines) -> bytes:
    """The messages of a head's lines, as a head of their own."""
    texts, _ = _glued(Text(lines.block, lines.start, lines.stop).series())
    text = text_of(texts)[0]
    parsed = outer.parse(Records(text.block, text.start, text.stop, text.stop), TimeRules())
    found = parsed.frame["message"].filter(pl.Series(parsed.ok)).fill_null("")
    return "".join(f"{message}\n" for message in found.to_list()).encode()


def names_zone(format: Format, head: bytes) -> bool:
    """Whether most times that a format reads in a head say their zone: they are the same wherever they are read."""
    lines = split_lines(Block.of(head))
    records = Records(lines.block, lines.start, lines.stop, lines.stop)
    found = [format.parse(records, TimeRules(zone), stats_only=True) for zone in ("UTC", "Asia/Tokyo")]
    here, there = (one.frame["timestamp"].filter(pl.Series(one.ok)) for one in found)
    same = (here == there).fill_null(False).sum()
    return bool(2 * same > len(here) - here.null_count())

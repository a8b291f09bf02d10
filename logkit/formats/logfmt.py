"""logfmt: `time=… level=info msg="request handled" status=200`, whatever its keys are called."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from logkit.formats.base import Parsed, TimeRules
from logkit.formats.block import Block, Lines, Mask, Positions, Records, Text, split_lines
from logkit.formats.columns import nulls, text_of
from logkit.formats.frames import messages, ordered, wanted
from logkit.formats.jsonquery import json_objects
from logkit.formats.keys import HEAD_RECORDS, Field, Sample, choose_fields
from logkit.formats.pairs import Pairs, find_pairs
from logkit.formats.values import durations_of, integers_of, levels_of, times_of

REASON: Final = "not key=value pairs"
_SHARE: Final = 0.6  # of the head's lines that must be made of pairs
_KEY: Final = re.compile(r"[A-Za-z_@][\w.@/:-]*")


@dataclass(frozen=True, slots=True)
class Logfmt:
    """logfmt read into `fields`; other pairs, and bare words as true, are a JSON object in column `attributes`.

    Made from a file's head by `from_head`. A value that its column cannot hold stays in `attributes`, as do keys met
    again in one record. A record is ok that has one of the fields, or more pairs than words. `message` is the
    record's text where it has none; `service` is null then.
    """

    fields: tuple[Field, ...] = ()
    name: str = "logfmt"

    @property
    def multiline(self) -> bool:
        return False

    @property
    def splittable(self) -> bool:
        return True

    @classmethod
    def from_head(cls, head: bytes, *, max_fields: int = 32) -> Logfmt | None:
        """The format of a file that begins with `head`; None where its lines are not mainly pairs.

        At most `max_fields` keys besides the common ones become own columns.
        """
        samples = _samples(head)
        return None if samples is None else cls(choose_fields(samples, max_fields=max_fields))

    def starts(self, lines: Lines) -> Mask:
        """Every line that is not blank is a record."""
        return ~lines.blank()

    def recognises(self, lines: Lines) -> Mask:
        """Which lines it reads as records of their own: no columns."""
        pairs = find_pairs(Records(lines.block, lines.start, lines.stop, lines.stop))
        return self._ok(pairs, {field.column: _values(pairs, field, len(lines)) for field in self.fields}, len(lines))

    def parse(self, records: Records, times: TimeRules, *, stats_only: bool = False) -> Parsed:
        """Read the records; those that are not made of pairs are not ok."""
        pairs, size = find_pairs(records), len(records)
        # A record is judged by the same keys whichever columns are asked for.
        found = {field.column: _values(pairs, field, size) for field in self.fields}
        ok = self._ok(pairs, found, size)
        columns: dict[str, pl.Series] = {}
        spare = np.ones(len(pairs.row), np.bool_)
        for field in wanted(self.fields, stats_only=stats_only):
            index = np.where(ok, found[field.column], -1)
            columns[field.column] = series = _read(pairs, field, index, times).rename(field.column)
            held = series.is_not_null().to_numpy() & (index >= 0)
            if field.key is not None:
                spare[index[held]] = False
        if not stats_only:
            columns["attributes"] = _attributes(pairs, np.flatnonzero(spare & ok[pairs.row]), size)
            columns["message"] = messages(columns.get("message"), records)
        return Parsed(ordered(columns, size, stats_only=stats_only), ok, REASON)

    @staticmethod
    def _ok(pairs: Pairs, found: dict[str, Positions], size: int) -> Mask:
        ok = _mostly_pairs(pairs, size)
        for index in found.values():
            ok |= index >= 0
        return ok


def _samples(head: bytes) -> list[Sample] | None:
    """The pairs of the head's lines, or None where too few lines are made of pairs."""
    text = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").encode()
    lines = split_lines(Block.of(text[: text.rfind(b"\n") + 1] or text))
    kept = np.flatnonzero(~lines.blank())[:HEAD_RECORDS]
    if text.count(b"=") < len(kept):
        return None  # a line that counts has two pairs: here are too few, wherever they stand
    records = Records(lines.block, lines.start[kept], lines.stop[kept], lines.stop[kept])
    pairs = find_pairs(records)
    samples: list[dict[tuple[str, ...], object]] = [{} for _ in kept]
    every = np.flatnonzero(pairs.pair)
    keys, values = pairs.keys(every).to_list(), pairs.unescaped(every).to_list()
    for row, key, value in zip(pairs.row[every].tolist(), keys, values, strict=True):
        if _KEY.fullmatch(key):
            samples[row].setdefault((key,), value)
    good = _mostly_pairs(pairs, len(kept)) & np.array([len(sample) >= 2 for sample in samples], np.bool_)
    if not len(kept) or good.mean() < _SHARE:
        return None
    return [sample for sample, fits in zip(samples, good, strict=True) if fits]


def _mostly_pairs(pairs: Pairs, size: int) -> Mask:
    """Which records begin with a pair and have more pairs than words."""
    count = np.bincount(pairs.row[pairs.pair], minlength=size)
    mostly: Mask = 2 * count > np.bincount(pairs.row, minlength=size)
    first = np.ones(len(pairs.row), np.bool_)
    first[1:] = pairs.row[1:] != pairs.row[:-1]
    begins = np.zeros(size, np.bool_)
    begins[pairs.row[first]] = pairs.pair[first]
    return mostly & begins


def _values(pairs: Pairs, field: Field, size: int) -> Positions:
    """For each record the pair a field is read from, -1 where there is none."""
    index = np.full(size, -1, np.int64)
    for path in reversed(field.paths):
        found = pairs.find(".".join(path).encode("utf-8", "surrogatepass"))
        index[pairs.row[found]] = found
    return index


def _read(pairs: Pairs, field: Field, index: Positions, times: TimeRules) -> pl.Series:
    """The column of a field, from the pair it is read from in each record."""
    valid = index >= 0
    if field.kind == "time":
        return times_of(_text(pairs, index), valid, times, field.detail)
    if field.kind == "moment":
        found = [_values(pairs, Field("", (path,)), len(index)) for path in field.paths]
        both = valid & (found[0] >= 0) & (found[1] >= 0)
        date, clock = (_text(pairs, np.where(both, one, -1)).series() for one in found)
        text, _ = text_of(date + " " + clock)
        return times_of(text, both, times)
    if field.kind == "level":
        return levels_of(_text(pairs, index), valid, field.detail)
    rows = np.flatnonzero(valid)
    values = pairs.unescaped(index[rows])
    if field.kind == "duration":
        values = durations_of(values, float(field.detail))
    elif field.kind == "integer":
        values = integers_of(values)
    if len(rows) == len(index):
        return values
    return nulls(values.dtype, len(index)).scatter(rows, values) if len(rows) else nulls(values.dtype, len(index))


def _text(pairs: Pairs, index: Positions) -> Text:
    """The values as written; an empty text where the index is -1."""
    zeros = np.zeros(len(index), np.int64)
    if not len(pairs.row):
        return Text(pairs.block, zeros, zeros)
    text = pairs.values(np.maximum(index, 0))
    return Text(pairs.block, text.start, np.where(index >= 0, text.stop, text.start))


def _attributes(pairs: Pairs, index: Positions, size: int) -> pl.Series:
    """Pairs and words as the JSON text of one object per record, null where a record has none."""
    if not len(index):
        return nulls(pl.String(), size)
    values = pairs.unescaped(index)
    words = np.flatnonzero(~pairs.pair[index])
    if len(words):
        values = values.scatter(words, "true")
    return json_objects(pairs.row[index], pairs.keys(index), values, size)

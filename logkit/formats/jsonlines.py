"""JSON lines: one object per line, whatever its keys are called."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl

from logkit.formats.base import NO_TIME, Facts, Parsed, TimeRules
from logkit.formats.block import Lines, Mask, Positions, Records, Text
from logkit.formats.columns import doubles, nulls
from logkit.formats.distinct import distinct
from logkit.formats.frames import messages, nothing, ordered, spread, wanted
from logkit.formats.jsonquery import extract, extract_if_valid, json_texts, valid_json, without
from logkit.formats.jsonscan import Scan, can_scan, scan
from logkit.formats.keys import HEAD_RECORDS, Field, Path, Sample, choose_fields
from logkit.formats.levels import NONE, as_levels
from logkit.formats.values import instants, instants_of, integers_of, milliseconds_of, ranks_of, text_of

REASON: Final = "not a JSON object"
_DEPTH: Final = 3  # levels of nesting in which the head is searched for the names we know
_SHARE: Final = 0.5  # of the head's lines that must be objects
_OPEN: Final = ord("{")


@dataclass(frozen=True, slots=True)
class JsonLines:
    """JSON lines read into `fields`; what they leave of an object is the JSON text in column `attributes`.

    Made from a file's head by `from_head`. Values of own columns are Strings as JSON writes them (nested ones as JSON
    text), but for the numbers of `schema.NUMBERS`. A value that its column cannot hold stays in `attributes`, as do
    keys first met later. `message` is the record's text where the object has none; `service` is null then.
    """

    fields: tuple[Field, ...] = ()
    name: str = "json"
    leftovers: bool = True
    """Whether most objects are expected to have keys besides the fields; a hint that changes speed only."""

    @property
    def multiline(self) -> bool:
        return False

    @property
    def splittable(self) -> bool:
        return True

    @classmethod
    def from_head(cls, head: bytes, *, max_fields: int = 32) -> JsonLines | None:
        """The format of a file that begins with `head`; None where its lines are not JSON objects.

        At most `max_fields` scalar keys besides the common ones become own columns.
        """
        samples = _samples(head)
        if samples is None:
            return None
        fields = choose_fields([sample for sample, _ in samples], max_fields=max_fields)
        known = {field.key for field in fields}
        left = sum(not keys <= known for _, keys in samples)
        return cls(fields, leftovers=2 * left > len(samples))

    def starts(self, lines: Lines) -> Mask:
        """Every line that is not blank is a record."""
        return ~lines.blank()

    def parse(self, records: Records, times: TimeRules, *, stats_only: bool = False) -> Parsed:
        """Read the records; those that are no JSON object are not ok."""
        fields = wanted(self.fields, stats_only=stats_only)
        if not can_scan(fields):
            return self._query(records, fields, times, stats_only=stats_only)
        found = scan(records, fields)
        if not found.sure.any():
            return self._query(records, fields, times, stats_only=stats_only)
        if found.sure.all():
            return _scanned(found, fields, records, times, stats_only=stats_only)
        good, odd = np.flatnonzero(found.sure), np.flatnonzero(~found.sure)
        part = self._query(records.take(odd), fields, times, stats_only=stats_only)
        frame = _scanned(found.take(good), fields, records.take(good), times, stats_only=stats_only).frame
        order, ok = np.empty(len(records), np.int64), found.sure.copy()
        order[good], order[odd], ok[odd] = np.arange(len(good)), np.arange(len(good), len(order)), part.ok
        return Parsed(pl.concat([frame, part.frame])[order], ok, REASON)

    def facts(self, records: Records, times: TimeRules) -> Facts | None:
        """What statistics need of the records: see `base.Counting`."""
        fields = wanted(self.fields, stats_only=True)
        if not can_scan(fields):
            return None
        found = scan(records, fields)
        facts = _facts(found.texts, fields, times, found.sure)
        odd = np.flatnonzero(~found.sure)
        if not len(odd):
            return facts
        if 2 * len(odd) > len(records):
            return None
        part = self._query(records.take(odd), fields, times, stats_only=True)
        return _merged(facts, odd, part)

    def _query(self, records: Records, fields: tuple[Field, ...], times: TimeRules, *, stats_only: bool) -> Parsed:
        """Any records, by DuckDB."""
        ok = _opening(records)
        chosen = records if ok.all() else records.take(ok)
        if not len(chosen):
            return Parsed(nothing(fields, len(records), stats_only=stats_only), ok, REASON)
        texts = json_texts(chosen)
        more = not stats_only and not self.leftovers
        table = extract_if_valid(texts, fields, more=more)
        if table is None:
            # One bad line fails the whole query: only then is each line asked whether it is well-formed.
            ok[ok] = valid_json(texts)
            chosen = records.take(ok)
            table = extract(json_texts(chosen), fields, more=more)
        # Times have a blank behind them.
        columns = [text_of(table.column(index), field.timed) for index, field in enumerate(fields)]
        left = table.column(len(fields)).to_numpy().astype(np.bool_) if more else np.ones(len(chosen), np.bool_)
        facts = _facts(columns, fields, times, np.ones(len(chosen), np.bool_))
        frame = _frame(columns, left, fields, chosen, facts, stats_only=stats_only)
        return Parsed(spread(frame, ok), ok, REASON)


def _samples(head: bytes) -> list[tuple[Sample, set[str]]] | None:
    """The flattened objects of the head's lines and their keys, or None where too few lines are objects."""
    lines = head.removeprefix(b"\xef\xbb\xbf").split(b"\n", HEAD_RECORDS)
    whole = lines[:-1] or lines  # the last line may be cut off
    objects: list[dict[str, object]] = []
    written = 0
    for line in whole:
        if not line.strip():
            continue
        written += 1
        value = _loads(line)
        if isinstance(value, dict):
            objects.append(value)
    if not objects or len(objects) < _SHARE * written:
        return None
    return [(dict(_scalars(found, ())), set(found)) for found in objects]


def _loads(line: bytes) -> object:
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        return json.loads(line.decode("utf-8", "replace"), parse_int=str)
    except (ValueError, RecursionError):
        return None


def _scalars(found: dict[str, object], above: Path) -> Iterator[tuple[Path, object]]:
    for key, value in found.items():
        path = (*above, key)
        if isinstance(value, dict):
            if len(path) < _DEPTH:
                yield from _scalars(value, path)
        elif not isinstance(value, list):
            yield path, value


def _opening(records: Records) -> Mask:
    """Which records begin with a brace, after blanks."""
    raw = records.block.bytes
    opening: Mask = raw[records.start] == _OPEN
    if not opening.all():
        indented = np.flatnonzero(~opening & (raw[records.start] <= 32))
        opening[indented] = raw[records.take(indented).whole().strip(b" \t\r\n").start] == _OPEN
    return opening


def _scanned(found: Scan, fields: tuple[Field, ...], records: Records, times: TimeRules, *, stats_only: bool) -> Parsed:
    """Records of which a kernel is certain."""
    facts = _facts(found.texts, fields, times, found.sure)
    frame = _frame(found.texts, found.more(fields), fields, records, facts, stats_only=stats_only)
    return Parsed(frame, found.sure, REASON, facts)


def _facts(found: Sequence[tuple[Text, Mask]], fields: tuple[Field, ...], times: TimeRules, ok: Mask) -> Facts:
    """What statistics need of records; of those that are not ok it may say anything."""
    size = len(ok)
    facts = Facts(np.full(size, NO_TIME), np.full(size, NONE, np.uint8), [], np.full(size, -1), None, ok, REASON)
    for field, (text, valid) in zip(fields, found, strict=True):
        if field.timed:
            us, read = instants_of(text, valid, times, field.detail)
            facts = replace(facts, us=us if read.all() else np.where(read, us, NO_TIME))
        elif field.kind == "level":
            facts = replace(facts, level=ranks_of(text, valid, field.detail))
        elif field.kind == "duration":
            facts = replace(facts, duration_ms=milliseconds_of(text, valid, float(field.detail)))
        elif field.column == "service":
            services, service = distinct(text)
            facts = replace(facts, services=services, service=service if valid.all() else np.where(valid, service, -1))
    return facts


def _merged(facts: Facts, rows: Positions, rest: Parsed) -> Facts:
    """The facts, those of some rows taken from what was parsed of them."""
    frame, size = rest.frame, len(facts)
    us, level, service, ok = facts.us.copy(), facts.level.copy(), facts.service.copy(), facts.ok.copy()
    us[rows] = frame["timestamp"].cast(pl.Int64).fill_null(NO_TIME).to_numpy()
    level[rows] = frame["level"].to_physical().fill_null(NONE).to_numpy()
    place = {name: at for at, name in enumerate(dict.fromkeys((*facts.services, *frame["service"].drop_nulls())))}
    service[rows] = [-1 if name is None else place[name] for name in frame["service"].to_list()]
    ok[rows] = rest.ok
    duration = facts.duration_ms
    if "duration_ms" in frame.columns:
        duration = np.full(size, np.nan) if duration is None else np.array(duration)
        duration[rows] = frame["duration_ms"].fill_null(np.nan).to_numpy()
    return Facts(us, level, list(place), service, duration, ok, REASON)


def _frame(
    found: Sequence[tuple[Text, Mask]],
    left: Mask,
    fields: tuple[Field, ...],
    records: Records,
    facts: Facts,
    *,
    stats_only: bool,
) -> pl.DataFrame:
    """The columns of records that are all objects; `left` are those with keys that the fields do not account for."""
    columns: dict[str, pl.Series] = {}
    lost = np.zeros(len(records), np.bool_)
    for (text, valid), field in zip(found, fields, strict=True):
        series = _read(field, text, valid, facts)
        columns[field.column] = series
        if field.converted and field.key is not None and series.null_count():
            lost |= series.is_null().to_numpy() & valid
    if not stats_only:
        columns["attributes"] = _attributes(left, fields, records, lost)
        columns["message"] = messages(columns.get("message"), records)
    return ordered(columns, len(records), stats_only=stats_only)


def _attributes(left: Mask, fields: tuple[Field, ...], records: Records, lost: Mask) -> pl.Series:
    """The JSON text of what the fields leave of each object, null where that is nothing."""
    rest = _left(nulls(pl.String(), len(records)), records, left & ~lost, fields)
    # What a column could not hold must not vanish: such records keep the keys of all converted columns.
    return _left(rest, records, lost, tuple(field for field in fields if not field.converted))


def _left(rest: pl.Series, records: Records, rows: Mask, fields: tuple[Field, ...]) -> pl.Series:
    """`rest`, in some rows the JSON text of the object without the keys of the fields."""
    if rows.all():
        return without(json_texts(records), fields) if len(records) else rest
    if not rows.any():
        return rest
    return rest.scatter(np.flatnonzero(rows), without(json_texts(records.take(rows)), fields))


def _read(field: Field, text: Text, valid: Mask, facts: Facts) -> pl.Series:
    """A field's column."""
    if field.timed:
        return instants(facts.us, facts.us != NO_TIME)
    if field.kind == "level":
        return as_levels(facts.level)
    if field.kind == "duration" and facts.duration_ms is not None:
        return doubles(facts.duration_ms)
    series = text.series(field.column, None if valid.all() else valid)
    if field.kind == "integer":
        return integers_of(series)
    return series.str.strip_chars_end("\r\n") if field.kind == "line" else series

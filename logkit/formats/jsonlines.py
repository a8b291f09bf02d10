"""JSON lines: one object per line, whatever its keys are called."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from logkit.formats.base import Parsed, TimeRules
from logkit.formats.block import Lines, Mask, Records
from logkit.formats.frames import messages, nothing, ordered, spread, wanted
from logkit.formats.jsonquery import as_series, extract, extract_if_valid, json_texts, valid_json, without
from logkit.formats.keys import HEAD_RECORDS, Field, Path, Sample, choose_fields
from logkit.formats.values import durations_of, integers_of, levels_of, nulls, text_of, times_of

if TYPE_CHECKING:
    import pyarrow as pa

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
        frame = _frame(table, fields, chosen, times, stats_only=stats_only)
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


def _frame(
    table: pa.Table, fields: tuple[Field, ...], records: Records, times: TimeRules, *, stats_only: bool
) -> pl.DataFrame:
    """The columns of records that are all objects."""
    columns: dict[str, pl.Series] = {}
    lost = np.zeros(len(records), np.bool_)
    for index, field in enumerate(fields):
        column = table.column(index)
        series = _read(field, column, times).rename(field.column)
        columns[field.column] = series
        if field.converted and field.key is not None and series.null_count() > column.null_count:
            lost |= series.is_null().to_numpy() & column.is_valid().to_numpy()
    if not stats_only:
        columns["attributes"] = _attributes(table, fields, records, lost)
        columns["message"] = messages(columns.get("message"), records)
    return ordered(columns, len(records), stats_only=stats_only)


def _attributes(table: pa.Table, fields: tuple[Field, ...], records: Records, lost: Mask) -> pl.Series:
    """The JSON text of what the fields leave of each object, null where that is nothing."""
    flagged = table.num_columns > len(fields)
    more = table.column(len(fields)).to_numpy().astype(np.bool_) if flagged else np.ones(len(records), np.bool_)
    rest = _left(nulls(pl.String(), len(records)), records, more & ~lost, fields)
    # What a column could not hold must not vanish: such records keep the keys of all converted columns.
    return _left(rest, records, lost, tuple(field for field in fields if not field.converted))


def _left(rest: pl.Series, records: Records, rows: Mask, fields: tuple[Field, ...]) -> pl.Series:
    """`rest`, in some rows the JSON text of the object without the keys of the fields."""
    if rows.all():
        return without(json_texts(records), fields) if len(records) else rest
    if not rows.any():
        return rest
    return rest.scatter(np.flatnonzero(rows), without(json_texts(records.take(rows)), fields))


def _read(field: Field, column: pa.ChunkedArray, times: TimeRules) -> pl.Series:
    if field.kind in ("time", "instant"):
        return times_of(*text_of(column, 1), times, field.detail)
    if field.kind == "level":
        return levels_of(*text_of(column), field.detail)
    series = as_series(column)
    if field.kind == "duration":
        return durations_of(series, float(field.detail))
    if field.kind == "integer":
        return integers_of(series)
    return series.str.strip_chars_end("\r\n") if field.kind == "line" else series

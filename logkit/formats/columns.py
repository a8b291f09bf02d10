"""From the fields a format found to the columns of an event: what templates and regular expressions share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, cast, get_args

import numpy as np
import numpy.typing as npt
import polars as pl

from logkit.errors import FormatError
from logkit.formats.base import NO_TIME, Facts
from logkit.formats.block import Block, Mask, Text
from logkit.formats.decimals import read_decimals
from logkit.formats.distinct import distinct
from logkit.formats.levels import (
    NONE,
    Codes,
    LevelWords,
    as_levels,
    level_codes,
    levels_from_status,
    levels_from_syslog,
    read_levels,
    status_codes,
)
from logkit.schema import LEVEL, LEVELS, NUMBERS, TIMESTAMP

Ints = npt.NDArray[np.int64]
Column = Text | pl.Series
"""A field of every record, as positions in the block or as strings."""

SERVICES: Final = ("service", "app", "program", "logger")
"""Fields that name the service; the first one a format has."""

DURATIONS: Final = {"duration_ms": 1.0, "duration_s": 1e3, "duration_us": 1e-3, "duration_ns": 1e-6}
"""Fields that become `duration_ms`, and the milliseconds of their unit."""

LEVEL_KINDS: Final = (*get_args(LevelWords), "status", "syslog", "none")
"""Where levels come from: a word in `level`, an HTTP `status`, a syslog priority in `pri`, nowhere."""

LevelKind = str | tuple[tuple[str, str], ...]
"""One of `LEVEL_KINDS`, or what a format writes in `level` with the level each means (else it is read as a word)."""

_LEADING_LEVEL: Final = (
    r"^(?:<[0-9]>)?\[?(?:(TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL)\]?[: ]"
    r"|((?i:trace|debug|info|notice|warn|warning|err|error|crit|critical|alert|emerg|fatal|panic))(?:: |\] ))"
)
_SOURCES: Final = {"status": "status", "syslog": "pri"}


def check_levels(name: str, kind: LevelKind, fields: Iterable[str]) -> None:
    """FormatError where a format's levels come from nowhere it has."""
    if isinstance(kind, tuple):
        if unknown := sorted({level for _, level in kind} - set(LEVELS)):
            message = f"format {name!r}: expected levels= to give one of {', '.join(LEVELS)}, found {unknown[0]!r}"
            raise FormatError(message, name=name)
        return
    if kind not in LEVEL_KINDS:
        raise FormatError(
            f"format {name!r}: expected levels= one of {', '.join(LEVEL_KINDS)}, found {kind!r}", name=name
        )
    wanted = _SOURCES.get(kind)
    if wanted and wanted not in fields:
        message = f"format {name!r}: expected a field {{{wanted}}} for levels={kind!r}, found none; try levels='none'"
        raise FormatError(message, name=name)


def build_frame(
    fields: Mapping[str, Column],
    ok: Mask,
    us: Ints | None,
    timed: Mask | None,
    *,
    levels: LevelKind = "words",
    whole: Text | None = None,
    stats_only: bool = False,
    facts: Facts | None = None,
) -> pl.DataFrame:
    """The columns of events, in the schema's order, then the format's own fields as they come.

    `us` are times since 1970 in UTC, known where `timed`. Empty fields are null, but for `message`; without a
    `message` the `whole` text is one. Fields of `schema.NUMBERS` are numbers, null where they do not read as such;
    `duration_s` and its like become `duration_ms`. Rows that are not `ok` hold nulls. What `facts` of
    the same rows tell is taken from them.
    """
    sound = bool(ok.all())
    size = len(ok)
    columns = {
        "timestamp": _timestamps(us, timed, ok, size),
        "level": nulled(_levels(levels, fields, size) if facts is None else as_levels(facts.level), ok),
        "service": _service(fields, None if sound else ok, size),
    }
    if facts is not None and facts.duration_ms is not None:
        columns["duration_ms"] = doubles(facts.duration_ms)
    for name, milliseconds in DURATIONS.items():
        if name in fields and "duration_ms" not in columns:
            number = _strings(name, fields[name], None if sound else ok).cast(pl.Float64, strict=False)
            columns["duration_ms"] = number * milliseconds
    if not stats_only:
        message = fields.get("message", whole)
        columns["message"] = _message(message, None if sound else ok, size)
        for name, column in fields.items():
            if name in columns or name in DURATIONS or name == "timestamp":
                continue
            series = _strings(name, column, None if sound else ok)
            columns[name] = series.cast(NUMBERS[name], strict=False) if name in NUMBERS else series
    first = ("timestamp", "level", "service", "message")
    order = [name for name in first if name in columns] + [name for name in columns if name not in first]
    return pl.DataFrame([columns[name].alias(name) for name in order])


def build_facts(
    fields: Mapping[str, Text], ok: Mask, us: Ints, timed: Mask, *, levels: LevelKind, reason: str
) -> Facts:
    """What `build_frame` makes for statistics, without the frame."""
    size, sound = len(ok), None if bool(ok.all()) else ok
    codes = _codes(levels, fields, size)
    if codes is None:
        codes = _levels(levels, fields, size).to_physical().fill_null(NONE).to_numpy()
    services, service = _names(fields, sound, size)
    duration = None
    for name, milliseconds in DURATIONS.items():
        if name in fields and duration is None:
            duration = _numbers(fields[name] if sound is None else _within(fields[name], sound)) * milliseconds
    return Facts(us if timed.all() else np.where(timed, us, NO_TIME), codes, services, service, duration, ok, reason)


def _numbers(text: Text) -> npt.NDArray[np.float64]:
    """The numbers that fields hold, NaN where there is none."""
    values, known = read_decimals(text)
    odd = np.flatnonzero(~known)
    if len(odd):
        values[odd] = text.take(odd).series().cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
    return values


def _names(fields: Mapping[str, Text], ok: Mask | None, size: int) -> tuple[list[str], Ints]:
    name = next((name for name in SERVICES if name in fields), None)
    if name is None:
        return [], np.full(size, -1, np.int64)
    services, service = distinct(_within(fields[name], ok))
    if "" in services:
        service = np.where(service == services.index(""), -1, service)
    return services, service


def has_level(kind: LevelKind, text: Text | None, size: int) -> Mask:
    """Which of `size` records name a level, or leave it out; all do where levels do not come from a word in a field."""
    if text is not None and isinstance(kind, tuple):
        known: Mask = _mapped(kind, text).is_not_null().to_numpy() | (text.start == text.stop)
        return known
    if text is None or kind not in get_args(LevelWords):
        return np.ones(size, np.bool_)
    result: Mask = (level_codes(text, cast(LevelWords, kind)) != NONE) | (text.start == text.stop)
    return result


def dashes_empty(text: Text) -> Text:
    """The texts with those that are a lone `-` made empty."""
    dash = (text.stop - text.start == 1) & (text.block.bytes[text.start] == 45)
    return Text(text.block, text.start, text.stop - dash) if dash.any() else text


def text_of(series: pl.Series) -> tuple[Text, Mask]:
    """A String series as positions in a block of its own, and where it is not null (null is empty)."""
    import pyarrow as pa

    if not len(series):
        return Text(Block.of(b""), np.zeros(0, np.int64), np.zeros(0, np.int64)), np.zeros(0, np.bool_)
    # Something between them, so that no value seems to go on in the next one.
    apart = (series.fill_null("") if series.null_count() else series) + "\n"
    array = apart.rechunk().to_arrow().cast(pa.large_string())
    _, offsets, data = array.buffers()
    at = np.frombuffer(offsets, np.int64, len(array) + 1, array.offset * 8)
    return Text(Block.of(data.to_pybytes()), at[:-1].copy(), at[1:] - 1), series.is_not_null().to_numpy()


def nulls(dtype: pl.DataType | type[pl.DataType], size: int) -> pl.Series:
    """A series of nulls."""
    return pl.Series([None], dtype=dtype).new_from_index(0, size)


def nulled(series: pl.Series, valid: Mask) -> pl.Series:
    """The series, null where not `valid`."""
    return series if valid.all() else series.zip_with(pl.Series(valid), nulls(series.dtype, len(series)))


def doubles(values: npt.NDArray[np.float64]) -> pl.Series:
    """Numbers as a Float64 series, null where they are NaN."""
    return pl.Series(values, nan_to_null=True)


def _timestamps(us: Ints | None, timed: Mask | None, ok: Mask, size: int) -> pl.Series:
    if us is None or timed is None:
        return nulls(TIMESTAMP, size)
    return nulled(pl.Series(us, dtype=pl.Int64).cast(TIMESTAMP), timed & ok)


def _levels(kind: LevelKind, fields: Mapping[str, Column], size: int) -> pl.Series:
    codes = _codes(kind, fields, size)
    if codes is not None:
        return as_levels(codes)
    column = fields["level" if isinstance(kind, tuple) else _SOURCES.get(kind, "level")]
    if isinstance(kind, tuple):
        return _mapped(kind, column)
    if kind == "status":
        return levels_from_status(_strings(kind, column, None))
    levels = _syslog_levels(_strings("pri", column, None), fields.get("message"))
    return _else_word(levels, fields["level"]) if "level" in fields else levels


def _codes(kind: LevelKind, fields: Mapping[str, Column], size: int) -> Codes | None:
    """Ranks in `schema.LEVELS`, where they can be told without strings."""
    column = fields.get("level" if isinstance(kind, tuple) else _SOURCES.get(kind, "level"))
    if column is None or kind == "none":
        return np.full(size, NONE, np.uint8)
    if kind == "status":
        return status_codes(column) if isinstance(column, Text) else None
    if isinstance(kind, tuple) or kind in _SOURCES:
        return None
    return level_codes(column if isinstance(column, Text) else text_of(column)[0], cast(LevelWords, kind))


def _mapped(kind: tuple[tuple[str, str], ...], column: Column) -> pl.Series:
    """The levels of what a format writes its own way; what it does not name is read as a word."""
    strings = column.series() if isinstance(column, Text) else column
    known = strings.replace_strict(dict(kind), default=None, return_dtype=LEVEL)
    if not known.null_count():
        return known
    text = column if isinstance(column, Text) else text_of(column)[0]
    return known.zip_with(known.is_not_null(), read_levels(text, "words"))


def _syslog_levels(priority: pl.Series, message: Column | None) -> pl.Series:
    """The level the priority says; without one, that of a word in capitals that the message begins with."""
    levels = levels_from_syslog(priority)
    if message is None or not levels.null_count():
        return levels
    text = message.series() if isinstance(message, Text) else message
    word = text.str.extract(_LEADING_LEVEL, 1).fill_null(text.str.extract(_LEADING_LEVEL, 2))
    if word.null_count() == len(word):
        return levels
    return levels.zip_with(levels.is_not_null(), read_levels(text_of(word)[0], "words"))


def _else_word(levels: pl.Series, column: Column) -> pl.Series:
    """The levels, and where there is none that of the word in a field."""
    text = column if isinstance(column, Text) else text_of(column)[0]
    return levels.zip_with(levels.is_not_null(), read_levels(text, "words"))


def _service(fields: Mapping[str, Column], ok: Mask | None, size: int) -> pl.Series:
    name = next((name for name in SERVICES if name in fields), None)
    return nulls(pl.String, size) if name is None else _strings("service", fields[name], ok)


def _message(column: Column | None, ok: Mask | None, size: int) -> pl.Series:
    if column is None:
        return nulls(pl.String, size)
    if isinstance(column, Text):
        return _within(column, ok).series("message", ok)
    return column if ok is None else nulled(column, ok)


def _strings(name: str, column: Column, ok: Mask | None) -> pl.Series:
    """A field as strings, null where it is empty."""
    if isinstance(column, pl.Series):
        column = column.alias(name)
        if (empty := column == "").any():
            column = nulled(column, ~empty.fill_null(True).to_numpy())
        return column if ok is None else nulled(column, ok)
    text = _within(column, ok)
    filled = text.start < text.stop
    return text.series(name, None if filled.all() else filled)


def _within(text: Text, ok: Mask | None) -> Text:
    """The text, empty in rows whose positions mean nothing."""
    return text if ok is None else Text(text.block, text.start * ok, text.stop * ok)

"""What `where` and `between` ask, as a value: checked once, then put to rows or to statistics."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from logkit import schema
from logkit.analysis.rows import COLUMNS, free, paths_of
from logkit.errors import NeedsEvents, SettingError
from logkit.sinks.filters import RowFilter, dtype_of
from logkit.stats import NO_LEVEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from logkit.capture import Capture, EventFrame
    from logkit.stats import Stats

_OF_SOURCE: Final = ("file", "source", "generation")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_US: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Condition:
    """Rows of which each column named in `fields` holds one of the values given for it (`None`: holds nothing),
    with a time in [start_us, stop_us), µs since 1970, and of this `trace` (their `trace_id` is that, or their message
    has it in it), where that is given."""

    fields: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    start_us: int | None = None
    stop_us: int | None = None
    trace: str | None = None

    def __str__(self) -> str:
        said = [f"{name}={list(v) if len(v) != 1 else repr(v[0])}" for name, v in self.fields.items()]
        if self.start_us is not None:
            said.append(f"from {time_text(self.start_us)}")
        if self.stop_us is not None:
            said.append(f"before {time_text(self.stop_us)}")
        if self.trace is not None:
            said.append(f"of trace {self.trace!r}")
        return ", ".join(said)

    def rows(self, frames: Iterable[EventFrame], capture: Capture) -> tuple[EventFrame, ...]:
        """The frames, each with only the rows that fulfil it."""
        paths = paths_of(capture)
        kept = []
        for part in frames:
            place = (paths.get((part.source, part.generation), ""), part.source, part.generation)
            if not self._of_place(place):
                continue
            own = free(part.frame)  # fields are asked for by the names they have in snap.events
            tests = self._tests(own)
            found = own.filter(*tests) if tests else own
            if found.height == part.frame.height:
                kept.append(part)
            elif found.height:
                names = dict(zip(own.columns, part.frame.columns, strict=True))
                kept.append(replace(part, frame=found if own is part.frame else found.rename(names)))
        return tuple(kept)

    def pushed(self, capture: Capture) -> RowFilter:
        """The same condition for the rows of a store."""
        given = {name: values for name, values in self.fields.items() if name not in _OF_SOURCE}
        sources = None
        if len(given) < len(self.fields):
            sources = tuple(key for key, path in paths_of(capture).items() if self._of_place((path, *key)))
        fields = tuple((name, _stored(name, values)) for name, values in given.items())
        return RowFilter(fields, self.start_us, self.stop_us, sources, trace=self.trace)

    def of_stats(self, stats: Stats) -> Stats:
        """The part of `stats` that fulfils it; raises NeedsEvents where only rows could tell."""
        others = [name for name in self.fields if name not in ("service", "level")]
        if others:
            raise needs_events(self, f"by {', '.join(others)}", "where() by service and level works without them")
        services, levels = self.fields.get("service"), self.fields.get("level")
        found = stats.where(
            None if services is None else {str(name) for name in services if name is not None},
            None if levels is None else {NO_LEVEL if level is None else str(level) for level in levels},
            self.start_us,
            self.stop_us,
        )
        if found is not None:
            return found
        if self.start_us is None and self.stop_us is None:
            raise needs_events(self, "by a service that may be counted under '(other)'", "ask for one of snap.services")
        width = max(stats.width_us, stats.bin_width_us)
        start = None if self.start_us is None else self.start_us // width * width
        stop = None if self.stop_us is None else -(-self.stop_us // width) * width
        bounds = ", ".join(repr(None if us is None else time_text(us)) for us in (start, stop))
        raise needs_events(self, "inside of a time bucket", f"between({bounds}) falls between buckets")

    def _of_place(self, place: tuple[str, int, int]) -> bool:
        return all(at in self.fields.get(name, (at,)) for name, at in zip(_OF_SOURCE, place, strict=True))

    def _tests(self, rows: pl.DataFrame) -> list[pl.Expr]:
        tests = [one_of(name, values, rows) for name, values in self.fields.items() if name not in _OF_SOURCE]
        time = pl.col("timestamp").dt.timestamp("us")
        if self.start_us is not None:
            tests.append((time >= self.start_us).fill_null(False))
        if self.stop_us is not None:
            tests.append((time < self.stop_us).fill_null(False))
        if self.trace is not None:
            said = pl.col("message").str.contains(self.trace, literal=True).fill_null(False)
            tests.append(said | one_of("trace_id", (self.trace,), rows))
        return tests


def needs_events(asked: Condition, how: str, instead: str) -> NeedsEvents:
    """The error that says why statistics do not tell, and what would."""
    message = f"expected all rows to be kept to select {how}, found that some were dropped; try {instead}, "
    return NeedsEvents(message + "or read again with a higher keep_events and keep_bytes", question=str(asked))


def one_of(name: str, values: tuple[object, ...], rows: pl.DataFrame) -> pl.Expr:
    """Where the column holds one of `values`; a column the frame does not have holds nothing."""
    if name not in rows.columns:
        return pl.repeat(None in values, rows.height)
    column, given = pl.col(name), _typed(name, values, rows.schema[name])
    found = column.is_in(given.implode()).fill_null(False)
    return found | column.is_null() if None in values else found


def _typed(name: str, values: tuple[object, ...], dtype: pl.DataType) -> pl.Series:
    """Those of `values` that are one, as the column they are looked for in holds them."""
    try:
        return pl.Series([value for value in values if value is not None], dtype=dtype, strict=True)
    except (TypeError, OverflowError, pl.exceptions.PolarsError) as error:
        shown = values[0] if len(values) == 1 else list(values)
        message = f"expected {name} as {dtype}, which is what that column holds, found {shown!r}"
        raise SettingError(message, setting=name, value=shown) from error


def _stored(name: str, values: tuple[object, ...]) -> tuple[object, ...]:
    """The same as a store takes them: times in µs since 1970."""
    given = _typed(name, values, dtype_of(name))
    given = given.dt.timestamp("us") if given.dtype == schema.TIMESTAMP else given
    return (*given.to_list(), *([None] if None in values else []))


def own_fields(frames: Iterable[EventFrame]) -> set[str] | None:
    """The columns of `snap.events` beside `COLUMNS` that these rows have; None where there is no row."""
    own = [set(free(part.frame).columns) for part in frames if part.frame.height]
    return set().union(*own) if own else None


def fields(given: Mapping[str, Any], min_level: str | None, own: Callable[[], set[str] | None]) -> Condition:
    """The condition that `where(**given)` asks for; raises SettingError for a level that is none, and for a field
    that is neither one of `COLUMNS` nor one of `own()` (None: there are no events yet that could have one)."""
    wanted = {name: _values(value) for name, value in given.items()}
    if "level" in wanted:
        wanted["level"] = tuple(None if level is None else level_name(level) for level in wanted["level"])
    if min_level is not None:
        above = schema.LEVELS[schema.LEVELS.index(level_name(min_level)) :]
        wanted["level"] = tuple(level for level in above if level in wanted.get("level", above))
    unknown = [name for name in wanted if name not in COLUMNS]
    if unknown and (found := own()) is not None:
        _check_known(unknown, {*COLUMNS, *found}, given)
    return Condition(wanted)


def _check_known(names: Iterable[str], known: set[str], given: Mapping[str, Any]) -> None:
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=3) or sorted(known)
            message = f"expected a column of snap.events, found {name!r}; try {', '.join(near)}"
            raise SettingError(message, setting=name, value=given.get(name))


def time_range(start: object, end: object) -> Condition:
    """The condition that `between(start, end)` asks for."""
    start_us, stop_us = time_us(start, "start"), time_us(end, "end")
    if start_us is not None and stop_us is not None and start_us > stop_us:
        message = f"expected a start before the end, found {time_text(start_us)} and {time_text(stop_us)}"
        raise SettingError(message + "; try them the other way round", setting="start", value=start)
    return Condition({}, start_us, stop_us)


def _values(value: object) -> tuple[object, ...]:
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        return (os.fspath(value) if isinstance(value, os.PathLike) else value,)
    return tuple(os.fspath(one) if isinstance(one, os.PathLike) else one for one in value)


def level_name(level: object) -> str:
    """The level called so, in capitals or not."""
    name = str(level).upper()
    if name not in schema.LEVELS:
        near = get_close_matches(name, schema.LEVELS, n=1) or schema.LEVELS
        message = f"expected one of {', '.join(schema.LEVELS)}, found {level!r}; try {near[0]!r}"
        raise SettingError(message, setting="level", value=level)
    return name


def time_us(value: object, setting: str) -> int | None:
    """An instant as µs since 1970: a datetime or pandas Timestamp, a date, or ISO 8601 text; without a zone UTC.

    `None` is no bound.
    """
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else value
        if isinstance(found, date) and not isinstance(found, datetime):
            found = datetime(found.year, found.month, found.day)
        if not isinstance(found, datetime) or found != found:
            raise TypeError(f"{type(value).__name__} is no instant")
    except (TypeError, ValueError) as error:
        message = f"expected {setting} as a datetime or ISO 8601 text, found {value!r}; try '2026-03-01T12:00:00Z'"
        raise SettingError(message, setting=setting, value=value) from error
    moment = found if found.tzinfo else found.replace(tzinfo=UTC)
    return int((moment - _EPOCH) // _US)


def time_text(us: int) -> str:
    """µs since 1970 as ISO 8601 text in UTC."""
    return (_EPOCH + us * _US).isoformat().replace("+00:00", "Z")

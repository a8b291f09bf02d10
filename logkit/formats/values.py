"""Values of structured logs -> times, levels, durations and integers: judged value by value, a column at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from logkit.formats.base import TimeRules
from logkit.formats.block import PAD, Block, Mask, Text
from logkit.formats.columns import nulled, nulls
from logkit.formats.decimals import read_decimals
from logkit.formats.levels import (
    NONE,
    Codes,
    LevelWords,
    as_levels,
    level_codes,
    levels_from_numbers,
    levels_from_otel,
    levels_from_syslog,
)
from logkit.formats.timefinder import find_times
from logkit.formats.timestamps import read_times
from logkit.schema import TIMESTAMP

if TYPE_CHECKING:
    import pyarrow as pa

_ISO: Final = "%F %T%f%z|%F %T%f|%Y/%m/%d %T%f|%Y/%m/%d %T%f%z"
_LAYOUTS: Final = {"": f"{_ISO}|%s", "number": f"%s|{_ISO}"}
_QUANTITY: Final = r"^\s*(-?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*([a-zµμ]*)\s*$"
_SPAN: Final = r"([0-9.]+)(h|ms|us|µs|μs|ns|m|s)"
_MILLISECONDS: Final = {
    "ns": 1e-6, "us": 1e-3, "µs": 1e-3, "μs": 1e-3, "ms": 1.0, "s": 1e3, "sec": 1e3, "secs": 1e3, "seconds": 1e3,
    "m": 6e4, "min": 6e4, "h": 3.6e6,
}  # fmt: skip


def text_of(column: pa.ChunkedArray, trailing: int = 0) -> tuple[Text, Mask]:
    """An Arrow string column as positions in a block of its own, and where it is not null.

    The last `trailing` bytes of each value are left out of its positions.
    """
    chunks = column.chunks
    size = sum(len(chunk) for chunk in chunks)
    starts, stops, valid = np.zeros(size, np.int64), np.zeros(size, np.int64), np.ones(size, np.bool_)
    data, row = bytearray(), 0
    for chunk in chunks:
        _, offsets, content = chunk.buffers()
        at = np.frombuffer(offsets, np.int32)[chunk.offset : chunk.offset + len(chunk) + 1].astype(np.int64)
        rows = slice(row, row + len(chunk))
        shift = len(data) - at[0]
        starts[rows], stops[rows] = at[:-1] + shift, at[1:] + shift
        if chunk.null_count:
            valid[rows] = chunk.is_valid().to_numpy(zero_copy_only=False)
        if content is not None:
            data += memoryview(content)[at[0] : at[-1]]
        row += len(chunk)
    length = len(data)
    data += bytes(PAD)
    return Text(Block(data, length), starts, np.maximum(stops - trailing, starts)), valid


def times_of(text: Text, valid: Mask, rules: TimeRules, layout: str = "") -> pl.Series:
    """Each value's instant as `schema.TIMESTAMP`, null where it is no time.

    A value is an ISO 8601 time, a number since 1970 (seconds, ms, µs or ns: its size tells), or, found more slowly,
    any other way `timefinder` knows to write a time. Which of them is tried first is all that `layout`
    ("" or "number") changes. No digit may follow a value in the text's block.
    """
    us, ok = instants_of(text, valid, rules, layout)
    return instants(us, ok)


def instants(us: npt.NDArray[np.int64], ok: Mask) -> pl.Series:
    """Times in µs since 1970 as `schema.TIMESTAMP`, null where not `ok`."""
    return nulled(pl.Series("timestamp", us).cast(TIMESTAMP), ok)


def instants_of(text: Text, valid: Mask, rules: TimeRules, layout: str = "") -> tuple[npt.NDArray[np.int64], Mask]:
    """As `times_of`: µs since 1970 in UTC, and which values are times."""
    us, ok = read_times(text, _LAYOUTS[layout], rules)
    ok &= valid
    todo = np.flatnonzero(valid & ~ok & (text.start < text.stop))
    if len(todo):
        us[todo], ok[todo] = _doubles(text.take(todo).series())
        todo = todo[~ok[todo]]
    if len(todo):
        rest = text.take(todo)
        found = find_times(rest, rules, 0)
        us[todo], ok[todo] = found.us, found.ok & (found.start == rest.start)
    return us, ok


def levels_of(text: Text, valid: Mask, scale: str) -> pl.Series:
    """Each value's level as `schema.LEVEL`, null where it is none; a word is a level on every scale.

    `scale` is one of those `keys.level_scale` tells apart.
    """
    return as_levels(ranks_of(text, valid, scale))


def ranks_of(text: Text, valid: Mask, scale: str) -> Codes:
    """As `levels_of`, as ranks in `schema.LEVELS`; `NONE` where it is no level."""
    kind: LevelWords = "letters" if scale == "letters" else "words"
    codes = level_codes(text, kind)
    codes[~valid] = NONE
    todo = np.flatnonzero((codes == NONE) & valid & (text.start < text.stop))
    if scale in _SCALES and len(todo):
        numbers = text.take(todo).series().cast(pl.Int64, strict=False)
        codes[todo] = _SCALES[scale](numbers).to_physical().fill_null(NONE).to_numpy()
    return codes


def durations_of(values: pl.Series, milliseconds: float) -> pl.Series:
    """Durations in ms as Float64: bare numbers in the unit given, others in the one they name (`1.5s`, `2m3s`)."""
    numbers = values.cast(pl.Float64, strict=False) * milliseconds
    if numbers.null_count() == values.null_count():
        return numbers
    odd = (numbers.is_null() & values.is_not_null()).arg_true()
    written = values.gather(odd).str.to_lowercase()
    parts = written.str.extract_groups(_QUANTITY).struct.unnest()
    unit = parts["2"].replace_strict(_MILLISECONDS, default=None, return_dtype=pl.Float64)
    read = parts["1"].cast(pl.Float64, strict=False) * unit
    if read.null_count():
        read = read.zip_with(read.is_not_null(), _spans(written))
    return numbers.scatter(odd, read)


def milliseconds_of(text: Text, valid: Mask, milliseconds: float) -> npt.NDArray[np.float64]:
    """As `durations_of`, of fields: NaN where there is none."""
    values, known = read_decimals(text)
    values *= milliseconds
    odd = np.flatnonzero(~known & valid)
    if len(odd):
        values[odd] = durations_of(text.take(odd).series(), milliseconds).fill_null(np.nan).to_numpy()
    return values if valid.all() else np.where(valid, values, np.nan)


def integers_of(values: pl.Series) -> pl.Series:
    """Integers as Int64 (`200`, also `200.0`), null where the text is none."""
    whole = values.cast(pl.Int64, strict=False)
    if whole.null_count() == values.null_count():
        return whole
    odd = (whole.is_null() & values.is_not_null()).arg_true()
    return whole.scatter(odd, values.gather(odd).str.extract(r"^(-?[0-9]{1,18})\.0+$").cast(pl.Int64, strict=False))


def _monolog(numbers: pl.Series) -> pl.Series:
    """Monolog's 100 DEBUG, 200 INFO, 250 notice, 300 WARN, 400 ERROR, 500 and above FATAL."""
    tens = pl.Series([None, 20, 30, 40, 50, 60, 60], dtype=pl.Int64)
    place = (numbers // 100).set(((numbers < 0) | (numbers >= 700)).fill_null(False), None)
    return levels_from_numbers(tens.gather(place.cast(pl.UInt32)))


_SCALES: Final = {
    "numbers": levels_from_numbers,
    "five": lambda numbers: levels_from_numbers((numbers + 2).clip(-1, 9) * 10),
    "syslog": levels_from_syslog,
    "otel": levels_from_otel,
    "python": lambda numbers: levels_from_numbers(numbers + 10),
    "monolog": _monolog,
}


def _doubles(values: pl.Series) -> tuple[npt.NDArray[np.int64], Mask]:
    """Numbers since 1970 written with an exponent (`1.7e9`), in µs: as exact as a double is."""
    numbers = values.cast(pl.Float64, strict=False).fill_null(0.0).fill_nan(0.0).to_numpy()
    factor = np.select([numbers < 1e11, numbers < 1e14, numbers < 1e17], [1e6, 1e3, 1.0], 1e-3)
    ok: Mask = (numbers >= 1e8) & (numbers < 9.2e18)
    return np.where(ok, numbers * factor, 0).astype(np.int64), ok


def _spans(written: pl.Series) -> pl.Series:
    """Go's spans (`1h2m3.5s`) in ms; null where a text is not made of quantities with units alone."""
    pieces = pl.DataFrame({"row": np.arange(len(written)), "written": written}).with_columns(
        pl.col("written").str.extract_all(_SPAN).alias("piece"),
        pl.col("written").str.contains(rf"^(?:{_SPAN})+$").alias("whole"),
    )
    each = pieces.filter("whole").explode("piece").with_columns(pl.col("piece").str.extract_groups(_SPAN).alias("part"))
    unit = pl.col("part").struct["2"].replace_strict(_MILLISECONDS, default=None, return_dtype=pl.Float64)
    value = pl.col("part").struct["1"].cast(pl.Float64, strict=False) * unit
    sums = each.group_by("row").agg(value.sum().alias("ms"))
    result = nulls(pl.Float64(), len(written))
    return result.scatter(sums["row"], sums["ms"]) if sums.height else result

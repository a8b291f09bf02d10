"""The frame of a structured format: what JSON lines and logfmt do alike once their values are found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from logkit.formats.block import Mask, Records
from logkit.formats.columns import nulls
from logkit.formats.keys import Field
from logkit.schema import LEVEL, NUMBERS, STATS_FIELDS, TIMESTAMP


def wanted(fields: Sequence[Field], *, stats_only: bool) -> tuple[Field, ...]:
    """The fields to read."""
    return tuple(field for field in fields if not stats_only or field.column in STATS_FIELDS)


def ordered(columns: dict[str, pl.Series], size: int, *, stats_only: bool) -> pl.DataFrame:
    """A frame with the common columns first, and nulls for those that the format lacks."""
    common: dict[str, pl.DataType] = {"timestamp": TIMESTAMP, "level": LEVEL, "service": pl.String()}
    if not stats_only:
        common |= {"message": pl.String()}
    absent = {name: nulls(dtype, size) for name, dtype in common.items() if name not in columns}
    columns = {**columns, **absent}
    order = [*common, *(name for name in columns if name not in common)]
    return pl.DataFrame([columns[name].alias(name) for name in order])


def nothing(fields: Sequence[Field], size: int, *, stats_only: bool) -> pl.DataFrame:
    """A frame of nulls with the columns that records would have."""
    plain = [field.column for field in fields if field.column not in ("timestamp", "level")]
    columns = {name: nulls(NUMBERS.get(name, pl.String()), size) for name in plain}
    if not stats_only:
        columns["attributes"] = nulls(pl.String(), size)
    return ordered(columns, size, stats_only=stats_only)


def spread(frame: pl.DataFrame, ok: Mask) -> pl.DataFrame:
    """The frame's rows where `ok`, rows of nulls elsewhere."""
    if ok.all():
        return frame
    place = pl.Series(np.cumsum(ok) - 1)
    return frame.select(pl.all().gather(place.zip_with(pl.Series(ok), nulls(place.dtype, len(place)))))


def messages(found: pl.Series | None, records: Records) -> pl.Series:
    """The messages, and the record's own text where there is none."""
    if found is not None and not found.null_count():
        return found
    whole = records.whole().series("message")
    return whole if found is None else found.zip_with(found.is_not_null(), whole)

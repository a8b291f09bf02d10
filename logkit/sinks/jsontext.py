"""JSON by columns: values and objects as text expressions, so that no row passes through Python."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import polars as pl

_REPLACED: Final = "\ufffd"


def value(name: str) -> pl.Expr:
    """A column's values as JSON. Polars writes structs alone, so each is cut out of one."""
    return pl.struct(pl.col(name).alias("v")).struct.json_encode().str.slice(5).str.head(-1)


def text(words: str) -> str:
    """A constant as JSON."""
    return json.dumps(words, ensure_ascii=False)


def member(name: str, written: pl.Expr, present: pl.Expr | None = None) -> pl.Expr:
    """`"name":value` of an object, null where the value is not present."""
    whole = pl.concat_str(pl.lit(f"{text(name)}:"), written)
    return whole if present is None else pl.when(present).then(whole)


def joined(pieces: Sequence[pl.Expr], opening: str, closing: str) -> pl.Expr:
    """Members of an object, or elements of an array, in brackets; those that are null are left out."""
    if not pieces:
        return pl.lit(opening + closing)
    return pl.concat_str(pl.lit(opening), pl.concat_str(pieces, separator=",", ignore_nulls=True), pl.lit(closing))


def without_nul(frame: pl.DataFrame) -> pl.DataFrame:
    """Texts without the one character that many databases cannot hold; U+FFFD stands in its place."""
    texts = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    return frame.with_columns(pl.col(name).str.replace_all("\0", _REPLACED, literal=True) for name in texts)

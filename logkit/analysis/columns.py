"""The one place where analysis asks a snapshot for rows: a Polars frame of the columns it names, and no others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

from logkit import schema
from logkit.errors import NeedsEvents

if TYPE_CHECKING:
    from logkit.snapshot import Snapshot

PATTERN = "pattern"
"""The column that only `with_patterns()` adds."""


def columns(snapshot: Snapshot, names: Sequence[str]) -> pl.DataFrame:
    """These columns of all rows, in the order of `snap.events`; one that no event has is all null.

    Raises NeedsEvents where events were counted but no row was kept. Where only some were kept, those are given.
    """
    frame = _frame(snapshot)
    if not frame.height and len(snapshot):
        raise NeedsEvents(
            f"expected rows of the {len(snapshot):,} events, found none kept; "
            "try to read again with a higher keep_events and keep_bytes",
            question=f"the columns {', '.join(names)}",
        )
    return frame.select(_column(name, frame) for name in names)


def fields(snapshot: Snapshot) -> dict[str, pl.DataType]:
    """The names and dtypes of all columns of `snap.events`."""
    return dict(_frame(snapshot).schema)


def _frame(snapshot: Snapshot) -> pl.DataFrame:
    return snapshot.frame


def _column(name: str, frame: pl.DataFrame) -> pl.Expr:
    if name in frame.columns:
        return pl.col(name)
    dtype = schema.COMMON.get(name) or schema.NUMBERS.get(name) or pl.String()
    return pl.lit(None, dtype=dtype).alias(name)

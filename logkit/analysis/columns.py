"""The one place where analysis asks a snapshot for rows: a Polars frame of the columns it names, and no others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import polars as pl

from logkit import schema
from logkit.analysis import rows
from logkit.errors import NeedsEvents

if TYPE_CHECKING:
    from logkit.analysis.conditions import Condition
    from logkit.snapshot import Snapshot

PATTERN = "pattern"
"""The column that only `with_patterns()` adds."""


PLACE: Final = ("source", "generation", "offset")
"""The columns that say which record a row is of: no two rows have all three alike."""

ROW: Final = "row"
"""A row's position in `snap.events`, where that is asked for among the columns."""


def columns(snapshot: Snapshot, names: Sequence[str], where: Condition | None = None) -> pl.DataFrame:
    """These columns of all rows that fulfil `where`, in the order of `snap.events`; one that no event has is all null.

    Raises NeedsEvents where events were counted but no row was kept. Where only some were kept, those are given.
    """
    need_rows(snapshot, f"the columns {', '.join(names)}")
    asked = [name for name in names if name != ROW]
    if ROW not in names:
        return _asked(snapshot, asked, where)
    if where is None:
        return _asked(snapshot, asked, None).with_row_index(ROW).select(names)
    found = _asked(snapshot, list(dict.fromkeys((*asked, *PLACE))), where)
    positions = rows.positions(found.select(PLACE), snapshot.rows.heights(), snapshot.rows.offsets, snapshot.capture)
    return found.with_columns(pl.Series(ROW, positions, pl.Int64)).select(names)


def place_at(snapshot: Snapshot, position: int) -> dict[str, int]:
    """The source, generation and offset of the row at that position of `snap.events`; raises IndexError."""
    kept = snapshot.rows
    source, generation, offset = rows.place_at(position, kept.heights(), kept.offsets, snapshot.capture)
    return dict(zip(PLACE, (source, generation, offset), strict=True))


def need_rows(snapshot: Snapshot, question: str, instead: str = "") -> None:
    """Raise NeedsEvents where events were counted but no row was kept; `instead` is what would do without rows."""
    # Asked first: of a selection in a store, how many events there are is told by counting all of its rows.
    if snapshot.dropped_events and snapshot.dropped_events >= len(snapshot):
        raise NeedsEvents(
            f"expected rows of the {len(snapshot):,} events, found none kept; "
            f"try to read again with {instead}a higher keep_events and keep_bytes",
            question=question,
        )


def _asked(snapshot: Snapshot, names: Sequence[str], where: Condition | None) -> pl.DataFrame:
    frame = snapshot.rows.columns(snapshot, names, where)
    return frame.select(_column(name, frame) for name in names)


def pieces(snapshot: Snapshot) -> list[pl.DataFrame]:
    """All rows as the frames they were read in, each with the columns it has; nothing is copied.

    Together they are in the order of `snap.events` but where a file's blocks were read out of order: see `aligned`.
    """
    return [rows.free(part.frame) for part in rows.in_order(snapshot.shown, snapshot.capture)]


def aligned(snapshot: Snapshot, mask: pl.Series) -> pl.Series:
    """A truth for each row of `snap.events`, in the order of `pieces`."""
    count = 0
    numbered = []
    for part in rows.in_order(snapshot.shown, snapshot.capture):
        nth = pl.int_range(count, count + part.frame.height, eager=True)
        numbered.append(replace(part, frame=part.frame.select("offset").with_columns(nth.alias(_NTH))))
        count += part.frame.height
    order = rows.joined(tuple(numbered), snapshot.capture, [_NTH])
    return mask.gather(order[_NTH].arg_sort()) if count else mask


_NTH: Final = "nth"


def _column(name: str, frame: pl.DataFrame) -> pl.Expr:
    if name in frame.columns:
        return pl.col(name)
    dtype = pl.Int64() if name in PLACE else schema.COMMON.get(name) or schema.NUMBERS.get(name) or pl.String()
    return pl.lit(None, dtype=dtype).alias(name)

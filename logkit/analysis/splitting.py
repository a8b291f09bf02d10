"""Which rows are compared with which: a window and its baseline, as people give them, and the blocks of time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from logkit.analysis.columns import aligned, need_rows, pieces
from logkit.analysis.conditions import time_text
from logkit.analysis.groups import Groups, Kept, Side
from logkit.analysis.stored import StoredRows
from logkit.analysis.stored_groups import Stored
from logkit.analysis.windows import window_of
from logkit.errors import SettingError

if TYPE_CHECKING:
    from logkit.snapshot import Snapshot

_BLOCKS: Final = 200
_BLOCKS_INSIDE: Final = 16
_LEAST_SECONDS: Final = 1


@contextmanager
def split(snapshot: Snapshot, window: Any, baseline: Any) -> Iterator[list[Groups]]:
    """The rows of both groups: those in the store, if there is one, and those in memory.

    A baseline of None is the rest: of a time all other times, of a mask all others.
    """
    need_rows(snapshot, "compare")
    inside = _side(snapshot, window, "window")
    outside = None if baseline is None else _side(snapshot, baseline, "baseline")
    kept = snapshot.rows
    if not isinstance(kept, StoredRows):
        own = Kept(pieces(snapshot))
        own.choose(*(_aligned(snapshot, side) for side in (inside, outside)))
        own.divide(_block_us(own.extents(), window, baseline))
        yield [own]
        return
    with kept.view.query() as query:
        stored, own = Stored(snapshot, kept, query), Kept([kept.held(snapshot)])
        for_stored, for_own = zip(*(stored.spread(side) for side in (inside, outside)), strict=True)
        stored.choose(*for_stored)
        own.choose(*for_own)
        block = _block_us(pl.concat([stored.extents(), own.extents()]), window, baseline)
        stored.divide(block)
        own.divide(block)
        yield [stored, own]


def _known(extents: pl.DataFrame) -> str:
    """What to try instead of a window or baseline without events."""
    if not extents["rows"].sum():
        return "; the snapshot has no event at all"
    first, last = extents["first"].min(), extents["last"].max()
    if not (isinstance(first, int) and isinstance(last, int)):
        return "; try a mask: no event has a time"
    return f"; try a time between {time_text(first)} and {time_text(last)}, when there are some"


def _aligned(snapshot: Snapshot, side: Side | None) -> Side | None:
    return aligned(snapshot, side) if isinstance(side, pl.Series) else side


def _side(snapshot: Snapshot, given: Any, setting: str) -> Side:
    if not is_mask(given):
        return window_of(snapshot, given, setting)
    values = given.fill_null(False) if isinstance(given, pl.Series) else given
    values = values.fillna(False) if hasattr(values, "fillna") else values
    mask = pl.Series(np.asarray(values, dtype=np.bool_))
    rows_there = len(snapshot) - snapshot.dropped_events
    if len(mask) != rows_there:
        raise SettingError(
            f"expected a mask of {rows_there:,} truths, one for each row of snap.events, found {len(mask):,}; "
            "try to make it from the same snapshot's events",
            setting=setting,
            value=len(mask),
        )
    return mask


def is_mask(given: Any) -> bool:
    """Whether that is a truth for each row, not a time."""
    if isinstance(given, list):
        return bool(given) and all(isinstance(one, bool | np.bool_) for one in given)
    return isinstance(given, pl.Series) or getattr(given, "dtype", None) in (np.dtype(bool), "boolean")


def _block_us(extents: pl.DataFrame, window: Any, baseline: Any) -> int:
    """The length of a block: some hundred in all, and a number of them inside. Raises where a group is empty, or both
    share rows. `extents`: inside, outside, rows, first, last (µs) of each part of the rows."""
    for name, given in (("inside", window), ("outside", baseline)):
        if not extents.filter(name)["rows"].sum():
            setting = "window" if name == "inside" else "baseline"
            raise SettingError(
                f"expected events in the {setting}, found none{_known(extents)}", setting=setting, value=given
            )
    both = int(extents.filter("inside", "outside")["rows"].sum())
    if both:
        raise SettingError(
            f"expected a baseline beside the window, found {both:,} events in both; try baseline=None",
            setting="baseline",
            value=baseline,
        )
    lengths = []
    for group, many in ((pl.col("inside") | pl.col("outside"), _BLOCKS), (pl.col("inside"), _BLOCKS_INSIDE)):
        own = extents.filter(group)
        first, last = own["first"].min(), own["last"].max()
        if isinstance(first, int) and isinstance(last, int):
            lengths.append((last - first) // many)
    return max(min(lengths, default=0), _LEAST_SECONDS * 1_000_000)

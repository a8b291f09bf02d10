"""Rows of a capture, trimmed, subtracted and joined as Polars frames; and frames as pandas."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from logkit import schema
from logkit.stats import Limits, Stats
from logkit.stats.groups import Ints
from logkit.stats.masks import mask

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from logkit.capture import Capture, EventFrame
    from logkit.stats.templates import Templates

_PLACE: Final = {"file": pl.String(), "source": pl.Int64(), "generation": pl.Int64()}
_COMMON: Final = list(schema.COMMON)
_AFTER: Final = _COMMON.index("message") + 1
COLUMNS: Final = (*_COMMON[:_AFTER], "file", *_COMMON[_AFTER:], "source", "generation")
"""The columns of `snap.events` that are always there, in order; a format's own fields follow."""

NEVER_NULL: Final = frozenset({"offset", "length_bytes", "rejected", "source", "generation"})
"""Columns of `snap.events` that are plain `int64` and `bool`; other whole numbers and truths can have gaps."""


def newest(frames: tuple[EventFrame, ...], limit: int) -> tuple[EventFrame, ...]:
    """The last `limit` rows of `frames` (newest last): the oldest frame that stays loses its first rows."""
    left, kept = limit, []
    for part in reversed(frames):
        if left <= 0:
            break
        height = part.frame.height
        kept.append(part if height <= left else replace(part, frame=part.frame.tail(left)))
        left -= height
    return tuple(reversed(kept))


def height(frames: Iterable[EventFrame]) -> int:
    """How many rows `frames` hold."""
    return sum(part.frame.height for part in frames)


def joined(frames: tuple[EventFrame, ...], capture: Capture, names: Collection[str] | None = None) -> pl.DataFrame:
    """One frame of all rows with `COLUMNS`, ordered by (file, generation, source, offset); text is not copied.

    A format's own field that is called like one of our columns (`file`, `source`, …) gets a `_` behind its name.
    With `names` only those columns are there, as far as any row has them: the others are not even put together.
    """
    parts = in_order(frames, capture)
    if not parts:
        return pl.DataFrame(schema={name: schema.COMMON.get(name) or _PLACE[name] for name in COLUMNS})
    own = (free(part.frame) for part in parts)
    if names is not None:
        own = (part.select(name for name in part.columns if name in {*names, "offset"}) for part in own)
    rows = pl.concat(list(own), how="diagonal_relaxed")
    nth = np.repeat(np.arange(len(parts)), [part.frame.height for part in parts])
    paths = paths_of(capture)
    files = [paths.get((part.source, part.generation), "") for part in parts]
    generations, sources = [part.generation for part in parts], [part.source for part in parts]
    rows = rows.with_columns(
        pl.Series("file", files, pl.String).gather(nth),
        pl.Series("source", sources, pl.Int64).gather(nth),
        pl.Series("generation", generations, pl.Int64).gather(nth),
    )
    return _ordered(rows).select(pl.col(*(name for name in COLUMNS if name in rows.columns)), pl.exclude(COLUMNS))


def in_order(frames: Iterable[EventFrame], capture: Capture) -> list[EventFrame]:
    """The frames that hold rows, by (file, generation, source, first offset)."""
    paths = paths_of(capture)

    def place(part: EventFrame) -> tuple[str, int, int, int]:
        return paths.get((part.source, part.generation), ""), part.generation, part.source, part.frame.item(0, "offset")

    return sorted((part for part in frames if part.frame.height), key=place)


def paths_of(capture: Capture) -> dict[tuple[int, int], str]:
    """The path of each source and generation, as `snap.events` shows it."""
    return {(status.source, status.generation): status.path for status in capture.sources}


def placed(rows: pl.DataFrame, capture: Capture) -> pl.DataFrame:
    """Rows in any order, with their source, generation and offset, as `joined` gives them: sorted, and with
    those of `COLUMNS` they have."""
    place = _places(rows, capture)
    found = rows.with_columns(place["file"])
    found = found.select(pl.col(*(name for name in COLUMNS if name in found.columns)), pl.exclude(COLUMNS))
    order = _order(place)
    return found if order is None else found[order]


def order_of(rows: pl.DataFrame, capture: Capture) -> Ints:
    """The positions of rows, by their source, generation and offset, in the order of `joined`."""
    order = _order(_places(rows, capture, "rank"))
    return np.arange(rows.height) if order is None else order.to_numpy().astype(np.int64)


Key = tuple[int, int]
"""A source and one of its generations."""

Offsets = Callable[[Collection[Key]], Iterable[tuple[Key, Ints]]]
"""The offsets of all rows of these sources, in pieces, in no order."""


def positions(places: pl.DataFrame, heights: Mapping[Key, int], offsets: Offsets, capture: Capture) -> Ints:
    """The positions in `joined` of rows, by their source, generation and offset."""
    found = np.zeros(places.height, np.int64)
    own: dict[Key, Ints] = {
        (source, generation): part["nth"].to_numpy()
        for (source, generation), part in places.with_row_index("nth").partition_by(*_KEY, as_dict=True).items()
    }
    starts, sought = _starts(heights, capture), places["offset"].to_numpy()
    for key, rows in own.items():
        found[rows] = starts[key]
    for key, some in offsets(own):
        found[own[key]] += np.searchsorted(np.sort(some, kind="stable"), sought[own[key]])
    return found


def place_at(position: int, heights: Mapping[Key, int], offsets: Offsets, capture: Capture) -> tuple[int, int, int]:
    """The source, generation and offset of the row at that position in `joined`; raises IndexError."""
    for key, start in _starts(heights, capture).items():
        if start <= position < start + heights[key]:
            some = np.concatenate([part for _, part in offsets((key,))])
            return *key, int(np.partition(some, position - start)[position - start])
    raise IndexError(position)


def _starts(heights: Mapping[Key, int], capture: Capture) -> dict[Key, int]:
    """The position of the first row of each source and generation."""
    paths = paths_of(capture)
    keys = sorted(heights, key=lambda key: (paths.get(key, ""), key[1], key[0]))
    return dict(zip(keys, accumulate((heights[key] for key in keys), initial=0), strict=False))


_KEY: Final = ("source", "generation")


def _places(rows: pl.DataFrame, capture: Capture, *wanted: str) -> pl.DataFrame:
    """Each row's offset, its file, and the rank of its source and generation.

    The few places are sorted first, then whole numbers: comparing millions of paths takes several times as long.
    """
    key, paths = ["source", "generation"], paths_of(capture)
    keys = rows.select(key).unique()
    files = pl.Series("file", [paths.get(one, "") for one in keys.iter_rows()], pl.String)
    places = keys.with_columns(files).sort("file", "generation", "source").with_row_index("rank")
    if wanted:  # a path for each of millions of rows takes as long as all else
        places = places.select(*key, *wanted)
    return rows.select(*key, "offset").join(places, on=key, how="left", maintain_order="left")


def _order(place: pl.DataFrame) -> pl.Series | None:
    """What puts the rows in order; None where they are."""
    rank, offset = place["rank"].to_numpy(), place["offset"].to_numpy()
    if ((rank[1:] > rank[:-1]) | ((rank[1:] == rank[:-1]) & (offset[1:] >= offset[:-1]))).all():
        return None
    return place.select(pl.arg_sort_by("rank", "offset", maintain_order=True)).to_series()


def _ordered(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of ordered frames in the order of their offsets: a frame may hold blocks that were read out of order."""
    source, generation, offset = (rows[name].to_numpy() for name in ("source", "generation", "offset"))
    same_file = (source[1:] == source[:-1]) & (generation[1:] == generation[:-1])
    if not (same_file & (offset[1:] < offset[:-1])).any():
        return rows
    return rows.sort("file", "generation", "source", "offset", maintain_order=True)


def free(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with fields of its own renamed where our columns take their names."""
    taken = [name for name in frame.columns if name in _PLACE]
    if not taken:
        return frame
    names = {}
    for name in taken:
        free = name + "_"
        while free in frame.columns:
            free += "_"
        names[name] = free
    return frame.rename(names)


def stats_of(frames: Iterable[EventFrame], limits: Limits, *, patterns: bool = False) -> Stats:
    """The statistics of all rows, counted in one go; with `patterns` their masked messages too."""
    wanted = {*schema.STATS_FIELDS, "rejected", *(("message", "offset") if patterns else ())}
    counted = []
    for part in frames:
        place = {"source": part.source, "generation": part.generation} if patterns else {}
        rows = part.frame.select(name for name in part.frame.columns if name in wanted)
        counted.append(rows.with_columns(pl.lit(at, pl.Int64).alias(name) for name, at in place.items()))
    if not counted:
        return Stats.empty(limits)
    rows = pl.concat(counted, how="diagonal_relaxed")
    return Stats.of(rows, limits, mask(rows["message"]) if patterns else None)


def named(frames: Iterable[EventFrame], found: Templates) -> tuple[EventFrame, ...]:
    """The frames with the column `pattern`; a field of the format's own called so gets a `_` behind its name."""
    return tuple(replace(part, frame=found.named(part.frame)) for part in frames)


def added(new: tuple[EventFrame, ...], old: tuple[EventFrame, ...]) -> tuple[EventFrame, ...]:
    """The rows of `new` whose (source, generation, offset) is not in `old`.

    A held record that grew since has the same offset: it is in both.
    """
    same = {id(part.frame) for part in old}
    known: dict[tuple[int, int], list[pl.Series]] = {}
    for part in old:
        known.setdefault((part.source, part.generation), []).append(part.frame["offset"])
    offsets = {source: pl.concat(series).implode() for source, series in known.items()}
    kept = []
    for part in new:
        seen = offsets.get((part.source, part.generation))
        if seen is None:
            kept.append(part)
        elif id(part.frame) not in same:
            fresh = part.frame.filter(~part.frame["offset"].is_in(seen))
            kept.extend([replace(part, frame=fresh)] if fresh.height else [])
    return tuple(kept)


def events_to_pandas(rows: pl.DataFrame) -> pd.DataFrame:
    """`joined` rows as pandas; the dtype of a column is that of its name, whatever this frame's rows hold."""
    numbers = {at for at, name in enumerate(rows.columns) if name not in NEVER_NULL}
    return to_pandas(rows.to_arrow(), nullable=numbers)


def to_pandas(table: pa.Table, *, nullable: Collection[int]) -> pd.DataFrame:
    """An Arrow table as pandas: text is `str`, dates are `datetime64`; whole numbers and truths are `Int64`,
    `boolean` and the like in the columns at the positions `nullable`, NumPy's elsewhere."""
    import pandas as pd
    import pyarrow as pa

    kinds: dict[pa.DataType, object] = {pa.bool_(): pd.BooleanDtype()}
    for bits in ("8", "16", "32", "64"):
        kinds[getattr(pa, f"int{bits}")()] = pd.api.types.pandas_dtype(f"Int{bits}")
        kinds[getattr(pa, f"uint{bits}")()] = pd.api.types.pandas_dtype(f"UInt{bits}")
    frame: pd.DataFrame = table.to_pandas(date_as_object=False)
    for at in nullable:
        if table.field(at).type in kinds:
            frame.isetitem(at, table.column(at).to_pandas(types_mapper=kinds.get))
    return frame

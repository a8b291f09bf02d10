"""Frames that own their strings: what is kept of a block, so that the block's memory can be used again.

Memory that nobody has used yet is dear: each of its pages has to be found and cleared first, which takes about as long
as parsing what is in it. So little of it is taken: not the block, only those of its texts that a column shows, and no
text twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from logkit.formats import kernels
from logkit.formats.block import views_of

if TYPE_CHECKING:
    import polars as pl

_FIRST: Final = "message"  # most other columns show parts of it, if of anything
_MOST_BYTES: Final = 2**31 - 1  # that a view can point into
_NOTHING: Final = b""
_NO_BASE: Final[tuple[Any, Any]] = (_NOTHING, _NOTHING)


def owned(frame: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """The frame with strings that point into one buffer of its own, and how many bytes it takes.

    A column's few different texts are there once, and so is a text that is part of the row's message.
    """
    import polars as pl

    size, columns = frame.height, frame.get_columns()
    strings = [at for at, column in enumerate(columns) if column.dtype == pl.String and column.null_count() < size]
    strings.sort(key=lambda at: columns[at].name != _FIRST)
    nbytes = 0
    if strings and size:
        found = _moved([columns[at] for at in strings]) if kernels.compiled else None
        moved, nbytes = _apart([columns[at] for at in strings]) if found is None else found
        for at, column in zip(strings, moved, strict=True):
            columns[at] = column
    nbytes += sum(int(column.estimated_size()) for column in columns if column.dtype != pl.String)
    return pl.DataFrame(columns), nbytes


def _moved(columns: list[pl.Series]) -> tuple[list[pl.Series], int] | None:
    """The columns, and their size in bytes; None where they are too large for a kernel."""
    import polars as pl
    import pyarrow as pa

    newest = pl.CompatLevel.newest()
    size, cursor = len(columns[0]), 0
    views = np.empty((len(columns), size, 2), np.uint64)
    parts, base, base_at = [], _NO_BASE, None
    for column, out in zip(columns, views, strict=True):
        array = (column.rechunk() if column.n_chunks() > 1 else column).to_arrow(compat_level=newest)
        valid, given, *data = array.buffers()
        if array.offset or len(data) > kernels.MOST_BUFFERS:
            return None
        # A view names its buffer by a number of the column's own.
        at = [(buffer.address, buffer.size) for buffer in data]
        near = base if at == base_at else _NO_BASE
        begin, cursor = cursor, kernels.moved(size, cursor, given, valid or _NOTHING, near, data, out)
        if cursor > _MOST_BYTES:
            return None
        if column.name == _FIRST:
            base, base_at = (given, out), at
        parts.append((column.name, valid, begin, given, data))
    heap = np.empty(cursor, np.uint8)
    for (_, _, begin, given, data), out in zip(parts, views, strict=True):
        kernels.copied(size, begin, given, out, data, heap)
    held = pa.py_buffer(heap)
    moved = [views_of(name, out, valid, held) for (name, valid, *_), out in zip(parts, views, strict=True)]
    return moved, views.nbytes + cursor


def _apart(columns: list[pl.Series]) -> tuple[list[pl.Series], int]:
    """The same by copying every text: appending nothing makes a string that is nobody else's."""
    import polars as pl

    copied = pl.DataFrame(columns).select(pl.concat_str(column.name, pl.lit("")) for column in columns)
    return copied.get_columns(), int(copied.estimated_size())

"""Rows of integer keys, grouped: the one operation all statistics are made of.

Keys are arrays of shape (columns, rows), the first column the most significant. Grouping sorts, so
a table made by it has one canonical order and two equal tables are equal arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from logkit.formats import kernels

Ints = npt.NDArray[np.int64]
"""Keys, counts or microseconds."""

_ROOM = 2**62  # packed keys stay well inside an int64


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Counts under keys: `keys` (columns, rows) sorted and without duplicates, `counts` (columns, rows)."""

    keys: Ints
    counts: Ints

    def __post_init__(self) -> None:
        # Threads share these: writing to one by mistake fails at once.
        self.keys.flags.writeable = False
        self.counts.flags.writeable = False

    def __len__(self) -> int:
        return int(self.keys.shape[1])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Cells):
            return NotImplemented
        return np.array_equal(self.keys, other.keys) and np.array_equal(self.counts, other.counts)

    def take(self, rows: npt.NDArray[np.bool_]) -> Cells:
        """Some rows only."""
        return self if rows.all() else Cells(self.keys.compress(rows, axis=1), self.counts.compress(rows, axis=1))


@dataclass(frozen=True, slots=True)
class Grouping:
    """Which rows belong together: `order` brings them side by side, groups begin at `starts` of that order."""

    keys: Ints
    order: Ints
    starts: Ints

    def sum(self, values: Ints) -> Ints:
        """The sums of `values` (columns, rows) over each group."""
        return self._reduce(np.add, values)

    def min(self, values: Ints) -> Ints:
        """The least of `values` (columns, rows) in each group."""
        return self._reduce(np.minimum, values)

    def _reduce(self, ufunc: np.ufunc, values: Ints) -> Ints:
        arranged = values.take(self.order, axis=1)
        if len(self.starts) == len(self.order):
            return arranged
        reduced: Ints = ufunc.reduceat(arranged, self.starts, axis=1)
        return reduced


def group(keys: Ints) -> Grouping:
    """Group rows by key, in ascending order of the keys."""
    codes, size = pack(keys)
    if size >= _ROOM:
        order = np.lexsort(keys[::-1])
        arranged = keys.take(order, axis=1)
        fresh = (arranged[:, 1:] != arranged[:, :-1]).any(axis=0)
    else:
        order = np.argsort(codes, kind="stable")  # parts are sorted: a stable sort merges runs
        codes = codes[order]
        fresh = codes[1:] != codes[:-1]
    starts = _starts(fresh, len(order))
    return Grouping(keys.take(order[starts], axis=1), order, starts)


def gather(cells: Cells) -> Cells:
    """The same counts with rows of equal keys summed, in canonical order."""
    if kernels.compiled and len(cells) and (gathered := kernels.gather(cells.keys, cells.counts)) is not None:
        return Cells(*gathered)
    codes, size = pack(cells.keys)
    if size > _dense(len(codes)):
        grouping = group(cells.keys)
        return Cells(grouping.keys, grouping.sum(cells.counts))
    row = np.full(size, -1)
    row[codes] = np.arange(len(codes))  # any row of a key tells the key
    found = np.flatnonzero(row >= 0)
    sums = np.zeros((len(cells.counts), size), np.int64)
    for total, counts in zip(sums, cells.counts, strict=True):
        np.add.at(total, codes, counts)
    return Cells(cells.keys.take(row[found], axis=1), sums.take(found, axis=1))


def pack(keys: Ints) -> tuple[Ints, int]:
    """One integer per row, in the order of the keys, and how many there can be.

    From `_ROOM` on they overflow and mean nothing.
    """
    if not keys.shape[1]:
        return np.zeros(0, np.int64), 0
    low = keys.min(axis=1).tolist()
    radix = [high + 1 - lowest for high, lowest in zip(keys.max(axis=1).tolist(), low, strict=True)]
    size = prod(radix)
    codes: Ints = keys[0] - low[0]
    if size < _ROOM:
        for column, lowest, width in zip(keys[1:], low[1:], radix[1:], strict=True):
            codes = codes * width + (column - lowest)
    return codes, size


def tally(codes: Ints, size: int) -> tuple[Ints, Ints]:
    """The distinct `codes`, ascending, and how often each occurs; all are in [0, size)."""
    if size <= _dense(len(codes)):
        counts = np.bincount(codes, minlength=size)
        found = np.flatnonzero(counts)
        return found, counts[found]
    # np.unique() would do, but hashes first, at thrice the cost where most values are distinct.
    codes = _sorted(codes, size)
    starts = _starts(codes[1:] != codes[:-1], len(codes))
    return codes[starts], np.diff(starts, append=len(codes))


def _sorted(codes: Ints, size: int) -> Ints:
    """The codes, ascending; all are in [0, size)."""
    if size > 2**32:
        return np.sort(codes)
    # NumPy sorts 16-bit integers by radix: two passes over the halves take a third of the time of a sort.
    low = codes.astype(np.uint16)
    codes = codes[np.argsort(low, kind="stable")]
    high = (codes >> 16).astype(np.uint16)
    return codes[np.argsort(high, kind="stable")]


def distinct(values: Ints) -> Ints:
    """The distinct values, ascending."""
    if not (values[1:] > values[:-1]).all():
        values = np.sort(values)
    return values[_starts(values[1:] != values[:-1], len(values))]


def _dense(rows: int) -> int:
    """Up to how many possible keys an array with a place for each is cheaper than sorting the rows."""
    return 4 * rows + 1024


def _starts(fresh: npt.NDArray[np.bool_], rows: int) -> Ints:
    return np.flatnonzero(np.concatenate((np.ones(min(1, rows), np.bool_), fresh)))

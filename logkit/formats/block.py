"""Bytes, where their lines are, and fields as pairs of positions.

A block is parsed without a Python loop over its lines: a delimiter is looked up once for the whole
block (`Block.positions`), a field of every record is a pair of position arrays (`Text`), and only
a field somebody wants becomes strings (`Text.series`), which then point into the block instead of
copying it. All of it is NumPy or compiled (`kernels`), which releases the GIL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from logkit.formats import kernels

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

Positions = npt.NDArray[np.int64]
"""Byte positions within a block, one per line, record or occurrence."""

Mask = npt.NDArray[np.bool_]
"""One truth per line or record."""

PAD = 32
"""Zero bytes behind every block, so that a window at its last byte stays inside the buffer."""

DELETE = "\x7f"
"""What stands for a byte that is no UTF-8: as long as that byte, so that positions stay. Shown as U+FFFD."""

_INLINE = 12  # an Arrow string view holds strings up to this length in itself
_BAD_CUT = "expected texts within their block, cut between characters, found others"
_HALF = np.uint64(32)
_SHOWN = np.array(  # which bits of a text's first 16 bytes its view shows, by its length
    [[(1 << min(8 * n, 64)) - 1, (1 << max(8 * n - 64, 0)) - 1] for n in range(_INLINE + 1)] + [[0xFFFFFFFF, 0]],
    np.uint64,
).T.copy()


class Block:
    """Valid UTF-8 in memory with `PAD` zero bytes behind it; never changed once made."""

    __slots__ = ("_deleted", "_positions", "bytes", "data", "size")

    def __init__(
        self, data: bytes | bytearray, size: int, lines: Positions | None = None, deleted: bool | None = None
    ) -> None:
        """`lines`, where the line feeds are, and `deleted` are looked up where they are not known."""
        if len(data) < size + PAD:
            raise ValueError(f"expected {size + PAD} bytes with padding, found {len(data)}; try Block.of()")
        self.data = data
        self.size = size
        self._deleted = deleted
        self.bytes: npt.NDArray[np.uint8] = np.frombuffer(data, np.uint8)
        self._positions: dict[int, Positions] = {} if lines is None else {10: lines}

    @classmethod
    def of(cls, raw: bytes) -> Block:
        """A block holding a copy of `raw`."""
        return cls(raw + bytes(PAD), len(raw))

    @property
    def deleted(self) -> bool:
        """Whether `DELETE` stands anywhere in the block."""
        if self._deleted is None:
            self._deleted = self.data.find(DELETE.encode(), 0, self.size) >= 0
        return self._deleted

    def positions(self, byte: int) -> Positions:
        """Where `byte` occurs, ascending; looked up once per block."""
        found = self._positions.get(byte)
        if found is None:
            if kernels.compiled:
                found = kernels.positions(self.data, self.size, byte)
            else:
                found = np.flatnonzero(self.bytes[: self.size] == byte)
            self._positions[byte] = found
        return found

    def next(self, byte: int, after: Positions) -> Positions:
        """For each position the next occurrence of `byte` at or behind it, `size` where there is none."""
        found = self.positions(byte)
        if not len(found):
            return np.full(len(after), self.size, np.int64)
        at = np.searchsorted(found, after)
        result = found[np.minimum(at, len(found) - 1)]
        return np.where(at < len(found), result, self.size)

    def words(self, at: Positions, dtype: str = "<u8") -> npt.NDArray[Any]:
        """The unaligned little-endian words of `dtype` that begin at each position."""
        width = np.dtype(dtype).itemsize
        # Fancy indexing, not take(): take() would first copy the overlapping view as a whole.
        view: npt.NDArray[Any] = np.ndarray((len(self.data) - width + 1,), dtype, self.data, 0, (1,))
        return view[at]

    def text(self, start: int, stop: int) -> str:
        """One piece as a Python string, for messages and tests."""
        return bytes(self.data[start:stop]).decode("utf-8", "replace")


class _Bare:
    """An Arrow array as nothing but its C interface: Polars takes it without first loading `pyarrow.compute`."""

    __slots__ = ("_array",)

    def __init__(self, array: Any) -> None:
        self._array = array

    def __arrow_c_array__(self, requested_schema: object = None) -> Any:
        return self._array.__arrow_c_array__(requested_schema)


def views_of(name: str, views: npt.NDArray[np.uint64], valid: pa.Buffer | None, data: pa.Buffer) -> pl.Series:
    """Arrow's string views (two words to each) into `data` as a Polars String series; `valid` are bits.

    Polars trusts what it gets.
    """
    import polars as pl
    import pyarrow as pa

    buffers = [valid, pa.py_buffer(views), data]
    series = pl.Series(_Bare(pa.Array.from_buffers(pa.string_view(), len(views), buffers))).alias(name)
    assert series.dtype == pl.String
    return series


@dataclass(frozen=True, slots=True)
class Text:
    """One field of every record: `start` and `stop` are positions in the block, one pair per record.

    Both ends must stand on character boundaries: cut at ASCII delimiters, and where a record has no
    such field make it empty (`start == stop`).
    """

    block: Block
    start: Positions
    stop: Positions

    def __len__(self) -> int:
        return len(self.start)

    def take(self, index: Mask | Positions) -> Text:
        """The field of some records only."""
        return Text(self.block, self.start[index], self.stop[index])

    def strip(self, blanks: bytes = b" \t") -> Text:
        """Without the blanks at both ends."""
        start, stop, raw = self.start.copy(), self.stop.copy(), self.block.bytes
        blank = np.zeros(256, np.bool_)
        blank[list(blanks)] = True
        todo = np.flatnonzero((start < stop) & blank[raw[start]])
        while len(todo):
            start[todo] += 1
            todo = todo[(start[todo] < stop[todo]) & blank[raw[start[todo]]]]
        todo = np.flatnonzero((start < stop) & blank[raw[stop - 1]])
        while len(todo):
            stop[todo] -= 1
            todo = todo[(start[todo] < stop[todo]) & blank[raw[stop[todo] - 1]]]
        return Text(self.block, start, stop)

    def series(self, name: str = "", valid: Mask | None = None, *, exact: bool = False) -> pl.Series:
        """The field as a Polars String series that points into the block; null where not `valid`.

        `exact`: with `DELETE` as it stands there, so that a position in the text is one in the block.
        Raises `ValueError` where a text is not within the block or cut within a character: Polars trusts what it gets.
        """
        import pyarrow as pa

        nulls = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))
        series = views_of(name, self._views(), nulls, pa.py_buffer(self.block.data))
        return series if exact or not self.block.deleted else series.str.replace_all(DELETE, "\ufffd", literal=True)

    def _views(self) -> npt.NDArray[np.uint64]:
        """Arrow's string views of the texts, two words to each."""
        if kernels.compiled:
            found = kernels.views(self.block.data, self.block.size, self.start, self.stop)
            if found is None:
                raise ValueError(_BAD_CUT)
            return found
        size = len(self.start)
        length = self.stop - self.start
        # A view is 16 bytes: the length, then the text itself, or its first four bytes and where it stands.
        self._check(length)
        words = self.block.words(self.start, "V16").view("<u8")
        low, high = words[0::2], words[1::2]
        shown = np.minimum(length, _INLINE + 1)
        low, high = low & _SHOWN[0, shown], high & _SHOWN[1, shown]
        views = np.empty((size, 2), np.uint64)
        views[:, 0] = (low << _HALF) | length.view(np.uint64)
        views[:, 1] = (low >> _HALF) | (high << _HALF)
        long = np.flatnonzero(length > _INLINE)
        views[long, 1] = self.start[long].view(np.uint64) << _HALF
        return views

    def _check(self, length: Positions) -> None:
        if not len(length):
            return
        fits = self.start.min() >= 0 and length.min() >= 0 and self.stop.max() <= self.block.size < 2**31
        if not fits or ((self._within(self.start) | self._within(self.stop)) & (length > 0)).any():
            raise ValueError(_BAD_CUT)

    def _within(self, at: Positions) -> Mask:
        """Which positions are within a character."""
        within: Mask = (self.block.bytes[at] & 0xC0) == 0x80
        return within


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a block. `stop` excludes the line's end (LF or CR LF); `next` is the next line's start."""

    block: Block
    start: Positions
    stop: Positions
    next: Positions

    def __len__(self) -> int:
        return len(self.start)

    def blank(self) -> Mask:
        """Which lines hold nothing, or only spaces and tabs."""
        if kernels.compiled:
            return ~kernels.filled(self.block.data, self.block.size, self.start, self.stop)
        empty: Mask = self.start == self.stop
        maybe = np.flatnonzero(~empty & (self.block.bytes[self.start] <= 32))
        if len(maybe):
            inner = Text(self.block, self.start[maybe], self.stop[maybe]).strip(b" \t\r\f\v")
            empty[maybe] = inner.start == inner.stop
        return empty


def split_lines(block: Block) -> Lines:
    """Where the lines of a block are; the last one may have no newline."""
    newline = block.positions(10)
    ends = newline if len(newline) and newline[-1] == block.size - 1 else np.append(newline, block.size)
    if block.size == 0:
        ends = newline
    if kernels.compiled:
        return Lines(block, *kernels.bounds(block.data, block.size, ends))
    start = np.empty(len(ends), np.int64)
    following = np.minimum(ends + 1, block.size)
    if len(ends):
        start[0] = 0
        start[1:] = following[:-1]
    carriage = (ends > start) & (ends < block.size) & (block.bytes[ends - 1] == 13)
    return Lines(block, start, ends - carriage, following)


@dataclass(frozen=True, slots=True)
class Records:
    """The records of a block, as a format reads them.

    `start` and `stop` bound a record's text (its last line's end left out); `line_stop` is where its
    first line ends. Formats match the first line; later lines belong to the message.
    """

    block: Block
    start: Positions
    line_stop: Positions
    stop: Positions

    def __len__(self) -> int:
        return len(self.start)

    def take(self, index: Mask | Positions) -> Records:
        """Some records only."""
        return Records(self.block, self.start[index], self.line_stop[index], self.stop[index])

    def whole(self) -> Text:
        """Each record's whole text."""
        return Text(self.block, self.start, self.stop)

    def first_line(self) -> Text:
        """Each record's first line."""
        return Text(self.block, self.start, self.line_stop)


def records_of(lines: Lines, starts: Mask) -> Records:
    """Group lines into records: one begins at each marked line. The first line must be marked."""
    first = np.flatnonzero(starts)
    if not len(first):
        return Records(lines.block, first, first, first)
    # A record ends where its last line that is not blank ends: blank lines behind it are not its text.
    ends = lines.stop
    last = np.append(first[1:], len(lines)) - 1
    trailing = lines.blank()
    todo = np.flatnonzero((last > first) & trailing[last])
    while len(todo):
        last[todo] -= 1
        todo = todo[(last[todo] > first[todo]) & trailing[last[todo]]]
    return Records(lines.block, lines.start[first], ends[first], ends[last])

"""Span -> chunks: blocks of bytes cut on record boundaries, whoever reads them and in whatever pieces.

The rules that make spans tile a file (DESIGN: Chunk):
  - a span owns the records that begin at or behind `start` and before `stop`, and finishes the last of them;
  - a record begins where the format says so, at byte 0, and at an aligned start (what follows a cut);
  - blank lines belong to the record before them;
  - a record longer than `max_record_bytes` goes on in pieces of that size, measured from its start.
None of them looks at block edges or at other spans, so the events do not depend on either.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from logkit.formats.block import PAD, Block, Lines, Mask, Positions, Records, split_lines
from logkit.sources.reader import Memory, Reader, TornArchive
from logkit.sources.recode import Decoded, Recoded, decode, torn
from logkit.sources.span import ReadOptions, Span, Tail, bytes_to_read, digest

TAIL_BYTES: Final = 1024
"""How many bytes before the end of what was read are remembered by their digest."""

_DECIDE: Final = 4096  # whether a line starts a record is told by this much of it, as it is shown
_ROUNDS: Final = 8
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records of one block: `offset[i]` to `offset[i + 1]` are the bytes of record i in the source.

    `continues[i]` is the offset of the record that record i goes on from, -1 for most. `held` marks the
    still open last record of a growing source. `invalid_bytes` were no UTF-8. `tail` is that of the bytes in it.
    """

    records: Records
    offset: Positions
    continues: Positions
    held: bool = False
    invalid_bytes: int = 0
    tail: Tail = (0, 0, b"")

    @property
    def start(self) -> int:
        return int(self.offset[0])

    @property
    def stop(self) -> int:
        return int(self.offset[-1])


def read_chunks(span: Span, reader: Reader, options: ReadOptions, memory: Memory | None = None) -> Iterator[Chunk]:
    """Read a span from `reader`, which stands at `read_from(span)`. Chunks come in order, without gaps between.

    The last one may be `held`. Bytes behind the last chunk (an unfinished line of a growing source) are left to
    a later span, and so is a byte order mark alone. Any bytes are fine; errors are those of `reader`.
    A chunk is good until the next one is asked for, or the next span of the same `memory`, which is used again, unless
    the user's `service=` sees it.
    """
    cutter = _Cutter(span, options.max_record_bytes)
    memory = Memory() if memory is None else memory
    base, carry, before = read_from(span), memoryview(b""), ord("\n")
    while not cutter.done:
        want = bytes_to_read(span, base + len(carry), options.block_bytes)
        needed = len(carry) + want + PAD
        data = bytearray(needed) if options.service.wants_events else memory.room(needed)
        data[: len(carry)] = carry
        got, tear = _fill(reader, memoryview(data)[len(carry) : len(carry) + want])
        size = len(carry) + got
        data[size : size + PAD] = bytes(PAD)
        at_end = got < want or (span.limit is not None and base + size >= span.limit)
        whole = size if at_end else size - torn(data, size, span.encoding)
        decoded = decode(data, whole, span.encoding, span.line_end, before, first=base == span.start - 1)
        # The end of an archive is its end, unless it is a tear: then the rest may still arrive.
        final = span.final or (span.compression is not None and tear is None)
        chunks, used = cutter.cut(decoded, base, at_end, final)
        for chunk in chunks:
            yield _finished(chunk, memoryview(data), base, decoded.invalid)
        # What is left is the open record; it is looked at again together with what follows it.
        carry = memoryview(data)[used:size]
        base += used
        before = int(decoded.raw.bytes[used - 1]) if used else before
        if tear is not None:
            raise tear


def first_record(span: Span, reader: Reader, options: ReadOptions) -> int | None:
    """The offset of the first record that begins at or behind the start of a span that is not aligned, None without."""
    for chunk in read_chunks(span, reader, options):
        return chunk.start
    return None


def _finished(chunk: Chunk, data: memoryview, base: int, invalid: Positions) -> Chunk:
    """A chunk of a block that begins at `base`, with what is known of its raw bytes."""
    start, stop = chunk.start - base, chunk.stop - base
    last = data[max(start, stop - TAIL_BYTES) : stop]
    wrong = int(np.diff(np.searchsorted(invalid, [start, stop]))[0]) if len(invalid) else 0
    return replace(chunk, invalid_bytes=wrong, tail=(chunk.stop, len(last), digest(last)))


def _fill(reader: Reader, view: memoryview) -> tuple[int, TornArchive | None]:
    """Read until `view` is full or there is no more; a tear is told together with what stands before it."""
    got = 0
    while got < len(view):
        try:
            more = reader.readinto(view[got:])
        except TornArchive as tear:
            return got, tear
        if not more:
            break
        got += more
    return got, None


def read_from(span: Span) -> int:
    """Where reading starts: one byte early, to see whether a line begins at `start`."""
    return max(0, span.start - 1)


class _Cutter:
    """Finds the records of a span block by block, and remembers what one block must tell the next."""

    def __init__(self, span: Span, max_record_bytes: int) -> None:
        self._span = span
        self._max = max_record_bytes
        self._most = max_record_bytes + _DECIDE  # raw bytes that are looked through for as many that are shown
        self._synced = span.aligned
        self._peek = span.start > 0  # the first block begins with the byte before the span
        self._line_begins = True  # whether the block begins where a line does
        self._anchor = -1  # where the record began whose next piece the block begins with, else -1
        self._final = span.final
        self._latin1 = span.encoding == "latin-1"
        self._recoded: Recoded | None = None
        self.done = False

    def cut(self, decoded: Decoded, base: int, at_end: bool, final: bool) -> tuple[list[Chunk], int]:
        """The finished records of a block that begins at `base` in the source, and how many bytes are used up.

        `at_end`: there is no more for now. `final`: nor will there be.
        """
        self.done, self._final = at_end, final
        block, self._recoded = decoded.raw, decoded.recoded
        begin = len(_BOM) if base == 0 and block.text(0, len(_BOM)) == _BOM.decode() else 0
        if self._peek and block.size:
            # Behind a cut NUL bytes are those of a crash: the text after them is a line of its own.
            self._line_begins = bool(block.bytes[0] == 10 or (block.bytes[0] == 0 and self._span.aligned))
            begin, self._peek = 1, False
        lines, decided = self._decided(block, begin, at_end)
        marks = self._starts(lines)
        starts = lines.start if marks.all() else lines.start[marks]
        if not self._synced:
            if not len(starts) or self._behind(base + int(starts[0])):
                self.done |= self._behind(base + decided)
                return [], self._used(block, decided)
            self._synced, self._line_begins, begin = True, True, int(starts[0])
        self._lines = lines
        return self._records(block, base, begin, starts, decided, at_end)

    def _decided(self, block: Block, begin: int, at_end: bool) -> tuple[Lines, int]:
        """The lines of which it can be told whether they start a record, and where the undecided rest begins."""
        lines = split_lines(block)
        first, last, decided = 0, len(lines), block.size
        if begin and len(lines):  # the byte before the span is no part of its first line
            first = int(lines.next[0] <= begin)
            if not first:
                lines.start[0], lines.stop[0] = begin, max(begin, int(lines.stop[0]))
        is_open = last > first and block.bytes[block.size - 1] != 10 and not (at_end and self._final)
        if is_open and self._undecided(block, lines.start[-1:]):
            last, decided = last - 1, int(lines.start[-1])
        cut = slice(first, last)
        return Lines(block, lines.start[cut], lines.stop[cut], lines.next[cut]), decided

    def _undecided(self, block: Block, start: Positions) -> bool:
        """Whether too little is there of an open line to tell whether it starts a record."""
        if self._recoded is None:
            return block.size - int(start[0]) < _DECIDE
        if block.size - int(start[0]) >= self._most:
            return False
        return self._recoded.block.size - int(self._recoded.at(start)[0]) < _DECIDE

    def _starts(self, lines: Lines) -> Mask:
        if not len(lines):
            return np.zeros(0, np.bool_)
        stop = lines.stop
        if self._recoded is not None:
            stop = self._recoded.at(np.minimum(stop, lines.start + self._most))
            lines = self._recoded.lines(lines)
        stop = np.minimum(stop, lines.start + _DECIDE)
        for row in np.flatnonzero(stop < lines.stop):
            stop[row] = _character(lines.block, int(stop[row]))
        starts = self._span.format.starts(Lines(lines.block, lines.start, stop, lines.next))
        starts[0] &= self._line_begins
        return starts

    def _behind(self, offset: int) -> bool:
        return self._span.stop is not None and offset >= self._span.stop

    def _used(self, block: Block, used: int) -> int:
        if used:
            self._line_begins = bool(block.bytes[used - 1] == 10)
        return used

    def _records(
        self, block: Block, base: int, begin: int, starts: Positions, decided: int, at_end: bool
    ) -> tuple[list[Chunk], int]:
        """Cut the block from `begin`, where a record or a piece of one begins."""
        end = self._end(block, begin, at_end)
        closing = decided if end is None else end
        unused = 0 if base == 0 and self._span.start == 0 else begin
        if closing <= begin:
            return [], unused
        forced = not (len(starts) and starts[0] == begin)
        if not forced:
            self._anchor = -1  # a record that was being cut has ended here
        edges = np.insert(starts, 0, begin) if forced else starts
        edges = edges[edges < closing]
        held = end is not None and not self._final and self._span.format.multiline
        if self._span.stop is not None:
            behind = int(np.searchsorted(edges, self._span.stop - base))
            behind = max(behind, 1)  # the first is ours in any case: it began before
            if behind < len(edges):
                end = closing = int(edges[behind])
                edges, held, self.done = edges[:behind], False, True
        origin = np.full(len(edges), -1, np.int64)
        if forced and self._anchor < 0 and self._span.continues is not None:
            origin[0] = self._span.continues
        edges, origin, anchor = self._pieces(block, base, edges, origin, closing)
        closed = len(edges) - (end is None or held)
        more = self._within(edges, origin, closed, closing)
        if len(more):
            place = np.searchsorted(edges, more)
            edges, origin, closed = np.insert(edges, place, more), np.insert(origin, place, -1), closed + len(more)
        chunks = []
        stops = np.append(edges[1:], closing)
        offset = np.append(base + edges, base + closing)
        if base == 0 and self._span.start == 0:
            offset[0] = 0  # a byte order mark belongs to the first record, and is no text of it
        for low, high, is_held in ((0, closed, False), (closed, len(edges), True)):
            if low < high and not (is_held and end is None):
                records = self._texts(block, edges[low:high], stops[low:high])
                chunks.append(Chunk(records, offset[low : high + 1], origin[low:high], is_held))
        if end is not None or not closed:
            return chunks, closing if end is not None else unused
        self._anchor = anchor
        return chunks, self._used(block, int(edges[-1]))

    def _within(self, edges: Positions, origin: Positions, closed: int, closing: int) -> Positions:
        """Where further records begin in the closed ones, which are groups of records then."""
        find = getattr(self._span.format, "edges", None)
        if find is None or self._recoded is not None or (origin >= 0).any() or not closed:
            return np.zeros(0, np.int64)
        until = edges[closed] if closed < len(edges) else closing
        lines = self._lines
        at = lines.start[(lines.start >= edges[0]) & (lines.start < until)]
        if len(at) == min(closed, len(edges)):
            return np.zeros(0, np.int64)  # every line is a group already
        chosen = np.isin(lines.start, at)
        found = at[find(Lines(lines.block, at, lines.stop[chosen], lines.next[chosen]))]
        return np.setdiff1d(found, edges)

    def _end(self, block: Block, begin: int, at_end: bool) -> int | None:
        """Where the last record of the source ends as far as it is known; None while more is to come."""
        if not at_end:
            return None
        if self._final:
            return block.size
        newline = block.positions(10)
        return max(begin, int(newline[-1]) + 1 if len(newline) else 0)

    def _pieces(
        self, block: Block, base: int, edges: Positions, origin: Positions, closing: int
    ) -> tuple[Positions, Positions, int]:
        """Cut records longer than the limit; also says where the record began of which the last edge is a piece."""
        stops = np.append(edges[1:], closing)
        long = np.flatnonzero(stops - edges > self._max)
        if self._anchor >= 0 and not (len(long) and long[0] == 0):
            long = np.insert(long, 0, 0)
        anchor = -1
        for index in long[::-1]:  # few: each is longer than a block's worth of ordinary lines
            start = self._anchor if index == 0 and self._anchor >= 0 else base + int(edges[index])
            if index == 0 and self._anchor >= 0:
                origin[0] = self._anchor
            low, high = base + int(edges[index]), base + int(stops[index])
            whole = {self._whole(block, at - base) for at in range(start, high, self._max) if at > low}
            marks = sorted(at for at in whole if base + at > low)
            if index == len(edges) - 1 and (marks or origin[index] == start):
                anchor = start
            edges = np.insert(edges, index + 1, marks)
            origin = np.insert(origin, index + 1, [start] * len(marks))
        return edges, origin, anchor

    def _whole(self, block: Block, at: int) -> int:
        """`at`, or the beginning of the character or escape sequence it stands inside."""
        if self._recoded is not None:
            at = self._recoded.whole(at)
        return at if self._latin1 else _character(block, at)

    def _texts(self, block: Block, start: Positions, stop: Positions) -> Records:
        """The records' text without the line ends behind it, and where their first lines end."""
        if self._recoded is not None:
            return _texts(self._recoded.block, self._recoded.at(start), self._recoded.at(stop))
        lines = self._lines
        at = int(np.searchsorted(lines.start, start[0]))
        if at + len(start) <= len(lines) and np.array_equal(lines.next[at : at + len(start)], stop):
            line_stop = lines.stop[at : at + len(start)]  # each record is one line
            return Records(block, start, line_stop, line_stop)
        return _texts(block, start, stop)


def _character(block: Block, at: int) -> int:
    """`at`, or the beginning of the character it stands inside."""
    while at > 0 and at < block.size and block.bytes[at] & 0xC0 == 0x80:
        at -= 1
    return at


def _texts(block: Block, start: Positions, stop: Positions) -> Records:
    """The records' text without the line ends behind it, and where their first lines end."""
    raw = block.bytes
    stop = stop.copy()
    todo = np.flatnonzero((stop > start) & (raw[stop - 1] == 10))
    for _ in range(_ROUNDS):
        if not len(todo):
            break
        stop[todo] -= 1
        stop[todo] -= (stop[todo] > start[todo]) & (raw[stop[todo] - 1] == 13)
        todo = todo[(stop[todo] > start[todo]) & (raw[stop[todo] - 1] == 10)]
    for row in todo:  # the few that end in many blank lines
        text = bytes(block.data[int(start[row]) : int(stop[row])])
        kept = len(text.rstrip(b"\r\n"))
        lone = text.rfind(b"\r\r", kept)  # only one CR belongs to a line's end
        stop[row] = start[row] + (kept if lone < 0 else lone + 1)
    line_stop = np.minimum(block.next(10, start), stop)
    line_stop -= (line_stop > start) & (line_stop < stop) & (raw[line_stop - 1] == 13)
    return Records(block, start, line_stop, stop)

"""Blocks as they lie in a file, and as formats and people see them.

Most are the same. Where a block holds Latin-1, colours or other escape sequences, or NUL bytes, it is cut where its raw
bytes say, and read in another block made of it; positions are mapped from the one to the other:

  - a Latin-1 byte from 80 on becomes the two bytes of that character in UTF-8;
  - an escape sequence (`ESC [ … letter`, `ESC ( letter` and the like) is dropped;
  - a NUL behind a line end or another NUL is dropped, any other is shown as U+FFFD.

What becomes of a byte depends on its line and the byte before, never on where blocks end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np

from logkit.formats import kernels
from logkit.formats.block import DELETE, PAD, Block, Lines, Positions

NOWHERE: Final = np.zeros(0, np.int64)

_ESCAPE: Final = 27
_MOST_PARAMETERS: Final = 32  # what goes on for longer is no escape sequence
_TORN_ESCAPE: Final = re.compile(rb"\x1b(?:\[[ -?]{0,%d}|[ -/])?" % _MOST_PARAMETERS)


@dataclass(frozen=True, slots=True)
class Recoded:
    """What a raw block is shown as. `changed` are the raw positions of bytes that were dropped or became two, `shift`
    how far what follows the first n of them has moved; `escape` to `escape_stop` are the sequences dropped.
    """

    block: Block
    changed: Positions
    shift: Positions
    escape: Positions
    escape_stop: Positions

    def at(self, raw: Positions) -> Positions:
        """Where raw positions are in the block shown."""
        return raw + self.shift[np.searchsorted(self.changed, raw)]

    def lines(self, lines: Lines) -> Lines:
        """Lines of the raw block in the block shown."""
        return Lines(self.block, self.at(lines.start), self.at(lines.stop), self.at(lines.next))

    def whole(self, raw: int) -> int:
        """A raw position, or the beginning of the escape sequence it stands inside."""
        before = int(np.searchsorted(self.escape, raw)) - 1
        return int(self.escape[before]) if before >= 0 and self.escape_stop[before] > raw else raw


@dataclass(frozen=True, slots=True)
class Decoded:
    """A raw block, what it is shown as (None: as it is), and where it holds bytes that are no UTF-8.

    Each of those is replaced by `DELETE` in what is shown, so that positions stay. Line ends are LF in both.
    """

    raw: Block
    recoded: Recoded | None
    invalid: Positions


def decode(
    data: bytearray, size: int, encoding: str = "utf-8", line_end: bytes = b"\n", before: int = 10, first: bool = False
) -> Decoded:
    """Decode the first `size` bytes of `data`, behind which `PAD` more stand; `data` itself stays as it is.

    `before` is the byte before them. `first`: byte 0 may be the end of a character that is not ours to judge.
    """
    if line_end != b"\n":
        data = data.replace(line_end, b"\n")
    lines, deleted = None, None
    if kernels.compiled:
        lines, high, zeros, coloured, deleted = kernels.look(data, size)
    else:
        least = np.frombuffer(data, np.int8, size).min(initial=1)
        high, zeros = bool(least < 0), bool(least <= 0) and data.find(0, 0, size) >= 0
        coloured = data.find(_ESCAPE, 0, size) >= 0
    latin1, invalid = encoding == "latin-1" and high, NOWHERE
    if high and not latin1:
        data, invalid = _valid(data, size, first)
        deleted = deleted or len(invalid) > 0
    raw = Block(data, size, lines, deleted)
    return Decoded(raw, _recode(raw, latin1, before) if coloured or zeros or latin1 else None, invalid)


def torn(data: bytearray, size: int, encoding: str) -> int:
    """How many bytes at the end are the beginning of a character or escape sequence that goes on in the next block."""
    back = 0 if encoding == "latin-1" else _torn_character(data, size)
    at = data.rfind(_ESCAPE, max(0, size - back - _MOST_PARAMETERS - 2), size - back)
    return size - at if at >= 0 and _TORN_ESCAPE.fullmatch(data, at, size - back) else back


def shown(head: bytes, encoding: str) -> bytes:
    """The beginning of a file (what its reader gives) as formats see it, in UTF-8."""
    decoded = decode(bytearray(head) + bytes(PAD), len(head), encoding)
    block = decoded.recoded.block if decoded.recoded else decoded.raw
    return bytes(block.data[: block.size])


def _torn_character(data: bytearray, size: int) -> int:
    for back in range(1, min(3, size) + 1):
        byte = data[size - back]
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return back if back < length else 0
        if byte < 0x80:
            return 0
    return 0


def _valid(data: bytearray, size: int, first: bool) -> tuple[bytearray, Positions]:
    """The bytes as valid UTF-8 with padding, and where they were none: each of those is replaced, positions stay."""
    if first and data[0] > 127:
        data = bytearray(data)
        data[0] = ord("?")
    raw = bytes(memoryview(data)[:size])
    try:
        raw.decode()
        return data, NOWHERE
    except UnicodeDecodeError:
        # One surrogate for each invalid byte, and one "?" for each surrogate: every byte stays in its place.
        patched = bytearray(raw.decode("utf-8", "surrogateescape").encode("utf-8", "replace") + bytes(PAD))
    repaired = np.frombuffer(patched, np.uint8)
    wrong = np.flatnonzero(repaired[:size] != np.frombuffer(raw, np.uint8))
    repaired[wrong] = ord(DELETE)
    return patched, wrong


def _recode(raw: Block, latin1: bool, before: int) -> Recoded:
    shown = raw.bytes[: raw.size].copy()
    zero = raw.positions(0)
    previous = raw.bytes[zero - 1]
    if len(zero) and zero[0] == 0:
        previous[0] = before
    silent = (previous == 0) | (previous == 10)
    shown[zero[~silent]] = ord(DELETE)
    escape, escape_stop = _escapes(raw)
    keep = np.ones(raw.size, np.bool_)
    keep[zero[silent]] = False
    keep[_within(escape, escape_stop)] = False
    changed = np.flatnonzero(~keep | (shown >= 0x80) if latin1 else ~keep)
    change = np.where(keep[changed], 1, -1)
    text = shown[keep].tobytes()
    if latin1:
        text = text.decode("latin-1").encode()
    shift = np.append(0, np.cumsum(change, dtype=np.int64))
    return Recoded(Block.of(text), changed, shift, escape, escape_stop)


def _escapes(raw: Block) -> tuple[Positions, Positions]:
    """Where escape sequences begin and end."""
    start = raw.positions(_ESCAPE)
    second, third = raw.bytes[start + 1], raw.bytes[start + 2]
    length = np.where((second >= 0x20) & (second <= 0x2F) & (third >= 0x30) & (third <= 0x7E), 3, 0)
    todo = np.flatnonzero(second == ord("["))
    for parameters in range(_MOST_PARAMETERS + 1):
        byte = raw.bytes[start[todo] + 2 + parameters]
        length[todo[(byte >= 0x40) & (byte <= 0x7E)]] = parameters + 3
        todo = todo[(byte >= 0x20) & (byte < 0x40)]
        if not len(todo):
            break
    stop = start + length
    found = (length > 0) & (stop <= raw.size)
    return start[found], stop[found]


def _within(start: Positions, stop: Positions) -> Positions:
    """All positions from each start to its stop."""
    length = stop - start
    first = np.repeat(start - np.append(0, np.cumsum(length)[:-1]), length)
    return first + np.arange(len(first))

"""The literals of a pattern, looked for and compared in many rows at once."""

from __future__ import annotations

from typing import Final

import numpy as np

from logkit.formats.block import Block, Mask, Positions
from logkit.formats.pattern import Literal
from logkit.formats.seek import next_byte, skip_blanks

_BLANK: Final = 32
_QUOTE: Final = 34
_BACKSLASH: Final = 92
_ROUNDS: Final = 4  # tries row by row before a whole block is searched at once


def find_literal(block: Block, literal: Literal, start: Positions, limit: Positions) -> tuple[Positions, Positions]:
    """Where the literal stands next in each line, and what is behind it; beyond `limit` where it does not."""
    anchor = literal.anchor
    if literal.parts == (b" ",):
        at = np.minimum(next_byte(block, anchor, start), limit)
        return at, skip_blanks(block, at)
    at = next_byte(block, anchor, start)
    fits, behind = _stands_at(block, literal, at)
    todo = np.flatnonzero(~fits & (at < limit))
    for _ in range(_ROUNDS):
        if not len(todo):
            break
        at[todo] = next_byte(block, anchor, np.minimum(at[todo] + 1, block.size))
        again, behind[todo] = _stands_at(block, literal, at[todo])
        fits[todo] = again
        todo = todo[~again & (at[todo] < limit[todo])]
    if len(todo):
        # Lines full of the byte: judge each of its occurrences once, then look among the good ones.
        every = _likely(block, literal)
        good = every[_stands_at(block, literal, every)[0]]
        place = np.searchsorted(good, at[todo])
        at[todo] = np.append(good, block.size)[place]
        fits[todo], behind[todo] = _stands_at(block, literal, at[todo])
    return np.where(fits & (at < limit), at, limit + 1), behind


def _likely(block: Block, literal: Literal) -> Positions:
    """The occurrences of the anchor whose neighbours on both sides are right."""
    every: Positions = block.positions(literal.anchor)
    if literal.blank_first:
        every = every[block.bytes[every - 1] == _BLANK]
    text, *more = literal.behind
    after = block.bytes[every + 1]
    if len(text) > 1:
        every = every[after == text[1]]
    elif more:
        every = every[(after == _BLANK) | (after == 10) | (after == 13) | (after == 0)]
    return every


def _stands_at(block: Block, literal: Literal, at: Positions) -> tuple[Mask, Positions]:
    """Whether the literal stands with its anchor at each position, and what is behind it."""
    fits, behind = read_parts(block, literal.behind, at)
    if literal.blank_first:
        fits &= block.bytes[at - 1] == _BLANK
    elif literal.anchor == _QUOTE:
        fits &= (block.bytes[at - 1] != _BACKSLASH) | (block.bytes[at - 2] == _BACKSLASH)
    return fits, behind


def read_parts(block: Block, parts: tuple[bytes, ...], at: Positions) -> tuple[Mask, Positions]:
    """Whether blanks and text stand at each position, and what is behind them (no further than a block's end)."""
    written = b"".join(parts)
    if len(written) > 8:
        return _read_each(block, parts, at)
    # Mostly every blank is just one, and the literal is compared as one word.
    fits, behind = _is(block, written, at), np.minimum(at + len(written), block.size)
    if parts[-1] == b" ":
        behind = skip_blanks(block, behind)
    other = np.flatnonzero(~fits) if b" " in parts else ()
    if len(other):
        fits[other], behind[other] = _read_each(block, parts, at[other])
    return fits, behind


def _read_each(block: Block, parts: tuple[bytes, ...], at: Positions) -> tuple[Mask, Positions]:
    fits = np.ones(len(at), np.bool_)
    for part in parts:
        if part == b" ":
            fits &= _blank_or_end(block, at)
            at = skip_blanks(block, at)
            continue
        for i in range(0, len(part), 8):
            fits &= _is(block, part[i : i + 8], at)
            at = np.minimum(at + len(part[i : i + 8]), block.size)
    return fits, at


def _is(block: Block, piece: bytes, at: Positions) -> Mask:
    """Whether these up to eight bytes stand at each position."""
    if len(piece) == 1:
        result: Mask = block.bytes[at] == piece[0]
        return result
    value, mask = int.from_bytes(piece, "little"), (1 << (8 * len(piece))) - 1
    result = ((block.words(at) ^ np.uint64(value)) & np.uint64(mask)) == 0
    return result


def _blank_or_end(block: Block, at: Positions) -> Mask:
    byte = block.bytes[at]
    result: Mask = byte == _BLANK
    other = np.flatnonzero(~result)
    if len(other):
        place, byte = at[other], byte[other]
        following = block.bytes[place + 1]
        last = place + 1 >= block.size
        result[other] = (place >= block.size) | (byte == 10) | ((byte == 13) & ((following == 10) | last))
    return result

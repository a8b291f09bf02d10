"""Moving many positions at once: over blanks, and to the next of a byte."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from logkit.formats.block import Block, Positions

_BLANK: Final = 32
_ROUNDS: Final = 4  # tries row by row before a whole block is searched at once
_REACHES: Final = (16, 32, 64)  # bytes to look ahead at once
_SAMPLE: Final = 16  # rows that tell how far to look ahead
SMALL: Final = 1 << 16
"""Bytes of a block that cost less to search as a whole."""
_FEW: Final = 8  # rows for which a loop costs less than searching the block


def skip_blanks(block: Block, at: Positions) -> Positions:
    """Each position moved to the next byte that is no blank."""
    for _ in range(2):
        blank = block.bytes[at] == _BLANK
        if not blank.any():
            return at
        at = at + blank
    todo = np.flatnonzero(block.bytes[at] == _BLANK)
    for _ in range(_ROUNDS):
        if not len(todo):
            return at
        at[todo] += 1
        todo = todo[block.bytes[at[todo]] == _BLANK]
    solid = np.flatnonzero(block.bytes[: block.size + 1] != _BLANK)
    at[todo] = solid[np.searchsorted(solid, at[todo])]
    return at


def trim_blanks(block: Block, start: Positions, stop: Positions) -> Positions:
    """Each stop moved back over blanks, as far as `start`."""
    for _ in range(2):
        blank = (block.bytes[stop - 1] == _BLANK) & (stop > start)
        if not blank.any():
            return stop
        stop = stop - blank
    todo = np.flatnonzero((block.bytes[stop - 1] == _BLANK) & (stop > start))
    for _ in range(_ROUNDS):
        if not len(todo):
            return stop
        stop[todo] -= 1
        todo = todo[(block.bytes[stop[todo] - 1] == _BLANK) & (stop[todo] > start[todo])]
    solid = np.append(-1, np.flatnonzero(block.bytes[: block.size] != _BLANK))
    stop[todo] = np.maximum(solid[np.searchsorted(solid, stop[todo]) - 1] + 1, start[todo])
    return stop


def next_byte(block: Block, byte: int, at: Positions) -> Positions:
    """As `Block.next`, but where the byte is mostly near, it looks there instead of searching the whole block."""
    if block.size <= SMALL:
        return block.next(byte, at)
    places, todo = _ahead(block, byte, at, _reach(block, byte, at))
    for _ in range(_ROUNDS):
        if len(todo) * 4 > len(at) or not len(todo):
            break
        places[todo], left = _ahead(block, byte, places[todo], _REACHES[-1])
        todo = todo[left]
    if len(todo) <= _FEW:
        for row in todo.tolist():
            found = block.data.find(byte, int(places[row]), block.size)
            places[row] = found if found >= 0 else block.size
    else:
        places[todo] = block.next(byte, places[todo])
    return places


def near(block: Block, byte: int, at: Positions, within: int) -> bool:
    """Whether most rows have the byte within so many bytes, by a sample of them."""
    return _likely(block, byte, at, within) < within


def _reach(block: Block, byte: int, at: Positions) -> int:
    """How many bytes ahead to look: the least reach within which most rows of a sample have the byte."""
    likely = _likely(block, byte, at, _REACHES[-1])
    return next((reach for reach in _REACHES if likely < reach), _REACHES[-1])


def _likely(block: Block, byte: int, at: Positions, most: int) -> int:
    """How far ahead the byte is in three quarters of a sample of rows, at most `most`."""
    sample = at[:: max(len(at) // _SAMPLE, 1)][:_SAMPLE].tolist()
    found = ((block.data.find(byte, start, start + most), start) for start in sample)
    distances = sorted(place - start if place >= 0 else most for place, start in found)
    return distances[len(distances) * 3 // 4] if distances else 0


def _ahead(block: Block, byte: int, at: Positions, reach: int) -> tuple[Positions, Positions]:
    """Where the byte is among the `reach` bytes from each position on, and which rows do not have it there."""
    room = len(block.data) - reach
    if len(at) and int(at.max()) > room:
        inside = np.flatnonzero(at <= room)
        places, todo = at.copy(), np.flatnonzero(at > room)
        places[inside], left = _ahead(block, byte, at[inside], reach)
        return places, np.append(inside[left], todo)
    view: npt.NDArray[Any] = np.ndarray((max(room + 1, 0),), f"V{reach}", block.data, 0, (1,))
    # One bit for each byte ahead; the bits below the lowest one set count the bytes before it.
    bits = np.packbits(view[at].view(np.uint8) == byte, bitorder="little").view(f"<u{reach // 8}")
    passed = np.bitwise_count((bits & (~bits + bits.dtype.type(1))) - bits.dtype.type(1))
    return np.minimum(at + passed, block.size), np.flatnonzero(bits == 0)

"""Seconds and their fraction, eight bytes at a time: digits become a number in three multiplications."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from logkit.formats import kernels
from logkit.formats.block import Block, Mask, Positions, Text
from logkit.formats.civil import SECOND

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[Any]

LEAP: Final = 60 * SECOND - 1
"""What second 60 reads as: the last microsecond of its minute."""

_ZEROS: Final = np.uint64(0x3030303030303030)
_LOW: Final = np.uint64(0x7F7F7F7F7F7F7F7F)
_CARRY: Final = np.uint64(0x7676767676767676)
_HIGH: Final = np.uint64(0x8080808080808080)
_BYTE: Final = np.uint64(0xFF)


def not_digits(word: Words) -> Words:
    """The high bit of each byte that is no digit, of a word that ASCII zeros were taken out of."""
    result: Words = (((word & _LOW) + _CARRY) | word) & _HIGH
    return result


def short_numbers(text: Text) -> tuple[Ints, Mask]:
    """The numbers that fields of one to eight digits hold, and which fields are such."""
    if kernels.compiled:
        return kernels.short_numbers(text.block.data, text.start, text.stop)
    length = text.stop - text.start
    known = (length > 0) & (length <= 8)
    # Moved up by what is missing: eight digits with zeros before them.
    spare = ((8 - np.clip(length, 1, 8)) * 8).astype(np.uint64)
    digits = (text.block.words(text.start) ^ _ZEROS) << spare
    known &= not_digits(digits) == 0
    return _eight(digits).astype(np.int64), known


def _eight(digits: Words) -> Words:
    """The number that eight digits make: pairs, fours, all."""
    value = (digits * np.uint64(2561)) >> np.uint64(8)
    value = ((value & np.uint64(0x00FF00FF00FF00FF)) * np.uint64(6553601)) >> np.uint64(16)
    result: Words = ((value & np.uint64(0x0000FFFF0000FFFF)) * np.uint64(42949672960001)) >> np.uint64(32)
    return result


def read_seconds(block: Block, at: Positions, *, fraction: bool) -> tuple[Ints, Mask, Positions]:
    """The seconds at each position with their fraction, in µs, and where they end."""
    word = block.words(at)
    digits = word ^ _ZEROS
    other = not_digits(digits)
    second = (digits & _BYTE) * np.uint64(10) + ((digits >> np.uint64(8)) & _BYTE)
    ok = ((other & np.uint64(0x8080)) == 0) & (second <= 60)
    us = second.astype(np.int64) * SECOND
    stop = at + 2
    if fraction:
        mark = (word >> np.uint64(16)) & _BYTE
        marked = (mark == 46) | (mark == 44)
        if marked.any():
            micros, taken = _fraction(block, at, digits >> np.uint64(24), other >> np.uint64(24))
            us += micros * marked
            stop += taken * marked
    leap = second == 60
    if leap.any():
        us[leap] = LEAP
    return us, ok, stop


def _fraction(block: Block, at: Positions, digits: Words, other: Words) -> tuple[Ints, Ints]:
    """µs and width, mark included, of a fraction whose first five digits are the word's first five bytes."""
    other = other | np.uint64(0x80 << 40)
    lowest = other & (~other + np.uint64(1))
    keep = (lowest >> np.uint64(7)) - np.uint64(1)
    count = (np.bitwise_count(keep) >> 3).astype(np.int64)
    # Digits one to five of the eight that three steps add up: pairs, fours, all. Those behind count for nothing.
    micros = _eight((digits & keep) << np.uint64(16)).astype(np.int64)
    long = np.flatnonzero(count == 5)
    if len(long):
        rest = block.words(np.minimum(at[long] + 8, block.size)) ^ _ZEROS
        more = not_digits(rest) | np.uint64(0x80 << 32)
        keep = ((more & (~more + np.uint64(1))) >> np.uint64(7)) - np.uint64(1)
        micros[long] += (rest & keep & _BYTE).astype(np.int64)
        count[long] += np.bitwise_count(keep) >> 3
    return micros, (count + 1) * (count > 0)

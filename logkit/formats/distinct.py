"""The different texts of a field, and which of them each record has: found by hash, without making strings of all."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from logkit.formats import kernels
from logkit.formats.block import DELETE, Text

Ints = npt.NDArray[np.int64]

_LONGEST: Final = 64  # bytes of a text that are compared word by word
_BITS: Final = 12
_SHIFT: Final = np.uint64(64 - _BITS)
_KEEP: Final = np.array([(1 << (8 * n)) - 1 for n in range(9)], np.uint64)
_FACTORS: Final = tuple(np.uint64(factor) for factor in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0xD6E8FEB86659FD93))


def distinct(text: Text) -> tuple[list[str], Ints]:
    """The different texts, in no order, and each row's place among them.

    Rows fall into the slots of a hash table; those that equal the row that came to stand for their slot are done, the
    others go on with another hash. Few texts take one round, and each round is a few array operations.
    """
    if kernels.compiled and (found := kernels.distinct(text.block.data, text.block.size, text.start, text.stop)):
        return _texts(text, found[0]), found[1]
    length = text.stop - text.start
    if int(length.max(initial=0)) > _LONGEST:
        return _by_strings(text)
    words = _words(text, length)
    key = length.astype(np.uint64)
    for word in words:
        key = (key ^ word) * _FACTORS[0]
        key ^= key >> np.uint64(29)
    place, count = np.zeros(len(text), np.int64), 0
    owner, number = np.empty(1 << _BITS, np.int64), np.empty(len(text), np.int64)
    owners: list[Ints] = []
    todo, rounds = np.arange(len(text)), 0
    while len(todo):
        slot = ((key[todo] * _FACTORS[rounds % len(_FACTORS)]) >> _SHIFT).astype(np.int64)
        owner[slot] = todo
        mine = owner[slot]
        first = todo[mine == todo]
        number[first] = np.arange(count, count + len(first))
        count += len(first)
        owners.append(first)
        same = length[mine] == length[todo]
        for word in words:
            same &= word[mine] == word[todo]
        place[todo] = number[mine]
        todo = todo[~same]
        rounds += 1
    rows = np.concatenate(owners) if owners else todo
    return _texts(text, rows), place


def _words(text: Text, length: Ints) -> list[npt.NDArray[np.uint64]]:
    """The texts, eight bytes at a time, with zeros behind their ends."""
    block = text.block
    return [
        block.words(np.minimum(text.start + at, block.size)) & _KEEP[np.clip(length - at, 0, 8)]
        for at in range(0, int(length.max(initial=0)), 8)
    ]


def _texts(text: Text, rows: Ints) -> list[str]:
    block = text.block
    found = [
        block.text(start, stop) for start, stop in zip(text.start[rows].tolist(), text.stop[rows].tolist(), strict=True)
    ]
    return [one.replace(DELETE, "\ufffd") for one in found] if block.deleted else found


def _by_strings(text: Text) -> tuple[list[str], Ints]:
    """The same for texts too long to be compared by hand."""
    codes = text.series("text").rank("dense").to_numpy().astype(np.int64) - 1
    rows = np.empty(int(codes.max()) + 1, np.int64)
    rows[codes] = np.arange(len(codes))
    return _texts(text, rows), codes

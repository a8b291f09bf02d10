"""What a field may hold: the constraints a template can set."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from logkit.formats.block import Mask, Text
from logkit.formats.seconds import not_digits
from logkit.formats.seek import next_byte

_BLANK: Final = 32
_ZEROS: Final = np.uint64(0x3030303030303030)
_FIRST: Final = np.array([(1 << (8 * n)) - 1 for n in range(9)], np.uint64)
_WORDS: Final = 4  # words of a field that are looked at one by one


def whole_characters(text: Text) -> Mask:
    """Which texts end between characters: where both ends do, no character was cut."""
    inside = text.block.bytes[text.stop] & 0xC0
    result: Mask = inside != 0x80
    return result


def conforms(text: Text, kind: str) -> Mask:
    """Which texts hold digits only (d), a number (f), no blank (w); empty ones do."""
    if kind == "w":
        result: Mask = next_byte(text.block, _BLANK, text.start) >= text.stop
        return result
    result = _all_digits(text)
    todo = np.flatnonzero(~result)
    if kind == "f" and len(todo):
        numbers = text.take(todo).series().cast(pl.Float64, strict=False)
        result[todo] = numbers.is_finite().fill_null(False).to_numpy()
    return result


def _all_digits(text: Text) -> Mask:
    length, at = text.stop - text.start, text.start
    result = np.ones(len(text), np.bool_)
    for _ in range(_WORDS):
        inside = _FIRST[np.clip(length, 0, 8)]
        result &= (not_digits(text.block.words(at) ^ _ZEROS) & inside) == 0
        length = length - 8
        if not (length > 0).any():
            return result
        at = np.minimum(at + 8, text.block.size)
    todo = np.flatnonzero(result & (length > 0))
    if len(todo):
        raw = text.block.bytes[: text.block.size]
        others = np.append(np.flatnonzero((raw < 48) | (raw > 57)), text.block.size)
        result[todo] = others[np.searchsorted(others, text.start[todo])] >= text.stop[todo]
    return result

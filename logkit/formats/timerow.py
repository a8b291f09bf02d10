"""Neighbouring pieces of a written time that are digits and literals of fixed width, read in one go."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Final

import numpy as np
import numpy.typing as npt

from logkit.formats.block import Block, Mask, Positions
from logkit.formats.layouts import Element
from logkit.formats.seconds import Ints

POWERS: Final = 10 ** np.arange(17, -1, -1, dtype=np.int64)
"""What the digits of a number are worth; the last one 1."""

_PLAIN: Final = frozenset({"literal", "Y", "y", "m", "d", "H", "I", "M", "S"})
_BETWEEN: Final = -1  # stands for a blank or a `T` among expected bytes


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """Which bytes are digits, what the others are, and which of the digits are each number's."""

    width: int
    digits: Positions
    others: Positions
    expected: npt.NDArray[np.int16]
    numbers: tuple[tuple[str, slice], ...]

    def read(self, block: Block, pos: Positions, limit: Positions) -> tuple[Mask, dict[str, Ints]]:
        """Which records have such a row at `pos` and before `limit`, and its numbers by their layout's letter."""
        at = pos + np.arange(self.width)[:, None]
        byte = np.where(at < limit, block.bytes[np.minimum(at, limit)], np.uint8(0))
        digit, other, expected = byte[self.digits] - np.uint8(48), byte[self.others], self.expected[:, None]
        fits: Mask = pos + self.width <= limit
        fits &= (digit <= 9).all(axis=0)
        fits &= np.where(expected == _BETWEEN, (other == 32) | (other == 84), other == expected).all(axis=0)
        wide = digit.astype(np.int64)
        return fits, {name: POWERS[place.start - place.stop :] @ wide[place] for name, place in self.numbers}


@lru_cache(maxsize=256)
def grouped(elements: tuple[Element, ...]) -> tuple[Element | Row, ...]:
    """The pieces of a layout in order, neighbours that can be read in one go as one."""
    found: list[Element | Row] = []
    for plain, group in groupby(elements, lambda element: element.width > 0 and element.code in _PLAIN):
        neighbours = tuple(group)
        found += [_row(neighbours)] if plain and len(neighbours) > 1 else neighbours
    return tuple(found)


def _row(elements: tuple[Element, ...]) -> Row:
    digits: list[int] = []
    others: dict[int, int] = {}
    numbers = []
    at = 0
    for element in elements:
        places = range(at, at + element.width)
        at += element.width
        if element.between:
            others[places[0]] = _BETWEEN
        elif element.literal:
            others.update(zip(places, element.literal, strict=True))
        else:
            numbers.append((element.code, slice(len(digits), len(digits) + element.width)))
            digits += places
    expected = np.array(list(others.values()), np.int16)
    return Row(at, np.array(digits, np.int64), np.array(list(others), np.int64), expected, tuple(numbers))

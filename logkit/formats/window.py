"""The next 64 bytes of every record as bits: where a literal stands is one shift and one count for all of them.

A window is one gather. Of each byte a pattern asks for it keeps one bit per place; a literal is these bits shifted over
each other, so that looking for it and comparing it are the same few operations. What a window cannot tell (a literal
further away, blanks in a row, a text at the line's end) it says, and the rows concerned are read as `seek` reads them.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from logkit.formats.block import Block, Mask, Positions
from logkit.formats.pattern import Literal

Bits = npt.NDArray[np.uint64]

WIDTH: Final = 64
"""How many bytes a window shows."""

_ONE: Final = np.uint64(1)
_BLANK: Final = 32
_QUOTE: Final = 34
_BACKSLASH: Final = 92


class Window:
    """What stands behind a place of each row, as far as `WIDTH` bytes. The block must hold that many."""

    __slots__ = ("_base", "_bits", "_block", "_bytes", "_literals")

    def __init__(self, block: Block, start: Positions) -> None:
        room = len(block.data) - WIDTH
        self._block = block
        self._base = np.minimum(start, room)
        view: npt.NDArray[Any] = np.ndarray((room + 1,), f"V{WIDTH}", block.data, 0, (1,))
        self._bytes = view[self._base].view(np.uint8)
        self._bits: dict[int, Bits] = {}
        self._literals: dict[Literal, tuple[Bits, Bits | None]] = {}

    def find(self, literal: Literal, start: Positions, limit: Positions) -> tuple[Positions, Positions, Mask]:
        """Where the literal stands next in each line, what is behind it, and of which rows this is known.

        As `matcher` means it: beyond `limit` where a line does not have it; for a lone blank `limit` itself.
        """
        at = (start - self._base).view(np.uint64)
        stop = (limit - self._base).view(np.uint64)
        exact, loose = self._of(literal)
        here = exact >> at
        if loose is not None:
            width = np.uint64(len(literal.behind[0]))
            end = np.where((stop >= width) & (stop - width < WIDTH), _ONE << (stop - width), np.uint64(0))
            some = here | ((loose | (end & self._text(literal))) >> at)
            first = some & (~some + _ONE)
            known = (first & here) != 0
            known |= (some == 0) & (stop <= WIDTH)
        else:
            first = here & (~here + _ONE)
            known = (first != 0) | (stop <= WIDTH)
        found = at + np.bitwise_count(first - _ONE)
        missing = (first == 0) | (found >= stop)
        behind = found + np.uint64(sum(map(len, literal.behind)))
        if literal.parts[-1] == b" ":
            rest = ~self.bits(_BLANK) >> behind
            behind += np.bitwise_count((rest & (~rest + _ONE)) - _ONE)
            known &= (behind < WIDTH) | missing
        place, after = self._base + found.view(np.int64), self._base + behind.view(np.int64)
        if missing.any():
            alone = literal.parts == (b" ",)
            place = np.where(missing, limit if alone else limit + 1, place)
            after = np.where(missing, limit, after)
        if literal.anchor == _QUOTE and not literal.blank_first:
            known &= self._block.bytes[place - 1] != _BACKSLASH
        return place, after, known

    def blank_between(self, start: Positions, stop: Positions) -> Mask:
        """Which texts hold a blank; all of them must end within the window."""
        at = (start - self._base).view(np.uint64)
        blank = self.bits(_BLANK) >> at
        result: Mask = np.bitwise_count((blank & (~blank + _ONE)) - _ONE) < (stop - start)
        return result

    def bits(self, byte: int) -> Bits:
        """One bit for each place at which the byte stands."""
        found = self._bits.get(byte)
        if found is None:
            found = np.packbits(self._bytes == byte, bitorder="little").view("<u8")
            self._bits[byte] = found
        return found

    def _of(self, literal: Literal) -> tuple[Bits, Bits | None]:
        """Where its anchor stands, with one blank for each of its blanks, and where it may stand with more of them."""
        known = self._literals.get(literal)
        if known is None:
            written = b"".join(literal.behind)
            exact = self._series(written)
            loose = None
            if literal.parts != (b" ",) and b" " in literal.behind:
                loose = self._loose(literal, exact)
            if literal.blank_first:
                before = (self.bits(_BLANK) << _ONE) | (self._block.bytes[self._base - 1] == _BLANK)
                exact = exact & before
                loose = None if loose is None else loose & before
            known = self._literals[literal] = exact, loose
        return known

    def _loose(self, literal: Literal, exact: Bits) -> Bits:
        """Where it may stand with more than one blank for one of its blanks."""
        text, blank = literal.behind[0], self.bits(_BLANK)
        after = blank >> np.uint64(len(text))
        if literal.behind.count(b" ") > 1:
            return self._series(text) & after & ~exact
        if literal.behind[-1] == b" ":
            return np.zeros_like(exact)  # blanks at its end are skipped: any number of them is the same to it
        loose: Bits = self._series(text) & after & (blank >> np.uint64(len(text) + 1))
        return loose

    def _text(self, literal: Literal) -> Bits:
        """Where the text before its first blank stands."""
        return self._series(literal.behind[0])

    def _series(self, written: bytes) -> Bits:
        result = self.bits(written[0])
        for ahead, byte in enumerate(written[1:], 1):
            result = result & (self.bits(byte) >> np.uint64(ahead))
        return result

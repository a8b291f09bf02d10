"""Where the `key=value` pairs of a block's records are, as positions: no line is looked at by itself.

Blanks outside quotes part a record into tokens. Whether a blank stands in quotes is told by counting quotes, which
works as long as each opening quote follows a `=` and each closing one ends a token; records with other
quotes (`width=5"`) are left to `oddpairs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from logkit.formats.block import Block, Mask, Positions, Records, Text
from logkit.formats.oddpairs import Tokens, odd_tokens

_QUOTE, _EQUALS, _BACKSLASH, _BLANK, _TAB = b'"=\\ \t'
_WORD: Final = 8
_KEEP: Final = np.array([(1 << (8 * size)) - 1 for size in range(_WORD + 1)], np.uint64)
_ESCAPES: Final = {"\\\\": "\\", '\\"': '"', "\\n": "\n", "\\t": "\t", "\\r": "\r", "\\/": "/"}


@dataclass(frozen=True, slots=True)
class Pairs:
    """The tokens of records in order: `row` counts records, `pair` tells pairs from bare words.

    Of a pair, [start, stop) is the key, and [value, end) the value without its quotes; of a word, all of it.
    `begin` holds the first eight bytes of the key.
    """

    block: Block
    row: Positions
    start: Positions
    stop: Positions
    value: Positions
    end: Positions
    pair: Mask
    begin: npt.NDArray[np.uint64]

    def find(self, key: bytes) -> Positions:
        """The first pair with this key of each record that has one."""
        index = np.flatnonzero(self.begin == int.from_bytes(key[:_WORD], "little"))
        index = index[self.pair[index] & (self.stop[index] - self.start[index] == len(key))]
        for at in range(_WORD, len(key), _WORD):
            piece = key[at : at + _WORD]
            words = self.block.words(self.start[index] + at) & _KEEP[len(piece)]
            index = index[words == int.from_bytes(piece, "little")]
        first = np.ones(len(index), np.bool_)
        first[1:] = self.row[index[1:]] != self.row[index[:-1]]
        firsts: Positions = index[first]
        return firsts

    def values(self, index: Positions) -> Text:
        """The values of some tokens, as written."""
        return Text(self.block, self.value[index], self.end[index])

    def unescaped(self, index: Positions) -> pl.Series:
        """The values of some tokens; in quoted ones `\\n`, `\\t`, `\\r`, `\\"`, `\\\\` and `\\/` are resolved."""
        text = self.values(index)
        series = text.series()
        if not len(self.block.positions(_BACKSLASH)):
            return series
        quoted = self.block.bytes[np.maximum(text.start - 1, 0)] == _QUOTE
        odd = np.flatnonzero(quoted & (self.block.next(_BACKSLASH, text.start) < text.stop))
        if not len(odd):
            return series
        return series.scatter(odd, series.gather(odd).str.replace_many(list(_ESCAPES), list(_ESCAPES.values())))

    def keys(self, index: Positions) -> pl.Series:
        """The keys, or words, of some tokens."""
        return Text(self.block, self.start[index], self.stop[index]).series()


def find_pairs(records: Records) -> Pairs:
    """The tokens of the records' first lines."""
    quotes, odd = _quotes(records)
    start, stop, row = _tokens(records, quotes, odd)
    block = records.block
    equals = block.next(_EQUALS, start)
    pair = (equals < stop) & (equals > start)
    value = np.where(pair, np.minimum(equals + 1, stop), start)
    quoted = pair & (value + 1 < stop) & (block.bytes[value] == _QUOTE) & (block.bytes[stop - 1] == _QUOTE)
    stops = np.where(pair, equals, stop)
    found = Pairs(block, row, start, stops, value + quoted, stop - quoted, pair, _begin(block, start, stops))
    if not odd.any():
        return found
    return _merged(found, odd_tokens(records, np.flatnonzero(odd), _unescaped_quotes(block)))


def _quotes(records: Records) -> tuple[Positions, Mask]:
    """The quotes of records whose quotes can be counted, and which records have others."""
    block, raw = records.block, records.block.bytes
    quotes = _unescaped_quotes(block)
    row = np.searchsorted(records.start, quotes, "right") - 1
    inside = (row >= 0) & (quotes < records.line_stop[row]) if len(records) else np.zeros(0, np.bool_)
    quotes, row = quotes[inside], row[inside]
    odd: Mask = np.bincount(row, minlength=len(records)) % 2 == 1
    regular = ~odd[row]
    quotes, row = quotes[regular], row[regular]
    opening, closing = quotes[::2], quotes[1::2]
    begins = raw[np.maximum(opening - 1, 0)] == _EQUALS
    after = raw[closing + 1]
    ends = (after <= _BLANK) | (closing + 1 == records.line_stop[row[1::2]])
    # Quotes within a bare value do no harm while no blank stands between them.
    harmless = block.next(_BLANK, opening) > closing
    wrong = (begins & ~ends) | (~begins & ~harmless) | (raw[closing - 1] == _EQUALS) & (closing - 1 > opening)
    odd[row[::2][wrong]] = True
    kept: Positions = quotes[~odd[row]]
    return kept, odd


def _unescaped_quotes(block: Block) -> Positions:
    """The quotes with an even number of backslashes before them."""
    quotes, slashes = block.positions(_QUOTE), block.positions(_BACKSLASH)
    if not len(quotes) or not len(slashes):
        return quotes
    begins = np.ones(len(slashes), np.bool_)
    begins[1:] = np.diff(slashes) > 1
    length = slashes - np.maximum.accumulate(np.where(begins, slashes, 0)) + 1
    at = np.minimum(np.searchsorted(slashes, quotes - 1), len(slashes) - 1)
    escaped = (slashes[at] == quotes - 1) & (length[at] % 2 == 1)
    unescaped: Positions = quotes[~escaped]
    return unescaped


def _tokens(records: Records, quotes: Positions, odd: Mask) -> tuple[Positions, Positions, Positions]:
    """Start, stop and record of what stands between blanks outside quotes, in records that are not odd."""
    block = records.block
    blanks = block.positions(_BLANK)
    if len(tabs := block.positions(_TAB)):
        blanks = np.sort(np.concatenate((blanks, tabs)))
    blanks = blanks[np.searchsorted(quotes, blanks) % 2 == 0]
    place = np.searchsorted(blanks, records.start)
    before = np.insert(blanks, place, records.start - 1)
    first = np.zeros(len(before), np.int64)
    first[place + np.arange(len(place))] = 1
    row = np.cumsum(first) - 1
    start, stop = before + 1, np.append(before[1:], block.size)
    limit = np.where(row < 0, 0, records.line_stop[row] if len(records) else 0)
    stop = np.minimum(stop, limit)
    keep = (start < stop) & ~odd[row] if len(records) else np.zeros(len(start), np.bool_)
    return start[keep], stop[keep], row[keep]


def _merged(found: Pairs, others: Tokens) -> Pairs:
    """Both kinds of tokens in the order of their records."""
    row = np.concatenate((found.row, others[:, 0]))
    order = np.argsort(row, kind="stable")
    mine = (found.start, found.stop, found.value, found.end, found.pair.astype(np.int64))
    start, stop, value, end, pair = (np.concatenate(both)[order] for both in zip(mine, others.T[1:], strict=True))
    return Pairs(found.block, row[order], start, stop, value, end, pair == 1, _begin(found.block, start, stop))


def _begin(block: Block, start: Positions, stop: Positions) -> npt.NDArray[np.uint64]:
    words: npt.NDArray[np.uint64] = block.words(start) & _KEEP[np.minimum(stop - start, _WORD)]
    return words

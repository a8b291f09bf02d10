"""The `key=value` pairs of records whose quotes cannot be counted: a token of every record at a time.

Where quotes stand within bare values (`width=5"`, `body={"a": 1}`), what is quoted depends on all that comes before.
So each record has a cursor, and all cursors move on by one token together; the last few records, which
have the most tokens, are read with a regular expression that means the same.
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np
import numpy.typing as npt

from logkit.formats.block import Block, Positions, Records

Tokens = npt.NDArray[np.int64]
"""A row per token: record, start and stop of the key, value and end of the value, 1 for a pair or 0 for a word."""

_TOKEN: Final = re.compile(rb'([^ \t="]+)=("(?:[^"\\]|\\.)*"|[^ \t]*)|[^ \t]+', re.DOTALL)
_FEW: Final = 32
_QUOTE, _EQUALS, _BLANK, _TAB = b'"= \t'


def odd_tokens(records: Records, rows: Positions, quotes: Positions) -> Tokens:
    """The tokens of some records; `quotes` are the block's quotes that are not escaped."""
    block, cursor = records.block, records.start[rows].copy()
    limit, found = records.line_stop[rows], [np.zeros((0, 6), np.int64)]
    while len(rows) > _FEW:
        tokens, cursor = _step(block, rows, cursor, limit, quotes)
        found.append(tokens)
        rows, cursor, limit = (each[cursor < limit] for each in (rows, cursor, limit))
    for row, start, stop in zip(rows.tolist(), cursor.tolist(), limit.tolist(), strict=True):
        found.append(_read(block, row, start, stop))
    return np.concatenate(found)


def _step(
    block: Block, rows: Positions, cursor: Positions, limit: Positions, quotes: Positions
) -> tuple[Tokens, Positions]:
    """The token at each cursor, if none stands on a blank, and the cursors behind it."""
    blank = np.minimum(np.minimum(block.next(_BLANK, cursor), block.next(_TAB, cursor)), limit)
    equals = block.next(_EQUALS, cursor)
    pair = (equals > cursor) & (equals < blank) & (block.next(_QUOTE, cursor) > equals)
    value = np.where(pair, equals + 1, cursor)
    quoted = pair & (value < limit) & (block.bytes[value] == _QUOTE)
    closing = np.append(quotes, block.size)[np.searchsorted(quotes, value + 1)]
    quoted &= closing < limit
    tokens = np.stack(
        (
            rows,
            cursor,
            np.where(pair, equals, blank),
            value + quoted,
            np.where(quoted, closing, blank),
            pair.astype(np.int64),
        ),
        axis=1,
    )
    return tokens[blank > cursor], np.where(quoted, closing + 1, np.where(blank > cursor, blank, cursor + 1))


def _read(block: Block, row: int, start: int, stop: int) -> Tokens:
    """The tokens between two positions of one record."""
    found = []
    for match in _TOKEN.finditer(bytes(memoryview(block.data)[start:stop])):
        left, right = match.span(1)
        value, end = match.span(2)
        if left < 0:
            left, right = value, end = match.span()
        elif end - value > 1 and match[2][:1] == b'"' == match[2][-1:]:
            value, end = value + 1, end - 1
        found.append((left, right, value, end))
    tokens = np.array(found, np.int64).reshape(-1, 4)
    paired = (tokens[:, 2] > tokens[:, 1]).astype(np.int64)
    return np.column_stack((np.full(len(tokens), row, np.int64), tokens + start, paired))

"""Stack traces without a time of their own: which unindented lines go on from the line before."""

from __future__ import annotations

import re
from typing import Final

import numpy as np
import polars as pl

from logkit.formats.block import Lines, Mask, Text

_ALONE: Final = (
    r"^(?:Caused by: |Suppressed: |\.\.\. [0-9]+ (?:more|common frames)|at [A-Za-z_$][0-9A-Za-z_.$<>/]*\("
    r"|During handling of the above exception|The above exception was the direct cause"
    r"|goroutine [0-9]+ (?:gp=\S+ m=\S+ )?(?:mp=\S+ )?\[|created by \S+|[\]})]+[,;]?$)"
)
_MARKS: Final = re.compile(rb"^Traceback \(most recent call last\):|^goroutine [0-9]+ \[|\\\r?$", re.MULTILINE)
_TRACEBACK: Final = "Traceback (most recent call last):"
_ABOVE: Final = r"^(?:During handling of the above exception|The above exception was the direct cause)"
_GOROUTINE: Final = r"^goroutine [0-9]+ "
_FRAME: Final = r"^(?:created by \S+(?: in goroutine [0-9]+)?|[^\s(]+(?:\([^\s)]*\)[^\s(]*)*\(.*\))$"


def has_traces(head: bytes) -> bool:
    """Whether a head has lines of which only the ones before tell that they start no record."""
    return _MARKS.search(head) is not None


def goes_on(lines: Lines) -> Mask:
    """Which lines say by themselves that they go on from the one before (`Caused by: …`, `goroutine 7 [running]:`)."""
    return _fits(Text(lines.block, lines.start, lines.stop).series(), _ALONE)


def follows(lines: Lines, starts: Mask) -> Mask:
    """Which of the lines marked as starts go on from a line before: the end of a Python traceback, the frames of a
    goroutine, and what follows a line that ends with a backslash. No line is looked at but those before it.
    """
    text = Text(lines.block, lines.start, lines.stop)
    result = np.zeros(len(lines), np.bool_)
    result[1:] = starts[1:] & (lines.block.bytes[lines.stop[:-1] - 1] == 92) & (lines.stop[:-1] > lines.start[:-1])
    first = lines.block.bytes[lines.start]
    rows = np.flatnonzero((lines.stop > lines.start) & (first != 32) & (first != 9))
    if len(rows) < 2:
        return result
    series = text.take(rows).series()
    trace = _fits(series, "^" + re.escape(_TRACEBACK))
    ends = np.zeros(len(rows), np.bool_)
    ends[1:] = trace[:-1] & (rows[1:] > rows[:-1] + 1)  # the exception itself, behind its indented frames
    again = np.zeros(len(rows), np.bool_)
    again[1:] = trace[1:] & _fits(series, _ABOVE)[:-1]
    frame = _fits(series, _FRAME)
    head = np.maximum.accumulate(np.where(frame, -1, np.arange(len(rows))))
    called = frame & (head >= 0) & _fits(series, _GOROUTINE)[np.maximum(head, 0)]
    result[rows] |= ends | again | called
    return result & starts


def _fits(series: pl.Series, pattern: str) -> Mask:
    found: Mask = series.str.contains(pattern).to_numpy().astype(np.bool_)
    return found

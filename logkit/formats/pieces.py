"""Lines that containers' runtimes wrote -> whole records: which lines belong together, and in which order they ended.

A runtime cuts long lines in pieces and writes both streams of a container into one file, so that pieces of one stream
may stand between those of another. Records are told by where they end: a record's bytes are all that follows the end
of the one before, and a group is the lines from the first open piece to where nothing is open any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from logkit.formats.block import Mask, Positions

BARE: Final = -1
"""The stream of a line that no runtime wrote: it ends whatever is open."""

_LONGEST: Final = 512  # lines that a piece is waited on for its end; then it is taken to be lost


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to become of some lines: which ones begin a group and a record, and the record each is a piece of.

    `record` counts the records in the order in which they end.
    """

    groups: Mask
    starts: Mask
    record: Positions


def plan(stream: Positions, partial: Mask, begins: Mask) -> Plan:
    """Put lines together. `partial` are pieces that their stream's next line goes on from; `begins` tells of whole
    lines which start a record of their own instead of going on from the one before, if that is of the same stream.
    """
    first = np.ones(len(stream), np.bool_)
    first[1:] = stream[1:] != stream[:-1]
    starts = first | begins | (stream == BARE)
    groups = starts.copy()
    pieces = np.flatnonzero(partial & (stream != BARE))
    if not len(pieces):
        return Plan(groups, starts, np.cumsum(starts) - 1)
    piece_of = np.arange(len(stream))  # the line that ends the record a piece belongs to
    ends = np.zeros(len(stream), np.bool_)
    at = 0
    while (place := int(np.searchsorted(pieces, at))) < len(pieces):
        begin = int(pieces[place])
        at = _window(stream, partial, begin, piece_of, ends)
        groups[begin], groups[begin + 1 : at] = True, False
        starts[begin] = True
        starts[begin + 1 : at] = ends[begin : at - 1]
        if at < len(stream):
            # What follows a window goes on from its last record only as a whole line would.
            groups[at] = starts[at] = bool(begins[at] or stream[at] == BARE or stream[at] != stream[at - 1])
    record = (np.cumsum(starts) - 1)[piece_of]
    return Plan(groups, starts, record)


def _window(stream: Positions, partial: Mask, begin: int, piece_of: Positions, ends: Mask) -> int:
    """Follow the lines from an open piece to where nothing is open, and say where that is."""
    waiting: dict[int, list[int]] = {}
    stop = min(len(stream), begin + _LONGEST)
    at = begin
    while at < stop and stream[at] != BARE:
        key = int(stream[at])
        if partial[at]:
            waiting.setdefault(key, []).append(at)
        else:
            piece_of[waiting.pop(key, [])] = at
            ends[at] = True
        at += 1
        if not waiting:
            return at
    for lost in waiting.values():  # nothing will go on from these
        piece_of[lost] = lost[-1]
        ends[lost[-1]] = True
    return at

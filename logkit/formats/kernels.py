"""The compiled inner loops of reading (`_kernels.c`), where they could be built.

Installing needs no compiler: without one `compiled` is false, and the NumPy and DuckDB code at each place that calls a
kernel does the same more slowly. That code defines what is right: a kernel says of which rows it is not certain, and
those are read by it as well. Kernels let the interpreter go while they run and keep nothing: any thread may call them.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Final

import numpy as np
import numpy.typing as npt

try:
    from logkit.formats import _kernels
except ImportError:  # nothing could compile them where logkit was installed
    compiled = False
else:
    compiled = True

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]
Codes = npt.NDArray[np.uint8]
Doubles = npt.NDArray[np.float64]
Bytes = bytes | bytearray
Buffer = Any
"""Whatever shows its memory."""

MOST_DISTINCT: Final = 1 << 10
"""How many different texts are told apart."""

MOST_BUFFERS: Final = 56
"""How many buffers a column of strings may point into: those a kernel takes, less what goes with them."""

_CODED_BYTES: Final = 16  # of a code and its row
_LINE: Final = 64  # bytes that there are for each byte looked for, as a guess


def positions(data: Bytes, size: int, byte: int) -> Ints:
    """Where a byte occurs among the first `size`, ascending."""
    room = size // _LINE + _LINE
    while True:
        out = np.empty(room, np.int64)
        count = _kernels.positions(size, byte, data, out)
        if count <= room:
            return out[:count]
        room = count


def look(data: Bytes, size: int) -> tuple[Ints, bool, bool, bool, bool]:
    """Where the line feeds are among the first `size` bytes, and whether there is a byte that is no ASCII, a NUL, an
    escape, and a delete."""
    room = size // _LINE + _LINE
    while True:
        out = np.empty(room, np.int64)
        count, seen = divmod(_kernels.look(size, data, out), 16)
        if count <= room:
            return out[:count], bool(seen & 1), bool(seen & 2), bool(seen & 4), bool(seen & 8)
        room = count


def bounds(data: Bytes, size: int, ends: Ints) -> tuple[Ints, Ints, Ints]:
    """Where lines start that end at `ends` (LF, or the block's end), where their texts end, and the next ones start."""
    start, stop, next = (np.empty(len(ends), np.int64) for _ in range(3))
    _kernels.bounds(len(ends), size, data, ends, start, stop, next)
    return start, stop, next


def filled(data: Bytes, size: int, start: Ints, stop: Ints) -> Mask:
    """Which lines hold something besides blanks."""
    out = np.empty(len(start), np.bool_)
    _kernels.filled(len(start), size, data, _flat(start), _flat(stop), out)
    return out


def shaped(data: Bytes, start: Ints, stop: Ints, width: int, masks: Words) -> Mask:
    """Which lines begin with a shape, `masks` being its words: literal, literals, digits, padded, letters."""
    out = np.empty(len(start), np.bool_)
    _kernels.shaped(len(start), width, masks.shape[1], data, _flat(start), _flat(stop), masks, out)
    return out


def fields(
    data: Bytes, size: int, code: npt.NDArray[np.int32], texts: bytes, slots: int, pos: Ints, limit: Ints, ok: Mask
) -> tuple[Ints, Mask, Ints, Mask]:
    """Rows moved through the steps of a pattern: where they came to, which fit, their fields (slots, 2, rows), and
    of which rows this is certain."""
    pos, ok = np.array(pos), np.array(ok)
    out, sure = np.empty((slots, 2, len(pos)), np.int64), np.empty(len(pos), np.bool_)
    _kernels.fields(len(pos), size, slots, code, texts, data, pos, _flat(limit), ok, out, sure)
    return pos, ok, out, sure


def runs(
    data: Bytes, start: Ints, limit: Ints, width: int, seconds: bool, fraction: bool, tail: int
) -> tuple[Ints, Mask, Ints, Ints, Ints] | None:
    """Times that begin at `start`: the µs of their seconds, which have such, where these end, the run of rows with
    equal bytes around them that each is in, and the row each run begins with. None where too little follows."""
    rows = len(start)
    us, stop, run, heads = (np.empty(rows, np.int64) for _ in range(4))
    ok = np.empty(rows, np.bool_)
    count = _kernels.runs(
        rows, width, seconds, fraction, tail, data, _flat(start), _flat(limit), us, ok, stop, run, heads
    )
    return None if count < 0 else (us, ok, stop, run, heads[:count])


def settle(run: Ints, base: Ints, fits: Mask, tail: Ints, us: Ints, ok: Mask, stop: Ints) -> None:
    """Add what each row's run comes to: its instant to `us`, whether it is one to `ok`, its tail's width to `stop`."""
    fits = np.ascontiguousarray(fits)
    _kernels.settle(len(us), len(base), _flat(run), _flat(base), fits, _flat(tail), us, ok, stop)


def levels(
    data: Bytes,
    start: Ints,
    stop: Ints,
    none: int,
    bits: int,
    factor: int,
    table: tuple[Words, Words, npt.NDArray[np.uint8]],
) -> npt.NDArray[np.uint8]:
    """The codes of words in a hash table of keys, rests and codes; `none` for others."""
    out = np.empty(len(start), np.uint8)
    _kernels.levels(len(start), none, bits, factor, data, _flat(start), _flat(stop), *table, out)
    return out


def distinct(data: Bytes, size: int, start: Ints, stop: Ints) -> tuple[Ints, Ints] | None:
    """The row in which each different text was met first, and each row's text; None for more than `MOST_DISTINCT`."""
    first, place = np.empty(MOST_DISTINCT, np.int64), np.empty(len(start), np.int64)
    count = _kernels.distinct(len(start), size, data, _flat(start), _flat(stop), place, first)
    return None if count < 0 else (first[:count], place)


def decimals(data: Bytes, start: Ints, stop: Ints) -> tuple[npt.NDArray[np.float64], Mask]:
    """Numbers such as `12` and `-1.5`, NaN for an empty text, and of which rows this is certain."""
    out, sure = np.full(len(start), np.nan), np.empty(len(start), np.bool_)
    _kernels.decimals(len(start), data, _flat(start), _flat(stop), out, sure)
    return out, sure


def short_numbers(data: Bytes, start: Ints, stop: Ints) -> tuple[Ints, Mask]:
    """The numbers that texts of one to eight digits are, 0 for others, and which texts are such."""
    out, known = np.empty(len(start), np.int64), np.empty(len(start), np.bool_)
    _kernels.short_numbers(len(start), data, _flat(start), _flat(stop), out, known)
    return out, known


def views(data: Bytes, size: int, start: Ints, stop: Ints) -> Words | None:
    """Arrow's string views of texts, two words to each; None where one is not within the block, or cut in a
    character."""
    out = np.empty((len(start), 2), np.uint64)
    return out if _kernels.views(len(start), size, data, _flat(start), _flat(stop), out) else None


def moved(
    size: int, cursor: int, views: Buffer, valid: Buffer, base: tuple[Buffer, Buffer], data: list[Buffer], out: Words
) -> int:
    """Lays a column's string views out anew, from `cursor` of one buffer on; says where what it needs there ends.

    `valid` are bits, or nothing. Texts within the same row's text of the `base` column (its views before and after, or
    nothing) are shared with it.
    """
    found = _kernels.moved(size, cursor, views, valid, *base, *data, out)
    if found < 0:
        raise ValueError("expected string views within their buffers, found others")
    return found


def copied(
    size: int, cursor: int, views: Buffer, moved: Words, data: list[Buffer], heap: npt.NDArray[np.uint8]
) -> None:
    """Copies a column's texts to where `moved` has laid them out, from `cursor` on."""
    if not _kernels.copied(size, cursor, views, moved, *data, heap):
        raise ValueError("expected string views within their buffers, found others")


def objects(
    data: Bytes,
    size: int,
    start: Ints,
    stop: Ints,
    slots: int,
    keys: bytes,
    nodes: npt.NDArray[np.int32],
    entries: npt.NDArray[np.int32],
) -> tuple[Ints, Mask, Ints, Mask]:
    """JSON objects, one to a row: where the values of some keys are (slots, 2, rows), which are there (slots, rows),
    how many keys each object has, and of which rows all this is certain."""
    rows = len(start)
    out, there = np.empty((slots, 2, rows), np.int64), np.empty((slots, rows), np.bool_)
    top, sure = np.empty(rows, np.int64), np.empty(rows, np.bool_)
    _kernels.objects(
        rows, size, slots, data, _flat(start), _flat(stop), keys, nodes, entries, out, there.view(np.uint8), top, sure
    )
    return out, there, top, sure


def gather(keys: Ints, counts: Ints) -> tuple[Ints, Ints] | None:
    """Rows of (columns, rows) keys with the counts of equal ones added up, in the keys' order; None where the keys
    have more values than fit in a number."""
    (columns, rows), counted = keys.shape, len(counts)
    out = np.empty((columns + counted, rows), np.int64)
    scratch = np.empty(2 * rows * _CODED_BYTES, np.uint8)
    found = _kernels.gather(rows, columns, counted, _flat(keys), _flat(counts), out[:columns], out[columns:], scratch)
    return None if found < 0 else (out[:columns, :found].copy(), out[columns:, :found].copy())


def pile(tables: Sequence[tuple[Ints, Ints, Ints]], width: int, most: int) -> tuple[Ints, Ints] | None:
    """Tables of keys (columns, rows), counts (1, rows) and names as one: the keys' first column looked up in the names,
    the third coarsened to a multiple of `width` (-1 stays), counts of equal keys added up, in the keys' order. None
    where there can be more than `most` keys, and where a count is not above 0."""
    columns = len(tables[0][0])
    flat = [tuple(map(_flat, table)) for table in tables]
    low, high = np.empty(columns, np.int64), np.empty(columns, np.int64)
    if not _kernels.extents(columns, width, flat, low, high):
        return None
    size = prod(max(top - bottom + 1, 0) for bottom, top in zip(low.tolist(), high.tolist(), strict=True))
    if size > most:
        return None
    cells = np.zeros(size, np.int64)
    found = _kernels.pile(columns, width, flat, low, high, cells)
    if found < 0:
        return None
    keys, counts = np.empty((columns, found), np.int64), np.empty((1, found), np.int64)
    _kernels.unpile(columns, width, found, cells, low, high, keys, counts)
    return keys, counts


def survey(
    us: Ints, level: Codes, service: Ints, durations: Doubles, codes: Ints, lookup: Ints, names: int, stop: int
) -> tuple[npt.NDArray[np.int32], Ints, list[int]] | None:
    """The key of each row, which is its service, looked up, and the code of its level; of each key the events, those
    with a time in [0, `stop`), the first and the last time (4, keys); and the first and last time of all, of rows with
    a duration, and how many of these there are. None where a row is out of range."""
    rows, size = len(us), names * len(codes)
    key, totals, extremes = np.empty(rows, np.int32), np.zeros((4, size), np.int64), np.empty(5, np.int64)
    totals[2], totals[3] = stop, -1
    facts = (_flat(us), level, _flat(service), durations)
    known = _kernels.survey(rows, size, stop, *facts, codes, lookup, key, totals, extremes)
    return (key, totals, extremes.tolist()) if known else None


def occupied(
    key: npt.NDArray[np.int32],
    us: Ints,
    durations: Doubles,
    near: npt.NDArray[np.int16],
    edges: Ints,
    times: tuple[int, int, int],
    width: int,
    keys: int,
    levels: int,
) -> tuple[Ints, Ints] | None:
    """The different cells of rows (service, level, bucket of a width and, of durations, bin), sorted, and how many rows
    each has. `times` are the first, the last, and the one that none may reach: rows with others have no time, and are
    left out where there are no durations, as else rows without one. None where keys do not fit in a number."""
    rows = len(key)
    out, scratch = np.empty((5, rows), np.int64), np.empty(2 * rows, np.uint64)
    (low, high, stop), fine = times, (len(near) // 64).bit_length() - 1
    found = _kernels.occupied(
        rows, keys, levels, width, stop, low, high, fine, key, _flat(us), durations, near, edges, out, scratch
    )
    columns = 4 if len(durations) else 3
    return None if found < 0 else (out[:columns, :found].copy(), out[4:, :found].copy())


def _flat(array: Ints) -> Ints:
    """The array in one piece."""
    return np.ascontiguousarray(array)

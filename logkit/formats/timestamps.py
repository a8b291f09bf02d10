"""Written times -> microseconds since 1970 in UTC, a column at a time.

Neighbouring lines of a log mostly share their minute. So the bytes before the seconds are compared with
those of the row above, date, hour, minute and zone are worked out once for each run of equal ones, and only
seconds and their fraction are read for every row, eight bytes at a time. A leap second (`:60`) reads as the
last microsecond of its minute, so that order is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from logkit.formats import kernels
from logkit.formats.base import TimeRules
from logkit.formats.block import Block, Lines, Mask, Positions, Text
from logkit.formats.civil import DAY, SECOND
from logkit.formats.layouts import Layout, Shape, layouts, shape
from logkit.formats.seconds import Ints, not_digits, read_seconds
from logkit.formats.timeparts import Cursor, clock, complete

Words = npt.NDArray[Any]

HOUR: Final = 3600 * SECOND
_ZEROS: Final = np.uint64(0x3030303030303030)
_PADDING: Final = np.uint64(0x1010101010101010)  # turns a blank into a zero
_LETTERS: Final = np.uint64(0x4040404040404040)
_BYTE: Final = np.uint64(0xFF)
_FIRST: Final = np.array([(1 << (8 * n)) - 1 for n in range(9)], np.uint64)
_ZONE_KEPT: Final = np.zeros(256, np.uint64)  # what can be a zone, by its first byte: Z, or a sign and five bytes
_ZONE_KEPT[[43, 45, 90, 122]] = (1 << 48) - 1, (1 << 48) - 1, 0xFF, 0xFF
_FEW_HEADS: Final = 8  # runs of a block that are looked at one by one
_SHORTEST_SHAPE: Final = 8  # bytes; fewer tell too little of a time


@dataclass(frozen=True, slots=True)
class Scan:
    """`us` since 1970 in UTC (0 where not `ok`), and where each time ends."""

    us: Ints
    ok: Mask
    stop: Positions


def read_times(text: Text, layout: str, rules: TimeRules) -> tuple[npt.NDArray[np.int64], Mask]:
    """The times that fields hold from end to end: µs since 1970 in UTC, and which could be read (else 0).

    `layout` is written as in `formats.layouts`. Dates that do not exist are not ok. Times without a zone are
    on the clocks of `rules.timezone`: of a time there twice the earlier is meant, one that was left out is
    read as if the clocks had not yet been changed. Times without a year or a date are put near
    `rules.reference_us`. Raises FormatError for a layout that makes no sense, and nothing for what a log says.
    """
    scan = scan_times(text.block, text.start, text.stop, layout, rules, whole=True)
    return scan.us, scan.ok


def scan_times(
    block: Block, start: Positions, limit: Positions, layout: str, rules: TimeRules, *, whole: bool = False
) -> Scan:
    """The times that begin at `start` and end at or, unless `whole`, before `limit`: see `read_times`."""
    first, *others = layouts(layout)
    scan = _scan(block, start, limit, first, rules, whole)
    for other in others:
        todo = np.flatnonzero(~scan.ok)
        if not len(todo):
            break
        again = _scan(block, start[todo], limit[todo], other, rules, whole)
        scan.us[todo], scan.ok[todo], scan.stop[todo] = again.us, again.ok, again.stop
    return scan


def starts_with_time(lines: Lines, layout: str, prefix: bytes = b"") -> Mask:
    """Which lines begin with `prefix` and what looks like a time; only digits and punctuation are compared."""
    result = np.zeros(len(lines), np.bool_)
    for alternative in layouts(layout):
        form = shape(alternative, prefix)
        if form.width - len(prefix) >= _SHORTEST_SHAPE:
            result |= _shaped(lines, form)
            continue
        begins = _begins(lines, prefix)
        start = np.where(begins, lines.start + len(prefix), lines.start)
        result |= begins & _scan(lines.block, start, lines.stop, alternative, TimeRules(), whole=False).ok
    return result


def _begins(lines: Lines, prefix: bytes) -> Mask:
    fits: Mask = lines.start + len(prefix) <= lines.stop
    for i, byte in enumerate(prefix):
        fits[fits] = lines.block.bytes[lines.start[fits] + i] == byte
    return fits


def _shaped(lines: Lines, form: Shape) -> Mask:
    if kernels.compiled:
        return kernels.shaped(lines.block.data, lines.start, lines.stop, form.width, form.masks)
    fits: Mask = lines.start + form.width <= lines.stop
    rows = np.flatnonzero(fits)
    if not len(rows):
        return fits
    words = _gather(lines.block, lines.start[rows], form.width)
    good = np.ones(len(rows), np.bool_)
    for i in range(words.shape[1]):
        word = words[:, i]
        good &= ((word ^ form.literal[i]) & form.literals[i]) == 0
        if digits := form.digits[i] | form.padded[i]:
            good &= (not_digits((word | (form.padded[i] & _PADDING)) ^ _ZEROS) & digits) == 0
        if letters := form.letters[i] & _LETTERS:
            good &= (word & letters) == letters
    fits[rows] = good
    return fits


def _gather(block: Block, start: Positions, width: int) -> Words:
    """The bytes from each position on, as words; all `width` of them must lie in the block."""
    words = -(-width // 8)
    room = len(block.data) - 8 * words
    if int(start.max()) <= room:
        view: npt.NDArray[Any] = np.ndarray((room + 1,), f"V{8 * words}", block.data, 0, (1,))
        return view[start].view("<u8").reshape(len(start), words)
    # Only heads wider than the padding come here, at the very end of a block.
    return np.stack([block.words(np.minimum(start + 8 * i, block.size)) for i in range(words)], axis=1)


def _scan(block: Block, start: Positions, limit: Positions, layout: Layout, rules: TimeRules, whole: bool) -> Scan:
    shortest = layout.width + 2 * layout.seconds
    rows = start + max(shortest, 1) <= limit
    if rows.all() and len(rows):
        return _scan_rows(block, start, limit, layout, rules, whole)
    index = np.flatnonzero(rows)
    scan = Scan(np.zeros(len(start), np.int64), np.zeros(len(start), np.bool_), start.copy())
    if len(index):
        part = _scan_rows(block, start[index], limit[index], layout, rules, whole)
        scan.us[index], scan.ok[index], scan.stop[index] = part.us, part.ok, part.stop
    return scan


def _scan_rows(block: Block, start: Positions, limit: Positions, layout: Layout, rules: TimeRules, whole: bool) -> Scan:
    """All rows have room for the layout's head and seconds."""
    if not layout.head:
        us, ok, stop = _scan_each(block, start, limit, layout, rules)
    else:
        us, ok, stop = _scan_runs(block, start, limit, layout, rules)
        if not layout.has_year:
            # A run is dated by its minute: rows near where one year or day gives way to another go by themselves.
            near = np.flatnonzero(ok & _doubtful(us, layout, rules))
            if len(near):
                us[near], ok[near], _ = _scan_each(block, start[near], limit[near], layout, rules)
    ok &= (stop == limit) if whole else (stop <= limit)
    if not ok.all():
        us[~ok] = 0
        stop = np.where(ok, stop, start)
    return Scan(us, ok, stop)


def _doubtful(us: Ints, layout: Layout, rules: TimeRules) -> Mask:
    """Which times are so near to the rules' limit that their seconds, or their zone, decide about year or day."""
    after = us - rules.reference_us
    if layout.has_date:
        result: Mask = after > DAY - 15 * HOUR
    else:
        result = np.abs(after) > DAY // 2 - 2 * HOUR
    return result


def _scan_runs(
    block: Block, start: Positions, limit: Positions, layout: Layout, rules: TimeRules
) -> tuple[Ints, Mask, Positions]:
    """Rows whose bytes around the seconds equal those of the row above share all but their seconds."""
    us, ok, stop, run, heads = _runs(block, start, limit, layout)
    base, fits, tail = _heads(block, start[heads], limit[heads], stop[heads], layout, rules)
    if kernels.compiled:
        kernels.settle(run, base, fits, tail, us, ok, stop)
        return us, ok, stop
    us += base[run]
    if not fits.all():
        ok &= fits[run]
    return us, ok, stop + tail[run] if layout.tail else stop


def _heads(
    block: Block, start: Positions, limit: Positions, stop: Positions, layout: Layout, rules: TimeRules
) -> tuple[Ints, Mask, Ints]:
    """The instants of times without their seconds, which exist, and how many bytes their tails have.

    `stop` is where the seconds and their fraction end.
    """
    at = layout.minute
    if len(start) > _FEW_HEADS or at is None:
        return _read_heads(block, start, limit, stop, layout, rules)
    base, fits, tail = np.zeros(len(start), np.int64), np.zeros(len(start), np.bool_), np.zeros(len(start), np.int64)
    longest = sum(element.longest for element in layout.tail)
    for row, (low, high, end) in enumerate(zip(start.tolist(), limit.tolist(), stop.tolist(), strict=True)):
        head = bytes(block.data[low : low + layout.width])
        minute = head[at : at + 2]
        if not minute.isdigit() or minute > b"59":
            continue
        behind = bytes(block.data[end : max(end, min(high, end + longest))])
        hour = _hour(layout, rules, head[:at], head[at + 2 :], behind)
        base[row], fits[row], tail[row] = (column[int(minute)] for column in hour)
    return base, fits, tail


@lru_cache(maxsize=256)
def _hour(layout: Layout, rules: TimeRules, before: bytes, after: bytes, tail: bytes) -> tuple[Ints, Mask, Ints]:
    """As `_heads`, of the sixty minutes of an hour: as soon read as one, and a log goes on with the next ones."""
    rows = [before + b"%02d" % minute + after + tail for minute in range(60)]
    start = np.arange(60) * len(rows[0])
    return _read_heads(Block.of(b"".join(rows)), start, start + len(rows[0]), start + layout.width, layout, rules)


def _read_heads(
    block: Block, start: Positions, limit: Positions, stop: Positions, layout: Layout, rules: TimeRules
) -> tuple[Ints, Mask, Ints]:
    cursor = Cursor(block, start, limit, np.ones(len(start), np.bool_))
    cursor.read_all(layout.head)
    cursor.pos = stop
    for element in layout.tail:
        cursor.read(element)
    base, fits = complete(cursor, rules)
    return base, fits, cursor.pos - stop


def _runs(
    block: Block, start: Positions, limit: Positions, layout: Layout
) -> tuple[Ints, Mask, Positions, Ints, Positions]:
    """The seconds in µs, which rows have such, where they end, each row's run and the row each run begins with."""
    if kernels.compiled:
        tail = -1 if layout.tail and layout.tail[0].code == "z" else _tail_width(layout)
        found = kernels.runs(block.data, start, limit, layout.width, layout.seconds, layout.fraction, tail)
        if found is not None and (found[2] <= limit).all():
            return found
    words = _gather(block, start, layout.width)
    if spare := -layout.width % 8:
        words[:, -1] &= np.uint64((1 << (64 - 8 * spare)) - 1)
    new = np.ones(len(start), np.bool_)
    new[1:] = words[1:, 0] != words[:-1, 0]
    for i in range(1, words.shape[1]):
        new[1:] |= words[1:, i] != words[:-1, i]
    us, ok, stop = _seconds(block, start + layout.width, limit, layout)
    if layout.tail:
        last = _tail_words(block, stop, layout) & _FIRST[np.clip(limit - stop, 0, 8)]
        new[1:] |= last[1:] != last[:-1]
    return us, ok, stop, np.cumsum(new) - 1, np.flatnonzero(new)


def _tail_width(layout: Layout) -> int:
    return min(sum(element.longest for element in layout.tail), 8)


def _tail_words(block: Block, at: Positions, layout: Layout) -> Words:
    """What can be of the tail, so that text behind it does not part runs."""
    word = block.words(at)
    if layout.tail[0].code != "z":
        return word & np.uint64((1 << (8 * _tail_width(layout))) - 1)
    first, second = (word & _BYTE).astype(np.uint8), ((word >> np.uint64(8)) & _BYTE).astype(np.uint8)
    kept = _ZONE_KEPT[first]
    if (blank := first == 32).any():
        kept = np.where(blank & (_ZONE_KEPT[second] > 0), (_ZONE_KEPT[second] << np.uint64(8)) | _BYTE, kept)
    return word & kept


def _seconds(block: Block, at: Positions, limit: Positions, layout: Layout) -> tuple[Ints, Mask, Positions]:
    if not layout.seconds:
        return np.zeros(len(at), np.int64), np.ones(len(at), np.bool_), at
    us, ok, stop = read_seconds(block, at, fraction=layout.fraction)
    over = np.flatnonzero(stop > limit)
    if len(over):
        # Digits went on into what stands behind the field.
        cursor = Cursor(block, at[over], limit[over], np.ones(len(over), np.bool_))
        for element in layout.elements[len(layout.head) :][: 1 + layout.fraction]:
            cursor.read(element)
        (us[over], ok[over]), stop[over] = clock(cursor), cursor.pos
    return us, ok, stop


def _scan_each(
    block: Block, start: Positions, limit: Positions, layout: Layout, rules: TimeRules
) -> tuple[Ints, Mask, Positions]:
    """Every row by itself, one element after another."""
    cursor = Cursor(block, start.copy(), limit, np.ones(len(start), np.bool_))
    cursor.read_all(layout.elements)
    us, ok = complete(cursor, rules)
    return us, ok, cursor.pos

"""Finds the time people wrote near the start of a line, whatever the format.

The leftmost strong shape wins, weaker ones are looked for only in lines that have none. What a line gets
depends on that line alone, never on its neighbours: the same record read in another block, thread or
machine has the same time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from logkit.formats.block import Mask, Positions, Text
from logkit.formats.timeshapes import STRONG, TIERS, Shape, read_groups
from logkit.formats.timestamps import scan_times

if TYPE_CHECKING:
    from logkit.formats.base import TimeRules

WITHIN: Final = 96
"""How many bytes from the start of a line a time may begin, unless told otherwise."""

_LONGEST: Final = 48  # no written time is longer


@dataclass(frozen=True, slots=True)
class Found:
    """Where each line's time stands and which instant it is; nothing of it holds where `ok` is false.

    `us` is int64 microseconds since 1970, UTC.
    """

    start: Positions
    stop: Positions
    us: npt.NDArray[np.int64]
    ok: Mask


def find_times(text: Text, rules: TimeRules, within: int = WITHIN) -> Found:
    """Find the time that begins within the first `within` bytes of each line."""
    found = Found(text.start.copy(), text.start.copy(), np.zeros(len(text), np.int64), np.zeros(len(text), np.bool_))
    window = head(text, within + _LONGEST)
    todo = np.arange(len(text))
    for tier in TIERS:
        if not len(todo):
            break
        todo = _find_tier(window, todo, tier, rules, within, found)
    return found


def has_time(text: Text, within: int = WITHIN, *, weak: bool = False) -> Mask:
    """Which lines have something written as a time within the first `within` bytes: the cheap half of `find_times`."""
    window = head(text, within + _LONGEST).series(exact=True)
    result = np.zeros(len(text), np.bool_)
    for tier in TIERS if weak else (STRONG,):
        result |= (window.str.find(_ANY[tier]).fill_null(_NOWHERE) <= within).to_numpy()
    return result


def head(text: Text, size: int) -> Text:
    """The first `size` bytes of each text at most, cut between characters."""
    stop = np.minimum(text.stop, text.start + size)
    for _ in range(3):
        stop -= (stop > text.start) & (stop < text.stop) & ((text.block.bytes[stop] & 0xC0) == 0x80)
    return Text(text.block, text.start, stop)


_NOWHERE: Final = 0xFFFF_FFFF
_ANY: Final[dict[tuple[Shape, ...], str]] = {tier: "|".join(shape.finding() for shape in tier) for tier in TIERS}


def _find_tier(
    window: Text, todo: Positions, tier: tuple[Shape, ...], rules: TimeRules, within: int, found: Found
) -> Positions:
    """Read the leftmost time of each row in `todo`; what returns are the rows that have none of these shapes."""
    at = window.take(todo).series(exact=True).str.find(_ANY[tier]).fill_null(_NOWHERE).cast(pl.Int64).to_numpy()
    rest = todo[at > within]
    todo, at = todo[at <= within], at[at <= within]
    if tier is STRONG:
        todo, at = _find_usual(window, todo, at, rules, found)
    for shape in tier:
        if not len(todo):
            break
        piece = Text(window.block, window.start[todo] + at, window.stop[todo])
        groups = piece.series(exact=True).str.extract_groups(shape.reading()).struct.unnest()
        fits = groups["core"].is_not_null().to_numpy()
        if not fits.any():
            continue
        rows, groups = todo[fits], groups.filter(fits)
        start = piece.start[fits] + groups["lead"].str.len_bytes().to_numpy()
        us, ok = read_groups(groups, rules)
        # A date that does not exist is no time, and no reason to look for a lesser one in the same line.
        rows, start = rows[ok], start[ok]
        found.start[rows], found.us[rows], found.ok[rows] = start, us[ok], True
        found.stop[rows] = start + groups["core"].str.len_bytes().to_numpy()[ok]
        todo, at = todo[~fits], at[~fits]
    return rest


_USUAL: Final = (
    ("%Y-%m-%d %H:%M:%S%f%Z|%Y-%m-%d %H:%M:%S%f", False),
    ("%b %e %H:%M:%S", True),
    ("%d/%b/%Y:%H:%M:%S %z", False),
    ("%Y/%m/%d %H:%M:%S%f%Z|%Y/%m/%d %H:%M:%S%f", False),
)
"""The commonest of the strong shapes, read at full speed where nothing behind them could belong to the time (and
whether a zone behind them could: in ctime it stands before the year)."""


def _find_usual(
    window: Text, todo: Positions, at: Positions, rules: TimeRules, found: Found
) -> tuple[Positions, Positions]:
    """Read what the fast readers can; what returns is the rest of `todo` and of the places `at`."""
    raw = window.block.bytes
    for layout, zone in _USUAL:
        if not len(todo):
            break
        start = window.start[todo] + at
        scan = scan_times(window.block, start, window.stop[todo], layout, rules)
        after = raw[scan.stop]
        gap = after == _BLANK
        after = np.where(gap, raw[scan.stop + 1], after)
        ok = scan.ok & ~np.where(gap, (_CAPITAL if zone else _MORE)[after], _JOINED[after])
        rows = todo[ok]
        found.start[rows], found.stop[rows] = start[ok], scan.stop[ok]
        found.us[rows], found.ok[rows] = scan.us[ok], True
        todo, at = todo[~ok], at[~ok]
    return todo, at


def _class(marks: str) -> Mask:
    member = np.zeros(256, np.bool_)
    member[list(marks.encode())] = True
    return member


_BLANK: Final = 32
_DIGITS: Final = "0123456789"
_MORE: Final = _class("+-12AaPp")
_CAPITAL: Final = _class("+-12AaPpBCEGHJKMNSUWZ")
_JOINED: Final = _class(_DIGITS + "+-:.,AaPpZ")

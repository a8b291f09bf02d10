"""The pieces of a written time, each read for many rows at once from where the row's cursor stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from logkit.formats.base import TimeRules
from logkit.formats.block import Block, Mask, Positions
from logkit.formats.civil import SECOND, Civil, instants, local_reference
from logkit.formats.layouts import ZONES, Element
from logkit.formats.seconds import LEAP, Ints
from logkit.formats.timerow import POWERS, grouped
from logkit.formats.zones import local_to_utc

FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2199
"""Years that are taken for years."""

MONTHS: Final = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_LETTER: Final = np.zeros(256, np.bool_)
_LETTER[[*range(65, 91), *range(97, 123)]] = True
_DIGIT: Final = np.zeros(256, np.bool_)
_DIGIT[48:58] = True
_LONGEST_MONTH: Final = np.array([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)
_NAME: Final = np.uint64(0xFFFFFF)
_CASE: Final = np.uint64(0x202020)


@dataclass(slots=True)
class Cursor:
    """Where each row is read from next. A row that does not fit is `ok` no more, and stays within its limit."""

    block: Block
    pos: Positions
    limit: Positions
    ok: Mask
    parts: dict[str, Ints] = field(default_factory=dict)
    zoned: Mask = field(init=False)
    """Rows with a written zone."""

    def __post_init__(self) -> None:
        self.zoned = np.zeros(len(self.pos), np.bool_)

    def read(self, element: Element) -> None:
        """Take one piece of a layout."""
        _READERS[element.code](self, element)
        self.ok &= self.pos <= self.limit
        self.pos = np.minimum(self.pos, self.limit)

    def read_all(self, elements: tuple[Element, ...]) -> None:
        """Take pieces one behind the other; digits and literals of a fixed width that are neighbours in one go."""
        for group in grouped(elements):
            if isinstance(group, Element):
                self.read(group)
                continue
            fits, parts = group.read(self.block, self.pos, self.limit)
            self.ok &= fits
            self.parts |= parts
            self.pos = np.minimum(self.pos + group.width, self.limit)

    def byte(self, ahead: int = 0) -> npt.NDArray[np.uint8]:
        """The byte so many places ahead of each cursor, 0 behind a row's limit."""
        at = self.pos + ahead
        return np.where(at < self.limit, self.block.bytes[np.minimum(at, self.limit)], np.uint8(0))

    def part(self, name: str, default: int) -> Ints:
        """A piece read before, or its default."""
        found = self.parts.get(name)
        return np.full(len(self.pos), default, np.int64) if found is None else found


def digits(cursor: Cursor, most: int) -> tuple[Ints, Ints]:
    """The number of up to `most` digits at each cursor, and how many there are; the cursor moves behind them."""
    value, count = np.zeros(len(cursor.pos), np.int64), np.zeros(len(cursor.pos), np.int64)
    todo = np.arange(len(value))
    for _ in range(most):
        at = cursor.pos[todo]
        byte = cursor.block.bytes[np.minimum(at, cursor.limit[todo])]
        more = (at < cursor.limit[todo]) & _DIGIT[byte]
        todo, byte = todo[more], byte[more]
        if not len(todo):
            break
        value[todo] = value[todo] * 10 + (byte - 48)
        count[todo] += 1
        cursor.pos[todo] += 1
    return value, count


def _literal(cursor: Cursor, element: Element) -> None:
    if element.between:
        byte = cursor.byte()
        cursor.ok &= (byte == 32) | (byte == 84)
    else:
        for i, expected in enumerate(element.literal):
            cursor.ok &= cursor.byte(i) == expected
    cursor.pos = cursor.pos + element.width


def _fixed(cursor: Cursor, element: Element) -> None:
    at = cursor.pos + np.arange(element.width)[:, None]
    digit = np.where(at < cursor.limit, cursor.block.bytes[np.minimum(at, cursor.limit)], np.uint8(0)).astype(np.int64)
    if element.code == "e":
        digit[0, digit[0] == 32] = 48
    digit -= 48
    cursor.ok &= ((digit >= 0) & (digit <= 9)).all(axis=0)
    cursor.pos = cursor.pos + element.width
    cursor.parts[element.code] = POWERS[-element.width :] @ digit


def _number(cursor: Cursor, element: Element) -> None:
    if element.width:
        _fixed(cursor, element)
        return
    cursor.parts[element.code], count = digits(cursor, 2)
    cursor.ok &= count > 0


def _exact_fraction(cursor: Cursor, element: Element) -> None:
    _fixed(cursor, element)
    value = cursor.parts.pop("digits")
    cursor.parts["f"] = value * 10 ** max(6 - element.width, 0) // 10 ** max(element.width - 6, 0)


def _fraction(cursor: Cursor, element: Element) -> None:
    mark = cursor.byte()
    there = ((mark == 46) | (mark == 44)) & _DIGIT[cursor.byte(1)]
    start = cursor.pos
    cursor.pos = start + there
    value, count = digits(cursor, 9)
    cursor.pos = np.where(there, cursor.pos, start)
    scaled = value * np.power(10, np.maximum(6 - count, 0)) // np.power(10, np.maximum(count - 6, 0))
    cursor.parts["f"] = np.where(there, scaled, 0)


def _lookup(cursor: Cursor, names: tuple[str, ...]) -> Ints:
    """Which name the three letters at each cursor begin, in any case; -1 for none."""
    word = (cursor.block.words(cursor.pos) | _CASE) & _NAME
    index = np.full(len(word), -1, np.int64)
    for i, name in enumerate(names):
        index[word == int.from_bytes(name[:3].encode(), "little")] = i
    cursor.ok &= (index >= 0) & (cursor.pos + 3 <= cursor.limit)
    return index


def _long_name(cursor: Cursor, index: Ints, names: tuple[str, ...]) -> None:
    """Move behind the short or the full name."""
    for i, name in enumerate(names):
        whole = index == i
        for place, letter in enumerate(name[3:].encode(), 3):
            whole &= (cursor.byte(place) | 32) == letter
        cursor.pos = cursor.pos + np.where(whole, len(name) - 3, 0)
    cursor.pos = cursor.pos + 3
    cursor.ok &= ~_LETTER[cursor.byte()]


def _month(cursor: Cursor, element: Element) -> None:
    index = _lookup(cursor, MONTHS)
    cursor.parts["m"] = index + 1
    if element.width:
        cursor.pos = cursor.pos + 3
    else:
        _long_name(cursor, index, MONTHS)


def _weekday(cursor: Cursor, element: Element) -> None:
    index = _lookup(cursor, WEEKDAYS)
    if element.width:
        cursor.pos = cursor.pos + 3
    else:
        _long_name(cursor, index, WEEKDAYS)


def _half(cursor: Cursor, element: Element) -> None:
    first, second = cursor.byte() | 32, cursor.byte(1) | 32
    cursor.ok &= ((first == 97) | (first == 112)) & (second == 109)
    cursor.parts["p"] = (first == 112).astype(np.int64)
    cursor.pos = cursor.pos + 2


def _zone(cursor: Cursor, element: Element) -> None:
    before = cursor.pos
    cursor.pos = before + (cursor.byte() == 32)
    sign = cursor.byte()
    utc, signed = (sign | 32) == 122, (sign == 43) | (sign == 45)
    start = cursor.pos = cursor.pos + 1
    hours, count = digits(cursor, 2)
    fits = utc | (signed & (count == 2) & (hours <= 23))
    colon = (cursor.byte() == 58) & _DIGIT[cursor.byte(1)]
    cursor.pos = cursor.pos + colon
    minutes, count = digits(cursor, 2)
    fits &= utc | (((count == 2) | ((count == 0) & ~colon)) & (minutes <= 59))
    cursor.pos = np.where(fits, np.where(utc, start, cursor.pos), before)
    east = np.where(sign == 45, -1, 1) * (hours * 60 + minutes)
    cursor.parts["z"] = np.where(fits & ~utc, east, 0)
    cursor.zoned = fits
    if not element.optional:
        cursor.ok &= fits


def _zone_name(cursor: Cursor, element: Element) -> None:
    start = cursor.pos + (cursor.byte() == 32)
    word = cursor.block.words(start)
    offset, width = np.zeros(len(start), np.int64), np.zeros(len(start), np.int64)
    for name, minutes in ZONES.items() if _LETTER[cursor.block.bytes[start]].any() else ():
        fits = ((word ^ np.uint64(int.from_bytes(name.encode(), "little"))) << np.uint64(64 - 8 * len(name))) == 0
        fits &= ~_LETTER[cursor.block.bytes[start + len(name)]] & (len(name) > 1)
        offset[fits], width[fits] = minutes, len(name)
    named = width > 0
    zone = Cursor(cursor.block, cursor.pos, cursor.limit, np.ones(len(start), np.bool_))
    _zone(zone, element)
    cursor.ok &= named | zone.ok
    cursor.parts["z"] = np.where(named, offset, zone.parts["z"])
    cursor.zoned = named | zone.ok
    cursor.pos = np.where(named, start + width, zone.pos)


def _epoch(cursor: Cursor, element: Element) -> None:
    value, count = digits(cursor, 19)
    cursor.ok &= (count >= 9) & ~_DIGIT[cursor.byte()]
    _fraction(cursor, element)
    micros = np.where(count <= 11, value * 1_000_000 + cursor.parts.pop("f"), value)
    micros = np.where((count >= 12) & (count <= 14), value * 1000, micros)
    cursor.parts["s"] = np.where(count >= 18, value // 1000, micros)


def _word(cursor: Cursor, element: Element) -> None:
    stop = cursor.block.next(32, cursor.pos)
    cursor.ok &= stop > cursor.pos
    cursor.pos = stop


_READERS: Final[dict[str, Callable[[Cursor, Element], None]]] = {
    "literal": _literal, "digits": _exact_fraction, "f": _fraction, "p": _half, "z": _zone, "Z": _zone_name,
    "s": _epoch, "e": _fixed, "Y": _number, "y": _number, "m": _number, "d": _number, "H": _number, "I": _number,
    "M": _number, "S": _number, "b": _month, "B": _month, "a": _weekday, "A": _weekday, "*": _word,
}  # fmt: skip


def complete(cursor: Cursor, rules: TimeRules) -> tuple[Ints, Mask]:
    """The pieces as instants, their validity checked."""
    ok = cursor.ok
    if "s" in cursor.parts:
        return cursor.parts["s"], ok
    year = cursor.part("Y", -1)
    if "y" in cursor.parts:
        year = cursor.parts["y"] + np.where(cursor.parts["y"] >= FIRST_YEAR % 100, 1900, 2000)
    elif "Y" in cursor.parts:
        ok &= (year >= FIRST_YEAR) & (year <= LAST_YEAR)
    month = cursor.part("m", -1)
    day = cursor.part("d", -1) if "d" in cursor.parts else cursor.part("e", -1)
    since, on_clock = clock(cursor)
    ok &= on_clock
    if "m" in cursor.parts:
        # 2000 had a 29 February: whether a year that was not written has one is asked when it is chosen.
        ok &= (month >= 1) & (month <= 12) & (day >= 1) & (day <= _LONGEST_MONTH[np.clip(month, 0, 12)])
    parts = Civil(
        _usable(year, ok, FIRST_YEAR),
        _usable(month, ok, 1),
        _usable(day, ok, 1),
        np.where(ok, since, 0),
        np.where(ok, cursor.part("z", 0), 0),
        cursor.zoned,
    )
    # The date is found on the clocks of the rules' zone, then those clocks are put right where no zone was written.
    us, exists = instants(parts, TimeRules(reference_us=local_reference(rules)))
    if rules.timezone != "UTC" and not parts.zoned.all():
        us = np.where(parts.zoned, us, local_to_utc(us, rules.timezone))
    return us, ok & exists


def _usable(part: Ints, ok: Mask, instead: int) -> Ints:
    """A part without the nonsense of rows that are not ok; one that the layout does not write stays -1."""
    return np.where(ok | (part == -1), part, instead)


def clock(cursor: Cursor) -> tuple[Ints, Mask]:
    """µs since midnight (since the minute, where only seconds were read), and which are on the clock."""
    hour, minute, second = cursor.part("H", 0), cursor.part("M", 0), cursor.part("S", 0)
    ok = (hour <= 23) & (minute <= 59) & (second <= 60)
    if "I" in cursor.parts:
        half = cursor.parts["I"]
        ok &= (half >= 1) & (half <= 12)
        hour = half % 12 + 12 * cursor.part("p", 0)
    within = second * SECOND + cursor.part("f", 0)
    within = np.where(second == 60, LEAP, within)
    return (hour * 60 + minute) * 60 * SECOND + within, ok & cursor.ok

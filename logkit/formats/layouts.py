"""How times are written: strptime-like layouts, compiled once.

    %Y %y  year of four, of two digits          %H %I %M %S  clock, two digits each; %p is AM or PM
    %m %d  month and day of two digits          %f           nothing, or `.` or `,` and 1 to 9 digits
    %e     day, its first place may be blank    %3f          exactly so many digits, without a point
    %-d    one or two digits (m d H I M S)      %z           `Z`, or `+hh:mm`, `+hhmm`, `+hh`, a blank before it allowed
    %b %B  name of the month, short or full     %Z           a zone's name out of `ZONES`, or what %z reads
    %a %A  name of the weekday, not compared    %s           since 1970: seconds (also with a fraction), ms, µs or ns,
    %F %T  %Y-%m-%d and %H:%M:%S                             told apart by the number of digits
                                                %*           a word that says nothing, up to the next blank

Everything else stands for itself; a blank or a `T` between date and clock stand for one another. Several
layouts are joined by `|`: the first one that fits a row wins; `%|` is a bar itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from logkit.errors import FormatError

ZONES: Final[dict[str, int]] = {
    "UTC": 0, "GMT": 0, "Z": 0, "WET": 0, "WEST": 60, "BST": 60, "CET": 60, "CEST": 120, "MEZ": 60, "MESZ": 120,
    "EET": 120, "EEST": 180, "MSK": 180, "JST": 540, "KST": 540, "SGT": 480, "AEST": 600, "AEDT": 660,
    "EST": -300, "EDT": -240, "CST": -360, "CDT": -300, "MST": -420, "MDT": -360, "PST": -480, "PDT": -420,
    "AKST": -540, "AKDT": -480, "HST": -600,
}  # fmt: skip
"""Names of zones that %Z reads, in minutes east of Greenwich. CST is the American one, BST the British one."""

_TOKEN: Final = re.compile(
    r"%(?:(?P<code>[YymdeHIMSpbBaAfzZs*])|-(?P<short>[mdHIMS])|(?P<digits>[1-9])f|(?P<percent>[%|]))"
)
_BAR: Final = re.compile(r"(?<!%)\|")
_SHORTHANDS: Final = {"%F": "%Y-%m-%d", "%T": "%H:%M:%S"}
_WIDTHS: Final = {"Y": 4, "b": 3, "a": 3, "p": 2, "f": 0, "z": 0, "Z": 0, "s": 0, "B": 0, "A": 0, "*": 0}
_DATE: Final = frozenset("YymdebBaA")
_CLOCK: Final = frozenset("HIMS")
_NUMBERS: Final = frozenset("YymdHIMS")
_LONGEST: Final = {"z": 7, "Z": 8, "B": 9, "A": 9, "f": 10, "s": 30, "*": 64}
_WORD: Final = 8


@dataclass(frozen=True, slots=True)
class Element:
    """One piece of a layout. `width` is in bytes, 0 where it varies; `literal` is set for `code` 'literal'."""

    code: str
    width: int
    literal: bytes = b""
    between: bool = False
    """A blank or `T` that parts date and clock."""
    optional: bool = False
    """A zone that may be missing: two alternatives in one."""

    @property
    def longest(self) -> int:
        """How many bytes it can take."""
        return self.width or _LONGEST.get(self.code, 2)


@dataclass(frozen=True, slots=True)
class Layout:
    """One alternative. Where the seconds follow a head of fixed width, rows are read in runs of equal minutes."""

    text: str
    elements: tuple[Element, ...]
    head: tuple[Element, ...]
    """All before the seconds; empty where its width varies, and rows are then read one element at a time."""
    width: int
    """The head's width in bytes."""
    seconds: bool
    fraction: bool
    tail: tuple[Element, ...]
    """All behind the seconds and their fraction."""

    @property
    def has_year(self) -> bool:
        """Whether every time of this layout is complete by itself."""
        return any(element.code in "Yys" for element in self.elements)

    @property
    def has_date(self) -> bool:
        """Whether its times have at least a month and a day."""
        return any(element.code in "mbBs" for element in self.elements)

    @property
    def minute(self) -> int | None:
        """Where in the head the minute's two digits are, if they are, and nothing behind it looks beyond its end."""
        codes = [element.code for element in self.head]
        if codes.count("M") != 1 or any(element.code not in ("z", "literal") for element in self.tail):
            return None
        place = codes.index("M")
        return sum(element.width for element in self.head[:place]) if self.head[place].width == 2 else None


@dataclass(frozen=True, slots=True)
class Shape:
    """What a line that begins with a time looks like, eight bytes to a word: which are digits, literals, letters."""

    width: int
    literal: npt.NDArray[np.uint64]
    literals: npt.NDArray[np.uint64]
    digits: npt.NDArray[np.uint64]
    padded: npt.NDArray[np.uint64]
    letters: npt.NDArray[np.uint64]

    @property
    def masks(self) -> npt.NDArray[np.uint64]:
        """All of them, one to a row."""
        return np.stack([self.literal, self.literals, self.digits, self.padded, self.letters])


@lru_cache(maxsize=256)
def layouts(text: str) -> tuple[Layout, ...]:
    """The alternatives of a layout, in order. FormatError names the place of a directive nobody knows."""
    found: list[Layout] = []
    at = 0
    for part in _BAR.split(text):
        layout = _layout(part, text, at)
        at += len(part) + 1
        if found and found[-1].text == part + "%z":
            # With and without a zone, in this order: one reading does for both.
            zone = Element("z", 0, optional=True)
            layout = replace(layout, elements=(*layout.elements, zone), tail=(*layout.tail, zone))
            found.pop()
        found.append(layout)
    return tuple(found)


def check_layout(name: str, text: str) -> None:
    """FormatError in the name of a format whose layout cannot be compiled."""
    try:
        layouts(text)
    except FormatError as error:
        raise FormatError(f"format {name!r}: {error}", name=name, position=error.position) from None


def _layout(part: str, text: str, at: int) -> Layout:
    elements = _elements(part, text, at)
    codes = [element.code for element in elements]
    _check(set(codes), text, at)
    stop = codes.index("S") if "S" in codes and elements[codes.index("S")].width else len(codes)
    # Without fixed seconds, the head is what comes before the first piece whose width varies.
    fixed = next((i for i, element in enumerate(elements) if not element.width), len(elements))
    seconds = stop < len(codes) and stop <= fixed
    stop = stop if seconds else fixed
    head, rest = elements[:stop], elements[stop + seconds :]
    if "s" in codes or sum(element.longest for element in rest if element.code != "f") > _WORD or stop == 0:
        return Layout(part, elements, (), 0, False, False, elements)
    fraction = seconds and bool(rest) and rest[0].code == "f"
    width = sum(element.width for element in head)
    return Layout(part, elements, head, width, seconds, fraction, rest[1:] if fraction else rest)


def _check(codes: set[str], text: str, at: int) -> None:
    """A layout must say something, and a date must have a month and a day."""
    if codes <= {"literal"}:
        raise FormatError(f"expected a directive such as %Y in the layout {text!r}, found none", name=text, position=at)
    month, day = bool(codes & set("mbB")), bool(codes & set("de"))
    if month != day or (codes & set("Yy") and not day):
        message = f"expected month and day in the layout {text!r}, found one without the other; try %m and %d"
        raise FormatError(message, name=text, position=at)


def _elements(part: str, text: str, at: int) -> tuple[Element, ...]:
    elements: list[Element] = []
    place = 0
    while place < len(part):
        if part[place : place + 2] in _SHORTHANDS:
            elements += _elements(_SHORTHANDS[part[place : place + 2]], text, at)
            place += 2
            continue
        token = _TOKEN.match(part, place)
        if token is None and part[place] == "%":
            found = part[place : place + 2]
            raise FormatError(
                f"expected a directive such as %Y in the layout {text!r}, found {found!r}; try %% for a percent sign",
                name=text,
                position=at + place,
            )
        if token is None or token["percent"]:
            literal = part[place + 1 if token else place].encode()
            elements.append(Element("literal", len(literal), literal))
            place += 2 if token else 1
            continue
        elements.append(_directive(token))
        place = token.end()
    return tuple(_merged(elements))


def _directive(token: re.Match[str]) -> Element:
    if token["digits"]:
        return Element("digits", int(token["digits"]))
    if token["short"]:
        return Element(token["short"], 0)
    return Element(token["code"], _WIDTHS.get(token["code"], 2))


def _merged(elements: list[Element]) -> list[Element]:
    """Neighbouring literals as one, except for what parts date and clock."""
    merged: list[Element] = []
    for i, element in enumerate(elements):
        if element.literal in (b" ", b"T") and 0 < i < len(elements) - 1:
            sides = {elements[i - 1].code, elements[i + 1].code}
            if sides & _DATE and sides & _CLOCK:
                merged.append(Element("literal", 1, element.literal, between=True))
                continue
        if element.literal and merged and merged[-1].literal and not merged[-1].between:
            literal = merged.pop().literal + element.literal
            element = Element("literal", len(literal), literal)
        merged.append(element)
    return merged


@lru_cache(maxsize=256)
def shape(layout: Layout, prefix: bytes = b"") -> Shape:
    """The shape of `prefix` and the pieces of fixed width that a layout begins with."""
    kinds = [("literal", byte) for byte in prefix]
    for element in layout.elements:
        if not element.width:
            break
        kinds += _kinds(element)
    words = -(-len(kinds) // _WORD)
    masks = {kind: np.zeros(words, np.uint64) for kind in ("value", "literal", "digit", "padded", "letter", "any")}
    for i, (kind, byte) in enumerate(kinds):
        word, shift = divmod(i, _WORD)
        masks[kind][word] |= np.uint64(0xFF << (8 * shift))
        masks["value"][word] |= np.uint64(byte << (8 * shift))
    return Shape(len(kinds), masks["value"], masks["literal"], masks["digit"], masks["padded"], masks["letter"])


def _kinds(element: Element) -> list[tuple[str, int]]:
    if element.literal:
        return [("any" if element.between else "literal", byte * (not element.between)) for byte in element.literal]
    if element.code == "e":
        return [("padded", 0), ("digit", 0)]
    kind = "digit" if element.code in _NUMBERS or element.code == "digits" else "letter"
    return [(kind, 0)] * element.width

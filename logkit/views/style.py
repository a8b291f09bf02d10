"""Colours, names and numbers as every view shows them."""

from __future__ import annotations

import unicodedata
from html import escape
from typing import Final

from logkit import schema

NO_LEVEL: Final = "none"
"""How records without a level are called in tables and plots."""

LEVEL_COLOURS: Final = {
    NO_LEVEL: "#e9e9e9",
    "TRACE": "#b4c2cd",
    "DEBUG": "#74889b",
    "INFO": "#56b4e9",
    "WARN": "#f0c419",
    "ERROR": "#d55e00",
    "FATAL": "#8e2a6b",
}
"""A colour per level, told apart with any colour vision and by lightness where they touch, on white and on black."""

SERIES_COLOURS: Final = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#7a7a7a")
"""Colours of other series (services), after Okabe and Ito: told apart with any colour vision."""

REST_COLOUR: Final = "#bfbfbf"
"""What is summed up as "others"."""

assert set(LEVEL_COLOURS) == {NO_LEVEL, *schema.LEVELS}


def plain(text: object, limit: int = 40) -> str:
    """Text out of a log, fit for one line of a plot or table: control characters as their codes, cut in the middle."""
    text = str(text)
    visible = _visible(text[: 4 * limit])
    if len(visible) <= limit and len(text) <= 4 * limit:
        return visible
    tail = _visible(text[-(limit // 3) :])
    return visible[: limit - len(tail) - 1] + "…" + tail


def _visible(text: str) -> str:
    # Controls, surrogates and marks that turn the direction of writing would alter more than their own place.
    if text.isprintable():  # none of these is, and most texts are
        return text
    return "".join(one.encode("unicode_escape").decode() if _hidden(one) else one for one in text)


def _hidden(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def escaped(text: object, limit: int = 80) -> str:
    """`plain` text, escaped for HTML."""
    return escape(plain(text, limit))


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 event`, `12,345 events`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def share(part: float) -> str:
    """A share of one as per cent: `0 %`, `0.3 %`, `12 %`; `<0.1 %` for what would round to nothing."""
    percent = 100 * part
    if 0 < percent < 0.1:
        return "<0.1 %"
    return f"{percent:.1f} %" if 0 < percent < 9.95 else f"{percent:.0f} %"


def number(value: float | None) -> str:
    """A measure with the figures that count: `1,234`, `56`, `7.9`, `0.12`; nothing for None."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 9.95 else f"{value:.2g}"


def duration(us: int) -> str:
    """A length of time in its largest whole units: `250 ms`, `1 min`, `1 h 30 min`, `7 d`."""
    units = (
        (86_400_000_000, "d"),
        (3_600_000_000, "h"),
        (60_000_000, "min"),
        (1_000_000, "s"),
        (1000, "ms"),
        (1, "µs"),
    )
    parts = []
    for size, unit in units:
        if us >= size:
            parts.append(f"{us // size} {unit}")
            us %= size
        if len(parts) == 2:
            break
    return " ".join(parts) or "0 s"

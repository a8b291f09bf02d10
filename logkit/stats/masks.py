"""Messages with what varies in them masked: the first, native half of finding message templates.

Numbers and all words with a digit, addresses, paths, URLs, dates, sizes, truth values and what stands after `=` become
`<*>`; wildcards that stand side by side become one. What is left is the same for most messages of one statement of a
program, so the distinct masked messages of a log are few.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from logkit.stats.groups import Ints

WILDCARD: Final = "<*>"
"""Stands for what varies. A message that holds these very characters has them masked too."""

MAX_CHARS: Final = 400
"""Only so much of a message's first line is looked at; the rest is one wildcard."""

_SAMPLE: Final = 2048
"""So many messages tell whether they repeat."""

_WORD = r"[\w.@+~$\-]"
_NUMBER = rf"{_WORD}*\d(?:{_WORD}*\w)?"  # any word with a digit: counts, hex, ids, addresses, versions, host7
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"

# The first alternative that matches where the scan stands takes it; each is one rule of how values are written.
_VALUE: Final = "|".join(
    (
        r"<\*>",
        r"[A-Za-z][\w+.\-]*://[^\s\"'<>|,;)\]}]+",  # a URL
        r"(?:\b[A-Za-z]:)?(?:[\\/][\w.$@%+~#*\-]+){2,}(?:[\\/]|\?[^\s\"'<>]*)?",  # a path, with its query
        r"\B/\w[\w.$@%+~#*\-]*",  # a path of one name, which no word stands before
        r"\b[\da-fA-F]{1,4}(?:(?::[\da-fA-F]{1,4}){3,7}|::[\da-fA-F]{1,4}(?::[\da-fA-F]{1,4})*)\b",  # MAC, IPv6
        rf"\b(?:{_DAY},? +)?{_MONTH} +\d[\d:]*(?: +\d[\d:]*)*",  # a date in words
        # Numbers joined without a word between them (a list, a time, host:port), and the unit of the last.
        rf"{_NUMBER}(?:[:/,;|#\-]{{1,2}} ?{_NUMBER})*(?:%| ?(?:[KMGTP]i?B|[kmgt]b|B|bytes?|ms|us|ns|s)\b)?",
        r"\b(?:[Tt]rue|[Ff]alse|[Nn]ull|NULL)\b",
    )
)

# A value, with one level of brackets right behind it.
_ASSIGNED: Final = r"(?:[^\s,;()\[\]{}\"'=&|<]|<\*>)+(?:\{[^{}]*\}|\([^()]*\)|\[[^\[\]]*\])?"

# A word that hangs together with a wildcard by what only paths, names and addresses are joined with.
_JOINED: Final = r"(?:[\w.$@~+\-]*[/\\~$#@\-.])*<\*>(?:[/\\~$#@\-.:]*<\*>|[/\\~$#@\-.]\w[\w.$@~+\-]*)*"
_LIST: Final = r"<\*>(?:[,;:|] ?<\*>)+|<\*>(?: <\*>){3,}"


@dataclass(frozen=True, slots=True)
class Masked:
    """Messages, masked: the distinct `texts`, in no order, and for each message its `row` among them."""

    texts: tuple[str, ...]
    row: Ints

    def each(self, values: pl.Series) -> pl.Series:
        """Of `values`, one for each text, each message's."""
        return values.gather(self.row)


def mask(messages: pl.Series) -> Masked:
    """Mask messages (String; null counts as ""), each for itself; native code that lets other threads run."""
    messages = messages.fill_null("")
    if 2 * messages.head(_SAMPLE).n_unique() > min(len(messages), _SAMPLE):
        return _masked(messages)
    # Where messages repeat it pays to find the distinct ones first: that costs a fifth of masking them.
    distinct, codes = _distinct(messages)
    masked = _masked(distinct)
    return Masked(masked.texts, masked.row[codes])


def _masked(messages: pl.Series) -> Masked:
    heads = _heads(messages)
    coded = heads.str.replace_all(_VALUE, WILDCARD)
    for equals in ("=", " = "):  # after "= " alone the next key may stand
        coded = coded.str.replace_all(equals + _ASSIGNED, equals + WILDCARD)
    distinct, codes = _distinct(coded)
    folded = distinct.str.replace_all(_JOINED, WILDCARD).str.replace_all(_LIST, WILDCARD)
    folded = folded.str.replace_all("()", f"({WILDCARD})", literal=True)
    final, second = _distinct(folded)
    return Masked(tuple(final.to_list()), second[codes])


def _heads(messages: pl.Series) -> pl.Series:
    """First lines, cut to `MAX_CHARS`; what is left out stands as one wildcard behind them, on a line of its own."""
    rows = (messages.str.len_bytes() > MAX_CHARS) | messages.str.contains("\n", literal=True)
    if not rows.any():
        return messages
    at = rows.arg_true()
    longer = messages.gather(at)
    first = longer.str.extract(r"\A([^\n]*)", 1).str.head(MAX_CHARS)
    whole = first.str.len_bytes() == longer.str.len_bytes()
    broken = longer.str.slice(first.str.len_chars(), 1) == "\n"
    frame = pl.DataFrame({"first": first, "whole": whole, "broken": broken})
    tail = pl.when("whole").then(pl.lit("")).when("broken").then(pl.lit("\n" + WILDCARD)).otherwise(pl.lit(WILDCARD))
    return messages.scatter(at, frame.select(pl.col("first") + tail).to_series())


def _distinct(texts: pl.Series) -> tuple[pl.Series, Ints]:
    """The distinct texts, and each row's index into them."""
    # Categories of its own: the global ones would be shared, and locked, between threads.
    coded = texts.cast(pl.Categorical(pl.Categories.random()))
    found = coded.unique()
    codes = found.to_physical().to_numpy()
    lookup = np.zeros(int(codes.max(initial=0)) + 1, np.int64)
    lookup[codes] = np.arange(len(codes))
    return found.cast(pl.String), lookup[coded.to_physical().to_numpy()]

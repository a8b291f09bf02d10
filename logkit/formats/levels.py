"""Level words, numbers and statuses -> one order of severities, a column at a time.

A word is at most two machine words long, so it is looked up as one or two integers: load, blot out what
lies behind it, put in lower case, hash once, compare once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from logkit.formats import kernels
from logkit.formats.block import Text
from logkit.formats.seconds import short_numbers
from logkit.schema import LEVEL, LEVELS

Codes = npt.NDArray[np.uint8]
"""Ranks in `schema.LEVELS`, one per record; `NONE` where there is no level."""

NONE: Final = len(LEVELS)
"""The code of a record without a level."""

LevelWords = Literal["words", "letters", "severities", "numbers", "postgres"]
"""What a level field may say: words only, also single letters, these and syslog's 0..7, also 10..60 (pino, bunyan),
also PostgreSQL's words."""

WORDS: Final[dict[str, str]] = {
    "TRACE": "trace finest finer verbose trc trac vrb",
    "DEBUG": "debug fine dbg dbug debu debug1 debug2 debug3 debug4 debug5",
    "INFO": "info inf information informational notice note config log",
    "WARN": "warn warning wrn",
    "ERROR": "error err severe eror erro",
    "FATAL": "fatal ftl fata critical crit crt alert emerg emergency panic pnc",
}
"""The words of each level, in any case."""

LETTERS: Final[dict[str, str]] = {
    "TRACE": "t v",
    "DEBUG": "d",
    "INFO": "i n",
    "WARN": "w",
    "ERROR": "e",
    "FATAL": "f c a",
}
"""Single letters, read only where a format says that its levels are letters."""

SEVERITIES: Final[dict[str, str]] = {
    "FATAL": f"{LETTERS['FATAL']} 0 1 2",
    "ERROR": f"{LETTERS['ERROR']} 3",
    "WARN": f"{LETTERS['WARN']} 4",
    "INFO": f"{LETTERS['INFO']} 5 6",
    "DEBUG": f"{LETTERS['DEBUG']} 7",
    "TRACE": LETTERS["TRACE"],
}
"""Single letters, and syslog's severities."""

NUMBERS: Final[dict[str, str]] = {level: str(10 * rank) for rank, level in enumerate(LEVELS, 1)}
"""pino's and bunyan's numbers."""

POSTGRES: Final[dict[str, str]] = {"INFO": "statement detail hint context query location"}
"""The words PostgreSQL writes in place of a level for the lines that explain the one before."""

_EXTRA: Final[dict[str, dict[str, str]]] = {
    "words": {},
    "letters": LETTERS,
    "severities": SEVERITIES,
    "numbers": NUMBERS,
    "postgres": POSTGRES,
}
_CASE: Final = np.uint64(0x2020202020202020)  # this bit turns A-Z to a-z, and nothing else into a letter
_KEEP: Final = np.array([(1 << (8 * n)) - 1 for n in range(9)], np.uint64)
_LENGTH: Final = np.uint64(0x9E3779B97F4A7C15)
_BITS: Final = 11


@dataclass(frozen=True, slots=True)
class _Table:
    """A collision-free hash table: `key` is made of a word's first eight bytes and length, `rest` is bytes 8..15."""

    factor: np.uint64
    key: npt.NDArray[np.uint64]
    rest: npt.NDArray[np.uint64]
    codes: Codes


def read_levels(text: Text, kind: LevelWords = "words") -> pl.Series:
    """The levels a field names, in any case, as a `schema.LEVEL` series; null where it is no level word."""
    return as_levels(level_codes(text, kind))


def level_codes(text: Text, kind: LevelWords = "words") -> Codes:
    """As `read_levels`, as ranks in `schema.LEVELS`; `NONE` where the field is no level word."""
    table = _table(kind)
    if kernels.compiled:
        hashed = (table.key, table.rest, table.codes)
        return kernels.levels(text.block.data, text.start, text.stop, NONE, _BITS, int(table.factor), hashed)
    length = text.stop - text.start
    first = _KEEP[np.clip(length, 0, 8)]
    key = (text.block.words(text.start) & first) | (first & _CASE)
    long = np.flatnonzero(length > 8)
    key[long] += length[long].astype(np.uint64) * _LENGTH
    slot = _slots(key, table.factor)
    found = (table.key[slot] == key) & (length > 0)
    long = long[found[long]]
    if len(long):
        last = _KEEP[np.clip(length[long] - 8, 0, 8)]
        rest = (text.block.words(text.start[long] + 8) & last) | (last & _CASE)
        found[long] = table.rest[slot[long]] == rest
    return np.where(found, table.codes[slot], np.uint8(NONE))


def as_levels(codes: Codes, name: str = "level") -> pl.Series:
    """Ranks as a `schema.LEVEL` series; null for `NONE`."""
    return _ranked()[pl.Series(codes, dtype=pl.UInt8)].alias(name)


def levels_from_syslog(numbers: pl.Series) -> pl.Series:
    """Severities 0..7, or whole priorities (facility * 8 + severity, up to 191), as levels; else null."""
    ranks = [_rank(word) for word in ("FATAL", "FATAL", "FATAL", "ERROR", "WARN", "INFO", "INFO", "DEBUG")]
    values, known = _integers(numbers)
    known &= (values >= 0) & (values <= 191)
    return as_levels(np.where(known, np.array(ranks, np.uint8)[values & 7], np.uint8(NONE)), numbers.name)


def levels_from_status(status: pl.Series) -> pl.Series:
    """HTTP statuses as levels: 500 and above ERROR, 400 and above WARN, others INFO; null stays null."""
    values, known = _integers(status)
    codes = np.full(len(values), _rank("INFO"), np.uint8)
    codes[values >= 400] = _rank("WARN")
    codes[values >= 500] = _rank("ERROR")
    return as_levels(np.where(known, codes, np.uint8(NONE)), status.name)


def status_codes(text: Text) -> Codes:
    """As `levels_from_status`, of a field, as ranks; `NONE` where it is no number."""
    values, known = short_numbers(text)
    codes = np.where(values >= 400, np.where(values >= 500, _rank("ERROR"), _rank("WARN")), _rank("INFO"))
    codes = np.where(known, codes, NONE).astype(np.uint8)
    odd = np.flatnonzero(~known & (text.start < text.stop))
    if len(odd):
        codes[odd] = levels_from_status(text.take(odd).series()).to_physical().fill_null(NONE).to_numpy()
    return codes


def levels_from_numbers(numbers: pl.Series) -> pl.Series:
    """pino's and bunyan's numbers as levels: 10 TRACE to 60 FATAL, others by the ten below; else null."""
    values, known = _integers(numbers)
    known &= (values >= 10) & (values < 70)
    return as_levels(np.where(known, values // 10 - 1, NONE).astype(np.uint8), numbers.name)


def levels_from_otel(numbers: pl.Series) -> pl.Series:
    """OpenTelemetry severity numbers as levels: 1..4 TRACE, then four numbers each up to 24; else null."""
    values, known = _integers(numbers)
    known &= (values >= 1) & (values <= 24)
    return as_levels(np.where(known, (values - 1) // 4, NONE).astype(np.uint8), numbers.name)


def _rank(level: str) -> int:
    return LEVELS.index(level)


def _integers(series: pl.Series) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    numbers = series.cast(pl.Int64, strict=False)
    return numbers.fill_null(0).to_numpy(), numbers.is_not_null().to_numpy()


def _slots(word: npt.NDArray[np.uint64], factor: np.uint64) -> npt.NDArray[np.int64]:
    return ((word * factor) >> np.uint64(64 - _BITS)).astype(np.int64)


@lru_cache
def _ranked() -> pl.Series:
    """Every level by its rank, and null for `NONE`."""
    return pl.Series([*LEVELS, None], dtype=LEVEL)


@lru_cache
def _table(kind: LevelWords) -> _Table:
    """The hash table of one kind of words; the factor is the first of a fixed sequence that parts them all."""
    words: dict[bytes, int] = {}
    for source in (WORDS, _EXTRA[kind]):
        for level, names in source.items():
            words.update((name.encode(), _rank(level)) for name in names.split())
    keys = _halves(words, 0) + np.array([len(word) * (len(word) > 8) for word in words], np.uint64) * _LENGTH
    number = 0
    while True:
        number = (number * 6364136223846793005 + 1442695040888963407) % 2**64  # Knuth's MMIX, as good as any here
        factor = np.uint64(number | 1)
        slot = _slots(keys, factor)
        if len(set(slot.tolist())) == len(words):
            break
    size = 2**_BITS
    table = _Table(factor, np.zeros(size, np.uint64), np.zeros(size, np.uint64), np.zeros(size, np.uint8))
    table.key[slot], table.rest[slot], table.codes[slot] = keys, _halves(words, 8), list(words.values())
    return table


def _halves(words: dict[bytes, Any], at: int) -> npt.NDArray[np.uint64]:
    return np.array([int.from_bytes(word[at : at + 8], "little") for word in words], np.uint64)

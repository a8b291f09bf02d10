"""Which format a file has, told from its head.

A format is judged by the lines that look like the start of a record: those that begin with a time, and those
the format itself takes for starts. Stack traces, headers and blank lines so count for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from logkit.formats.base import Format, TimeRules
from logkit.formats.block import Block, Lines, Mask, Positions, Text, records_of, split_lines
from logkit.formats.catalog import catalog
from logkit.formats.glance import may_read
from logkit.formats.jsonlines import JsonLines
from logkit.formats.logfmt import Logfmt
from logkit.formats.plain import Plain
from logkit.formats.timefinder import WITHIN, find_times, has_time

HEAD_BYTES: Final = 65_536
"""How much of a file is looked at."""

_FIRST_LINES: Final = 150
_LAST_LINES: Final = 50
_GLANCE: Final = 12  # lines a format must read some of to be looked at in earnest
_ENOUGH: Final = 0.6  # the share of records below which a format is not believed
_NEAR: Final = 0.1  # a specific format may read so much less than the best one and still be chosen
_UNTIMED: Final = 0.5  # the share of all lines that a format without times must read
_TIMED: Final = 0.1  # the share of lines with a time from which on lines without one are continuations
_HALF: Final = 0.5
_BOM: Final = b"\xef\xbb\xbf"
_WORDS: Final = frozenset({"words", "letters", "numbers", "postgres"})


@dataclass(frozen=True, slots=True)
class _Head:
    """The lines looked at. `plausible`: not blank and not indented; `timed`: those of them that begin with a time."""

    lines: Lines
    plausible: Mask
    timed: Mask


def detect(head: bytes, filename: str = "") -> Format:
    """The format of a file that begins with `head` (only `HEAD_BYTES` of it are looked at).

    There always is one: a specific format that reads most of the records, else `plain`. Nothing in `head`
    raises. Of formats that read about as much, one whose name `filename` bears comes first (`redis.log`).
    """
    sample = _look(head)
    if not len(sample.lines):
        return Plain()
    found = _candidates(head, sample)
    best = max((share for _, share in found), default=0.0)
    good = [format for format, share in found if share >= max(_ENOUGH, best - _NEAR)]
    stem = filename.rpartition("/")[2].lower()
    hinted = [format for format in good if format.name.partition("-")[0] in stem]
    return next(iter(hinted or good), None) or _plain(sample)


def candidates(head: bytes) -> list[tuple[Format, float]]:
    """The formats that read any of the head's records with the share they read, in detection order; `plain` is last."""
    sample = _look(head)
    if not len(sample.lines):
        return [(Plain(), 0.0)]
    return [*_candidates(head, sample), (_plain(sample), 1.0)]


def is_binary(head: bytes) -> str | None:
    """Why a file that begins with `head` is not text, else None.

    Zero bytes before or behind the text are a hole that a truncated or preallocated file has, and no reason.
    """
    for magic, reason in _MAGIC:
        if head.startswith(magic):
            return reason
    text = head[:HEAD_BYTES].strip(b"\0")
    if not text:
        return None
    raw = np.frombuffer(text, np.uint8)
    zeros = int((raw == 0).sum())
    if zeros * 4 > len(raw) and len(head) % 2 == 0 and zeros * 2 <= len(raw) + 8 and not raw[1::2][:64].any():
        return "UTF-16 without a byte order mark"
    strange = int(_CONTROL[raw].sum())
    if strange * _STRANGE > len(raw):
        return f"binary: {strange} of the first {len(raw)} bytes are control characters"
    return None


_MAGIC: Final = (
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x04\x22\x4d\x18", "LZ4"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (b"PK\x03\x04", "ZIP"),
    (b"\x7fELF", "ELF program"),
    (b"MZ\x90\0", "Windows program"),
    (b"\xca\xfe\xba\xbe", "Java class"),
    (b"\x89PNG", "PNG picture"),
    (b"\xff\xd8\xff", "JPEG picture"),
    (b"GIF8", "GIF picture"),
    (b"%PDF-", "PDF"),
    (b"SQLite format 3\0", "SQLite database"),
    (b"PAR1", "Parquet"),
    (b"ARROW1", "Arrow"),
    (b"ElfFile\0", "Windows event log"),
    (b"LPKSHHRH", "systemd journal"),
)
_STRANGE: Final = 50  # more than one control character in so many bytes is no text


def _control() -> Mask:
    member = np.zeros(256, np.bool_)
    member[:32] = True
    member[[7, 8, 9, 10, 11, 12, 13, 27]] = False
    return member


_CONTROL: Final = _control()


def _look(head: bytes) -> _Head:
    whole = len(head) <= HEAD_BYTES
    text = head[:HEAD_BYTES].removeprefix(_BOM)
    if not whole or not text.endswith(b"\n"):
        # The last line may go on behind the head; it is left out unless it is the only one.
        text = text[: text.rfind(b"\n") + 1] or text
    lines = split_lines(Block.of(text.decode("utf-8", "replace").encode()))
    if len(lines) > _FIRST_LINES + _LAST_LINES:
        lines = _take(lines, np.r_[0:_FIRST_LINES, len(lines) - _LAST_LINES : len(lines)])
    lines = _take(lines, np.flatnonzero(~lines.blank()))
    first = lines.block.bytes[lines.start]
    plausible = (first != 32) & (first != 9)
    timed = plausible & has_time(Text(lines.block, lines.start, lines.stop))
    return _Head(lines, plausible, timed)


def _take(lines: Lines, index: Positions) -> Lines:
    return Lines(lines.block, lines.start[index], lines.stop[index], lines.next[index])


def _candidates(head: bytes, sample: _Head) -> list[tuple[Format, float]]:
    """Every format that reads some of the head's records, and the share it reads."""
    index = np.flatnonzero(sample.timed if sample.timed.any() else sample.plausible)
    glance = _take(sample.lines, index[np.linspace(0, len(index) - 1, min(_GLANCE, len(index))).astype(np.int64)])
    text = Text(glance.block, glance.start, glance.stop)
    known = may_read([format for format in catalog() if not isinstance(format, Plain)], text)
    tried: list[Format | None] = [JsonLines.from_head(head), *known, Logfmt.from_head(head)]
    shares = ((format, _share(format, sample)) for format in tried if format is not None)
    return [(format, share) for format, share in shares if share > 0]


def _share(format: Format, sample: _Head) -> float:
    """The share of what looks like the start of a record that the format reads."""
    starts = format.starts(sample.lines)
    expected = starts | sample.timed
    read = starts & _reads(format, sample.lines)
    count = int(expected.sum())
    if not count:
        return 0.0
    if not sample.timed.any() and read.sum() < _UNTIMED * sample.plausible.sum():
        return 0.0
    return float(read.sum()) / count


def _reads(format: Format, lines: Lines) -> Mask:
    """Which lines the format reads as records of one line each, a level word among its fields being one."""
    if not len(lines):
        return np.zeros(0, np.bool_)
    records = records_of(lines, np.ones(len(lines), np.bool_))
    parsed = format.parse(records, TimeRules(), stats_only=True)
    ok: Mask = parsed.ok
    if "level" in getattr(format, "fields", ()) and getattr(format, "levels", "words") in _WORDS:
        ok = ok & parsed.frame["level"].is_not_null().to_numpy()
    return ok


def _plain(sample: _Head) -> Plain:
    """The reader of last resort, with a record's start as this file has it."""
    text = Text(sample.lines.block, sample.lines.start, sample.lines.stop).take(sample.plausible)
    strong = sample.timed[sample.plausible]
    if not len(strong):
        return Plain()
    weak = has_time(text, weak=True) & ~strong
    if strong.sum() >= _TIMED * len(strong) or strong[0]:
        # Lines with a lesser time are records too where they are no exception among those without a strong one.
        mixed = bool(weak.sum() > _HALF * (~strong).sum())
        return Plain(timed=True, weak=mixed, within=_reach(text.take(strong | weak if mixed else strong)))
    if weak.sum() >= _ENOUGH * len(weak):
        return Plain(timed=True, weak=True, within=_reach(text.take(weak)))
    return Plain()


def _reach(text: Text) -> int:
    """How far from a line's start a time may begin: twice what was seen, so that a little more is no surprise."""
    found = find_times(text, TimeRules())
    furthest = int((found.start - text.start).max(initial=0))
    return min(WITHIN, 2 * furthest + 16)


__all__ = ["HEAD_BYTES", "candidates", "detect", "is_binary"]

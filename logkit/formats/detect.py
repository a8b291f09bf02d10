"""Which format a file has, told from its head: the first in order of those that read about as much as the best one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

import numpy as np

from logkit.formats.base import Format, TimeRules
from logkit.formats.block import Mask, Text
from logkit.formats.catalog import catalog
from logkit.formats.head import HEAD_BYTES, Head
from logkit.formats.jsonlines import JsonLines
from logkit.formats.logfmt import Logfmt
from logkit.formats.outline import Outline, outlines
from logkit.formats.plain import Plain
from logkit.formats.timefinder import WITHIN, find_times, has_time

_ENOUGH: Final = 0.6  # the share of records below which a format is not believed
_NEAR: Final = 0.1  # a specific format may read so much less than the best one and still be chosen
_TIMED: Final = 0.1  # the share of lines with a time from which on lines without one are continuations
_HALF: Final = 0.5


def detect(head: bytes, filename: str = "") -> Format:
    """The format of a file that begins with `head` (only `HEAD_BYTES` of it are looked at).

    There always is one: a specific format that reads most of the records, else `plain`. Nothing in `head`
    raises. Of formats that read about as much, one whose name `filename` bears comes first (`redis.log`).
    """
    sample = Head(head)
    if not len(sample.lines):
        return Plain()
    stem = filename.rpartition("/")[2].lower()
    # Those whose name the file bears first: the first good one in this order is the answer.
    order = sorted(_known(), key=lambda known: known[0].name.partition("-")[0] not in stem)
    found: list[tuple[Format, float]] = []
    first: Format | None = None
    for format, share in _shares(order, head, sample):
        found.append((format, share))
        best = max(share for _, share in found)
        first, read = next((one for one in found if one[1] >= max(_ENOUGH, best - _NEAR)), (None, 0.0))
        # As near as that to the best there can be: no format that follows could put another one first.
        if read >= 1 - _NEAR:
            break
    return first or _plain(sample)


def candidates(head: bytes) -> list[tuple[Format, float]]:
    """The formats that read any of the head's records with the share they read, in detection order; `plain` is last."""
    sample = Head(head)
    if not len(sample.lines):
        return [(Plain(), 0.0)]
    return [*_shares(_known(), head, sample), (_plain(sample), 1.0)]


def is_binary(head: bytes) -> str | None:
    """Why a file that begins with `head` is not text, else None.

    Zero bytes before or behind the text are a hole that a truncated or preallocated file has, and no reason.
    """
    for magic, reason in _MAGIC:
        if head.startswith(magic):
            return reason
    if head[257:262] == b"ustar":
        return "a tar archive: unpack it first"
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
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive: unpack it first"),
    (b"PK\x03\x04", "a ZIP archive: unpack it first"),
    (b"PK\x05\x06", "an empty ZIP archive"),
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


@lru_cache(maxsize=1)
def _known() -> tuple[tuple[Format, tuple[Outline, ...]], ...]:
    """Every format but `plain` in detection order, with its outlines; those made from a head stand there empty."""
    formats = (JsonLines(), *(format for format in catalog() if not isinstance(format, Plain)), Logfmt())
    return tuple((format, outlines(format)) for format in formats)


def _shares(
    formats: Iterable[tuple[Format, tuple[Outline, ...]]], head: bytes, sample: Head
) -> Iterator[tuple[Format, float]]:
    """Each format that reads some of the head's records, and the share it reads."""
    for known, found in formats:
        if sample.refuses(found):
            continue
        format = known.from_head(head) if isinstance(known, JsonLines | Logfmt) else known
        share = sample.share(format) if format else 0.0
        if format and share > 0:
            yield format, share


def _plain(sample: Head) -> Plain:
    """The reader of last resort, with a record's start as this file has it."""
    text = sample.text.take(sample.plausible)
    strong = sample.timed[sample.plausible]
    if not len(strong):
        return Plain()
    weak, rest = np.zeros(len(text), np.bool_), np.flatnonzero(~strong)
    if len(rest):
        weak[rest] = has_time(text.take(rest), weak=True)
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

"""Which format a file has, told from its head: the first in order of those that read about as much as the best one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, lru_cache, partial
from typing import Final

import numpy as np

from logkit.formats.base import Format, TimeRules
from logkit.formats.block import Mask, Text
from logkit.formats.catalog import entries, json_kinds
from logkit.formats.head import HEAD_BYTES, Head
from logkit.formats.headed import headed
from logkit.formats.jsonkinds import christened
from logkit.formats.jsonlines import JsonLines
from logkit.formats.logfmt import Logfmt
from logkit.formats.mixed import MOST, Mixed
from logkit.formats.nested import CONTAINERS, ENVELOPES, Nested, content, names_zone
from logkit.formats.outline import Outline, outlines
from logkit.formats.pattern import TIME
from logkit.formats.plain import Plain
from logkit.formats.registry import registered
from logkit.formats.timefinder import WITHIN, find_times, has_time
from logkit.formats.traces import has_traces

_ENOUGH: Final = 0.6  # the share of records below which a format is not believed
_NEAR: Final = 0.1  # a specific format may read so much less than the best one and still be chosen
_TIMED: Final = 0.1  # the share of lines with a time from which on lines without one are continuations
_HALF: Final = 0.5
_NEARLY_ALL: Final = 0.98  # the share of records from which on nobody asks what the rest are
_LEAST: Final = 0.02  # the share of lines that a format must read to be one of several


def detect(head: bytes, filename: str = "") -> Format:
    """The format of a file that begins with `head` (only `HEAD_BYTES` of it are looked at).

    There always is one: a specific format that reads most of the records, `Mixed` where several together do, else
    `plain`. Nothing in `head` raises. Of formats that read about as much, one whose name `filename` bears comes
    first (`redis.log`).
    """
    sample = Head(head)
    if not len(sample.lines):
        return Plain()
    return _opened(_detect(head, sample, filename), sample)


def prepare() -> None:
    """Read the catalogue, which the first to detect a format does otherwise: two who begin at once both do."""
    _catalogued()


def _opened(found: Format, sample: Head) -> Format:
    """A format that wraps others, with the one that is in it."""
    parts = found.members if isinstance(found, Mixed) else (found,)
    if not all(part.name in ENVELOPES for part in parts):
        return found
    joins = all(part.name in CONTAINERS for part in parts)
    inside = content(found, sample.lines)
    head = Head(inside)
    if not len(head.lines):
        return found
    inner = _detect(inside, head, "")
    # A level alone is nothing that a line of syslog would not say by itself.
    if not joins and not (isinstance(inner, JsonLines | Logfmt) or (has_times(inner) and not isinstance(inner, Mixed))):
        return found
    outer_times = names_zone(found, sample.only(np.ones(len(sample.lines), np.bool_)))
    return Nested(found, inner, joins, outer_times and not names_zone(inner, inside))


def _detect(head: bytes, sample: Head, filename: str) -> Format:
    """The format of the lines themselves."""
    stem = filename.rpartition("/")[2].lower()
    # Those whose name the file bears first: the first good one in this order is the answer.
    order = sorted(_known(), key=lambda known: known.name.partition("-")[0] not in stem)
    found: list[tuple[Format, float]] = []
    first: Format | None = None
    read = 0.0
    for format, share in _shares(order, head, sample):
        found.append((format, share))
        best = max(share for _, share in found)
        first, read = next((one for one in found if one[1] >= max(_ENOUGH, best - _NEAR)), (None, 0.0))
        # As near as that to the best there can be: no format that follows could put another one first.
        if read >= 1 - _NEAR:
            break
    if first is not None and not has_times(first) and (rest := _plain(sample)).timed and not rest.weak:
        return rest  # the lines have times, of which the format knows nothing
    if first is not None and read >= _NEARLY_ALL:
        return first
    return _mixture(first, sample) or first or _plain(sample)


def _mixture(first: Format | None, sample: Head) -> Mixed | None:
    """The formats that read a head together, where that is clearly more than `first` alone reads."""
    plausible = sample.plausible
    left = plausible & ~sample.reading(first)[0] if first else plausible.copy()
    wanted = int(left.sum())
    least = max(1, int(_LEAST * len(left)))
    claims: list[tuple[Format, int]] = []
    for known in _known():
        if not left.any():
            break
        if sample.refuses(known.outlines):
            continue
        format = known.format
        if isinstance(format, JsonLines | Logfmt):
            made = _made(format, sample.only(left & sample.begins_with(format)))
            if made is None:
                continue
            format = made
        if first is not None and format.name == first.name:
            continue
        claimed = left & sample.reading(format)[0]
        count = int(claimed.sum())
        # A level or a name alone is little to go by: a format without times must read several lines.
        if count >= (least if has_times(format) else max(least, 2)):
            claims.append((format, count))
            left &= ~claimed
    if wanted - int(left.sum()) < _HALF * wanted * (first is not None) or not claims:
        return None
    most = sorted(claims, key=lambda claim: -claim[1])[: MOST - (first is not None)]
    members = [format for format, _ in claims if (format, _) in most]
    if first is not None:
        place = [known.name for known in _known()]
        members.append(first)
        members.sort(key=lambda member: place.index(member.name) if member.name in place else 0)
    return Mixed(tuple(members), _plain(sample)) if len(members) > 1 or not first else None


def has_times(format: Format) -> bool:
    """Whether a format's records have times of their own."""
    fields = getattr(format, "fields", ())
    return any(name == TIME or getattr(name, "column", "") == TIME for name in fields)


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


class _Known:
    """A format that is not made from a head: what it is and its outlines are made when they are first asked for."""

    def __init__(self, name: str, make: Callable[[], Format]) -> None:
        self.name = name
        self._make = make

    @cached_property
    def format(self) -> Format:
        return self._make()

    @cached_property
    def outlines(self) -> tuple[Outline, ...]:
        return outlines(self.format)


def _known() -> tuple[_Known, ...]:
    """Every format but `plain` in detection order; those made from a head stand there empty."""
    return (*map(_own, registered()), *_catalogued())


def _own(format: Format) -> _Known:
    return _Known(format.name, lambda: format)


@lru_cache(maxsize=1)
def _catalogued() -> tuple[_Known, ...]:
    found = [_Known(entry.name, partial(getattr, entry, "format")) for entry in entries() if not entry.json]
    return (_Known("json", JsonLines), *found, _Known("logfmt", Logfmt))


def _shares(formats: Iterable[_Known], head: bytes, sample: Head) -> Iterator[tuple[Format, float]]:
    """Each format that reads some of the head's records, and the share it reads."""
    table = headed(head)
    if table is not None and (share := sample.share(table)) > 0:
        yield table, share
    for known in formats:
        if sample.refuses(known.outlines):
            continue
        format: Format | None = known.format
        if isinstance(format, JsonLines | Logfmt):
            format = _made(format, head)
        share = sample.share(format) if format else 0.0
        if format and share > 0:
            yield format, share


def _made(known: JsonLines | Logfmt, head: bytes) -> Format | None:
    """A format that is made from a head; None where the head is not of that kind."""
    format = known.from_head(head)
    return christened(format, head, json_kinds()) if isinstance(format, JsonLines) else format


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
    return Plain(traces=has_traces(sample.only(np.ones(len(sample.lines), np.bool_))))


def _reach(text: Text) -> int:
    """How far from a line's start a time may begin: twice what was seen, so that a little more is no surprise."""
    found = find_times(text, TimeRules())
    furthest = int((found.start - text.start).max(initial=0))
    return min(WITHIN, 2 * furthest + 16)


__all__ = ["HEAD_BYTES", "candidates", "detect", "is_binary", "prepare"]

"""What crosses between a store and whoever uses it: frozen values, and how a path is written in a text column."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_UNWRITABLE: Final = re.compile("[%\udc80-\udcff]")
_WRITTEN: Final = re.compile("%([0-9A-F]{2})")


@dataclass(frozen=True, slots=True)
class Saved:
    """One generation of a source as a store remembers it. All positions and sizes are decompressed bytes.

    `head` is the first <= 1 KiB of the content. `ranges` are the finished `(start, stop)`, ascending and apart from
    each other; `ends` hold `(stop, length, digest, last_offset)` for the end of each: the blake2b-16 digest of the
    `length` bytes before `stop`, and where the last record before it begins. `modified` is in seconds since 1970,
    `reference_us` in µs since 1970. The `expired_` pair counts what retention dropped, included in `events` and
    `event_bytes`: a store keeps it itself for a source it knows, whatever a commit says of it.
    """

    source: int
    generation: int
    path: str
    device: int
    inode: int
    head: bytes
    compression: str | None
    encoding: str
    format: str | None
    head_bytes: int
    reference_us: int
    ranges: tuple[tuple[int, int], ...]
    ends: tuple[tuple[int, int, bytes, int], ...]
    seen_bytes: int
    event_bytes: int
    skipped_bytes: int
    skipped_reason: str | None
    events: int
    rejects: int
    cuts: int
    disk_bytes: int
    modified: float
    gone: bool
    expired_events: int = 0
    expired_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Expired:
    """What one call of `Store.expire` dropped of one source generation: `bytes` is the sum of `length_bytes`."""

    source: int
    generation: int
    events: int
    bytes: int


def written_path(path: str) -> str:
    """A path as a text column can hold it: `%` and what is no UTF-8 percent-encoded, all else as it is."""
    return _UNWRITABLE.sub(lambda match: f"%{ord(match[0]) & 0xFF:02X}", path)


def read_path(text: str) -> str:
    """The path that `written_path` wrote, to the last byte."""
    return _WRITTEN.sub(lambda match: _character(int(match[1], 16)), text)


def _character(byte: int) -> str:
    return chr(byte) if byte < 0x80 else chr(0xDC00 + byte)

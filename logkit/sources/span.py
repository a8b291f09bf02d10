"""Spans: half-open byte ranges of one source, the one unit of work, and arithmetic on ranges."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from logkit.formats.base import Format, TimeRules
from logkit.sources.service import ServiceRule

Ranges = tuple[tuple[int, int], ...]
"""Disjoint half-open ranges `[start, stop)`, ascending, none touching the next."""

Tail = tuple[int, int, bytes]
"""`(stop, length, digest)`: the blake2b of 16 bytes over the `length` bytes of a source before offset `stop`."""

_BEYOND: Final = 64  # such a part of a block is read behind a span's end, and then as much again each time


def digest(last: bytes | memoryview) -> bytes:
    """What a `Tail` keeps of the bytes."""
    return hashlib.blake2b(last, digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read, the same for all spans of a monitor. Sizes in bytes.

    `block_bytes` are taken from a file at a time: so many that what a block costs whatever is in it is little.
    A record longer than `max_record_bytes` is cut into pieces of that size, measured from its start.
    `keep` says whether rows are wanted or statistics alone, `columns` which ones (None: all), `patterns` whether
    messages are masked and counted.
    """

    block_bytes: int = 8 << 20
    max_record_bytes: int = 1 << 20
    keep: bool = True
    columns: frozenset[str] | None = None
    service: ServiceRule = field(default_factory=ServiceRule)
    patterns: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """A lease on bytes `[start, stop)` of one generation of a source, with all that reading them needs.

    Whoever reads it yields the records that begin in the range, and finishes the last one even past `stop`, but
    never reads past `limit`, the size of the source when the span was planned. `stop` and `limit` are None for
    a compressed source, whose length nobody knows before inflating it.

    `aligned`: a record (or the rest of a cut one) begins exactly at `start`; otherwise the first record that
    begins at or behind `start` is looked for. `final`: the source will not grow, or has been idle: what is open at
    `limit` is a finished record. `quiet_at`: the latter, at so many bytes on disk; with more or fewer it is not final.
    `continues` is the offset of the record before an aligned start that follows a cut.
    `file` is the device and inode that must stand at `path`; `head` is how its content begins (inflated, but in
    its own encoding) and `tail` what stands before `start`, so that a reader can tell whether it is still the same.
    Offsets of a UTF-16 source, which is one serial span like a compressed one, count the bytes of its text in UTF-8.
    """

    source: int
    generation: int
    path: str
    format: Format
    start: int
    stop: int | None
    limit: int | None
    times: TimeRules
    compression: str | None = None
    aligned: bool = True
    final: bool = False
    quiet_at: int | None = None
    continues: int | None = None
    file: tuple[int, int] | None = None
    attempt: int = 0
    head: bytes = b""
    tail: Tail | None = None
    encoding: str = "utf-8"
    line_end: bytes = b"\n"

    @property
    def length(self) -> int | None:
        """Bytes between `start` and `stop`; None where unknown."""
        return None if self.stop is None else self.stop - self.start


def bytes_to_read(span: Span, at: int, block_bytes: int) -> int:
    """How many bytes to read next where it is read up to `at`: none behind its limit, and not many behind its end,
    where its last record mostly ends soon."""
    room = block_bytes if span.limit is None else max(0, min(block_bytes, span.limit - at))
    if span.stop is None:
        return room
    beyond = span.stop + max(1, block_bytes // _BEYOND)
    left = (beyond if span.limit is None else min(beyond, span.limit)) - at
    if left <= 0:
        return min(max(1, at - span.stop), room)
    return -(-left // -(-left // block_bytes))  # in equal blocks: a small one takes nearly as long


def tile(start: int, stop: int, span_bytes: int) -> list[tuple[int, int]]:
    """Cut `[start, stop)` into ranges of `span_bytes`, the last one up to half as long again."""
    edges = list(range(start, stop, span_bytes))
    if len(edges) > 1 and stop - edges[-1] < span_bytes // 2:
        edges.pop()
    return list(zip(edges, [*edges[1:], stop], strict=True))


def include(ranges: Ranges, start: int, stop: int) -> Ranges:
    """`ranges` with `[start, stop)` added; touching and overlapping ranges become one."""
    if start >= stop:
        return ranges
    apart = [r for r in ranges if r[1] < start or r[0] > stop]
    touching = [r for r in ranges if not (r[1] < start or r[0] > stop)]
    merged = (min([start, *(r[0] for r in touching)]), max([stop, *(r[1] for r in touching)]))
    return tuple(sorted([*apart, merged]))


def complement(ranges: Ranges, start: int, stop: int) -> Ranges:
    """The parts of `[start, stop)` that `ranges` leave open."""
    gaps, at = [], start
    for low, high in ranges:
        if low >= stop:
            break
        if low > at:
            gaps.append((at, low))
        at = max(at, high)
    if at < stop:
        gaps.append((at, stop))
    return tuple(gaps)


def common(ranges: Ranges, other: Ranges) -> Ranges:
    """What lies in both."""
    return tuple(
        (max(low, start), min(high, stop))
        for low, high in ranges
        for start, stop in other
        if max(low, start) < min(high, stop)
    )


def cut(ranges: Ranges, edges: Iterable[int]) -> Ranges:
    """`ranges` cut in two wherever one of `edges` lies inside of them; pieces then touch."""
    edges, pieces = sorted(set(edges)), list[tuple[int, int]]()
    for low, high in ranges:
        inner = [edge for edge in edges if low < edge < high]
        pieces += zip([low, *inner], [*inner, high], strict=True)
    return tuple(pieces)

"""Statistics as bytes and back, exactly: what a store keeps of each commit.

The bytes are a line that names the format, then, compressed (and so with a checksum): a line of JSON with all that is
no count, and the integers of all tables, little-endian, 64 bits each.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from logkit.errors import SettingError
from logkit.stats.groups import Cells, Ints
from logkit.stats.patterns import PatternTable
from logkit.stats.totals import LEVEL_NAMES, Limits, Tables
from logkit.stats.value import Stats

_FORMAT: Final = b"logkit statistics 1\n"
_INTEGER: Final = np.dtype("<i8")
_FAST: Final = 1  # level of compression: tables of counts shrink to a tenth at any

_SHAPES: Final = {"totals": (2, 3), "buckets": (3, 2), "bins": (4, 1)}
"""How many columns of keys and of counts each table has."""

_OF_PATTERNS: Final = {"totals": (3, 2), "buckets": (4, 1)}
"""The same of the tables of masked messages."""


def packed(stats: Stats) -> bytes:
    """The statistics as bytes that any later process can read, on any machine."""
    tables = stats.tables
    cells = [tables.totals, tables.buckets, tables.bins]
    about = {
        "names": tables.names,
        "widths_us": (tables.width_us, tables.bin_width_us),
        "limits": asdict(stats.limits),
        "rows": [len(one) for one in cells],
    }
    arrays = [tables.spans, *(array for one in cells for array in (one.keys, one.counts))]
    if (found := tables.patterns) is not None:
        about["patterns"] = {
            "masks": found.masks,
            "examples": found.examples,
            "width_us": found.width_us,
            "rows": [len(found.totals), len(found.buckets)],
        }
        arrays += [found.spans, found.totals.keys, found.totals.counts, found.buckets.keys, found.buckets.counts]
        arrays.append(found.places)
    integers = b"".join(array.astype(_INTEGER).tobytes() for array in arrays)
    return _FORMAT + zlib.compress(json.dumps(about).encode() + b"\n" + integers, _FAST)


def unpacked(data: bytes) -> Stats:
    """The statistics that `packed` made these bytes of. Raises ValueError for bytes that are none."""
    try:
        if not data.startswith(_FORMAT):
            raise ValueError(f"bytes that begin with {data[: len(_FORMAT)]!r}")
        head, _, integers = zlib.decompress(data[len(_FORMAT) :]).partition(b"\n")
        about = json.loads(head)
        names, limits = tuple(map(str, about["names"])), Limits(**about["limits"])
        width_us, bin_width_us = map(int, about["widths_us"])
        numbers = np.frombuffer(integers, _INTEGER).astype(np.int64)
        (spans, *cells), numbers = _tables(numbers, about["rows"], _SHAPES, len(names))
        patterns = _patterns(numbers, about.get("patterns"), len(names))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, zlib.error, SettingError) as error:
        raise ValueError(f"expected statistics as `packed` writes them, found {error!r}") from error
    totals, buckets, bins = (Cells(*pair) for pair in zip(cells[::2], cells[1::2], strict=True))
    return Stats(Tables(names, totals, spans, buckets, bins, width_us, bin_width_us, patterns), limits)


def _patterns(integers: Ints, about: dict[str, Any] | None, services: int) -> PatternTable | None:
    """The table of masked messages in all the integers that are left. Raises ValueError where they do not fit."""
    if about is None:
        if len(integers):
            raise ValueError(f"{len(integers)} integers too many")
        return None
    masks, examples = (tuple(map(str, about[name])) for name in ("masks", "examples"))
    (spans, *cells), places = _tables(integers, about["rows"], _OF_PATTERNS, services)
    totals, buckets = (Cells(*pair) for pair in zip(cells[::2], cells[1::2], strict=True))
    if len(places) != 3 * len(masks) or len(examples) != len(masks):
        raise ValueError(f"{len(places)} integers and {len(examples)} examples for {len(masks)} masked messages")
    for key in (totals.keys[2], buckets.keys[2]):
        if ((key < 0) | (key >= len(masks))).any():
            raise ValueError("a key that names no masked message")
    return PatternTable(masks, examples, places.reshape(3, -1), totals, spans, buckets, int(about["width_us"]))


def _tables(
    integers: Ints, rows: list[int], tables: Mapping[str, tuple[int, int]], services: int
) -> tuple[list[Ints], Ints]:
    """The integers cut into spans, then keys and counts of each table; and those left over. Raises ValueError where
    they do not fit."""
    shapes = [(2, rows[0])]
    for columns, size in zip(tables.values(), rows, strict=True):
        shapes += [(count, size) for count in columns]
    edges = np.cumsum([width * size for width, size in shapes])
    if min(rows) < 0 or edges[-1] > len(integers):
        raise ValueError(f"{len(integers)} integers for tables of {rows} rows")
    *parts, rest = np.split(integers, edges)
    found = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
    for keys in found[1::2]:
        for key, size in zip(keys, (services, len(LEVEL_NAMES)), strict=False):
            if ((key < 0) | (key >= size)).any():
                raise ValueError("a key that names no service or no level")
    return found, rest

"""Masked messages, counted: the part of statistics that message templates are made of, and the three things done to it.

It grows with what programs say, so it is bounded by counting coarser: of masked messages that begin with the same two
words so many are kept apart, those with the smallest hash, and the others count as these two words and a wildcard; of
such beginnings again so many, and the others count as one wildcard. A coarser masked message fits all that is counted
under it, so it is a template like any other.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from logkit.stats.groups import Cells, Ints, gather, group
from logkit.stats.ladder import NEVER, WIDTHS_US, coarsen, width_for
from logkit.stats.masks import WILDCARD

_BEGINNING: Final = re.compile(r"\S+\s+\S+\s")


@dataclass(frozen=True, slots=True, eq=False)
class PatternTable:
    """Counts per masked message; services are indices into the names of the `Tables` it is part of, levels into
    `LEVEL_NAMES`, times µs since 1970.

    `masks` is sorted and holds the masked messages that occur, no others.
    """

    masks: tuple[str, ...]
    examples: tuple[str, ...]
    """Of each masked message a whole one: that with the smallest place."""
    places: Ints
    """Source, generation and offset of each example; shape (3, masks)."""
    totals: Cells
    """(service, level, mask) -> events, events with a time."""
    spans: Ints
    """Per row of `totals` the first and the last time, `NEVER` where there is none; shape (2, rows)."""
    buckets: Cells
    """(service, level, mask, bucket) -> events; only events with a time."""
    width_us: int

    def __post_init__(self) -> None:
        self.places.flags.writeable = False
        self.spans.flags.writeable = False

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PatternTable):
            return NotImplemented
        return (
            (self.masks, self.examples, self.width_us) == (other.masks, other.examples, other.width_us)
            and np.array_equal(self.places, other.places)
            and self.totals == other.totals
            and np.array_equal(self.spans, other.spans)
            and self.buckets == other.buckets
        )

    @property
    def events(self) -> int:
        """How many events were counted."""
        return int(self.totals.counts[0].sum())


def _cells(columns: int, counts: int) -> Cells:
    return Cells(np.zeros((columns, 0), np.int64), np.zeros((counts, 0), np.int64))


_NONE = np.zeros((3, 0), np.int64), _cells(3, 2), np.zeros((2, 0), np.int64), _cells(4, 1)
EMPTY: Final = PatternTable((), (), *_NONE, WIDTHS_US[0])
"""Nothing counted."""


def key_of(mask: str) -> int:
    """A number that stands for a masked message, the same in every process; signed, 64 bits."""
    digest = hashlib.blake2b(mask.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def coarser(mask: str) -> str:
    """The beginning of a masked message: its first two words and a wildcard, or only that."""
    found = _BEGINNING.match(mask)
    return found[0] + WILDCARD if found else WILDCARD


def keep(masks: Collection[str], max_beginnings: int, max_alike: int) -> tuple[tuple[str, ...], dict[str, str]]:
    """The masked messages kept apart, sorted, and what each of `masks` counts as.

    A function of the whole set alone, and what is among the smallest hashes of a union is among those of every part
    that has it: folding early and folding late keep the same.
    """
    if len(masks) <= min(max_beginnings, max_alike):
        return tuple(sorted(masks)), {mask: mask for mask in masks}
    alike: dict[str, list[str]] = defaultdict(list)
    for mask in set(masks):
        alike[coarser(mask)].append(mask)
    beginnings = _smallest(alike.keys() - {WILDCARD}, max_beginnings)
    index: dict[str, str] = {}
    for beginning, some in alike.items():
        if beginning != WILDCARD and beginning not in beginnings:
            index.update(dict.fromkeys(some, WILDCARD))
            continue
        apart = _smallest([mask for mask in some if mask != beginning], max_alike)
        index.update((mask, mask if mask in apart else beginning) for mask in some)
    return tuple(sorted(set(index.values()))), index


def _smallest(masks: Collection[str], most: int) -> set[str]:
    if len(masks) <= most:
        return set(masks)
    return set(sorted(masks, key=lambda mask: (key_of(mask), mask))[:most])


def merge(
    parts: Sequence[tuple[PatternTable, Ints]], max_beginnings: int, max_alike: int, max_buckets: int
) -> PatternTable:
    """The sum of all parts, each with the new indices of its services: exact, whatever their order and grouping."""
    masks, counts_as = keep({mask for part, _ in parts for mask in part.masks}, max_beginnings, max_alike)
    index = {mask: position for position, mask in enumerate(masks)}
    lookups = [(services, np.array([index[counts_as[m]] for m in part.masks], np.int64)) for part, services in parts]

    totals = _joined([part.totals for part, _ in parts], lookups)
    grouping = group(totals.keys)
    spans = np.concatenate([part.spans for part, _ in parts], axis=1)
    spans[1] *= -1
    spans = grouping.min(spans)
    spans[1] *= -1

    buckets = _joined([part.buckets for part, _ in parts], lookups)
    width = width_for(buckets.keys[3], max(part.width_us for part, _ in parts), max_buckets)
    keys = buckets.keys.copy()
    keys[3] = coarsen(keys[3], width)

    places, examples = _first(parts, counts_as, masks)
    return PatternTable(
        masks,
        examples,
        places,
        Cells(grouping.keys, grouping.sum(totals.counts)),
        spans,
        gather(Cells(keys, buckets.counts)),
        width,
    )


def _first(
    parts: Sequence[tuple[PatternTable, Ints]], counts_as: dict[str, str], masks: tuple[str, ...]
) -> tuple[Ints, tuple[str, ...]]:
    """Of each mask the example with the smallest place, and that place."""
    best: dict[str, tuple[list[int], str]] = {}
    for part, _ in parts:
        for mask, example in zip(part.masks, zip(part.places.T.tolist(), part.examples, strict=True), strict=True):
            mask = counts_as[mask]
            if mask not in best or example < best[mask]:
                best[mask] = example
    places = np.array([best[mask][0] for mask in masks], np.int64).reshape(-1, 3).T
    return places, tuple(best[mask][1] for mask in masks)


def first_rows(index: Ints, places: Ints, size: int) -> Ints:
    """For each value of `index`, all of [0, size), its row with the smallest place."""
    # Rows come from one file, in order, but for rare frames of several.
    ordered = not (places[:2, 1:] != places[:2, :-1]).any() and bool((places[2, 1:] >= places[2, :-1]).all())
    order = np.arange(len(index)) if ordered else np.lexsort(places[::-1])
    first = np.empty(size, np.int64)
    first[index[order[::-1]]] = order[::-1]  # of equal keys the last assignment holds
    return first


def _joined(cells: list[Cells], lookups: list[tuple[Ints, Ints]]) -> Cells:
    """All rows of all parts, their services and masks renumbered by the part's lookups."""
    keys = [part.keys.copy() for part in cells]
    for key, (services, masks) in zip(keys, lookups, strict=True):
        key[0], key[2] = services[key[0]], masks[key[2]]
    return Cells(np.concatenate(keys, axis=1), np.concatenate([part.counts for part in cells], axis=1))


def negative(table: PatternTable) -> PatternTable:
    """The same with all counts negated: what `merge` subtracts."""
    return replace(
        table,
        totals=Cells(table.totals.keys, -table.totals.counts),
        buckets=Cells(table.buckets.keys, -table.buckets.counts),
    )


def compact(table: PatternTable, services: Ints | None = None) -> PatternTable:
    """The same without rows that count nothing and masks that no longer occur.

    `services` are the indices, ascending, of the services that are left, where some have gone.
    """
    some = table.totals.counts[0] > 0
    totals, buckets = table.totals.take(some), table.buckets.take(table.buckets.counts[0] > 0)
    used = np.unique(totals.keys[2])
    return PatternTable(
        tuple(table.masks[at] for at in used.tolist()),
        tuple(table.examples[at] for at in used.tolist()),
        table.places[:, used],
        _renumbered(totals, services, used),
        table.spans.compress(some, axis=1),
        _renumbered(buckets, services, used),
        table.width_us,
    )


def _renumbered(cells: Cells, services: Ints | None, masks: Ints) -> Cells:
    keys = cells.keys.copy()
    if services is not None:
        keys[0] = np.searchsorted(services, keys[0])
    keys[2] = np.searchsorted(masks, keys[2])
    return Cells(keys, cells.counts)


def respanned(table: PatternTable) -> PatternTable:
    """First and last of each key narrowed to the buckets it still has."""
    grouping = group(table.buckets.keys[:3])
    spans = np.repeat(np.array(NEVER)[:, None], len(table.totals), axis=1)
    rows = rows_of(grouping.keys, table.totals.keys)
    starts = table.buckets.keys[3]  # ascending within each key
    if len(rows):
        ends = np.append(grouping.starts[1:], len(starts)) - 1
        spans[0, rows] = np.maximum(starts[grouping.starts], table.spans[0, rows])
        spans[1, rows] = np.minimum(starts[ends] + table.width_us - 1, table.spans[1, rows])
    return replace(table, spans=spans)


def rows_of(keys: Ints, within: Ints) -> Ints:
    """The row of `within` (sorted) that holds each (service, level, mask) of `keys`; each must be there."""
    both = np.concatenate((within[:3], keys[:3]), axis=1)
    order = np.lexsort(both[::-1])
    fresh = np.concatenate(([True], (both[:, order[1:]] != both[:, order[:-1]]).any(axis=0)))
    number = np.empty(both.shape[1], np.int64)
    number[order] = np.cumsum(fresh) - 1
    return number[within.shape[1] :]


def of_keys(table: PatternTable, services: npt.NDArray[np.bool_], levels: npt.NDArray[np.bool_]) -> PatternTable:
    """The part with these services and levels, each given by whether it is wanted."""
    totals, buckets = (services[cells.keys[0]] & levels[cells.keys[1]] for cells in (table.totals, table.buckets))
    left = table.totals.take(totals), table.spans.compress(totals, axis=1), table.buckets.take(buckets)
    return compact(replace(table, totals=left[0], spans=left[1], buckets=left[2]))


def between(table: PatternTable, start_us: int, stop_us: int) -> PatternTable | None:
    """The part with times in [start, stop); None where a bucket holds events on both sides of an end."""
    keys = table.buckets.keys
    first, last = table.spans[:, rows_of(keys, table.totals.keys)]
    low, high = np.maximum(keys[3], first), np.minimum(keys[3] + table.width_us - 1, last)
    inside = (low >= start_us) & (high < stop_us)
    if not (inside | (high < start_us) | (low >= stop_us)).all():
        return None
    buckets = table.buckets.take(inside)
    grouping = group(buckets.keys[:3])
    events = grouping.sum(buckets.counts)[0]
    spans = table.spans[:, rows_of(grouping.keys, table.totals.keys)]
    totals = Cells(grouping.keys, np.stack((events, events)))
    return compact(respanned(replace(table, totals=totals, spans=spans, buckets=buckets)))

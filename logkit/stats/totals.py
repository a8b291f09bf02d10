"""The tables statistics consist of, and the three things done to them: merge, subtract, select."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from logkit import schema
from logkit.errors import SettingError
from logkit.formats import kernels
from logkit.stats import patterns
from logkit.stats.groups import Cells, Ints, gather, group
from logkit.stats.ladder import NEVER, TIME_STOP_US, WIDTHS_US, coarsen, width_for
from logkit.stats.patterns import PatternTable

OTHER: Final = "(other)"
"""The service that events of services beyond `max_services` are counted under."""

NO_LEVEL: Final = "none"
"""What a record without a level is filed under."""

LEVEL_NAMES: Final = (NO_LEVEL, *schema.LEVELS)
"""Names of the level codes 0, 1, 2 … in the tables."""

ERROR_CODE: Final = 1 + schema.ERROR_RANK
WARN_CODE: Final = 1 + schema.LEVELS.index("WARN")

_CELLS: Final = 8  # places for a row each, up to which adding up in place is cheaper than sorting


@dataclass(frozen=True, slots=True)
class Limits:
    """How far statistics may grow; what is beyond is summed up coarser, never lost.

    `max_services` services are kept apart (those with the smallest hash of their name), the others become
    `OTHER`. At most `max_buckets` time buckets are occupied by events, `max_latency_buckets` by durations.
    Each bucket has at most a row per service kept and level, for durations one per bin of the sketch.
    Of masked messages that begin alike `max_alike` are kept apart, and so `max_beginnings` of such beginnings
    (`patterns.keep`); they occupy at most `max_pattern_buckets`.
    """

    max_services: int = 1000
    max_buckets: int = 4096
    max_latency_buckets: int = 256
    max_beginnings: int = 500
    max_alike: int = 200
    max_pattern_buckets: int = 64

    def __post_init__(self) -> None:
        for setting in self.__slots__:
            value = getattr(self, setting)
            if value < 1:
                raise SettingError(f"expected {setting} of 1 or more, found {value}", setting=setting, value=value)


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """Counts as long tables; services are indices into `names`, levels into `LEVEL_NAMES`, times µs since 1970.

    `names` is sorted and holds the services that occur, no others.
    """

    names: tuple[str, ...]
    totals: Cells
    """(service, level) -> events, events with a time, rejects."""
    spans: npt.NDArray[np.int64]
    """Per row of `totals` the first and the last time, `NEVER` where there is none; shape (2, rows)."""
    buckets: Cells
    """(service, level, bucket) -> events, rejects; only events with a time."""
    bins: Cells
    """(service, level, bucket, bin) -> events with a duration; bucket -1 where they have no time."""
    width_us: int
    bin_width_us: int
    patterns: PatternTable | None = None
    """Counts per masked message, None where they are not known."""

    def __post_init__(self) -> None:
        self.spans.flags.writeable = False

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tables):
            return NotImplemented
        return (
            self.names == other.names
            and (self.width_us, self.bin_width_us) == (other.width_us, other.bin_width_us)
            and self.totals == other.totals
            and np.array_equal(self.spans, other.spans)
            and self.buckets == other.buckets
            and self.bins == other.bins
            and self.patterns == other.patterns
        )


def _cells(columns: int, counts: int) -> Cells:
    return Cells(np.zeros((columns, 0), np.int64), np.zeros((counts, 0), np.int64))


EMPTY: Final = Tables(
    (), _cells(2, 3), np.zeros((2, 0), np.int64), _cells(3, 2), _cells(4, 1), WIDTHS_US[0], WIDTHS_US[0]
)
"""Nothing counted: the neutral element of `merge`."""


def keep(names: Collection[str], limits: Limits) -> tuple[tuple[str, ...], dict[str, int]]:
    """The services kept apart, sorted, and for each of `names` the index it is counted under.

    Which are kept depends on the whole set alone: a name among the smallest hashes of a union is among
    those of every part that has it, so folding early and folding late keep the same.
    """
    kept = set(names) - {OTHER}
    if len(kept) > limits.max_services:
        kept = set(sorted(kept, key=_stable_hash)[: limits.max_services])
    ordered = sorted(kept if kept.issuperset(names) else kept | {OTHER})
    index = {name: position for position, name in enumerate(ordered)}
    return tuple(ordered), {name: index[name if name in kept else OTHER] for name in names}


def _stable_hash(name: str) -> tuple[bytes, str]:
    # Not hash(): that one differs between processes. The name settles the collision nobody will see.
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), name


def merge(parts: Sequence[Tables], limits: Limits) -> Tables:
    """The sum of all parts: exact, whatever their order and grouping."""
    if len(parts) == 1:
        return parts[0]
    names, index = keep({name for part in parts for name in part.names}, limits)
    lookups = [np.array([index[name] for name in part.names], np.int64) for part in parts]

    totals = _joined([part.totals for part in parts], lookups)
    grouping = group(totals.keys)
    spans = np.concatenate([part.spans for part in parts], axis=1)
    spans[1] *= -1
    spans = grouping.min(spans)
    spans[1] *= -1

    buckets, bins = [part.buckets for part in parts], [part.bins for part in parts]
    width = width_for(_times(buckets), max(part.width_us for part in parts), limits.max_buckets)
    bin_width = width_for(_times(bins), max(part.bin_width_us for part in parts), limits.max_latency_buckets)
    return Tables(
        names,
        Cells(grouping.keys, grouping.sum(totals.counts)),
        spans,
        _coarsened(_joined(buckets, lookups), width),
        _summed(bins, lookups, bin_width),
        width,
        bin_width,
        _merged_patterns(parts, lookups, limits),
    )


def _merged_patterns(parts: Sequence[Tables], lookups: list[Ints], limits: Limits) -> PatternTable | None:
    """Those of the parts that know them: `Stats.has_patterns` compares their sum with all events."""
    known = [(part.patterns, names) for part, names in zip(parts, lookups, strict=True) if part.patterns is not None]
    return patterns.merge(known, limits.max_beginnings, limits.max_alike, limits.max_pattern_buckets) if known else None


def _times(parts: list[Cells]) -> Ints:
    """Every bucket of the parts' rows once or more often: neighbours mostly share theirs."""
    found = []
    for part in parts:
        times = part.keys[2]
        fresh = times[np.flatnonzero(times[1:] != times[:-1]) + 1]
        found += [times[:1], fresh]
    together = np.concatenate(found)
    return together[together >= 0]


def _summed(parts: list[Cells], lookups: list[Ints], width_us: int) -> Cells:
    """All rows of all parts, their services renumbered and their times coarsened, those of equal keys summed."""
    some = [(part.keys, part.counts, lookup) for part, lookup in zip(parts, lookups, strict=True) if len(part)]
    if kernels.compiled and some:
        piled = kernels.pile(some, width_us, _CELLS * sum(len(part) for part in parts))
        if piled is not None:
            return Cells(*piled)
    return _coarsened(_joined(parts, lookups), width_us)


def _joined(parts: list[Cells], lookups: list[Ints]) -> Cells:
    """All rows of all parts, their services renumbered by the part's lookup."""
    keys = np.concatenate([part.keys for part in parts], axis=1)
    counts = np.concatenate([part.counts for part in parts], axis=1)
    if keys.shape[1]:
        first_name = np.cumsum([0, *map(len, lookups[:-1])])
        keys[0] = np.concatenate(lookups)[keys[0] + np.repeat(first_name, [len(part) for part in parts])]
    return Cells(keys, counts)


def _coarsened(cells: Cells, width_us: int) -> Cells:
    keys = cells.keys.copy()
    keys[2] = coarsen(keys[2], width_us)
    return gather(Cells(keys, cells.counts))


def subtract(left: Tables, right: Tables, limits: Limits) -> Tables:
    """What `left` counted and `right` did not; ValueError where `right` is not contained in `left`."""
    minus = replace(
        right,
        totals=Cells(right.totals.keys, -right.totals.counts),
        buckets=Cells(right.buckets.keys, -right.buckets.counts),
        bins=Cells(right.bins.keys, -right.bins.counts),
        patterns=None if right.patterns is None else patterns.negative(right.patterns),
    )
    if left.patterns is None:
        minus = replace(minus, patterns=None)
    rest = merge((left, minus), limits)
    events = rest.totals.counts[0]
    some_cells = [rest.totals, rest.buckets, rest.bins]
    if rest.patterns is not None:
        some_cells += [rest.patterns.totals, rest.patterns.buckets]
    least = min(int(cells.counts.min(initial=0)) for cells in some_cells)
    if least < 0 or (rest.totals.counts > events).any():
        raise ValueError(
            f"expected statistics that contain the subtracted ones, found a count of {least}; "
            "try the later minus the earlier"
        )
    some = events > 0
    buckets = rest.buckets.take(rest.buckets.counts[0] > 0)
    bins = rest.bins.take(rest.bins.counts[0] > 0)
    counted = None if rest.patterns is None else patterns.respanned(patterns.compact(rest.patterns))
    rest = replace(rest, totals=rest.totals.take(some), spans=rest.spans[:, some], buckets=buckets, bins=bins)
    return _compact(_respanned(replace(rest, patterns=counted)))


def _respanned(tables: Tables) -> Tables:
    """First and last of each key narrowed to the buckets it still has."""
    spans = np.empty_like(tables.spans)
    spans[:] = np.array(NEVER)[:, None]
    grouping = group(tables.buckets.keys[:2])
    if len(grouping.starts):
        row = rows_of(grouping.keys, tables.totals.keys)
        starts = tables.buckets.keys[2]  # ascending within each key
        ends = np.append(grouping.starts[1:], len(starts)) - 1
        spans[0, row] = np.maximum(starts[grouping.starts], tables.spans[0, row])
        spans[1, row] = np.minimum(starts[ends] + tables.width_us - 1, tables.spans[1, row])
    return replace(tables, spans=spans)


def rows_of(keys: Ints, within: Ints) -> Ints:
    """The row of `within` (sorted) that holds each (service, level) of `keys`; each must be there."""
    radix = len(LEVEL_NAMES)
    rows: Ints = np.searchsorted(within[0] * radix + within[1], keys[0] * radix + keys[1])
    return rows


def _compact(tables: Tables) -> Tables:
    """The same without names that no longer occur."""
    used = np.unique(tables.totals.keys[0])
    if len(used) == len(tables.names):
        return tables
    return replace(
        tables,
        names=tuple(tables.names[service] for service in used.tolist()),
        totals=_renumbered(tables.totals, used),
        buckets=_renumbered(tables.buckets, used),
        bins=_renumbered(tables.bins, used),
        patterns=None if tables.patterns is None else patterns.compact(tables.patterns, used),
    )


def _renumbered(cells: Cells, used: Ints) -> Cells:
    keys = cells.keys.copy()
    keys[0] = np.searchsorted(used, keys[0])
    return Cells(keys, cells.counts)


def select(
    tables: Tables,
    services: Collection[str] | None,
    levels: Collection[str] | None,
    start_us: int | None,
    stop_us: int | None,
) -> Tables | None:
    """The part with these services and levels and with times in [start, stop); None where that cannot be told."""
    if services is not None and OTHER in tables.names and not set(services) <= set(tables.names):
        return None  # what is asked for may be inside of `OTHER`
    if services is not None or levels is not None:
        tables = _with_keys(tables, services, levels)
    if start_us is None and stop_us is None:
        return _compact(tables)
    start = 0 if start_us is None else start_us
    stop = TIME_STOP_US if stop_us is None else stop_us
    if tables.patterns is not None:
        tables = replace(tables, patterns=patterns.between(tables.patterns, start, stop))
    inside = _inside(tables, tables.buckets, tables.width_us, start, stop)
    bins_inside = _inside(tables, tables.bins, tables.bin_width_us, start, stop)
    if inside is None or bins_inside is None:
        return None
    return _compact(
        _of_buckets(replace(tables, buckets=tables.buckets.take(inside), bins=tables.bins.take(bins_inside)))
    )


def _with_keys(tables: Tables, services: Collection[str] | None, levels: Collection[str] | None) -> Tables:
    service_wanted = np.array([services is None or name in services for name in tables.names], np.bool_)
    level_wanted = np.array([levels is None or name in levels for name in LEVEL_NAMES], np.bool_)
    totals, buckets, bins = (
        service_wanted[cells.keys[0]] & level_wanted[cells.keys[1]]
        for cells in (tables.totals, tables.buckets, tables.bins)
    )
    counted = tables.patterns
    return replace(
        tables,
        patterns=None if counted is None else patterns.of_keys(counted, service_wanted, level_wanted),
        totals=tables.totals.take(totals),
        spans=tables.spans[:, totals],
        buckets=tables.buckets.take(buckets),
        bins=tables.bins.take(bins),
    )


def _inside(tables: Tables, cells: Cells, width_us: int, start: int, stop: int) -> npt.NDArray[np.bool_] | None:
    """Which rows lie in [start, stop), or None where a bucket that holds events straddles an end."""
    first, last = tables.spans[:, rows_of(cells.keys, tables.totals.keys)]
    low = np.maximum(cells.keys[2], first)
    high = np.minimum(cells.keys[2] + width_us - 1, last)
    untimed = cells.keys[2] < 0
    inside: npt.NDArray[np.bool_] = ~untimed & (low >= start) & (high < stop)
    outside = untimed | (high < start) | (low >= stop)
    return inside if bool((inside | outside).all()) else None


def _of_buckets(tables: Tables) -> Tables:
    """Totals and spans counted again from the buckets that are left; events without a time go."""
    grouping = group(tables.buckets.keys[:2])
    events, rejects = grouping.sum(tables.buckets.counts)
    spans = tables.spans[:, rows_of(grouping.keys, tables.totals.keys)]
    totals = Cells(grouping.keys, np.stack((events, events, rejects)))
    return _respanned(replace(tables, totals=totals, spans=spans))

"""From events to tables: the part that sees every row, and so the part that has to be fast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl

from logkit.formats import kernels
from logkit.formats.base import Facts
from logkit.stats import patterns
from logkit.stats.groups import Cells, Ints, tally
from logkit.stats.ladder import NEVER, TIME_STOP_US, WIDTHS_US, occupied, width_for
from logkit.stats.masks import Masked
from logkit.stats.patterns import PatternTable
from logkit.stats.sketch import BINS, EDGES, NEAR, bin_of, microseconds
from logkit.stats.totals import EMPTY, LEVEL_NAMES, Limits, Tables, keep

_LEVELS = len(LEVEL_NAMES)
_CODE_OF_RANK = np.array([*range(1, _LEVELS), 0], np.int64)  # `levels.NONE` is the rank behind the last


def count(events: pl.DataFrame, limits: Limits, masked: Masked | None = None) -> Tables:
    """The tables of some events; see `Stats.of` for the columns."""
    if not events.height:
        return EMPTY
    names, service = _services(events["service"], limits)
    key = service * _LEVELS + _levels(events["level"])
    times = _times(events["timestamp"])
    tables = _tables(names, key, times, _rejected(events), _durations(events), limits)
    return tables if masked is None else replace(tables, patterns=_patterns(events, masked, key, times, limits))


def count_facts(facts: Facts, limits: Limits) -> Tables:
    """As `count`, from what a format told of records that all are ok and all name a service."""
    if not len(facts):
        return EMPTY
    used = np.flatnonzero(np.bincount(facts.service, minlength=len(facts.services)))
    names, index = keep([facts.services[place] for place in used.tolist()], limits)
    lookup = np.zeros(len(facts.services), np.int64)
    lookup[used] = [index[facts.services[place]] for place in used.tolist()]
    durations = np.zeros(0) if facts.duration_ms is None else facts.duration_ms
    if kernels.compiled and (tables := _surveyed(names, lookup, facts, durations, limits)) is not None:
        return tables
    key = (lookup * _LEVELS)[facts.service] + _CODE_OF_RANK[facts.level]
    return _tables(names, key, _known(facts.us), np.zeros(0, np.int64), durations, limits)


def _surveyed(
    names: tuple[str, ...], lookup: Ints, facts: Facts, durations: npt.NDArray[np.float64], limits: Limits
) -> Tables | None:
    """As `_tables`, by kernels that go through the rows once for each table."""
    found = kernels.survey(
        facts.us, facts.level, facts.service, durations, _CODE_OF_RANK, lookup, len(names), TIME_STOP_US
    )
    if found is None:
        return None
    key, (events, timed, first, last), (low, high, soonest, latest, lasting) = found
    some = np.flatnonzero(events)
    totals = Cells(np.stack(np.divmod(some, _LEVELS)), np.stack((events, timed, np.zeros_like(events)))[:, some])
    nothing, keys = np.zeros(0), len(events)
    width = _width(facts.us, low, high, limits.max_buckets)
    buckets = kernels.occupied(key, facts.us, nothing, NEAR, EDGES, (low, high, TIME_STOP_US), width, keys, _LEVELS)
    if buckets is None:
        return None
    rejects = np.zeros_like(buckets[1])
    spans, cells = np.stack((first, last))[:, some], Cells(buckets[0], np.concatenate((buckets[1], rejects)))
    if not lasting:
        return Tables(names, totals, spans, cells, EMPTY.bins, width, EMPTY.bin_width_us)
    with_duration = facts.us if lasting == len(facts) else facts.us[durations >= 0]
    bin_width = _width(with_duration, soonest, latest, limits.max_latency_buckets)
    bins = kernels.occupied(
        key, facts.us, durations, NEAR, EDGES, (soonest, latest, TIME_STOP_US), bin_width, keys, _LEVELS
    )
    return None if bins is None else Tables(names, totals, spans, cells, Cells(*bins), width, bin_width)


def _width(times: Ints, low: int, high: int, max_buckets: int) -> int:
    """The width of the buckets of times from `low` to `high`; others among them do not count."""
    least = WIDTHS_US[0]
    if high // least - low // least < max_buckets:
        return least
    return width_for(times[(times >= low) & (times <= high)], least, max_buckets)


def _tables(
    names: tuple[str, ...], key: Ints, times: Ints, rejected: Ints, durations: npt.NDArray[np.float64], limits: Limits
) -> Tables:
    totals, spans = _totals(key, times, rejected, len(names))
    keys = len(names) * _LEVELS
    buckets, width = _buckets(key, times, rejected, keys, limits)
    bins, bin_width = _bins(key, times, durations, keys, limits)
    return Tables(names, totals, spans, buckets, bins, width, bin_width)


def _services(column: pl.Series, limits: Limits) -> tuple[tuple[str, ...], Ints]:
    """The services' names, sorted, and each row's index into them."""
    if column.null_count():
        column = column.fill_null("")
    # Categories of its own: the global ones would be shared, and locked, between threads.
    coded = column.cast(pl.Categorical(pl.Categories.random()))
    distinct = coded.unique()
    found = distinct.cast(pl.String).to_list()
    names, index = keep(found, limits)
    codes = distinct.to_physical().to_numpy()
    lookup = np.zeros(int(codes.max()) + 1, np.int64)
    lookup[codes] = [index[name] for name in found]
    return names, lookup[coded.to_physical().to_numpy()]


def _levels(column: pl.Series) -> npt.NDArray[np.uint8]:
    """Each row's code in `LEVEL_NAMES`."""
    ranks = column.to_physical()
    if not ranks.null_count():
        return ranks.to_numpy() + np.uint8(1)
    codes: npt.NDArray[np.uint8] = (ranks + 1).fill_null(0).to_numpy()
    return codes


def _times(column: pl.Series) -> Ints:
    """Each row's time in µs, -1 where it has none that counts."""
    times = column.cast(pl.Int64)
    if times.null_count():
        times = times.fill_null(-1)
    return _known(times.to_numpy())


def _known(found: Ints) -> Ints:
    """Times in µs, -1 in place of those that do not count."""
    if int(found.min()) >= -1 and int(found.max()) < TIME_STOP_US:
        return found
    return np.where((found >= 0) & (found < TIME_STOP_US), found, -1)


def _rejected(events: pl.DataFrame) -> Ints:
    """The rows that were rejected."""
    if "rejected" not in events.columns or not events["rejected"].any():
        return np.zeros(0, np.int64)
    return np.flatnonzero(events["rejected"].fill_null(False).to_numpy())


def _durations(events: pl.DataFrame) -> npt.NDArray[np.float64]:
    """Each row's duration in ms, NaN where it has none; empty where no row has one."""
    if "duration_ms" not in events.columns or events["duration_ms"].null_count() == events.height:
        return np.zeros(0)
    found: npt.NDArray[np.float64] = events["duration_ms"].cast(pl.Float64).to_numpy()
    return found


def _totals(key: Ints, times: Ints, rejected: Ints, services: int) -> tuple[Cells, Ints]:
    size = services * _LEVELS
    counts = np.zeros((3, size), np.int64)
    counts[0] = counts[1] = np.bincount(key, minlength=size)
    spans = np.empty((2, size), np.int64)
    spans[0], spans[1] = NEVER
    untimed = np.flatnonzero(times < 0)
    if len(untimed):
        counts[1] -= np.bincount(key[untimed], minlength=size)
    # For minima, "no time" must compare above every time; for maxima its -1 already compares below.
    np.minimum.at(spans[0], key, np.where(times < 0, TIME_STOP_US, times) if len(untimed) else times)
    np.maximum.at(spans[1], key, times)
    if len(rejected):
        counts[2] = np.bincount(key[rejected], minlength=size)
    found = np.flatnonzero(counts[0])
    return Cells(np.stack(np.divmod(found, _LEVELS)), counts[:, found]), spans[:, found]


def _slots(times: Ints, max_buckets: int) -> tuple[Ints, Ints, int]:
    """Each row's slot (0 = no time), the start of each slot's bucket in µs, and the buckets' width."""
    timed = times if int(times.min()) >= 0 else times[times >= 0]
    width = width_for(timed, WIDTHS_US[0], max_buckets)
    if not len(timed):
        return np.zeros(len(times), np.int64), np.array([-1]), width
    low, high = int(timed.min()) // width, int(timed.max()) // width
    if high - low < 2 * max_buckets:
        slots = np.maximum(times // width - (low - 1), 0)
        return slots, np.concatenate(([-1], np.arange(low, high + 1) * width)), width
    starts = np.concatenate(([-1], occupied(timed, width)))
    return np.searchsorted(starts, times, side="right") - 1, starts, width


def _buckets(key: Ints, times: Ints, rejected: Ints, keys: int, limits: Limits) -> tuple[Cells, int]:
    slots, starts, width = _slots(times, limits.max_buckets)
    codes = key * len(starts) + slots
    found, counts = tally(codes, keys * len(starts))
    rejects = np.zeros(len(found), np.int64)
    if len(rejected):
        rejects = np.bincount(np.searchsorted(found, codes[rejected]), minlength=len(found))
    key, slot = np.divmod(found, len(starts))
    cells = Cells(np.stack((*np.divmod(key, _LEVELS), starts[slot])), np.stack((counts, rejects)))
    return cells.take(slot > 0), width


def _bins(key: Ints, times: Ints, durations: npt.NDArray[np.float64], keys: int, limits: Limits) -> tuple[Cells, int]:
    rows = np.flatnonzero(durations >= 0)  # neither negative nor NaN
    if not len(rows):
        return EMPTY.bins, EMPTY.bin_width_us
    if len(rows) < len(key):
        key, times, durations = key[rows], times[rows], durations[rows]
    slots, starts, width = _slots(times, limits.max_latency_buckets)
    codes = (key * len(starts) + slots) * BINS + bin_of(microseconds(durations))
    found, counts = tally(codes, keys * len(starts) * BINS)
    rest, bins = np.divmod(found, BINS)
    key, slot = np.divmod(rest, len(starts))
    return Cells(np.stack((*np.divmod(key, _LEVELS), starts[slot], bins)), counts[None, :]), width


def _patterns(events: pl.DataFrame, masked: Masked, key: Ints, times: Ints, limits: Limits) -> PatternTable:
    """Counts per masked message."""
    masks, counts_as = patterns.keep(masked.texts, limits.max_beginnings, limits.max_alike)
    index = {text: position for position, text in enumerate(masks)}
    codes = np.array([index[counts_as[text]] for text in masked.texts], np.int64)[masked.row]
    places = np.stack([events[name].cast(pl.Int64).to_numpy() for name in ("source", "generation", "offset")])
    first = patterns.first_rows(codes, places, len(masks))
    examples = tuple(text or "" for text in events["message"].gather(first).to_list())

    keys = key * len(masks) + codes
    totals, of_key = np.unique(keys, return_inverse=True)
    counts = np.stack([np.bincount(of_key, minlength=len(totals)), np.bincount(of_key, times >= 0, len(totals))])
    spans = np.empty((2, len(totals)), np.int64)
    spans[0], spans[1] = NEVER
    np.minimum.at(spans[0], of_key, np.where(times < 0, TIME_STOP_US, times))
    np.maximum.at(spans[1], of_key, times)

    slots, starts, width = _slots(times, limits.max_pattern_buckets)
    codes = of_key * len(starts) + slots
    used, events_in = tally(codes, len(totals) * len(starts))
    at, slot = np.divmod(used, len(starts))
    columns = np.stack(_unpacked(totals, len(masks)))
    buckets = Cells(np.vstack((columns[:, at], starts[slot])), events_in[None, :]).take(slot > 0)
    return PatternTable(
        masks, examples, places[:, first], Cells(columns, counts.astype(np.int64)), spans, buckets, width
    )


def _unpacked(keys: Ints, masks: int) -> tuple[Ints, Ints, Ints]:
    """Service, level and mask of a key."""
    rest, mask_at = np.divmod(keys, masks)
    service, level = np.divmod(rest, _LEVELS)
    return service, level, mask_at

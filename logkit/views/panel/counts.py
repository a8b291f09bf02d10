"""Pure: how much happened in a window, straight from the parts of a capture.

A panel looks twice a second, so it does not add up all statistics each time: of every part it keeps what lies in the
window, as long as both stay the same, and between two looks only a few parts are new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Final

import numpy as np

from logkit.stats import Stats
from logkit.stats.groups import Cells, Ints, gather
from logkit.stats.sketch import quantile_rows, value_of
from logkit.stats.totals import ERROR_CODE, LEVEL_NAMES

if TYPE_CHECKING:
    import numpy.typing as npt

LEVELS: Final = len(LEVEL_NAMES)
ERROR: Final = ERROR_CODE
_FINEST: Final = (1, 5, 10, 30, 60, 300, 900, 1800, 3600, 10_800, 21_600, 43_200, 86_400)
_MOST_BUCKETS: Final = 100
_MOST_BINS: Final = 8
_MANY: Final = 4096  # fewer rows are looked through sooner than added up
_FUTURE_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Window:
    """Time buckets side by side: `[start_us, stop_us)` in steps of `width_us`, all µs since 1970 and whole steps."""

    start_us: int
    stop_us: int
    width_us: int

    @property
    def buckets(self) -> int:
        return (self.stop_us - self.start_us) // self.width_us

    @property
    def starts(self) -> npt.NDArray[np.datetime64]:
        """Where each bucket begins, as `datetime64[us]` in UTC."""
        return np.arange(self.start_us, self.stop_us, self.width_us).astype("datetime64[us]")


def window_of(parts: Sequence[Stats], length_us: int | None, now_us: int) -> Window | None:
    """The last `length_us` before the newest event, all of time for None; None where no event has a time.

    A single event dated more than a day after `now_us` does not count as the newest: a wrong year must not
    empty the panel. At most about 100 buckets, of a width that the statistics can tell apart.
    """
    spans = [part.tables.spans for part in parts if part.tables.spans.shape[1]]
    if not spans:
        return None
    first, last = np.concatenate(spans, axis=1)
    last = last[last >= 0]
    if not len(last):
        return None
    newest = int(last.max())
    if newest > now_us + _FUTURE_US:
        starts = np.concatenate([part.tables.buckets.keys[2] for part in parts])
        present = starts[starts <= now_us + _FUTURE_US]
        newest = int(present.max()) if len(present) else newest
    oldest = min(int(first.min()), newest)
    finest = max(part.width_us for part in parts)
    width = _width(length_us or max(newest - oldest, 1), finest)
    stop = (newest // width + 1) * width
    start = oldest // width * width if length_us is None else stop - max(1, -(-length_us // width)) * width
    return Window(start, stop, width)


def _width(length_us: int, finest_us: int) -> int:
    for seconds in _FINEST:
        width = seconds * 1_000_000
        if width % finest_us == 0 and length_us <= _MOST_BUCKETS * width:
            return width
    widest = np.lcm(finest_us, _FINEST[-1] * 1_000_000)
    return int(widest * max(1, -(-length_us // (_MOST_BUCKETS * widest))))


@dataclass(frozen=True, slots=True, eq=False)
class Durations:
    """`rows` (service, level, bin, events); `places` says which service of all theirs are."""

    rows: Ints
    places: Ints

    def of(self, services: npt.NDArray[np.bool_], levels: npt.NDArray[np.bool_]) -> Ints:
        """The rows of these services and levels, with services numbered alike."""
        chosen = self.rows.compress(services[self.places][self.rows[0]] & levels[self.rows[1]], axis=1)
        chosen[0] = self.places[chosen[0]]
        return chosen


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """What happened in a window; services are sorted by name, levels as in `LEVEL_NAMES`."""

    names: tuple[str, ...]
    window: Window | None
    cells: Ints
    """Events with a time, of shape (services, levels, buckets)."""
    totals: Ints
    """All events ever, those without a time too, of shape (services, levels)."""
    rejects: int
    """All records ever that their file's format could not read."""
    last_us: Ints
    """Per service the time of its newest event, -1 where none has a time."""
    bins: tuple[Durations, ...]
    """Events with a duration in the window, in no order: they are many, and only some services' are asked for."""

    def quantile_ms(
        self, q: float, services: npt.NDArray[np.bool_], levels: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.float64]:
        """Per service the duration at `q` (0 … 1) of its events of these levels in the window.

        NaN where there is none, and for other services than these.
        """
        found = np.full(len(self.names), np.nan)
        rows = [one.of(services, levels) for one in self.bins]
        if not rows:
            return found
        chosen = np.concatenate(rows, axis=1)
        cells = gather(Cells(chosen[[0, 2]], chosen[3:]))
        if len(cells):
            service, counts = cells.keys[0], cells.counts[0]
            starts = np.flatnonzero(np.append(True, service[1:] != service[:-1]))
            found[service[starts]] = value_of(cells.keys[1, quantile_rows(counts, starts, q)]) / 1000
        return found


@dataclass(frozen=True, slots=True, eq=False)
class _Slice:
    """What one or more parts hold of a window; services are indices into `names`."""

    names: tuple[str, ...]
    cells: Ints
    """Rows (service, level, bucket, events)."""
    bins: tuple[Durations, ...]
    totals: Ints
    """Rows (service, level, events, rejects) of all time."""
    last_us: Ints
    """Per service, -1 where none of its events has a time."""


class Counter:
    """Counts windows of captures that follow each other. Not for two threads at once."""

    def __init__(self) -> None:
        self._parts: tuple[Stats, ...] = ()
        self._sum = _nothing(None)  # of the first `_summed` parts
        self._summed = 0
        self._slices: dict[int, tuple[Stats, _Slice]] = {}

    def count(self, parts: Sequence[Stats], window: Window | None) -> Counts:
        """How much of all parts lies in the window."""
        parts = tuple(parts)
        # What stayed the same since the last look is likely to stay: it is added up once.
        same = sum(1 for _ in takewhile(lambda pair: pair[0] is pair[1], zip(self._parts, parts, strict=False)))
        self._parts = parts
        if window != self._sum.window:
            self._slices = {}
        if window != self._sum.window or same < self._summed:
            self._sum, self._summed = _nothing(window), 0
        slices = self._sliced(parts[self._summed :], window)
        known = same - self._summed
        self._sum, self._summed = _plus(self._sum, slices[:known]), same
        return _plus(self._sum, slices[known:])

    def _sliced(self, parts: Sequence[Stats], window: Window | None) -> list[_Slice]:
        """What each part holds of the window, looked up again only where it was not there the last time."""
        known = self._slices
        # A part is kept beside its slice, so that no other one can have the same id meanwhile.
        self._slices = {id(part): known.get(id(part)) or (part, _slice(part, window)) for part in parts}
        return [self._slices[id(part)][1] for part in parts]


_NO_ROWS: Final = np.zeros((4, 0), np.int64)


def _nothing(window: Window | None) -> Counts:
    cells = np.zeros((0, LEVELS, window.buckets if window else 0), np.int64)
    return Counts((), window, cells, cells.sum(axis=2), 0, cells.sum(axis=(1, 2)), ())


def _slice(part: Stats, window: Window | None) -> _Slice:
    tables = part.tables
    last = np.full(len(tables.names), -1)
    np.maximum.at(last, tables.totals.keys[0], tables.spans[1])
    totals = np.concatenate((tables.totals.keys, tables.totals.counts[[0, 2]]))
    if window is None:
        return _Slice(tables.names, _NO_ROWS, (), totals, last)
    buckets, bins = tables.buckets, tables.bins
    inside = (buckets.keys[2] >= window.start_us) & (buckets.keys[2] < window.stop_us)
    cells = _compressed((*buckets.keys, buckets.counts[0]), inside)
    cells[2] = (cells[2] - window.start_us) // window.width_us
    # Durations are known by wider buckets: those count that begin in the window, or reach into it.
    low = window.start_us // part.bin_width_us * part.bin_width_us
    inside = (bins.keys[2] >= low) & (bins.keys[2] < window.stop_us)
    durations = _compressed((bins.keys[0], bins.keys[1], bins.keys[3], bins.counts[0]), inside)
    if durations.shape[1] > _MANY:
        durations = _summed(durations)
    found = (Durations(durations, np.arange(len(tables.names))),) if durations.size else ()
    return _Slice(tables.names, cells, found, totals, last)


def _compressed(columns: Sequence[Ints], inside: npt.NDArray[np.bool_]) -> Ints:
    count = np.count_nonzero(inside)
    rows = np.empty((len(columns), count), np.int64)
    for row, column in zip(rows, columns, strict=True):
        row[:] = column if count == len(inside) else column[inside]
    return rows


def _plus(counts: Counts, slices: Sequence[_Slice]) -> Counts:
    """With these counted too; `counts` stays as it is."""
    slices = [one for one in slices if one.names]
    if not slices:
        return counts
    names = tuple(sorted(set(counts.names).union(*(one.names for one in slices))))
    index, all_of_them = {name: at for at, name in enumerate(names)}, np.arange(len(names))

    def places_of(some: tuple[str, ...]) -> Ints:
        return all_of_them if some == names else np.array([index[name] for name in some], np.int64)

    before, maps = places_of(counts.names), [places_of(one.names) for one in slices]
    last = np.full(len(names), -1)
    last[before] = counts.last_us
    for one, places in zip(slices, maps, strict=True):
        last[places] = np.maximum(last[places], one.last_us)
    totals = _renumbered([one.totals for one in slices], maps)
    # A part's durations are one at most, and numbered as its services are.
    timed = [(one.bins[0].rows, places) for one, places in zip(slices, maps, strict=True) if one.bins]
    fresh = (Durations(_renumbered(*map(list, zip(*timed, strict=True))), all_of_them),) if timed else ()
    kept = tuple(Durations(one.rows, before[one.places]) for one in counts.bins)
    return Counts(
        names=names,
        window=counts.window,
        cells=_added(counts.cells, before, _renumbered([one.cells for one in slices], maps), len(names)),
        totals=_added(counts.totals, before, totals[:3], len(names)),
        rejects=counts.rejects + int(totals[3].sum()),
        last_us=last,
        bins=_fewer((*kept, *fresh), len(names)),
    )


def _fewer(bins: tuple[Durations, ...], services: int) -> tuple[Durations, ...]:
    """Two once they are too many: those that hold many rows are not added up again for the sake of a few."""
    if len(bins) <= _MOST_BINS:
        return bins
    sizes = [one.rows.shape[1] for one in bins]
    largest = sizes.index(max(sizes))
    kept = () if 2 * sum(sizes) >= 3 * sizes[largest] else (bins[largest],)
    rest = [one for at, one in enumerate(bins) if at != largest or not kept]
    rows = _renumbered([one.rows for one in rest], [one.places for one in rest])
    return (*kept, Durations(_summed(rows), np.arange(services)))


def _renumbered(rows: list[Ints], maps: list[Ints]) -> Ints:
    """All rows of all parts, with services numbered alike."""
    joined = np.concatenate(rows, axis=1)
    at = 0
    for one, places in zip(rows, maps, strict=True):
        joined[0, at : at + one.shape[1]] = places[one[0]]
        at += one.shape[1]
    return joined


def _summed(rows: Ints) -> Ints:
    """Rows of equal keys added up; the last column is the count."""
    cells = gather(Cells(rows[:-1], rows[-1:]))
    return np.concatenate((cells.keys, cells.counts))


def _added(dense: Ints, places: Ints, rows: Ints, services: int) -> Ints:
    """The counts, with services at these places, and the rows of keys with a count in the last column beside them."""
    shape = (services, *dense.shape[1:])
    added = np.zeros(shape, np.int64)
    added[places] = dense
    np.add.at(added.reshape(-1), np.ravel_multi_index(tuple(rows[:-1]), shape), rows[-1])
    return added

"""Pure: how much happened in a window, straight from the parts of a capture.

A panel looks twice a second, so it does not add up all statistics each time: of every part it keeps what lies in the
window, as long as both stay the same, and between two looks only a few parts are new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from logkit.stats import Stats
from logkit.stats.groups import Cells, Ints, gather
from logkit.stats.sketch import quantile_rows, value_of
from logkit.stats.totals import ERROR_CODE, LEVEL_NAMES, OTHER

if TYPE_CHECKING:
    import numpy.typing as npt

LEVELS: Final = len(LEVEL_NAMES)
ERROR: Final = ERROR_CODE
_FINEST: Final = (1, 5, 10, 30, 60, 300, 900, 1800, 3600, 10_800, 21_600, 43_200, 86_400)
_MOST_BUCKETS: Final = 100
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
    present = last[last <= now_us + _FUTURE_US]
    newest = int(present.max() if len(present) else last.max())
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
    bins: Cells
    """(service, level, bin) -> events with a duration in the window."""

    def quantile_ms(self, q: float, levels: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        """Per service the duration at `q` (0 … 1) of events of these levels in the window, NaN where there is none."""
        found = np.full(len(self.names), np.nan)
        chosen = self.bins.take(levels[self.bins.keys[1]])
        cells = gather(Cells(chosen.keys[[0, 2]], chosen.counts))
        if len(cells):
            service, counts = cells.keys[0], cells.counts[0]
            starts = np.flatnonzero(np.append(True, service[1:] != service[:-1]))
            found[service[starts]] = value_of(cells.keys[1, quantile_rows(counts, starts, q)]) / 1000
        return found


@dataclass(frozen=True, slots=True, eq=False)
class _Slice:
    """What one part holds of a window, its services numbered as in the part."""

    part: Stats
    cells: Ints
    """Rows (service, level, bucket, events)."""
    bins: Ints
    """Rows (service, level, bin, events)."""


class Counter:
    """Counts windows of captures that follow each other. Not for two threads at once."""

    def __init__(self) -> None:
        self._window: Window | None = None
        self._slices: dict[int, _Slice] = {}

    def count(self, parts: Sequence[Stats], window: Window | None) -> Counts:
        """How much of all parts lies in the window."""
        if window != self._window:
            self._window, self._slices = window, {}
        # A slice keeps its part alive, so that no other part can have the same id meanwhile.
        kept = self._slices
        slices = [kept[id(part)] if id(part) in kept else _slice(part, window) for part in parts]
        self._slices = {id(one.part): one for one in slices}
        return _sum(slices, window)


def _slice(part: Stats, window: Window | None) -> _Slice:
    buckets, bins = part.tables.buckets, part.tables.bins
    if window is None:
        return _Slice(part, np.zeros((4, 0), np.int64), np.zeros((4, 0), np.int64))
    inside = (buckets.keys[2] >= window.start_us) & (buckets.keys[2] < window.stop_us)
    service, level, time = buckets.keys.compress(inside, axis=1)
    at = (time - window.start_us) // window.width_us
    cells = gather(Cells(np.stack((service, level, at)), buckets.counts[:1].compress(inside, axis=1)))
    # Durations are known by wider buckets: those count that begin in the window, or reach into it.
    low = window.start_us // part.bin_width_us * part.bin_width_us
    inside = (bins.keys[2] >= low) & (bins.keys[2] < window.stop_us)
    found = gather(Cells(bins.keys[[0, 1, 3]].compress(inside, axis=1), bins.counts.compress(inside, axis=1)))
    return _Slice(part, np.concatenate((cells.keys, cells.counts)), np.concatenate((found.keys, found.counts)))


def _sum(slices: Sequence[_Slice], window: Window | None) -> Counts:
    names = tuple(sorted({name for one in slices for name in one.part.tables.names}))
    index = {name: at for at, name in enumerate(names)}
    maps = [np.array([index[name] for name in one.part.tables.names], np.int64) for one in slices]
    buckets = window.buckets if window else 0

    cells = _renumbered([one.cells for one in slices], maps)
    bins = _renumbered([one.bins for one in slices], maps)
    totals = _renumbered(
        [np.concatenate((one.part.tables.totals.keys, one.part.tables.totals.counts[[0, 2]])) for one in slices], maps
    )
    last = np.full(len(names), -1)
    for one, names_of in zip(slices, maps, strict=True):
        np.maximum.at(last, names_of[one.part.tables.totals.keys[0]], one.part.tables.spans[1])
    return Counts(
        names=names,
        window=window,
        cells=_dense(cells, (len(names), LEVELS, buckets)),
        totals=_dense(totals[[0, 1, 2]], (len(names), LEVELS)),
        rejects=int(totals[3].sum()),
        last_us=last,
        bins=Cells(bins[:3], bins[3:]),
    )


def _renumbered(rows: list[Ints], maps: list[Ints]) -> Ints:
    """All rows of all parts, with services numbered alike."""
    if not rows:
        return np.zeros((4, 0), np.int64)
    joined = np.concatenate(rows, axis=1)
    if joined.shape[1]:
        first_name = np.cumsum([0, *map(len, maps[:-1])])
        joined[0] = np.concatenate(maps)[joined[0] + np.repeat(first_name, [one.shape[1] for one in rows])]
    return joined


def _dense(rows: Ints, shape: tuple[int, ...]) -> Ints:
    """Rows of keys with a count in the last column as an array of that shape."""
    flat = np.zeros(int(np.prod(shape)), np.int64)
    if rows.shape[1]:
        np.add.at(flat, np.ravel_multi_index(tuple(rows[:-1]), shape), rows[-1])
    return flat.reshape(shape)


def is_other(name: str) -> bool:
    """Whether a service is what services beyond the limit are summed up as."""
    return name == OTHER

"""Pure: the timeline of a window and its services, the worst first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from logkit import schema
from logkit.stats import NO_LEVEL
from logkit.views.panel.counts import ERROR, Counts, Window
from logkit.views.style import LEVEL_COLOURS, REST_COLOUR, SERIES_COLOURS

if TYPE_CHECKING:
    import numpy.typing as npt

    from logkit.views.panel.moment import Wanted

MAX_SERVICES: Final = 12
"""How many services are shown; of the others only the number is."""

MAX_BARS: Final = 40
"""How many bars a sparkline has."""


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """A stacked timeline, bottom layer first: `heights` has the shape (layers, buckets)."""

    window: Window
    names: tuple[str, ...]
    colours: tuple[str, ...]
    heights: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """A service in the window; times in µs since 1970. `silent_us`: how long it has said nothing, if that is odd."""

    name: str
    events: int
    errors: int
    per_second: float
    p95_ms: float | None
    last_us: int | None
    silent_us: int | None
    spark: tuple[int, ...]
    spark_errors: tuple[int, ...]

    @property
    def error_rate(self) -> float:
        return self.errors / self.events if self.events else 0.0


def wanted_services(names: Sequence[str], asked: str) -> npt.NDArray[np.bool_]:
    """Which services the text of the control asks for: those with one of its parts in their name."""
    needles = [part.strip().casefold() for part in asked.split(",") if part.strip()]
    if not needles:
        return np.ones(len(names), np.bool_)
    return np.array([any(part in name.casefold() for part in needles) for name in names], np.bool_)


def wanted_levels(min_level: str | None) -> npt.NDArray[np.bool_]:
    """Which levels count, in the order of `LEVEL_NAMES`: all, or those from `min_level` up."""
    if min_level is None:
        return np.ones(1 + len(schema.LEVELS), np.bool_)
    rank = schema.LEVELS.index(min_level)
    return np.array([False, *(at >= rank for at in range(len(schema.LEVELS)))], np.bool_)


def chart(counts: Counts, wanted: Wanted) -> Chart | None:
    """The stacked timeline; by level the severe ones at the bottom, by service the busiest."""
    if counts.window is None:
        return None
    services, levels = wanted_services(counts.names, wanted.services), wanted_levels(wanted.min_level)
    cells = counts.cells if services.all() else counts.cells[services]
    cells = cells if levels.all() else cells[:, levels]
    if wanted.by == "service":
        return _by_service(counts, wanted, cells.sum(axis=1))
    heights = dict(zip(_level_names(wanted.min_level), cells.sum(axis=0), strict=True))
    names = tuple(name for name in reversed(LEVEL_COLOURS) if name in heights and heights[name].any())
    layers = np.array([heights[name] for name in names], np.int64).reshape(len(names), counts.window.buckets)
    return Chart(counts.window, names, tuple(LEVEL_COLOURS[name] for name in names), layers)


def _level_names(min_level: str | None) -> list[str]:
    chosen = wanted_levels(min_level)
    return [name for name, has in zip((NO_LEVEL, *schema.LEVELS), chosen, strict=True) if has]


def _by_service(counts: Counts, wanted: Wanted, heights: npt.NDArray[np.int64]) -> Chart:
    assert counts.window is not None
    chosen = wanted_services(counts.names, wanted.services)
    names = [name for name, has in zip(counts.names, chosen, strict=True) if has]
    order = [int(at) for at in np.argsort(-heights.sum(axis=1), kind="stable") if heights[at].any()]
    own = order if len(order) <= len(SERIES_COLOURS) else order[: len(SERIES_COLOURS) - 1]
    layers, shown = [heights[at] for at in own], [names[at] for at in own]
    colours = list(SERIES_COLOURS[: len(own)])
    if len(own) < len(order):
        layers.append(heights[order[len(own) :]].sum(axis=0))
        shown.append(f"{len(order) - len(own):,} others")
        colours.append(REST_COLOUR)
    return Chart(
        counts.window,
        tuple(shown),
        tuple(colours),
        np.array(layers, np.int64).reshape(len(layers), counts.window.buckets),
    )


def service_rows(counts: Counts, wanted: Wanted) -> tuple[list[ServiceRow], int]:
    """The first `MAX_SERVICES` services asked for, the worst first, and how many more there are.

    Worse is more errors, then an odd silence, then more events.
    """
    levels = wanted_levels(wanted.min_level)
    errors_at = levels & (np.arange(len(levels)) >= ERROR)
    chosen = np.flatnonzero(wanted_services(counts.names, wanted.services))
    every = counts.cells.sum(axis=1)
    bars = every if levels.all() else counts.cells[:, levels].sum(axis=1)
    error_bars = counts.cells[:, errors_at].sum(axis=1)
    timed = counts.window is not None
    events = (bars.sum(axis=1) if timed else counts.totals[:, levels].sum(axis=1)).tolist()
    errors = (error_bars.sum(axis=1) if timed else counts.totals[:, errors_at].sum(axis=1)).tolist()
    silent, seconds = _silence(counts, every), _covered_seconds(counts, every)
    worst = sorted(chosen.tolist(), key=lambda at: (-errors[at], silent[at] is None, -events[at], counts.names[at]))
    shown = worst[:MAX_SERVICES]
    p95 = counts.quantile_ms(0.95, np.isin(np.arange(len(counts.names)), shown), levels)
    sparks, spark_errors = _sparks(bars[shown]), _sparks(error_bars[shown])
    rows = [
        ServiceRow(
            name=counts.names[at],
            events=events[at],
            errors=errors[at],
            per_second=events[at] / seconds,
            p95_ms=None if np.isnan(p95[at]) else float(p95[at]),
            last_us=int(counts.last_us[at]) if counts.last_us[at] >= 0 else None,
            silent_us=silent[at],
            spark=tuple(sparks[row]),
            spark_errors=tuple(spark_errors[row]),
        )
        for row, at in enumerate(shown)
    ]
    return rows, len(worst) - len(shown)


def _newest(counts: Counts) -> int:
    """The newest event of all that lies before the window's end."""
    assert counts.window is not None
    inside = counts.last_us[counts.last_us < counts.window.stop_us]
    return int(inside.max(initial=counts.window.start_us))


def _covered_seconds(counts: Counts, per_bucket: npt.NDArray[np.int64]) -> float:
    """How much of the window there are events in: from the first bucket with any to the newest event."""
    if counts.window is None:
        return 1.0
    full = np.flatnonzero(per_bucket.any(axis=0))
    first = counts.window.start_us + (int(full[0]) if len(full) else 0) * counts.window.width_us
    return max(1.0, (_newest(counts) - first) / 1e6)


def _silence(counts: Counts, per_bucket: npt.NDArray[np.int64]) -> list[int | None]:
    """For each service how long it has said nothing, in µs of the logs' own time, where that is odd.

    Odd is longer than ten times the mean pause between its events before, than a twentieth of the window, and than
    a bucket; and no service with fewer than ten events is expected to say anything.
    """
    window = counts.window
    if window is None:
        return [None] * len(counts.names)
    events, ever = per_bucket.sum(axis=1), counts.totals.sum(axis=1)
    first = window.start_us + per_bucket.astype(np.bool_).argmax(axis=1) * window.width_us
    gap = _newest(counts) - counts.last_us
    pause = np.where(events > 0, np.maximum(counts.last_us - first, 0) / np.maximum(events, 1), 0)
    odd = np.maximum(10 * pause, max((window.stop_us - window.start_us) / 20, window.width_us))
    silent = (gap > odd) & (ever >= 10) & (counts.last_us >= 0)
    return [int(us) if is_silent else None for us, is_silent in zip(gap, silent, strict=True)]


def _sparks(heights: npt.NDArray[np.int64]) -> list[list[int]]:
    """Of each row at most 40 sums of neighbours, in order."""
    rows, buckets = heights.shape
    together = max(1, -(-buckets // MAX_BARS))
    padded = np.concatenate((np.zeros((rows, -buckets % together), np.int64), heights), axis=1)
    sums: list[list[int]] = padded.reshape(rows, padded.shape[1] // together, together).sum(axis=2).tolist()
    return sums


def selected(counts: Counts, wanted: Wanted) -> tuple[int, int, int, int] | None:
    """The selection, with the events and errors of the services and levels asked for in it."""
    if wanted.selection is None or counts.window is None:
        return None
    start, stop = wanted.selection
    low = max(0, (start - counts.window.start_us) // counts.window.width_us)
    high = max(low, -(-(stop - counts.window.start_us) // counts.window.width_us))
    levels = wanted_levels(wanted.min_level)
    cells = counts.cells[wanted_services(counts.names, wanted.services)][:, :, low:high].sum(axis=(0, 2))
    return start, stop, int(cells[levels].sum()), int(cells[ERROR:].sum())

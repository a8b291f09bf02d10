"""Still pictures of a snapshot with Matplotlib: Axes in, Axes out.

Without `ax` a figure is made. In a notebook kernel that shows figures by itself it is pyplot's, so that
it appears under the cell, with all later changes to it, like any other plot there. Everywhere else it is a
plain `matplotlib.figure.Figure` that pyplot does not know: nothing pops up, nothing has to be closed;
save it with `ax.figure.savefig(…)`. From a thread always pass an `ax` of a plain figure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, cast

import numpy as np

from logkit.analysis.timeline import bucket_us
from logkit.errors import SettingError
from logkit.views.drawing import MUTED, Say, drawable, legend, marked, new_axes, nothing, quiet, shaded, time_axis
from logkit.views.style import LEVEL_COLOURS, REST_COLOUR, SERIES_COLOURS, count, duration, number, share

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes

    from logkit.snapshot import Snapshot

_MAX_BARS: Final = 20
_MAX_SERIES: Final = len(SERIES_COLOURS)
_SEPARATE_BARS: Final = 90  # with more buckets, gaps between the bars would flicker

ServiceMeasure = Literal["events", "error_rate", "p95_ms"]
"""What `plot.services` can order services by."""


class Plots:
    """The plots of one snapshot: `snap.plot.timeline()`, `snap.plot.error_rates()` …

    Each takes `ax` to draw into and returns the Axes. Times are UTC; notes made by `snap.mark` show where time is an
    axis.
    """

    __slots__ = ("_say", "_snapshot")

    def __init__(self, snapshot: Snapshot, say: Say = str) -> None:
        self._snapshot = snapshot
        self._say = say

    def __repr__(self) -> str:
        names = ", ".join(f"{name}()" for name in dir(self))
        return f"plots of a snapshot: {names}"

    def __dir__(self) -> list[str]:
        return [name for name in vars(type(self)) if not name.startswith("_")]

    def threads(self, ax: Axes | None = None, last_seconds: float | None = None) -> Axes:
        """What each thread of the engine did, a lane per thread and a colour per state, up to the snapshot."""
        from logkit.views.gantt import draw

        return draw(self._snapshot.activity(last_seconds), ax)

    def timeline(
        self,
        ax: Axes | None = None,
        by: Literal["level", "service"] | None = "level",
        width: Any = None,
        *,
        bursts: bool = False,
    ) -> Axes:
        """Events over time, stacked by level or service; `width` as in `snap.timeline`.

        The levels above INFO stand at the bottom, where changes in their number can be read. `bursts` tints the times
        of `snap.bursts()`.
        """
        frame = self._snapshot.timeline(width, by=by)
        ax = ax if ax is not None else new_axes(9.0, 3.2)
        ax.set_xlabel("time (UTC)")
        if frame.empty:
            return nothing(ax, "no events with a time")
        starts = cast("pd.DatetimeIndex", frame.index)
        width_us = bucket_us(self._snapshot.stats, width)
        names, heights, colours = _series(frame, by)
        stack(ax, starts, width_us, heights, colours)
        ax.set_ylabel(f"events per {duration(width_us)}")
        if by is not None:
            legend(ax, [self._say(name) for name in names], colours, by)
        if bursts:
            shaded(ax, _union(self._snapshot.bursts()), LEVEL_COLOURS["ERROR"])
        self._marked(ax)
        return ax

    def services(self, ax: Axes | None = None, by: ServiceMeasure = "events") -> Axes:
        """One bar per service, the highest first, at most 20; `by` is `events`, `error_rate` or `p95_ms`."""
        if by not in _MEASURES:
            raise SettingError(f"expected by= as one of {', '.join(_MEASURES)}, found {by!r}", setting="by", value=by)
        values = self._snapshot.services[by].dropna().sort_values(ascending=False, kind="stable")
        shown = values.head(_MAX_BARS)
        ax = ax if ax is not None else new_axes(7.0, 1.1 + 0.27 * max(len(shown), 3))
        title, colour, say = _MEASURES[by]
        ax.set_xlabel(title)
        if not len(shown):
            return nothing(ax, "no services" if by != "p95_ms" else "no events with a duration")
        _bars(ax, shown.rename(self._say), len(values) - len(shown), colour, say)
        _number_axis(ax, by)
        absent = len(self._snapshot.services) - len(values)
        if absent:
            ax.set_title(f"{count(absent, 'service')} without durations", loc="right", fontsize=9, color=MUTED)
        return ax

    def error_rates(self, ax: Axes | None = None, width: Any = None) -> Axes:
        """The share of errors of each service over time, as a heat map: whose trouble began first stands out.

        At most 20 services, the ones in trouble first on top; a grey cell had no events.
        """
        from logkit.views import incident_plots

        ax = incident_plots.error_rates(ax, self._snapshot, width, self._say)
        self._marked(ax)
        return ax

    def latency(self, ax: Axes | None = None, service: str | None = None) -> Axes:
        """How long things took over time, in ms: the median, and a band from there to the 95th and 99th percentile.

        Of one service, or of all events with a duration. Buckets as wide as the statistics'.
        """
        from logkit.views import incident_plots

        ax = incident_plots.latency(ax, self._snapshot, service, self._say)
        self._marked(ax)
        return ax

    def patterns(self, ax: Axes | None = None, ids: Sequence[str] | None = None, top: int = 12) -> Axes:
        """A small line over time for each message template: those of `ids` (of `snap.patterns`), or the `top` ones.

        Each has a scale of its own; its greatest bucket stands at the right.
        """
        from logkit.views import incident_plots

        ax = incident_plots.patterns(ax, self._snapshot, ids, top, self._say)
        self._marked(ax)
        return ax

    def trace(self, id: str, ax: Axes | None = None, *, deskew: bool = False) -> Axes:
        """A trace as a waterfall: an event per row in order of time, a bar where it has a duration, by service."""
        from logkit.views import incident_plots

        return incident_plots.waterfall(ax, self._snapshot.trace(id, deskew=deskew), id, self._say)

    def propagation(self, window: Any = None, ax: Axes | None = None) -> Axes:
        """How errors spread: services as dots, an arrow from who erred first to who erred next, as wide as often."""
        from logkit.views import incident_plots

        return incident_plots.spread(ax, self._snapshot.propagation(window), self._say)

    def _marked(self, ax: Axes) -> None:
        marked(ax, list(self._snapshot.capture.marks), self._say)


_MEASURES: Final = {
    "events": ("events", SERIES_COLOURS[0], lambda value: f"{value:,.0f}"),
    "error_rate": ("share of events at ERROR or above", LEVEL_COLOURS["ERROR"], share),
    "p95_ms": ("95th percentile of duration (ms)", SERIES_COLOURS[0], number),
}


def _union(bursts: pd.DataFrame) -> list[tuple[int, int]]:
    """The times of all bursts, µs since 1970, none of them twice."""
    starts, ends = (bursts[name].dt.as_unit("us").astype("int64").tolist() for name in ("start", "end"))
    found: list[tuple[int, int]] = []
    for start, end in sorted(zip(starts, ends, strict=True)):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def _series(frame: pd.DataFrame, by: str | None) -> tuple[list[str], list[np.ndarray[Any, Any]], list[str]]:
    """Names, heights and colours of the layers, bottom first."""
    if by is None:
        return ["events"], [frame.iloc[:, 0].to_numpy()], [SERIES_COLOURS[0]]
    if by == "level":
        names = [name for name in reversed(LEVEL_COLOURS) if name in frame.columns and frame[name].any()]
        return names, [frame[name].to_numpy() for name in names], [LEVEL_COLOURS[name] for name in names]
    names = list(frame.columns)
    kept = names if len(names) <= _MAX_SERIES else names[: _MAX_SERIES - 1]
    heights = [frame[name].to_numpy() for name in kept]
    colours = list(SERIES_COLOURS[: len(kept)])
    if len(kept) < len(names):
        heights.append(frame[names[len(kept) :]].to_numpy().sum(axis=1))
        kept = [*kept, f"{len(names) - len(kept):,} others"]
        colours.append(REST_COLOUR)
    return kept, heights, colours


def stack(
    ax: Axes, starts: pd.DatetimeIndex, width_us: int, heights: list[np.ndarray[Any, Any]], colours: Sequence[str]
) -> None:
    """Buckets of `width_us` that begin at `starts`, as layers on each other, bottom first, over a time axis in UTC."""
    _layers(ax, starts, width_us, heights, colours)
    _count_axes(ax, starts, width_us)


def _layers(
    ax: Axes, starts: pd.DatetimeIndex, width_us: int, heights: list[np.ndarray[Any, Any]], colours: Sequence[str]
) -> None:
    days = width_us / 86_400_000_000
    left = starts.asi8 / 86_400_000_000
    base = np.zeros(len(left))
    if len(left) <= _SEPARATE_BARS:
        for height, colour in zip(heights, colours, strict=True):
            ax.bar(left, height, days * 0.94, base, align="edge", color=colour, linewidth=0)
            base = base + height
        return
    edges = np.append(left, left[-1] + days)
    for height, colour in zip(heights, colours, strict=True):
        top = base + height
        ax.fill_between(
            edges, np.append(base, base[-1]), np.append(top, top[-1]), step="post", color=colour, linewidth=0
        )
        base = top


def _count_axes(ax: Axes, starts: pd.DatetimeIndex, width_us: int) -> None:
    from matplotlib import ticker

    first, last = int(starts.asi8[0]), int(starts.asi8[-1]) + width_us
    margin = (last - first) // 100 if len(starts) > 3 else 3 * width_us
    time_axis(ax, first - margin, last + margin)
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_locator(ticker.MaxNLocator(5, integer=True))
    ax.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))
    quiet(ax, grid="y")


def _bars(ax: Axes, values: pd.Series[Any], more: int, colour: str, say: Any) -> None:
    heights = values.to_numpy(float)
    rows = np.arange(len(heights))
    drawn = ax.barh(rows, heights, 0.72, color=colour, linewidth=0)
    ax.bar_label(drawn, [say(value) for value in heights], padding=4, fontsize=9, color=MUTED)
    names = [drawable(name, 36) for name in values.index] + ([f"and {more:,} more"] if more else [])
    ax.set_yticks(np.arange(len(names)), names, parse_math=False)
    if more:
        ax.get_yticklabels()[-1].set_color(MUTED)
    ax.set_ylim(max(len(names), 3) - 0.4, -0.6)
    ax.set_xlim(0, heights.max() * 1.15 or 1)
    quiet(ax, grid="x")
    ax.tick_params("y", length=0)


def _number_axis(ax: Axes, by: ServiceMeasure) -> None:
    from matplotlib import ticker

    whole = by == "events"
    ax.xaxis.set_major_locator(ticker.MaxNLocator(5, integer=whole))
    percent = ticker.PercentFormatter(1, symbol=" %")
    ax.xaxis.set_major_formatter(percent if by == "error_rate" else ticker.StrMethodFormatter("{x:,g}"))
